"""Mails that are notifications, in every dress that mailing programs give them."""

import base64
import quopri
from contextlib import suppress
from email.message import EmailMessage

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.errors import BadInput
from relay.notification import Notification
from tests.support.intake import decode
from tests.support.mail import json_mail, json_octets, mail, multipart, order_info, part

EXPECTED = Notification.model_validate(order_info())
DOCUMENT = json_octets(order_info())
TEXT = part("注文が入りました\n".encode("iso2022_jp"), "Content-Type: text/plain; charset=ISO-2022-JP")
YAML = """\
version: 1
event_id: event-20261121-0001
type: order_info
seller_id: example-shop
occurred_at: 2026-11-21 10:15:00
pack:
  pack_no: "123456789"
  ordered_at: 2026-11-21 10:14:30
  payment_method: クレジットカード
  delivery_fee: 500
  delivery_option: 宅配便
  memos: [置き配を希望します]
  buyer: {id: taro, name: 山田太郎, kana: ヤマダタロウ, tel: +81-3-1234-5678}
  receiver: {name: 山田花子, country: JP, zip: 100-0001, address1: 東京都千代田区千代田1-1}
  orders:
    - {order_no: "1000000001", item_name: 長袖Tシャツ, option: 色:白, qty: 2, total: 3960}
    - {order_no: "1000000002", item_name: くつした, qty: 1, unit_price: 330, total: 330}
""".encode()


def from_the_standard_library():
    message = EmailMessage()
    message["From"] = "市場 <market@example.jp>"
    message["To"] = "orders@intake.example.jp"
    message["Subject"] = "注文情報"
    message.set_content("注文が入りました\n")
    message.add_alternative("<p>注文が入りました</p>", subtype="html")
    message.add_attachment(DOCUMENT, maintype="application", subtype="json", filename="注文.json")
    return message.as_bytes().replace(b"\n", b"\r\n")


GOOD = {
    "json alone": json_mail(order_info()),
    "json with a byte order mark": mail(b"\xef\xbb\xbf" + DOCUMENT, "Content-Type: application/json"),
    "json in eight bits": mail(
        DOCUMENT, "Content-Type: application/json; charset=UTF-8", "Content-Transfer-Encoding: 8BIT"
    ),
    "json in base64": mail(
        base64.encodebytes(DOCUMENT), "Content-Type: application/json", "Content-Transfer-Encoding: base64"
    ),
    "json in quoted-printable": mail(
        quopri.encodestring(DOCUMENT),
        "Content-Type: Application/JSON",
        "Content-Transfer-Encoding: Quoted-Printable",
    ),
    "yaml alone": mail(YAML, "Content-Type: application/yaml"),
    "yaml in base64": mail(
        base64.encodebytes(YAML), "Content-Type: text/x-yaml", "Content-Transfer-Encoding: base64"
    ),
    "beside a text for people": multipart(TEXT, part(DOCUMENT, "Content-Type: application/json")),
    "by its name alone": multipart(
        TEXT,
        part(
            YAML,
            "Content-Type: application/octet-stream",
            'Content-Disposition: attachment; filename="A.YML"',
        ),
    ),
    "json whose multipart has no end": multipart(part(DOCUMENT, "Content-Type: application/json"), end=False),
    "in a multipart in a multipart": mail(
        b"--a\nContent-Type: multipart/alternative; boundary=b\n\n--b\n"
        + TEXT
        + b"\n--b\nContent-Type: application/json\n\n"
        + DOCUMENT
        + b"\n--b--\n--a--\n",
        "Content-Type: multipart/mixed; boundary=a",
    ),
    "from the standard library": from_the_standard_library(),
}


@pytest.mark.parametrize("dress", GOOD)
def test_every_dress_gives_the_same_notification(dress):
    """How a mailing program wraps the document changes nothing in it."""
    assert decode(GOOD[dress]) == EXPECTED


@given(
    st.sampled_from(sorted(GOOD)),
    st.lists(
        st.tuples(st.integers(0, 5_000), st.sampled_from(b'\r\n\0 -=":{}[],;\xe3\x81aZ9/')), max_size=10
    ),
)
def test_any_damage_gives_the_notification_or_a_reason(dress, damage):
    """Octets of a good mail overwritten anywhere: a notification or reasons, never another error."""
    content = bytearray(GOOD[dress])
    for place, octet in damage:
        content[place % len(content)] = octet
    with suppress(BadInput):
        assert isinstance(decode(bytes(content)), Notification)


@given(st.binary(max_size=400))
def test_any_octets_behind_any_header_give_a_reason_or_a_notification(octets):
    """Octets without sense are somebody's wrong input, never our exception."""
    for header in ("Content-Type: application/json", "Content-Type: application/yaml"):
        with pytest.raises(BadInput):
            decode(mail(octets, header))
    with pytest.raises(BadInput):
        decode(octets)


@pytest.mark.parametrize(
    "header",
    [
        ("Content-Type: application/json",),
        ("CONTENT-TYPE:application/JSON ; charset=utf-8", "content-transfer-encoding:  8BIT"),
        ("Received: from a", " by b", "Received: from c", "\tby d", "Content-Type: application/json"),
        ("Content-Type: application/json;", " charset=utf-8"),
        ("Content-Type: application/json; x=y", "Content-Description: library"),
    ],
)
def test_the_plain_way_and_the_librarys_way_read_the_same(header):
    """The form of the headers decides who takes the mail apart, and nothing else."""
    assert decode(mail(DOCUMENT, *header)) == EXPECTED


@pytest.mark.parametrize(
    ("header", "reason"),
    [
        (
            ("Content-Type: application/json", "Content-Type: application/yaml"),
            "body: has content-type twice",
        ),
        (
            ("Content-Type: application/json", "Content-Transfer-Encoding: base64", " "),
            "body: has damaged base64: Only base64 data is allowed",
        ),
        (
            ("Content-Type: application/json", "Content-Transfer-Encoding: x-own"),
            "body: has the unknown transfer encoding 'x-own'",
        ),
    ],
)
def test_what_is_doubtful_about_a_plain_mail_is_refused(header, reason):
    """Headers that two readers could take differently are not read in the quick way."""
    with pytest.raises(BadInput) as error:
        decode(mail(DOCUMENT, *header))
    assert str(error.value) == reason


@pytest.mark.parametrize("more", ["", "; x=y"], ids=["plain way", "library's way"])
def test_a_mistake_is_told_at_the_same_line_either_way(more):
    """Blank lines before the document count, whoever took the mail apart."""
    with pytest.raises(BadInput) as error:
        decode(mail(b"\n\n{oops\n", f"Content-Type: application/json{more}"))
    assert "(line 3, column 2)" in str(error.value)
