"""The parts of a mail, and their octets as the sender had them before they were made fit to travel.

Guarantees: nothing is mended. Damaged base64 or quoted-printable, a header that counts standing twice and
parts without end are refused, where the standard library would guess. Eight-bit octets in a part that calls
itself 7bit are read, since no value can change by that. A mail inside a mail (message/rfc822) is not opened:
nobody vouches for it.

Diagnostics: `BadInput` whose path is the part, counted as mail programs do. Source: RFC 2045 5 and 6,
RFC 2046 5.1; the limits are ours (docs/notification.md).
"""

import binascii
import re
from collections.abc import Iterator
from dataclasses import dataclass
from email import message_from_bytes
from email.message import Message
from typing import NoReturn, TypeAlias, cast

from relay.errors import BadInput, Problem
from relay.wording import shown

MAX_PARTS = 50  # of one mail; a notification has a text for people and the document
MAX_DEPTH = 8  # of multiparts in each other; mailing programs make three
MAX_LINES = 200_000  # of one mail; the parser takes a microsecond a line, and 10 MiB of base64 has 140,000
SPACE = b" \t\r\n"

_BAD_QUOTED = re.compile(rb"=(?![0-9A-Fa-f]{2}|[ \t]*\r?\n|[ \t]*\Z)|[\x80-\xff]")

Part: TypeAlias = "Message[str, str]"


@dataclass(frozen=True, slots=True, kw_only=True)
class Leaf:
    """One part that holds no other parts."""

    part: Part
    type: str  # application/json, in lower case
    place: str  # "body" for the whole mail, else "part 1.2", counted as mail programs do
    within: tuple[str, ...]  # the types of the multiparts around it, the outermost first
    is_cut: bool  # a multipart around it has no end


@dataclass(frozen=True, slots=True, kw_only=True)
class Mail:
    """A mail taken apart."""

    header: Part
    leaves: tuple[Leaf, ...]  # at least one


def refuse(message: str, *, place: str = "mail", hint: str = "") -> NoReturn:
    """Raise BadInput with one problem of the mail's form."""
    raise BadInput((Problem(message=message, path=place, hint=hint),)) from None


def parse_mail(content: bytes) -> Mail:
    """Take a mail apart; raises BadInput."""
    # Looked at first, because the parser tries each line against each open multipart.
    if content.count(b"\n") > MAX_LINES:
        refuse(f"has more than {MAX_LINES:,} lines")
    if content.lower().count(b"multipart/") > MAX_PARTS:
        refuse(f"has more than {MAX_PARTS} parts")
    try:
        mail = message_from_bytes(content)
        return Mail(header=mail, leaves=tuple(_leaves(mail)))
    except RecursionError:
        refuse(f"has parts in each other deeper than {MAX_DEPTH}")


def _leaves(mail: Part) -> Iterator[Leaf]:
    pending: list[tuple[Part, str, bool, tuple[str, ...]]] = [(mail, "", False, ())]
    seen = 0
    while pending:
        part, number, is_cut, within = pending.pop()
        seen += 1
        if seen > MAX_PARTS:
            refuse(f"has more than {MAX_PARTS} parts")
        if len(within) > MAX_DEPTH:
            refuse(f"has parts in each other deeper than {MAX_DEPTH}")
        place = f"part {number}" if number else "body"
        names = [name.lower() for name in part.keys()]  # noqa: SIM118  (a mail is no dict: its names may repeat)
        for name in ("content-type", "content-transfer-encoding"):
            if names.count(name) > 1:
                refuse(f"has {name} twice", place=place)
        content_type = part.get_content_type()
        if not content_type.startswith("multipart/"):
            yield Leaf(part=part, type=content_type, place=place, within=within, is_cut=is_cut)
            continue
        if not part.is_multipart():
            refuse("is a multipart whose boundary does not occur", place=place)
        is_cut = is_cut or any(type(defect).__name__.startswith("CloseBoundary") for defect in part.defects)
        inner = cast("list[Part]", part.get_payload())
        for index in range(len(inner), 0, -1):
            below = f"{number}.{index}" if number else f"{index}"
            pending.append((inner[index - 1], below, is_cut, (*within, content_type)))


def octets_of(leaf: Leaf) -> bytes:
    """The part's octets with its transfer encoding undone; raises BadInput when they are damaged or none."""
    part, place = leaf.part, leaf.place
    encoding = str(part.get("Content-Transfer-Encoding", "7bit")).strip().lower()
    # Without the header the library gives the octets as they came; with it, it mends what is damaged.
    del part["Content-Transfer-Encoding"]
    raw = cast("bytes", part.get_payload(decode=True))
    match encoding:
        case "7bit" | "8bit" | "binary":
            octets = raw
        case "base64":
            octets = from_base64(raw, place)
        case "quoted-printable":
            if _BAD_QUOTED.search(raw):
                refuse("has damaged quoted-printable", place=place)
            octets = binascii.a2b_qp(raw)
        case _:
            refuse(f"has the unknown transfer encoding {shown(encoding)}", place=place)
    if not octets.strip(SPACE):
        refuse("is empty", place=place)
    return octets


def from_base64(raw: bytes, place: str) -> bytes:
    """The octets behind base64 text, white space left out; raises BadInput when it is damaged."""
    try:
        return binascii.a2b_base64(raw.translate(None, SPACE), strict_mode=True)
    except binascii.Error as error:
        refuse(f"has damaged base64: {error}", place=place)
