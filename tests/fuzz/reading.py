"""Fuzz target: readers on text that nobody's template wrote.

Invariant: a reader refuses any text by a `ReadingError` with a place in it, or reads it into values that a
document can be made of; nothing else is raised, and `misreadings` raises nothing at all.
"""

from collections.abc import Iterator
from functools import cache
from typing import Any

from grammar import Record, compile_template, parse
from grammar.reader import Reader, ReadingError, compile_reader
from tests.fuzz.target import CATALOGUE, SMALL, front_text, mail_files, octets_of, text_of
from tests.support.records import sample_document


def run(content: bytes) -> None:
    """Try one text on one reader: the first octet chooses the template."""
    if not content:
        return
    readers = all_readers()
    reader, record, _ = readers[content[0] % len(readers)]
    text = text_of(content[1:])
    try:
        reading = reader.read(text)
    except ReadingError as error:
        assert 1 <= error.row <= text.count("\n") + 2  # the row after the last one, when rows are missing
        assert error.column >= 1
        str(error).encode("utf-8", "surrogatepass")
    else:
        reading.document(CATALOGUE)
    reader.misreadings(text, record)


@cache  # made of the shipped templates alone: always the same, and dear to make
def all_readers() -> tuple[tuple[Reader, Record, str], ...]:
    """The reader of every shipped body and of small templates, a record, and the mail that it makes."""
    sources = [(mail.body, front_text(mail, "unit")) for mail in mail_files()]
    return tuple(_reader(source, unit) for source, unit in [*sources, *((each, "pack") for each in SMALL)])


def _reader(source: str, unit: Any) -> tuple[Reader, Record, str]:
    template = parse(source)
    record = CATALOGUE.record(sample_document())
    if unit == "order":
        record = record.for_order(0)
    text = compile_template(template, catalogue=CATALOGUE, unit=unit)(record)
    return compile_reader(template, catalogue=CATALOGUE, unit=unit), record, text


def seeds() -> Iterator[bytes]:
    """The mail that each template makes, for its own reader and for the next one."""
    readers = all_readers()
    for index, (_, _, text) in enumerate(readers[:256]):
        yield bytes([index]) + octets_of(text)
        yield bytes([(index + 1) % len(readers) % 256]) + octets_of(text)
