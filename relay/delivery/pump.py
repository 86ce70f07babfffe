"""What keeps delivery going: one round after another, with a rest between that something may cut short.

Guarantees: no failure of a round ends it, be it the store's or a bug's; after a failure it rests longer each
time, up to some seconds. Diagnostics: each failing round is logged. Source: ours.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import structlog

from relay.clock import Clock
from relay.delivery.settler import FIRST_PAUSE_SECONDS, MAX_PAUSE_SECONDS, is_cancelled
from relay.errors import MachineFailure

_log = structlog.get_logger()


class Pump:
    """Runs rounds until it is ended."""

    def __init__(
        self, play: Callable[[], Awaitable[float]], *, clock: Clock, calls: Sequence[asyncio.Event]
    ) -> None:
        """Each `play` returns after how many seconds to play again; each of `calls` ends that rest early."""
        self._play = play
        self._clock = clock
        self._calls = calls
        self._over = asyncio.Event()
        self._task = asyncio.create_task(self._run(), name="delivery pump")

    async def end(self, patience: float) -> None:
        """Let it end its round: a claim that is cut off may be made all the same, unknown to us."""
        self._over.set()
        _, late = await asyncio.wait({self._task}, timeout=patience)
        if late:
            self._task.cancel()
            await asyncio.wait(late)

    async def _run(self) -> None:
        wait, pause = 0.0, FIRST_PAUSE_SECONDS
        while not self._over.is_set():
            try:
                await self._rest(wait)
                wait = await self._play()
                pause = FIRST_PAUSE_SECONDS
            except (
                Exception,
                asyncio.CancelledError,
            ) as failure:  # the store's, or our bug: delivery goes on
                if is_cancelled():
                    raise
                _log.error(
                    "due deliveries could not be claimed",
                    retry_seconds=pause,
                    reason=str(failure),
                    exc_info=not isinstance(failure, MachineFailure),
                )
                wait, pause = pause, min(pause * 2, MAX_PAUSE_SECONDS)

    async def _rest(self, seconds: float) -> None:
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        sleep = asyncio.ensure_future(self._clock.sleep(seconds))
        waits = [asyncio.ensure_future(call.wait()) for call in (*self._calls, self._over)]
        try:
            await asyncio.wait({sleep, *waits}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in (sleep, *waits):
                wait.cancel()
            for call in self._calls:
                call.clear()  # it has been heard
        if sleep.done() and not sleep.cancelled():
            sleep.result()
