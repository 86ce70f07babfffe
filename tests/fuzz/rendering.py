"""Fuzz target: a template and values become a mail, which is read back.

Invariant: the template is refused when it is loaded, or the mail passes a limit, or the mail is proved and
reads as exactly the values that it was made of, or it is said where it would be misread; and with values
of their types a template without findings is never misread.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from grammar import Record, Renderer, TemplateError, compile_template, parse
from grammar.checks import findings
from grammar.reader import Reading, ReadingError, compile_reader
from grammar.value import is_blank
from tests.fuzz.target import (
    CATALOGUE,
    QUOTE,
    SECTION,
    SMALL,
    Case,
    case_of,
    front_text,
    mail_files,
    octets_of,
)
from tests.support.records import HOSTILE_PIECES, sample_document


def run(content: bytes) -> None:
    """Try one template with one set of values."""
    check(Case.of(content))


def check(case: Case) -> None:
    """See that a case keeps the invariant."""
    unit: Any = case.unit
    try:
        template = parse(case.source)
        renderer = compile_template(template, catalogue=CATALOGUE, unit=unit)
    except TemplateError:
        return
    reader = compile_reader(template, catalogue=CATALOGUE, unit=unit)
    record = CATALOGUE.record(case.document(renderer.fields))
    if unit == "order":
        record = record.for_order(0)
    try:
        text = renderer(record)
    except TemplateError as error:
        assert error.kind == "limit"
        return
    misreadings = reader.misreadings(text, record)
    if misreadings:
        for each in misreadings:
            assert 1 <= each.row <= text.count("\n") + 2, (
                each
            )  # the row after the last one, when rows are missing
            assert each.expected != each.read or each.kind != "value", each
    known = findings(template, catalogue=CATALOGUE, unit=unit)
    if not misreadings:
        try:
            check_reading(reader.read(text), record, is_sure=not known)
        except ReadingError:
            assert known  # proved, but it does not say which values belong together
    elif case.is_typed:
        assert known, misreadings


def check_reading(reading: Reading, record: Record, *, is_sure: bool) -> None:
    """What was read is what was printed, as far as it was read, and makes a document.

    Where there are findings, orders without a visible row may be missing, and values that stand side by side.
    """
    check_values(reading.fields, record)
    for key, elements in reading.elements.items():
        seen = tuple(element for element in record.elements(key) if not is_blank(element))
        read = tuple(element for element in elements if not is_blank(element))
        assert read == seen or (not read and not is_sure), key
    if is_sure or len(reading.orders) == len(record.orders):
        for order, values in zip(record.orders, reading.orders, strict=False):
            check_values(values, order)
    reading.document(CATALOGUE)


def check_values(read: Mapping[str, str], record: Mapping[str, str] | Record) -> None:
    """What was read is what was printed."""
    for key, text in read.items():
        assert text == record[key] or (is_blank(text) and is_blank(record[key])), key


def seeds() -> Iterator[bytes]:
    """Every shipped body with the sample's values and with hostile ones, and small templates of each kind."""
    document = sample_document()
    for mail in mail_files():
        unit = front_text(mail, "unit")
        names = _renderer(mail.body, unit).fields
        case = case_of(mail.body, unit, names, document)
        yield case.content()
        quoting = [f"あ{QUOTE}{chr(index)}い" for index in range(len(case.values))]
        yield Case(source=case.source, unit=unit, orders=case.orders, values=tuple(quoting)).content()
        forging = [f"{QUOTE}{chr(index + 3)}" for index in range(len(case.values))]
        yield Case(source=case.source, unit=unit, orders=case.orders, values=tuple(forging)).content()
        hostile = [HOSTILE_PIECES[index % len(HOSTILE_PIECES)] for index in range(len(case.values))]
        yield Case(source=case.source, unit=unit, orders=case.orders, values=tuple(hostile)).content()
    for source in SMALL:
        yield octets_of(SECTION.join((source, "p2", *"一二三四五六七八")))


def _renderer(source: str, unit: Any) -> Renderer:
    return compile_template(parse(source), catalogue=CATALOGUE, unit=unit)
