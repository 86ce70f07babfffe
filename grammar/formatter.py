"""One spelling for everything that may be spelled in several ways.

`formatted` writes fields as `<$_NAME_$>` and loops as `##LOOP##`, and puts `##DELETE_BLANK_ROW##` before it:
the forms that are told from the printed text most easily. The text itself is never touched, not even white
space at the end of a row: it is what a partner reads. Guarantees: formatting what is formatted changes
nothing; the tree of the result differs in spellings and spans only, so it prints the same mails. Source: ours
(docs/template-language.md, "One spelling").
"""

from collections.abc import Iterable
from typing import Final, assert_never

from grammar.ast import Condition, Field, If, Item, Keyword, Loop, Row, Template, Text
from grammar.parser import refuse_long

_ORDER: Final[tuple[Keyword, ...]] = ("DELETE_BLANK_ROW", "LOOP")


def formatted(template: Template) -> str:
    r"""The source of the template in its one spelling.

    Raises:
        TemplateError: of kind `limit`, when the longer spellings take it past `MAX_SOURCE`.

    >>> from grammar import parse
    >>> formatted(parse("$LOOP_{$_DEL_MEMO_$}"))
    '##LOOP##<$_DEL_MEMO_$>'
    """
    source = _items(template.items)
    refuse_long(source, template.name)
    return source


def _items(items: Iterable[Item]) -> str:
    """At most as deep as MAX_DEPTH, which the parser keeps to."""
    return "".join(map(_item, items))


def _item(item: Item) -> str:
    match item:
        case Row():
            return _row(item)
        case Loop():
            return f"{item.opening}{_items(item.items)}{item.closing}"
        case If():
            opening = f"##IF {_condition(item.condition)}##\n"
            middle = "" if item.middle is None else str(item.middle)
            return f"{opening}{_items(item.items)}{middle}{_items(item.others)}{item.closing}"
        case _:
            assert_never(item)


def _row(row: Row) -> str:
    directives = "".join(f"##{keyword}##" for keyword in _ORDER if row.has(keyword))
    return directives + "".join(map(_piece, row.pieces)) + row.newline


def _piece(piece: Text | Field) -> str:
    return piece.text if isinstance(piece, Text) else f"<$_{piece.key}_$>"


def _condition(condition: Condition) -> str:
    field = _piece(condition.field)
    return f"{field} {condition.operator} {condition.text}" if condition.operator else field
