"""What diagnosis works with: where reading stopped, and what is wrong there.

Source: ours.
"""

from dataclasses import dataclass
from typing import Literal

from grammar.errors import Kind

MAX_SHOWN = 40  # characters of a template's own text in a message: an error is read by people

Word = Literal["LOOP_BEGIN", "IF", "ELSE"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """A marker whose block is open."""

    word: Word
    position: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Stop:
    """Where and in what state reading stopped."""

    position: int
    line: bool  # a subject or sender was being read, not a body
    openings: tuple[Opening, ...]  # from the outermost


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """What is wrong there, for people."""

    kind: Kind
    message: str
    hint: str
    length: int  # characters that the caret marks
    offset: int = 0  # characters from where reading stopped to where the caret begins


def shortened(text: str) -> str:
    """The text as a message may repeat it."""
    shown = text if len(text) <= MAX_SHOWN else text[:MAX_SHOWN] + "…"
    return shown if shown.isprintable() else repr(shown)
