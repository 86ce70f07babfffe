"""One next hop: the deliveries that wait for it and the workers that send them, one worker to a connection.

Each hop has its own queue and its own tasks, so whatever a peer does stays with its own mail. Connections
are kept between mails, opened one by one as work waits and mails succeed (`pace.py`), and closed when idle.
When no connection can be opened and none stands, the hop is closed for a while (`suspension.py`): what waits
is deferred at once, or, when the hop is suspended, put off in the store until the next probe. A dead host
costs one connect timeout, not one for each mail.

Guarantees: each delivery put in comes out once: through `finish`, through `rescue` when a bug ended its
worker, through `give_back` when it is not to be sent now; unless `withdraw` took it or the hop was stopped.
A hop that may not send yet keeps neither worker nor connection for longer than `idle`. Diagnostics: a
failing hop is logged when its pause begins and when it answers again; so is one that wants less. Source:
ours; the way of pausing is Postfix's, per destination.
"""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta

import structlog

from relay.clock import Clock
from relay.config import DeliveryConfig
from relay.delivery.hop.backlog import AHEAD_SECONDS, Backlog
from relay.delivery.hop.crew import Crew
from relay.delivery.hop.dialler import Dialler
from relay.delivery.hop.gate import Closed, Gate
from relay.delivery.hop.pace import Pace
from relay.delivery.job import Attempt, Job
from relay.delivery.outcome import Deferred, Delivered, Outcome, Unsent
from relay.delivery.seam import HopState
from relay.delivery.smtp.policy import HopPolicy
from relay.delivery.smtp.session import Session

LOOK_AGAIN_SECONDS = 15.0  # for mails that meet a probe: it may have opened the hop by then
SETTLED_TOGETHER = 64  # deferrals of a dead hop that are written at a time: they share commits

_log = structlog.get_logger()


Finish = Callable[[Job, Attempt], Awaitable[None]]  # returns when the outcome is written
Rescue = Callable[[Job, Attempt], None]  # the same, for who cannot wait
GiveBack = Callable[[Job, timedelta], None]  # takes a delivery that is not sent now: due after so long


class Hop:
    """The queue and the connections of one next hop."""

    def __init__(
        self,
        name: str,
        *,
        dialler: Dialler,
        policy: HopPolicy,
        settings: DeliveryConfig,
        clock: Clock,
        finish: Finish,
        rescue: Rescue,
        give_back: GiveBack,
    ) -> None:
        """`name` is the next hop's as `queue shape` shows it."""
        self._name = name
        self._settings = settings
        self._clock = clock
        self._finish = finish
        self._rescue = rescue
        self._give_back = give_back
        self._backlog = Backlog()
        self._crew = Crew(name, self, clock=clock, idle_seconds=settings.idle.total_seconds())
        self._opening: set[asyncio.Task[None]] = set()  # workers that wait for a connection
        self._connected = 0  # workers that have a session
        self._pace = Pace(limit=policy.connections, rate=policy.rate)
        self._gate = Gate(name, dialler, pace=self._pace, clock=clock, settings=settings)
        self._stopping = False

    # What the engine sees

    @property
    def state(self) -> HopState:
        """How it stands, for metrics and people."""
        return HopState(
            name=self._name,
            state=self._gate.reach.reach,
            connections=self._connected,
            allowed=self._pace.allowed,
            waiting=len(self._backlog),
            until_seconds=max(self._gate.closed_for, self._pace.wait(self._clock.monotonic())),
        )

    @property
    def is_idle(self) -> bool:
        """Whether nothing would be lost by forgetting this hop."""
        return not (self._backlog or self._crew or self._gate.remembers)

    @property
    def is_slow(self) -> bool:
        """Whether deliveries wait longer here than a hop that keeps pace lets them."""
        return self._backlog.is_slow(self._clock.monotonic(), is_connected=self._connected > 0)

    @property
    def is_down(self) -> bool:
        """Whether the last try to connect came to nothing."""
        return self._gate.reach.failures > 0

    @property
    def passed_over(self) -> frozenset[str]:
        """Recipient domains that claims had better leave for later: of a slow or a suspended hop."""
        if self._gate.reach.is_suspended and not (self._crew or self._gate.is_closed):
            return frozenset()  # it wants a mail to probe with
        return self._backlog.passed_over

    def put(self, job: Job) -> None:
        """Add a delivery; it is sent when its turn comes."""
        if self.is_down:
            if self._gate.reach.is_suspended:
                self._backlog.shut_out(job)
            rest = self._rest_of(job)
            if rest:
                self._give_back(job, timedelta(seconds=rest))
                return
        self._backlog.put(job)
        self._crew.call()

    def _rest_of(self, job: Job) -> float:
        """Seconds for which a delivery that comes now had better wait in the store; 0: it is to be tried."""
        closed_for = self._gate.closed_for
        if self._is_old(job):
            return closed_for  # it may have one attempt left, which is not spent where nobody dials
        if self._gate.reach.is_suspended and (closed_for or self._backlog or self._crew):
            return max(closed_for, LOOK_AGAIN_SECONDS)
        return 0.0

    def hurry(self) -> None:
        """Try to connect before the time: a person has let mail go, and it may be ours."""
        self._gate.hurry()

    def lighten(self, share: int) -> None:
        """Give back what should not wait in memory: what is beyond its `share`, or has no turn soon."""
        within = self._pace.within(AHEAD_SECONDS)
        if within is not None:
            for job, seconds in self._backlog.put_off(within, self._clock.monotonic()):
                self._give_back(job, timedelta(seconds=seconds))
        if not self._gate.reach.is_suspended:  # of whose mails one alone waits in memory
            for job in self._backlog.surplus(share, is_slow=self.is_slow):
                self._give_back(job, timedelta())

    def withdraw(self, is_unwanted: Callable[[Job], bool]) -> list[Job]:
        """Those of what waits here, removed."""
        return self._backlog.withdraw(is_unwanted)

    def stop(self) -> list[asyncio.Task[None]]:
        """Begin no more attempts; the tasks end with the attempts that run."""
        self._stopping = True
        for worker in self._opening:
            worker.cancel()
        return self._crew.stop()

    # Workers

    @property
    def waits(self) -> bool:
        """Whether a delivery waits."""
        return bool(self._backlog)

    @property
    def turn_in(self) -> float:
        """Seconds until a delivery may go, or be turned away because the hop is closed."""
        if self._pace.is_free:
            return 0.0
        return 0.0 if self._gate.is_closed else self._pace.wait(self._clock.monotonic())

    @property
    def allowed(self) -> int:
        """How many connections there may be."""
        return self._pace.allowed

    async def work(self) -> None:
        """Send what waits, over one connection after the other, until the crew lets it end."""
        session: Session | None = None
        try:
            while await self._crew.rest():
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
                elif self._crew.is_called and (job := self._backlog.next()) is not None:
                    await self._send_in_time(session, job)
        finally:
            if session is not None:
                self._connected -= 1
                await session.quit()

    async def _send_in_time(self, session: Session, job: Job) -> None:
        """Send it, if its lease still stands."""
        if job.lost or self._clock.now() >= job.leased_until:
            self._give_back(job, timedelta())
            return
        if not self._pace.is_free:
            self._pace.sent(self._clock.monotonic())
            self._crew.await_turn()  # others may go while this one is on its way
        await self._send(session, job)

    async def _send(self, session: Session, job: Job) -> None:
        attempt = Attempt(outcome=Deferred("an error in Denrei ended the attempt"))
        began = self._clock.monotonic()
        try:
            ended = await self._attempted(session, job)
            if isinstance(ended, Unsent):
                self._backlog.put_first(job)
                return
            attempt = Attempt(outcome=ended, address=session.address)
            self._learn(ended, began)
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
            _log.exception("delivery failed by a bug", delivery=job.due.delivery.id, next_hop=self._name)
            session.drop()
            return Deferred(f"an error in Denrei: {type(bug).__name__}")

    def _learn(self, ended: Outcome, began: float) -> None:
        """Serve the peer quicker after a mail that went well, slower when it complains."""
        if isinstance(ended, Delivered):
            self._pace.succeeded(self._clock.monotonic())
            if self._backlog:
                self._crew.call()
        elif (
            isinstance(ended, Deferred)
            and ended.is_crowded
            and self._pace.eased(began=began, now=self._clock.monotonic())
        ):
            _log.warning(
                "next hop gets too much",
                next_hop=self._name,
                connections=self._pace.allowed,
                gap_seconds=self._pace.gap,
            )

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
        was_suspended = self._gate.reach.is_suspended
        match opened := await self._gate.open(lambda: self._connected):
            case Session():
                if was_suspended:
                    self._backlog.open_up()
                return opened
            case Closed(is_news=is_news):
                await self._turn_away(is_first=is_news)
        return None

    async def _turn_away(self, *, is_first: bool) -> None:
        """Care for what waits at the closed hop: deferred by its schedule, or put off until the next probe.

        The mail that found it closed (`is_first`) was tried, and those past their lifetime that waited for
        that try must not be put off for ever: these are deferred in any case.
        """
        if self._gate.reach.is_suspended:
            tried = self._backlog.next() if is_first else None
            self._put_off_waiting()
            if tried is not None:
                self._backlog.put_first(tried)
        while (because := self._gate.reach.because) and (together := self._backlog.batch(SETTLED_TOGETHER)):
            attempt = Attempt(outcome=because, not_before=self._gate.closed_for)
            ends = await asyncio.gather(
                *(self._finish(job, attempt) for job in together), return_exceptions=True
            )
            for job, bug in zip(together, ends, strict=True):
                if bug is not None and not self._stopping:
                    _log.error("deferral failed by a bug", delivery=job.due.delivery.id, exc_info=bug)
                    self._rescue(job, attempt)

    def _put_off_waiting(self) -> None:
        rest = timedelta(seconds=self._gate.closed_for)
        for job in self._backlog.withdraw(lambda job: not self._is_old(job)):
            self._backlog.shut_out(job)
            self._give_back(job, rest)

    def _is_old(self, job: Job) -> bool:
        return self._clock.now() >= job.due.delivery.accepted_at + self._settings.lifetime
