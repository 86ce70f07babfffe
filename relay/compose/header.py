"""Header lines: text from templates and registrations as RFC 5322 header fields, and nothing but that.

Guarantees: every line is printable ASCII and at most 76 characters long, but where one address or the
Message-ID, which cannot be broken, is longer; an encoded-word has at most 75 and is complete in itself. A
reader that follows RFC 2047 gets the text back exactly, spaces included; nothing is folded here. ASCII words
stay as they are. Every line is made by `_line`, the one place where a value meets a header: what is not
printable ASCII cannot pass it.

Diagnostics: `HeaderError` (a sender that is no mailbox, a text too long) and `CharacterError`; both are
about what somebody wrote. A ValueError from `_line` is our own bug.
Source: RFC 5322 sections 2.1.1, 2.2, 3.4; RFC 2047 sections 2, 4.1, 5, 6.2.
"""

import binascii
import re
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

from relay.charset import CharacterError, Charset, first_distinct
from relay.errors import DenreiError
from relay.quantity import mail_address

MAX_TEXT = 4_000  # characters of one header: 20 KB when encoded, far below the 100 KB that mail servers take

_LINE = 76  # characters, RFC 2047 section 2; below RFC 5322's wish of 78
_HARD_LINE = 998  # octets, RFC 5322 section 2.1.1
_ENCODED_WORD = 75  # characters, RFC 2047 section 2
_PLAIN_WORD = 50  # characters: a longer word would not fit beside a long header name, so it is encoded
_ROOM = 36  # characters that a begun line must have left for an encoded-word: less holds two or three kanji

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\ufeff]")
_PRINTABLE = re.compile(r"[\x21-\x7e]+")
_ATEXT = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+")
_MAILBOX = re.compile(r"(?P<name>.*)<(?P<address>[^<>]*)>")
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"')


class HeaderError(DenreiError):
    """A text that cannot be this header, and why. Whoever wrote the template or registration can mend it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mailbox:
    """A sender: a display name, which may be empty, and an addr-spec."""

    name: str
    address: str


def parse_mailbox(text: str) -> Mailbox:
    """The mailbox that a sender row names: `Name <address>`, `"Name" <address>` or an address alone.

    The address is what stands in the last angle brackets, at the end: no value in the name can take its
    place. Raises HeaderError.

    >>> parse_mailbox("Qoo10 <qoo10info@qoo10.jp>")
    Mailbox(name='Qoo10', address='qoo10info@qoo10.jp')
    >>> parse_mailbox("山田 <a@example.com> <shop@example.jp>").address
    'shop@example.jp'
    """
    text = text.strip(" ")
    split = _MAILBOX.fullmatch(text)
    name, address = (split["name"].strip(" "), split["address"]) if split else ("", text)
    try:
        mail_address(address)
    except ValueError:  # its text shows the address, which may be a buyer's
        raise HeaderError(
            "must be an address such as orders@example.jp, or Name <orders@example.jp>"
        ) from None
    if quoted := _QUOTED.fullmatch(name):
        name = re.sub(r"\\(.)", r"\1", quoted[1])
    return Mailbox(name=name, address=address)


def plain_line(name: str, value: str) -> bytes:
    """A header whose value is ours and short: printable ASCII that stands on one line."""
    return _line(name, [f"{name}: {value}"])


def text_line(name: str, text: str, charset: Charset) -> bytes:
    r"""An unstructured header (Subject) with its CRLF. Raises HeaderError and CharacterError.

    >>> from relay.charset import UTF_8
    >>> text_line("Subject", "Order 注文", UTF_8)
    b'Subject: Order =?UTF-8?B?5rOo5paH?=\r\n'
    """
    _check(text, charset)
    if len(name) + 2 + len(text) <= _LINE and _stands_as_is(text):
        return _line(name, [f"{name}: {text}"])
    return _line(name, _fill(name, _words(text, _PRINTABLE), charset))


def sender_line(mailbox: Mailbox, charset: Charset) -> bytes:
    """The From header with its CRLF. Raises HeaderError and CharacterError."""
    name = mailbox.name
    _check(name, charset)
    words = _words(name, _ATEXT) if name else []
    quotable = name.isascii() and len(name) <= _PLAIN_WORD and "=?" not in name
    if quotable and any(encoded for _, encoded in words):
        quoted = name.replace("\\", "\\\\").replace('"', '\\"')
        words = [(f'"{quoted}"', False)]
    address = f"<{mailbox.address}>" if words else mailbox.address
    return _line("From", _fill("From", [*words, (address, False)], charset))


def recipients_line(addresses: Sequence[str]) -> bytes:
    """The To header of these addr-specs with its CRLF, as many to a line as fit."""
    words = [(f"{address},", False) for address in addresses[:-1]] + [(addresses[-1], False)]
    return _line("To", _fill("To", words))


def _check(text: str, charset: Charset) -> None:
    """Refuse a text that cannot be this header, with all of its unwritable characters at once."""
    if _CONTROL.search(text):
        raise CharacterError(first_distinct(_CONTROL.findall(text)), "a header")
    if len(text) > MAX_TEXT:
        raise HeaderError(f"has {len(text)} characters; a header may have {MAX_TEXT}")
    if not text.isascii():
        charset.encode(text)


def _stands_as_is(text: str) -> bool:
    return text.isascii() and text == text.strip(" ") and "=?" not in text


def _words(text: str, plain: re.Pattern[str]) -> list[tuple[str, bool]]:
    """The text as words to be joined by one space, each with whether it must be encoded.

    Neighbours that must be encoded become one word, since readers drop the white space between encoded-words.
    A space too many, or one at either end, makes an empty word; it is encoded with its neighbour, where no
    reader can lose it.

    >>> _words("No. 5 注文 番号 a  b", _PRINTABLE)
    [('No.', False), ('5', False), ('注文 番号', True), ('a', False), (' b', True)]
    """
    parts = text.split(" ")
    encoded = [len(part) > _PLAIN_WORD or not plain.fullmatch(part) or "=?" in part for part in parts]
    for index, part in enumerate(parts):
        if not part:
            encoded[index] = encoded[index + 1 if index + 1 < len(parts) else index - 1] = True
    words: list[tuple[str, bool]] = []
    for part, must in zip(parts, encoded, strict=True):
        if must and words and words[-1][1]:
            words[-1] = (f"{words[-1][0]} {part}", True)
        else:
            words.append((part, must))
    return words


def _fill(name: str, words: Sequence[tuple[str, bool]], charset: Charset | None = None) -> list[str]:
    """The header's rows: words joined by one space, a new row where the next one would pass the limit."""
    rows: list[str] = []
    row = f"{name}:"
    for text, encoded in words:
        if not encoded or charset is None:
            if len(row) + 1 + len(text) > _LINE and (rows or row != f"{name}:"):
                rows.append(row)
                row = ""
            row += f" {text}"
            continue
        rest = text
        while rest:
            room = _LINE - len(row) - 1
            if room < _ROOM and row:
                rows.append(row)
                row = ""
                continue
            word, taken = _encoded_word(rest, min(room, _ENCODED_WORD), charset)
            row += f" {word}"
            rest = rest[taken:]
    return [*rows, row]


def _encoded_word(text: str, room: int, charset: Charset) -> tuple[str, int]:
    """One encoded-word of at most `room` characters from the text's start, and how many characters it took.

    >>> from relay.charset import ISO_2022_JP, UTF_8
    >>> _encoded_word("注" * 40, 75, UTF_8)[1], _encoded_word("注" * 40, 75, ISO_2022_JP)[1]
    (15, 18)
    """
    octets = (room - len(charset.label) - len("=??B??=")) // 4 * 3
    piece = text[:octets]
    coded = charset.encode(piece)
    if len(coded) > octets:
        # A longer piece never has fewer octets, so the longest that fits is found by halving.
        fitting = range(1, len(piece))
        piece = text[: bisect_right(fitting, octets, key=lambda length: len(charset.encode(text[:length])))]
        coded = charset.encode(piece)
    content = binascii.b2a_base64(coded, newline=False).decode("ascii")
    return f"=?{charset.label}?B?{content}?=", len(piece)


def _line(name: str, rows: Sequence[str]) -> bytes:
    """The rows as one header field. The last gate: a row that could end it or begin another: ValueError."""
    for number, row in enumerate(rows):
        begins_well = row.startswith(f"{name}:") if number == 0 else row.startswith(" ") and row.strip(" ")
        if not (row.isascii() and row.isprintable() and begins_well and len(row) <= _HARD_LINE):
            raise ValueError(f"header {name} would not be one well-formed field")
    return "\r\n".join([*rows, ""]).encode("ascii")
