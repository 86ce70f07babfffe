"""What the commands print: tables for people, JSON lines for programs, refusals for both.

It owns widths, times and colours. Guarantees: standard output holds the result only, standard error
everything else; text from outside is shown with its control characters made visible and never read as
markup; a table fits the terminal, and is 100 columns wide where there is none. Times are Japan's on screen
and UTC in JSON.
"""

import codecs
import json
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Literal

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from relay.cli.letter import visible
from relay.clock import JST

PIPED_WIDTH = 100  # columns when the output is no terminal, unless COLUMNS says otherwise


def screen() -> Console:
    """Return the console for results; made anew for each command, so that it sees today's streams."""
    return _console(sys.stdout.isatty(), stderr=False)


def side_screen() -> Console:
    """Return the console for what is not the result: questions, previews and refusals."""
    return _console(sys.stderr.isatty(), stderr=True)


def _console(terminal: bool, *, stderr: bool) -> Console:
    width = None if terminal or "COLUMNS" in os.environ else PIPED_WIDTH
    return Console(stderr=stderr, width=width, highlight=False, markup=False, emoji=False)


def note(text: str) -> None:
    """Tell the person something that is not the result."""
    side_screen().print(visible(text), soft_wrap=True)


def refuse(text: str) -> None:
    """Say what went wrong."""
    side_screen().print(Text("denrei: ", style="bold red") + Text(visible(text)), soft_wrap=True)


def show_table(
    console: Console,
    columns: Sequence[str],
    rows: Iterable[Sequence[str]],
    *,
    title: str = "",
    empty: str = "nothing",
    right: Iterable[str] = (),
    firm: Iterable[str] = (),
) -> None:
    """Print rows under columns, or the word for no rows.

    Columns named in `right` are set to the right; those in `firm` are never broken, so they can be copied.
    """
    numbers, unbroken = frozenset(right), frozenset(firm)
    table = Table(
        box=box.SIMPLE,
        title=title or None,
        title_justify="left",
        pad_edge=False,
        padding=(0, 1, 0, 0),
        show_edge=False,
        title_style="bold",
    )
    for column in columns:
        justify: Literal["left", "right"] = "right" if column in numbers else "left"
        table.add_column(column, justify=justify, overflow="fold", no_wrap=column in unbroken)
    for row in rows:
        table.add_row(*(Text(visible(cell)) for cell in row))
    if table.row_count:
        console.print(table)
    else:
        console.print(f"{title}: {empty}" if title else empty)


def show_pairs(console: Console, pairs: Iterable[tuple[str, str]]) -> None:
    """Print name and value a row; blank values are left out."""
    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in pairs:
        if value:
            table.add_row(name, Text(visible(value)))
    console.print(table)


def show_json(rows: Iterable[Mapping[str, object]]) -> None:
    """Print one JSON object a line; times in UTC, and escapes where the locale is not UTF-8."""
    ascii_only = codecs.lookup(sys.stdout.encoding or "ascii").name != "utf-8"
    for row in rows:
        sys.stdout.write(json.dumps(row, ensure_ascii=ascii_only, default=_plain) + "\n")
    sys.stdout.flush()


def _plain(value: object) -> object:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, timedelta):
        return value.total_seconds()
    raise TypeError(f"{type(value).__name__} has no place in JSON output")


def moment(at: datetime | None) -> str:
    """Return a time as people in Japan read it.

    >>> from datetime import UTC
    >>> moment(datetime(2026, 11, 21, 1, 15, tzinfo=UTC))
    '2026-11-21 10:15:00'
    """
    return "" if at is None else at.astimezone(JST).strftime("%Y-%m-%d %H:%M:%S")


def counted(number: int, one: str, many: str = "") -> str:
    """Return a number with its noun.

    >>> counted(1, "problem"), counted(2, "delivery", "deliveries")
    ('1 problem', '2 deliveries')
    """
    return f"{number} {one if number == 1 else many or one + 's'}"
