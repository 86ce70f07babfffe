"""`denrei template check`: what a partner could misread in templates, before any mail is made of them."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from relay.cli.letter import visible
from relay.cli.office import operate
from relay.cli.option import DEFAULT_CONFIG, AsJson, ConfigPath
from relay.cli.screen import counted, screen, show_json
from relay.operations import Operations, PlacedFinding, file_findings

_INDENT = "    "


def check(
    *,
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[TEMPLATE|FILE...]",
            help="Numbers, keys or .mail files; without any, all of the configuration.",
        ),
    ] = None,
    config: ConfigPath = DEFAULT_CONFIG,
    as_json: AsJson = False,
) -> None:
    """Find what cannot be read back in general: in templates, and in what registrations have of their own."""
    asked = list(dict.fromkeys(names or ()))
    files = [name for name in asked if name.endswith(".mail")]
    keys = [name for name in asked if name not in files]
    found: list[PlacedFinding] = []
    if keys or not asked:

        async def look(operations: Operations) -> Sequence[PlacedFinding]:
            return operations.findings(keys or None)

        found += operate(config, look)
    for file in files:
        found += file_findings(Path(file))
    if as_json:
        show_json(finding_row(each) for each in found)
    else:
        for each in found:
            _show(each)
        where = len({(each.file, each.path) for each in found})
        screen().print(
            f"{counted(len(found), 'finding')} in {counted(where, 'text')}"
            if found
            else "every mail of these can be read back"
        )
    if found:
        raise typer.Exit(1)


def _show(placed: PlacedFinding) -> None:
    """Print one finding as compilers do: the place, the row with carets, an example, the mend."""
    console, finding = screen(), placed.finding
    head = Text(near(placed.place), style="bold") + Text(
        f": {placed.path}: {finding.kind}: {finding.message}"
    )
    console.print(head, soft_wrap=True)
    for row in finding.excerpt.split("\n"):
        console.print(visible(row), soft_wrap=True)
    for name, text in (("example", finding.example), ("mend", finding.hint)):
        first, *rest = visible(text).split("\n")
        if text:
            console.print(f"  {name + ':':9}{first}", soft_wrap=True)
        for row in rest:
            console.print(f"{'':11}{row}", soft_wrap=True)
    console.print()


def near(place: str) -> str:
    """Return a place without the folder that the person stands in."""
    return place.removeprefix(f"{Path.cwd()}/")


def finding_row(placed: PlacedFinding) -> dict[str, object]:
    """Return one finding for JSON output; the keys are public (docs/cli.md)."""
    finding = placed.finding
    return {
        "file": placed.file,
        "line": placed.line,
        "column": finding.column,
        "path": placed.path,
        "template": placed.template,
        "kind": finding.kind,
        "message": finding.message,
        "excerpt": finding.excerpt,
        "example": finding.example,
        "hint": finding.hint,
    }
