"""Composing a mail, part by part: rendering, reading back, charset, and the rest (headers, MIME, values).

`Composer.compose` of a pack with three orders in each charset, with values that it writes as they are and
with some that it must fold. The goal is `GOAL` for the whole of a mail. Beside it stands the standard
library's way of the last step, in the same run: `EmailMessage` with its default policy and the same texts.
Best of several rounds, since the machine is noisy. Both mails read the same; that is checked first.

Then what a DKIM signature adds to a mail, by kind of key, beside dkimpy's for the same mail and key. Each is
verified by dkimpy before it is timed, so both do the same work.
"""

import timeit
from collections.abc import Callable
from dataclasses import dataclass
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import get_args

import dkim
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from grammar import Catalogue, Record, load_catalogue
from relay.charset import Profile, charset_of
from relay.compose.composer import Composer
from relay.compose.dkim import Signer, SigningKey
from relay.compose.proof import misread
from relay.notification import Notification
from relay.registry import Registration
from tests.support.clock import ManualClock
from tests.support.composing import HOSTNAME, notification, registration

CALLS, ROUNDS = 500, 7
DKIMPY_CALLS = 10  # it takes milliseconds
GOAL = 150  # µs a mail: rendering, reading back, charset and the bytes of the whole mail
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
FOLDED = SAID.model_copy(
    update={
        "pack": SAID.pack.model_copy(
            update={
                "memos": ("ﾔﾏﾀﾞさん宛てに～12時までに。", *SAID.pack.memos[1:]),
                "payment_method": "ｸﾚｼﾞｯﾄｶｰﾄﾞ",
            }
        )
    }
)


def by_library(headers: dict[str, str], body: str, charset: str) -> bytes:
    """A mail of these texts by the standard library, with the same transfer encoding as ours."""
    message = EmailMessage(policy=policy.SMTP)
    for name, text in headers.items():
        message[name] = text
    label, encoding = ("utf-8", "base64") if charset == "utf-8" else ("iso-2022-jp", "7bit")
    message.set_content(body, charset=label, cte=encoding)
    return message.as_bytes()


def read(content: bytes) -> tuple[dict[str, str], str]:
    """The texts of a mail: the headers that the library does not write by itself, and the body."""
    message = message_from_bytes(content, policy=policy.default)
    names = ("Message-ID", "Date", "From", "To", "Subject")
    return {name: str(message[name]) for name in names}, message.get_content().replace("\r\n", "\n")


def microseconds(work: Callable[[], object]) -> float:
    """The best of several rounds."""
    return min(timeit.repeat(work, number=CALLS, repeat=ROUNDS)) / CALLS * 1e6


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """Of one mail, in µs."""

    whole: float
    rendering: float  # of the texts that are sent, a record's values included
    reading: float  # the proof of them
    charset: float  # the body as octets
    library: float  # `by_library`, which renders and proves nothing


def measure(catalogue: Catalogue, chosen: Registration, said: Notification) -> Cost:
    """What a mail costs, and its parts on their own."""
    writer = Composer(HOSTNAME, ManualClock(), catalogue)
    (composed,) = writer.compose(said, [chosen]).mails
    charset = charset_of(chosen.template.partner.charset)
    headers, body = read(composed.mail.content)
    if read(by_library(headers, body, charset.profile)) != (headers, body):
        raise AssertionError("the two mails do not read the same")

    def rendered() -> tuple[Record, str, str]:
        record = catalogue.record(said)
        chosen.sender(record)
        return record, chosen.subject(record), chosen.body(record)

    record, subject, text = rendered()
    folded = record.changed(lambda _, value: charset.fold(value))
    wire = chosen.body(folded)
    return Cost(
        whole=microseconds(lambda: writer.compose(said, [chosen])),
        rendering=microseconds(rendered),
        reading=microseconds(lambda: misread(chosen, subject, text, record)),
        charset=microseconds(lambda: charset.write(wire)),
        library=microseconds(lambda: by_library(headers, body, charset.profile)),
    )


def by_dkimpy(content: bytes, pem: bytes) -> bytes:
    """The mail signed by dkimpy alone."""
    return (
        bytes(dkim.sign(content, b"s", b"example.jp", pem, canonicalize=(b"relaxed", b"relaxed"))) + content
    )


def verified(signed: bytes, key: SigningKey) -> bytes:
    """The same mail, which dkimpy believes."""
    if not dkim.verify(signed, dnsfunc=lambda _name, timeout=5: key.record.text.encode()):
        raise AssertionError("the signature is not believed")
    return signed


def signing(content: bytes) -> None:
    """What a signature costs, printed."""
    short = rsa.generate_private_key(65537, 1024)
    usual = rsa.generate_private_key(65537, 2048)
    curve = ed25519.Ed25519PrivateKey.generate()
    print("compose: what DKIM adds, µs a mail of", len(content), "octets, best of", ROUNDS)
    for name, private in (("RSA 1024", short), ("RSA 2048", usual), ("Ed25519", curve)):
        key = SigningKey(domain="example.jp", selector="s", private=private)
        signer = Signer([key])
        if private is not curve:  # for which dkimpy needs another library
            verified(signer.signed(content, "example.jp"), key)
        print(f"  {name:<14} {microseconds(lambda: signer.signed(content, 'example.jp')):8.1f}")  # noqa: B023  (called at once)
    print(f"  {'no key for it':<14} {microseconds(lambda: signer.signed(content, 'example.com')):8.1f}")
    pem = usual.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
    verified(by_dkimpy(content, pem), SigningKey(domain="example.jp", selector="s", private=usual))
    times = timeit.repeat(lambda: by_dkimpy(content, pem), number=DKIMPY_CALLS, repeat=ROUNDS)
    print(f"  {'dkimpy, 2048':<14} {min(times) / DKIMPY_CALLS * 1e6:8.1f}")


def run() -> None:
    """Measure and print."""
    catalogue = load_catalogue()
    print("compose: a pack with three orders, µs a mail, best of", ROUNDS)
    for profile in get_args(Profile):
        for name, said in (("as it is", SAID), ("to be folded", FOLDED)):
            cost = measure(catalogue, registration(catalogue, body=BODY, charset=profile), said)
            parts = {"rendering": cost.rendering, "reading back": cost.reading, "charset": cost.charset}
            parts["rest"] = cost.whole - sum(parts.values())
            told = " + ".join(f"{part} {time:.1f}" for part, time in parts.items())
            print(f"  {profile:<14} {name:<12} {cost.whole:6.1f} (goal {GOAL}) = {told}")
            print(f"  {'':<27} {cost.library:6.1f} EmailMessage, without rendering and reading back")
    chosen = registration(catalogue, body=BODY)
    (composed,) = Composer(HOSTNAME, ManualClock(), catalogue).compose(SAID, [chosen]).mails
    signing(composed.mail.content)


if __name__ == "__main__":
    run()
