"""Fuzz target: templates grown from few words, with values of the same words.

Invariant: that of `rendering`. Here every octet is a choice, so each input is a good template, or nearly; and
since labels, separators and values share their words, nearly each of its mails can be read in two ways.
"""

import hashlib
from collections.abc import Iterator, Sequence

from tests.fuzz import rendering
from tests.fuzz.target import ELEMENT, MAX_ORDERS, Case

WORDS = ("", "", "あ", "い", ":", "-", "あ:", "[あ]", "[あ] い", "終", " ", "1", "あい", "\u3000", "(あ)")
PACK_FIELDS = (
    *("PACK_NO", "BUYER_NM", "BUYER_NM|paren", "BUYER_NM|left:1", "BUYER_NM|default:い", "DELIVERY_FEE"),
    *("DELIVERY_FEE|comma", "BUYER_TEL_NO|phone", "ORDER_DATE|date:%m-%d", "TOTAL|sum", "ITEM_NM|join:あ"),
)
ORDER_FIELDS = (
    "ORDER_NO",
    "ITEM_NM",
    "ITEM_NM|paren",
    "OPTION|default:あ",
    "ORDER_QTY",
    "TOTAL|yen",
    "TRACKING_NO",
)
LIST_FIELDS = ("DEL_MEMO", "DEL_MEMO|kana", "DEL_MEMO|default:あ")
MAX_ROWS = 4  # in each block; more of them say nothing new
MAX_DEPTH = 3
MAX_VALUES = 60


class Growth:
    """Octets as choices; when they have come to their end, each choice is the first."""

    def __init__(self, content: bytes) -> None:
        self._octets = iter(content)

    def choose(self, options: Sequence[str]) -> str:
        """One of the options."""
        return options[self.number(len(options))]

    def number(self, below: int) -> int:
        """A number from 0."""
        return next(self._octets, 0) % below

    def case(self) -> Case:
        """A template with its values."""
        unit = self.choose(("pack", "pack", "order"))
        source = "".join(self._items(in_orders=unit == "order", in_block=unit == "order", depth=0))
        return Case(
            source=source + self.choose(("", "終\n")),
            unit=unit,
            orders=1 if unit == "order" else self.number(MAX_ORDERS),
            values=tuple(self._value() for _ in range(MAX_VALUES)),
        )

    def _value(self) -> str:
        texts = [self.choose(WORDS) + self.choose(WORDS) for _ in range(self.number(3) + 1)]
        return ELEMENT.join(texts)

    def _items(self, *, in_orders: bool, in_block: bool, depth: int) -> Iterator[str]:
        for _ in range(self.number(MAX_ROWS) + 1):
            kind = self.number(9)
            if kind < 4:
                yield self._row(ORDER_FIELDS if in_orders and self.number(2) else PACK_FIELDS)
            elif kind == 4:
                yield f"##LOOP##{self._row(LIST_FIELDS, least=1)}"
            elif kind == 5:
                yield self._row(PACK_FIELDS) if in_orders else f"##LOOP##{self._row(ORDER_FIELDS, least=1)}"
            elif depth == MAX_DEPTH or (kind == 6 and in_block):
                yield self._row(PACK_FIELDS)
            elif kind == 6:
                inside = "".join(self._items(in_orders=True, in_block=True, depth=depth + 1))
                yield f"##LOOP_BEGIN##\n{inside}##LOOP_END##\n"
            else:
                yield self._condition(in_orders=in_orders, in_block=in_block, depth=depth)

    def _row(self, fields: Sequence[str], *, least: int = 0) -> str:
        delete = self.choose(("", "##DELETE_BLANK_ROW##"))
        pieces = [self.choose(WORDS)]
        for _ in range(self.number(3 - least) + least):
            pieces += [f"<$_{self.choose(fields)}_$>", self.choose(WORDS)]
        return f"{delete}{''.join(pieces)}\n"

    def _condition(self, *, in_orders: bool, in_block: bool, depth: int) -> str:
        field = self.choose(ORDER_FIELDS if in_orders and self.number(2) else PACK_FIELDS)
        asked = self.choose(("", "", " = あ", " != い", " = 1"))
        inside = "".join(self._items(in_orders=in_orders, in_block=in_block, depth=depth + 1))
        others = ""
        if self.number(2):
            others = "##ELSE##\n" + "".join(
                self._items(in_orders=in_orders, in_block=in_block, depth=depth + 1)
            )
        return f"##IF <$_{field}_$>{asked}##\n{inside}{others}##END_IF##\n"


def run(content: bytes) -> None:
    """Try what grows from these octets."""
    rendering.check(Growth(content).case())


def seeds() -> Iterator[bytes]:
    """Octets without a pattern, the same in every run."""
    for number in range(200):
        yield b"".join(hashlib.sha256(f"{number}:{part}".encode()).digest() for part in range(8))
