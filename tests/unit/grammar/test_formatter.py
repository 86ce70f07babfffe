"""One spelling for each marker, and not a character of the text changed."""

import pytest

from grammar.errors import TemplateError
from grammar.formatter import formatted
from grammar.limits import MAX_SOURCE
from grammar.parser import parse, parse_line


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("", ""),
        ("[注文番号] [$_PACK_NO_$]\n", "[注文番号] <$_PACK_NO_$>\n"),
        (
            "送料：{$_DELIVERY_FEE|comma|default:_$ {なし}_$}円",
            "送料：<$_DELIVERY_FEE|comma|default:_$ {なし}_$>円",
        ),
        ("##DELETE_BLANK_ROW_##$LOOP_{$_DEL_MEMO_$}", "##DELETE_BLANK_ROW####LOOP##<$_DEL_MEMO_$>"),
        ("##LOOP####DELETE_BLANK_ROW_##・<$_DEL_MEMO_$>\n", "##DELETE_BLANK_ROW####LOOP##・<$_DEL_MEMO_$>\n"),
        ("$LOOP_<$_ITEM_NM_$>", "##LOOP##<$_ITEM_NM_$>"),
        ("##LOOP##-- #\n", "##LOOP##-- #\n"),
        ("##DELETE_BLANK_ROW_###\n", "##DELETE_BLANK_ROW###\n"),
        (
            "##IF {$_DEL_OPTION|kana_$} = 宅配便##\n　速達 \n##ELSE##\n{$_DEL_MEMO_$}\n##END_IF##",
            "##IF <$_DEL_OPTION|kana_$> = 宅配便##\n　速達 \n##ELSE##\n<$_DEL_MEMO_$>\n##END_IF##",
        ),
        ("##LOOP_BEGIN##\n[$_ITEM_NM_$]\n##LOOP_END##", "##LOOP_BEGIN##\n<$_ITEM_NM_$>\n##LOOP_END##"),
        ("##IF [$_DEL_MEMO_$]##\n##END_IF##\n", "##IF <$_DEL_MEMO_$>##\n##END_IF##\n"),
    ],
)
def test_markers_get_their_one_spelling(source, expected):
    """Brackets, directives and conditions; what stands between them, and the last newline, stay."""
    assert formatted(parse(source)) == expected


@pytest.mark.parametrize(
    "source",
    [
        "[[$_PACK_NO_$]]",
        "<{$_PACK_NO_$}>",
        "{<$_PACK_NO_$>}",
        "$[$_PACK_NO_$]$",
        "_$[$_PACK_NO_$]",
        "#[$_PACK_NO_$]#",
        "##LOOP##[$_DEL_MEMO_$]",
        "##LOOP###[$_DEL_MEMO_$]",
        "[$_A_$]{$_B_$}<$_C_$>",
        "## 見出し ##  \t\r",
    ],
)
def test_text_beside_a_marker_stays_text(source):
    """Signs that look like parts of a marker do not become one when the marker beside them changes."""
    template = parse(source)
    result = parse(formatted(template))
    assert [[piece.text for piece in row.pieces if hasattr(piece, "text")] for row in result.rows] == [
        [piece.text for piece in row.pieces if hasattr(piece, "text")] for row in template.rows
    ]
    assert [field.key for row in result.rows for field in row.fields] == [
        field.key for row in template.rows for field in row.fields
    ]


def test_a_subject_is_formatted_too():
    """It is a template of one row."""
    source = "Qoo10の注文のお知らせです。(注文番号:{$_PACK_NO|left:20_$})"
    assert formatted(parse_line(source)) == "Qoo10の注文のお知らせです。(注文番号:<$_PACK_NO|left:20_$>)"


def test_what_would_be_too_long_is_refused():
    """`##LOOP##` is longer than `$LOOP_`: nobody gets a formatted template that cannot be read any more."""
    row = "$LOOP_<$_DEL_MEMO_$>\n"
    source = row * (MAX_SOURCE // len(row))
    with pytest.raises(TemplateError, match=r"^長:1:1: the template is longer .* \(MAX_SOURCE\)") as error:
        formatted(parse(source, name="長"))
    assert error.value.kind == "limit"
