"""When a delivery is tried again, and when it is given up: pure arithmetic over times that are passed in.

After the n-th failed attempt the n-th step of the schedule is waited, and the last step ever after. Each
wait is stretched or shrunk by up to a tenth, evenly, so that mails deferred together do not come back
together. The last attempt falls on the end of the lifetime, counted from acceptance; a failure then is
final. But a delivery that comes to its end early in its schedule, because it was held or the relay stood
still, has every wait first that fits in a lifetime: a partner's short failure must not cost a mail that was
never tried before. Source: RFC 5321 section 4.5.4.1 asks for retries over 4 to 5 days; the steps are ours
(docs/delivery.md).
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import accumulate

JITTER = 0.1  # a tenth: enough to spread a burst, too little to be noticed by who reads the schedule


def wait_after(attempts: int, *, steps: Sequence[timedelta], chance: float) -> timedelta:
    """The wait after so many failed attempts (1 or more); `chance` in [0, 1) places it within the jitter.

    >>> wait_after(1, steps=[timedelta(minutes=1), timedelta(hours=4)], chance=0.5)
    datetime.timedelta(seconds=60)
    >>> wait_after(7, steps=[timedelta(minutes=1), timedelta(hours=4)], chance=0.0)
    datetime.timedelta(seconds=12960)
    """
    step = steps[min(attempts, len(steps)) - 1]
    return step * (1 + JITTER * (2 * chance - 1))


def longest_wait(steps: Sequence[timedelta]) -> timedelta:
    """No wait of this schedule is longer.

    >>> longest_wait([timedelta(minutes=1), timedelta(hours=4)])
    datetime.timedelta(seconds=15840)
    """
    return max(steps) * (1 + JITTER)


def next_attempt_at(
    attempts: int,
    *,
    now: datetime,
    accepted_at: datetime,
    steps: Sequence[timedelta],
    lifetime: timedelta,
    chance: float,
) -> datetime | None:
    """When to try again after the `attempts`-th attempt failed at `now`; None when it has expired."""
    end = accepted_at + lifetime
    again_at = now + wait_after(attempts, steps=steps, chance=chance)
    if attempts <= promised_waits(steps, lifetime=lifetime):
        return again_at
    return None if now >= end else min(again_at, end)


def promised_waits(steps: Sequence[timedelta], *, lifetime: timedelta) -> int:
    """How many of the first waits fit in a lifetime, stretched by jitter: no delivery has fewer.

    >>> promised_waits([timedelta(minutes=1), timedelta(hours=4)], lifetime=timedelta(hours=1))
    1
    """
    ends = accumulate(step * (1 + JITTER) for step in steps)
    return sum(end <= lifetime for end in ends)
