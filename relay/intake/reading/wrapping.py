r"""What a text was before somebody on the way broke its rows, as far as that is certain.

Two things say for certain where rows were broken:

- format=flowed, which the mail declares: a row that ends in a space goes on in the next one (RFC 3676).
- A row that ends inside a character. Whoever cut it counted octets, and nothing stood at the cut; a space
  behind it is the mark of a server that keeps SMTP's limit, since no character goes on with a space.

No other break is undone. Between two whole characters a space may have stood, which gateways that wrap words
drop, and a text with the space and one without it are read equally well: joining would invent values. Such a
text is read as it came. A broken row is one row too many then, which no template prints, unless a row of the
template begins with a value and takes the rest for one: `gone_on` tells where that may have happened.

Source: RFC 3676 4.1, 4.4; Postfix's `smtp_line_length_limit`; the widths are ours.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from grammar.span import columns
from relay.charset import UndecodableError

NARROWEST = 64  # columns or octets at which rows are broken, at least: RFC 3676 4.2 says 78, netiquette 65
MAX_JOINED = 262_144  # octets that are decoded to find ends of broken rows: the rows of hundreds of values

_BYTE_ORDER_MARK = "\ufeff"
_SIGNATURE = "-- "  # RFC 3676 4.3: the row before a signature ends in a space and does not go on
_SHIFTED = re.compile(r"[^\x00-\x7f]+")
_ESCAPE = b"\x1b"  # what begins with its own shift is no rest of a character


@dataclass(frozen=True, slots=True, kw_only=True)
class Flow:
    """That the text says of itself that it is flowed."""

    is_space_deleted: bool  # DelSp=Yes: the space at a soft break is no part of the text


@dataclass(frozen=True, slots=True, kw_only=True)
class Versions:
    """What a text says, without a byte order mark."""

    texts: tuple[str, ...]  # as flowed text when the mail declares that, then as it came; each once
    was_cut: bool  # rows were broken for certain, inside a character or as the mail declares


def versions(octets: bytes, read: Callable[[bytes], str], flow: Flow | None = None) -> Versions:
    r"""The text of a body, in the order in which it is to be believed.

    Args:
        octets: the body with its transfer encoding undone; rows end in `\n`.
        read: octets to text; raises UndecodableError.
        flow: when the mail declares it.

    Raises:
        UndecodableError: it is no text, and none with its broken rows joined.
    """
    was_cut = flow is not None
    try:
        text = read(octets)
    except UndecodableError as damage:
        joined = _joined(octets, read)
        if joined is None:
            raise
        try:
            text, was_cut = read(joined), True
        except UndecodableError:
            raise damage from None
    text = text.removeprefix(_BYTE_ORDER_MARK)
    texts = (text,) if flow is None else (unflowed(text, flow), text)
    return Versions(texts=tuple(dict.fromkeys(texts)), was_cut=was_cut)


def _joined(octets: bytes, read: Callable[[bytes], str]) -> bytes | None:
    """The rows that end inside a character joined with the next; None when something else is wrong.

    One machine cuts at one width, so all these rows are equally long and none is longer.
    """
    rows = octets.split(b"\n")
    width = max(map(len, rows))
    joined: list[bytes] = []
    piece, is_open, left = b"", False, MAX_JOINED
    for row in rows:
        if is_open and (left := left - len(piece) - len(row)) < 0:
            return None
        if is_open and row.startswith(_ESCAPE):
            return None
        piece = piece + row.removeprefix(b" ") if is_open else row
        is_open = not _is_text(piece, read)
        if not is_open:
            joined.append(piece)
        elif len(row) < max(width, NARROWEST):
            return None
    return None if is_open else b"\n".join(joined)


def _is_text(octets: bytes, read: Callable[[bytes], str]) -> bool:
    try:
        read(octets)
    except UndecodableError:
        return False
    return True


def gone_on(text: str, open_rows: Sequence[int]) -> int:
    r"""The first row that may be the rest of the row before it; 0 when each is a row of its own.

    Whoever breaks rows at a width breaks one before the word that has no room in it: two rows that have room
    for each other were two from the start.

    Args:
        text: as it was read; rows end in `\n`.
        open_rows: numbers from 1 of rows that begin with a value and stand behind a row with a value
            (`Reading.open_rows`). A row that begins with a label of the template is no rest of another.

    >>> gone_on("備考:Please leave it at the door of the house, thank you very\nmuch\n", [2])
    2
    >>> gone_on("備考:のし不要\n置き配希望\n", [2])
    0
    """
    if not open_rows:
        return 0
    rows = text.split("\n")
    for number in open_rows:
        before, word = rows[number - 2], rows[number - 1].partition(" ")[0]
        if before and _width(before) + 1 + _width(word) >= NARROWEST:
            return number
    return 0


def _width(row: str) -> int:
    """The most that a row can take: columns, octets of UTF-8, or of ISO-2022-JP with its shifts."""
    if row.isascii():
        return len(row)
    shifts = 6 * len(_SHIFTED.findall(row))
    return max(len(row.encode("utf-8", "surrogatepass")), columns(row) + shifts)


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
