"""Every shipped partner template, on the cases that lie beside it: the text that the partner gets."""

from pathlib import Path

import pytest

from grammar import load_catalogue
from relay.document import parse_json, validated
from relay.notification import Notification
from relay.registry import load_templates
from tests.support.records import sample_document

ROOT = Path(__file__).resolve().parents[2] / "partner_templates"
CASES = sorted(ROOT.glob("*/examples/*.json"))
CATALOGUE = load_catalogue()
TEMPLATES = load_templates(ROOT, CATALOGUE)

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
}


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.parts[-3]}/{case.stem}")
def test_a_case_renders_as_the_file_beside_it(case):
    """Subject, sender and body are compared whole; the case's name begins with its template's."""
    notification = validated(Notification, parse_json(case.read_bytes()))
    template = TEMPLATES.by_key[f"{case.parts[-3]}/{case.stem.partition('-')[0]}"]
    assert notification.type is template.notification
    record = CATALOGUE.record(notification)
    text = f"Subject: {template.subject(record)}\nFrom: {template.sender(record)}\n\n{template.body(record)}"
    assert text.encode() == case.with_suffix(".expected").read_bytes()


@pytest.mark.parametrize("template", list(TEMPLATES), ids=lambda template: template.key)
def test_a_template_has_its_three_cases(template):
    """A full pack, blank optional fields and hostile values are shown for every template that is shipped."""
    cases = {case.stem for case in CASES if case.parts[-3] == template.partner.key}
    stem = template.key.partition("/")[2]
    assert {f"{stem}-{case}" for case in ("full_pack", "blank_fields", "hostile_values")} <= cases


@pytest.mark.parametrize("template", list(TEMPLATES), ids=lambda template: template.key)
def test_the_rows_called_attested_are_the_manual_s(template):
    """Rows that a file calls the marketplace's are so word for word, and no more are claimed."""
    rows = template.body_source.split("\n")[: template.attested_rows]
    assert rows == MANUAL.get(template.key, "").split("\n")[:-1]


@pytest.mark.parametrize("template", list(TEMPLATES), ids=lambda template: template.key)
def test_the_subject_holds_what_partners_choose_mail_by(template):
    """The subject has the fixed part that partners' readers are known to look for in it."""
    assert FIXED_SUBJECTS[template.notification] in template.subject_source


@pytest.mark.parametrize("memos", [[], ["のし不要"], ["のし不要", "置き配希望", "\u3000"]], ids=len)
@pytest.mark.parametrize("template", list(TEMPLATES), ids=lambda template: template.key)
def test_each_label_stands_once_however_many_memos_there_are(template, memos):
    """A reader by label keeps one value of a label: once in the pack's part, once in each order's."""
    document = sample_document(orders=2)
    document["pack"]["memos"] = memos
    mail = template.body(CATALOGUE.record(document)).split("\n")
    pack, _, orders = template.body_source.partition("##LOOP_BEGIN##\n")
    labels = {
        row.partition("<$_")[0]: times
        for part, times in ((pack, 1), (orders, 2))
        for row in part.split("\n")
        if "<$_" in row and not row.startswith(("##", "<$_"))
    }
    assert len(labels) >= 20
    assert {label: sum(row.startswith(label) for row in mail) for label in labels} == labels
    assert all(memo in "\n".join(mail) for memo in memos if memo.strip())


def test_no_label_for_cross_mall_has_half_width_kana():
    """CROSS MALL loses an order without an error when a label has them."""
    text = "".join(each.body_source for each in TEMPLATES if each.partner.key == "cross_mall")
    assert not [letter for letter in text if "\uff61" <= letter <= "\uff9f"]


def test_the_basic_order_mail_lacks_what_it_is_known_to_lack():
    """Readers of Basic expect no buyer's mobile, tracking number or carrier."""
    basic = TEMPLATES.by_key["basic/order_info"].body_source
    assert not [name for name in ("BUYER_MOBILE_NO", "TRACKING_NO", "DELIVERY_COMPANY") if name in basic]


def test_a_sender_that_the_manual_does_not_show_is_marked_as_ours():
    """The manual shows the sender of number 18 and of no other template."""
    marked = {
        template.number: "# ours" in row
        for template in TEMPLATES
        for row in (ROOT / f"{template.key}.mail").read_text("utf-8").split("\n")
        if row.startswith("sender:")
    }
    assert marked == {1: True, 18: False, 47: True, 9001: True}


def test_what_is_known_of_all_readers_is_not_told_of_one():
    """A hazard stands with a partner only when it is that partner's own."""
    own = {key: [each.source for each in partner.hazards] for key, partner in TEMPLATES.partners.items()}
    assert own == {
        "stock_gear": [],
        "cross_mall": ["public", "public", "manual", "manual", "manual"],
        "basic": ["public"],
    }


def test_the_two_ways_in_which_the_manual_prints_a_template_are_told():
    """Nobody learns from a lost order that the manual disagrees with itself."""
    hazards = " ".join(hazard.text for hazard in TEMPLATES.partners["cross_mall"].hazards)
    labels = ("[配達希望日]", "[配達時間帯]", "[配送希望日]", "[配送時間帯]")
    assert [label for label in labels if label not in hazards] == []
