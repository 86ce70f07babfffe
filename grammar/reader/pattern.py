r"""What one row of a template looks like once it is printed: literal text, and slots where values stand.

Values hold no newline, so a row of the template is a row of the mail, and a mail is read row by row. Owns how
a row is cut up: a value ends where the literal text after it first occurs, the last value of a row where the
row does. Both are found without going back, so reading a row is linear in its length. Fields with nothing
between them share one slot: nobody can tell where one ends. Source: ours.
"""

import re
from dataclasses import dataclass
from typing import Final

from grammar.ast import Field, Row, Text
from grammar.value import is_blank

# Characters of a separator that are looked for; the rest must then follow. A text of near misses costs its
# length times this, so it is kept small; separators that people write have one to three characters.
MAX_SEPARATOR: Final = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """One or more fields that are printed with nothing between them."""

    fields: tuple[Field, ...]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RowPattern:
    """One row of a template, as it is read; two rows that look the same are two patterns."""

    row: Row
    literals: tuple[str, ...]  # one before each slot, and one after the last
    slots: tuple[Slot, ...]
    deletes: bool  # printed only when one of its fields has something to see
    is_last: bool  # its newline may be missing

    @property
    def head(self) -> str:
        """The literal text that the row begins with."""
        return self.literals[0]

    @property
    def is_text(self) -> bool:
        """Whether nothing on it changes from mail to mail."""
        return not self.slots

    @property
    def is_filled(self) -> bool:
        """Whether its one value always has something to see."""
        return self.deletes and len(self.slots) == 1

    @property
    def seen(self) -> bool:
        """Whether it is printed only with something to see on it, which its literals do not give."""
        return self.deletes and is_blank("".join(self.literals))

    @property
    def source(self) -> str:
        """What is printed on the row, as it stands in the template."""
        return "".join(map(str, self.row.pieces))

    def regex(self, *, groups: bool = True) -> str:
        r"""The row as a regular expression with a group for each slot, its newline included.

        A dot is any character but the newline.

        >>> from grammar.parser import parse
        >>> row_pattern(next(parse("[商品] <$_ITEM_NM_$>(<$_ORDER_QTY_$>)\n").rows)).regex()
        '\\[商品\\]\\ (?>(.*?)\\()(.*)\\)\\n'
        """
        opening = "(" if groups else "(?:"
        found = [r"(?=[^\S\n]*+\S)"] if self.seen and not self.is_filled else []
        opening += r"[^\S\n]*+\S" if self.is_filled else ""
        found.append(re.escape(self.literals[0]))
        last = len(self.slots) - 1
        for index, literal in enumerate(self.literals[1:]):
            if index < last or len(literal) > MAX_SEPARATOR:
                sought, rest = re.escape(literal[:MAX_SEPARATOR]), re.escape(literal[MAX_SEPARATOR:])
                found.append(f"(?>{opening}.*?){sought}){rest}")
            else:
                found.append(f"{opening}.*){re.escape(literal)}" if literal else f"{opening}.*+)")
        found.append(r"(?:\n|\Z)" if self.is_last else r"\n")
        return "".join(found)

    def parting(self, text: str, start: int) -> tuple[int, str] | None:
        """Where the row of the text that begins at `start` leaves this one, and what stands there in it.

        None when it does not: the whole row is as the template has it.
        """
        end = text.find("\n", start)
        row = text[start : end if end >= 0 else len(text)]
        found = self._parting(row)
        if end < 0 and not self.is_last:
            found = found or (len(row), "\n" if row else self.source or "\n")
        return found and (start + found[0], found[1])

    def _parting(self, row: str) -> tuple[int, str] | None:
        at, last = len(self.head), len(self.slots) - 1
        if not row.startswith(self.head):
            return _common(row, self.head), self.head
        for index, literal in enumerate(self.literals[1:]):
            if index < last or len(literal) > MAX_SEPARATOR:
                found = row.find(literal[:MAX_SEPARATOR], at)
                if found < 0 or not row.startswith(literal, found):
                    return len(row) if found < 0 else found, literal
                at = found + len(literal)
            elif len(row) - len(literal) < at or not row.endswith(literal):
                return len(row), literal
            else:
                at = len(row)
        if at < len(row):
            return at, "\n"
        # What is left of a row with one value is that value.
        value = row[len(self.head) : len(row) - len(self.literals[-1])] if self.is_filled else row
        return (len(self.head), self.source) if (self.is_filled or self.seen) and is_blank(value) else None


def row_pattern(row: Row) -> RowPattern:
    """The pattern of a row, its directives left aside."""
    literals, slots = [""], list[Slot]()
    for piece in row.pieces:
        match piece:
            case Text():
                literals[-1] += piece.text
            case Field() if slots and not literals[-1]:
                slots[-1] = Slot(fields=(*slots[-1].fields, piece))
            case Field():
                slots.append(Slot(fields=(piece,)))
                literals.append("")
    return RowPattern(
        row=row,
        literals=tuple(literals),
        slots=tuple(slots),
        deletes=row.has("DELETE_BLANK_ROW") and bool(slots),
        is_last=not row.newline,
    )


def run_regex(patterns: tuple[RowPattern, ...], *, groups: bool = True) -> str:
    """Rows that follow each other."""
    return "".join(pattern.regex(groups=groups) for pattern in patterns)


def _common(one: str, other: str) -> int:
    """How many characters the two begin with together."""
    for index, (left, right) in enumerate(zip(one, other, strict=False)):
        if left != right:
            return index
    return min(len(one), len(other))
