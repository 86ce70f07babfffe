"""Statements of a rendering function: what prints, joined as far as it can be, and the limit beside it.

They use the function's variables `text`, `size` and `add`, and its names MAX_OUTPUT and `too_long`. Built as
Python's syntax tree; texts become constants of it. Source: ours.
"""

import ast
from collections.abc import Sequence
from dataclasses import dataclass

from grammar.limits import MAX_SEGMENT_FIELDS


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Expression:
    """What prints a text."""

    text: ast.expr
    fields: int  # that it joins
    offset: int  # in the source, for the error when the text is too long


class Body:
    """Statements that print, with what can be joined into one f-string held back until it must be written."""

    def __init__(self) -> None:
        self._statements: list[ast.stmt] = []
        self._held: list[str | ast.expr] = []
        self._held_fields = 0
        self._held_offset = 0

    def statements(self) -> list[ast.stmt]:
        """All of them; nothing is held back any more."""
        self._flush()
        return self._statements

    def expression(self) -> "Expression | None":
        """All that it prints as one expression, when it is no longer than what is joined at once."""
        if self._statements:
            return None
        return Expression(text=joined(self._held), fields=self._held_fields, offset=self._held_offset)

    def code(self, code: str) -> None:
        """Fixed code, after all that was printed before."""
        self._flush()
        self._statements += code_of(code)

    def print(self, pieces: list[str | ast.expr], offset: int) -> None:
        """Print texts and expressions; the offset in the source is for the error when they are too long."""
        for piece in pieces:
            self._hold(piece, 0 if isinstance(piece, str) else 1, offset)

    def print_if(self, test: ast.expr, pieces: list[str | ast.expr], offset: int) -> None:
        """Print when the test holds."""
        fields = sum(1 for piece in pieces if not isinstance(piece, str))
        if fields <= MAX_SEGMENT_FIELDS:
            self._hold(ast.IfExp(test, joined(pieces), ast.Constant("")), fields, offset)
            return
        inner = Body()
        inner.print(pieces, offset)
        self._flush()
        self._statements.append(ast.If(test, inner.statements(), []))

    def loop(self, variables: Sequence[str], over: ast.expr, inner: "Body") -> None:
        """Repeat what the inner body does; each variable takes its part of what is repeated over."""
        self._flush()
        names: list[ast.expr] = [ast.Name(variable, ast.Store()) for variable in variables]
        target = names[0] if len(names) == 1 else ast.Tuple(names, ast.Store())
        self._statements.append(ast.For(target, over, inner.statements() or [ast.Pass()], []))

    def branch(self, test: ast.expr, inner: "Body", other: "Body") -> None:
        """Do what the inner body does when the test holds, else what the other one does."""
        one, two = inner.expression(), other.expression()
        if one and two:
            fields = max(1, one.fields, two.fields)  # only one of them is ever made
            self._hold(ast.IfExp(test, one.text, two.text), fields, max(one.offset, two.offset))
            return
        self._flush()
        statements, others = inner.statements(), other.statements()
        if statements or others:
            self._statements.append(ast.If(test, statements or [ast.Pass()], others))

    def _hold(self, piece: str | ast.expr, fields: int, offset: int) -> None:
        if self._held_fields + fields > MAX_SEGMENT_FIELDS:
            self._flush()
        self._held.append(piece)
        self._held_offset = offset  # of the last row held: the one that may go past a limit
        self._held_fields += fields

    def _flush(self) -> None:
        if any(self._held):
            assign = ast.Assign([ast.Name("text", ast.Store())], joined(self._held))
            guard = f"size += len(text)\nif size > MAX_OUTPUT: too_long({self._held_offset})\nadd(text)"
            self._statements += [assign, *code_of(guard)]
        self._held, self._held_fields = [], 0


def joined(pieces: list[str | ast.expr]) -> ast.expr:
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


def code_of(code: str) -> list[ast.stmt]:
    """Statements of fixed code; only offsets and the catalogue's names may ever be put into it."""
    return ast.parse(code).body
