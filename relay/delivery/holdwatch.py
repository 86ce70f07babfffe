"""The standing holds as the engine knows them: which of the deliveries in memory a person has stopped.

The store judges every delivery that it gives out or takes back. This is for what it gave out before a hold
was placed. Diagnostics: a failing store raises MachineFailure. Source: ours.
"""

import math
from collections.abc import Sequence

from relay.clock import Clock
from relay.delivery.job import Job
from relay.delivery.seam import DueStore
from relay.store.standing import Standing, Subject, Way
from relay.store.values import Hold

LOOK_SECONDS = 2.0  # a hold is seen so soon; the look asks whether any changed, and reads them only then


class HoldWatch:
    """Looks at the store's holds from time to time."""

    def __init__(self, store: DueStore, *, clock: Clock, way: Way) -> None:
        self._store = store
        self._clock = clock
        self._way = way
        self._seen_at = -math.inf
        self._mark: object = None
        self._holds: Sequence[Hold] = ()
        self._standing = Standing.of((), way)

    async def is_changed(self) -> bool:
        """Look, unless the last look was just now; whether other holds stand than before."""
        now = self._clock.monotonic()
        if now < self._seen_at + LOOK_SECONDS:
            return False
        mark = await self._store.hold_mark()
        if mark == self._mark:
            self._seen_at = now
            return False
        holds = await self._store.holds()  # as new as the mark or newer: then the next mark differs again
        self._seen_at, self._mark = now, mark
        if holds == self._holds:
            return False
        self._holds, self._standing = holds, Standing.of(holds, self._way)
        return True

    def stops(self, job: Job) -> bool:
        """Whether a hold is on this delivery, as far as was seen."""
        if not self._standing:
            return False
        due = job.due
        subject = Subject(
            seller_id=due.seller_id,
            partner=due.partner,
            recipient=due.delivery.recipient,
            is_notice=due.is_notice,
        )
        return self._standing.stop(subject) is not None
