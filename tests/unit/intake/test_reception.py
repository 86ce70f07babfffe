"""The relay's own door, by SMTP from smtplib to a real store."""

import asyncio
import smtplib

import pytest
from structlog.testing import capture_logs

from relay.intake import Listener
from relay.intake.desk import BIG
from relay.journal import Event
from relay.notification import Notification
from relay.store.query import DeliveryFilter, JournalFilter
from relay.store.values import DeliveryState
from tests.support import composing
from tests.support.intake import shipped_registry, text_mail, written
from tests.support.mail import json_mail, order_info
from tests.support.reception import ADDRESS, CATALOGUE, SESSION, FrontDesk, front_desk

SHIPPED = shipped_registry(CATALOGUE)


def test_the_marketplace_sends_and_everything_is_stored_before_250(tmp_path):
    """By smtplib over a socket: the reply, the store and the engine name the same notification."""

    def send(port):
        with smtplib.SMTP("127.0.0.1", port, timeout=10) as client:
            client.ehlo("market.example.jp")
            client.mail("market@example.jp")
            client.rcpt(ADDRESS)
            return client.data(json_mail(order_info()))

    async def story():
        async with front_desk(tmp_path) as at:
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
        async with front_desk(tmp_path) as at:
            first = await at.take(json_mail(order_info()))
            again = await at.take(json_mail(order_info()))
            (due,) = at.dispatch.offered
            assert first.line().decode() == f"250 2.0.0 accepted as {due.notification_id}\r\n"
            assert again.line().decode() == f"250 2.0.0 known already as {due.notification_id}\r\n"

    asyncio.run(story())


def test_a_known_event_id_with_other_content_is_kept_for_a_person(tmp_path):
    """One of the two is wrong: nobody gets a mail of it, and what it says is not lost."""

    async def story():
        async with front_desk(tmp_path) as at:
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
        async with front_desk(tmp_path, room=0) as at:
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
        async with front_desk(tmp_path) as at:
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
        async with front_desk(tmp_path, on_unreadable="reject") as at:
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
        at = FrontDesk(tmp_path)
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
        async with front_desk(tmp_path) as at:
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
        async with front_desk(tmp_path) as at:
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
        async with front_desk(tmp_path) as at:
            assert await at.reception.connect("127.0.0.1") is None
            assert (await at.reception.connect("192.0.2.1")).code == 554
            assert await at.reception.mail(SESSION, "", None) is None
            assert await at.reception.rcpt(SESSION, "", (), "Orders@Intake.example.jp") is None
            assert (await at.reception.rcpt(SESSION, "", (), "x@example.com")).code == 550
            assert await at.reception.data(SESSION) is None

    asyncio.run(story())


def test_the_journal_tells_of_a_quarantined_mail(tmp_path):
    """One entry, with the place and without a value."""

    async def story():
        async with front_desk(tmp_path) as at:
            await at.take(json_mail(order_info(pack__buyer__name=["山田"])))
            (entry,) = await at.store.journal(JournalFilter())
            assert (entry.event, entry.detail) == (Event.QUARANTINED, "not understood: pack.buyer.name")

    asyncio.run(story())


BASIC = SHIPPED.templates.by_key["basic/order_info"]
TEXT = written(BASIC, Notification.model_validate(order_info()), CATALOGUE)


def test_the_journal_tells_which_template_a_text_was_read_with(tmp_path):
    """A text mail is accepted like a document, and the same text again is known."""

    async def story():
        async with front_desk(tmp_path) as at:
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
        async with front_desk(tmp_path) as at:
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
        async with front_desk(tmp_path, on_unreadable="reject") as at:
            subject, body = TEXT
            reply = await at.take(text_mail(subject, body.replace("123456789", "987654321")))
            assert reply.line() == b"550 5.6.0 notification not understood: subject\r\n"
            reply = await at.take(text_mail(subject, body.replace("配送方法:", "配達方法:")))
            assert reply.line() == b"550 5.6.0 notification not understood: body row 11\r\n"

    asyncio.run(story())


OWN_IDS = [
    f"<0192-1@{composing.HOSTNAME}>",
    f"<0192-1@{composing.HOSTNAME.upper()}>",
    f"<0192-1@{composing.HOSTNAME}> (added by gateway.example.com)",
    f"<gateway-7@example.com> <0192-1@{composing.HOSTNAME}>",
]


@pytest.mark.parametrize("message_id", OWN_IDS)
def test_a_mail_that_this_relay_wrote_itself_is_kept_and_goes_round_once(tmp_path, message_id):
    """A recipient that passes its mail on to the intake does not have it sent again and again."""

    async def story():
        async with front_desk(tmp_path) as at:
            reply = await at.take(text_mail(*TEXT, f"Message-ID: {message_id}"))
            kept = await at.store.quarantined_mail(reply.text.rpartition(" ")[2])
            assert kept.reason == (
                "message-id: is one that this relay wrote itself, and came back "
                "(the recipient of a registration passes its mail on to the intake)"
            )
            assert at.dispatch.offered == []

    asyncio.run(story())


@pytest.mark.parametrize(
    "message_id", ["<1@x.relay.example.jp.example.com>", "<relay.example.jp@example.com>", "<>"]
)
def test_another_servers_message_id_is_no_reason_to_keep_a_mail(tmp_path, message_id):
    """Only the host behind the @ says whose a Message-ID is."""

    async def story():
        async with front_desk(tmp_path) as at:
            reply = await at.take(text_mail(*TEXT, f"Message-ID: {message_id}"))
            assert reply.text.startswith("2.0.0 accepted as ")

    asyncio.run(story())


def test_a_text_for_a_seller_whom_nobody_knows_is_kept(tmp_path):
    """It says itself whose it is, so a slip or a stranger would be lost under 250; a document is accepted."""

    async def story():
        async with front_desk(tmp_path) as at:
            other = order_info(seller_id="other-shop")
            text = text_mail(*written(BASIC, Notification.model_validate(other), CATALOGUE))
            reply = await at.take(text)
            kept = await at.store.quarantined_mail(reply.text.rpartition(" ")[2])
            assert kept.reason == (
                "seller_id: 'other-shop' has no registrations, and a text is taken in only for a seller who"
                " has (register the seller and replay the mail)"
            )
            assert (await at.take(json_mail(other))).text.startswith("2.0.0 accepted as ")

    asyncio.run(story())


class Stumbling:
    """A decoder with a bug."""

    def take_in(self, content, now):
        """Stumble."""
        raise KeyError("山田太郎")


@pytest.mark.parametrize("on_unreadable", ["quarantine", "reject"])
def test_a_mail_over_which_denrei_stumbles_is_kept_and_the_bug_is_loud(tmp_path, on_unreadable):
    """It would fail at each new try too; it is not the sender's fault, so it is never refused for good."""

    async def story():
        async with front_desk(tmp_path, decoder=Stumbling(), on_unreadable=on_unreadable) as at:
            content = json_mail(order_info())
            with capture_logs() as logs:
                reply = await at.take(content)
            kept = await at.store.quarantined_mail(reply.text.rpartition(" ")[2])
            (entry,) = await at.store.journal(JournalFilter())
            assert reply.line().decode() == f"250 2.0.0 kept in quarantine as {kept.id}\r\n"
            assert kept.content == content
            assert kept.reason == (
                "Denrei failed over this mail (KeyError): a bug, whose trace is in the log; "
                "replay the mail when it is mended"
            )
            assert (entry.event, entry.detail) == (
                Event.QUARANTINED,
                "Denrei failed over this mail (KeyError)",
            )
            assert [(row["event"], row["log_level"], row["exc_info"]) for row in logs] == [
                ("mail_failed", "error", True)
            ]

    asyncio.run(story())


@pytest.mark.parametrize(
    ("changes", "place"),
    [
        ({"山田太郎 03-1111-2222": 1}, "document"),
        ({"a\r\n250 ok": 1}, "document"),
        ({"pack__orders__1__山田": "太郎"}, "pack.orders[1]"),
        ({"pack__buyer__names": "太郎"}, "pack.buyer"),
    ],
)
def test_a_key_that_is_none_of_ours_is_told_to_the_person_alone(tmp_path, changes, place):
    """It may be a value that lost its place, so reply and journal end at the last step that we know."""

    async def story(on_unreadable):
        async with front_desk(tmp_path / on_unreadable, on_unreadable=on_unreadable) as at:
            reply = await at.take(json_mail(order_info(**changes)))
            return reply, await at.store.journal(JournalFilter())

    for name in ("quarantine", "reject"):
        (tmp_path / name).mkdir()
    _, (entry,) = asyncio.run(story("quarantine"))
    assert entry.detail == f"not understood: {place}"
    reply, _ = asyncio.run(story("reject"))
    assert reply.line().decode() == f"550 5.6.0 notification not understood: {place}\r\n"


def test_the_same_order_by_another_route_is_known_whatever_the_charset(tmp_path):
    """A gateway that converts to ISO-2022-JP changes code points; the order is sent once all the same."""

    async def story():
        async with front_desk(tmp_path) as at:
            said = order_info(pack__hope_time_zone="9時～12時", pack__receiver__name="ﾔﾏﾀﾞ ﾊﾅｺ", event_id=None)
            subject, body = written(BASIC, Notification.model_validate(said), CATALOGUE)
            first = await at.take(text_mail(subject, body))
            converted = body.replace("～", "〜").replace("ﾔﾏﾀﾞ ﾊﾅｺ", "ヤマダ ハナコ")
            again = await at.take(text_mail(subject, converted, charset="iso-2022-jp", encoding="7bit"))
            assert first.text.startswith("2.0.0 accepted as ")
            assert again.text == first.text.replace("accepted as", "known already as")

    asyncio.run(story())


def test_a_big_text_is_read_beside_the_loop(tmp_path):
    """Nine hundred orders in a text are taken in while the others' work goes on."""

    async def story():
        async with front_desk(tmp_path) as at:
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
