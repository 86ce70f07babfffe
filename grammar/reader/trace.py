"""The rows of a mail, one by one: a flat list of `proof` with the template's shape put back.

The list holds just the values; the shape says which row and which order each of them belongs to. Both
lists of a proof are traced alike, so that they can be compared row by row: the n-th row found is the n-th
row of the mail. Source: ours.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import TypeAlias, assert_never, cast

from grammar.analysis import ORDERS
from grammar.reader.pattern import RowPattern
from grammar.reader.plan import Flat, Plan, width
from grammar.reader.shape import Always, Block, Choice, Maybe, Part, Repeat, Shape


@dataclass(frozen=True, slots=True, kw_only=True)
class Printed:
    """A row of the mail."""

    pattern: RowPattern
    values: tuple[str, ...]  # one for each slot
    repeat: Repeat | None  # the loop that printed it, when it stands on a row of its own
    order: int | None  # of the block that it stands in
    pass_number: int  # of `repeat`, from 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Passes:
    """A loop is over."""

    part: Repeat | Block
    order: int | None
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """One way of an IF was taken."""

    part: Choice
    holds: bool
    order: int | None


Event: TypeAlias = Printed | Passes | Taken


def trace(shape: Shape, plan: Plan, flat: Flat) -> list[Event]:
    """What the flat list of this shape tells, in the order of the mail."""
    return list(_trace(plan, shape.parts, iter(flat), None))


def printed(events: list[Event]) -> list[Printed]:
    """The rows alone."""
    return [event for event in events if isinstance(event, Printed)]


def _trace(
    plan: Plan, parts: tuple[Part, ...], flat: Iterator[str | None], order: int | None
) -> Iterator[Event]:
    """At most as deep as MAX_DEPTH."""
    for part in parts:
        match part:
            case Always():
                yield _row(part.pattern, flat, order)
            case Maybe():
                values = tuple(islice(flat, len(part.pattern.slots)))
                if values[0] is not None:
                    yield _row(part.pattern, iter(values), order)
            case Repeat():
                count = 0
                while next(flat) is not None:
                    yield _row(part.pattern, flat, order, part, count)
                    count += 1
                yield Passes(part=part, order=order, count=count)
            case Block():
                count = 0
                while next(flat) is not None:
                    yield from _trace(plan, part.parts, flat, count)
                    count += 1
                yield Passes(part=part, order=order, count=count)
            case Choice():
                holds = next(flat) is not None
                yield Taken(part=part, holds=holds, order=order)
                inside = flat
                if part in plan.regexes:  # the values of both ways are there
                    ways = (part.first, part.second)
                    inside = [iter(list(islice(flat, sum(map(width, way))))) for way in ways][not holds]
                events = _trace(plan, part.first if holds else part.second, inside, order)
                # Where the mail does not show which way was taken, it shows nothing of the IFs inside.
                is_told = plan.is_told(part)
                yield from (event for event in events if is_told or not isinstance(event, Taken))
            case _:
                assert_never(part)


def _row(
    pattern: RowPattern,
    flat: Iterator[str | None],
    order: int | None,
    repeat: Repeat | None = None,
    pass_number: int = 0,
) -> Printed:
    values = cast("tuple[str, ...]", tuple(islice(flat, len(pattern.slots))))
    if repeat is not None and repeat.over == ORDERS:
        order = pass_number
    return Printed(pattern=pattern, values=values, repeat=repeat, order=order, pass_number=pass_number)
