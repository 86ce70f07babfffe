"""The first place where a text and a template part, for people.

Where several rows could have stood, the one that the text follows furthest is named. Source: ours.
"""

from dataclasses import dataclass
from operator import attrgetter
from typing import assert_never

from grammar.reader.label import Labels
from grammar.reader.pattern import RowPattern
from grammar.reader.plan import Way
from grammar.reader.reading import ReadingError
from grammar.reader.recognition import Parted
from grammar.reader.shape import Always, Block, Choice, Maybe, Repeat
from grammar.span import line_and_column, row_end


@dataclass(frozen=True, slots=True, kw_only=True)
class Stop:
    """A place where reading stops."""

    at: int
    expected: str  # what stands there in the template; nothing when it goes no further
    label: str  # that is in the way

    @property
    def is_parted(self) -> bool:
        """Whether the template goes on, and otherwise than the text."""
        return bool(self.expected)


def reading_error(text: str, parted: Parted, labels: Labels) -> ReadingError:
    """The error that tells where reading stopped, and why."""
    if parted.limit:
        row, column = line_and_column(text, parted.at)
        return ReadingError(parted.limit, row=row, column=column, expected="", found="")
    stop = furthest(text, parted, labels)
    at, expected, label = stop.at, stop.expected, stop.label
    row, column = line_and_column(text, at)
    found = text[at : row_end(text, at)]
    if label:
        message = f"the row begins with the label {label}, and the template has a value there"
    elif at == len(text):
        found, message = "", "the text ends too early"
    elif not expected:
        message = "the template ends here, and the text goes on"
    else:
        message = "the text is not what the template prints"
    return ReadingError(message, row=row, column=column, expected=expected, found=found)


def furthest(text: str, parted: Parted, labels: Labels) -> Stop:
    """Where the text leaves the template."""
    stops = [_followed(text, parted.at, way, labels) for way in parted.ways]
    return max(stops, key=attrgetter("at"), default=Stop(at=parted.at, expected="", label=""))


def _followed(text: str, at: int, way: Way, labels: Labels) -> Stop:
    """Where the text stops following the rows; behind them when it does not. At most as deep as MAX_DEPTH."""
    stops: list[Stop] = []
    for part in way:
        match part:
            case Choice(first=first, second=second):
                found = _followed(text, at, first, labels)
                if found.is_parted:
                    stops.append(found)
                    found = _followed(text, at, second, labels)
            case Block(parts=parts):
                found = _followed(text, at, parts, labels)
            case RowPattern():
                found = _row_followed(text, at, part, labels)
            case Always() | Maybe() | Repeat():
                found = _row_followed(text, at, part.pattern, labels)
            case _:
                assert_never(part)
        if found.is_parted:
            stops.append(found)
            if not isinstance(part, Maybe):
                return max(stops, key=attrgetter("at"))
        else:
            at = found.at
    return Stop(at=at, expected="", label="")


def _row_followed(text: str, at: int, pattern: RowPattern, labels: Labels) -> Stop:
    if label := _forged(text, at, pattern, labels):
        return Stop(at=at, expected=pattern.source, label=label)
    if parting := pattern.parting(text, at):
        return Stop(at=parting[0], expected=parting[1], label="")
    return Stop(at=min(row_end(text, at) + 1, len(text)), expected="", label="")


def _forged(text: str, at: int, pattern: RowPattern, labels: Labels) -> str:
    risk = labels.risk(pattern)
    return "" if risk is None else labels.found(text, at, risk)
