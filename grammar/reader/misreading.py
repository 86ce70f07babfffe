"""Why a mail would be misread: what its record makes it say beside what is read, row by row.

A person decides on such a mail in quarantine, so each difference names its row, field and order. Nothing here
is on the way of a mail that is right. Source: ours (docs/reading-back.md).
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice, zip_longest
from typing import Final, Literal

from grammar.analysis import ORDERS
from grammar.reader.parting import furthest
from grammar.reader.plan import Flat, Plan
from grammar.reader.recognition import Parted
from grammar.reader.shape import Repeat, Shape
from grammar.reader.trace import Event, Passes, Printed, printed, trace
from grammar.record import Record
from grammar.span import line_and_column

MAX_MISREADINGS: Final = 50  # of one mail that are told: a person needs no more to decide

Kind = Literal["value", "label", "structure", "orders"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Misreading:
    """One place where a mail would be misread.

    - label: a partner that reads by label takes the row for `read`, the label of another row.
    - value: `field` was printed as `expected` and is read as `read`.
    - structure: the row `expected` is read as another part of the template: `read`.
    - orders: a loop ran for `expected` orders, and up to this row it is read as run for `read`.
    """

    kind: Kind
    row: int  # of the mail's text, from 1
    field: str  # the name in the catalogue, or nothing when the row has no field
    order: int | None  # index of the order that the row belongs to
    element: int | None  # index of the element, on a row that repeats over a list
    expected: str
    read: str


def explained(
    *, text: str, shape: Shape, plan: Plan, record: Record, expected: Flat, found: Flat | Parted
) -> tuple[Misreading, ...]:
    """The differences between what is read and what should be.

    Nothing when all that the two lists differ in is what the mail does not tell: which of two ways of an IF
    was taken that print the same, or how often a loop ran that printed nothing.
    """
    explanation = _Explanation(text, shape, plan, record)
    wanted = trace(shape, plan, expected)
    return _first(explanation.forged(printed(wanted))) or _first(explanation.differences(wanted, found))


def _first(found: Iterable[Misreading]) -> tuple[Misreading, ...]:
    return tuple(islice(found, MAX_MISREADINGS))


class _Explanation:
    """One mail that is not proved."""

    def __init__(self, text: str, shape: Shape, plan: Plan, record: Record) -> None:
        self._text = text
        self._shape = shape
        self._plan = plan
        self._record = record

    def differences(self, wanted: list[Event], found: Flat | Parted) -> Iterator[Misreading]:
        """The rows that are read otherwise; behind one that is read as another part, nothing is compared."""
        rows = printed(wanted)
        if isinstance(found, Parted):
            yield self._parted(rows, found)
            return
        events = trace(self._shape, self._plan, found)
        for number, (row, read) in enumerate(zip_longest(rows, printed(events)), 1):
            if row is None or read is None or row.pattern is not read.pattern or row.order != read.order:
                yield self._structure(number, row, _shown(read))
                return
            yield from self._values(number, row, read)
        yield from _orders(wanted, events)

    def forged(self, wanted: list[Printed]) -> Iterator[Misreading]:
        """The rows whose values are taken for labels."""
        start = 0
        for number, row in enumerate(wanted, 1):
            risk = self._plan.labels.risk(row.pattern)
            if risk is not None and (label := self._plan.labels.found(self._text, start, risk)):
                yield self._misreading("label", number, row, (row.values[0], label))
            end = self._text.find("\n", start)
            if end < 0:
                return
            start = end + 1

    def _parted(self, wanted: list[Printed], parted: Parted) -> Misreading:
        stop = furthest(self._text, parted, self._plan.labels)
        number, _ = line_and_column(self._text, stop.at)
        row = wanted[number - 1] if number <= len(wanted) else None
        return self._structure(number, row, parted.limit or stop.expected)

    def _values(self, number: int, row: Printed, read: Printed) -> Iterator[Misreading]:
        for slot, (value, other) in enumerate(zip(row.values, read.values, strict=True)):
            if value != other:
                yield self._misreading("value", number, row, (value, other), slot)

    def _structure(self, number: int, row: Printed | None, read: str) -> Misreading:
        if row is None:
            return Misreading(
                kind="structure", row=number, field="", order=None, element=None, expected="", read=read
            )
        return self._misreading("structure", number, row, (row_text(row), read))

    def _misreading(
        self,
        kind: Kind,
        number: int,
        row: Printed,
        texts: tuple[str, str],
        slot: int = 0,
    ) -> Misreading:
        slots = row.pattern.slots
        return Misreading(
            kind=kind,
            row=number,
            field=slots[slot].fields[0].name if slots else "",
            order=self._order(row),
            element=self._element(row),
            expected=texts[0],
            read=texts[1],
        )

    def _order(self, row: Printed) -> int | None:
        if row.order is None and any(map(self._shape.is_order, row.pattern.row.fields)):
            return 0  # of unit order, where there is but one
        return row.order

    def _element(self, row: Printed) -> int | None:
        if row.repeat is None or row.repeat.over == ORDERS:
            return None
        return self._index(row.repeat, row)

    def _index(self, repeat: Repeat, row: Printed) -> int:
        """Which element a pass belongs to: blank ones that were deleted count as well."""
        if not repeat.deletes:
            return row.pass_number
        fields = repeat.pattern.row.fields
        order = None if row.order is None else self._record.orders[row.order]
        lists = [self._record.elements(f.key) for f in fields if self._shape.is_element(f, repeat.over)]
        others = [
            order[f.key] if order is not None and self._shape.is_order(f) else self._record[f.key]
            for f in fields
            if not self._shape.is_element(f, repeat.over)
        ]
        kept = (index for index, each in enumerate(zip(*lists, strict=True)) if any((*each, *others)))
        return next(islice(kept, row.pass_number, None))


def row_text(row: Printed) -> str:
    """The row as it stands in the mail."""
    pairs = zip(row.values, row.pattern.literals[1:], strict=True)
    return row.pattern.head + "".join(value + literal for value, literal in pairs)


def _orders(wanted: list[Event], read: list[Event]) -> Iterator[Misreading]:
    """The loops over the orders that are read as run more or less often: the last passes printed nothing."""
    counts = {event.part: event.orders for event in wanted if isinstance(event, Passes)}
    row = 0
    for event in read:
        if isinstance(event, Printed):
            row += 1
        elif isinstance(event, Passes) and event.orders is not None:
            expected = counts.get(event.part)
            if expected != event.orders:
                yield Misreading(
                    kind="orders",
                    row=max(row, 1),
                    field="",
                    order=None,
                    element=None,
                    expected=str(expected or 0),
                    read=str(event.orders),
                )


def _shown(row: Printed | None) -> str:
    return "" if row is None else row.pattern.source
