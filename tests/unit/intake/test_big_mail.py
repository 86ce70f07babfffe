"""Big mails: what is read of them, what is not, and that nobody else has to wait for it."""

import asyncio
import base64
import random
import threading
import time

import pytest

from relay.errors import BadInput
from relay.intake.desk import BIG
from relay.intake.reading.decoding import MAX_MARKS
from relay.intake.reading.part import LONGEST_ENCODED, MAX_DOCUMENT, refuse
from relay.notification import Notification
from tests.support.intake import decode, shipped_registry, text_mail, written
from tests.support.mail import json_mail, json_octets, mail, multipart, order_info, part
from tests.support.reception import CATALOGUE, front_desk

MEBIBYTE = 1024 * 1024
TOO_LARGE = (
    "is larger than 2,097,152 octets, which is as much as is read "
    "(attachments may be large, the notification may not: intake.max_document)"
)
JSON = "Content-Type: application/json"
LONGEST_STALL = 0.1  # seconds that others may wait while a big mail is read
DOCUMENT = part(json_octets(order_info()), JSON)


def attachment(octets: int) -> bytes:
    """A part of so many octets as it travels: a file in base64."""
    file = random.Random(7).randbytes(octets // 78 * 57)
    return part(
        base64.encodebytes(file), "Content-Type: application/pdf", "Content-Transfer-Encoding: base64"
    )


def test_a_small_document_beside_a_large_attachment_is_understood_while_the_others_go_on(tmp_path):
    """Twenty mebibytes come in; nobody in the event loop waits longer than a tenth of a second for them."""

    async def story():
        async with front_desk(tmp_path) as at:
            content = multipart(DOCUMENT, attachment(20 * MEBIBYTE))
            assert len(content) > 20 * MEBIBYTE
            longest = 0.0
            taking = asyncio.create_task(at.take(content))
            while not taking.done():
                before = time.perf_counter()
                await asyncio.sleep(0)
                longest = max(longest, time.perf_counter() - before)
            assert (await taking).text.startswith("2.0.0 accepted as ")
            assert longest < LONGEST_STALL

    asyncio.run(story())


class OneSeat:
    """A decoder that is busy until it is told otherwise, and knows how many mails it had at once."""

    def __init__(self):
        self.entered = threading.Semaphore(0)
        self.may_end = threading.Event()
        self._inside = 0
        self.most = 0

    def take_in(self, content, now):
        """Be busy, then find nothing."""
        self._inside += 1
        self.most = max(self.most, self._inside)
        self.entered.release()
        self.may_end.wait(10)
        self._inside -= 1
        refuse("is empty")


def test_big_mails_are_worked_on_one_at_a_time_also_when_a_client_goes_away(tmp_path):
    """What a mail takes while it is read is taken once, however many come and whoever gives up."""

    async def story():
        seat = OneSeat()
        async with front_desk(tmp_path, decoder=seat) as at:
            content = mail(document_of(BIG), JSON)
            gone = asyncio.create_task(at.take(content))
            assert await asyncio.to_thread(seat.entered.acquire, timeout=10)
            gone.cancel()
            await asyncio.wait([gone])
            second = asyncio.create_task(at.take(content))
            assert not await asyncio.to_thread(seat.entered.acquire, timeout=0.05)
            seat.may_end.set()
            assert (await second).text.startswith("2.0.0 kept in quarantine as ")
            assert seat.most == 1

    asyncio.run(story())


def document_of(octets: int) -> bytes:
    """A notification of so many octets, filled up with white space."""
    document = json_octets(order_info())
    return document + b" " * (octets - len(document))


LARGE = {
    "alone": lambda octets: mail(document_of(octets), JSON),
    "alone in base64": lambda octets: mail(
        base64.encodebytes(document_of(octets)), JSON, "Content-Transfer-Encoding: base64"
    ),
    "in a part": lambda octets: multipart(part(document_of(octets), JSON)),
    "in a part in base64": lambda octets: multipart(
        part(base64.encodebytes(document_of(octets)), JSON, "Content-Transfer-Encoding: base64")
    ),
    "YAML": lambda octets: mail(document_of(octets), "Content-Type: application/yaml"),
}


@pytest.mark.parametrize("form", LARGE)
@pytest.mark.parametrize(
    ("more", "is_refused"), [(1, True), (2 * LONGEST_ENCODED * MAX_DOCUMENT, True), (-64, False)]
)
def test_a_document_may_be_as_large_as_the_setting_says(form, more, is_refused):
    """One octet more is refused, and so is what is far larger, before it is decoded or read."""
    content = LARGE[form](MAX_DOCUMENT + more)
    if not is_refused:
        assert decode(content) == Notification.model_validate(order_info())
        return
    with pytest.raises(BadInput) as error:
        decode(content)
    assert str(error.value) == f"{'part 1' if 'part' in form else 'body'}: {TOO_LARGE}"


def test_the_setting_bounds_a_text_too():
    """A text of more octets than a document may have is not looked at, whatever its subject says."""
    basic = shipped_registry(CATALOGUE).templates.by_key["basic/order_info"]
    subject, _ = written(basic, Notification.model_validate(order_info()), CATALOGUE)
    with pytest.raises(BadInput) as error:
        decode(text_mail(subject, "注文です\n" * 200_000))
    assert str(error.value) == f"body: {TOO_LARGE}"


@pytest.mark.parametrize("piece", [b"[],", b"{},", b"a\n"])
@pytest.mark.parametrize("kind", ["json", "yaml"])
def test_a_document_of_very_many_pieces_is_refused_unread(kind, piece):
    """Two mebibytes of empty lists would hold the interpreter for half a second in one call."""
    content = mail(piece * (MAX_MARKS + 1), f"Content-Type: application/{kind}")
    with pytest.raises(BadInput) as error:
        decode(content)
    assert str(error.value) == "body: has more than 100,000 brackets, commas and rows"


def test_a_pack_of_a_thousand_orders_stays_far_below_the_bounds():
    """The largest notification of the contract, written with a row for each value, is read."""
    order = order_info()["pack"]["orders"][0]
    orders = [
        order | {"order_no": str(number), "option": "色:白、[新品], {特価}" * 5} for number in range(1000)
    ]
    assert len(decode(json_mail(order_info(pack__orders=orders))).pack.orders) == 1000
