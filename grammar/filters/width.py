"""Shapes of text: full-width and half-width characters, columns, and cutting.

Pure functions from text to text. None puts in a control character or a line break, and each changes nothing
when it is applied again. None normalises a whole text: that would turn ① into 1 and ㈱ into (株). Source:
ours; the characters after the Unicode block "Halfwidth and Fullwidth Forms".
"""

import re
import unicodedata
from typing import Final

from grammar.span import columns

ELLIPSIS: Final = "…"
# JIS X 0208 has no straight quotes of full width: its curved ones are what a Japanese keyboard gives.
_TO_FULL: Final = str.maketrans(
    {chr(code): chr(code + 0xFEE0) for code in range(0x21, 0x7F)} | {" ": "\u3000", '"': "”", "'": "’"}
)
_TO_HALF: Final = str.maketrans(
    {chr(code + 0xFEE0): chr(code) for code in range(0x21, 0x7F)} | {"\u3000": " "}
)
_FULL_KANA: Final = {chr(code): unicodedata.normalize("NFKC", chr(code)) for code in range(0xFF61, 0xFF9E)}
_MARKS: Final = {"ﾞ": "\u3099", "ﾟ": "\u309a", "\u3099": "\u3099", "\u309a": "\u309a"}  # as they combine
# Voiced kana that JIS X 0208 lacks: a name that a partner's charset could write must not become one of them.
_NOT_IN_JIS: Final = frozenset("ゔヷヸヹヺ")
_TO_FULL_KANA: Final = str.maketrans(_FULL_KANA | {"ﾞ": "゛", "ﾟ": "゜"})
_MARKED: Final = re.compile(f".[{''.join(_MARKS)}]")
_TO_CHANGE: Final = re.compile("[\uff61-\uff9f\u3099\u309a]")
_JOINERS: Final = frozenset("\u200dﾞﾟ")  # what stands with the character before it, besides combining marks
_SKIN_TONES: Final = ("\U0001f3fb", "\U0001f3ff")  # first and last


def kana(text: str) -> str:
    """Half-width kana as full-width ones, voice marks joined to their kana; nothing else changes.

    `relay.charset` folds kana just so.

    >>> kana("ｶﾞﾗｽ ①㈱ｱﾞ"), kana("カﾞﾗｽ ﾜﾞ")
    ('ガラス ①㈱ア゛', 'ガラス ワ゛')
    """
    # Most values have nothing to change, and a partner's rule may ask this of each value of each mail.
    if text.isascii() or not _TO_CHANGE.search(text):
        return text
    return _MARKED.sub(_joined, text).translate(_TO_FULL_KANA)


def full(text: str) -> str:
    """ASCII and half-width kana as full-width characters.

    >>> full('TS-01 (ｶﾞ)')
    'ＴＳ－０１\u3000（ガ）'
    """
    return kana(text).translate(_TO_FULL)


def half(text: str) -> str:
    """Full-width ASCII as ASCII, the full-width space as a space; kana stay.

    >>> half("ＴＳ－０１\u3000（ガ）")
    'TS-01 (ガ)'
    """
    return text.translate(_TO_HALF)


def full_parentheses(text: str) -> str:
    """Half-width parentheses as full-width ones: some readers take what half-width ones hold as a code.

    >>> full_parentheses("長袖Tシャツ(キッズ用)")
    '長袖Tシャツ（キッズ用）'
    """
    return text.replace("(", "（").replace(")", "）")


def beginning(text: str, length: int) -> str:
    r"""At most the first `length` characters.

    It ends before a character whose marks would be cut off it, unless nothing else would be left.

    >>> beginning("か\u3099き", 1), beginning("きか\u3099", 2)
    ('か', 'き')
    """
    end = length
    while 0 < end < len(text) and (_belongs_to_the_last(text[end]) or text[end - 1] == "\u200d"):
        end -= 1
    return text[: end or length]


def shortened(text: str, length: int) -> str:
    """At most `length` characters, the last one … when something was cut off.

    >>> shortened("長袖Tシャツ", 6), shortened("長袖Tシャツ", 4)
    ('長袖Tシャツ', '長袖T…')
    """
    if len(text) <= length:
        return text
    return (beginning(text, length - 1) if length > 1 else "") + ELLIPSIS


def padded(text: str, width: int) -> str:
    """Spaces at the end up to `width` columns; a full-width character takes two.

    >>> padded("品A", 5) + "|"
    '品A  |'
    """
    return text + " " * (width - columns(text))


def _joined(pair: re.Match[str]) -> str:
    """A character and the voice mark behind it as one kana, where there is such a one."""
    character = _FULL_KANA.get(pair[0][0], pair[0][0])
    whole = unicodedata.normalize("NFC", character + _MARKS[pair[0][1]])
    return whole if len(whole) == 1 and whole not in _NOT_IN_JIS else pair[0]


def _belongs_to_the_last(character: str) -> bool:
    return (
        unicodedata.category(character).startswith("M")
        or character in _JOINERS
        or _SKIN_TONES[0] <= character <= _SKIN_TONES[1]
    )
