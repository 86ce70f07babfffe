"""Partners that change their mood between two mails, keep clients waiting, and remember all; and a client."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

from relay.delivery.smtp.session import stuffed


@dataclass(frozen=True, slots=True, kw_only=True)
class Mood:
    """What a partner does at one step of a mail, and well at all others."""

    name: str
    verb: str = ""  # connect, MAIL, RCPT, or . for the end of the content
    reply: bytes = b""  # empty: it closes the connection without a word
    takes: bool = False  # whether it keeps the mail all the same
    waits: bool = False  # whether it waits until it is told what to do

    def __repr__(self) -> str:
        return self.name


GOOD = Mood(name="good")
MOODS = (
    GOOD,
    Mood(name="down", verb="connect"),
    Mood(name="busy", verb="RCPT", reply=b"451 4.3.2 later\r\n"),
    Mood(name="refuses", verb="RCPT", reply=b"550 5.7.1 not for you\r\n"),
    Mood(name="gone", verb="RCPT", reply=b"550 5.1.1 no such user\r\n"),
    Mood(name="full", verb=".", reply=b"452 4.3.1 full\r\n"),
    Mood(name="rejects", verb=".", reply=b"554 5.6.0 content\r\n"),
    Mood(name="leaves", verb="MAIL", reply=b"421 4.3.2 bye\r\n"),
    Mood(name="drops", verb="."),
    Mood(name="takes and drops", verb=".", takes=True),
)
HANGS = tuple(
    Mood(name=f"hangs at {verb}", verb=verb, waits=True) for verb in ("connect", "MAIL", "RCPT", ".")
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """A mail that a partner keeps."""

    mail_from: str
    rcpt_to: str
    content: bytes
    is_told: bool  # whether the client is there to hear of it


@dataclass(frozen=True, slots=True, kw_only=True)
class Begun:
    """An attempt as a partner sees it begin, and the holds that had to be heeded then."""

    mail_from: str
    rcpt_to: str
    in_force: frozenset[str]


class _Over(Exception):
    """The connection has come to its end."""


@dataclass(eq=False)
class Peer:
    """A partner's mail server."""

    in_force: Callable[[], frozenset[str]]  # the holds that every relay must heed by now
    begun: list[Begun] = field(default_factory=list)
    mood: Mood = GOOD
    taken: list[Taken] = field(default_factory=list)
    port: int = 0
    _hanging: list[asyncio.Future[Mood]] = field(default_factory=list)

    @property
    def hanging(self) -> int:
        """How many connections wait for an answer."""
        return sum(not each.done() for each in self._hanging)

    def answer(self, mood: Mood) -> None:
        """Do this wherever it waits."""
        waiting, self._hanging = self._hanging, []
        for each in waiting:
            if not each.done():
                each.set_result(mood)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, _Over):
            await self._say("connect", b"220 partner ESMTP\r\n", writer)
            await self._talk(reader, writer)
        writer.transport.abort()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        mail_from = rcpt_to = ""
        has_recipient = False
        in_force: frozenset[str] = frozenset()
        while line := await reader.readline():
            verb = line[:4].upper().decode("latin-1").strip()
            match verb:
                case "EHLO":
                    writer.write(b"250-partner\r\n250 PIPELINING\r\n")
                case "MAIL":
                    mail_from, has_recipient, in_force = _path(line), False, self.in_force()
                    await self._say(verb, b"250 2.1.0 ok\r\n", writer)
                case "RCPT":
                    rcpt_to = _path(line)
                    self.begun.append(Begun(mail_from=mail_from, rcpt_to=rcpt_to, in_force=in_force))
                    has_recipient = (await self._say(verb, b"250 2.1.5 ok\r\n", writer)).startswith(b"2")
                case "DATA":
                    writer.write(b"354 go\r\n" if has_recipient else b"554 5.5.1 nobody\r\n")
                    if has_recipient:
                        await self._take(mail_from, rcpt_to, reader, writer)
                case "QUIT":
                    writer.write(b"221 2.0.0 bye\r\n")
                    return
                case _:
                    writer.write(b"250 2.0.0 ok\r\n")

    async def _take(
        self, mail_from: str, rcpt_to: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        content = await reader.readuntil(b"\r\n.\r\n")
        mood = await self._feeling(".")
        is_there = not (reader.at_eof() or writer.is_closing())
        if mood.verb != "." or mood.takes:
            told = is_there and not mood.takes
            self.taken.append(Taken(mail_from=mail_from, rcpt_to=rcpt_to, content=content, is_told=told))
        await _answer(mood, ".", b"250 2.0.0 taken\r\n", writer)

    async def _say(self, verb: str, usual: bytes, writer: asyncio.StreamWriter) -> bytes:
        return await _answer(await self._feeling(verb), verb, usual, writer)

    async def _feeling(self, verb: str) -> Mood:
        if not (self.mood.waits and self.mood.verb == verb):
            return self.mood
        told: asyncio.Future[Mood] = asyncio.get_running_loop().create_future()
        self._hanging.append(told)
        return await told


async def _answer(mood: Mood, verb: str, usual: bytes, writer: asyncio.StreamWriter) -> bytes:
    words = mood.reply if mood.verb == verb and not mood.waits else usual
    writer.write(words)
    await writer.drain()
    if words.startswith(b"421") or not words:
        raise _Over
    return words


def _path(line: bytes) -> str:
    return line.partition(b"<")[2].partition(b">")[0].decode("ascii")


@contextlib.asynccontextmanager
async def peer(in_force: Callable[[], frozenset[str]]) -> AsyncIterator[Peer]:
    """A running partner."""
    made = Peer(in_force)
    sessions: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        sessions.add(task)
        try:
            with contextlib.suppress(asyncio.CancelledError):  # asyncio.streams would report it
                await made.serve(reader, writer)
        finally:
            sessions.discard(task)

    server = await asyncio.start_server(serve, "127.0.0.1", 0, limit=1 << 20)
    made.port = server.sockets[0].getsockname()[1]
    try:
        yield made
    finally:
        server.close()
        for task in list(sessions):
            task.cancel()
        if sessions:
            await asyncio.wait(sessions)


async def post(address: tuple[str, int], mail_from: str, rcpt_to: str, content: bytes) -> str:
    """Send a mail as a plain client does: the last reply; empty when the server went away."""
    wire = stuffed(content)
    assert wire is not None
    path = f"MAIL FROM:<{mail_from}>\r\n", f"RCPT TO:<{rcpt_to}>\r\n"
    said = [b"", b"EHLO market.example.jp\r\n", *(each.encode() for each in path), b"DATA\r\n", wire]
    reply = ""
    try:
        reader, writer = await asyncio.open_connection(*address)
    except ConnectionError:
        return ""
    try:
        for words in said:
            writer.write(words)
            reply = await _reply(reader)
            if reply[:1] not in ("2", "3"):
                return reply
    except (ConnectionError, asyncio.IncompleteReadError):
        return ""
    finally:
        writer.transport.abort()
    return reply


async def _reply(reader: asyncio.StreamReader) -> str:
    while (line := (await reader.readuntil(b"\r\n")).decode())[3] == "-":
        pass
    return line.strip()
