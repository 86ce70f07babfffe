"""Fuzz target: source to tree to compiled template.

Invariant: any text is refused by a `TemplateError` with a place in it, or its tree is the text, character for
character, and has one spelling that no second formatting changes; what was parsed compiles or is refused so.
"""

from collections.abc import Iterator

from grammar import Template, TemplateError, compile_template, parse, parse_line
from grammar.formatter import formatted
from tests.fuzz.target import CATALOGUE, front_text, mail_files, octets_of, text_of, wrong_templates


def run(content: bytes) -> None:
    """Try one text as a body, as a subject, and for both units."""
    source = text_of(content)
    for reads in (parse, parse_line):
        try:
            template = reads(source)
        except TemplateError as error:
            check_error(error, source)
            continue
        assert str(template) == source
        check_spelling(template)
        for unit in ("pack", "order"):
            try:
                compile_template(template, catalogue=CATALOGUE, unit=unit)  # type: ignore[arg-type]
            except TemplateError as error:
                check_error(error, source)


def check_error(error: TemplateError, source: str) -> None:
    """The place is in the text, the text of the error can be printed anywhere, and the row stands in it."""
    for each in (error, *error.others):
        assert 0 <= each.span.start <= len(source)
        assert each.span.start < each.span.end or not source
        assert 1 <= each.line <= source.count("\n") + 1
        str(each).encode()


def check_spelling(template: Template) -> None:
    """The one spelling is good, is its own one spelling, and has the same rows."""
    try:
        once = formatted(template)
    except TemplateError as error:
        assert error.kind == "limit"
        return
    again = (parse_line if template.is_line else parse)(once)
    assert formatted(again) == once
    assert [len(row.pieces) for row in again.rows] == [len(row.pieces) for row in template.rows]


def seeds() -> Iterator[bytes]:
    """Every shipped body and subject, and every wrong template that has a golden picture."""
    for mail in mail_files():
        yield octets_of(mail.body)
        yield octets_of(front_text(mail, "subject"))
    for source in wrong_templates():
        yield octets_of(source)
