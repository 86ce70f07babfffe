"""The laws of reading back (docs/reading-back.md), on templates and values made to be misread."""

import re

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from grammar import Record, compile_template, load_catalogue, parse
from grammar.checks import findings
from grammar.reader import Reader, Reading, ReadingError, compile_reader
from grammar.reader.account import account
from grammar.reader.overlap import Overlap
from grammar.reader.pattern import row_pattern
from grammar.reader.trace import trace
from tests.support.reading import documents, rows, templates, values

CATALOGUE = load_catalogue()
laws = settings(max_examples=100, deadline=None, derandomize=True, database=None)


def compiled(source):
    template = parse(source)
    renderer = compile_template(template, catalogue=CATALOGUE, unit="pack")
    return renderer, compile_reader(template, catalogue=CATALOGUE, unit="pack")


def said(reader: Reader, record: Record) -> Reading:
    """What the record makes the template say, without a look at any text."""
    return account(reader.shape, reader.plan, trace(reader.shape, reader.plan, reader.proof.expected(record)))


@laws
@given(templates(), st.lists(documents(), min_size=1, max_size=4))
def test_without_a_finding_every_mail_reads_as_its_record(source, found):
    """read(render(record)) == values(record), whatever the values are; and the mail is proved."""
    assume(not findings(parse(source), catalogue=CATALOGUE, unit="pack"))
    renderer, reader = compiled(source)
    for document in found:
        record = CATALOGUE.record(document)
        text = renderer(record)
        assert reader.misreadings(text, record) == ()
        assert reader.read(text) == said(reader, record)


@laws
@given(templates(), documents())
def test_what_is_proved_reads_as_its_record_and_what_is_not_says_where(source, document):
    """With findings or without: either the same values, or misreadings that name rows of the mail."""
    renderer, reader = compiled(source)
    record = CATALOGUE.record(document)
    text = renderer(record)
    wrong = reader.misreadings(text, record)
    rows = text.count("\n") + 1
    for one in wrong:
        assert 1 <= one.row <= rows + 1
        assert one.kind in ("label", "value", "structure")
        assert one.expected != one.read or one.kind == "structure"
    if not wrong:
        flat = reader.proof.reading(text)
        assert rows_of(reader, flat) == rows_of(reader, reader.proof.expected(record))


def rows_of(reader, flat):
    return [
        (event.pattern, event.values, event.order)
        for event in trace(reader.shape, reader.plan, flat)
        if hasattr(event, "pattern")
    ]


@laws
@given(templates(), documents(), documents())
def test_one_mail_is_proved_for_one_set_of_values_only(source, one, other):
    """A mail that would be right for two records says the same of both in every row."""
    renderer, reader = compiled(source)
    records = [CATALOGUE.record(document) for document in (one, other)]
    text = renderer(records[0])
    if not any(reader.misreadings(text, record) for record in records):
        first, second = (rows_of(reader, reader.proof.expected(record)) for record in records)
        assert first == second


@laws
@given(templates(), st.lists(values() | st.text(max_size=5), max_size=12).map("\n".join))
def test_reading_raises_nothing_but_reading_errors(source, text):
    """On any text, and the place that the error names is in the text."""
    _, reader = compiled(source)
    try:
        reader.read(text)
    except ReadingError as error:
        refused = error
    else:
        return
    assert 1 <= refused.row <= len(text.split("\n")) + 1
    assert refused.column >= 1
    assert str(refused) == f"row {refused.row}, column {refused.column}: {refused.message}"


@laws
@given(templates(), documents(), st.randoms(use_true_random=False))
def test_a_mail_that_was_changed_is_read_differently_or_refused(source, document, random):
    """One character more in a mail never goes unseen."""
    renderer, reader = compiled(source)
    record = CATALOGUE.record(document)
    text = renderer(record)
    at = random.randint(0, len(text))
    changed = f"{text[:at]}ん{text[at:]}"
    assert reader.misreadings(changed, record)


@laws
@given(rows(), rows(), st.lists(values(), min_size=2, max_size=2))
def test_a_row_that_two_rows_may_print_is_found_and_is_one_of_both(source, other, texts):
    """What is found looks like both; where nothing is, no filled-in row of the one looks like the other."""
    one, two = (row_pattern(next(parse(f"{each}\n").rows)) for each in (source, other))
    found = Overlap().common_row(one, two)
    assert (found is None) == (Overlap().common_row(two, one) is None)
    looks = [re.compile(pattern.regex(groups=False)).fullmatch for pattern in (one, two)]
    if found is not None:
        assert all(match(f"{found}\n") for match in looks)
        return
    for pattern in (one, two):
        filled = zip([*texts, ""], pattern.literals[1:], strict=False)
        row = pattern.head + "".join(value + literal for value, literal in filled) + "\n"
        assert not all(match(row) for match in looks)


@laws
@given(templates(), templates(), documents())
def test_a_reader_is_the_same_whatever_else_was_compiled(source, other, document):
    """Nothing is shared between readers."""
    renderer, reader = compiled(source)
    record = CATALOGUE.record(document)
    text = renderer(record)
    before = reader.misreadings(text, record)
    compiled(other)
    assert compiled(source)[1].misreadings(text, record) == reader.misreadings(text, record) == before
