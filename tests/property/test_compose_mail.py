"""Laws of whole mails: whatever a buyer types, a mail has the expected headers and rows, or is reported."""

from email import message_from_bytes, policy

from hypothesis import given, settings
from hypothesis import strategies as st

from grammar import load_catalogue
from relay.compose.explanation import MAX_ROWS
from tests.support.composing import composer, notification, registration

CATALOGUE = load_catalogue()
HEADERS = [
    *["Message-ID", "Date", "From", "To", "Subject", "X-Recognition-Key"],
    *["MIME-Version", "Content-Type", "Content-Transfer-Encoding"],
]
HOSTILE = st.lists(
    st.sampled_from(
        [
            *[
                "\r\n",
                "\r",
                "\n",
                "\0",
                "\t",
                "\x1b$B",
                "\x1b(J",
                "\x85",
                "\u2028",
                "\u202e",
                ".\r\n",
                "=?x?B?",
                "?=",
            ],
            *[
                "Bcc: x@example.com",
                "\r\n\r\nbody",
                "<x@example.com>",
                ",",
                ";",
                '"',
                "\\",
                "(",
                "<$_PACK_NO_$>",
            ],
            *["注文", "番号", "ｶﾞ", "～", "￥", "¥", " ", "　", "a", "1,980", "[備考]"],
        ]
    )
    | st.characters(exclude_categories=["Cs"]),
    max_size=30,
).map("".join)
BODY = "[注文番号] <$_PACK_NO_$>\n##LOOP##[備考] <$_DEL_MEMO_$>\n##LOOP##[商品名] <$_ITEM_NM_$>\n[終]\n"
REGISTRATIONS = [
    registration(
        CATALOGUE,
        id=f"{charset}-{unit}",
        unit=unit,
        charset=charset,
        sender="<$_BUYER_NM_$> <shop@example.jp>",
        subject="注文 <$_BUYER_NM_$> end",
        body=BODY,
        recognition_key="鍵 7",
    )
    for charset in ("utf-8", "iso-2022-jp")
    for unit in ("pack", "order")
]


@settings(max_examples=200)
@given(st.lists(HOSTILE, min_size=1, max_size=3), st.lists(HOSTILE, max_size=3), HOSTILE)
def test_every_registration_gets_all_of_its_mails_or_a_reason(items, memos, buyer):
    """Each registration is answered once; headers and row heads are the template's, never a value's."""
    said = notification(*items, memos=tuple(memos), buyer=buyer)
    composition = composer(CATALOGUE).compose(said, REGISTRATIONS)
    refused = [each.registration.id for each in composition.unwritable]
    expected = [
        each.id
        for each in REGISTRATIONS
        if each.id not in refused
        for _ in (items if each.template.unit == "order" else [1])
    ]
    assert [each.registration.id for each in composition.mails] == expected
    assert len(set(refused)) == len(refused)
    for each in composition.unwritable:
        assert each.registration.id.startswith("iso-2022-jp")
        assert 1 <= len(each.reason.split("\n")) <= MAX_ROWS + 1
    for each in composition.mails:
        message = message_from_bytes(each.mail.content, policy=policy.default)
        assert message.keys() == HEADERS
        assert [address.addr_spec for address in message["From"].addresses] == ["shop@example.jp"]
        assert [address.addr_spec for address in message["To"].addresses] == ["orders@partner.example.jp"]
        rows = message.get_content().split("\r\n")
        orders = 1 if each.mail.order_no else len(items)
        heads = ["[注文番号]", *["[備考]"] * len(memos), *["[商品名]"] * orders, "[終]", ""]
        assert [row.split(" ")[0] for row in rows] == heads
