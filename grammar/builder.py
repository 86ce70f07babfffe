"""Tokens to nodes: each rule of the grammar as a function, called while lark reads.

Bottom up: no second walk over the source, and no recursion. Tokens come whole (a field with its filters, an
IF with its condition) and are taken apart here; the grammar has made sure that they can be. Source: ours.
"""

import re
from collections.abc import Iterable, Iterator
from typing import Literal, Protocol, cast

from grammar.ast import Condition, Directive, Field, Filter, If, Item, Loop, Marker, Row, Text
from grammar.span import Span

_FIELD_END = re.compile(r"_\$[>\]}]")
_IF = "##IF "


class Token(Protocol):
    """What the builder needs of lark's tokens, which are texts."""

    type: str
    start_pos: int | None

    def __str__(self) -> str: ...


class Builder:
    """One method per rule of `template.lark`."""

    def template(self, items: list[Item]) -> list[Item]:
        """The items, in order."""
        return items

    def line(self, tokens: list[Token]) -> list[Row]:
        """A row, or none when there is no text at all."""
        return [self.row(tokens)] if tokens else []

    def loop(self, parts: list[Token | Item]) -> Loop:
        """A marker, items, a marker."""
        opening, closing = _marker(parts[0]), _marker(parts[-1])
        return Loop(
            span=Span(start=opening.span.start, end=closing.span.end),
            opening=opening,
            items=tuple(cast("list[Item]", parts[1:-1])),
            closing=closing,
        )

    def if_block(self, parts: list[Token | Item]) -> If:
        """A marker, items, perhaps a marker and more items, a marker."""
        opening, closing = _marker(parts[0]), _marker(parts[-1])
        inner = parts[1:-1]
        at = next((index for index, part in enumerate(inner) if not isinstance(part, Row | Loop | If)), None)
        return If(
            span=Span(start=opening.span.start, end=closing.span.end),
            opening=opening,
            condition=_condition(opening),
            items=tuple(cast("list[Item]", inner[:at])),
            middle=None if at is None else _marker(inner[at]),
            others=() if at is None else tuple(cast("list[Item]", inner[at + 1 :])),
            closing=closing,
        )

    def open_row(self, tokens: list[Token]) -> Row:
        """A last row without its newline."""
        return self.row(tokens)

    def row(self, tokens: list[Token]) -> Row:
        """Directives, pieces and the newline, told apart by the types of their tokens."""
        directives: list[Directive] = []
        pieces: list[Text | Field] = []
        newline = ""
        for token in tokens:
            text, span = str(token), _span(token)
            match token.type:
                case "NEWLINE":
                    newline = text
                case "FIELD":
                    pieces.append(_field(text, span.start))
                case "DELETE_BLANK_ROW":
                    directives.append(Directive(span=span, keyword="DELETE_BLANK_ROW", spelling=text))
                case "LOOP" | "LOOP_GLUED":
                    directives.append(Directive(span=span, keyword="LOOP", spelling=text))
                case _:
                    pieces.append(Text(span=span, text=text))
        return Row(
            span=Span(start=_span(tokens[0]).start, end=_span(tokens[-1]).end),
            directives=tuple(directives),
            pieces=tuple(pieces),
            newline=newline,
        )


def _span(token: Token) -> Span:
    start = token.start_pos
    assert start is not None
    return Span(start=start, end=start + len(str(token)))


def _marker(part: Token | Item) -> Marker:
    assert not isinstance(part, Row | Loop | If)
    return Marker(span=_span(part), spelling=str(part))


def _field(text: str, start: int) -> Field:
    """The field that `text` spells, brackets included, at `start` of the source."""
    name, *spellings = text[3:-3].split("|")
    return Field(
        span=Span(start=start, end=start + len(text)),
        name=name,
        filters=tuple(_filters(spellings, start + 3 + len(name))),
        brackets=text[0] + text[-1],
    )


def _filters(spellings: Iterable[str], start: int) -> Iterator[Filter]:
    """The filters whose first `|` stands at `start`."""
    for spelling in spellings:
        name, colon, argument = spelling.partition(":")
        end = start + 1 + len(spelling)
        yield Filter(span=Span(start=start + 1, end=end), name=name, argument=argument if colon else None)
        start = end


def _condition(opening: Marker) -> Condition:
    r"""What the marker `##IF <$_NAME_$> = text##\n` asks."""
    text = opening.spelling.removesuffix("\n").removesuffix("##").removeprefix(_IF)
    start = opening.span.start + len(_IF)
    field_end = _FIELD_END.search(text)
    assert field_end is not None
    comparison = text[field_end.end() :]  # "", " = text" or " != text"
    operator, _, compared = comparison.removeprefix(" ").partition(" ")
    return Condition(
        span=Span(start=start, end=start + len(text)),
        field=_field(text[: field_end.end()], start),
        operator=cast("Literal['', '=', '!=']", operator),
        text=compared,
    )
