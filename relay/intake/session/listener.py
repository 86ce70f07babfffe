"""The SMTP server: listens, and serves every connection through one door.

Guarantees: never more than `max_connections` connections, those that are still agreeing on TLS included.
All of them together hold no more content than `MESSAGES_IN_MEMORY` messages of the largest size, each counted
until the door has answered (a growing one has an eighth more reserved), and beside that each one chunk and
one read of the event loop. No piece of work on a content is longer than such a chunk, so that the largest
mail holds up nobody.

Diagnostics: `MachineFailure` when an address cannot be had; the rest is `conversation`'s. Source: ours; RFC
8314 3.3 for the port that is encrypted from the first octet.
"""

import asyncio
import ssl
from collections.abc import Callable

from relay.errors import MachineFailure
from relay.intake.session import reply
from relay.intake.session.connection import Connection
from relay.intake.session.door import DROP, Answer, Door, Drop, ListenerSettings, Reply, Session, Settings
from relay.intake.session.encrypted import EncryptedPort
from relay.intake.session.port import open_port
from relay.metrics import Arrival, Metrics

__all__ = ["DROP", "Answer", "Door", "Drop", "Listener", "ListenerSettings", "Reply", "Session", "Settings"]

MESSAGES_IN_MEMORY = 16  # of the largest size, over all connections: 160 MiB with the usual limits
BACKLOG = 1024  # connections that the kernel keeps for us; a burst above max_connections gets its 421 at once


def no_tls() -> ssl.SSLContext | None:
    """What a server without a certificate begins TLS with."""
    return None


class Listener:
    """Listens on one address, or on a second one for TLS too."""

    def __init__(
        self,
        door: Door,
        settings: Settings,
        *,
        hostname: str,
        reuse_port: bool = False,
        tls: Callable[[], ssl.SSLContext | None] = no_tls,
        offers_login: bool = False,
        metrics: Metrics | None = None,
    ) -> None:
        """Make a listener that does not listen yet.

        Args:
            door: who decides.
            settings: where to listen and what to take on at most.
            hostname: what the server calls itself.
            reuse_port: let other processes listen on the same port; the kernel shares the connections out.
            tls: what TLS begins with, asked for each connection, so that a new certificate counts at once;
                None offers no STARTTLS.
            offers_login: whether the door knows users; AUTH is offered over TLS only.
            metrics: told of limits that clients meet.
        """
        self.door = door
        self.hostname = hostname
        self.settings = settings
        self.timeout = settings.timeout.total_seconds()
        self.tls = tls
        self.offers_login = offers_login
        self.limits = reply.limits(settings)
        self.metrics = metrics or Metrics()
        self.is_stopping = False
        self.octets_in_memory = 0  # content of all connections
        self._reuse_port = reuse_port
        self._server: asyncio.Server | None = None
        self._encrypted: EncryptedPort | None = None
        self._connections: set[Connection] = set()
        self._all_gone = asyncio.Event()

    @property
    def address(self) -> tuple[str, int]:
        """Where it listens: IP address and port. Only after `start`."""
        assert self._server is not None
        name = self._server.sockets[0].getsockname()
        return name[0], name[1]

    @property
    def tls_address(self) -> tuple[str, int] | None:
        """Where it listens for TLS from the first octet; None when it does not. Only after `start`."""
        return None if self._encrypted is None else self._encrypted.address

    @property
    def port(self) -> int:
        """The port that it listens on. Only after `start`."""
        return self.address[1]

    @property
    def connections(self) -> int:
        """How many clients are connected."""
        return len(self._connections)

    @property
    def is_listening(self) -> bool:
        """Whether it takes new connections."""
        return self._server is not None and not self.is_stopping

    @property
    def is_full(self) -> bool:
        """Whether all connections together hold as much content as may be held."""
        return self.octets_in_memory > MESSAGES_IN_MEMORY * self.settings.max_message

    async def start(self) -> None:
        """Begin to listen. Raises MachineFailure when an address cannot be had, and listens nowhere."""
        loop = asyncio.get_running_loop()
        host, port = self.settings.listen
        try:
            clear = open_port(host, port, backlog=BACKLOG, reuse_port=self._reuse_port)
            self._server = await loop.create_server(
                lambda: Connection(self, loop), sock=clear, backlog=BACKLOG
            )
            if self.settings.listen_tls is not None:
                host, port = self.settings.listen_tls
                self._encrypted = EncryptedPort(self, backlog=BACKLOG, reuse_port=self._reuse_port)
                self._encrypted.start(host, port)
        except OSError as error:
            self._encrypted = None
            if self._server is not None:
                self._server.close()
            reason = error.strerror or str(error)
            raise MachineFailure(f"cannot listen on {host} port {port}: {reason}") from error

    async def stop(self, grace: float = 10.0) -> None:
        """Take no new connection, send the idle away, wait up to `grace` seconds for mails under way."""
        self.is_stopping = True
        if self._server is None:
            return
        self._server.close()
        if self._encrypted is not None:
            await self._encrypted.stop()
        for connection in tuple(self._connections):
            if not connection.in_data:
                connection.dismiss(reply.STOPPING)
        try:
            async with asyncio.timeout(grace):
                await self._wait_until_empty()
        except TimeoutError:
            for connection in tuple(self._connections):
                connection.abort()
            await self._wait_until_empty()
        await self._server.wait_closed()

    async def _wait_until_empty(self) -> None:
        while self._connections:
            self._all_gone.clear()
            await self._all_gone.wait()

    # For its connections.

    def account(self, octets: int) -> None:
        """So many octets of content more, or less, are held."""
        self.octets_in_memory += octets

    def admit(self, connection: Connection) -> bool:
        """Count a new connection in, unless there are too many."""
        if len(self._connections) >= self.settings.max_connections or self.is_stopping:
            self.metrics.connection(Arrival.TOO_MANY)
            return False
        self._connections.add(connection)
        return True

    def forget(self, connection: Connection) -> None:
        """Count a connection out whose client has gone and whose task is over."""
        self._connections.discard(connection)
        if not self._connections:
            self._all_gone.set()
