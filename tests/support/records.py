"""Notification documents for tests of the template language, and strategies that make hostile ones.

The documents are plain mappings, as JSON gives them: the language must not need the relay's own models. All
people and addresses are invented.
"""

import re
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
    "<$_PACK_NO|default:な_$し|left:3_$>",
    "{$_TOTAL|sum|yen_$}",
    "|comma",
    "|default:",
    "##IF ",
    "##IF <$_PACK_NO_$>##",
    "##IF <$_PACK_NO_$>##\n",
    "##IF [$_ITEM_NM|kana_$] != あ##\n",
    " = ",
    "##ELSE##",
    "##ELSE##\n",
    "##END_IF##",
    "##END_IF##\n",
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
# Of these no marker can be made, wherever they stand in a row.
_PLAIN_CHARACTERS = HOSTILE_CHARACTERS.translate(dict.fromkeys(map(ord, "#$_\n")))
_FIELD_PART = re.compile(r"[<\[{]\$_|_\$[>\]}]")


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
    texts = st.none() | st.just("") | st.just("\u3000") | st.just("宅配便") | hostile_texts(max_size=16)
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
    """Sources of good templates: rows and blocks of every kind, with hostile text that holds no marker."""
    items = st.lists(_item(depth=2, in_block=False), max_size=5).map("\n".join)
    return st.tuples(items, st.sampled_from(("", "\n"))).map("".join)


def _item(*, depth: int, in_block: bool) -> st.SearchStrategy[str]:
    """A row or a block of up to `depth` blocks in each other, without the newline at its end."""
    row = _row(in_block=in_block)
    if depth == 0:
        return row
    within = st.lists(_item(depth=depth - 1, in_block=in_block), max_size=3)
    condition = st.tuples(_condition(in_block=in_block), within, st.none() | within).map(
        lambda drawn: "\n".join(
            (drawn[0], *drawn[1], *(() if drawn[2] is None else ("##ELSE##", *drawn[2])), "##END_IF##")
        )
    )
    if in_block:
        return row | condition
    loop = st.lists(_item(depth=depth - 1, in_block=True), max_size=3).map(
        lambda rows: "\n".join(("##LOOP_BEGIN##", *rows, "##LOOP_END##"))
    )
    return row | loop | condition


def _row(*, in_block: bool) -> st.SearchStrategy[str]:
    text = st.text(_PLAIN_CHARACTERS, max_size=6)
    delete = st.sampled_from(("", "##DELETE_BLANK_ROW##", "##DELETE_BLANK_ROW_##"))
    plain = st.lists(text | _pack_field(), max_size=4).map("".join)
    order_row = st.tuples(delete, plain, _order_field(), plain)
    list_field = st.tuples(st.just("<$_DEL_MEMO"), _filters(), st.just("_$>")).map("".join)
    loops = [
        st.tuples(delete, st.sampled_from(("##LOOP##", "$LOOP_")), list_field, text, st.just("") | list_field)
    ]
    rows = [st.tuples(delete, plain), *loops]
    if in_block:
        return st.one_of(*rows, order_row).map("".join)
    order_loop = st.tuples(st.just("##LOOP##"), delete, plain, _order_field(), text)
    return st.one_of(*rows, order_loop).map("".join)


def _condition(*, in_block: bool) -> st.SearchStrategy[str]:
    field = _pack_field() | _order_field() if in_block else _pack_field()
    texts = st.text(_PLAIN_CHARACTERS + "#$_", min_size=1, max_size=4).filter(
        lambda text: (
            text.strip() == text and "##" not in text and text[-1] != "#" and not _FIELD_PART.search(text)
        )
    )
    comparison = st.tuples(st.sampled_from((" = ", " != ")), texts | st.just("宅配便")).map("".join)
    return st.tuples(st.just("##IF "), field, st.just("") | comparison, st.just("##")).map("".join)


def _pack_field() -> st.SearchStrategy[str]:
    names = st.sampled_from(("<$_PACK_NO", "[$_BUYER_NM", "{$_SELLER_ID", "<$_DEL_MEMO"))
    together = st.sampled_from(
        ("<$_DEL_MEMO|join:、", "[$_ITEM_NM|join: _$/ ", "{$_ORDER_NO|count", "<$_TOTAL|sum")
    )
    return _closed(st.tuples(names | together, _filters()))


def _order_field() -> st.SearchStrategy[str]:
    return _closed(st.tuples(st.sampled_from(("<$_ORDER_NO", "[$_ITEM_NM", "{$_OPTION")), _filters()))


def _closed(field: st.SearchStrategy[tuple[str, str]]) -> st.SearchStrategy[str]:
    closing = {"<": "_$>", "[": "_$]", "{": "_$}"}
    return field.map(lambda drawn: drawn[0] + drawn[1] + closing[drawn[0][0]])


def _filters() -> st.SearchStrategy[str]:
    """Filters that any text takes; most fields have none."""
    texts = st.text(_PLAIN_CHARACTERS.replace("|", ""), max_size=4).filter(str.isprintable)
    filters = st.sampled_from(("|kana", "|paren", "|left:3", "|max:5", "|zen")) | texts.map(
        lambda text: f"|default:無{text}"
    )
    return st.just("") | st.just("") | st.lists(filters, max_size=2).map("".join)
