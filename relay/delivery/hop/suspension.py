"""Whether a next hop can be reached at all: open, pausing after a failure, or suspended after several.

Pausing: what waits is deferred by its own schedule, and nobody tries to connect for 15 s, 30 s … up to 10
min. Suspended: the hop has failed so often in a row that its mails need not learn it one by one. They wait
in the store, no attempt counted, and one mail tries (probes) each time that the wait is over; the first
connection opens the hop for all of them. When a person lets mail go (a retry, a release), the wait is over at
once, but for the rest of a first pause.

Only failures of the connection count (name look-up, connect, greeting, EHLO, STARTTLS, login): whoever
answers a mail can be reached. Connections that fail together are one failure.

Pure: a value; times are seconds of a monotonic clock and passed in. Source: ours; Postfix pauses its
destinations alike and calls them dead.
"""

import math
from dataclasses import dataclass, replace
from enum import StrEnum

from relay.delivery.outcome import Deferred, Outcome

FIRST_PAUSE_SECONDS = 15.0  # shorter than the first retry, so that a retry really tries
MAX_PAUSE_SECONDS = 600.0


class Reach(StrEnum):
    """What is known of a next hop. The names are public (docs/delivery.md)."""

    OPEN = "open"
    PAUSING = "pausing"
    SUSPENDED = "suspended"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reachability:
    """What the connections of late tell of one next hop."""

    suspend_after: int  # failures in a row
    probe_seconds: float  # between two tries at a suspended hop
    failures: int = 0  # in a row
    failed_at: float = -math.inf  # when the last of them was told
    closed_until: float = -math.inf  # no connection is tried before
    because: Outcome | None = None  # what ends the mails that meet a closed hop; None while it is open

    @property
    def reach(self) -> Reach:
        """Open, pausing or suspended."""
        if not self.failures:
            return Reach.OPEN
        return Reach.SUSPENDED if self.is_suspended else Reach.PAUSING

    @property
    def is_suspended(self) -> bool:
        """Whether mails wait for a probe, in place of being deferred."""
        return self.failures >= self.suspend_after and isinstance(self.because, Deferred)

    def is_closed(self, now: float) -> bool:
        """Whether nobody may try to connect now."""
        return now < self.closed_until

    def closed_for(self, now: float) -> float:
        """Seconds until somebody may."""
        return max(0.0, self.closed_until - now)

    def failed(self, because: Outcome, *, began: float, now: float) -> "Reachability":
        """After a try that began at `began` came to nothing: itself, if a failure was told since then.

        >>> hop, pauses, now = Reachability(suspend_after=5, probe_seconds=600), [], 0.0
        >>> for _ in range(7):
        ...     hop = hop.failed(Deferred("refused"), began=now, now=now)
        ...     pauses.append((hop.closed_for(now), str(hop.reach)))
        ...     now = hop.closed_until
        >>> pauses[:4]
        [(15.0, 'pausing'), (30.0, 'pausing'), (60.0, 'pausing'), (120.0, 'pausing')]
        >>> pauses[4:]
        [(600.0, 'suspended'), (600.0, 'suspended'), (600.0, 'suspended')]
        """
        if began <= self.failed_at:
            return self
        failures = self.failures + 1
        told = replace(self, failures=failures, failed_at=now, because=because)
        seconds = min(FIRST_PAUSE_SECONDS * 2 ** min(failures - 1, 16), MAX_PAUSE_SECONDS)
        return replace(told, closed_until=now + (self.probe_seconds if told.is_suspended else seconds))

    def hurried(self) -> "Reachability":
        """After a person has let mail go: closed no longer than a first pause, so that it is really tried.

        >>> down = Reachability(suspend_after=1, probe_seconds=600).failed(Deferred("no"), began=0.0, now=9.0)
        >>> down.closed_until, down.hurried().closed_until, str(down.hurried().reach)
        (609.0, 24.0, 'suspended')
        """
        return replace(self, closed_until=min(self.closed_until, self.failed_at + FIRST_PAUSE_SECONDS))

    def answered(self) -> "Reachability":
        """After a connection that came about."""
        return Reachability(suspend_after=self.suspend_after, probe_seconds=self.probe_seconds)
