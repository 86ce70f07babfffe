"""What a template must keep to besides its grammar: known fields and filters, loops with something to repeat.

Finds every place that breaks a rule, from the top, up to `MAX_FAULTS`; a row with an unknown field is looked
at no further, since nobody knows what it means. Source: ours (docs/template-language.md, "LOOP", "Filters").
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Literal, assert_never

from grammar.ast import Directive, Field, If, Item, Loop, Row, Template
from grammar.errors import Kind, TemplateError, nearest
from grammar.fields import Catalogue, Scope
from grammar.filters import GATHERERS, fault
from grammar.limits import MAX_FAULTS
from grammar.span import Span

Unit = Literal["pack", "order"]
ORDERS: Literal["orders"] = "orders"


def analyse(template: Template, catalogue: Catalogue, unit: Unit) -> None:
    """Check the template against the catalogue.

    Raises:
        TemplateError: the template breaks a rule; `others` holds the further places where it does.
    """
    analysis = _Analysis(template=template, catalogue=catalogue, unit=unit)
    faults = list(islice(analysis.faults(template.items, in_block=False), MAX_FAULTS))
    if faults:
        faults[0].others = tuple(faults[1:])
        raise faults[0]


def field_scope(field: Field, catalogue: Catalogue) -> Scope:
    """Whether the field prints one text per pack or one per order; over all orders together, one per pack."""
    return "pack" if gathers(field) else catalogue[field.name].scope


def repeated(row: Row, catalogue: Catalogue) -> str:
    """What a LOOP row repeats for: `ORDERS`, the name of its list field, or nothing when it does not say."""
    fields = [field for field in row.fields if not gathers(field)]
    if any(catalogue[field.name].scope == "order" for field in fields):
        return ORDERS
    lists = {field.name for field in fields if catalogue[field.name].type == "list"}
    return lists.pop() if len(lists) == 1 else ""


def gathers(field: Field) -> bool:
    """Whether the field makes one text of all elements or orders: it begins with `sum`, `count` or `join`."""
    return bool(field.filters) and field.filters[0].name in GATHERERS


@dataclass(frozen=True, slots=True, kw_only=True)
class _Analysis:
    """The walk through one template; as deep as its blocks, which the parser has bounded."""

    template: Template
    catalogue: Catalogue
    unit: Unit

    def faults(self, items: Iterable[Item], *, in_block: bool) -> Iterator[TemplateError]:
        for item in items:
            match item:
                case Row():
                    yield from self._row_faults(item, in_block=in_block)
                case Loop():
                    if in_block:
                        yield self._nested_block(item)
                    yield from self.faults(item.items, in_block=True)
                case If():
                    yield from self._condition_faults(item, in_block=in_block)
                    yield from self.faults(item.items, in_block=in_block)
                    yield from self.faults(item.others, in_block=in_block)
                case _:
                    assert_never(item)

    def _row_faults(self, row: Row, *, in_block: bool) -> Iterator[TemplateError]:
        unknown = [field for field in row.fields if field.name not in self.catalogue]
        if unknown:
            yield from map(self._unknown_field, unknown)
            return
        loop = next((directive for directive in row.directives if directive.keyword == "LOOP"), None)
        over = repeated(row, self.catalogue) if loop else ""
        if loop and not over:
            yield self._nothing_to_repeat(row, loop)
        hint = (
            "a template of unit pack has one subject and sender for all orders: use a field of the pack"
            if self.template.is_line
            else "put ##LOOP## at its head, or the row between ##LOOP_BEGIN## and ##LOOP_END##"
        )
        for field in row.fields:
            yield from self._field_faults(field, order_known=in_block or loop is not None, hint=hint)
        if in_block and over == ORDERS:
            yield self._fault(
                row.directives[0].span,
                "nested-block",
                "a row that repeats once per order, inside a block that does so already",
                "take ##LOOP## out: the block repeats the row",
            )

    def _nothing_to_repeat(self, row: Row, loop: Directive) -> TemplateError:
        message = "LOOP needs a field of an order, or exactly one list field, on its row"
        hint = "put such a field on the row, or use ##LOOP_BEGIN## and ##LOOP_END## to repeat once per order"
        if gathering := [field for field in row.fields if gathers(field)]:
            field = gathering[0]
            message = f"LOOP has nothing to repeat for: {field.filters[0].name} makes {field.name} one text"
            hint = f"take {field.filters[0].name} or {loop} out"
        return self._fault(loop.span, "nothing-to-repeat", message, hint)

    def _condition_faults(self, block: If, *, in_block: bool) -> Iterator[TemplateError]:
        field = block.condition.field
        if field.name not in self.catalogue:
            yield self._unknown_field(field)
            return
        hint = "put the block of the IF between ##LOOP_BEGIN## and ##LOOP_END##"
        yield from self._field_faults(field, order_known=in_block, hint=hint)

    def _field_faults(self, field: Field, *, order_known: bool, hint: str) -> Iterator[TemplateError]:
        """The first mistake in its filters, else whether it is known which order is meant."""
        entry = self.catalogue[field.name]
        several = entry.scope == "order" or entry.type == "list"
        filters = [(each.name, each.argument) for each in field.filters]
        found = fault(filters, of=entry.type, several=several)
        if found:
            yield self._fault(field.filters[found.position].span, found.kind, found.message, found.hint)
        elif field_scope(field, self.catalogue) == "order" and not order_known and self.unit == "pack":
            message = f"{field.name} belongs to an order, and here it is not known to which"
            yield self._fault(field.span, "order-outside-loop", message, hint)

    def _nested_block(self, block: Loop) -> TemplateError:
        return self._fault(
            block.opening.span,
            "nested-block",
            "##LOOP_BEGIN## inside a block that is still open",
            "close the first block with ##LOOP_END##; inside it ##LOOP## may repeat a row over a list",
        )

    def _unknown_field(self, field: Field) -> TemplateError:
        name = field.name if len(field.name) <= 40 else field.name[:40] + "…"
        near = nearest(field.name, self.catalogue.entries)
        hint = f"did you mean {near}?" if near else "docs/template-language.md lists the fields"
        return self._fault(field.span, "unknown-field", f"unknown field {name}", hint)

    def _fault(self, span: Span, kind: Kind, message: str, hint: str) -> TemplateError:
        return TemplateError(
            kind=kind,
            message=message,
            hint=hint,
            source=self.template.source,
            span=span,
            name=self.template.name,
        )
