"""Octets to text, by the label that came with them: exactly, or not at all.

The labels are those that Japanese mail bears. All names of ISO-2022-JP mean the same here, since mailers put
Windows characters and half-width kana under the plain name; Shift_JIS is code page 932, as it is everywhere
in practice. No label means US-ASCII (RFC 2045 section 5.2).

One JIS character has two code points in Unicode's tables (docs/mail-format.md, "Charsets"). ISO-2022-JP and
EUC-JP give JIS's (wave dash U+301C), as Python does; Shift_JIS gives Microsoft's (full-width tilde U+FF5E),
as every Windows program does. Whoever compares texts of different charsets folds both.

Guarantees: no octet is dropped or replaced, but for a UTF-8 byte order mark at the start; line ends stay as
they were. Octets that the label does not allow are an error, never guessed at: a text that is labelled
wrongly may be read wrongly in a dozen ways. Linear in the length.

Diagnostics: `UndecodableError` with the place. Source: RFC 1468, RFC 1922 (names), IANA's character sets.
"""

import re

from relay.charset.jis import decode_euc, decode_jis
from relay.errors import DenreiError

_JIS = (
    *("iso-2022-jp", "iso-2022-jp-1", "iso-2022-jp-ms", "csiso2022jp"),
    *("cp50220", "cp50221", "cp50222", "windows-50220", "windows-50221", "windows-50222"),
)
_SHIFT_JIS = (
    *("shift_jis", "shift-jis", "sjis", "x-sjis", "windows-31j", "cswindows31j", "cp932"),
    *("ms932", "ms_kanji", "csshiftjis"),
)
_EUC = ("euc-jp", "eucjp", "x-euc-jp", "x-euc", "cseucpkdfmtjapanese", "cp51932", "eucjp-ms")
_UTF_8 = ("utf-8", "utf8")
_ASCII = ("us-ascii", "ascii", "ansi_x3.4-1968", "")
CODECS = (
    dict.fromkeys(_JIS, "ISO-2022-JP")
    | dict.fromkeys(_SHIFT_JIS, "Shift_JIS")
    | dict.fromkeys(_EUC, "EUC-JP")
    | dict.fromkeys(_UTF_8, "UTF-8")
    | dict.fromkeys(_ASCII, "US-ASCII")
)
_SHIFTS = re.compile(rb"[\x0e\x0f\x1b]")  # other text has them only when it is ISO-2022-JP in truth
# Octets that code page 932 assigns nothing to, and the code points that Python's table gives them.
_UNASSIGNED = re.compile("[\x80\xa0\uf8f0-\uf8f3]")


class UndecodableError(DenreiError):
    """Octets that cannot be text in the charset that they claim. Whoever wrote the mail must mend it."""

    def __init__(self, reason: str, *, charset: str, offset: int = 0, row: int = 1) -> None:
        self.reason = reason  # no value of a buyer
        self.charset = charset  # its usual name, or the label as it came
        self.offset = offset  # of the first wrong octet, from 0, in the decoded content of the part
        self.row = row  # the row that this octet stands in, from 1
        super().__init__(f"is not {charset}: {reason} (row {row}, octet {offset})")


def decoded(octets: bytes, charset: str) -> str:
    r"""The text of octets, line ends as they are.

    Args:
        octets: the content, transfer encoding already taken off.
        charset: the label of the part, in any case; "" when it has none.

    Raises:
        UndecodableError: the label is not known, or the octets are not what it says.

    >>> decoded(b"\x1b$B-!\x1b(B", "ISO-2022-JP"), decoded(b"\x87\x40\x81\x60", "Shift_JIS")
    ('①', '①～')
    """
    codec = CODECS.get(charset.strip().lower())
    if codec is None:
        # A label is somebody's text: long or odd ones are not repeated.
        name = charset if re.fullmatch(r"[\w.:+-]{1,40}", charset, re.ASCII) else "a known charset"
        raise UndecodableError("no charset of this name is read here", charset=name)
    try:
        return _decode(octets, codec)
    except UnicodeDecodeError as error:
        row = octets.count(b"\n", 0, error.start) + 1
        raise UndecodableError(error.reason, charset=codec, offset=error.start, row=row) from None


def _decode(octets: bytes, codec: str) -> str:
    if codec == "ISO-2022-JP":
        return decode_jis(octets)
    if shift := _SHIFTS.search(octets):
        reason = "it shifts to another charset"
        raise UnicodeDecodeError(codec, octets, shift.start(), shift.end(), reason)
    match codec:
        case "EUC-JP":
            return decode_euc(octets)
        case "Shift_JIS":
            return _decode_shift_jis(octets)
        case "UTF-8":
            return octets.decode("utf-8").removeprefix("\ufeff")
        case _:
            return octets.decode("ascii")


def _decode_shift_jis(octets: bytes) -> str:
    text = octets.decode("cp932")
    if found := _UNASSIGNED.search(text):
        at = len(text[: found.start()].encode("cp932"))
        raise UnicodeDecodeError("cp932", octets, at, at + 1, "no character has this octet")
    return text
