r"""Tree to Python function.

The function is built as a syntax tree of Python, never as text: what a template prints becomes constants of
that tree, so nothing that a user wrote is ever read as code. Rows without a loop are joined into one
f-string, loops become loops, and the limits are checked beside them. For the CROSS MALL order mail the
function amounts to

    def render(record):
        out = []; add = out.append; size = before = 0
        if len(record.elements("DEL_MEMO")) > MAX_REPETITIONS: too_many(...)
        text = f"この度は … [注文番号] {record['PACK_NO']}\n …"
        size += len(text)
        if size > MAX_OUTPUT: too_long(...)
        add(text)
        for element in record.elements("DEL_MEMO"):
            text = f"{element}\n" if element else ""
            …
        return "".join(out)

Compiling is linear in the template, rendering in what it prints. Source: ours.
"""

import ast
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import NoReturn, cast

from grammar.analysis import ORDERS, Unit, analyse, repeated
from grammar.ast import Field, Loop, Row, Template
from grammar.errors import TemplateError
from grammar.fields import Catalogue
from grammar.limits import MAX_OUTPUT, MAX_REPETITIONS, MAX_SEGMENT_FIELDS
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
    fields: frozenset[str]  # the names of the fields that it may print
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
        body = _Body()
        for item in self._template.items:
            if isinstance(item, Loop):
                block = _Body()
                for row in item.rows:
                    self._row(block, row)
                body.loop("for order in record.orders: pass", block)
            else:
                self._row(body, item)
        statements = [*self._preamble(), *body.statements(), *_code(self._ending())]
        module = _code("def render(record): pass")
        definition = module[0]
        assert isinstance(definition, ast.FunctionDef)
        definition.body = statements
        scope: dict[str, object] = {
            "__builtins__": {"len": len},
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
        if self._unit == "order" and any(
            self._is_order(field) for row in self._template.rows for field in row.fields
        ):
            code += "order, = record.orders\n"
        loops = [item for item in self._template.items if isinstance(item, Loop) or item.has("LOOP")]
        if loops:
            code += f"if {self._repetitions()} > MAX_REPETITIONS: too_many({loops[0].span.start})\n"
        return _code(code)

    def _repetitions(self) -> str:
        """How often all loops of a mail repeat together, as an expression over the record.

        Of as many terms as there are list fields, not loops: a long chain of additions would be a deep tree.
        """
        orders, outside, inside = 0, Counter[str](), Counter[str]()
        for item in self._template.items:
            if isinstance(item, Loop):
                orders += 1
                inside.update(repeated(row, self._catalogue) for row in item.rows if row.has("LOOP"))
            elif item.has("LOOP"):
                outside[repeated(item, self._catalogue)] += 1
        orders += outside.pop(ORDERS, 0)
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

    def _row(self, body: "_Body", row: Row) -> None:
        if not row.has("LOOP"):
            self._printed(body, row, row.newline, "")
            return
        over = repeated(row, self._catalogue)
        repetition = _Body()
        self._printed(repetition, row, "\n", over)
        if not row.newline:
            body.code("before = size")
        if over == ORDERS:
            body.loop("for order in record.orders: pass", repetition)
        else:
            body.loop(f"for element in record.elements({over!r}): pass", repetition)

    def _printed(self, body: "_Body", row: Row, newline: str, over: str) -> None:
        """What one row prints, once."""
        pieces: list[str | ast.expr] = [
            self._value(piece, over) if isinstance(piece, Field) else piece.text for piece in row.pieces
        ]
        pieces.append(newline)
        offset = row.span.start
        if not row.has("DELETE_BLANK_ROW"):
            body.print(pieces, offset)
        elif row.fields:
            body.print_if(_any([self._value(field, over) for field in row.fields]), pieces, offset)
        elif not is_blank("".join(str(piece) for piece in row.pieces)):
            body.print(pieces, offset)

    def _value(self, field: Field, over: str) -> ast.expr:
        if field.name == over:
            return ast.Name("element", ast.Load())
        owner = "order" if self._is_order(field) else "record"
        return ast.Subscript(ast.Name(owner, ast.Load()), ast.Constant(field.name), ast.Load())

    def _is_order(self, field: Field) -> bool:
        return self._catalogue[field.name].scope == "order"

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


class _Body:
    """Statements that print, with what can be joined into one f-string held back until it must be written."""

    def __init__(self) -> None:
        self._statements: list[ast.stmt] = []
        self._held: list[str | ast.expr] = []
        self._held_fields = 0
        self._held_offset = 0

    def statements(self) -> list[ast.stmt]:
        self._flush()
        return self._statements

    def code(self, code: str) -> None:
        self._flush()
        self._statements += _code(code)

    def print(self, pieces: list[str | ast.expr], offset: int) -> None:
        for piece in pieces:
            self._hold(piece, 0 if isinstance(piece, str) else 1, offset)

    def print_if(self, test: ast.expr, pieces: list[str | ast.expr], offset: int) -> None:
        fields = sum(1 for piece in pieces if not isinstance(piece, str))
        if fields <= MAX_SEGMENT_FIELDS:
            self._hold(ast.IfExp(test, _joined(pieces), ast.Constant("")), fields, offset)
            return
        inner = _Body()
        inner.print(pieces, offset)
        self._flush()
        self._statements.append(ast.If(test, inner.statements(), []))

    def loop(self, head: str, inner: "_Body") -> None:
        self._flush()
        loop = _code(head)[0]
        assert isinstance(loop, ast.For)
        loop.body = inner.statements() or loop.body
        self._statements.append(loop)

    def _hold(self, piece: str | ast.expr, fields: int, offset: int) -> None:
        if self._held_fields + fields > MAX_SEGMENT_FIELDS:
            self._flush()
        self._held.append(piece)
        self._held_offset = offset  # of the last row held: the one that may go past a limit
        self._held_fields += fields

    def _flush(self) -> None:
        if any(self._held):
            assign = ast.Assign([ast.Name("text", ast.Store())], _joined(self._held))
            guard = f"size += len(text)\nif size > MAX_OUTPUT: too_long({self._held_offset})\nadd(text)"
            self._statements += [assign, *_code(guard)]
        self._held, self._held_fields = [], 0


def _joined(pieces: list[str | ast.expr]) -> ast.expr:
    """An f-string of the pieces; texts that stand side by side become one constant."""
    parts: list[ast.expr] = []
    run: list[str] = []
    for piece in [*pieces, ast.Constant("")]:
        if isinstance(piece, str):
            run.append(piece)
            continue
        if literal := "".join(run):
            parts.append(ast.Constant(literal))
        run = []
        parts.append(ast.FormattedValue(piece, -1, None))
    parts.pop()
    if len(parts) == 1:
        only = parts[0]
        return only.value if isinstance(only, ast.FormattedValue) else only
    return ast.JoinedStr(parts) if parts else ast.Constant("")


def _any(values: list[ast.expr]) -> ast.expr:
    """Whether one of the texts is not blank (a blank one is empty: grammar.value)."""
    return values[0] if len(values) == 1 else ast.BoolOp(ast.Or(), values)


def _code(code: str) -> list[ast.stmt]:
    """Statements of fixed code; only offsets and the catalogue's names are ever put into it."""
    return ast.parse(code).body
