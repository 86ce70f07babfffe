"""Mails that are not notifications, each with the exact reason that a person reads in quarantine."""

import base64

import pytest

from relay.errors import BadInput
from tests.support.intake import decode, text_mail
from tests.support.mail import json_mail, json_octets, mail, multipart, order_info, part

JSON = "Content-Type: application/json"
YAML = "Content-Type: application/yaml"
BASE64 = "Content-Transfer-Encoding: base64"
QUOTED = "Content-Transfer-Encoding: quoted-printable"
GOOD = json_octets(order_info())
TEXT = part("注文が入りました\n".encode(), "Content-Type: text/plain; charset=utf-8")


def without(*path):
    tree = order_info()
    node = tree
    for step in path[:-1]:
        node = node[step]
    del node[path[-1]]
    return json_mail(tree)


def nested(depth):
    inner = part(GOOD, JSON)
    for level in range(depth):
        inner = part(
            f"--b{level}-\n".encode() + inner + f"\n--b{level}---\n".encode(),
            f'Content-Type: multipart/mixed; boundary="b{level}-"',
        )
    return mail(inner.partition(b"\n\n")[2], inner.partition(b"\n\n")[0].decode())


UNKNOWN = (
    "subject: is none that a known template writes (send it as application/json or applicat"
    "ion/yaml, or as the text of a known template)"
)
MALFORMED = {
    # the mail
    "nothing at all": (b"", UNKNOWN),
    "no header": (b"hello\r\n", UNKNOWN),
    "text only": (mail("注文".encode(), "Content-Type: text/plain; charset=utf-8"), UNKNOWN),
    "html and text": (
        multipart(TEXT, part(b"<p>", "Content-Type: text/html")),
        "part 2: is 'text/html' beside a text, and could be what was meant",
    ),
    "pictures only": (
        multipart(part(b"x", "Content-Type: image/png"), part(b"y", "Content-Type: image/jpeg")),
        (
            "mail: has no part that could be the notification, only 'image/png', 'image/jpe"
            "g' (send it as application/json or application/yaml, or as the text of a known template)"
        ),
    ),
    "two documents": (
        multipart(part(GOOD, JSON), part(GOOD, YAML)),
        "mail: has 2 parts that could be the notification: part 1, part 2 (send one)",
    ),
    "forwarded inside": (
        multipart(part(json_mail(order_info()), "Content-Type: message/rfc822")),
        (
            "mail: has no part that could be the notification, only 'message/rfc822' (send "
            "it as application/json or application/yaml, or as the text of a known template)"
        ),
    ),
    "multipart without boundary": (
        mail(GOOD, "Content-Type: multipart/mixed"),
        "body: is a multipart whose boundary does not occur",
    ),
    "multipart with another boundary": (
        mail(b"--x\n\n" + GOOD, "Content-Type: multipart/mixed; boundary=y"),
        "body: is a multipart whose boundary does not occur",
    ),
    "too many parts": (multipart(*[TEXT] * 60, part(GOOD, JSON)), "mail: has more than 50 parts"),
    "too deep": (nested(9), "mail: has parts in each other deeper than 8"),
    "deeper than any stack": (nested(2000), "mail: has parts in each other deeper than 8"),
    "forwarded without end": (
        mail(b"Content-Type: message/rfc822\n\n" * 5000, "Content-Type: message/rfc822"),
        "mail: has parts in each other deeper than 8",
    ),
    "parts without content": (
        mail(b"--b\n\n" * 50_000, "Content-Type: multipart/mixed; boundary=b"),
        "mail: has more than 50 parts",
    ),
    "a header that grows": (
        mail(GOOD, JSON + '; a="', *[f" {';' * 15}{'x' * 900}"] * 5),
        "mail: has a content-type header of more than 4,096 octets",
    ),
    "a header that grows inside": (
        multipart(TEXT, part(GOOD, JSON, "Content-Disposition: inline", *[f"\t{'x' * 900}"] * 5)),
        "mail: has a content-disposition header of more than 4,096 octets",
    ),
    "parameters without end": (
        mail(GOOD, JSON + ";a" * 101),
        "mail: has a content-type header of more than 100 parameters",
    ),
    "more lines than a parser likes": (mail(b"\n" * 400_001, "X: y"), "mail: has more than 400,000 lines"),
    "yaml cut off": (
        multipart(part(b"version: 1\n", YAML), end=False),
        "part 1: is YAML in a multipart without an end: the mail may be cut",
    ),
    "content type twice": (mail(GOOD, JSON, "Content-Type: text/plain"), "body: has content-type twice"),
    "encoding twice": (
        mail(GOOD, JSON, BASE64, "Content-Transfer-Encoding: 8bit"),
        "body: has content-transfer-encoding twice",
    ),
    "unknown encoding": (
        mail(GOOD, JSON, "Content-Transfer-Encoding: x-uuencode"),
        "body: has the unknown transfer encoding 'x-uuencode'",
    ),
    "shift_jis": (
        mail(b"{}", "Content-Type: application/json; charset=Shift_JIS"),
        "body: has charset 'shift_jis' (a notification is UTF-8)",
    ),
    "utf-8 in name, shift_jis in truth": (
        mail("山田".encode("cp932"), JSON),
        "is not UTF-8 text: byte 0x8e on line 1",
    ),
    "base64 with rubbish": (
        mail(b"eyJ2ZXJ*zaW9u", JSON, BASE64),
        "body: has damaged base64: Only base64 data is allowed",
    ),
    "base64 cut off": (
        mail(base64.b64encode(GOOD)[:401], JSON, BASE64),
        (
            "body: has damaged base64: Invalid base64-encoded string: number of data charac"
            "ters (401) cannot be 1 more than a multiple of 4"
        ),
    ),
    "base64 with more behind": (
        mail(base64.b64encode(b"{} ") + b"e30=", JSON, BASE64),
        "is not JSON: Extra data (line 1, column 4)",
    ),
    "base64 in plain text": (
        mail(GOOD, JSON, BASE64),
        "body: has damaged base64: Only base64 data is allowed",
    ),
    "quoted-printable damaged": (mail(b'{"version"=3', JSON, QUOTED), "body: has damaged quoted-printable"),
    "quoted-printable with eight bits": (mail(GOOD, JSON, QUOTED), "body: has damaged quoted-printable"),
    "empty": (mail(b"", JSON), "body: is empty"),
    "blank": (multipart(TEXT, part(b" \n\n", JSON)), "part 2: is empty"),
    # the notation
    "json cut off": (mail(GOOD[:300], JSON), "is not UTF-8 text: byte 0xe9 on line 1"),
    "json with rubbish behind": (mail(GOOD + b"}", JSON), "is not JSON: Extra data (line 1, column 688)"),
    "key twice": (
        mail(GOOD.replace(b'"version": 1', b'"version": 1, "version": 1'), JSON),
        "version: stands twice (one of the two would be lost)",
    ),
    "not a number": (mail(GOOD.replace(b"500", b"NaN"), JSON), "NaN is not a number that JSON has"),
    "number without end": (
        mail(GOOD.replace(b"500", b"9" * 5000), JSON),
        "holds a number of more than 64 characters, or beyond all measure",
    ),
    "half a surrogate pair": (
        mail(GOOD.replace("山田太郎".encode(), rb"\ud842"), JSON),
        "pack.buyer.name: holds half of a surrogate pair",
    ),
    "deep json": (mail(b"[" * 100 + b"]" * 100, JSON), "is nested deeper than 32 levels"),
    "bottomless json": (mail(b"[" * 100_000, JSON), "is nested deeper than 32 levels"),
    "a list": (mail(b"[]", JSON), "must be a mapping (key: value), is a list"),
    "a word": (mail(b'"order_info"', JSON), "must be a mapping (key: value), is text"),
    "yaml alias": (
        mail(b"version: &a 1\ntype: *a\n", YAML),
        "body:1: version: names a part of the file (&name) (write the value where it is needed)",
    ),
    "yaml with a tab": (
        mail(b"version:\n\t1\n", YAML),
        "body:2: is not YAML: found character that cannot start any token (line 2, column 1)",
    ),
    "yaml with a tag": (
        mail(b"!!python/object:os.system x\n", YAML),
        "body:1: has a tag (!name) (write the plain value)",
    ),
    "wrong yaml": (
        multipart(TEXT, part(b"version: 1\nqty: x\n", YAML)),
        (
            "part 2:1: type: is missing\npart 2:1: seller_id: is missing\npart 2:1: occurre"
            "d_at: is missing\npart 2:1: pack: is missing\npart 2:2: qty: unknown key"
        ),
    ),
    # the document
    "version 2": (json_mail(order_info(version=2)), "version: must be 1, is a whole number"),
    "unknown type": (
        json_mail(order_info(type="order-info")),
        (
            "type: must be 'order_info', 'delivery_request', 'delivery_complete', 'cancel_r"
            "equest' or 'cancel_complete', is 'order-info' (did you mean order_info?)"
        ),
    ),
    "no seller": (without("seller_id"), "seller_id: is missing"),
    "seller with a space": (
        json_mail(order_info(seller_id="example shop")),
        "seller_id: holds a character that is not allowed there",
    ),
    "seller with a line break": (
        json_mail(order_info(seller_id="shop\r\nBcc: x@example.com")),
        "seller_id: holds a character that is not allowed there",
    ),
    "misspelt key": (
        json_mail(order_info(pack__paymnt_method="現金")),
        "pack.paymnt_method: unknown key (did you mean payment_method?)",
    ),
    "no orders": (json_mail(order_info(pack__orders=[])), "pack.orders: must have at least 1, has 0"),
    "order number twice": (
        json_mail(order_info(pack__orders__1__order_no="1000000001")),
        "pack: order number 1000000001 occurs twice in orders",
    ),
    "order number as a number": (
        json_mail(order_info(pack__orders__0__order_no=1000000001)),
        "pack.orders[0].order_no: must be text, is a whole number (put it in quotes)",
    ),
    "qty as text": (
        json_mail(order_info(pack__orders__0__qty="2")),
        "pack.orders[0].qty: must be a whole number, is text",
    ),
    "qty with a point": (
        json_mail(order_info(pack__orders__0__qty=1.5)),
        "pack.orders[0].qty: must be a whole number, is a number",
    ),
    "qty below zero": (
        json_mail(order_info(pack__orders__0__qty=-1)),
        "pack.orders[0].qty: must be at least 0",
    ),
    "money beyond measure": (
        json_mail(order_info(pack__orders__0__total=10**15)),
        "pack.orders[0].total: must have at most 12 digits",
    ),
    "money in full-width digits": (
        json_mail(order_info(pack__orders__0__total="３９６０")),
        "pack.orders[0].total: must be a number, is text",
    ),
    "money in Arabic digits": (
        json_mail(order_info(pack__orders__0__total="٣٩٦٠")),
        "pack.orders[0].total: must be a number, is text",
    ),
    "money with a program's separators": (
        json_mail(order_info(pack__orders__0__total="3_960")),
        "pack.orders[0].total: must be a number, is text",
    ),
    "money in thousandths": (
        json_mail(order_info(pack__delivery_fee=0.001)),
        "pack.delivery_fee: must have at most 2 digits after the point",
    ),
    "day that is none": (
        json_mail(order_info(pack__hope_date="2026-02-30")),
        "pack.hope_date: day is out of range for month",
    ),
    "time in words": (
        json_mail(order_info(occurred_at="今日")),
        "occurred_at: must be a date and time such as 2026-11-21 10:15:00 or 2026-11-21T10:15:00+09:00",
    ),
    "text as list": (
        json_mail(order_info(pack__buyer__name=["山田", "太郎"])),
        "pack.buyer.name: must be text, is a list",
    ),
    "text without end": (
        json_mail(order_info(pack__buyer__name="山" * 1001)),
        "pack.buyer.name: must have at most 1000 characters",
    ),
    "memos without end": (
        json_mail(order_info(pack__memos=["x"] * 101)),
        "pack.memos: must have at most 100, has 101",
    ),
    "everything at once": (
        json_mail(order_info(version=3, seller_id="", pack__orders__0__qty=None, pack__orders__1__qty=True)),
        (
            "version: must be 1, is a whole number\nseller_id: must have at least 1 charact"
            "ers\npack.orders[1].qty: must be a whole number, is true"
        ),
    ),
}


@pytest.mark.parametrize("case", MALFORMED)
def test_a_mail_that_is_no_notification_is_refused_with_the_reason(case):
    """The reason names the place, says what is wrong, and repeats no buyer's value."""
    content, reason = MALFORMED[case]
    with pytest.raises(BadInput) as caught:
        decode(content)
    assert str(caught.value) == reason


DAMAGED = {
    "a document's charset": (mail(b"{}", JSON + "; charset*=a; charset*0*=b"), "body"),
    "a picture's name": (mail(b"{}", "Content-Type: image/png; name*=a; name*0=b"), "body"),
    "a multipart's boundary": (
        mail(b"{}", "Content-Type: multipart/mixed; boundary*=a; boundary*0=b"),
        "mail",
    ),
    "a text's charset": (
        text_mail(
            "Qoo10の注文のお知らせです。(カート番号:1)", "あ", parameters="; charset*=a; charset*0=b"
        ).replace(b" charset=utf-8;", b""),
        "body",
    ),
    "a picture's name in no charset": (
        mail(b"x", "Content-Type: image/png; name*=idna''%ff%fe"),
        "body",
    ),
    "a file name": (
        multipart(
            TEXT,
            part(b"x", "Content-Type: image/png", "Content-Disposition: inline; filename*=a; filename*0=b"),
        ),
        "part 2",
    ),
}


@pytest.mark.parametrize("case", DAMAGED)
def test_a_header_over_which_the_library_stumbles_is_refused(case):
    """The standard library sorts, counts and decodes parameters that it cannot, and raises what it likes."""
    content, place = DAMAGED[case]
    with pytest.raises(BadInput) as caught:
        decode(content)
    assert str(caught.value) == f"{place}: has a header that is damaged"
