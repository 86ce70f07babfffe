"""What waits in memory for one next hop, in order, and what of it had better wait in the store.

A hop that does not keep pace gives back what is more than its share; a hop that may send so many mails in a
time gives back what cannot have its turn soon, each for its turn. So what one partner does not take never
fills the memory that the others' mails pass through.

Guarantees: every delivery put in comes out once. Pure: times are seconds of a monotonic clock and passed in.
Source: ours.
"""

from collections import deque
from collections.abc import Callable

from relay.delivery.job import Job

SLOW_SECONDS = 5.0  # a delivery that waits longer for its turn marks its hop as slow
UNPROVEN_SECONDS = 1.0  # … and where no connection stands: a partner that is well has one in less
AHEAD_SECONDS = 10.0  # of a bounded rate's mails wait in memory: a few polls of the store
MAX_PUT_OFF_SECONDS = (
    600.0  # a turn later than that is looked at again: the peer may take more by then, and clocks change
)
MAX_PASSED_OVER = 200  # domains that one hop names to a claim: they stand in its statement, one by one


class Backlog:
    """The waiting deliveries of one next hop."""

    def __init__(self) -> None:
        self._waiting: deque[Job] = deque()
        self._taken_until = 0.0  # turns up to then are given away already
        self._shut: set[str] = set()  # recipient domains of which no more is wanted for now

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def passed_over(self) -> frozenset[str]:
        """The recipient domains that claims had better leave for later."""
        return frozenset(self._shut)

    def put(self, job: Job) -> None:
        """Add one at the end."""
        self._waiting.append(job)

    def put_first(self, job: Job) -> None:
        """Add one again that was taken out and not tried."""
        self._waiting.appendleft(job)

    def next(self) -> Job | None:
        """Take the first one out."""
        return self._waiting.popleft() if self._waiting else None

    def batch(self, most: int) -> list[Job]:
        """Take the first ones out, so many at most."""
        return [self._waiting.popleft() for _ in range(min(len(self._waiting), most))]

    def withdraw(self, is_unwanted: Callable[[Job], bool]) -> list[Job]:
        """Take these out."""
        taken = [job for job in self._waiting if is_unwanted(job)]
        if taken:
            gone = set(taken)
            self._waiting = deque(job for job in self._waiting if job not in gone)
        return taken

    def is_slow(self, now: float, *, is_connected: bool) -> bool:
        """Whether deliveries wait longer here than a hop that keeps pace lets them."""
        patience = SLOW_SECONDS if is_connected else UNPROVEN_SECONDS
        return bool(self._waiting) and now - self._waiting[0].waiting_since > patience

    def surplus(self, share: int, *, is_slow: bool) -> list[Job]:
        """Take out the newest of what waits beyond its `share`, where the hop is slow."""
        if not is_slow or len(self._waiting) < share / 2:
            self.open_up()
            return []
        taken = []
        while len(self._waiting) > share:
            taken.append(self._waiting.pop())
        if len(self._waiting) == share:
            self.shut_out(*self._waiting, *taken)
        return taken

    def put_off(self, within: int, now: float) -> list[tuple[Job, float]]:
        """Take out what has no turn in the next seconds, where only so many mails may go in AHEAD_SECONDS.

        Returns:
            Each with the seconds until its turn. The oldest stay, so that none is put off for ever.
        """
        if len(self._waiting) <= within:
            return []
        in_order = sorted(self._waiting, key=lambda job: job.due.delivery.id)  # ids sort by time
        self._waiting = deque(in_order[:within])
        later = in_order[within:]
        start = max(self._taken_until, now + AHEAD_SECONDS) - now
        turns = [
            min(start + place // within * AHEAD_SECONDS, MAX_PUT_OFF_SECONDS) for place in range(len(later))
        ]
        self._taken_until = now + min(turns[-1] + AHEAD_SECONDS, MAX_PUT_OFF_SECONDS)
        return list(zip(later, turns, strict=True))

    # Claims

    def shut_out(self, *jobs: Job) -> None:
        """Want no more of these recipients' domains, unless they are too many to be named."""
        domains = self._shut.union(job.domain for job in jobs)
        if len(domains) <= MAX_PASSED_OVER:
            self._shut = domains

    def open_up(self) -> None:
        """Want everything again."""
        self._shut.clear()
