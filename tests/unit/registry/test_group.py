"""Template groups: the shipped ones, and the operator's own beside them."""

from pathlib import Path

import pytest

from grammar import load_catalogue
from relay.errors import BadInput
from relay.notification import Notification, NotificationType
from relay.registry import Hazard, Partner, load_templates
from relay.registry.group import _entries
from relay.registry.piece import MAX_NAMED

SHIPPED = Path(__file__).resolve().parents[3] / "partner_templates"
CATALOGUE = load_catalogue()
PARTNER = """\
name: 例題 Template
name_ja: 例題
name_en: Example
capabilities: [orders, stock]
charset: iso-2022-jp
hazards:
  - text: 括弧の中を商品コードとして読む。
    source: public
"""
MAIL = """\
---
number: 5001
name: "[Email] 例題"
notification: order_info
unit: order
subject: "注文 <$_ORDER_NO_$>"
sender: "例題商店 <shop@example.jp>"
source: operator
---
注文番号:<$_ORDER_NO_$>
---
##DELETE_BLANK_ROW##備考:<$_DEL_MEMO_$>
"""


def _own(folder, files):
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return load_templates(SHIPPED, CATALOGUE, own=folder)


def test_the_marketplace_s_numbers_are_kept():
    """The templates whose numbers its manual shows, with key, type and unit; what they print is golden."""
    templates = load_templates(SHIPPED, CATALOGUE)
    known = [templates.by_number[number] for number in (1, 18, 47)]
    assert [(each.key, each.notification.value, each.unit, each.source) for each in known] == [
        ("stock_gear/order_info", "order_info", "pack", "manual"),
        ("cross_mall/order_info", "order_info", "pack", "manual"),
        ("cross_mall/delivery_request", "delivery_request", "pack", "denrei"),
    ]


def test_a_partner_is_added_by_adding_files(tmp_path):
    """An operator's group stands beside the shipped ones; a mail for each order names its own order."""
    templates = _own(tmp_path, {"my_shop/partner.yaml": PARTNER, "my_shop/order_info_each.mail": MAIL})
    template = templates.by_key["my_shop/order_info_each"]
    assert len(templates) == len(load_templates(SHIPPED, CATALOGUE)) + 1
    assert template.partner == Partner(
        key="my_shop",
        name="例題 Template",
        name_ja="例題",
        name_en="Example",
        capabilities=frozenset({"orders", "stock"}),
        charset="iso-2022-jp",
        hazards=(Hazard(text="括弧の中を商品コードとして読む。", source="public"),),
    )
    assert (template.number, template.notification, template.unit) == (
        5001,
        NotificationType.ORDER_INFO,
        "order",
    )
    assert template.body.source == MAIL.partition("operator\n---\n")[2]
    notification = Notification.model_validate(
        {
            "version": 1,
            "type": "order_info",
            "seller_id": "example-shop",
            "occurred_at": "2026-11-21 10:15:00",
            "pack": {
                "pack_no": "210987654",
                "orders": [{"order_no": "7700000011"}, {"order_no": "7700000012"}],
            },
        }
    )
    record = CATALOGUE.record(notification).for_order(1)
    assert (template.subject(record), template.body(record)) == (
        "注文 7700000012",
        "注文番号:7700000012\n---\n",
    )


def test_a_template_from_windows_is_the_same(tmp_path):
    """A byte order mark and CRLF line ends are the file's, not the mail's."""
    windows = b"\xef\xbb\xbf" + MAIL.replace("\n", "\r\n").encode()
    partner = b"\xef\xbb\xbf" + PARTNER.replace("\n", "\r\n").encode()
    template = _own(tmp_path, {"my_shop/partner.yaml": partner, "my_shop/order_info.mail": windows}).find(
        "5001"
    )
    assert template.body.source == MAIL.partition("operator\n---\n")[2]


def test_a_template_is_found_as_a_person_names_it():
    """By key or by number; full-width digits, signs and more digits than Python counts are no number."""
    templates = load_templates(SHIPPED, CATALOGUE)
    names = ["18", "018", "cross_mall/order_info", "cross_mall", "", "１８", "-18", "18 ", "9" * 5_000]
    found = [templates.find(name) for name in names]
    assert [each and each.key for each in found] == ["cross_mall/order_info"] * 3 + [None] * 6
    assert templates.near_miss("crossmall/order_info") == "did you mean cross_mall/order_info?"


def test_a_template_that_is_not_text_is_told(tmp_path):
    """A file in Shift_JIS is refused with its line, and without a guess."""
    with pytest.raises(BadInput) as refused:
        _own(tmp_path, {"my_shop/partner.yaml": PARTNER, "my_shop/order_info.mail": MAIL.encode("cp932")})
    assert str(refused.value) == f"{tmp_path}/my_shop/order_info.mail:3: is not UTF-8 text"


def test_a_missing_folder_is_told(tmp_path):
    """A wrong `templates:` must not leave the operator's groups out without a word."""
    with pytest.raises(BadInput) as refused:
        load_templates(SHIPPED, CATALOGUE, own=tmp_path / "gone")
    assert str(refused.value) == f"{tmp_path}/gone: cannot be read: No such file or directory"


def test_an_operator_s_subject_may_not_carry_a_second_header(tmp_path):
    """Controls are refused in front matter, not only where the header is written."""
    for line in ("注文\\r\\nBcc: spy@example.com", "注文\\0", "注文\\u2028", "注文\\u202e"):
        mail = MAIL.replace("注文 <$_ORDER_NO_$>", line)
        with pytest.raises(BadInput) as refused:
            _own(tmp_path, {"my_shop/partner.yaml": PARTNER, "my_shop/order_info.mail": mail})
        expected = (
            f"{tmp_path}/my_shop/order_info.mail:6: subject: holds a character that is not allowed there"
        )
        assert str(refused.value) == expected


def _refusal(folder, files):
    with pytest.raises(BadInput) as refused:
        _own(folder, {"my_shop/partner.yaml": PARTNER} | files)
    return str(refused.value).replace(f"{folder}/", "")


def test_a_control_character_in_a_body_is_refused_with_its_place(tmp_path):
    """No mail could carry it, so every mail of the template would fail; tabs and line ends are text."""
    body = "注文\t番号:\n\x1b[2J送料\r合計\x00\n---\nBEL\x07\x0c\x7f\x85\n"
    head, fence, _ = MAIL.partition("operator\n---\n")
    text = f"{head}{fence}{body}".replace("\n", "\r\n")
    said = _refusal(tmp_path, {"my_shop/order_info.mail": text}).replace(" (take it out)", "").split("\n")
    assert [row.partition(": body: holds the control character ")[2] for row in said[::3]] == [
        f"U+{code}, which no mail can carry (column {column})"
        for code, column in zip(
            ("001B", "000D", "0000", "0007", "000C", "007F", "0085"), (1, 7, 10, 4, 5, 6, 7), strict=True
        )
    ]
    assert [row.partition(": ")[0] for row in said[::3]] == [
        f"my_shop/order_info.mail:{line}" for line in (11, 11, 11, 13, 13, 13, 13)
    ]
    assert said[3:6][1:] == ["  \ufffd[2J送料\ufffd合計\ufffd", "          ^"]


def test_a_byte_order_mark_within_a_body_is_told_by_its_name(tmp_path):
    """At the file's beginning it is the file's; where a text was pasted in, nobody would see it."""
    said = _refusal(tmp_path, {"my_shop/order_info.mail": f"\ufeff{MAIL}以\ufeff上\n"})
    assert said.split("\n")[0] == (
        "my_shop/order_info.mail:13: body: "
        "holds the byte order mark U+FEFF, which no mail can carry (column 2)"
    )


def test_a_file_of_control_characters_is_told_in_short(tmp_path):
    """A few show what it is."""
    said = _refusal(tmp_path, {"my_shop/order_info.mail": MAIL + "\0" * 5_000})
    assert said.count("U+0000") == MAX_NAMED


@pytest.mark.parametrize(
    ("sender", "good"),
    [
        ("shop@example.jp", True),
        (" <shop@example.jp> ", True),
        ("<$_SELLER_ID_$> 例題 <shop@example.jp>", True),
        ("<$_BUYER_NM_$><a@example.com> <shop@example.jp>", True),
        ("例題商店", False),
        ("例題 <shop>", False),
        ("例題 <shop@example.jp", False),
        ("例題 shop@example.jp", False),
        ("例題 <shop@example.jp> 様", False),
        ("<例題@example.jp>", False),
        ("<$_BUYER_EMAIL_$>", False),
        ("[$_BUYER_EMAIL_$]", False),
        ("例題 <<$_BUYER_EMAIL_$>>", False),
        ("例題 <{$_SELLER_ID_$}@example.jp>", False),
        ("{$_SELLER_ID_$}@example.jp", False),
        ("<shop@example.jp> <$_BUYER_NM_$>", False),
    ],
)
def test_a_sender_ends_in_an_address_of_its_own(tmp_path, sender, good):
    """No value may choose who a mail is from; a sender without an address would fail in every mail."""
    mail = MAIL.replace("例題商店 <shop@example.jp>", sender)
    files = {"my_shop/order_info.mail": mail}
    if good:
        templates = _own(tmp_path, {"my_shop/partner.yaml": PARTNER} | files)
        assert templates.by_key["my_shop/order_info"].sender.source == sender
        return
    assert _refusal(tmp_path, files) == (
        "my_shop/order_info.mail:7: sender: does not end in an address of its own "
        "(write Name <orders@example.jp>; fields may stand in the name only)"
    )


def test_a_template_beside_the_groups_is_told(tmp_path):
    """It would be passed over in silence; so would a whole group that was named in place of its folder."""
    files = {
        "order_info.mail": MAIL,
        "partner.yaml": PARTNER,
        "README.md": "",
        "my_shop/order_info.mail": MAIL,
    }
    hint = "(each group has a folder of its own, with its partner.yaml and its .mail files)"
    assert _refusal(tmp_path, files) == (
        f"order_info.mail: stands in no group {hint}\npartner.yaml: stands in no group {hint}"
    )


def test_a_group_that_cannot_be_listed_is_told(tmp_path):
    """A folder that goes while it is read, or that may not be listed, is a problem and no crash."""
    problems = []
    assert _entries(tmp_path / "gone", problems) == ([], [])
    assert [str(each) for each in problems] == [f"{tmp_path}/gone: cannot be read: No such file or directory"]


RULES = """\
unwritable: replace
value_rules:
  - fields: [ITEM_NM, OPTION]
    filter: paren
    when: always
    why: 半角の括弧の中を商品コードとして読む。
    source: public
  - fields: all
    filter: kana|oneline
    when: misread
    why: Tried before a person is asked.
    source: denrei
intake:
  - text: その住所は変わることがある。
    source: public
"""


def test_a_partner_s_rules_are_taken(tmp_path):
    """Fields, chain, time and source as they are written; `all` is all text but what orders are found by."""
    files = {"my_shop/partner.yaml": PARTNER + RULES, "my_shop/order_info.mail": MAIL}
    partner = _own(tmp_path, files).partners["my_shop"]
    assert [(each.filter, each.when, each.why, each.source) for each in partner.value_rules] == [
        ("paren", "always", "半角の括弧の中を商品コードとして読む。", "public"),
        ("kana|oneline", "misread", "Tried before a person is asked.", "denrei"),
    ]
    narrow, wide = partner.value_rules
    assert narrow.fields == {"ITEM_NM", "OPTION"}
    assert wide.fields == {each.name for each in CATALOGUE if each.type in {"text", "list"}} - {
        "RECOGNITION_KEY",
        "SELLER_ID",
        "PACK_NO",
        "ORDER_NO",
    }
    assert (narrow.apply("皿(小)"), wide.apply("ｶﾞﾗｽ  (小)")) == ("皿（小）", "ガラス (小)")
    assert partner.unwritable == "replace"
    assert partner.intake == (Hazard(text="その住所は変わることがある。", source="public"),)


def test_a_partner_without_rules_has_none(tmp_path):
    """What is left out changes nothing, and what cannot be written is kept for a person."""
    files = {"my_shop/partner.yaml": PARTNER + "value_rules:\nintake:\n", "my_shop/order_info.mail": MAIL}
    partner = _own(tmp_path, files).partners["my_shop"]
    assert (partner.value_rules, partner.unwritable, partner.intake) == ((), "quarantine", ())


def test_a_template_is_folded_to_its_partner_s_charset(tmp_path):
    """Its words are written as the charset has them, and shown as their author wrote them."""
    mail = MAIL.replace("注文番号:", "ﾁﾕｳﾓﾝﾊﾞﾝｺﾞｳ～").replace("注文 <", "ｶﾞ <")
    for charset, head in (("iso-2022-jp", "チユウモンバンゴウ〜"), ("utf-8", "ﾁﾕｳﾓﾝﾊﾞﾝｺﾞｳ～")):
        partner = PARTNER.replace("iso-2022-jp", charset)
        templates = _own(tmp_path, {"my_shop/partner.yaml": partner, "my_shop/order_info.mail": mail})
        template = templates.by_key["my_shop/order_info"]
        record = CATALOGUE.record({"pack": {"orders": [{"order_no": "7"}]}})
        assert template.body(record) == f"{head}7\n---\n"
        assert template.subject(record) == ("ガ 7" if charset == "iso-2022-jp" else "ｶﾞ 7")
        assert template.body.source == mail.partition("operator\n---\n")[2]
        assert template.body.reader.read(template.body(record)).orders == ({"ORDER_NO": "7"},)


def test_a_mistake_beside_half_width_kana_has_its_own_column(tmp_path):
    """Folding joins voicing marks, which moves all that follows; places are those of the file."""
    mail = MAIL.replace("注文番号:<$_ORDER_NO_$>", "ﾊﾞﾝｺﾞｳ:<$_ODER_NO_$>")
    assert _refusal(tmp_path, {"my_shop/order_info.mail": mail}).split("\n")[0] == (
        "my_shop/order_info.mail:10: body: unknown field ODER_NO (column 8)"
    )


def test_template_text_that_the_charset_lacks_is_refused_with_its_place(tmp_path):
    """Each character once, in subject, sender and body; a voicing mark where it stands alone."""
    mail = (
        MAIL.replace("注文 <", "№ <")
        .replace("例題商店", "髙①")
        .replace("注文番号:", "か\u3099あ\u3099㈱①㈱:")
    )
    said = _refusal(tmp_path, {"my_shop/order_info.mail": mail})
    lacking = "cannot be written in ISO-2022-JP"
    assert [row for row in said.split("\n") if row.startswith("my_shop")] == [
        f"my_shop/order_info.mail:6: subject: '№' (U+2116) {lacking} (character 1)",
        f"my_shop/order_info.mail:7: sender: '髙' (U+9AD9) {lacking} (character 1)",
        f"my_shop/order_info.mail:7: sender: '①' (U+2460) {lacking} (character 2)",
        f"my_shop/order_info.mail:10: body: '\u3099' (U+3099) {lacking} (column 4)",
        f"my_shop/order_info.mail:10: body: '㈱' (U+3231) {lacking} (column 5)",
        f"my_shop/order_info.mail:10: body: '①' (U+2460) {lacking} (column 6)",
    ]


@pytest.mark.parametrize(
    ("body", "compares"),
    [
        ("##IF <$_PAYMENT_METHOD_$> = 代引～##\n代引\n##END_IF##\n", True),
        ("##IF <$_PAYMENT_METHOD_$> != COD##\n前払\n##END_IF##\n", False),
        ("##IF <$_PAYMENT_METHOD_$>##\n代引\n##END_IF##\n", False),
        ("##LOOP_BEGIN##\n##IF <$_OPTION_$> = 赤##\n赤\n##END_IF##\n##LOOP_END##\n", True),
        (
            "##IF <$_DEL_MEMO_$>##\nA\n##ELSE##\n##IF <$_BUYER_NM_$> = 花##\nB\n##END_IF##\n##END_IF##\n",
            True,
        ),
    ],
)
def test_a_piece_knows_whether_it_compares_with_japanese(tmp_path, body, compares):
    """Only then must values be folded before they are printed: an IF may hold only for folded ones."""
    mail = MAIL.partition("operator\n---\n")[0] + "operator\n---\n" + body
    templates = _own(tmp_path, {"my_shop/partner.yaml": PARTNER, "my_shop/order_info.mail": mail})
    assert templates.by_key["my_shop/order_info"].body.compares is compares
