"""A partner's mail server made for misbehaving: raw SMTP over asyncio, with one fault for each verb.

It is no use as a server and knows no library: what it writes is written byte by byte, so that a test
decides what the client sees. A fault is looked up by the verb as it comes in: `connect`, `EHLO`, `MAIL`,
`RCPT`, `DATA`, `.` (the end of the content), `RSET`, `QUIT`.
"""

import asyncio
import contextlib
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Say:
    """Answer these bytes instead of the usual reply, and go on."""

    words: bytes


@dataclass(frozen=True, slots=True)
class Close:
    """Say these bytes, then close the connection."""

    words: bytes = b""


@dataclass(frozen=True, slots=True)
class Hang:
    """Say nothing, keep the connection."""


@dataclass(frozen=True, slots=True)
class Flood:
    """Say these bytes again and again, without an end."""

    words: bytes


@dataclass(frozen=True, slots=True)
class Drip:
    """Say these bytes one by one with a pause between: a reply that is always about to be complete."""

    words: bytes
    pause_seconds: float


@dataclass(frozen=True, slots=True)
class Slowly:
    """Say the usual reply, byte by byte, with a pause between."""

    pause_seconds: float


@dataclass(frozen=True, slots=True)
class Twice:
    """Say the usual reply two times in one write."""


@dataclass(frozen=True, slots=True)
class Reset:
    """Break the connection as a crashed machine does: with a TCP reset."""


@dataclass(frozen=True, slots=True)
class HalfClose:
    """Say that nothing more will be said, and go on listening."""


Fault = Say | Close | Hang | Flood | Drip | Slowly | Twice | Reset | HalfClose
Faults = Callable[[str, int], Fault | None]  # the verb, and how often it has come to this server before
_USUAL = {
    "EHLO": b"250 partner",
    "HELO": b"250 partner",
    "MAIL": b"250 2.1.0 ok",
    "RCPT": b"250 2.1.5 ok",
    "DATA": b"354 go",
    ".": b"250 2.0.0 taken",
    "RSET": b"250 2.0.0 reset",
    "QUIT": b"221 2.0.0 bye",
}


@dataclass(frozen=True, slots=True)
class Taken:
    """A mail that the partner has answered 250 to: envelope and content as it came, without the final dot."""

    mail_from: str
    rcpt_to: str
    content: bytes  # still dot-stuffed, as on the wire


def always(faults: Mapping[str, Fault]) -> Faults:
    """These faults at every time."""
    return lambda verb, _count: faults.get(verb)


def once(faults: Mapping[str, Fault]) -> Faults:
    """These faults the first time that the verb comes, then good service."""
    return lambda verb, count: faults.get(verb) if count == 0 else None


@dataclass
class Partner:
    """What the server was told and what it took."""

    faults: Faults = field(default=always({}))
    keywords: tuple[str, ...] = ("PIPELINING",)
    tls: ssl.SSLContext | None = None
    address: tuple[str, int] = ("", 0)
    taken: list[Taken] = field(default_factory=list)
    heard: list[str] = field(default_factory=list)  # every command line, of all connections, as text
    connections: int = 0
    open_now: int = 0
    most_open: int = 0
    _counts: dict[str, int] = field(default_factory=dict)
    _changed: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def until(self, reached: Callable[["Partner"], bool], seconds: float = 10.0) -> None:
        """Wait until the state is as wished; fails with the state when it does not come."""
        try:
            async with asyncio.timeout(seconds), self._changed:
                await self._changed.wait_for(lambda: reached(self))
        except TimeoutError:
            raise AssertionError(f"not reached: {len(self.taken)} taken, heard {self.heard[-12:]}") from None

    async def took(self, count: int) -> list[Taken]:
        """Wait until so many mails were taken."""
        await self.until(lambda partner: len(partner.taken) >= count)
        return self.taken

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        self.connections += 1
        self.open_now += 1
        self.most_open = max(self.most_open, self.open_now)
        try:
            with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, ssl.SSLError, _Over):
                await self._talk(reader, writer)
        finally:
            self.open_now -= 1
            await self._note()
            writer.transport.abort()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await self._answer("connect", b"220 partner ESMTP", writer)
        mail_from = rcpt_to = ""
        someone = False  # whether a recipient of this mail was taken
        while line := await reader.readline():
            command = line.decode("latin-1").removesuffix("\r\n")
            self.heard.append(command)
            verb = command[:4].upper()
            if verb == "MAIL":
                mail_from = command.partition("<")[2].partition(">")[0]
            elif verb == "RCPT":
                rcpt_to = command.partition("<")[2].partition(">")[0]
            if command == "STARTTLS" and self.tls is not None:
                await self._answer("STARTTLS", b"220 go", writer)
                await writer.start_tls(self.tls)
                continue
            if verb == "MAIL":
                someone = False
            said = await self._answer(command if command == "STARTTLS" else verb, self._usual(verb), writer)
            someone = someone or (verb == "RCPT" and said.startswith(b"2"))
            if verb == "DATA" and said.startswith(b"354"):
                content = await _content(reader)
                usual = _USUAL["."] if someone else b"554 5.5.1 no valid recipients"
                said = await self._answer(".", usual, writer)
                if said.startswith(b"2"):
                    self.taken.append(Taken(mail_from, rcpt_to, content))
            await self._note()
            if verb == "QUIT":
                return

    def _usual(self, verb: str) -> bytes:
        if verb != "EHLO":
            return _USUAL.get(verb, b"500 5.5.1 what?")
        lines = ["partner", *self.keywords]
        return "\r\n".join(
            f"250{' ' if at == len(lines) - 1 else '-'}{line}" for at, line in enumerate(lines)
        ).encode()

    async def _answer(self, verb: str, usual: bytes, writer: asyncio.StreamWriter) -> bytes:
        count = self._counts.get(verb, 0)
        self._counts[verb] = count + 1
        fault = self.faults(verb, count)
        await self._note()
        match fault:
            case None:
                words = usual + b"\r\n"
                writer.write(words)
            case Say(words):
                writer.write(words)
            case Close(words):
                writer.write(words)
                with contextlib.suppress(ConnectionError):
                    await writer.drain()
                writer.close()
                raise _Over
            case Hang():
                await asyncio.get_running_loop().create_future()
                raise _Over
            case Flood(words):
                while True:
                    writer.write(words)
                    await writer.drain()
            case Drip(words, pause_seconds):
                await _drip(words, pause_seconds, writer)
            case Slowly(pause_seconds):
                words = usual + b"\r\n"
                await _drip(words, pause_seconds, writer)
            case Twice():
                words = usual + b"\r\n"
                writer.write(words * 2)
            case Reset():
                stream = writer.get_extra_info("socket")
                stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                writer.transport.abort()
                raise _Over
            case HalfClose():
                writer.write_eof()
                await asyncio.get_running_loop().create_future()
                raise _Over
        await writer.drain()
        return words

    async def _note(self) -> None:
        async with self._changed:
            self._changed.notify_all()


async def _drip(words: bytes, pause_seconds: float, writer: asyncio.StreamWriter) -> None:
    for at in range(len(words)):
        writer.write(words[at : at + 1])
        await writer.drain()
        await asyncio.sleep(pause_seconds)


class _Over(Exception):
    """The connection has come to its end."""


async def _content(reader: asyncio.StreamReader) -> bytes:
    lines = []
    while (line := await reader.readline()) not in (b".\r\n", b""):
        lines.append(line)
    if line == b"":
        raise _Over
    return b"".join(lines)


@contextlib.asynccontextmanager
async def partner(
    faults: Faults | None = None,
    *,
    keywords: tuple[str, ...] = ("PIPELINING",),
    tls: ssl.SSLContext | None = None,
) -> AsyncIterator[Partner]:
    """A running partner on a free loopback port."""
    state = Partner(faults=faults or always({}), keywords=keywords, tls=tls)
    sessions: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        sessions.add(task)
        try:
            await state.serve(reader, writer)
        except asyncio.CancelledError:
            pass  # the test is over; asyncio.streams would report it
        finally:
            sessions.discard(task)

    server = await asyncio.start_server(serve, "127.0.0.1", 0, limit=1 << 24)
    state.address = server.sockets[0].getsockname()[:2]
    try:
        yield state
    finally:
        server.close()
        for task in list(sessions):
            task.cancel()
        if sessions:
            await asyncio.wait(sessions)
