"""`denrei template fmt`: template files in the language's one spelling."""

from pathlib import Path
from typing import Annotated

import typer

from relay.cli.letter import one_row
from relay.cli.screen import counted, refuse, screen
from relay.errors import BadInput
from relay.operations import respell


def fmt(
    *,
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Template files, .mail.")],
    check: Annotated[
        bool, typer.Option("--check", help="Write nothing; end with 1 when a file would change.")
    ] = False,
) -> None:
    """Write templates' fields and directives in their canonical spelling; all else stays as it is.

    A file with a mistake is told and left alone, and the others are written.
    """
    console, changed, bad = screen(), 0, 0
    for path in dict.fromkeys(files):
        try:
            differs = respell(path, write=not check)
        except BadInput as error:
            refuse(str(error))
            bad += 1
            continue
        if differs:
            changed += 1
            console.print(f"{'would change' if check else 'changed'} {one_row(str(path))}", soft_wrap=True)
    as_is = len(dict.fromkeys(files)) - changed - bad
    parts = [
        f"{counted(changed, 'file')} {'would change' if check else 'changed'}",
        f"{as_is} as it should be",
    ]
    console.print(", ".join([*parts, f"{bad} with mistakes"] if bad else parts))
    if bad or (check and changed):
        raise typer.Exit(1)
