"""How a command tells what its verb did: a row per id, and the exit code."""

import sys
from collections.abc import Sequence

import typer

from relay.cli.letter import visible
from relay.cli.screen import note, screen, show_json, side_screen
from relay.operations import Outcome


def report(outcomes: Sequence[Outcome], *, as_json: bool) -> None:
    """Say what became of each id; ends the command with 1 when one was not applied."""
    if as_json:
        show_json({"id": each.id, "applied": each.applied, "text": each.text} for each in outcomes)
    else:
        console = screen()
        for each in outcomes:
            console.print(f"{each.id}: {visible(each.text)}", soft_wrap=True)
        if not outcomes:
            note("nothing to do")
    if not all(each.applied for each in outcomes):
        raise typer.Exit(1)


def confirm(question: str, *, yes: bool) -> None:
    """Ask on standard error; ends the command with 1 when the answer is no, or there is nobody to answer."""
    if yes:
        return
    side_screen().print(f"{question} [y/N] ", end="")
    if _answer().strip().lower() not in {"y", "yes"}:
        note("nothing was changed")
        raise typer.Exit(1)


def _answer() -> str:
    try:
        return sys.stdin.readline() if sys.stdin is not None else ""
    except (OSError, ValueError):  # closed, or no text: nobody there who could mean yes
        return ""
