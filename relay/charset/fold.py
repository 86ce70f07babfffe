"""Folding: characters that a reader takes for the same become the one that both JIS profiles write.

Half-width kana become full-width, their voicing marks joined. Characters that sit at two code points, since
tables of Unicode gave one JIS character different ones, become the code point of JIS's own table. Nothing
else is changed: a text is never NFKC-folded as a whole, which would turn ① into 1, ㈱ into (株), Ａ into A.

Guarantees: never raises; a folded text folds to itself; what is not folded stays where it was.
Source: JIS X 0208 and JIS X 0201 beside Microsoft's code page 932; the choice of pairs is ours
(docs/mail-format.md, "Charsets").
"""

import re
import unicodedata

_FULL_WIDTH_KANA = {chr(code): unicodedata.normalize("NFKC", chr(code)) for code in range(0xFF61, 0xFF9E)}
_FOLDS = _FULL_WIDTH_KANA | {
    "\uff9e": "゛",  # a voicing mark that joins with nothing keeps its own place
    "\uff9f": "゜",
    "\uff5e": "\u301c",  # full-width tilde: wave dash 2141
    "\uff0d": "\u2212",  # full-width hyphen-minus: minus sign 215D
    "\u2014": "\u2015",  # em dash: horizontal bar 213D
    "\u2225": "\u2016",  # parallel to: double vertical line 2142
    "\uffe0": "\u00a2",  # full-width cent, pound and not sign: 2171, 2172, 224C
    "\uffe1": "\u00a3",
    "\uffe2": "\u00ac",
    "\u00a5": "\uffe5",  # yen sign: full-width 216F, for it must not become JIS X 0201 Roman
    "\u203e": "\uffe3",  # overline: full-width macron 2131, for the same reason
}
_FOLDED = re.compile(f"[{''.join(_FOLDS)}]")
_MARK = re.compile("[\u3099\u309a\uff9e\uff9f]")
_TO_FOLD = re.compile(f"[{''.join(_FOLDS)}\u3099\u309a]")


def fold_jis(text: str) -> str:
    """The text in the code points that the JIS profiles write, as far as there are such.

    >>> fold_jis("ｶﾞﾊﾟﾜ～ ① é")
    'ガパワ〜 ① é'
    """
    if text.isascii() or not _TO_FOLD.search(text):
        return text  # the way of nearly every text
    if _MARK.search(text):
        text = _VOICED_PAIR.sub(lambda pair: _VOICED_KANA.get(pair[0], pair[0]), text)
    return _FOLDED.sub(lambda char: _FOLDS[char[0]], text)


def _voiced_kana() -> dict[str, str]:
    """Every kana of JIS X 0208 with a voicing mark, by each way of writing the two one after the other."""
    half_width = {full: half for half, full in _FULL_WIDTH_KANA.items()}
    half_width |= {"\u3099": "\uff9e", "\u309a": "\uff9f"}
    joined: dict[str, str] = {}
    for whole in filter(_stands_in_jis, map(chr, range(0x3041, 0x30FF))):
        pair = unicodedata.normalize("NFD", whole)
        if len(pair) == 2:
            kana, mark = ({char, half_width.get(char, char)} for char in pair)
            joined |= {a + b: whole for a in kana for b in mark}
    return joined


def _stands_in_jis(kana: str) -> bool:
    try:
        kana.encode("euc_jp")
    except UnicodeEncodeError:
        return False
    return True


_VOICED_KANA = _voiced_kana()
_VOICED_PAIR = re.compile(f".{_MARK.pattern}")
