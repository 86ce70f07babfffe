"""Mails that this client sends over kept connections, against aiosmtplib as it comes, in the same run.

Both send the same 2 KB mail over 20 connections to a raw sink in a process of its own that answers
everything with 250 and keeps nothing. `session` is the client alone, `engine` is the whole of delivery with
a store that only nods, which shows what queue, schedule and settling cost in CPU.
"""

import asyncio
import resource
import subprocess
import sys
import time
from collections.abc import Sequence
from datetime import datetime, timedelta

import aiosmtplib

from relay.clock import SystemClock
from relay.config import DeliveryConfig
from relay.delivery import Engine, Routes
from relay.delivery.smtp.connector import Connector
from relay.delivery.smtp.policy import HopPolicy, hop_policies
from relay.delivery.smtp.session import Address, Session
from relay.metrics import Metrics
from relay.return_address import ReturnAddress
from relay.store.query import JournalFilter
from relay.store.tail import Tailed
from relay.store.values import Delivery, DeliveryState, Due, Hold, Settlement

MAILS = 6_000
CONNECTIONS = 20
ROUNDS = 3  # alternated, best of each: the machine is noisy
CONTENT = b"Subject: bench\r\n\r\n" + b"[PACK_NO] 300000001 0123456789012345678901234567890123456789\r\n" * 34

SINK = """
import asyncio, sys
class Sink(asyncio.Protocol):
    def connection_made(self, transport):
        self.transport, self.rest, self.content = transport, b"", False
        transport.write(b"220 sink\\r\\n")
    def data_received(self, data):
        self.rest += data
        out = b""
        while True:
            if self.content:
                end = self.rest.find(b"\\r\\n.\\r\\n")
                if end < 0:
                    break
                self.rest, self.content = self.rest[end + 5:], False
                out += b"250 2.0.0 taken\\r\\n"
                continue
            line, mark, rest = self.rest.partition(b"\\r\\n")
            if not mark:
                break
            self.rest, verb = rest, line[:4].upper()
            if verb == b"EHLO":
                out += b"250-sink\\r\\n250 PIPELINING\\r\\n"
            elif verb == b"DATA":
                out += b"354 go\\r\\n"
                self.content = True
            else:
                out += b"221 bye\\r\\n" if verb == b"QUIT" else b"250 ok\\r\\n"
        self.transport.write(out)
async def main():
    server = await asyncio.get_running_loop().create_server(Sink, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
asyncio.run(main())
"""


class NoddingStore:
    """Settles at once and has nothing due: the store's own cost is measured in `storing`."""

    def __init__(self, count: int) -> None:
        self._left = count
        self.done = asyncio.Event()

    async def settle(self, settlement: Settlement) -> bool:
        """Count down."""
        assert settlement.state is DeliveryState.DELIVERED, settlement.last_reply
        self._left -= 1
        if not self._left:
            self.done.set()
        return True

    async def claim(self, **_wish: object) -> Sequence[Due]:
        """Nothing is due."""
        return ()

    async def recover(self, *, worker: str, now: datetime) -> int:
        """Nothing was left."""
        return 0

    async def extend(self, *, worker: str, until: datetime, delivery_ids: Sequence[str]) -> int:
        """Always granted."""
        return len(delivery_ids)

    async def hand_back(
        self, *, worker: str, now: datetime, delivery_ids: Sequence[str], due_at: datetime | None = None
    ) -> int:
        """Always taken."""
        return len(delivery_ids)

    async def holds(self) -> Sequence[Hold]:
        """None stand."""
        return ()

    async def hold_mark(self) -> object:
        """Never another."""
        return ()

    async def journal_tail(self, wanted: JournalFilter) -> Tailed:
        """Empty."""
        return Tailed(entries=(), after=0)

    async def journal_after(self, number: int, wanted: JournalFilter) -> Tailed:
        """Nobody does anything."""
        return Tailed(entries=(), after=number)

    async def next_due(self, *, now: datetime) -> None:
        """Never."""


async def plain_aiosmtplib(port: int) -> None:
    """The library as it comes."""
    left = iter(range(MAILS))

    async def connection() -> None:
        client = aiosmtplib.SMTP(
            hostname="127.0.0.1", port=port, start_tls=False, local_hostname="bench.example.jp"
        )
        await client.connect()
        for _ in left:
            await client.sendmail("bounce@relay.example.jp", ["orders@partner.example.jp"], CONTENT)
        await client.quit()

    await asyncio.gather(*(connection() for _ in range(CONNECTIONS)))


async def own_session(port: int) -> None:
    """Our protocol on the library's connection."""
    left = iter(range(MAILS))
    connector = Connector(hostname="bench.example.jp", timeouts=DeliveryConfig().timeouts)

    async def connection() -> None:
        session = await connector.connect(Address(host="127.0.0.1", ip="127.0.0.1", port=port), HopPolicy())
        assert isinstance(session, Session)
        for _ in left:
            await session.send(
                sender="bounce@relay.example.jp", recipient="orders@partner.example.jp", content=CONTENT
            )
        await session.quit()

    await asyncio.gather(*(connection() for _ in range(CONNECTIONS)))


async def whole_engine(port: int) -> None:
    """Queue, connections, outcomes and settlements."""
    clock = SystemClock()
    settings = DeliveryConfig.model_validate(
        {"routes": {"partner.example.jp": f"127.0.0.1:{port}"}, "memory": MAILS, "connections": CONNECTIONS}
    )
    store = NoddingStore(MAILS)
    routes = Routes(settings, hostname="bench.example.jp", clock=clock)
    engine = Engine(
        store=store,
        routes=routes,
        clock=clock,
        settings=settings,
        connector=Connector(hostname="bench.example.jp", timeouts=settings.timeouts),
        policies=hop_policies(settings, {}),
        return_address=ReturnAddress("bounce@bench.example.jp", b"k" * 32),
        worker="bench/1",
        metrics=Metrics(),
    )
    await engine.start()
    now = clock.now()
    engine.offer([_due(clock.new_id(), now) for _ in range(MAILS)])
    await store.done.wait()
    await engine.stop(5)


def _due(identifier: str, now: datetime) -> Due:
    delivery = Delivery(
        id=identifier,
        mail_id=identifier,
        recipient="orders@partner.example.jp",
        state=DeliveryState.SENDING,
        due_at=None,
        accepted_at=now,
        leased_by="bench/1",
        leased_until=now + timedelta(minutes=10),
    )
    return Due(
        delivery=delivery,
        message_id=f"<{identifier}@x>",
        content=CONTENT,
        notification_id=identifier,
        seller_id="s",
    )


def cpu_seconds() -> float:
    """What this process has used so far."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def run() -> None:
    """Print rates, CPU and ratios."""
    ways = {"aiosmtplib": plain_aiosmtplib, "session": own_session, "engine": whole_engine}
    rates = dict.fromkeys(ways, 0.0)
    costs = dict.fromkeys(ways, float("inf"))
    with subprocess.Popen(
        [sys.executable, "-c", SINK], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as sink:
        assert sink.stdout is not None
        port = int(sink.stdout.readline())
        for _ in range(ROUNDS):
            for name, way in ways.items():
                start, cpu = time.perf_counter(), cpu_seconds()
                asyncio.run(way(port))
                rates[name] = max(rates[name], MAILS / (time.perf_counter() - start))
                costs[name] = min(costs[name], (cpu_seconds() - cpu) / MAILS)
        sink.kill()
    for name in ways:
        ratio = rates[name] / rates["aiosmtplib"]
        print(
            f"{name:12} {rates[name]:7,.0f} mails/s {costs[name] * 1e6:5.0f} µs CPU {ratio:.2f} x aiosmtplib"
        )


if __name__ == "__main__":
    run()
