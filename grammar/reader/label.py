r"""The labels of a template, as a partner that reads by label knows them, and the rows that could forge one.

Most partners do not read a mail as a whole: they look at how each row begins. So the mail must be right
for them too: a label at the head of a row stands there as often as the template says. All rows that begin
with their own label are right once the mail has been read with the template; what is left are the rows
whose value could make a label: those that begin with a field (a memo `[注文番号] 999`), or with a part of a
label. Only these are looked at, which costs next to nothing.

A label is the literal text before the first field of a row, white space around it left out, when it has a
letter or a digit; a bullet or a bracket alone is none. A row without a field (a heading: `■商品の情報`, a
rule: `-----`) opens a section, so it is a label too: by its beginning when it ends in a bracket or a
colon, as `[備考]` does, otherwise as a whole row, because people do write 以上 in front of other words.

White space and invisible characters before a label, or behind a heading, do not hide it: readers strip
them. A decorated form, such as full-width `［注文番号］`, is not the label: it is what a value rule makes of
it. Source: ours; what partners do with labels: docs/partners.md.
"""

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from grammar.reader.pattern import RowPattern
from grammar.span import row_end

Reach = Literal["beginning", "word", "row"]  # how much of the row must be the label for it to be read as one

_CLOSING: Final = "])}>:］】〕〉》」』）｝：＞"
# White space but the newline; Unicode's category Cf (soft hyphen, zero width space, joiners, byte order mark,
# tags …); what else has no glyph of its own (Default_Ignorable_Code_Point: Hangul fillers, variation
# selectors, grapheme joiner …); the blank pattern of Braille. First and last of each range.
_UNSEEN_RANGES: Final = (
    *((0x09, 0x09), (0x0B, 0x0D), (0x1C, 0x20), (0x85, 0x85), (0xA0, 0xA0), (0xAD, 0xAD), (0x34F, 0x34F)),
    *((0x600, 0x605), (0x61C, 0x61C), (0x6DD, 0x6DD), (0x70F, 0x70F), (0x890, 0x891), (0x8E2, 0x8E2)),
    *((0x115F, 0x1160), (0x1680, 0x1680), (0x17B4, 0x17B5), (0x180B, 0x180F), (0x2000, 0x200F)),
    *((0x2028, 0x202F), (0x205F, 0x206F), (0x2800, 0x2800), (0x3000, 0x3000), (0x3164, 0x3164)),
    *((0xFE00, 0xFE0F), (0xFEFF, 0xFEFF), (0xFFA0, 0xFFA0), (0xFFF9, 0xFFFB), (0x110BD, 0x110BD)),
    *((0x110CD, 0x110CD), (0x13430, 0x1343F), (0x1BCA0, 0x1BCA3), (0x1D173, 0x1D17A), (0xE0001, 0xE0001)),
    *((0xE0020, 0xE007F), (0xE0100, 0xE01EF)),
)
UNSEEN: Final = frozenset(chr(code) for first, last in _UNSEEN_RANGES for code in range(first, last + 1))
_UNSEEN_TEXT: Final = "".join(sorted(UNSEEN))
_BROADEST: Final[tuple[Reach, ...]] = ("beginning", "word", "row")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Labels:
    """The labels of one template."""

    reach: Mapping[str, Reach]
    ordered: tuple[str, ...]  # the labels, sorted
    openings: tuple[str, ...]  # those that need not be the whole row, sorted
    shorter: Mapping[str, str]  # of each opening the longest other one that it begins with, or nothing
    suspicious: frozenset[str]  # the characters that a row begins with when a label may stand there

    @property
    def by_reach(self) -> list[str]:
        """The labels, those known by their beginning first, otherwise as they stand in the template."""
        return sorted(self.reach, key=lambda label: _BROADEST.index(self.reach[label]))

    def found(self, text: str, at: int, longer_than: int = 0) -> str:
        r"""The label that the row beginning at `at` is read by, or nothing; shorter ones are the row's own.

        >>> labels = labels_of([])
        >>> labels.found("[注文番号] 999\n", 0)
        ''
        """
        row = text[at : row_end(text, at)].strip(_UNSEEN_TEXT)
        if row in self.reach and len(row) > longer_than:
            return row
        # Every label that the row begins with, the last one that is sorted before the row begins with too.
        before = bisect_right(self.openings, row)
        label = self.openings[before - 1] if before else ""
        while len(label) > longer_than:
            is_word = self.reach[label] == "word"
            if row.startswith(label) and not (is_word and row[len(label) : len(label) + 1].isalnum()):
                return label
            label = self.shorter[label]
        return ""

    def risk(self, pattern: RowPattern) -> int | None:
        """How much of a label the row brings itself, in characters; None when no value can add the rest."""
        if pattern.is_text:
            return None
        head = pattern.head.lstrip(_UNSEEN_TEXT)
        after = bisect_right(self.ordered, head)  # what begins with the head stands just after it
        longer = self.ordered[after] if after < len(self.ordered) else ""
        return len(head) if longer.startswith(head) and longer else None


def labels_of(patterns: Iterable[RowPattern]) -> Labels:
    """The labels of a template's rows."""
    reach: dict[str, Reach] = {}
    for pattern in patterns:
        label, new = label_of(pattern)
        if label:
            reach[label] = min(new, reach.get(label, new), key=_BROADEST.index)
    ordered = tuple(sorted(reach))
    openings = tuple(label for label in ordered if reach[label] != "row")
    return Labels(
        reach=reach,
        ordered=ordered,
        openings=openings,
        shorter=_shorter(openings),
        suspicious=UNSEEN.union(label[0] for label in reach),
    )


def label_of(pattern: RowPattern) -> tuple[str, Reach]:
    """The label of a row, which may be none, and how far it must reach."""
    label = pattern.head.strip(_UNSEEN_TEXT)
    is_worded = any(map(str.isalnum, label))
    if pattern.is_text:
        return label, "beginning" if is_worded and label[-1] in _CLOSING else "row"
    if not is_worded:
        return "", "row"
    return label, "word" if label[-1].isalnum() and pattern.head[-1].isspace() else "beginning"


def _shorter(ordered: Sequence[str]) -> dict[str, str]:
    shorter: dict[str, str] = {}
    label = ""
    for longer in ordered:
        while not longer.startswith(label):
            label = shorter[label]
        shorter[longer] = label
        label = longer
    return shorter
