"""The function that tells what a record should make a mail say, made from a template's plan.

It looks at no text: what a row prints is asked of the record just as rendering asks. Source: ours.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final, assert_never

from grammar.analysis import ORDERS
from grammar.ast import Condition, Field
from grammar.reader.code import Code
from grammar.reader.pattern import RowPattern, Slot
from grammar.reader.plan import Flat, Plan, nothing, width
from grammar.reader.shape import Always, Block, Choice, Maybe, Part, Repeat, Shape
from grammar.record import Record

_NO_ELEMENTS: Final[Mapping[str, str]] = MappingProxyType({})


def expectation(shape: Shape, plan: Plan) -> Callable[[Record], Flat]:
    """The function."""
    return _Expectation(shape, plan).function()


class _Expectation:
    """Makes the function that tells what a record should make a text say."""

    def __init__(self, shape: Shape, plan: Plan) -> None:
        self._shape = shape
        self._plan = plan
        self._code = Code("def expected(record):")

    def function(self) -> Callable[[Record], Flat]:
        self._code.add("out = []")
        if self._shape.unit == "order" and self._shape.uses_orders:
            self._code.add("order, = record.orders")
        self._parts(self._shape.parts, [])
        self._code.add("return out")
        return self._code.function({"any": any, "zip": zip})

    def _parts(self, parts: tuple[Part, ...], values: list[str]) -> None:
        """Statements that tell the values, and before them those that are given."""
        for part in parts:
            if isinstance(part, Always | Maybe) or part in self._plan.regexes:
                values += self._values(part)
                continue
            self._tell(values)
            values = []
            match part:
                case Repeat(over=over, deletes=True) if over == ORDERS:
                    self._rows_of_orders(part)
                case Repeat():
                    self._repeat(part)
                case Block():
                    with self._code.under("for order in record.orders:"):
                        self._parts(part.parts, ["''"])
                    self._code.add("out.append(None)")
                case Choice():
                    with self._code.under(f"if {self._condition(part.condition)}:"):
                        self._parts(part.first, ["''"])
                    with self._code.under("else:"):
                        self._parts(part.second, ["None"])
                case _:
                    assert_never(part)
        self._tell(values)

    def _values(self, part: Part) -> list[str]:
        """The values of a part of a run."""
        match part:
            case Always():
                return self._slots(part.pattern)
            case Maybe(pattern=pattern):
                if len(pattern.row.fields) == 1:
                    return [f"{self._value(pattern.row.fields[0])} or None"]
                there = ", ".join(self._slots(pattern))
                return [f"*(({there},) if {self._blankness(pattern)} else {nothing(part)})"]
            case Choice(first=first, second=second):
                ways = [[value for each in way for value in self._values(each)] for way in (first, second)]
                there = ", ".join(["''", *ways[0], *["None"] * sum(map(width, second))])
                other = ", ".join(["None", *["None"] * sum(map(width, first)), *ways[1]])
                return [f"*(({there},) if {self._condition(part.condition)} else ({other},))"]
            case Repeat() | Block():
                raise ValueError("a loop gives no fixed number of values")
            case _:
                assert_never(part)

    def _repeat(self, part: Repeat) -> None:
        elements: dict[str, str] = {}
        head = "for order in record.orders:"
        if part.over != ORDERS:
            fields = [field for field in part.pattern.row.fields if self._shape.is_element(field, part.over)]
            elements = {key: f"e{number}" for number, key in enumerate(dict.fromkeys(f.key for f in fields))}
            lists = ", ".join(f"record.elements({self._code.constant(key)})" for key in elements)
            head = f"for {', '.join(elements.values())} in {f'zip({lists})' if len(elements) > 1 else lists}:"
        values = ["''", *self._slots(part.pattern, elements)]
        with self._code.under(head):
            if part.deletes:
                with self._code.under(f"if {self._blankness(part.pattern, elements)}:"):
                    self._tell(values)
            else:
                self._tell(values)
        self._code.add("out.append(None)")

    def _rows_of_orders(self, part: Repeat) -> None:
        """A row that goes where an order has nothing for it: if one is there, the missing ones are told too.

        Otherwise a mail would be right for a record whose orders have changed places.
        """
        there, missing = self._slots(part.pattern), ["None"] * len(part.pattern.slots)
        self._code.add("passes = []")
        with self._code.under("for order in record.orders:"):
            self._code.add(
                f"passes += ('', {', '.join(there)}) if {self._blankness(part.pattern)} "
                f"else ('', {', '.join(missing)})"
            )
        self._code.add("if any(passes): out += passes", "out.append(None)")

    def _tell(self, values: list[str]) -> None:
        if values:
            self._code.add(f"out += ({', '.join(values)},)")

    def _blankness(self, pattern: RowPattern, elements: Mapping[str, str] = _NO_ELEMENTS) -> str:
        return " or ".join(self._value(field, elements) for field in pattern.row.fields)

    def _slots(self, pattern: RowPattern, elements: Mapping[str, str] = _NO_ELEMENTS) -> list[str]:
        return [self._joined(slot, elements) for slot in pattern.slots]

    def _joined(self, slot: Slot, elements: Mapping[str, str]) -> str:
        """What a slot prints; however many fields it has, no deeper than one of them."""
        values = [self._value(field, elements) for field in slot.fields]
        return values[0] if len(values) == 1 else f"f'{''.join(f'{{{value}}}' for value in values)}'"

    def _value(self, field: Field, elements: Mapping[str, str] = _NO_ELEMENTS) -> str:
        if field.key in elements:
            return elements[field.key]
        owner = "order" if self._shape.is_order(field) else "record"
        return f"{owner}[{self._code.constant(field.key)}]"

    def _condition(self, condition: Condition) -> str:
        value = self._value(condition.field)
        match condition.operator:
            case "":
                return value
            case "=":
                return f"{value} == {self._code.constant(condition.text)}"
            case "!=":
                return f"{value} != {self._code.constant(condition.text)}"
            case _:
                assert_never(condition.operator)
