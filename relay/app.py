"""Builds every object and joins them: the only module that knows everyone.

`Office` is what the command line and a running relay share. Each part is built when it is first asked for, so
that an operator reaches the queue although a registration file is broken, and can check files without a
store. `Relay` is a running worker: intake, delivery and the watch on the registrations.
"""

import asyncio
import contextlib
import signal
from functools import cached_property
from pathlib import Path
from typing import Self

import structlog

from grammar import Catalogue, load_catalogue
from relay.clock import Clock, SystemClock
from relay.compose import Composer
from relay.config import Config, load
from relay.delivery import Engine, Routes
from relay.intake import Decoder, Listener, Policy, Reception
from relay.operations import Operations
from relay.registry import LiveRegistry, Templates, load_templates
from relay.store.seat import Seat
from relay.store.store import Store

GRACE_SECONDS = 30.0  # how long a stopping relay lets mails that are on the wire come to their end
SHIPPED_TEMPLATES = Path(__file__).resolve().parent.parent / "partner_templates"

_log = structlog.get_logger()


class Office:
    """A configuration and the parts that it describes."""

    def __init__(self, config: Config, *, clock: Clock | None = None, create_store: bool = True) -> None:
        self.config = config
        self.clock: Clock = clock or SystemClock()
        self._create_store = create_store

    @classmethod
    def open(cls, config_path: Path, *, create_store: bool = True) -> Self:
        """Read the configuration file; raises BadInput with every problem in it.

        Args:
            config_path: the file.
            create_store: whether the store may be made where there is none; who only looks should not.
        """
        return cls(load(config_path), create_store=create_store)

    @cached_property
    def catalogue(self) -> Catalogue:
        """The fields that templates may name."""
        return load_catalogue()

    @cached_property
    def templates(self) -> Templates:
        """The shipped partner templates and the operator's own."""
        return load_templates(SHIPPED_TEMPLATES, self.catalogue, own=self.config.templates)

    @cached_property
    def registry(self) -> LiveRegistry:
        """The registrations as the files say now; raises BadInput with every problem in them."""
        return LiveRegistry(self.config.registrations, self.templates, self.catalogue, clock=self.clock)

    @cached_property
    def composer(self) -> Composer:
        """Makes mails of notifications."""
        return Composer(hostname=self.config.hostname, clock=self.clock, catalogue=self.catalogue)

    @cached_property
    def decoder(self) -> Decoder:
        """Reads notifications, documents and text mails, against the registry that is in force."""
        return Decoder(lambda: self.registry.current, self.catalogue, hostname=self.config.hostname)

    @cached_property
    def store(self) -> Store:
        """The database, made or upgraded if need be; raises BadInput and MachineFailure."""
        return Store.open(self.config.store.path, clock=self.clock, create=self._create_store)

    @cached_property
    def routes(self) -> Routes:
        """Where each recipient's mail goes next."""
        return Routes(self.config.delivery, hostname=self.config.hostname, clock=self.clock)

    @cached_property
    def operations(self) -> Operations:
        """The operator's verbs."""
        return Operations(self)

    async def close(self) -> None:
        """Close what was opened."""
        if "store" in self.__dict__:
            await self.store.close()


class Relay:
    """One worker: takes notifications in and delivers their mails until it is stopped."""

    def __init__(self, office: Office) -> None:
        self._office = office
        config, registry, store = office.config, office.registry, office.store  # bad files end it here
        self._seat = Seat.take(config.store.path)
        self._engine = Engine(
            store=store,
            routes=office.routes,
            clock=office.clock,
            settings=config.delivery,
            hostname=config.hostname,
            worker=self._seat.name,
        )
        reception = Reception(
            policy=Policy(config.intake),
            registry=registry,
            decoder=office.decoder,
            composer=office.composer,
            store=store,
            dispatch=self._engine,
            clock=office.clock,
            on_unreadable=config.intake.on_unreadable,
        )
        self._listener = Listener(reception, config.intake, hostname=config.hostname)
        self._watch: asyncio.Task[None] | None = None

    @property
    def address(self) -> tuple[str, int]:
        """Host and port that the intake listens on, once started."""
        return self._listener.address

    async def start(self) -> None:
        """Open the door, then go on with what the store holds; raises MachineFailure, and nothing has begun.

        The door comes first, because a port that is taken is the usual reason why a start fails: by then
        nothing may have been leased or sent. What comes in before the engine runs is queued.
        """
        try:
            await self._listener.start()
            await self._take_over()
            await self._engine.start()
        except BaseException:
            await self.stop(grace=0)
            raise
        self._watch = asyncio.create_task(self._office.registry.watch())
        for problem in await asyncio.to_thread(self._office.operations.unwritable):
            _log.warning("every mail of a registration would go to quarantine", problem=str(problem))
        host, port = self.address
        _log.info("relay started", listening=f"{host}:{port}", worker=self._seat.name)

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
        await self._engine.stop(grace)
        if self._watch is not None:
            self._watch.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._watch
        self._seat.leave()
        _log.info("relay stopped", worker=self._seat.name)

    async def run_until_stopped(self) -> None:
        """Run until SIGTERM or SIGINT, then drain; a second signal stops at once, and loses nothing."""
        loop = asyncio.get_running_loop()
        asked: asyncio.Queue[signal.Signals] = asyncio.Queue()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, asked.put_nowait, number)
        try:
            await self.start()
            _log.info("stopping", signal=(await asked.get()).name, grace_seconds=GRACE_SECONDS)
            drain = asyncio.create_task(self.stop())
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
