"""The parts of a mail, and their octets as the sender had them before they were made fit to travel.

Guarantees: nothing is mended. Damaged base64 or quoted-printable, a header that counts standing twice and
parts without end are refused, where the standard library would guess. Eight-bit octets in a part that calls
itself 7bit are read, since no value can change by that. A mail inside a mail (message/rfc822) is not looked
into: nobody vouches for it. What a mail costs grows with its length and no faster: the library takes the
square of a header's length for its parameters, and looks at each line once for each multipart that is open,
so headers, parts and depth are bounded before or while it reads.

Diagnostics: `BadInput` whose path is the part, counted as mail programs do; also where the library stumbles
over a damaged header. Source: RFC 2045 5 and 6, RFC 2046 5.1; the limits are ours (docs/notification.md).
"""

import binascii
import itertools
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from email.errors import MessageError
from email.message import Message
from email.parser import BytesFeedParser
from email.policy import Policy, compat32
from typing import Any, NoReturn, TypeAlias, cast

from relay.errors import BadInput, Problem
from relay.wording import shown

MAX_DOCUMENT = 2 * 1024 * 1024  # octets, where no configuration says otherwise: 2,000 usual orders
SIZE_HINT = "attachments may be large, the notification may not: intake.max_document"
MAX_PARTS = 50  # of one mail; a notification has a text for people and the document
MAX_DEPTH = 8  # of multiparts and mails in each other; mailing programs make three
MAX_LINES = 400_000  # of one mail; the parser takes a microsecond a line, and 25 MiB of base64 has 340,000
MAX_CONTENT_HEADER = 4_096  # octets with its folds; a file name of 255 kanji takes 2,800 (RFC 2231)
MAX_PARAMETERS = 100  # of one header; that file name is cut into 50
LONGEST_ENCODED = 4  # octets that one octet takes at most: =41 and its share of soft line breaks
CHUNK = 64 * 1024  # octets that the parser is given at once
SPACE = b" \t\r\n"

_BAD_QUOTED = re.compile(rb"=(?![0-9A-Fa-f]{2}|[ \t]*\r?\n|[ \t]*\Z)|[\x80-\xff]")

_WITH_PARAMETERS = (b"content-type:", b"content-disposition:")  # those that are asked for one
_FIELD = re.compile(rb"[^\r\n]*(?:(?:\r\n?|\n)[ \t][^\r\n]*)*")
_STUMBLES = (AttributeError, LookupError, MessageError, TypeError, ValueError)

Part: TypeAlias = "Message[str, str]"


@dataclass(frozen=True, slots=True, kw_only=True)
class Leaf:
    """One part that holds no other parts."""

    part: Part
    type: str  # application/json, in lower case
    place: str  # "body" for the whole mail, else "part 1.2", counted as mail programs do
    within: tuple[str, ...]  # the types of the multiparts around it, the outermost first
    is_cut: bool  # a multipart around it has no end

    @property
    def file_name(self) -> str:
        """Of Content-Disposition or Content-Type; "" without one. Raises BadInput."""
        with _refusing(self.place):
            return self.part.get_filename("")

    @property
    def is_attached(self) -> bool:
        """Whether its sender wants it kept apart from the text. Raises BadInput."""
        with _refusing(self.place):
            return self.part.get_content_disposition() == "attachment"

    def parameter(self, name: str) -> str:
        """A parameter of Content-Type, in lower case; "" without it. Raises BadInput."""
        with _refusing(self.place):
            return str(self.part.get_param(name, "")).strip().lower()


@dataclass(frozen=True, slots=True, kw_only=True)
class Mail:
    """A mail taken apart."""

    header: Part
    leaves: tuple[Leaf, ...]  # at least one


def refuse(message: str, *, place: str = "mail", hint: str = "") -> NoReturn:
    """Raise BadInput with one problem of the mail's form."""
    raise BadInput((Problem(message=message, path=place, hint=hint),)) from None


class _CountedPart(Message):
    """A part that knows how deep it lies, so that a mail without bottom is given up while it is read.

    A part that is larger than anything that is read as a notification loses its content on the way: the
    library would go through the whole of it once more, without letting anybody else work.
    """

    depth = 0
    most_kept = 0  # octets of one part, as they came
    is_left_out = False

    def set_payload(self, payload: Any, charset: Any = None) -> None:
        """Take the content of a part that holds no others, as the parser does at its end."""
        self.is_left_out = isinstance(payload, str) and len(payload) > self.most_kept
        super().set_payload("" if self.is_left_out else payload, charset)

    def attach(self, payload: "Part | str") -> None:
        """Take a part in, as the parser does before it reads on; raises BadInput when it lies too deep."""
        assert isinstance(payload, _CountedPart)  # the parser makes no other
        payload.depth = self.depth + 1
        if payload.depth > MAX_DEPTH:
            refuse(f"has parts in each other deeper than {MAX_DEPTH}")
        super().attach(payload)


def parse_mail(content: bytes, *, limit: int = MAX_DOCUMENT) -> Mail:
    """Take a mail apart.

    Args:
        content: the mail.
        limit: octets that a notification may have; parts that are surely larger are not kept.

    Raises:
        BadInput: it is no mail that can be read with certainty.
    """
    if content.count(b"\n") > MAX_LINES:
        refuse(f"has more than {MAX_LINES:,} lines")
    _check_content_headers(content.lower())
    made = itertools.count()  # the first is made to try the class out

    def counted(policy: Policy = compat32) -> _CountedPart:
        if next(made) > MAX_PARTS:
            refuse(f"has more than {MAX_PARTS} parts")
        part = _CountedPart(policy)
        part.most_kept = limit * LONGEST_ENCODED
        return part

    with _refusing("mail"):
        parser = BytesFeedParser(counted, policy=compat32)
        for start in range(0, len(content), CHUNK):  # all at once it would keep four octets for each
            parser.feed(content[start : start + CHUNK])
        mail = parser.close()
    return Mail(header=mail, leaves=tuple(_leaves(mail)))


def _check_content_headers(lowered: bytes) -> None:
    """Refuse a header with parameters that would cost the library too much, of whichever part it is."""
    at = lowered.find(b"content-")
    while at >= 0:
        end = at + 1
        if (at == 0 or lowered[at - 1] in b"\r\n") and lowered.startswith(_WITH_PARAMETERS, at):
            field = cast("re.Match[bytes]", _FIELD.match(lowered, at, at + MAX_CONTENT_HEADER + 1))
            end, name = field.end(), field[0].partition(b":")[0].decode("ascii")
            if end - at > MAX_CONTENT_HEADER:
                refuse(f"has a {name} header of more than {MAX_CONTENT_HEADER:,} octets")
            if lowered.count(b";", at, end) > MAX_PARAMETERS:
                refuse(f"has a {name} header of more than {MAX_PARAMETERS} parameters")
        at = lowered.find(b"content-", end)


@contextmanager
def _refusing(place: str) -> Iterator[None]:
    """Refuse a mail over whose headers the library stumbles: it sorts, counts and decodes what it cannot."""
    try:
        yield
    except _STUMBLES:
        refuse("has a header that is damaged", place=place)


def _leaves(mail: Part) -> Iterator[Leaf]:
    pending: list[tuple[Part, str, bool, tuple[str, ...]]] = [(mail, "", False, ())]
    while pending:
        part, number, is_cut, within = pending.pop()
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


def octets_of(leaf: Leaf, *, limit: int) -> bytes:
    """The part's octets with its transfer encoding undone.

    Raises:
        BadInput: they are damaged, or none, or more than `limit`.
    """
    part, place = leaf.part, leaf.place
    if isinstance(part, _CountedPart) and part.is_left_out:
        _refuse_size(limit, place)
    encoding = str(part.get("Content-Transfer-Encoding", "7bit")).strip().lower()
    # Without the header the library gives the octets as they came; with it, it mends what is damaged.
    del part["Content-Transfer-Encoding"]
    raw = cast("bytes", part.get_payload(decode=True))
    check_size(len(raw) // LONGEST_ENCODED, limit, place)  # before each octet is looked at
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
    check_size(len(octets), limit, place)
    return octets


def check_size(octets: int, limit: int, place: str) -> None:
    """Refuse a part that is larger than what is read as a notification; raises BadInput."""
    if octets > limit:
        _refuse_size(limit, place)


def _refuse_size(limit: int, place: str) -> NoReturn:
    refuse(
        f"is larger than {limit:,} octets, which is as much as is read",
        place=place,
        hint=SIZE_HINT,
    )


def from_base64(raw: bytes, place: str) -> bytes:
    """The octets behind base64 text, white space left out; raises BadInput when it is damaged."""
    try:
        return binascii.a2b_base64(raw.translate(None, SPACE), strict_mode=True)
    except binascii.Error as error:
        refuse(f"has damaged base64: {error}", place=place)
