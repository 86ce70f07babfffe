"""The rows of a template with what decides whether they are printed: what reading and checking walk along.

Made from the tree, with the catalogue's word on each row: which rows always stand, which may be missing,
which repeat over what. A `Place` is a point between rows; `nexts` tells which rows can be printed from there
on, up to `MAX_NEXTS`, so that walking is linear in the template. Source: ours.
"""

from collections.abc import Generator, Iterator
from dataclasses import dataclass
from typing import Final, TypeAlias, assert_never

from grammar.analysis import Unit, field_scope, gathers, repeated
from grammar.ast import Condition, Field, If, Item, Loop, Row, Template
from grammar.fields import Catalogue
from grammar.reader.pattern import RowPattern, row_pattern
from grammar.span import Span
from grammar.value import is_blank

# Rows that may come next at one place. A place with more (as many rows in a row that may be missing) is not
# looked at to its end, and `checks` says so.
MAX_NEXTS: Final = 32


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Always:
    """A row that is printed once."""

    pattern: RowPattern


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Maybe:
    """A row that goes when all its fields are blank."""

    pattern: RowPattern


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Repeat:
    """A row that is printed once per order or once per element of a list."""

    pattern: RowPattern
    over: str  # ORDERS or the name of the list field
    deletes: bool  # a repetition with nothing to see goes


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Block:
    """What is printed once per order."""

    span: Span  # of the row that opens it
    parts: "tuple[Part, ...]"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Choice:
    """Two ways to go on."""

    condition: Condition
    first: "tuple[Part, ...]"  # when the condition holds
    second: "tuple[Part, ...]"


Part: TypeAlias = Always | Maybe | Repeat | Block | Choice


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Shape:
    """A whole template."""

    template: Template
    catalogue: Catalogue
    unit: Unit
    parts: tuple[Part, ...]

    @property
    def patterns(self) -> Iterator[RowPattern]:
        """The rows, in the order of the source."""
        return _patterns(self.parts)

    @property
    def uses_orders(self) -> bool:
        """Whether a field of an order stands anywhere, in a condition too."""
        return any(map(self.is_order, self.template.fields))

    def is_element(self, field: Field, over: str) -> bool:
        """Whether the field stands for an element, on a row that repeats over `over`."""
        return field.name == over and not gathers(field)

    def is_order(self, field: Field) -> bool:
        """Whether the field belongs to an order."""
        return field_scope(field, self.catalogue) == "order"


def shape_of(template: Template, *, catalogue: Catalogue, unit: Unit) -> Shape:
    """The shape of a template that has been analysed."""
    return Shape(template=template, catalogue=catalogue, unit=unit, parts=_parts(template.items, catalogue))


def _parts(items: tuple[Item, ...], catalogue: Catalogue) -> tuple[Part, ...]:
    """At most as deep as MAX_DEPTH."""
    parts: list[Part] = []
    for item in items:
        match item:
            case Row():
                parts += _row_parts(item, catalogue)
            case Loop():
                parts.append(Block(span=item.opening.span, parts=_parts(item.items, catalogue)))
            case If():
                first, second = _parts(item.items, catalogue), _parts(item.others, catalogue)
                parts.append(Choice(condition=item.condition, first=first, second=second))
            case _:
                assert_never(item)
    return tuple(parts)


def _row_parts(row: Row, catalogue: Catalogue) -> tuple[Part, ...]:
    pattern, deletes = row_pattern(row), row.has("DELETE_BLANK_ROW")
    if row.has("LOOP"):
        return (Repeat(pattern=pattern, over=repeated(row, catalogue), deletes=deletes),)
    if not deletes:
        return (Always(pattern=pattern),)
    if row.fields:
        return (Maybe(pattern=pattern),)
    return () if is_blank(pattern.head) else (Always(pattern=pattern),)


def _patterns(parts: tuple[Part, ...]) -> Iterator[RowPattern]:
    for part in parts:
        match part:
            case Always() | Maybe() | Repeat():
                yield part.pattern
            case Block():
                yield from _patterns(part.parts)
            case Choice():
                yield from _patterns(part.first)
                yield from _patterns(part.second)
            case _:
                assert_never(part)


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A point of the template: before the part `index` of `parts`."""

    parts: tuple[Part, ...]
    index: int = 0
    repeats: bool = False  # after the last part comes the first again, or what follows
    outer: "Place | None" = None  # where it goes on after the last part; None: nowhere

    @property
    def after(self) -> "Place":
        """The point behind the next part."""
        return Place(parts=self.parts, index=self.index + 1, repeats=self.repeats, outer=self.outer)

    def into(self, parts: tuple[Part, ...], *, repeats: bool = False) -> "Place":
        """The beginning of a part's own parts, after which it goes on behind that part."""
        return Place(parts=parts, repeats=repeats, outer=self.after)


@dataclass(frozen=True, slots=True, kw_only=True)
class Next:
    """A row that can be the next to be printed, and where one is after it; no row: the mail ends here."""

    pattern: RowPattern | None
    after: Place


def nexts(place: Place) -> list[Next]:
    """What can be printed next at a place; longer than `MAX_NEXTS` when there is more than is looked at."""
    return _distinct(_nexts(place))


def firsts(place: Place) -> list[Next]:
    """What can be printed next of the parts of the place alone, without what follows; so bounded too."""
    return _distinct(_within(place))


def may_be_empty(parts: tuple[Part, ...]) -> bool:
    """Whether the parts may print nothing. At most as deep as MAX_DEPTH."""
    return all(
        may_be_empty(part.first) or may_be_empty(part.second)
        if isinstance(part, Choice)
        else not isinstance(part, Always)
        for part in parts
    )


def _distinct(found: Iterator[Next]) -> list[Next]:
    distinct: dict[RowPattern | None, Next] = {}
    for following in found:
        distinct.setdefault(following.pattern, following)
        if len(distinct) > MAX_NEXTS:
            break
    return list(distinct.values())


def _nexts(place: Place) -> Iterator[Next]:
    while (yield from _within(place)):
        if place.repeats:
            yield from _within(Place(parts=place.parts, repeats=True, outer=place.outer))
        if place.outer is None:
            yield Next(pattern=None, after=place)
            return
        place = place.outer


def _within(place: Place) -> Generator[Next, None, bool]:
    """The next rows among the parts of the place; returns whether their end may be reached without any.

    At most as deep as MAX_DEPTH.
    """
    while place.index < len(place.parts):
        part = place.parts[place.index]
        match part:
            case Always():
                yield Next(pattern=part.pattern, after=place.after)
                return False
            case Maybe():
                yield Next(pattern=part.pattern, after=place.after)
            case Repeat():
                yield Next(pattern=part.pattern, after=place)
            case Block():
                yield from _within(place.into(part.parts, repeats=True))
            case Choice():
                first = yield from _within(place.into(part.first))
                second = yield from _within(place.into(part.second))
                if not (first or second):
                    return False
            case _:
                assert_never(part)
        place = place.after
    return True
