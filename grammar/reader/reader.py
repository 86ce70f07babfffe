"""Template to reader: a text goes in, its values come out, or the first place where text and template part.

The reader is made of the same tree as the renderer, and it is what lets a mail be proved before it is sent:
what it reads must be what the record says. It is linear in the text, never goes back, and stops at the limits
that rendering has. Diagnostics: `ReadingError` from `read` and nothing else; `misreadings` raises nothing.
Source: ours (docs/reading-back.md).
"""

from dataclasses import dataclass, field

from grammar.analysis import Unit
from grammar.ast import Template
from grammar.fields import Catalogue
from grammar.limits import MAX_OUTPUT
from grammar.reader.account import account
from grammar.reader.label import labels_of
from grammar.reader.misreading import Misreading, explained
from grammar.reader.parting import reading_error
from grammar.reader.plan import Flat, Plan, plan_of
from grammar.reader.proof import Proof, proof_of
from grammar.reader.reading import Reading
from grammar.reader.recognition import Parted
from grammar.reader.shape import Shape, shape_of
from grammar.reader.trace import trace
from grammar.record import Record


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Reader:
    """A compiled template, the other way round."""

    shape: Shape = field(repr=False)  # each of them prints the whole template
    plan: Plan = field(repr=False)
    proof: Proof = field(repr=False)

    def read(self, text: str) -> Reading:
        """The values of a mail.

        The newline of the last row may be missing.

        Raises:
            ReadingError: the template does not print this text, or the text passes MAX_OUTPUT or
                MAX_REPETITIONS.
        """
        if text and text[-1] != "\n":
            text += "\n"
        try:
            flat = self.proof.reading(text)
        except Parted as parted:
            raise reading_error(text, parted, self.plan.labels) from None
        return account(self.shape, self.plan, trace(self.shape, self.plan, flat))

    def misreadings(self, text: str, record: Record) -> tuple[Misreading, ...]:
        """Where a mail says something else than the record that it was made of; nothing when it is proved.

        It is read as it will be sent, with a newline at its end, though the template may not print one.
        For unit `order` the record must hold exactly one order, as for rendering.
        """
        if text and text[-1] != "\n":
            text += "\n"
        expected = self.proof.expected(record)
        found: Flat | Parted
        try:
            # This is on the way of every mail, so it spares itself one more call where it can.
            found = self.proof.function(text) if len(text) <= MAX_OUTPUT else self.proof.reading(text)
        except Parted as parted:
            found = parted
        if found == expected:
            return ()
        return explained(
            text=text, shape=self.shape, plan=self.plan, record=record, expected=expected, found=found
        )


def compile_reader(template: Template, *, catalogue: Catalogue, unit: Unit) -> Reader:
    """The reader of a template that has been analysed."""
    shape = shape_of(template, catalogue=catalogue, unit=unit)
    plan = plan_of(shape.parts, labels_of(shape.patterns))
    return Reader(shape=shape, plan=plan, proof=proof_of(shape, plan))
