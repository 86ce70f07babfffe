"""`denrei quarantine`: what was kept because it could not be understood or written, and how it comes back."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from relay.cli.letter import letter, visible
from relay.cli.office import operate, person
from relay.cli.option import DEFAULT_CONFIG, AsJson, ConfigPath, Limit, Yes
from relay.cli.outcome import confirm, report
from relay.cli.screen import counted, moment, screen, show_json, show_pairs, show_table, side_screen
from relay.cli.stream import write_octets
from relay.operations import read_mended
from relay.store.query import QuarantineFilter
from relay.store.values import Quarantined, QuarantineState

DEFAULT_LIMIT = 100
_ITEM = "Quarantined mail, by id or an unmistakable beginning."
ItemId = Annotated[str, typer.Argument(metavar="ID", help=_ITEM)]
ItemIds = Annotated[list[str], typer.Argument(metavar="ID...", help=_ITEM)]


def commands() -> typer.Typer:
    """Return the family's commands."""
    family = typer.Typer(help="See what was kept with a reason; replay or discard it.", no_args_is_help=True)
    family.command("list")(list_)
    family.command("show")(show)
    family.command("replay")(replay)
    family.command("discard")(discard)
    return family


def list_(
    *,
    config: ConfigPath = DEFAULT_CONFIG,
    every: Annotated[bool, typer.Option("--all", "-a", help="Replayed and discarded ones too.")] = False,
    limit: Limit = DEFAULT_LIMIT,
    as_json: AsJson = False,
) -> None:
    """List what is kept, newest first."""
    states = tuple(QuarantineState) if every else (QuarantineState.KEPT,)
    items = operate(
        config, lambda operations: operations.quarantined(QuarantineFilter(states=states, limit=limit))
    )
    if as_json:
        show_json(item_row(row.item, row.octets) for row in items)
    else:
        _show_items([row.item for row in items])


def _show_items(items: Sequence[Quarantined], *, to_error: bool = False) -> None:
    show_table(
        side_screen() if to_error else screen(),
        ["id", "state", "received", "registration", "reason"],
        ([item.id, item.state, moment(item.received_at), item.registration, item.reason] for item in items),
        empty="nothing is in quarantine",
        firm=["id", "state", "received"],
    )


def show(
    *,
    item_id: ItemId,
    config: ConfigPath = DEFAULT_CONFIG,
    document: Annotated[
        bool, typer.Option("--document", "-d", help="Print only the document that it carries, to be mended.")
    ] = False,
    raw: Annotated[
        bool, typer.Option("--raw", help="Print the mail exactly as it came, and nothing else.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Show one quarantined mail: every reason, and the mail as a person reads it."""
    item = operate(config, lambda operations: operations.quarantine_item(item_id))
    if as_json:
        show_json([item_row(item, len(item.content)) | {"content": item.content.decode("utf-8", "replace")}])
    elif document:
        write_octets(b"".join(letter(item.content).documents))
    elif raw:
        write_octets(item.content)
    else:
        _show_item(item)


def _show_item(item: Quarantined) -> None:
    read, console = letter(item.content), screen()
    show_pairs(
        console,
        [
            ("id", item.id),
            ("state", item.state),
            ("received", f"{moment(item.received_at)} from {item.peer}"),
            ("envelope", f"{item.mail_from or '<>'} to {item.rcpt_to}"),
            ("notification", item.notification_id),
            ("registration", item.registration),
            ("reason", item.reason),
            ("From", read.sender),
            ("Subject", read.subject),
        ],
    )
    console.print()
    for text in [read.body, *(visible(each.decode("utf-8", "replace")) for each in read.documents)]:
        console.print(text, soft_wrap=True)


def replay(
    *,
    item_ids: ItemIds,
    config: ConfigPath = DEFAULT_CONFIG,
    file: Annotated[
        Path | None,
        typer.Option("--file", "-f", help="A mended notification document to take in instead (one ID)."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Take a quarantined mail in again, or its mended document; what fails stays kept."""
    if file is not None and len(item_ids) != 1:
        raise typer.BadParameter("a mended document stands for one mail: name one ID with --file")
    mended = None if file is None else read_mended(file)
    report(
        operate(config, lambda operations: operations.replay(item_ids, mended=mended, by=person())),
        as_json=as_json,
    )


def discard(
    *, item_ids: ItemIds, config: ConfigPath = DEFAULT_CONFIG, yes: Yes = False, as_json: AsJson = False
) -> None:
    """Give up quarantined mails for good, after showing them."""
    items = operate(config, lambda operations: operations.quarantine_named(item_ids))
    if not yes:
        _show_items(items, to_error=True)
        confirm(f"Discard {counted(len(items), 'quarantined mail')}?", yes=yes)
    ids = [item.id for item in items]
    report(
        operate(config, lambda operations: operations.discard_quarantined(ids, by=person())), as_json=as_json
    )


def item_row(item: Quarantined, octets: int) -> dict[str, object]:
    """Return one quarantined mail for JSON output; the keys are public (docs/cli.md)."""
    return {
        "id": item.id,
        "state": item.state,
        "received_at": item.received_at,
        "peer": item.peer,
        "mail_from": item.mail_from,
        "rcpt_to": item.rcpt_to,
        "reason": item.reason,
        "notification_id": item.notification_id,
        "registration": item.registration,
        "octets": octets,
        "settled_at": item.settled_at,
    }
