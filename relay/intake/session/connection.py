"""One client's SMTP connection: the only file that knows aiosmtpd.

aiosmtpd gives the protocol class, session, envelope and the address grammar for unusual addresses. Replaced,
because as it comes it is slower and more trusting than a relay may be:

- its constructor, which looks up hooks by reflection for each connection: here there are no hooks but a
  `Door`;
- its command loop, which logs each line, sets a timer for each command and answers pipelined commands in a
  packet each, and its STARTTLS, which knows one event loop only: here a `Conversation` over a `Stream`;
- DATA line by line: here by chunks (`content`), with bare CR, bare LF, NUL and overlong lines refused;
- MAIL and RCPT by the library's header parser: here a strict pattern first, and the parser for what is left.

Guarantees: each connection that was counted in is counted out once, when its client has gone and its
conversation is over; a decision on a whole mail comes to its end although its client has gone.

Diagnostics: none of its own. Source: asyncio's protocols, and ours.
"""

import asyncio
from typing import Protocol, cast

import aiosmtpd.smtp

from relay.intake.session import reply, seam, wire
from relay.intake.session.conversation import Conversation
from relay.intake.session.door import Reply, Session
from relay.intake.session.port import peer_of
from relay.intake.session.stream import Stream
from relay.metrics import Limit

DECISION_GRACE = 30.0  # seconds that a door has to end its decision on a mail whose client has gone


class Host(seam.Host, Protocol):
    """What a connection needs of the listener that it belongs to."""

    def admit(self, connection: "Connection") -> bool:
        """Count a new connection in, unless there are too many."""

    def forget(self, connection: "Connection") -> None:
        """Count a connection out whose client has gone and whose task is over."""


class Connection(aiosmtpd.smtp.SMTP):
    """One client's connection."""

    def __init__(
        self, host: Host, loop: asyncio.AbstractEventLoop, *, welcomed: Session | None = None
    ) -> None:
        """Make a connection that has no transport yet.

        Args:
            host: the listener.
            loop: the event loop.
            welcomed: who it is, when the listener has counted it in and the door has let it in already.
        """
        # The library's own constructor is left out on purpose; what its other methods read is set here.
        self.loop = loop
        self.local_part_limit = wire.MAX_LOCAL_PART
        self._handler_coroutine: asyncio.Task[None] | None = None
        self._host = host
        self._welcomed = welcomed
        self._stream = Stream(loop, self, timeout=host.timeout, too_slow=self._too_slow)
        self._conversation: Conversation | None = None

    # What asyncio calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin, or refuse at once when there are too many."""
        given = cast("asyncio.Transport", transport)
        if self._welcomed is None and not self._host.admit(self):
            given.write(reply.TOO_MANY_CONNECTIONS.line())
            given.close()
            return
        self._stream.connected(given)
        self._conversation = Conversation(
            self._host,
            self._stream,
            self,
            caller=self._welcomed or Session(peer=peer_of(transport.get_extra_info("peername"))),
            is_welcome=self._welcomed is not None,
        )
        self._handler_coroutine = self.loop.create_task(self._conversation.hold())
        self._handler_coroutine.add_done_callback(self._count_out)

    def connection_lost(self, error: Exception | None) -> None:  # noqa: ARG002  (asyncio's hook)
        """Stop the task, unless the door is deciding on a mail: it may come to its end."""
        is_deciding = self.in_data and self._stream.is_busy
        self._stream.lost()
        task = self._handler_coroutine
        if task is None:
            return
        if task.done():
            self._host.forget(self)
        elif is_deciding:
            self.loop.call_later(DECISION_GRACE, task.cancel)
        else:
            task.cancel()

    def _too_slow(self) -> bytes:
        self._host.metrics.limited(Limit.TIMEOUT)
        return reply.TOO_SLOW.line()

    def _count_out(self, task: asyncio.Task[None]) -> None:  # noqa: ARG002  (asyncio's hook)
        if self._stream.transport is None:
            self._host.forget(self)

    def data_received(self, data: bytes) -> None:
        """Take octets in; those of a client that was refused at once go nowhere."""
        if self._conversation is not None:
            self._stream.received(data)

    def eof_received(self) -> bool | None:
        """Let what has come be answered: a client may half-close behind its last command, but not in TLS."""
        self._stream.ended()
        return self._conversation is not None and not self._conversation.caller.tls

    def pause_writing(self) -> None:
        """Wait with further replies."""
        self._stream.pause()

    def resume_writing(self) -> None:
        """Go on with replies."""
        self._stream.resume()

    # What the listener calls.

    @property
    def in_data(self) -> bool:
        """Whether a mail is under way, from 354 to the reply on it."""
        return self._conversation is not None and self._conversation.in_data

    @property
    def has_begun(self) -> bool:
        """Whether there is, or was, a conversation: its end counts the connection out."""
        return self._conversation is not None

    def dismiss(self, last: Reply) -> None:
        """Say a last word and close."""
        self._stream.dismiss(last.line())

    def abort(self) -> None:
        """End at once, whatever is under way."""
        if self._handler_coroutine is not None:
            self._handler_coroutine.cancel()
        if self._stream.transport is not None:
            self._stream.transport.abort()

    # What the conversation calls.

    def new_greeting(self) -> seam.Greeting:
        """A client that has not said who it is."""
        return self._create_session()

    def new_envelope(self) -> seam.Envelope:
        """A mail that has not begun."""
        return self._create_envelope()

    def unusual_path(self, path: str) -> tuple[str, str] | None:
        """See `wire.parse_path`."""
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
