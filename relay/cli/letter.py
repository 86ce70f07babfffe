"""A mail as a person reads it: decoded subject, sender and body.

Guarantees: never raises, whatever the bytes are; what cannot be decoded is shown with U+FFFD in its place;
no control character comes through that could steer a terminal. It is for looking at mails, not for taking
orders from them. Source: RFC 2045 to 2047, by the standard library's forgiving parser.
"""

import codecs
import email
import re
from collections.abc import Iterator
from dataclasses import dataclass
from email.errors import MessageError
from email.header import decode_header
from email.message import Message
from email.policy import compat32

# Controls, and the marks that turn or hide text: everything that could make a screen say something else.
_UNSEEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufeff]")

# Codecs of Python that are no charset of a mail, and whose decoding warns or takes long.
_NO_CHARSETS = frozenset(
    {"unicode-escape", "unicode_escape", "raw-unicode-escape", "raw_unicode_escape", "idna", "punycode"}
)
_DOCUMENTS = frozenset({"json", "yaml", "x-yaml"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """The parts of a mail that a person looks at."""

    sender: str
    recipients: str
    subject: str
    message_id: str
    body: str  # rows end in \n; the first text part, or a note on what stands there instead
    documents: tuple[bytes, ...] = ()  # JSON and YAML parts as they came, without their transfer encoding


def visible(text: str) -> str:
    r"""Return the text with every control and direction mark as U+FFFD; tabs and line ends stay.

    >>> visible("注文\x1b[2J番号")
    '注文\ufffd[2J番号'
    """
    return _UNSEEN.sub("\ufffd", text)


def one_row(text: str) -> str:
    """Return the visible text on a single row."""
    return visible(text.replace("\r\n", " ").replace("\n", " ").replace("\t", " "))


def letter(content: bytes) -> Letter:
    """Return what a person would read in the mail; rows of its body end in a line feed."""
    try:
        return _read(email.message_from_bytes(content, policy=compat32))
    except (
        RecursionError
    ):  # multiparts in each other without end: nobody's letter, so only its rows are shown
        text = content.decode("utf-8", "replace").replace("\r\n", "\n")
        return Letter(sender="", recipients="", subject="", message_id="", body=visible(text))


def _read(message: Message) -> Letter:
    return Letter(
        sender=_header(message, "From"),
        recipients=_header(message, "To"),
        subject=_header(message, "Subject"),
        message_id=_header(message, "Message-ID"),
        body=_body(message),
        documents=tuple(_documents(message)),
    )


def _header(message: Message, name: str) -> str:
    value = message.get(name)
    if value is None:
        return ""
    unfolded = str(value).replace("\r\n", "").replace("\n", "")
    try:
        pieces = decode_header(unfolded)
    except (ValueError, LookupError, MessageError):  # broken base64 in an encoded word: shown as it stands
        return one_row(unfolded)
    return one_row("".join(_decoded(piece, charset or "ascii") for piece, charset in pieces))


def _decoded(piece: str | bytes, charset: str) -> str:
    if isinstance(piece, str):
        return piece
    try:
        known = codecs.lookup(charset).name not in _NO_CHARSETS
        return piece.decode(charset if known else "ascii", "replace")
    except (LookupError, ValueError):  # a charset that nobody knows, or a codec that is not for text
        return piece.decode("ascii", "replace")


def _documents(message: Message) -> Iterator[bytes]:
    for part in message.walk():
        name = (part.get_filename() or "").lower()
        if part.get_content_subtype() in _DOCUMENTS or name.endswith((".json", ".yaml", ".yml")):
            payload = part.get_payload(decode=True)
            if isinstance(payload, bytes):
                yield payload


def _body(message: Message) -> str:
    for part in message.walk():
        if part.get_content_maintype() == "text" and not part.is_multipart():
            payload = part.get_payload(decode=True)
            if isinstance(payload, bytes):
                text = _decoded(payload, part.get_content_charset() or "utf-8")
                return visible(text.replace("\r\n", "\n"))
    return f"(no text in this mail: {one_row(message.get_content_type())})"
