r"""Tree to Python function.

The function is built as a syntax tree of Python, never as text: what a template prints becomes constants of
that tree, so nothing that a user wrote is ever read as code. Rows without a loop are joined into one
f-string, those in the branches of an IF as well, loops become loops, and the limits are checked beside them.
For the CROSS MALL order mail the function amounts to

    def render(record):
        out = []; add = out.append; size = before = 0
        if len(record.elements("DEL_MEMO")) > MAX_REPETITIONS: too_many(...)
        text = f"この度は … [注文番号] {record['PACK_NO']}\n …"
        size += len(text)
        if size > MAX_OUTPUT: too_long(...)
        add(text)
        for element0 in record.elements("DEL_MEMO"):
            text = f"{element0}\n" if element0 else ""
            …
        return "".join(out)

Compiling is linear in the template, rendering in what it prints. Source: ours.
"""

import ast
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NoReturn, assert_never, cast

from grammar.analysis import ORDERS, Unit, analyse, field_scope, gathers, repeated
from grammar.ast import Condition, Field, If, Item, Loop, Row, Template
from grammar.body import Body, code_of
from grammar.errors import TemplateError
from grammar.fields import Catalogue
from grammar.limits import MAX_OUTPUT, MAX_REPETITIONS
from grammar.record import Record
from grammar.span import Span
from grammar.value import is_blank


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Renderer:
    """A compiled template: call it with a record to get the text.

    For unit `order` the record must hold exactly one order (`Record.for_order`); another number is a bug of
    the caller and raises ValueError when an order's field stands outside a loop.
    """

    template: Template
    unit: Unit
    fields: frozenset[str]  # the names of the fields that it may print; what an IF only asks is not printed
    function: Callable[[Record], str]

    def __call__(self, record: Record) -> str:
        """The text for this record.

        Raises:
            TemplateError: of kind `limit`, when the text would pass a limit.
        """
        return self.function(record)


def compile_template(template: Template, *, catalogue: Catalogue, unit: Unit) -> Renderer:
    """The renderer of a template.

    Raises:
        TemplateError: the template breaks a rule of the language.
    """
    analyse(template, catalogue, unit)
    return Renderer(
        template=template,
        unit=unit,
        fields=frozenset(field.name for row in template.rows for field in row.fields),
        function=_Compiler(template, catalogue, unit).function(),
    )


class _Compiler:
    """Makes the function of one template."""

    def __init__(self, template: Template, catalogue: Catalogue, unit: Unit) -> None:
        self._template = template
        self._catalogue = catalogue
        self._unit = unit

    def function(self) -> Callable[[Record], str]:
        body = Body()
        self._items(body, self._template.items)
        statements = [*self._preamble(), *body.statements(), *code_of(self._ending())]
        module = code_of("def render(record): pass")
        definition = module[0]
        assert isinstance(definition, ast.FunctionDef)
        definition.body = statements
        scope: dict[str, object] = {
            "__builtins__": {"len": len, "zip": zip},
            "MAX_OUTPUT": MAX_OUTPUT,
            "MAX_REPETITIONS": MAX_REPETITIONS,
            "too_long": self._too_long,
            "too_many": self._too_many,
        }
        tree = ast.fix_missing_locations(ast.Module(body=list(module), type_ignores=[]))
        exec(compile(tree, "<template>", "exec"), scope)  # noqa: S102  (our own tree; user's text is constants in it)
        return cast("Callable[[Record], str]", scope["render"])

    def _preamble(self) -> list[ast.stmt]:
        code = "out = []\nadd = out.append\nsize = before = 0\n"
        if self._unit == "order" and any(map(self._is_order, self._template.fields)):
            code += "order, = record.orders\n"
        loops = [item for item, _ in _loops(self._template.items)]
        if loops:
            code += f"if {self._repetitions()} > MAX_REPETITIONS: too_many({loops[0].span.start})\n"
        return code_of(code)

    def _repetitions(self) -> str:
        """How often all loops of a mail repeat together, as an expression over the record.

        Both branches of an IF count: the expression is the same for each mail, and known before anything is
        written. Of as many terms as there are list fields, not loops: a long chain of additions would be a
        deep tree.
        """
        orders, outside, inside = 0, Counter[str](), Counter[str]()
        for item, in_block in _loops(self._template.items):
            over = ORDERS if isinstance(item, Loop) else repeated(item, self._catalogue)
            if over == ORDERS:
                orders += 1
            else:
                (inside if in_block else outside)[over] += 1
        lists = [
            f"len(record.elements({name!r})) * ({outside[name]} + {inside[name]} * len(record.orders))"
            for name in sorted(outside.keys() | inside.keys())
        ]
        return " + ".join([f"{orders} * len(record.orders)", *lists])

    def _ending(self) -> str:
        """The return; a repeated last row without a newline loses the one that parted its repetitions."""
        last = self._template.items[-1] if self._template.items else None
        if isinstance(last, Row) and last.has("LOOP") and not last.newline:
            return "text = ''.join(out)\nreturn text[:-1] if size > before else text"
        return "return ''.join(out)"

    def _items(self, body: Body, items: tuple[Item, ...]) -> None:
        for item in items:
            match item:
                case Row():
                    self._row(body, item)
                case Loop():
                    block = Body()
                    self._items(block, item.items)
                    body.loop(["order"], _attribute("orders"), block)
                case If():
                    branch, other = Body(), Body()
                    self._items(branch, item.items)
                    self._items(other, item.others)
                    body.branch(self._test(item.condition), branch, other)
                case _:
                    assert_never(item)

    def _test(self, condition: Condition) -> ast.expr:
        """Whether the condition holds; a text that cannot be seen is empty (grammar.value)."""
        value = self._value(condition.field, {})
        if not condition.operator:
            return value
        operator = ast.Eq() if condition.operator == "=" else ast.NotEq()
        return ast.Compare(value, [operator], [ast.Constant(condition.text)])

    def _row(self, body: Body, row: Row) -> None:
        if not row.has("LOOP"):
            self._printed(body, row, row.newline, {})
            return
        over = repeated(row, self._catalogue)
        elements = {} if over == ORDERS else self._elements(row, over)
        repetition = Body()
        self._printed(repetition, row, "\n", elements)
        if not row.newline:
            body.code("before = size")
        if over == ORDERS:
            body.loop(["order"], _attribute("orders"), repetition)
            return
        lists: list[ast.expr] = [
            ast.Call(_attribute("elements"), [ast.Constant(key)], []) for key in elements
        ]
        together = lists[0] if len(lists) == 1 else ast.Call(ast.Name("zip", ast.Load()), lists, [])
        body.loop(list(elements.values()), together, repetition)

    def _elements(self, row: Row, over: str) -> dict[str, str]:
        """For a row that repeats over a list: what is printed of an element, each with a variable for it."""
        keys = dict.fromkeys(field.key for field in row.fields if field.name == over and not gathers(field))
        return {key: f"element{number}" for number, key in enumerate(keys)}

    def _printed(self, body: Body, row: Row, newline: str, elements: dict[str, str]) -> None:
        """What one row prints, once."""
        pieces: list[str | ast.expr] = [
            self._value(piece, elements) if isinstance(piece, Field) else piece.text for piece in row.pieces
        ]
        pieces.append(newline)
        offset = row.span.start
        if not row.has("DELETE_BLANK_ROW"):
            body.print(pieces, offset)
        elif row.fields:
            body.print_if(_any([self._value(field, elements) for field in row.fields]), pieces, offset)
        elif not is_blank("".join(str(piece) for piece in row.pieces)):
            body.print(pieces, offset)

    def _value(self, field: Field, elements: dict[str, str]) -> ast.expr:
        if field.key in elements:
            return ast.Name(elements[field.key], ast.Load())
        owner = "order" if self._is_order(field) else "record"
        return ast.Subscript(ast.Name(owner, ast.Load()), ast.Constant(field.key), ast.Load())

    def _is_order(self, field: Field) -> bool:
        return field_scope(field, self._catalogue) == "order"

    def _too_long(self, offset: int) -> NoReturn:
        raise self._limit(offset, f"the mail is longer than {MAX_OUTPUT} characters (MAX_OUTPUT)")

    def _too_many(self, offset: int) -> NoReturn:
        raise self._limit(offset, f"the loops repeat more than {MAX_REPETITIONS} times (MAX_REPETITIONS)")

    def _limit(self, offset: int, message: str) -> TemplateError:
        source = self._template.source
        span = Span(start=offset, end=offset + 1)
        return TemplateError(
            kind="limit", message=message, source=source, span=span, name=self._template.name
        )


def _loops(items: tuple[Item, ...], *, in_block: bool = False) -> Iterator[tuple[Row | Loop, bool]]:
    """Every block over orders and every row that repeats, and whether it stands in such a block."""
    for item in items:
        match item:
            case Row():
                if item.has("LOOP"):
                    yield item, in_block
            case Loop():
                yield item, in_block
                yield from _loops(item.items, in_block=True)
            case If():
                yield from _loops(item.items, in_block=in_block)
                yield from _loops(item.others, in_block=in_block)
            case _:
                assert_never(item)


def _attribute(name: str) -> ast.expr:
    return ast.Attribute(ast.Name("record", ast.Load()), name, ast.Load())


def _any(values: list[ast.expr]) -> ast.expr:
    """Whether one of the texts is not blank (a blank one is empty: grammar.value)."""
    return values[0] if len(values) == 1 else ast.BoolOp(ast.Or(), values)
