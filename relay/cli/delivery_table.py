"""Deliveries as a table for people and as JSON objects for programs; what every verb shows before it asks."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from relay.cli.outcome import confirm
from relay.cli.screen import counted, moment, note, screen, show_table, side_screen
from relay.operations import MAX_SELECTION
from relay.store.query import DeliveryRow

MAX_PREVIEW = 20  # rows shown before the question


def show_deliveries(
    rows: Sequence[DeliveryRow],
    *,
    to_error: bool = False,
    title: str = "",
    remarks: Mapping[str, str] = MappingProxyType({}),
) -> None:
    """Print deliveries; what is special about one, or remarked on by its id, stands below its recipient."""
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
                "\n".join(
                    filter(
                        None,
                        [
                            row.delivery.recipient,
                            *marks(row),
                            remarks.get(row.delivery.id, ""),
                            row.delivery.last_reply,
                        ],
                    )
                ),
            ]
            for row in rows
        ),
        title=title,
        empty="no delivery",
        right=["tries"],
        firm=["delivery", "state", "due", "tries"],
    )


def marks(row: DeliveryRow) -> list[str]:
    """Return what is special about a delivery, in a few words each."""
    each = row.delivery
    return [
        *([f"({row.notice} notice)"] if row.notice else []),
        *([f"(resent: {each.resent_of})"] if each.resent_of else []),
        *([f"(hold {each.hold_id})"] if each.hold_id else []),
    ]


def preview(rows: Sequence[DeliveryRow], remarks: Mapping[str, str] = MappingProxyType({})) -> None:
    """Print, beside the result, what a verb is about to touch: the first of it, and how many more."""
    if rows:
        show_deliveries(rows[:MAX_PREVIEW], to_error=True, remarks=remarks)
    if len(rows) > MAX_PREVIEW:
        note(f"and {len(rows) - MAX_PREVIEW}{_more(rows)} more")


def ask(
    verb: str,
    rows: Sequence[DeliveryRow],
    *,
    yes: bool,
    which: str = "",
    remarks: Mapping[str, str] = MappingProxyType({}),
) -> None:
    """Show what a verb is about to touch, and ask; ends the command with 1 when the answer is no.

    Args:
        verb: what is to be done, as the question begins.
        rows: the deliveries; at most MAX_SELECTION, and the rest is for the next time.
        yes: whether the question is answered already.
        which: what they have in common, in words.
        remarks: more to be said of single ones, by their ids.
    """
    if _more(rows):
        note(f"this is for the first {MAX_SELECTION}: repeat the command for the rest")
    if yes or not rows:
        return
    preview(rows, remarks)
    confirm(f"{verb} {counted(len(rows), 'delivery', 'deliveries')}{which and ' ' + which}?", yes=yes)


def number(rows: Sequence[DeliveryRow], one: str, many: str) -> str:
    """Return how many were found, with their noun, and with a plus where not all were looked for."""
    return counted(len(rows), one, many).replace(" ", f"{_more(rows)} ", 1)


def _more(rows: Sequence[DeliveryRow]) -> str:
    return "+" if len(rows) >= MAX_SELECTION else ""


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
        "fresh_until": each.fresh_until,
        "hold_id": each.hold_id,
        "resent_of": each.resent_of,
        "noticed": each.noticed,
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
        "notice": row.notice,
    }
