"""What a template must keep to besides its grammar: known fields, and loops that know what they repeat for.

Raises at the first row that breaks a rule, from the top. Source: ours (docs/template-language.md, "LOOP").
"""

from typing import Literal, NoReturn

from grammar.ast import Field, Loop, Row, Template
from grammar.errors import Kind, TemplateError, nearest
from grammar.fields import Catalogue
from grammar.span import Span

Unit = Literal["pack", "order"]
ORDERS: Literal["orders"] = "orders"


def analyse(template: Template, catalogue: Catalogue, unit: Unit) -> None:
    """Check the template against the catalogue.

    Raises:
        TemplateError: the template breaks a rule.
    """
    for item in template.items:
        rows = item.rows if isinstance(item, Loop) else (item,)
        for row in rows:
            _check_row(template, row, catalogue, order_known=unit == "order" or isinstance(item, Loop))
            if isinstance(item, Loop) and row.has("LOOP") and repeated(row, catalogue) == ORDERS:
                _fail(
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


def _check_row(template: Template, row: Row, catalogue: Catalogue, *, order_known: bool) -> None:
    for field in row.fields:
        if field.name not in catalogue:
            _unknown_field(template, field, catalogue)
    if row.has("LOOP") and not repeated(row, catalogue):
        _fail(
            template,
            next(directive.span for directive in row.directives if directive.keyword == "LOOP"),
            "nothing-to-repeat",
            "LOOP needs a field of an order, or exactly one list field, on its row",
            "put such a field on the row, or use ##LOOP_BEGIN## and ##LOOP_END## to repeat once per order",
        )
    for field in row.fields:
        if catalogue[field.name].scope == "order" and not order_known and not row.has("LOOP"):
            _fail(
                template,
                field.span,
                "order-outside-loop",
                f"{field.name} belongs to an order, and here it is not known to which",
                "a template of unit pack has one subject and sender for all orders: use a field of the pack"
                if template.is_line
                else "put ##LOOP## at its head, or the row between ##LOOP_BEGIN## and ##LOOP_END##",
            )


def _unknown_field(template: Template, field: Field, catalogue: Catalogue) -> NoReturn:
    name = field.name if len(field.name) <= 40 else field.name[:40] + "…"
    near = nearest(field.name, catalogue.entries)
    _fail(
        template,
        field.span,
        "unknown-field",
        f"unknown field {name}",
        f"did you mean {near}?" if near else "docs/template-language.md lists the fields",
    )


def _fail(template: Template, span: Span, kind: Kind, message: str, hint: str) -> NoReturn:
    raise TemplateError(
        kind=kind, message=message, hint=hint, source=template.source, span=span, name=template.name
    )
