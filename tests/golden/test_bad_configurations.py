"""Wrong files, each with all that Denrei says about it.

A case holds its sentence, then files after rows `=== path`, and last `=== expected`. What a case does not
write is good: a small denrei.yaml and an empty folder of registrations.
"""

from pathlib import Path

import pytest

from grammar import load_catalogue
from relay.config import load
from relay.errors import BadInput
from relay.registry import load_registry, load_templates

ROOT = Path(__file__).resolve().parents[2]
CASES = sorted((Path(__file__).parent / "bad_configurations").glob("*.txt"))
GOOD = "hostname: relay.example.jp\nintake:\n  addresses: [orders@relay.example.jp]\ntemplates: own\n"


def _parts(case):
    sentence, *parts = case.read_text("utf-8").split("\n=== ")
    files = {}
    for part in parts:
        name, _, content = part.partition("\n")
        files[name] = content
    return sentence, files


def _check(folder):
    config = load(folder / "denrei.yaml")
    catalogue = load_catalogue()
    templates = load_templates(ROOT / "partner_templates", catalogue, own=config.templates)
    return load_registry(config.registrations, templates, catalogue)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.stem)
def test_a_wrong_file_is_refused_with_every_problem_in_it(case, tmp_path):
    """The whole message is compared, with file, line, path and hint of each problem."""
    _, files = _parts(case)
    expected = files.pop("expected")
    (tmp_path / "own").mkdir()
    (tmp_path / "registrations").mkdir()
    for name, content in ({"denrei.yaml": GOOD} | files).items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode())
    with pytest.raises(BadInput) as refused:
        _check(tmp_path)
    assert str(refused.value).replace(f"{tmp_path}/", "") + "\n" == expected


def test_the_files_that_the_cases_leave_as_they_are_are_good(tmp_path):
    """Without a wrong file there is nothing to say: each case fails by its own files."""
    for name in ("own", "registrations"):
        (tmp_path / name).mkdir()
    (tmp_path / "denrei.yaml").write_text(GOOD)
    assert _check(tmp_path).sellers == ()


def test_there_are_enough_cases():
    """A suite that is not found is no suite."""
    assert len(CASES) >= 20
