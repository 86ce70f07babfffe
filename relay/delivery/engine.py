"""The delivery engine: from due deliveries to settled ones.

Deliveries come by two ways. A fresh one is offered by intake after its commit, already leased to this
worker, and goes straight from memory. All others (retries, releases, a dead worker's) are claimed from the
store when they are due and there is room. Each goes to its next hop's queue (`hop/`); each attempt ends
in one `settle`, which is tried until the store answers (`settler.py`).

What waits in memory is bounded in number and octets (`memory.py`). Hops that do not keep pace share a part
of that room; what they have beyond their share is handed back to the store, to be claimed later, so they
never crowd out the others. What a person has put on hold leaves memory unsent within `POLL_SECONDS`.

Guarantees: a delivery in memory is leased to this worker, its lease is extended while it waits, and none is
attempted after its lease has ended or was found lost. Nothing leaves memory but settled, handed back or lost
to another worker. Before `start` and after `stop` nothing is taken in. Diagnostics: a failing store is logged
at each try and nothing is forgotten; without the store the worker sends only what it holds; a clock that was
set is logged. Source: ours.
"""

import asyncio
import math
from collections.abc import Callable, Sequence
from datetime import timedelta

import structlog

from relay.clock import Clock
from relay.config import DeliveryConfig
from relay.delivery.holdwatch import HoldWatch
from relay.delivery.hop.backlog import MAX_PUT_OFF_SECONDS
from relay.delivery.hop.dialler import Connects
from relay.delivery.job import Attempt, Job
from relay.delivery.jump import JumpWatch
from relay.delivery.leases import Leases
from relay.delivery.memory import Memory
from relay.delivery.outcome import Bounced
from relay.delivery.pump import Pump
from relay.delivery.route import Routes
from relay.delivery.schedule import longest_wait
from relay.delivery.seam import DueStore, HopState, Lease
from relay.delivery.settler import Settler
from relay.delivery.smtp.policy import HopPolicy
from relay.delivery.traffic import Traffic
from relay.delivery.wish import Wishes
from relay.errors import MachineFailure
from relay.metrics import Metrics
from relay.return_address import ReturnAddress
from relay.store.values import Due

CLAIM_COUNT = 200  # deliveries: a claim is one transaction and must not hold up the commits of intake
CLAIM_OCTETS = 16 * 1024 * 1024
POLL_SECONDS = 2.0  # how soon a release by another process is seen; the look costs one indexed query
RACE_SECONDS = 0.2  # what fell due between claim and look is seen so soon; a bound against spinning
STORE_SECONDS = 10.0  # a stopping worker waits no longer for a store that does not answer
JUMP_REST_SECONDS = 5.0  # no claims: every worker first renews the leases that a clock set forward ends

_log = structlog.get_logger()


class Engine:
    """Delivers until it is stopped. One for each worker process."""

    def __init__(
        self,
        *,
        store: DueStore,
        routes: Routes,
        connector: Connects,
        policies: Callable[[str], HopPolicy],
        return_address: ReturnAddress,
        clock: Clock,
        settings: DeliveryConfig,
        worker: str,
        metrics: Metrics,
    ) -> None:
        """`policies` answers by a next hop's name what holds for it."""
        self._store = store
        self._routes = routes
        self._return_address = return_address
        self._clock = clock
        self._settings = settings
        self._worker = worker
        self._memory = Memory(settings.memory)
        self._leases = Leases(
            store=store, memory=self._memory, clock=clock, worker=worker, length=settings.lease
        )
        self._settler = Settler(
            store=store,
            clock=clock,
            settings=settings,
            worker=worker,
            metrics=metrics,
            forget=self._memory.forget,
        )
        self._traffic = Traffic(
            routes=routes,
            connector=connector,
            policies=policies,
            settings=settings,
            clock=clock,
            finish=self._settler.finish,
            rescue=self._settler.finish_apart,
            give_back=self._leases.give_back,
        )
        self._horizon = max(
            longest_wait(settings.retry), settings.probe, timedelta(seconds=MAX_PUT_OFF_SECONDS)
        )  # nothing that is queued is due later than this from now
        self._jumps = JumpWatch(now=clock.now(), monotonic=clock.monotonic())
        self._claims_rest_until = -math.inf
        self._holds = HoldWatch(store, clock=clock, way=routes.name)
        self._wishes = Wishes(store)
        self._running = False
        self._stopping = False
        self._leaving = asyncio.Lock()  # a second `stop` may come while the first still runs
        self._pump: Pump | None = None

    @property
    def in_memory(self) -> int:
        """How many deliveries wait in memory or are on their way."""
        return len(self._memory)

    @property
    def is_running(self) -> bool:
        """Whether it takes deliveries: begun, and not asked to stop."""
        return self._running and not self._stopping

    def hops(self) -> list[HopState]:
        """How each next hop stands that mail goes to, or of late could not."""
        return self._traffic.states

    # What intake calls

    def lease(self, count: int) -> Lease | None:
        """A lease for so many fresh deliveries; None when they had better wait in the store.

        So they do while the engine does not run. What is offered later may overshoot the bound by what the
        open intake sessions hold, and no more.
        """
        if self._stopping or not self._running or not self._memory.takes(count):
            return None
        return self._leases.fresh

    def offer(self, dues: Sequence[Due]) -> None:
        """Take fresh deliveries that are committed and leased to this worker; returns at once, never raises.

        Those that come before `start` has ended are taken back by it; those that come after `stop` has
        ended are left to their lease's end, or to the next start.
        """
        if self._running:
            self._take(dues, is_judged=False)
        else:
            _log.warning("fresh deliveries are left in the store: the engine does not run", count=len(dues))

    # Life

    async def start(self) -> None:
        """Take back what this worker's former life had leased, and begin; raises MachineFailure."""
        recovered = await self._leases.take_back()
        if recovered:
            _log.info("deliveries recovered from the worker's former life", count=recovered)
        self._running = True
        self._pump = Pump(self._play, clock=self._clock, calls=(self._memory.roomy, self._leases.crowded))

    async def stop(self, grace: float) -> None:
        """Begin no attempt; give those that run `grace` seconds; hand the rest back to the store.

        It may be cancelled and called again, with less patience.
        """
        if self._pump is None:
            return
        self._stopping = True
        self._traffic.stop()
        await self._pump.end(STORE_SECONDS)
        # Once more, for `asyncio.wait_for` (3.11) loses a cancellation that meets the end of its wait.
        running = self._traffic.stop() | self._settler.stop()
        if running:
            _, late = await asyncio.wait(running, timeout=grace)
            for task in late:
                task.cancel()
            if late:
                await asyncio.wait(late)
        async with self._leaving:
            await self._leave()
        self._running = False

    async def _leave(self) -> None:
        """Write what has ended and was not yet written, hand back all else that is leased to this worker."""
        try:
            async with asyncio.timeout(STORE_SECONDS):
                ended = [(job, job.settlement) for job in self._memory if job.settlement is not None]
                await asyncio.gather(*(self._settler.write(job, written) for job, written in ended))
                await self._leases.hand_back()
                await self._leases.hand_back_now([job for job in self._memory if job.settlement is None])
                if not self._unwritten:  # else they would be due at once, and sent again
                    await self._give_up_leases()
        except Exception as failure:  # noqa: BLE001  (the store's, or our bug: the process is about to end)
            _log.error(
                "leases are left to their end, or to the next start",
                waiting=len(self._memory) - len(self._unwritten),
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
        return [job for job in self._memory if job.settlement is not None]

    async def _give_up_leases(self) -> None:
        """Free what is leased and not in memory: by a claim that was cut off, an offer that never came."""
        strays = await self._leases.take_back()
        for job in self._memory:
            self._memory.forget(job)
        if strays:
            _log.info("leases without a delivery in memory were given up", count=strays)

    # Queues

    def _take(self, dues: Sequence[Due], *, is_judged: bool) -> None:
        """Place these; `is_judged`: by the store, which knows every hold."""
        for due in dues:
            try:
                self._place(due, is_judged=is_judged)
            except Exception:  # noqa: BLE001  (a bug with one must not cost the others; its lease will end)
                _log.exception("delivery could not be taken by a bug", delivery=due.delivery.id)

    def _place(self, due: Due, *, is_judged: bool) -> None:
        delivery = due.delivery
        until = delivery.leased_until or self._leases.fresh.until
        known = self._memory.get(delivery.id)
        if known is not None:  # our own lease had run out and was claimed again
            known.leased_until, known.lost = until, False
            return
        target = self._routes.next_hop(delivery.recipient)
        job = Job(
            due=due,
            sender="" if due.is_notice else self._return_address.of(delivery.id),
            leased_until=until,
            waiting_since=self._clock.monotonic(),
        )
        self._memory.add(job)
        if self._stopping:
            return  # `stop` hands it back
        if isinstance(target, Bounced):
            self._settler.finish_apart(job, Attempt(outcome=target))
        elif not is_judged and self._holds.stops(job):
            self._leases.give_back(job, timedelta())
        else:
            self._traffic.put(job, target)

    # The pump's round

    async def _play(self) -> float:
        """Keep leases, heed holds, give back what should not wait here, claim; seconds until the next."""
        self._heed_jump()
        self._drop(await self._leases.extend())
        if await self._holds.is_changed():
            for job in self._traffic.withdraw(self._holds.stops):
                self._leases.give_back(job, timedelta())
        self._traffic.lighten(self._memory.share)
        await self._leases.hand_back()
        self._traffic.forget_idle()
        return await self._claim()

    def _heed_jump(self) -> None:
        jump = self._jumps.jump(now=self._clock.now(), monotonic=self._clock.monotonic())
        if jump:
            _log.warning("the clock was set", seconds=round(jump.total_seconds()))
        if jump > timedelta():
            self._claims_rest_until = self._clock.monotonic() + JUMP_REST_SECONDS

    def _drop(self, lost: Sequence[Job]) -> None:
        """Do not send what another worker has; an attempt that runs ends as it will."""
        missed = {job for job in lost if job in self._memory and not job.settlement}
        if missed:
            _log.warning("leases lost: the deliveries are no longer this worker's", count=len(missed))
        for job in missed:
            job.lost = True
        for job in self._traffic.withdraw(missed.__contains__):
            self._memory.forget(job)

    async def _heed_wishes(self) -> None:
        """After a claim and before what it brought is placed: no wish that it may have met is missed."""
        if not self._traffic.is_down_somewhere:
            self._wishes.rest()
        elif await self._wishes.came():
            self._traffic.hurry()

    async def _claim(self) -> float:
        """Claim what is due while there is room; returns after how many seconds to look again."""
        self._heed_jump()  # once more: it may have come while this round waited for the store
        now = self._clock.now()
        if self._stopping or self._clock.monotonic() < self._claims_rest_until:
            return POLL_SECONDS
        if not self._memory.has_room:
            self._memory.await_room()
            return POLL_SECONDS
        passed_over = self._traffic.passed_over
        dues = await self._store.claim(
            worker=self._worker,
            until=now + self._settings.lease,
            now=now,
            latest=now + self._horizon,
            limit=min(self._memory.left, CLAIM_COUNT),
            octets=CLAIM_OCTETS,
            except_domains=passed_over,
        )
        try:
            await self._heed_wishes()
        finally:  # they are leased to us
            self._take(dues, is_judged=True)
        if dues:
            return 0.0
        due_at = await self._store.next_due(now=now)
        if due_at is None or passed_over:
            return POLL_SECONDS
        return min(max((due_at - now).total_seconds(), RACE_SECONDS), POLL_SECONDS)
