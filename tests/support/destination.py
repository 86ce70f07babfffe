"""Partners' mail servers, each with a manner of its own, which remember what they took and are asked later.

They stand for what is outside: a mail counts as taken when its content is whole and the server means to
answer 250, whether or not the relay lives to hear it. So a mail may be taken more often than the relay knows.
"""

import asyncio
import contextlib
import re
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from typing import assert_never

_MESSAGE_ID = re.compile(rb"^Message-ID:\s*(\S+)\r$", re.IGNORECASE | re.MULTILINE)
_LIMIT = 1 << 22  # octets of one mail

Key = tuple[str, str]  # recipient and Message-ID: one delivery, as far as a partner can tell
Tell = Callable[[str], None]  # hears "content" when one is whole, "taken" when 250 has been written


@dataclass(frozen=True, slots=True, kw_only=True)
class Take:
    """Answer 250, after so long."""

    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Answer:
    """Answer this to the content, and keep nothing."""

    words: bytes


@dataclass(frozen=True, slots=True)
class Drop:
    """Close the connection without an answer to the content, and keep nothing."""


@dataclass(frozen=True, slots=True)
class Silence:
    """Keep the connection and never answer the content; the mail is lost."""


Fate = Take | Answer | Drop | Silence
Manner = Callable[[int], Fate]  # what becomes of a mail, by how often it came before


@dataclass(frozen=True, slots=True, kw_only=True)
class Copy:
    """A mail that was taken."""

    recipient: str
    message_id: str
    content: bytes  # as it was before dot-stuffing

    @property
    def key(self) -> Key:
        """Which delivery it is."""
        return self.recipient, self.message_id


def fast(_came: int) -> Fate:
    """Take everything at once."""
    return Take()


def slow(_came: int) -> Fate:
    """Take everything, some time after it is whole."""
    return Take(seconds=0.05)


def deferring(came: int) -> Fate:
    """Take each mail when it comes a second time, as greylisting does."""
    return Take() if came else Answer(b"450 4.2.0 come back later")


def dropping(came: int) -> Fate:
    """Hang up behind the content the first time, as a server does that is restarted."""
    return Take() if came else Drop()


class Town:
    """All the partners of a story."""

    def __init__(self, tell: Tell | None = None) -> None:
        self.routes: dict[str, int] = {}  # domain to port
        self.taken: list[Copy] = []
        self.contents = 0  # how many came, whatever became of them
        self.open_connections = 0
        self._tell = tell or _nobody_listens
        self._came: Counter[Key] = Counter()
        self._changed = asyncio.Condition()

    async def until(self, reached: Callable[[], bool], seconds: float = 60.0) -> None:
        """Wait for what a partner sees; fails when it does not come."""
        try:
            async with asyncio.timeout(seconds), self._changed:
                await self._changed.wait_for(reached)
        except TimeoutError:
            counts = f"{len(self.taken)} taken, {self.open_connections} connections open"
            raise AssertionError(f"not reached: {counts}") from None

    async def quiet(self) -> None:
        """Wait until no connection is open: what a dead relay had sent is worked off."""
        await self.until(lambda: not self.open_connections)

    async def serve(self, manner: Manner, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection to a partner of this manner."""
        self.open_connections += 1
        try:
            with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
                await self._talk(manner, reader, writer)
        finally:
            self.open_connections -= 1
            writer.transport.abort()
            await self._note()

    async def _talk(self, manner: Manner, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 partner.example.jp ESMTP\r\n")
        recipient = ""
        while line := await reader.readline():
            match line[:4].upper():
                case b"EHLO":
                    writer.write(b"250-partner.example.jp\r\n250 PIPELINING\r\n")
                case b"RCPT":
                    recipient = line.partition(b"<")[2].partition(b">")[0].decode("ascii")
                    writer.write(b"250 2.1.5 ok\r\n")
                case b"DATA":
                    writer.write(b"354 go\r\n")
                    content = (await reader.readuntil(b"\r\n.\r\n"))[:-3].replace(b"\r\n..", b"\r\n.")
                    await self._decide(manner, recipient, content, writer)
                case b"QUIT":
                    writer.write(b"221 2.0.0 bye\r\n")
                    return
                case _:
                    writer.write(b"250 2.0.0 ok\r\n")

    async def _decide(
        self, manner: Manner, recipient: str, content: bytes, writer: asyncio.StreamWriter
    ) -> None:
        found = _MESSAGE_ID.search(content)
        message_id = found[1].decode("ascii") if found else ""
        copy = Copy(recipient=recipient, message_id=message_id, content=content)
        self.contents += 1
        fate = manner(self._came[copy.key])
        self._came[copy.key] += 1
        if isinstance(fate, Take):
            self.taken.append(copy)
        self._tell("content")
        await self._note()
        match fate:
            case Take(seconds=seconds):
                if seconds:
                    await asyncio.sleep(seconds)
                writer.write(b"250 2.0.0 taken\r\n")
                self._tell("taken")
            case Answer(words):
                writer.write(words + b"\r\n")
            case Drop():
                raise ConnectionAbortedError
            case Silence():
                await asyncio.get_running_loop().create_future()
            case _:
                assert_never(fate)

    async def _note(self) -> None:
        async with self._changed:
            self._changed.notify_all()


def _nobody_listens(_event: str) -> None:
    """Nothing is waited for."""


@contextlib.asynccontextmanager
async def town(manners: Mapping[str, Manner], tell: Tell | None = None) -> AsyncIterator[Town]:
    """A running partner for each domain, on loopback ports of their own."""
    made = Town(tell)
    sessions: set[asyncio.Task[None]] = set()
    servers = []

    def serving(manner: Manner) -> Callable[[asyncio.StreamReader, asyncio.StreamWriter], None]:
        def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            session = asyncio.get_running_loop().create_task(made.serve(manner, reader, writer))
            sessions.add(session)
            session.add_done_callback(sessions.discard)

        return serve

    try:
        for domain, manner in manners.items():
            server = await asyncio.start_server(serving(manner), "127.0.0.1", 0, limit=_LIMIT)
            servers.append(server)
            made.routes[domain] = server.sockets[0].getsockname()[1]
        yield made
    finally:
        for server in servers:
            server.close()
        for session in tuple(sessions):
            session.cancel()
        await asyncio.gather(*sessions, return_exceptions=True)
