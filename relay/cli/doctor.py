"""`denrei doctor`: one look at everything, and what to do about what is not well."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from relay.cli.office import operate_unopened
from relay.cli.option import DEFAULT_CONFIG, AsJson, ConfigPath
from relay.cli.screen import counted, screen, show_json, show_table, side_screen
from relay.errors import BadInput
from relay.operations import Check, Verdict, refused


def doctor(
    *,
    config: ConfigPath = DEFAULT_CONFIG,
    thorough: Annotated[
        bool, typer.Option("--thorough", help="Read the whole store: minutes for a large one.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Look at everything: store, disk, clock, DNS, port, certificates; say what to do. Changes nothing."""
    checks = _checks(config, thorough=thorough)
    if as_json:
        show_json(check_row(each) for each in checks)
    else:
        _show(checks)
    if any(each.verdict is Verdict.FAILED for each in checks):
        raise typer.Exit(1)


def _checks(config: Path, *, thorough: bool) -> Sequence[Check]:
    console = side_screen()
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        progress.add_task("reading the whole store" if thorough else "looking")
        try:
            return operate_unopened(config, lambda operations: operations.diagnose(thorough=thorough))
        except BadInput as error:  # the configuration itself: nothing else can be looked at without it
            return [refused("configuration", error)]


def _show(checks: Sequence[Check]) -> None:
    show_table(
        screen(),
        ["check", "verdict", "found, and what to do"],
        (
            [each.name, each.verdict, f"{each.text}\n→ {each.advice}" if each.advice else each.text]
            for each in checks
        ),
        firm=["verdict"],
    )
    number = {verdict: sum(each.verdict is verdict for each in checks) for verdict in Verdict}
    screen().print(
        f"\n{counted(number[Verdict.FAILED], 'check')} failed, "
        f"{number[Verdict.ATTENTION]} for your attention, {number[Verdict.OK]} ok"
    )


def check_row(each: Check) -> dict[str, object]:
    """Return one check for JSON output; the keys are public (docs/cli.md)."""
    return {"check": each.name, "verdict": each.verdict, "text": each.text, "advice": each.advice}
