"""A piece of template text that a file holds (a body, a subject, a sender), compiled or told why not.

Guarantees: every field is known and stands where it may; the text is folded to the partner's charset and can
be written in it, so that only values can make a mail fail; a sender ends in an address that its author
wrote, so that no value can choose who a mail is from.
Diagnostics: each `Problem` has file, line and column, and below them the row and a caret. A mistake of
spelling (a bracket, a directive) ends the reading of its piece; all others are told at once, up to the
language's bound. Source: ours; the form of addresses is `relay.quantity.mail_address`.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import Annotated, Final, Literal

from pydantic import StringConstraints

from grammar import Catalogue, Record, Renderer, TemplateError, compile_template, parse, parse_line
from grammar.ast import Field, If, Item, Loop, Template, Text
from grammar.reader import Reader, compile_reader
from grammar.span import Span, excerpt, line_and_column
from relay.charset import Charset, Profile, charset_of, shown
from relay.errors import Problem
from relay.quantity import mail_address

MAX_LINE = 500  # characters of a subject or sender; the marketplace's longest known has 40
MAX_NAMED = 10  # characters told of one piece that no mail can carry: the first few show what the file is
BODY: Final = "body"  # the path of what is wrong below the front matter
_BYTE_ORDER_MARK = "\ufeff"
# Tabs and line feeds are text; a lone CR ends a row for some readers and none for others.
_CONTROL = re.compile(rf"[\x00-\x08\x0b-\x1f\x7f-\x9f{_BYTE_ORDER_MARK}]")

Unit = Literal["pack", "order"]
PieceKind = Literal["body", "subject", "sender"]
Line = Annotated[
    str, StringConstraints(strict=True, min_length=1, max_length=MAX_LINE, pattern=r"^[^\p{C}\p{Zl}\p{Zp}]+$")
]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Piece:
    """A compiled piece: call it with a record to get its text."""

    source: str = field(repr=False)  # as its author wrote it
    renderer: Renderer = field(repr=False)  # of the source as the partner's charset has it
    reader: Reader = field(repr=False)  # of the same
    compares: bool  # an IF compares a value with text that is not ASCII, so values are folded beforehand

    @property
    def fields(self) -> frozenset[str]:
        """The names of the fields that it may print."""
        return self.renderer.fields

    def __call__(self, record: Record) -> str:
        """The text for this record; raises TemplateError when it would pass a limit."""
        return self.renderer.function(record)


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a piece stands."""

    file: str
    path: str
    line_of: Callable[[int], int | None]  # the file's line of a row of the piece, from 1; asked when needed


class Compiler:
    """Compiles pieces; equal ones once, since shops copy them from each other."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        self._known: dict[tuple[str, PieceKind, Unit, Profile], Piece] = {}

    def piece(
        self,
        source: str,
        kind: PieceKind,
        unit: Unit,
        profile: Profile,
        *,
        place: Place,
        problems: list[Problem],
    ) -> Piece | None:
        """The piece; None when something was added to `problems`."""
        key = (source, kind, unit, profile)
        known = self._known.get(key)
        if known is not None:
            return known
        charset = charset_of(profile)
        found = [_character_problem(source, at, place, charset) for at in _uncarried(source, charset)]
        piece: Piece | None = None
        try:
            piece = self._compiled(source, kind, unit, charset)
        except TemplateError as error:
            found += [_template_problem(each, place) for each in (error, *error.others)]
        else:
            if kind == "sender" and not _has_fixed_address(piece.renderer.template):
                found.append(_sender_problem(place))
        if found or piece is None:
            problems += sorted(found, key=lambda problem: problem.line or 0)
            return None
        self._known[key] = piece
        return piece

    def _compiled(self, source: str, kind: PieceKind, unit: Unit, charset: Charset) -> Piece:
        """The piece as the charset has it. Raises TemplateError with places in the text as it was written."""
        read = parse if kind == BODY else parse_line
        template = read(source)
        renderer = compile_template(template, catalogue=self._catalogue, unit=unit)
        if (folded := charset.fold(source)) != source:
            template = read(folded)
            renderer = compile_template(template, catalogue=self._catalogue, unit=unit)
        reader = compile_reader(template, catalogue=self._catalogue, unit=unit)
        return Piece(source=source, renderer=renderer, reader=reader, compares=_compares(template.items))


def _compares(items: tuple[Item, ...]) -> bool:
    """Whether an IF compares with text that a fold of values may match; at most as deep as MAX_DEPTH."""
    for item in items:
        match item:
            case Loop():
                if _compares(item.items):
                    return True
            case If():
                if not item.condition.text.isascii() or _compares(item.items) or _compares(item.others):
                    return True
    return False


def _uncarried(source: str, charset: Charset) -> Iterator[int]:
    """Where the first characters stand that no mail in this charset can carry, folded or not."""
    yield from (match.start() for match in islice(_CONTROL.finditer(source), MAX_NAMED))
    for char in islice(charset.unwritable(_CONTROL.sub("", source)), MAX_NAMED):
        # A voicing mark joins with some characters and not with others, so its neighbour is looked at too.
        places = (
            at
            for at, each in enumerate(source)
            if each == char and char in charset.unwritable(source[max(at - 1, 0) : at + 1])
        )
        yield next(places, max(source.find(char), 0))


def _character_problem(source: str, offset: int, place: Place, charset: Charset) -> Problem:
    char = source[offset]
    if _CONTROL.match(char):
        kind = "byte order mark" if char == _BYTE_ORDER_MARK else "control character"
        message = f"holds the {kind} U+{ord(char):04X}, which no mail can carry"
        hint = "take it out"
    else:
        message = f"{shown(char)} cannot be written in {charset.profile.upper()}"
        hint = "write it with other characters"
    row = excerpt(source, Span(start=offset, end=offset + 1))
    return _problem(place, line_and_column(source, offset), message, row, hint)


def _template_problem(error: TemplateError, place: Place) -> Problem:
    return _problem(place, (error.line, error.column), error.message, error.excerpt, error.hint)


def _problem(place: Place, at: tuple[int, int], message: str, shown: str, hint: str) -> Problem:
    row, column = at
    # Only a body's columns are the file's own: a subject stands in YAML, after its key and quotes.
    unit = "column" if place.path == BODY else "character"
    return Problem(
        message=f"{message} ({unit} {column})\n{shown}",
        path=place.path,
        file=place.file,
        line=place.line_of(row),
        hint=hint,
    )


def _sender_problem(place: Place) -> Problem:
    return Problem(
        message="does not end in an address of its own",
        path=place.path,
        file=place.file,
        line=place.line_of(1),
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
