r"""What a text may have been before somebody on the way broke its rows.

Three things are known to happen, and each leaves a trace that is looked for:

- format=flowed, which the mail declares: a row that ends in a space goes on in the next one (RFC 3676).
- A mail server breaks a row that is longer than SMTP allows: Postfix begins the next one with a space,
  sendmail puts an exclamation mark at the break as well.
- A gateway cuts every row at one width, in octets or in columns (a full-width character has two).

Each gives a version of the text beside the text as it came. Nothing here says which one is right: a version
counts when a template proves it (`recognition`). What the mail says of itself comes first; what is only
guessed counts when that is not proved, and when no two guesses are proved that say different things. Octets
are joined before they are decoded, since a cut may go through a character or through the shift state of
ISO-2022-JP. Linear in the text.

Source: RFC 3676 4.1, 4.4; RFC 5321 4.5.3.1.6; Postfix's `smtp_line_length_limit`; sendmail's mailer flag L;
the widths are ours.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise

from grammar.span import columns
from relay.charset import UndecodableError

FOLDED = 512  # octets: Postfix's limit is 998, sendmail's 990, and nobody sets one below a command line's
# Where gateways cut: what a terminal shows (80), or less by some for quoting. A text whose longest row has
# another width was not cut.
WIDTHS = frozenset({70, 72, 74, 75, 76, 78, 79, 80})

_BYTE_ORDER_MARK = "\ufeff"
_SIGNATURE = "-- "  # RFC 3676 4.3: the row before a signature ends in a space and does not go on


@dataclass(frozen=True, slots=True, kw_only=True)
class Flow:
    """That the text says of itself that it is flowed."""

    is_space_deleted: bool  # DelSp=Yes: the space at a soft break is no part of the text


@dataclass(frozen=True, slots=True, kw_only=True)
class Versions:
    """What a text may have been, each once, without a byte order mark."""

    said: tuple[str, ...]  # by the mail itself: as flowed text when it declares that, then as it came
    guessed: tuple[str, ...]


def versions(octets: bytes, read: Callable[[bytes], str], flow: Flow | None = None) -> Versions:
    r"""All that a text may have been.

    Args:
        octets: the body with its transfer encoding undone; rows end in `\n`.
        read: octets to text; raises UndecodableError.
        flow: when the mail declares it.

    Raises:
        UndecodableError: not one version is text.
    """
    said: list[str] = []
    guessed: list[str] = []
    damage: UndecodableError | None = None
    for is_guess, coded in _unfolded(octets):
        try:
            text = read(coded).removeprefix(_BYTE_ORDER_MARK)
        except UndecodableError as error:
            damage = damage or error
            continue
        (guessed if is_guess else said).extend(_as_said(text, flow))
        guessed += _uncut(text)
    if damage is not None and not said and not guessed:
        raise damage
    known = dict.fromkeys(said)
    return Versions(
        said=tuple(known), guessed=tuple(each for each in dict.fromkeys(guessed) if each not in known)
    )


def _as_said(text: str, flow: Flow | None) -> Iterator[str]:
    if flow is not None:
        yield unflowed(text, flow)
    yield text


def _unfolded(octets: bytes) -> Iterator[tuple[bool, bytes]]:
    """The octets as they came, then joined where SMTP's limit or a fixed width broke them: a guess."""
    yield False, octets
    rows = octets.split(b"\n")
    width = max(map(len, rows))
    if width >= FOLDED:
        breaks = [(row, after) for row, after in pairwise(rows) if len(row) == width and after[:1] == b" "]
        mark = b"!" if all(row.endswith(b"!") for row, _ in breaks) else b""
        if breaks:
            yield True, _joined(rows, width, mark, b" ")
    elif width in WIDTHS:
        yield True, _joined(rows, width, b"", b"")


def _joined(rows: list[bytes], width: int, end: bytes, begin: bytes) -> bytes:
    """The rows of this width joined with the next, what marks the break left out on both sides."""
    pieces: list[bytes] = []
    was_broken = False
    for row, after in pairwise([*rows, b""]):
        piece = row[len(begin) :] if was_broken else row
        was_broken = len(row) == width and row.endswith(end) and after != b"" and after.startswith(begin)
        pieces += (piece.removesuffix(end),) if was_broken else (piece, b"\n")
    return b"".join(pieces).removesuffix(b"\n")


def _uncut(text: str) -> Iterator[str]:
    r"""The text with rows joined that were cut where the next character would have passed the width.

    >>> rows = ["商品名:" + "綿" * 35, "の長袖Tシャツ", "数量:1"]
    >>> [each.split("\n")[1:] for each in _uncut("\n".join(rows))]
    [['数量:1']]
    """
    rows = text.split("\n")
    width = _widest(rows)
    limits = sorted({width, width + 1} & WIDTHS)  # a full-width character may not have fitted
    taken = [_columns(row) for row in rows] if limits else []
    for limit in limits:
        pieces = [rows[0]]
        for columns_before, row in zip(taken, rows[1:], strict=False):
            is_full = bool(row) and columns_before + _columns(row[0]) > limit
            pieces += (row,) if is_full else ("\n", row)
        if (joined := "".join(pieces)) != text:
            yield joined


def _widest(rows: list[str]) -> int:
    """Columns of the widest row, or of a row that is too wide for the text to have been cut.

    Counting columns costs more than all else here, so only rows that could be the widest are counted.
    """
    width = 0
    for row in sorted(rows, key=len, reverse=True):
        if width > max(WIDTHS) or 2 * len(row) <= width:
            break
        width = max(width, len(row) if len(row) > max(WIDTHS) else _columns(row))
    return width


def _columns(row: str) -> int:
    return len(row) if row.isascii() else columns(row)


def unflowed(text: str, flow: Flow) -> str:
    r"""The text with its soft breaks undone and the spaces that protect row beginnings taken out.

    >>> unflowed("商品名:長袖 \nTシャツ\n  数量:1\n", Flow(is_space_deleted=True))
    '商品名:長袖Tシャツ\n 数量:1\n'
    """
    pieces: list[str] = []
    for row in text.split("\n"):
        row = row.removeprefix(" ")  # noqa: PLW2901  (space-stuffing is undone before all else)
        if row.endswith(" ") and row != _SIGNATURE:
            pieces.append(row[:-1] if flow.is_space_deleted else row)
        else:
            pieces += (row, "\n")
    return "".join(pieces).removesuffix("\n")
