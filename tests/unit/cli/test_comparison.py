"""The demo's own check notices everything that can go wrong between the store and the partners."""

from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from relay.cli.comparison import Comparison, compare
from relay.sink import ReceivedMail
from relay.store.query import DeliveryRow, DeliveryStory
from relay.store.values import Delivery, DeliveryState

NOW = datetime(2026, 11, 21, 1, 0, tzinfo=UTC)
CONTENT = "Message-ID: <m1@relay.example.jp>\r\nSubject: x\r\n\r\n本文\r\n".encode()
ASKED = Counter({("512345678", "crossmall-orders", "orders@mall.example.jp"): 1})
NAME = "pack 512345678 for orders@mall.example.jp"

DELIVERY = Delivery(
    id="0000000000000001",
    mail_id="0000000000000002",
    recipient="orders@mall.example.jp",
    state=DeliveryState.DELIVERED,
    due_at=None,
    accepted_at=NOW,
    last_reply="250 ok",
)
ROW = DeliveryRow(
    delivery=DELIVERY,
    notification_id="0000000000000003",
    seller_id="example-shop",
    type="order_info",
    pack_no="512345678",
    order_no="",
    registration="crossmall-orders",
    partner="cross_mall",
    template="cross_mall/order_info",
    message_id="<m1@relay.example.jp>",
    sender="Qoo10 <qoo10info@qoo10.jp>",
    subject="x",
    octets=len(CONTENT),
)
STORY = DeliveryStory(row=ROW, content=CONTENT, entries=())
MAIL = ReceivedMail(
    id="0000000000000004",
    received_at=NOW,
    peer="127.0.0.1",
    mail_from="bounce@relay.example.jp",
    rcpt_tos=("orders@mall.example.jp",),
    content=CONTENT,
    file=None,
)
STRANGE = replace(MAIL, content=b"Message-ID: <strange@example.com>\r\n\r\nx\r\n")


def in_state(state: DeliveryState) -> DeliveryStory:
    """The story with its delivery in another state."""
    return replace(STORY, row=replace(ROW, delivery=replace(DELIVERY, state=state)))


def test_what_was_asked_for_stored_and_received_agrees() -> None:
    """One delivery, delivered, received once and unchanged: no problem."""
    assert compare(ASKED, [STORY], [MAIL]) == Comparison(arrived=1, held=0, problems=())


def test_a_held_delivery_need_not_arrive() -> None:
    """What is held is counted, and its absence is no problem."""
    assert compare(ASKED, [in_state(DeliveryState.HELD)], []) == Comparison(arrived=0, held=1, problems=())


@pytest.mark.parametrize(
    ("stories", "received", "problem"),
    [
        ([STORY], [], f"{NAME}: arrived 0 times, is delivered (250 ok)"),
        ([STORY], [MAIL, MAIL], f"{NAME}: arrived 2 times, is delivered (250 ok)"),
        ([STORY], [replace(MAIL, content=CONTENT + b" ")], f"{NAME}: did not arrive as it was stored"),
        (
            [STORY],
            [MAIL, STRANGE],
            "orders@mall.example.jp: got <strange@example.com>, which is in no store",
        ),
        ([in_state(DeliveryState.SENDING)], [MAIL], f"{NAME}: arrived, but is sending in the store"),
        ([in_state(DeliveryState.HELD)], [MAIL], f"{NAME}: is held, but arrived"),
        (
            [],
            [],
            f"{NAME}: registration crossmall-orders asks for it, the store has not got it",
        ),
        (
            [STORY, replace(STORY, row=replace(ROW, registration="other"))],
            [MAIL],
            f"{NAME}: is in the store, but registration other does not ask for it",
        ),
    ],
)
def test_whatever_does_not_agree_is_a_problem(
    stories: list[DeliveryStory], received: list[ReceivedMail], problem: str
) -> None:
    """Missing, doubled, changed, strange, unsettled, unheld, unasked: each is named."""
    assert problem in compare(ASKED, stories, received).problems
