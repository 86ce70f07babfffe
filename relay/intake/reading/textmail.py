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
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

from grammar.limits import MAX_OUTPUT
from relay.charset import UndecodableError, decoded, header_text
from relay.intake.reading.part import Leaf, Mail, Part, octets_of, refuse
from relay.intake.reading.wrapping import Flow, Versions, versions
from relay.wording import shown

MAX_HEADER = 32 * 1024  # octets of a header that is read; a subject of 4,000 characters has 20 KB
MAX_BODY = 4 * MAX_OUTPUT  # octets: a character has at most four, and no template prints more
OLDEST = timedelta(days=90)  # a Date further back is a clock that was never set: mail waits for days
NEWEST = timedelta(days=1)  # a Date further ahead: a time zone that was mistaken makes 14 hours

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
    sent_at: datetime | None  # aware; None when Date says nothing, or nothing near the time of arrival
    body: Leaf
    limit: int = MAX_BODY  # octets of the text that are read at most


def text_part(mail: Mail) -> Leaf | None:
    """The part that a text mail's text is; None when there is no text in the mail at all.

    Raises:
        BadInput: there is a text, and something beside it that could be what was meant.
    """
    texts = [leaf for leaf in mail.leaves if leaf.type == "text/plain" and not leaf.is_attached]
    if not texts:
        return None
    if len(texts) > 1:
        refuse(f"has {len(texts)} text parts, and nobody can say which one counts", hint="send one")
    (text,) = texts
    for leaf in mail.leaves:
        if leaf is not text and not _is_beside(leaf, text):
            refuse(f"is {shown(leaf.type)} beside a text, and could be what was meant", place=leaf.place)
    if odd := next((around for around in text.within if around not in _AROUND), ""):
        refuse(f"is a text in {shown(odd)}: no order mail comes so", place=text.place)
    if text.is_cut:
        refuse("is text in a multipart without an end: the mail may be cut", place=text.place)
    return text


def _is_beside(leaf: Leaf, text: Leaf) -> bool:
    """Whether the part says nothing that the text does not say."""
    if leaf.type == "text/html":
        return _is_alternative(leaf, text) and not leaf.is_attached
    return leaf.type.startswith("image/") or leaf.type in _SIGNATURES


def _is_alternative(leaf: Leaf, text: Leaf) -> bool:
    """Whether both stand in one multipart/alternative; the HTML may be held together with its pictures."""
    depth = len(text.within)
    around = text.place.rpartition(".")[0]  # of "part 1.2" it is "part 1"; of "part 2" the mail
    return (
        text.within[-1:] == ("multipart/alternative",)
        and leaf.place.startswith(f"{around}." if around else "part ")
        and set(leaf.within[depth:]) <= {"multipart/related"}
    )


def parse_text_mail(mail: Mail, body: Leaf, *, now: datetime, limit: int = MAX_BODY) -> TextMail:
    """The headers of a text mail that came `now`, of whose text `limit` octets are read; raises BadInput."""
    return TextMail(
        subject=_one(mail.header, "subject"),
        recognition_key=_one(mail.header, "x-recognition-key"),
        message_id=_one(mail.header, "message-id"),
        sent_at=_date(mail.header, now),
        body=body,
        limit=min(limit, MAX_BODY),
    )


def body_texts(mail: TextMail) -> Versions:
    r"""What the body may have been before a relay wrapped it; rows end in `\n`.

    Raises:
        BadInput: the part is damaged or too large, or none of these is text in the charset that it names.
    """
    part, place = mail.body, mail.body.place
    charset = part.parameter("charset")
    flow: Flow | None = None
    if part.parameter("format") == "flowed":
        flow = Flow(is_space_deleted=part.parameter("delsp") == "yes")
    octets = octets_of(part, limit=mail.limit).replace(b"\r\n", b"\n")
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


def _date(header: Part, now: datetime) -> datetime | None:
    """When the mail was sent, by its Date; a time that has no date in UTC is none, and so is one far off."""
    values = list(_raw(header, "date"))
    if len(values) != 1:
        return None
    try:
        at = parsedate_to_datetime(values[0].decode("ascii"))
        at = (at if at.tzinfo else at.replace(tzinfo=UTC)).astimezone(UTC)  # -0000 says: UTC, zone unknown
        return at if now - OLDEST <= at <= now + NEWEST else None
    except (ValueError, TypeError, IndexError, OverflowError):  # what the library's parser can come to
        return None
