"""A mail as it came becomes a `Notification`, or `BadInput` with every reason why not.

The one part that holds the document is found by its type (`application/json`, `application/yaml` and YAML's
older names) or, where the type says nothing, by its file name (`*.json`, `*.yaml`, `*.yml`). None or two is
a problem: the relay does not guess. The mail's own headers, text parts and pictures are not looked at. A
forwarded mail inside (message/rfc822) is not opened, because nobody vouches for it.

Strict where a value could change on the way: damaged base64 or quoted-printable, a second Content-Type, a
charset other than UTF-8 are problems. Lenient where it could not: eight-bit octets in a part that calls
itself 7bit are read. A multipart whose end boundary is missing is a problem for YAML alone: cut YAML may
still be good YAML with orders missing, but cut JSON is no JSON.

Source: RFC 2045 5 and 6, RFC 2046 5.1, RFC 8259 8.1, RFC 9512; the choice of parts is ours
(docs/notification.md).
"""

import binascii
import re
from collections.abc import Iterator
from dataclasses import dataclass
from email import message_from_bytes
from email.message import Message
from typing import Literal, NoReturn, TypeAlias, cast

from relay.document import parse_json, parse_yaml, validated
from relay.errors import BadInput, Problem
from relay.notification import Notification
from relay.wording import shown

MAX_PARTS = 50  # of one mail; a notification has a text for people and the document
MAX_DEPTH = 8  # of multiparts in each other; mailing programs make three
MAX_LINES = 200_000  # of one mail; the parser takes a microsecond a line, and 10 MiB of base64 has 140,000
MAX_TOLD = 5  # part types named when none fits

Notation = Literal["json", "yaml"]
_NOTATIONS: dict[str, Notation] = {
    "application/json": "json",
    "application/yaml": "yaml",
    "application/x-yaml": "yaml",
    "text/yaml": "yaml",
    "text/x-yaml": "yaml",
}
_SUFFIXES: dict[str, Notation] = {"json": "json", "yaml": "yaml", "yml": "yaml"}
_USUAL_TYPES = frozenset(
    {b"application/json", b"application/json; charset=utf-8", b'application/json; charset="utf-8"'}
)
_HEADER_NAME = re.compile(rb"[!-9;-~]+")
_CHARSETS = frozenset({"", "utf-8", "utf8", "us-ascii", "ascii"})
_BAD_QUOTED = re.compile(rb"=(?![0-9A-Fa-f]{2}|[ \t]*\r?\n|[ \t]*\Z)|[\x80-\xff]")
_SPACE = b" \t\r\n"

Part: TypeAlias = "Message[str, str]"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Leaf:
    """One part that holds no other parts."""

    part: Part
    type: str  # application/json, in lower case
    place: str  # "body" for the whole mail, else "part 1.2", counted as mail programs do
    is_cut: bool  # a multipart around it has no end


def decode(content: bytes) -> Notification:
    """Read the notification that a mail carries.

    Args:
        content: the mail as it came, header and body.

    Raises:
        BadInput: with every problem; each names its path in the document, or the part of the mail.
    """
    usual = _usual_octets(content)
    if usual is not None and usual.strip(_SPACE):
        return validated(Notification, parse_json(usual))
    _check_cost(content)
    try:
        leaves = list(_leaves(message_from_bytes(content)))
    except RecursionError:
        _refuse(f"has parts in each other deeper than {MAX_DEPTH}")
    leaf, notation = _document_part(leaves)
    if notation == "json":
        return validated(Notification, parse_json(_octets(leaf)))
    if leaf.is_cut:
        _refuse("is YAML in a multipart without an end: the mail may be cut", place=leaf.place)
    octets = _octets(leaf)
    return validated(Notification, parse_yaml(octets, file=leaf.place), file=leaf.place, source=octets)


def _check_cost(content: bytes) -> None:
    """Refuse what would keep the MIME parser busy: it tries each line against each open multipart."""
    if content.count(b"\n") > MAX_LINES:
        _refuse(f"has more than {MAX_LINES:,} lines")
    if content.lower().count(b"multipart/") > MAX_PARTS:
        _refuse(f"has more than {MAX_PARTS} parts")


def _refuse(message: str, *, place: str = "mail", hint: str = "") -> NoReturn:
    raise BadInput((Problem(message=message, path=place, hint=hint),)) from None


def _usual_octets(content: bytes) -> bytes | None:
    """The document of a mail that is one JSON part and nothing else; None: the library has to look at it.

    A small mail costs the library 50 us, more than all else that is done to read it. So the plainest form
    of a mail is taken apart here; whatever is unusual about the headers that count is left to the library.
    """
    head, end, body = content.partition(b"\r\n\r\n")
    fields: dict[bytes, bytes] = {}
    name = b""
    for line in head.lower().split(b"\r\n"):
        if line.startswith((b" ", b"\t")) and name and not name.startswith(b"content-"):
            continue  # a long Received or Subject goes on
        name, colon, value = line.partition(b":")
        if not colon or not _HEADER_NAME.fullmatch(name):
            return None
        if name.startswith(b"content-"):
            if name in fields:
                return None
            fields[name] = value.strip(_SPACE)
    if not end or fields.get(b"content-type") not in _USUAL_TYPES:
        return None
    match fields.get(b"content-transfer-encoding", b"7bit"):
        case b"base64":
            return _from_base64(body, "body")
        case b"7bit" | b"8bit":
            return body
    return None


def _leaves(mail: Part) -> Iterator[_Leaf]:
    pending: list[tuple[Part, str, bool, int]] = [(mail, "", False, 0)]
    seen = 0
    while pending:
        part, number, is_cut, depth = pending.pop()
        seen += 1
        if seen > MAX_PARTS:
            _refuse(f"has more than {MAX_PARTS} parts")
        if depth > MAX_DEPTH:
            _refuse(f"has parts in each other deeper than {MAX_DEPTH}")
        place = f"part {number}" if number else "body"
        names = [name.lower() for name in part.keys()]  # noqa: SIM118  (a mail is no dict: its names may repeat)
        for name in ("content-type", "content-transfer-encoding"):
            if names.count(name) > 1:
                _refuse(f"has {name} twice", place=place)
        content_type = part.get_content_type()
        if not content_type.startswith("multipart/"):
            yield _Leaf(part=part, type=content_type, place=place, is_cut=is_cut)
            continue
        if not part.is_multipart():
            _refuse("is a multipart whose boundary does not occur", place=place)
        is_cut = is_cut or any(type(defect).__name__.startswith("CloseBoundary") for defect in part.defects)
        inner = cast("list[Part]", part.get_payload())
        for index in range(len(inner), 0, -1):
            below = f"{number}.{index}" if number else f"{index}"
            pending.append((inner[index - 1], below, is_cut, depth + 1))


def _document_part(leaves: list[_Leaf]) -> tuple[_Leaf, Notation]:
    found = [(leaf, notation) for leaf in leaves if (notation := _notation(leaf))]
    if len(found) == 1:
        return found[0]
    if found:
        places = ", ".join(leaf.place for leaf, _ in found[:MAX_TOLD])
        _refuse(f"has {len(found)} parts that could be the notification: {places}", hint="send one")
    types = ", ".join(shown(leaf.type) for leaf in leaves[:MAX_TOLD])
    _refuse(
        f"has no part that could be the notification, only {types}",
        hint="send it as application/json or application/yaml",
    )


def _notation(leaf: _Leaf) -> Notation | None:
    by_type = _NOTATIONS.get(leaf.type)
    if by_type or leaf.type.startswith("message/"):
        return by_type
    name = leaf.part.get_filename("")
    return _SUFFIXES.get(name.rpartition(".")[2].lower()) if "." in name else None


def _octets(leaf: _Leaf) -> bytes:
    """The document's octets, with nothing mended on the way."""
    part, place = leaf.part, leaf.place
    charset = str(part.get_param("charset", "")).lower()
    if charset not in _CHARSETS:
        _refuse(f"has charset {shown(charset)}", place=place, hint="a notification is UTF-8")
    encoding = str(part.get("Content-Transfer-Encoding", "7bit")).strip().lower()
    # Without the header the library gives the octets as they came; with it, it mends what is damaged.
    del part["Content-Transfer-Encoding"]
    raw = cast("bytes", part.get_payload(decode=True))
    match encoding:
        case "7bit" | "8bit" | "binary":
            octets = raw
        case "base64":
            octets = _from_base64(raw, place)
        case "quoted-printable":
            if _BAD_QUOTED.search(raw):
                _refuse("has damaged quoted-printable", place=place)
            octets = binascii.a2b_qp(raw)
        case _:
            _refuse(f"has the unknown transfer encoding {shown(encoding)}", place=place)
    if not octets.strip(_SPACE):
        _refuse("is empty", place=place)
    return octets


def _from_base64(raw: bytes, place: str) -> bytes:
    try:
        return binascii.a2b_base64(raw.translate(None, _SPACE), strict_mode=True)
    except binascii.Error as error:
        _refuse(f"has damaged base64: {error}", place=place)
