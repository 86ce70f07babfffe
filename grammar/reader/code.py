"""Python functions made statement by statement, with constants that are never read as code.

What a template's writer wrote (labels, filters' arguments) becomes constants of a syntax tree; the lines of
code themselves hold only names and numbers that the caller makes up. Source: ours.
"""

import ast
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any


class Code:
    """The lines of one function under way."""

    def __init__(self, head: str) -> None:
        self._lines = [head]
        self._depth = 1
        self._constants: dict[str, str] = {}
        self._numbers: dict[str, int] = {}

    def add(self, *lines: str) -> None:
        """More lines, at the present depth."""
        self._lines += [" " * self._depth + line for line in lines]

    @contextmanager
    def under(self, head: str) -> Iterator[None]:
        """A compound statement: what is added inside belongs to it."""
        self.add(head)
        self._depth += 1
        self.add("pass")
        yield
        self._depth -= 1

    def constant(self, text: str) -> str:
        """A name that stands for the text."""
        number = self._numbers.setdefault(text, len(self._numbers))
        self._constants[name := f"constant_{number}"] = text
        return name

    def function(self, names: Mapping[str, object]) -> Callable[..., Any]:
        """The function; `names` are all that it can see."""
        tree = _Constants(self._constants).visit(ast.parse("\n".join(self._lines)))
        assert isinstance(tree, ast.Module)
        definition = tree.body[0]
        assert isinstance(definition, ast.FunctionDef)
        scope: dict[str, Any] = {"__builtins__": {}, **names}
        exec(compile(tree, "<template>", "exec"), scope)  # noqa: S102  (our own lines; user's text is constants in them)
        function: Callable[..., Any] = scope[definition.name]
        return function


class _Constants(ast.NodeTransformer):
    """Puts the constants in the place of their names."""

    def __init__(self, constants: Mapping[str, str]) -> None:
        self._constants = constants

    def visit_Name(self, node: ast.Name) -> ast.expr:
        text = self._constants.get(node.id)
        return node if text is None else ast.copy_location(ast.Constant(text), node)
