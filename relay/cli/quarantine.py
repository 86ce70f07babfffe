"""`denrei quarantine`: what was kept because it could not be understood or written, or would be misread."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from relay.cli.letter import letter, visible
from relay.cli.office import operate, person
from relay.cli.option import DEFAULT_CONFIG, AsJson, ConfigPath, Limit, Yes
from relay.cli.outcome import confirm, report
from relay.cli.screen import counted, moment, note, screen, show_json, show_pairs, show_table, side_screen
from relay.cli.stream import write_octets
from relay.cli.template import show_mail
from relay.operations import Operations, read_mended
from relay.store.query import QuarantineFilter
from relay.store.values import Mail, Quarantined, QuarantineState

DEFAULT_LIMIT = 100
REASON_ROWS = 2  # of each reason in a listing; `show` has them all
_ITEM = "Quarantined mail, by id or an unmistakable beginning."
ItemId = Annotated[str, typer.Argument(metavar="ID", help=_ITEM)]
ItemIds = Annotated[list[str], typer.Argument(metavar="ID...", help=_ITEM)]


def commands() -> typer.Typer:
    """Return the family's commands."""
    family = typer.Typer(
        help="See what was kept with a reason; replay, release or discard it.", no_args_is_help=True
    )
    family.command("list")(list_)
    family.command("show")(show)
    family.command("replay")(replay)
    family.command("release")(release)
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
        (
            [item.id, item.state, moment(item.received_at)[5:16], item.registration, _beginning(item.reason)]
            for item in items
        ),
        empty="nothing is in quarantine",
        firm=["id", "state", "received"],
    )


def _beginning(reason: str) -> str:
    """Return the first rows of a reason: a misreading takes two, in Japanese and in English."""
    rows = reason.split("\n")
    rest = len(rows) - REASON_ROWS
    return "\n".join(rows if rest <= 0 else [*rows[:REASON_ROWS], f"… and {counted(rest, 'row')} more"])


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
        carried = b"".join(letter(item.content).documents)
        write_octets(carried or operate(config, lambda operations: _read_document(operations, item)))
    elif raw:
        write_octets(item.content)
    else:
        _show_item(item)


async def _read_document(operations: Operations, item: Quarantined) -> bytes:
    """Return the document of a mail that carries none: a text mail that was understood."""
    stored = await operations.stored_document(item)
    if not stored:
        note("this mail carries no document")
        return b""
    return (json.dumps(json.loads(stored), ensure_ascii=False, indent=2) + "\n").encode()


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


def release(
    *, item_ids: ItemIds, config: ConfigPath = DEFAULT_CONFIG, yes: Yes = False, as_json: AsJson = False
) -> None:
    """Send mails that would be misread just as they are, after showing what the partner would read."""

    async def find(operations: Operations) -> list[tuple[Quarantined, Sequence[Mail]]]:
        items = await operations.quarantine_named(item_ids)
        return [(item, () if yes else operations.unproved(item)) for item in items]

    found = operate(config, find)
    if not yes:
        for item, mails in found:
            _show_unproved(item, mails)
        count = sum(len(mails) for _, mails in found)
        confirm(f"Send {counted(count, 'mail')} as {'it is' if count == 1 else 'they are'}?", yes=yes)
    ids = [item.id for item, _ in found]
    report(
        operate(config, lambda operations: operations.release_quarantined(ids, by=person())), as_json=as_json
    )


def _show_unproved(item: Quarantined, mails: Sequence[Mail]) -> None:
    """Print, beside the result, why a mail was kept and how it would go."""
    console = side_screen()
    show_pairs(console, [("id", item.id), ("registration", item.registration), ("reason", item.reason)])
    for mail in mails:
        console.print()
        show_mail(mail.content, console)
    console.print()


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
