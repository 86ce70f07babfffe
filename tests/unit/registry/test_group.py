"""Template groups: the shipped ones, and the operator's own beside them."""

from pathlib import Path

import pytest

from grammar import load_catalogue
from relay.errors import BadInput
from relay.notification import Notification, NotificationType
from relay.registry import Hazard, Partner, load_templates
from relay.registry.group import _entries
from relay.registry.piece import MAX_CONTROLS

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


def test_the_shipped_templates_are_these():
    """Number, key, type, unit and whose words they are."""
    templates = load_templates(SHIPPED, CATALOGUE)
    assert [
        (each.number, each.key, each.notification.value, each.unit, each.source) for each in templates
    ] == [
        (1, "stock_gear/order_info", "order_info", "pack", "manual"),
        (18, "cross_mall/order_info", "order_info", "pack", "manual"),
        (47, "cross_mall/delivery_request", "delivery_request", "pack", "denrei"),
        (9001, "basic/order_info", "order_info", "pack", "denrei"),
    ]
    assert {key: (each.name, each.charset) for key, each in templates.partners.items()} == {
        "stock_gear": ("StockGear Template", "utf-8"),
        "cross_mall": ("CrossMall Template", "iso-2022-jp"),
        "basic": ("Basic Template", "utf-8"),
    }
    assert {each.capabilities for each in templates.partners.values()} == {None}


def test_a_partner_is_added_by_adding_files(tmp_path):
    """An operator's group stands beside the shipped ones; a mail for each order names its own order."""
    templates = _own(tmp_path, {"my_shop/partner.yaml": PARTNER, "my_shop/order_info_each.mail": MAIL})
    template = templates.by_key["my_shop/order_info_each"]
    assert len(templates) == 5
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
    assert template.body_source == MAIL.partition("operator\n---\n")[2]
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
    assert template.body_source == MAIL.partition("operator\n---\n")[2]


def test_a_template_is_found_as_a_person_names_it():
    """By key or by number; full-width digits and signs are no number."""
    templates = load_templates(SHIPPED, CATALOGUE)
    names = ["18", "018", "cross_mall/order_info", "cross_mall", "", "１８", "-18", "18 "]
    found = [templates.find(name) for name in names]
    assert [each and each.key for each in found] == ["cross_mall/order_info"] * 3 + [None] * 5
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


def test_a_file_of_control_characters_is_told_in_short(tmp_path):
    """A few show what it is."""
    said = _refusal(tmp_path, {"my_shop/order_info.mail": MAIL + "\0" * 5_000})
    assert said.count("U+0000") == MAX_CONTROLS


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
        assert len(_own(tmp_path, {"my_shop/partner.yaml": PARTNER} | files)) == 5
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
