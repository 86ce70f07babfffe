"""`denrei suppression`: the addresses that get no mail, because they are gone or a person said so.

These are the standing holds on addresses (`denrei hold`) under the name that people look for. Their mails
wait and are not lost; to take an address from the list sends them.
"""

from typing import Annotated

import typer

from relay.cli.hold import Reason, lift, place_on, show_holds
from relay.cli.office import operate
from relay.cli.option import DEFAULT_CONFIG, AsJson, ConfigPath, Yes, address
from relay.store.values import Scope

Recipient = Annotated[str, typer.Argument(metavar="ADDRESS", help="The recipient's mail address.")]


def commands() -> typer.Typer:
    """Return the family's commands."""
    family = typer.Typer(
        help="The addresses that get no mail: those that are gone, and those that a person added.",
        no_args_is_help=True,
    )
    family.command("list")(list_)
    family.command("add")(add)
    family.command("remove")(remove)
    return family


def list_(*, config: ConfigPath = DEFAULT_CONFIG, as_json: AsJson = False) -> None:
    """List the suppressed addresses, oldest first: since when, by whom, why, how many mails wait."""
    holds = operate(config, lambda operations: operations.holds(Scope.ADDRESS))
    show_holds(holds, as_json=as_json, empty="no address is suppressed")


def add(
    *,
    recipient: Recipient,
    config: ConfigPath = DEFAULT_CONFIG,
    reason: Reason = "",
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Stop all mail to an address, as the relay itself does when the address is gone for good."""
    place_on(config, (Scope.ADDRESS, address(recipient, "ADDRESS")), reason, yes=yes, as_json=as_json)


def remove(
    *, recipient: Recipient, config: ConfigPath = DEFAULT_CONFIG, yes: Yes = False, as_json: AsJson = False
) -> None:
    """Let mail to an address go again: what waits for it goes now, after showing it and asking."""
    lift(config, (Scope.ADDRESS, address(recipient, "ADDRESS")), yes=yes, as_json=as_json)
