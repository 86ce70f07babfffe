"""`denrei init` and `denrei check`: before the relay first runs, and after every change of its files."""

from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Annotated

import typer

from relay.cli.letter import visible
from relay.cli.office import open_office
from relay.cli.option import DEFAULT_CONFIG, AsJson, ConfigPath
from relay.cli.screen import counted, screen, show_json
from relay.errors import BadInput, Problem

_SAMPLE_SUFFIXES = (".yaml", ".mail")


def init(
    *,
    folder: Annotated[Path, typer.Argument(help="Where to write; made if it is not there.")] = Path(),
) -> None:
    """Write a commented sample configuration and a sample registration. Overwrites nothing."""
    samples = _samples(files("relay") / "sample", Path())
    taken = [folder / path for path in samples if (folder / path).exists()]
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


def _samples(place: Traversable, path: Path) -> dict[Path, bytes]:
    found: dict[Path, bytes] = {}
    for entry in sorted(place.iterdir(), key=lambda entry: entry.name):
        if entry.is_dir():
            found |= _samples(entry, path / entry.name)
        elif entry.name.endswith(_SAMPLE_SUFFIXES):
            found[path / entry.name] = entry.read_bytes()
    return found


def _write_new(path: Path, content: bytes) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("xb") as file:
            file.write(content)
    except OSError as error:
        problem = Problem(file=str(path), message=f"cannot be written: {error.strerror}")
        raise BadInput(problems=[problem]) from error


def check(*, config: ConfigPath = DEFAULT_CONFIG, as_json: AsJson = False) -> None:
    """Check configuration, partner templates and registrations; name every problem at once."""
    problems, summary = _findings(config)
    if as_json:
        show_json(
            {
                "file": problem.file,
                "line": problem.line,
                "path": problem.path,
                "message": problem.message,
                "hint": problem.hint,
            }
            for problem in problems
        )
    else:
        console = screen()
        for problem in problems:
            console.print(visible(str(problem)), soft_wrap=True)
        console.print(counted(len(problems), "problem") if problems else summary)
    if problems:
        raise typer.Exit(1)


def _findings(config: Path) -> tuple[list[Problem], str]:
    """Return all problems, and one row that says what was found good."""
    try:
        office = open_office(config)
        templates = office.templates
        registry = office.registry.current
    except BadInput as error:
        return list(error.problems), ""
    registrations = sum(1 for _ in registry)
    return [], (
        f"{config}: good; {counted(len(templates), 'template')},"
        f" {counted(registrations, 'registration')} of {counted(len(registry.sellers), 'seller')}"
    )
