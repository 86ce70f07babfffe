"""Why a source is no template: from the place where reading stopped to an error with its mend.

Pure functions of the source and the place; each mistake is explained at the first place where it can be seen.
Source: ours (the list of mistakes is docs/template-language.md, "Mistakes that are caught").
"""

import re
from dataclasses import dataclass

from grammar.errors import Kind, TemplateError, nearest
from grammar.span import Span, row_end, row_start

DIRECTIVES = ("DELETE_BLANK_ROW", "LOOP", "LOOP_BEGIN", "LOOP_END")
_NAME = re.compile(r"[A-Z][A-Z0-9_]*")
_FIELD_BEGINNING = re.compile(r"[<\[{]\$_")
_FIELD_END = re.compile(r"_\$[>\]}]")
_BARE_FIELD = re.compile(r"\$_[A-Z][A-Z0-9_]*?(?:_\$|(?![A-Z0-9_]))")
_DIRECTIVE = re.compile(r"##([A-Z][A-Z0-9_]*)(##)?")
_WHOLE_DIRECTIVES = re.compile(r"(?:##(?:DELETE_BLANK_ROW_?|LOOP)##|\$LOOP_)*")
_GLUED = "$LOOP_"
_CLOSING = {"<": ">", "[": "]", "{": "}"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Stop:
    """Where and in what state reading stopped."""

    position: int
    line: bool  # a subject or sender was being read, not a body
    opened_at: int | None  # where the open block begins


@dataclass(frozen=True, slots=True, kw_only=True)
class _Finding:
    kind: Kind
    message: str
    hint: str
    length: int  # characters from the place on that the caret marks
    offset: int | None = None  # another place than where reading stopped


def diagnose(source: str, stop: Stop, name: str) -> TemplateError:
    """The error that explains why reading stopped there."""
    rest = source[stop.position : row_end(source, stop.position)]
    before = source[row_start(source, stop.position) : stop.position]
    if stop.position >= len(source) and stop.opened_at is not None:
        finding = _unclosed(stop.opened_at)
    elif stop.line and source[stop.position : stop.position + 1] == "\n":
        finding = _Finding(
            kind="row-break", message="a subject or a sender is one row", hint="join the rows", length=1
        )
    elif _FIELD_BEGINNING.match(rest):
        finding = _malformed_field(rest)
    elif found := _FIELD_END.match(rest):
        finding = _Finding(
            kind="malformed-field",
            message=f"{found[0]} ends a field that does not begin on this row",
            hint="a field is written <$_NAME_$>",
            length=len(found[0]),
        )
    elif found := _BARE_FIELD.match(rest):
        word = _NAME.findall(found[0])[0].removesuffix("_")
        finding = _Finding(
            kind="malformed-field",
            message=f"{_shortened(found[0])} has no brackets",
            hint=f"write <$_{_shortened(word)}_$>",
            length=len(found[0]),
        )
    else:
        finding = _directive(rest, before, stop)
    start = stop.position if finding.offset is None else finding.offset
    return TemplateError(
        kind=finding.kind,
        message=finding.message,
        hint=finding.hint,
        source=source,
        span=Span(start=start, end=start + finding.length),
        name=name,
    )


def _unclosed(opened_at: int) -> _Finding:
    return _Finding(
        kind="unclosed-block",
        message="##LOOP_BEGIN## is not closed",
        hint="put ##LOOP_END## on a row of its own after the rows that repeat",
        length=len("##LOOP_BEGIN##"),
        offset=opened_at,
    )


def _malformed_field(rest: str) -> _Finding:
    opening, end = rest[0], _FIELD_END.search(rest, 3)
    next_field = _FIELD_BEGINNING.search(rest, 3)
    if end is None or (next_field is not None and next_field.start() < end.start()):
        name = _NAME.match(rest, 3)
        word = name[0].rstrip("_") if name else "NAME"
        return _Finding(
            kind="malformed-field",
            message=f"the field that begins with {rest[:3]} is not closed",
            hint=f"write {opening}$_{_shortened(word)}_${_CLOSING[opening]}",
            length=name.end() if name else 3,
        )
    word = rest[3 : end.start()]
    usable = word.partition("|")[0].strip().upper().replace(" ", "_").replace("-", "_")
    name_meant = _shortened(usable) if _NAME.fullmatch(usable) else "NAME"
    hint = f"write {opening}$_{name_meant}_${_CLOSING[opening]}"
    if _NAME.fullmatch(word):
        message = f"the field begins with {opening} and ends with {end[0][-1]}"
    elif not word:
        message = "a field needs a name"
    elif "|" in word:
        message = "a field holds a name and nothing else: | is not known"
    else:
        message = f"{_shortened(word)} is not a field name: A to Z, 0 to 9 and _, a letter first"
    return _Finding(kind="malformed-field", message=message, hint=hint, length=end.end())


def _directive(rest: str, before: str, stop: Stop) -> _Finding:
    at_head = _WHOLE_DIRECTIVES.fullmatch(before) is not None
    found = _DIRECTIVE.match(rest)
    word = found[1].removesuffix("_") if found else "LOOP"
    spelling = found[0] if found else _GLUED
    if stop.line:
        return _Finding(
            kind="misplaced-directive",
            message="a subject or a sender takes no directives",
            hint="take it out; to print two #, put a space after them",
            length=len(spelling),
        )
    if at_head and before.endswith(_GLUED) and not rest.startswith(_GLUED):
        return _Finding(
            kind="misplaced-directive",
            message="$LOOP_ must be followed by a field at once",
            hint="write ##LOOP## instead: it may stand before text",
            length=1,
        )
    if found and (word not in DIRECTIVES or not found[2]):
        return _unknown(word, spelling, closed=found[2] is not None)
    if word in ("LOOP_BEGIN", "LOOP_END"):
        return _misplaced_block(word, rest, before)
    if at_head:
        return _Finding(
            kind="repeated-directive",
            message=f"##{word}## stands twice on this row",
            hint="take one of them out",
            length=len(spelling),
        )
    indented = not before.strip()
    return _Finding(
        kind="misplaced-directive",
        message=f"{spelling} stands {'after an indentation' if indented else 'in the middle of a row'}",
        hint="take out the space before it" if indented else "move it to the head of the row",
        length=len(spelling),
    )


def _unknown(word: str, spelling: str, *, closed: bool) -> _Finding:
    known = word if word in DIRECTIVES else nearest(word, DIRECTIVES)
    if word in DIRECTIVES and not closed:
        message = f"##{word} lacks its second ##"
    else:
        message = f"unknown directive {_shortened(spelling)}"
    hint = (
        f"did you mean ##{known}##?"
        if known
        else f"known are {_known_directives()}; to print two #, put a space after them"
    )
    return _Finding(kind="unknown-directive", message=message, hint=hint, length=len(spelling))


def _known_directives() -> str:
    return ", ".join(f"##{name}##" for name in DIRECTIVES)


def _misplaced_block(word: str, rest: str, before: str) -> _Finding:
    spelling = f"##{word}##"
    if before or rest != spelling:
        return _Finding(
            kind="misplaced-directive",
            message=f"{spelling} does not stand alone on its row",
            hint="move what stands beside it to a row of its own"
            if (before + rest.removeprefix(spelling)).strip()
            else "take out the space or carriage return beside it",
            length=len(spelling),
        )
    if word == "LOOP_BEGIN":
        return _Finding(
            kind="nested-block",
            message="##LOOP_BEGIN## inside a block that is still open",
            hint="close the first block with ##LOOP_END##; inside it ##LOOP## may repeat a row over a list",
            length=len(spelling),
        )
    return _Finding(
        kind="unopened-block",
        message="##LOOP_END## closes no block",
        hint="put ##LOOP_BEGIN## on a row of its own before the rows that repeat, or take this row out",
        length=len(spelling),
    )


def _shortened(word: str) -> str:
    shown = word if len(word) <= 40 else word[:40] + "…"
    return shown if shown.isprintable() else repr(shown)
