"""The tree of a template: frozen nodes, each with its span.

Guarantees, for every node of `parse(source)`: `str(node)` is its source, character for character, and
`source[node.span.start : node.span.end] == str(node)`. Nothing here knows the catalogue. Source: ours.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

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
class Field:
    """A place for a value, in one of the three printed forms."""

    span: Span
    name: str
    brackets: str  # "<>", "[]" or "{}"

    def __str__(self) -> str:
        return f"{self.brackets[0]}$_{self.name}_${self.brackets[1]}"


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
    """A block of rows that is printed once per order."""

    span: Span
    opening: Marker
    rows: tuple[Row, ...]
    closing: Marker

    def __str__(self) -> str:
        return "".join(map(str, (self.opening, *self.rows, self.closing)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """A whole template, or the one row of a subject or sender."""

    span: Span
    name: str  # for errors: usually the file
    source: str  # for errors: the excerpt
    is_line: bool  # a subject or a sender
    items: tuple[Row | Loop, ...]

    def __str__(self) -> str:
        return "".join(map(str, self.items))

    @property
    def rows(self) -> Iterator[Row]:
        """Every row that can print something, in order, those in blocks included."""
        for item in self.items:
            if isinstance(item, Loop):
                yield from item.rows
            else:
                yield item
