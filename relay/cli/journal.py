"""`denrei journal`: what happened to each notification and delivery, newest last, as a log is read."""

from contextlib import aclosing
from typing import Annotated

import typer

from relay.cli.letter import one_row
from relay.cli.office import operate
from relay.cli.option import DEFAULT_CONFIG, AsJson, ConfigPath, Limit, Seller, filled
from relay.cli.screen import moment, screen, show_json, show_table
from relay.journal import Entry, Event
from relay.operations import Operations
from relay.store.query import JournalFilter

DEFAULT_LIMIT = 50  # a screenful


def journal(
    *,
    config: ConfigPath = DEFAULT_CONFIG,
    seller: Seller = "",
    notification: Annotated[
        str, typer.Option("--notification", callback=filled, help="Only this notification's, by its id.")
    ] = "",
    delivery: Annotated[
        str, typer.Option("--delivery", callback=filled, help="Only this delivery's, by its id.")
    ] = "",
    event: Annotated[
        list[Event] | None, typer.Option("--event", "-e", help="Only these events; may be repeated.")
    ] = None,
    limit: Limit = DEFAULT_LIMIT,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Go on with each new entry as it comes, until Ctrl-C.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Show what happened, newest last."""
    wanted = JournalFilter(
        seller_id=seller,
        notification_id=notification,
        delivery_id=delivery,
        events=tuple(event or ()),
        limit=limit,
    )
    if follow:
        operate(config, lambda operations: _follow(operations, wanted, as_json=as_json))
        return
    entries = operate(config, lambda operations: operations.journal(wanted))
    if as_json:
        show_json(entry_row(entry) for entry in entries)
        return
    show_table(
        screen(),
        ["time", "event", "seller", "about", "by", "detail"],
        (
            [moment(entry.at), entry.event, entry.seller_id, about(entry), entry.by, entry.detail]
            for entry in entries
        ),
        empty="nothing has happened yet",
        firm=["time", "event", "about"],
    )


async def _follow(operations: Operations, wanted: JournalFilter, *, as_json: bool) -> None:
    """Print entries one by one, each in a row of its own: a table cannot know the widths of what comes."""
    console = screen()
    async with aclosing(operations.follow(wanted)) as entries:
        async for entry in entries:
            if as_json:
                show_json([entry_row(entry)])
            else:
                words = [entry.event, entry.seller_id, about(entry), entry.by, entry.detail]
                told = "  ".join(one_row(word) for word in words if word)
                console.print(f"{moment(entry.at)}  {told}", soft_wrap=True)
                console.file.flush()


def about(entry: Entry) -> str:
    """Return the id that the entry is most closely about."""
    return entry.delivery_id or entry.quarantine_id or entry.notification_id


def entry_row(entry: Entry) -> dict[str, object]:
    """Return one entry for JSON output; the keys are public (docs/cli.md)."""
    return {
        "at": entry.at,
        "event": entry.event,
        "seller_id": entry.seller_id,
        "notification_id": entry.notification_id,
        "delivery_id": entry.delivery_id,
        "quarantine_id": entry.quarantine_id,
        "by": entry.by,
        "detail": entry.detail,
    }
