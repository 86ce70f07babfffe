"""The workers of one next hop: called when there is work, resting between, sent away when too many.

A worker is a task that runs `work` to its end. It rests in `rest`, which says whether to go on, so that its
connection is kept; a call wakes one that rests before it makes a new one.

Guarantees: never more workers than are allowed at the moment of a call; whatever ends a worker, another is
called while something is left to do; a turn that has not come yet is awaited by one small task, not by
workers. Diagnostics: a worker that dies of a bug is logged. Source: ours.
"""

import asyncio
from collections import deque
from typing import Protocol

import structlog

from relay.clock import Clock
from relay.delivery.settler import BUG_PAUSE_SECONDS

_log = structlog.get_logger()


class Work(Protocol):
    """What the workers are for."""

    @property
    def waits(self) -> bool:
        """Whether something is left to do, now or later."""

    @property
    def turn_in(self) -> float:
        """Seconds until some of it may be done; 0: now."""

    @property
    def allowed(self) -> int:
        """How many workers there may be."""

    async def work(self) -> None:
        """Do it until `rest` says no."""


class Crew:
    """The workers of one next hop."""

    def __init__(self, name: str, work: Work, *, clock: Clock, idle_seconds: float) -> None:
        self._name = name
        self._work = work
        self._clock = clock
        self._idle_seconds = idle_seconds
        self._workers: set[asyncio.Task[None]] = set()
        self._leaving: set[asyncio.Task[None]] = set()  # those that end because they are too many
        self._resting: deque[asyncio.Future[bool]] = deque()
        self._turn: asyncio.Task[None] | None = None  # calls a worker when something may be done
        self._stopping = False

    def __len__(self) -> int:
        return len(self._workers)

    @property
    def is_called(self) -> bool:
        """Whether something may be done now."""
        return self._work.waits and self._work.turn_in <= 0 and not self._stopping

    def call(self) -> None:
        """Have a worker do what may be done now, or when its turn has come."""
        if not self.is_called:
            self.await_turn()
            return
        while self._resting:
            if _wake(self._resting.popleft(), True):
                return
        if len(self._workers) < self._work.allowed:
            worker = asyncio.create_task(self._work.work(), name=f"delivery to {self._name}")
            self._workers.add(worker)
            worker.add_done_callback(self._ended)

    def await_turn(self) -> None:
        """Have a worker called as soon as something may be done."""
        if self._turn is None and self._work.waits and not self._stopping:
            self._turn = asyncio.create_task(self._call_in_turn(), name=f"turn for {self._name}")

    async def _call_in_turn(self) -> None:
        try:
            await self._clock.sleep(self._work.turn_in)
        finally:
            self._turn = None
        self.call()

    async def rest(self) -> bool:
        """For a worker: return when something may be done (True), or when it had better end.

        It ends when nothing came in the idle time, when the crew stops, and when it is one too many.
        """
        called = True
        while called and not self.is_called and not self._stopping:  # another worker may have been quicker
            rest: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
            timer = asyncio.get_running_loop().call_later(self._idle_seconds, _wake, rest, False)
            self._resting.append(rest)
            self.await_turn()
            try:
                called = await rest
            finally:
                timer.cancel()
                if rest in self._resting:
                    self._resting.remove(rest)
        return self.is_called and not self._is_one_too_many()

    def _is_one_too_many(self) -> bool:
        if len(self._workers) - len(self._leaving) <= self._work.allowed:
            return False
        worker = asyncio.current_task()
        assert worker is not None
        self._leaving.add(worker)
        return True

    def _ended(self, worker: asyncio.Task[None]) -> None:
        self._workers.discard(worker)
        self._leaving.discard(worker)
        if not worker.cancelled() and (bug := worker.exception()) is not None:
            _log.error("delivery worker died of a bug", next_hop=self._name, exc_info=bug)
            asyncio.get_running_loop().call_later(BUG_PAUSE_SECONDS, self.call)
        elif self._work.waits:  # those that are left may hang
            self.call()

    def stop(self) -> list[asyncio.Task[None]]:
        """Call nobody any more; the workers end with what they do."""
        self._stopping = True
        while self._resting:
            _wake(self._resting.popleft(), True)
        if self._turn is not None:
            self._turn.cancel()
        return list(self._workers)


def _wake(rest: asyncio.Future[bool], called: bool) -> bool:
    if rest.done():
        return False
    rest.set_result(called)
    return True
