"""A provider's smarthost that is not Denrei's code: stock aiosmtpd with TLS and AUTH, in a thread."""

import asyncio
import contextlib
import ssl
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from tests.support.serving import PartnerServer, free_port

USER, PASSWORD = "relay@example.jp", "p=ss/wörd +~"


@dataclass
class Smarthost(PartnerServer):
    """What it was told: mails, and each sign-in with its mechanism, name and password."""

    port: int = 0
    sign_ins: list[tuple[str, str, str]] = field(default_factory=list)
    _ended: threading.Condition = field(default_factory=threading.Condition)
    _open: int = 0

    def counted(self, change: int) -> None:
        """One connection more or less."""
        with self._ended:
            self._open += change
            self._ended.notify_all()

    def wait_until_left(self, seconds: float = 10.0) -> None:
        """Return when no client is connected: a server that stops earlier leaves sockets open."""
        with self._ended:
            assert self._ended.wait_for(lambda: not self._open, seconds), f"{self._open} connections are open"

    def authenticate(
        self, _server: SMTP, _session: Session, _envelope: Envelope, mechanism: str, said: Any
    ) -> AuthResult:
        """Let in who knows the password."""
        assert isinstance(said, LoginPassword)
        self.sign_ins.append((mechanism, said.login.decode(), said.password.decode()))
        return AuthResult(success=self.sign_ins[-1][1:] == (USER, PASSWORD), handled=False)


class _Session(SMTP):
    """aiosmtpd's session, counted by its handler."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if self.transport is None:  # it is called again when TLS is there
            self.event_handler.counted(1)
        super().connection_made(transport)

    def connection_lost(self, error: Exception | None) -> None:
        super().connection_lost(error)
        self.event_handler.counted(-1)


class _Controller(Controller):
    """aiosmtpd's server with such sessions."""

    def factory(self) -> SMTP:
        return _Session(self.handler, **self.SMTP_kwargs)


@contextlib.contextmanager
def smarthost(context: ssl.SSLContext, *, without: tuple[str, ...] = ()) -> Iterator[Smarthost]:
    """A running one; `without` are mechanisms that it does not offer. Without AUTH it takes no mail."""
    host = Smarthost(port=free_port())
    controller = _Controller(
        host,
        hostname="127.0.0.1",
        port=host.port,
        tls_context=context,
        require_starttls=True,
        auth_required=True,
        authenticator=host.authenticate,
        auth_exclude_mechanism=list(without),
    )
    controller.start()
    try:
        yield host
        host.wait_until_left()
    finally:
        controller.stop()
