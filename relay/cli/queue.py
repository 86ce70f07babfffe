"""`denrei queue`: the deliveries, and what an operator does to them.

A verb says for each id what it did. `discard` shows what would be lost and asks; `release` by filter shows
what would go and asks. An id may be typed as its unmistakable beginning.
"""

from collections.abc import Sequence
from datetime import timedelta
from typing import Annotated

import typer

from relay.cli.journal import about, entry_row
from relay.cli.letter import letter
from relay.cli.office import operate, person
from relay.cli.option import (
    DEFAULT_CONFIG,
    AsJson,
    ConfigPath,
    DeliveryIds,
    Limit,
    PartnerKey,
    Seller,
    Yes,
    filled,
)
from relay.cli.outcome import confirm, report
from relay.cli.screen import counted, moment, note, screen, show_json, show_pairs, show_table, side_screen
from relay.cli.template import show_mail
from relay.notification import NotificationType
from relay.operations import HopShape
from relay.store.query import LIVE, SHAPE_AGES, DeliveryFilter, DeliveryRow, DeliveryStory, ShapeRow
from relay.store.values import DeliveryState

DEFAULT_LIMIT = 100
MAX_PREVIEW = 20  # rows shown before the question


def commands() -> typer.Typer:
    """Return the family's commands."""
    family = typer.Typer(help="See the deliveries, and release, retry or discard them.", no_args_is_help=True)
    family.command("list")(list_)
    family.command("show")(show)
    family.command("release")(release)
    family.command("retry")(retry)
    family.command("discard")(discard)
    family.command("shape")(shape)
    return family


def list_(
    *,
    config: ConfigPath = DEFAULT_CONFIG,
    state: Annotated[
        list[DeliveryState] | None,
        typer.Option("--state", help="Only these states; may be repeated. [default: held, queued, sending]"),
    ] = None,
    every: Annotated[bool, typer.Option("--all", "-a", help="Deliveries of every state.")] = False,
    seller: Seller = "",
    partner: PartnerKey = "",
    to: Annotated[
        str, typer.Option("--to", callback=filled, help="Only to this recipient, or to this domain.")
    ] = "",
    limit: Limit = DEFAULT_LIMIT,
    as_json: AsJson = False,
) -> None:
    """List deliveries, newest first; those that wait, unless told otherwise."""
    states = () if every else tuple(state or LIVE)
    wanted = DeliveryFilter(
        states=states,
        seller_id=seller,
        partner=partner,
        recipient=to if "@" in to else "",
        domain="" if "@" in to else to,
        limit=limit,
    )
    rows = operate(config, lambda operations: operations.deliveries(wanted))
    if as_json:
        show_json(delivery_row(row) for row in rows)
    else:
        _show_rows(rows)


def show(
    *,
    delivery_id: Annotated[
        str, typer.Argument(metavar="ID", help="The delivery, or an unmistakable beginning.")
    ],
    config: ConfigPath = DEFAULT_CONFIG,
    as_json: AsJson = False,
) -> None:
    """Show one delivery: where it stands, its mail as a person reads it, and its journal."""
    story = operate(config, lambda operations: operations.delivery(delivery_id))
    if as_json:
        show_json([_story_row(story)])
    else:
        _show_story(story)


def release(
    *,
    delivery_ids: DeliveryIds = None,
    config: ConfigPath = DEFAULT_CONFIG,
    seller: Seller = "",
    partner: PartnerKey = "",
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Let held deliveries go now: those named, or all of a seller's or partner's after a preview."""
    if delivery_ids:
        rows = operate(config, lambda operations: operations.named(delivery_ids))
    elif seller or partner:
        wanted = DeliveryFilter(states=(DeliveryState.HELD,), seller_id=seller, partner=partner)
        rows = operate(config, lambda operations: operations.selected(wanted))
        _ask("Release", rows, yes=yes)
    else:
        raise typer.BadParameter("name deliveries, or choose them with --seller or --partner")
    ids = [row.delivery.id for row in rows]
    report(operate(config, lambda operations: operations.release(ids, by=person())), as_json=as_json)


def retry(*, delivery_ids: DeliveryIds, config: ConfigPath = DEFAULT_CONFIG, as_json: AsJson = False) -> None:
    """Try deferred or bounced deliveries again now."""
    ids = [
        row.delivery.id for row in operate(config, lambda operations: operations.named(delivery_ids or ()))
    ]
    report(operate(config, lambda operations: operations.retry(ids, by=person())), as_json=as_json)


def discard(
    *,
    delivery_ids: DeliveryIds,
    config: ConfigPath = DEFAULT_CONFIG,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Give up held or queued deliveries for good, after showing them."""
    rows = operate(config, lambda operations: operations.named(delivery_ids or ()))
    _ask("Discard", rows, yes=yes)
    ids = [row.delivery.id for row in rows]
    report(operate(config, lambda operations: operations.discard(ids, by=person())), as_json=as_json)


def shape(*, config: ConfigPath = DEFAULT_CONFIG, as_json: AsJson = False) -> None:
    """Show how many deliveries wait for each next hop, and since when."""
    rows = operate(config, lambda operations: operations.shape())
    if as_json:
        show_json(shape_row(row) for row in rows)
    else:
        _show_shape(rows)


def _ask(verb: str, rows: Sequence[DeliveryRow], *, yes: bool) -> None:
    if yes or not rows:
        return
    _show_rows(rows[:MAX_PREVIEW], to_error=True)
    if len(rows) > MAX_PREVIEW:
        note(f"and {len(rows) - MAX_PREVIEW} more")
    confirm(f"{verb} {counted(len(rows), 'delivery', 'deliveries')}?", yes=yes)


def _show_rows(rows: Sequence[DeliveryRow], *, to_error: bool = False) -> None:
    show_table(
        side_screen() if to_error else screen(),
        ["delivery", "state", "due", "tries", "seller", "pack", "recipient, last reply"],
        (
            [
                row.delivery.id,
                row.delivery.state,
                moment(row.delivery.due_at)[5:16],
                str(row.delivery.attempts),
                row.seller_id,
                row.pack_no,
                f"{row.delivery.recipient}\n{row.delivery.last_reply}".rstrip(),
            ]
            for row in rows
        ),
        empty="no delivery",
        right=["tries"],
        firm=["delivery", "state", "due", "tries"],
    )


def _show_story(story: DeliveryStory) -> None:
    row, console = story.row, screen()
    each = row.delivery
    due = moment(each.due_at) or "when a person releases it"
    show_pairs(
        console,
        [
            ("delivery", each.id),
            ("state", each.state),
            ("due", due if each.state in LIVE else ""),
            ("tries", str(each.attempts)),
            ("last reply", each.last_reply),
            ("recipient", each.recipient),
            ("seller", row.seller_id),
            (
                "notification",
                f"{row.notification_id}  {NotificationType(row.type).label}, pack {row.pack_no}",
            ),
            ("order", row.order_no),
            ("registration", f"{row.registration}  {row.template}"),
            ("accepted", moment(each.accepted_at)),
            ("settled", moment(each.settled_at)),
            ("Message-ID", row.message_id),
        ],
    )
    console.print()
    show_mail(story.content)
    show_table(
        console,
        ["time", "event", "about", "by", "detail"],
        ([moment(entry.at), entry.event, about(entry), entry.by, entry.detail] for entry in story.entries),
        title="Journal",
        firm=["time", "event", "about"],
    )


def _show_shape(shapes: Sequence[HopShape]) -> None:
    minutes = [str(age // timedelta(minutes=1)) for age in SHAPE_AGES]
    numbers = ["all", *minutes, f"{minutes[-1]}+"]
    show_table(
        screen(),
        ["next hop: domain", "state", *numbers],
        ([_way(shape), shape.waiting.state, *_numbers(shape.waiting)] for shape in shapes),
        title="waiting deliveries, by age in minutes (up to)",
        empty="nothing is waiting",
        right=numbers,
        firm=["state", *numbers],
    )


def _way(shape: HopShape) -> str:
    return f"{shape.next_hop}:\n{shape.waiting.domain}"


def _numbers(waiting: ShapeRow) -> list[str]:
    """Return the sum and each age; nothing where there is nothing, so that the rest stands out."""
    return [str(number) if number else "" for number in (sum(waiting.ages), *waiting.ages)]


def delivery_row(row: DeliveryRow) -> dict[str, object]:
    """Return one delivery for JSON output; the keys are public (docs/cli.md)."""
    each = row.delivery
    return {
        "id": each.id,
        "state": each.state,
        "recipient": each.recipient,
        "due_at": each.due_at,
        "accepted_at": each.accepted_at,
        "settled_at": each.settled_at,
        "attempts": each.attempts,
        "last_reply": each.last_reply,
        "leased_by": each.leased_by,
        "leased_until": each.leased_until,
        "notification_id": row.notification_id,
        "seller_id": row.seller_id,
        "type": row.type,
        "pack_no": row.pack_no,
        "order_no": row.order_no,
        "registration": row.registration,
        "partner": row.partner,
        "template": row.template,
        "message_id": row.message_id,
        "from": row.sender,
        "subject": row.subject,
        "octets": row.octets,
    }


def _story_row(story: DeliveryStory) -> dict[str, object]:
    journal = [entry_row(entry) for entry in story.entries]
    return delivery_row(story.row) | {"body": letter(story.content).body, "journal": journal}


def shape_row(shape: HopShape) -> dict[str, object]:
    """Return one row of the shape for JSON output; the keys are public (docs/cli.md)."""
    bounds = [*(f"under_{age // timedelta(minutes=1)}m" for age in SHAPE_AGES), "older"]
    row = shape.waiting
    whole = {
        "next_hop": shape.next_hop,
        "domain": row.domain,
        "state": row.state,
        "total": sum(row.ages),
    }
    return whole | dict(zip(bounds, row.ages, strict=True))
