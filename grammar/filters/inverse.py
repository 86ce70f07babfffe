"""From printed text back to the value of the notification document.

The way back through each filter is as sure as the filter allows: what it lost is not made up. Guarantee: the
value that comes out is printed as just the text that went in. Source: ours (docs/template-language.md,
"Filters").
"""

import re
from decimal import Decimal
from typing import Final

from grammar.ast import Field, Filter
from grammar.fields import Catalogue, Entry
from grammar.filters.date_format import DateFormat
from grammar.filters.era import WEEKDAYS, from_era
from grammar.filters.filters import GATHERERS, chain
from grammar.filters.notation import NUMBER
from grammar.filters.width import ELLIPSIS, half
from grammar.span import columns
from grammar.value import PRINTERS, elements, read_moment

_DIGIT: Final = re.compile("[0-9]")
_GROUPED: Final = re.compile(r"-?[0-9]{1,3}(?:,[0-9]{3})*(?:\.[0-9]+)?")
_AT_HOME: Final = re.compile("0([1-9](?:[ -]?[0-9])*)")  # a separator stands between digits only


def unprinted(field: Field, text: str, catalogue: Catalogue) -> object | None:
    """The document's value that this field prints so, or None when the field's filters lose it.

    Money comes as Decimal, a count as int, a list as list of texts, all else as text: a time as it is printed
    without filters, which is Japan time, to the second or to the minute; a day as 2026-11-25; a Japanese
    telephone number behind `phone` as +81. What is no number or time in its field stays text, since it was
    printed as it came. A blank text is the blank value, as is the text of `default`. A text that `left` or
    `max` may have cut, a time without its hour and minute, and what `sum`, `count`, `weekday` and a `join`
    over orders make, are lost.
    """
    entry = catalogue[field.name]
    filters = list(field.filters)
    gathering = filters.pop(0) if filters and filters[0].name in GATHERERS else None
    found: str | None = text
    for step in reversed(filters):
        if found is None:
            return None
        found = _undone(step, found, entry)
    if found is None:
        return None
    value = _value(found, entry) if gathering is None else _parted(found, gathering, entry)
    return value if value is not None and _is_printed(value, text, field, entry) else None


def _undone(step: Filter, text: str, entry: Entry) -> str | None:
    """What stood before this filter: the text itself where the filter did not fit, or keeps all there is."""
    argument = step.argument or ""
    found: str | None = text
    match step.name:
        case "comma" | "yen":
            plain = text.removesuffix("円") if step.name == "yen" else text
            found = plain.replace(",", "") if _GROUPED.fullmatch(plain) else text
        case "date":
            found = _undone_date(DateFormat(argument), text, entry)
        case "default":
            found = "" if text == argument else text
        case "left":
            found = text if len(text) < int(argument) else None
        case "max":
            found = None if text.endswith(ELLIPSIS) else text
        case "pad":
            found = text if columns(text) > int(argument) else text.rstrip(" ")
        case "phone":
            found = _undone_phone(text)
        case "wareki":
            day = from_era(text)
            found = text if day is None else day.isoformat() if entry.type == "date" else None
        case "weekday":
            found = None if text and text in WEEKDAYS else text
        case "zen":
            found = text if entry.type in ("text", "list") else half(text)
    return found


def _undone_date(form: DateFormat, text: str, entry: Entry) -> str | None:
    if not _DIGIT.search(text):
        return text  # no format prints a date without a digit
    if not form.tells("Ymd" if entry.type == "date" else "YmdHM"):
        return None
    moment = form.read(text)
    if moment is None:
        return text
    return moment.date().isoformat() if entry.type == "date" else moment.isoformat(" ")[:19]


def _undone_phone(text: str) -> str:
    found = _AT_HOME.fullmatch(text)
    if found is None:
        return text
    separator = next((character for character in text if character in " -"), "")
    return f"+81{separator}{found[1]}"


def _value(text: str, entry: Entry) -> object:
    """The value that is printed so without filters."""
    if entry.type == "list":
        return [text] if text else []
    if entry.type == "date":
        moment = read_moment(text)
        return moment.date().isoformat() if moment else text
    if entry.type in ("money", "count") and NUMBER.fullmatch(text):
        return Decimal(text) if entry.type == "money" or "." in text else int(text)
    return text


def _parted(text: str, gathering: Filter, entry: Entry) -> object | None:
    """The elements of a list that was joined."""
    if entry.type != "list" or gathering.name != "join":
        return None
    return [element for element in text.split(gathering.argument or " ") if element]


def _is_printed(value: object, text: str, field: Field, entry: Entry) -> bool:
    try:
        printed = PRINTERS[entry.print or entry.type](value)
    except ValueError:  # such as NaN, which is text here and no amount there
        return False
    if not field.filters:
        return printed == text
    filtered = chain("|".join(map(str, field.filters)))
    return filtered(printed if filtered.gather is None else filtered.gather(elements(value))) == text
