"""Every shipped partner template, on the cases that lie beside it: the text that the partner gets."""

from pathlib import Path

import pytest

from grammar import load_catalogue
from relay.document import parse_json, validated
from relay.notification import Notification
from relay.registry import load_templates

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
    """The fixed part of the subject is the one that partners' readers look for, at its beginning."""
    assert template.subject_source.startswith(FIXED_SUBJECTS[template.notification])


@pytest.mark.parametrize("template", list(TEMPLATES), ids=lambda template: template.key)
def test_no_label_stands_twice_at_the_head_of_a_row(template):
    """A reader by label finds each label once in the pack's part and once in each order's."""
    heads = [
        row.partition("<$_")[0]
        .replace("##DELETE_BLANK_ROW##", "")
        .replace("##LOOP##", "")
        .replace("$LOOP_", "")
        for row in template.body_source.split("\n")
        if "<$_" in row
    ]
    labels = [head for head in heads if head]
    assert len(labels) >= 20
    assert sorted(set(labels)) == sorted(labels)


def test_no_label_for_cross_mall_has_half_width_kana():
    """CROSS MALL loses an order without an error when a label has them."""
    text = "".join(each.body_source for each in TEMPLATES if each.partner.key == "cross_mall")
    assert not [letter for letter in text if "\uff61" <= letter <= "\uff9f"]


def test_the_basic_order_mail_lacks_what_it_is_known_to_lack():
    """Readers of Basic expect no buyer's mobile, tracking number or carrier."""
    basic = TEMPLATES.by_key["basic/order_info"].body_source
    assert not [name for name in ("BUYER_MOBILE_NO", "TRACKING_NO", "DELIVERY_COMPANY") if name in basic]
