"""docs/template-language.md tells the truth: its examples render as shown, its tables are the code's."""

import re
from typing import get_args

import pytest

from grammar import compile_template, limits, load_catalogue, parse
from grammar.filters import FILTERS, GATHERERS, chain
from grammar.formatter import formatted
from grammar.value import Type, clean
from tests.support.field_table import DOCUMENT, MARK, field_table
from tests.support.records import sample_document

TEXT = DOCUMENT.read_text(encoding="utf-8")
EXAMPLES = re.findall(r"```template\n(.*?)```.*?```mail\n(.*?)```", TEXT, re.DOTALL)


def test_every_example_has_its_mail():
    """No template on the page goes unchecked."""
    assert len(EXAMPLES) == TEXT.count("```template\n") == TEXT.count("```mail\n") >= 6


@pytest.mark.parametrize(("source", "mail"), EXAMPLES)
def test_an_example_renders_as_shown(source, mail):
    """Of the sample pack with two orders, to the character."""
    catalogue = load_catalogue()
    renderer = compile_template(parse(source), catalogue=catalogue, unit="pack")
    assert renderer(catalogue.record(sample_document(orders=2))) == mail


def test_the_error_shown_is_a_golden_one():
    """The page shows a message that the suite compares."""
    (shown,) = re.findall(r"```error\n(.*?)```", TEXT, re.DOTALL)
    golden = DOCUMENT.parents[1] / "tests" / "golden" / "template_errors" / "field_unknown.txt"
    assert golden.read_text(encoding="utf-8").endswith(f"=====\n{shown}")


def test_the_table_of_fields_is_the_catalogue():
    """Write it with `python -m tests.support.field_table`."""
    assert TEXT.partition(MARK)[2] == field_table()


def test_the_limits_are_the_codes():
    """Every limit that an author can meet is in the table, with its value."""
    shown = dict(re.findall(r"^\| `(MAX_\w+)` \| ([\d,]+) \|", TEXT, re.MULTILINE))
    named = {name: value for name, value in vars(limits).items() if name.startswith("MAX_")}
    del named["MAX_SEGMENT_FIELDS"]  # how the work is cut, not what an author may write
    assert {name: int(value.replace(",", "")) for name, value in shown.items()} == named


FILTER_ROWS = re.findall(
    r"^\| `([a-z]+)(:[^`]*)?` \| ([a-z, ]+) \| [^|]+ \| (`.*`) \| `(.*)` \|$", TEXT, re.MULTILINE
)


def test_the_table_of_filters_is_the_language():
    """Each filter stands there once, with the types that it takes."""
    definitions = {**FILTERS, **GATHERERS}
    shown = {name: set(of.split(", ")) for name, _, of, _, _ in FILTER_ROWS}
    assert len(FILTER_ROWS) == len(shown)
    assert shown == {
        name: {"any"} if len(definition.takes) == len(get_args(Type)) else set(definition.takes)
        for name, definition in definitions.items()
    }


@pytest.mark.parametrize(
    ("name", "argument", "value", "printed"), [(row[0], row[1], row[3], row[4]) for row in FILTER_ROWS]
)
def test_a_filter_prints_what_the_table_shows(name, argument, value, printed):
    """Of the value beside it; a filter that gathers takes the values between the strokes."""
    texts = [clean(text.strip("`")) for text in value.split(" / ")]
    found = chain(name + argument)
    text = texts[0] if found.gather is None else found.gather(texts)
    assert found(text) == printed


def test_the_spellings_shown_are_the_formatters():
    """Each row of the table, with a field behind what is only a directive."""
    rows = re.findall(
        r"^\| (`.*`) \| `(.*\$>|##.*##)` \|$",
        TEXT.partition("## One spelling")[2].partition("\n## ")[0],
        re.MULTILINE,
    )
    assert len(rows) == 3
    for spellings, expected in rows:
        for spelling in spellings.strip("`").split("` `"):
            field = "" if "$_" in spelling else "<$_DEL_MEMO_$>"
            assert formatted(parse(spelling + field)) == expected + field
