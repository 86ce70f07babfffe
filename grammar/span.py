r"""Places in a source text, and the excerpt with a caret that shows one to a person.

A span counts characters of the source from 0; lines and columns count from 1, as editors do. Rows end at
`\n` and nowhere else. Source: ours; column widths after Unicode Standard Annex 11.
"""

import unicodedata
from dataclasses import dataclass

EXCERPT_COLUMNS = 100  # a wider row is cut: it would wrap, and the caret would point nowhere
EXCERPT_BEFORE = 24  # characters of a cut row that are shown before the place
EXCERPT_LENGTH = 50  # characters of a cut row in all: full-width ones fill just `EXCERPT_COLUMNS`


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """A half-open range of characters: `source[span.start : span.end]`."""

    start: int
    end: int


def line_and_column(source: str, offset: int) -> tuple[int, int]:
    r"""The line and column, from 1, of the character at `offset` (the end of the source is a place too).

    >>> line_and_column("送料\n合計", 4)
    (2, 2)
    """
    return source.count("\n", 0, offset) + 1, offset - row_start(source, offset) + 1


def row_start(source: str, offset: int) -> int:
    """Where the row of the character at `offset` begins."""
    return source.rfind("\n", 0, offset) + 1


def row_end(source: str, offset: int) -> int:
    """Where the row of the character at `offset` ends, its newline left out."""
    end = source.find("\n", offset)
    return len(source) if end < 0 else end


def excerpt(source: str, span: Span) -> str:
    """The row where the span begins, and below it carets under the span: two lines.

    Characters that cannot be seen are shown as U+FFFD, because the excerpt goes to terminals and logs.

    >>> print(excerpt("[注文番号] <$_PAK_NO_$>", Span(start=7, end=19)))
      [注文番号] <$_PAK_NO_$>
                 ^^^^^^^^^^^^
    """
    start, end = row_start(source, span.start), row_end(source, span.start)
    left, right = start, end
    if end - start > EXCERPT_COLUMNS or columns(source[start:end]) > EXCERPT_COLUMNS:
        left = max(start, span.start - EXCERPT_BEFORE)
        right = min(end, left + EXCERPT_LENGTH)
    before = ("…" if left > start else "") + _visible(source[left : span.start])
    marked = _visible(source[span.start : min(span.end, right)])
    after = _visible(source[max(span.start, min(span.end, right)) : right]) + ("…" if right < end else "")
    return f"  {before}{marked}{after}\n  {' ' * columns(before)}{'^' * max(1, columns(marked))}"


def columns(text: str) -> int:
    """How many columns of a terminal the text takes: full-width characters two, combining ones none.

    >>> columns("注文No.")
    7
    """
    return sum(
        0 if unicodedata.combining(char) else 2 if unicodedata.east_asian_width(char) in "WF" else 1
        for char in text
    )


def _visible(text: str) -> str:
    return "".join(
        " "
        if char == "\t"
        else char
        if char.isprintable() or char == "\u3000"
        else "\N{REPLACEMENT CHARACTER}"
        for char in text
    )
