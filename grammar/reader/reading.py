"""What a mail says, read with the template that wrote it.

Owns how the values of many rows are put together: the same field must say the same wherever it stands, and
loops over the orders must run equally often. Diagnostics: `ReadingError`, with the first place where text and
template part. Source: ours (docs/reading-back.md).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from grammar.ast import Field
from grammar.fields import Catalogue, Entry
from grammar.filters.inverse import unprinted
from grammar.value import is_blank

SHOWN = 80  # characters of a text that an error shows: enough to find the place


class ReadingError(Exception):
    """A text is not what the template prints.

    Attributes:
        message: what is wrong, for people, without the place.
        row: of the text, from 1.
        column: the character in the row, from 1.
        expected: what the template has there; a place for a value as it is written in the template.
        found: what the text has there, cut after `SHOWN` characters.
    """

    def __init__(self, message: str, *, row: int, column: int, expected: str, found: str) -> None:
        self.message = message
        self.row = row
        self.column = column
        self.expected = expected[:SHOWN]
        self.found = found[:SHOWN]
        super().__init__(f"row {row}, column {column}: {message}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """The values that a mail gives, as they are printed."""

    fields: Mapping[str, str]  # of scope pack, by `Field.key`
    elements: Mapping[str, tuple[str, ...]]  # of lists that rows repeat over, by `Field.key`
    orders: tuple[Mapping[str, str], ...]  # of scope order, by `Field.key`
    sources: Mapping[str, Field]  # the field of each key
    # Rows, from 1, that begin with a value behind a row that has one: a relay that breaks rows can make such.
    open_rows: tuple[int, ...] = ()

    def document(self, catalogue: Catalogue) -> dict[str, object]:
        """The notification document that would print so, as far as the mail tells it.

        Blank values are left out, and so are those that their filters have lost. Money is Decimal, a count
        int, a list a list of texts, a time a text.
        """
        document: dict[str, object] = {}
        for key, text in self.fields.items():
            self._put(document, key, text, catalogue)
        for key, texts in self.elements.items():
            entry = catalogue[self.sources[key].name]
            elements = [element for element in texts if not is_blank(element)]
            if elements and entry.path:
                _set(document, entry.path.split("."), elements, replace=True)
        orders: list[object] = []
        for values in self.orders:
            order: dict[str, object] = {}
            for key, text in values.items():
                self._put(order, key, text, catalogue)
            orders.append(order)
        if orders:
            _set(document, ["pack", "orders"], orders)
        return document

    def _put(self, document: dict[str, object], key: str, text: str, catalogue: Catalogue) -> None:
        field = self.sources[key]
        entry: Entry = catalogue[field.name]
        if not entry.path or is_blank(text):
            return
        value = unprinted(field, text, catalogue)
        if value is not None:
            _set(document, entry.path.removeprefix("order.").split("."), value)


def _set(document: dict[str, Any], path: list[str], value: object, *, replace: bool = False) -> None:
    """Put a value at its path; the first that is known stays."""
    for part in path[:-1]:
        document = document.setdefault(part, {})
    if replace or path[-1] not in document:
        document[path[-1]] = value
