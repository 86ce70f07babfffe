"""The options that many commands share, written once so that they mean the same everywhere."""

from pathlib import Path
from typing import Annotated

import typer

from relay.store.query import MAX_LISTING

DEFAULT_CONFIG = Path("denrei.yaml")

ConfigPath = Annotated[
    Path, typer.Option("--config", "-c", help="The configuration file; or DENREI_CONFIG in the environment.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, one object a line, instead of a table.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask for confirmation.")]
Limit = Annotated[int, typer.Option("--limit", "-n", min=1, max=MAX_LISTING, help="Show at most so many.")]
Seller = Annotated[str, typer.Option("--seller", "-s", help="Only this seller's.")]
Partner = Annotated[str, typer.Option("--partner", "-p", help="Only this partner's: cross_mall.")]
DeliveryIds = Annotated[
    list[str] | None,
    typer.Argument(metavar="ID...", help="Deliveries, by id or an unmistakable beginning of it."),
]
