"""A clock that stands still until a test advances it, with seeded chance."""

import asyncio
import heapq
import random
from datetime import UTC, datetime, timedelta

from relay.clock import SECRET_OCTETS, id_at

START = datetime(2026, 11, 21, 1, 0, tzinfo=UTC)


class ManualClock:
    """Keeps the contract of `relay.clock.Clock`; time passes only by `advance`.

    Identifiers count up by one each, so that they sort as they are made. `sleepers` says how many tasks wait.
    """

    def __init__(self, now: datetime = START, *, seed: int = 0) -> None:
        self._now = now
        self._seconds = 1_000.0
        self._chance = random.Random(seed)
        self._made = 0
        self._sleeping: list[tuple[float, int, asyncio.Future[None]]] = []
        self._slept = 0

    def now(self) -> datetime:
        """The time that the test has set."""
        return self._now

    def monotonic(self) -> float:
        """Seconds, advanced together with the time of day."""
        return self._seconds

    def random(self) -> float:
        """A seeded number in [0, 1)."""
        return self._chance.random()

    def new_id(self) -> str:
        """The next identifier."""
        self._made += 1
        return id_at(int(self._now.timestamp() * 1000), self._made)

    def secret(self) -> bytes:
        """A seeded key."""
        return self._chance.randbytes(SECRET_OCTETS)

    def jump(self, duration: timedelta) -> None:
        """Set the time of day forward or back, as an administrator does: nobody's waiting is over by that."""
        self._now += duration

    @property
    def sleepers(self) -> int:
        """How many tasks wait for time to pass."""
        return sum(not waiter.done() for _, _, waiter in self._sleeping)

    async def sleep(self, seconds: float) -> None:
        """Return once `advance` has gone so far; at once for nothing, after letting the others run."""
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        waiter = asyncio.get_running_loop().create_future()
        self._slept += 1
        heapq.heappush(self._sleeping, (self._seconds + seconds, self._slept, waiter))
        await waiter

    def advance(self, duration: timedelta) -> None:
        """Let so much time pass and wake those whose time has come, in order."""
        self._now += duration
        self._seconds += duration.total_seconds()
        while self._sleeping and self._sleeping[0][0] <= self._seconds:
            _, _, waiter = heapq.heappop(self._sleeping)
            if not waiter.done():
                waiter.set_result(None)
