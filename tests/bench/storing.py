"""Accept and settle through the store, against the same rows through raw sqlite3 in the same run.

A caller accepts one notification (one mail of 2 KB, one delivery, one journal entry), then settles its
delivery, then goes on: each waits until its own write is on disk, as the relay does. The floor writes the
same rows in transactions of as many as there are callers, in one thread, with nothing around it: no lookup of
duplicates, no lease, no thread.
"""

import asyncio
import gc
import sqlite3
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from relay.clock import SystemClock
from relay.store import schema
from relay.store.row import delivery_row, entry_row, mail_row, notification_row
from relay.store.store import Store
from relay.store.values import Accepted, DeliveryState
from tests.support.stored import accepted, settlement

NOTIFICATIONS = 3_200
CALLERS = (1, 16, 64)
ROUNDS = 3  # alternated, best of each: the machine is noisy
WORKER = "bench/1"
CONTENT = ("[注文番号] 300000001\r\n" * 80).encode()


@dataclass
class Cost:
    """What one way of storing took, for each notification."""

    wall_us: float = 0.0
    processor_us: float = 0.0


@contextmanager
def measured(cost: Cost, count: int) -> Iterator[None]:
    """Put the time of the block, divided by `count`, into `cost`."""
    gc.collect()
    wall, processor = time.perf_counter(), time.process_time()
    yield
    cost.wall_us = (time.perf_counter() - wall) / count * 1e6
    cost.processor_us = (time.process_time() - processor) / count * 1e6


def notifications(count: int) -> list[Accepted]:
    """Invented ones, each leased to the bench's worker as a fresh delivery is."""
    clock = SystemClock()
    until = clock.now() + timedelta(minutes=10)
    return [
        accepted(
            clock,
            event_id=f"bench-{clock.new_id()}",
            state=DeliveryState.SENDING,
            leased_by=WORKER,
            leased_until=until,
            content=CONTENT,
        )
        for _ in range(count)
    ]


def through_store(path: Path, callers: int, count: int) -> Cost:
    """So many callers at once, each accepting and settling its share."""
    cost = Cost()
    shares = notifications(count)
    clock = SystemClock()

    async def caller(store: Store, share: list[Accepted]) -> None:
        for one in share:
            assert await store.accept(one) is one
            assert await store.settle(settlement(one, worker=WORKER, at=clock.now()))

    async def run_all() -> None:
        store = Store.open(path, clock=clock)
        with measured(cost, count):
            await asyncio.gather(*(caller(store, shares[start::callers]) for start in range(callers)))
        await store.close()

    asyncio.run(run_all())
    return cost


def through_sqlite3(path: Path, callers: int, count: int) -> Cost:
    """The same rows and the same final state, in transactions of `callers` rows of each kind."""
    asyncio.run(_made(path))
    cost = Cost()
    shares = notifications(count)
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA wal_autocheckpoint = 4000")
    marks = {
        table.name: f"INSERT INTO {table.name} VALUES ({', '.join('?' * len(table.columns))})"
        for table in schema.metadata.sorted_tables
    }
    marks["journal"] = marks["journal"].replace("(?", "(NULL")
    final = (
        "UPDATE delivery SET state = 'delivered', leased_by = '', leased_until = NULL, wake_at = NULL, "
        "attempts = attempts + 1, last_reply = ?, settled_at = ? WHERE id = ?"
    )
    clock = SystemClock()
    with measured(cost, count):
        for start in range(0, count, callers):
            batch = shares[start : start + callers]
            connection.execute("BEGIN IMMEDIATE")
            connection.executemany(marks["notification"], [notification_row(one) for one in batch])
            connection.executemany(marks["mail"], [mail_row(one.mails[0], one.id) for one in batch])
            rows = [delivery_row(one.deliveries[0], one.seller_id) for one in batch]
            connection.executemany(marks["delivery"], rows)
            connection.executemany(marks["journal"], [entry_row(one.entries[0]) for one in batch])
            connection.execute("COMMIT")
            settled = [settlement(one, worker=WORKER, at=clock.now()) for one in batch]
            connection.execute("BEGIN IMMEDIATE")
            ends = [(one.last_reply, schema.microseconds(one.entry.at), one.delivery_id) for one in settled]
            connection.executemany(final, ends)
            connection.executemany(marks["journal"], [entry_row(one.entry) for one in settled])
            connection.execute("COMMIT")
    connection.close()
    return cost


async def _made(path: Path) -> None:
    await Store.open(path, clock=SystemClock()).close()


def run() -> None:
    """Print, for each number of callers, the best round of both and their ratio."""
    for callers in CALLERS:
        count = NOTIFICATIONS // 4 if callers == 1 else NOTIFICATIONS
        stored: list[Cost] = []
        floors: list[Cost] = []
        for _ in range(ROUNDS):
            with tempfile.TemporaryDirectory() as folder:
                floors.append(through_sqlite3(Path(folder, "floor.db"), callers, count))
                stored.append(through_store(Path(folder, "store.db"), callers, count))
        wall, floor_wall = min(cost.wall_us for cost in stored), min(cost.wall_us for cost in floors)
        processor = min(cost.processor_us for cost in stored)
        floor_processor = min(cost.processor_us for cost in floors)
        print(
            f"storing, {callers:2} callers: {1e6 / wall:6,.0f} notifications/s accepted and settled "
            f"({processor:4.0f} us processor each); raw sqlite3 {1e6 / floor_wall:6,.0f}/s "
            f"({floor_processor:4.0f} us); ratio {floor_wall / wall:.2f}"
        )


if __name__ == "__main__":
    run()
