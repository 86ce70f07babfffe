"""`denrei hold`: stop all mail of one kind, what waits and what will come, until a person lifts the hold.

A hold is on a seller, a partner, a next hop or an address. Before one is placed or lifted the deliveries that
it stops or lets go are shown, and a question asked.
"""

from pathlib import Path
from typing import Annotated

import typer

from relay.cli.delivery_table import number, preview
from relay.cli.office import operate, person
from relay.cli.option import DEFAULT_CONFIG, AsJson, ConfigPath, Yes, address, filled
from relay.cli.outcome import confirm
from relay.cli.screen import counted, moment, note, screen, show_json, show_table
from relay.errors import BadInput, Problem
from relay.operations import Lifted, Operations, StandingHold
from relay.store.query import DeliveryRow
from relay.store.values import Hold, Placed, Scope

MAX_REASON = 200  # characters: one row of a listing
Subject = tuple[Scope, str]

OnSeller = Annotated[str, typer.Option("--seller", "-s", callback=filled, help="All mail of this seller.")]
OnPartner = Annotated[
    str, typer.Option("--partner", "-p", callback=filled, help="All mail for this partner: cross_mall.")
]
OnNextHop = Annotated[
    str,
    typer.Option(
        "--next-hop",
        callback=filled,
        help="All mail that goes this way, as queue shape names it: host:port, or a domain.",
    ),
]
OnAddress = Annotated[str, typer.Option("--address", callback=filled, help="All mail to this recipient.")]
Reason = Annotated[
    str, typer.Option("--reason", callback=filled, help="Why, for whoever finds it: one row of text.")
]


def commands() -> typer.Typer:
    """Return the family's commands."""
    family = typer.Typer(
        help="Stop all mail of a seller, for a partner, to a next hop or an address; let it go again.",
        no_args_is_help=True,
    )
    family.command("place")(place)
    family.command("list")(list_)
    family.command("release")(release)
    return family


def place(
    *,
    config: ConfigPath = DEFAULT_CONFIG,
    seller: OnSeller = "",
    partner: OnPartner = "",
    next_hop: OnNextHop = "",
    address_: OnAddress = "",
    reason: Reason = "",
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Stop all mail of one kind, what waits and what comes; what is being sent now comes to its end."""
    subject = _subject(seller, partner, next_hop, address_)
    if subject is None:
        raise typer.BadParameter("say what to stop: --seller, --partner, --next-hop or --address")
    place_on(config, subject, reason, yes=yes, as_json=as_json)


def place_on(config: Path, subject: Subject, reason: str, *, yes: bool, as_json: bool) -> None:
    """Place one hold, after showing what it stops and asking; tell how many that were."""
    scope, value = subject
    if len(reason) > MAX_REASON:
        raise BadInput([Problem(path="--reason", message=f"is longer than {MAX_REASON} characters")])

    async def look(operations: Operations) -> tuple[Problem | None, list[DeliveryRow]]:
        doubt = await operations.doubt(scope, value)
        return doubt, [] if yes else await operations.would_stop(scope, value)

    doubt, rows = operate(config, look)
    if doubt is not None and not yes:
        hint = (
            f"{doubt.hint}; --yes places the hold all the same"
            if doubt.hint
            else "--yes places it all the same"
        )
        raise BadInput([Problem(path=doubt.path, message=doubt.message, hint=hint)])
    if doubt is not None:
        note(f"take care: {doubt}")
    if not yes:
        preview(rows)
        waiting = number(rows, "delivery", "deliveries")
        confirm(f"Stop {name(scope, value)}: {waiting} now, and all that come?", yes=yes)
    placed = operate(config, lambda todo: todo.place(scope, value, reason=reason, by=person()))
    _tell_placed(placed, as_json=as_json)


def _tell_placed(placed: Placed, *, as_json: bool) -> None:
    hold = placed.hold
    if as_json:
        show_json([hold_row(StandingHold(hold=hold, stopped=placed.stopped))])
    else:
        stopped = counted(placed.stopped, "delivery", "deliveries")
        screen().print(
            f"{hold.id}: hold on {name(hold.scope, hold.value)}, {stopped} stopped", soft_wrap=True
        )


def list_(*, config: ConfigPath = DEFAULT_CONFIG, as_json: AsJson = False) -> None:
    """List the standing holds, oldest first: what each is on, who placed it and why, how many mails wait."""
    show_holds(
        operate(config, lambda operations: operations.holds()), as_json=as_json, empty="nothing is held"
    )


def show_holds(holds: list[StandingHold], *, as_json: bool, empty: str) -> None:
    """Print holds."""
    if as_json:
        show_json(hold_row(each) for each in holds)
        return
    show_table(
        screen(),
        ["id", "on", "since", "by", "waiting", "reason"],
        (
            [
                each.hold.id,
                name(each.hold.scope, each.hold.value),
                moment(each.hold.placed_at)[:16],
                each.hold.by,
                str(each.stopped),
                each.hold.reason,
            ]
            for each in holds
        ),
        empty=empty,
        right=["waiting"],
        firm=["id", "since", "waiting"],
    )


def release(
    *,
    hold_id: Annotated[
        str | None, typer.Argument(metavar="[ID]", help="The hold, or an unmistakable beginning of its id.")
    ] = None,
    config: ConfigPath = DEFAULT_CONFIG,
    seller: OnSeller = "",
    partner: OnPartner = "",
    next_hop: OnNextHop = "",
    address_: OnAddress = "",
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Lift a hold: what it stopped goes now, after showing it and asking."""
    subject = _subject(seller, partner, next_hop, address_)
    if (hold_id is None) == (subject is None):
        raise typer.BadParameter(
            "name one hold: by its id, or by --seller, --partner, --next-hop or --address"
        )
    lift(config, hold_id if subject is None else subject, yes=yes, as_json=as_json)


def lift(config: Path, wanted: str | Subject | None, *, yes: bool, as_json: bool) -> None:
    """Lift one hold, named by its id or by what it is on; tell how many deliveries go."""

    async def look(operations: Operations) -> tuple[Hold, list[DeliveryRow]]:
        found = (
            await operations.hold_on(*wanted)
            if isinstance(wanted, tuple)
            else await operations.hold_named(wanted or "")
        )
        return found.hold, [] if yes else await operations.stopped_by(found.hold.id)

    hold, rows = operate(config, look)
    if not yes:
        preview(rows)
        going = number(rows, "delivery goes", "deliveries go")
        confirm(f"Lift the hold on {name(hold.scope, hold.value)}: {going} now?", yes=yes)
    _tell_lifted(operate(config, lambda todo: todo.lift(hold, by=person())), as_json=as_json)


def _tell_lifted(lifted: Lifted, *, as_json: bool) -> None:
    hold, released = lifted.hold, lifted.released
    if released is None:
        text = "not applied: somebody else has just lifted it"
    else:
        going = counted(released, "delivery goes", "deliveries go")
        text = f"the hold on {name(hold.scope, hold.value)} is lifted, {going} now"
    if as_json:
        show_json([{"id": hold.id, "applied": released is not None, "released": released or 0, "text": text}])
    else:
        screen().print(f"{hold.id}: {text}", soft_wrap=True)
    if released is None:
        raise typer.Exit(1)


def _subject(seller: str, partner: str, next_hop: str, address_: str) -> Subject | None:
    """Return what the options name; None when they name nothing."""
    given = {
        Scope.SELLER: seller,
        Scope.PARTNER: partner,
        Scope.NEXT_HOP: next_hop,
        Scope.ADDRESS: address(address_, "--address") if address_ else "",
    }
    named = [(scope, value) for scope, value in given.items() if value]
    if len(named) > 1:
        raise typer.BadParameter(
            "a hold is on one thing: give one of --seller, --partner, --next-hop, --address"
        )
    return named[0] if named else None


def name(scope: Scope, value: str) -> str:
    """Return what a hold is on, in words.

    >>> name(Scope.NEXT_HOP, "mx.partner.example.jp:25")
    'next hop mx.partner.example.jp:25'
    """
    return f"{scope.replace('_', ' ')} {value}"


def hold_row(each: StandingHold) -> dict[str, object]:
    """Return one hold for JSON output; the keys are public (docs/cli.md)."""
    hold = each.hold
    return {
        "id": hold.id,
        "scope": hold.scope,
        "value": hold.value,
        "reason": hold.reason,
        "by": hold.by,
        "placed_at": hold.placed_at,
        "stopped": each.stopped,
    }
