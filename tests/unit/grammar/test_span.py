"""Places and excerpts: the caret must stand under what it means, in a terminal."""

from grammar.span import EXCERPT_COLUMNS, Span, columns, excerpt, line_and_column


def test_lines_end_at_newlines_only():
    """Other separators do not count as rows, or editors and messages would disagree."""
    source = "a\u2028b\x0bc\rd\n送料"
    assert line_and_column(source, len(source)) == (2, 3)
    assert line_and_column(source, 6) == (1, 7)


def test_the_caret_counts_full_width_characters_twice_and_combining_ones_never():
    """A caret placed by characters would stand half way along a Japanese row."""
    assert columns("注文No.") == 7
    assert columns("か\u3099") == 2
    assert excerpt("氏名：<$_X_$>様", Span(start=3, end=10)) == "  氏名：<$_X_$>様\n        ^^^^^^^"


def test_characters_that_cannot_be_seen_are_replaced():
    """An excerpt goes to a terminal: no escape sequence and no surrogate may reach it."""
    assert excerpt("\x1b[2J\ud800\tx", Span(start=6, end=7)) == "  �[2J� x\n        ^"


def test_a_long_row_is_cut_around_the_place():
    """The caret is still right, and what is left out is marked."""
    row, caret = excerpt("あ" * 500 + "<$_X_$>" + "い" * 500, Span(start=500, end=507)).split("\n")
    assert columns(row) <= EXCERPT_COLUMNS + 4
    assert columns(row.split("<")[0]) == columns(caret.split("^")[0])
    assert (row.strip()[0], row.strip()[-1], caret.count("^")) == ("…", "…", 7)


def test_the_end_of_a_source_is_a_place():
    """What is missing at the end is shown behind the last character."""
    assert excerpt("a\n", Span(start=2, end=3)) == "  \n  ^"
