"""What a template must keep to besides its grammar: known fields, and loops that know what they repeat for.

Finds every place that breaks a rule, from the top, up to `MAX_FAULTS`; a row with an unknown field is looked
at no further, since nobody knows what it means. Source: ours (docs/template-language.md, "LOOP").
"""

from collections.abc import Iterator
from itertools import islice
from typing import Literal

from grammar.ast import Field, Loop, Row, Template
from grammar.errors import Kind, TemplateError, nearest
from grammar.fields import Catalogue
from grammar.limits import MAX_FAULTS
from grammar.span import Span

Unit = Literal["pack", "order"]
ORDERS: Literal["orders"] = "orders"


def analyse(template: Template, catalogue: Catalogue, unit: Unit) -> None:
    """Check the template against the catalogue.

    Raises:
        TemplateError: the template breaks a rule; `others` holds the further places where it does.
    """
    faults = list(islice(_faults(template, catalogue, unit), MAX_FAULTS))
    if faults:
        faults[0].others = tuple(faults[1:])
        raise faults[0]


def _faults(template: Template, catalogue: Catalogue, unit: Unit) -> Iterator[TemplateError]:
    for item in template.items:
        in_block = isinstance(item, Loop)
        for row in item.rows if isinstance(item, Loop) else (item,):
            unknown = [field for field in row.fields if field.name not in catalogue]
            if unknown:
                yield from (_unknown_field(template, field, catalogue) for field in unknown)
                continue
            yield from _row_faults(template, row, catalogue, order_known=unit == "order" or in_block)
            if in_block and row.has("LOOP") and repeated(row, catalogue) == ORDERS:
                yield _fault(
                    template,
                    row.directives[0].span,
                    "nested-block",
                    "a row that repeats once per order, inside a block that does so already",
                    "take ##LOOP## out: the block repeats the row",
                )


def repeated(row: Row, catalogue: Catalogue) -> str:
    """What a LOOP row repeats for: `ORDERS`, the name of its list field, or nothing when it does not say."""
    if any(catalogue[field.name].scope == "order" for field in row.fields):
        return ORDERS
    lists = {field.name for field in row.fields if catalogue[field.name].type == "list"}
    return lists.pop() if len(lists) == 1 else ""


def _row_faults(
    template: Template, row: Row, catalogue: Catalogue, *, order_known: bool
) -> Iterator[TemplateError]:
    if row.has("LOOP") and not repeated(row, catalogue):
        yield _fault(
            template,
            next(directive.span for directive in row.directives if directive.keyword == "LOOP"),
            "nothing-to-repeat",
            "LOOP needs a field of an order, or exactly one list field, on its row",
            "put such a field on the row, or use ##LOOP_BEGIN## and ##LOOP_END## to repeat once per order",
        )
    for field in row.fields:
        if catalogue[field.name].scope == "order" and not order_known and not row.has("LOOP"):
            yield _fault(
                template,
                field.span,
                "order-outside-loop",
                f"{field.name} belongs to an order, and here it is not known to which",
                "a template of unit pack has one subject and sender for all orders: use a field of the pack"
                if template.is_line
                else "put ##LOOP## at its head, or the row between ##LOOP_BEGIN## and ##LOOP_END##",
            )


def _unknown_field(template: Template, field: Field, catalogue: Catalogue) -> TemplateError:
    name = field.name if len(field.name) <= 40 else field.name[:40] + "…"
    near = nearest(field.name, catalogue.entries)
    return _fault(
        template,
        field.span,
        "unknown-field",
        f"unknown field {name}",
        f"did you mean {near}?" if near else "docs/template-language.md lists the fields",
    )


def _fault(template: Template, span: Span, kind: Kind, message: str, hint: str) -> TemplateError:
    return TemplateError(
        kind=kind, message=message, hint=hint, source=template.source, span=span, name=template.name
    )
