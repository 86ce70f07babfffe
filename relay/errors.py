"""What went wrong, said so that the reader knows what, where, whose fault it is and what to do.

Four sorts of failure have one channel each (docs/message-flow.md, "When something goes wrong"): the world's
answers are values (`delivery.outcome`), somebody's wrong input is `BadInput`, the machine's failure is
`MachineFailure`, and our own bug is any other exception, which nobody catches quietly.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field


class DenreiError(Exception):
    """Base of every error that Denrei raises on purpose."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One thing that is wrong with what somebody wrote.

    >>> print(Problem(file="denrei.yaml", line=3, path="intake", message="is missing", hint="add it"))
    denrei.yaml:3: intake: is missing (add it)
    """

    message: str
    path: str = ""  # where in the document: pack.orders[0].qty; empty for the whole of it
    file: str = ""  # as the person who must mend it knows it
    line: int | None = None  # 1-based
    hint: str = ""  # what to do

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.file and self.line is not None else self.file
        text = ": ".join(part for part in (place, self.path, self.message) if part)
        return f"{text} ({self.hint})" if self.hint else text


@dataclass(eq=False)
class BadInput(DenreiError):
    """Somebody's file or document is wrong: every problem found, at once. Nothing was changed."""

    problems: Sequence[Problem] = field(default_factory=tuple)

    def __str__(self) -> str:
        return "\n".join(str(problem) for problem in self.problems)


class MachineFailure(DenreiError):
    """The machine cannot do it now (disk full, store locked); the text says what is and is not durable."""
