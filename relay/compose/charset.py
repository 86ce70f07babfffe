"""Charset profiles: how text becomes the bytes of one partner's mail, and what cannot.

A partner reads one of these, and nobody publishes which, so `partner.yaml` chooses. A `Charset` is a value
with three functions; another profile is one more value here and nothing elsewhere.

- `utf-8` writes every character.
- `iso-2022-jp` is RFC 1468 and no more of it than strict readers take: ASCII and JIS X 0208. The codec also
  knows JIS X 0201 Roman (`ESC ( J`, for the yen sign and the overline), which many readers show as a
  backslash and a tilde; it is never written. Characters that are the same to a reader but sit at two code
  points are folded (full-width tilde and wave dash); half-width kana become full-width, their voicing
  marks joined.

Guarantees: nothing is replaced by `?` or dropped. Text that a charset cannot write raises `CharacterError`,
which names such characters. No text is NFKC-folded as a whole: that would turn ① into 1.
Source: RFC 1468; the folds are between the code points that different tables give one JIS character.
"""

import re
import unicodedata
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import assert_never

from relay.errors import DenreiError
from relay.registry import Charset as Profile

MAX_NAMED = 20  # characters that one error names

# What no mail may carry, whatever its charset: C0, DEL and C1 controls but tab and line feed (RFC 2046
# section 4.1.1 allows CR only before LF, which `mime` writes), and lone surrogates, no characters at all.
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")

_FULL_WIDTH_KANA = {chr(code): unicodedata.normalize("NFKC", chr(code)) for code in range(0xFF61, 0xFF9E)}
_JIS_FOLD = str.maketrans(
    _FULL_WIDTH_KANA
    | {
        "\uff9e": "゛",  # a voicing mark that joins with nothing keeps its own place
        "\uff9f": "゜",
        "\uff5e": "\u301c",  # full-width tilde: wave dash 2141
        "\uff0d": "\u2212",  # full-width hyphen-minus: minus sign 215D
        "\u2014": "\u2015",  # em dash: the codec has the horizontal bar at 213D
        "\u2225": "\u2016",  # parallel to: double vertical line 2142
        "\uffe0": "\u00a2",  # full-width cent, pound and not sign: 2171, 2172, 224C
        "\uffe1": "\u00a3",
        "\uffe2": "\u00ac",
        "\u00a5": "\uffe5",  # yen sign: full-width 216F, for it must not become JIS X 0201 Roman
        "\u203e": "\uffe3",  # overline: full-width macron 2131, for the same reason
    }
)
_JIS_ROMAN = b"\x1b(J"


class CharacterError(DenreiError):
    """A text holds characters that its charset cannot write, or that no mail may carry."""

    def __init__(self, characters: tuple[str, ...], label: str) -> None:
        self.characters = characters  # each once, in the order of the text, `MAX_NAMED` at most
        self.label = label  # of what cannot hold them: a charset, "a mail" or "a header"
        super().__init__("; ".join(f"{shown(char)} cannot be written in {label}" for char in characters))


@dataclass(frozen=True, slots=True, kw_only=True)
class Charset:
    """One profile: what it is called on the wire and how it writes text."""

    label: str  # as in Content-Type and encoded-words
    seven_bit: bool  # its bytes need no transfer encoding while lines are short enough
    fold: Callable[[str], str]  # the text as this charset can write it; raises CharacterError
    encode: Callable[[str], bytes]  # folded text, or any piece of it, as bytes complete in themselves
    write: Callable[[str], bytes]  # rows as bytes with CRLF: folded and encoded in one; raises CharacterError


def shown(char: str) -> str:
    r"""A character as a person can find it.

    >>> shown("①"), shown("\u00a0")
    ("'①' (U+2460)", 'U+00A0')
    """
    code = f"U+{ord(char):04X}"
    return f"'{char}' ({code})" if char.isprintable() else code


def first_distinct(characters: Iterable[str]) -> tuple[str, ...]:
    """Each character once, in order; as many as anybody will mend before trying again."""
    found: dict[str, None] = {}
    for char in characters:
        found[char] = None
        if len(found) == MAX_NAMED:
            break
    return tuple(found)


def charset_of(profile: Profile) -> Charset:
    """The charset of a partner's profile."""
    match profile:
        case "utf-8":
            return UTF_8
        case "iso-2022-jp":
            return ISO_2022_JP
        case _:
            assert_never(profile)


def _refuse_controls(text: str) -> None:
    if _CONTROL.search(text):
        raise CharacterError(first_distinct(_CONTROL.findall(text)), "a mail")


def _fold_utf_8(text: str) -> str:
    _refuse_controls(text)
    return text


def _encode_utf_8(text: str) -> bytes:
    return text.encode("utf-8")


def _write_utf_8(text: str) -> bytes:
    _refuse_controls(text)
    return text.replace("\n", "\r\n").encode("utf-8")


def _fold_jis(text: str) -> str:
    """Text of ASCII and JIS X 0208 only.

    >>> _fold_jis("ｶﾞﾊﾟﾜ～")
    'ガパワ〜'
    """
    _refuse_controls(text)
    if _writes_jis(text):
        return text
    folded = _VOICED_PAIR.sub(lambda pair: _VOICED_KANA[pair[0]], text).translate(_JIS_FOLD)
    if not _writes_jis(folded):
        distinct = dict.fromkeys(folded)  # a hostile text repeats one character a million times
        raise CharacterError(
            first_distinct(char for char in distinct if not _writes_jis(char)), ISO_2022_JP.label
        )
    return folded


def _encode_jis(text: str) -> bytes:
    return text.encode("iso2022_jp")


def _write_jis(text: str) -> bytes:
    # The codec is slow, so a whole body is encoded once; only one that needs folding is encoded again.
    _refuse_controls(text)
    rows = text.replace("\n", "\r\n")
    try:
        coded = _encode_jis(rows)
    except UnicodeEncodeError:
        coded = _JIS_ROMAN
    return coded if _JIS_ROMAN not in coded else _encode_jis(_fold_jis(text).replace("\n", "\r\n"))


def _writes_jis(text: str) -> bool:
    try:
        return _JIS_ROMAN not in text.encode("iso2022_jp")
    except UnicodeEncodeError:
        return False


def _voiced_kana() -> dict[str, str]:
    """Every kana of JIS X 0208 with a voicing mark, by each way of writing the two one after the other."""
    half_width = {full: half for half, full in _FULL_WIDTH_KANA.items()}
    half_width |= {"\u3099": "\uff9e", "\u309a": "\uff9f"}
    joined: dict[str, str] = {}
    for whole in filter(_writes_jis, map(chr, range(0x3041, 0x30FF))):
        pair = unicodedata.normalize("NFD", whole)
        if len(pair) == 2:
            kana, mark = ({char, half_width.get(char, char)} for char in pair)
            joined |= {a + b: whole for a in kana for b in mark}
    return joined


_VOICED_KANA = _voiced_kana()
_VOICED_PAIR = re.compile("|".join(_VOICED_KANA))

UTF_8 = Charset(label="UTF-8", seven_bit=False, fold=_fold_utf_8, encode=_encode_utf_8, write=_write_utf_8)
ISO_2022_JP = Charset(
    label="ISO-2022-JP", seven_bit=True, fold=_fold_jis, encode=_encode_jis, write=_write_jis
)
