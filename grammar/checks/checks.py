"""Where a template cannot be read back in general, or prints a marker: told with an example and a mend.

Every mail is proved before it is sent, so a template with findings is safe; but mails that a finding foresees
end in quarantine. A finding is the truth about some values, not a guess: its example shows one. Without a
finding, whatever the values are, the mail reads as the record says (tests/property/test_reading.py). Source:
ours (docs/reading-back.md).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Final, Literal, assert_never

from grammar.analysis import ORDERS, Unit
from grammar.ast import Field, Template
from grammar.checks.lookalike import lookalikes
from grammar.checks.sample import alphabet, example, stray
from grammar.checks.witness import Mistake, mistake
from grammar.fields import Catalogue
from grammar.reader.decision import Decision
from grammar.reader.label import Labels, labels_of
from grammar.reader.overlap import Alphabet, Overlap
from grammar.reader.pattern import MAX_SEPARATOR, RowPattern, row_pattern
from grammar.reader.plan import Plan, plan_of
from grammar.reader.shape import (
    MAX_NEXTS,
    Always,
    Block,
    Choice,
    Maybe,
    Part,
    Repeat,
    Shape,
    may_be_empty,
    shape_of,
)
from grammar.span import Span, excerpt, line_and_column

MAX_FINDINGS: Final = 50  # of one template that are told: nobody mends more before looking again

Kind = Literal[
    "joined-fields",  # fields with nothing between them
    "separator",  # the text that ends a value may stand in it
    "label",  # a row that begins with a value may begin with a label
    "missing-row",  # whether a row is there cannot be told from what follows
    "loop-end",  # where a loop ends cannot be told from what follows
    "branch",  # which way of an IF was taken cannot be told
    "empty-pass",  # a pass of a loop may print nothing
    "unknown-order",  # rows that may be missing do not say which order they belong to
    "looks-like-marker",  # a text that is printed as it stands, and was most likely meant as a marker
    "too-many-ways",  # more rows may follow than are looked at
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One place of a template that cannot be read back for some values, or is not what it looks like."""

    kind: Kind
    message: str
    hint: str  # the mend
    example: str  # rows of a mail that can be read in two ways
    span: Span
    line: int
    column: int
    excerpt: str


def findings(template: Template, *, catalogue: Catalogue, unit: Unit) -> tuple[Finding, ...]:
    """What stands in the way of reading back, from the top; the template has been analysed already."""
    shape = shape_of(template, catalogue=catalogue, unit=unit)
    labels = labels_of(shape.patterns)
    found = _Checks(shape, plan_of(shape.parts, labels)).findings()
    return tuple(sorted(islice(found, MAX_FINDINGS), key=lambda finding: finding.span.start))


class _Checks:
    """The checks of one template."""

    def __init__(self, shape: Shape, plan: Plan) -> None:
        self._shape = shape
        self._plan = plan
        self._alphabets: dict[str, Alphabet] = {}
        self._overlap = Overlap(self._alphabet)

    def findings(self) -> Iterator[Finding]:
        yield from self._lookalikes()
        for pattern in self._shape.patterns:
            yield from self._row(pattern)
            yield from self._label(pattern, self._plan.labels)
        for part, decision in self._plan.decisions.items():
            yield from self._decision(part, decision)
            yield from self._loop(part, decision)

    def _alphabet(self, field: Field) -> Alphabet:
        if field.key not in self._alphabets:
            self._alphabets[field.key] = alphabet(field, self._shape.catalogue)
        return self._alphabets[field.key]

    def _lookalikes(self) -> Iterator[Finding]:
        for found in lookalikes(self._shape.template, self._shape.catalogue):
            yield self._finding(
                "looks-like-marker",
                found.span,
                f"{found.text} is no marker: it is printed as it stands",
                f"write {found.meant}; if it is meant as text, put a space "
                + ("before it" if found.text[0].isalpha() else "behind its first sign"),
                self._printed(row_pattern(found.row)),
            )

    def _printed(self, pattern: RowPattern, values: Mapping[int, str] | None = None) -> str:
        """The row with an example of each field, or with these values in the slots of these numbers."""
        texts = [pattern.head]
        for index, slot in enumerate(pattern.slots):
            examples = (example(field, self._shape.catalogue) for field in slot.fields)
            texts += [(values or {}).get(index) or "".join(examples), pattern.literals[index + 1]]
        return "".join(texts)

    def _row_before(self, span: Span) -> str:
        """The row that stands before this place as it is printed; nothing when none does."""
        before = [each for each in self._shape.patterns if each.row.span.end <= span.start]
        return self._printed(before[-1]) if before else ""

    def _row(self, pattern: RowPattern) -> Iterator[Finding]:
        """What is wrong inside one row."""
        last = len(pattern.slots) - 1
        for index, (slot, literal) in enumerate(zip(pattern.slots, pattern.literals[1:], strict=True)):
            if len(slot.fields) > 1:
                names = " and ".join(field.name for field in slot.fields)
                yield self._finding(
                    "joined-fields",
                    slot.fields[1].span,
                    f"nothing stands between {names}: nobody can tell where one ends",
                    "put a text between them that neither can hold",
                    self._printed(pattern),
                )
            elif index < last or len(literal) > MAX_SEPARATOR:
                field, separator = slot.fields[0], literal[:MAX_SEPARATOR]
                if found := stray(field, separator, self._shape.catalogue):
                    yield self._finding(
                        "separator",
                        field.span,
                        f"the text that ends {field.name} may stand in it: its value would be cut there",
                        "put each field on a row of its own, or a text behind it that the field cannot hold",
                        self._printed(pattern, {index: found}),
                    )

    def _label(self, pattern: RowPattern, labels: Labels) -> Iterator[Finding]:
        risk = labels.risk(pattern)
        if risk is None:
            return
        head = pattern.head[len(pattern.head) - risk :]
        for label in labels.by_reach:
            if len(label) <= risk or not label.startswith(head):
                continue
            row = self._overlap.labelled_row(label, pattern, risk)
            if row is not None:
                begins = "with a value, which may be" if not risk else "as another does: a value may make it"
                yield self._finding(
                    "label",
                    pattern.slots[0].fields[0].span,
                    f"the row begins {begins} the label {label}",
                    "put a label at the head of the row that no other begins with",
                    row,
                )
                return

    def _decision(self, part: Part, decision: Decision) -> Iterator[Finding]:
        if max(len(decision.enter), len(decision.others)) > MAX_NEXTS:
            yield self._finding(
                "too-many-ways",
                _span(part),
                f"more than {MAX_NEXTS} rows may come next (MAX_NEXTS): they are not looked at to the end",
                "put a row between them that is always printed",
                "",
            )
            return
        found = mistake(part, decision, self._overlap)
        if found is None:
            return
        match part:
            case Maybe():
                kind: Kind = "missing-row"
                hint = "take ##DELETE_BLANK_ROW## out, or begin each of the two rows with a label of its own"
            case Repeat() | Block():
                kind = "loop-end"
                hint = "put a row behind the loop that it cannot print, such as a heading"
            case Choice():
                kind = "branch"
                hint = "begin both ways of the IF with rows that cannot look alike"
            case Always():
                return
            case _:
                assert_never(part)
        yield self._finding(kind, _span(part), _said(found), hint, "\n".join(found.rows))

    def _loop(self, part: Part, decision: Decision) -> Iterator[Finding]:
        match part:
            case Repeat(over=over, deletes=True) if over == ORDERS:
                yield self._finding(
                    "unknown-order",
                    part.pattern.row.span,
                    "a row of an order may be missing: nobody can tell whose the others are",
                    "put it between ##LOOP_BEGIN## and ##LOOP_END##, with a row that is always printed",
                    self._printed(part.pattern),
                )
            case Repeat(deletes=False, pattern=pattern) if pattern.is_last and not any(pattern.literals):
                yield self._finding(
                    "empty-pass",
                    pattern.row.span,
                    "the last repetition may be blank, without a newline: nobody can see it",
                    "end the row with a newline, or put ##DELETE_BLANK_ROW## at its head",
                    self._row_before(pattern.row.span),
                )
            case Block(parts=parts, span=span) if may_be_empty(parts):
                behind = next((start.patterns for start in decision.others if start.patterns), ())
                yield self._finding(
                    "empty-pass",
                    span,
                    "the block may print nothing for an order: nobody can tell how many orders there are",
                    "put a row into the block that is always printed",
                    self._printed(behind[0]) if behind else self._row_before(span),
                )
            case _:
                return

    def _finding(self, kind: Kind, span: Span, message: str, hint: str, example: str) -> Finding:
        source = self._shape.template.source
        line, column = line_and_column(source, span.start)
        return Finding(
            kind=kind,
            message=message,
            hint=hint,
            example=example,
            span=span,
            line=line,
            column=column,
            excerpt=excerpt(source, span),
        )


def _said(found: Mistake) -> str:
    if found.is_same:
        return "both ways of the IF may go on with the same row: nobody can tell which was taken"
    read = found.read.source if found.read else "the end of the mail"
    printed = found.printed.source if found.printed else "the end of the mail"
    return f"what is printed as {printed or 'a blank row'} may be read as {read or 'a blank row'}"


def _span(part: Part) -> Span:
    """Where a part begins."""
    match part:
        case Block():
            return part.span
        case Choice():
            return part.condition.span
        case Always() | Maybe() | Repeat():
            return part.pattern.row.span
        case _:
            assert_never(part)
