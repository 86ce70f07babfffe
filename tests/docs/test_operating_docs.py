"""docs/operating.md names only commands and options that there are, and all that the doctor points to."""

import re
from pathlib import Path
from typing import Any

import typer

from relay.cli import command_line

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "operating.md").read_text(encoding="utf-8")


def found(words: list[str]) -> tuple[Any, list[str]]:
    """The command that the words name, and the words behind it."""
    command: Any = typer.main.get_command(command_line())
    while words and words[0] in getattr(command, "commands", {}):
        command, words = command.commands[words[0]], words[1:]
    return command, words


def test_every_command_of_the_page_is_one() -> None:
    """Each `denrei …` in it names a command, and its options are that command's."""
    told = re.findall(
        r"denrei ((?:[a-z]+ )*[a-z]+(?: [^`\n#]*)?)",
        "\n".join(re.findall(r"`denrei[^`]*`|^denrei.*$", PAGE, re.MULTILINE)),
    )
    assert len(told) > 20
    for row in told:
        command, rest = found(row.split())
        assert not getattr(command, "commands", {}) or not rest, row
        options = {name for each in command.params for name in each.opts}
        assert {word for word in rest if word.startswith("-")} <= options, row


def test_what_the_program_points_to_is_there() -> None:
    """The doctor's advice names sections of the page by their headings."""
    headings = re.findall(r"^## (.+)$", PAGE, re.MULTILINE)
    sources = (ROOT / "relay" / "operations" / "doctor").glob("*.py")
    named = {
        name
        for path in sources
        for name in re.findall(r"docs/operating\.md, ([A-Z][a-z ]+)", path.read_text())
    }
    assert named
    assert named <= set(headings)
