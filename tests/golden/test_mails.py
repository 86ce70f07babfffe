"""Golden mails: whole mails as a partner's server gets them, byte for byte as in `mails/*.eml`.

A difference means that partners would get different bytes. When that is wanted, look at the new mail in a
mail reader before it becomes the golden one.
"""

from email import message_from_bytes, policy
from email.header import decode_header
from pathlib import Path

import pytest

from grammar import Catalogue, load_catalogue
from relay.registry import Registration
from tests.support.composing import composer, notification, registration
from tests.support.japanese import read_as_windows

FOLDER = Path(__file__).parent / "mails"

STOCK = """\
いつもQoo10をご利用いただきまして誠にありがとうございます。
お客様から下記の注文が入りましたのでお知らせいたします。

販売者ID:<$_SELLER_ID_$>
カート番号:<$_PACK_NO_$>
送料:<$_DELIVERY_FEE_$>

■注文者の情報
氏名:<$_BUYER_NM_$>
##LOOP_BEGIN##

■注文番号:<$_ORDER_NO_$>
商品名:<$_ITEM_NM_$>
数量:<$_ORDER_QTY_$>
##LOOP_END##
"""

CROSS = """\
この度はQoo10をご利用いただきまして、誠にありがとうございます。
以下の注文内容が届いておりますので、内容をご確認ください。

[注文番号] <$_PACK_NO_$>
[配送方法] <$_DEL_OPTION_$>
[備考]
##DELETE_BLANK_ROW##$LOOP_<$_DEL_MEMO_$>
##LOOP##[商品名] <$_ITEM_NM_$>
"""

ORDERS = {"memos": ("玄関先に～置いてください。", "", "のし―不要"), "buyer": "例題 花子", "delivery_fee": 550}


def _stock(catalogue: Catalogue) -> Registration:
    return registration(catalogue, body=STOCK, charset="utf-8", recipients=("orders@stock.example.com",))


def _cross(catalogue: Catalogue) -> Registration:
    return registration(
        catalogue,
        body=CROSS,
        sender="見本商店 Qoo10 <shop@example.jp>",
        recipients=tuple(f"orders-{number}@partner.example.jp" for number in range(1, 5)),
    )


def _order(catalogue: Catalogue) -> Registration:
    return registration(
        catalogue,
        unit="order",
        subject="Qoo10の発注のお知らせです。(注文番号:<$_ORDER_NO_$>) <$_ITEM_NM_$>",
        body="注文番号:<$_ORDER_NO_$>\n商品名:<$_ITEM_NM_$>\n",
        sender='"Shop, Inc." <shop@example.jp>',
        charset="utf-8",
        recognition_key="鍵-7 shop",
    )


def _vendor(catalogue: Catalogue) -> Registration:
    return registration(
        catalogue,
        body=CROSS,
        subject="Qoo10の注文のお知らせです。(注文番号:<$_PACK_NO_$>) <$_BUYER_NM_$>",
        sender="髙﨑商店㈱ Qoo10 <shop@example.jp>",
        charset="iso-2022-jp-ms",
    )


def _replaced(catalogue: Catalogue) -> Registration:
    return registration(
        catalogue, body=CROSS, subject="注文 <$_BUYER_NM_$>", charset="iso-2022-jp-ms", unwritable="replace"
    )


def _long(catalogue: Catalogue) -> Registration:
    return registration(catalogue, body="[備考]\n<$_DEL_MEMO_$>\n")


CASES = {
    "pack_utf_8": (_stock, notification("長袖Tシャツ①", "ﾏｸﾞｶｯﾌﾟ 😀", "髙級茶碗", **ORDERS)),
    "pack_iso_2022_jp": (_cross, notification("長袖Tシャツ", "ﾏｸﾞｶｯﾌﾟ", "茶碗－大 ¥1,980", **ORDERS)),
    "order_utf_8": (_order, notification("長袖Tシャツ", "茶碗  大", **ORDERS)),
    "vendor_iso_2022_jp_ms": (
        _vendor,
        notification("①長袖Tシャツ", "茶碗～大 №Ⅳ ¥1,980", memos=("㈱髙島 様方", "ﾏｸﾞ※"), buyer="山﨑 德子"),
    ),
    "replaced_iso_2022_jp_ms": (
        _replaced,
        notification("クレープ crêpe ①", "𠮷野焼 😀", memos=("玄関\u00a0先に",), buyer="𠮷野 花子"),
    ),
    "long_row_iso_2022_jp": (_long, notification(memos=("長い備考。" * 100,))),
}


def composed(name: str) -> list[bytes]:
    """The mails of a case."""
    catalogue = load_catalogue()
    choose, said = CASES[name]
    composition = composer(catalogue).compose(said, [choose(catalogue)])
    assert composition.unwritable == ()
    return [each.mail.content for each in composition.mails]


@pytest.mark.parametrize("name", CASES)
def test_mails_are_the_golden_ones(name):
    """Every byte that a partner may depend on is as it was."""
    assert composed(name) == [path.read_bytes() for path in sorted(FOLDER.glob(f"{name}*.eml"))]


def test_every_golden_mail_belongs_to_a_case():
    """No file is left behind that nothing is compared with."""
    stems = {path.stem.partition("-")[0] for path in FOLDER.iterdir()}
    assert stems == set(CASES)


def read_as_windows_mail(name: str) -> tuple[str, list[str]]:
    """A golden mail's subject and its body's rows from the fourth on, by code page 932."""
    message = message_from_bytes((FOLDER / name).read_bytes())
    subject = b"".join(
        octets if isinstance(octets, bytes) else octets.encode("ascii")
        for octets, _ in decode_header(message["Subject"])
    )
    return read_as_windows(subject), read_as_windows(message.get_payload(decode=True)).split("\r\n")[3:]


def test_golden_mails_read_as_a_person_would_read_them():
    """Python's parser, which shares no code with the composer, gets the texts back."""
    read = {
        path.name: message_from_bytes(path.read_bytes(), policy=policy.default)
        for path in sorted(FOLDER.glob("*.eml"))
    }
    cross, order = read["pack_iso_2022_jp.eml"], read["order_utf_8-2.eml"]
    assert str(cross["Subject"]) == "Qoo10の注文のお知らせです。(注文番号:300000001)"
    assert [str(address) for address in cross["From"].addresses] == ["見本商店 Qoo10 <shop@example.jp>"]
    assert [address.username for address in cross["To"].addresses] == [
        f"orders-{number}" for number in range(1, 5)
    ]
    assert cross.get_content().split("\r\n")[3:] == [
        "[注文番号] 300000001",
        "[配送方法] ",
        "[備考]",
        "玄関先に〜置いてください。",
        "のし―不要",
        "[商品名] 長袖Tシャツ",
        "[商品名] マグカップ",
        "[商品名] 茶碗−大 ￥1,980",
        "",
    ]
    assert (str(order["Subject"]), str(order["X-Recognition-Key"])) == (
        "Qoo10の発注のお知らせです。(注文番号:7000000002) 茶碗  大",
        "鍵-7 shop",
    )
    assert read["long_row_iso_2022_jp.eml"].get_content() == "[備考]\r\n" + "長い備考。" * 100 + "\r\n"
    vendor, replaced = (read_as_windows_mail(f"{name}_iso_2022_jp_ms.eml") for name in ("vendor", "replaced"))
    assert vendor == (
        "Qoo10の注文のお知らせです。(注文番号:300000001) 山﨑 德子",
        [
            "[注文番号] 300000001",
            "[配送方法] ",
            "[備考]",
            "㈱髙島 様方",
            "マグ※",
            "[商品名] ①長袖Tシャツ",
            "[商品名] 茶碗～大 №Ⅳ ￥1,980",
            "",
        ],
    )
    assert replaced == (
        "注文 〓野 花子",
        [
            "[注文番号] 300000001",
            "[配送方法] ",
            "[備考]",
            "玄関〓先に",
            "[商品名] クレープ cr〓pe ①",
            "[商品名] 〓野焼 〓",
            "",
        ],
    )
    assert "商品名:ﾏｸﾞｶｯﾌﾟ 😀\r\n" in read["pack_utf_8.eml"].get_content()
