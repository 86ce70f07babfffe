"""Templates and records made to be misread: short texts that are parts of each other, and values of them."""

from copy import deepcopy
from typing import Any

from hypothesis import strategies as st

HEADS = ("", "", "[甲] ", "[甲", "乙:", "乙", "乙丙 ", "・", " ", "-")
TAILS = ("", "", "", "円", ")", " ", "-", " 乙:")
TEXTS = ("", "[甲]", "[甲] ", "乙:", "乙", "---", "・", " ", "以上")
PACK = (
    "<$_PACK_NO_$>",
    "<$_BUYER_NM_$>",
    "<$_SELLER_ID|paren_$>",
    "<$_DELIVERY_FEE_$>",
    "<$_DELIVERY_FEE|comma_$>",
    "<$_ORDER_DATE_$>",
    "<$_ORDER_DATE|date:%m-%d_$>",
    "<$_DEL_MEMO_$>",
    "<$_DEL_MEMO|count_$>",
    "<$_ITEM_NM|join:-_$>",
)
ORDER = ("<$_ORDER_NO_$>", "<$_ITEM_NM_$>", "<$_OPTION|zen_$>", "<$_ORDER_QTY_$>", "<$_OPTION|default:-_$>")
ELEMENT = ("<$_DEL_MEMO_$>", "<$_DEL_MEMO|paren_$>")
CONDITIONS = ("<$_BUYER_NM_$>", "<$_PACK_NO_$> = 乙", "<$_DEL_MEMO_$>", "<$_BUYER_NM_$> != ・")
ORDER_CONDITIONS = ("<$_OPTION_$>", "<$_ITEM_NM_$> = -", "<$_BUYER_NM_$>")


def _row(fields: tuple[str, ...]) -> st.SearchStrategy[str]:
    pair = st.tuples(st.sampled_from(TAILS), st.sampled_from(fields)).map("".join)
    with_field = st.tuples(
        st.sampled_from(HEADS), st.sampled_from(fields), st.just("") | pair, st.sampled_from(TAILS)
    ).map("".join)
    return with_field | st.sampled_from(TEXTS)


def _rows(fields: tuple[str, ...], conditions: tuple[str, ...], deep: int) -> st.SearchStrategy[str]:
    plain = _row(fields)
    delete = plain.map("##DELETE_BLANK_ROW##{}".format)
    head, tail = st.sampled_from(HEADS), st.sampled_from(TAILS)
    loop = st.tuples(
        st.sampled_from(("##LOOP##", "##DELETE_BLANK_ROW####LOOP##")), head, st.sampled_from(ELEMENT), tail
    ).map("".join)
    one = plain | delete | loop
    if deep:
        inner = st.lists(_rows(fields, conditions, deep - 1), max_size=3).map("\n".join)
        block = st.tuples(st.sampled_from(conditions), inner, st.none() | inner).map(_if)
        one |= block
    return one


def _if(parts: tuple[str, str, str | None]) -> str:
    condition, first, second = parts
    rows = [f"##IF {condition}##", first, *([] if second is None else ["##ELSE##", second]), "##END_IF##"]
    return "\n".join(row for row in rows if row)


def rows() -> st.SearchStrategy[str]:
    """Sources of one row each, that may be missing or not."""
    return st.tuples(st.sampled_from(("", "##DELETE_BLANK_ROW##")), _row(PACK)).map("".join)


def templates() -> st.SearchStrategy[str]:
    """Sources of templates of unit `pack`."""
    head, tail = st.sampled_from(HEADS), st.sampled_from(TAILS)
    pack = _rows(PACK, CONDITIONS, 2)
    order_loop = st.tuples(
        st.sampled_from(("##LOOP##", "##DELETE_BLANK_ROW####LOOP##")), head, st.sampled_from(ORDER), tail
    ).map("".join)
    inside = st.lists(_rows((*ORDER, "<$_PACK_NO_$>"), ORDER_CONDITIONS, 1), min_size=1, max_size=4)
    block = inside.map(lambda rows: "\n".join(("##LOOP_BEGIN##", *rows, "##LOOP_END##")))
    items = st.lists(pack | order_loop | block, max_size=6).map("\n".join)
    return st.tuples(items, st.sampled_from(("", "\n"))).map("".join)


def values() -> st.SearchStrategy[str]:
    """Texts that look like rows of those templates, or parts of them."""
    piece = st.sampled_from((*HEADS, *TAILS, *TEXTS, "あ", "(", "（", "\u200b", "1", "2026-11-21"))
    return st.lists(piece, max_size=3).map("".join)


def documents() -> st.SearchStrategy[dict[str, Any]]:
    """Documents with such values; those of other types than text are of their type."""
    text = st.none() | values()
    number = st.none() | st.integers(0, 12345)
    order = st.fixed_dictionaries({"order_no": text, "item_name": text, "option": text, "qty": number})
    pack = st.fixed_dictionaries(
        {
            "pack_no": text,
            "ordered_at": st.none() | st.sampled_from(("2026-11-21 10:15:00", "2026-01-02 00:00:59")),
            "delivery_fee": number,
            "memos": st.none() | st.lists(text, max_size=3),
            "buyer": st.fixed_dictionaries({"name": text}),
            "orders": st.lists(order, max_size=3),
        }
    )
    return st.fixed_dictionaries({"seller_id": text, "pack": pack})


@st.composite
def siblings(draw: st.DrawFn) -> tuple[dict[str, Any], dict[str, Any]]:
    """Two documents that may print the same: what one says of an order, the other says of another or none."""
    one = draw(documents())
    other = deepcopy(one)
    pack = other["pack"]
    orders = pack["orders"]
    match draw(st.sampled_from(("order", "value", "column", "fields"))):
        case "order":
            orders.insert(draw(st.integers(0, len(orders))), {})
        case "value" if orders:
            key = draw(st.sampled_from(("item_name", "option")))
            orders[draw(st.integers(0, len(orders) - 1))][key] = draw(values())
        case "column":
            key = draw(st.sampled_from(("order_no", "item_name", "option", "qty")))
            for order, value in zip(
                orders, draw(st.permutations([each[key] for each in orders])), strict=True
            ):
                order[key] = value
        case _:
            pack["pack_no"], pack["buyer"]["name"] = pack["buyer"]["name"], pack["pack_no"]
    return one, other
