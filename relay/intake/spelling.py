r"""The fixed text of a template, as it looks after a journey, spelled as the template has it.

Two things happen on the way that change no meaning: a charset conversion gives a character its other code
point (wave dash and full-width tilde), and a relay takes the spaces off the end of a row, so that the label
of a blank value ends in its colon. Both are undone on rows that a row of the template accounts for, in the
template's own text; what stands where the template has a field is left as it came.

Guarantees: a text that needs nothing of this comes back as it is. Whether the result is what the template
wrote is not decided here: it is read and written out again (`recognition`). Linear in the text, for each row
of the template that holds such a character.

Source: the pairs are those of JIS X 0208 beside Microsoft's code page 932; RFC 5321 has no rule that keeps
spaces at the end of a row, and mail gateways strip them.
"""

import re
from collections.abc import Iterator

from grammar.ast import Field, Row, Template, Text

# Each pair is one character of JIS X 0208 that tables of Unicode give two code points.
_ALIKE = ("〜～", "−－", "―—", "‖∥", "¢￠", "£￡", "¬￢", "￥¥", "￣‾")
_FIRST = str.maketrans({pair[1]: pair[0] for pair in _ALIKE})
_CLASSES = {char: f"[{pair}]" for pair in _ALIKE for char in pair}
_HAS_ALIKE = re.compile(f"[{''.join(_ALIKE)}]")
_SPACES = " \t"  # what gateways strip; a full-width space stays


def alike(text: str) -> str:
    """The text with each such character in one spelling, for comparing; no character moves.

    >>> alike("9時～12時") == alike("9時〜12時")
    True
    """
    return text if text.isascii() else text.translate(_FIRST)


def beginning_alike(text: str) -> str:
    r"""The beginning of a text as it may be compared after a journey: `alike`, no spaces at a row's end.

    >>> beginning_alike("時間 \n9時～12時 ")
    '時間\n9時〜12時'
    """
    return "\n".join(row.rstrip(_SPACES) for row in alike(text).split("\n"))


class Spelling:
    """How one template spells what it prints itself."""

    def __init__(self, template: Template) -> None:
        self._patterns: list[tuple[re.Pattern[str], tuple[str, ...]]] = []
        self._labels: dict[str, str] = {}  # a whole row without the spaces at its end, to its full text
        self._endings: dict[str, str] = {}  # the same for the text before a row's last field
        for row in template.rows:
            fixed = fixed_texts(row)
            self._learn_alike(fixed)
            self._learn_ending(fixed)

    def restored(self, text: str) -> str:
        r"""The text with the template's spelling, row by row.

        >>> from grammar import parse
        >>> Spelling(parse("9時〜12時 <$_DEL_MEMO_$>\n")).restored("9時～12時 8～9時\n9時〜12時\n")
        '9時〜12時 8～9時\n9時〜12時 \n'
        """
        if not (self._patterns or self._labels or self._endings):
            return text
        return "\n".join(map(self._restored_row, text.split("\n")))

    def _restored_row(self, row: str) -> str:
        if _HAS_ALIKE.search(row):
            for pattern, fixed in self._patterns:
                if match := pattern.fullmatch(row):
                    row = "".join(_interleaved(fixed, match.groups()))
                    break
        if full := self._labels.get(row):
            return full
        for stripped, spaces in self._endings.items():
            if row.endswith(stripped):
                return row + spaces
        return row

    def _learn_alike(self, fixed: tuple[str, ...]) -> None:
        if not any(map(_HAS_ALIKE.search, fixed)):
            return
        first, *others = ["".join(_CLASSES.get(char, re.escape(char)) for char in text) for text in fixed]
        # Each value goes up to the first place where the next text fits, and no other place is tried.
        values = [f"(?>(.*?){text})" for text in others[:-1]] + [f"(.*){text}" for text in others[-1:]]
        self._patterns.append((re.compile("".join((first, *values)), re.DOTALL), fixed))

    def _learn_ending(self, fixed: tuple[str, ...]) -> None:
        *_, before, last = ("", *fixed)
        ending = last or before
        stripped = ending.rstrip(_SPACES)
        if not stripped or stripped == ending:
            return
        if fixed in {(ending,), (ending, "")}:
            self._labels[stripped] = ending
        else:
            self._endings[stripped] = ending[len(stripped) :]


def fixed_texts(row: Row) -> tuple[str, ...]:
    """What stands before, between and behind the fields of a row: one more than there are fields."""
    texts = [""]
    for piece in row.pieces:
        match piece:
            case Text(text=text):
                texts[-1] += text
            case Field():
                texts.append("")
    return tuple(texts)


def _interleaved(fixed: tuple[str, ...], values: tuple[str, ...]) -> Iterator[str]:
    for text, value in zip(fixed, (*values, ""), strict=True):
        yield text
        yield value
