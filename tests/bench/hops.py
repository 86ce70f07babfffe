"""What dead next hops cost the others: a hundred next hops, of which none, one or five are dead.

Dead is either *silent*, which accepts connections and never says a word, or *refused*, where nobody listens.
The engine runs with its default settings on a store in memory; mails come as fast as it takes them, in turn
for each next hop, more than fit in memory. Measured is the rate at which the living ones get their mails,
relative to a run in which all live, the same of the processor's time (which other work on the machine
disturbs less), and how many deliveries of the dead ones are left in memory then.
"""

import asyncio
import contextlib
import heapq
import logging
import socket
import subprocess
import sys
import time
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import structlog

from relay.clock import SystemClock
from relay.config import DeliveryConfig
from relay.delivery import Engine, Routes
from relay.delivery.smtp.connector import Connector
from relay.delivery.smtp.policy import hop_policies
from relay.metrics import Metrics
from relay.return_address import ReturnAddress
from relay.store.query import JournalFilter
from relay.store.tail import Tailed
from relay.store.values import Delivery, DeliveryState, Due, Hold, Settlement
from tests.bench.delivering import CONTENT, SINK, cpu_seconds

HOPS = 100
MAILS_PER_HOP = 100
TOGETHER = 10  # mails that a notification causes, each for another next hop
ROUNDS = 3  # alternated, best of each: the machine is noisy
CASES = {"all alive": 0, "1 silent": 1, "5 silent": 5, "1 refused": 1, "5 refused": 5}
HOSTNAME = "bench.example.jp"


class MemoryStore:
    """Leases, queues and settles in memory, as the store does on disk."""

    def __init__(self, living: int) -> None:
        self._living = living  # deliveries that are still to be delivered
        self._queued: list[tuple[datetime, str]] = []
        self._dues: dict[str, Due] = {}
        self.done = asyncio.Event()

    def keep(self, due: Due, *, queued_at: datetime | None) -> None:
        """Have it, leased or queued."""
        self._dues[due.delivery.id] = due
        if queued_at is not None:
            heapq.heappush(self._queued, (queued_at, due.delivery.id))

    async def settle(self, settlement: Settlement) -> bool:
        """Count down, or queue again."""
        if settlement.state is DeliveryState.QUEUED and settlement.due_at is not None:
            heapq.heappush(self._queued, (settlement.due_at, settlement.delivery_id))
            return True
        assert settlement.state is DeliveryState.DELIVERED, settlement.last_reply
        del self._dues[settlement.delivery_id]
        self._living -= 1
        if not self._living:
            self.done.set()
        return True

    async def claim(
        self, *, until: datetime, now: datetime, limit: int, except_domains: Collection[str], **_more: object
    ) -> Sequence[Due]:
        """What is due, in order, but for these domains."""
        taken, left = [], []
        while self._queued and self._queued[0][0] <= now and len(taken) < limit:
            entry = heapq.heappop(self._queued)
            due = self._dues[entry[1]]
            if due.delivery.recipient.partition("@")[2] in except_domains:
                left.append(entry)
            else:
                taken.append(replace(due, delivery=replace(due.delivery, leased_until=until)))
        for entry in left:
            heapq.heappush(self._queued, entry)
        return taken

    async def hand_back(
        self, *, worker: str, now: datetime, delivery_ids: Sequence[str], due_at: datetime | None = None
    ) -> int:
        """Queue again."""
        for delivery_id in delivery_ids:
            heapq.heappush(self._queued, (due_at or now, delivery_id))
        return len(delivery_ids)

    async def recover(self, *, worker: str, now: datetime) -> int:
        """Nothing was left."""
        return 0

    async def extend(self, *, worker: str, until: datetime, delivery_ids: Sequence[str]) -> int:
        """Always granted."""
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

    async def next_due(self, *, now: datetime) -> datetime | None:
        """The first that is queued."""
        return self._queued[0][0] if self._queued else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """One run."""

    rate: float  # mails a second to the living next hops
    cpu_seconds: float  # for each of these mails
    left: int  # deliveries in memory at the end


async def _measured(ports: Sequence[int], living: int) -> Measured:
    """Run once; the first `living` of the ports are those of living next hops."""
    clock = SystemClock()
    routes = {f"p{number}.example.jp": f"127.0.0.1:{port}" for number, port in enumerate(ports)}
    settings = DeliveryConfig.model_validate({"routes": routes})
    store = MemoryStore(living * MAILS_PER_HOP)
    engine = Engine(
        store=store,
        routes=Routes(settings, hostname=HOSTNAME, clock=clock),
        connector=Connector(hostname=HOSTNAME, timeouts=settings.timeouts),
        policies=hop_policies(settings, {}),
        return_address=ReturnAddress(f"bounce@{HOSTNAME}", b"k" * 32),
        clock=clock,
        settings=settings,
        worker="bench/1",
        metrics=Metrics(),
    )
    await engine.start()
    start, cpu = time.perf_counter(), cpu_seconds()
    for _ in range(MAILS_PER_HOP):
        for first in range(0, HOPS, TOGETHER):
            _accept(engine, store, clock, range(first, first + TOGETHER))
            await asyncio.sleep(0)
    await store.done.wait()
    mails = living * MAILS_PER_HOP
    found = Measured(
        rate=mails / (time.perf_counter() - start),
        cpu_seconds=(cpu_seconds() - cpu) / mails,
        left=engine.in_memory,
    )
    await engine.stop(0)
    return found


def _accept(engine: Engine, store: MemoryStore, clock: SystemClock, hops: range) -> None:
    """As intake does: leased when there is room, else queued."""
    now, lease = clock.now(), engine.lease(len(hops))
    fresh = []
    for hop in hops:
        identifier = clock.new_id()
        delivery = Delivery(
            id=identifier,
            mail_id=identifier,
            recipient=f"orders@p{hop}.example.jp",
            state=DeliveryState.SENDING if lease else DeliveryState.QUEUED,
            due_at=None if lease else now,
            accepted_at=now,
            leased_by=lease.worker if lease else "",
            leased_until=lease.until if lease else None,
        )
        due = Due(
            delivery=delivery, message_id="<m@x>", content=CONTENT, notification_id=identifier, seller_id="s"
        )
        store.keep(due, queued_at=None if lease else now)
        fresh.append(due)
    if lease:
        engine.offer(fresh)


@contextlib.contextmanager
def _living(count: int) -> Iterator[list[int]]:
    """The ports of so many partners that take everything."""
    script = SINK.replace(
        'server = await asyncio.get_running_loop().create_server(Sink, "127.0.0.1", 0)\n'
        "    print(server.sockets[0].getsockname()[1], flush=True)",
        "servers = [await asyncio.get_running_loop().create_server(Sink, '127.0.0.1', 0)\n"
        f"               for _ in range({count})]\n"
        "    print(*(server.sockets[0].getsockname()[1] for server in servers), flush=True)",
    )
    with subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as sink:
        assert sink.stdout is not None
        yield [int(port) for port in sink.stdout.readline().split()]
        sink.kill()


@contextlib.contextmanager
def _dead(count: int, *, is_silent: bool) -> Iterator[list[int]]:
    """The ports of so many dead partners: the kernel takes their connections, or refuses them."""
    with contextlib.ExitStack() as stack:
        ports = []
        for _ in range(count):
            holder = stack.enter_context(socket.socket())
            holder.bind(("127.0.0.1", 0))
            if is_silent:
                holder.listen(64)
            ports.append(int(holder.getsockname()[1]))
        yield ports


def measure() -> dict[str, list[Measured]]:
    """All runs of each case."""
    found: dict[str, list[Measured]] = {case: [] for case in CASES}
    with _living(HOPS) as ports:
        for _ in range(ROUNDS):
            for case, count in CASES.items():
                with _dead(count, is_silent="silent" in case) as dead:
                    found[case].append(asyncio.run(_measured([*ports[count:], *dead], HOPS - count)))
    return found


def run() -> None:
    """Print the best of each case, relative to the run in which all live."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    found = measure()
    best = {case: max(one.rate for one in runs) for case, runs in found.items()}
    cost = {case: min(one.cpu_seconds for one in runs) for case, runs in found.items()}
    alive = best["all alive"]
    for case, runs in found.items():
        print(
            f"{case:10} {best[case]:7,.0f} mails/s to the living, {best[case] / alive:.2f} x all alive; "
            f"{cost[case] * 1e6:4.0f} µs CPU each, {cost['all alive'] / cost[case]:.2f} x; "
            f"{max(one.left for one in runs):5,} deliveries in memory at the end"
        )


if __name__ == "__main__":
    run()
