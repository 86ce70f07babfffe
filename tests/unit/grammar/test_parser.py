"""Source to tree: what the grammar takes, and that it takes it whole."""

import re

import pytest
from lark import Lark

from grammar.ast import Directive, Field, Loop, Marker, Row, Template, Text
from grammar.errors import TemplateError
from grammar.limits import MAX_SOURCE
from grammar.parser import grammar_text, parse, parse_line
from grammar.span import Span


def span(start: int, end: int) -> Span:
    return Span(start=start, end=end)


def test_rows_fields_and_text_become_nodes_with_their_places():
    """A label in brackets is text, the three printed forms are one field, and each node knows its place."""
    source = "[送料] {$_DELIVERY_FEE_$}\n<$_PACK_NO_$>"
    assert parse(source, name="見本") == Template(
        span=span(0, 37),
        name="見本",
        source=source,
        is_line=False,
        items=(
            Row(
                span=span(0, 24),
                directives=(),
                pieces=(
                    Text(span=span(0, 5), text="[送料] "),
                    Field(span=span(5, 23), name="DELIVERY_FEE", brackets="{}"),
                ),
                newline="\n",
            ),
            Row(
                span=span(24, 37),
                directives=(),
                pieces=(Field(span=span(24, 37), name="PACK_NO", brackets="<>"),),
                newline="",
            ),
        ),
    )


def test_the_row_that_the_manual_prints_is_read():
    """Both directives of the CROSS MALL template, in the manual's second spellings."""
    source = "##DELETE_BLANK_ROW_##$LOOP_{$_DEL_MEMO_$}"
    (row,) = parse(source).items
    assert row == Row(
        span=span(0, 41),
        directives=(
            Directive(span=span(0, 21), keyword="DELETE_BLANK_ROW", spelling="##DELETE_BLANK_ROW_##"),
            Directive(span=span(21, 27), keyword="LOOP", spelling="$LOOP_"),
        ),
        pieces=(Field(span=span(27, 41), name="DEL_MEMO", brackets="{}"),),
        newline="",
    )


def test_a_block_keeps_its_markers_and_rows():
    """The markers take their newlines, so that the rows between them are all that is printed."""
    source = "##LOOP_BEGIN##\n--\n##LOOP_END##"
    assert parse(source).items == (
        Loop(
            span=span(0, 30),
            opening=Marker(span=span(0, 15), spelling="##LOOP_BEGIN##\n"),
            rows=(
                Row(
                    span=span(15, 18),
                    directives=(),
                    pieces=(Text(span=span(15, 17), text="--"),),
                    newline="\n",
                ),
            ),
            closing=Marker(span=span(18, 30), spelling="##LOOP_END##"),
        ),
    )


@pytest.mark.parametrize(
    "source",
    [
        "",
        "\n",
        "##",
        "####",
        "## 見出し ##",
        "####NOTE##",
        "##note##",
        "x ##NOTE##",
        "x ##LOOP",
        "$",
        "$_",
        "$_a",
        "<$",
        "[[<{注}>]]",
        "US$ 10 #1_$",
        "a\rb\r",
        "\u2028\x0b\x85",
        "価格 $LOOP",
    ],
)
def test_what_only_looks_a_little_like_a_marker_is_text(source):
    """Nothing but the markers of the language is read as more than text, not even other line breaks."""
    template = parse(source)
    assert str(template) == source
    assert all(isinstance(piece, Text) for row in template.rows for piece in row.pieces)
    assert not any(row.directives for row in template.rows)


def test_a_subject_takes_fields():
    """The manual's subject, with its label and brackets."""
    source = "Qoo10の注文のお知らせです。(注文番号:{$_PACK_NO_$})"
    template = parse_line(source)
    assert str(template) == source
    assert [field.name for row in template.rows for field in row.fields] == ["PACK_NO"]
    assert parse_line("").items == ()


@pytest.mark.parametrize(
    "source",
    ["\n" * MAX_SOURCE, "[" * MAX_SOURCE, "#" * MAX_SOURCE, "_$" * (MAX_SOURCE // 2), "<$_A_$>" * 9_362],
    ids=["rows", "brackets", "hashes", "dollars", "fields"],
)
def test_the_longest_source_is_read(source):
    """64 KiB of anything is read without recursion; the time-out of the suite watches the time."""
    assert str(parse(source)) == source


@pytest.mark.parametrize(
    "source", ["a" * (MAX_SOURCE + 1), "漢" * (MAX_SOURCE // 3 + 1)], ids=["ascii", "kanji"]
)
def test_a_longer_source_is_refused(source):
    """The limit is in octets, as of the file, and the error names it."""
    with pytest.raises(
        TemplateError, match=r"^大:1:1: the template is longer than 65536 octets \(MAX_SOURCE\)"
    ) as error:
        parse(source, name="大")
    assert error.value.kind == "limit"


def test_the_grammar_passes_larks_strict_mode():
    """No conflict in the tables, no two terminals of one priority that match the same text."""
    Lark(grammar_text(), parser="lalr", lexer="contextual", start=["template", "line"], strict=True)
    with pytest.raises(Exception, match="Shift/Reduce conflict"):
        Lark('start: a "x" | "x" "x"\na: "x"', parser="lalr", strict=True)


def test_no_state_of_the_parser_has_two_terminals_for_one_text():
    """Where two terminals could match, lark would choose by length and priority; here no choice arises."""
    reader = Lark(grammar_text(), parser="lalr", lexer="contextual", start=["template", "line"])
    patterns = {terminal.name: re.compile(terminal.pattern.to_regexp()) for terminal in reader.terminals}
    samples = [
        "##DELETE_BLANK_ROW##",
        "##DELETE_BLANK_ROW_##",
        "##LOOP##",
        "$LOOP_",
        "##LOOP_BEGIN##\n",
        "##LOOP_BEGIN##",
        "##LOOP_END##\n",
        "##NOTE##",
        "<$_A_$>",
        "[$_A_$]",
        "{$_A_$}",
        "\n",
        "文",
        "[文",
        "#",
        "$",
    ]
    lexers = reader.parser.lexer.lexers.values()
    assert lexers
    for lexer in lexers:
        for sample in samples:
            matching = [
                terminal.name for terminal in lexer.terminals if patterns[terminal.name].match(sample)
            ]
            assert len(matching) <= 1, (sample, matching)


@pytest.mark.parametrize(
    "source",
    ["<$_" + "A" * 60_000, "<$_" + "A" * 60_000 + "_$]", "<$_" + "a" * 60_000 + "_$>", "$_" + "A" * 60_000],
    ids=["not closed", "another bracket", "small letters", "no brackets"],
)
def test_a_message_repeats_little_of_a_long_name(source):
    """The mend is shown with the beginning of the name: an error is read by people."""
    with pytest.raises(TemplateError) as error:
        parse(source)
    assert len(str(error.value)) < 500
