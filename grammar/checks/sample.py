"""What a field may print: the characters of it, and a value of it that holds a given text.

Fields of text may print anything but what their filters change; the others print what their type and filters
make of sample values, which hold every digit, every day of the week and every era. Source: ours.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from grammar.ast import Field, Filter
from grammar.fields import Catalogue, Entry
from grammar.filters import chain
from grammar.reader.overlap import ANY, Alphabet
from grammar.value import PRINTERS, Type

_LETTER: Final = "あ"  # any character that separates nothing
_DAYS: Final = tuple(f"2026-11-{day} 23:48:56" for day in range(15, 22))
_ERAS: Final = ("1873-01-01 07:09:10", "1912-07-30", "1926-12-25", "1989-01-08", "2019-05-01", "2034-05-06")
# What some filter of texts turns into something else: ASCII, its full-width forms, half-width kana.
_CHANGED: Final = "".join(
    map(chr, (*range(0x20, 0x7F), 0x3000, *range(0xFF01, 0xFF5F), *range(0xFF61, 0xFFA0)))
)
_SAMPLES: Final[tuple[tuple[Type, tuple[str, ...]], ...]] = (
    ("datetime", (*_DAYS, *_ERAS)),
    ("date", tuple(moment[:10] for moment in (*_DAYS, *_ERAS))),
    ("money", ("0", "1234567890", "-1234.5")),
    ("count", ("0", "1234567890")),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """A value of a field, and what is printed of it."""

    value: str
    text: str


def alphabet(field: Field, catalogue: Catalogue) -> Alphabet:
    """The characters that a field may print."""
    entry = catalogue[field.name]
    samples = dict(_SAMPLES).get(_type(field, catalogue))
    if samples is not None:
        return Alphabet(only=frozenset("".join(_printed(field, entry, sample) for sample in ("", *samples))))
    if not field.filters:
        return ANY
    default = _printed(field, entry, "")
    lost = (char for char in _CHANGED if char not in default and not _is_kept(field, entry, char))
    return Alphabet(without=frozenset(lost))


def _is_kept(field: Field, entry: Entry, char: str) -> bool:
    """Whether the character may come through the field's filters, alone or among others."""
    return any(char in _printed(field, entry, value) for value in (char, f"{_LETTER}{char}{_LETTER}"))


def stray(field: Field, separator: str, catalogue: Catalogue) -> Sample | None:
    """A value in which the text that should end it stands too early; None when there is none."""
    entry = catalogue[field.name]
    samples = dict(_SAMPLES).get(_type(field, catalogue))
    for value in ("", *samples) if samples else _probes(separator):
        text = _printed(field, entry, value)
        if (text + separator).find(separator) < len(text):
            return Sample(value=value, text=text)
    return None


def _type(field: Field, catalogue: Catalogue) -> Type:
    """The type of what is printed."""
    match field.filters[:1]:
        case (Filter(name="count"),):
            return "count"
        case (Filter(name="join"),):
            return "text"
        case _:
            return catalogue[field.name].type


def _probes(separator: str) -> Iterator[str]:
    """Texts that hold the separator, or the part of it that makes one with what follows."""
    yield ""
    yield f"{_LETTER}{separator}{_LETTER}"
    yield separator
    for length in range(1, len(separator)):
        yield f"{_LETTER}{separator[:length]}"


def _printed(field: Field, entry: Entry, value: str) -> str:
    text = PRINTERS[entry.print or entry.type](value) if value else ""
    if not field.filters:
        return text
    filtered = chain("|".join(map(str, field.filters)))
    return filtered(filtered.gather((text, text)) if filtered.gather else text)
