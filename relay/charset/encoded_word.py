r"""Header text: what a Subject says, its encoded-words decoded by our own codecs.

Neighbouring encoded-words of one charset are joined before they are decoded, since some mailers cut a text
into words by octets, through the middle of a character; RFC 2047 forbids it and readers have learned to live
with it. White space between encoded-words goes, as the RFC says; all other white space stays. A word is
decoded wherever it stands, even glued to a neighbour, as mail programs do.

Guarantees: what is read is what was written or an error: base64 or an escape that is damaged is not skipped.
Raw eight-bit headers are read as UTF-8 (RFC 6532) and as nothing else. Linear in the length.

Diagnostics: `UndecodableError`. Source: RFC 2047 sections 2, 4, 5, 6.2; RFC 2231 section 5 (a language after
the charset, which is not looked at).
"""

import binascii
import re
from itertools import groupby

from relay.charset.decoding import UndecodableError, decoded

_FOLDING = re.compile(r"\r?\n(?=[ \t])")
_WORD = re.compile(r"=\?(?P<charset>[^?\s*]+)(?:\*[^?\s]*)?\?(?P<encoding>[BbQq])\?(?P<text>[^?\s]*)\?=")
_WHITE = " \t"
_BAD_ESCAPE = re.compile(r"=(?![0-9A-Fa-f]{2})|[^\x21-\x7e]")


def header_text(raw: str | bytes) -> str:
    """The text of an unstructured header field.

    Args:
        raw: the field's body, folded or not. As `str`, eight-bit octets may stand as surrogates, which is
            how `email` hands them over.

    Raises:
        UndecodableError: an encoded-word is damaged or in an unknown charset, or raw octets are not UTF-8.

    >>> header_text("=?ISO-2022-JP?B?GyRCQ20bKEI=?= =?ISO-2022-JP?Q?=1B$BJ8=1B(B?= no. 5")
    '注文 no. 5'
    """
    text = _FOLDING.sub("", decoded(_raw_octets(raw), "utf-8")).strip(" \t\r\n")
    parts: list[tuple[str, bytes, str]] = []  # charset, octets and "", or "", b"" and plain text
    end = 0
    for word in _WORD.finditer(text):
        between = text[end : word.start()]
        if between.strip(_WHITE) or not parts:
            parts.append(("", b"", between))
        parts.append((word["charset"].lower(), _octets(word), ""))
        end = word.end()
    parts.append(("", b"", text[end:]))
    return "".join(
        decoded(b"".join(octets for _, octets, _ in run), charset) if charset else "".join(t for *_, t in run)
        for charset, run in groupby(parts, key=lambda part: part[0])
    )


def _raw_octets(raw: str | bytes) -> bytes:
    if isinstance(raw, bytes):
        return raw
    try:
        return raw.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError as error:
        raise UndecodableError("it holds a lone surrogate", charset="UTF-8", offset=error.start) from None


def _octets(word: re.Match[str]) -> bytes:
    """The octets of one encoded-word."""
    charset, text = word["charset"], word["text"]
    if word["encoding"] in "Qq":
        if _BAD_ESCAPE.search(text):
            raise UndecodableError("an encoded-word has a damaged escape", charset=charset)
        return binascii.a2b_qp(text, header=True)
    try:
        # Some mailers leave the padding out; that loses nothing.
        return binascii.a2b_base64(text + "=" * (-len(text) % 4), strict_mode=True)
    except ValueError:
        raise UndecodableError("an encoded-word has damaged base64", charset=charset) from None
