"""What the fuzz targets share: where they are, and how octets become a template and the values for it."""

import hashlib
import importlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from grammar import Entry, load_catalogue
from relay.operations.mail_file import MailFile

ROOT = Path(__file__).resolve().parents[2]
TARGETS = (
    "parsing",
    "rendering",
    "growing",
    "reading",
    "charset",
    "intake",
    "session",
    "bounce",
)  # one module each
SECTION, ELEMENT = "\x1e", "\x1d"  # between the sections of a case, and between the elements of a list
QUOTE = (
    "\x1c"  # in a value, before a character: the head of that row of the template, which a label is made of
)
MAX_ORDERS = 4  # enough to tell one order from the next, and few enough to be quick
CATALOGUE = load_catalogue()
SMALL = (  # templates with one thing each, for a fuzzer to grow from
    "<$_PACK_NO_$>",
    "[注文番号] <$_PACK_NO_$>\n[氏名] <$_BUYER_NM_$>\n",
    "<$_BUYER_NM_$>-<$_BUYER_TEL_NO_$>\n終\n",
    "##DELETE_BLANK_ROW##備考:<$_PACK_NO_$>\n終\n",
    "[備考]\n##DELETE_BLANK_ROW##$LOOP_<$_DEL_MEMO_$>\n終\n",
    "##LOOP##<$_ORDER_NO_$>:<$_ITEM_NM_$>\n終\n",
    "##LOOP_BEGIN##\n注文番号:<$_ORDER_NO_$>\n##DELETE_BLANK_ROW##名:<$_ITEM_NM_$>\n##LOOP_END##\n終\n",
    "##IF <$_PACK_NO_$>##\n有:<$_PACK_NO_$>\n##ELSE##\n無\n##END_IF##\n終\n",
    "##IF <$_PACK_NO_$> = 一##\n同じ\n##END_IF##\n##IF <$_PACK_NO_$> != 一##\n別\n##END_IF##\n終\n",
    "##LOOP_BEGIN##\n##IF <$_OPTION_$>##\n項:<$_OPTION_$>\n##END_IF##\n番:<$_ORDER_NO_$>\n##LOOP_END##\n終\n",
    "名:<$_BUYER_NM|paren|max:4_$>様\n計:<$_TOTAL|sum|yen_$>\n品:<$_ITEM_NM|join:、_$>\n終\n",
    "日:<$_ORDER_DATE|date:%Y年%-m月%-d日_$>(<$_ORDER_DATE|weekday_$>)\n電話:<$_BUYER_TEL_NO|phone_$>\n終\n",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One thing to fuzz."""

    run: Callable[[bytes], None]  # raises whatever breaks the invariant
    seeds: tuple[bytes, ...]


def load(name: str) -> Target:
    """The target of this name."""
    module = cast("Any", importlib.import_module(f"tests.fuzz.{name}"))
    return Target(run=module.run, seeds=tuple(module.seeds()))


def seed_name(seed: bytes) -> str:
    """The file name of a seed: the same seed has the same one in every run."""
    return hashlib.sha256(seed).hexdigest()[:24]


def text_of(content: bytes) -> str:
    """Any octets as text; those that are no UTF-8 become lone surrogates, which is a case of its own."""
    return content.decode("utf-8", "surrogateescape")


def octets_of(text: str) -> bytes:
    """The octets that `text_of` reads as this text."""
    return text.encode("utf-8", "surrogateescape")


def mail_files() -> list[MailFile]:
    """Every shipped template file."""
    paths = sorted((ROOT / "partner_templates").glob("*/*.mail"))
    return [MailFile.of(path.read_bytes(), file=path.name) for path in paths]


def front_text(mail: MailFile, key: str) -> str:
    """What the front matter says under a key."""
    return str(mail.front()[key])


def wrong_templates() -> list[str]:
    """The wrong templates that have a golden picture of their error."""
    pictures = sorted((ROOT / "tests" / "golden" / "template_errors").glob("*.txt"))
    return [path.read_bytes().decode().partition("\n=====\n")[0] for path in pictures]


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A template, the unit that it is for, and values for its fields."""

    source: str
    unit: str
    orders: int
    values: tuple[str, ...]  # pack fields in the catalogue's order, then each order's
    is_typed: bool = True  # money, counts and times are such, as in every notification that was taken in

    @classmethod
    def of(cls, content: bytes) -> "Case":
        """The case that octets stand for; all octets stand for one."""
        source, _, rest = text_of(content).partition(SECTION)
        shape, *values = rest.split(SECTION)
        orders = int(shape[1:2]) if shape[1:2] in {*map(str, range(MAX_ORDERS + 1))} else 1
        return cls(
            source=source,
            unit="order" if shape[:1] == "o" else "pack",
            orders=1 if shape[:1] == "o" else orders,
            values=tuple(values),
            is_typed=shape[2:3] != "x",
        )

    def content(self) -> bytes:
        """The octets that stand for this case."""
        return octets_of(
            SECTION.join(
                (self.source, f"{self.unit[0]}{self.orders}{'' if self.is_typed else 'x'}", *self.values)
            )
        )

    def document(self, names: Iterable[str]) -> dict[str, Any]:
        """A notification document in which the fields of these names have the values; the rest is missing."""
        entries = [entry for entry in CATALOGUE if entry.name in frozenset(names)]
        heads = [row.partition("<$_")[0] for row in self.source.split("\n")]
        values = (_with_quotes(value, heads) for value in self.values)
        document: dict[str, Any] = {"pack": {"orders": [{} for _ in range(self.orders)]}}
        for entry in entries:
            if entry.scope == "pack" and entry.path:
                self._put(document, entry.path, entry, next(values, None))
        for order in document["pack"]["orders"]:
            for entry in entries:
                if entry.scope == "order":
                    self._put(order, entry.path.removeprefix("order."), entry, next(values, None))
        return document

    def _put(self, document: dict[str, Any], path: str, entry: Entry, value: str | None) -> None:
        *steps, last = path.split(".")
        for step in steps:
            document = document.setdefault(step, {})
        if value is not None:
            document[last] = value.split(ELEMENT) if entry.type == "list" else self._value(entry, value)

    def _value(self, entry: Entry, value: str) -> object:
        """The value as a document would have it; for a type that the text is not of, another of that type."""
        if not self.is_typed or not value:
            return value
        number = int(hashlib.sha256(value.encode("utf-8", "surrogatepass")).hexdigest()[:4], 16)
        match entry.type:
            case "money" | "count":
                return int(value) if value.isascii() and value.isdecimal() and len(value) < 13 else number
            case "date" | "datetime":
                at = f"2026-{number % 12 + 1:02}-{number % 28 + 1:02}"
                return at if entry.type == "date" else f"{at} {number % 24:02}:{number % 60:02}:00"
            case _:
                return value


def _with_quotes(value: str, heads: Sequence[str]) -> str:
    """The value with each quotation of the template's rows put in: what a hostile buyer would copy."""
    first, *rest = value.split(QUOTE)
    return first + "".join(heads[ord(part[0]) % len(heads)] + part[1:] if part else "" for part in rest)


def case_of(source: str, unit: str, names: Iterable[str], document: Mapping[str, Any]) -> Case:
    """The case with the values that a document has for the fields of these names."""
    orders = [dict(order) for order in document["pack"]["orders"]][: 1 if unit == "order" else MAX_ORDERS]
    entries = [entry for entry in CATALOGUE if entry.name in frozenset(names)]
    values = [_text(entry.value(document)) for entry in entries if entry.scope == "pack" and entry.path]
    values += [_text(entry.value(order)) for order in orders for entry in entries if entry.scope == "order"]
    return Case(source=source, unit=unit, orders=len(orders), values=tuple(values))


def _text(value: object) -> str:
    if isinstance(value, list | tuple):
        return ELEMENT.join(map(str, value))
    return "" if value is None else str(value)
