"""The tree of a template: frozen nodes, each with its span.

Guarantees, for every node of `parse(source)`: `str(node)` is its source, character for character, and
`source[node.span.start : node.span.end] == str(node)`. Nothing here knows the catalogue. Source: ours.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, TypeAlias

from grammar.span import Span

Keyword = Literal["DELETE_BLANK_ROW", "LOOP"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """Characters that are printed as they stand; never a newline."""

    span: Span
    text: str

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """One step between a value and what is printed of it."""

    span: Span
    name: str
    argument: str | None  # what stands after the colon; "" and none are not the same

    def __str__(self) -> str:
        return self.name if self.argument is None else f"{self.name}:{self.argument}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """A place for a value, in one of the three printed forms."""

    span: Span
    name: str
    filters: tuple[Filter, ...] = ()
    brackets: str  # "<>", "[]" or "{}"

    def __str__(self) -> str:
        return f"{self.brackets[0]}$_{self.key}_${self.brackets[1]}"

    @property
    def key(self) -> str:
        """What is printed, as a record knows it: `PACK_NO`, `TOTAL|comma`."""
        return "|".join((self.name, *map(str, self.filters)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Directive:
    """A word at the head of a row that decides whether and how often the row is printed."""

    span: Span
    keyword: Keyword
    spelling: str  # as written: ##DELETE_BLANK_ROW_## and $LOOP_ are second spellings

    def __str__(self) -> str:
        return self.spelling


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One row of the template."""

    span: Span
    directives: tuple[Directive, ...]
    pieces: tuple[Text | Field, ...]
    newline: str  # "\n", or "" for a last row without one

    def __str__(self) -> str:
        return "".join(map(str, (*self.directives, *self.pieces))) + self.newline

    def has(self, keyword: Keyword) -> bool:
        """Whether the directive stands on this row."""
        return any(directive.keyword == keyword for directive in self.directives)

    @property
    def fields(self) -> tuple[Field, ...]:
        """The fields on the row, from left to right."""
        return tuple(piece for piece in self.pieces if isinstance(piece, Field))


@dataclass(frozen=True, slots=True, kw_only=True)
class Marker:
    """The row that opens or closes a block; it prints nothing."""

    span: Span
    spelling: str  # its newline included

    def __str__(self) -> str:
        return self.spelling


@dataclass(frozen=True, slots=True, kw_only=True)
class Loop:
    """A block that is printed once per order."""

    span: Span
    opening: Marker
    items: "tuple[Item, ...]"
    closing: Marker

    def __str__(self) -> str:
        return "".join(map(str, (self.opening, *self.items, self.closing)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """What an IF asks of a field, as it stands between `##IF ` and `##`: is it there, is it this text?"""

    span: Span
    field: Field
    operator: Literal["", "=", "!="]  # "" asks whether the field has something to see
    text: str  # compared with what the field prints; "" without an operator

    def __str__(self) -> str:
        return f"{self.field} {self.operator} {self.text}" if self.operator else str(self.field)


@dataclass(frozen=True, slots=True, kw_only=True)
class If:
    """Items that are printed when the condition holds, and those that are printed when it does not."""

    span: Span
    opening: Marker
    condition: Condition
    items: "tuple[Item, ...]"
    middle: Marker | None  # ##ELSE##
    others: "tuple[Item, ...]"
    closing: Marker

    def __str__(self) -> str:
        middle = () if self.middle is None else (self.middle,)
        return "".join(map(str, (self.opening, *self.items, *middle, *self.others, self.closing)))


Item: TypeAlias = Row | Loop | If


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """A whole template, or the one row of a subject or sender."""

    span: Span
    name: str  # for errors: usually the file
    source: str  # for errors: the excerpt
    is_line: bool  # a subject or a sender
    items: tuple[Item, ...]

    def __str__(self) -> str:
        return "".join(map(str, self.items))

    @property
    def rows(self) -> Iterator[Row]:
        """Every row that can print something, in the order of the source, those in blocks included."""
        return _rows(self.items)

    @property
    def fields(self) -> Iterator[Field]:
        """Every field that is printed or that a condition asks for, in the order of the source."""
        return _fields(self.items)


def _rows(items: tuple[Item, ...]) -> Iterator[Row]:
    """At most as deep as MAX_DEPTH, which the parser keeps to."""
    for item in items:
        match item:
            case Row():
                yield item
            case Loop():
                yield from _rows(item.items)
            case If():
                yield from _rows(item.items)
                yield from _rows(item.others)


def _fields(items: tuple[Item, ...]) -> Iterator[Field]:
    """As deep as `_rows`."""
    for item in items:
        match item:
            case Row():
                yield from item.fields
            case Loop():
                yield from _fields(item.items)
            case If():
                yield item.condition.field
                yield from _fields(item.items)
                yield from _fields(item.others)
