"""A whole relay whose process can die at any step, on a disk that can fill up or stand still.

Everything is as `denrei serve` has it (`app.Relay`, real SMTP on both sides, one SQLite file), but for three
things: the clock is in the test's hand, the store stands behind a `ShakyStore`, and the registrations' files
are not watched. `Life.crash` ends a relay as `kill -9` does: nothing of it is ever stored again.
"""

import asyncio
from collections.abc import Coroutine
from contextvars import Context, ContextVar, copy_context
from dataclasses import dataclass, field
from functools import cache, cached_property
from typing import Any, cast

from grammar import Catalogue, load_catalogue
from relay.app import Office, Relay
from relay.clock import Clock
from relay.config import Config
from relay.errors import MachineFailure
from relay.registry import LiveRegistry, Templates
from relay.store.store import Store
from relay.store.values import DeliveryState, Settlement
from tests.support.intake import shipped_templates
from tests.support.quiet import QuietLoop

_LIFE: ContextVar["Life | None"] = ContextVar("life", default=None)


@dataclass(eq=False)
class Disk:
    """The disk that all processes share."""

    is_full: bool = False
    unwritten: dict[int, Settlement] = field(
        default_factory=dict
    )  # deliveries that the store does not know of


class ShakyStore:
    """A real store that can be cut off from its relay: for a while, for good, before a write or after it."""

    def __init__(self, store: Store, disk: Disk, loop: QuietLoop) -> None:
        self._store = store
        self._disk = disk
        self._loop = loop
        self._is_severed = False
        self._gates: dict[tuple[str, str], asyncio.Event] = {}

    def freeze(self, verb: str, side: str) -> None:
        """Let calls of this verb wait `before` they are made, or `after` it with their answer."""
        self._gates.setdefault((verb, side), asyncio.Event())

    def thaw(self) -> None:
        """Let all calls go on."""
        for gate in self._gates.values():
            gate.set()
        self._gates.clear()

    @property
    def is_frozen(self) -> bool:
        """Whether calls of some verb wait."""
        return bool(self._gates)

    def sever(self) -> None:
        """Let no call be made or answered any more."""
        self._is_severed = True

    async def close(self) -> None:
        """Close the real one: what was handed to it is written."""
        await self._store.close()

    def __getattr__(self, verb: str) -> Any:
        made = getattr(self._store, verb)

        async def call(*wish: Any, **wishes: Any) -> Any:
            if verb == "settle" and wish[0].state is DeliveryState.DELIVERED:
                self._disk.unwritten[id(wish[0])] = wish[0]
            await self._pass(verb, "before")
            if self._disk.is_full and verb not in _READING:
                raise MachineFailure("the disk is full; nothing of this was stored")
            self._loop.busy += 1
            try:
                answer = await made(*wish, **wishes)
            finally:
                self._loop.busy -= 1
            if verb == "settle" and answer:
                self._disk.unwritten.pop(id(wish[0]), None)
            await self._pass(verb, "after")
            return answer

        return call

    async def _pass(self, verb: str, side: str) -> None:
        gate = self._gates.get((verb, side))
        if gate is not None:
            await gate.wait()
        if self._is_severed:
            await asyncio.get_running_loop().create_future()


_READING = frozenset(
    {
        "next_due",
        "hold_mark",
        "holds",
        "delivery",
        "delayed",
        "failed",
        "unsuccessful",
        "last_notice",
        "secret",
    }
)


class _StillRegistry(LiveRegistry):
    """Registrations as they were when the relay started."""

    async def watch(self) -> None:
        await asyncio.get_running_loop().create_future()


@cache
def _catalogue() -> Catalogue:
    return load_catalogue()


class ShakyOffice(Office):
    """An office on a shaky store."""

    def __init__(self, config: Config, *, clock: Clock, disk: Disk, loop: QuietLoop) -> None:
        super().__init__(config, clock=clock)
        self._disk = disk
        self._loop = loop

    @cached_property
    def catalogue(self) -> Catalogue:
        """Read once for all tests."""
        return _catalogue()

    @cached_property
    def templates(self) -> Templates:
        """The shipped ones, compiled once for all tests."""
        return shipped_templates(self.catalogue)

    @cached_property
    def registry(self) -> LiveRegistry:
        """As the files say now."""
        return _StillRegistry(self.config.registrations, self.templates, self.catalogue, clock=self.clock)

    @cached_property
    def shaky(self) -> ShakyStore:
        """The store with its faults."""
        path, routes = self.config.store.path, self.routes
        return ShakyStore(Store.open(path, clock=self.clock, way=routes.name), self._disk, self._loop)

    @cached_property
    def store(self) -> Store:
        """What the relay takes for the store."""
        return cast("Store", self.shaky)


class Life:
    """One relay from its start to its end."""

    def __init__(self, office: ShakyOffice, loop: QuietLoop) -> None:
        self.office = office
        self.tasks: set[asyncio.Task[Any]] = set()
        self.is_dead = False
        self._loop = loop
        self._context = copy_context()
        self._context.run(_LIFE.set, self)
        self.relay: Relay | None = None

    def begin(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Have something done in this process."""
        return self._loop.create_task(work, context=self._context)

    @property
    def worker(self) -> str:
        """The name under which it leases."""
        assert self.relay is not None
        return self.relay._seat.name

    @property
    def in_memory(self) -> int:
        """How many deliveries it has in hand."""
        assert self.relay is not None
        return self.relay._engine.in_memory

    async def start(self) -> None:
        """Start it; raises MachineFailure, and then nothing of it is left."""

        async def started() -> None:
            self.relay = await Relay.prepared(self.office)
            await self.relay.start()

        try:
            await self.begin(started())
        except MachineFailure:
            await self.office.shaky.close()
            raise

    async def stop(self, grace: float) -> None:
        """Stop it as SIGTERM does."""
        assert self.relay is not None
        await self.begin(self.relay.stop(grace))
        await self.office.shaky.close()

    async def crash(self) -> None:
        """End it as `kill -9` does; what the store was handed already is written."""
        assert self.relay is not None
        self.office.shaky.sever()
        self.is_dead = True
        while self.tasks:
            for task in self.tasks:
                task.cancel()
            await asyncio.wait(self.tasks)
        self.relay._listener._server.close()  # type: ignore[union-attr]
        for connection in tuple(self.relay._listener._connections):
            connection.abort()
        self.relay._seat.leave()
        await self.office.shaky.close()


class _Unborn(asyncio.Future[Any]):
    """What a dead process gets for a task: it never begins, and never ends."""

    def set_name(self, name: object) -> None:
        """As of a task."""


def known_by_life(
    loop: asyncio.AbstractEventLoop, work: Coroutine[Any, Any, Any], context: Context | None = None
) -> asyncio.Future[Any]:
    """The loop's task factory: a task is known to the life in which it began; none begins in a dead one."""
    life = _LIFE.get() if context is None else context.get(_LIFE)
    if life is not None and life.is_dead:
        work.close()
        return _Unborn(loop=loop)
    task: asyncio.Task[Any] = asyncio.Task(work, loop=loop, context=context)
    if life is not None:
        life.tasks.add(task)
        task.add_done_callback(life.tasks.discard)
    return task
