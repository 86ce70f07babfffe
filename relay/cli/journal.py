"""`denrei journal`: what happened to each notification and delivery, newest last, as a log is read."""

from typing import Annotated

import typer

from relay.cli.office import operate
from relay.cli.option import DEFAULT_CONFIG, AsJson, ConfigPath, Limit, Seller, filled
from relay.cli.screen import moment, screen, show_json, show_table
from relay.journal import Entry, Event
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
