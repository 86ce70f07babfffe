"""docs/cli.md and the program say the same: every command, every option, and nothing else."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer

from relay.cli import command_line
from relay.sink import FaultKind, Verb

PAGE = Path(__file__).resolve().parents[2] / "docs" / "cli.md"
_EVERYWHERE = {"--help", "-h"}


def commands(command: Any, path: str) -> Iterator[tuple[str, set[str]]]:
    """Every command that does something, by its full name, with its options."""
    below = getattr(command, "commands", {})
    options = {name for each in command.params for name in each.opts if name.startswith("-")} - _EVERYWHERE
    if not below or options:
        yield path, options
    for name, each in below.items():
        yield from commands(each, f"{path} {name}")


def sections() -> dict[str, str]:
    """The page by its headings."""
    parts = re.split(r"^## (.+)$", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def test_every_command_and_option_is_documented_and_no_other() -> None:
    """The page's headings are the commands, and the option table of each names exactly its options."""
    documented = {
        heading: set(
            re.findall(r"`(--?[a-z-]+)`", " ".join(re.findall(r"^\| (`-.*?) \|", text, re.MULTILINE)))
        )
        for heading, text in sections().items()
        if heading.startswith("denrei")
    }
    assert documented == dict(commands(typer.main.get_command(command_line()), "denrei"))


def test_every_fault_is_documented() -> None:
    """The two tables of the sink name exactly its kinds and verbs, in the program's order."""
    rows = re.findall(r"^\| `([a-z]+)` \|", sections()["denrei sink"], re.MULTILINE)
    assert rows == [*FaultKind, *Verb]
