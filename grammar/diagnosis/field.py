"""What is wrong with a field: its brackets, its name or the spelling of its filters.

Whether a field or a filter exists is not asked here but in `analysis`. Source: ours
(docs/template-language.md, "Fields" and "Filters").
"""

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from grammar.diagnosis.fault import Fault, shortened

FIELD_BEGINNING = re.compile(r"[<\[{]\$_")
FIELD_END = re.compile(r"_\$[>\]}]")
NAME = re.compile(r"[A-Z][A-Z0-9_]*")
_FILTER = re.compile(r"[a-z]+(?::[^|]*)?")
_BARE_FIELD = re.compile(r"\$_[A-Z][A-Z0-9_]*?(?:_\$|(?![A-Z0-9_]))")
_UNCLOSED = re.compile(r"[A-Z][A-Z0-9_]*(?:\|[a-z]+(?::[^|\s<\[{$]*)?)*")
_ARGUMENT_BEGINS = re.compile(r"[A-Z][A-Z0-9_]*(?:\|[a-z]+(?::[^|\n]*)?)*\|[a-z]+:")
# An argument as other languages write it, or without anything before it: date(%Y), pad=3, max20.
_CALL = re.compile(r"([A-Za-z]+)(?:[(=](.*?)\)?|([0-9]+))")
_FULL_WIDTH = str.maketrans("｜：", "|:")
_CLOSING: Final[Mapping[str, str]] = MappingProxyType({"<": ">", "[": "]", "{": "}"})


def field_fault(rest: str) -> Fault | None:
    """What is wrong with the field, or half of one, that `rest` of a row begins with; None without one."""
    if FIELD_BEGINNING.match(rest):
        return _malformed(rest)
    if found := FIELD_END.match(rest):
        return Fault(
            kind="malformed-field",
            message=f"{found[0]} ends a field that does not begin on this row",
            hint="a field is written <$_NAME_$>",
            length=len(found[0]),
        )
    if found := _BARE_FIELD.match(rest):
        word = NAME.findall(found[0])[0].removesuffix("_")
        return Fault(
            kind="malformed-field",
            message=f"{shortened(found[0])} has no brackets",
            hint=f"write <$_{shortened(word)}_$>",
            length=len(found[0]),
        )
    return None


def field_end(rest: str) -> int:
    """Where the field ends that `rest` begins with; 0 when it is no field.

    >>> field_end("<$_TOTAL|yen_$>円"), field_end("<$_TOTAL|Yen_$>")
    (15, 0)
    """
    end = FIELD_END.search(rest, 3)
    if not FIELD_BEGINNING.match(rest) or end is None or end[0][-1] != _CLOSING[rest[0]]:
        return 0
    return end.end() if _is_printed(rest[3 : end.start()]) else 0


def _is_printed(word: str) -> bool:
    """Whether a name with its filters is spelled well."""
    name, *filters = word.split("|")
    return (
        NAME.fullmatch(name) is not None
        and not FIELD_BEGINNING.search(word)
        and all(_FILTER.fullmatch(each) for each in filters)
    )


def _malformed(rest: str) -> Fault:
    opening, end = rest[0], FIELD_END.search(rest, 3)
    following = FIELD_BEGINNING.search(rest, 3)
    if following is not None and _ARGUMENT_BEGINS.fullmatch(rest, 3, following.start()):
        return Fault(
            kind="malformed-filter",
            message="the argument of a filter holds a field",
            hint="write a text there; where a field is blank, ##IF and ##ELSE## can print another",
            length=3,
            offset=following.start(),
        )
    if end is None or (following is not None and following.start() < end.start()):
        begun = _UNCLOSED.match(rest, 3)
        word = begun[0].rstrip("_") if begun else "NAME"
        return Fault(
            kind="malformed-field",
            message=f"the field that begins with {rest[:3]} is not closed",
            hint=f"write {opening}$_{shortened(word)}_${_CLOSING[opening]}",
            length=begun.end() if begun else 3,
        )
    word = rest[3 : end.start()]
    hint = f"write {opening}$_{shortened(_mended(word))}_${_CLOSING[opening]}"
    name, *filters = word.split("|")
    if not NAME.fullmatch(name):
        return Fault(kind="malformed-field", message=_name_fault(name), hint=hint, length=end.end())
    start = 3 + len(name)
    for each in filters:
        if not _FILTER.fullmatch(each):
            return _filter_fault(each, start, hint)
        start += 1 + len(each)
    return Fault(
        kind="malformed-field",
        message=f"the field begins with {opening} and ends with {end[0][-1]}",
        hint=hint,
        length=end.end(),
    )


def _name_fault(name: str) -> str:
    if not name:
        return "a field needs a name"
    if "｜" in name:
        return "｜ is a full-width sign: a filter follows |"
    if NAME.fullmatch(name.strip()):
        return "no space stands beside a field's name"
    return f"{shortened(name)} is not a field name: A to Z, 0 to 9 and _, a letter first"


def _filter_fault(spelling: str, start: int, hint: str) -> Fault:
    """What is wrong with a filter whose `|` stands `start` characters into the field."""
    name = spelling.partition(":")[0]
    if not name.strip():
        message = "| must be followed by the name of a filter"
    elif "｜" in name or "：" in name:
        message = f"{'｜' if '｜' in name else '：'} is a full-width sign: filters take | and :"
    elif re.fullmatch(r"[a-z]+", name.strip()):
        message = "no space stands beside the name of a filter"
    elif _CALL.fullmatch(name):
        message = f"{shortened(spelling)} is not a filter: its argument follows a colon"
    else:
        message = f"{shortened(name)} is not the name of a filter: small letters a to z"
    return Fault(kind="malformed-filter", message=message, hint=hint, length=1 + len(spelling), offset=start)


def _mended(word: str) -> str:
    """What was most likely meant: the name with its filters, the name alone, or NAME.

    >>> _mended("total ｜ Comma"), _mended("ORDER_DATE|date(%Y年)"), _mended("合計|yen")
    ('TOTAL|comma', 'ORDER_DATE|date:%Y年', 'NAME|yen')
    """
    heads = (part.partition(":") for part in word.split("|"))
    plain = "|".join(head.translate(_FULL_WIDTH) + colon + argument for head, colon, argument in heads)
    name, *filters = plain.split("|")
    name = name.strip().upper().replace(" ", "_").replace("-", "_")
    name = name if NAME.fullmatch(name) else "NAME"
    mended = [_mended_filter(each) for each in filters]
    whole = "|".join((name, *mended))
    return whole if _is_printed(whole) else name


def _mended_filter(spelling: str) -> str:
    name, colon, argument = spelling.partition(":")
    call = _CALL.fullmatch(spelling.strip())
    if call and not re.fullmatch(r"[a-z]+", name.strip()):
        given = call[2] or call[3]
        return f"{call[1].lower()}:{given}" if given else call[1].lower()
    return name.strip().lower() + colon + argument
