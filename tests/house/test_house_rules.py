"""The rules that every commit keeps: format, lint, types, imports, run as a commit's author would."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent

RULES = {
    "format": ["ruff", "format", "--check", "."],
    "lint": ["ruff", "check", "."],
    "types": ["mypy"],
    "imports": ["lint-imports", "--no-cache"],
}


@pytest.mark.parametrize("rule", RULES)
def test_the_tree_keeps_the_rule(rule):
    """The tool finds nothing; its own words are shown when it does."""
    command = [str(BIN / RULES[rule][0]), *RULES[rule][1:]]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=110, check=False)
    assert result.returncode == 0, result.stdout + result.stderr


def test_the_top_level_holds_only_the_rooms_that_the_layout_names():
    """A newcomer sees the architecture in the folder listing: nothing else may lie beside it."""
    tracked = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split("\n")
    top = {name.split("/")[0] for name in tracked if name}
    rooms = {"relay", "grammar", "partner_templates", "tests", "docs"}
    papers = {"pyproject.toml", "README.md", "CHANGELOG.md", "LICENSE", "Makefile"}
    assert {name for name in top if not name.startswith(".")} <= rooms | papers
