"""Composing beside the standard library's way, in the same run: the same headers and body become bytes.

`Composer.compose` of a pack with three orders, less its rendering, against `EmailMessage` with its default
policy and the same texts. The goal is 60 µs a mail besides rendering. Best of several rounds, since the
machine is noisy. Both mails read the same; that is checked first.
"""

import timeit
from collections.abc import Callable
from email import message_from_bytes, policy
from email.message import EmailMessage

from grammar import Catalogue, load_catalogue
from relay.compose.composer import Composer
from relay.registry import Registration
from tests.support.clock import ManualClock
from tests.support.composing import HOSTNAME, notification, registration

CALLS, ROUNDS = 500, 7
BODY = """\
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
##LOOP_BEGIN##

[商品番号] <$_ITEM_NO_$>
[商品名] <$_ITEM_NM_$>
[オプション] <$_OPTION_$>
[数量] <$_ORDER_QTY_$>
[単価] <$_ORDER_PRICE_$>
[割引額] <$_DISCOUNT_$>
[小計] <$_TOTAL_$>
##LOOP_END##

[購入者氏名] <$_BUYER_NM_$>
[購入者電話番号] <$_BUYER_TEL_NO_$>
"""
SAID = notification(
    "長袖Tシャツ キッズ用 綿百パーセント",
    "湯呑み 益子焼",
    "手ぬぐい 豆しぼり",
    memos=("玄関先に置いてください。", "領収書をお願いします。"),
    payment_method="クレジットカード",
    delivery_option="宅配便",
    hope_time_zone="午前中",
)


def by_library(headers: dict[str, str], body: str, charset: str) -> bytes:
    """A mail of these texts by the standard library, with the same transfer encoding as ours."""
    message = EmailMessage(policy=policy.SMTP)
    for name, text in headers.items():
        message[name] = text
    message.set_content(body, charset=charset, cte="base64" if charset == "utf-8" else "7bit")
    return message.as_bytes()


def read(content: bytes) -> tuple[dict[str, str], str]:
    """The texts of a mail: the headers that the library does not write by itself, and the body."""
    message = message_from_bytes(content, policy=policy.default)
    names = ("Message-ID", "Date", "From", "To", "Subject")
    return {name: str(message[name]) for name in names}, message.get_content().replace("\r\n", "\n")


def microseconds(work: Callable[[], object]) -> float:
    """The best of several rounds."""
    return min(timeit.repeat(work, number=CALLS, repeat=ROUNDS)) / CALLS * 1e6


def measure(catalogue: Catalogue, chosen: Registration) -> tuple[float, float, float]:
    """Composing in whole, rendering alone, and the library's way after rendering, in µs."""
    writer = Composer(HOSTNAME, ManualClock(), catalogue)
    (composed,) = writer.compose(SAID, [chosen]).mails
    charset = chosen.template.partner.charset
    headers, body = read(composed.mail.content)
    if read(by_library(headers, body, charset)) != (headers, body):
        raise AssertionError("the two mails do not read the same")

    def render() -> None:
        record = catalogue.record(SAID)
        chosen.sender(record)
        chosen.subject(record)
        chosen.template.body(record)

    return (
        microseconds(lambda: writer.compose(SAID, [chosen])),
        microseconds(render),
        microseconds(lambda: by_library(headers, body, charset)),
    )


def run() -> None:
    """Measure and print."""
    catalogue = load_catalogue()
    print("compose: a pack with three orders, µs a mail, best of", ROUNDS)
    for charset in ("utf-8", "iso-2022-jp"):
        chosen = registration(catalogue, body=BODY, charset=charset)
        whole, rendering, library = measure(catalogue, chosen)
        ours = whole - rendering
        print(
            f"  {charset:<12} denrei {ours:6.1f} (goal 60) + rendering {rendering:5.1f}"
            f"   EmailMessage {library:7.1f}   {library / ours:5.1f} x"
        )


if __name__ == "__main__":
    run()
