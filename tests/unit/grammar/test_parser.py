"""Source to tree: what the grammar takes, and that it takes it whole."""

import re

import pytest
from lark import Lark

from grammar.ast import Condition, Directive, Field, Filter, If, Loop, Marker, Row, Template, Text
from grammar.errors import TemplateError
from grammar.limits import MAX_DEPTH, MAX_SOURCE
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
            items=(
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


def test_filters_become_nodes_with_their_places():
    """From the sign to the next or to the field's end everything is the argument's own, spaces included."""
    source = "合計：{$_TOTAL|sum|default: _$ ##x／:|yen_$}"
    (row,) = parse(source).items
    assert row.pieces[1] == Field(
        span=span(3, 40),
        name="TOTAL",
        brackets="{}",
        filters=(
            Filter(span=span(12, 15), name="sum", argument=None),
            Filter(span=span(16, 33), name="default", argument=" _$ ##x／:"),
            Filter(span=span(34, 37), name="yen", argument=None),
        ),
    )
    assert row.pieces[1].key == "TOTAL|sum|default: _$ ##x／:|yen"
    assert [str(each) for each in row.pieces[1].filters] == ["sum", "default: _$ ##x／:", "yen"]


def test_an_argument_may_be_empty_and_is_then_still_one():
    """`join:` is not `join`: what that means is said by the filter, not by the grammar."""
    (field,) = parse_line("<$_ITEM_NM|join:_$>").items[0].pieces
    assert [each.argument for each in field.filters] == [""]
    assert str(field) == "<$_ITEM_NM|join:_$>"


def test_an_argument_may_end_in_an_underscore():
    """The field's end is the last that can be read as one."""
    (field,) = parse_line("<$_ITEM_NM|join:__$>").items[0].pieces
    assert [each.argument for each in field.filters] == ["_"]


def test_a_condition_keeps_its_markers_its_question_and_both_sides():
    """The markers take their newlines, and the condition is a part of the opening one."""
    source = "##IF [$_DEL_OPTION|kana_$] != 宅配 便=#1##\n--\n##ELSE##\n##END_IF##"
    assert parse(source).items == (
        If(
            span=span(0, 62),
            opening=Marker(span=span(0, 40), spelling="##IF [$_DEL_OPTION|kana_$] != 宅配 便=#1##\n"),
            condition=Condition(
                span=span(5, 37),
                field=Field(
                    span=span(5, 26),
                    name="DEL_OPTION",
                    filters=(Filter(span=span(19, 23), name="kana", argument=None),),
                    brackets="[]",
                ),
                operator="!=",
                text="宅配 便=#1",
            ),
            items=(
                Row(
                    span=span(40, 43),
                    directives=(),
                    pieces=(Text(span=span(40, 42), text="--"),),
                    newline="\n",
                ),
            ),
            middle=Marker(span=span(43, 52), spelling="##ELSE##\n"),
            others=(),
            closing=Marker(span=span(52, 62), spelling="##END_IF##"),
        ),
    )


@pytest.mark.parametrize(
    ("spelling", "operator", "text"),
    [
        ("<$_A_$>", "", ""),
        ("<$_A_$> = x", "=", "x"),
        ("<$_A_$> != x = y", "!=", "x = y"),
        ("<$_A_$> = = x", "=", "= x"),
        ("<$_A|default:a = b_$> = c", "=", "c"),
        ("<$_A_$> = #1 # x", "=", "#1 # x"),
        ("<$_A_$> = $_B", "=", "$_B"),
    ],
)
def test_a_condition_is_read_to_its_two_hashes(spelling, operator, text):
    """The text may hold signs of equality, a single # and whatever else is no field."""
    (block,) = parse(f"##IF {spelling}##\n##END_IF##\n").items
    assert (block.condition.operator, block.condition.text) == (operator, text)
    assert (str(block.condition), block.middle, block.others) == (spelling, None, ())


def test_blocks_stand_in_blocks():
    """IFs and loops may be mixed; what may not be, such as a loop over orders in another, analysis knows."""
    source = (
        "##LOOP_BEGIN##\n##IF <$_OPTION_$>##\n##LOOP_BEGIN##\nx\n##LOOP_END##\n##END_IF##\n##LOOP_END##\n"
    )
    (outer,) = parse(source).items
    (middle,) = outer.items
    (inner,) = middle.items
    assert [type(each) for each in (outer, middle, inner)] == [Loop, If, Loop]
    assert [str(row) for row in parse(source).rows] == ["x\n"]


@pytest.mark.parametrize("opening", ["##IF <$_A_$>##\n", "##LOOP_BEGIN##\n"])
@pytest.mark.parametrize("closed", [True, False])
def test_the_first_block_that_is_too_deep_ends_the_reading(opening, closed):
    """Thousands of blocks in blocks neither recurse nor cost anything: reading stops at the ninth."""
    closing = "##END_IF##\n" if "IF" in opening else "##LOOP_END##\n"
    deepest = opening * MAX_DEPTH + closing * MAX_DEPTH
    assert str(parse(deepest * 2)) == deepest * 2
    count = MAX_SOURCE // len(opening + closing)
    with pytest.raises(TemplateError, match=r"^深:9:1: blocks .* more than 8 deep \(MAX_DEPTH\)") as error:
        parse(opening * count + (closing * count if closed else ""), name="深")
    assert error.value.kind == "limit"


def test_both_sides_of_a_condition_are_as_deep():
    """##ELSE## opens nothing: it neither counts as a block nor hides one."""
    source = "##IF <$_A_$>##\n##ELSE##\n" * MAX_DEPTH + "##END_IF##\n" * MAX_DEPTH
    assert str(parse(source)) == source
    with pytest.raises(TemplateError) as error:
        parse("##IF <$_A_$>##\n##ELSE##\n" + source)
    assert (error.value.kind, error.value.line) == ("limit", 2 * MAX_DEPTH + 1)


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
    [
        "\n" * MAX_SOURCE,
        "[" * MAX_SOURCE,
        "#" * MAX_SOURCE,
        "_$" * (MAX_SOURCE // 2),
        "<$_A_$>" * 9_362,
        "<$_A" + "|b" * 32_700 + "_$>",
        "<$_A|b:" + "<:_$[" * 13_000 + "_$>",
        "##IF <$_A_$> = " + "# " * 32_000 + "x##\n##END_IF##",
        "##IF <$_A_$>##\n##END_IF##\n" * 2_500,
    ],
    ids=[
        "rows",
        "brackets",
        "hashes",
        "dollars",
        "fields",
        "filters",
        "an argument",
        "a condition",
        "conditions",
    ],
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
        "##IF <$_A_$>##\n",
        "##IF <$_A|b:c_$> != d##",
        "##ELSE##\n",
        "##END_IF##",
        "##NOTE##",
        "<$_A_$>",
        "[$_A_$]",
        "{$_A_$}",
        "<$_A|b|c:d_$>",
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
    [
        "<$_" + "A" * 60_000,
        "<$_" + "A" * 60_000 + "_$]",
        "<$_" + "a" * 60_000 + "_$>",
        "$_" + "A" * 60_000,
        "<$_A" + "|b" * 30_000,
        "<$_A" + "|b" * 30_000 + "|_$>",
        "<$_A|" + "B" * 60_000 + "_$>",
        "<$_A|b:" + "c" * 60_000,
        "##IF" + "A" * 60_000,
        "##IF <$_A_$> = " + "x" * 60_000,
        "##IF <$_A_$> = " + "x" * 60_000 + "##x",
        "##IF <$_A_$> " + "x" * 60_000 + "##",
        "##IF <$_A_$> " + "=" * 60_000 + " x##",
        "##IF" + " " * 60_000 + "<$_A_$>##",
        "##IF " + "X" * 60_000 + "##",
        "##IF <$_A_$> = " + "x" * 60_000 + "##\n",
        "##IF <$_A_$> =" + " " * 60_000 + "x##\n",
        "##IF <$_A|b:" + "c" * 60_000 + "_$> ##\n",
        "##IF <$_A_$> = " + "x" * 60_000 + "##\n##LOOP_END##",
    ],
    ids=[
        "not closed",
        "another bracket",
        "small letters",
        "no brackets",
        "filters not closed",
        "a filter without a name",
        "a filter in capitals",
        "an argument not closed",
        "a long directive",
        "a condition not closed",
        "a condition beside text",
        "no comparison",
        "a long operator",
        "spaces before a field",
        "no field",
        "a long condition without an end",
        "spaces before a text",
        "an argument in a condition",
        "a long condition closed as a loop",
    ],
)
def test_a_message_repeats_little_of_a_long_name(source):
    """The mend is shown with the beginning of the name: an error is read by people."""
    with pytest.raises(TemplateError) as error:
        parse(source)
    assert len(str(error.value)) < 500
