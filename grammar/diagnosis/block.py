"""What is wrong with the markers of blocks: LOOP_BEGIN, LOOP_END, IF, ELSE, END_IF.

Source: ours (docs/template-language.md, "Blocks" and "IF").
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, Literal

from grammar.diagnosis.fault import Fault, Opening, Stop, Word, shortened
from grammar.span import row_end

Closer = Literal["LOOP_END", "ELSE", "END_IF"]

_CLOSERS: Final[Mapping[str, str]] = MappingProxyType(
    {"LOOP_BEGIN": "LOOP_END", "IF": "END_IF", "ELSE": "END_IF"}
)
_TO_CLOSE: Final[Mapping[str, str]] = MappingProxyType(
    {
        "LOOP_BEGIN": "put ##LOOP_END## on a row of its own after the rows that repeat",
        "IF": "put ##END_IF## on a row of its own after the rows that it decides on",
    }
)
_TO_OPEN: Final[Mapping[Closer, str]] = MappingProxyType(
    {
        "LOOP_END": "put ##LOOP_BEGIN## on a row of its own before the rows that repeat",
        "ELSE": "put ##IF <$_NAME_$>## on a row of its own before the rows that it decides on",
        "END_IF": "put ##IF <$_NAME_$>## on a row of its own before the rows that it decides on",
    }
)


def unclosed_fault(source: str, stop: Stop) -> Fault:
    """The source ends, and the innermost block is open."""
    opening = _opener(stop.openings)
    spelling = _spelling(source, opening)
    return Fault(
        kind="unclosed-block",
        message=f"{shortened(spelling)} is not closed",
        hint=_TO_CLOSE[opening.word],
        length=len(spelling),
        offset=opening.position - stop.position,
    )


def beside_fault(spelling: str, beside: str) -> Fault:
    """The marker is one, but not alone on its row."""
    return Fault(
        kind="misplaced-directive",
        message=f"{shortened(spelling)} does not stand alone on its row",
        hint="move what stands beside it to a row of its own"
        if beside.strip()
        else "take out the space or carriage return beside it",
        length=len(spelling),
    )


def closer_fault(word: Closer, source: str, stop: Stop) -> Fault:
    """The marker stands alone on its row, and closes nothing, or something else than what is open."""
    spelling = f"##{word}##"
    opener: Word = "LOOP_BEGIN" if word == "LOOP_END" else "IF"
    if all(opening.word != opener for opening in stop.openings):
        return _stray_fault(word, source, stop)
    innermost = stop.openings[-1].word
    if innermost == word:
        return Fault(
            kind="repeated-directive",
            message=f"{spelling} stands twice for {_innermost(source, stop)}",
            hint="take one of them out; a further case is a whole ##IF … ##END_IF## after ##ELSE##",
            length=len(spelling),
        )
    return Fault(
        kind="unclosed-block",
        message=f"{spelling} comes before {_innermost(source, stop)} is closed",
        hint=f"put ##{_CLOSERS[innermost]}## on a row of its own before it",
        length=len(spelling),
    )


def _stray_fault(word: Closer, source: str, stop: Stop) -> Fault:
    """Nothing that the marker could belong to is open."""
    spelling = f"##{word}##"
    if word == "ELSE":
        message, hint = "belongs to no ##IF", f"{_TO_OPEN[word]}, or take this row out"
    elif not stop.openings:
        message, hint = "closes no block", f"{_TO_OPEN[word]}, or take this row out"
    else:
        message = f"does not close {_innermost(source, stop)}"
        hint = f"write ##{_CLOSERS[stop.openings[-1].word]}##"
    return Fault(kind="unopened-block", message=f"{spelling} {message}", hint=hint, length=len(spelling))


def _opener(openings: tuple[Opening, ...]) -> Opening:
    """The opening of the innermost block: of an ELSE, its IF."""
    return next(opening for opening in reversed(openings) if opening.word != "ELSE")


def _spelling(source: str, opening: Opening) -> str:
    return source[opening.position : row_end(source, opening.position)]


def _innermost(source: str, stop: Stop) -> str:
    """The innermost block, for people.

    Its distance and no line: who reads a template from a file counts its lines from another place.
    """
    opening = _opener(stop.openings)
    rows = source.count("\n", opening.position, stop.position)
    return f"the {shortened(_spelling(source, opening))} {rows} row{'' if rows == 1 else 's'} above"
