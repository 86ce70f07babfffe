"""The field catalogue: which fields there are, what they print, and where their values come from.

Owns `fields.yaml`; adding a field is one entry there and nothing else. Diagnostics: `CatalogueError` names
the entry. Source of the entries: their own `source`; of the format: ours.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from operator import attrgetter
from types import MappingProxyType
from typing import Any, Final, Literal, cast, get_args

import yaml

from grammar.record import OrderRecord, Record
from grammar.value import PRINTERS, Form, Type, elements, text

Scope = Literal["pack", "order"]
Source = Literal["manual", "denrei"]
ORDERS: Final = ("pack", "orders")  # where a notification document keeps its orders
_NAME = re.compile(r"[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)*")
_PATH = re.compile(r"[a-z][a-z0-9_]*(?:\.[a-z][a-z0-9_]*)*")
_REQUIRED = ("name", "scope", "type", "path", "label", "example", "source")
_OPTIONAL = ("api", "print")


class CatalogueError(Exception):
    """The catalogue file is wrong; the text names the entry."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One field."""

    name: str
    scope: Scope  # whether it has one value per pack or one per order
    type: Type
    path: str  # in the notification document; `order.` stands for the order; empty: given by the relay
    label: Mapping[str, str]  # by language: ja, en
    example: str  # as printed
    source: Source  # manual: the name is printed in the marketplace's manuals; denrei: ours
    api: str = ""  # the marketplace's API field that carries the same value
    print: Form | None = None  # a form of its own

    def value(self, document: object) -> object:
        """The field's raw value in its document (the notification, or the order for scope `order`)."""
        return _value(document, self.path.removeprefix("order.").split(".")) if self.path else None

    def maker(self) -> Callable[[object], str]:
        """What makes the printed text from the document.

        Objects are read in one step: it is the way of every mail. Mappings, and objects with a part missing,
        are read part by part.
        """
        if not self.path:
            return lambda _document: ""
        printer, path = PRINTERS[self.print or self.type], self.path.removeprefix("order.")
        get, parts = attrgetter(path), path.split(".")
        is_text = printer is text

        def make(document: object) -> str:
            try:
                value = _value(document, parts) if type(document) is dict else get(document)
            except AttributeError:
                value = _value(document, parts)
            if value is None:
                return ""
            # A quick look tells of most texts that they are clean and not blank, and spares them three calls.
            if is_text and type(value) is str and value[:1] > " " and value.isprintable():
                return value
            return printer(value)

        return make


class Catalogue:
    """Every field there is, by name.

    Attributes:
        entries: the entries by name, in the file's order.
    """

    def __init__(self, entries: Mapping[str, Entry]) -> None:
        self.entries: Final = MappingProxyType(dict(entries))
        self._makers: Final = {name: entry.maker() for name, entry in entries.items()}
        self._lists: Final = frozenset(name for name, entry in entries.items() if entry.type == "list")

    def __contains__(self, name: object) -> bool:
        return name in self.entries

    def __getitem__(self, name: str) -> Entry:
        return self.entries[name]

    def __iter__(self) -> Iterator[Entry]:
        return iter(self.entries.values())

    def record(self, notification: object, *, given: Mapping[str, str] = MappingProxyType({})) -> Record:
        """The record of a notification document.

        The document is nested mappings, or objects with the same names as attributes; what it lacks is blank.
        Values are read and printed when they are first asked for, not here. `given` holds values for fields
        without a path.
        """
        makers, orders = self._makers, _value(notification, ORDERS)
        record = Record(
            notification,
            makers,
            lists=self._lists,
            find_elements=lambda name: elements(self.entries[name].value(notification)),
            orders=[OrderRecord(order, makers) for order in cast("Iterable[object]", orders or ())],
        )
        record.update((name, text(value)) for name, value in given.items())
        return record


def _value(document: object, parts: Sequence[str]) -> object:
    for part in parts:
        if document is None:
            return None
        document = document.get(part) if isinstance(document, Mapping) else getattr(document, part)
    return document


def load_catalogue() -> Catalogue:
    """The catalogue that comes with the language.

    Raises:
        CatalogueError: the file is wrong.
    """
    return read_catalogue(resources.files("grammar").joinpath("fields.yaml").read_bytes())


def read_catalogue(content: bytes) -> Catalogue:
    """The catalogue in a YAML file.

    Raises:
        CatalogueError: with the first entry that is wrong, and how.
    """
    try:
        tree = yaml.load(content, Loader=yaml.CSafeLoader)
    except yaml.YAMLError as error:
        raise CatalogueError(f"not YAML: {error}") from None
    if not isinstance(tree, list):
        raise CatalogueError("must be a list of entries")
    entries: dict[str, Entry] = {}
    for position, raw in enumerate(tree, 1):
        entry = _entry(raw, f"entry {position}")
        if entry.name in entries:
            raise CatalogueError(f"{entry.name}: stands twice")
        entries[entry.name] = entry
    return Catalogue(entries)


def _entry(raw: object, place: str) -> Entry:
    if not isinstance(raw, dict):
        raise CatalogueError(f"{place}: must be a mapping")
    place = raw["name"] if isinstance(raw.get("name"), str) else place
    for key in raw:
        if key not in _REQUIRED + _OPTIONAL:
            raise CatalogueError(f"{place}: unknown key {key}")
    for key in _REQUIRED:
        if key not in raw:
            raise CatalogueError(f"{place}: {key} is missing")
    for key in ("name", "path", "example", "api"):
        if not isinstance(raw.get(key, ""), str):
            raise CatalogueError(f"{place}: {key} must be text (put it in quotes)")
    for key, choices in (
        ("scope", get_args(Scope)),
        ("type", get_args(Type)),
        ("source", get_args(Source)),
        ("print", (None, *get_args(Form))),
    ):
        if raw.get(key) not in choices:
            raise CatalogueError(
                f"{place}: {key} must be one of {', '.join(choice for choice in choices if choice)}"
            )
    entry = Entry(**cast("dict[str, Any]", raw))
    _check(entry, place)
    return entry


def _check(entry: Entry, place: str) -> None:
    if not _NAME.fullmatch(entry.name):
        raise CatalogueError(f"{place}: a name is A to Z, 0 to 9 and single _, a letter first")
    if entry.path and not _PATH.fullmatch(entry.path):
        raise CatalogueError(f"{place}: path {entry.path} is not names joined by dots")
    if (entry.scope == "order") != entry.path.startswith("order."):
        raise CatalogueError(f"{place}: a path begins with order. in scope order, and only there")
    if entry.scope == "order" and entry.type == "list":
        raise CatalogueError(f"{place}: a list is of scope pack: no row can repeat over an order's list")
    if entry.print and entry.type != "date":
        raise CatalogueError(f"{place}: print {entry.print} is for dates")
    if not isinstance(entry.label, dict) or not all(
        isinstance(entry.label.get(language), str) and entry.label[language] for language in ("ja", "en")
    ):
        raise CatalogueError(f"{place}: label must have ja and en")
