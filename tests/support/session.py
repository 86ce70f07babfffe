"""A client without a network: its packets go into a connection, and what must hold of any session."""

import asyncio
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from relay.intake.session.connection import Connection
from relay.intake.session.door import ListenerSettings, Session
from relay.intake.session.listener import Listener
from tests.support.door import KNOWN_USER, TAKEN, RecordingDoor

TURNS = 8  # of the event loop, after which a packet is worked off: each wakes a task, which answers it
HOSTNAME = "relay.example.jp"
LIMITS = ListenerSettings(max_message=3000, max_recipients=3, max_header=1500)

_ROW = re.compile(
    rb"220 relay\.example\.jp ESMTP|250[ -][\x20-\x7e]+|3[35]4 [\x20-\x7e]*"
    rb"|([245])\d\d \1\.\d\.\d{1,2} [\x20-\x7e]+"
)


class MemoryTransport(asyncio.Transport):
    """A transport that remembers what is sent and takes it at once."""

    def __init__(self, protocol: asyncio.Protocol) -> None:
        super().__init__()
        self.said = bytearray()
        self._protocol = protocol
        self._is_closing = False

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """The peer's address."""
        return ("127.0.0.1", 40_000) if name == "peername" else default

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Remember."""
        assert not self._is_closing
        self.said += data

    def close(self) -> None:
        """Tell the protocol, once, in the loop's next turn."""
        if not self._is_closing:
            self._is_closing = True
            asyncio.get_running_loop().call_soon(self._protocol.connection_lost, None)

    def abort(self) -> None:
        """The same as close: nothing waits to be sent."""
        self.close()

    def is_closing(self) -> bool:
        """Whether nothing more may be written."""
        return self._is_closing

    def get_write_buffer_size(self) -> int:
        """Nothing waits to be sent."""
        return 0

    def pause_reading(self) -> None:
        """A client in memory waits for nobody."""

    def resume_reading(self) -> None:
        """A client in memory waits for nobody."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """What came of a session."""

    said: bytes
    door: RecordingDoor = field(repr=False)
    octets_left: int  # of content, in the listener's account


async def _settle() -> None:
    for _ in range(TURNS):
        await asyncio.sleep(0)


async def session(packets: Sequence[bytes], *, is_secure: bool = False, normalises: bool = False) -> Story:
    """Send packets, each when the one before is worked off, then hang up.

    Args:
        packets: what the client sends; what comes behind the end of the connection is not sent.
        is_secure: over TLS, as it were, with AUTH offered.
        normalises: with bare line ends made CRLF.
    """
    door = RecordingDoor(welcomed=int(is_secure))
    limits = (
        LIMITS
        if not normalises
        else ListenerSettings(max_message=3000, max_recipients=3, max_header=1500, bare_line_ends="normalise")
    )
    listener = Listener(door, limits, hostname=HOSTNAME, offers_login=True)
    caller = Session(peer="127.0.0.1", tls=True) if is_secure else None
    connection = Connection(listener, asyncio.get_running_loop(), welcomed=caller)
    transport = MemoryTransport(connection)
    connection.connection_made(transport)
    await _settle()
    for packet in packets:
        if transport.is_closing():
            break
        connection.data_received(packet)
        await _settle()
    connection.eof_received()
    await _settle()
    assert transport.is_closing()
    return Story(said=bytes(transport.said), door=door, octets_left=listener.octets_in_memory)


def check(packets: Sequence[bytes], story: Story) -> None:
    """What holds of every session; raises AssertionError.

    Each reply is one well-formed row. Each mail that was taken was answered so, holds only what may be held,
    and ended in CRLF "." CRLF. Nobody's secret is said, who came has gone, and nothing stays in memory.
    """
    rows = story.said.split(b"\r\n")
    assert rows.pop() == b""
    assert [row for row in rows if not _ROW.fullmatch(row)] == []
    mails = story.door.mails
    assert rows.count(TAKEN.line().rstrip()) == len(mails)
    assert len(mails) <= b"".join(packets).count(b"\r\n.\r\n")
    for mail in mails:
        lines = mail.content.split(b"\r\n")
        assert lines.pop() == b""
        assert not {0, 10, 13} & set(b"".join(lines))
        assert max(map(len, lines), default=0) <= LIMITS.max_line
        assert len(mail.content) <= LIMITS.max_message
        assert 1 <= len(mail.rcpt_tos) <= LIMITS.max_recipients
    assert KNOWN_USER[1].encode() not in story.said
    assert [each.peer for each in story.door.gone] == ["127.0.0.1"] * story.door.welcomed
    assert story.octets_left == 0
