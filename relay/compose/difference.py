"""What would be misread in a mail, for the shop's staff: a Japanese and an English row for each misreading.

    本文 4行目: 備考 の2行目が「[注文番号]」と読まれます
    body row 4: row 2 of 備考 (DEL_MEMO) would be read as “[注文番号]”

Guarantees: bounded, `MAX_MISREADINGS` pairs of rows and no text longer than `MAX_SHOWN`; a long value is
shown around the place where what was written and what is read part. The rows hold buyers' values: they
belong into the quarantine, never into journal or log. Source: ours (docs/reading-back.md).
"""

from collections.abc import Sequence
from itertools import islice
from typing import assert_never

from grammar import Catalogue
from grammar.reader import Misreading
from relay.compose.part import Part
from relay.compose.proof import Misread

MAX_MISREADINGS = 10  # told of one registration: whoever mends ten places does not look for the next
MAX_SHOWN = 40  # characters of a value or label: enough to find it on the screen
_BEFORE = 12  # characters shown before the place where two long texts part


def difference(mails: Sequence[tuple[Part, Sequence[Misread]]], catalogue: Catalogue) -> list[str]:
    """The rows for these mails of a registration.

    Args:
        mails: what each is made of and what would be misread in it.
        catalogue: knows the fields' names in Japanese.
    """
    found = ((part, each) for part, misread in mails for each in misread)
    first = list(islice(found, MAX_MISREADINGS + 1))
    pairs = (
        _pair(each, _order_no(each.misreading, part), catalogue) for part, each in first[:MAX_MISREADINGS]
    )
    rows = [row for pair in pairs for row in pair]
    return [*rows, "ほかにもあります", "and more"] if len(first) > MAX_MISREADINGS else rows


def _order_no(found: Misreading, part: Part) -> str:
    """The number of the order that is meant; empty when it goes without saying, or it is the whole pack's."""
    if part.order_no:
        return part.order_no
    if found.order is None or len(part.record.orders) < 2:
        return ""
    return part.record.orders[found.order]["ORDER_NO"]


def _pair(each: Misread, order_no: str, catalogue: Catalogue) -> tuple[str, str]:
    found = each.misreading
    japanese, english = _holder(found, order_no, catalogue)
    told_ja, told_en = _told(found)
    if each.place == "subject":
        return f"タイトル: {japanese}{told_ja}", f"subject: {english}{told_en}"
    return f"本文 {found.row}行目: {japanese}{told_ja}", f"body row {found.row}: {english}{told_en}"


def _told(found: Misreading) -> tuple[str, str]:
    """How it is misread, after what is."""
    match found.kind:
        case "value":
            texts = _parting(found.expected, found.read)
            japanese = [f"「{text}」" if text else "空欄" for text in texts]
            english = [f"“{text}”" if text else "blank" for text in texts]
            return f": {'が'.join(japanese)}と読まれます", f": {' would be read as '.join(english)}"
        case "label":
            read = _short(found.read)
            return f"が「{read}」と読まれます", f" would be read as “{read}”"
        case "orders":
            return (
                f"までの注文{found.expected}件が{found.read}件と読まれます",
                f" ends {found.expected} orders, which would be read as {found.read}",
            )
        case "structure" if found.read:
            read = _short(found.read)
            return (
                f"がテンプレートの「{read}」の行と読まれます",
                f" would be read as the template's row “{read}”",
            )
        case "structure":
            return "がテンプレートのどの行とも読まれません", " would be read as no row of the template"
        case _:
            assert_never(found.kind)


def _holder(found: Misreading, order_no: str, catalogue: Catalogue) -> tuple[str, str]:
    """What is misread, in Japanese and English: a field, one row of a list, or a row that no field made."""
    japanese, english = "この行", "this row"
    if found.field:
        label = catalogue[found.field].label["ja"]
        japanese, english = label, f"{label} ({found.field})"
        if found.element is not None:
            japanese, english = f"{label} の{found.element + 1}行目", f"row {found.element + 1} of {english}"
    if order_no:
        japanese, english = f"注文 {order_no} の{japanese}", f"{english} of order {order_no}"
    return japanese, english


def _parting(written: str, read: str) -> tuple[str, str]:
    """Two texts cut to what shows where they part.

    >>> _parting("長袖Tシャツ(キッズ用)", "長袖Tシャツ")
    ('長袖Tシャツ(キッズ用)', '長袖Tシャツ')
    >>> _parting("a" * 100 + "(A)" + "b" * 100, "a" * 100)
    ('…aaaaaaaaaaaa(A)bbbbbbbbbbbbbbbbbbbbbbb…', '…aaaaaaaaaaaa')
    """
    same = next(
        (index for index, (a, b) in enumerate(zip(written, read, strict=False)) if a != b),
        min(len(written), len(read)),
    )
    start = max(same - _BEFORE, 0) if max(len(written), len(read)) > MAX_SHOWN else 0
    lead = "…" if start else ""
    return _short(lead + written[start:]), _short(lead + read[start:])


def _short(text: str) -> str:
    return text if len(text) <= MAX_SHOWN else text[: MAX_SHOWN - 1] + "…"
