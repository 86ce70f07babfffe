"""The verb that deletes what ended long ago, in small steps beside a running relay.

Guarantees: each step is one short transaction, and between two of them whoever waits for the store has its
turn; to end in the middle, however it comes, leaves every notification whole or gone. Source: ours.
"""

from collections.abc import AsyncGenerator
from datetime import timedelta

from relay.errors import BadInput, Problem
from relay.operations.office import Verbs
from relay.store.purge import PurgeCounts, PurgePlace, PurgeRule

MIN_AGE = timedelta(days=7)  # reports come back for days, and a marketplace repeats what it is not sure of
STEP = 100  # ids in one transaction: some 10 ms, which is what a mail that comes in may have to wait


class PurgeVerbs(Verbs):
    """Deleting what ended long ago."""

    def purge_rule(self, age: timedelta, *, with_untold: bool) -> PurgeRule:
        """Return what a purge of this age takes; raises BadInput for too short an age."""
        if age < MIN_AGE:
            message = f"must be at least {MIN_AGE.days}d"
            hint = "late bounces and repeats of a notification come for days"
            raise BadInput([Problem(path="--older-than", message=message, hint=hint)])
        return PurgeRule(before=self._office.clock.now() - age, with_untold=with_untold)

    async def purgeable(self, rule: PurgeRule) -> PurgeCounts:
        """Return what a purge would delete now."""
        return await self._office.store.purgeable(rule)

    async def purge(self, rule: PurgeRule, *, by: str) -> AsyncGenerator[PurgeCounts, None]:
        """Delete it, and yield what each step deleted."""
        place: PurgePlace | None = PurgePlace()
        while place is not None:
            now = self._office.clock.now()
            purged = await self._office.store.purge(rule, place=place, limit=STEP, now=now, by=by)
            yield purged.counts
            place = purged.place
