"""What a field may print: the characters of it, a value of it that holds a given text, and an example.

Fields of text may print anything but what their filters change. What numbers and times print is known from
sample values of each length and form, in which any digit may stand for any other. Guarantee: what is not
found here is printed by no number that is a number, and by no time of the years 1873 to 9998. Source: ours.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import lru_cache
from itertools import islice
from types import MappingProxyType
from typing import Final, Literal

from grammar.ast import Field
from grammar.fields import Catalogue, Entry
from grammar.filters import GATHERERS, chain
from grammar.filters.inverse import unprinted
from grammar.reader.overlap import ANY, VISIBLE, Alphabet
from grammar.value import MAX_MAGNITUDE, PRINTERS, Form, Type, read_moment

Sort = Literal["number", "tally", "datetime", "date"]  # of what is not text; a tally is what `count` makes

_MAX_PRINTED: Final = 256  # sets of printed samples that are kept: more than all shipped templates need
_MAX_TRIED: Final = 200  # values that are looked through for one that is surely printed
_DIGITS: Final = "0123456789"
_FULL_DIGITS: Final = "０１２３４５６７８９"
_DIGIT: Final = "\0"  # stands for any digit: no printed text holds it
_FULL_DIGIT: Final = "\1"
_TO_SHAPE: Final = str.maketrans(dict.fromkeys(_DIGITS, _DIGIT) | dict.fromkeys(_FULL_DIGITS, _FULL_DIGIT))
# Every day of the week, of a month and of a year's months, and every era.
_DAYS: Final = (
    *(f"2026-11-{day}" for day in range(15, 22)),
    *("1873-01-01", "1912-07-30", "1926-12-25", "1989-01-08", "2019-05-01", "2034-05-06", "2034-10-05"),
    *(f"2026-{month:02}-{day:02}" for month in range(1, 13) for day in (month, month + 12)),
    *(f"2026-10-{day}" for day in range(25, 32)),
)
_TIMES: Final = ("23:48:56", "07:09:10", "12:09:10", "07:48:56")
_SAMPLES: Final[Mapping[Sort, tuple[str, ...]]] = MappingProxyType(
    {
        "number": (
            "",
            *(
                f"{sign}{'1' * length}{places}"
                for length in range(1, MAX_MAGNITUDE + 2)
                for places in ("", ".5", ".50")
                for sign in ("", "-")
            ),
            *(f"{'1' * length}.{'5' * MAX_MAGNITUDE}" for length in (1, 2, 3)),
        ),
        "tally": tuple("1" * length for length in range(1, 10)),
        "datetime": ("", *(f"{day} {time}" for day in _DAYS for time in _TIMES)),
        "date": ("", *_DAYS),
    }
)
# What some filter of texts turns into something else: ASCII, its full-width forms, half-width kana.
_CHANGED: Final = "".join(
    map(chr, (*range(0x20, 0x7F), 0x3000, *range(0xFF01, 0xFF5F), *range(0xFF61, 0xFFA0)))
)


def alphabet(field: Field, catalogue: Catalogue) -> Alphabet:
    """The characters that a field may print."""
    entry, printed = catalogue[field.name], _printed_samples(field, catalogue)
    if printed is not None:
        found = set("".join(printed.values()))
        found |= {*_DIGITS} if _DIGIT in found else set()
        found |= {*_FULL_DIGITS} if _FULL_DIGIT in found else set()
        return Alphabet(only=frozenset(found - {_DIGIT, _FULL_DIGIT}))
    if not field.filters:
        return ANY
    default = _printed(field, entry, "")
    lost = (char for char in _CHANGED if char not in default and not _is_kept(field, entry, char))
    return Alphabet(without=frozenset(lost))


def example(field: Field, catalogue: Catalogue) -> str:
    """Something that the field may print, and that can be seen."""
    printed = _printed_samples(field, catalogue)
    return next(filter(None, printed or [_printed(field, catalogue[field.name], VISIBLE)]), "")


def stray(field: Field, separator: str, catalogue: Catalogue) -> str | None:
    """What the field may print with the text that should end it too early in it; None when it cannot."""
    entry, printed = catalogue[field.name], _printed_samples(field, catalogue)
    texts = printed or (_printed(field, entry, value) for value in _probes(separator))
    for text in texts:
        if (text + separator).find(separator) < len(text):
            return text
    if printed is None or separator[0] not in alphabet(field, catalogue):
        return None
    found = list(islice(_strays(printed, separator), _MAX_TRIED))
    sure = (text for text in found if _is_surely_printed(field, text, catalogue))
    return next(sure, found[0] if found else None)


def _is_kept(field: Field, entry: Entry, char: str) -> bool:
    """Whether the character may come through the field's filters, alone or among others."""
    return any(char in _printed(field, entry, value) for value in (char, f"{VISIBLE}{char}{VISIBLE}"))


def _probes(separator: str) -> Iterator[str]:
    """Texts that hold the separator, or the part of it that makes one with what follows."""
    yield ""
    yield f"{VISIBLE}{separator}{VISIBLE}"
    yield separator
    for length in range(1, len(separator)):
        yield f"{VISIBLE}{separator[:length]}"


def _strays(printed: Mapping[str, str], separator: str) -> Iterator[str]:
    """The samples with the separator put in wherever their shape has room for it.

    At the end of a value there need be room for the beginning only, when the separator begins as it goes on.
    """
    sought, whole = separator.translate(_TO_SHAPE), len(separator)
    halves = [end for end in range(1, whole) if separator.startswith(separator[end:])]
    for shape, text in {shape: text for text, shape in printed.items()}.items():
        for end in halves:
            if shape.endswith(sought[:end]):
                yield text[: len(text) - end] + separator[:end]
        at = shape.find(sought)
        while at >= 0:
            yield text[:at] + separator + text[at + whole :]
            at = shape.find(sought, at + 1)


def _is_surely_printed(field: Field, text: str, catalogue: Catalogue) -> bool:
    """Whether some number or time is printed so: 07 is no number, and there is no month 13."""
    behind = field.filters[1:] if field.filters and field.filters[0].name in GATHERERS else field.filters
    value = unprinted(replace(field, filters=behind), text, catalogue)
    is_time = catalogue[field.name].type in ("datetime", "date")
    return value is not None and (not is_time or read_moment(str(value)) is not None)


def _printed_samples(field: Field, catalogue: Catalogue) -> Mapping[str, str] | None:
    """What is printed of the samples, each with its shape; None for text."""
    entry, first = catalogue[field.name], field.filters[0].name if field.filters else ""
    sort: Sort
    match first, entry.type:
        case "count", _:
            sort = "tally"
        case "join", _:
            return None
        case _, "money" | "count":
            sort = "number"
        case _, "datetime":
            sort = "datetime"
        case _, "date":
            sort = "date"
        case _:
            return None
    return _shapes(sort, entry.print or entry.type, "|".join(map(str, field.filters)))


@lru_cache(maxsize=_MAX_PRINTED)
def _shapes(sort: Sort, form: Form | Type, filters: str) -> Mapping[str, str]:
    found: dict[str, str] = {}
    for sample in _SAMPLES[sort]:
        text = PRINTERS[form](sample) if sample and sort != "tally" else sample
        text = chain(filters)(text) if filters else text  # the sum of one number is the number
        found.setdefault(text, text.translate(_TO_SHAPE) if sample else text)
    return found


def _printed(field: Field, entry: Entry, value: str) -> str:
    text = PRINTERS[entry.print or entry.type](value) if value else ""
    if not field.filters:
        return text
    filtered = chain("|".join(map(str, field.filters)))
    return filtered(filtered.gather((text, text)) if filtered.gather else text)
