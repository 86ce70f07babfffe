"""`denrei queue`: the deliveries, and what an operator does to them.

A verb says for each id what it did. `discard` shows what would be lost and asks; a verb that takes all that a
filter finds shows that and asks. An id may be typed as its unmistakable beginning.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer

from relay.cli.delivery_table import MAX_PREVIEW, ask, delivery_row, show_deliveries
from relay.cli.office import operate, person
from relay.cli.option import (
    DEFAULT_CONFIG,
    AsJson,
    ConfigPath,
    DeliveryIds,
    Limit,
    NextHop,
    PartnerKey,
    Seller,
    Yes,
    filled,
)
from relay.cli.outcome import report
from relay.cli.queue_shape import shape
from relay.cli.queue_show import show
from relay.cli.screen import counted, moment, note, show_json
from relay.errors import BadInput, Problem
from relay.operations import Operations, Outcome
from relay.quantity import duration
from relay.store.query import LIVE, DeliveryFilter, DeliveryRow
from relay.store.values import DeliveryState

DEFAULT_LIMIT = 100
To = Annotated[str, typer.Option("--to", callback=filled, help="Only to this recipient, or to this domain.")]
Verb = Callable[[Operations, Sequence[str], str], Awaitable[list[Outcome]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Choice:
    """What filters were given; what is empty does not filter."""

    seller: str
    partner: str
    next_hop: str
    to: str

    @property
    def is_narrow(self) -> bool:
        return bool(self.seller or self.partner or self.next_hop or self.to)

    def filter(self, states: Sequence[DeliveryState], limit: int = DEFAULT_LIMIT) -> DeliveryFilter:
        """Return all of it that the store looks at: the next hop is the routes' to say."""
        return DeliveryFilter(
            states=states,
            seller_id=self.seller,
            partner=self.partner,
            recipient=self.to if "@" in self.to else "",
            domain="" if "@" in self.to else self.to.lower(),
            limit=limit,
        )


def commands() -> typer.Typer:
    """Return the family's commands."""
    family = typer.Typer(
        help="See the deliveries, and hold, release, retry, resend or discard them.", no_args_is_help=True
    )
    family.command("list")(list_)
    family.command("show")(show)
    family.command("hold")(hold)
    family.command("release")(release)
    family.command("retry")(retry)
    family.command("resend")(resend)
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
    next_hop: NextHop = "",
    to: To = "",
    limit: Limit = DEFAULT_LIMIT,
    as_json: AsJson = False,
) -> None:
    """List deliveries, newest first; those that wait, unless told otherwise."""
    chosen = _Choice(seller=seller, partner=partner, next_hop=next_hop, to=to)
    wanted = chosen.filter(() if every else tuple(state or LIVE), limit)

    async def find(operations: Operations) -> list[DeliveryRow]:
        if next_hop:
            return (await operations.selected(wanted, next_hop))[:limit]
        return await operations.deliveries(wanted)

    rows = operate(config, find)
    if as_json:
        show_json(delivery_row(row) for row in rows)
    else:
        show_deliveries(rows)


def hold(*, delivery_ids: DeliveryIds, config: ConfigPath = DEFAULT_CONFIG, as_json: AsJson = False) -> None:
    """Stop queued deliveries until somebody releases them (denrei hold place stops all of one kind)."""
    _do(config, _named(config, delivery_ids), lambda todo, ids, by: todo.hold(ids, by=by), as_json=as_json)


def release(
    *,
    delivery_ids: DeliveryIds = None,
    config: ConfigPath = DEFAULT_CONFIG,
    seller: Seller = "",
    partner: PartnerKey = "",
    next_hop: NextHop = "",
    to: To = "",
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Let held deliveries go now: those named, or after a preview all that the filters let through."""
    rows = _named(config, delivery_ids) if delivery_ids else []
    if not delivery_ids:
        chosen = _Choice(seller=seller, partner=partner, next_hop=next_hop, to=to)
        found = _found(config, (DeliveryState.HELD,), chosen)
        rows = [row for row in found if not row.delivery.hold_id]
        if len(rows) < len(found):
            stopped = counted(len(found) - len(rows), "delivery", "deliveries")
            note(f"{stopped} more, stopped by standing holds: denrei hold list")
        ask("Release", rows, yes=yes)
    _do(config, rows, lambda todo, ids, by: todo.release(ids, by=by), as_json=as_json)


def retry(
    *,
    delivery_ids: DeliveryIds = None,
    config: ConfigPath = DEFAULT_CONFIG,
    seller: Seller = "",
    partner: PartnerKey = "",
    next_hop: NextHop = "",
    to: To = "",
    bounced: Annotated[
        bool, typer.Option("--bounced", help="With filters: the bounced ones, not the deferred.")
    ] = False,
    since: Annotated[
        str,
        typer.Option(
            "--since",
            callback=filled,
            help="With --bounced: what bounced within so long: 12h. [default: delivery.lifetime]",
        ),
    ] = "",
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Try deferred or bounced deliveries again now: those named, or all that the filters let through."""
    if since and not bounced:
        raise typer.BadParameter("--since goes with --bounced")
    rows, chosen = [], _Choice(seller=seller, partner=partner, next_hop=next_hop, to=to)
    if delivery_ids:
        rows = _named(config, delivery_ids)
    elif bounced:
        first, rows = _bounced(config, chosen, since)
        which = f"that bounced since {moment(first)}"
        ask("Retry", rows, yes=yes, which=which, remarks=_remarks(config, rows, yes=yes))
    else:
        rows = _found(config, (DeliveryState.QUEUED,), chosen)
        ask("Retry", rows, yes=yes)
    _do(config, rows, lambda todo, ids, by: todo.retry(ids, by=by), as_json=as_json)


def resend(
    *,
    delivery_ids: DeliveryIds,
    config: ConfigPath = DEFAULT_CONFIG,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Send delivered, bounced or discarded mails once more, marked as resent, after showing them."""
    rows = _named(config, delivery_ids)
    ask("Send again", rows, yes=yes, remarks=_remarks(config, rows, yes=yes))
    _do(config, rows, lambda todo, ids, by: todo.resend(ids, by=by), as_json=as_json)


def discard(
    *,
    delivery_ids: DeliveryIds = None,
    config: ConfigPath = DEFAULT_CONFIG,
    seller: Seller = "",
    partner: PartnerKey = "",
    next_hop: NextHop = "",
    to: To = "",
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Give up held or queued deliveries for good, after showing them: those named, or by filters."""
    if delivery_ids:
        rows = _named(config, delivery_ids)
    else:
        waiting = (DeliveryState.HELD, DeliveryState.QUEUED)
        rows = _found(config, waiting, _Choice(seller=seller, partner=partner, next_hop=next_hop, to=to))
    ask("Discard", rows, yes=yes)
    _do(config, rows, lambda todo, ids, by: todo.discard(ids, by=by), as_json=as_json)


def _named(config: Path, delivery_ids: Sequence[str] | None) -> list[DeliveryRow]:
    return operate(config, lambda operations: operations.named(delivery_ids or ()))


def _found(config: Path, states: Sequence[DeliveryState], chosen: _Choice) -> list[DeliveryRow]:
    """Return what filters let through; nothing to filter by is wrong usage, not everything."""
    wanted = _narrow(chosen).filter(states)
    return operate(config, lambda operations: operations.selected(wanted, chosen.next_hop))


def _bounced(config: Path, chosen: _Choice, age: str) -> tuple[datetime, list[DeliveryRow]]:
    """Return since when is looked, and what of the filters' bounced after that."""
    wanted = _narrow(chosen).filter(())
    within = _duration(age, "--since") if age else None

    async def find(operations: Operations) -> tuple[datetime, list[DeliveryRow]]:
        since = operations.since(within)
        return since, await operations.bounces(wanted, chosen.next_hop, since=since)

    return operate(config, find)


def _narrow(chosen: _Choice) -> _Choice:
    if not chosen.is_narrow:
        raise typer.BadParameter(
            "name deliveries, or choose them with --seller, --partner, --next-hop or --to"
        )
    return chosen


def _duration(text: str, option: str) -> timedelta:
    try:
        return duration(text)
    except ValueError as error:
        raise BadInput([Problem(path=option, message=str(error))]) from None


def _remarks(config: Path, rows: Sequence[DeliveryRow], *, yes: bool) -> dict[str, str]:
    """Return, for the preview, which of the first rows will be refused, and why."""
    if yes or not rows:
        return {}
    found = operate(config, lambda operations: operations.obstacles(rows[:MAX_PREVIEW]))
    return {id_: f"({text})" for id_, text in found.items()}


def _do(config: Path, rows: Sequence[DeliveryRow], verb: Verb, *, as_json: bool) -> None:
    ids = [row.delivery.id for row in rows]
    report(operate(config, lambda operations: verb(operations, ids, person())), as_json=as_json)
