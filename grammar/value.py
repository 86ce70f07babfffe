"""How a value of each field type is printed, what is taken out of it, and what counts as blank.

The one place that decides all three. Guarantees: a printed text holds no control character, no line break, no
bidirectional control, no surrogate and no byte order mark; printing a printed text changes nothing; a blank
value is printed as the empty text, so that everybody else asks only whether a text is empty. Source: ours.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal, InvalidOperation
from types import MappingProxyType
from typing import Final, Literal

Type = Literal["text", "list", "datetime", "date", "money", "count", "phone", "postal"]
Form = Literal["YYYYMMDD"]  # a field's own form, where it differs from its type's

JAPAN = timezone(timedelta(hours=9), "JST")  # no summer time since 1951
MAX_MAGNITUDE = 40  # powers of ten: no currency needs more, and 1E+999999 would print a million digits

# C0 without CR and LF, DEL, C1; Arabic letter mark, LRM, RLM; line and paragraph separator; embeddings,
# overrides and isolates (Unicode Standard Annex 9); surrogates, which no charset can write; the byte order
# mark, which spreadsheets leave in what people paste.
_REMOVED = (
    r"\x00-\x09\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff"
    r"\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff"
)
_TO_REMOVE = re.compile(f"[{_REMOVED}]+")
_TO_CLEAN = re.compile(rf"[{_REMOVED}\r\n]")
_LINE_BREAKS = re.compile(r"[\r\n]+")
_PRINTED_MOMENT = re.compile(r"([0-9]{4})(-?)([0-9]{2})\2([0-9]{2})(?: ([0-9]{2}):([0-9]{2}):([0-9]{2}))?")


def is_blank(text: str) -> bool:
    """Whether nothing can be seen of the text: empty or only white space, U+3000 and U+00A0 included."""
    return not text or text.isspace()


def clean(text: str) -> str:
    r"""The text as it may be printed.

    >>> clean("のし\r\n不要\u202e")
    'のし 不要'
    >>> clean("\u3000")
    ''
    """
    # Most texts pass the first test and pay for nothing more; a space of U+3000 fails it and passes the
    # second.
    if not text.isprintable() and _TO_CLEAN.search(text):
        text = _LINE_BREAKS.sub(" ", _TO_REMOVE.sub("", text).strip("\r\n"))
    return "" if is_blank(text) else text


def unprintable(text: str) -> str:
    """The first character that `clean` takes out or replaces, or nothing."""
    found = _TO_CLEAN.search(text)
    return found[0] if found else ""


def text(value: object) -> str:
    """Text as it is, cleaned; nothing for None."""
    return "" if value is None else clean(value if type(value) is str else str(value))


def elements(value: object) -> tuple[str, ...]:
    """The texts of a list, one each, blank ones kept; a single text is a list of one."""
    if value is None:
        return ()
    if isinstance(value, Iterable) and not isinstance(value, str | bytes | Mapping):
        return tuple(text(element) for element in value)
    return (text(value),)


def joined(texts: Iterable[str]) -> str:
    """A list printed outside a loop: its elements with something to see, one space between."""
    return " ".join(element for element in texts if element)


def moment(value: object) -> str:
    """Date and time in Japan; a time without a zone is Japan time already.

    >>> moment("2026-11-21T01:15:00Z")
    '2026-11-21 10:15:00'
    """
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            return clean(str(value))  # what is no time is printed as it came: a value is never lost
    if not isinstance(value, datetime):
        return text(value)
    local = _in_japan(value)
    return local.isoformat(" ", "seconds")[:19] if local else value.isoformat(" ", "seconds")


def day(value: object) -> str:
    """A day, as 2026-11-25."""
    found = _day(value)
    return found.isoformat() if found else text(value)


def compact_day(value: object) -> str:
    """A day, as 20261125."""
    found = _day(value)
    return found.isoformat().replace("-", "") if found else text(value)


def read_moment(text: str) -> datetime | None:
    """The moment that `moment`, `day` or `compact_day` printed so; None for any other text.

    >>> str(read_moment("20261125")), read_moment("未定")
    ('2026-11-25 00:00:00+09:00', None)
    """
    found = _PRINTED_MOMENT.fullmatch(text)
    if found is None:
        return None
    year, _, month, day, hour, minute, second = found.groups(default="0")
    try:
        return datetime(int(year), int(month), int(day), int(hour), int(minute), int(second), tzinfo=JAPAN)
    except ValueError:
        return None


def number(value: object) -> str:
    """An amount or a count in plain digits, with the decimal places that it has.

    Raises:
        ValueError: not finite, or further from 1 than `MAX_MAGNITUDE` powers of ten; our documents hold
        neither.

    >>> number(Decimal("1.98E+3")), number(Decimal("1980.50")), number("1980")
    ('1980', '1980.50', '1980')
    """
    if value is None or isinstance(value, str):
        try:
            value = Decimal(value or "x")
        except InvalidOperation:
            return text(value)
    if isinstance(value, Decimal | int) and (digits := str(value)).isdigit():
        return digits  # the way of nearly every amount
    amount = value if isinstance(value, Decimal) else Decimal(str(value))
    if not amount.is_finite() or abs(amount.adjusted()) > MAX_MAGNITUDE:
        raise ValueError("an amount must be finite and of sensible size")
    return format(amount or abs(amount), "f")


def _day(value: object) -> date | None:
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            return None
    if isinstance(value, datetime):
        value = _in_japan(value) or value
        return value.date()
    return value if isinstance(value, date) else None


def _in_japan(value: datetime) -> datetime | None:
    """The time in Japan, or None within a day of the calendar's ends, where it may have no date."""
    if value.tzinfo is None:
        return value
    try:
        return value.astimezone(JAPAN)
    except OverflowError:
        return None


PRINTERS: Final[Mapping[Type | Form, Callable[[object], str]]] = MappingProxyType(
    {
        "text": text,
        "list": lambda value: joined(elements(value)),
        "datetime": moment,
        "date": day,
        "YYYYMMDD": compact_day,
        "money": number,
        "count": number,
        "phone": text,
        "postal": text,
    }
)
