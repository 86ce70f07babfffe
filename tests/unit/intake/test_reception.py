"""The relay's own door, by SMTP from smtplib to a real store."""

import asyncio
import smtplib
from contextlib import asynccontextmanager

import pytest
from structlog.testing import capture_logs

from grammar import load_catalogue
from relay.config import IntakeConfig
from relay.intake import Decoder, Listener, Policy, Reception
from relay.intake.door import Session
from relay.intake.reception import BIG
from relay.journal import Event
from relay.notification import Notification
from relay.store.query import DeliveryFilter, JournalFilter
from relay.store.store import Store
from relay.store.values import DeliveryState
from tests.support import composing
from tests.support.clock import ManualClock
from tests.support.intake import RecordingDispatch, Shop, shipped_registry, text_mail, written
from tests.support.mail import json_mail, order_info

CATALOGUE = load_catalogue()
SHIPPED = shipped_registry(CATALOGUE)
ADDRESS = "orders@intake.example.jp"
SESSION = Session(peer="127.0.0.1")


class Desk:
    """A reception with everything around it that it needs."""

    def __init__(self, folder, *, room=100, **settings):
        self.clock = ManualClock()
        self.store = Store.open(folder / "denrei.db", clock=self.clock)
        self.dispatch = RecordingDispatch(room=room)
        self.config = IntakeConfig(addresses=(ADDRESS,), listen="127.0.0.1:0", **settings)
        self.reception = Reception(
            policy=Policy(self.config),
            registry=Shop((composing.registration(CATALOGUE),)),
            decoder=Decoder(lambda: SHIPPED, CATALOGUE),
            composer=composing.composer(CATALOGUE, self.clock),
            store=self.store,
            dispatch=self.dispatch,
            clock=self.clock,
            hostname=composing.HOSTNAME,
            on_unreadable=self.config.on_unreadable,
        )

    async def take(self, content):
        return await self.reception.message(SESSION, "market@example.jp", (ADDRESS,), content)


@asynccontextmanager
async def desk(folder, **settings):
    made = Desk(folder, **settings)
    try:
        yield made
    finally:
        await made.store.close()


def test_the_marketplace_sends_and_everything_is_stored_before_250(tmp_path):
    """By smtplib over a socket: the reply, the store and the engine name the same notification."""

    def send(port):
        with smtplib.SMTP("127.0.0.1", port, timeout=10) as client:
            client.ehlo("market.example.jp")
            client.mail("market@example.jp")
            client.rcpt(ADDRESS)
            return client.data(json_mail(order_info()))

    async def story():
        async with desk(tmp_path) as at:
            listener = Listener(at.reception, at.config, hostname="relay.example.jp")
            await listener.start()
            code, text = await asyncio.to_thread(send, listener.port)
            await listener.stop()
            (due,) = at.dispatch.offered
            assert (code, text.decode()) == (250, f"2.0.0 accepted as {due.notification_id}")
            stored = await at.store.delivery(due.delivery.id)
            assert stored.row.delivery.state is DeliveryState.SENDING
            assert due.content.endswith(b"\r\n")

    asyncio.run(story())


def test_the_same_notification_again_is_known_and_sent_to_nobody(tmp_path):
    """A second route's copy is answered 250 with the first one's id, and the engine is offered nothing."""

    async def story():
        async with desk(tmp_path) as at:
            first = await at.take(json_mail(order_info()))
            again = await at.take(json_mail(order_info()))
            (due,) = at.dispatch.offered
            assert first.line().decode() == f"250 2.0.0 accepted as {due.notification_id}\r\n"
            assert again.line().decode() == f"250 2.0.0 known already as {due.notification_id}\r\n"

    asyncio.run(story())


def test_a_known_event_id_with_other_content_is_kept_for_a_person(tmp_path):
    """One of the two is wrong: nobody gets a mail of it, and what it says is not lost."""

    async def story():
        async with desk(tmp_path) as at:
            first = await at.take(json_mail(order_info(event_id="e-1")))
            content = json_mail(order_info(event_id="e-1", pack__pack_no="987654321"))
            again = await at.take(content)
            kept = await at.store.quarantined_mail(again.text.rpartition(" ")[2])
            assert again.line().decode() == f"250 2.0.0 kept in quarantine as {kept.id}\r\n"
            assert kept.content == content
            assert kept.reason == (
                f"event_id: e-1 came before, with other content (as {first.text.rpartition(' ')[2]}); "
                "if this is another event, give it another event_id and replay it"
            )
            assert len(at.dispatch.offered) == 1

    asyncio.run(story())


def test_without_room_the_store_keeps_it(tmp_path):
    """A full engine is offered nothing, and nothing is refused for it."""

    async def story():
        async with desk(tmp_path, room=0) as at:
            reply = await at.take(json_mail(order_info()))
            assert reply.code == 250
            assert at.dispatch.offered == []
            (due,) = await at.store.claim(
                worker="other", until=at.clock.now(), now=at.clock.now(), limit=10, octets=10**6
            )
            assert due.notification_id in reply.text

    asyncio.run(story())


def test_what_cannot_be_understood_is_kept_whole(tmp_path):
    """Quarantine has the mail byte for byte and every reason; the client hears the id and no reason."""

    async def story():
        async with desk(tmp_path) as at:
            content = json_mail(order_info(version=2, pack__orders__0__qty="二"))
            reply = await at.take(content)
            kept_id = reply.text.rpartition(" ")[2]
            kept = await at.store.quarantined_mail(kept_id)
            assert reply.line().decode() == f"250 2.0.0 kept in quarantine as {kept.id}\r\n"
            assert (kept.content, kept.peer, kept.rcpt_to) == (content, "127.0.0.1", ADDRESS)
            assert kept.reason.split("\n") == [
                "version: must be 1, is a whole number",
                "pack.orders[0].qty: must be a whole number, is text",
            ]

    asyncio.run(story())


def test_reject_says_where_and_repeats_nothing(tmp_path):
    """With on_unreadable: reject, the client keeps the mail; reply and log name places and no value."""

    async def story():
        async with desk(tmp_path, on_unreadable="reject") as at:
            with capture_logs() as logs:
                reply = await at.take(json_mail(order_info(version=2, pack__buyer__name=["山田"])))
            assert reply.line() == b"550 5.6.0 notification not understood: version and 1 more\r\n"
            assert logs == [
                {
                    "event": "notification_rejected",
                    "log_level": "warning",
                    "peer": "127.0.0.1",
                    "places": ["version", "pack.buyer.name"],
                }
            ]

    asyncio.run(story())


@pytest.mark.parametrize("content", [json_mail(order_info()), json_mail(order_info(version=2))])
def test_a_store_that_fails_claims_nothing(tmp_path, content):
    """A store that cannot write gives 451, for what would be accepted and for what would be quarantined."""

    async def story():
        at = Desk(tmp_path)
        await at.store.close()
        with capture_logs() as logs:
            reply = await at.take(content)
        assert reply.line() == b"451 4.3.0 not stored, try again later\r\n"
        assert [(row["event"], row["peer"]) for row in logs] == [("store_failed", "127.0.0.1")]
        assert at.dispatch.offered == []

    asyncio.run(story())


def test_a_big_mail_is_read_beside_the_loop(tmp_path):
    """A mail above the bound is understood like any other, while the loop goes on with the others' work."""

    async def story():
        async with desk(tmp_path) as at:
            tree = order_info(
                pack__orders=[order_info()["pack"]["orders"][0] | {"order_no": str(n)} for n in range(900)]
            )
            tree["pack"]["orders"] = [row | {"option": "色:白" * 60} for row in tree["pack"]["orders"]]
            content = json_mail(tree)
            assert len(content) > BIG
            turns = 0

            async def others():
                nonlocal turns
                while True:
                    turns += 1
                    await asyncio.sleep(0)

            task = asyncio.create_task(others())
            reply = await at.take(content)
            task.cancel()
            assert reply.code == 250
            assert turns > 10
            assert at.dispatch.offered == []
            (row,) = await at.store.deliveries(DeliveryFilter())
            assert row.delivery.state is DeliveryState.QUEUED

    asyncio.run(story())


def test_a_big_mail_that_is_no_notification_is_kept_too(tmp_path):
    """What is worked out beside the loop finds its way to quarantine like the rest."""

    async def story():
        async with desk(tmp_path) as at:
            content = json_mail(order_info(pack__memos=["備考" * 600] * 100))
            assert len(content) > BIG
            reply = await at.take(content)
            kept = await at.store.quarantined_mail(reply.text.rpartition(" ")[2])
            assert reply.text.startswith("2.0.0 kept in quarantine as ")
            assert kept.content == content

    asyncio.run(story())


def test_strangers_and_other_addresses_are_turned_away(tmp_path):
    """The door says what the policy says."""

    async def story():
        async with desk(tmp_path) as at:
            assert await at.reception.connect("127.0.0.1") is None
            assert (await at.reception.connect("192.0.2.1")).code == 554
            assert await at.reception.mail(SESSION, "", None) is None
            assert await at.reception.rcpt(SESSION, "Orders@Intake.example.jp") is None
            assert (await at.reception.rcpt(SESSION, "x@example.com")).code == 550
            assert await at.reception.data(SESSION) is None

    asyncio.run(story())


def test_the_journal_tells_of_a_quarantined_mail(tmp_path):
    """One entry, with the place and without a value."""

    async def story():
        async with desk(tmp_path) as at:
            await at.take(json_mail(order_info(pack__buyer__name=["山田"])))
            (entry,) = await at.store.journal(JournalFilter())
            assert (entry.event, entry.detail) == (Event.QUARANTINED, "not understood: pack.buyer.name")

    asyncio.run(story())


BASIC = SHIPPED.templates.by_key["basic/order_info"]
TEXT = written(BASIC, Notification.model_validate(order_info()), CATALOGUE)


def test_the_journal_tells_which_template_a_text_was_read_with(tmp_path):
    """A text mail is accepted like a document, and the same text again is known."""

    async def story():
        async with desk(tmp_path) as at:
            first = await at.take(text_mail(*TEXT))
            again = await at.take(text_mail(*TEXT, charset="iso-2022-jp", encoding="7bit"))
            (due,) = at.dispatch.offered
            assert first.text == f"2.0.0 accepted as {due.notification_id}"
            assert again.text == f"2.0.0 known already as {due.notification_id}"
            accepted, duplicate = await at.store.journal(JournalFilter())
            detail = "order_info of pack 123456789 (read with basic/order_info): mails 1"
            assert (accepted.event, accepted.detail) == (Event.ACCEPTED, detail)
            assert duplicate.event == Event.DUPLICATE

    asyncio.run(story())


def test_a_text_that_no_template_wrote_is_kept_with_the_nearest_one(tmp_path):
    """Quarantine has the place and what the template has there; journal and log have the place alone."""

    async def story():
        async with desk(tmp_path) as at:
            subject, body = TEXT
            with capture_logs() as logs:
                reply = await at.take(text_mail(subject, body.replace("購入者名:", "購入者の名:")))
            kept = await at.store.quarantined_mail(reply.text.rpartition(" ")[2])
            (entry,) = await at.store.journal(JournalFilter())
            place = kept.reason.partition(":")[0]
            assert place.startswith("body row ")
            assert "has '購入者名:' there, and the mail parts from it at column 4" in kept.reason
            assert entry.detail == f"not understood: {place}"
            assert logs == []

    asyncio.run(story())


def test_a_refused_text_says_its_place_and_no_value(tmp_path):
    """With on_unreadable: reject the answer is ASCII and names a row."""

    async def story():
        async with desk(tmp_path, on_unreadable="reject") as at:
            subject, body = TEXT
            reply = await at.take(text_mail(subject, body.replace("123456789", "987654321")))
            assert reply.line() == b"550 5.6.0 notification not understood: subject\r\n"
            reply = await at.take(text_mail(subject, body.replace("配送方法:", "配達方法:")))
            assert reply.line() == b"550 5.6.0 notification not understood: body row 11\r\n"

    asyncio.run(story())


@pytest.mark.parametrize("hostname", [composing.HOSTNAME, composing.HOSTNAME.upper()])
def test_a_mail_that_this_relay_wrote_itself_is_kept_and_goes_round_once(tmp_path, hostname):
    """A recipient that passes its mail on to the intake does not have it sent again and again."""

    async def story():
        async with desk(tmp_path) as at:
            reply = await at.take(text_mail(*TEXT, f"Message-ID: <0192-1@{hostname}>"))
            kept = await at.store.quarantined_mail(reply.text.rpartition(" ")[2])
            assert kept.reason == (
                "message-id: is one that this relay wrote itself, and came back "
                "(the recipient of a registration passes its mail on to the intake)"
            )
            assert at.dispatch.offered == []

    asyncio.run(story())


def test_a_big_text_is_read_beside_the_loop(tmp_path):
    """Nine hundred orders in a text are taken in while the others' work goes on."""

    async def story():
        async with desk(tmp_path) as at:
            tree = order_info(
                pack__orders=[
                    order_info()["pack"]["orders"][0] | {"order_no": str(n), "option": "色:白" * 20}
                    for n in range(900)
                ]
            )
            content = text_mail(*written(BASIC, Notification.model_validate(tree), CATALOGUE))
            assert len(content) > BIG
            turns = 0

            async def others():
                nonlocal turns
                while True:
                    turns += 1
                    await asyncio.sleep(0)

            task = asyncio.create_task(others())
            reply = await at.take(content)
            task.cancel()
            assert reply.text.startswith("2.0.0 accepted as ")
            assert turns > 10

    asyncio.run(story())
