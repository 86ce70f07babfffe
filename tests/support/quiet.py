"""An event loop that knows when nothing more will happen by itself: time stands still and everybody waits.

With it a test lets a relay, its store and its partners go on as far as they can, without a guess at how long
that takes. What comes over loopback sockets is given `SETTLE_SECONDS` to arrive.
"""

import asyncio
import selectors
from collections.abc import Callable
from concurrent.futures import Executor
from typing import TypeVar, TypeVarTuple

T = TypeVar("T")
Ts = TypeVarTuple("Ts")
SETTLE_SECONDS = 0.001  # an octet that was written to a loopback socket is there long before
PATIENCE_SECONDS = 20.0  # a loop that is busy for so long does not come to rest


class _Selector(selectors.DefaultSelector):
    """Tells who asked for it when the loop has nothing to run and nothing to read."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: asyncio.Future[None] | None = None
        self.is_busy: Callable[[], bool] = lambda: False

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Wait as the loop wishes, or shorter when somebody waits for the loop to come to rest."""
        if self.asked is None or (timeout is not None and timeout <= 0):
            return super().select(timeout)
        events = super().select(SETTLE_SECONDS)
        if not events and not self.is_busy():
            asked, self.asked = self.asked, None
            if not asked.done():
                asked.set_result(None)
        return events


class QuietLoop(asyncio.SelectorEventLoop):
    """The usual loop, with `quiet`. `busy` counts what threads work on, and is for others to count too."""

    def __init__(self) -> None:
        self._watched = _Selector()
        super().__init__(self._watched)
        self._watched.is_busy = lambda: self.busy > 0
        self.busy = 0

    async def quiet(self) -> None:
        """Return when every task waits for something that only the caller can bring about."""
        self._watched.asked = self.create_future()
        async with asyncio.timeout(PATIENCE_SECONDS):
            await self._watched.asked

    def run_in_executor(
        self, executor: Executor | None, func: Callable[[*Ts], T], *args: *Ts
    ) -> asyncio.Future[T]:
        """As usual, and counted."""
        future = super().run_in_executor(executor, func, *args)
        self.busy += 1
        future.add_done_callback(self._ended)
        return future

    def _ended(self, _: object) -> None:
        self.busy -= 1
