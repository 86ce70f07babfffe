r"""The fixed text of a template, as it looks after a journey, spelled as the template has it.

Two things happen on the way that change no meaning: a charset conversion gives a character its other code
point (wave dash and full-width tilde), and a relay takes the spaces off the end of a row, so that the label
of a blank value ends in its colon. Both are undone in the template's own text; what stands where the template
has a field is left as it came.

Guarantees: no value is changed. Only a row that begins with a label is touched, because a value that begins
with one is refused in any case (`Reader.misreadings`), and only when one way of spelling it is left: not when
it is a row of the template as it came, when several rows of the template fit it, or when it could be shared
out to its fields otherwise. So a row that begins with a field is left as it came. At most `MAX_KEY` look-ups
and `MAX_FITTING` comparisons for a row, however many rows the template has.

Whether the result is what the template wrote is not decided here: it is read and written out again
(`recognition`). Source: the pairs are those of JIS X 0208 beside Microsoft's code page 932; RFC 5321 has no
rule that keeps spaces at the end of a row, and mail gateways strip them.
"""

import re
from collections.abc import Iterator
from functools import cached_property

from grammar.ast import Template
from grammar.reader.label import label_of
from grammar.reader.pattern import row_pattern
from relay.intake.reading.doubt import can_be_shared, fixed_texts

MAX_KEY = 64  # characters of a row's beginning that it is looked up by; labels have ten or so
MAX_FITTING = 4  # rows of a template that may fit one row: more say that it is anything

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


class _Spelled:
    """One row of a template."""

    def __init__(self, fixed: tuple[str, ...]) -> None:
        self.fixed = fixed

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        """The row after a journey, with a group for each field."""
        return _after_a_journey(self.fixed)

    def restored(self, row: str) -> str:
        """The row in the template's spelling; as it came when it does not fit, or fits in two ways."""
        match = self.pattern.fullmatch(row)
        if match is None:
            return row
        values = match.groups(default="")
        between = self.fixed[1:-1]
        if between and can_be_shared([*map(alike, values)], [*map(alike, between)]):
            return row
        return "".join(_interleaved(self.fixed, values))


class Spelling:
    """How one template spells what it prints itself."""

    def __init__(self, template: Template) -> None:
        self._rows: dict[str, list[_Spelled]] = {}  # by what they begin with
        rows = list(template.rows)
        for row in rows:
            # In a line (a subject) nothing else can be meant, whatever it begins with.
            if len(rows) == 1 or label_of(row_pattern(row))[0]:
                self._learn(fixed_texts(row))
        self._lengths = sorted({len(beginning) for beginning in self._rows})
        self._is_needed = any(map(_can_change, (each for row in rows for each in fixed_texts(row))))

    def restored(self, text: str) -> str:
        r"""The text with the template's spelling, row by row.

        >>> from grammar import parse
        >>> Spelling(parse("9時〜12時 <$_DEL_MEMO_$>\n")).restored("9時～12時 8～9時\n9時〜12時\n")
        '9時〜12時 8～9時\n9時〜12時 \n'
        """
        if not self._is_needed:
            return text
        return "\n".join(map(self._restored_row, text.split("\n")))

    def _restored_row(self, row: str) -> str:
        found = set[str]()
        for spelled in self._fitting(row):
            found.add(spelled.restored(row))
            if len(found) > 1 or row in found:
                return row
        return found.pop() if found else row

    def _fitting(self, row: str) -> list[_Spelled]:
        """The rows of the template that begin as this one does, if they are few."""
        head = alike(row[:MAX_KEY])
        found: list[_Spelled] = []
        for length in self._lengths:
            if length > len(head) or len(found) > MAX_FITTING:
                break
            found += (each for each in self._rows.get(head[:length], ()) if each.pattern.fullmatch(row))
        return found if len(found) <= MAX_FITTING else []

    def _learn(self, fixed: tuple[str, ...]) -> None:
        known = self._rows.setdefault(alike(fixed[0].rstrip(_SPACES))[:MAX_KEY], [])
        # Of rows that begin alike one too many is kept, by which it shows.
        if len(known) <= MAX_FITTING and all(each.fixed != fixed for each in known):
            known.append(_Spelled(fixed))


def _can_change(text: str) -> bool:
    return _HAS_ALIKE.search(text) is not None or text.endswith(tuple(_SPACES))


def _after_a_journey(fixed: tuple[str, ...]) -> re.Pattern[str]:
    """What a row may look like: either spelling, and perhaps without the spaces at its end.

    Each value but the last goes up to the first place where the next text fits, and no other place is tried.
    """
    if len(fixed) == 1:
        return re.compile(_with_end(fixed[0]))
    first, *middle, last = fixed
    pieces = [_either(first), *(f"(?>(.*?){_either(text)})" for text in middle)]
    if last:
        pieces.append(f"(.*?){_with_end(last)}")
        return re.compile("".join(pieces), re.DOTALL)
    before = fixed[-2]
    bare = before.rstrip(_SPACES)
    spaces = re.escape(before[len(bare) :])
    # The spaces before a blank value at the end go with it.
    pieces[-1] = _either(bare) if not middle else f"(?>(.*?){_either(bare)})"
    pieces.append(f"(?:{spaces}(.*))?" if spaces else "(.*)")
    return re.compile("".join(pieces), re.DOTALL)


def _with_end(text: str) -> str:
    bare = text.rstrip(_SPACES)
    return f"{_either(bare)}(?:{re.escape(text[len(bare) :])})?"


def _either(text: str) -> str:
    return "".join(_CLASSES.get(char, re.escape(char)) for char in text)


def _interleaved(fixed: tuple[str, ...], values: tuple[str, ...]) -> Iterator[str]:
    for text, value in zip(fixed, (*values, ""), strict=True):
        yield text
        yield value
