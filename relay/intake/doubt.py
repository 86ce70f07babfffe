"""Rows that hold several values, where another sharing-out of the text would print the same.

A reader takes each value up to the first place where the text behind it fits. When that text stands inside a
value as well, the row fits in more than one way, and what was meant cannot be known: writing it out again
shows nothing, since each way writes the same. Such a mail is not taken in.

Guarantees: a row that fits in one way only is never doubtful. Linear in the row. Source: ours.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from grammar.ast import Template
from grammar.reader import Reading
from relay.intake.spelling import fixed_texts


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
        texts = [values.get(key, "") for key in self.keys]
        row = texts[0] + "".join(map(str.__add__, self.between, texts[1:]))
        first, at = [], 0
        for text in self.between:
            at = row.find(text, at)
            first.append(at)
            at += len(text)
        last, end = [], len(row)
        for text in reversed(self.between):
            end = row.rfind(text, 0, end)
            last.append(end)
        return first != last[::-1]


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
