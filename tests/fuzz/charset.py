"""Fuzz target: text to the bytes of a mail and back, and any bytes to text.

Invariant: octets are refused by an `UndecodableError` or decoded; text is refused by a `CharacterError` that
names its characters, or written so that it decodes to itself; and what was replaced is always written.
"""

from collections.abc import Iterator
from typing import Any, get_args

from relay.charset import CharacterError, Profile, UndecodableError, charset_of, decoded
from tests.fuzz.target import mail_files, octets_of, text_of
from tests.support.records import HOSTILE_PIECES

LABELS = ("UTF-8", "ISO-2022-JP", "Shift_JIS", "EUC-JP", "US-ASCII")


def run(content: bytes) -> None:
    """Try the octets under every label, and the text in every profile."""
    for label in LABELS:
        try:
            text = decoded(content, label)
        except UndecodableError as error:
            assert 0 <= error.offset <= len(content)
        else:
            text.encode()
    text = text_of(content)
    for profile in get_args(Profile):
        check_profile(profile, text)


def check_profile(profile: Any, text: str) -> None:
    """What is written decodes to what was written; what was replaced is written."""
    charset = charset_of(profile)
    folded = charset.fold(text)
    assert charset.fold(folded) == folded
    try:
        octets = charset.write(folded)
    except CharacterError as error:
        assert error.characters
    else:
        assert not charset.unwritable(text)
        assert decoded(octets, charset.label) == folded.replace("\n", "\r\n")
    charset.write(charset.replaced(text))


def seeds() -> Iterator[bytes]:
    """Japanese text in every charset, and hostile pieces."""
    for mail in mail_files()[:3]:
        for codec in ("utf-8", "iso2022_jp", "cp932", "euc_jp"):
            yield mail.body.encode(codec, "replace")
    for text in ("髙﨑①㈱", "ｶﾞｷﾞ〜～−－‖∥―—￥¥", "𠮷\u00a0é", "\ufeff注文"):
        yield octets_of(text)
    for piece in HOSTILE_PIECES:
        yield piece.encode("utf-8", "surrogatepass")
