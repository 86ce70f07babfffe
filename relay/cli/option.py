"""The options that many commands share, written once so that they mean the same everywhere."""

from pathlib import Path
from typing import Annotated

import typer

from relay.errors import BadInput, Problem
from relay.quantity import mail_address
from relay.store.query import MAX_LISTING

DEFAULT_CONFIG = Path("denrei.yaml")


def filled(context: typer.Context, parameter: typer.CallbackParam, value: str) -> str:
    """Return what a filter was given; raises BadParameter for nothing, which would mean everything."""
    source = context.get_parameter_source(parameter.name or "")
    if source is not None and source.name == "COMMANDLINE" and not value.strip():
        raise typer.BadParameter("must not be empty")
    if not value.isprintable():
        raise typer.BadParameter("holds what is no printable text")
    return value


def address(text: str, option: str) -> str:
    """Return the mail address that an option was given; raises BadInput."""
    try:
        return mail_address(text)
    except ValueError as error:
        raise BadInput([Problem(path=option, message=str(error))]) from None


ConfigPath = Annotated[
    Path, typer.Option("--config", "-c", help="The configuration file; or DENREI_CONFIG in the environment.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, one object a line, instead of a table.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask for confirmation.")]
Limit = Annotated[int, typer.Option("--limit", "-n", min=1, max=MAX_LISTING, help="Show at most so many.")]
Seller = Annotated[str, typer.Option("--seller", "-s", callback=filled, help="Only this seller's.")]
PartnerKey = Annotated[
    str, typer.Option("--partner", "-p", callback=filled, help="Only this partner's: cross_mall.")
]
NextHop = Annotated[
    str,
    typer.Option(
        "--next-hop",
        callback=filled,
        help="Only what goes this way, as queue shape names it: host:port, or a domain.",
    ),
]
DeliveryIds = Annotated[
    list[str] | None,
    typer.Argument(metavar="ID...", help="Deliveries, by id or an unmistakable beginning of it."),
]
