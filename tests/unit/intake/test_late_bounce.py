"""Mails to return addresses, to a real store: which delivery ends, what the journal has, what is kept."""

import asyncio
import smtplib

import pytest

from relay.errors import MachineFailure
from relay.intake import Listener
from relay.intake.acceptance import Received
from relay.intake.keeping import Keeping
from relay.intake.report.late_bounce import MAX_KEPT, MOST_KEPT, LateBounces
from relay.journal import Event
from relay.metrics import Metrics
from relay.return_address import ReturnAddress
from relay.store.query import JournalFilter, QuarantineFilter
from relay.store.values import DeliveryState, ReportEffect, Scope
from tests.support.mail import json_mail, order_info
from tests.support.reception import ADDRESS, RECIPIENT, RETURNS, SESSION, FrontDesk, front_desk

TAKEN = b"250 2.0.0 report taken\r\n"


def report(fields: str, *, to: str = RECIPIENT) -> bytes:
    """A report of RFC 3464 on one recipient."""
    return (
        "From: MAILER-DAEMON@mx.partner.example.jp\r\nSubject: Undelivered\r\n"
        "Content-Type: multipart/report; boundary=r\r\n\r\n"
        "--r\r\nContent-Type: text/plain\r\n\r\nSorry.\r\n"
        "--r\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; mx\r\n\r\n"
        f"Final-Recipient: rfc822; {to}\r\n{fields}\r\n--r--\r\n"
    ).encode()


GONE = report("Action: failed\r\nStatus: 5.1.1\r\nDiagnostic-Code: smtp; 550 5.1.1 no such user\r\n")
FULL = report("Action: failed\r\nStatus: 5.2.2\r\n")
LATE = report("Action: delayed\r\nStatus: 4.4.1\r\n")
AWAY = "Subject: 自動応答: 休業\r\nAuto-Submitted: auto-replied\r\n\r\n本日は休業です。\r\n".encode()
PERSON = b"From: taro@partner.example.jp\r\nSubject: Re: order\r\n\r\nWhich order is this?\r\n"


async def told(at: FrontDesk, delivery_id: str) -> list[tuple[Event, str]]:
    """The journal of a delivery since it was delivered."""
    entries = await at.store.journal(JournalFilter(delivery_id=delivery_id))
    events = [(entry.event, entry.detail) for entry in entries]
    return events[events.index((Event.DELIVERED, "250 2.0.0 queued")) + 1 :]


async def state(at: FrontDesk, delivery_id: str) -> DeliveryState:
    """Where a delivery stands."""
    return (await at.store.delivery(delivery_id)).row.delivery.state


def test_a_report_of_a_failure_ends_the_delivery_that_its_return_address_names(tmp_path):
    """Delivered becomes bounced, with the server's words, before the 250; the other one stays as it is."""

    async def story():
        async with front_desk(tmp_path) as at:
            due = await at.delivered()
            other = await at.delivered(event_id="e-2", pack__pack_no="222222222")
            assert (await at.give_back(FULL, due.delivery.id)).line() == TAKEN
            row = (await at.store.delivery(due.delivery.id)).row.delivery
            assert (row.state, row.last_reply) == (DeliveryState.BOUNCED, "reported failed: 5.2.2")
            assert await told(at, due.delivery.id) == [(Event.LATE_BOUNCED, "reported failed: 5.2.2")]
            assert await state(at, other.delivery.id) is DeliveryState.DELIVERED
            assert await at.store.holds() == []

    asyncio.run(story())


def test_a_report_that_comes_again_changes_nothing_more(tmp_path):
    """The process may die between the commit and the 250, and then the server sends its report once more."""

    async def story():
        async with front_desk(tmp_path) as at:
            due = await at.delivered()
            for content in (LATE, LATE, AWAY, AWAY, GONE, GONE, LATE):
                assert (await at.give_back(content, due.delivery.id)).line() == TAKEN
            words = "reported failed: 550 5.1.1 no such user"
            (hold,) = await at.store.holds()
            assert await told(at, due.delivery.id) == [
                (Event.REPORTED, "reported delayed: 4.4.1"),
                (Event.REPORTED, "an automatic answer"),
                (Event.LATE_BOUNCED, words),
                (Event.SUPPRESSED, f"hold {hold.id} on address {RECIPIENT}: {words}"),
            ]

    asyncio.run(story())


def test_an_address_that_is_gone_is_held_from_now_on(tmp_path):
    """The next mail to it waits for a person, and is not offered to the engine."""

    async def story():
        async with front_desk(tmp_path) as at:
            due = await at.delivered()
            await at.give_back(GONE, due.delivery.id)
            (hold,) = await at.store.holds()
            assert (hold.scope, hold.value, hold.by) == (Scope.ADDRESS, RECIPIENT, "relay")
            offered = len(at.dispatch.offered)
            reply = await at.take(json_mail(order_info(event_id="e-2", pack__pack_no="222222222")))
            assert reply.text.startswith("2.0.0 accepted as ")
            assert len(at.dispatch.offered) == offered

    asyncio.run(story())


def test_what_a_server_behind_our_recipient_says_of_another_address_suppresses_nobody(tmp_path):
    """Our recipient passes its mail on to an address that is gone: the mail is lost, our address is not."""

    async def story():
        async with front_desk(tmp_path) as at:
            due = await at.delivered()
            other = report("Action: failed\r\nStatus: 5.1.1\r\n", to="taro@example.com")
            assert (await at.give_back(other, due.delivery.id)).line() == TAKEN
            assert await state(at, due.delivery.id) is DeliveryState.BOUNCED
            assert await at.store.holds() == []

    asyncio.run(story())


@pytest.mark.parametrize("content", [LATE, AWAY], ids=["delay", "absence"])
def test_what_is_no_failure_ends_nothing(tmp_path, content):
    """A delay and an answering machine stand in the journal, and the delivery stays delivered."""

    async def story():
        async with front_desk(tmp_path) as at:
            due = await at.delivered()
            assert (await at.give_back(content, due.delivery.id)).line() == TAKEN
            assert await state(at, due.delivery.id) is DeliveryState.DELIVERED
            assert [event for event, _ in await told(at, due.delivery.id)] == [Event.REPORTED]

    asyncio.run(story())


@pytest.mark.parametrize("on_unreadable", ["quarantine", "reject"])
def test_what_cannot_be_read_is_kept_with_the_delivery_named(tmp_path, on_unreadable):
    """Somebody may have written it: a person reads it, and it is never refused, for it would come back."""

    async def story():
        async with front_desk(tmp_path, on_unreadable=on_unreadable) as at:
            due = await at.delivered()
            reply = await at.give_back(PERSON, due.delivery.id)
            kept = await at.store.quarantined_mail(reply.text.rpartition(" ")[2])
            trouble = "is neither a report that can be read nor an automatic answer"
            assert reply.line().decode() == f"250 2.0.0 kept in quarantine as {kept.id}\r\n"
            assert kept.reason == f"mail: came back to delivery {due.delivery.id} and {trouble}"
            assert kept.content == PERSON
            assert await told(at, due.delivery.id) == [
                (Event.QUARANTINED, f"what came back to delivery {due.delivery.id} {trouble}")
            ]
            assert await state(at, due.delivery.id) is DeliveryState.DELIVERED

    asyncio.run(story())


def test_a_report_on_a_delivery_that_was_purged_is_kept(tmp_path):
    """The address is ours beyond doubt, so it is taken; there is nothing that it could end."""

    async def story():
        async with front_desk(tmp_path) as at:
            delivery_id = "6v3w1q0000000001"
            reply = await at.give_back(GONE, delivery_id)
            kept = await at.store.quarantined_mail(reply.text.rpartition(" ")[2])
            trouble = "is about a delivery that is no longer stored"
            assert kept.reason == f"mail: came back to delivery {delivery_id} and {trouble}"

    asyncio.run(story())


def test_a_report_that_comes_before_the_partners_250_is_to_come_again(tmp_path):
    """While the delivery is being sent nothing is written; the repeat after the 250 ends it."""

    async def story():
        async with front_desk(tmp_path) as at:
            other = await at.delivered(event_id="e-2", pack__pack_no="222222222")
            await at.take(json_mail(order_info()))
            due = at.dispatch.offered[-1]
            sending = b"451 4.3.0 that mail is being sent, try again\r\n"
            before = await at.store.journal(JournalFilter())
            assert (await at.give_back(GONE, due.delivery.id)).line() == sending
            assert await at.store.journal(JournalFilter()) == before
            assert await at.store.holds() == []
            assert (await at.give_back(FULL, due.delivery.id, other.delivery.id)).line() == sending
            assert (await at.give_back(LATE, due.delivery.id)).line() == TAKEN
            await at.taken_by_partner(due)
            assert (await at.give_back(GONE, due.delivery.id)).line() == TAKEN
            assert await state(at, due.delivery.id) is DeliveryState.BOUNCED
            assert await state(at, other.delivery.id) is DeliveryState.BOUNCED

    asyncio.run(story())


def test_of_one_delivery_so_many_mails_are_kept_and_no_more(tmp_path):
    """One after another or all at once, also on a purged one; what can be read is taken all the same."""

    async def story():
        async with front_desk(tmp_path) as at:
            due = await at.delivered()
            purged = "6v3w1q0000000001"
            for delivery_id in (due.delivery.id, purged):
                one = await at.give_back(PERSON, delivery_id)
                assert one.text.startswith("2.0.0 kept in quarantine as ")
                replies = await asyncio.gather(
                    *(at.give_back(PERSON, delivery_id) for _ in range(MOST_KEPT + 5))
                )
                refused = [reply for reply in replies if reply.is_refusal]
                assert len(refused) == 6
                assert {reply.line() for reply in refused} == {
                    b"550 5.7.1 too many mails on one delivery that nobody can read\r\n"
                }
            kept = await at.store.quarantined(QuarantineFilter(limit=100))
            assert len(kept) == 2 * MOST_KEPT
            assert (await at.give_back(GONE, due.delivery.id)).line() == TAKEN

    asyncio.run(story())


def test_of_a_long_mail_that_nobody_can_read_the_beginning_is_kept(tmp_path):
    """As much as a reader looks at, and the reason says so; a long report that can be read is taken."""

    async def story():
        async with front_desk(tmp_path) as at:
            due = await at.delivered()
            content = PERSON + b"x" * MAX_KEPT
            reply = await at.give_back(content, due.delivery.id)
            kept = await at.store.quarantined_mail(reply.text.rpartition(" ")[2])
            assert kept.content == content[:MAX_KEPT]
            assert kept.reason.split("\n")[1] == (
                f"mail: has {len(content)} octets, of which the first {MAX_KEPT} are kept"
            )
            assert (await at.give_back(FULL + b"x" * MAX_KEPT, due.delivery.id)).line() == TAKEN

    asyncio.run(story())


def test_the_delivery_of_a_kept_mail_tells_of_it(tmp_path):
    """`denrei queue show` has the entry, with where it is kept."""

    async def story():
        async with front_desk(tmp_path) as at:
            due = await at.delivered()
            reply = await at.give_back(PERSON, due.delivery.id)
            last = (await at.store.delivery(due.delivery.id)).entries[-1]
            assert (last.event, last.quarantine_id) == (Event.QUARANTINED, reply.text.rpartition(" ")[2])

    asyncio.run(story())


def test_a_report_counts_as_final_when_it_has_ended_a_delivery(tmp_path):
    """A repeat, a delay, and a failure of what had failed already are others."""

    async def story():
        async with front_desk(tmp_path) as at:
            due = await at.delivered()
            for content in (LATE, GONE, GONE, FULL):
                await at.give_back(content, due.delivery.id)
            counted = [row for row in at.metrics.text().decode().split("\n") if "reports_total{" in row]
            assert counted == [
                'denrei_reports_total{kind="final"} 1.0',
                'denrei_reports_total{kind="other"} 3.0',
            ]

    asyncio.run(story())


def test_several_return_addresses_are_several_reports(tmp_path):
    """One content, two deliveries: both end, and what one of them keeps is told."""

    async def story():
        async with front_desk(tmp_path) as at:
            first = await at.delivered()
            second = await at.delivered(event_id="e-2", pack__pack_no="222222222")
            assert (await at.give_back(FULL, first.delivery.id, second.delivery.id)).line() == TAKEN
            for due in (first, second):
                assert await state(at, due.delivery.id) is DeliveryState.BOUNCED
            reply = await at.give_back(FULL, "6v3w1q0000000001", second.delivery.id)
            assert reply.text.startswith("2.0.0 kept in quarantine as ")

    asyncio.run(story())


def test_a_store_that_fails_takes_no_report(tmp_path):
    """451: the server keeps its report and sends it again."""

    async def story():
        at = FrontDesk(tmp_path)
        due = await at.delivered()
        await at.store.close()
        assert (await at.give_back(GONE, due.delivery.id)).line() == (
            b"451 4.3.0 not stored, try again later\r\n"
        )

    asyncio.run(story())


class Forgetful:
    """A store in which a delivery is purged between two questions, and which cannot keep anything."""

    def __init__(self, store):
        self._store = store

    async def delivery(self, prefix):
        """Ask the real one."""
        return await self._store.delivery(prefix)

    async def journal(self, wanted):
        """Ask the real one."""
        return await self._store.journal(wanted)

    async def late_bounce(self, report):
        """Know it no longer."""
        return ReportEffect.UNKNOWN

    async def quarantine(self, item, entry):
        """Be full."""
        raise MachineFailure("the disk is full")


def test_a_delivery_that_goes_while_its_report_is_read_is_not_claimed_to_be_known(tmp_path):
    """Neither 250 nor silence when there is no delivery any more and no room to keep the report."""

    async def story():
        async with front_desk(tmp_path) as at:
            due = await at.delivered()
            store = Forgetful(at.store)
            late_bounces = LateBounces(store, Keeping(store, at.clock), at.clock, Metrics())
            received = Received(peer="127.0.0.1", mail_from="", rcpt_tos=("x",), content=GONE)
            with pytest.raises(MachineFailure, match="the disk is full"):
                await late_bounces.take(received, [due.delivery.id])

    asyncio.run(story())


def test_a_mail_is_a_report_or_a_notification_and_never_both(tmp_path):
    """The second kind is put off at its RCPT, so that the sender comes again with it alone."""

    async def story():
        async with front_desk(tmp_path) as at:
            returned = RETURNS.of("6v3w1q0000000001")
            rcpt = at.reception.rcpt
            assert await rcpt(SESSION, "", (), returned) is None
            assert await rcpt(SESSION, "", (returned,), returned) is None
            assert await rcpt(SESSION, "", (ADDRESS,), ADDRESS.upper()) is None
            for taken, address in ((returned, ADDRESS), (ADDRESS, returned)):
                refusal = await rcpt(SESSION, "", (taken,), address)
                assert refusal.line() == b"451 4.5.3 a report or a notification, one at a time\r\n"
            forged = returned.replace("-", "-x")[: len(returned)]
            assert (await rcpt(SESSION, "", (), forged)).code == 550

    asyncio.run(story())


def test_a_server_hands_its_report_in_over_the_wire(tmp_path):
    """By smtplib: a forged tag and a second kind of recipient are refused at RCPT, the report is taken."""

    def send(port, returned, forged):
        with smtplib.SMTP("127.0.0.1", port, timeout=10) as client:
            client.ehlo("mx.partner.example.jp")
            client.mail("")
            codes = [client.rcpt(address)[0] for address in (forged, returned, ADDRESS)]
            return codes, client.data(FULL)

    async def story():
        async with front_desk(tmp_path) as at:
            due = await at.delivered()
            returned = RETURNS.of(due.delivery.id)
            forged = ReturnAddress("bounce@relay.example.jp", b"x" * 32).of(due.delivery.id)
            listener = Listener(at.reception, at.config, hostname="relay.example.jp")
            await listener.start()
            answers = await asyncio.to_thread(send, listener.port, returned, forged)
            await listener.stop()
            assert answers == ([550, 250, 451], (250, b"2.0.0 report taken"))
            assert await state(at, due.delivery.id) is DeliveryState.BOUNCED

    asyncio.run(story())
