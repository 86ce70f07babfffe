"""A mail that is a text and no document: which part the text is, and what its headers say.

A text mail has one part text/plain: alone, or beside the same in HTML (multipart/alternative), and beside
pictures and signatures. Anything else beside it (a second text, an attachment, a mail inside the mail, a
bounce's report) could be what was meant, so the mail is refused. So is a multipart without its end: a text
that was cut between two orders still reads well.

Diagnostics: `BadInput` whose path is the part or the header. Source: RFC 2046 5.1.3 and 5.1.4; RFC 1847;
which parts count is ours (docs/notification.md).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from relay.charset import UndecodableError, decoded, header_text
from relay.intake.part import Leaf, Mail, Part, octets_of, refuse
from relay.intake.wrapping import Flow, Versions, versions
from relay.wording import shown

MAX_HEADER = 32 * 1024  # octets of a header that is read; a subject of 4,000 characters has 20 KB

_AROUND = frozenset({"multipart/alternative", "multipart/mixed", "multipart/related", "multipart/signed"})
_SIGNATURES = frozenset({"application/pkcs7-signature", "application/x-pkcs7-signature"}) | {
    "application/pgp-signature"
}


@dataclass(frozen=True, slots=True, kw_only=True)
class TextMail:
    """A text mail whose text has not been looked at yet."""

    subject: str
    recognition_key: str  # X-Recognition-Key; "" without it
    message_id: str  # with its angle brackets; "" without one
    sent_at: datetime | None  # aware; None when Date says nothing that can be believed
    body: Leaf


def text_part(mail: Mail) -> Leaf | None:
    """The part that a text mail's text is; None when there is no text in the mail at all.

    Raises:
        BadInput: there is a text, and something beside it that could be what was meant.
    """
    texts = [leaf for leaf in mail.leaves if leaf.type == "text/plain" and not _is_attached(leaf)]
    if not texts:
        return None
    if len(texts) > 1:
        refuse(f"has {len(texts)} text parts, and nobody can say which one counts", hint="send one")
    (text,) = texts
    for leaf in mail.leaves:
        if leaf is not text and not _is_beside(leaf):
            refuse(f"is {shown(leaf.type)} beside a text, and could be what was meant", place=leaf.place)
    if odd := next((around for around in text.within if around not in _AROUND), ""):
        refuse(f"is a text in {shown(odd)}: no order mail comes so", place=text.place)
    if text.is_cut:
        refuse("is text in a multipart without an end: the mail may be cut", place=text.place)
    return text


def _is_attached(leaf: Leaf) -> bool:
    return leaf.part.get_content_disposition() == "attachment"


def _is_beside(leaf: Leaf) -> bool:
    """Whether the part says nothing that the text does not say."""
    if leaf.type == "text/html":
        return "multipart/alternative" in leaf.within and not _is_attached(leaf)
    return leaf.type.startswith("image/") or leaf.type in _SIGNATURES


def parse_text_mail(mail: Mail, body: Leaf) -> TextMail:
    """The headers of a text mail; raises BadInput."""
    return TextMail(
        subject=_one(mail.header, "subject"),
        recognition_key=_one(mail.header, "x-recognition-key"),
        message_id=_one(mail.header, "message-id"),
        sent_at=_date(mail.header),
        body=body,
    )


def body_texts(mail: TextMail) -> Versions:
    r"""What the body may have been before a relay wrapped it; rows end in `\n`.

    Raises:
        BadInput: the part is damaged, or none of these is text in the charset that it names.
    """
    part, place = mail.body.part, mail.body.place
    charset = str(part.get_param("charset", "")).strip().lower()
    flow: Flow | None = None
    if str(part.get_param("format", "")).lower() == "flowed":
        flow = Flow(is_space_deleted=str(part.get_param("delsp", "")).lower() == "yes")
    octets = octets_of(mail.body).replace(b"\r\n", b"\n")
    try:
        return versions(octets, lambda coded: decoded(coded, charset), flow)
    except UndecodableError as error:
        refuse(str(error), place=place, hint="it is damaged, or its charset is another one")


def _one(header: Part, name: str) -> str:
    """The text of a header that may stand once; raises BadInput when it stands twice or cannot be read."""
    found = list(_raw(header, name))
    if not found:
        return ""
    if len(found) > 1:
        refuse("stands twice", place=name)
    if len(found[0]) > MAX_HEADER:
        refuse(f"has more than {MAX_HEADER // 1024} KiB", place=name)
    try:
        return header_text(found[0]).strip(" \t\r\n")
    except UndecodableError as error:
        refuse(str(error), place=name)


def _raw(header: Part, name: str) -> Iterator[bytes]:
    for each, value in header.raw_items():
        if each.lower() == name:
            yield str(value).encode("ascii", "surrogateescape")


def _date(header: Part) -> datetime | None:
    """When the mail was sent, by its Date; a time that has no date in UTC is none."""
    values = list(_raw(header, "date"))
    if len(values) != 1:
        return None
    try:
        at = parsedate_to_datetime(values[0].decode("ascii"))
        return (at if at.tzinfo else at.replace(tzinfo=UTC)).astimezone(UTC)  # -0000 says: UTC, zone unknown
    except (ValueError, TypeError, IndexError, OverflowError):  # what the library's parser can come to
        return None
