"""Text mails: which template wrote them, what they say, and why not."""

import tempfile
from datetime import UTC, datetime
from pathlib import Path
from random import Random

import pytest

from grammar import load_catalogue
from grammar.span import columns
from relay.errors import BadInput
from relay.intake import Decoder
from relay.intake.reading.recognition import MAX_FORMS, MAX_READ
from relay.notification import Notification
from tests.support.intake import registry_in, shipped_registry, text_mail, written
from tests.support.mail import mail, multipart, part
from tests.support.records import sample_document

CATALOGUE = load_catalogue()
SHIPPED = shipped_registry(CATALOGUE)
DECODER = Decoder(lambda: SHIPPED, CATALOGUE)
NOW = datetime(2026, 11, 21, 3, 0, tzinfo=UTC)
SENT = datetime(2026, 11, 21, 1, 15, tzinfo=UTC)
BASIC = SHIPPED.templates.by_key["basic/order_info"]
CROSS_MALL = SHIPPED.templates.by_key["cross_mall/order_info"]


def notification(**changes):
    """What the Basic template says all of: it prints no buyer's id, no mobile telephone, one row of memos."""
    tree = sample_document() | {"occurred_at": SENT.isoformat(), "event_id": None}
    tree["pack"]["buyer"] |= {"id": "", "mobile": ""}
    tree["pack"]["memos"] = ["のし不要 置き配希望"]
    for order in tree["pack"]["orders"]:
        for key in ("carrier", "tracking_no", "shipped_at", "delivered_at", "cancel"):
            del order[key]
    for path, value in changes.items():
        *steps, last = path.split("__")
        node = tree
        for step in steps:
            node = node[int(step)] if step.isdigit() else node[step]
        node[last] = value
    return Notification.model_validate(tree)


def _keyed(template):
    """A registration whose key tells the seller, where the template prints none."""
    with tempfile.TemporaryDirectory() as folder:
        entry = f"  - {{id: a, template: {template}, recipients: [a@example.jp], recognition_key: KEY-7}}\n"
        registry = registry_in(Path(folder), CATALOGUE, registrations={"example-shop": entry})
    return Decoder(lambda: registry, CATALOGUE)


KEYED = {template.key: _keyed(template.key) for template in (BASIC, CROSS_MALL)}
SAID = notification()
SUBJECT, BODY = written(BASIC, SAID, CATALOGUE)


def basic(body=BODY, *header, **how):
    return text_mail(SUBJECT, body, *header, **how)


def refusal(content, decoder=DECODER):
    with pytest.raises(BadInput) as error:
        decoder.decode(content, NOW)
    return str(error.value)


@pytest.mark.parametrize(
    ("charset", "encoding"),
    [
        ("utf-8", "8bit"),
        ("utf-8", "7bit"),
        ("UTF-8", "base64"),
        ("utf-8", "quoted-printable"),
        ("utf-8-sig", "base64"),
        ("iso-2022-jp", "7bit"),
        ("ISO-2022-JP", "base64"),
        ("iso-2022-jp", "quoted-printable"),
        ("shift_jis", "8bit"),
        ("cp932", "base64"),
        ("euc-jp", "quoted-printable"),
    ],
)
def test_a_text_mail_is_read_in_every_charset_and_encoding(charset, encoding):
    """The same notification each time, and the template that it was read with."""
    content = basic(charset=charset, encoding=encoding).replace(b"charset=utf-8-sig", b"charset=utf-8")
    decoded = DECODER.decode(content, NOW)
    assert decoded.notification == SAID
    assert decoded.template is BASIC
    assert decoded.message_id == ""


@pytest.mark.parametrize("template", list(SHIPPED.templates), ids=lambda template: template.key)
def test_a_mail_of_every_shipped_template_is_taken_in(template, tmp_path):
    """With a recognition key, since some groups print no seller; what it prints comes back as it was."""
    registry = registry_in(
        tmp_path,
        CATALOGUE,
        registrations={
            "example-shop": f"  - {{id: a, template: {template.key}, recipients: [a@example.jp], "
            "recognition_key: KEY-7}\n"
        },
    )
    said = notification(type=template.notification.value)
    decoder = Decoder(lambda: registry, CATALOGUE)
    content = text_mail(*written(template, said, CATALOGUE), "X-Recognition-Key: KEY-7")
    decoded = decoder.decode(content, NOW)
    assert decoded.template is template
    assert decoded.notification.type is template.notification
    assert written(template, decoded.notification, CATALOGUE) == written(template, said, CATALOGUE)


HTML = part(b"<p>order</p>", "Content-Type: text/html")
TEXT = part(BODY.encode(), "Content-Type: text/plain; charset=utf-8")


def with_subject(content, subject=SUBJECT):
    head = text_mail(subject, "").partition(b"From:")[0] + b"Date: Sat, 21 Nov 2026 10:15:00 +0900\r\n"
    return head + content.replace(b"Subject: order_info\r\n", b"")


@pytest.mark.parametrize(
    "content",
    [
        multipart(TEXT, HTML).replace(b"multipart/mixed", b"multipart/alternative"),
        multipart(TEXT, part(b"GIF89a", "Content-Type: image/gif")),
        multipart(TEXT, part(b"0", "Content-Type: application/pgp-signature")).replace(
            b"multipart/mixed", b"multipart/signed"
        ),
        mail(
            b"--a\nContent-Type: multipart/alternative; boundary=b\n\n--b\n" + TEXT + b"\n--b\n" + HTML
            + b"\n--b--\n--a\nContent-Type: image/png\n\n0\n--a--\n",
            "Content-Type: multipart/mixed; boundary=a",
        ),
    ],
)  # fmt: skip
def test_what_says_nothing_more_may_stand_beside_the_text(content):
    """HTML of the same, pictures, a signature."""
    assert DECODER.decode(with_subject(content), NOW).notification == SAID


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (
            multipart(TEXT, TEXT),
            "mail: has 2 text parts, and nobody can say which one counts (send one)",
        ),
        (
            multipart(TEXT, HTML),
            "part 2: is 'text/html' beside a text, and could be what was meant",
        ),
        (
            multipart(TEXT, part(b"x", "Content-Type: text/csv")),
            "part 2: is 'text/csv' beside a text, and could be what was meant",
        ),
        (
            multipart(TEXT, part(b"Subject: x\n\nx", "Content-Type: message/rfc822")),
            "part 2: is 'message/rfc822' beside a text, and could be what was meant",
        ),
        (
            multipart(TEXT).replace(b"multipart/mixed", b"multipart/report"),
            "part 1: is a text in 'multipart/report': no order mail comes so",
        ),
        (
            multipart(TEXT, end=False),
            "part 1: is text in a multipart without an end: the mail may be cut",
        ),
        (
            multipart(HTML),
            (
                "mail: has no part that could be the notification, only 'text/html' "
                "(send it as application/json or application/yaml, or as the text of a known template)"
            ),
        ),
        (
            multipart(
                part(
                    BODY.encode(),
                    "Content-Type: text/plain; charset=utf-8",
                    'Content-Disposition: attachment; filename="order.txt"',
                )
            ),
            (
                "mail: has no part that could be the notification, only 'text/plain' "
                "(send it as application/json or application/yaml, or as the text of a known template)"
            ),
        ),
    ],
)
def test_what_could_have_been_meant_instead_is_refused(content, reason):
    """A text mail is one text and nothing else that counts."""
    assert refusal(with_subject(content)) == reason


LONG_NAME = "綿の長袖ティーシャツ（杢グレー）" * 26
LONG_SAID = notification(pack__orders__0__item_name=LONG_NAME)
_, LONG_BODY = written(BASIC, LONG_SAID, CATALOGUE)


def folded(octets, width, begin):
    """As a relay breaks rows that are longer than a width in octets."""
    rows = []
    for row in octets.split(b"\n"):
        rest = row
        while len(rest) > width:
            rows.append(rest[:width])
            rest = begin + rest[width:]
        rows.append(rest)
    return b"\r\n".join(rows)


@pytest.mark.parametrize(
    "content",
    [
        basic(folded(LONG_BODY.encode(), 998, b" ")),
        basic(folded(LONG_BODY.encode(), 78, b"")),
        basic(folded(LONG_BODY.encode("iso-2022-jp"), 990, b" "), charset="iso-2022-jp", encoding="7bit"),
        basic(folded(LONG_BODY.encode("iso-2022-jp"), 76, b""), charset="iso-2022-jp", encoding="7bit"),
        basic(
            LONG_BODY.replace(LONG_NAME, " \n".join(LONG_NAME[at : at + 30] for at in range(0, 450, 30))),
            parameters="; format=flowed; delsp=yes",
        ),
    ],
    ids=["Postfix", "cut at 78", "ISO-2022-JP by Postfix", "ISO-2022-JP cut at 76", "flowed"],
)
def test_rows_that_were_broken_on_the_way_are_joined(content):
    """Where the template proves the result, the value is the one that was sent."""
    assert DECODER.decode(content, NOW).notification == LONG_SAID


@pytest.mark.parametrize(
    "content",
    [
        basic(BODY.replace("\n", "\r\n").encode().rstrip() + b"\r\n" * 6),
        basic(BODY.encode().rstrip()),
        basic(BODY.encode(), encoding="base64"),
        basic("\ufeff" + BODY),
        basic(BODY, parameters="; format=flowed"),
    ],
    ids=["blank rows at the end", "no newline at the end", "bare line feeds", "byte order mark", "flowed"],
)
def test_what_changes_no_value_on_the_way_is_forgiven(content):
    """Line ends, blank rows at the end, a byte order mark."""
    assert DECODER.decode(content, NOW).notification == SAID


OWN = """\
ご注文です 9時〜12時
店:<$_SELLER_ID_$>
[カート] <$_PACK_NO_$>
[時間帯] <$_DEL_HOPE_DATE_TIME_ZONE_$>
[備考] <$_DEL_MEMO_$>
##LOOP_BEGIN##
[注文] <$_ORDER_NO_$> [品] <$_ITEM_NM_$>
##LOOP_END##
"""
OWN_SAID = Notification.model_validate(
    {
        "version": 1,
        "type": "order_info",
        "seller_id": "example-shop",
        "occurred_at": SENT,
        "pack": {
            "pack_no": "300000001",
            "hope_time_zone": "14時～16時",
            "orders": [
                {"order_no": "1", "item_name": "マグカップ", "currency": ""},
                {"order_no": "2", "currency": ""},
            ],
        },
    }
)


def own(tmp_path, templates=None, registrations=None):
    registry = registry_in(
        tmp_path, CATALOGUE, templates=templates or {"order_info": OWN}, registrations=registrations
    )
    return Decoder(lambda: registry, CATALOGUE)


OWN_TEXT = (
    "ご注文です 9時〜12時\n店:example-shop\n[カート] 300000001\n[時間帯] 14時～16時\n[備考] \n"
    "[注文] 1 [品] マグカップ\n[注文] 2 [品] \n"
)


@pytest.mark.parametrize(
    "text",
    [
        OWN_TEXT,
        OWN_TEXT.replace("9時〜", "9時～"),
        OWN_TEXT.replace("備考] ", "備考]").replace("品] \n", "品]\n"),
        OWN_TEXT.replace("9時〜", "9時～").replace("備考] ", "備考]"),
    ],
    ids=["as it was", "other wave dash", "spaces stripped", "both"],
)
def test_the_templates_own_text_may_be_spelled_otherwise(tmp_path, text):
    """A conversion and a stripped space are forgiven in fixed text; the value's full-width tilde is kept."""
    decoded = own(tmp_path).decode(text_mail("注文のお知らせ(300000001)", text), NOW)
    assert decoded.notification == OWN_SAID


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (
            OWN_TEXT.replace("ご注文です", "注文です"),
            (
                "body row 1: template own/order_info has 'ご注文です 9時〜12時' there, and the mail "
                "parts from it at column 1"
            ),
        ),
        (
            OWN_TEXT.replace("[カート]", "[カ一ト]"),
            (
                "body row 3: template own/order_info has '[カート] ' there, and the mail parts from it "
                "at column 3"
            ),
        ),
        (
            OWN_TEXT + "-- \n配信停止はこちら\n",
            "body row 8: template own/order_info has '[注文] ' there, and the mail parts from it at column 1",
        ),
        (
            OWN_TEXT.replace("マグカップ", "マグ [品] カップ"),
            (
                "body: template own/order_info prints ORDER_NO and ITEM_NM on one row, and there is "
                "more than one way to share it out (what stands between them stands inside a value too)"
            ),
        ),
        (
            OWN_TEXT.replace("example-shop", ""),
            (
                "seller_id: template own/order_info does not print whose order it is (let the sender stamp "
                "the mail with the recognition key of one registration)"
            ),
        ),
        (
            OWN_TEXT.replace("300000001", "300000002"),
            (
                "subject: is read, but template own/order_info would not write column 17 so "
                "(a filter cuts a value there, or it is no value of its field)"
            ),
        ),
        (
            OWN_TEXT.replace("[注文] 2", "[注文] 1"),
            "pack: order number 1 occurs twice in orders (read with template own/order_info)",
        ),
        (
            OWN_TEXT.replace("マグ", "マ\x07グ"),
            (
                "body row 6: is read, but template own/order_info would not write column 12 so "
                "(a filter cuts a value there, or it is no value of its field)"
            ),
        ),
    ],
)
def test_a_reason_names_the_template_and_the_place(tmp_path, text, reason):
    """What the template has there is shown; no value of the mail is."""
    content = text_mail("注文のお知らせ(300000001)", text)
    assert refusal(content, own(tmp_path)) == reason


def test_a_pack_without_a_number_is_no_notification(tmp_path):
    """Blank in subject and body alike: the text is the template's, and says too little."""
    content = text_mail("注文のお知らせ()", OWN_TEXT.replace("300000001", ""))
    assert refusal(content, own(tmp_path)) == ("pack.pack_no: is missing (read with template own/order_info)")


@pytest.mark.parametrize(
    ("date", "at"),
    [
        ("Sat, 21 Nov 2026 10:15:00 +0900", SENT),
        ("21 Nov 2026 01:15:00 -0000 (JST)", SENT),
        ("", NOW),
        ("yesterday", NOW),
        ("Fri, 31 Dec 9999 23:59:59 -0900", NOW),
    ],
)
def test_it_happened_when_the_mail_was_sent(date, at):
    """By its Date, or when it came, if there is none that can be believed."""
    assert DECODER.decode(basic(date=date), NOW).notification.occurred_at == at


KEYS = """\
  - {id: orders, template: cross_mall/order_info, recipients: [a@example.jp], recognition_key: 店-7, use: N}
"""


def test_a_recognition_key_tells_whose_order_it_is(tmp_path):
    """CROSS MALL's template prints no seller; a registration that is switched off names one just as well."""
    content = text_mail(*written(CROSS_MALL, SAID, CATALOGUE), "X-Recognition-Key: =?utf-8?b?5bqXLTc=?=")
    decoder = Decoder(lambda: registry, CATALOGUE)
    registry = registry_in(tmp_path, CATALOGUE, registrations={"example-shop": KEYS})
    decoded = decoder.decode(content, NOW)
    assert (decoded.template, decoded.notification.seller_id) == (CROSS_MALL, "example-shop")
    assert written(CROSS_MALL, decoded.notification, CATALOGUE) == written(CROSS_MALL, SAID, CATALOGUE)


def test_a_registrations_own_subject_and_body_are_read(tmp_path):
    """What the shop wrote itself stands in the template's place, and prints the key."""
    entry = KEYS + (
        "    subject: 注文 <$_PACK_NO_$>\n    body: |\n      キー:<$_RECOGNITION_KEY_$>\n"
        "      ##LOOP##番号:<$_ORDER_NO_$>\n"
    )
    entry = entry.replace("  - {", "  - ").replace(", ", "\n    ").replace("}\n", "\n")
    registry = registry_in(tmp_path, CATALOGUE, registrations={"example-shop": entry})
    decoder = Decoder(lambda: registry, CATALOGUE)

    def content(key):
        body = f"キー:{key}\n番号:7000000001\n番号:7000000002\n"
        return text_mail("注文 300000001", body, "X-Recognition-Key: =?utf-8?b?5bqXLTc=?=")

    pack = decoder.decode(content("店-7"), NOW).notification.pack
    assert [pack.pack_no, *(order.order_no for order in pack.orders)] == [
        "300000001",
        "7000000001",
        "7000000002",
    ]
    assert refusal(content("店-8"), decoder) == (
        "body row 1: is read, but registration orders of example-shop (cross_mall/order_info) would not "
        "write column 6 so (a filter cuts a value there, or it is no value of its field)"
    )


def test_a_key_of_two_sellers_says_nothing(tmp_path):
    """Two shops that chose one key: each proves another notification."""
    registrations = {"example-shop": KEYS, "other-shop": KEYS}
    registry = registry_in(tmp_path, CATALOGUE, registrations=registrations)
    decoder = Decoder(lambda: registry, CATALOGUE)
    key = "X-Recognition-Key: =?utf-8?b?5bqXLTc=?="
    assert refusal(text_mail(*written(CROSS_MALL, SAID, CATALOGUE), key), decoder) == (
        "body: says different things, read with registration orders of example-shop "
        "(cross_mall/order_info) and registration orders of other-shop (cross_mall/order_info)"
    )


def test_a_text_that_names_another_seller_than_its_key_is_refused(tmp_path):
    """One of the two is wrong."""
    entry = KEYS.replace("cross_mall", "basic")
    registry = registry_in(tmp_path, CATALOGUE, registrations={"other-shop": entry})
    content = basic(BODY, "X-Recognition-Key: =?utf-8?b?5bqXLTc=?=")
    assert refusal(content, Decoder(lambda: registry, CATALOGUE)) == (
        "seller_id: is another seller than the one of registration orders of other-shop (basic/order_info), "
        "whose key the mail bears"
    )


def test_a_key_that_nobody_has_leaves_it_to_the_text():
    """Another relay's key: the subject and the text say what the mail is."""
    assert DECODER.decode(basic(BODY, "X-Recognition-Key: KEY-OF-ANOTHER"), NOW).notification == SAID


def test_two_templates_that_prove_one_notification_are_as_good_as_one(tmp_path):
    """And the mail is the first one's; two that prove different ones are named."""
    decoder = own(tmp_path, {"order_info": OWN, "order_info_b": OWN})
    content = text_mail("注文のお知らせ(300000001)", OWN_TEXT)
    decoded = decoder.decode(content, NOW)
    assert (decoded.notification, decoded.template.key) == (OWN_SAID, "own/order_info")


def test_two_templates_that_prove_different_notifications_are_both_named(tmp_path):
    """A subject and a text that order and cancelling share say neither."""
    decoder = own(tmp_path, {"order_info": OWN, "cancel_request": OWN})
    assert refusal(text_mail("注文のお知らせ(300000001)", OWN_TEXT), decoder) == (
        "body: says different things, read with template own/order_info and template own/cancel_request"
    )


def _wrapped(text, width):
    """Broken at the last space that fits, which goes: what gateways do that wrap words."""
    rows = []
    for row in text.split("\n"):
        rest = row
        while columns(rest) > width and " " in rest[:width]:
            at = max(at for at, char in enumerate(rest) if char == " " and columns(rest[:at]) <= width)
            rows.append(rest[:at])
            rest = rest[at + 1 :]
        rows.append(rest)
    return "\n".join(rows)


WORDS = ["Minami-Aoyama", "Heights", "1-2", "Bldg", "3F", "No", "12", "Room", "101", "Tower", "東棟", "5"]


@pytest.mark.parametrize("width", [72, 76, 78])
def test_a_value_whose_words_were_wrapped_is_never_invented(width):
    """Whether there was a space at the break cannot be known: 400 mails of each width."""
    random = Random(1)
    kept = 0
    for number in range(400):
        words = " ".join(random.choice(WORDS) for _ in range(random.randint(9, 14)))
        said = notification(pack__receiver__address2=words, pack__memos=[words, "のし不要"])
        template = (BASIC, CROSS_MALL)[number % 2]
        subject, body = written(template, said, CATALOGUE)
        content = text_mail(subject, _wrapped(body, width), "X-Recognition-Key: KEY-7")
        try:
            decoded = KEYED[template.key].decode(content, NOW)
        except BadInput:
            kept += 1
        else:
            assert decoded.notification.pack == said.pack
    assert 0 < kept < 400


@pytest.mark.parametrize("width", [70, 76, 80])
def test_a_memo_that_was_cut_is_not_taken_for_two(width):
    """CROSS MALL's template prints memos without a label, so the rest of a broken one looks like another."""
    memo = "置き配を希望します。玄関の横の宅配ボックスに入れてください。届いたら電話ください。よろしく。"
    decoder = KEYED[CROSS_MALL.key]
    key = "X-Recognition-Key: KEY-7"
    for memos in ([memo, "領収書不要"], [memo], ["のし不要", "置き配希望"]):
        subject, body = written(CROSS_MALL, notification(pack__memos=memos), CATALOGUE)
        for encoding in ("base64", "quoted-printable"):  # whose rows nobody breaks
            decoded = decoder.decode(text_mail(subject, body, key, encoding=encoding), NOW)
            assert decoded.notification.pack.memos == tuple(memos)
        broken = body.replace(memo[width // 2 :], "\n" + memo[width // 2 :])
        if broken == body:
            assert decoder.decode(text_mail(subject, body, key), NOW).notification.pack.memos == tuple(memos)
        else:
            reason = refusal(text_mail(subject, broken, key), decoder)
            assert "but may be the rest of the row before it" in reason


def test_a_break_at_smtps_limit_that_shows_no_character_is_left():
    """A gateway that folds at the value's own space leaves the same octets."""
    name = "A" * 600 + " " + "B" * 300
    _, body = written(BASIC, notification(pack__orders__0__item_name=name), CATALOGUE)
    for broken in (body.replace("A B", "A\n B"), body.replace(name, name[:500] + "\n " + name[500:])):
        assert refusal(basic(broken)).startswith("body row ")


@pytest.mark.parametrize(
    "prefix",
    [
        *["Fw: ", "FWD:", "Re: ", "RE[2]: ", "Re^3: ", "転送: ", "返信:", "Fw：", "ＦＷ:", "ＲＥ：", "TR: "],
        *["VS:", "SV:", "WG: ", "AW:", "転送：", "【転送】", "[Fwd] ", "FW>"],
    ],
)
def test_a_persons_forward_is_not_the_marketplaces_word(prefix):
    """It is named as what it is."""
    content = text_mail(prefix + SUBJECT, BODY, "X-Recognition-Key: KEY-7")
    assert refusal(content) == (
        "subject: says that a person forwarded or answered the mail, and nobody vouches for that "
        "(redirect the mail itself, or send the notification as a document)"
    )


def test_an_unknown_subject_is_refused_before_the_text_is_looked_at():
    """A megabyte of what is not even UTF-8 is not read for it."""
    assert refusal(text_mail("お買い得情報", b"\xff" * 1_000_000)) == (
        "subject: is none that a known template writes (send it as application/json or application/yaml, "
        "or as the text of a known template)"
    )


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (
            basic(BODY.encode("iso-2022-jp")[:-20], charset="iso-2022-jp", encoding="7bit"),
            "body: is not ISO-2022-JP: ",
        ),
        (basic(b"\x81" + BODY.encode()), "body: is not UTF-8: invalid start byte (row 1, octet 0)"),
        (basic(BODY.encode(), charset="us-ascii"), "body: is not US-ASCII: "),
        (basic(BODY.encode(), charset="x-own"), "body: is not x-own: no charset of this name is read here"),
        (
            basic(b"=E", encoding="quoted-printable").replace(b"=3DE", b"=E"),
            "body: has damaged quoted-printable",
        ),
        (basic(b"\r\n"), "body: is empty"),
        (basic(BODY, "Subject: 注文"), "subject: stands twice"),
        (basic(BODY, "X-Recognition-Key: a", "X-Recognition-Key: b"), "x-recognition-key: stands twice"),
        (basic(BODY, "X-Recognition-Key: =?utf-8?b?%?="), "x-recognition-key: is not utf-8: "),
        (basic(BODY, "X-Recognition-Key: " + "a" * 40_000), "x-recognition-key: has more than 32 KiB"),
    ],
)
def test_damage_is_told_with_its_place(content, reason):
    """Nothing is guessed and nothing replaced."""
    assert refusal(content).startswith(reason)


def test_a_template_without_an_order_number_cannot_be_taken_in(tmp_path):
    """Whatever its mails look like: the reason says so."""
    decoder = own(tmp_path, {"order_info": "店:<$_SELLER_ID_$>\nカート:<$_PACK_NO_$>\n"})
    content = text_mail("注文のお知らせ(300000001)", "店:example-shop\nカート:300000001\n")
    assert refusal(content, decoder) == (
        "subject: template own/order_info does not print ORDER_NO: its mails cannot be taken in "
        "(send the notification as a document)"
    )


def test_a_currency_that_the_template_does_not_print_is_blank(tmp_path):
    """Nobody said yen."""
    decoder = own(tmp_path, {"order_info": "店:<$_SELLER_ID_$>\n##LOOP##注文:<$_ORDER_NO_$>\n"})
    (order,) = decoder.decode(text_mail("注文のお知らせ(1)", "店:a\n注文:1\n"), NOW).notification.pack.orders
    assert order.currency == ""


def test_a_blank_currency_stays_blank():
    """A document that leaves it out means yen; a text that prints nothing there says nothing."""
    said = notification(pack__orders__1__currency="")
    _, body = written(BASIC, said, CATALOGUE)
    assert DECODER.decode(basic(body), NOW).notification == said


@pytest.mark.parametrize(
    "text",
    [
        "あ" * 1_000_000,
        BODY + "購入者名:x\n" * 10_000,
        BODY.replace("1000000001", "1" * 900_000),
        ("a" * 79 + "\n") * 10_000,
        BODY.replace("\n", " \n") * 300,
    ],
    ids=["one row", "10,000 rows more", "a long value", "rows that look cut", "rows that look flowed"],
)
def test_a_hostile_text_ends_in_a_reason(text):
    """A megabyte of anything costs some milliseconds for each way of reading it, and these are counted."""
    content = basic(text, encoding="base64", parameters="; format=flowed")
    assert refusal(content).startswith(("body", "pack", "seller_id"))
    assert MAX_READ >= 4 * 1024 * 1024


def test_a_text_that_lost_an_order_is_noticed_by_its_sum(tmp_path):
    """The template prints a sum: what is left of the orders must add up to it."""
    body = (
        "店:<$_SELLER_ID_$>\n合計:<$_TOTAL|sum|comma_$>円\n"
        "##LOOP_BEGIN##\n注文:<$_ORDER_NO_$>\n金額:<$_TOTAL|comma_$>円\n##LOOP_END##\n"
    )
    decoder = own(tmp_path, {"order_info": body})
    subject, text = "注文のお知らせ(1)", "店:a\n合計:3,960円\n注文:1\n金額:1,980円\n注文:2\n金額:1,980円\n"
    orders = decoder.decode(text_mail(subject, text), NOW).notification.pack.orders
    assert [(order.order_no, order.total) for order in orders] == [("1", 1980), ("2", 1980)]
    assert refusal(text_mail(subject, text[: text.index("注文:2")]), decoder) == (
        "body row 2: is read, but template own/order_info would not write column 4 so "
        "(a filter cuts a value there, or it is no value of its field)"
    )


@pytest.mark.parametrize("end", ["", "\n", "\n\n", "\n\n\n\n"])
def test_a_body_that_ends_in_a_blank_value_may_lose_its_last_row(tmp_path, end):
    """And may get more of them: as many as the template wants are tried."""
    body = "店:<$_SELLER_ID_$>\n##LOOP##注文:<$_ORDER_NO_$>\n配送方法\n<$_DEL_OPTION_$>\n"
    decoder = own(tmp_path, {"order_info": body})
    content = text_mail("注文のお知らせ(1)", f"店:a\n注文:1\n配送方法{end}")
    pack = decoder.decode(content, NOW).notification.pack
    assert (pack.orders[0].order_no, pack.delivery_option) == ("1", "")


@pytest.mark.parametrize(
    ("printed", "value"),
    [("2026年11月25日", "2026-11-25"), ("", None)],
)
def test_a_value_is_read_back_through_its_filters(tmp_path, printed, value):
    """A date in Japanese is the day that it says; a value that a filter cuts is refused."""
    body = (
        "店:<$_SELLER_ID_$>\n希望日:<$_DEL_HOPE_DATE|date:%Y年%m月%d日_$>\n氏名:<$_BUYER_NM|max:4_$>\n"
        "##LOOP##注文:<$_ORDER_NO_$>\n"
    )
    decoder = own(tmp_path, {"order_info": body})
    text = f"店:a\n希望日:{printed}\n氏名:例題花子\n注文:1\n"
    pack = decoder.decode(text_mail("注文のお知らせ(1)", text), NOW).notification.pack
    assert (pack.hope_date and pack.hope_date.isoformat(), pack.buyer.name) == (value, "例題花子")
    assert refusal(text_mail("注文のお知らせ(1)", text.replace("例題花子", "例題花…")), decoder).startswith(
        "body row 3: is read, but template own/order_info would not write column 4 so"
    )


def test_more_forms_than_a_mail_is_worth_are_not_tried(tmp_path):
    """One key for a hundred registrations is a mistake of the shop's, and costs no more than a look."""
    entries = "".join(
        f"  - {{id: r{number}, template: cross_mall/order_info, recipients: [a@example.jp], "
        "recognition_key: K}\n"
        for number in range(100)
    )
    registry = registry_in(tmp_path, CATALOGUE, registrations={"example-shop": entries})
    content = text_mail(*written(CROSS_MALL, SAID, CATALOGUE), "X-Recognition-Key: K")
    assert refusal(content, Decoder(lambda: registry, CATALOGUE)) == (
        f"body: can be one of 100 templates or registrations, and {MAX_FORMS} are tried at most"
    )


def test_a_value_that_looks_like_a_label_is_not_taken_in(tmp_path):
    """A remark that a reader by label would take for the cart's number: a person looks at it first."""
    body = (
        "店:<$_SELLER_ID_$>\n[カート] <$_PACK_NO_$>\n##LOOP##[注文] <$_ORDER_NO_$>\n[備考]\n"
        "##DELETE_BLANK_ROW##$LOOP_<$_DEL_MEMO_$>\n"
    )
    decoder = own(tmp_path, {"order_info": body})
    subject, text = "注文のお知らせ(1)", "店:a\n[カート] 1\n[注文] 1\n[備考]\nのし\n"
    assert decoder.decode(text_mail(subject, text), NOW).notification.pack.memos == ("のし",)
    assert refusal(text_mail(subject, text + "[カート] 999\n"), decoder).startswith("body row 6: ")


def test_a_text_that_two_branches_print_is_not_taken_in(tmp_path):
    """Whether there was a delivery option cannot be known, and a partner's template may ask for it."""
    body = (
        "店:<$_SELLER_ID_$>\n##IF <$_DEL_OPTION_$>##\n##LOOP##注文:<$_ORDER_NO_$>\n##ELSE##\n"
        "##LOOP##注文:<$_ORDER_NO_$>\n##END_IF##\n"
    )
    decoder = own(tmp_path, {"order_info": body})
    assert refusal(text_mail("注文のお知らせ(1)", "店:a\n注文:1\n"), decoder) == (
        "body row 2: is read with template own/order_info, but may as well say something else "
        "(its template has two ways to print the same)"
    )


def test_a_template_of_unit_order_gives_a_pack_of_one_order(tmp_path):
    """A mail of two orders is none that it wrote."""
    body = "unit: order\n店:<$_SELLER_ID_$>\n##LOOP##[注文] <$_ORDER_NO_$>\n"
    decoder = own(tmp_path, {"order_info": body})
    subject, text = "注文のお知らせ(1)", "店:a\n[注文] 1\n"
    assert len(decoder.decode(text_mail(subject, text), NOW).notification.pack.orders) == 1
    assert refusal(text_mail(subject, text + "[注文] 2\n"), decoder).startswith("body row 3: ")
