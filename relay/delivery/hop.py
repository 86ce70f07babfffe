"""One next hop: the deliveries that wait for it and the workers that send them, one worker to a connection.

Each hop has its own queue and its own tasks, so whatever a peer does stays with its own mail. Connections
are kept between mails, opened one by one as work waits and mails succeed, and closed when idle. When no
connection can be opened and none stands, every waiting delivery is deferred at once, and until a pause is
over whatever else comes is deferred without another attempt to connect: a dead host costs one connect
timeout, not one for each mail.

Guarantees: each delivery put in comes out once: through `finish`, through `rescue` when a bug ended its
worker, through `give_back` when its lease was over; unless `surplus` or `withdraw` took it or the hop was
stopped. Diagnostics: a failing hop is logged when its pause begins and when it answers again. Source: ours;
the way of pausing is Postfix's, per destination.
"""

import asyncio
import math
from collections import deque
from collections.abc import Awaitable, Callable, Collection

import structlog

from relay.clock import Clock
from relay.config import DeliveryConfig
from relay.delivery.job import Attempt, Job
from relay.delivery.outcome import Deferred, Delivered, Outcome, Unsent
from relay.delivery.route import NextHop, Routes
from relay.delivery.session import Address, Session
from relay.delivery.settler import BUG_PAUSE_SECONDS
from relay.delivery.smtp import Connector

FIRST_CONNECTIONS = 2  # until a mail has succeeded: enough not to wait for one slow answer
MAX_ADDRESSES = 5  # tried for one connection; a hop with more dead hosts than that is deferred
SHUN_SECONDS = (
    300.0  # a host that failed is tried last for so long: one dead exchanger of two costs one timeout
)
FIRST_PAUSE_SECONDS = 15.0  # shorter than the first retry, so that a retry really tries
MAX_PAUSE_SECONDS = 600.0
SLOW_SECONDS = 5.0  # a delivery that waits longer for its turn marks its hop as slow
GROWTH_REST_SECONDS = (
    60.0  # no further connection for so long, once the peer refused one beside those that stand
)
SETTLED_TOGETHER = 64  # deferrals of a dead hop that are written at a time: they share commits

_log = structlog.get_logger()


Finish = Callable[[Job, Attempt], Awaitable[None]]  # returns when the outcome is written
Rescue = Callable[[Job, Attempt], None]  # the same, for who cannot wait
GiveBack = Callable[[Job], None]  # takes a delivery whose lease is over: it must not be sent


class Hop:
    """The queue and the connections of one next hop."""

    def __init__(
        self,
        target: NextHop,
        *,
        routes: Routes,
        connector: Connector,
        settings: DeliveryConfig,
        clock: Clock,
        finish: Finish,
        rescue: Rescue,
        give_back: GiveBack,
    ) -> None:
        self._target = target
        self._routes = routes
        self._connector = connector
        self._settings = settings
        self._idle_seconds = settings.idle.total_seconds()
        self._clock = clock
        self._finish = finish
        self._rescue = rescue
        self._give_back = give_back
        self._waiting: deque[Job] = deque()
        self._workers: set[asyncio.Task[None]] = set()
        self._resting: deque[asyncio.Future[bool]] = deque()  # workers that wait for a job
        self._opening: set[asyncio.Task[None]] = set()  # workers that wait for a connection
        self._connected = 0  # workers that have a session
        self._allowed = min(FIRST_CONNECTIONS, settings.connections)
        self._growth_rests_until = 0.0
        self._pauses = 0  # in a row, without a connection between
        self._paused_at = -math.inf  # when the last of them began
        self._closed_until = 0.0
        self._closed_because: Outcome = Deferred("")
        self.passed_over: set[str] = set()  # recipient domains of which no more is wanted for now
        self._shunned: dict[Address, float] = {}
        self._stopping = False

    @property
    def is_idle(self) -> bool:
        """Whether nothing would be lost by forgetting this hop."""
        now = self._clock.monotonic()
        failing = self._pauses and now < self._closed_until + MAX_PAUSE_SECONDS
        return not (
            self._waiting or self._workers or failing or any(until > now for until in self._shunned.values())
        )

    @property
    def is_slow(self) -> bool:
        """Whether deliveries wait longer here than a hop that keeps pace lets them."""
        first = self._waiting[0] if self._waiting else None
        return first is not None and self._clock.monotonic() - first.waiting_since > SLOW_SECONDS

    def put(self, job: Job) -> None:
        """Add a delivery; it is sent when its turn comes."""
        self._waiting.append(job)
        self._call_worker()

    def surplus(self, share: int) -> list[Job]:
        """Where the hop is slow: the newest of what waits beyond `share`, removed."""
        if not self.is_slow or len(self._waiting) < share / 2:
            self.passed_over.clear()
            return []
        taken = []
        while len(self._waiting) > share:
            taken.append(self._waiting.pop())
        if len(self._waiting) == share:
            self.passed_over |= {job.domain for job in (*self._waiting, *taken)}
        return taken

    def withdraw(self, unwanted: Collection[Job]) -> list[Job]:
        """Those of these that wait here, removed."""
        taken = [job for job in self._waiting if job in unwanted]
        if taken:
            self._waiting = deque(job for job in self._waiting if job not in unwanted)
        return taken

    def stop(self) -> list[asyncio.Task[None]]:
        """Begin no more attempts; the tasks end with the attempts that run."""
        self._stopping = True
        while self._resting:
            _wake(self._resting.popleft(), True)
        for worker in self._opening:
            worker.cancel()
        return list(self._workers)

    # Workers

    def _call_worker(self) -> None:
        while self._resting:
            if _wake(self._resting.popleft(), True):
                return
        if len(self._workers) < self._allowed and not self._stopping:
            worker = asyncio.create_task(self._work(), name=f"delivery to {self._target}")
            self._workers.add(worker)
            worker.add_done_callback(self._worker_ended)

    def _worker_ended(self, worker: asyncio.Task[None]) -> None:
        self._workers.discard(worker)
        if not worker.cancelled() and (bug := worker.exception()) is not None:
            _log.error("delivery worker died of a bug", next_hop=str(self._target), exc_info=bug)
            asyncio.get_running_loop().call_later(BUG_PAUSE_SECONDS, self._call_worker)
        elif self._waiting:  # those that are left may hang
            self._call_worker()

    async def _work(self) -> None:
        session: Session | None = None
        try:
            while await self._something_waits():
                if (
                    session is None
                    or not session.usable
                    or session.mails >= self._settings.mails_per_connection
                ):
                    if session is not None:
                        self._connected -= 1
                        closing, session = session, None
                        await closing.quit()
                    session = await self._open_stoppably()
                    if session is None:
                        return
                    self._connected += 1
                elif self._waiting:
                    job = self._waiting.popleft()
                    if job.lost or self._clock.now() >= job.leased_until:
                        self._give_back(job)
                    else:
                        await self._send(session, job)
        finally:
            if session is not None:
                self._connected -= 1
                await session.quit()

    async def _something_waits(self) -> bool:
        """Rest until a delivery waits; False when none came in the idle time, or when the hop stops."""
        called = True
        while called and not self._waiting and not self._stopping:  # another worker may have been quicker
            rest: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
            timer = asyncio.get_running_loop().call_later(self._idle_seconds, _wake, rest, False)
            self._resting.append(rest)
            try:
                called = await rest
            finally:
                timer.cancel()
                if rest in self._resting:
                    self._resting.remove(rest)
        return bool(self._waiting) and not self._stopping

    async def _send(self, session: Session, job: Job) -> None:
        attempt = Attempt(outcome=Deferred("an error in Denrei ended the attempt"))
        try:
            ended = await self._attempted(session, job)
            if isinstance(ended, Unsent):
                self._waiting.appendleft(job)
                return
            attempt = Attempt(outcome=ended, address=session.address)
            if isinstance(ended, Delivered):
                self._succeeded()
            await self._finish(job, attempt)
        except BaseException:
            if not self._stopping:  # else whoever stops sees to what is left
                self._rescue(job, attempt)
            raise

    async def _attempted(self, session: Session, job: Job) -> Outcome | Unsent:
        try:
            return await session.send(
                sender=job.sender, recipient=job.due.delivery.recipient, content=job.due.content
            )
        except Exception as bug:  # noqa: BLE001  (our own bug: the mail must outlive it)
            _log.exception(
                "delivery failed by a bug", delivery=job.due.delivery.id, next_hop=str(self._target)
            )
            session.drop()
            return Deferred(f"an error in Denrei: {type(bug).__name__}")

    def _succeeded(self) -> None:
        if self._allowed < self._settings.connections and self._clock.monotonic() >= self._growth_rests_until:
            self._allowed += 1
        if self._waiting:
            self._call_worker()

    # Connections

    async def _open_stoppably(self) -> Session | None:
        """`_open`, cut short when the hop stops: no mail is on the wire yet."""
        worker = asyncio.current_task()
        assert worker is not None
        self._opening.add(worker)
        try:
            return await self._open()
        finally:
            self._opening.discard(worker)

    async def _open(self) -> Session | None:
        """A new session; None when there is none to be had now, with the waiting deliveries cared for."""
        began = self._clock.monotonic()
        if began >= self._closed_until:
            opened = await self._try_addresses()
            if isinstance(opened, Session):
                self._answered()
                return opened
            if self._connected:
                self._allowed = self._connected  # the peer takes so many and no more
                self._growth_rests_until = self._clock.monotonic() + GROWTH_REST_SECONDS
                return None
            if self._paused_at < began:
                self._pause(opened)
            elif self._clock.monotonic() >= self._closed_until:
                return None  # the pause that others began meanwhile is over: the next worker tries anew
        await self._fail_waiting()
        return None

    async def _try_addresses(self) -> Session | Outcome:
        try:
            addresses = await self._routes.addresses(self._target)
            if not isinstance(addresses, tuple):
                return addresses
            reasons = []
            for address in self._by_promise(addresses)[:MAX_ADDRESSES]:
                session = await self._connector.connect(address)
                if isinstance(session, Session):
                    self._shunned.pop(address, None)
                    return session
                self._shunned[address] = self._clock.monotonic() + SHUN_SECONDS
                reasons.append(session.reason)
            return Deferred("; ".join(reasons))
        except Exception as bug:  # noqa: BLE001  (our own bug: the mails must outlive it)
            _log.exception("connecting failed by a bug", next_hop=str(self._target))
            return Deferred(f"an error in Denrei: {type(bug).__name__}")

    def _by_promise(self, addresses: tuple[Address, ...]) -> list[Address]:
        """The addresses with those that failed of late at the end; else in their order."""
        now = self._clock.monotonic()
        self._shunned = {address: until for address, until in self._shunned.items() if until > now}
        return sorted(addresses, key=lambda address: address in self._shunned)

    def _answered(self) -> None:
        if self._pauses:
            _log.info("next hop answers again", next_hop=str(self._target))
        self._pauses = 0
        self._paused_at = -math.inf
        self._closed_until = 0.0

    def _pause(self, because: Outcome) -> None:
        """Close the hop for a while: once, however many workers failed together."""
        seconds = min(FIRST_PAUSE_SECONDS * 2**self._pauses, MAX_PAUSE_SECONDS)
        self._pauses = min(self._pauses + 1, 16)
        self._allowed = 1
        self._paused_at = self._clock.monotonic()
        self._closed_until = self._paused_at + seconds
        self._closed_because = because
        _log.warning(
            "next hop cannot be reached",
            next_hop=str(self._target),
            waiting=len(self._waiting),
            pause_seconds=seconds,
        )

    async def _fail_waiting(self) -> None:
        """End every waiting delivery with the reason for which the hop is closed."""
        while self._waiting:
            together = [self._waiting.popleft() for _ in range(min(len(self._waiting), SETTLED_TOGETHER))]
            rest = max(0.0, self._closed_until - self._clock.monotonic())
            attempt = Attempt(outcome=self._closed_because, not_before=rest)
            ends = await asyncio.gather(
                *(self._finish(job, attempt) for job in together), return_exceptions=True
            )
            for job, bug in zip(together, ends, strict=True):
                if bug is not None and not self._stopping:
                    _log.error("deferral failed by a bug", delivery=job.due.delivery.id, exc_info=bug)
                    self._rescue(job, attempt)


def _wake(rest: asyncio.Future[bool], called: bool) -> bool:
    if rest.done():
        return False
    rest.set_result(called)
    return True
