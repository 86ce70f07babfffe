"""`denrei init`: a first configuration, registration and order, from which the relay runs as it is."""

from pathlib import Path
from typing import Annotated

import typer

from relay.cli.option import DEFAULT_CONFIG
from relay.cli.screen import screen
from relay.errors import BadInput, Problem
from relay.sample import sample_site


def init(
    *,
    folder: Annotated[Path, typer.Argument(help="Where to write; made if it is not there.")] = Path(),
) -> None:
    """Write a commented sample configuration, a registration and an order. Overwrites nothing."""
    samples = sample_site()
    taken = [folder / path for path in samples if _is_taken(folder / path)]
    if taken:
        problems = [
            Problem(
                file=str(path), message="is there already; nothing was written", hint="choose another folder"
            )
            for path in taken
        ]
        raise BadInput(problems=problems)
    console = screen()
    for path, content in samples.items():
        _write_new(folder / path, content)
        console.print(f"wrote {folder / path}")
    console.print(f"next: edit {folder / DEFAULT_CONFIG}, then: denrei check -c {folder / DEFAULT_CONFIG}")


def _is_taken(path: Path) -> bool:
    try:
        path.lstat()
    except FileNotFoundError:
        return False
    except OSError as error:
        raise _unwritable(path, error) from None
    return True


def _write_new(path: Path, content: bytes) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("xb") as file:
            file.write(content)
    except OSError as error:
        raise _unwritable(path, error) from None


def _unwritable(path: Path, error: OSError) -> BadInput:
    return BadInput([Problem(file=str(path), message=f"cannot be written: {error.strerror}")])
