"""The sections of a mail that came back: what its MIME says, as far as it can be told, and never an error.

`part` is strict, because what it reads is sent on. Here damage is the usual case: servers cut the mail that
they return in the middle, write headers by hand and forget boundaries. So this reader takes what it finds and
stops where it finds no more. It looks at the first `MAX_OCTETS` only: what a server has to say comes before
the mail that it returns.

Guarantees: any octets give a list, of at most `MAX_SECTIONS`; the cost is linear in `MAX_OCTETS` times
`MAX_DEPTH`. Source: RFC 2045 section 5, RFC 2046 section 5.1; leniency and limits are ours.
"""

import binascii
import html
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from relay.charset import UndecodableError, decoded, header_text

MAX_OCTETS = 256 * 1024  # of one report; a status and its text have a few KiB, the rest is the mail returned
MAX_SECTIONS = 50  # of one report; the usual one has three
MAX_DEPTH = 8  # of multiparts in each other
MAX_HEADER = 64 * 1024  # octets of one section's header; RFC 3834's and 3464's readers need a dozen rows

_BLANK_ROW = re.compile(rb"(?:^|\n)[ \t]*\r?\n")
_FIELD = re.compile(rb"([!-9;-~]{1,76}):[ \t]*((?:[^\n]*\n?)(?:[ \t][^\n]*\n?)*)")
_TYPE = re.compile(r"\s*([\w.+-]{1,60}/[\w.+-]{1,60})")
_PARAMETER = re.compile(r';\s*([\w-]{1,40})\*?=\s*(?:"([^"]{0,200})"|([^\s;"]{1,200}))')
_TAG = re.compile(r"<(?:br|/p|/div|/tr|/h[1-6]|/li)\b[^<>]{0,200}>", re.IGNORECASE)
_MARKUP = re.compile(
    r"<(?:style|script)\b.*?(?:</(?:style|script)>|\Z)|<[^<>]{0,2000}>", re.IGNORECASE | re.DOTALL
)

_NO_CHARACTER = re.compile(r"&#[0-9]{8,};?")  # beyond Unicode; `int` refuses thousands of digits


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """One part that holds no other multiparts."""

    header: Mapping[str, str]  # by lower-case name, the first of each, unfolded; not decoded
    type: str  # text/plain, in lower case
    body: bytes  # its transfer encoding undone, as far as that goes
    charset: str  # as its label says; "" without one

    def text(self) -> str:
        """The body as text, rows ending in a newline; characters that cannot be read become U+FFFD."""
        try:
            text = decoded(self.body, self.charset)
        except UndecodableError:
            text = self.body.decode("utf-8", "replace")
        text = text.replace("\r\n", "\n").replace("\r", "\n")
        return _plain(text) if self.type == "text/html" else text


def sections(content: bytes) -> list[Section]:
    """The sections of a mail in their order, multiparts opened; at least one."""
    found = []
    for section in _opened(content[:MAX_OCTETS], 0):
        found.append(section)
        if len(found) == MAX_SECTIONS:
            break
    return found


def header_of(content: bytes) -> dict[str, str]:
    """The header of a mail: the first field of each name, unfolded, encoded-words read where that can be."""
    return {name: _readable(value) for name, value in _split(content[:MAX_OCTETS])[0].items()}


def _opened(content: bytes, depth: int) -> Iterator[Section]:
    header, body = _split(content)
    type_, parameters = _content_type(header.get("content-type", ""))
    boundary = parameters.get("boundary", "")
    if type_.startswith("multipart/") and boundary and depth < MAX_DEPTH:
        for part in _parts(body, boundary):
            yield from _opened(part, depth + 1)
        return
    encoding = header.get("content-transfer-encoding", "").strip().lower()
    charset = parameters.get("charset", "")
    yield Section(header=header, type=type_, body=_unwrapped(body, encoding), charset=charset)


def _split(content: bytes) -> tuple[dict[str, str], bytes]:
    """The header's fields and what stands below the first blank row."""
    end = _BLANK_ROW.search(content)
    head = content[: end.start() + 1 if end else MAX_HEADER][:MAX_HEADER]
    fields: dict[str, str] = {}
    at = 0
    while at < len(head):
        if field := _FIELD.match(head, at):
            value = " ".join(field[2].decode("utf-8", "replace").split())
            fields.setdefault(field[1].decode("ascii").lower(), value)
            at = field.end()
        else:
            at = head.find(b"\n", at) + 1 or len(head)
    return fields, content[end.end() :] if end else b""


def _content_type(value: str) -> tuple[str, dict[str, str]]:
    found = _TYPE.match(value)
    parameters = {each[1].lower(): each[2] or each[3] or "" for each in _PARAMETER.finditer(value)}
    return (found[1].lower() if found else "text/plain"), parameters


def _parts(body: bytes, boundary: str) -> Iterator[bytes]:
    """What stands between the boundary's rows; the last part may have no end."""
    row = re.compile(rb"^--" + re.escape(boundary.encode("utf-8")) + rb"(--)?[ \t]*\r?$", re.MULTILINE)
    begin: int | None = None
    for found in row.finditer(body):
        if begin is not None:
            yield body[begin : found.start()]
        if found[1]:
            return
        begin = found.end() + 1
    if begin is not None:
        yield body[begin:]


def _unwrapped(body: bytes, encoding: str) -> bytes:
    match encoding:
        case "base64":
            letters = re.sub(rb"[^A-Za-z0-9+/]", b"", body)
            return binascii.a2b_base64(letters[: len(letters) // 4 * 4] + _tail(letters))
        case "quoted-printable":
            return binascii.a2b_qp(body)
        case _:
            return body


def _tail(letters: bytes) -> bytes:
    """The last letters of base64 whose padding was taken off, with padding; one alone is damage."""
    rest = letters[len(letters) // 4 * 4 :]
    return rest + b"=" * (4 - len(rest)) if len(rest) > 1 else b""


def _readable(value: str) -> str:
    try:
        return header_text(value)
    except UndecodableError:
        return value


def _plain(text: str) -> str:
    """The words of HTML, one row for each block."""
    return html.unescape(_NO_CHARACTER.sub("\ufffd", _MARKUP.sub("", _TAG.sub("\n", text))))
