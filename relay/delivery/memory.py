"""The deliveries that this worker has in memory, waiting or on their way, bounded in number and octets.

Guarantees: a delivery is here once, from being taken in until it is settled, handed back or lost. Fresh ones
may use the whole of it, claims one half, slow hops together a quarter, so that none crowds out the others.
Source: ours.
"""

import asyncio
from collections.abc import Iterator

from relay.delivery.job import Job

MEMORY_OCTETS = 64 * 1024 * 1024  # of mail content; a few ordinary mails are 2 KB each, some 100 KB
FRESH_PART = 2  # claims use up to one half, so that fresh deliveries always find the other
SLOW_PART = 4  # all slow hops together keep at most a quarter


class Memory:
    """The jobs by their deliveries' ids."""

    def __init__(self, limit: int) -> None:
        """`limit`: so many deliveries at most."""
        self._limit = limit
        self._jobs: dict[str, Job] = {}
        self._octets = 0
        self._is_awaited = False
        self.roomy = asyncio.Event()  # set when claims may use memory again, after `await_room`

    def __len__(self) -> int:
        return len(self._jobs)

    def __iter__(self) -> Iterator[Job]:
        """All that is in memory now; it may change meanwhile."""
        return iter(tuple(self._jobs.values()))

    def get(self, delivery_id: str) -> Job | None:
        """The job of that delivery."""
        return self._jobs.get(delivery_id)

    def __contains__(self, job: Job) -> bool:
        return self._jobs.get(job.due.delivery.id) is job

    def add(self, job: Job) -> None:
        """Keep it until it is forgotten."""
        self._jobs[job.due.delivery.id] = job
        self._octets += len(job.due.content)

    def forget(self, job: Job) -> None:
        """Its delivery is no longer ours to send; of no effect a second time."""
        if job not in self:
            return
        del self._jobs[job.due.delivery.id]
        self._octets -= len(job.due.content)
        if self._is_awaited and self.has_room:
            self._is_awaited = False
            self.roomy.set()

    @property
    def has_room(self) -> bool:
        """Whether claims may use memory."""
        return len(self._jobs) < self._limit / FRESH_PART and self._octets < MEMORY_OCTETS / FRESH_PART

    def await_room(self) -> None:
        """Set `roomy` when claims may use memory again."""
        self._is_awaited = True

    @property
    def left(self) -> int:
        """How many more may come."""
        return self._limit - len(self._jobs)

    def takes(self, count: int) -> bool:
        """Whether so many fresh ones find room."""
        return count <= self.left and self._octets < MEMORY_OCTETS

    def share(self, slow: int) -> int:
        """How many deliveries each of so many slow hops may keep."""
        return max(1, self._limit // SLOW_PART // max(1, slow))
