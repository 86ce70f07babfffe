"""What is wrong with an ##IF: its field, its comparison, its end, or what stands beside it.

Source: ours (docs/template-language.md, "IF").
"""

import re
from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Final

from grammar.diagnosis.block import beside_fault
from grammar.diagnosis.fault import Fault, shortened
from grammar.diagnosis.field import FIELD_BEGINNING, FIELD_END, NAME, field_end, field_fault

_IF = "##IF"
_COMPARISON = re.compile(r" !?= (?!\s).+(?<!\s)")
# What people write who know another language, or whose keyboard is set to Japanese.
_OPERATOR = re.compile(r"\s*(=+|!=+|<>|≠|[！!]＝|！=|＝+)?\s*")
_MEANT: Final[Mapping[str, str]] = MappingProxyType(
    {"!": "!=", "！": "!=", "<": "!=", "≠": "!="}
)  # by first sign


def condition_fault(rest: str, before: str) -> Fault:
    """What is wrong with the IF that `rest` of a row begins with, `before` standing before it."""
    beginning = FIELD_BEGINNING.search(rest)
    if beginning is None:
        return _no_field(rest)
    start = beginning.start()
    end = start + field_end(rest[start:])
    if end == start:
        found = field_fault(rest[start:])
        assert found is not None
        return replace(found, offset=found.offset + start)
    if rest[len(_IF) : start] != " ":
        return _not_between(rest[len(_IF) : start], rest[start:end])
    return _after_field(rest, end, before)


def _after_field(rest: str, end: int, before: str) -> Fault:
    """What is wrong behind the field, which ends `end` characters into the row's rest."""
    field = rest[len(_IF) + 1 : end]
    comparison, closing, beside = rest[end:].partition("##")
    if not closing:
        return Fault(
            kind="malformed-condition",
            message="##IF lacks its second ##",
            hint=f"write {_written(field, comparison.rstrip('# '))}",
            length=len(rest),
        )
    if comparison and (not _COMPARISON.fullmatch(comparison) or _holds_field(comparison)):
        return replace(_no_comparison(field, comparison), length=len(comparison), offset=end)
    if comparison and beside.endswith("##"):
        return Fault(
            kind="malformed-condition",
            message="the text that a field is compared with holds no ##",
            hint="## ends the condition; it must end the row too",
            length=2,
            offset=end + len(comparison),
        )
    return beside_fault(rest[: end + len(comparison) + 2], before + beside)


def _no_field(rest: str) -> Fault:
    named = NAME.search(rest, len(_IF))
    name = shortened(named[0].rstrip("_")) if named else "NAME"
    return Fault(
        kind="malformed-condition",
        message="##IF asks about no field",
        hint=f"write ##IF <$_{name}_$>##",
        length=len(_IF),
    )


def _not_between(between: str, field: str) -> Fault:
    word = between.strip()
    return Fault(
        kind="malformed-condition",
        message=f"{shortened(word)} does not stand between ##IF and its field"
        if word
        else "one space stands between ##IF and its field",
        hint=f"write ##IF {shortened(field)}##"
        + ("; what is printed when the field is blank follows ##ELSE##" if word else ""),
        length=len(between) or 1,
        offset=len(_IF),
    )


def _no_comparison(field: str, comparison: str) -> Fault:
    operator = _OPERATOR.match(comparison)
    assert operator is not None
    text = comparison[operator.end() :].strip()
    meant = _MEANT.get((operator[1] or "=")[0], "=")
    hint = f"write {_written(field, f' {meant} {text}')}"
    if _holds_field(comparison) and operator[1]:
        message, hint = "a field is compared with text, not with a field", "write the text itself"
    elif _holds_field(comparison):
        message, hint = "one ##IF asks about one field", "put a second ##IF, about the other, inside this one"
    elif not comparison.strip():
        message, hint = "no space stands before ##", f"write ##IF {shortened(field)}##"
    elif not text:
        message = "there is nothing to compare the field with"
        hint = f"##IF {shortened(field)}## asks whether the field has something to see"
    elif operator[1] is None:
        message = f"{shortened(comparison.strip())} does not say how to compare: = or !="
        hint = f"write {_written(field, ' = text')}, with the text that the field prints"
    elif operator[1] not in ("=", "!="):
        message = f"{shortened(operator[1])} is no comparison: = and != are"
    else:
        message = f"one space stands before {meant}, one after it, and none before ##"
    return Fault(kind="malformed-condition", message=message, hint=hint, length=1)


def _holds_field(comparison: str) -> bool:
    return FIELD_BEGINNING.search(comparison) is not None or FIELD_END.search(comparison) is not None


def _written(field: str, comparison: str) -> str:
    return f"##IF {shortened(field)}{shortened(comparison) if comparison else ''}##"
