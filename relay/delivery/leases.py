"""This worker's leases: extended in time, given back when a delivery is not to be sent now, found lost.

Guarantees: what is given back is kept in memory until the store has it, and is not sent meanwhile; a lease is
extended when half of it is over, and at once when the time of day has jumped; what another worker has is
told, each by itself. Diagnostics: a failing store raises MachineFailure, and the next round tries again.
Source: ours.
"""

import asyncio
import math
from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta

import structlog

from relay.clock import Clock
from relay.delivery.job import Job
from relay.delivery.memory import Memory
from relay.delivery.seam import DueStore, Lease

RETURNED_TOGETHER = 100  # so many wake the pump before its time: they fill memory and serve nobody there

_log = structlog.get_logger()


class Leases:
    """What is leased to this worker."""

    def __init__(
        self, *, store: DueStore, memory: Memory, clock: Clock, worker: str, length: timedelta
    ) -> None:
        self._store = store
        self._memory = memory
        self._clock = clock
        self._worker = worker
        self._length = length
        self._returning: dict[Job, timedelta] = {}  # out of their hops, until the store has them back
        self.crowded = asyncio.Event()  # set when many wait to be handed back

    @property
    def fresh(self) -> Lease:
        """A lease that begins now."""
        return Lease(worker=self._worker, until=self._clock.now() + self._length)

    def give_back(self, job: Job, after: timedelta) -> None:
        """Have it handed back in the next round, due after so long, in whole seconds."""
        self._returning[job] = timedelta(seconds=math.ceil(after.total_seconds()))  # few waits: few writes
        if len(self._returning) >= RETURNED_TOGETHER:
            self.crowded.set()

    async def hand_back(self) -> None:
        """Give back to the store, uncounted, what is to be given back; each is forgotten when it has it."""
        self.crowded.clear()
        by_wait: defaultdict[timedelta, list[Job]] = defaultdict(list)
        for job, after in self._returning.items():  # more may come while the store takes these
            by_wait[after].append(job)
        for after, jobs in by_wait.items():
            await self.hand_back_now(jobs, after)

    async def hand_back_now(self, jobs: Sequence[Job], after: timedelta = timedelta()) -> None:
        """Give these back."""
        if not jobs:
            return
        now = self._clock.now()
        ids = [job.due.delivery.id for job in jobs]
        await self._store.hand_back(worker=self._worker, now=now, delivery_ids=ids, due_at=now + after)
        for job in jobs:
            self._returning.pop(job, None)
            self._memory.forget(job)

    async def extend(self) -> list[Job]:
        """Extend leases that have come to their half; gives those that are no longer ours."""
        now = self._clock.now()
        until, half = now + self._length, now + self._length / 2
        ageing = [
            job
            for job in self._memory
            if job.leased_until < half and not job.lost and job not in self._returning
        ]
        return await self._lost(ageing, until)

    async def _lost(self, jobs: Sequence[Job], until: datetime) -> list[Job]:
        """Extend these leases to `until`; those that are no longer ours, found by halving."""
        if not jobs:
            return []
        ids = [job.due.delivery.id for job in jobs]
        held = await self._store.extend(worker=self._worker, until=until, delivery_ids=ids)
        if held == len(jobs):
            for job in jobs:
                job.leased_until = until
            return []
        if held == 0:
            return list(jobs)
        half = len(jobs) // 2
        return [*await self._lost(jobs[:half], until), *await self._lost(jobs[half:], until)]

    async def take_back(self) -> int:
        """Make due whatever is leased under this worker's name; how many. For its start and its end."""
        return await self._store.recover(worker=self._worker, now=self._clock.now())
