r"""SMTP's commands and content as octets: pure, so that any split of the octets gives the same result.

Strict where the mail's meaning hangs on it. A line ends in CRLF and nothing else; NUL, bare CR and bare LF
are refused; only CRLF "." CRLF ends the content. A server that takes more than that as an end can be made
to read a second mail that nobody sent ("SMTP smuggling"). What is wrong comes back as the `Reply` to give.

Source: RFC 5321 2.3.8, 4.1.1, 4.5.2 and 4.5.3; RFC 1870 (SIZE); RFC 6152 (8BITMIME); RFC 2034.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from relay.intake import reply
from relay.intake.door import Reply

MAX_COMMAND = 1024  # octets of a command line; RFC 5321 asks for 512 and what each extension adds to it
MAX_LINE = 998  # octets of one line of content without its CRLF (RFC 5321 4.5.3.1.6, RFC 5322 2.1.1)
MAX_ADDRESS = 254  # octets; RFC 5321 4.5.3.1.3 less the angle brackets
MAX_LOCAL_PART = 64  # octets; RFC 5321 4.5.3.1.1
MAX_SIZE_DIGITS = 20  # RFC 1870 3
UnusualPath = Callable[[str], tuple[str, str] | None]

_END = b"\r\n.\r\n"
_CONTROL = re.compile(rb"[\x00-\x1f\x7f]")
_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_LABEL = r"[A-Za-z0-9-]+"
_USUAL_PATH = re.compile(rf"<((?:{_ATOM}(?:\.{_ATOM})*@{_LABEL}(?:\.{_LABEL})*)?)>(?: +(.*))?")
_PARAMETER = re.compile(r"([A-Za-z0-9][A-Za-z0-9-]*)(?:=([\x21-\x3c\x3e-\x7e]+))?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """One command line."""

    verb: str  # upper case
    argument: str  # ASCII, without the white space around it


@dataclass(frozen=True, slots=True, kw_only=True)
class Path:
    """What stands behind FROM: or TO:."""

    address: str  # "" for <>
    parameters: Mapping[str, str]  # keyword in upper case to its value; "" for none


@dataclass(frozen=True, slots=True, kw_only=True)
class Sender:
    """What MAIL says."""

    address: str  # "" for <>
    size: int | None  # octets that the client announces; None when it does not


def parse_command(line: bytes) -> Command | Reply:
    r"""Take one command line, its line end included, apart.

    >>> parse_command(b"rcpt TO:<orders@intake.example.jp> \r\n")
    Command(verb='RCPT', argument='TO:<orders@intake.example.jp>')
    """
    if len(line) > MAX_COMMAND:
        return reply.COMMAND_TOO_LONG
    if not line.endswith(b"\r\n"):
        return reply.COMMAND_LINE_END
    line = line[:-2]
    if not line.isascii() or _CONTROL.search(line):
        return reply.COMMAND_OCTETS
    verb, _, argument = line.decode("ascii").partition(" ")
    return Command(verb=verb.upper(), argument=argument.strip(" "))


def parse_path(argument: str, keyword: str, unusual: UnusualPath) -> Path | Reply:
    """Take the argument of MAIL or RCPT apart.

    Args:
        argument: `FROM:<shop@example.jp> SIZE=2000`; old clients put a space behind the colon.
        keyword: `FROM:` or `TO:`.
        unusual: reads a path that is none of the usual ones (quoted local part, source route, address
            literal) and gives the address and what follows it, or None; costs a hundred times as much.
    """
    if argument[: len(keyword)].upper() != keyword:
        return Reply(code=501, text=f"5.5.4 syntax: {keyword}<address>")
    path = argument[len(keyword) :].lstrip(" ")
    if usual := _USUAL_PATH.fullmatch(path):
        address, rest = usual[1], usual[2] or ""
    elif path.startswith("<") and (read := unusual(path)):
        address, rest = read
    else:
        return reply.BAD_ADDRESS
    if len(address) > MAX_ADDRESS or len(address.rpartition("@")[0]) > MAX_LOCAL_PART:
        return reply.LONG_ADDRESS
    parameters = _parameters(rest)
    return reply.BAD_PARAMETERS if parameters is None else Path(address=address, parameters=parameters)


def _parameters(text: str) -> dict[str, str] | None:
    found: dict[str, str] = {}
    for word in text.split():
        matched = _PARAMETER.fullmatch(word)
        if not matched or matched[1].upper() in found:
            return None
        found[matched[1].upper()] = matched[2] or ""
    return found


def parse_sender(argument: str, *, limit: int, is_extended: bool, unusual: UnusualPath) -> Sender | Reply:
    """Take the argument of MAIL apart, or say why it cannot be had.

    Args:
        argument: see `parse_path`.
        limit: the largest size in octets that may be announced.
        is_extended: whether the client said EHLO; without it there are no parameters.
        unusual: see `parse_path`.
    """
    path = parse_path(argument, "FROM:", unusual)
    if isinstance(path, Reply):
        return path
    size: int | None = None
    for keyword, value in path.parameters.items():
        match keyword:
            case "SIZE" if is_extended and value.isdigit() and len(value) <= MAX_SIZE_DIGITS:
                size = int(value)
            case "BODY" if is_extended and value.upper() in {"7BIT", "8BITMIME"}:
                pass
            case "SIZE" | "BODY" if is_extended:
                return reply.BAD_PARAMETERS
            case _:
                return reply.UNKNOWN_PARAMETER
    if size is not None and size > limit:
        return reply.message_too_big(limit)
    return Sender(address=path.address, size=size)


def parse_recipient(argument: str, unusual: UnusualPath) -> str | Reply:
    """The address in the argument of RCPT, or why it cannot be had. We announce no parameter for it."""
    path = parse_path(argument, "TO:", unusual)
    if isinstance(path, Reply):
        return path
    if path.parameters:
        return reply.UNKNOWN_PARAMETER
    return path.address or reply.BAD_ADDRESS


def flaw(content: bytes) -> Reply | None:
    r"""Why content that has come whole cannot be taken, or None.

    >>> flaw(b"Subject: a\r\n\r\nbody\n.\r\n").text
    '5.6.0 bare CR or LF in the content: every line must end in CR LF'
    """
    ends = content.count(b"\r\n")
    if content.count(b"\n") != ends or content.count(b"\r") != ends:
        return reply.BARE_LINE_END
    if b"\0" in content:
        return reply.NUL_IN_CONTENT
    return reply.LONG_LINE if _has_long_line(content) else None


def _has_long_line(content: bytes) -> bool:
    # From each line end to the last one within reach: a thousand octets a step, where a split copies each
    # line.
    start = 0
    while len(content) - start > MAX_LINE + 2:
        end = content.rfind(b"\n", start, start + MAX_LINE + 2)
        if end < 0:
            return True
        start = end + 1
    return False


class ContentBuffer:
    r"""Collects what follows DATA until its end, and never holds more than its limit.

    >>> buffer = ContentBuffer(limit=100)
    >>> buffer.feed(b"hello\r\n..\r\n.\r")
    >>> buffer.feed(b"\nQUIT\r\n")
    b'QUIT\r\n'
    >>> buffer.content()
    b'hello\r\n.\r\n'
    """

    __slots__ = ("_from", "_limit", "_octets", "is_over")

    def __init__(self, *, limit: int) -> None:
        self._limit = limit  # octets as sent, stuffed dots included
        self._octets = bytearray(b"\r\n")  # so that a dot on the first row looks like every other
        self._from = 0  # no end begins before this place
        self.is_over = False  # more came than the limit: it is read to its end and not kept

    @property
    def held(self) -> int:
        """Octets in memory."""
        return len(self._octets)

    def feed(self, chunk: bytes) -> bytes | None:
        """Take in the next octets. Gives what follows the end, or None when the end has not come yet."""
        octets = self._octets
        octets += chunk
        end = octets.find(_END, self._from)
        if end < 0:
            self._from = max(0, len(octets) - len(_END) + 1)
            if self.is_over or len(octets) > self._limit + len(_END):
                self.drain()
            return None
        rest = bytes(octets[end + len(_END) :])
        del octets[end + 2 :]
        self.is_over = self.is_over or end > self._limit
        return rest

    def drain(self) -> None:
        """Keep nothing from here on but what is needed to find the end."""
        self.is_over = True
        del self._octets[: self._from]
        self._from = 0

    def content(self) -> bytes:
        """The content once its end has come, dots unstuffed; only when it was not over the limit."""
        return bytes(self._octets.replace(b"\r\n.", b"\r\n")[2:])
