"""Notification documents for tests of the template language, and strategies that make hostile ones.

The documents are plain mappings, as JSON gives them: the language must not need the relay's own models. All
people and addresses are invented.
"""

from typing import Any

from hypothesis import strategies as st

HOSTILE_CHARACTERS = (
    "aZ09 　\t\r\n\x00\x0b\x1c\x85\u00a0\u200b\u2028\u2029\u202e\ufeff\ud800\udfff"
    "#$_<>[]{}|:=\\'\"%あア漢ｱ①𠮷é"
)
HOSTILE_PIECES = (
    "<$_PACK_NO_$>",
    "[$_BUYER_NM_$]",
    "{$_DEL_MEMO_$}",
    "<$_ITEM_NM_$>",
    "<$_NO_SUCH_$>",
    "<$_",
    "_$>",
    "$_A",
    "$LOOP_",
    "##LOOP##",
    "##LOOP_BEGIN##",
    "##LOOP_BEGIN##\n",
    "##LOOP_END##",
    "##LOOP_END##\n",
    "##DELETE_BLANK_ROW##",
    "##DELETE_BLANK_ROW_##",
    "##IF <$_PACK_NO_$>##",
    "##ELSE##",
    "##NOTE##",
    "{0}",
    "{record}",
    "{{}}",
    "%s",
    "${x}",
    "\\N{DIGIT ONE}",
    "'''",
    '"""',
    "__import__('os')",
    "\n",
    "\r\n",
)


def sample_document(*, orders: int = 3) -> dict[str, Any]:
    """A document with a value in every leaf; the first order has the catalogue's examples."""
    return {
        "version": 1,
        "event_id": "evt-20261121-0001",
        "type": "order_info",
        "seller_id": "example-shop",
        "occurred_at": "2026-11-21T01:15:30Z",
        "pack": {
            "pack_no": "123456789",
            "ordered_at": "2026-11-21 10:15:00",
            "paid_at": "2026-11-21T10:16:02+09:00",
            "payment_method": "クレジットカード",
            "delivery_fee": 500,
            "delivery_option": "宅配便",
            "hope_date": "2026-11-25",
            "hope_time_zone": "14:00-16:00",
            "memos": ["のし不要", "置き配希望"],
            "buyer": {
                "id": "hanako55",
                "name": "見本　花子",
                "kana": "ミホン　ハナコ",
                "tel": "+81-3-0000-0000",
                "mobile": "+81-90-0000-0000",
                "email": "hanako@example.jp",
            },
            "receiver": {
                "name": "見本　太郎",
                "kana": "ミホン　タロウ",
                "tel": "+81-6-0000-0000",
                "mobile": "+81-80-0000-0000",
                "country": "JP",
                "zip": "100-0000",
                "address1": "東京都見本区見本町",
                "address2": "1-2-3 見本ビル405",
            },
            "orders": [_order(index) for index in range(orders)],
        },
    }


def _order(index: int) -> dict[str, Any]:
    items = ("長袖Tシャツ", "マグカップ", "手ぬぐい")
    return {
        "order_no": str(1_000_000_001 + index),
        "item_no": str(700_000_001 + index),
        "seller_item_code": "TS-RED-M" if index == 0 else f"ITEM-{index}",
        "item_name": items[index % len(items)],
        "option": "色:赤/サイズ:M" if index == 0 else "",
        "option_code": "RED-M" if index == 0 else "",
        "qty": 2,
        "unit_price": 1980,
        "discount": 100,
        "total": 3860,
        "currency": "JPY",
        "carrier": "見本運輸",
        "tracking_no": str(400_000_000_001 + index),
        "shipped_at": "2026-11-22 09:00:00",
        "delivered_at": "2026-11-25T14:30:00+09:00",
        "cancel": {
            "status": "キャンセル要請",
            "reason": "サイズ違い",
            "requested_at": "2026-11-21 12:00:00",
            "completed_at": "2026-11-21 18:00:00",
        },
    }


def hostile_texts(*, max_size: int = 40) -> st.SearchStrategy[str]:
    """Texts of markers, controls, surrogates, odd white space and code in several languages."""
    pieces = st.sampled_from(HOSTILE_PIECES) | st.text(HOSTILE_CHARACTERS, max_size=8) | st.text(max_size=8)
    return st.lists(pieces, max_size=max_size // 4).map("".join)


def documents() -> st.SearchStrategy[dict[str, Any]]:
    """Documents of up to four orders whose texts are hostile; any of them may be missing."""
    texts = st.none() | st.just("") | st.just("\u3000") | hostile_texts(max_size=16)
    order = st.fixed_dictionaries({"order_no": texts, "item_name": texts, "option": texts})
    pack = st.fixed_dictionaries(
        {
            "pack_no": texts,
            "memos": st.none() | st.lists(texts, max_size=4),
            "buyer": st.none() | st.fixed_dictionaries({"name": texts}),
            "orders": st.lists(order, max_size=4),
        }
    )
    return st.fixed_dictionaries({"seller_id": texts, "pack": pack})


def templates() -> st.SearchStrategy[str]:
    """Sources of good templates: rows of every kind, with hostile text that holds no marker."""
    text = st.text(HOSTILE_CHARACTERS.translate(dict.fromkeys(map(ord, "#$_\n"))), max_size=6)
    pack_field = st.sampled_from(("<$_PACK_NO_$>", "[$_BUYER_NM_$]", "{$_SELLER_ID_$}", "<$_DEL_MEMO_$>"))
    order_field = st.sampled_from(("<$_ORDER_NO_$>", "[$_ITEM_NM_$]", "{$_OPTION_$}"))
    delete = st.sampled_from(("", "##DELETE_BLANK_ROW##", "##DELETE_BLANK_ROW_##"))
    plain = st.lists(text | pack_field, max_size=4).map("".join)
    pack_row = st.tuples(delete, plain).map("".join)
    order_row = st.tuples(delete, plain, order_field, plain).map("".join)
    order_loop = st.tuples(delete, st.just("##LOOP##"), plain, order_field, text).map("".join)
    list_loop = st.tuples(
        delete, st.sampled_from(("##LOOP##", "$LOOP_")), st.just("<$_DEL_MEMO_$>"), text
    ).map("".join)
    block = st.lists(pack_row | order_row | list_loop, max_size=3).map(
        lambda rows: "".join(f"{row}\n" for row in ("##LOOP_BEGIN##", *rows)) + "##LOOP_END##"
    )
    rows = st.lists(pack_row | order_loop | list_loop | block, max_size=5).map("\n".join)
    return st.tuples(rows, st.sampled_from(("", "\n"))).map("".join)
