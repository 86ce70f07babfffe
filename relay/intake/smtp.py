"""The SMTP server: the only file that knows aiosmtpd.

aiosmtpd gives the protocol class, its task for each connection, session, envelope and the address grammar for
unusual addresses. Replaced, because as it comes it is slower and more trusting than a relay may be:

- its constructor, which looks up hooks by reflection for each connection: here there are no hooks but a
  `Door`;
- its command loop, which logs each line, sets a timer for each command and answers pipelined commands in a
  packet each: here replies gather until the server has to wait for more (RFC 2920 3.2);
- DATA line by line: here by chunks, with bare CR, bare LF, NUL and overlong lines refused;
- MAIL and RCPT by the library's header parser: here a strict pattern first, and the parser for what is left.

Guarantees: the door is asked about whole commands and whole mails only; a client that breaks off in the
middle of its content has sent nothing; no connection holds more than one message and one chunk, and all of
them together no more than `MESSAGES_IN_MEMORY` messages of the largest size.

It is longer than a module here should be, because aiosmtpd has one door, and connection and listener know
each other.

Diagnostics: a door that raises is logged with its traceback and answered 451; what the protocol refuses is
answered and not logged. Source: RFC 5321, 1870, 2034, 2920, 6152.
"""

import asyncio
from collections.abc import Awaitable
from typing import Any, NoReturn, TypeVar, cast

import aiosmtpd.smtp
import structlog

from relay.errors import MachineFailure
from relay.intake import reply, wire
from relay.intake.door import DROP, Answer, Door, Drop, ListenerSettings, Reply, Session, Settings

__all__ = ["DROP", "Answer", "Door", "Drop", "Listener", "ListenerSettings", "Reply", "Session", "Settings"]

CHUNK = 64 * 1024  # octets read at once
MAX_ERRORS = 20  # refused commands of one connection since its last mail: who errs on is hostile
MAX_FRUITLESS = 200  # commands of one connection since its last mail: RSET and NOOP for ever do no work
MESSAGES_IN_MEMORY = 16  # of the largest size, over all connections: 160 MiB with the usual limits
CONTENT_TIMEOUTS = 6  # one content may take so many times the time limit for one piece of it
DECISION_GRACE = 30.0  # seconds that a door has to end its decision on a mail whose client has gone
CLOSING = 421  # the code behind which a server closes, the door's own too (RFC 5321 3.8)
BACKLOG = 1024  # connections that the kernel keeps for us; a burst above max_connections gets its 421 at once

_T = TypeVar("_T")
_log = structlog.get_logger(__name__)


class _GoneError(Exception):
    """The connection is to end: the client has gone, or has been told so."""


class _Connection(aiosmtpd.smtp.SMTP):
    """One client's connection."""

    def __init__(self, listener: "Listener", loop: asyncio.AbstractEventLoop) -> None:
        # The library's own constructor is left out on purpose; what its other methods read is set here.
        self.loop = loop
        self.transport: asyncio.Transport | None = None
        self.session = None
        self.envelope = None
        self.local_part_limit = wire.MAX_LOCAL_PART
        self._original_transport = None
        self._timeout_handle: asyncio.TimerHandle | None = None
        self._handler_coroutine: asyncio.Task[None] | None = None
        self._listener = listener
        self._caller = Session(peer="")
        self._pending = bytearray()  # received and not read yet
        self._replies = bytearray()  # answered and not sent yet
        self._more: asyncio.Future[None] | None = None  # awaited until octets come, or no more ever will
        self._room: asyncio.Future[None] | None = None  # awaited until the client takes what was sent
        self._has_ended = False  # the client will say no more
        self._is_full = False  # nothing more is read until what has come is worked off
        self._deadline = float("inf")  # on the loop's clock: when the client's silence has lasted too long
        self._content_deadline = float("inf")
        self._octets_held = 0  # of content, in the listener's account
        self._refused_recipients = 0
        self._errors = 0
        self._fruitless = 0
        self._is_busy = False  # the door is deciding: no time limit runs
        self.in_data = False  # from 354 to the reply on the mail

    # What the library and asyncio call.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin, or refuse at once when there are too many."""
        if not self._listener.admit(self):
            self.transport = cast("asyncio.Transport", transport)
            self.transport.write(reply.TOO_MANY_CONNECTIONS.line())
            self.transport.close()
            return
        self.transport = cast("asyncio.Transport", transport)
        self._forget_mail()
        self.session = self._create_session()
        peer: Any = transport.get_extra_info("peername")
        self._caller = Session(peer=peer[0] if peer else "")
        self._reset_timeout()
        self._handler_coroutine = self.loop.create_task(self._handle_client())

    def connection_lost(self, error: Exception | None) -> None:  # noqa: ARG002  (asyncio's hook)
        """Stop the task, unless the door is deciding on a mail: it may come to its end."""
        self.transport = None
        task = self._handler_coroutine
        if task is None:
            return
        task.add_done_callback(lambda _: self._listener.forget(self))
        if self._timeout_handle:
            self._timeout_handle.cancel()
        self._has_ended = True
        self.resume_writing()
        self._wake()
        if self.in_data and self._is_busy:
            self.loop.call_later(DECISION_GRACE, task.cancel)
        else:
            task.cancel()

    def data_received(self, data: bytes) -> None:
        """Take octets in; those of a client that was refused at once go nowhere."""
        if self._handler_coroutine is None:
            return
        self._pending += data
        if len(self._pending) > CHUNK and not self._is_full and self.transport is not None:
            self._is_full = True
            self.transport.pause_reading()
        self._wake()

    def eof_received(self) -> bool | None:
        """Let what has come be answered: a client may half-close behind its last command."""
        self._has_ended = True
        self._wake()
        return self._handler_coroutine is not None

    def pause_writing(self) -> None:
        """Wait with further replies: the client does not take those it has."""
        self._room = self.loop.create_future()

    def resume_writing(self) -> None:
        """Go on with replies."""
        room, self._room = self._room, None
        if room is not None and not room.done():
            room.set_result(None)

    def _wake(self) -> None:
        more, self._more = self._more, None
        if more is not None and not more.done():
            more.set_result(None)

    def _reset_timeout(self, duration: float | None = None) -> None:
        # Called once, as the connection begins: one timer follows the deadline, which moves with each chunk.
        self._deadline = self.loop.time() + (duration or self._listener.timeout)
        self._timeout_handle = self.loop.call_at(self._deadline, self._watch)

    def _watch(self) -> None:
        now = self.loop.time()
        if self.transport is None:
            return
        if self._is_busy or now < self._deadline:
            again = max(self._deadline, now + 1.0) if self._is_busy else self._deadline
            self._timeout_handle = self.loop.call_at(again, self._watch)
            return
        self.dismiss(reply.TOO_SLOW)

    def dismiss(self, last: Reply) -> None:
        """Say a last word and close. A client that reads nothing is cut off."""
        if self.transport is None:
            return
        if self.transport.get_write_buffer_size():
            self.transport.abort()
        else:
            self.transport.write(self._replies + last.line())
            self.transport.close()
        self._replies.clear()

    def abort(self) -> None:
        """End at once, whatever is under way."""
        if self._handler_coroutine is not None:
            self._handler_coroutine.cancel()
        if self.transport is not None:
            self.transport.abort()

    # The conversation.

    async def _handle_client(self) -> None:
        try:
            await self._greet()
            while self.transport is not None:
                await self._answer_next()
        except (_GoneError, OSError):  # OSError: the network took the client away
            pass
        finally:
            if self.transport is not None:
                if self._replies:
                    self.transport.write(bytes(self._replies))
                self.transport.close()

    async def _greet(self) -> None:
        answer = await self._ask(self._listener.door.connect(self._caller.peer))
        if answer is None:
            self._say(Reply(code=220, text=f"{self._listener.hostname} ESMTP"))
            return
        if answer is not DROP:
            self._say(answer)
        raise _GoneError

    async def _answer_next(self) -> None:
        command = wire.parse_command(await self._line())
        answer = command if isinstance(command, Reply) else await self._obey(command)
        if answer is DROP:
            self._replies.clear()
            raise _GoneError
        self._fruitless += 1
        if answer is not None:
            self._say(answer)
            self._errors += answer.code >= 500
            if answer.code == CLOSING:
                raise _GoneError
        if self._errors >= MAX_ERRORS:
            self._end(reply.TOO_MANY_ERRORS)
        if self._fruitless >= MAX_FRUITLESS + self._listener.settings.max_recipients:
            self._end(reply.TOO_MANY_COMMANDS)
        if self._listener.is_stopping:
            self._end(reply.STOPPING)

    async def _obey(self, command: wire.Command) -> Answer:
        if command.argument and command.verb in {"DATA", "RSET", "QUIT"}:
            return reply.NO_ARGUMENT
        match command.verb:
            case "MAIL":
                return await self._mail(command.argument)
            case "RCPT":
                return await self._rcpt(command.argument)
            case "DATA":
                return await self._data()
            case "EHLO" | "HELO":
                return self._hello(command)
            case "RSET":
                self._forget_mail()
            case "QUIT":
                self._end(reply.BYE)
        return reply.FIXED.get(command.verb, reply.UNKNOWN_COMMAND)

    def _hello(self, command: wire.Command) -> Reply | None:
        if not command.argument:
            return reply.NEEDS_NAME
        self._forget_mail()
        self._caller = Session(peer=self._caller.peer, helo=command.argument)
        assert self.session is not None
        self.session.host_name = command.argument
        self.session.extended_smtp = command.verb == "EHLO"
        if command.verb == "HELO":
            return Reply(code=250, text=self._listener.hostname)
        self._replies += self._listener.ehlo
        return None

    async def _mail(self, argument: str) -> Answer:
        assert self.session is not None
        assert self.envelope is not None
        if not self.session.host_name:
            return reply.HELLO_FIRST
        if self.envelope.mail_from is not None:
            return reply.NESTED_MAIL
        sender = wire.parse_sender(
            argument,
            limit=self._listener.settings.max_message,
            is_extended=self.session.extended_smtp,
            unusual=self._unusual_path,
        )
        if isinstance(sender, Reply):
            return sender
        answer = await self._ask(self._listener.door.mail(self._caller, sender.address, sender.size))
        if answer is None:
            self.envelope.mail_from = sender.address
            return reply.SENDER_OK
        return answer

    async def _rcpt(self, argument: str) -> Answer:
        assert self.envelope is not None
        if self.envelope.mail_from is None:
            return reply.MAIL_FIRST
        address = wire.parse_recipient(argument, self._unusual_path)
        if isinstance(address, Reply):
            return address
        if len(self.envelope.rcpt_tos) >= self._listener.settings.max_recipients:
            return reply.TOO_MANY_RECIPIENTS
        answer = await self._ask(self._listener.door.rcpt(self._caller, address))
        if answer is None:
            self.envelope.rcpt_tos.append(address)
            return reply.RECIPIENT_OK
        self._refused_recipients += 1
        return answer

    async def _data(self) -> Answer:
        assert self.envelope is not None
        if not self.envelope.rcpt_tos:
            if self._refused_recipients:  # RFC 2920 3.1: a pipelining client has sent DATA behind them
                return reply.NO_VALID_RECIPIENTS
            return reply.MAIL_FIRST if self.envelope.mail_from is None else reply.RCPT_FIRST
        answer = await self._ask(self._listener.door.data(self._caller))
        if answer is not None:
            return answer
        self._say(reply.GO_AHEAD)
        self.in_data = True
        try:
            return await self._message()
        finally:
            self.in_data = False
            self._account(0)
            self._forget_mail()

    async def _message(self) -> Answer:
        assert self.envelope is not None
        assert self.envelope.mail_from is not None
        content = await self._content()
        if isinstance(content, Reply):
            return content
        answer = await self._ask(
            self._listener.door.message(
                self._caller, self.envelope.mail_from, tuple(self.envelope.rcpt_tos), content
            )
        )
        if isinstance(answer, Reply) and not answer.is_refusal:
            self._errors = 0
            self._fruitless = 0
        return answer

    async def _content(self) -> bytes | Reply:
        limit = self._listener.settings.max_message
        buffer = wire.ContentBuffer(limit=limit)
        is_out_of_memory = False
        self._content_deadline = self.loop.time() + CONTENT_TIMEOUTS * self._listener.timeout
        while (rest := buffer.feed(self._take())) is None:
            self._account(buffer.held)
            if self._listener.is_full and not buffer.is_over:
                is_out_of_memory = True
                buffer.drain()
                self._account(buffer.held)
            await self._receive()
        self._content_deadline = float("inf")
        self._pending += rest
        if is_out_of_memory:
            return reply.OUT_OF_MEMORY
        if buffer.is_over:
            return reply.message_too_big(limit)
        content = buffer.content()
        self._account(len(content))
        return wire.flaw(content) or content

    def _account(self, octets: int) -> None:
        self._listener.octets_in_memory += octets - self._octets_held
        self._octets_held = octets

    # Octets in and out.

    async def _line(self) -> bytes:
        """The next line with its LF; of one that is too long, only as much as shows that it is."""
        start = 0
        while (end := self._pending.find(b"\n", start)) < 0:
            if len(self._pending) > wire.MAX_COMMAND:
                del self._pending[wire.MAX_COMMAND + 1 :]
            start = len(self._pending)
            await self._receive()
        line = bytes(self._pending[: end + 1])
        del self._pending[: end + 1]
        return line

    def _take(self) -> bytes:
        octets = bytes(self._pending)
        self._pending.clear()
        return octets

    async def _receive(self) -> None:
        """Send the replies that have gathered, then wait for the next chunk."""
        self._deadline = min(self.loop.time() + self._listener.timeout, self._content_deadline)
        had = len(self._pending)
        if self._replies and self.transport is not None:
            self.transport.write(bytes(self._replies))
            self._replies.clear()
        if self._room is not None:
            await self._room
        if self._is_full and self.transport is not None:
            self._is_full = False
            self.transport.resume_reading()
        while len(self._pending) == had:
            if self._has_ended:
                raise _GoneError
            self._more = self.loop.create_future()
            await self._more

    def _say(self, answer: Reply) -> None:
        self._replies += answer.line()

    def _end(self, last: Reply) -> NoReturn:
        self._say(last)
        raise _GoneError

    async def _ask(self, question: Awaitable[_T]) -> _T | Reply:
        self._is_busy = True
        try:
            return await question
        except Exception:  # noqa: BLE001  (a bug of the door's: the client keeps its mail, and the log has the trace)
            _log.exception("door_failed", peer=self._caller.peer)
            return reply.OUR_FAULT
        finally:
            self._is_busy = False

    def _forget_mail(self) -> None:
        self._refused_recipients = 0
        self.envelope = self._create_envelope()

    def _unusual_path(self, path: str) -> tuple[str, str] | None:
        try:
            address, rest = self._getaddr(path)
        except (IndexError, ValueError):  # the standard library's parser stumbles over some malformed paths
            return None
        rest = rest or ""
        read = path[: len(path) - len(rest)]
        # The parser is made for headers: it forgives a missing bracket and puts quotes where there are none.
        if not address or address not in read or not read.endswith("> " if rest else ">"):
            return None
        return address, rest


class Listener:
    """Listens on one address and serves every connection through one door."""

    def __init__(self, door: Door, settings: Settings, *, hostname: str, reuse_port: bool = False) -> None:
        """Make a listener that does not listen yet.

        Args:
            door: who decides.
            settings: where to listen and what to take on at most.
            hostname: what the server calls itself.
            reuse_port: let other processes listen on the same port; the kernel shares the connections out.
        """
        self.door = door
        self.hostname = hostname
        self.settings = settings
        self.timeout = settings.timeout.total_seconds()
        self.ehlo = (
            f"250-{hostname}\r\n250-PIPELINING\r\n250-SIZE {settings.max_message}\r\n"
            "250-8BITMIME\r\n250 ENHANCEDSTATUSCODES\r\n"
        ).encode("ascii")
        self.is_stopping = False
        self.octets_in_memory = 0  # content of all connections
        self._reuse_port = reuse_port
        self._server: asyncio.Server | None = None
        self._connections: set[_Connection] = set()
        self._all_gone = asyncio.Event()

    @property
    def address(self) -> tuple[str, int]:
        """Where it listens: IP address and port. Only after `start`."""
        assert self._server is not None
        name = self._server.sockets[0].getsockname()
        return name[0], name[1]

    @property
    def port(self) -> int:
        """The port that it listens on. Only after `start`."""
        return self.address[1]

    @property
    def is_full(self) -> bool:
        """Whether all connections together hold as much content as may be held."""
        return self.octets_in_memory > MESSAGES_IN_MEMORY * self.settings.max_message

    async def start(self) -> None:
        """Begin to listen. Raises MachineFailure when the address cannot be had."""
        loop = asyncio.get_running_loop()
        host, port = self.settings.listen
        try:
            self._server = await loop.create_server(
                lambda: _Connection(self, loop),
                host,
                port,
                backlog=BACKLOG,
                reuse_port=self._reuse_port or None,
            )
        except OSError as error:
            reason = error.strerror or str(error)
            raise MachineFailure(f"cannot listen on {host} port {port}: {reason}") from error

    async def stop(self, grace: float = 10.0) -> None:
        """Take no new connection, send the idle away, wait up to `grace` seconds for mails under way."""
        self.is_stopping = True
        if self._server is None:
            return
        self._server.close()
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

    def admit(self, connection: _Connection) -> bool:
        """Count a new connection in, unless there are too many."""
        if len(self._connections) >= self.settings.max_connections or self.is_stopping:
            return False
        self._connections.add(connection)
        return True

    def forget(self, connection: _Connection) -> None:
        """Count a connection out whose client has gone and whose task is over."""
        self._connections.discard(connection)
        if not self._connections:
            self._all_gone.set()
