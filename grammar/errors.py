"""What is wrong with a template: one error with its place, the row, a caret and the mend.

Diagnostics: `TemplateError` is the only error that reading or compiling a template raises, on any input, and
the error of a rendering that passes a limit. Source: ours.
"""

import difflib
from collections.abc import Iterable
from typing import Literal

from grammar.span import Span, excerpt, line_and_column

Kind = Literal[
    "malformed-field",  # the beginning or end of a field that is not a field
    "malformed-filter",  # a | in a field that is not followed by a filter
    "malformed-condition",  # an ##IF that does not say what it asks
    "unknown-field",  # a field that the catalogue does not have
    "unknown-filter",  # a filter that the language does not have
    "filter-argument",  # an argument that the filter does not take, or lacks
    "filter-misplaced",  # a filter after or on what it cannot be applied to
    "unknown-directive",  # ##CAPITALS at the head of a row that are no directive
    "misplaced-directive",  # a directive where none may stand
    "repeated-directive",  # the same directive twice on a row
    "unclosed-block",  # LOOP_BEGIN without LOOP_END, IF without END_IF
    "unopened-block",  # LOOP_END without LOOP_BEGIN, ELSE or END_IF without IF
    "nested-block",  # a loop over orders inside a loop over orders
    "nothing-to-repeat",  # LOOP on a row that does not say what to repeat for
    "order-outside-loop",  # an order's field where it is not known which order
    "row-break",  # a second row in a subject or sender
    "limit",  # a limit of grammar.limits was passed
]


class TemplateError(Exception):
    """A template that cannot be used, or a mail that it may not make.

    Attributes:
        kind: the sort of error, for programs.
        message: what is wrong, for people, without the place.
        hint: what to do; may be empty.
        name: the template's name as given to `parse`, usually its file.
        line: the row, from 1.
        column: the character in the row, from 1.
        span: the place in the source.
        excerpt: the row and, below it, carets under the place.
        others: further errors of the same template, in the order of their places.
    """

    def __init__(
        self, *, kind: Kind, message: str, source: str, span: Span, name: str, hint: str = ""
    ) -> None:
        self.kind = kind
        self.message = message
        self.hint = hint
        self.name = name
        self.span = span
        self.line, self.column = line_and_column(source, span.start)
        self.excerpt = excerpt(source, span)
        self.others: tuple[TemplateError, ...] = ()
        text = f"{name}:{self.line}:{self.column}: {message}\n{self.excerpt}"
        super().__init__(f"{text}\n  {hint}" if hint else text)


def nearest(word: str, known: Iterable[str]) -> str:
    """The known word that a person most likely meant, or nothing.

    >>> nearest("PAK_NO", ["ORDER_NO", "PACK_NO"])
    'PACK_NO'
    """
    found = difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)
    return found[0] if found else ""
