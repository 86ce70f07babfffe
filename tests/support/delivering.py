"""An engine on a real store in a temporary folder, with the clock in the test's hand."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

from relay.config import DeliveryConfig
from relay.delivery import Engine, Routes
from relay.delivery.smtp.connector import Connector
from relay.delivery.smtp.policy import hop_policies
from relay.errors import MachineFailure
from relay.metrics import Metrics
from relay.return_address import ReturnAddress
from relay.store.query import DeliveryFilter
from relay.store.store import Store
from relay.store.values import Accepted, DeliveryState, Due
from tests.support.clock import ManualClock
from tests.support.stored import accepted

HOSTNAME = "relay.example.jp"
RETURN_ADDRESS = ReturnAddress(f"bounce@{HOSTNAME}", b"k" * 32)
QUICK = {"connect": 0.5, "greeting": 0.5, "command": 0.5, "data": 0.5, "end_of_data": 0.5}


def settings(routes: Mapping[str, tuple[str, int]], **more: Any) -> DeliveryConfig:
    """Routes to loopback ports, and phases that last half a second at most."""
    base = DeliveryConfig.model_validate(
        {"routes": {domain: f"{h}:{p}" for domain, (h, p) in routes.items()}, **more}
    )
    phases = {name: timedelta(seconds=seconds) for name, seconds in QUICK.items()}
    return base.model_copy(update={"timeouts": base.timeouts.model_copy(update=phases)})


def dues(one: Accepted) -> list[Due]:
    """What intake offers of a notification as the store has it."""
    return [
        Due(
            delivery=delivery,
            message_id=mail.message_id,
            content=mail.content,
            notification_id=one.id,
            seller_id=one.seller_id,
            partner=mail.partner,
            is_notice=mail.notice != "",
        )
        for delivery, mail in zip(one.deliveries, one.mails, strict=True)
        if delivery.state is DeliveryState.SENDING
    ]


class FaultyStore:
    """A real store between which and the engine a test can put faults, verb by verb."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.full = False  # whether every write fails, as on a full disk
        self.failures: dict[str, list[BaseException]] = {}  # raised by the next calls, one each
        self.before: dict[str, asyncio.Event] = {}  # calls wait for it before they are made
        self.after: dict[str, asyncio.Event] = {}  # … or when they were made, and cannot answer
        self.calls: Counter[str] = Counter()

    def __getattr__(self, verb: str) -> Any:
        made = getattr(self._store, verb)

        async def call(*wish: Any, **wishes: Any) -> Any:
            self.calls[verb] += 1
            if verb in self.before:
                await self.before[verb].wait()
            if self.full and verb not in ("next_due", "holds", "hold_mark"):
                raise MachineFailure("the disk is full; nothing of this was stored")
            if self.failures.get(verb):
                raise self.failures[verb].pop(0)
            answer = await made(*wish, **wishes)
            if verb in self.after:
                await self.after[verb].wait()
            return answer

        return call


class Bench:
    """The engine with what a test needs to look at and to turn."""

    def __init__(self, store: Store, faulty: FaultyStore, clock: ManualClock, engine: Engine) -> None:
        self.store = store
        self.faulty = faulty  # the store as the engine sees it
        self.clock = clock
        self.engine = engine

    async def offer(self, *recipients: str, **more: Any) -> Accepted:
        """Accept one mail for each recipient as intake does, leased if there is room, and hand them over.

        `more` is as for `accepted`.
        """
        lease = self.engine.lease(len(recipients))
        leased = (
            {"state": DeliveryState.SENDING, "leased_by": lease.worker, "leased_until": lease.until}
            if lease
            else {}
        )
        one = accepted(self.clock, recipients=recipients, **leased, **more)  # type: ignore[arg-type]
        stored = await self.store.accept(one)
        assert isinstance(stored, Accepted)
        self.engine.offer(dues(stored))
        return stored

    async def advance_until(self, reached: Callable[[], object], step: timedelta) -> None:
        """Let time pass, a step each time that somebody waits for it, until it is as wished."""
        async with asyncio.timeout(10):
            while not reached():
                if self.clock.sleepers:
                    self.clock.advance(step)
                await asyncio.sleep(0.005)

    async def states(self) -> list[tuple[str, str, int]]:
        """Recipient, state and attempts of every delivery, in order of recipients."""
        rows = await self.store.deliveries(DeliveryFilter(limit=1000))
        return sorted(
            (row.delivery.recipient, row.delivery.state.value, row.delivery.attempts) for row in rows
        )

    async def settled(self, count: int, seconds: float = 10.0) -> list[tuple[str, str, int]]:
        """Wait until so many deliveries wait in no memory, then tell the states."""
        async with asyncio.timeout(seconds):
            while self.engine.in_memory:
                await asyncio.sleep(0.005)
        states = await self.states()
        assert len(states) == count, states
        return states

    async def replies(self) -> list[str]:
        """What was said last of every delivery, in order of recipients."""
        rows = await self.store.deliveries(DeliveryFilter(limit=1000))
        return [row.delivery.last_reply for row in sorted(rows, key=lambda row: row.delivery.recipient)]


@contextlib.asynccontextmanager
async def bench(
    folder: Path,
    chosen: DeliveryConfig,
    *,
    clock: ManualClock | None = None,
    worker: str = "host/1",
    routes: Routes | None = None,
    started: bool = True,
) -> AsyncIterator[Bench]:
    """A running engine; it is stopped and the store closed at the end."""
    clock = clock or ManualClock()
    ways = routes or Routes(chosen, hostname=HOSTNAME, clock=clock)
    store = Store.open(folder / "denrei.db", clock=clock, way=ways.name)
    faulty = FaultyStore(store)
    engine = Engine(
        store=faulty,
        routes=ways,
        connector=Connector(hostname=HOSTNAME, timeouts=chosen.timeouts),
        policies=hop_policies(chosen, {}),
        return_address=RETURN_ADDRESS,
        clock=clock,
        settings=chosen,
        worker=worker,
        metrics=Metrics(),
    )
    try:
        if started:
            await engine.start()
        yield Bench(store, faulty, clock, engine)
    finally:
        faulty.full = False
        await engine.stop(0.2)
        await store.close()
