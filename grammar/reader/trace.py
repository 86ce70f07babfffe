"""The rows of a mail, one by one: a flat list of `proof` with the template's shape put back.

The list holds just the values; the shape says which row and which order each of them belongs to. Both
lists of a proof are traced alike, so that they can be compared row by row: the n-th row found is the n-th
row of the mail. Source: ours.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import NamedTuple, TypeAlias, assert_never, cast

from grammar.analysis import ORDERS
from grammar.reader.pattern import RowPattern
from grammar.reader.plan import Flat, Plan, width
from grammar.reader.shape import Always, Block, Choice, Maybe, Part, Repeat, Shape, may_be_empty


class Printed(NamedTuple):
    """A row of the mail; a named tuple, since each row of each mail that is read makes one."""

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

    @property
    def orders(self) -> int | None:
        """How many orders it tells; None over a list, and when it has no row and its rows may be missing."""
        match self.part:
            case Block(parts=parts):
                is_seen = not may_be_empty(parts)
            case Repeat(over=over, deletes=deletes):
                if over != ORDERS:
                    return None
                is_seen = not deletes
        return self.count if self.count or is_seen else None


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
                yield _row(part.pattern, _values(part.pattern, flat), order)
            case Maybe():
                values = _values(part.pattern, flat)
                if values[0] is not None:
                    yield _row(part.pattern, values, order)
            case Repeat():
                count = 0
                while next(flat) is not None:
                    values = _values(part.pattern, flat)
                    if values[0] is not None:
                        yield _row(part.pattern, values, order, part, count)
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


def _values(pattern: RowPattern, flat: Iterator[str | None]) -> tuple[str | None, ...]:
    return tuple(islice(flat, len(pattern.slots)))


def _row(
    pattern: RowPattern,
    values: tuple[str | None, ...],
    order: int | None,
    repeat: Repeat | None = None,
    pass_number: int = 0,
) -> Printed:
    if repeat is not None and repeat.over == ORDERS:
        order = pass_number
    found = cast("tuple[str, ...]", values)  # of a row that is there, none is None
    return Printed(pattern=pattern, values=found, repeat=repeat, order=order, pass_number=pass_number)
