"""A running worker: intake, delivery, notices, the watches on files, the monitor.

Guarantees: what is wrong in a file ends it before anything has begun; the parts are begun in the order in
which they need each other and stopped in the other, the door first. Diagnostics: `BadInput`,
`MachineFailure`; the log tells of start and stop.
"""

import asyncio
import contextlib
import signal
from typing import Self

import structlog

from relay.app.office import Office
from relay.delivery import Connector, Engine, hop_policies
from relay.intake import Certificate, Listener, Logins, Policy, Reception, Throttle, watch
from relay.monitor import Condition, Monitor
from relay.notice import LetterWriter, NoticeWatch
from relay.return_address import ReturnAddress
from relay.store.seat import Seat

GRACE_SECONDS = 30.0  # how long a stopping relay lets mails that are on the wire come to their end

_log = structlog.get_logger()


class Relay:
    """One worker: takes notifications in and delivers their mails until it is stopped."""

    def __init__(self, office: Office, return_address: ReturnAddress) -> None:
        """Build a worker that does not run yet; raises BadInput with what is wrong in a file."""
        config = office.config
        self._office = office
        self._returns = return_address
        self._certificate = (
            Certificate(config.intake.tls, clock=office.clock) if config.intake.tls is not None else None
        )
        self._logins = (
            Logins(config.intake.users, clock=office.clock) if config.intake.users is not None else None
        )
        policies = hop_policies(config.delivery)
        self._seat = Seat.take(config.store.path)
        self._engine = Engine(
            store=office.store,
            routes=office.routes,
            connector=Connector(hostname=config.hostname, timeouts=config.delivery.timeouts),
            policies=policies,
            return_address=return_address,
            clock=office.clock,
            settings=config.delivery,
            worker=self._seat.name,
            metrics=office.metrics,
        )
        self._listener = self._made_listener()
        self._notices = self._made_notices()
        self._monitor = self._made_monitor()
        self._watches: list[asyncio.Task[None]] = []

    @classmethod
    async def prepared(cls, office: Office) -> Self:
        """A worker that does not run yet; raises BadInput with what is wrong in a file, MachineFailure."""
        assert office.registry  # bad files end it here, before the store is made
        return cls(office, await office.return_address())

    def _made_listener(self) -> Listener:
        office, settings = self._office, self._office.config.intake
        reception = Reception(
            policy=Policy(settings, hostname=office.config.hostname, returns=self._returns),
            registry=office.registry,
            decoder=office.decoder,
            composer=office.composer,
            store=office.store,
            dispatch=self._engine,
            clock=office.clock,
            returns=self._returns,
            throttle=Throttle(settings, clock=office.clock),
            logins=self._logins,
            on_unreadable=settings.on_unreadable,
            max_hops=settings.max_hops,
            metrics=office.metrics,
        )
        hostname, metrics = office.config.hostname, office.metrics
        if self._certificate is None:
            return Listener(reception, settings, hostname=hostname, metrics=metrics)
        return Listener(
            reception,
            settings,
            hostname=hostname,
            tls=self._certificate.context,
            offers_login=self._logins is not None,
            metrics=metrics,
        )

    def _made_notices(self) -> NoticeWatch:
        office, config = self._office, self._office.config
        own = {address.lower() for address in (*config.intake.addresses, config.delivery.bounce_address)}
        return NoticeWatch(
            store=office.store,
            registry=lambda: office.registry.current,
            settings=config.notices,
            writer=LetterWriter(
                hostname=config.hostname, settings=config.notices, clock=office.clock, signer=office.signer
            ),
            clock=office.clock,
            is_own=lambda address: address.lower() in own or self._returns.is_ours(address),
            metrics=office.metrics,
        )

    def _made_monitor(self) -> Monitor | None:
        office, config = self._office, self._office.config
        if config.monitor.listen is None:
            return None
        condition = Condition(
            store=office.store,
            delivery=self._engine,
            intake=self._listener,
            registry=office.registry,
            clock=office.clock,
            store_path=config.store.path,
            memory_limit=config.delivery.memory,
            connection_limit=config.intake.max_connections,
            certificate_ends_at=self._certificate.expires_at if self._certificate is not None else None,
        )
        return Monitor(condition, office.metrics, listen=config.monitor.listen, clock=office.clock)

    @property
    def address(self) -> tuple[str, int]:
        """Host and port that the intake listens on, once started."""
        return self._listener.address

    @property
    def tls_address(self) -> tuple[str, int] | None:
        """The same for connections that are encrypted from their first octet; None where there are none."""
        return self._listener.tls_address

    async def start(self) -> None:
        """Open the door, then go on with what the store holds; raises MachineFailure, and nothing has begun.

        The doors come first, because a port that is taken is the usual reason why a start fails: by then
        nothing may have been leased or sent. What comes in before the engine runs is queued.
        """
        office = self._office
        try:
            if self._monitor is not None:
                await self._monitor.start()
            await self._listener.start()
            await self._take_over()
            await self._engine.start()
            await self._notices.start()
        except BaseException:
            await self.stop(grace=0)
            raise
        files = [each for each in (self._certificate, self._logins) if each is not None]
        self._watches = [
            asyncio.create_task(office.registry.watch(), name="registrations watch"),
            asyncio.create_task(watch(files, clock=office.clock), name="file watch"),
        ]
        for problem in await asyncio.to_thread(office.operations.unwritable):
            _log.warning("every mail of a registration would go to quarantine", problem=str(problem))
        self._tell_start()

    def _tell_start(self) -> None:
        host, port = self.address
        more = {}
        if self.tls_address is not None:
            more["encrypted"] = "{}:{}".format(*self.tls_address)
        if self._monitor is not None:
            more["monitor"] = "{}:{}".format(*self._monitor.address)
        _log.info("relay started", listening=f"{host}:{port}", worker=self._seat.name, **more)

    async def _take_over(self) -> None:
        """Queue again what workers that died had leased and nobody came to take back."""
        for seat in self._seat.vacated():
            try:
                await self._office.store.recover(worker=seat.name, now=self._office.clock.now())
            finally:
                seat.leave()

    async def stop(self, grace: float = GRACE_SECONDS) -> None:
        """Close the door, then let what is on the wire come to its end; at most `grace` seconds each."""
        await self._listener.stop(grace)
        await self._notices.stop()
        await self._engine.stop(grace)
        for task in self._watches:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        if self._monitor is not None:
            await self._monitor.stop()
        self._seat.leave()
        _log.info("relay stopped", worker=self._seat.name)

    async def run_until_stopped(self, grace: float = GRACE_SECONDS) -> None:
        """Run until SIGTERM or SIGINT, then drain; a second signal stops at once, and loses nothing."""
        loop = asyncio.get_running_loop()
        asked: asyncio.Queue[signal.Signals] = asyncio.Queue()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, asked.put_nowait, number)
        try:
            await self.start()
            _log.info("stopping", signal=(await asked.get()).name, grace_seconds=grace)
            drain = asyncio.create_task(self.stop(grace))
            again = asyncio.create_task(asked.get())
            await asyncio.wait({drain, again}, return_when=asyncio.FIRST_COMPLETED)
            again.cancel()
            if not drain.done():
                _log.warning("stopping at once: a second signal came")
                drain.cancel()
                await self.stop(grace=0)
            else:
                drain.result()
        finally:
            for number in (signal.SIGTERM, signal.SIGINT):
                loop.remove_signal_handler(number)
