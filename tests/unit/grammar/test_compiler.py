"""Rendering: every rule of the language on a mail that a person can check by eye."""

import tracemalloc
from typing import Any

import pytest

from grammar import TemplateError, compile_template, load_catalogue, parse, parse_line
from grammar.limits import MAX_FAULTS, MAX_OUTPUT, MAX_REPETITIONS, MAX_SEGMENT_FIELDS, MAX_SOURCE
from tests.support.records import sample_document


def rendered(
    source: str, *, unit: str = "pack", order: int | None = None, orders: int = 3, **pack: Any
) -> str:
    """The mail of the sample pack, with some of its values replaced."""
    catalogue = load_catalogue()
    document = sample_document(orders=orders)
    document["pack"].update(pack)
    record = catalogue.record(document)
    if order is not None:
        record = record.for_order(order)
    return compile_template(parse(source), catalogue=catalogue, unit=unit)(record)


def test_the_first_rows_of_the_cross_mall_template():
    """As the manual prints them, in the manual's spelling."""
    source = (
        "[注文番号] {$_PACK_NO_$}\n[注文日時] {$_ORDER_DATE_$}\n[配達希望日] {$_DEL_HOPE_DATE_YYYYMMDD_$}\n\n"
        "[備考]\n##DELETE_BLANK_ROW_##$LOOP_{$_DEL_MEMO_$}"
    )
    assert rendered(source, memos=["のし不要", "\u3000", "置き配希望"]) == (
        "[注文番号] 123456789\n[注文日時] 2026-11-21 10:15:00\n[配達希望日] 20261125\n\n"
        "[備考]\nのし不要\n置き配希望"
    )


def test_a_row_goes_when_all_its_fields_are_blank():
    """With its label and its newline; white space of any width is blank; one visible value keeps the row."""
    source = "甲\n##DELETE_BLANK_ROW##方法：<$_DEL_OPTION_$> <$_DEL_HOPE_DATE_TIME_ZONE_$>\n乙\n"
    assert rendered(source, delivery_option="\u3000\u00a0", hope_time_zone=None) == "甲\n乙\n"
    assert rendered(source, delivery_option="", hope_time_zone="午前") == "甲\n方法： 午前\n乙\n"


@pytest.mark.parametrize(
    ("source", "mail"), [("##DELETE_BLANK_ROW##　\n終", "終"), ("##DELETE_BLANK_ROW##-\n", "-\n")]
)
def test_without_a_field_the_text_decides(source, mail):
    """A row of nothing but white space goes, a row with text stays."""
    assert rendered(source) == mail


def test_a_row_repeats_over_the_list_on_it():
    """Blank elements print their row too, unless DELETE_BLANK_ROW stands there; other fields stay."""
    memos = ["一", "", "二"]
    assert (
        rendered("##LOOP##<$_PACK_NO_$>:<$_DEL_MEMO_$>。\n", memos=memos)
        == "123456789:一。\n123456789:。\n123456789:二。\n"
    )
    assert rendered("##LOOP####DELETE_BLANK_ROW##・<$_DEL_MEMO_$>\n", memos=memos) == "・一\n・二\n"
    assert rendered("甲\n##LOOP##<$_DEL_MEMO_$>\n乙", memos=[]) == "甲\n乙"


def test_a_row_with_an_orders_field_repeats_over_the_orders():
    """A list on such a row is printed as one text."""
    assert rendered("##LOOP##<$_ORDER_NO_$> <$_ITEM_NM_$> (<$_DEL_MEMO_$>)\n") == (
        "1000000001 長袖Tシャツ (のし不要 置き配希望)\n"
        "1000000002 マグカップ (のし不要 置き配希望)\n"
        "1000000003 手ぬぐい (のし不要 置き配希望)\n"
    )


@pytest.mark.parametrize(
    ("source", "mail"),
    [
        ("##LOOP##<$_DEL_MEMO_$>", "一\n\n二"),
        ("##LOOP####DELETE_BLANK_ROW##<$_DEL_MEMO_$>", "一\n二"),
        ("先\n##LOOP####DELETE_BLANK_ROW##<$_DEL_HOPE_DATE_TIME_ZONE_$><$_DEL_MEMO_$>", "先\n一\n二"),
    ],
)
def test_a_repeated_last_row_without_a_newline_keeps_its_rows_apart(source, mail):
    """The repetitions are parted as rows are, and the mail ends without a newline as the template does."""
    assert rendered(source, memos=["一", "", "二"], hope_time_zone="") == mail


def test_a_repeated_last_row_may_vanish():
    """Nothing is cut off the row before it."""
    assert rendered("先\n##LOOP####DELETE_BLANK_ROW##<$_DEL_MEMO_$>", memos=["", " "]) == "先\n"


def test_a_block_repeats_over_the_orders_and_a_list_may_repeat_inside():
    """Pack fields stay the same, blank rows go for each order by itself."""
    source = (
        "##LOOP_BEGIN##\n<$_PACK_NO_$>-<$_ORDER_NO_$>\n##DELETE_BLANK_ROW##選択：<$_OPTION_$>\n"
        "##LOOP##・<$_DEL_MEMO_$>\n##LOOP_END##\n以上"
    )
    assert rendered(source, orders=2, memos=["一"]) == (
        "123456789-1000000001\n選択：色:赤/サイズ:M\n・一\n123456789-1000000002\n・一\n以上"
    )


def test_a_template_of_unit_order_knows_its_order_everywhere():
    """Fields of the order need no loop there, and loops over orders run once."""
    source = "<$_ORDER_NO_$>\n##LOOP##[<$_ITEM_NM_$>]\n##LOOP_BEGIN##\n<$_ORDER_QTY_$>\n##LOOP_END##\n"
    assert rendered(source, unit="order", order=1) == "1000000002\n[マグカップ]\n2\n"


def test_a_whole_pack_is_refused_by_a_template_of_unit_order():
    """Printing the first of three orders would lose two: the caller's bug dies loudly."""
    with pytest.raises(ValueError, match="too many values"):
        rendered("<$_ORDER_NO_$>", unit="order")


def test_a_value_is_never_read_again():
    """What a buyer types as a marker is printed as typed."""
    assert rendered("<$_DEL_OPTION_$>|{0}{record['x']}%s\\n", delivery_option="<$_PACK_NO_$>##LOOP##{1}") == (
        "<$_PACK_NO_$>##LOOP##{1}|{0}{record['x']}%s\\n"
    )


def test_a_subject_is_compiled_like_a_row():
    """And the renderer names the fields that it prints."""
    catalogue = load_catalogue()
    subject = compile_template(
        parse_line("番号:{$_PACK_NO_$} <$_SELLER_ID_$>"), catalogue=catalogue, unit="pack"
    )
    assert subject(catalogue.record(sample_document())) == "番号:123456789 example-shop"
    assert subject.fields == {"PACK_NO", "SELLER_ID"}


def test_nothing_makes_an_empty_mail():
    """The empty template is one, and so is a loop over nothing."""
    assert rendered("") == ""
    assert rendered("##LOOP_BEGIN##\n##LOOP_END##\n") == ""
    assert rendered("##LOOP_BEGIN##\n一\n##LOOP_END##\n", orders=0) == ""


@pytest.mark.parametrize("fields", [MAX_SEGMENT_FIELDS - 1, MAX_SEGMENT_FIELDS, MAX_SEGMENT_FIELDS + 1, 200])
@pytest.mark.parametrize("directive", ["", "##DELETE_BLANK_ROW##"])
def test_rows_of_many_fields_are_whole(fields, directive):
    """A long row is joined in several steps: nothing is lost between them, and it is judged whole."""
    source = f"{directive}{'<$_PACK_NO_$>,' * fields}\n末"
    assert rendered(source) == "123456789," * fields + "\n末"
    blank = rendered(source, pack_no="")
    assert blank == ("末" if directive else "," * fields + "\n末")


def test_too_many_repetitions_are_refused_before_anything_is_written():
    """All loops of a mail count together, and the error says where the first of them stands."""
    memos = ["一"] * (MAX_REPETITIONS // 4)
    block = "甲\n##LOOP_BEGIN##\n##LOOP##<$_DEL_MEMO_$>\n##LOOP_END##\n"
    assert rendered(block + "##LOOP##<$_DEL_MEMO_$>\n", memos=memos[:-1]).count("一") == MAX_REPETITIONS - 4
    with pytest.raises(TemplateError) as error:
        rendered(block + "##LOOP##<$_DEL_MEMO_$>\n", memos=memos)
    assert (error.value.kind, error.value.line) == ("limit", 2)
    assert error.value.message == "the loops repeat more than 10000 times (MAX_REPETITIONS)"


@pytest.mark.parametrize("row", ["##LOOP##<$_ITEM_NM_$>\n", "##LOOP_BEGIN##\n##LOOP_END##\n"])
def test_loops_over_orders_count_for_each_order(row):
    """Whether they print anything or not."""
    rendered(row * 2_000, orders=5)
    with pytest.raises(TemplateError, match="MAX_REPETITIONS"):
        rendered(row * 2_001, orders=5)


@pytest.mark.parametrize(
    ("source", "memos"),
    [
        ("甲\n##LOOP##<$_DEL_MEMO_$>\n", 1_200),
        ("甲\n" + "<$_DEL_MEMO_$>" * 4_000, 100),
        ("甲\n##DELETE_BLANK_ROW##" + "<$_DEL_MEMO_$>" * 4_000, 100),
        ("甲\n" + "##DELETE_BLANK_ROW##<$_DEL_MEMO_$>\n" * 1_500, 100),
    ],
    ids=["loop", "row", "deletable row", "deletable rows"],
)
def test_too_long_a_mail_is_refused_on_the_way(source, memos):
    """The text, up to 800 MB here, is never made whole before its length is known."""
    tracemalloc.start()
    try:
        with pytest.raises(TemplateError) as error:
            rendered(source, memos=["長" * 1_000] * memos)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert (error.value.kind, error.value.message) == (
        "limit",
        "the mail is longer than 1048576 characters (MAX_OUTPUT)",
    )
    assert error.value.line >= 2
    assert peak < 50_000_000


@pytest.mark.parametrize(
    ("row", "printed"),
    [
        ("<$_PACK_NO_$>", "9"),
        ("<$_PACK_NO_$>\n", "9\n"),
        ("##DELETE_BLANK_ROW##<$_PACK_NO_$>\n", "9\n"),
        ("##LOOP##<$_DEL_MEMO_$>\n", "一\n"),
        ("##LOOP##<$_ITEM_NM_$>\n", "長袖Tシャツ\n"),
        ("##LOOP_BEGIN##\n##LOOP##<$_DEL_MEMO_$>\n##LOOP_END##\n", "一\n"),
    ],
    ids=["fields", "rows", "deletable rows", "list loops", "order loops", "blocks"],
)
def test_the_longest_template_of_each_kind_is_compiled_and_run(row, printed):
    """However often a construct stands in 64 KiB, no tree grows deep and no step is slow."""
    times = min(MAX_SOURCE // len(row.encode()), MAX_REPETITIONS)
    assert rendered(row * times, orders=1, memos=["一"], pack_no="9") == printed * times


def test_a_mail_of_just_the_limit_is_made():
    """The limit itself is allowed."""
    source = "##LOOP##<$_DEL_MEMO_$>\n"
    memos = ["長" * 1_023] * 1_024
    assert len(rendered(source, memos=memos)) == MAX_OUTPUT


def test_a_deleted_last_row_without_a_newline_leaves_the_one_before_it_whole():
    """Only a row that is printed can leave the mail without a newline at its end."""
    source = "甲\n##DELETE_BLANK_ROW##<$_DEL_OPTION_$>"
    assert [rendered(source, delivery_option=option) for option in ("宅配便", "")] == ["甲\n宅配便", "甲\n"]
    assert [rendered("甲\n##LOOP##<$_DEL_MEMO_$>", memos=memos) for memos in (["乙"], [])] == [
        "甲\n乙",
        "甲\n",
    ]


def test_every_fault_of_a_template_is_told_at_once():
    """Each with its own place, from the top; a row with an unknown field is looked at no further."""
    source = (
        "<$_PAK_NO_$> <$_ITM_NM_$>\n##LOOP##<$_PACK_NO_$>\n<$_ITEM_NM_$> <$_ORDER_NO_$>\n"
        "##LOOP##<$_PAK_NO_$>\n##LOOP_BEGIN##\n##LOOP##<$_ORDER_NO_$>\n##LOOP_END##\n"
    )
    with pytest.raises(TemplateError) as raised:
        compile_template(parse(source), catalogue=load_catalogue(), unit="pack")
    first = raised.value
    assert [(each.kind, each.line, each.column) for each in (first, *first.others)] == [
        ("unknown-field", 1, 1),
        ("unknown-field", 1, 14),
        ("nothing-to-repeat", 2, 1),
        ("order-outside-loop", 3, 1),
        ("order-outside-loop", 3, 15),
        ("unknown-field", 4, 9),
        ("nested-block", 6, 1),
    ]
    assert first.excerpt == "  <$_PAK_NO_$> <$_ITM_NM_$>\n  ^^^^^^^^^^^^"


def test_the_faults_that_are_told_are_bounded():
    """A template of nothing but mistakes gives a message that can be read, and soon."""
    with pytest.raises(TemplateError) as raised:
        compile_template(parse("<$_X_$>\n" * 8_000), catalogue=load_catalogue(), unit="pack")
    assert len(raised.value.others) == MAX_FAULTS - 1
