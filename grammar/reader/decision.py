r"""How a reader knows where it is, wherever a template may go on in two ways.

Such places are rows that may be missing, loops, and IF. The reader never goes back: it looks at the next rows
and decides. It *enters* when the rows look like the beginning of what may be missing, unless they look more
like what follows: the row with the longer literal head is the more special one, and a row without a field the
most special of all. A row that a label begins is never taken for a value (`label`), so a memo ends where the
next label stands. `checks` tells, before a template is used, where this cannot be right for all values.
Source: ours.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, assert_never

from grammar.reader.label import Labels, label_of
from grammar.reader.overlap import may_look_alike
from grammar.reader.pattern import RowPattern
from grammar.reader.shape import Always, Block, Choice, Maybe, Next, Part, Place, Repeat, firsts, nexts

MAX_AHEAD: Final = 4  # rows that are looked at to decide: more than that alike are a mistake in a template


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Start:
    """Rows that one way begins with; none: the end of the mail."""

    patterns: tuple[RowPattern, ...]
    risk: int | None  # of the first row, as `Labels.risk` has it
    after: Place  # behind the first row


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Decision:
    """Enter when the text looks like one of `enter` and like none of `unless`."""

    enter: tuple[Start, ...]
    unless: tuple[Start, ...]
    others: tuple[Start, ...]  # what follows otherwise; holds `unless`


def starts(found: Sequence[Next], labels: Labels) -> tuple[Start, ...]:
    """The rows that come next, each with those that certainly follow it."""
    return tuple(_start(following, labels) for following in found)


def _start(following: Next, labels: Labels) -> Start:
    if following.pattern is None:
        return Start(patterns=(), risk=None, after=following.after)
    ahead: tuple[RowPattern, ...] = ()
    place: Place | None = following.after
    while place is not None and place.index == len(place.parts) and not place.repeats:
        place = place.outer  # behind the last row of a branch
    if place is not None and place.index < len(place.parts):
        ahead = tuple(_certain(place.parts[place.index : place.index + MAX_AHEAD - 1], labels))
    return Start(
        patterns=(following.pattern, *ahead), risk=labels.risk(following.pattern), after=following.after
    )


def _certain(parts: tuple[Part, ...], labels: Labels) -> Iterator[RowPattern]:
    """The first rows that stand in any case; of one that could forge a label nothing is certain."""
    for part in parts:
        if not isinstance(part, Always) or labels.risk(part.pattern) is not None:
            return
        yield part.pattern


def decision_at(place: Place, labels: Labels) -> Decision:
    """How the two ways of the next part are told apart; it is no row that stands in any case."""
    part = place.parts[place.index]
    match part:
        case Always():
            raise ValueError("a row that stands in any case leaves nothing to decide")
        case Maybe():
            ways = [Next(pattern=part.pattern, after=place.after)], nexts(place.after)
        case Repeat():
            ways = [Next(pattern=part.pattern, after=place)], nexts(place.after)
        case Block():
            ways = firsts(place.into(part.parts, repeats=True)), nexts(place.after)
        case Choice():
            ways = nexts(place.into(part.first)), nexts(place.into(part.second))
        case _:
            assert_never(part)
    enter, others = starts(ways[0], labels), starts(ways[1], labels)
    unless = (other for other in others if other.patterns and _is_better(other, enter))
    return Decision(enter=enter, unless=tuple(unless), others=others)


def _is_better(other: Start, enter: Sequence[Start]) -> bool:
    """Whether what looks like both ways is to be read as `other`."""
    return any(
        _rank(other.patterns[0]) > _rank(start.patterns[0]) and may_be_taken(start, other.patterns[0])
        for start in enter
        if start.patterns
    )


def may_be_taken(start: Start, printed: RowPattern) -> bool:
    """Whether the first row of `start` may look like a row that another part prints."""
    if start.risk is not None:
        label, _ = label_of(printed)
        if len(label) > start.risk:
            return False  # what could forge a label is never read where one stands
    return may_look_alike(start.patterns[0], printed)


def _rank(pattern: RowPattern) -> tuple[bool, int, int]:
    return pattern.is_text, len(pattern.head), sum(map(len, pattern.literals))
