"""`denrei template read`: what a mail says, and which template says so."""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated

import typer

from grammar import Catalogue, Entry, Record
from relay.cli.office import operate
from relay.cli.option import DEFAULT_CONFIG, AsJson, ConfigPath
from relay.cli.screen import counted, screen, show_json, show_pairs, show_table
from relay.operations import Operations, ReadFile

HEAD_COLUMNS = 45  # of the screen, for the longest field and label
ORDER_COLUMNS = (
    16  # of the screen, for the values of one order, so that a number or a short name stands on one row
)


def read(
    *,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A mail, .eml, as it came.")],
    config: ConfigPath = DEFAULT_CONFIG,
    as_json: AsJson = False,
) -> None:
    """Read a mail as the intake would: the template that it was written with, and every value."""

    async def look(operations: Operations) -> tuple[ReadFile, Catalogue]:
        return operations.read_file(file), operations.catalogue

    found, catalogue = operate(config, look)
    if as_json:
        document = json.loads(found.notification.written().document)
        show_json([{"template": found.template.key if found.template else None, "notification": document}])
        return
    _show(found, catalogue)


def _show(found: ReadFile, catalogue: Catalogue) -> None:
    notification, template = found.notification, found.template
    console = screen()
    if template is None:
        written = "a notification document"
    else:
        written = f"the text of template no. {template.number}  {template.key}"
    show_pairs(
        console,
        [
            ("read from", written),
            ("name", template.name if template else ""),
            ("type", f"{notification.type.label} ({notification.type})"),
            ("seller", notification.seller_id),
            ("pack", f"{notification.pack.pack_no}, {counted(len(notification.pack.orders), 'order')}"),
        ],
    )
    printed = None if template is None else template.subject.fields | template.body.fields
    entries = [entry for entry in catalogue if entry.path and (printed is None or entry.name in printed)]
    record = catalogue.record(notification)
    console.print()
    show_table(
        console,
        ["field", "label", "value"],
        pack_rows(record, (entry for entry in entries if entry.scope == "pack")),
        empty="no value of the pack",
        firm=["field", "label"],
    )
    of_order = [entry for entry in entries if entry.scope == "order"]
    beside = max((console.width - HEAD_COLUMNS) // ORDER_COLUMNS, 1)
    for start in range(0, len(record.orders), beside):
        _show_orders(record, of_order, start, beside)


def pack_rows(record: Record, entries: Iterable[Entry]) -> list[Sequence[str]]:
    """Return name, label and value of each field that has something to see."""
    rows = [
        [
            entry.name,
            entry.label["ja"],
            "\n".join(record.elements(entry.name)) if entry.type == "list" else record[entry.name],
        ]
        for entry in entries
    ]
    return [row for row in rows if row[2].strip()]


def _show_orders(record: Record, entries: Sequence[Entry], start: int, beside: int) -> None:
    """Print a few orders beside each other, the first of them at `start`."""
    orders = record.orders[start : start + beside]
    rows = [[entry.name, entry.label["ja"], *(order[entry.name] for order in orders)] for entry in entries]
    console = screen()
    console.print()
    show_table(
        console,
        ["field", "label", *(f"order {start + number}" for number in range(1, len(orders) + 1))],
        (row for row in rows if any(cell.strip() for cell in row[2:])),
        empty="no value of an order",
        firm=["field", "label"],
    )
