r"""How the parts of a template are read: what is decided where, and which parts are read at once.

Rows that follow each other are one regular expression, a *run*, with a group for each value. Rows that may be
missing and an IF of plain rows are alternatives inside it. The groups of what is not there are None, so a run
gives equally many values whatever is there. An alternative that has been taken is never left again (atomic
groups), so a run too is read without going back. Source: ours.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, assert_never

from grammar.reader.decision import Decision, Start, decision_at
from grammar.reader.label import Labels
from grammar.reader.pattern import RowPattern, run_regex
from grammar.reader.shape import MAX_NEXTS, Always, Block, Choice, Maybe, Part, Place, Repeat

MAX_RUN: Final = 64  # parts that are read at once: one regular expression of more gains nothing
Flat = list[str | None]  # what one mail says, as `proof` describes it
Way = tuple[Part | RowPattern, ...]  # parts that may stand at one place
_NONE: Final = "(?!)"  # matches nowhere


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Plan:
    """What was planned for one template."""

    labels: Labels
    decisions: Mapping[Part, Decision]
    regexes: Mapping[Part, str]  # of the parts that may stand in a run

    def run(self, parts: Sequence[Part], *, certain: bool) -> tuple[Part, ...]:
        """The parts that are read at once; a row that could forge a label stands first or not at all.

        Args:
            parts: from where the run begins.
            certain: whether it must begin with a row that stands in any case, which shows that it is there.
        """
        found: list[Part] = []
        for part in parts[:MAX_RUN]:
            may_stand = part in self.regexes
            if not found:
                may_stand = isinstance(part, Always) or (may_stand and not certain)
            if not may_stand:
                break
            found.append(part)
        return tuple(found)

    def regex(self, run: Sequence[Part]) -> str:
        """A run as one regular expression."""
        first, *others = run
        head = first.pattern.regex() if isinstance(first, Always) else self.regexes[first]
        return head + "".join(self.regexes[part] for part in others)

    def is_told(self, part: Choice) -> bool:
        """Whether the mail shows which way of an IF was taken: not when both may begin with the same row.

        Nor when more rows may begin one of them than are looked at.
        """
        decision = self.decisions[part]
        if max(len(decision.enter), len(decision.others)) > MAX_NEXTS:
            return False
        first, second = (
            {start.patterns[:1] for start in starts} for starts in (decision.enter, decision.others)
        )
        return first.isdisjoint(second)

    def risk(self, run: Sequence[Part]) -> int | None:
        """Of the row that the run begins with, as `Labels.risk` has it."""
        return self.labels.risk(run[0].pattern) if isinstance(run[0], Always) else None


def plan_of(parts: tuple[Part, ...], labels: Labels) -> Plan:
    """The plan for a template."""
    decisions: dict[Part, Decision] = {}
    regexes: dict[Part, str] = {}
    for place in _places(Place(parts=parts)):
        part = place.parts[place.index]
        if not isinstance(part, Always):
            decisions[part] = decision_at(place, labels)
        if regex := _regex(part, decisions.get(part), labels, regexes):
            regexes[part] = regex
    return Plan(labels=labels, decisions=decisions, regexes=regexes)


def either(starts: Sequence[Start]) -> str:
    """A regular expression for one of the starts, without groups; for none of none."""
    found = (run_regex(start.patterns, groups=False) or r"\Z" for start in starts)
    return f"(?:{'|'.join(found)})" if starts else _NONE


def _places(place: Place) -> Iterator[Place]:
    """Every part with the place before it, a part's own parts first. At most as deep as MAX_DEPTH."""
    while place.index < len(place.parts):
        part = place.parts[place.index]
        match part:
            case Block():
                yield from _places(place.into(part.parts, repeats=True))
            case Choice():
                yield from _places(place.into(part.first))
                yield from _places(place.into(part.second))
            case Always() | Maybe() | Repeat():
                pass
            case _:
                assert_never(part)
        yield place
        place = place.after


def _regex(part: Part, decision: Decision | None, labels: Labels, known: Mapping[Part, str]) -> str:
    """The part inside a run, or nothing when it must be looked at by itself."""
    if decision and any(start.risk is not None for start in decision.unless):
        return ""
    unless = f"(?!{either(decision.unless)})" if decision and decision.unless else ""
    match part:
        case Always():
            return "" if labels.risk(part.pattern) is not None else part.pattern.regex()
        case Maybe():
            return "" if labels.risk(part.pattern) is not None else f"(?>{unless}{part.pattern.regex()}|)"
        case Choice(first=first, second=second):
            is_plain = len(first) + len(second) <= MAX_RUN and all(
                each in known for each in (*first, *second)
            )
            if not is_plain or not first or not isinstance(first[0], Always):
                return ""
            ways = ("".join(known[each] for each in way) for way in (first, second))
            return f"(?>{unless}(){'|'.join(ways)})"
        case Repeat() | Block():
            return ""
        case _:
            assert_never(part)


def width(part: Part) -> int:
    """How many values a part of a run gives."""
    match part:
        case Always() | Maybe():
            return len(part.pattern.slots)
        case Choice():
            return 1 + sum(map(width, (*part.first, *part.second)))
        case Repeat() | Block():
            raise ValueError("a loop gives no fixed number of values")
        case _:
            assert_never(part)


def nothing(*parts: Part) -> str:
    """The values of parts of a run that are not there, as a tuple."""
    return f"({'None, ' * sum(map(width, parts))})"
