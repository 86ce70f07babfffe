"""Template groups: the shipped ones, and the operator's own beside them."""

from pathlib import Path

import pytest

from grammar import load_catalogue
from relay.errors import BadInput
from relay.notification import Notification, NotificationType
from relay.registry import Hazard, Partner, load_templates

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
