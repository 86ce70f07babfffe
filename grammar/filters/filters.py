"""The filters of the language: what may stand between a value and what is printed of it.

A closed set: `FILTERS` work on one text; `GATHERERS` stand first and make one text of the texts of a list or
of all orders. Guarantees: those of `value` hold after every filter too (only a tab may come in, from an
argument); a blank text stays blank through every filter but `default`; a text that a filter is not meant for
comes out as it was, so that no value is ever lost by a filter that does not fit it. Diagnostics: `fault` says
what is wrong with the filters of a field, before a mail is made. Source: ours (docs/template-language.md,
"Filters").
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from types import MappingProxyType
from typing import Final, Literal, TypeAlias, assert_never, get_args

from grammar.errors import Kind, nearest
from grammar.filters.date_format import DateFormat
from grammar.filters.era import in_era, weekday
from grammar.filters.notation import comma, count_of, joined_by, one_line, phone, postal, sum_of, yen
from grammar.filters.width import beginning, full, full_parentheses, half, kana, padded, shortened
from grammar.limits import MAX_ARGUMENT, MAX_FILTERS, MAX_LENGTH
from grammar.value import Type, is_blank, read_moment, unprintable

_MAX_CHAINS = 1_024  # chains of filters that are kept ready: ten times those of all shipped templates
_LENGTH: Final = re.compile("[1-9][0-9]{0,8}")
_ALL: Final[frozenset[Type]] = frozenset(get_args(Type))
_NUMBERS: Final[frozenset[Type]] = frozenset({"money", "count"})
_MOMENTS: Final[frozenset[Type]] = frozenset({"datetime", "date"})

Argument = Literal["none", "text", "separator", "length", "format"]
Change: TypeAlias = Callable[[str], str]
Gather: TypeAlias = Callable[[Sequence[str]], str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Definition:
    """What a filter takes and gives."""

    example: str  # as it is written
    argument: Argument
    takes: frozenset[Type] = _ALL  # types of field that it has a meaning for
    gives: Type | Literal["same"] = "text"  # what the filters behind it see


@dataclass(frozen=True, slots=True, kw_only=True)
class OnText(Definition):
    """A filter of one text."""

    change: Callable[[str], Change]  # by argument


@dataclass(frozen=True, slots=True, kw_only=True)
class OnMany(Definition):
    """A filter of the texts of a list or of all orders."""

    gather: Callable[[str], Gather]  # by argument


@dataclass(frozen=True, slots=True, kw_only=True)
class FilterFault:
    """What is wrong with one of a field's filters, for people."""

    position: int  # which filter, from 0
    kind: Kind
    message: str
    hint: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Chain:
    """The filters of one field, ready to be applied."""

    gather: Gather | None  # for a list or all orders, when such a filter stands first
    changes: tuple[Change, ...]

    def __call__(self, text: str) -> str:
        """The text after all filters (behind the gathering one, where there is one)."""
        for change in self.changes:
            text = change(text)
        return text


def _on_moments(printed: Callable[[datetime], str]) -> Change:
    """A filter that changes what is printed of a moment, and nothing else."""

    def change(text: str) -> str:
        moment = read_moment(text)
        return (printed(moment) or text) if moment else text

    return change


def _first(length: str) -> Change:
    def change(text: str) -> str:
        found = beginning(text, int(length))
        return "" if is_blank(found) else found

    return change


FILTERS: Final[Mapping[str, OnText]] = MappingProxyType(
    {
        "comma": OnText(example="comma", argument="none", takes=_NUMBERS, change=lambda _: comma),
        "date": OnText(
            example="date:%Y年%-m月%-d日",
            argument="format",
            takes=_MOMENTS,
            change=lambda form: _on_moments(DateFormat(form).printed),
        ),
        "default": OnText(
            example="default:なし",
            argument="text",
            gives="same",
            change=lambda text: lambda given: given or text,
        ),
        "han": OnText(example="han", argument="none", gives="same", change=lambda _: half),
        "kana": OnText(example="kana", argument="none", gives="same", change=lambda _: kana),
        "left": OnText(example="left:20", argument="length", change=_first),
        "max": OnText(
            example="max:20",
            argument="length",
            change=lambda length: lambda text: shortened(text, int(length)),
        ),
        "oneline": OnText(example="oneline", argument="none", gives="same", change=lambda _: one_line),
        "pad": OnText(
            example="pad:20",
            argument="length",
            change=lambda width: lambda text: text and padded(text, int(width)),
        ),
        "paren": OnText(example="paren", argument="none", change=lambda _: full_parentheses),
        "phone": OnText(example="phone", argument="none", takes=frozenset({"phone"}), change=lambda _: phone),
        "postal": OnText(
            example="postal", argument="none", takes=frozenset({"postal"}), change=lambda _: postal
        ),
        "wareki": OnText(
            example="wareki",
            argument="none",
            takes=_MOMENTS,
            change=lambda _: _on_moments(lambda moment: in_era(moment.date())),
        ),
        "weekday": OnText(
            example="weekday",
            argument="none",
            takes=_MOMENTS,
            change=lambda _: _on_moments(lambda moment: weekday(moment.date())),
        ),
        "yen": OnText(example="yen", argument="none", takes=_NUMBERS, change=lambda _: yen),
        "zen": OnText(example="zen", argument="none", change=lambda _: full),
    }
)
GATHERERS: Final[Mapping[str, OnMany]] = MappingProxyType(
    {
        "count": OnMany(example="count", argument="none", gives="count", gather=lambda _: count_of),
        "join": OnMany(example="join:、", argument="separator", gather=joined_by),
        "sum": OnMany(example="sum", argument="none", takes=_NUMBERS, gives="money", gather=lambda _: sum_of),
    }
)


def written(filters: str) -> list[tuple[str, str | None]]:
    """Name and argument of each filter in a chain's text.

    >>> written("date:%H:%M|zen")
    [('date', '%H:%M'), ('zen', None)]
    """
    return [
        (name, argument if colon else None)
        for name, colon, argument in (each.partition(":") for each in filters.split("|"))
    ]


@lru_cache(maxsize=_MAX_CHAINS)
def chain(filters: str) -> Chain:
    """The chain that is written so behind a field's name and its `|`; `fault` must have found none in it.

    >>> chain("comma|default:なし")("1234567.50"), chain("comma|default:なし")("")
    ('1,234,567.50', 'なし')
    """
    first, *others = written(filters)
    gather = GATHERERS[first[0]].gather(first[1] or "") if first[0] in GATHERERS else None
    behind = others if gather else [first, *others]
    changes = tuple(FILTERS[name].change(argument or "") for name, argument in behind)
    return Chain(gather=gather, changes=changes)


def compile_filters(text: str) -> Change:
    """A chain of filters that take any text, written as in a field.

    Raises:
        ValueError: with what is wrong and the mend.

    >>> compile_filters("kana|paren")("ｶﾞﾗｽ(小)")
    'ガラス（小）'
    """
    found = fault(written(text), of="text", several=False)
    if found:
        raise ValueError(f"{found.message}; {found.hint}" if found.hint else found.message)
    changes = chain(text).changes
    return changes[0] if len(changes) == 1 else Chain(gather=None, changes=changes)


def fault(filters: Sequence[tuple[str, str | None]], *, of: Type, several: bool) -> FilterFault | None:
    """What is wrong first with the filters of a field, if anything is.

    Args:
        filters: name and argument of each.
        of: the field's type.
        several: whether the field has several texts: one per element, or one per order.
    """
    seen: Type = of
    for position, (name, argument) in enumerate(filters):
        if position == MAX_FILTERS:
            return FilterFault(
                position=position,
                kind="limit",
                message=f"a field has more than {MAX_FILTERS} filters (MAX_FILTERS)",
                hint="take the last ones out",
            )
        definition = FILTERS.get(name) or GATHERERS.get(name)
        if definition is None:
            return _unknown(position, name)
        names = [each for each, _ in filters[:position]]
        found = _misplaced(names, name, definition, of=of, seen=seen, several=several) or _wrong_argument(
            position, name, argument, definition, seen=seen
        )
        if found:
            return found
        seen = seen if definition.gives == "same" else definition.gives
    return None


def _unknown(position: int, name: str) -> FilterFault:
    near = nearest(name, (*FILTERS, *GATHERERS))
    shown = name if len(name) <= 40 else name[:40] + "…"
    return FilterFault(
        position=position,
        kind="unknown-filter",
        message=f"unknown filter {shown}" if name else "a filter needs a name",
        hint=f"did you mean {near}?" if near else "docs/template-language.md lists the filters",
    )


def _misplaced(
    before: Sequence[str], name: str, definition: Definition, *, of: Type, seen: Type, several: bool
) -> FilterFault | None:
    """What is wrong with the filter's place behind those before it, which stand well."""
    gathers = isinstance(definition, OnMany)
    if gathers and not several:
        message, hint = f"{name} is for lists and for fields of an order: here is one value", "take it out"
    elif gathers and before:
        message, hint = f"{name} stands behind another filter", "put it first: it takes the values themselves"
    elif seen in definition.takes:
        return None
    elif of in definition.takes:
        message, hint = f"{name} stands behind a filter that makes it {seen}", "put it before that filter"
    else:
        kinds = " and ".join(sorted(definition.takes))
        message, hint = f"{name} is for fields of type {kinds}: this is {of}", "take it out"
    is_mended = any(
        _stand_well((*before[:to], name, *before[to:]), of=of, several=several) for to in range(len(before))
    )
    if hint.startswith("put") and not is_mended:
        hint = f"it cannot stand together with {' and '.join(before)}: take one out"
    return FilterFault(position=len(before), kind="filter-misplaced", message=message, hint=hint)


def _stand_well(names: Sequence[str], *, of: Type, several: bool) -> bool:
    """Whether each of the known filters may stand where it does."""
    seen = of
    for position, name in enumerate(names):
        definition = FILTERS.get(name) or GATHERERS[name]
        if seen not in definition.takes or (name in GATHERERS and (position or not several)):
            return False
        seen = seen if definition.gives == "same" else definition.gives
    return True


def _wrong_argument(
    position: int, name: str, argument: str | None, definition: Definition, *, seen: Type
) -> FilterFault | None:
    kind: Kind = "filter-argument"
    hint = f"write {definition.example}"
    if definition.argument == "none":
        message = "" if argument is None else f"{name} takes no argument"
    elif not argument:
        message = f"{name} needs an argument"
    elif len(argument) > MAX_ARGUMENT:
        kind, hint = "limit", "shorten it"
        message = f"the argument of {name} is longer than {MAX_ARGUMENT} characters (MAX_ARGUMENT)"
    elif control := unprintable(argument.replace("\t", "")):
        message = f"the argument of {name} holds U+{ord(control):04X}, which is never printed"
        hint = "take it out"
    else:
        message = _misread(name, argument, definition.argument, seen)
    return FilterFault(position=position, kind=kind, message=message, hint=hint) if message else None


def _misread(name: str, argument: str, form: Argument, seen: Type) -> str:
    """What is wrong with an argument of this form, or nothing."""
    match form:
        case "none" | "separator":
            return ""
        case "text":
            return f"{name} prints nothing that can be seen" if is_blank(argument) else ""
        case "length":
            good = _LENGTH.fullmatch(argument) and int(argument) <= MAX_LENGTH
            return "" if good else f"{name} takes a whole number from 1 to {MAX_LENGTH} (MAX_LENGTH)"
        case "format":
            try:
                timed = DateFormat(argument).has_time
            except ValueError as error:
                return str(error)
            return "a day has no time: %H, %M and %S are for times" if timed and seen == "date" else ""
        case _:
            assert_never(form)
