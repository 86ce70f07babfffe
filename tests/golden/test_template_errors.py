"""Every mistake in a template gets its own message: files of a template, `=====`, and the message."""

from pathlib import Path

import pytest

from grammar import TemplateError, compile_template, load_catalogue, parse, parse_line

CASES = sorted((Path(__file__).parent / "template_errors").glob("*.txt"))


def test_the_cases_are_found():
    """An empty folder would prove nothing."""
    assert len(CASES) >= 130


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_a_wrong_template_is_explained(path):
    """Place, row, caret and mend are compared to the character; files named line_ are subjects."""
    source, expected = path.read_bytes().decode().removesuffix("\n").split("\n=====\n")
    reads = parse_line if path.stem.startswith("line_") else parse
    with pytest.raises(TemplateError) as error:
        compile_template(reads(source, name="見本.mail"), catalogue=load_catalogue(), unit="pack")
    assert str(error.value) == expected
