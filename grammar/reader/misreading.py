"""Why a mail would be misread: what its record makes it say beside what is read, row by row.

A person decides on such a mail in quarantine, so each difference names its row, field and order. Nothing here
is on the way of a mail that is right. Source: ours (docs/reading-back.md).
"""

from dataclasses import dataclass
from itertools import zip_longest
from typing import Final, Literal

from grammar.analysis import ORDERS
from grammar.reader.parting import furthest
from grammar.reader.plan import Flat, Plan
from grammar.reader.recognition import Parted
from grammar.reader.shape import Repeat, Shape
from grammar.reader.trace import Printed, printed, trace
from grammar.record import Record
from grammar.span import line_and_column

MAX_MISREADINGS: Final = 50  # of one mail that are told: a person needs no more to decide


@dataclass(frozen=True, slots=True, kw_only=True)
class Misreading:
    """One place where a mail would be misread.

    - label: a partner that reads by label takes the row for `read`, the label of another row.
    - value: `field` was printed as `expected` and is read as `read`.
    - structure: the row `expected` is read as another part of the template: `read`.
    """

    kind: Literal["value", "label", "structure"]
    row: int  # of the mail's text, from 1
    field: str  # the name in the catalogue, or nothing when the row has no field
    order: int | None  # index of the order that the row belongs to
    element: int | None  # index of the element, on a row that repeats over a list
    expected: str
    read: str


def explained(
    *, text: str, shape: Shape, plan: Plan, record: Record, expected: Flat, found: Flat | Parted
) -> tuple[Misreading, ...]:
    """The differences between what is read and what should be; nothing when no row is read otherwise."""
    return tuple(_Explanation(text, shape, plan, record).misreadings(expected, found)[:MAX_MISREADINGS])


class _Explanation:
    """One mail that is not proved."""

    def __init__(self, text: str, shape: Shape, plan: Plan, record: Record) -> None:
        self._text = text
        self._shape = shape
        self._plan = plan
        self._record = record

    def misreadings(self, expected: Flat, found: Flat | Parted) -> list[Misreading]:
        wanted = printed(trace(self._shape, self._plan, expected))
        if forged := self._forged(wanted):
            return forged
        if isinstance(found, Parted):
            return [self._parted(wanted, found)]
        differences: list[Misreading] = []
        for number, (row, read) in enumerate(
            zip_longest(wanted, printed(trace(self._shape, self._plan, found))), 1
        ):
            if row is None or read is None or row.pattern is not read.pattern or row.order != read.order:
                differences.append(self._structure(number, row, _shown(read)))
                break
            differences += self._values(number, row, read)
        return differences

    def _forged(self, wanted: list[Printed]) -> list[Misreading]:
        """The rows whose values are taken for labels."""
        found: list[Misreading] = []
        start = 0
        for number, row in enumerate(wanted, 1):
            risk = self._plan.labels.risk(row.pattern)
            if risk is not None and (label := self._plan.labels.found(self._text, start, risk)):
                found.append(self._misreading("label", number, row, (row.values[0], label)))
            end = self._text.find("\n", start)
            if end < 0:
                break
            start = end + 1
        return found

    def _parted(self, wanted: list[Printed], parted: Parted) -> Misreading:
        stop = furthest(self._text, parted, self._plan.labels)
        number, _ = line_and_column(self._text, stop.at)
        row = wanted[number - 1] if number <= len(wanted) else None
        return self._structure(number, row, parted.limit or stop.expected)

    def _values(self, number: int, row: Printed, read: Printed) -> list[Misreading]:
        return [
            self._misreading("value", number, row, (value, other), slot)
            for slot, (value, other) in enumerate(zip(row.values, read.values, strict=True))
            if value != other
        ]

    def _structure(self, number: int, row: Printed | None, read: str) -> Misreading:
        if row is None:
            return Misreading(
                kind="structure", row=number, field="", order=None, element=None, expected="", read=read
            )
        return self._misreading("structure", number, row, (row_text(row), read))

    def _misreading(
        self,
        kind: Literal["value", "label", "structure"],
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
        if row.repeat is not None and row.repeat.over == ORDERS:
            return self._index(row.repeat, row)
        if row.order is None and any(map(self._shape.is_order, row.pattern.row.fields)):
            return 0  # of unit order, where there is but one
        return row.order

    def _element(self, row: Printed) -> int | None:
        if row.repeat is None or row.repeat.over == ORDERS:
            return None
        return self._index(row.repeat, row)

    def _index(self, repeat: Repeat, row: Printed) -> int:
        """Which order or element a pass belongs to: blank ones that were deleted count as well."""
        if not repeat.deletes:
            return row.pass_number
        fields = repeat.pattern.row.fields
        if repeat.over == ORDERS:
            kept = [
                any(order[f.key] if self._shape.is_order(f) else self._record[f.key] for f in fields)
                for order in self._record.orders
            ]
        else:
            order = None if row.order is None else self._record.orders[row.order]
            lists = [self._record.elements(f.key) for f in fields if self._shape.is_element(f, repeat.over)]
            others = [
                order[f.key] if order is not None and self._shape.is_order(f) else self._record[f.key]
                for f in fields
                if not self._shape.is_element(f, repeat.over)
            ]
            kept = [any((*elements, *others)) for elements in zip(*lists, strict=True)]
        indices = [index for index, is_kept in enumerate(kept) if is_kept]
        return indices[row.pass_number]


def row_text(row: Printed) -> str:
    """The row as it stands in the mail."""
    pairs = zip(row.values, row.pattern.literals[1:], strict=True)
    return row.pattern.head + "".join(value + literal for value, literal in pairs)


def _shown(row: Printed | None) -> str:
    return "" if row is None else row.pattern.source
