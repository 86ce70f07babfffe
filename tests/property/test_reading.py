"""The laws of reading back (docs/reading-back.md), on templates and values made to be misread."""

import re
from collections.abc import Iterator
from itertools import groupby

from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from grammar import Record, compile_template, load_catalogue, parse
from grammar.analysis import ORDERS, repeated
from grammar.ast import Field, If, Item, Loop, Row
from grammar.checks import findings
from grammar.reader import Reader, Reading, ReadingError, compile_reader
from grammar.reader.account import account
from grammar.reader.overlap import Overlap
from grammar.reader.pattern import row_pattern
from grammar.reader.trace import trace
from tests.support.reading import documents, rows, siblings, templates, values

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
    """With findings or without: what the mail gives is what the record says, or misreadings name its rows."""
    renderer, reader = compiled(source)
    record = CATALOGUE.record(document)
    text = renderer(record)
    wrong = reader.misreadings(text, record)
    rows = text.count("\n") + 1
    for one in wrong:
        assert 1 <= one.row <= rows + 1
        assert one.kind in ("label", "value", "structure", "orders")
        assert one.expected != one.read or one.kind == "structure"
    if wrong:
        return
    reading = reader.read(text)
    assert all(value == record[key] for key, value in reading.fields.items())
    assert len(reading.orders) in (0, len(record.orders))
    for order, found in zip(record.orders, reading.orders, strict=False):
        assert all(value == order[key] for key, value in found.items())
    for key, elements in reading.elements.items():
        assert list(filter(None, elements)) == list(filter(None, record.elements(key)))


class Saying:
    """What a record makes a template say, asked of the tree alone: rows, whose they are, and their values."""

    def __init__(self, record: Record) -> None:
        self._record = record

    def items(self, items: tuple[Item, ...], order: int | None) -> Iterator[object]:
        for item in items:
            match item:
                case Row():
                    yield from self._row(item, order)
                case If(condition=condition):
                    value = self._value(condition.field, order)
                    holds = {
                        "": bool(value),
                        "=": value == condition.text,
                        "!=": value != condition.text,
                    }[condition.operator]
                    yield from self.items(item.items if holds else item.others, order)
                case Loop():
                    yield from self._counted(
                        [said for index in self._indices for said in self.items(item.items, index)]
                    )

    def _row(self, row: Row, order: int | None) -> Iterator[object]:
        over = repeated(row, CATALOGUE) if row.has("LOOP") else None
        if over == ORDERS:
            yield from self._counted(
                [said for index in self._indices for said in self._printed(row, index, None, 0)]
            )
        elif over is not None:
            for index in range(len(self._record.elements(over))):
                yield from self._printed(row, order, over, index)
        else:
            yield from self._printed(row, order, None, 0)

    def _printed(self, row: Row, order: int | None, over: str | None, index: int) -> Iterator[object]:
        values = [
            self._record.elements(field.key)[index] if field.name == over else self._value(field, order)
            for field in row.fields
        ]
        texts = iter(values)
        if row.has("DELETE_BLANK_ROW") and not any(values):
            return
        joined = [
            "".join(next(texts) for _ in fields)
            for is_field, fields in groupby(row.pieces, key=lambda piece: isinstance(piece, Field))
            if is_field
        ]
        yield row.span.start, order, joined

    def _counted(self, said: list[object]) -> Iterator[object]:
        """A loop of which something is there tells how many orders there are."""
        yield from said
        if said:
            yield len(self._record.orders)

    def _value(self, field: Field, order: int | None) -> str:
        is_order = order is not None and CATALOGUE[field.name].scope == "order"
        is_whole = any(each.name in ("join", "sum", "count") for each in field.filters)
        return self._record.orders[order][field.key] if is_order and not is_whole else self._record[field.key]

    @property
    def _indices(self) -> range:
        return range(len(self._record.orders))


OPTIONAL = "[甲] <$_PACK_NO_$>\n##LOOP##[乙] <$_ITEM_NM_$>\n##DELETE_BLANK_ROW####LOOP##[丙] <$_OPTION_$>\n"
EMPTY = "##LOOP_BEGIN##\n##DELETE_BLANK_ROW##[甲] <$_ITEM_NM_$>\n##LOOP_END##\n[乙] <$_PACK_NO_$>\n"
TWO = "##DELETE_BLANK_ROW####LOOP##[甲] <$_OPTION_$>\n##DELETE_BLANK_ROW####LOOP##[乙] <$_ITEM_NM_$>\n"


def orders_of(*orders):
    return {"pack": {"orders": list(orders)}}


@settings(laws, max_examples=400)
@given(templates(), siblings())
@example(
    OPTIONAL,
    (orders_of({"option": "赤"}, {}), orders_of({}, {"option": "赤"})),
)
@example(EMPTY, (orders_of({"item_name": "赤"}, {}), orders_of({"item_name": "赤"})))
@example(EMPTY, (orders_of({"item_name": "赤"}, {}), orders_of({}, {"item_name": "赤"})))
@example(
    TWO, (orders_of({"option": "赤"}, {"item_name": "白"}), orders_of({"option": "赤", "item_name": "白"}))
)
def test_one_mail_is_proved_for_one_set_of_values_only(source, both):
    """A mail that is right for two records: they say the same, of the same orders, and of as many."""
    renderer, reader = compiled(source)
    records = [CATALOGUE.record(document) for document in both]
    text = renderer(records[0])
    if not any(reader.misreadings(text, record) for record in records):
        items = parse(source).items
        first, second = (list(Saying(record).items(items, None)) for record in records)
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
