"""IF: which of its branches is printed, what may stand in it, and how it counts."""

import tracemalloc

import pytest

from grammar import TemplateError, compile_template, load_catalogue, parse
from grammar.limits import MAX_DEPTH, MAX_REPETITIONS, MAX_SEGMENT_FIELDS, MAX_SOURCE
from tests.support.records import sample_document


def rendered(source, *, unit="pack", order=None, orders=3, **pack):
    catalogue = load_catalogue()
    document = sample_document(orders=orders)
    document["pack"].update(pack)
    record = catalogue.record(document)
    record = record if order is None else record.for_order(order)
    return compile_template(parse(source), catalogue=catalogue, unit=unit)(record)


@pytest.mark.parametrize(
    ("condition", "option", "branch"),
    [
        ("<$_DEL_OPTION_$>", "宅配便", "有"),
        ("<$_DEL_OPTION_$>", "\u3000", "無"),
        ("<$_DEL_OPTION_$>", None, "無"),
        ("<$_DEL_OPTION|default:店頭_$>", None, "有"),
        ("<$_DEL_OPTION_$> = 宅配便", "宅配便", "有"),
        ("<$_DEL_OPTION_$> = 宅配便", "宅配便 ", "無"),
        ("<$_DEL_OPTION_$> = 宅配便", "", "無"),
        ("<$_DEL_OPTION_$> != 宅配便", "宅配便", "無"),
        ("<$_DEL_OPTION_$> != 宅配便", "", "有"),
        ("<$_DEL_OPTION|kana|left:2_$> = メー", "ﾒｰﾙ便", "有"),
        ("<$_DEL_OPTION_$> = {0} '\"\\N{DIGIT ONE}", "{0} '\"\\N{DIGIT ONE}", "有"),
        ("<$_ITEM_NM|count_$> = 3", "", "有"),
        ("<$_DELIVERY_FEE_$> = 500", "", "有"),
    ],
)
def test_the_printed_text_decides(condition, option, branch):
    """After its filters: whether it can be seen, or whether it is just that text."""
    source = f"甲\n##IF {condition}##\n有\n##ELSE##\n無\n##END_IF##\n乙"
    assert rendered(source, delivery_option=option) == f"甲\n{branch}\n乙"


@pytest.mark.parametrize(
    ("memos", "mail"), [(["", "一"], "有\n"), (["", "\u3000"], ""), ([], ""), (None, "")]
)
def test_a_list_is_there_when_one_of_its_elements_can_be_seen(memos, mail):
    """As it would be printed; without an ELSE nothing else is."""
    assert rendered("##IF <$_DEL_MEMO_$>##\n有\n##END_IF##\n", memos=memos) == mail


def test_in_a_block_each_order_is_asked_for_itself():
    """Rows, loops and further blocks of a branch are printed as they would be without the IF."""
    source = (
        "##LOOP_BEGIN##\n##IF <$_OPTION_$>##\n<$_ORDER_NO_$> <$_OPTION_$>\n"
        "##IF <$_DEL_OPTION_$> = 宅配便##\n##LOOP##・<$_DEL_MEMO_$>\n##END_IF##\n"
        "##ELSE##\n##DELETE_BLANK_ROW##<$_OPTION_$>\n<$_ORDER_NO_$> 選択なし\n##END_IF##\n##LOOP_END##\n"
    )
    assert rendered(source, memos=["一", "二"]) == (
        "1000000001 色:赤/サイズ:M\n・一\n・二\n1000000002 選択なし\n1000000003 選択なし\n"
    )


def test_a_block_over_the_orders_may_stand_in_a_branch():
    """Of a question about the pack."""
    block = "##LOOP_BEGIN##\n<$_ORDER_NO_$>\n##LOOP_END##\n##LOOP##<$_ITEM_NM_$>\n"
    source = f"##IF <$_DEL_OPTION_$>##\n{block}##END_IF##\n終"
    assert rendered(source, orders=1) == "1000000001\n長袖Tシャツ\n終"
    assert rendered(source, delivery_option="") == "終"


def test_a_template_of_unit_order_may_ask_its_order_anywhere():
    """In a template of unit pack it is not known which order is asked."""
    source = "##IF <$_OPTION_$>##\n<$_OPTION_$>\n##ELSE##\n<$_ITEM_NM_$>\n##END_IF##\n"
    assert [rendered(source, unit="order", order=index) for index in (0, 1)] == [
        "色:赤/サイズ:M\n",
        "マグカップ\n",
    ]
    only_asked = "##IF <$_OPTION_$>##\n有\n##END_IF##\n"
    assert rendered(only_asked, unit="order", order=0) == "有\n"
    with pytest.raises(TemplateError) as error:
        rendered(only_asked)
    assert (error.value.kind, error.value.line, error.value.column) == ("order-outside-loop", 1, 6)
    assert error.value.hint == "put the block of the IF between ##LOOP_BEGIN## and ##LOOP_END##"


def test_a_branch_that_prints_nothing_and_an_empty_one():
    """Leave no trace, whichever is taken."""
    source = "甲\n##IF <$_DEL_OPTION_$>##\n##ELSE##\n##END_IF##\n##IF <$_PACK_NO_$>##\n##END_IF##\n乙"
    assert rendered(source) == rendered(source, delivery_option="", pack_no="") == "甲\n乙"


def test_every_place_in_a_branch_is_looked_at():
    """Also in one that may never be printed, and blocks in blocks are told through an IF."""
    source = (
        "##IF <$_PAK_NO_$>##\n<$_ITM_NM_$>\n##ELSE##\n<$_ITEM_NM_$>\n##END_IF##\n"
        "##LOOP_BEGIN##\n##IF <$_OPTION_$>##\n##LOOP_BEGIN##\n<$_ITEM_NM_$>\n##LOOP_END##\n##ELSE##\n"
        "##LOOP##<$_ITEM_NM_$>\n##END_IF##\n##LOOP_END##\n"
    )
    with pytest.raises(TemplateError) as raised:
        compile_template(parse(source), catalogue=load_catalogue(), unit="pack")
    assert [(each.kind, each.line, each.message) for each in (raised.value, *raised.value.others)] == [
        ("unknown-field", 1, "unknown field PAK_NO"),
        ("unknown-field", 2, "unknown field ITM_NM"),
        ("order-outside-loop", 4, "ITEM_NM belongs to an order, and here it is not known to which"),
        ("nested-block", 8, "##LOOP_BEGIN## inside a block that is still open"),
        ("nested-block", 12, "a row that repeats once per order, inside a block that does so already"),
    ]


def test_the_loops_of_both_branches_count():
    """The limit is the same for each mail, and known before anything is written."""
    row = "##LOOP##<$_ITEM_NM_$>\n"
    half = row * (MAX_REPETITIONS // 5 // 2)
    source = f"甲\n##IF <$_DEL_OPTION_$>##\n{half}##ELSE##\n{half}##END_IF##\n"
    assert rendered(source, orders=5).count("\n") == MAX_REPETITIONS // 2 + 1
    with pytest.raises(TemplateError, match="MAX_REPETITIONS") as error:
        rendered(source + row, orders=5)
    assert error.value.line == 3


def test_a_mail_too_long_is_refused_in_a_branch():
    """Where it is printed, with its row."""
    source = "##IF <$_PACK_NO_$>##\n甲\n##LOOP##<$_DEL_MEMO_$>\n##END_IF##\n"
    with pytest.raises(TemplateError, match="MAX_OUTPUT") as error:
        rendered(source, memos=["長" * 1_000] * 1_100)
    assert error.value.line == 3


@pytest.mark.parametrize(
    "branch", ["##IF <$_PACK_NO_$>##\n{}##END_IF##\n", "##IF <$_PACK_NO_$> = 一##\n##ELSE##\n{}##END_IF##\n"]
)
@pytest.mark.parametrize("rows", ["<$_DEL_MEMO_$>" * 1_500 + "\n", "<$_DEL_MEMO_$>\n" * 1_500])
def test_a_long_text_in_a_branch_is_never_made_whole(branch, rows):
    """Neither in one branch nor in many short ones side by side."""
    for source in (branch.format(rows), branch.format("<$_DEL_MEMO_$>\n") * 1_000):
        tracemalloc.start()
        try:
            with pytest.raises(TemplateError, match="MAX_OUTPUT"):
                rendered(source, memos=["長" * 1_000] * 100)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert peak < 50_000_000


@pytest.mark.parametrize("fields", [MAX_SEGMENT_FIELDS, MAX_SEGMENT_FIELDS + 1, 200])
def test_branches_of_many_fields_are_whole(fields):
    """Long and short branches side by side keep their order."""
    long, short = "<$_PACK_NO_$>," * fields + "\n", "<$_EVENT_ID_$>\n"
    source = f"甲\n##IF <$_PACK_NO_$>##\n{long}##ELSE##\n{short}##END_IF##\n乙\n" * 2
    assert rendered(source, pack_no="9") == ("甲\n" + "9," * fields + "\n乙\n") * 2
    assert rendered(source, pack_no="") == "甲\nevt-20261121-0001\n乙\n" * 2


def test_what_is_only_asked_is_not_among_the_printed_fields():
    """Nobody looks there for a character that cannot be written."""
    source = "##IF <$_DEL_MEMO_$>##\n<$_PACK_NO|zen_$>\n##ELSE##\n<$_EVENT_ID_$>\n##END_IF##\n"
    renderer = compile_template(parse(source), catalogue=load_catalogue(), unit="pack")
    assert renderer.fields == {"PACK_NO", "EVENT_ID"}


def test_blocks_as_deep_as_allowed_are_compiled_and_run():
    """With a loop over a list innermost."""
    opening = "##IF <$_PACK_NO_$>##\n" * (MAX_DEPTH - 1) + "##LOOP_BEGIN##\n"
    closing = "##LOOP_END##\n" + "##END_IF##\n" * (MAX_DEPTH - 1)
    assert rendered(f"{opening}##LOOP##<$_DEL_MEMO_$>\n{closing}", orders=2, memos=["一"]) == "一\n一\n"


@pytest.mark.parametrize(
    ("block", "printed"),
    [
        ("##IF <$_PACK_NO_$>##\n<$_PACK_NO_$>\n##END_IF##\n", "9\n"),
        ("##IF <$_PACK_NO_$> = 8##\n##ELSE##\n甲\n##END_IF##\n", "甲\n"),
        ("<$_PACK_NO|pad:2_$>\n", "9 \n"),
        ("##LOOP##<$_DEL_MEMO|kana_$><$_DEL_MEMO|zen_$>\n", "一一\n"),
    ],
    ids=["if", "else", "filters", "zipped lists"],
)
def test_the_longest_template_of_each_kind_is_compiled_and_run(block, printed):
    """However often a construct stands in 64 KiB."""
    times = MAX_SOURCE // len(block.encode())
    assert rendered(block * times, memos=["一"], pack_no="9") == printed * times
