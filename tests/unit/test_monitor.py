"""The monitor's three pages over real HTTP."""

import asyncio
from datetime import UTC, datetime

import httpx
import pytest

from relay.clock import SystemClock
from relay.errors import MachineFailure
from relay.metrics import Metrics, Sample
from relay.monitor import Monitor
from relay.monitor.page import ASK_SECONDS, MAX_CONNECTIONS
from relay.quantity import HostPort
from tests.support.clock import ManualClock
from tests.unit.test_metrics import sample


class Relay:
    """Answers what a test says."""

    def __init__(self) -> None:
        self.reasons: list[str] = []
        self.failure: Exception | None = None
        self.asked = 0

    async def sample(self, lag_seconds: float) -> Sample:
        self.asked += 1
        if self.failure is not None:
            raise self.failure
        return sample(now=datetime(2026, 11, 21, tzinfo=UTC), quarantined=self.asked)

    async def unready(self) -> list[str]:
        return self.reasons


async def watched(relay: Relay, clock, story) -> None:
    monitor = Monitor(relay, Metrics(), listen=HostPort("127.0.0.1", 0), clock=clock)
    await monitor.start()
    try:
        host, port = monitor.address
        async with httpx.AsyncClient(base_url=f"http://{host}:{port}", timeout=10) as client:
            await story(client)
    finally:
        await monitor.stop()


def test_health_metrics_and_readiness():
    """The pages say what is so, with the codes that a load balancer goes by."""
    relay = Relay()

    async def story(client: httpx.AsyncClient) -> None:
        health = await client.get("/health")
        assert (health.status_code, health.json()) == (200, {"status": "alive"})
        ready = await client.get("/ready")
        assert (ready.status_code, ready.json()) == (200, {"status": "ready", "reasons": []})
        scrape = await client.get("/metrics")
        assert scrape.status_code == 200
        assert scrape.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
        assert "\ndenrei_quarantined 1.0\n" in scrape.text
        assert (await client.get("/")).status_code == 404
        assert (await client.post("/ready")).status_code == 405

    asyncio.run(watched(relay, SystemClock(), story))


def test_not_ready_is_503_with_the_reason():
    """A load balancer looks at the code, a person at the words."""
    relay = Relay()
    relay.reasons = ["the store takes no write: the disk is full"]

    async def story(client: httpx.AsyncClient) -> None:
        ready = await client.get("/ready")
        assert ready.status_code == 503
        assert ready.json() == {"status": "not ready", "reasons": relay.reasons}

    asyncio.run(watched(relay, SystemClock(), story))


def test_a_store_that_does_not_answer_is_503_and_the_next_scrape_tries_again():
    """One failure is not remembered."""
    relay = Relay()
    relay.failure = MachineFailure("the disk failed")

    async def story(client: httpx.AsyncClient) -> None:
        assert (await client.get("/metrics")).status_code == 503
        relay.failure = None
        assert (await client.get("/metrics")).status_code == 200
        assert (await client.get("/health")).status_code == 200

    asyncio.run(watched(relay, SystemClock(), story))


def test_a_burst_of_scrapes_asks_the_store_once():
    """Whoever can reach the page cannot make the store work for each question."""
    relay = Relay()

    async def story(client: httpx.AsyncClient) -> None:
        answers = await asyncio.gather(*(client.get("/metrics") for _ in range(10)))
        assert {answer.status_code for answer in answers} == {200}
        assert relay.asked == 1

    asyncio.run(watched(relay, ManualClock(), story))


def test_who_asks_nothing_is_cut_off():
    """Idle connections cannot keep a load balancer's question out for ever."""

    async def story() -> None:
        monitor = Monitor(Relay(), Metrics(), listen=HostPort("127.0.0.1", 0), clock=SystemClock())
        await monitor.start()
        try:
            idle = [await asyncio.open_connection(*monitor.address) for _ in range(MAX_CONNECTIONS + 2)]
            async with asyncio.timeout(ASK_SECONDS + 10):
                assert [await reader.read() for reader, _ in idle] == [b""] * len(idle)
            async with httpx.AsyncClient(timeout=10) as client:
                answer = await client.get("http://{}:{}/health".format(*monitor.address))
            assert answer.status_code == 200
            for _, writer in idle:
                writer.close()
        finally:
            await monitor.stop()

    asyncio.run(story())


def test_a_taken_port_is_said_at_the_start():
    """The relay does not run unwatched by accident."""

    async def story() -> None:
        first = Monitor(Relay(), Metrics(), listen=HostPort("127.0.0.1", 0), clock=SystemClock())
        await first.start()
        try:
            second = Monitor(
                Relay(), Metrics(), listen=HostPort("127.0.0.1", first.address[1]), clock=SystemClock()
            )
            with pytest.raises(MachineFailure, match="the monitor cannot listen on 127"):
                await second.start()
        finally:
            await first.stop()

    asyncio.run(story())
