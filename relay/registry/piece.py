"""A piece of template text that a file holds (a body, a subject, a sender), compiled or told why not.

Guarantees: every field is known and stands where it may; no control character of the text itself can make
mails fail; a sender ends in an address that its author wrote, so that no value can choose who a mail is from.
Diagnostics: each `Problem` has file, line and column, and below them the row and a caret. A mistake of
spelling (a bracket, a directive) ends the reading of its piece; all others are told at once, up to the
language's bound. Source: ours; the form of addresses is `relay.quantity.mail_address`.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice
from typing import Annotated, Final, Literal

from pydantic import StringConstraints

from grammar import Catalogue, Renderer, TemplateError, compile_template, parse, parse_line
from grammar.ast import Field, Template, Text
from grammar.span import Span, excerpt, line_and_column
from relay.errors import Problem
from relay.quantity import mail_address

MAX_LINE = 500  # characters of a subject or sender; the marketplace's longest known has 40
MAX_CONTROLS = 10  # told of one piece: a file with many is no text, and the first few show that
BODY: Final = "body"  # the path of what is wrong below the front matter
# Tabs and line feeds are text; a lone CR ends a row for some readers and none for others.
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")

Unit = Literal["pack", "order"]
PieceKind = Literal["body", "subject", "sender"]
Line = Annotated[
    str, StringConstraints(strict=True, min_length=1, max_length=MAX_LINE, pattern=r"^[^\p{C}\p{Zl}\p{Zp}]+$")
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a piece stands."""

    file: str
    path: str
    first_line: Callable[[], int | None]  # the file's line of the piece's first row; asked when it is needed


class Compiler:
    """Compiles pieces; equal subjects and senders once, since shops copy them from each other."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        self._known: dict[tuple[str, PieceKind, Unit], Renderer] = {}

    def piece(
        self, source: str, kind: PieceKind, unit: Unit, *, place: Place, problems: list[Problem]
    ) -> Renderer | None:
        """The renderer of a piece; None when something was added to `problems`."""
        known = self._known.get((source, kind, unit))
        if known is not None:
            return known
        controls = islice(_CONTROL.finditer(source), MAX_CONTROLS)
        found = [_control_problem(source, match.start(), place) for match in controls]
        renderer: Renderer | None = None
        try:
            template = parse(source) if kind == BODY else parse_line(source)
            renderer = compile_template(template, catalogue=self._catalogue, unit=unit)
        except TemplateError as error:
            found += [_template_problem(each, place) for each in (error, *error.others)]
        else:
            if kind == "sender" and not _has_fixed_address(template):
                found.append(_sender_problem(place))
        if found:
            problems += sorted(found, key=lambda problem: problem.line or 0)
            return None
        if kind != BODY and renderer is not None:
            self._known[source, kind, unit] = renderer
        return renderer


def _template_problem(error: TemplateError, place: Place) -> Problem:
    return _problem(place, (error.line, error.column), error.message, error.excerpt, error.hint)


def _control_problem(source: str, offset: int, place: Place) -> Problem:
    message = f"holds the control character U+{ord(source[offset]):04X}, which no mail can carry"
    shown = excerpt(source, Span(start=offset, end=offset + 1))
    return _problem(place, line_and_column(source, offset), message, shown, "take it out")


def _problem(place: Place, at: tuple[int, int], message: str, shown: str, hint: str) -> Problem:
    (row, column), first = at, place.first_line()
    # Only a body's columns are the file's own: a subject stands in YAML, after its key and quotes.
    unit = "column" if place.path == BODY else "character"
    return Problem(
        message=f"{message} ({unit} {column})\n{shown}",
        path=place.path,
        file=place.file,
        line=None if first is None else first + row - 1,
        hint=hint,
    )


def _sender_problem(place: Place) -> Problem:
    return Problem(
        message="does not end in an address of its own",
        path=place.path,
        file=place.file,
        line=place.first_line(),
        hint="write Name <orders@example.jp>; fields may stand in the name only",
    )


def _has_fixed_address(template: Template) -> bool:
    """Whether the address, in the last angle brackets or the whole row, is plain text and good."""
    tail, has_field = "", False
    for row in template.rows:
        for piece in row.pieces:
            tail = tail + piece.text if isinstance(piece, Text) else ""
            has_field = has_field or isinstance(piece, Field)
    tail = tail.strip(" ")
    if tail.endswith(">") and "<" in tail:
        tail = tail[tail.rindex("<") + 1 : -1]
    elif has_field:
        return False
    try:
        mail_address(tail)
    except ValueError:
        return False
    return True
