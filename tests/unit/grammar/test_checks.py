"""What is told of a template before it is used: each finding is shown to be true by a mail."""

from typing import Any

import pytest

from grammar import compile_template, load_catalogue, parse, parse_line
from grammar.checks.checks import MAX_FINDINGS, findings
from grammar.reader import ReadingError, compile_reader
from tests.support.records import sample_document

CATALOGUE = load_catalogue()


def found(source: str, unit: Any = "pack") -> list[tuple[Any, ...]]:
    return [
        (each.kind, each.line, each.column, each.example)
        for each in findings(parse(source), catalogue=CATALOGUE, unit=unit)
    ]


def mail(source: str, orders: list[dict[str, Any]] | None = None, **pack: Any):
    document = sample_document(orders=1)
    document["pack"].update(pack)
    if orders is not None:
        document["pack"]["orders"] = orders
    template, record = parse(source), CATALOGUE.record(document)
    text = compile_template(template, catalogue=CATALOGUE, unit="pack")(record)
    return compile_reader(template, catalogue=CATALOGUE, unit="pack"), text, record


# A template, where its one finding is, and values that show it.
TRUE = [
    (
        "[配送] <$_DEL_OPTION_$> <$_PACK_NO_$>\n",
        ("separator", 1, 6, "[配送] あ あ あ"),
        {"delivery_option": "あ あ", "pack_no": "あ"},
    ),
    (
        "[日時] <$_ORDER_DATE_$> <$_PACK_NO_$>\n",
        ("separator", 1, 6, "[日時] 2026-11-15 23:48:56 あ"),
        {"ordered_at": "2026-11-15 23:48:56", "pack_no": "あ"},
    ),
    ("[備考]\n<$_DEL_OPTION_$>\n", ("label", 2, 1, "[備考]"), {"delivery_option": "[備考]"}),
    ("[備考]\n　 <$_DEL_OPTION_$>\n", ("label", 2, 3, "　 [備考]"), {"delivery_option": "[備考]"}),
    (
        "[備考] <$_PACK_NO_$>\n<$_DELIVERY_FEE_$> [備考] 無\n",
        ("label", 2, 1, " [備考] 無"),
        {"delivery_fee": None},
    ),
    (
        "[配送] <$_DEL_OPTION_$>\n[配送] なし\n",
        ("label", 1, 6, "[配送] なし"),
        {"delivery_option": "なし"},
    ),
    (
        "##LOOP##・<$_DEL_MEMO_$>\n・<$_DEL_OPTION_$>\n",
        ("loop-end", 1, 1, "・"),
        {"memos": [], "delivery_option": ""},
    ),
    (
        "##DELETE_BLANK_ROW##・<$_DEL_OPTION_$>\n・<$_PAYMENT_METHOD_$>\n",
        ("missing-row", 1, 1, "・あ"),
        {"delivery_option": "", "payment_method": "あ"},
    ),
    (
        "<$_DEL_HOPE_DATE|date:%-m月_$>6月<$_PACK_NO_$>\n",
        ("separator", 1, 1, "6月6月あ"),
        {"hope_date": "2026-06-01", "pack_no": "あ"},
    ),
    (
        "<$_DELIVERY_FEE|comma_$>,000<$_PACK_NO_$>\n",
        ("separator", 1, 1, "1,000,000あ"),
        {"delivery_fee": 1000, "pack_no": "あ"},
    ),
    (
        "<$_DELIVERY_FEE|zen_$>００７<$_PACK_NO_$>\n",
        ("separator", 1, 1, "１００７００７あ"),
        {"delivery_fee": 1007, "pack_no": "あ"},
    ),
    (
        "<$_DELIVERY_FEE_$>.00<$_PACK_NO_$>\n",
        ("separator", 1, 1, "1.00.00あ"),
        {"delivery_fee": "1.00", "pack_no": "あ"},
    ),
    (
        "<$_DELIVERY_FEE_$>-<$_PACK_NO_$>\n",
        ("separator", 1, 1, "-1-あ"),
        {"delivery_fee": -1, "pack_no": "あ"},
    ),
    (
        "##LOOP##<$_ORDER_QTY_$>-<$_ORDER_NO_$>\n",
        ("separator", 1, 9, "-1-あ"),
        {"orders": [{"qty": -1, "order_no": "あ"}]},
    ),
    (
        "##IF <$_DEL_OPTION_$>##\n[甲]\n##END_IF##\n[甲]\n",
        ("branch", 1, 6, "[甲]"),
        {"delivery_option": ""},
    ),
    (
        "##IF <$_DEL_OPTION_$>##\n・<$_DEL_OPTION_$>\n##ELSE##\n・<$_PAYMENT_METHOD_$>\n##END_IF##\n",
        ("branch", 1, 6, "・"),
        {"delivery_option": "", "payment_method": ""},
    ),
]


@pytest.mark.parametrize(("source", "finding", "values"), TRUE)
def test_a_finding_names_its_place_and_an_example_that_shows_it(source, finding, values):
    """A mail with the example's row is misread."""
    assert found(source) == [finding]
    reader, text, record = mail(source, **values)
    assert finding[3] in text.split("\n")
    assert reader.misreadings(text, record)


def test_rows_that_may_be_missing_can_be_told_apart_by_their_labels():
    """A row without a value that can be seen is not printed, so the label alone never stands for it."""
    assert (
        found("##DELETE_BLANK_ROW##[a] <$_DEL_OPTION_$>\n##DELETE_BLANK_ROW##[b] <$_PAYMENT_METHOD_$>\n")
        == []
    )
    source = (
        "##IF <$_DEL_MEMO_$>##\n##DELETE_BLANK_ROW####LOOP##[a] <$_DEL_MEMO_$>\n##ELSE##\n[a] \n##END_IF##\n"
    )
    assert found(source) == []


def test_fields_with_nothing_between_them():
    """Two sets of values print one text, so no reader can tell them apart."""
    source = "[名] <$_DEL_OPTION_$><$_PACK_NO_$>\n"
    assert found(source) == [("joined-fields", 1, 21, "[名] ああ")]
    assert (
        mail(source, delivery_option="ああ", pack_no="")[1]
        == mail(source, delivery_option="あ", pack_no="あ")[1]
    )


def test_a_row_of_an_order_that_may_be_missing_outside_a_block():
    """One of two orders has an option: the mail does not say which."""
    source = "##LOOP##[a] <$_ITEM_NM_$>\n##DELETE_BLANK_ROW####LOOP##[b] <$_OPTION_$>\n"
    assert found(source) == [("unknown-order", 2, 1, "[b] あ")]
    one = [{"item_name": "甲", "option": "あ"}, {"item_name": "甲", "option": ""}]
    reader, text, _ = mail(source, orders=one)
    assert text == mail(source, orders=one[::-1])[1] == "[a] 甲\n[a] 甲\n[b] あ\n"
    with pytest.raises(ReadingError, match="do not run equally often"):
        reader.read(text)


def test_a_block_that_may_print_nothing_for_an_order():
    """Two orders without an option print what none prints."""
    source = "##LOOP_BEGIN##\n##DELETE_BLANK_ROW##[b] <$_OPTION_$>\n##LOOP_END##\n終\n"
    assert found(source) == [("empty-pass", 1, 1, "終")]
    assert mail(source, orders=[])[1] == mail(source, orders=[{"option": ""}])[1]


def test_a_repeated_last_row_without_a_newline():
    """A blank element at the end of the mail cannot be seen."""
    source = "終\n##LOOP##<$_DEL_MEMO_$>"
    assert ("empty-pass", 2, 1, "終") in found(source)
    assert mail(source, memos=[])[1] == mail(source, memos=[""])[1]
    assert "empty-pass" not in [kind for kind, *_ in found("終\n##LOOP####DELETE_BLANK_ROW##<$_DEL_MEMO_$>")]


def test_an_if_that_may_print_nothing_either_way():
    """Both ways go on with the row behind it."""
    source = "##IF <$_DEL_OPTION_$>##\n##DELETE_BLANK_ROW##[b] <$_PACK_NO_$>\n##END_IF##\n終\n"
    assert found(source) == [("branch", 1, 6, "終")]
    assert (
        mail(source, delivery_option="", pack_no="")[1] == mail(source, delivery_option="あ", pack_no="")[1]
    )


def test_more_rows_than_are_looked_at():
    """A long chain of rows that may be missing is not judged, and that is said."""
    rows = "".join(f"##DELETE_BLANK_ROW##[{index}] <$_PACK_NO_$>\n" for index in range(40))
    assert {kind for kind, *_ in found(rows)} == {"too-many-ways"}
    assert found(rows.replace("[30] ", "[30] x").replace("##DELETE_BLANK_ROW##[20]", "[20]")) == []


@pytest.mark.parametrize(
    "source",
    [
        "[数] <$_ORDER_QTY|sum_$>点 <$_DEL_OPTION_$>\n",
        "[日] <$_ORDER_DATE|date:%Y/%m/%d_$> <$_DEL_OPTION_$>\n",
        "[品] <$_DEL_OPTION|paren_$>(<$_PACK_NO_$>)\n",
        "<$_ORDER_DATE_$>\n注文 <$_PACK_NO_$>\n",
        "<$_DELIVERY_FEE|yen_$>\n[備考]\n",
        "[日] <$_ORDER_DATE_$> - <$_DEL_OPTION_$>\n",
        "[料] <$_DELIVERY_FEE_$>--<$_DEL_OPTION_$>\n",
        "[備考]\n##LOOP##・<$_DEL_MEMO_$>\n\n以上\n",
        "##LOOP_BEGIN##\n--\n[品] <$_ITEM_NM_$>\n##DELETE_BLANK_ROW##[選] <$_OPTION_$>\n##LOOP_END##\n終\n",
        "##IF <$_DEL_OPTION_$>##\n[a] <$_DEL_OPTION_$>\n##ELSE##\n[b] なし\n##END_IF##\n",
    ],
)
def test_templates_without_a_finding(source):
    """Values that cannot hold their separator, by type or by filter; rows that differ; loops that end."""
    assert found(source) == []


def test_a_finding_shows_its_row_and_says_how_to_mend_it():
    """All parts of one finding, as an editor prints them."""
    (one,) = findings(parse("[備考]\n<$_DEL_OPTION_$>\n"), catalogue=CATALOGUE, unit="pack")
    assert one.message == "the row begins with a value, which may be the label [備考]"
    assert one.hint == "put a label at the head of the row that no other begins with"
    assert one.excerpt == "  <$_DEL_OPTION_$>\n  ^^^^^^^^^^^^^^^^"
    assert (one.span.start, one.span.end) == (5, 21)


def test_no_more_findings_are_told_than_anyone_mends():
    """The first of them, in the order of the template."""
    all_found = found("[名] <$_DEL_OPTION_$><$_PACK_NO_$>\n" * 200)
    assert [line for _, line, *_ in all_found] == list(range(1, MAX_FINDINGS + 1))


@pytest.mark.parametrize(
    ("source", "kinds", "values"),
    [
        (
            "##IF <$_DEL_OPTION_$>##\n3月\n##ELSE##\n<$_DEL_HOPE_DATE|date:%-m月_$>\n##END_IF##\n",
            ["branch", "label"],
            {"delivery_option": None, "hope_date": "2026-03-01"},
        ),
        (
            "##IF <$_DEL_OPTION_$>##\n5\n##ELSE##\n<$_DELIVERY_FEE|left:1_$>\n##END_IF##\n",
            ["branch", "label"],
            {"delivery_option": None, "delivery_fee": 500},
        ),
        ("1<$_PACK_NO_$>\n<$_ITEM_NM|count_$>A\n", ["label"], {}),
        (
            "-<$_PACK_NO_$>\n-5<$_PACK_NO_$>\n<$_ORDER_QTY|sum_$>\n",
            ["label", "label"],
            {"orders": [{"qty": -5}]},
        ),
    ],
)
def test_a_number_may_be_any_number_behind_a_filter_too(source, kinds, values):
    """Not only the digits that sample values happen to have: the mail that shows it is misread."""
    assert [kind for kind, *_ in found(source)] == kinds
    reader, text, record = mail(source, **values)
    assert reader.misreadings(text, record)


@pytest.mark.parametrize(
    ("source", "examples"),
    [
        ("[名] <$_SELLER_ID_$>/<$_BUYER_NM_$><$_BUYER_NM_JA_$>様\n", ["[名] あ/あ/ああ様", "[名] あ/ああ様"]),
        ("##DELETE_BLANK_ROW####LOOP##[オ] <$_ITEM_NM|paren_$>(<$_ORDER_QTY_$>)\n", ["[オ] あ(1)"]),
        ("一\n二\n##LOOP_BEGIN##\n##LOOP_END##\n", ["二"]),
        ("##LOOP_BEGIN##\n##LOOP_END##\n日 <$_DEL_HOPE_DATE_$>\n", ["日 2026-11-15"]),
        ("##LOOP_BEGIN##\n##LOOP_END##\n", [""]),
    ],
)
def test_an_example_is_a_whole_row_that_the_template_prints(source, examples):
    """With each text and each field of it; a template that prints nothing else has none to show."""
    assert [example for *_, example in found(source)] == examples


@pytest.mark.parametrize(
    ("row", "marked", "meant"),
    [
        ("<$PACK_NO$>", "<$PACK_NO$>", "<$_PACK_NO_$>"),
        ("a ＜＄_PAK_NO_＄＞", "＜＄_PAK_NO_＄＞", "<$_PACK_NO_$>"),
        ("{$pack_no}", "{$pack_no}", "<$_PACK_NO_$>"),
        ("[$合計$] [$XYZ", "[$XYZ", "<$_NAME_$>"),
        ("##if <$_PACK_NO_$>##", "##if ", "##IF <$_NAME_$>##"),
        ("##end_if##", "##end_if##", "##END_IF##"),
        ("##endif##", "##endif##", "##END_IF##"),
        ("#LOOP##<$_DEL_MEMO_$>", "#LOOP##", "##LOOP##"),
        ("＃＃ＬＯＯＰ＃＃<$_DEL_MEMO_$>", "＃＃ＬＯＯＰ＃＃", "##LOOP##"),
        ("＄LOOP_<$_DEL_MEMO_$>", "＄LOOP_", "##LOOP##"),
        ("##DELETE_BLANK_ROW##LOOP##<$_DEL_MEMO_$>", "LOOP##", "##LOOP##"),
        ("##DELETE_BLANK_ROW##LOOP_<$_DEL_MEMO_$>", "LOOP_", "##LOOP##"),
        ("##LOOP##DELETE-BLANK-ROW##<$_DEL_MEMO_$>", "DELETE-BLANK-ROW##", "##DELETE_BLANK_ROW##"),
        ("a #loop_begin# b", "#loop_begin#", "##LOOP_BEGIN##"),
    ],
)
def test_a_text_that_was_meant_as_a_marker(row, marked, meant):
    """It would go to the partner as it stands: with its place and the marker, in a subject too."""
    reads = parse if "##DEL" in row or "##LOOP##" in row else parse_line
    source = f"一\n{row}\n" if reads is parse else row
    told = findings(reads(source), catalogue=CATALOGUE, unit="pack")
    (one,) = [each for each in told if each.kind == "looks-like-marker"]
    assert source[one.span.start : one.span.end] == marked
    assert one.message == f"{marked.strip()} is no marker: it is printed as it stands"
    assert one.hint.startswith(f"write {meant}; if it is meant as text, put a space ")
    assert marked in one.example


@pytest.mark.parametrize(
    "row",
    [
        "## お届け先 ##",
        "# LOOP # ## If you like ##",
        "[$] US$ [US$] {0} <$5> $PATH #SALE# ##NOTE##s",
        "##DELETE_BLANK_ROW##LOOPの輪 <$_PACK_NO_$>",
        "＃１ ＃ループ＃ #if the box is open# else",
        "END=ORDER LOOP## loop##",
    ],
)
def test_what_looks_like_no_marker(row):
    """Headings, prices, prose, and the mend itself: a space behind the sign."""
    source = f"一 {row}\n" if "##NOTE" in row else f"{row}\n"
    assert [kind for kind, *_ in found(source) if kind == "looks-like-marker"] == []
