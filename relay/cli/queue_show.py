"""`denrei queue show`: one delivery's whole story in one look."""

from typing import Annotated

import typer
from rich.console import Console

from relay.cli.delivery_table import delivery_row, marks
from relay.cli.journal import about, entry_row
from relay.cli.letter import letter
from relay.cli.office import operate
from relay.cli.option import DEFAULT_CONFIG, AsJson, ConfigPath
from relay.cli.screen import moment, screen, show_json, show_pairs, show_table
from relay.cli.template import show_mail
from relay.journal import Event
from relay.notification import NotificationType
from relay.operations import Story
from relay.store.query import LIVE, DeliveryRow
from relay.store.values import Delivery

ATTEMPTS = (Event.DELIVERED, Event.DEFERRED, Event.BOUNCED)  # the events that an attempt ends with


def show(
    *,
    delivery_id: Annotated[
        str, typer.Argument(metavar="ID", help="The delivery, or an unmistakable beginning.")
    ],
    config: ConfigPath = DEFAULT_CONFIG,
    as_json: AsJson = False,
) -> None:
    """Show one delivery: what comes next, every attempt, its mail, its sisters, holds and journal."""
    story = operate(config, lambda operations: operations.story(delivery_id))
    if as_json:
        show_json([_story_row(story)])
    else:
        _show_story(story)


def _show_story(story: Story) -> None:
    row, console = story.told.row, screen()
    each = row.delivery
    show_pairs(
        console,
        [
            ("delivery", each.id),
            ("state", each.state),
            ("next", _next(story)),
            ("hold", _hold(story)),
            ("recipient", f"{each.recipient}, by way of {story.next_hop}"),
            ("tries", str(each.attempts)),
            ("last reply", each.last_reply),
            (
                "notification",
                f"{row.notification_id}  {NotificationType(row.type).label}, pack {row.pack_no}",
            ),
            ("order", row.order_no),
            ("seller", row.seller_id),
            ("registration", f"{row.registration}  {row.template}"),
            ("notice", row.notice),
            ("repeats", each.resent_of),
            ("told of", each.noticed),
            ("accepted", moment(each.accepted_at)),
            ("due", moment(each.due_at) if each.state in LIVE else ""),
            ("fresh until", _fresh(each)),
            ("settled", moment(each.settled_at)),
            ("Message-ID", row.message_id),
        ],
    )
    console.print()
    show_mail(story.told.content)
    _show_attempts(story, console)
    _show_others(story, console)
    show_table(
        console,
        ["time", "event", "about", "by", "detail"],
        (
            [moment(entry.at), entry.event, about(entry), entry.by, entry.detail]
            for entry in story.told.entries
        ),
        title="Journal",
        firm=["time", "event", "about"],
    )


def _next(story: Story) -> str:
    come = story.outlook
    at = f", {moment(come.at)}" if come.at else ""
    return f"{come.text}{at}" + (f"  ({come.command})" if come.command else "")


def _hold(story: Story) -> str:
    if story.hold is None:
        return story.told.row.delivery.hold_id
    hold = story.hold
    return f"{hold.id}  on {hold.scope} {hold.value}, by {hold.by}, {moment(hold.placed_at)}: {hold.reason}"


def _fresh(each: Delivery) -> str:
    return moment(each.fresh_until) if each.state in LIVE else ""


def _show_attempts(story: Story, console: Console) -> None:
    own = [entry for entry in story.told.entries if entry.event in ATTEMPTS and entry.delivery_id]
    if own:
        show_table(
            console,
            ["try", "time", "result", "reply"],
            ([str(n), moment(entry.at), entry.event, entry.detail] for n, entry in enumerate(own, 1)),
            title="Attempts",
            right=["try"],
            firm=["try", "time", "result"],
        )


def _show_others(story: Story, console: Console) -> None:
    """Print the other deliveries that the notification caused."""
    if story.others:
        show_table(
            console,
            ["delivery", "state", "registration", "recipient"],
            (
                [
                    row.delivery.id,
                    row.delivery.state,
                    row.registration,
                    "\n".join([row.delivery.recipient, *marks(row)]),
                ]
                for row in story.others
            ),
            title="From the same notification",
            firm=["delivery", "state"],
        )


def _story_row(story: Story) -> dict[str, object]:
    """Return the story for JSON output; the keys are public (docs/cli.md)."""
    told, hold = story.told, story.hold
    return delivery_row(told.row) | {
        "next_hop": story.next_hop,
        "next": {"text": story.outlook.text, "at": story.outlook.at, "command": story.outlook.command},
        "hold": None
        if hold is None
        else {
            "id": hold.id,
            "scope": hold.scope,
            "value": hold.value,
            "reason": hold.reason,
            "by": hold.by,
            "placed_at": hold.placed_at,
        },
        "others": [_other(row) for row in story.others],
        "body": letter(told.content).body,
        "journal": [entry_row(entry) for entry in told.entries],
    }


def _other(row: DeliveryRow) -> dict[str, object]:
    each = row.delivery
    return {
        "id": each.id,
        "state": each.state,
        "registration": row.registration,
        "recipient": each.recipient,
        "resent_of": each.resent_of,
        "notice": row.notice,
    }
