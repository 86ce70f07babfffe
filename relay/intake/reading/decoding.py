"""A mail as it came becomes a `Notification`, or `BadInput` with every reason why not.

Two ways. The one part that holds a notification document is found by its type (`application/json`,
`application/yaml` and YAML's older names) or, where the type says nothing, by its file name (`*.json`,
`*.yaml`, `*.yml`). None or two is a problem: the relay does not guess. Beside a document the mail's headers,
text parts and pictures are not looked at. A mail without a document may be a text that one of the known
templates wrote: `recognition` reads it.

Strict where a value could change on the way: damaged base64 or quoted-printable, a second Content-Type, a
document in another charset than UTF-8 are problems. Lenient where it could not: eight-bit octets in a part
that calls itself 7bit are read. A multipart whose end boundary is missing is a problem for YAML and for text:
what is cut may still read well, with orders missing; but cut JSON is no JSON.

Source: RFC 2045 5 and 6, RFC 8259 8.1, RFC 9512; the choice of parts is ours (docs/notification.md).
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, NoReturn

from grammar import Catalogue
from relay.document import parse_json, parse_yaml, validated
from relay.intake.reading.form import Current, Forms
from relay.intake.reading.part import (
    LONGEST_ENCODED,
    MAX_DOCUMENT,
    SPACE,
    Leaf,
    Mail,
    check_size,
    from_base64,
    octets_of,
    parse_mail,
    refuse,
)
from relay.intake.reading.recognition import recognised
from relay.intake.reading.textmail import parse_text_mail, text_part
from relay.notification import Notification
from relay.registry import PartnerTemplate
from relay.wording import shown

MAX_TOLD = 5  # part types named when none fits
MAX_MARKS = (
    100_000  # brackets, commas and rows of a document; 1,000 orders have 40,000, and each takes 0.6 us
)

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
_MESSAGE_ID = re.compile(r"<[^<>]*>")
_HEADER_NAME = re.compile(rb"[!-9;-~]+")
_CHARSETS = frozenset({"", "utf-8", "utf8", "us-ascii", "ascii"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Decoded:
    """What a mail says, and how that is known."""

    notification: Notification
    template: PartnerTemplate | None = None  # whose text the mail is; None: it came with a document
    message_id: str = ""  # of a text mail, with its angle brackets

    @property
    def read_with(self) -> str:
        """The template's key; "" for a document."""
        return self.template.key if self.template else ""


class Decoder:
    """Reads mails against the templates and registrations of the moment."""

    def __init__(
        self,
        current: Current,
        catalogue: Catalogue,
        *,
        hostname: str = "",
        max_document: int = MAX_DOCUMENT,
    ) -> None:
        """Make a decoder.

        Args:
            current: gives the registry that is in force.
            catalogue: the fields that templates print.
            hostname: in the Message-IDs that this relay writes; "" knows none of them.
            max_document: octets of the part that is read as a notification; the mail may be larger.
        """
        self._current = current
        self._forms = Forms(current)
        self._catalogue = catalogue
        self._own_ids = f"@{hostname.lower()}>"
        self._max_document = max_document

    def decode(self, content: bytes, now: datetime) -> Decoded:
        """Read what a mail says.

        Args:
            content: the mail as it came, header and body.
            now: when it came; a text mail whose Date cannot be believed happened then.

        Raises:
            BadInput: with every problem; each names its path in the document, or the part of the mail.
        """
        read = _from_document(content, self._max_document)
        if isinstance(read, Notification):
            return Decoded(notification=read)
        text = text_part(read)
        if text is None:
            _refuse_kinds(read.leaves)
        mail = parse_text_mail(read, text, now=now, limit=self._max_document)
        found = recognised(mail, self._forms.now(), self._catalogue, now=now)
        return Decoded(
            notification=found.notification, template=found.form.template, message_id=mail.message_id
        )

    def take_in(self, content: bytes, now: datetime) -> Decoded:
        """Read a mail whose notification is to be sent on; see `decode`.

        A document says itself whose it is. A text could be one that this relay wrote itself, passed on by its
        recipient: each would be sent a second time, with the fields that its template does not print left
        blank. Or its seller could be nobody's, so that nobody would get it and nobody would hear of it.

        Raises:
            BadInput: it is not to be sent on.
        """
        decoded = self.decode(content, now)
        if decoded.template is None:
            return decoded
        if any(each.endswith(self._own_ids) for each in _MESSAGE_ID.findall(decoded.message_id.lower())):
            refuse(
                "is one that this relay wrote itself, and came back",
                place="message-id",
                hint="the recipient of a registration passes its mail on to the intake",
            )
        if not self._current().of_seller(decoded.notification.seller_id):
            refuse(
                f"{shown(decoded.notification.seller_id)} has no registrations, and a text is taken in only"
                " for a seller who has",
                place="seller_id",
                hint="register the seller and replay the mail",
            )
        return decoded


def _from_document(content: bytes, limit: int) -> Notification | Mail:
    """The notification in a mail's document of at most `limit` octets; the mail taken apart without one."""
    usual = _usual_octets(content, limit)
    if usual is not None and usual.strip(SPACE):
        _check_marks(usual, "body")
        return validated(Notification, parse_json(usual))
    mail = parse_mail(content, limit=limit)
    found = [(leaf, notation) for leaf in mail.leaves if (notation := _notation(leaf))]
    if not found:
        return mail
    if len(found) > 1:
        places = ", ".join(leaf.place for leaf, _ in found[:MAX_TOLD])
        refuse(f"has {len(found)} parts that could be the notification: {places}", hint="send one")
    ((leaf, notation),) = found
    if notation == "yaml" and leaf.is_cut:
        refuse("is YAML in a multipart without an end: the mail may be cut", place=leaf.place)
    octets = _octets(leaf, limit)
    _check_marks(octets, leaf.place)
    if notation == "json":
        return validated(Notification, parse_json(octets))
    return validated(Notification, parse_yaml(octets, file=leaf.place), file=leaf.place, source=octets)


def _check_marks(octets: bytes, place: str) -> None:
    """Refuse a document of very many pieces, which costs far more time and memory than its size shows."""
    if len(octets) > MAX_MARKS < sum(map(octets.count, (b"[", b"{", b",", b"\n"))):
        refuse(f"has more than {MAX_MARKS:,} brackets, commas and rows", place=place)


def _usual_octets(content: bytes, limit: int) -> bytes | None:
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
            fields[name] = value.strip(SPACE)
    if not end or fields.get(b"content-type") not in _USUAL_TYPES:
        return None
    match fields.get(b"content-transfer-encoding", b"7bit"):
        case b"base64":
            check_size(len(body) // LONGEST_ENCODED, limit, "body")
            body = from_base64(body, "body")
        case b"7bit" | b"8bit":
            pass
        case _:
            return None
    check_size(len(body), limit, "body")
    return body


def _notation(leaf: Leaf) -> Notation | None:
    by_type = _NOTATIONS.get(leaf.type)
    if by_type or leaf.type.startswith("message/"):
        return by_type
    name = leaf.file_name
    return _SUFFIXES.get(name.rpartition(".")[2].lower()) if "." in name else None


def _octets(leaf: Leaf, limit: int) -> bytes:
    charset = leaf.parameter("charset")
    if charset not in _CHARSETS:
        refuse(f"has charset {shown(charset)}", place=leaf.place, hint="a notification is UTF-8")
    return octets_of(leaf, limit=limit)


def _refuse_kinds(leaves: Sequence[Leaf]) -> NoReturn:
    """Say what the mail has instead of a notification."""
    types = ", ".join(shown(leaf.type) for leaf in leaves[:MAX_TOLD])
    refuse(
        f"has no part that could be the notification, only {types}",
        hint="send it as application/json or application/yaml, or as the text of a known template",
    )
