"""Every shipped partner template, on the cases that lie beside it: the text that the partner gets."""

import re
from collections.abc import Iterator

import pytest

from grammar import parse
from grammar.ast import If, Item, Loop, Row, Text
from grammar.formatter import formatted
from relay.charset import charset_of
from relay.registry import PartnerTemplate
from tests.support.records import sample_document
from tests.support.shipped import (
    CASES,
    CATALOGUE,
    ROOT,
    TEMPLATES,
    TYPES,
    case_name,
    notification_of,
    records_of,
    template_of,
)

each_template = pytest.mark.parametrize("template", list(TEMPLATES), ids=lambda template: template.key)
each_case = pytest.mark.parametrize("case", CASES, ids=case_name)

# The group as the screen prints it, and the numbers of its templates in the order of TYPES.
GROUPS = {
    "stock_gear": ("StockGear Template", "utf-8", [1, 9022, 9023, 9024, 9025]),
    "next_engine": ("NextEngine Template", "iso-2022-jp-ms", [9011, 9012, 9013, 9014, 9015]),
    "cross_mall": ("CrossMall Template", "iso-2022-jp", [18, 47, 9033, 9034, 9035]),
    "zaiko_robot": ("ZaikoRobot Template", "utf-8", [9041, 9042, 9043, 9044, 9045]),
    "basic": ("Basic Template", "utf-8", [9001, 9002, 9003, 9004, 9005]),
    "book_sales": ("BookSales Template", "utf-8", [9051, 9052, 9053, 9054, 9055]),
    "tsuhan_kura": ("通販する蔵 Template", "iso-2022-jp-ms", [9061, 9062, 9063, 9064, 9065]),
    "softel": ("Softel Template", "iso-2022-jp-ms", [9071, 9072, 9073, 9074, 9075]),
    "external_order": ("External Order Template", "utf-8", [9081, 9082, 9083, 9084, 9085]),
}
ATTESTED_NUMBERS = (1, 18, 47)
KNOWN_TYPES = ("order_info", "delivery_request")  # part of their subject is known from partners' manuals

# What the marketplace's manual shows, row by row, with its printed fields in the language's own form.
MANUAL = {
    "stock_gear/order_info": """\
いつもQoo10をご利用いただきまして誠にありがとうございます。
お客様から下記の注文が入りましたのでお知らせいたします。

販売者ID:<$_SELLER_ID_$>
カート番号:<$_PACK_NO_$>
送料:<$_DELIVERY_FEE_$>
注文日時:<$_ORDER_TIME_$>

■注文者の情報
氏名:<$_BUYER_NM_$>
氏名(フリガナ):<$_BUYER_NM_JA_$>
電話番号:<$_BUYER_TEL_NO_$>
""",
    "cross_mall/order_info": """\
この度はQoo10をご利用いただきまして、誠にありがとうございます。
以下の注文内容が届いておりますので、内容をご確認ください。

[注文番号] <$_PACK_NO_$>
[注文日時] <$_ORDER_DATE_$>
[支払方法] <$_PAYMENT_METHOD_$>
[配送方法] <$_DEL_OPTION_$>
[配達希望日] <$_DEL_HOPE_DATE_YYYYMMDD_$>
[配達時間帯] <$_DEL_HOPE_DATE_TIME_ZONE_$>

[備考]
##DELETE_BLANK_ROW##$LOOP_<$_DEL_MEMO_$>
""",
}
FIXED_SUBJECTS = {
    "order_info": "Qoo10の注文のお知らせです。",
    "delivery_request": "Qoo10の発注のお知らせです。",
    "delivery_complete": "Qoo10の配送完了のお知らせです。",
    "cancel_request": "Qoo10のキャンセル要請のお知らせです。",
    "cancel_complete": "Qoo10のキャンセル完了のお知らせです。",
}
BETWEEN_MAILS = "----\n"  # of a template of unit `order`, in an .expected file


def _front(template: PartnerTemplate) -> dict[str, str]:
    """The rows of the front matter with their comments, by key."""
    head = (ROOT / f"{template.key}.mail").read_text("utf-8").split("\n---\n")[0]
    return dict(row.split(": ", 1) for row in head.split("\n")[1:])


def _label(row: Row) -> str:
    """What stands before the first field of a row; empty when the row has none."""
    texts = [piece.text if isinstance(piece, Text) else "" for piece in row.pieces[:1]]
    return "".join(texts) if row.fields else ""


@each_case
def test_a_case_renders_as_the_file_beside_it(case):
    """Subject, sender and body are compared whole; the case's name begins with its template's."""
    template, notification = template_of(case), notification_of(case)
    assert notification.type is template.notification
    mails = [
        f"Subject: {template.subject(record)}\nFrom: {template.sender(record)}\n\n{template.body(record)}"
        for record in records_of(template, notification)
    ]
    assert BETWEEN_MAILS.join(mails).encode() == case.with_suffix(".expected").read_bytes()


@each_template
def test_a_template_has_its_three_cases(template):
    """A full pack, blank optional fields and hostile values are shown for every template that is shipped."""
    cases = {case.stem for case in CASES if case.parts[-3] == template.partner.key}
    stem = template.key.partition("/")[2]
    assert {f"{stem}-{case}" for case in ("full_pack", "blank_fields", "hostile_values")} <= cases


def test_nine_groups_have_a_template_for_each_of_five_types():
    """Display name, charset, number and unit of all forty-five."""
    shipped = {
        (each.partner.key, each.partner.name, each.partner.charset, each.notification.value): each.number
        for each in TEMPLATES
    }
    assert shipped == {
        (key, name, charset, kind): number
        for key, (name, charset, numbers) in GROUPS.items()
        for kind, number in zip(TYPES, numbers, strict=True)
    }
    assert {each.partner.key for each in TEMPLATES if each.unit == "order"} == {"next_engine"}


@each_template
def test_the_rows_called_attested_are_the_manual_s(template):
    """Rows that a file calls the marketplace's are so word for word, and no more are claimed."""
    rows = template.body.source.split("\n")[: template.attested_rows]
    assert rows == MANUAL.get(template.key, "").split("\n")[:-1]


@each_template
def test_the_subject_is_what_partners_choose_mail_by(template):
    """The fixed part that readers look for stands first, then the number of the cart or order alone."""
    word = "注文番号" if template.partner.key in ("cross_mall", "next_engine") else "カート番号"
    field = "ORDER_NO" if template.unit == "order" else "PACK_NO"
    assert template.subject.source == f"{FIXED_SUBJECTS[template.notification]}({word}:<$_{field}_$>)"


@each_template
def test_what_is_ours_in_a_template_is_marked_so(template):
    """Number, name, subject, sender, source: whoever reads the file sees which the manual does not show."""
    front = _front(template)
    ours = {key for key in ("number", "name", "subject", "sender", "source") if "# ours" in front[key]}
    known_number = template.number in ATTESTED_NUMBERS
    expected = set() if known_number else {"number", "name"}
    expected |= set() if template.number == 18 else {"sender"}
    assert ours - {"subject"} == expected
    if template.number != 18:
        assert ("the rest is ours" in front["subject"]) == (template.notification in KNOWN_TYPES)
        assert ("# ours:" in front["subject"]) == (template.notification not in KNOWN_TYPES)
    assert ("no manual shows a row" in front["source"]) == (not known_number)
    assert template.source == ("manual" if template.attested_rows else "denrei")


def _labels(
    items: tuple[Item, ...], *, orders: int, times: int = 1, always: bool = True
) -> Iterator[tuple[str, int, bool]]:
    """Each label with how often it may stand in a mail of so many orders, and whether it always does."""
    for item in items:
        match item:
            case Row() if label := _label(item):
                yield label, times, always and not item.directives
            case Row():
                pass
            case Loop():
                yield from _labels(item.items, orders=orders, times=orders, always=always)
            case If():
                yield from _labels(item.items, orders=orders, times=times, always=False)
                yield from _labels(item.others, orders=orders, times=times, always=False)


@pytest.mark.parametrize("memos", [[], ["のし不要"], ["のし不要", "置き配希望", "\u3000"]], ids=len)
@each_template
def test_each_label_stands_as_often_as_its_template_says(template, memos):
    """A reader by label keeps one value of a label: one in the pack's part, one in each order's."""
    document = sample_document(orders=2)
    document["pack"]["memos"] = memos
    seen = [memo for memo in memos if memo.strip()]
    orders = 1 if template.unit == "order" else 2
    labels = list(_labels(parse(template.body.source).items, orders=orders))
    for mail in [template.body(record) for record in records_of(template, document)]:
        counts = {label: sum(row.startswith(label) for row in mail.split("\n")) for label, *_ in labels}
        if template.partner.key == "basic":
            assert counts.pop("配送要請事項:") == max(1, len(seen))
        if template.partner.key == "external_order" and "DEL_MEMO" in template.body.fields:
            assert counts.pop("MEMO=") == len(seen)
        allowed = {label: {times} if always else range(times + 1) for label, times, always in labels}
        assert [label for label, count in counts.items() if count not in allowed[label]] == []
        assert "DEL_MEMO" not in template.body.fields or all(memo in mail for memo in seen)


@each_template
def test_no_label_is_the_beginning_of_another(template):
    """A reader that looks for a row's beginning finds one label there, never two."""
    labels = {label for label, *_ in _labels(parse(template.body.source).items, orders=1)}
    assert len(labels) >= 8
    assert [(one, two) for one in labels for two in labels if one != two and two.startswith(one)] == []


@each_template
def test_the_fixed_text_can_be_written_in_every_charset(template):
    """A group of one's own may take a template and another charset; no label has half-width kana."""
    own = "".join(
        piece.text
        for row in parse(template.body.source).rows
        for piece in row.pieces
        if isinstance(piece, Text)
    )
    for profile in ("utf-8", "iso-2022-jp", "iso-2022-jp-ms"):
        charset = charset_of(profile)
        assert (charset.fold(own), charset.unwritable(own)) == (own, ())
    assert not re.search("[\uff61-\uff9f～−‖—]", own)


@each_template
def test_a_mail_ends_in_a_row_that_is_no_value(template):
    """A mail that was cut off on its way shows."""
    *_, last = parse(template.body.source).rows
    assert not last.fields
    assert str(last).strip()
    assert template.body.source.endswith("\n")


@each_template
def test_a_template_is_written_as_the_formatter_writes_it(template):
    """One spelling in all of them; only the attested rows keep the manual's."""
    tree = parse(template.body.source)
    kept = "\n".join(template.body.source.split("\n")[template.attested_rows :])
    assert formatted(tree).endswith(kept)


def test_the_basic_order_mail_lacks_what_it_is_known_to_lack():
    """Readers of Basic expect no buyer's mobile, tracking number or carrier; the other types have them."""
    lacking = {"BUYER_MOBILE_NO", "TRACKING_NO", "DELIVERY_COMPANY", "SHIPPING_DATE"}
    found = {kind: TEMPLATES.by_key[f"basic/{kind}"].body.fields & lacking for kind in TYPES}
    assert found["order_info"] == set()
    assert found["delivery_complete"] == lacking


@pytest.mark.parametrize("kind", TYPES)
def test_every_basic_mail_tells_whose_it_is(kind):
    """A mail is taken in by the seller that it names."""
    assert "\n販売者ID:<$_SELLER_ID_$>\n" in TEMPLATES.by_key[f"basic/{kind}"].body.source


def test_a_mail_for_nextengine_has_codes_and_nothing_else_in_half_width_parentheses():
    """A name's own become full-width; without a code, an option's above all, no parentheses are printed."""
    template = TEMPLATES.by_key["next_engine/order_info"]
    case = ROOT / "next_engine" / "examples" / "order_info-full_pack.json"
    rows = [
        row
        for record in records_of(template, notification_of(case))
        for row in template.body(record).split("\n")
        if row.startswith(("商品名:", "オプション:"))
    ]
    assert rows == [
        "商品名:長袖Tシャツ（キッズ用）(KT-100)",
        "オプション:色:紺（ネイビー）/サイズ:120(KT-100-N120)",
        "商品名:裏起毛パンツ(KP-044)",
        "オプション:ギフト包装:あり（+300円）",
        "商品名:すくすくミトン（2組）",
        "オプション:",
    ]


def test_what_is_done_to_values_is_told_of_each_partner():
    """Rules and policy as the groups' files have them, each with who says so."""
    rules = {
        key: [(rule.fields, rule.filter, rule.when, rule.source) for rule in partner.value_rules]
        for key, partner in TEMPLATES.partners.items()
        if partner.value_rules
    }
    numbers = {"SELLER_ID", "PACK_NO", "ORDER_NO"}  # what an order is found by is changed for nobody
    texts = {
        name for name, entry in CATALOGUE.entries.items() if entry.type in ("text", "list") and entry.path
    } - numbers
    assert rules == {
        "next_engine": [({"ITEM_NM", "OPTION"}, "paren", "always", "public")],
        "cross_mall": [(texts, "kana", "always", "public"), ({"DEL_MEMO"}, "zen", "misread", "denrei")],
    }
    policies = {key: partner.unwritable for key, partner in TEMPLATES.partners.items()}
    assert policies == dict.fromkeys(GROUPS, "quarantine") | {"tsuhan_kura": "replace"}


def test_what_a_partner_links_is_claimed_where_the_manual_says_it():
    """NextEngine's 受注 and 在庫 are its example; the others stand in pictures."""
    known = {key: partner.capabilities for key, partner in TEMPLATES.partners.items() if partner.capabilities}
    assert known == {"next_engine": {"orders", "stock"}}


def test_what_is_known_of_all_readers_is_not_told_of_one():
    """A hazard stands with a partner only when it is that partner's own; no address is known by name."""
    own = {key: [each.source for each in partner.hazards] for key, partner in TEMPLATES.partners.items()}
    assert own == {key: [] for key in GROUPS} | {
        "next_engine": ["public"] * 4,
        "cross_mall": ["public", "public", "manual", "manual", "manual"],
        "basic": ["public", "public"],
    }
    assert not [key for key, partner in TEMPLATES.partners.items() if partner.intake]


def test_the_two_ways_in_which_the_manual_prints_a_template_are_told():
    """Nobody learns from a lost order that the manual disagrees with itself."""
    hazards = " ".join(hazard.text for hazard in TEMPLATES.partners["cross_mall"].hazards)
    labels = ("[配達希望日]", "[配達時間帯]", "[配送希望日]", "[配送時間帯]")
    assert [label for label in labels if label not in hazards] == []
