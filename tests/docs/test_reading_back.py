"""docs/reading-back.md tells the truth: its findings are those of the code, its limits too."""

import re
from pathlib import Path
from typing import get_args

import pytest

from grammar import limits, load_catalogue, parse
from grammar.checks import checks
from grammar.checks.checks import Kind, findings
from grammar.reader import decision, misreading, overlap, pattern, plan, shape

TEXT = (Path(__file__).resolve().parents[2] / "docs" / "reading-back.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"### `([a-z-]+)`\n.*?```template\n(.*?)```\n```finding\n(.*?)```", TEXT, re.DOTALL)
MODULES = (checks, decision, limits, misreading, overlap, pattern, plan, shape)


@pytest.mark.parametrize(("kind", "source", "shown"), EXAMPLES, ids=[kind for kind, *_ in EXAMPLES])
def test_a_finding_is_told_as_shown(kind, source, shown):
    """Place, kind, message, the rows that show it and the mend; and it is the template's only one."""
    (one,) = findings(parse(source), catalogue=load_catalogue(), unit="pack")
    assert one.kind == kind
    assert f"{one.line}:{one.column} {one.kind}: {one.message}\n{one.example}\n{one.hint}\n" == shown


def test_every_kind_of_finding_is_told():
    """Each has its heading, and each but the one without an example its example."""
    assert set(re.findall(r"^### `([a-z-]+)`$", TEXT, re.MULTILINE)) == set(get_args(Kind))
    assert {kind for kind, *_ in EXAMPLES} == set(get_args(Kind)) - {"too-many-ways"}
    assert TEXT.count("```template") == len(EXAMPLES)


def test_every_kind_of_misreading_is_told():
    """The table has a row for each."""
    kinds = get_args(misreading.Misreading.__dataclass_fields__["kind"].type)
    rows = re.findall(r"^\| `([a-z]+)` \| [^|]+ \|$", TEXT, re.MULTILINE)
    assert rows == sorted(kinds, key=rows.index)
    assert len(rows) == len(kinds)


def test_the_limits_are_the_codes():
    """With their values."""
    shown = re.findall(r"^\| `(MAX_\w+)` \| ([\d,]+) \|", TEXT, re.MULTILINE)
    assert len(shown) == TEXT.count("| `MAX_")
    for name, value in shown:
        (found,) = {vars(module)[name] for module in MODULES if name in vars(module)}
        assert int(value.replace(",", "")) == found
