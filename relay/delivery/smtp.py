"""The SMTP client's way in: the only door to aiosmtplib, which connects, greets and secures a connection.

aiosmtplib waits a round trip for each command, so after EHLO `session.Session` takes its place on the
transport.

Encryption is opportunistic, as Postfix's level `may`: STARTTLS is used where it is announced, any
certificate is taken, and where it fails the mail goes in clear over a new connection. An encrypted
connection to a peer whose name nobody can prove is still better than a clear one, and a broken certificate
at a partner must not stop orders.

Diagnostics: every failure is a value, `Refused`, with the phase in which it came. Source: RFC 5321, RFC
3207.
"""

import asyncio
import socket
import ssl
from dataclasses import dataclass
from typing import cast

import aiosmtplib

from relay.config import Timeouts
from relay.delivery.outcome import Reply, printable
from relay.delivery.session import Address, Session


@dataclass(frozen=True, slots=True)
class Refused:
    """No session came about."""

    reason: str


class Connector:
    """Opens sessions."""

    def __init__(self, *, hostname: str, timeouts: Timeouts) -> None:
        self._hostname = hostname
        self._timeouts = timeouts
        self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self._tls.check_hostname = False
        self._tls.verify_mode = ssl.CERT_NONE

    async def connect(self, address: Address) -> "Session | Refused":
        """A session that is ready for MAIL, or why there is none."""
        session = await self._attempt(address, secure=True)
        if isinstance(session, _Insecure):
            session = await self._attempt(address, secure=False)
        return Refused(session.reason) if isinstance(session, _Insecure) else session

    async def _attempt(self, address: Address, *, secure: bool) -> "Session | Refused | _Insecure":
        client: aiosmtplib.SMTP | None = None
        phase = "connection"
        securing = False
        try:
            stream = await _dial(address, self._timeouts.connect.total_seconds())
            phase = "greeting"
            client = aiosmtplib.SMTP(
                hostname=address.host,
                sock=stream,
                local_hostname=self._hostname,
                timeout=self._timeouts.greeting.total_seconds(),
                start_tls=False,
                tls_context=self._tls,
            )
            await client.connect()
            client.timeout = self._timeouts.command.total_seconds()
            phase = "EHLO"
            await _introduce(client)
            if secure and client.supports_extension("starttls"):
                phase, securing = "STARTTLS", True
                await client.starttls()
                await _introduce(client)
            return self._taken_over(client, address)
        except (aiosmtplib.SMTPException, OSError, EOFError, ValueError) as error:
            reason = f"{address}: {_failure(phase, error)}"
            return _Insecure(reason) if securing else Refused(reason)
        finally:
            if client is not None:
                client.close()  # of no effect on a transport that a session has taken over

    def _taken_over(self, client: aiosmtplib.SMTP, address: Address) -> "Session | Refused":
        transport = client.transport
        if transport is None or transport.is_closing():
            return Refused(f"{address}: the connection was closed after EHLO")
        stream = cast("asyncio.Transport", transport)
        session = Session(stream, address, self._timeouts, pipelining=client.supports_extension("pipelining"))
        client.protocol = client.transport = None
        stream.set_protocol(session)
        return session


@dataclass(frozen=True, slots=True)
class _Insecure:
    """STARTTLS was announced and then failed."""

    reason: str


async def _dial(address: Address, seconds: float) -> socket.socket:
    family = socket.AF_INET6 if ":" in address.ip else socket.AF_INET
    stream = socket.socket(family, socket.SOCK_STREAM)
    try:
        stream.setblocking(False)
        async with asyncio.timeout(seconds):
            await asyncio.get_running_loop().sock_connect(stream, (address.ip, address.port))
    except BaseException:
        stream.close()
        raise
    return stream


async def _introduce(client: aiosmtplib.SMTP) -> None:
    try:
        await client.ehlo()
    except aiosmtplib.SMTPHeloError as error:
        if error.code < 500 or not client.is_connected:
            raise
        await client.helo()  # a server of before 1995 refuses EHLO for good and knows HELO


def _failure(phase: str, error: Exception) -> str:
    if isinstance(error, aiosmtplib.SMTPResponseException) and error.code > 0:
        return f"{phase} was answered {Reply(code=error.code, text=printable(error.message))}"
    if isinstance(error, TimeoutError):
        return f"{phase} timed out"
    words = error.message if isinstance(error, aiosmtplib.SMTPException) else str(error)
    return f"{phase} failed: {printable(words or type(error).__name__)}"
