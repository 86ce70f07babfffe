"""The end of an attempt: its outcome is written in the store, however long the store cannot take it.

Guarantees: an outcome that is known is tried, with growing pauses, until the store answers, so a full disk
does not send a delivered mail again while this process lives; no bug and no failure takes a delivery out of
memory unwritten; the first outcome of a delivery counts. Diagnostics: each failing try is logged with
delivery and Message-ID, by which a partner can be asked; so is an outcome that came too late. Source: ours.
"""

import asyncio
from collections.abc import Callable
from functools import partial

import structlog

from relay.clock import Clock
from relay.config import DeliveryConfig
from relay.delivery.job import Attempt, Job, settlement
from relay.delivery.seam import DueStore
from relay.errors import MachineFailure
from relay.metrics import Metrics
from relay.store.values import Settlement

FIRST_PAUSE_SECONDS = 0.1  # doubled at each failure of the store …
MAX_PAUSE_SECONDS = 5.0  # … up to this: soon enough after a disk has room again, seldom enough for the log
BUG_PAUSE_SECONDS = 5.0  # so that a bug which ends tasks does not spin

_log = structlog.get_logger()


class Settler:
    """Writes outcomes; one for each engine."""

    def __init__(
        self,
        *,
        store: DueStore,
        clock: Clock,
        settings: DeliveryConfig,
        worker: str,
        metrics: Metrics,
        forget: Callable[[Job], None],
    ) -> None:
        """`forget` is told of each job whose outcome the store has, or does not want any more."""
        self._store = store
        self._clock = clock
        self._settings = settings
        self._worker = worker
        self._metrics = metrics
        self._forget = forget
        self._apart: set[asyncio.Task[None]] = set()
        self._stopping = False

    async def finish(self, job: Job, attempt: Attempt) -> None:
        """Return when the store has the outcome: of this attempt, or the earlier one if the job has one."""
        if job.settlement is None:
            job.settlement = settlement(
                job,
                attempt,
                now=self._clock.now(),
                settings=self._settings,
                chance=self._clock.random(),
                worker=self._worker,
            )
        pause = FIRST_PAUSE_SECONDS
        while not await self.write(job, job.settlement):
            await self._clock.sleep(pause)
            pause = min(pause * 2, MAX_PAUSE_SECONDS)

    def finish_apart(self, job: Job, attempt: Attempt) -> None:
        """`finish` in a task of its own, begun anew when a bug ends it: for who must not wait, or dies."""
        if self._stopping:
            return  # whoever stops sees to what is left
        task = asyncio.create_task(self.finish(job, attempt), name="delivery outcome")
        self._apart.add(task)
        task.add_done_callback(partial(self._ended_apart, job, attempt))

    def _ended_apart(self, job: Job, attempt: Attempt, task: asyncio.Task[None]) -> None:
        self._apart.discard(task)
        if not task.cancelled() and (bug := task.exception()) is not None:
            _log.error("outcome not settled by a bug", delivery=job.due.delivery.id, exc_info=bug)
            asyncio.get_running_loop().call_later(BUG_PAUSE_SECONDS, self.finish_apart, job, attempt)

    def stop(self) -> set[asyncio.Task[None]]:
        """Begin no more tasks; those that run."""
        self._stopping = True
        return set(self._apart)

    async def write(self, job: Job, written: Settlement) -> bool:
        """Try once; False when the store could not."""
        told = {
            "delivery": written.delivery_id,
            "message_id": job.due.message_id,
            "outcome": written.state.value,
        }
        try:
            held = await self._store.settle(written)
        except (Exception, asyncio.CancelledError) as failure:
            if is_cancelled():
                raise
            is_bug = not isinstance(failure, MachineFailure)
            _log.error("outcome could not be stored yet", reason=str(failure), exc_info=is_bug, **told)
            return False
        if held:
            self._count(job, written)
        else:
            _log.warning("outcome came too late: the delivery is no longer leased to this worker", **told)
        self._forget(job)
        return True

    def _count(self, job: Job, written: Settlement) -> None:
        age = written.entry.at - job.due.delivery.accepted_at
        self._metrics.attempt(written.entry.event.value, age.total_seconds())


def is_cancelled() -> bool:
    """Whether somebody cancelled the running task.

    If nobody did, a `CancelledError` came out of what the task waited for, and is a failure like any other.
    """
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
