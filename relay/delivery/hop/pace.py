"""How fast one next hop is served: how many connections at once, and how long between two mails.

Connections begin few, double with success, and are halved when the peer says that it gets too much; from
half of what was too much they grow by one for each round of mails that went well, as TCP does (RFC 5681).
A peer that complains although it has one connection only is given time between the mails: a second, then
two, up to a minute; each mail that goes well halves it. A `rate` that the operator set bounds the mails of
any period: they are spread evenly, with room for a tenth of a second's worth together, so that a timer
that comes late costs none.

Pure: times are seconds of a monotonic clock and passed in. Source: ours.
"""

from dataclasses import dataclass

from relay.quantity import Rate

FIRST_CONNECTIONS = 2  # until a mail has succeeded: enough not to wait for one slow answer
GROWTH_REST_SECONDS = (
    60.0  # no further connection for so long, once the peer refused one beside those that stand
)
FIRST_GAP_SECONDS = 1.0
MAX_GAP_SECONDS = 60.0  # a peer that wants less than a mail a minute is as good as down, and is deferred
MEMORY_SECONDS = 600.0  # a complaint is remembered for so long although no mail comes
LEAST_SECONDS = 0.001  # less than a timer can be trusted with
BURST_SECONDS = 0.1  # of a rate's mails may go together: more than a timer's lateness, too little to notice


@dataclass(slots=True, kw_only=True)
class Pace:
    """What one next hop takes at a time; changed by what it answers.

    >>> pace = Pace(limit=8)
    >>> grown = []
    >>> for _ in range(7):
    ...     pace.succeeded(now=0.0)
    ...     grown.append(pace.allowed)
    >>> grown
    [3, 4, 5, 6, 7, 8, 8]
    """

    limit: int  # connections at once, by the configuration
    rate: Rate | None = None
    allowed: int = 0  # connections at once, by the peer's answers
    gap: float = 0.0  # seconds between two mails, by the peer's answers
    _known: int = 0  # growth is quick up to this many connections, which went well before
    _round: int = 0  # mails that went well since `allowed` last grew
    _eased_at: float = float("-inf")  # when it was last halved
    _growth_rests_until: float = 0.0
    _next_at: float = float("-inf")  # when the next mail would go if all went evenly

    def __post_init__(self) -> None:
        self.allowed = min(FIRST_CONNECTIONS, self.limit)
        self._known = self.limit

    @property
    def is_free(self) -> bool:
        """Whether mails may go as they come."""
        return self.rate is None and not self.gap

    def is_eased(self, now: float) -> bool:
        """Whether the peer complained of late, so that its pace is worth remembering."""
        return now < max(self._eased_at + MEMORY_SECONDS, self._growth_rests_until)

    def wait(self, now: float) -> float:
        """Seconds until the next mail may go; 0: now."""
        burst = BURST_SECONDS if self.rate is not None and not self.gap else 0.0
        seconds = self._next_at - burst - now
        return seconds if seconds > LEAST_SECONDS else 0.0

    def sent(self, now: float) -> None:
        """A mail goes now, and the next one must wait its time."""
        self._next_at = max(self._next_at, now) + max(self._interval, self.gap)

    def within(self, seconds: float) -> int | None:
        """How many mails may go in so many seconds, at least 1; None: as many as the peer takes."""
        interval = max(self._interval, self.gap)
        return max(1, int(seconds / interval)) if interval else None

    @property
    def _interval(self) -> float:
        return self.rate.period.total_seconds() / self.rate.count if self.rate is not None else 0.0

    # What the peer answered

    def succeeded(self, now: float) -> None:
        """A mail went well."""
        if self.gap:
            self.gap = self.gap / 2 if self.gap > FIRST_GAP_SECONDS else 0.0
            return
        if self.allowed >= self.limit or now < self._growth_rests_until:
            return
        self._round += 1
        if self.allowed < self._known or self._round >= self.allowed:
            self.allowed, self._round = self.allowed + 1, 0

    def eased(self, *, began: float, now: float) -> bool:
        """The peer said that it gets too much, in answer to what began at `began`; whether that is news.

        Connections that complain together are one complaint.
        """
        if began <= self._eased_at:
            return False
        self._eased_at, self._round = now, 0
        if self.allowed == 1:
            self.gap = min(max(FIRST_GAP_SECONDS, self.gap * 2), MAX_GAP_SECONDS)
            self._next_at = max(self._next_at, now + self.gap)
        self.allowed = self._known = max(1, self.allowed // 2)
        return True

    def kept_at(self, connections: int, *, now: float) -> None:
        """The peer refused a further connection beside so many (1 or more), which stand."""
        self.allowed = self._known = connections
        self._round = 0
        self._growth_rests_until = now + GROWTH_REST_SECONDS

    def restarted(self) -> None:
        """The peer could not be reached: one connection finds out whether it is back."""
        self.allowed, self._known, self._round = 1, self.limit, 0
