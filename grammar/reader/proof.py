r"""The two functions that prove a mail: what a text says, and what a record should make it say.

Both give the same flat list, so that a proof is one comparison: the values of every printed row in order,
None for those of a row that is missing; before each pass of a loop and each way of an IF "", and None
behind the last pass and for the other way. Of a row of the orders that may be missing, the record tells the
missing ones too as soon as one is there: no text can show them, so such a mail is not proved. For the CROSS
MALL order mail the functions amount to

    def reading(text):
        m = run_0(text, 0)                       # この度は … \[注文番号\]\ (.*+)\n …
        if m is None: parted(0, at)
        out += m.groups(); at = m.end()
        while True:
            m = run_1(text, at)                  # ()([^\S\n]*+\S.*+)\n
            if m is None or text[at:at + 1] in suspicious and label(text, at, 0): break
            out += m.groups(); at = m.end()
        out.append(None)
        …
    def expected(record):
        out += (record["PACK_NO"], record["ORDER_DATE"], …)
        for e0 in record.elements("DEL_MEMO"):
            if e0: out += ("", e0)
        out.append(None)
        …

Reading decides as `decision` says and never goes back: it is linear in the text. Source: ours.
"""

from collections.abc import Callable
from dataclasses import dataclass

from grammar.limits import MAX_OUTPUT
from grammar.reader.expectation import expectation
from grammar.reader.plan import Flat, Plan
from grammar.reader.recognition import Parted, recognition
from grammar.reader.shape import Shape
from grammar.record import Record


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Proof:
    """What was made of one template."""

    function: Callable[[str], Flat]
    expected: Callable[[Record], Flat]

    def reading(self, text: str) -> Flat:
        """What the text says, which ends with a newline.

        Raises:
            Parted: the template does not print this text, or it passes a limit.
        """
        if len(text) > MAX_OUTPUT:
            raise Parted(0, (), limit=f"the text is longer than {MAX_OUTPUT} characters (MAX_OUTPUT)")
        return self.function(text)


def proof_of(shape: Shape, plan: Plan) -> Proof:
    """The functions of a template."""
    return Proof(function=recognition(shape, plan), expected=expectation(shape, plan))
