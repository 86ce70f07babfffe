"""Whether one row of a mail could be read as two rows of the template, and such a row.

A row is a chain of steps, each one character or any number of characters of an alphabet; two chains are
walked together, breadth first, so that the row that is found is a short one. Rows that begin with different
text, which is nearly all of them, are told apart without walking. Source: ours; the construction is the usual
product of two automata.
"""

from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from grammar.ast import Field
from grammar.reader.label import UNSEEN
from grammar.reader.pattern import RowPattern

VISIBLE: Final = "あ"  # stands for any character that can be seen
# States that are visited for one template: some seconds, which only rows made for it need. Shipped templates
# need a hundredth.
MAX_STEPS: Final = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Alphabet:
    """The characters that a field may print."""

    only: frozenset[str] | None = None  # None: any but those of `without`
    without: frozenset[str] = frozenset()

    def __contains__(self, char: str) -> bool:
        return char not in self.without if self.only is None else char in self.only


ANY: Final = Alphabet()


@dataclass(frozen=True, slots=True)
class _Step:
    alphabet: Alphabet
    many: bool
    visible: bool = False  # no white space


def any_text(_field: Field) -> Alphabet:
    """What a field may print, as the reader sees it: anything."""
    return ANY


def may_look_alike(one: RowPattern, other: RowPattern) -> bool:
    """Whether a look at how the two rows begin and end leaves it open that they may be the same."""
    heads = sorted((one.literals[0], other.literals[0]), key=len)
    tails = sorted((one.literals[-1], other.literals[-1]), key=len)
    if one.is_text or other.is_text:
        text, row = (one, other) if one.is_text else (other, one)
        return text.head == row.head if row.is_text else text.head.startswith(row.head)
    return heads[1].startswith(heads[0]) and tails[1].endswith(tails[0])


class Overlap:
    """The walks of one template; together they take no more than `MAX_STEPS`.

    When these are used up, rows that may look alike are taken to do so: the safe answer.
    """

    def __init__(self, alphabet: Callable[[Field], Alphabet] = any_text) -> None:
        self._alphabet = alphabet  # the characters that a printed field may hold
        self._steps_left = MAX_STEPS

    def common_row(self, read: RowPattern, printed: RowPattern) -> str | None:
        """A short row that `printed` may print and that looks like `read`; None when there is none.

        Args:
            read: how the row would be read: a value may be anything.
            printed: the row as it is printed.
        """
        if not may_look_alike(read, printed):
            return None
        seen = read.seen or printed.seen
        return self._walk(_steps(read, any_text), _steps(printed, self._alphabet), seen=seen)

    def labelled_row(self, label: str, printed: RowPattern, brought: int) -> str | None:
        """A short row that `printed` may print and that is the label, or begins with it and a space.

        Args:
            label: the label.
            printed: the row.
            brought: how many characters of the label the row brings itself; what stands before them cannot be
                seen, and nothing that is seen may stand before the label otherwise.
        """
        skipped = len(printed.head) - brought
        row, steps = _steps(printed, self._alphabet)[skipped:], _literal(label)
        if not brought:
            steps.insert(0, _Step(Alphabet(only=UNSEEN), many=True))
        for tail in ([], [*_literal(" "), _Step(ANY, many=True)], [_Step(ANY, many=True)]):
            found = self._walk([*steps, *tail], row, seen=printed.seen)
            if found is not None:
                return printed.head[:skipped] + found
        return None

    def _walk(self, left: list[_Step], right: list[_Step], *, seen: bool) -> str | None:
        if self._steps_left <= 0:
            return VISIBLE
        found, steps = _walk(left, right, seen=seen)
        self._steps_left -= steps + len(left) + len(right)
        return found


def _steps(pattern: RowPattern, alphabet: Callable[[Field], Alphabet]) -> list[_Step]:
    steps = _literal(pattern.head)
    for slot, literal in zip(pattern.slots, pattern.literals[1:], strict=True):
        letters = _joined([alphabet(field) for field in slot.fields])
        steps.append(_Step(letters, many=True))
        if pattern.is_filled:
            steps += [_Step(letters, many=False, visible=True), _Step(letters, many=True)]
        steps += _literal(literal)
    return steps


def _literal(text: str) -> list[_Step]:
    return [_Step(Alphabet(only=frozenset(char)), many=False) for char in text]


def _joined(alphabets: list[Alphabet]) -> Alphabet:
    """The characters of any of them."""
    without = [each.without for each in alphabets if each.only is None]
    if without:
        return Alphabet(without=frozenset[str].intersection(*without))
    return Alphabet(only=frozenset[str]().union(*(each.only or () for each in alphabets)))


def _walk(left: list[_Step], right: list[_Step], *, seen: bool) -> tuple[str | None, int]:
    """A short text of both chains, with `seen` one with something to see, and the steps that it took."""
    start, goal = (0, 0, not seen), (len(left), len(right), True)
    came: dict[tuple[int, int, bool], tuple[tuple[int, int, bool], str]] = {start: (start, "")}
    waiting = deque([start])
    while waiting and len(came) < MAX_STEPS:
        state = waiting.popleft()
        if state == goal:
            return _text(came, state), len(came)
        for follower, char in _followers(state, left, right):
            if follower not in came:
                came[follower] = (state, char)
                (waiting.append if char else waiting.appendleft)(follower)
    return (VISIBLE if waiting else None), len(came)


def _followers(
    state: tuple[int, int, bool], left: list[_Step], right: list[_Step]
) -> Iterator[tuple[tuple[int, int, bool], str]]:
    """The states that are one step on, each with the character that it takes, or none."""
    one, other, is_seen = state
    mine = left[one] if one < len(left) else None
    theirs = right[other] if other < len(right) else None
    if mine and mine.many:
        yield (one + 1, other, is_seen), ""
    if theirs and theirs.many:
        yield (one, other + 1, is_seen), ""
    if mine and theirs and (char := _shared(mine, theirs)):
        yield (one + (not mine.many), other + (not theirs.many), is_seen or not char.isspace()), char


def _shared(one: _Step, other: _Step) -> str:
    """A character of both, one that can be seen if there is one."""
    only = one.alphabet.only if one.alphabet.only is not None else other.alphabet.only
    chars = [VISIBLE] if only is None else sorted(only, key=lambda char: (char.isspace(), char))
    visible = one.visible or other.visible
    return next(
        (
            char
            for char in chars
            if char in one.alphabet and char in other.alphabet and not (visible and char.isspace())
        ),
        "",
    )


def _text(
    came: Mapping[tuple[int, int, bool], tuple[tuple[int, int, bool], str]], state: tuple[int, int, bool]
) -> str:
    found = []
    while (step := came[state])[0] != state:
        state, char = step
        found.append(char)
    return "".join(reversed(found))
