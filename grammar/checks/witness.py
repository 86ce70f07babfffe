"""Rows of a mail that a reader would take for another part of the template.

Wherever the reader decides (`decision`), both mistakes are looked for: that it enters although the rows
are those which follow, and that it goes by although the rows are those which may be missing. The rows
that the template prints from a place on are walked beside those that the reader looks for, so what is
found are rows of a mail that the template can really print. Source: ours.
"""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import takewhile

from grammar.reader.decision import Decision, Start, may_be_taken
from grammar.reader.overlap import Overlap
from grammar.reader.pattern import RowPattern
from grammar.reader.shape import Always, Choice, Maybe, Part, Place, Repeat, nexts


@dataclass(frozen=True, slots=True, kw_only=True)
class Mistake:
    """A decision that goes wrong for some values."""

    rows: tuple[str, ...]  # of a mail that shows it
    printed: RowPattern | None  # what the first of them is; None: the end of the mail
    read: RowPattern | None  # what it is read as
    is_same: bool  # both ways of an IF go on with the very same row


def mistake(part: Part, decision: Decision, overlap: Overlap) -> Mistake | None:
    """The first way in which the decision before a part may go wrong, or None."""
    return next(_mistakes(part, decision, overlap), None)


def _mistakes(part: Part, decision: Decision, overlap: Overlap) -> Iterator[Mistake]:
    known = {start.patterns[:1] for start in decision.enter}
    for other in decision.others:
        if isinstance(part, Choice) and (part.first or part.second) and other.patterns[:1] in known:
            rows = (overlap.common_row(row, row) for row in other.patterns[:1])
            yield Mistake(rows=tuple(filter(None, rows)), printed=None, read=None, is_same=True)
    for start in decision.enter:
        tested = start.patterns[: _tested(part)]
        for other in decision.others:
            if other not in decision.unless and other.patterns[:1] != start.patterns[:1]:
                yield from _taken(other, start, tested, overlap)
        for other in decision.unless:
            yield from _taken(start, other, other.patterns, overlap)


def _tested(part: Part) -> int | None:
    """How many rows of what a part begins with are looked at; None for all that surely follow each other."""
    match part:
        case Maybe() | Repeat():
            return 1
        case Choice(first=(Always(), *_)):  # its own rows alone, not those behind it
            return len(list(takewhile(lambda each: isinstance(each, Always), part.first)))
        case _:
            return None


def _taken(
    printed: Start, read: Start, tested: tuple[RowPattern, ...], overlap: Overlap
) -> Iterator[Mistake]:
    """The mistake that what is printed from `printed` on looks like the rows that are tested, if it may."""
    if not printed.patterns or not tested:
        if not printed.patterns and not tested:
            yield Mistake(rows=(), printed=None, read=None, is_same=False)
        return
    if not may_be_taken(read, printed.patterns[0]):
        return
    waiting: deque[tuple[RowPattern, Place, tuple[str, ...]]] = deque(
        [(printed.patterns[0], printed.after, ())]
    )
    seen: set[tuple[RowPattern, int]] = set()
    while waiting:
        pattern, after, rows = waiting.popleft()
        row = overlap.common_row(tested[len(rows)], pattern)
        if row is None or (pattern, len(rows)) in seen:
            continue
        seen.add((pattern, len(rows)))
        rows = (*rows, row)
        if len(rows) == len(tested):
            yield Mistake(rows=rows, printed=printed.patterns[0], read=tested[0], is_same=False)
            return
        waiting += [(each.pattern, each.after, rows) for each in nexts(after) if each.pattern is not None]
