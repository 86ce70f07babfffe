"""The mail as bytes: headers, one text body, CRLF line ends, ready for the wire but for dot-stuffing.

Built by hand because `email.message.EmailMessage` costs many times as much (tests/bench/composing.py says
how many) and because each byte that a partner's reader may depend on is then decided here and nowhere else.

Guarantees: only ASCII bytes, so no hop needs 8BITMIME; no line over 998 octets without its CRLF; the mail
ends in CRLF; the text's own line ends become CRLF and are the only ones; no value is wrapped, cut or folded.
Source: RFC 5322 section 2.3, RFC 2045 sections 6.2, 6.7 and 6.8, RFC 2046 section 4.1.
"""

import binascii
from collections.abc import Iterable

from relay.charset import Charset

LONGEST_LINE = 998  # octets, RFC 5322 section 2.1.1
_BASE64_LINE = 76  # characters, RFC 2045 section 6.8

_MIME_HEADER = (
    b"MIME-Version: 1.0\r\nContent-Type: text/plain; charset=%s\r\nContent-Transfer-Encoding: %s\r\n\r\n"
)


def mail_bytes(headers: Iterable[bytes], text: str, charset: Charset) -> bytes:
    r"""A whole mail of these header lines and this body of rows that end in `\n`.

    Raises CharacterError, before it asks for the first header.

    >>> from relay.charset import UTF_8
    >>> mail_bytes([b"Subject: a\r\n"], "注文\n", UTF_8).split(b"\r\n\r\n")[1]
    b'5rOo5paHDQo=\r\n'
    """
    encoding, body = _body(text, charset)
    return b"".join((*headers, _MIME_HEADER % (charset.label.encode("ascii"), encoding), body))


def _body(text: str, charset: Charset) -> tuple[bytes, bytes]:
    """The transfer encoding's name and the encoded body: base64 where a line is too long to send as it is."""
    content = charset.write(text if text.endswith("\n") else text + "\n")
    if charset.seven_bit and max(map(len, content.split(b"\r\n"))) <= LONGEST_LINE:
        return b"7bit", content
    return b"base64", _base64(content)


def _base64(content: bytes) -> bytes:
    coded = binascii.b2a_base64(content, newline=False)
    lines = [coded[start : start + _BASE64_LINE] for start in range(0, len(coded), _BASE64_LINE)]
    return b"\r\n".join([*lines, b""])
