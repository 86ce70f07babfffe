"""The SMTP client's way in: the only door to aiosmtplib, which connects, greets, secures and signs in.

aiosmtplib waits a round trip for each command, so after EHLO `session.Session` takes its place on the
transport.

How a connection is encrypted is the next hop's policy. `opportunistic`: STARTTLS is used where it is
announced, any certificate is taken, and where it fails the mail goes in clear over a new connection. An
encrypted connection to a peer whose name nobody can prove is still better than a clear one, and a broken
certificate at a partner must not stop orders. `require`: the certificate must prove the host's name, and
whatever stands in the way of that, a missing announcement included, is a connection that did not come about.
On port 465 TLS comes first and is never left out (RFC 8314). What a peer said in clear is forgotten once the
connection is encrypted.

Guarantees: a password is said only after a `require` that held, once, by PLAIN or else by LOGIN; nothing that
the peer answers to it is repeated, since it may repeat the password. Diagnostics: every failure is a value,
`Refused`, with the phase in which it came. Source: RFC 5321, RFC 3207, RFC 4954, RFC 4616, RFC 8314.
"""

import asyncio
import re
import socket
import ssl
from dataclasses import dataclass
from functools import cache
from typing import cast

import aiosmtplib

from relay.config import Timeouts
from relay.delivery.outcome import Reply, printable
from relay.delivery.smtp.policy import HopPolicy, tls_context
from relay.delivery.smtp.session import Address, Session

SUBMISSIONS_PORT = 465  # RFC 8314 section 7.3
_STATUS = re.compile(r"[245]\.\d{1,3}\.\d{1,3}(?=\s|$)", re.ASCII)  # RFC 3463; holds no words
_MAX_SIZE_DIGITS = 20  # RFC 1870 section 4


@dataclass(frozen=True, slots=True)
class Refused:
    """No session came about."""

    reason: str


class Connector:
    """Opens sessions."""

    def __init__(self, *, hostname: str, timeouts: Timeouts, tls_port: int = SUBMISSIONS_PORT) -> None:
        """`tls_port` is the one where TLS comes before SMTP (another one for tests)."""
        self._hostname = hostname
        self._timeouts = timeouts
        self._tls_port = tls_port
        self._context = cache(tls_context)  # one for each file of authorities that a policy names

    async def connect(self, address: Address, policy: HopPolicy) -> "Session | Refused":
        """A session that is ready for MAIL, or why there is none."""
        opened = await self._attempt(address, policy, secure=policy.tls != "off")
        if isinstance(opened, _Insecure) and policy.tls == "opportunistic":
            opened = await self._attempt(address, policy, secure=False)
        return Refused(opened.reason) if isinstance(opened, _Insecure) else opened

    async def _attempt(
        self, address: Address, policy: HopPolicy, *, secure: bool
    ) -> "Session | Refused | _Insecure":
        client: aiosmtplib.SMTP | None = None
        phase = "authorities"
        securing = False
        try:
            context = self._context(is_proved=policy.tls == "require", ca_file=policy.ca_file)
            phase = "connection"
            stream = await _dial(address, self._timeouts.connect.total_seconds())
            phase = "greeting"
            client = self._client(address, stream, context)
            await client.connect()
            client.timeout = self._timeouts.command.total_seconds()
            phase = "EHLO"
            await _introduce(client)
            if secure and not _is_encrypted(client) and client.supports_extension("starttls"):
                phase, securing = "STARTTLS", True
                await client.starttls()
                await _introduce(client)
                securing = False
            if policy.tls == "require" and not _is_encrypted(client):
                return Refused(f"{address}: STARTTLS is not announced, and this next hop requires encryption")
            if policy.password is not None:
                phase = "AUTH"
                await _sign_in(client, policy.user, policy.password.reveal())
            return self._taken_over(client, address)
        except (aiosmtplib.SMTPException, OSError, EOFError, ValueError) as error:
            failure = _unsigned(error) if phase == "AUTH" else _failure(phase, error)
            reason = f"{address}: {failure}"
            return _Insecure(reason) if securing else Refused(reason)
        finally:
            if client is not None:
                _abort(client)

    def _client(self, address: Address, stream: socket.socket, context: ssl.SSLContext) -> aiosmtplib.SMTP:
        return aiosmtplib.SMTP(
            hostname=address.host,
            sock=stream,
            local_hostname=self._hostname,
            timeout=self._timeouts.greeting.total_seconds(),
            use_tls=address.port == self._tls_port,
            start_tls=False,
            tls_context=context,
        )

    def _taken_over(self, client: aiosmtplib.SMTP, address: Address) -> "Session | Refused":
        transport = client.transport
        if transport is None or transport.is_closing():
            return Refused(f"{address}: the connection was closed after EHLO")
        stream = cast("asyncio.Transport", transport)
        session = Session(
            stream,
            address,
            self._timeouts,
            pipelining=client.supports_extension("pipelining"),
            size=_announced_size(client),
            encrypted=_is_encrypted(client),
        )
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


def _abort(client: aiosmtplib.SMTP) -> None:
    """Close at once, for TLS would wait for a farewell; of no effect on what a session has taken over."""
    if client.transport is not None:
        cast("asyncio.Transport", client.transport).abort()
    client.close()


async def _introduce(client: aiosmtplib.SMTP) -> None:
    try:
        await client.ehlo()
    except aiosmtplib.SMTPHeloError as error:
        if error.code < 500 or not client.is_connected:
            raise
        await client.helo()  # a server of before 1995 refuses EHLO for good and knows HELO


async def _sign_in(client: aiosmtplib.SMTP, user: str, password: bytes) -> None:
    """Say who we are, once: a provider counts failures, and a second mechanism would double them.

    Raises:
        aiosmtplib.SMTPException: the peer did not answer 235, or knows neither mechanism.
    """
    if "plain" in client.server_auth_methods:
        await client.auth_plain(user, password)
    elif "login" in client.server_auth_methods:
        await client.auth_login(user, password)
    else:
        raise aiosmtplib.SMTPNotSupported("neither PLAIN nor LOGIN is offered")


def _is_encrypted(client: aiosmtplib.SMTP) -> bool:
    return client.get_transport_info("sslcontext") is not None


def _announced_size(client: aiosmtplib.SMTP) -> int | None:
    size = client.esmtp_extensions.get("size")
    if size is None:
        return None
    is_number = size.isascii() and size.isdecimal() and len(size) <= _MAX_SIZE_DIGITS
    return int(size) if is_number else 0


def _failure(phase: str, error: Exception) -> str:
    if isinstance(error, aiosmtplib.SMTPResponseException) and error.code > 0:
        return f"{phase} was answered {Reply(code=error.code, text=printable(error.message))}"
    if isinstance(error, TimeoutError):
        return f"{phase} timed out"
    cause = error.__cause__ if isinstance(error.__cause__, ssl.SSLError) else error
    if isinstance(cause, ssl.SSLCertVerificationError):
        return f"{phase} failed: the certificate is not valid: {printable(cause.verify_message)}"
    words = error.message if isinstance(error, aiosmtplib.SMTPException) else str(error)
    return f"{phase} failed: {printable(words or type(error).__name__)}"


def _unsigned(error: Exception) -> str:
    """Why nobody was signed in, without a word of the peer's."""
    if isinstance(error, aiosmtplib.SMTPResponseException):
        status = _STATUS.match(error.message)
        code = f"{error.code} {status[0]}" if status else str(error.code)
        if error.code <= 0:
            code = "something that is no SMTP reply"
        return f"AUTH was answered {code} (its words are left out: they may repeat the password)"
    return _failure("AUTH", error)
