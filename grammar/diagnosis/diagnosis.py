"""Why a source is no template: from the place where reading stopped to an error with its mend.

Pure functions of the source and the place; each mistake is explained at the first place where it can be seen.
What is wrong inside a field is told by `field_fault`, inside an IF by `condition_fault`, with a block by
`block_fault`; this module finds out which it is, and knows the rows. Source: ours (the list of mistakes is
docs/template-language.md, "Mistakes that are caught").
"""

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, cast

from grammar.diagnosis.block import Closer, beside_fault, closer_fault, unclosed_fault
from grammar.diagnosis.condition import condition_fault
from grammar.diagnosis.fault import Fault, Stop, shortened
from grammar.diagnosis.field import field_fault
from grammar.errors import TemplateError, nearest
from grammar.span import Span, row_end, row_start

_BLOCK_WORDS = ("LOOP_BEGIN", "LOOP_END", "ELSE", "END_IF")
SPELLINGS: Final[Mapping[str, str]] = MappingProxyType(
    {
        word: "##IF <$_NAME_$>##" if word == "IF" else f"##{word}##"
        for word in ("DELETE_BLANK_ROW", "LOOP", "LOOP_BEGIN", "LOOP_END", "IF", "ELSE", "END_IF")
    }
)
# What other languages call them, where the nearest spelling would be another directive or none.
_ELSEWHERE: Final[Mapping[str, str]] = MappingProxyType(
    {"FI": "END_IF", "END": "END_IF", "IF_END": "END_IF", "END_LOOP": "LOOP_END", "FOR": "LOOP_BEGIN"}
)
_DIRECTIVE = re.compile(r"##([A-Z][A-Za-z0-9_]*)(##)?")
_SPACED = re.compile(r"##([A-Z]+(?:[ \u3000-][A-Z]+)+)##")  # spaces or hyphens where _ should stand
_ELSE_IF = re.compile(r"##(?:ELSE[ _]?IF|ELSIF|ELIF)(?![A-Z0-9_])(?:##)?")
_WHOLE_DIRECTIVES = re.compile(r"(?:##(?:DELETE_BLANK_ROW_?|LOOP)##|\$LOOP_)*")
_GLUED = "$LOOP_"


def diagnose(source: str, stop: Stop, name: str) -> TemplateError:
    """The error that explains why reading stopped there."""
    fault = _fault(source, stop)
    start = stop.position + fault.offset
    return TemplateError(
        kind=fault.kind,
        message=fault.message,
        hint=fault.hint,
        source=source,
        span=Span(start=start, end=start + fault.length),
        name=name,
    )


def _fault(source: str, stop: Stop) -> Fault:
    rest = source[stop.position : row_end(source, stop.position)]
    before = source[row_start(source, stop.position) : stop.position]
    if stop.position >= len(source) and stop.openings:
        return unclosed_fault(source, stop)
    if stop.line and source[stop.position : stop.position + 1] == "\n":
        return Fault(
            kind="row-break", message="a subject or a sender is one row", hint="join the rows", length=1
        )
    if found := field_fault(rest):
        return found
    if stop.line:
        return _in_line(rest)
    if before.endswith(_GLUED) and _WHOLE_DIRECTIVES.fullmatch(before) and not rest.startswith(_GLUED):
        return Fault(
            kind="misplaced-directive",
            message="$LOOP_ must be followed by a field at once",
            hint="write ##LOOP## instead: it may stand before text",
            length=1,
        )
    return _directive(rest, before, source, stop)


def _in_line(rest: str) -> Fault:
    found = _DIRECTIVE.match(rest)
    return Fault(
        kind="misplaced-directive",
        message="a subject or a sender takes no directives",
        hint="take it out; to print two #, put a space after them",
        length=len(found[0] if found else _GLUED),
    )


def _directive(rest: str, before: str, source: str, stop: Stop) -> Fault:
    found = _DIRECTIVE.match(rest)
    word = found[1] if found else "LOOP"
    word = "DELETE_BLANK_ROW" if word == "DELETE_BLANK_ROW_" else word  # the one that has two spellings
    spelling = found[0] if found else _GLUED
    if word == "IF":
        return condition_fault(rest, before)
    if found and (word not in SPELLINGS or not found[2]):
        return _unknown(word, rest, spelling)
    if word not in _BLOCK_WORDS:
        return _misplaced(word, spelling, before)
    if before or rest != spelling:
        return beside_fault(spelling, before + rest.removeprefix(spelling))
    return closer_fault(cast("Closer", word), source, stop)


def _misplaced(word: str, spelling: str, before: str) -> Fault:
    """A row's own directive that stands a second time, or not at the head."""
    if _WHOLE_DIRECTIVES.fullmatch(before):
        return Fault(
            kind="repeated-directive",
            message=f"##{word}## stands twice on this row",
            hint="take one of them out",
            length=len(spelling),
        )
    indented = not before.strip()
    return Fault(
        kind="misplaced-directive",
        message=f"{spelling} stands {'after an indentation' if indented else 'in the middle of a row'}",
        hint="take out the space before it" if indented else "move it to the head of the row",
        length=len(spelling),
    )


def _unknown(word: str, rest: str, spelling: str) -> Fault:
    if found := _ELSE_IF.match(rest):
        return Fault(
            kind="unknown-directive",
            message=f"unknown directive {found[0]}",
            hint="put a whole ##IF … ##END_IF## between ##ELSE## and ##END_IF##",
            length=len(found[0]),
        )
    lacks_end = word in SPELLINGS
    if spaced := _SPACED.match(rest):
        word, spelling, lacks_end = re.sub("[^A-Z]", "_", spaced[1]), spaced[0], False
    known = word if word in SPELLINGS else _ELSEWHERE.get(word.upper()) or nearest(word.upper(), SPELLINGS)
    hint = (
        f"did you mean {SPELLINGS[known]}?"
        if known
        else f"known are {', '.join(SPELLINGS.values())}; to print two #, put a space after them"
    )
    return Fault(
        kind="unknown-directive",
        message=f"##{word} lacks its second ##" if lacks_end else f"unknown directive {shortened(spelling)}",
        hint=hint,
        length=len(spelling),
    )
