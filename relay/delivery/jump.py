"""Whether somebody has set the clock: the time of day moved otherwise than the time that passes.

A machine that slept is the same to us: the time of day went on, the monotonic one stood still. Small steps,
as time servers make them, are no jump. Source: ours.
"""

from datetime import datetime, timedelta

LEAST_JUMP = timedelta(seconds=5)  # far less than half of a lease, far more than a time server's step


class JumpWatch:
    """Compares the two times at each look."""

    def __init__(self, *, now: datetime, monotonic: float) -> None:
        self._now = now
        self._monotonic = monotonic

    def jump(self, *, now: datetime, monotonic: float) -> timedelta:
        """How far the time of day was set since the last look, forward or (negative) back; 0: it was not.

        >>> from datetime import UTC
        >>> noon = datetime(2026, 11, 22, 12, tzinfo=UTC)
        >>> watch = JumpWatch(now=noon, monotonic=100.0)
        >>> str(watch.jump(now=noon + timedelta(seconds=2), monotonic=102.0))
        '0:00:00'
        >>> str(watch.jump(now=noon + timedelta(hours=1, seconds=4), monotonic=104.0))
        '1:00:00'
        """
        jump = (now - self._now) - timedelta(seconds=monotonic - self._monotonic)
        self._now, self._monotonic = now, monotonic
        return jump if abs(jump) >= LEAST_JUMP else timedelta()
