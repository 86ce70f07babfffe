"""The port whose connections are encrypted from the first octet.

The event loop's own server would take one certificate for good and hand over a connection only after its
handshake, uncounted. Here each connection is counted in, the door is asked whether the client may come in,
and only then does TLS begin, with the certificate of the moment.

Guarantees: strangers cost no handshake; connections that are agreeing on TLS count as connections.

Diagnostics: `OSError` when the address cannot be had. A client that fails at TLS is gone without a word:
nobody would hear it. Out of file descriptors: logged (`accept_failed`), and tried again after a pause.
Source: RFC 8314 3.3.
"""

import asyncio
import contextlib
import socket
from typing import Any

import structlog

from relay.intake.session.connection import Connection, Host
from relay.intake.session.door import Session
from relay.intake.session.port import open_port, peer_of
from relay.intake.session.stream import HANDSHAKE_SECONDS, SHUTDOWN_SECONDS
from relay.metrics import Arrival

ACCEPT_PAUSE_SECONDS = 1.0  # after a failure to take a connection: some others may end in the meantime

_log = structlog.get_logger(__name__)


class EncryptedPort:
    """Takes connections, agrees on TLS, and makes each a `Connection` of its listener."""

    def __init__(self, host: Host, *, backlog: int, reuse_port: bool) -> None:
        self._host = host
        self._backlog = backlog
        self._reuse_port = reuse_port
        self._socket: socket.socket | None = None
        self._accepting: asyncio.Task[None] | None = None
        self._agreeing: set[asyncio.Task[None]] = set()

    @property
    def address(self) -> tuple[str, int]:
        """IP address and port. Only after `start`."""
        assert self._socket is not None
        name = self._socket.getsockname()
        return name[0], name[1]

    def start(self, host: str, port: int) -> None:
        """Begin to listen; raises OSError."""
        self._socket = open_port(host, port, backlog=self._backlog, reuse_port=self._reuse_port)
        self._socket.setblocking(False)
        self._accepting = asyncio.get_running_loop().create_task(self._accept(self._socket))

    async def stop(self) -> None:
        """Take no new connection, and break off those that are still agreeing."""
        tasks = [task for task in (self._accepting, *self._agreeing) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._socket is not None:
            self._socket.close()

    async def _accept(self, listening: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                client, address = await loop.sock_accept(listening)
            except OSError as error:
                _log.error("accept_failed", reason=error.strerror or str(error))
                await asyncio.sleep(ACCEPT_PAUSE_SECONDS)
                continue
            task = loop.create_task(self._welcome(client, address))
            self._agreeing.add(task)
            task.add_done_callback(self._agreeing.discard)

    async def _welcome(self, client: socket.socket, address: Any) -> None:
        session = Session(peer=peer_of(address), tls=True)
        connection = Connection(self._host, asyncio.get_running_loop(), welcomed=session)
        is_begun = False
        try:
            if self._host.admit(connection):
                is_begun = await self._is_let_in(session) and await self._has_agreed(
                    connection, client, session
                )
        finally:
            if not is_begun:
                client.close()
                self._host.forget(connection)

    async def _is_let_in(self, session: Session) -> bool:
        try:
            return await self._host.door.connect(session.peer) is None
        except Exception:  # noqa: BLE001  (a bug of the door's: the client comes again, and the log has the trace)
            _log.exception("door_failed", peer=session.peer)
            return False

    async def _has_agreed(self, connection: Connection, client: socket.socket, session: Session) -> bool:
        context = self._host.tls()
        is_begun = False
        try:
            if context is not None:
                with contextlib.suppress(OSError):  # no TLS, another one than ours, or too slow
                    await asyncio.get_running_loop().connect_accepted_socket(
                        lambda: connection,
                        client,
                        ssl=context,
                        ssl_handshake_timeout=min(HANDSHAKE_SECONDS, self._host.timeout),
                        ssl_shutdown_timeout=SHUTDOWN_SECONDS,
                    )
                    is_begun = connection.has_begun
            return is_begun
        finally:
            if not is_begun:
                self._host.metrics.connection(Arrival.BROKEN_TLS)
                self._host.door.disconnected(session)
