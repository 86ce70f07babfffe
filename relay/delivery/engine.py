"""The delivery engine: from due deliveries to settled ones.

Deliveries come by two ways. A fresh one is offered by intake after its commit, already leased to this
worker, and goes straight from memory. All others (retries, releases, a dead worker's) are claimed from the
store when they are due and there is room. Each goes to its next hop's queue (`hop.py`); each attempt ends
in one `settle`, which is tried until the store takes it or the lease is over.

What waits in memory is bounded in number and octets. Hops that do not keep pace share half of that room;
what they have beyond their share is handed back to the store, to be claimed later, so they never crowd out
the others.

Guarantees: a delivery in memory is leased to this worker, its lease is extended while it waits, and none is
attempted after its lease has ended. Diagnostics: a failing store is logged at each try and nothing is
forgotten; without the store the worker sends only what it holds. Source: ours.
"""

import asyncio
from collections.abc import Sequence

import structlog

from relay.clock import Clock
from relay.config import DeliveryConfig
from relay.delivery.hop import Hop
from relay.delivery.job import Attempt, Job, settlement
from relay.delivery.outcome import Bounced
from relay.delivery.route import NextHop, Routes
from relay.delivery.seam import DueStore, Lease
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
SETTLE_PAUSE_SECONDS = 0.1  # doubled at each failure of the store …
MAX_PAUSE_SECONDS = 5.0  # … up to this

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
        self._unroutable: set[asyncio.Task[None]] = set()
        self._full = False  # whether the pump waits for room
        self._roomy = asyncio.Event()
        self._stopping = False
        self._pump: asyncio.Task[None] | None = None

    @property
    def in_memory(self) -> int:
        """How many deliveries wait in memory or are on their way."""
        return len(self._jobs)

    # What intake calls

    def lease(self, count: int) -> Lease | None:
        """A lease for so many fresh deliveries; None when they had better wait in the store.

        What is offered later may overshoot the bound by what the open intake sessions hold, and no more.
        """
        full = len(self._jobs) + count > self._settings.memory or self._octets >= MEMORY_OCTETS
        if full or self._stopping:
            return None
        return Lease(worker=self._worker, until=self._clock.now() + self._settings.lease)

    def offer(self, dues: Sequence[Due]) -> None:
        """Take fresh deliveries that are committed and leased to this worker; returns at once."""
        for due in dues:
            self._place(due)

    # Life

    async def start(self) -> None:
        """Take back what this worker's former life had leased, and begin; raises MachineFailure."""
        recovered = await self._store.recover(worker=self._worker, now=self._clock.now())
        if recovered:
            _log.info("deliveries recovered from the worker's former life", count=recovered)
        self._pump = asyncio.create_task(self._run_pump(), name="delivery pump")

    async def run(self) -> None:
        """Start, and deliver until cancelled; then stop at once."""
        await self.start()
        assert self._pump is not None
        try:
            await self._pump
        finally:
            await self.stop(0)

    async def stop(self, grace: float) -> None:
        """Begin no attempt; give those that run `grace` seconds; hand the rest back to the store."""
        self._stopping = True
        if self._pump is not None:
            self._pump.cancel()
            await asyncio.wait({self._pump})
        running = {task for hop in self._hops.values() for task in hop.stop()} | self._unroutable
        if running:
            _, late = await asyncio.wait(running, timeout=grace)
            for task in late:
                task.cancel()
            if late:
                await asyncio.wait(late)
        left = list(self._jobs.values())
        self._jobs.clear()
        try:
            async with asyncio.timeout(STORE_SECONDS):
                await self._leave(left)
        except (MachineFailure, TimeoutError):  # no harm: the next start takes them back
            _log.warning("deliveries could not be handed back; their leases run out", count=len(left))

    async def _leave(self, left: Sequence[Job]) -> None:
        """Settle what has come to its end and was not yet written; hand back the rest."""
        for job in left:
            if job.settlement is not None:
                await self._store.settle(job.settlement)
        ids = [job.due.delivery.id for job in left if job.settlement is None]
        if ids:
            await self._store.hand_back(worker=self._worker, now=self._clock.now(), delivery_ids=ids)

    # Queues

    def _place(self, due: Due) -> None:
        delivery = due.delivery
        until = delivery.leased_until or self._clock.now() + self._settings.lease
        known = self._jobs.get(delivery.id)
        if known is not None:  # our own lease had run out and was claimed again
            known.leased_until = until
            return
        job = Job(
            due=due,
            sender=f"{self._bounce_local}+{delivery.id}@{self._bounce_domain}",
            leased_until=until,
            waiting_since=self._clock.monotonic(),
        )
        self._jobs[delivery.id] = job
        self._octets += len(due.content)
        target = self._routes.next_hop(delivery.recipient)
        if isinstance(target, Bounced):
            task = asyncio.create_task(self._finish(job, Attempt(outcome=target)))
            self._unroutable.add(task)
            task.add_done_callback(self._unroutable.discard)
        elif not self._stopping:
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
                finish=self._finish,
            )
        return hop

    def _forget(self, job: Job) -> None:
        if self._jobs.pop(job.due.delivery.id, None) is not None:
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
        pause = SETTLE_PAUSE_SECONDS
        while True:
            try:
                await self._tidy()
                wait = await self._claim()
                pause = SETTLE_PAUSE_SECONDS
            except Exception:  # noqa: BLE001  (the store's failure or our bug: neither may end delivering)
                _log.exception("due deliveries could not be claimed", retry_seconds=pause)
                wait, pause = pause, min(pause * 2, MAX_PAUSE_SECONDS)
            await self._rest(wait)

    async def _claim(self) -> float:
        """Claim what is due while there is room; returns after how many seconds to look again."""
        now = self._clock.now()
        self._full = not self._has_room()
        if self._full:
            self._roomy.clear()
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
        for due in dues:
            self._place(due)
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

    async def _tidy(self) -> None:
        """Hand back what slow hops have too much, extend leases at half their time, forget idle hops."""
        now = self._clock.now()
        surplus = self._slow_surplus()
        if surplus:
            ids = [job.due.delivery.id for job in surplus]
            await self._store.hand_back(worker=self._worker, now=now, delivery_ids=ids)
        half = now + self._settings.lease / 2
        ageing = [job for job in self._jobs.values() if now < job.leased_until < half]
        if ageing:
            until = now + self._settings.lease
            await self._store.extend(
                worker=self._worker, until=until, delivery_ids=[job.due.delivery.id for job in ageing]
            )
            for job in ageing:
                job.leased_until = until
        for target in [target for target, hop in self._hops.items() if hop.is_idle]:
            del self._hops[target]

    def _slow_surplus(self) -> list[Job]:
        """What slow hops hold beyond their share, removed from memory."""
        slow = sum(hop.is_slow for hop in self._hops.values())
        share = max(1, self._settings.memory // SLOW_PART // max(1, slow))
        surplus = [job for hop in self._hops.values() for job in hop.surplus(share)]
        for job in surplus:
            self._forget(job)
        return surplus

    # The end of an attempt

    async def _finish(self, job: Job, attempt: Attempt) -> None:
        """Settle, trying again for as long as the lease is ours: a sent mail must not be forgotten."""
        written = job.settlement = settlement(
            job,
            attempt,
            now=self._clock.now(),
            settings=self._settings,
            chance=self._clock.random(),
            worker=self._worker,
        )
        pause = SETTLE_PAUSE_SECONDS
        while True:
            try:
                if not await self._store.settle(written):
                    _log.warning("lease lost: another worker has the delivery", delivery=written.delivery_id)
                break
            except Exception:  # noqa: BLE001  (disk full, or our bug: to forget would send the mail again)
                _log.exception(
                    "outcome could not be stored", delivery=written.delivery_id, retry_seconds=pause
                )
                if self._clock.now() >= job.leased_until:
                    _log.error("outcome given up with the lease", delivery=written.delivery_id)
                    break
            await self._clock.sleep(pause)
            pause = min(pause * 2, MAX_PAUSE_SECONDS)
        self._forget(job)
