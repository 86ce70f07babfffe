r"""SMTP's commands as octets: pure and strict.

A line ends in CRLF and nothing else; it holds printable ASCII, and in MAIL and RCPT other printable
characters as UTF-8, which count only behind SMTPUTF8. What is wrong comes back as the `Reply` to give.

Source: RFC 5321 2.3.8, 4.1.1 and 4.5.3; RFC 1870 (SIZE); RFC 2920 (PIPELINING); RFC 6152 (8BITMIME);
RFC 6531 (SMTPUTF8); RFC 4954 5 (the AUTH parameter).
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from relay.intake.session import reply
from relay.intake.session.door import Reply

MAX_COMMAND = 1024  # octets of a command line; RFC 5321 asks for 512 and what each extension adds to it
MAX_LOGIN = 12_288  # octets of a line of AUTH (RFC 4954 4)
MAX_ADDRESS = 254  # octets; RFC 5321 4.5.3.1.3 less the angle brackets
MAX_LOCAL_PART = 64  # octets; RFC 5321 4.5.3.1.1
MAX_SIZE_DIGITS = 20  # RFC 1870 3
UnusualPath = Callable[[str], tuple[str, str] | None]

_LAST_OF_A_GROUP = frozenset({"EHLO", "HELO", "STARTTLS", "AUTH", "DATA"})
_CONTROL = re.compile(rb"[\x00-\x1f\x7f]")
_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~\u0080-\U0010ffff-]+"
_LABEL = r"[A-Za-z0-9\u0080-\U0010ffff-]+"
_USUAL_PATH = re.compile(rf"<((?:{_ATOM}(?:\.{_ATOM})*@{_LABEL}(?:\.{_LABEL})*)?)>(?: +(.*))?")
_PARAMETER = re.compile(r"([A-Za-z0-9][A-Za-z0-9-]*)(?:=([\x21-\x3c\x3e-\x7e]+))?")
_XTEXT = re.compile(r"(?:[\x21-\x2a\x2c-\x3c\x3e-\x7e]|\+[0-9A-F]{2})+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """One command line."""

    verb: str  # upper case
    argument: str  # printable, without the white space around it; ASCII but in MAIL and RCPT


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
    is_utf8: bool = False  # whether addresses of this mail may go beyond ASCII


def parse_command(line: bytes) -> Command | Reply:
    r"""Take one command line, its line end included, apart.

    >>> parse_command(b"rcpt TO:<orders@intake.example.jp> \r\n")
    Command(verb='RCPT', argument='TO:<orders@intake.example.jp>')
    """
    if len(line) > MAX_COMMAND and (len(line) > MAX_LOGIN or line[:5].upper() != b"AUTH "):
        return reply.COMMAND_TOO_LONG
    if not line.endswith(b"\r\n"):
        return reply.COMMAND_LINE_END
    line = line[:-2]
    if _CONTROL.search(line):
        return reply.COMMAND_OCTETS
    if not line.isascii():
        return _parse_utf8(line)
    verb, _, argument = line.decode("ascii").partition(" ")
    return Command(verb=verb.upper(), argument=argument.strip(" "))


def _parse_utf8(line: bytes) -> Command | Reply:
    try:
        text = line.decode("utf-8")
    except UnicodeDecodeError:
        return reply.COMMAND_OCTETS
    verb, _, argument = text.partition(" ")
    if not text.isprintable() or not verb.isascii() or verb.upper() not in {"MAIL", "RCPT"}:
        return reply.COMMAND_OCTETS
    return Command(verb=verb.upper(), argument=argument.strip(" "))


def is_out_of_turn(verb: str, *, has_more: bool, may_pipeline: bool) -> bool:
    """Whether a client says more behind a command than it may before it has the answer.

    Behind a command that changes how the next octets are read, nobody may; behind the others, who was
    offered PIPELINING. Who cuts in may be two: one who wrote the first part and one who smuggled in the
    second, so that the connection cannot be trusted any further. QUIT harms nobody.

    >>> is_out_of_turn("RCPT", has_more=True, may_pipeline=True)
    False
    >>> is_out_of_turn("STARTTLS", has_more=True, may_pipeline=True)
    True
    """
    return has_more and verb != "QUIT" and (not may_pipeline or verb in _LAST_OF_A_GROUP)


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
    octets = address.encode()
    if len(octets) > MAX_ADDRESS or len(octets.rpartition(b"@")[0]) > MAX_LOCAL_PART:
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


def parse_sender(
    argument: str, *, limit: int, is_extended: bool, may_sign_in: bool, unusual: UnusualPath
) -> Sender | Reply:
    """Take the argument of MAIL apart, or say why it cannot be had.

    Args:
        argument: see `parse_path`.
        limit: the largest size in octets that may be announced.
        is_extended: whether the client said EHLO; without it there are no parameters.
        may_sign_in: whether AUTH was announced: then MAIL has a parameter of that name, which is read and
            not believed.
        unusual: see `parse_path`.
    """
    path = parse_path(argument, "FROM:", unusual)
    if isinstance(path, Reply):
        return path
    announced = _announced(path.parameters, is_extended=is_extended, may_sign_in=may_sign_in)
    if isinstance(announced, Reply):
        return announced
    if not announced.is_utf8 and not path.address.isascii():
        return reply.NEEDS_SMTPUTF8
    if announced.size is not None and announced.size > limit:
        return reply.message_too_big(limit)
    return replace(announced, address=path.address)


def _announced(parameters: Mapping[str, str], *, is_extended: bool, may_sign_in: bool) -> Sender | Reply:
    """What MAIL's parameters say, of a sender that is not named yet."""
    size: int | None = None
    is_utf8 = False
    for keyword, value in parameters.items():
        match keyword:
            case "SIZE" if is_extended and value.isdigit() and len(value) <= MAX_SIZE_DIGITS:
                size = int(value)
            case "BODY" if is_extended and value.upper() in {"7BIT", "8BITMIME"}:
                pass
            case "SMTPUTF8" if is_extended and not value:
                is_utf8 = True
            case "AUTH" if may_sign_in and _XTEXT.fullmatch(value):
                pass
            case "SIZE" | "BODY" | "SMTPUTF8" if is_extended:
                return reply.BAD_PARAMETERS
            case "AUTH" if may_sign_in:
                return reply.BAD_PARAMETERS
            case _:
                return reply.UNKNOWN_PARAMETER
    return Sender(address="", size=size, is_utf8=is_utf8)


def parse_recipient(argument: str, unusual: UnusualPath, *, is_utf8: bool) -> str | Reply:
    """The address in the argument of RCPT, or why it cannot be had. We announce no parameter for it.

    Args:
        argument: see `parse_path`.
        unusual: see `parse_path`.
        is_utf8: whether MAIL had SMTPUTF8.
    """
    path = parse_path(argument, "TO:", unusual)
    if isinstance(path, Reply):
        return path
    if path.parameters:
        return reply.UNKNOWN_PARAMETER
    if not is_utf8 and not path.address.isascii():
        return reply.NEEDS_SMTPUTF8
    return path.address or reply.BAD_ADDRESS
