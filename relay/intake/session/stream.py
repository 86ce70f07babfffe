"""A client's octets, in and out: gathering, flow control, time limits, TLS. No SMTP.

What the client sends gathers until somebody takes it; what is said gathers until the server has to wait for
more, so that the replies to pipelined commands go out in one packet (RFC 2920 3.2).

Guarantees: no more than `CHUNK` octets and one read of the event loop's are held; nothing that came in
clear is read once TLS has begun; a client that is silent, or takes nothing, is sent away in time.

Diagnostics: `GoneError` when the connection is to end. Source: ours; RFC 3207 4.2 for what TLS forgets.
"""

import asyncio
import ssl
from collections.abc import Callable

CHUNK = 64 * 1024  # octets read at once
HANDSHAKE_SECONDS = 30.0  # for TLS to begin: two round trips and a signature, on the slowest of lines
SHUTDOWN_SECONDS = 5.0  # for TLS to end politely
_NEVER = float("inf")


class GoneError(Exception):
    """The connection is to end: the client has gone, or has been told so."""


class Stream:
    """What one client sends and is sent."""

    __slots__ = (
        "_deadline",
        "_has_ended",
        "_is_closing",
        "_is_full",
        "_is_securing",
        "_loop",
        "_more",
        "_pending",
        "_protocol",
        "_rings_at",
        "_room",
        "_said",
        "_timeout",
        "_timer",
        "_too_slow",
        "is_busy",
        "transport",
    )

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        protocol: asyncio.Protocol,
        *,
        timeout: float,
        too_slow: Callable[[], bytes],
    ) -> None:
        """Make a stream that is not connected yet.

        Args:
            loop: the event loop.
            protocol: who passes on what the transport says; it will do so over TLS too.
            timeout: seconds that the client may be silent, or may take nothing.
            too_slow: asked for the last word to a client whose time is over.
        """
        self.transport: asyncio.Transport | None = None  # None before and after the connection
        self.is_busy = False  # the server is deciding: no time limit runs
        self._loop = loop
        self._protocol = protocol
        self._timeout = timeout
        self._too_slow = too_slow
        self._pending = bytearray()  # received and not read yet
        self._said = bytearray()  # said and not sent yet
        self._more: asyncio.Future[None] | None = None  # awaited until octets come, or no more ever will
        self._room: asyncio.Future[None] | None = None  # awaited until the client takes what was sent
        self._has_ended = False  # the client will say no more
        self._is_closing = False
        self._is_securing = False  # TLS is being agreed on: nothing can be said
        self._is_full = False  # nothing more is read until what has come is worked off
        self._deadline = _NEVER  # on the loop's clock: when the client's silence has lasted too long
        self._timer: asyncio.TimerHandle | None = None
        self._rings_at = _NEVER  # when the timer looks at the deadline

    # What the connection's protocol passes on.

    def connected(self, transport: asyncio.Transport) -> None:
        """Begin."""
        self.transport = transport
        self._end_by(self._loop.time() + self._timeout)

    def lost(self) -> None:
        """Wake who waits: nothing more will come or go."""
        self.transport = None
        if self._timer is not None:
            self._timer.cancel()
        self.ended()
        self.resume()

    def received(self, octets: bytes) -> None:
        """Take octets in."""
        self._pending += octets
        if len(self._pending) > CHUNK and not self._is_full and self.transport is not None:
            self._is_full = True
            self.transport.pause_reading()
        self._wake()

    def ended(self) -> None:
        """The client will send no more; what it has sent is still answered."""
        self._has_ended = True
        self._wake()

    def pause(self) -> None:
        """Wait with further replies: the client does not take those it has."""
        self._room = self._loop.create_future()

    def resume(self) -> None:
        """Go on with replies."""
        room, self._room = self._room, None
        if room is not None and not room.done():
            room.set_result(None)

    def _wake(self) -> None:
        more, self._more = self._more, None
        if more is not None and not more.done():
            more.set_result(None)

    def _watch(self) -> None:
        now = self._loop.time()
        if self.transport is None:
            return
        if self.is_busy or now < self._deadline:
            self._ring_at(max(self._deadline, now + 1.0) if self.is_busy else self._deadline)
            return
        if self._is_closing:
            self.transport.abort()
        else:
            self.dismiss(self._too_slow())
            self._ring_at(now + SHUTDOWN_SECONDS)

    def _end_by(self, deadline: float) -> None:
        """Set the deadline. One timer follows it, which is set anew only when it would come too late."""
        self._deadline = deadline
        if deadline < self._rings_at and self.transport is not None:
            if self._timer is not None:
                self._timer.cancel()
            self._ring_at(deadline)

    def _ring_at(self, moment: float) -> None:
        self._rings_at = moment
        self._timer = self._loop.call_at(moment, self._watch)

    def now(self) -> float:
        """The event loop's clock, in seconds."""
        return self._loop.time()

    # Reading.

    @property
    def has_more(self) -> bool:
        """Whether the client has sent something that is not read yet."""
        return bool(self._pending)

    async def line(self, limit: int, *, until: float = _NEVER) -> bytes:
        """The next line with its LF, for which the client has one time limit, however it drips.

        Args:
            limit: octets; of a longer line, only so much is given as shows that it is.
            until: an earlier end of the client's time, on the loop's clock.
        """
        start = 0
        while (end := self._pending.find(b"\n", start)) < 0:
            until = min(until, self._loop.time() + self._timeout)  # the first time's counts
            if len(self._pending) > limit:
                del self._pending[limit + 1 :]
            start = len(self._pending)
            await self.wait(until=until)
        line = bytes(self._pending[: end + 1])
        del self._pending[: end + 1]
        return line

    def take(self) -> bytes:
        """All that has come and is not read yet."""
        octets = bytes(self._pending)
        self._pending.clear()
        return octets

    def give_back(self, octets: bytes) -> None:
        """Put back what was taken too much, before anything more has come."""
        self._pending += octets

    async def wait(self, *, until: float = _NEVER) -> None:
        """Send what was said, then wait for more octets; raises GoneError when none will come.

        Args:
            until: on the loop's clock: a limit for several silences together.
        """
        self._end_by(min(self._loop.time() + self._timeout, until))
        had = len(self._pending)
        self._flush()
        if self._room is not None:
            await self._room
        if self._is_full and self.transport is not None:
            self._is_full = False
            self.transport.resume_reading()
        while len(self._pending) == had:
            if self._has_ended:
                raise GoneError
            self._more = self._loop.create_future()
            await self._more

    # Writing.

    def say(self, octets: bytes) -> None:
        """Send octets with the next ones, at the latest before waiting for more."""
        self._said += octets

    def unsay(self) -> None:
        """Forget what was said and not sent."""
        self._said.clear()

    def close(self) -> None:
        """Send what was said and close."""
        if self.transport is not None and not self._is_closing:
            self._flush()
            self._is_closing = True  # asked twice, asyncio's TLS transport loses its head
            self.transport.close()

    def dismiss(self, last: bytes) -> None:
        """Say a last word and close. A client that reads nothing is cut off."""
        if self.transport is None or self._is_closing:
            return
        if self._is_securing or self.transport.get_write_buffer_size():
            self.transport.abort()
        else:
            self.say(last)
            self.close()
        self.unsay()

    def _flush(self) -> None:
        if self._said and self.transport is not None:
            self.transport.write(bytes(self._said))
            self._said.clear()

    # TLS.

    async def secure(self, context: ssl.SSLContext) -> None:
        """Send what was said, then go on encrypted; raises GoneError when that fails.

        Nothing may have come that is not read yet: `has_more` is the caller's to ask, in the same turn of the
        event loop. What comes in clear from here on is no TLS, and ends the connection.
        """
        assert not self._pending
        plain = self.transport
        if plain is None:
            raise GoneError
        self._flush()
        self.is_busy = self._is_securing = True
        secured: asyncio.Transport | None = None
        try:
            secured = await self._loop.start_tls(
                plain,
                self._protocol,
                context,
                server_side=True,
                ssl_handshake_timeout=min(HANDSHAKE_SECONDS, self._timeout),
                ssl_shutdown_timeout=SHUTDOWN_SECONDS,
            )
        except OSError:  # no TLS, another one than ours, or too slow: the client's affair
            pass
        finally:
            self.is_busy = self._is_securing = False
            if plain.is_closing():  # both event loops call it a success when the client hangs up half-way
                secured = None
            if secured is None:
                plain.abort()
                self.lost()
        if secured is None:
            raise GoneError
        self.transport = secured
