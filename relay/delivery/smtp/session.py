"""One SMTP connection after EHLO, spoken by a small protocol of our own: mails one after another.

MAIL, RCPT and DATA go in one write to a peer that announced PIPELINING (RFC 2920), one by one to others. A
peer that announced SIZE (RFC 1870) is told how large the mail is, and is not sent one that it would not take.

Guarantees: content goes out dot-stuffed and never holds a bare CR or LF; no address can carry a second
command; each wait is bounded by its phase's timeout, however slowly the peer drips; a peer that speaks out
of turn or nonsense loses the connection, never the mail. Diagnostics: every failure is a value, `Unsent` or
an `Outcome`. Source: RFC 5321, RFC 1870, RFC 2920.
"""

import asyncio
import re
from dataclasses import dataclass

from relay.config import Timeouts
from relay.delivery.outcome import (
    CLOSING,
    START_CONTENT,
    Bounced,
    Deferred,
    Delivered,
    Outcome,
    Reply,
    Unsent,
    Verb,
    is_expected,
    is_sensible,
    printable,
    verdict,
)
from relay.delivery.smtp.reply import ReplyReader

QUIT_SECONDS = 1.0  # courtesy: the mail is settled, the peer's farewell changes nothing
CHUNK_OCTETS = 256 * 1024  # between two looks at whether the peer still takes content and has not refused it
_ENVELOPE = (Verb.MAIL, Verb.RCPT, Verb.DATA)
_PATH = re.compile(r"[!-;=?-~]{1,254}|")  # printable ASCII but space and <>; empty is the null sender


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """Where to connect."""

    host: str  # the name, for TLS and for the journal
    ip: str
    port: int

    def __str__(self) -> str:
        ip = f"[{self.ip}]" if ":" in self.ip else self.ip
        return f"{ip}:{self.port}" if self.host == self.ip else f"{self.host} ({ip}:{self.port})"


def stuffed(content: bytes) -> bytes | None:
    r"""The content as it goes after DATA, with its final dot; None when it holds a bare CR or LF.

    >>> stuffed(b"a\r\n.b\r\n")
    b'a\r\n..b\r\n.\r\n'
    """
    breaks = content.count(b"\r\n")
    if content.count(b"\n") != breaks or content.count(b"\r") != breaks:
        return None
    if not content.endswith(b"\r\n"):
        content += b"\r\n"
    content = content.replace(b"\r\n.", b"\r\n..")
    return (b"." if content.startswith(b".") else b"") + content + b".\r\n"


class Session(asyncio.Protocol):
    """One connection after EHLO: sends mails one after another."""

    def __init__(
        self,
        transport: asyncio.Transport,
        address: Address,
        timeouts: Timeouts,
        *,
        pipelining: bool,
        size: int | None = None,
        encrypted: bool = False,
    ) -> None:
        """`size` is what the peer announced, in octets: 0 has no bound, None is no announcement."""
        self.address = address
        self.encrypted = encrypted
        self.mails = 0  # transactions begun
        self._transport = transport
        self._pipelining = pipelining
        self._size = size
        self._command_seconds = timeouts.command.total_seconds()
        self._data_seconds = timeouts.data.total_seconds()
        self._end_seconds = timeouts.end_of_data.total_seconds()
        self._loop = asyncio.get_running_loop()
        self._reader = ReplyReader()
        self._wanted = 0  # replies that may come now; one more is out of turn
        self._came: list[Reply] = []
        self._waiter: asyncio.Future[None] | None = None
        self._paused = False
        self._writing = False  # whether the waiter waits to write on, and not for a reply alone
        self._broken = ""  # why the connection is of no more use
        self._silent = False  # whether it is, because a wait took too long

    @property
    def usable(self) -> bool:
        """Whether another mail may be sent."""
        return not self._broken and not self._transport.is_closing()

    async def send(self, *, sender: str, recipient: str, content: bytes) -> Outcome | Unsent:
        """One transaction; `sender` and `recipient` are bare addresses, `content` has CRLF line ends.

        Cancelling it closes the connection: nobody could tell later where the dialogue stands.
        """
        if not (recipient and _PATH.fullmatch(recipient) and _PATH.fullmatch(sender)):
            return Bounced("the address cannot be written in an SMTP command")
        wire = stuffed(content)
        if wire is None:
            return Deferred("not sent: the stored mail holds a bare CR or LF, which is a bug in Denrei")
        octets = len(content)
        if self._size and octets > self._size:
            return Bounced(
                f"552 5.3.4 not sent: the mail has {octets} octets, {self.address} takes {self._size} at most"
            )
        self.mails += 1
        size = b"" if self._size is None else b" SIZE=%d" % octets
        commands = (
            b"MAIL FROM:<%s>%s\r\n" % (sender.encode(), size),
            b"RCPT TO:<%s>\r\n" % recipient.encode(),
            b"DATA\r\n",
        )
        try:
            begin = self._begin_at_once if self._pipelining else self._begin_in_turn
            ended = await begin(commands)
            return ended if ended is not None else await self._send_content(wire)
        except asyncio.CancelledError:
            self._break("stopped in the middle of a mail")
            raise

    async def quit(self) -> None:
        """Say goodbye, briefly, and close."""
        try:
            await self._ask(b"QUIT\r\n", 1, QUIT_SECONDS, "QUIT")
        finally:
            self._transport.abort()

    def drop(self) -> None:
        """Close without a word."""
        self._break("closed by us")

    # The transaction

    async def _begin_at_once(self, commands: tuple[bytes, ...]) -> Outcome | Unsent | None:
        replies = await self._ask(b"".join(commands), 3, self._command_seconds, "MAIL, RCPT and DATA")
        for verb, reply in zip(_ENVELOPE, replies, strict=False):
            ended = verdict(verb, reply)
            if ended is not None:
                await self._abandon(verb, replies)
                return self._stale(verb, reply) or ended
        return None if len(replies) == 3 else self._lost(replies)

    async def _begin_in_turn(self, commands: tuple[bytes, ...]) -> Outcome | Unsent | None:
        replies: list[Reply] = []
        for verb, command in zip(_ENVELOPE, commands, strict=True):
            came = await self._ask(command, 1, self._command_seconds, verb)
            if not came:
                return self._lost(replies)
            replies += came
            ended = verdict(verb, came[0])
            if ended is not None:
                await self._abandon(verb, replies)
                return self._stale(verb, came[0]) or ended
        return None

    def _stale(self, verb: Verb, reply: Reply) -> Unsent | None:
        if verb is Verb.MAIL and reply.code == CLOSING and self.mails > 1:
            return Unsent(f"{self.address}: {reply}")
        return None

    def _lost(self, replies: list[Reply]) -> Deferred | Unsent:
        reason = f"{self.address}: {self._broken or 'the connection was closed'}"
        gone = self.mails > 1 and not (replies or self._silent or self._reader.garbage)
        return Unsent(reason) if gone else Deferred(reason)

    async def _abandon(self, refused: Verb, replies: list[Reply]) -> None:
        """Bring the dialogue back to where MAIL may be said, or close."""
        if any(
            reply.code == CLOSING or not _in_step(verb, reply)
            for verb, reply in zip(_ENVELOPE, replies, strict=False)
        ):
            self._break("the peer is closing the connection or has lost step")
        elif len(replies) == 3 and replies[2].code == START_CONTENT:
            if refused is Verb.RCPT:  # RFC 2920 section 3.1: content is awaited although nobody is to get it
                await self._ask(b".\r\n", 1, self._command_seconds, "the lone dot")
            else:  # it might deliver the lone dot to somebody as an empty mail
                self._break("took DATA although it had refused MAIL")
        if self.usable:
            came = await self._ask(b"RSET\r\n", 1, self._command_seconds, "RSET")
            if came and not 200 <= came[0].code < 300:
                self._break("refused RSET")

    async def _send_content(self, wire: bytes) -> Outcome:
        self._expect(1)
        for start in range(0, len(wire), CHUNK_OCTETS):
            self._transport.write(wire if len(wire) <= CHUNK_OCTETS else wire[start : start + CHUNK_OCTETS])
            if self._paused and start + CHUNK_OCTETS < len(wire):
                self._writing = True
                await self._wait(self._data_seconds, "content")
                self._writing = False
            if self._came or self._broken:
                return self._interrupted()
        if not self._came:
            await self._wait(self._end_seconds, "the end of the mail")
        self._wanted = 0
        if not self._came:
            why = self._broken or "the connection was closed"
            known = "the partner may have it, a repeat has the same Message-ID"
            return Deferred(f"{self.address}: {why} after the whole mail was sent; {known}")
        reply = self._came[0]
        if reply.code == CLOSING or not _in_step(Verb.CONTENT, reply):
            self._break("the peer is closing the connection or has lost step")
        return verdict(Verb.CONTENT, reply) or Deferred(f"end of data was answered {reply}")

    def _interrupted(self) -> Outcome:
        """The peer answered, or went away, before it had all of the content."""
        self._wanted = 0
        reason = self._broken or "answered before the mail was sent"
        self._break(reason)
        if self._came:
            ended = verdict(Verb.CONTENT, self._came[0])
            if ended is not None and not isinstance(ended, Delivered):
                return ended
        return Deferred(f"{self.address}: {reason}, with part of the mail sent")

    # Asking and waiting

    async def _ask(self, commands: bytes, count: int, seconds: float, what: str) -> list[Reply]:
        """The replies to these commands: fewer than `count` when the connection broke meanwhile."""
        if not self.usable:
            return []
        self._expect(count)
        self._transport.write(commands)
        await self._wait(seconds, what)
        self._wanted = 0
        return self._came

    def _expect(self, count: int) -> None:
        self._wanted = count
        self._came = []

    async def _wait(self, seconds: float, what: str) -> None:
        """Return when enough replies came, when writing may go on, or when the connection broke."""
        if self._broken:
            return
        self._waiter = self._loop.create_future()
        timer = self._loop.call_later(seconds, self._give_up, f"no answer to {what} within {seconds:g} s")
        try:
            await self._waiter
        finally:
            timer.cancel()
            self._waiter = None

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _give_up(self, reason: str) -> None:
        self._silent = True
        self._break(reason)

    def _break(self, reason: str) -> None:
        self._broken = self._broken or reason
        self._transport.abort()
        self._wake()

    # What the transport tells us

    def data_received(self, data: bytes) -> None:  # noqa: D102  (asyncio.Protocol's hook)
        self._came += self._reader.feed(data)
        if self._reader.garbage:
            self._break(self._reader.garbage)
        elif len(self._came) > self._wanted:
            del self._came[self._wanted :]
            self._break("spoke out of turn")
        elif len(self._came) == self._wanted:
            self._wake()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: D102  (asyncio.Protocol's hook)
        self._break(
            f"the connection was lost ({printable(str(exc))})" if exc else "the connection was closed"
        )

    def pause_writing(self) -> None:  # noqa: D102  (asyncio.Protocol's hook)
        self._paused = True

    def resume_writing(self) -> None:  # noqa: D102  (asyncio.Protocol's hook)
        self._paused = False
        if self._writing:
            self._wake()


def _in_step(verb: Verb, reply: Reply) -> bool:
    return is_expected(verb, reply) or is_sensible(reply)
