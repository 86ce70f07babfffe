"""The SMTP conversation with one client: commands in, the door's decisions out. No sockets, no library.

Guarantees: the door is asked about whole commands and whole mails only, and about names and secrets only over
TLS; a client that breaks off in the middle of its content has sent nothing; a client that speaks where it has
to wait for an answer is sent away, with nothing taken of what it said too early.

Diagnostics: a door that raises is logged with its traceback (`door_failed`) and answered 451; so is a bug of
the conversation's (`session_failed`, 421). What the protocol refuses is answered and not logged. Source: RFC
5321, 1870, 2034, 2920, 3207, 4954, 6152, 6531.
"""

from collections.abc import Awaitable
from dataclasses import replace
from typing import NoReturn, TypeVar

import structlog

from relay.intake.session import reply, sasl, wire
from relay.intake.session.content import ContentBuffer
from relay.intake.session.door import DROP, Answer, Reply, Session, SignedIn
from relay.intake.session.seam import Host, Library
from relay.intake.session.stream import GoneError, Stream
from relay.metrics import Arrival

MAX_ERRORS = 20  # refused commands of one connection since its last mail: who errs on is hostile
MAX_FRUITLESS = 200  # commands of one connection since its last mail: RSET and NOOP for ever do no work
MAX_LOGINS = 3  # failed ones of one connection: who mistypes needs no more
CONTENT_TIMEOUTS = 6  # one content may take so many times the time limit for one piece of it
CLOSING = 421  # the code behind which a server closes, the door's own too (RFC 5321 3.8)

_T = TypeVar("_T")
_log = structlog.get_logger(__name__)


class Conversation:
    """What one client says and is told."""

    def __init__(
        self, host: Host, stream: Stream, library: Library, *, caller: Session, is_welcome: bool
    ) -> None:
        """Make a conversation that has not begun.

        Args:
            host: the listener.
            stream: the client's octets.
            library: its grammar and its memory.
            caller: who is on the line.
            is_welcome: whether the door has let it in already.
        """
        self.caller = caller
        self.in_data = False  # from 354 to the reply on the mail
        self._host = host
        self._stream = stream
        self._library = library
        self._is_welcome = is_welcome
        self._greeting = library.new_greeting()
        self._envelope = library.new_envelope()
        self._octets_held = 0  # of content, in the listener's account
        self._refused_recipients = 0
        self._errors = 0
        self._fruitless = 0
        self._failed_logins = 0
        self._leave_by = float("inf")  # on the loop's clock, unless it signs in or begins a mail

    async def hold(self) -> None:
        """Hold it to its end."""
        try:
            await self._greet()
            while self._stream.transport is not None:
                await self._answer_next()
        except (GoneError, OSError):  # OSError: the network took the client away
            pass
        except Exception:  # noqa: BLE001  (a bug of ours: this connection ends, and the log has the trace)
            _log.exception("session_failed", peer=self.caller.peer)
            self._say(reply.SESSION_FAILED)
        finally:
            self._stream.close()
            if self._is_welcome:
                self._host.door.disconnected(self.caller)

    async def _greet(self) -> None:
        if not self._is_welcome:
            answer = await self._ask(self._host.door.connect(self.caller.peer))
            if answer is not None:
                if answer is not DROP:
                    self._say(answer)
                raise GoneError
            self._is_welcome = True
        if self._stream.has_more:
            self._end(reply.SPOKE_FIRST)
        self._say(Reply(code=220, text=f"{self._host.hostname} ESMTP"))
        self._allow_time()

    def _allow_time(self) -> None:
        """Let the client stay without a mail for as long as the door has patience with it."""
        self._leave_by = self._stream.now() + self._host.door.patience(self.caller)

    async def _line(self) -> bytes:
        until = self._leave_by if self._envelope.mail_from is None else float("inf")
        return await self._stream.line(wire.MAX_LOGIN, until=until)

    async def _answer_next(self) -> None:
        command = wire.parse_command(await self._line())
        self._hear_no_more_than(command.verb if isinstance(command, wire.Command) else "")
        answer = command if isinstance(command, Reply) else await self._obey(command)
        if answer is DROP:
            self._stream.unsay()
            raise GoneError
        self._fruitless += 1
        if answer is not None:
            self._say(answer)
            self._errors += answer.code >= 500
            if answer.code == CLOSING:
                raise GoneError
        if self._failed_logins >= MAX_LOGINS:
            self._end(reply.TOO_MANY_LOGINS)
        if self._errors >= MAX_ERRORS:
            self._end(reply.TOO_MANY_ERRORS)
        if self._fruitless >= MAX_FRUITLESS + self._host.settings.max_recipients:
            self._end(reply.TOO_MANY_COMMANDS)
        if self._host.is_stopping:
            self._end(reply.STOPPING)

    def _hear_no_more_than(self, verb: str) -> None:
        """End it when the client has said more behind this command than it may."""
        if wire.is_out_of_turn(
            verb, has_more=self._stream.has_more, may_pipeline=self._greeting.extended_smtp
        ):
            self._end(reply.OUT_OF_TURN)

    async def _obey(self, command: wire.Command) -> Answer:
        if command.argument and command.verb in {"DATA", "RSET", "QUIT", "STARTTLS"}:
            return reply.NO_ARGUMENT
        answer: Answer = None
        match command.verb:
            case "MAIL":
                answer = await self._mail(command.argument)
            case "RCPT":
                answer = await self._rcpt(command.argument)
            case "DATA":
                answer = await self._data()
            case "EHLO" | "HELO":
                answer = self._hello(command)
            case "STARTTLS":
                answer = await self._start_tls()
            case "AUTH":
                answer = await self._auth(command.argument)
            case "RSET":
                self._forget_mail()
                answer = reply.OK
            case "QUIT":
                self._end(reply.BYE)
            case _:
                answer = reply.FIXED.get(command.verb, reply.UNKNOWN_COMMAND)
        return answer

    def _hello(self, command: wire.Command) -> Reply | None:
        if not command.argument:
            return reply.NEEDS_NAME
        self._forget_mail()
        self.caller = replace(self.caller, helo=command.argument)
        self._greeting.host_name = command.argument
        self._greeting.extended_smtp = command.verb == "EHLO"
        if command.verb == "HELO":
            return Reply(code=250, text=self._host.hostname)
        self._stream.say(
            reply.ehlo(
                self._host.hostname,
                max_message=self._host.settings.max_message,
                may_secure=not self.caller.tls and self._host.tls() is not None,
                mechanisms=sasl.MECHANISMS if self._may_sign_in else (),
            )
        )
        return None

    async def _start_tls(self) -> Answer:
        if self.caller.tls:
            return reply.SECURE_ALREADY
        context = self._host.tls()
        if context is None:
            return reply.NOT_OFFERED
        self._say(reply.START_TLS)
        try:
            await self._stream.secure(context)
        except GoneError:
            self._host.metrics.connection(Arrival.BROKEN_TLS)
            raise
        # What was said in clear counts no more (RFC 3207 4.2): somebody else may have said it.
        self.caller = Session(peer=self.caller.peer, tls=True)
        self._greeting = self._library.new_greeting()
        self._forget_mail()
        return None

    @property
    def _may_sign_in(self) -> bool:
        return self._host.offers_login and self.caller.tls

    async def _auth(self, argument: str) -> Answer:
        if not self._host.offers_login:
            return reply.NOT_OFFERED
        if not self.caller.tls:
            return reply.NEEDS_TLS
        if not self._greeting.extended_smtp:
            return reply.HELLO_FIRST
        if self.caller.user:
            return reply.SIGNED_IN_ALREADY
        if self._envelope.mail_from is not None:
            return reply.NOT_IN_A_MAIL
        answer = await self._sign_in(argument)
        self._failed_logins += answer is not reply.SIGNED_IN
        return answer

    async def _sign_in(self, argument: str) -> Answer:
        step = sasl.begin(argument)
        while isinstance(step, sasl.Challenge):
            self._say(step.ask)
            line = await self._line()
            self._hear_no_more_than("AUTH")
            if len(line) > wire.MAX_LOGIN:
                return reply.LOGIN_TOO_LONG
            step = sasl.go_on(step, line.removesuffix(b"\r\n"))
        if isinstance(step, Reply):
            return step
        answer = await self._ask(self._host.door.authenticate(self.caller, step.name, step.secret))
        if not isinstance(answer, SignedIn):
            return answer
        self.caller = replace(self.caller, user=step.name, mark=answer.mark)
        self._allow_time()
        return reply.SIGNED_IN

    async def _mail(self, argument: str) -> Answer:
        if not self._greeting.host_name:
            return reply.HELLO_FIRST
        if self._envelope.mail_from is not None:
            return reply.NESTED_MAIL
        sender = wire.parse_sender(
            argument,
            limit=self._host.settings.max_message,
            is_extended=self._greeting.extended_smtp,
            may_sign_in=self._greeting.extended_smtp and self._may_sign_in,
            unusual=self._library.unusual_path,
        )
        if isinstance(sender, Reply):
            return sender
        answer = await self._ask(self._host.door.mail(self.caller, sender.address, sender.size))
        if answer is None:
            self._envelope.mail_from = sender.address
            self._envelope.smtp_utf8 = sender.is_utf8
            return reply.SENDER_OK
        return answer

    async def _rcpt(self, argument: str) -> Answer:
        if self._envelope.mail_from is None:
            return reply.MAIL_FIRST
        address = wire.parse_recipient(argument, self._library.unusual_path, is_utf8=self._envelope.smtp_utf8)
        if isinstance(address, Reply):
            return address
        if len(self._envelope.rcpt_tos) >= self._host.settings.max_recipients:
            return reply.TOO_MANY_RECIPIENTS
        mail_from, taken = self._envelope.mail_from, tuple(self._envelope.rcpt_tos)
        answer = await self._ask(self._host.door.rcpt(self.caller, mail_from, taken, address))
        if answer is None:
            self._envelope.rcpt_tos.append(address)
            return reply.RECIPIENT_OK
        self._refused_recipients += 1
        return answer

    async def _data(self) -> Answer:
        if not self._envelope.rcpt_tos:
            if self._refused_recipients:  # RFC 2920 3.1: a pipelining client has sent DATA behind them
                return reply.NO_VALID_RECIPIENTS
            return reply.MAIL_FIRST if self._envelope.mail_from is None else reply.RCPT_FIRST
        answer = await self._ask(self._host.door.data(self.caller))
        if answer is not None:
            return answer
        self._hear_no_more_than("DATA")  # what came while the door thought was sent before our 354 as well
        self._say(reply.GO_AHEAD)
        self.in_data = True
        try:
            return await self._message()
        finally:
            self.in_data = False
            self._account(0)
            self._forget_mail()
            self._allow_time()

    async def _message(self) -> Answer:
        assert self._envelope.mail_from is not None
        content = await self._content()
        if isinstance(content, Reply):
            return content
        answer = await self._ask(
            self._host.door.message(
                self.caller, self._envelope.mail_from, tuple(self._envelope.rcpt_tos), content
            )
        )
        if isinstance(answer, Reply) and not answer.is_refusal:
            self._errors = 0
            self._fruitless = 0
        return answer

    async def _content(self) -> bytes | Reply:
        settings = self._host.settings
        buffer = ContentBuffer(
            limit=settings.max_message,
            max_line=settings.max_line,
            max_header=settings.max_header,
            normalises=settings.bare_line_ends == "normalise",
        )
        is_out_of_memory = False
        until = self._stream.now() + CONTENT_TIMEOUTS * self._host.timeout
        while (rest := buffer.feed(self._stream.take())) is None:
            self._account(buffer.held)
            if self._host.is_full and not buffer.is_over:
                is_out_of_memory = True
                buffer.drain()
                self._account(buffer.held)
            await self._stream.wait(until=until)
        self._stream.give_back(rest)
        self._account(buffer.held)
        return reply.OUT_OF_MEMORY if is_out_of_memory else buffer.flaw or buffer.content()

    def _account(self, octets: int) -> None:
        self._host.account(octets - self._octets_held)
        self._octets_held = octets

    def _say(self, answer: Reply) -> None:
        self._stream.say(answer.line())
        if answer.is_refusal and (limit := self._host.limits.get(answer)) is not None:
            self._host.metrics.limited(limit)

    def _end(self, last: Reply) -> NoReturn:
        self._say(last)
        raise GoneError

    async def _ask(self, question: Awaitable[_T]) -> _T | Reply:
        self._stream.is_busy = True
        try:
            return await question
        except Exception:  # noqa: BLE001  (a bug of the door's: the client keeps its mail, and the log has the trace)
            _log.exception("door_failed", peer=self.caller.peer)
            return reply.OUR_FAULT
        finally:
            self._stream.is_busy = False

    def _forget_mail(self) -> None:
        self._refused_recipients = 0
        self._envelope = self._library.new_envelope()
