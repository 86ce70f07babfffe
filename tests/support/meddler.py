"""An operator at another terminal: places and lifts holds, stops and releases single mails, and purges.

`python -m tests.support.meddler CONFIG` does it again and again, in the ways that the command line does,
until its input is closed. It may be killed at any moment; `tidy` ends what it left.
"""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path

from relay.app import Office
from relay.operations import Operations
from relay.store.query import DeliveryFilter
from relay.store.values import DeliveryState, Scope

PERSON = "店長"
_SUBJECTS = (
    (Scope.ADDRESS, "orders@slow.example.jp"),
    (Scope.PARTNER, "cross_mall"),
    (Scope.SELLER, "example-shop"),
)
_OLD = timedelta(days=30)
_REST_SECONDS = 0.02  # between two rounds: the writer's turn is for intake too


async def meddle(operations: Operations) -> None:
    """One round of everything."""
    for scope, value in _SUBJECTS:
        placed = await operations.place(scope, value, reason="確認中", by=PERSON)
        await operations.lift(placed.hold, by=PERSON)
    rows = await operations.deliveries(DeliveryFilter(states=(DeliveryState.QUEUED,), limit=5))
    ids = [row.delivery.id for row in rows]
    if ids:
        await operations.hold(ids, by=PERSON)
        await operations.release(ids, by=PERSON)
    async for _ in operations.purge(operations.purge_rule(_OLD, with_untold=True), by=PERSON):
        break  # one step: so that there is something left for the next round


async def tidy(operations: Operations) -> None:
    """Lift and release what was left, and purge to the end."""
    for each in await operations.holds():
        await operations.lift(each.hold, by=PERSON)
    held = await operations.deliveries(DeliveryFilter(states=(DeliveryState.HELD,), limit=1_000))
    await operations.release([row.delivery.id for row in held], by=PERSON)
    async for _ in operations.purge(operations.purge_rule(_OLD, with_untold=True), by=PERSON):
        pass


async def operate(config: Path, work: Callable[[Operations], Awaitable[None]]) -> None:
    """Do it on the store of this configuration."""
    office = Office.open(config, create_store=False)
    try:
        await work(office.operations)
    finally:
        await office.close()


async def _without_end(operations: Operations) -> None:
    is_over = asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    rounds = 0
    while not is_over.done():
        await meddle(operations)
        rounds += 1
        await asyncio.sleep(_REST_SECONDS)
    print(rounds)


if __name__ == "__main__":
    asyncio.run(operate(Path(sys.argv[1]), _without_end))
