"""The delivery engine: from due deliveries to settled ones.

Deliveries come by two ways. A fresh one is offered by intake after its commit, already leased to this
worker, and goes straight from memory. All others (retries, releases, a dead worker's) are claimed from the
store when they are due and there is room. Each goes to its next hop's queue (`hop.py`); each attempt ends
in one `settle`, which is tried until the store answers (`settler.py`).

What waits in memory is bounded in number and octets. Hops that do not keep pace share half of that room;
what they have beyond their share is handed back to the store, to be claimed later, so they never crowd out
the others.

Guarantees: a delivery in memory is leased to this worker, its lease is extended while it waits, and none is
attempted after its lease has ended or was found lost. Nothing leaves memory but settled, handed back or lost
to another worker. Before `start` and after `stop` nothing is taken in. Diagnostics: a failing store is logged
at each try and nothing is forgotten; without the store the worker sends only what it holds. Source: ours.
"""

import asyncio
from collections.abc import Sequence
from datetime import datetime

import structlog

from relay.clock import Clock
from relay.config import DeliveryConfig
from relay.delivery.hop import Hop
from relay.delivery.job import Attempt, Job
from relay.delivery.outcome import Bounced
from relay.delivery.route import NextHop, Routes
from relay.delivery.seam import DueStore, Lease
from relay.delivery.settler import FIRST_PAUSE_SECONDS, MAX_PAUSE_SECONDS, Settler, is_cancelled
from relay.delivery.smtp import Connector
from relay.errors import MachineFailure
from relay.store.values import Due

MEMORY_OCTETS = 64 * 1024 * 1024  # of mail content in memory; a few ordinary mails are 2 KB each, some 100 KB
CLAIM_COUNT = (
    200  # deliveries per claim: a claim is one transaction and must not hold up the commits of intake
)
CLAIM_OCTETS = 16 * 1024 * 1024
POLL_SECONDS = 2.0  # how soon a release by another process is seen; the look costs one indexed query
FRESH_PART = 2  # claims use up to one half of the memory, so that fresh deliveries always find the other
SLOW_PART = 4  # all slow hops together keep at most a quarter
RACE_SECONDS = 0.2  # what fell due between claim and look is seen so soon; a bound against spinning
STORE_SECONDS = 10.0  # a stopping worker waits no longer for a store that does not answer

_log = structlog.get_logger()


class Engine:
    """Delivers until it is stopped. One for each worker process."""

    def __init__(
        self,
        *,
        store: DueStore,
        routes: Routes,
        clock: Clock,
        settings: DeliveryConfig,
        hostname: str,
        worker: str,
    ) -> None:
        self._store = store
        self._routes = routes
        self._clock = clock
        self._settings = settings
        self._worker = worker
        self._connector = Connector(hostname=hostname, timeouts=settings.timeouts)
        self._bounce_local, _, self._bounce_domain = (
            settings.bounce_address or f"bounce@{hostname}"
        ).rpartition("@")
        self._hops: dict[NextHop, Hop] = {}
        self._jobs: dict[str, Job] = {}
        self._octets = 0
        self._returning: list[Job] = []  # taken out of their hops, until the store has them back
        self._settler = Settler(
            store=store, clock=clock, settings=settings, worker=worker, forget=self._forget
        )
        self._full = False  # whether the pump waits for room
        self._roomy = asyncio.Event()
        self._running = False
        self._stopping = False
        self._leaving = asyncio.Lock()  # a second `stop` may come while the first still runs
        self._pump: asyncio.Task[None] | None = None

    @property
    def in_memory(self) -> int:
        """How many deliveries wait in memory or are on their way."""
        return len(self._jobs)

    # What intake calls

    def lease(self, count: int) -> Lease | None:
        """A lease for so many fresh deliveries; None when they had better wait in the store.

        So they do while the engine does not run. What is offered later may overshoot the bound by what the
        open intake sessions hold, and no more.
        """
        full = len(self._jobs) + count > self._settings.memory or self._octets >= MEMORY_OCTETS
        if full or self._stopping or not self._running:
            return None
        return Lease(worker=self._worker, until=self._clock.now() + self._settings.lease)

    def offer(self, dues: Sequence[Due]) -> None:
        """Take fresh deliveries that are committed and leased to this worker; returns at once, never raises.

        Those that come before `start` has ended are taken back by it; those that come after `stop` has
        ended are left to their lease's end, or to the next start.
        """
        if self._running:
            self._take(dues)
        else:
            _log.warning("fresh deliveries are left in the store: the engine does not run", count=len(dues))

    # Life

    async def start(self) -> None:
        """Take back what this worker's former life had leased, and begin; raises MachineFailure."""
        recovered = await self._store.recover(worker=self._worker, now=self._clock.now())
        if recovered:
            _log.info("deliveries recovered from the worker's former life", count=recovered)
        self._running = True
        self._pump = asyncio.create_task(self._run_pump(), name="delivery pump")

    async def stop(self, grace: float) -> None:
        """Begin no attempt; give those that run `grace` seconds; hand the rest back to the store.

        It may be cancelled and called again, with less patience.
        """
        if self._pump is None:
            return
        self._stopping = True
        self._stop_hops()
        await self._end_pump(self._pump)
        running = self._stop_hops() | self._settler.stop()
        if running:
            _, late = await asyncio.wait(running, timeout=grace)
            for task in late:
                task.cancel()
            if late:
                await asyncio.wait(late)
        async with self._leaving:
            await self._leave()
        self._running = False

    def _stop_hops(self) -> set[asyncio.Task[None]]:
        """Done twice, for `asyncio.wait_for` (3.11) loses a cancellation that meets the end of its wait."""
        return {task for hop in self._hops.values() for task in hop.stop()}

    async def _end_pump(self, pump: asyncio.Task[None]) -> None:
        """Let the pump end its round: a claim that is cut off may be made all the same, unknown to us."""
        self._roomy.set()
        _, late = await asyncio.wait({pump}, timeout=STORE_SECONDS)
        if late:
            pump.cancel()
            await asyncio.wait(late)

    async def _leave(self) -> None:
        """Write what has ended and was not yet written, hand back all else that is leased to this worker."""
        try:
            async with asyncio.timeout(STORE_SECONDS):
                ended = [(job, job.settlement) for job in self._jobs.values() if job.settlement is not None]
                await asyncio.gather(*(self._settler.write(job, written) for job, written in ended))
                await self._hand_back([job for job in self._jobs.values() if job.settlement is None])
                if not self._unwritten:  # else they would be due at once, and sent again
                    await self._give_up_leases()
        except Exception as failure:  # noqa: BLE001  (the store's, or our bug: the process is about to end)
            _log.error(
                "leases are left to their end, or to the next start",
                waiting=len(self._jobs) - len(self._unwritten),
                reason=str(failure) or f"no answer within {STORE_SECONDS:g} s",
                exc_info=not isinstance(failure, MachineFailure | TimeoutError),
            )
        for job in self._unwritten:
            _log.error(
                "outcome not stored when the worker stopped: the delivery will be tried again",
                delivery=job.due.delivery.id,
                message_id=job.due.message_id,
                outcome=job.settlement and job.settlement.state.value,
            )

    @property
    def _unwritten(self) -> list[Job]:
        return [job for job in self._jobs.values() if job.settlement is not None]

    async def _hand_back(self, jobs: Sequence[Job]) -> None:
        """Give these back to the store, uncounted; they are forgotten when it has them."""
        if jobs:
            ids = [job.due.delivery.id for job in jobs]
            await self._store.hand_back(worker=self._worker, now=self._clock.now(), delivery_ids=ids)
            for job in jobs:
                self._forget(job)

    async def _give_up_leases(self) -> None:
        """Free what is leased and not in memory: by a claim that was cut off, an offer that never came."""
        strays = await self._store.recover(worker=self._worker, now=self._clock.now())
        for job in list(self._jobs.values()):
            self._forget(job)
        if strays:
            _log.info("leases without a delivery in memory were given up", count=strays)

    # Queues

    def _take(self, dues: Sequence[Due]) -> None:
        for due in dues:
            try:
                self._place(due)
            except Exception:  # noqa: BLE001  (a bug with one must not cost the others; its lease will end)
                _log.exception("delivery could not be taken by a bug", delivery=due.delivery.id)

    def _place(self, due: Due) -> None:
        delivery = due.delivery
        until = delivery.leased_until or self._clock.now() + self._settings.lease
        known = self._jobs.get(delivery.id)
        if known is not None:  # our own lease had run out and was claimed again
            known.leased_until, known.lost = until, False
            return
        target = self._routes.next_hop(delivery.recipient)
        job = Job(
            due=due,
            sender=f"{self._bounce_local}+{delivery.id}@{self._bounce_domain}",
            leased_until=until,
            waiting_since=self._clock.monotonic(),
        )
        self._jobs[delivery.id] = job
        self._octets += len(due.content)
        if self._stopping:
            return  # `stop` hands it back
        if isinstance(target, Bounced):
            self._settler.finish_apart(job, Attempt(outcome=target))
        else:
            self._hop(target).put(job)

    def _hop(self, target: NextHop) -> Hop:
        hop = self._hops.get(target)
        if hop is None:
            hop = self._hops[target] = Hop(
                target,
                routes=self._routes,
                connector=self._connector,
                settings=self._settings,
                clock=self._clock,
                finish=self._settler.finish,
                rescue=self._settler.finish_apart,
                give_back=self._returning.append,
            )
        return hop

    def _forget(self, job: Job) -> None:
        if self._jobs.get(job.due.delivery.id) is not job:
            return
        del self._jobs[job.due.delivery.id]
        self._octets -= len(job.due.content)
        if self._full and self._has_room():
            self._full = False
            self._roomy.set()

    def _has_room(self) -> bool:
        """Whether claims may use memory."""
        jobs, octets = self._settings.memory / FRESH_PART, MEMORY_OCTETS / FRESH_PART
        return len(self._jobs) < jobs and self._octets < octets

    # The pump

    async def _run_pump(self) -> None:
        wait, pause = 0.0, FIRST_PAUSE_SECONDS
        while not self._stopping:
            try:
                await self._rest(wait)
                await self._tidy()
                wait = await self._claim()
                pause = FIRST_PAUSE_SECONDS
            except (
                Exception,
                asyncio.CancelledError,
            ) as failure:  # the store's, or our bug: delivery goes on
                if is_cancelled():
                    raise
                _log.error(
                    "due deliveries could not be claimed",
                    retry_seconds=pause,
                    reason=str(failure),
                    exc_info=not isinstance(failure, MachineFailure),
                )
                wait, pause = pause, min(pause * 2, MAX_PAUSE_SECONDS)

    async def _claim(self) -> float:
        """Claim what is due while there is room; returns after how many seconds to look again."""
        now = self._clock.now()
        self._full = not self._has_room()
        if self._full or self._stopping:
            return POLL_SECONDS
        passed_over = set().union(*(hop.passed_over for hop in self._hops.values()))
        dues = await self._store.claim(
            worker=self._worker,
            until=now + self._settings.lease,
            now=now,
            limit=min(self._settings.memory - len(self._jobs), CLAIM_COUNT),
            octets=CLAIM_OCTETS,
            except_domains=passed_over,
        )
        self._take(dues)
        if dues:
            return 0.0
        due_at = await self._store.next_due(now=now)
        if due_at is None or passed_over:
            return POLL_SECONDS
        return min(max((due_at - now).total_seconds(), RACE_SECONDS), POLL_SECONDS)

    async def _rest(self, seconds: float) -> None:
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        sleep = asyncio.ensure_future(self._clock.sleep(seconds))
        room = asyncio.ensure_future(self._roomy.wait())
        try:
            await asyncio.wait({sleep, room}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            sleep.cancel()
            room.cancel()
            if not self._stopping:
                self._roomy.clear()  # it has been heard
        if sleep.done() and not sleep.cancelled():
            sleep.result()

    async def _tidy(self) -> None:
        """Hand back what hops have too much or too late, extend leases, forget idle hops."""
        self._returning += self._slow_surplus()
        back = list(self._returning)  # more may come while the store takes these
        await self._hand_back(back)
        del self._returning[: len(back)]
        now = self._clock.now()
        until, half = now + self._settings.lease, now + self._settings.lease / 2
        ageing = [job for job in self._jobs.values() if job.leased_until < half and not job.lost]
        self._drop(await self._lost(ageing, until))
        for target in [target for target, hop in self._hops.items() if hop.is_idle]:
            del self._hops[target]

    def _slow_surplus(self) -> list[Job]:
        """What slow hops hold beyond their share, removed from their queues."""
        slow = sum(hop.is_slow for hop in self._hops.values())
        share = max(1, self._settings.memory // SLOW_PART // max(1, slow))
        return [job for hop in self._hops.values() for job in hop.surplus(share)]

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

    def _drop(self, lost: Sequence[Job]) -> None:
        """Do not send what another worker has; an attempt that runs ends as it will."""
        missed = {job for job in lost if self._jobs.get(job.due.delivery.id) is job and not job.settlement}
        if not missed:
            return
        _log.warning("leases lost: the deliveries are no longer this worker's", count=len(missed))
        for job in missed:
            job.lost = True
        for hop in self._hops.values():
            for job in hop.withdraw(missed):
                self._forget(job)
