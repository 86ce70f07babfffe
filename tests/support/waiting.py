"""Waiting in tests: never without an end, and for long times in no time."""

import asyncio
from collections.abc import Callable

PATIENCE = 10.0  # seconds that anything may take on a busy machine


async def until(is_met: Callable[[], object]) -> None:
    """Let the others run until something is so; raises TimeoutError when it never is."""
    async with asyncio.timeout(PATIENCE):
        while not is_met():
            await asyncio.sleep(0)


class LeapingLoop(asyncio.SelectorEventLoop):
    """An event loop whose clock a test can set forward."""

    leapt = 0.0  # seconds

    def time(self) -> float:
        """The usual clock, and what was leapt over."""
        return super().time() + self.leapt


async def leap(seconds: float) -> None:
    """Let so much time pass at once on a `LeapingLoop`, and what is due by then happen."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, LeapingLoop)
    loop.leapt += seconds
    for _ in range(10):  # a timer wakes a task, which answers
        await asyncio.sleep(0)
