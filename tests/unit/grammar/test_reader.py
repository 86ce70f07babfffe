"""Reading back: what a mail says, where it parts from its template, and how a misreading is told."""

import sys
import unicodedata
from decimal import Decimal
from typing import Any

import pytest

from grammar import compile_template, load_catalogue, parse, parse_line
from grammar.limits import MAX_OUTPUT, MAX_REPETITIONS
from grammar.reader import Reader, ReadingError, compile_reader
from grammar.reader.label import labels_of
from grammar.reader.misreading import MAX_MISREADINGS, Misreading
from grammar.reader.pattern import row_pattern
from tests.support.records import sample_document

CATALOGUE = load_catalogue()
CROSS_MALL = (
    "以下の注文内容が届いております。\n\n[注文番号] <$_PACK_NO_$>\n[注文日時] <$_ORDER_DATE_$>\n\n"
    "[備考]\n##DELETE_BLANK_ROW##$LOOP_<$_DEL_MEMO_$>\n\n[送料] <$_DELIVERY_FEE|comma_$>円\n"
    "##LOOP_BEGIN##\n\n[商品名] <$_ITEM_NM_$>\n##DELETE_BLANK_ROW##[オプション] <$_OPTION_$>\n"
    "[数量] <$_ORDER_QTY_$>\n##LOOP_END##\n"
)


def reader_of(source: str, unit: Any = "pack") -> Reader:
    return compile_reader(parse(source), catalogue=CATALOGUE, unit=unit)


def record_of(orders: int = 2, **pack: Any):
    document = sample_document(orders=orders)
    changes = pack.pop("each_order", [])
    document["pack"].update(pack)
    for order, change in zip(document["pack"]["orders"], changes, strict=False):
        order.update(change)
    return CATALOGUE.record(document)


def misread(source: str, **pack: Any) -> list[tuple[Any, ...]]:
    """The misreadings of the mail that the sample pack makes, with some of its values replaced."""
    record = record_of(**pack)
    text = compile_template(parse(source), catalogue=CATALOGUE, unit="pack")(record)
    found = reader_of(source).misreadings(text, record)
    return [
        (each.kind, each.row, each.field, each.order, each.element, each.expected, each.read)
        for each in found
    ]


def refused(source: str, text: str) -> tuple[int, int, str, str, str]:
    with pytest.raises(ReadingError) as caught:
        reader_of(source).read(text)
    error = caught.value
    assert str(error) == f"row {error.row}, column {error.column}: {error.message}"
    return error.row, error.column, error.message, error.expected, error.found


def test_a_mail_gives_its_values_back():
    """As they were printed: of the pack, of lists, of each order; a row that is missing gives nothing."""
    text = (
        "以下の注文内容が届いております。\n\n[注文番号] 123456789\n[注文日時] 2026-11-21 10:15:00\n\n"
        "[備考]\nのし不要\n置き配希望\n\n[送料] 1,500円\n"
        "\n[商品名] 長袖Tシャツ\n[オプション] 色:赤\n[数量] 2\n\n[商品名] \n[数量] 1\n"
    )
    reading = reader_of(CROSS_MALL).read(text)
    assert reading.fields == {
        "PACK_NO": "123456789",
        "ORDER_DATE": "2026-11-21 10:15:00",
        "DELIVERY_FEE|comma": "1,500",
    }
    assert reading.elements == {"DEL_MEMO": ("のし不要", "置き配希望")}
    assert reading.orders == (
        {"ITEM_NM": "長袖Tシャツ", "OPTION": "色:赤", "ORDER_QTY": "2"},
        {"ITEM_NM": "", "ORDER_QTY": "1"},
    )
    assert reading.document(CATALOGUE) == {
        "pack": {
            "pack_no": "123456789",
            "ordered_at": "2026-11-21 10:15:00",
            "delivery_fee": Decimal(1500),
            "memos": ["のし不要", "置き配希望"],
            "orders": [{"item_name": "長袖Tシャツ", "option": "色:赤", "qty": 2}, {"qty": 1}],
        }
    }


def test_the_last_newline_may_be_missing():
    """Some mail programs take it away."""
    reader = reader_of("[a] <$_PACK_NO_$>\n[b] <$_SELLER_ID_$>\n")
    assert reader.read("[a] 1\n[b] 2") == reader.read("[a] 1\n[b] 2\n")


def test_a_subject_is_read_like_a_row():
    """Templates of one row have readers too."""
    template = parse_line("Qoo10の注文のお知らせです。(注文番号:<$_PACK_NO_$>)")
    reader = compile_reader(template, catalogue=CATALOGUE, unit="pack")
    assert reader.read("Qoo10の注文のお知らせです。(注文番号:12)3)").fields == {"PACK_NO": "12)3"}


def test_a_template_of_one_order_gives_one_order():
    """Fields of the order stand anywhere there."""
    reader = reader_of("[注文] <$_ORDER_NO_$> / <$_PACK_NO_$>\n", unit="order")
    reading = reader.read("[注文] 1000000001 / 123456789\n")
    assert (reading.fields, reading.orders) == ({"PACK_NO": "123456789"}, ({"ORDER_NO": "1000000001"},))


@pytest.mark.parametrize(
    ("text", "fields"),
    [
        ("コンビニ払いです\n\n終\n", {"PAYMENT_METHOD": "コンビニ", "DEL_OPTION": ""}),
        ("[支払] 代引\n[配送] 宅配便\n終\n", {"PAYMENT_METHOD": "代引", "DEL_OPTION": "宅配便"}),
    ],
)
def test_a_condition_tells_a_value_that_is_printed_nowhere(text, fields):
    """The way that was taken says what the field is, or that it is blank."""
    source = (
        "##IF <$_PAYMENT_METHOD_$> = コンビニ##\nコンビニ払いです\n##ELSE##\n[支払] <$_PAYMENT_METHOD_$>\n"
        "##END_IF##\n##IF <$_DEL_OPTION_$>##\n[配送] <$_DEL_OPTION_$>\n##ELSE##\n\n##END_IF##\n終\n"
    )
    assert reader_of(source).read(text).fields == fields


def test_nested_ways_are_read_as_they_are_printed():
    """A loop in a way of an IF, an IF in a block: each mail of the four combinations is proved."""
    source = (
        "##IF <$_DEL_MEMO_$>##\n[備考]\n##DELETE_BLANK_ROW##$LOOP_<$_DEL_MEMO_$>\n##ELSE##\n無し\n"
        "##END_IF##\n##LOOP_BEGIN##\n[商品] <$_ITEM_NM_$>\n##IF <$_OPTION_$> != 無##\n"
        "##IF <$_OPTION_$>##\n・選択 <$_OPTION_$>\n##END_IF##\n##END_IF##\n##LOOP_END##\n"
    )
    for memos in ([], ["一", "", "二"]):
        for option in ("", "赤", "無"):
            assert misread(source, memos=memos, each_order=[{"option": option}, {"option": "白"}]) == []


def test_fields_with_nothing_between_them_are_read_as_one():
    """Neither is given back, and the mail is proved all the same: what is printed is what is read."""
    source = "[名] <$_PACK_NO_$><$_SELLER_ID_$>\n"
    assert misread(source) == []
    assert reader_of(source).read("[名] あい\n").fields == {}


@pytest.mark.parametrize(
    ("memo", "label"),
    [
        ("[注文番号] 999", "[注文番号]"),
        ("　 [注文番号]999", "[注文番号]"),
        ("\u200b\u2060[注文番号] 999", "[注文番号]"),
        ("[備考]", "[備考]"),
        ("以下の注文内容が届いております。", "以下の注文内容が届いております。"),
        ("以下の注文内容が届いております。\u200b\xad\ufe0f", "以下の注文内容が届いております。"),
        ("\u3164\u115f[備考]", "[備考]"),
        ("\u2800\ufe0f\U000e0100[備考]", "[備考]"),
    ],
)
def test_a_memo_that_begins_with_a_label_is_a_misreading(memo, label):
    """White space and invisible characters do not hide it; the blank memo before it counts as an element."""
    assert misread(CROSS_MALL, memos=["一", "", memo]) == [
        ("label", 8, "DEL_MEMO", None, 2, memo, label),
    ]


@pytest.mark.parametrize(
    "memo", ["［注文番号］ 1", "注文番号 1", "※[注文番号]", "以下の注文内容が届いております。か"]
)
def test_a_memo_that_only_resembles_a_label_is_none(memo):
    """A decorated label, a part of one, one further on, a longer row than a heading."""
    assert misread(CROSS_MALL, memos=[memo]) == []


def test_a_label_of_words_ends_with_its_word():
    """計 with a space behind it is no label of 計算; without one in the template it is."""
    assert misread("計 <$_DELIVERY_FEE_$>\n<$_DEL_OPTION_$>\n", delivery_option="計算") == []
    assert misread("計 <$_DELIVERY_FEE_$>\n<$_DEL_OPTION_$>\n", delivery_option="計 9") == [
        ("label", 2, "DEL_OPTION", None, None, "計 9", "計")
    ]
    assert misread("計<$_DELIVERY_FEE_$>\n<$_DEL_OPTION_$>\n", delivery_option="計算") == [
        ("label", 2, "DEL_OPTION", None, None, "計算", "計")
    ]


def test_a_value_may_end_a_label_that_the_row_begins():
    """The head of the row is a part of a longer label; the row's own label does no harm."""
    source = "注文<$_DEL_OPTION_$>\n注文番号:<$_PACK_NO_$>\n"
    assert misread(source, delivery_option="番号") == []
    assert misread(source, delivery_option="番号:9") == [
        ("label", 1, "DEL_OPTION", None, None, "番号:9", "注文番号:")
    ]


def test_a_row_that_ends_the_text_is_no_longer_label():
    """乙 alone at the end of a mail without a newline is not 乙:."""
    assert misread("乙:<$_PACK_NO_$>\n乙<$_DELIVERY_FEE_$>", delivery_fee=None) == []


def test_every_forged_label_is_told():
    """With the index of the order where it belongs to one, up to a limit."""
    source = "##LOOP_BEGIN##\n■商品\n<$_ITEM_NM_$>\n##LOOP_END##\n"
    names = [{"item_name": "■商品"}, {"item_name": "よい"}, {"item_name": "■商品　"}]
    assert misread(source, orders=3, each_order=names) == [
        ("label", 2, "ITEM_NM", 0, None, "■商品", "■商品"),
        ("label", 6, "ITEM_NM", 2, None, "■商品　", "■商品"),
    ]
    assert len(misread(CROSS_MALL, memos=["[備考]"] * 99)) == MAX_MISREADINGS


def test_a_longer_label_is_found_first_and_a_shorter_one_where_it_does_not_reach():
    """Headings that begin alike: each only as a whole row; a label by its beginning is there in any case."""
    rows = parse("■\n甲\n甲乙\n甲乙丙\n甲乙丙丁\n甲:\n乙丁\n").rows
    labels = labels_of(map(row_pattern, rows))
    texts = ("甲乙丙", "甲乙", "甲", "甲乙丙x", "甲:x", "甲乙:", "乙", "乙丁丁", "乙丁", "", "丙", "あ")
    assert [labels.found(text, 0) for text in texts] == [
        *("甲乙丙", "甲乙", "甲", "", "甲:", "", "", "", "乙丁", "", "", "")
    ]
    assert labels.found("x\n甲乙\n甲", 2) == "甲乙"
    assert labels.found("甲乙丙", 0, longer_than=3) == ""


def test_many_labels_cost_no_more_than_few():
    """Two hundred headings that begin alike, and as many memos as may be: each is looked at once."""
    headings = "".join("あ" * length + "\n" for length in range(1, 200))
    memos = ["あ" * 90 + "x"] * 9_900
    assert misread(f"{headings}##LOOP##<$_DEL_MEMO_$>\n以上\n", memos=memos) == []


def test_telling_ends_with_the_last_misreading_that_is_told():
    """Of as many forged labels as a mail may have: what is not told is not looked for."""
    found = misread(CROSS_MALL, memos=["", "[備考]"] * (MAX_REPETITIONS // 2 - 2))
    assert [element for *_, element, _, _ in found] == [2 * number + 1 for number in range(MAX_MISREADINGS)]


@pytest.mark.parametrize(
    ("orders", "found"),
    [
        ([{"option": "赤"}, {"option": "白"}], []),
        ([{"option": ""}, {"option": ""}], []),
        ([{"option": "赤"}, {"option": ""}], [("orders", 3, "", None, None, "2", "1")]),
        (
            [{"option": ""}, {"option": "赤"}],
            [("structure", 3, "OPTION", 1, None, "[乙] 赤", "[乙] <$_OPTION_$>")],
        ),
    ],
)
def test_rows_of_orders_that_may_be_missing_are_right_when_all_or_none_is_there(orders, found):
    """Otherwise nobody can tell whose they are: both of the last two print the same."""
    source = "##LOOP##[甲] <$_ITEM_NM_$>\n##DELETE_BLANK_ROW####LOOP##[乙] <$_OPTION_$>\n"
    assert misread(source, each_order=orders) == found


def test_orders_of_which_nothing_is_printed_are_missed():
    """A block that prints nothing for the last orders: the mail would be read as that of fewer."""
    source = "[甲] <$_PACK_NO_$>\n##LOOP_BEGIN##\n##DELETE_BLANK_ROW##[乙] <$_OPTION_$>\n##LOOP_END##\n"
    options = [{"option": option} for option in ("赤", "", "")]
    assert misread(source, orders=3, each_order=options) == [("orders", 2, "", None, None, "3", "1")]
    assert misread(source, orders=3, each_order=options[1:] + options[1:2]) == []


def test_a_loop_that_prints_nothing_does_not_tell_how_many_orders_there_are():
    """The other loops do."""
    source = (
        "##LOOP##[甲] <$_ITEM_NM_$>\n##DELETE_BLANK_ROW####LOOP##[乙] <$_OPTION_$>\n"
        "##LOOP_BEGIN##\n##DELETE_BLANK_ROW##[丙] <$_ORDER_NO_$>\n##LOOP_END##\n"
    )
    assert reader_of(source).read("[甲] 一\n[甲] 二\n").orders == ({"ITEM_NM": "一"}, {"ITEM_NM": "二"})
    source = "##LOOP##[甲] <$_ITEM_NM_$>\n##LOOP##[乙] <$_OPTION_$>\n"
    assert refused(source, "[甲] 一\n")[3:] == ("1 orders", "0")


def test_a_mail_is_proved_as_it_is_sent_with_a_newline_at_its_end():
    """The last row without one would be told from the loop before it by that alone."""
    source = "##LOOP##・<$_DEL_MEMO_$>\n・<$_DEL_OPTION_$>"
    assert misread(source, memos=["一"], delivery_option="二") == [
        ("structure", 3, "", None, None, "", "・")  # both rows are read as memos, and none is left
    ]
    error = (3, 1, "the text ends too early", "・", "")
    assert refused(source, "・一\n・二") == refused(source, "・一\n・二\n") == error


def test_which_way_was_taken_is_not_told_where_more_rows_may_follow_than_are_looked_at():
    """Both ways may print nothing, and then nothing tells them apart."""
    fields = ["PACK_NO", "BUYER_NM"]
    rows = ["".join(f"##DELETE_BLANK_ROW##{name}{n} <$_{name}_$>\n" for n in range(40)) for name in fields]
    source = f"##IF <$_DEL_OPTION_$> != 置##\n{rows[0]}##ELSE##\n{rows[1]}##END_IF##\n"
    assert "DEL_OPTION" not in reader_of(source).read("").fields


@pytest.mark.parametrize("separator", ["", "/", "\n"])
def test_a_template_has_as_many_fields_as_its_source_holds(separator):
    """Thousands on one row, joined or parted, or each on its own: nothing made of them is that deep."""
    source = "[甲] " + separator.join(["<$_PACK_NO_$>"] * 4_600) + "\n"
    assert misread(source, pack_no="1") == []


def test_a_value_that_holds_its_separator_is_read_wrongly():
    """Both fields of the row are told."""
    assert misread(
        "[住所] <$_ADDRESS1_$> <$_ADDRESS2_$>\n",
        receiver={"address1": "見本県 見本市", "address2": "1-2"},
    ) == [
        ("value", 1, "ADDRESS1", None, None, "見本県 見本市", "見本県"),
        ("value", 1, "ADDRESS2", None, None, "1-2", "見本市 1-2"),
    ]


def test_an_item_name_with_parentheses_takes_the_place_of_a_code():
    """What next_engine readers do with `(…)`: told for the order where it stands."""
    source = "##LOOP##[商品] <$_ITEM_NM_$>(<$_SELLER_ITEM_CODE_$>)\n"
    found = misread(source, each_order=[{"item_name": "Tシャツ(キッズ用)"}])
    assert found == [
        ("value", 1, "ITEM_NM", 0, None, "Tシャツ(キッズ用)", "Tシャツ"),
        ("value", 1, "SELLER_ITEM_CODE", 0, None, "TS-RED-M", "キッズ用)(TS-RED-M"),
    ]
    mended = source.replace("ITEM_NM_", "ITEM_NM|paren_")
    assert misread(mended, each_order=[{"item_name": "Tシャツ(キッズ用)"}]) == []


def test_a_row_that_is_read_as_another_part_is_told():
    """The other way of an IF, or its text, which is then a label."""
    source = "##IF <$_DEL_OPTION_$>##\n[選択] <$_DEL_OPTION_$>\n##ELSE##\n[選択] <$_PACK_NO_$>\n##END_IF##\n"
    assert misread(source, delivery_option="") == [
        ("structure", 1, "PACK_NO", None, None, "[選択] 123456789", "[選択] <$_DEL_OPTION_$>")
    ]
    source = source.replace("<$_PACK_NO_$>", "なし")
    assert misread(source, delivery_option="") == []
    assert misread(source, delivery_option="なし") == [
        ("label", 1, "DEL_OPTION", None, None, "なし", "[選択] なし")
    ]


def test_a_row_that_may_be_missing_gives_way_to_the_special_one():
    """`・` begins what follows; where both may be meant, the row after it decides."""
    source = "##DELETE_BLANK_ROW##<$_DEL_OPTION_$>\n・<$_PAYMENT_METHOD_$>\n終\n"
    assert misread(source, delivery_option="", payment_method="代引") == []
    assert misread(source, delivery_option="・急ぎ", payment_method="代引") == []
    source = source.replace("終\n", "<$_PACK_NO_$>\n")
    assert misread(source, delivery_option="・急ぎ", payment_method="代引") == [
        ("structure", 3, "PACK_NO", None, None, "123456789", "")  # here the template has come to its end
    ]


def test_text_that_is_not_the_records_mail_is_never_proved():
    """Another text, no text, a longer text, too long a text: each is told and nothing is raised."""
    record = record_of()
    reader = reader_of("[a] <$_PACK_NO_$>\n##LOOP##[b] <$_ITEM_NM_$>\n")
    mail = "[a] 123456789\n[b] 長袖Tシャツ\n[b] マグカップ\n"
    assert reader.misreadings(mail, record) == ()
    for text in (
        "",
        "x",
        mail[:-1] + "x\n",
        mail + "\n",
        mail + "[b] x\n",
        "[b] x\n" * MAX_REPETITIONS,
        mail[6:],
    ):
        assert reader.misreadings(text, record)
    assert reader.misreadings("x" * (MAX_OUTPUT + 1), record) == (
        Misreading(
            kind="structure",
            row=1,
            field="PACK_NO",
            order=None,
            element=None,
            expected="[a] 123456789",
            read=f"the text is longer than {MAX_OUTPUT} characters (MAX_OUTPUT)",
        ),
    )


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("[注文番号] 1\n[送ろ] 5\n", (2, 3, "the text is not what the template prints", "[送料] ", "ろ] 5")),
        ("[注文番号] 1\n", (2, 1, "the text ends too early", "[送料] ", "")),
        ("", (1, 1, "the text ends too early", "[注文番号] ", "")),
        ("[注文番号] 1\n[送料] 5\n以上\n\n", (4, 1, "the template ends here, and the text goes on", "", "")),
        (
            "[注文番号] 1\n[送料] 5\n[送料] 6\n以上\n",
            (
                3,
                1,
                "the row begins with the label [送料], and the template has a value there",
                "<$_DEL_MEMO_$>",
                "[送料] 6",
            ),
        ),
    ],
)
def test_an_error_names_the_first_place_where_text_and_template_part(text, error):
    """With what the template has there and what the text has."""
    source = "[注文番号] <$_PACK_NO_$>\n[送料] <$_DELIVERY_FEE_$>\n##LOOP##<$_DEL_MEMO_$>\n以上\n"
    assert refused(source, text) == error


def test_the_way_that_the_text_follows_furthest_is_named():
    """Of a block that may end and the row behind it, the block's third row is what failed."""
    source = "##LOOP_BEGIN##\n[a] <$_ITEM_NM_$>\n[b] <$_ORDER_QTY_$>\n[c] <$_TOTAL_$>\n##LOOP_END##\n[終]\n"
    text = "[a] 1\n[b] 2\n[c] 3\n[a] 1\n[b] 2\n[x] 3\n[終]\n"
    assert refused(source, text)[:4] == (6, 2, "the text is not what the template prints", "[c] ")


def test_a_field_that_stands_twice_must_say_the_same():
    """Otherwise one of the two is not the pack's."""
    assert refused("[a] <$_PACK_NO_$>\n[b] <$_PACK_NO_$>\n", "[a] 1\n[b] 2\n") == (
        2,
        1,
        "PACK_NO stands twice and does not say the same",
        "1",
        "2",
    )
    source = "##LOOP##・<$_DEL_MEMO_$>\n終\n##LOOP##※<$_DEL_MEMO_$>\n"
    assert refused(source, "・一\n終\n※二\n")[2] == "DEL_MEMO is listed twice and not alike"
    assert reader_of(source).read("・一\n終\n※一\n").elements == {"DEL_MEMO": ("一",)}


def test_loops_over_the_orders_must_run_equally_often():
    """Else nobody knows which row belongs to which order."""
    source = "##LOOP##[a] <$_ITEM_NM_$>\n##DELETE_BLANK_ROW####LOOP##[b] <$_OPTION_$>\n"
    assert reader_of(source).read("[a] 一\n[a] 二\n[b] い\n[b] ろ\n").orders == (
        {"ITEM_NM": "一", "OPTION": "い"},
        {"ITEM_NM": "二", "OPTION": "ろ"},
    )
    assert refused(source, "[a] 一\n[a] 二\n[b] ろ\n") == (
        3,
        1,
        "the loops over the orders do not run equally often: whose a row is, is not known",
        "2 orders",
        "1",
    )


def test_limits_are_named():
    """The reader stops where rendering would have."""
    source = "##LOOP##・<$_DEL_MEMO_$>\n"
    assert len(reader_of(source).read("・\n" * MAX_REPETITIONS).elements["DEL_MEMO"]) == MAX_REPETITIONS
    assert refused(source, "・\n" * (MAX_REPETITIONS + 1))[:3] == (
        MAX_REPETITIONS + 1,
        1,
        f"the loops repeat more than {MAX_REPETITIONS} times (MAX_REPETITIONS)",
    )
    assert refused(source, "・" * (MAX_OUTPUT + 1))[2] == (
        f"the text is longer than {MAX_OUTPUT} characters (MAX_OUTPUT)"
    )


MANY = 500_000


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("<$_PACK_NO_$> - <$_BUYER_NM_$> - <$_SELLER_ID_$>円\n", " -" * MANY + "\n"),
        ("[a] <$_PACK_NO_$>" + "円" * 60 + "銭\n", "[a] " + "円" * MANY + "\n"),
        ("[a] <$_PACK_NO_$>" + "円" * 9_000 + "銭<$_SELLER_ID_$>\n", "[a] " + "円" * MANY + "\n"),
        ("##DELETE_BLANK_ROW##<$_PACK_NO_$>\n" * 40 + "終\n", "x\n" * 39),
        ("##DELETE_BLANK_ROW##a<$_PACK_NO_$>b\n" * 40 + "終\n", "ab" * MANY),
        ("##LOOP####DELETE_BLANK_ROW##<$_DEL_MEMO_$>\n終\n", " " * MANY + "\n終\n"),
        ("##IF <$_PACK_NO_$>##\na\n##ELSE##\nb\n##END_IF##\n" * 200, "a\n" * 199 + "c\n"),
        ("##LOOP_BEGIN##\n##LOOP##<$_DEL_MEMO_$>\n[a] <$_ITEM_NM_$>\n##LOOP_END##\n", "x\n" * 9_999),
        ("##IF <$_PACK_NO_$>##\n" * 8 + "a\n" + "##ELSE##\nb\n##END_IF##\n" * 8, "c\n"),
    ],
)
def test_near_misses_are_refused_without_going_back(source, text):
    """Each of these would cost hours to a reader that tries all ways; it ends at once or not at all."""
    with pytest.raises(ReadingError):
        reader_of(source).read(text)


def test_compiling_bounds_what_a_hostile_template_costs():
    """As many rows that may be missing as a source can hold; a row is read as the first that it may be."""
    reader = reader_of("##DELETE_BLANK_ROW##<$_PACK_NO_$>\n" * 400)
    assert reader.read("x\n" * 400).fields == {"PACK_NO": "x"}
    with pytest.raises(ReadingError, match="the text goes on"):
        reader.read("x\n" * 401)


def test_no_character_that_cannot_be_seen_hides_a_label():
    """The ranges are what this Python's Unicode says of white space and of category Cf, and some more.

    What Default_Ignorable_Code_Point has beside them (DerivedCoreProperties.txt), and the blank of Braille.
    """
    unseen = [
        char
        for char in map(chr, range(sys.maxunicode + 1))
        if (unicodedata.category(char) == "Cf" or char.isspace()) and char != "\n"
    ]
    labels = labels_of([row_pattern(next(parse("[a] <$_PACK_NO_$>").rows))])
    assert [char for char in unseen if not labels.found(f"{char}[a] 1", 0)] == []
    spare = labels.suspicious - set(unseen) - {"["}
    blank = {0x34F, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x2800, 0x3164, 0xFFA0, *range(0x180B, 0x1810)}
    blank.update(range(0xFE00, 0xFE10), range(0xE0100, 0xE01F0))  # variation selectors
    assert {char for char in spare if unicodedata.category(char) != "Cn"} == set(map(chr, blank)) - set(
        unseen
    )
