r"""The function that reads a text, made from a template's plan.

It goes through the text once, run by run, and decides as `decision` says. Diagnostics: `Parted`, at the first
run or row that does not fit. Source: ours.
"""

import re
from collections.abc import Callable
from typing import Final, NoReturn, assert_never

from grammar.limits import MAX_REPETITIONS
from grammar.reader.code import Code
from grammar.reader.decision import Start
from grammar.reader.pattern import RowPattern
from grammar.reader.plan import Flat, Plan, Way, either, nothing, width
from grammar.reader.shape import MAX_NEXTS, Always, Block, Choice, Maybe, Part, Repeat, Shape

_NOT_AT_END: Final = r"(?!\Z)"
_TAKEN: Final = ("out += m.groups()", "at = m.end()")
_ENTERED: Final = ("out.append('')",)
_PASS: Final = ("passes += 1", "if passes > MAX_REPETITIONS: too_many(at)")


class Parted(Exception):
    """The text is not what the template prints.

    Attributes:
        at: where reading stopped: the beginning of a row.
        ways: the rows that could have stood there; () stands for the end of the mail.
        limit: the limit that the text passes, in words; usually none.
    """

    def __init__(self, at: int, ways: tuple[Way, ...], *, limit: str = "") -> None:
        super().__init__()
        self.at = at
        self.ways = ways
        self.limit = limit


def recognition(shape: Shape, plan: Plan) -> Callable[[str], Flat]:
    """The function; it raises `Parted` when the template does not print the text."""
    return _Recognition(plan).function(shape)


class _Recognition:
    """Makes the function that reads a text."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._code = Code("def reading(text):")
        self._names: dict[str, object] = {
            "MAX_REPETITIONS": MAX_REPETITIONS,
            "label": plan.labels.found,
            "suspicious": plan.labels.suspicious,
            "length": len,
            "parted": self._raise_parted,
            "too_many": _raise_too_many,
        }
        self._matchers: dict[str, str] = {}
        self._ways: list[tuple[Way, ...]] = []
        self._declined: list[Way] = []  # what was not entered since the last row that was read; for errors

    def function(self, shape: Shape) -> Callable[[str], Flat]:
        self._code.add("at = passes = 0", "out = []")
        self._parts(shape.parts)
        self._code.add(f"if at != length(text): {self._parted(())}", "return out")
        return self._code.function(self._names)

    def _parts(self, parts: tuple[Part, ...]) -> None:
        while parts:
            run = self._plan.run(parts, certain=False)
            if run:
                self._run(run)
            else:
                self._part(parts[0])
            parts = parts[len(run) or 1 :]

    def _part(self, part: Part) -> None:
        match part:
            case Always():
                raise AssertionError("a row that stands in any case begins a run")
            case Maybe():
                with self._code.under(f"if {self._entered(part, part.pattern)}:"):
                    self._code.add(*_TAKEN)
                self._code.add(f"else: out += {nothing(part)}")
                self._declined.append((part,))
            case Repeat():
                self._repeat(part)
            case Block():
                self._block(part)
            case Choice():
                self._choice(part)
            case _:
                assert_never(part)

    def _run(self, run: tuple[Part, ...]) -> None:
        risk, stop = self._plan.risk(run), self._parted(run)
        if risk is not None:
            self._code.add(f"if {self._labelled(risk)}: {stop}")
        self._code.add(f"m = {self._matcher(self._plan.regex(run))}(text, at)", f"if m is None: {stop}")
        self._code.add(*(_TAKEN if any(map(width, run)) else _TAKEN[1:]))

    def _repeat(self, part: Repeat) -> None:
        with self._code.under("while True:"):
            # Where the last row may lack its newline, the end of the mail would be a blank repetition.
            self._code.add(f"if not ({self._entered(part, part.pattern, _NOT_AT_END)}): break")
            self._code.add(*_PASS, *_TAKEN)
        self._code.add("out.append(None)")
        self._declined.append((part,))

    def _block(self, part: Block) -> None:
        run = self._plan.run(part.parts, certain=True)
        with self._code.under("while True:"):
            self._code.add(f"if not ({self._way(part, run)}): break", *_PASS)
            self._code.add(*(_TAKEN if run else ("before = at", *_ENTERED)))
            self._parts(part.parts[len(run) :])
            if not run:
                self._code.add("if at == before: break")  # no pass without a row: reading must end
        self._code.add("out.append(None)")
        self._declined += [start.patterns for start in self._plan.decisions[part].enter]

    def _choice(self, part: Choice) -> None:
        run = self._plan.run(part.first, certain=True)
        declined = list(self._declined)
        with self._code.under(f"if {self._way(part, run)}:"):
            self._code.add(*(_TAKEN if run else _ENTERED))
            self._declined = [] if run else self._declined
            self._parts(part.first[len(run) :])
        first = self._declined
        self._declined = [*declined, *(start.patterns for start in self._plan.decisions[part].enter)]
        with self._code.under("else:"):
            self._code.add("out.append(None)")
            self._parts(part.second)
        self._declined = [*self._declined, *first][-MAX_NEXTS:]

    def _way(self, part: Block | Choice, run: tuple[Part, ...]) -> str:
        """The condition to enter; with a run, `m` is then its match."""
        if run:
            return self._matched(part, f"(){self._plan.regex(run)}", self._plan.risk(run))
        decision = self._plan.decisions[part]
        unless = (f"not {self._looks_like(start)}" for start in decision.unless)
        return " and ".join([self._looks_like(*decision.enter), *unless])

    def _entered(self, part: Maybe | Repeat, pattern: RowPattern, before: str = "") -> str:
        mark = "()" if isinstance(part, Repeat) else ""
        return self._matched(part, f"{before}{mark}{pattern.regex()}", self._plan.labels.risk(pattern))

    def _matched(self, part: Part, regex: str, risk: int | None) -> str:
        """The condition that the rows are there and are not better read as something else; sets `m`."""
        decision = self._plan.decisions[part]
        plain = [start for start in decision.unless if start.risk is None]
        unless = f"(?!{either(plain)})" if plain else ""
        self._code.add(f"m = {self._matcher(unless + regex)}(text, at)")
        tests = ["m is not None"]
        if risk is not None:
            tests.append(f"not ({self._labelled(risk)})")
        tests += [f"not {self._looks_like(start)}" for start in decision.unless if start.risk is not None]
        return " and ".join(tests)

    def _looks_like(self, *starts: Start) -> str:
        plain = [start for start in starts if start.risk is None]
        tests = [
            f"{self._matcher(either([start]))}(text, at) is not None and not ({self._labelled(start.risk)})"
            for start in starts
            if start.risk is not None
        ]
        if plain:
            tests.append(f"{self._matcher(either(plain))}(text, at) is not None")
        return f"({' or '.join(tests) or 'False'})"

    @staticmethod
    def _labelled(risk: int) -> str:
        """The condition that a longer label stands here; most rows pay for their first character alone."""
        return f"text[at:at + 1] in suspicious and label(text, at, {risk})"

    def _matcher(self, regex: str) -> str:
        """The name of a function that matches the regular expression at a place."""
        name = self._matchers.setdefault(regex, f"match_{len(self._matchers)}")
        if name not in self._names:
            self._names[name] = re.compile(regex).match
        return name

    def _parted(self, rows: Way) -> str:
        """The statement that gives up: here these rows, or what has been declined, should stand."""
        self._ways.append((*self._declined, rows))
        self._declined = []
        return f"parted({len(self._ways) - 1}, at)"

    def _raise_parted(self, index: int, at: int) -> NoReturn:
        raise Parted(at, self._ways[index])


def _raise_too_many(at: int) -> NoReturn:
    raise Parted(at, (), limit=f"the loops repeat more than {MAX_REPETITIONS} times (MAX_REPETITIONS)")
