"""The composer: how many mails, what stands in them, and what is said of those that cannot be written."""

import tracemalloc
from email import message_from_bytes, policy

import pytest

from grammar import Catalogue, load_catalogue
from relay.compose.composer import Composer, Composition, Unwritable
from relay.errors import BadInput
from relay.store.values import Mail
from tests.support.clock import ManualClock
from tests.support.composing import composer, notification, registration


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    """The real field catalogue, which nobody changes."""
    return load_catalogue()


def reasons(composition: Composition) -> list[list[str]]:
    return [each.reason.split("\n") for each in composition.unwritable]


def cannot(char: str) -> str:
    return f"'{char}' (U+{ord(char):04X}) cannot be written in ISO-2022-JP"


def test_one_mail_for_a_pack(catalogue):
    """The whole mail, byte for byte, with everything that the store keeps of it."""
    chosen = registration(catalogue, recipients=("orders@partner.example.jp", "copy@partner.example.jp"))
    composition = composer(catalogue).compose(notification("長袖Tシャツ", "ﾏｸﾞ", memos=("急ぎで",)), [chosen])
    (composed,) = composition.mails
    mail_id = composed.mail.id
    assert composition.unwritable == ()
    assert composed.registration is chosen
    assert composed.mail == Mail(
        id=mail_id,
        registration="orders",
        partner="cross_mall",
        template="cross_mall/order_info",
        order_no="",
        message_id=f"<{mail_id}@relay.example.jp>",
        sender="Qoo10 <qoo10info@example.jp>",
        subject="Qoo10の注文のお知らせです。(注文番号:300000001)",
        content=(
            f"Message-ID: <{mail_id}@relay.example.jp>\r\n"
            "Date: Sat, 21 Nov 2026 10:00:00 +0900\r\n"
            "From: Qoo10 <qoo10info@example.jp>\r\n"
            "To: orders@partner.example.jp, copy@partner.example.jp\r\n"
            "Subject: =?ISO-2022-JP?B?UW9vMTAbJEIkTkNtSjgkTiQqQ04kaSQ7JEckOSEjGyhCKA==?=\r\n"
            " =?ISO-2022-JP?B?GyRCQ21KOEhWOWYbKEI6MzAwMDAwMDAxKQ==?=\r\n"
            "MIME-Version: 1.0\r\n"
            "Content-Type: text/plain; charset=ISO-2022-JP\r\n"
            "Content-Transfer-Encoding: 7bit\r\n"
            "\r\n"
            "[注文番号] 300000001\r\n"
            "[備考]\r\n"
            "急ぎで\r\n"
            "[商品名] 長袖Tシャツ\r\n"
            "[商品名] マグ\r\n"
        ).encode("iso2022_jp"),
    )


def test_one_mail_for_each_order(catalogue):
    """Unit order: as many mails as orders, each with its own order only, its number and its id."""
    chosen = registration(
        catalogue,
        unit="order",
        subject="注文 <$_ORDER_NO_$>",
        body="<$_PACK_NO_$> <$_ORDER_NO_$> <$_ITEM_NM_$>\n",
        charset="utf-8",
    )
    mails = [each.mail for each in composer(catalogue).compose(notification("本", "皿"), [chosen]).mails]
    assert [(mail.order_no, mail.subject) for mail in mails] == [
        ("7000000001", "注文 7000000001"),
        ("7000000002", "注文 7000000002"),
    ]
    assert [message_from_bytes(mail.content, policy=policy.default).get_content() for mail in mails] == [
        "300000001 7000000001 本\r\n",
        "300000001 7000000002 皿\r\n",
    ]
    assert len({mail.message_id for mail in mails}) == 2


def test_mails_stand_in_the_order_of_their_registrations(catalogue):
    """Nothing is sorted, merged or left out."""
    chosen = [registration(catalogue, id=name, charset="utf-8") for name in ("b", "a", "c")]
    composition = composer(catalogue).compose(notification(), chosen)
    assert [each.registration.id for each in composition.mails] == ["b", "a", "c"]
    assert composer(catalogue).compose(notification(), []) == Composition(mails=(), unwritable=())


def test_the_date_is_japan_time_and_one_for_all(catalogue):
    """All mails of one notification carry the time of composing, also past midnight in Japan."""
    clock = ManualClock()
    clock.advance(clock.now().replace(hour=15, minute=30) - clock.now())
    chosen = [registration(catalogue, id=name) for name in ("a", "b")]
    mails = composer(catalogue, clock).compose(notification(), chosen).mails
    assert [mail.mail.content.split(b"\r\n")[1] for mail in mails] == [
        b"Date: Sun, 22 Nov 2026 00:30:00 +0900"
    ] * 2


@pytest.mark.parametrize(
    ("key", "line"),
    [
        ("", None),
        (" \u3000", None),
        ("Shop-7 key", b"X-Recognition-Key: Shop-7 key"),
        ("鍵", b"X-Recognition-Key: =?ISO-2022-JP?B?GyRCODAbKEI=?="),
    ],
)
def test_the_recognition_key_is_a_header_and_a_field(catalogue, key, line):
    """A blank key leaves no header; any other is text like a subject, and the field prints it."""
    chosen = registration(catalogue, recognition_key=key, body="[認識キー] <$_RECOGNITION_KEY_$>\n")
    (composed,) = composer(catalogue).compose(notification(), [chosen]).mails
    head, body = composed.mail.content.split(b"\r\n\r\n")
    assert [row for row in head.split(b"\r\n") if row.startswith(b"X-")] == ([line] if line else [])
    assert body.decode("iso2022_jp") == f"[認識キー] {key.strip()}\r\n"


def test_keys_do_not_leak_into_other_registrations(catalogue):
    """The record is shared by all registrations; a key stays with its own."""
    body = "[認識キー] <$_RECOGNITION_KEY_$>\n"
    chosen = [registration(catalogue, recognition_key=key, body=body) for key in ("k1", "", "k2")]
    mails = composer(catalogue).compose(notification(), chosen).mails
    bodies = [each.mail.content.decode("iso2022_jp").split("\r\n\r\n")[1] for each in mails]
    assert bodies == ["[認識キー] k1\r\n", "[認識キー] \r\n", "[認識キー] k2\r\n"]


def test_a_registration_s_own_subject_is_used(catalogue):
    """タイトル of the registration goes before the template's."""
    chosen = registration(catalogue, own_subject="own <$_SELLER_ID_$>")
    (composed,) = composer(catalogue).compose(notification(), [chosen]).mails
    assert composed.mail.subject == "own example-shop"
    assert b"\r\nSubject: own example-shop\r\n" in composed.mail.content


def test_every_place_of_an_unwritable_character_is_named(catalogue):
    """Values by their path and field; all characters at once, folded ones not; no value is shown."""
    chosen = registration(
        catalogue,
        subject="注文<$_PACK_NO_$> <$_BUYER_NM_$>",
        sender="<$_RECEIVER_NM_$> <shop@example.jp>",
        body="氏名 <$_BUYER_NM_$>\n商品\n##LOOP##<$_ITEM_NM_$>\n##LOOP##<$_DEL_MEMO_$>\n",
    )
    composition = composer(catalogue).compose(
        notification("①番ｶﾞ", "皿", "①と②", buyer="髙橋 花子", memos=("急ぎ～", "②"), receiver={"name": "﨑"}),
        [chosen],
    )
    assert composition.mails == ()
    buyer, receiver = "pack.buyer.name (BUYER_NM 注文者氏名)", "pack.receiver.name (RECEIVER_NM 受取人氏名)"
    first, third = (f"pack.orders[{index}].item_name (ITEM_NM 商品名)" for index in (0, 2))
    assert reasons(composition) == [
        [
            f"{receiver}: {cannot('﨑')}; sender",
            f"{buyer}: {cannot('髙')}; subject",
            f"{buyer}: {cannot('髙')}; body row 1",
            f"{first}: {cannot('①')}; body row 3",
            f"{third}: {cannot('①')}; body row 3",
            f"pack.memos (DEL_MEMO 備考): {cannot('②')}; body row 5",
            f"{third}: {cannot('②')}; body row 5",
        ]
    ]
    assert [each.is_misread for each in composition.unwritable] == [False]


def test_one_order_that_cannot_be_written_stops_all_mails_of_its_registration_only(catalogue):
    """A replay, which is for a whole registration, must not double the orders that could be written."""
    body = "<$_ORDER_NO_$> <$_ITEM_NM_$>\n"
    strict = registration(catalogue, id="strict", unit="order", subject="注文", body=body)
    free = registration(catalogue, id="free", unit="order", subject="注文", body=body, charset="utf-8")
    composition = composer(catalogue).compose(notification("本", "皿😀", "碗😀"), [strict, free])
    assert [(each.registration.id, each.mail.order_no) for each in composition.mails] == [
        ("free", "7000000001"),
        ("free", "7000000002"),
        ("free", "7000000003"),
    ]
    assert composition.unwritable == (
        Unwritable(
            registration=strict,
            is_misread=False,
            reason="\n".join(
                f"pack.orders[{index}].item_name (ITEM_NM 商品名): {cannot('😀')}; body row 1"
                for index in (1, 2)
            ),
        ),
    )


def test_a_subject_that_no_header_takes_is_said(catalogue):
    """Who must mend it is named, the registration for its own subject and else the template."""
    long = "注文 <$_ITEM_NM_$>" + "<$_ITEM_NM_$>" * 20
    for chosen, author in (
        (registration(catalogue, unit="order", subject=long), "template cross_mall/order_info"),
        (registration(catalogue, unit="order", own_subject=long), "registration orders"),
    ):
        composition = composer(catalogue).compose(notification("長" * 200), [chosen])
        assert reasons(composition) == [[f"{author}: has 4203 characters; a header may have 4000; subject"]]


def test_a_key_that_was_never_checked_is_the_registration_s(catalogue):
    """A file's key is checked when it is loaded; one that comes another way is told with its author."""
    chosen = registration(catalogue, recognition_key="鍵①")
    assert reasons(composer(catalogue).compose(notification(), [chosen])) == [
        [f"registration orders: {cannot('①')}; recognition_key"]
    ]


def test_a_limit_of_the_language_is_a_reason_too(catalogue):
    """A mail that would be too long is reported like any other that cannot be made."""
    row = "##LOOP##<$_ORDER_NO_$>" + "<$_ITEM_NM_$>" * 2 + "\n"
    chosen = registration(catalogue, body=row, charset="utf-8")
    composition = composer(catalogue).compose(notification(*["長" * 1_000] * 600), [chosen])
    ((reason,),) = reasons(composition)
    assert reason.startswith("template cross_mall/order_info: ")
    assert "1,048,576" in reason or "1048576" in reason
    assert reason.endswith("; body")


def test_a_hostile_notification_gets_a_bounded_reason(catalogue):
    """Thousands of characters that cannot be written are not all listed."""
    bad = [chr(0x3400 + index) * 10 for index in range(500)]
    chosen = registration(catalogue, unit="order", subject="注文", body="<$_ITEM_NM_$>\n")
    ((*rows, last),) = reasons(composer(catalogue).compose(notification(*bad), [chosen]))
    assert (len(rows), last) == (20, "and more")
    assert [row.split(":")[0] for row in rows] == [
        f"pack.orders[{index}].item_name (ITEM_NM 商品名)" for index in range(20)
    ]


def test_values_cannot_reach_headers_but_as_values(catalogue):
    """A line break in a value is a space long before the header; the header names are the expected ones."""
    chosen = registration(
        catalogue, subject="<$_BUYER_NM_$>", sender="<$_BUYER_NM_$> <shop@example.jp>", charset="utf-8"
    )
    hostile = 'x\r\nBcc: evil@example.com\r\n\r\n" <evil@example.com>, 例題'
    (composed,) = composer(catalogue).compose(notification(buyer=hostile), [chosen]).mails
    message = message_from_bytes(composed.mail.content, policy=policy.default)
    assert message.keys() == [
        *["Message-ID", "Date", "From", "To", "Subject"],
        *["MIME-Version", "Content-Type", "Content-Transfer-Encoding"],
    ]
    assert [address.addr_spec for address in message["From"].addresses] == ["shop@example.jp"]
    assert message["Subject"] == 'x Bcc: evil@example.com " <evil@example.com>, 例題'


def test_no_buyer_s_name_is_remembered(catalogue):
    """What the composer keeps for the next mail does not grow with what buyers are called."""
    writer = composer(catalogue)
    named = registration(catalogue, sender="<$_BUYER_NM_$> <shop@example.jp>")

    def compose(count: int) -> int:
        """Memory in use after so many mails, each of another buyer with a name of 2 KB."""
        for number in range(count):
            writer.compose(notification(buyer="山" * 900 + str(number)), [named])
        return tracemalloc.get_traced_memory()[0]

    tracemalloc.start()
    try:
        before = compose(1)
        assert compose(100) - before < 100 * 1_000
    finally:
        tracemalloc.stop()


def test_a_long_hostname_makes_the_one_long_line_that_is_ours(catalogue):
    """A Message-ID cannot be broken, as an address cannot: its line may be longer than 76."""
    hostname = ".".join(["x" * 60] * 4) + ".jp"
    (composed,) = (
        Composer(hostname, ManualClock(), catalogue).compose(notification(), [registration(catalogue)]).mails
    )
    first, *rows = composed.mail.content.split(b"\r\n")
    assert first == f"Message-ID: <{composed.mail.id}@{hostname}>".encode()
    assert len(first) > 76 >= max(map(len, rows))
    message = message_from_bytes(composed.mail.content, policy=policy.default)
    assert message["Message-ID"] == composed.mail.message_id


@pytest.mark.parametrize("hostname", ["", "例え.jp", "a b", "a..b", "a>b", "a\r\nb", "x" * 600])
def test_a_hostname_that_cannot_stand_in_a_message_id_is_refused(catalogue, hostname):
    """Better at the start than in each mail."""
    with pytest.raises(BadInput, match="hostname: must be a domain such as"):
        Composer(hostname, ManualClock(), catalogue)
