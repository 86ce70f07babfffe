"""Rows that hold several values, where another sharing-out of the text would print the same.

A reader takes each value up to the first place where the text behind it fits. When that text stands inside a
value as well, the row fits in more than one way, and what was meant cannot be known: writing it out again
shows nothing, since each way writes the same. Such a mail is not taken in.

Guarantees: a row that fits in one way only is never doubtful. Linear in the row. Source: ours.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from grammar.ast import Field, Row, Template, Text
from grammar.reader import Reading


@dataclass(frozen=True, slots=True, kw_only=True)
class Joint:
    """The fields of one row, at least two, and what stands between them."""

    keys: tuple[str, ...]  # `Field.key`
    between: tuple[str, ...]  # one fewer

    def is_doubtful(self, values: Mapping[str, str]) -> bool:
        """Whether the row could be shared out otherwise.

        >>> joint = Joint(keys=("ITEM_NM", "ORDER_QTY"), between=(" x ",))
        >>> joint.is_doubtful({"ITEM_NM": "マグカップ", "ORDER_QTY": "2"})
        False
        >>> joint.is_doubtful({"ITEM_NM": "マグカップ", "ORDER_QTY": "2 x 2"})
        True
        """
        return can_be_shared([values.get(key, "") for key in self.keys], self.between)


def can_be_shared(texts: Sequence[str], between: Sequence[str]) -> bool:
    """Whether the row that these values and what stands between them make has another place for a separator.

    >>> can_be_shared(["9", "10〜12"], ["〜"])
    True
    """
    row = texts[0] + "".join(map(str.__add__, between, texts[1:]))
    first, at = [], 0
    for text in between:
        at = row.find(text, at)
        first.append(at)
        at += len(text)
    last, end = [], len(row)
    for text in reversed(between):
        end = row.rfind(text, 0, end)
        last.append(end)
    return first != last[::-1]


def fixed_texts(row: Row) -> tuple[str, ...]:
    """What stands before, between and behind the fields of a row: one more than there are fields."""
    texts = [""]
    for piece in row.pieces:
        match piece:
            case Text(text=text):
                texts[-1] += text
            case Field():
                texts.append("")
    return tuple(texts)


def joints_of(template: Template) -> tuple[Joint, ...]:
    """The rows of a template that have several fields."""
    return tuple(
        Joint(keys=tuple(field.key for field in row.fields), between=fixed_texts(row)[1:-1])
        for row in template.rows
        if len(row.fields) > 1
    )


def doubtful(joints: tuple[Joint, ...], reading: Reading) -> Joint | None:
    """The first row of a reading that could be shared out otherwise."""
    if not joints:
        return None
    for values in _rows(reading):
        for joint in joints:
            if joint.is_doubtful(values):
                return joint
    return None


def _rows(reading: Reading) -> Iterator[Mapping[str, str]]:
    """The values that can stand together on one row."""
    yield reading.fields
    for order in reading.orders:
        yield {**reading.fields, **order}
    for number in range(max(map(len, reading.elements.values()), default=0)):
        at = {key: texts[number] for key, texts in reading.elements.items() if number < len(texts)}
        yield {**reading.fields, **at}
