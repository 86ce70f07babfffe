"""What writing out one order mail costs: Denrei, Jinja2, and a hand-written f-string, on the same values.

Goals: at least 8 times as fast as Jinja2, at most 1.5 times the f-string. The three texts are compared before
anything is timed. Making the values from the notification is timed by itself, because all three would pay it.
Run: `python -m tests.bench.rendering`.
"""

import timeit
from collections.abc import Callable
from typing import Any

import jinja2

from grammar import Record, compile_template, load_catalogue, parse
from relay.notification import Notification
from tests.support.records import sample_document

ROUNDS = 60  # the best is taken: everything that disturbs a round makes it slower, never faster
CALLS = 400

TEMPLATE = """\
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

[注文者氏名] <$_BUYER_NM_$>
[注文者電話番号] <$_BUYER_TEL_NO_$>
[送付先氏名] <$_RECEIVER_NM_$>
[送付先郵便番号] <$_ZIP_CODE_$>
[送付先住所] <$_ADDRESS1_$> <$_ADDRESS2_$>
##LOOP_BEGIN##
----------
[商品番号] <$_ORDER_NO_$>
[商品コード] <$_SELLER_ITEM_CODE_$>
[商品名] <$_ITEM_NM_$>
##DELETE_BLANK_ROW##[オプション] <$_OPTION_$>
[数量] <$_ORDER_QTY_$>
[単価] <$_ORDER_PRICE_$>
[小計] <$_TOTAL_$>
##LOOP_END##
----------
[送料] <$_DELIVERY_FEE_$>
"""

RICH = """\
[注文番号] <$_PACK_NO_$>
##IF <$_DEL_HOPE_DATE_$>##
[配達希望日] <$_DEL_HOPE_DATE|date:%Y年%-m月%-d日_$>(<$_DEL_HOPE_DATE|weekday_$>)
##ELSE##
[配達希望日] 指定なし
##END_IF##
[備考]
##DELETE_BLANK_ROW##$LOOP_<$_DEL_MEMO|paren_$>
[注文者電話番号] <$_BUYER_TEL_NO|phone_$>
##LOOP_BEGIN##
[商品名] <$_ITEM_NM|kana|paren_$>
##IF <$_OPTION_$>##
[オプション] <$_OPTION_$>
##END_IF##
[小計] <$_TOTAL|yen_$>
##LOOP_END##
[合計] <$_TOTAL|sum|yen_$>
"""

JINJA = """\
この度はQoo10をご利用いただきまして、誠にありがとうございます。
以下の注文内容が届いておりますので、内容をご確認ください。

[注文番号] {{ r.PACK_NO }}
[注文日時] {{ r.ORDER_DATE }}
[支払方法] {{ r.PAYMENT_METHOD }}
[配送方法] {{ r.DEL_OPTION }}
[配達希望日] {{ r.DEL_HOPE_DATE_YYYYMMDD }}
[配達時間帯] {{ r.DEL_HOPE_DATE_TIME_ZONE }}

[備考]
{% for memo in memos %}{% if memo %}{{ memo }}
{% endif %}{% endfor %}
[注文者氏名] {{ r.BUYER_NM }}
[注文者電話番号] {{ r.BUYER_TEL_NO }}
[送付先氏名] {{ r.RECEIVER_NM }}
[送付先郵便番号] {{ r.ZIP_CODE }}
[送付先住所] {{ r.ADDRESS1 }} {{ r.ADDRESS2 }}
{% for o in orders %}----------
[商品番号] {{ o.ORDER_NO }}
[商品コード] {{ o.SELLER_ITEM_CODE }}
[商品名] {{ o.ITEM_NM }}
{% if o.OPTION %}[オプション] {{ o.OPTION }}
{% endif %}[数量] {{ o.ORDER_QTY }}
[単価] {{ o.ORDER_PRICE }}
[小計] {{ o.TOTAL }}
{% endfor %}----------
[送料] {{ r.DELIVERY_FEE }}
"""


def by_hand(r: Record) -> str:
    """The same mail as a good programmer would write it, without limits."""
    memos = "".join([f"{memo}\n" for memo in r.elements("DEL_MEMO") if memo])
    orders = ""
    for o in r.orders:
        option = f"[オプション] {o['OPTION']}\n" if o["OPTION"] else ""
        orders += (
            f"----------\n[商品番号] {o['ORDER_NO']}\n[商品コード] {o['SELLER_ITEM_CODE']}\n"
            f"[商品名] {o['ITEM_NM']}\n{option}[数量] {o['ORDER_QTY']}\n"
            f"[単価] {o['ORDER_PRICE']}\n[小計] {o['TOTAL']}\n"
        )
    return f"""\
この度はQoo10をご利用いただきまして、誠にありがとうございます。
以下の注文内容が届いておりますので、内容をご確認ください。

[注文番号] {r["PACK_NO"]}
[注文日時] {r["ORDER_DATE"]}
[支払方法] {r["PAYMENT_METHOD"]}
[配送方法] {r["DEL_OPTION"]}
[配達希望日] {r["DEL_HOPE_DATE_YYYYMMDD"]}
[配達時間帯] {r["DEL_HOPE_DATE_TIME_ZONE"]}

[備考]
{memos}
[注文者氏名] {r["BUYER_NM"]}
[注文者電話番号] {r["BUYER_TEL_NO"]}
[送付先氏名] {r["RECEIVER_NM"]}
[送付先郵便番号] {r["ZIP_CODE"]}
[送付先住所] {r["ADDRESS1"]} {r["ADDRESS2"]}
{orders}----------
[送料] {r["DELIVERY_FEE"]}
"""


def rich_by_hand(r: Record) -> str:
    """The mail of `RICH` from values that are through their filters."""
    day = r["DEL_HOPE_DATE|date:%Y年%-m月%-d日"]
    hope = f"{day}({r['DEL_HOPE_DATE|weekday']})" if r["DEL_HOPE_DATE"] else "指定なし"
    memos = "".join([f"{memo}\n" for memo in r.elements("DEL_MEMO|paren") if memo])
    orders = ""
    for o in r.orders:
        option = f"[オプション] {o['OPTION']}\n" if o["OPTION"] else ""
        orders += f"[商品名] {o['ITEM_NM|kana|paren']}\n{option}[小計] {o['TOTAL|yen']}\n"
    return (
        f"[注文番号] {r['PACK_NO']}\n[配達希望日] {hope}\n[備考]\n{memos}"
        f"[注文者電話番号] {r['BUYER_TEL_NO|phone']}\n{orders}[合計] {r['TOTAL|sum|yen']}\n"
    )


def microseconds(*calls: Callable[[], object]) -> list[float]:
    """The best round of each; they take turns, so that a busy machine disturbs all alike."""
    best = [float("inf")] * len(calls)
    for _ in range(ROUNDS):
        for index, call in enumerate(calls):
            best[index] = min(best[index], timeit.timeit(call, number=CALLS) / CALLS * 1e6)
    return best


def run() -> list[tuple[str, float, str]]:
    """Rows of name, value and unit."""
    document: dict[str, Any] = sample_document()
    document["pack"]["memos"] = ["のし不要", "", "置き配希望"]
    catalogue = load_catalogue()
    template = parse(TEMPLATE, name="order_info")
    denrei = compile_template(template, catalogue=catalogue, unit="pack")
    environment = jinja2.Environment(keep_trailing_newline=True, autoescape=False)
    jinja = environment.from_string(JINJA)
    record = catalogue.record(document)
    peer_values = {"r": record, "memos": record.elements("DEL_MEMO"), "orders": record.orders}
    expected = by_hand(record)
    assert denrei(record) == expected
    assert jinja.render(peer_values) == expected
    rich = compile_template(parse(RICH, name="rich"), catalogue=catalogue, unit="pack")
    assert rich(record) == rich_by_hand(record)
    notification = Notification.model_validate(document)
    assert denrei(catalogue.record(notification)) == denrei(catalogue.record(document)) == expected
    ours, hand, peer, from_objects, from_mapping, rich_ours, rich_hand, rich_making = microseconds(
        lambda: denrei(record),
        lambda: by_hand(record),
        lambda: jinja.render(peer_values),
        lambda: denrei(catalogue.record(notification)),
        lambda: denrei(catalogue.record(document)),
        lambda: rich(record),
        lambda: rich_by_hand(record),
        lambda: rich(catalogue.record(notification)),
    )
    return [
        ("Denrei, values made", ours, "µs"),
        ("hand-written f-string, values made", hand, "µs"),
        ("Jinja2, values made", peer, "µs"),
        ("Jinja2 / Denrei (goal: at least 8)", peer / ours, "×"),
        ("Denrei / f-string (goal: at most 1.5)", ours / hand, "×"),
        ("making its values, from the relay's notification", from_objects - ours, "µs"),
        ("making its values, from JSON's mappings", from_mapping - ours, "µs"),
        ("filters and IF: Denrei, values made", rich_ours, "µs"),
        ("filters and IF: Denrei / f-string", rich_ours / rich_hand, "×"),
        ("filters and IF: making its values", rich_making - rich_ours, "µs"),
        ("parse and compile the template", _compile_milliseconds(catalogue), "ms"),
    ]


def _compile_milliseconds(catalogue: Any) -> float:
    best = min(
        timeit.repeat(
            lambda: compile_template(parse(TEMPLATE), catalogue=catalogue, unit="pack"), number=5, repeat=3
        )
    )
    return best / 5 * 1e3


def show() -> None:
    """Print the rows in columns."""
    for name, value, unit in run():
        print(f"  {name:<50} {value:8.2f} {unit}", flush=True)


if __name__ == "__main__":
    show()
