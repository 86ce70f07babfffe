"""Filters: what each makes of a value, what it leaves alone, and which templates are refused for one."""

import pytest

from grammar import TemplateError, compile_template, load_catalogue, parse
from grammar.filters import FILTERS, GATHERERS, chain, compile_filters
from grammar.limits import MAX_ARGUMENT, MAX_FILTERS, MAX_LENGTH
from relay.charset.fold import fold_jis
from tests.support.records import sample_document


@pytest.mark.parametrize(
    ("filters", "text", "printed"),
    [
        ("default:なし", "", "なし"),
        ("default:なし", "0", "0"),
        ("default:甲:乙", "", "甲:乙"),
        ("date:%Y年%m月%d日", "2026-11-05", "2026年11月05日"),
        ("date:%y/%-m/%-d", "20260105", "26/1/5"),
        ("date:%H:%M:%S %-H時%-M分", "2026-11-21 09:05:07", "09:05:07 9時5分"),
        ("date:%d%%", "2026-11-21 09:05:07", "21%"),
        ("date:%Y", "0001-01-01", "0001"),
        ("date:%Y", "未定", "未定"),
        ("date:%Y", "2026-02-30", "2026-02-30"),
        ("date:%Y", "9999-12-31 23:00:00+00:00", "9999-12-31 23:00:00+00:00"),
        ("wareki", "2026-11-21 10:15:00", "令和8年11月21日"),
        ("wareki", "2019-05-01", "令和元年5月1日"),
        ("wareki", "2019-04-30", "平成31年4月30日"),
        ("wareki", "1989-01-07", "昭和64年1月7日"),
        ("wareki", "1926-12-24", "大正15年12月24日"),
        ("wareki", "1912-07-29", "明治45年7月29日"),
        ("wareki", "18730101", "明治6年1月1日"),
        ("wareki", "1872-12-31", "1872-12-31"),
        ("weekday", "2026-11-21", "土"),
        ("weekday", "2026-11-22 00:00:00", "日"),
        ("comma", "1980", "1,980"),
        ("comma", "980", "980"),
        ("comma", "-1234567.50", "-1,234,567.50"),
        ("comma", "-0.50", "-0.50"),
        ("comma", "9" * 41, "99," + ",".join(["999"] * 13)),
        ("comma", "9" * 5_000, "9" * 5_000),
        ("comma", "１９８０", "１９８０"),
        ("comma", "無料", "無料"),
        ("yen", "1980", "1,980円"),
        ("yen", "無料", "無料"),
        ("phone", "+81-3-0000-0000", "03-0000-0000"),
        ("phone", "+819000000000", "09000000000"),
        ("phone", "+81 90 0000 0000", "090 0000 0000"),
        ("phone", "+81-090-0000-0000", "090-0000-0000"),
        ("phone", "+1-555-0100", "+1-555-0100"),
        ("phone", "+81-3-0000-0000 内線5", "+81-3-0000-0000 内線5"),
        ("phone", "-", "-"),
        ("phone", "+81(0)3-0000-0000", "03-0000-0000"),
        ("phone", "+81 (0)90 0000 0000", "090 0000 0000"),
        ("phone", "+81.90.0000.0000", "090-0000-0000"),
        ("phone", "＋８１－９０－００００－００００", "090-0000-0000"),
        ("phone", "+81ー90−0000‐0000 ", "090-0000-0000"),
        ("phone", "+81-90-0000-0000(携帯)", "+81-90-0000-0000(携帯)"),
        ("phone", "+81-3--0000", "+81-3--0000"),
        ("phone", "０９０－００００－００００", "０９０－００００－００００"),
        ("postal", "1000000", "100-0000"),
        ("postal", "〒100-0000", "100-0000"),
        ("postal", "〒 1000000", "100-0000"),
        ("postal", "〒不明", "〒不明"),
        ("postal", "〒１００－００００", "100-0000"),
        ("postal", "〒\u3000100‐0000", "100-0000"),
        ("postal", "100−0000", "100-0000"),
        ("postal", "100ー0000", "100-0000"),
        ("postal", "1000000 ", "100-0000"),
        ("postal", "100-00000", "100-00000"),
        ("postal", "90210", "90210"),
        ("zen", "TS-01 (ｶﾞ)~", "ＴＳ－０１\u3000（ガ）～"),
        ("zen", "\"'", "”’"),
        ("han", "ＴＳ－０１\u3000（ガ）～①", "TS-01 (ガ)~①"),
        ("kana", "ｶﾞﾊﾟｳﾞﾞｱﾞ｢､｣ｰ A①㈱Ａ", "ガパヴ゛ア゛「、」ー A①㈱Ａ"),
        ("kana", "カﾞﾊ\u309aか\u3099ﾜﾞｲﾝｦﾞ", "ガパがワ゛インヲ゛"),
        ("kana", "ﾞ゛ﾟeﾞ", "゛゛゜e゛"),
        ("paren", "長袖Tシャツ(キッズ用)[A]", "長袖Tシャツ（キッズ用）[A]"),
        ("max:4", "長袖Tシャツ", "長袖T…"),
        ("max:6", "長袖Tシャツ", "長袖Tシャツ"),
        ("max:1", "長袖", "…"),
        ("max:3", "かか\u3099き", "か…"),
        ("left:2", "長袖Tシャツ", "長袖"),
        ("left:2", "ｶｶﾞ", "ｶ"),
        ("left:3", "a👩\u200d👩b", "a"),
        ("left:2", "a👍🏽", "a"),
        ("left:1", "か\u3099", "か"),
        ("left:1", "　花子", ""),
        ("pad:5", "品A", "品A  "),
        ("pad:2", "品A", "品A"),
        ("oneline", "\u00a0見本\u3000 花子 ", "見本 花子"),
        ("kana|paren|max:3", "ｶﾞ(ｱ)", "ガ（…"),
    ],
)
def test_what_a_filter_makes_of_a_text(filters, text, printed):
    """And what it leaves as it was, because it is not meant for such a text."""
    assert chain(filters)(text) == printed


@pytest.mark.parametrize("mark", ["ﾞ", "ﾟ", "\u3099", "\u309a", ""])
def test_kana_are_joined_as_charsets_fold_them(mark):
    """A partner's value rule `kana` never makes a name that the charset cannot write of one that it can."""
    kana = [*map(chr, range(0x3041, 0x30FF)), *map(chr, range(0xFF61, 0xFFA0)), "a", "漢"]
    pairs = [character + mark for character in kana]
    assert list(map(chain("kana"), pairs)) == list(map(fold_jis, pairs))
    assert [chain("kana")(pair * 2) for pair in pairs] == [fold_jis(pair * 2) for pair in pairs]


def test_a_blank_value_stays_blank_through_all_filters_but_default():
    """So DELETE_BLANK_ROW and IF ask the same of a field with filters and without."""
    printed = {name: chain(filter_.example)("") for name, filter_ in FILTERS.items()}
    assert printed == dict.fromkeys(FILTERS, "") | {"default": "なし"}


@pytest.mark.parametrize(
    ("filters", "texts", "printed"),
    [
        ("sum", ["1980", "", "19.50"], "1999.50"),
        ("sum", ["-5", "5"], "0"),
        ("sum", ["9" * 41] * 1_000, str(int("9" * 41) * 1_000)),
        ("sum", [f"0.{'0' * 39}1", "9" * 41], "9" * 41 + f".{'0' * 39}1"),
        ("sum", ["1980", "無料", "", "500"], "1980+無料+500"),
        ("sum", ["", ""], ""),
        ("sum", [], ""),
        ("sum|yen", ["1980", "20"], "2,000円"),
        ("sum|yen", ["1980", "無料"], "1980+無料"),
        ("count", ["一", "", "二"], "2"),
        ("count", [], "0"),
        ("join:、", ["一", "", "二"], "一、二"),
        ("join: ", ["一", "二"], "一 二"),
        ("join:、|max:3", ["一", "二", "三"], "一、…"),
        ("join:、|default:なし", ["", ""], "なし"),
    ],
)
def test_what_a_filter_makes_of_many_texts(filters, texts, printed):
    """Blank ones are left out, sums are exact, and a price that is no number is never left out of a sum."""
    found = chain(filters)
    assert found.gather is not None
    assert found(found.gather(texts)) == printed


def test_partners_value_rules_take_the_filters_of_any_text():
    """And are told what is wrong with the others, with the mend."""
    assert compile_filters("kana|paren")("ｶﾞﾗｽ(小)") == "ガラス（小）"
    messages = {}
    for text in (
        "Paren",
        "",
        "kana|",
        "comma",
        "join:、",
        "max",
        "max:0",
        "max:1001",
        "default:\n甲",
        "zen:1",
    ):
        with pytest.raises(ValueError, match=r".+") as error:
            compile_filters(text)
        messages[text] = str(error.value)
    assert messages == {
        "Paren": "unknown filter Paren; did you mean paren?",
        "": "a filter needs a name; docs/template-language.md lists the filters",
        "kana|": "a filter needs a name; docs/template-language.md lists the filters",
        "comma": "comma is for fields of type count and money: this is text; take it out",
        "join:、": "join is for lists and for fields of an order: here is one value; take it out",
        "max": "max needs an argument; write max:20",
        "max:0": "max takes a whole number from 1 to 1000 (MAX_LENGTH); write max:20",
        "max:1001": "max takes a whole number from 1 to 1000 (MAX_LENGTH); write max:20",
        "default:\n甲": "the argument of default holds U+000A, which is never printed; take it out",
        "zen:1": "zen takes no argument; write zen",
    }


def told(source, unit="pack"):
    """Kind, line, column, marked text, message and hint of each mistake."""
    with pytest.raises(TemplateError) as error:
        compile_template(parse(source), catalogue=load_catalogue(), unit=unit)
    return [
        (each.kind, each.line, source[each.span.start : each.span.end], each.message, each.hint)
        for each in (error.value, *error.value.others)
    ]


@pytest.mark.parametrize(
    ("source", "kind", "marked", "message", "hint"),
    [
        ("<$_TOTAL|sum|comm_$>", "unknown-filter", "comm", "unknown filter comm", "did you mean comma?"),
        (
            "<$_PACK_NO|upper_$>",
            "unknown-filter",
            "upper",
            "unknown filter upper",
            "docs/template-language.md lists the filters",
        ),
        (
            "<$_PACK_NO|count_$>",
            "filter-misplaced",
            "count",
            "count is for lists and for fields of an order: here is one value",
            "take it out",
        ),
        (
            "<$_ITEM_NM|paren|join:、_$>",
            "filter-misplaced",
            "join:、",
            "join stands behind another filter",
            "put it first: it takes the values themselves",
        ),
        (
            "<$_SHIPPING_DATE|sum_$>",
            "filter-misplaced",
            "sum",
            "sum is for fields of type count and money: this is datetime",
            "take it out",
        ),
        (
            "<$_DEL_MEMO|sum_$>",
            "filter-misplaced",
            "sum",
            "sum is for fields of type count and money: this is list",
            "take it out",
        ),
        (
            "<$_ORDER_DATE|yen_$>",
            "filter-misplaced",
            "yen",
            "yen is for fields of type count and money: this is datetime",
            "take it out",
        ),
        (
            "<$_DELIVERY_FEE|wareki_$>",
            "filter-misplaced",
            "wareki",
            "wareki is for fields of type date and datetime: this is money",
            "take it out",
        ),
        (
            "<$_DELIVERY_FEE|zen|comma_$>",
            "filter-misplaced",
            "comma",
            "comma stands behind a filter that makes it text",
            "put it before that filter",
        ),
        (
            "<$_SHIPPING_DATE|count|date:%Y_$>",
            "filter-misplaced",
            "date:%Y",
            "date stands behind a filter that makes it count",
            "it cannot stand together with count: take one out",
        ),
        (
            "<$_DELIVERY_FEE|comma|kana|yen_$>",
            "filter-misplaced",
            "yen",
            "yen stands behind a filter that makes it text",
            "it cannot stand together with comma and kana: take one out",
        ),
        (
            "<$_TOTAL|sum|count_$>",
            "filter-misplaced",
            "count",
            "count stands behind another filter",
            "it cannot stand together with sum: take one out",
        ),
        ("<$_ITEM_NM|join_$>", "filter-argument", "join", "join needs an argument", "write join:、"),
        (
            "<$_PACK_NO|default: \u3000_$>",
            "filter-argument",
            "default: \u3000",
            "default prints nothing that can be seen",
            "write default:なし",
        ),
        (
            "<$_PACK_NO|default:\x00_$>",
            "filter-argument",
            "default:\x00",
            "the argument of default holds U+0000, which is never printed",
            "take it out",
        ),
        (
            "<$_PACK_NO|pad:２_$>",
            "filter-argument",
            "pad:２",
            "pad takes a whole number from 1 to 1000 (MAX_LENGTH)",
            "write pad:20",
        ),
        (
            "<$_ORDER_DATE|date:%Y%_$>",
            "filter-argument",
            "date:%Y%",
            "% is not a part of a date: known are %Y %y %m %-m %d %-d %H %-H %M %-M %S %%",
            "write date:%Y年%-m月%-d日",
        ),
        (
            "<$_ORDER_DATE|date:%%_$>",
            "filter-argument",
            "date:%%",
            "no part of a date stands in it: known are %Y %y %m %-m %d %-d %H %-H %M %-M %S %%",
            "write date:%Y年%-m月%-d日",
        ),
        (
            "<$_DEL_HOPE_DATE|default:未定|date:%-H時_$>",
            "filter-argument",
            "date:%-H時",
            "a day has no time: %H, %M and %S are for times",
            "write date:%Y年%-m月%-d日",
        ),
        (
            f"<$_PACK_NO{'|kana' * (MAX_FILTERS + 1)}_$>",
            "limit",
            "kana",
            "a field has more than 8 filters (MAX_FILTERS)",
            "take the last ones out",
        ),
        (
            f"<$_PACK_NO|default:{'長' * (MAX_ARGUMENT + 1)}_$>",
            "limit",
            f"default:{'長' * (MAX_ARGUMENT + 1)}",
            "the argument of default is longer than 200 characters (MAX_ARGUMENT)",
            "shorten it",
        ),
    ],
)
def test_a_filter_that_cannot_be_meant_is_refused_when_the_template_is_loaded(
    source, kind, marked, message, hint
):
    """With its own place, and what to write instead; in a condition just as on a row."""
    assert told(f"甲\n{source}\n") == [(kind, 2, marked, message, hint)]
    assert told(f"甲\n##IF {source}##\n##END_IF##\n") == [(kind, 2, marked, message, hint)]


def test_what_just_keeps_to_the_limits_is_taken():
    """Eight filters, 200 characters, 1,000 columns; and a tab is text, in an argument as in a row."""
    source = (
        f"<$_PACK_NO{'|kana' * (MAX_FILTERS - 1)}|pad:{MAX_LENGTH}_$><$_EVENT_ID|default:\t{'長' * 199}_$>"
    )
    record = load_catalogue().record({"pack": {"pack_no": "1"}})
    mail = compile_template(parse(source), catalogue=load_catalogue(), unit="pack")(record)
    assert mail == "1" + " " * 999 + "\t" + "長" * 199


def test_each_field_is_told_its_first_mistake():
    """Unknown fields first, then the filters and the scope of each field by itself, from the left."""
    source = (
        "<$_TOTAL|maxx:3|comm_$> <$_TOTAL|comma_$> <$_TOTAL|sum_$>\n<$_NO_SUCH|comm_$> <$_TOTAL|comm_$>\n"
    )
    assert [found[:3] for found in told(source)] == [
        ("unknown-filter", 1, "maxx:3"),
        ("order-outside-loop", 1, "<$_TOTAL|comma_$>"),
        ("unknown-field", 2, "<$_NO_SUCH|comm_$>"),
    ]


def rendered(source, *, unit="pack", order=None, **pack):
    catalogue = load_catalogue()
    document = sample_document()
    document["pack"].update(pack)
    record = catalogue.record(document)
    record = record if order is None else record.for_order(order)
    return compile_template(parse(source), catalogue=catalogue, unit=unit)(record)


def test_all_orders_together_are_one_text_of_the_pack():
    """It may stand anywhere in a template of unit pack, and prints the same in each pass of a loop."""
    source = (
        "合計 <$_TOTAL|sum|yen_$>（<$_ORDER_NO|count_$>件）\n##LOOP##<$_ITEM_NM_$>/<$_ITEM_NM|count_$>\n"
        "##LOOP_BEGIN##\n<$_ORDER_NO_$>:<$_ORDER_QTY|sum_$>\n##LOOP_END##\n<$_ITEM_NM|join:、_$>"
    )
    assert rendered(source) == (
        "合計 11,580円（3件）\n長袖Tシャツ/3\nマグカップ/3\n手ぬぐい/3\n"
        "1000000001:6\n1000000002:6\n1000000003:6\n長袖Tシャツ、マグカップ、手ぬぐい"
    )


def test_in_a_template_of_unit_order_they_are_the_one_order():
    """A mail never sums up what it does not show."""
    assert rendered("<$_ITEM_NM|join:、_$> <$_TOTAL|sum_$>", unit="order", order=1) == "マグカップ 3860"


def test_all_orders_together_are_nothing_to_repeat_for():
    """A LOOP needs a field that differs from one repetition to the next."""
    assert [found[0] for found in told("##LOOP##<$_ITEM_NM|count_$> <$_DEL_MEMO|join:、_$>\n")] == [
        "nothing-to-repeat"
    ]


def test_the_elements_of_a_list_are_filtered_one_by_one_in_its_loop():
    """And as one text elsewhere; fields with different filters keep step with each other."""
    source = (
        "##LOOP####DELETE_BLANK_ROW##<$_DEL_MEMO|paren_$>|<$_DEL_MEMO|left:1_$>|<$_DEL_MEMO|count_$>\n"
        "##LOOP##<$_DEL_MEMO|default:-_$>\n<$_DEL_MEMO|left:4_$>/<$_DEL_MEMO|join:・_$>/<$_DEL_MEMO|default:-_$>"
    )
    assert rendered(source, memos=["のし(白)", "", "置き配"]) == (
        "のし（白）|の|2\n||2\n置き配|置|2\nのし(白)\n-\n置き配\nのし(白/のし(白)・置き配/のし(白) 置き配"
    )
    assert rendered("<$_DEL_MEMO|default:-_$>", memos=["", ""]) == "-"


def test_an_argument_is_text_of_the_template_and_nothing_else():
    """Quotes, braces and backslashes in it are printed as they stand."""
    text = "'''\"\\N{DIGIT ONE}{record}%s"
    assert rendered(f"##LOOP##<$_DEL_MEMO|default:{text}_$>\n", memos=["", "一"]) == f"{text}\n一\n"


def test_the_examples_are_right():
    """What the hints tell to write is accepted."""
    chain("|".join(filter_.example for filter_ in FILTERS.values()))
    assert {name: each.example.partition(":")[0] for name, each in (FILTERS | GATHERERS).items()} == {
        name: name for name in (*FILTERS, *GATHERERS)
    }
