"""The rows of a mail made one account: which values the mail gives, and whether its places agree.

Diagnostics: `ReadingError`. Source: ours.
"""

from collections.abc import Sequence

from grammar.analysis import ORDERS
from grammar.ast import Field
from grammar.reader.plan import Plan
from grammar.reader.reading import Reading, ReadingError
from grammar.reader.shape import Block, Repeat, Shape
from grammar.reader.trace import Event, Passes, Printed, Taken
from grammar.value import is_blank


def account(shape: Shape, plan: Plan, events: Sequence[Event]) -> Reading:
    """The values that a mail gives.

    Raises:
        ReadingError: two places of the mail say different things.
    """
    return _Account(shape, plan, events).reading()


class _Account:
    """One mail under way."""

    def __init__(self, shape: Shape, plan: Plan, events: Sequence[Event]) -> None:
        self._shape = shape
        self._plan = plan
        self._events = events
        self._row = 0
        self._count: int | None = 1 if shape.unit == "order" and shape.uses_orders else None
        self._fields: dict[str, str] = {}
        self._elements: dict[str, tuple[str, ...]] = {}
        self._orders: dict[int, dict[str, str]] = {}
        self._sources: dict[str, Field] = {}
        self._open_rows: list[int] = []

    def reading(self) -> Reading:
        self._count_orders()
        elements: dict[str, list[str]] = {}
        has_value = False  # the row before
        for event in self._events:
            match event:
                case Printed(pattern=pattern):
                    self._row += 1
                    if has_value and pattern.slots and is_blank(pattern.head):
                        self._open_rows.append(self._row)
                    has_value = bool(pattern.slots)
                    self._take(event, elements)
                case Passes(part=Repeat(over=over)) if over != ORDERS:
                    self._end_list(event.part, elements)
                    elements = {}
                case Taken():
                    pass
                case Passes():
                    pass
        self._conditions()
        orders = tuple(self._orders.get(index, {}) for index in range(self._count or 0))
        return Reading(
            fields=self._fields,
            elements=self._elements,
            orders=orders,
            sources=self._sources,
            open_rows=tuple(self._open_rows),
        )

    def _count_orders(self) -> None:
        """How many orders there are: every loop over them must say the same."""
        row = 0
        for event in self._events:
            if isinstance(event, Printed):
                row += 1
            if not isinstance(event, Passes) or event.orders is None:
                continue
            if self._count is None:
                self._count = event.orders
            elif event.orders != self._count:
                raise ReadingError(
                    "the loops over the orders do not run equally often: whose a row is, is not known",
                    row=max(row, 1),
                    column=1,
                    expected=f"{self._count} orders",
                    found=f"{event.orders}",
                )

    def _take(self, row: Printed, elements: dict[str, list[str]]) -> None:
        listed: dict[str, str] = {}  # by key: a list's field may stand twice on its row
        for slot, text in zip(row.pattern.slots, row.values, strict=True):
            if len(slot.fields) > 1:
                continue  # where one of them ends is not known
            field = slot.fields[0]
            key = field.key
            self._sources.setdefault(key, field)
            known = self._fields
            if row.repeat is not None and self._shape.is_element(field, row.repeat.over):
                known = listed
            elif self._shape.is_order(field):
                known = self._orders.setdefault(row.order or 0, {})
            if known.setdefault(key, text) != text:
                raise ReadingError(
                    f"{key} stands twice and does not say the same",
                    row=self._row,
                    column=1,
                    expected=known[key],
                    found=text,
                )
        for key, text in listed.items():
            elements.setdefault(key, []).append(text)

    def _end_list(self, part: Repeat | Block, elements: dict[str, list[str]]) -> None:
        """A list is read: it must be the same wherever it is printed, blank elements left aside."""
        assert isinstance(part, Repeat)
        for field in part.pattern.row.fields:
            if not self._shape.is_element(field, part.over):
                continue
            self._sources.setdefault(field.key, field)
            new = tuple(elements.get(field.key, ()))
            known = self._elements.get(field.key, new)
            if _seen(known) != _seen(new):
                raise ReadingError(
                    f"{field.key} is listed twice and not alike",
                    row=max(self._row, 1),
                    column=1,
                    expected=" ".join(known),
                    found=" ".join(new),
                )
            self._elements[field.key] = max(known, new, key=len)

    def _conditions(self) -> None:
        """What the ways that were taken tell of fields that are printed nowhere."""
        for event in self._events:
            if not isinstance(event, Taken) or not self._plan.is_told(event.part):
                continue
            condition = event.part.condition
            holds = event.holds if condition.operator != "!=" else not event.holds
            text = condition.text if condition.operator else ""
            if holds != bool(condition.operator):
                continue  # it is something else, or something: nobody knows what
            field = condition.field
            self._sources.setdefault(field.key, field)
            is_order = self._shape.is_order(field)
            known = self._orders.setdefault(event.order or 0, {}) if is_order else self._fields
            known.setdefault(field.key, text)


def _seen(elements: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(element for element in elements if not is_blank(element))
