r"""The content behind DATA: its end, its dots, its line ends and its limits, found while it comes.

Each chunk is looked at once and kept; nothing is left to be done over a whole mail when its last octet has
come, so that a mail of 20 MiB stops nobody else's for longer than one of its chunks takes (a millisecond).
Any split of the octets gives the same verdict.

Only CRLF "." CRLF ends the content, whatever becomes of bare line ends: a server that takes more than that
as an end can be made to read a second mail that nobody sent ("SMTP smuggling"). Bare CR and LF are refused,
or made CRLF once the dots are off, where a lone dot means no end any more.

Diagnostics: what is wrong is a `Reply`, the same for every split. Source: RFC 5321 2.3.8, 4.1.1.4, 4.5.2
and 4.5.3.1.6; RFC 5322 2.1.1.
"""

import io

from relay.intake.session import reply
from relay.intake.session.door import Reply

MAX_LINE = 998  # octets of one line of content without its CRLF (RFC 5321 4.5.3.1.6, RFC 5322 2.1.1)
MAX_HEADER = 64 * 1024  # octets of the header section: sixteen times a usual one

_END = b"\r\n.\r\n"
_AHEAD = len(_END) - 1  # octets that are looked at again with the next chunk


def _cut(octets: bytes) -> int:
    r"""Up to where octets can be worked off before more is known: never inside CRLF or CRLF and a dot.

    >>> _cut(b"body\r\n.x\r\n"), _cut(b"abc")
    (4, 0)
    """
    cut = max(0, len(octets) - _AHEAD)
    if octets[max(0, cut - 1) : cut + 1] == b"\r\n":
        return cut - 1
    if octets[max(0, cut - 2) : cut + 1] == b"\r\n.":
        return cut - 2
    return cut


def _with_crlf(octets: bytes) -> bytes:
    r"""CRLF for each CRLF, bare CR and bare LF.

    >>> _with_crlf(b"a\r\nb\nc\rd\r\r\n")
    b'a\r\nb\r\nc\r\nd\r\n\r\n'
    """
    return octets.replace(b"\r\n", b"\n").replace(b"\r", b"\n").replace(b"\n", b"\r\n")


class ContentBuffer:
    r"""Collects what follows DATA until its end, and never holds more than its limit.

    >>> buffer = ContentBuffer(limit=100)
    >>> buffer.feed(b"hello\r\n..\r\n.\r")
    >>> buffer.feed(b"\nQUIT\r\n")
    b'QUIT\r\n'
    >>> buffer.flaw, buffer.content()
    (None, b'hello\r\n.\r\n')
    """

    __slots__ = (
        "_ahead",
        "_has_bare_end",
        "_has_long_line",
        "_has_nul",
        "_header",
        "_kept",
        "_limit",
        "_max_line",
        "_normalises",
        "_open_line",
        "_sent",
        "held",
        "is_over",
    )

    def __init__(
        self,
        *,
        limit: int,
        max_line: int = MAX_LINE,
        max_header: int = MAX_HEADER,
        normalises: bool = False,
    ) -> None:
        """Begin a content.

        Args:
            limit: octets as sent, stuffed dots included, and octets as kept.
            max_line: octets of a line without its CRLF.
            max_header: octets of the header section.
            normalises: whether bare CR and LF become CRLF; otherwise they are a flaw.
        """
        self._limit = limit
        self._max_line = max_line
        self._normalises = normalises
        self._ahead = b"\r\n"  # not worked off yet; at first, so that a dot on the first row looks like any
        self._kept = io.BytesIO()  # gives its octets out without a copy
        self._sent = -len(self._ahead)  # octets that the client sent and that are worked off
        self._open_line = 0  # octets of the line whose end has not come
        self._header = _Header(limit=max_header)
        self._has_bare_end = self._has_nul = self._has_long_line = False
        self.held = 0  # octets in memory
        self.is_over = False  # more came than the limit: it is read to its end and not kept

    @property
    def flaw(self) -> Reply | None:
        """Why the content cannot be taken, once its end has come; None when it can be.

        Of several flaws it is always the same one, whatever came first.
        """
        if self.is_over:
            return reply.message_too_big(self._limit)
        if self._has_bare_end:
            return reply.BARE_LINE_END
        if self._has_nul:
            return reply.NUL_IN_CONTENT
        if self._has_long_line:
            return reply.line_too_long(self._max_line)
        return reply.header_too_big(self._header.limit) if self._header.is_over else None

    def feed(self, chunk: bytes) -> bytes | None:
        """Take in the next octets. Gives what follows the end, or None when the end has not come yet."""
        octets = self._ahead + chunk
        end = octets.find(_END)
        if end >= 0:
            self._work_off(octets[: end + 2])
            self._header.finish()
            self._ahead = b""
            return octets[end + len(_END) :]
        cut = _cut(octets)
        if cut > 0:
            self._work_off(octets[:cut])
        self._ahead = octets[cut:]
        return None

    def drain(self) -> None:
        """Keep nothing from here on but what is needed to find the end."""
        self.is_over = True
        self.held = 0
        self._kept = io.BytesIO()

    def content(self) -> bytes:
        """The content once its end has come, dots unstuffed; only when it has no flaw."""
        return self._kept.getvalue()

    def _work_off(self, piece: bytes) -> None:
        is_first = self._sent < 0
        self._sent += len(piece)
        if self._sent > self._limit:
            self.drain()
        if self.is_over:
            return
        lines = piece.count(b"\r\n")
        is_bare = piece.count(b"\n") != lines or piece.count(b"\r") != lines
        piece = piece.replace(b"\r\n.", b"\r\n")
        if is_first:
            piece = piece[2:]
        if is_bare and self._normalises:
            piece = _with_crlf(piece)
        elif is_bare:
            self._has_bare_end = True
        self._has_nul = self._has_nul or b"\0" in piece
        self._measure_lines(piece)
        self._header.feed(piece)
        self._keep(piece)

    def _keep(self, piece: bytes) -> None:
        self.held += len(piece)
        if self.held > self._limit:  # only normalised line ends make more of it than was sent
            self.drain()
        else:
            self._kept.write(piece)

    def _measure_lines(self, piece: bytes) -> None:
        end = piece.find(b"\n")
        if end < 0:
            self._open_line += len(piece)
            self._has_long_line = self._has_long_line or self._open_line > self._max_line + 1
            return
        self._has_long_line = (
            self._has_long_line
            or self._open_line + end - 1 > self._max_line
            or _has_long_line(piece, end + 1, self._max_line)
        )
        self._open_line = len(piece) - piece.rfind(b"\n") - 1


def _has_long_line(content: bytes, start: int, max_line: int) -> bool:
    # From each line end to the last one within reach: a thousand octets a step, where a split copies each
    # line.
    while len(content) - start > max_line + 2:
        end = content.rfind(b"\n", start, start + max_line + 2)
        if end < 0:
            return True
        start = end + 1
    return False


class _Header:
    """Measures the header section: all up to the first empty line, or all there is."""

    __slots__ = ("_has_ended", "_octets", "_tail", "is_over", "limit")

    def __init__(self, *, limit: int) -> None:
        self.limit = limit
        self.is_over = False
        self._has_ended = False
        self._tail = (
            b"\r\n"  # what may be the first half of the empty line's end; at first, of an empty header
        )
        self._octets = -len(self._tail)  # before the tail

    def feed(self, piece: bytes) -> None:
        if self._has_ended:
            return
        octets = self._tail + piece
        end = octets.find(b"\r\n\r\n")
        self._has_ended = end >= 0
        cut = end + 2 if end >= 0 else max(0, len(octets) - 3)
        self._octets += cut
        self._tail = octets[cut:] if end < 0 else b""
        self.is_over = self._octets > self.limit

    def finish(self) -> None:
        """All has come: without an empty line, all of it is header."""
        if not self._has_ended:
            self.is_over = self._octets + len(self._tail) > self.limit
