"""Sending an ended mail again, holding one, and what a delivery's story says comes next."""

import email
import email.policy
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import dkim
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from relay.app import Office
from relay.compose.dkim import Signer, SigningKey
from relay.journal import Event
from relay.operations import Operations
from relay.operations.resend import resent_block
from relay.operations.story import Outlook, outlook
from relay.store.query import DeliveryFilter, JournalFilter
from relay.store.values import Delivery, DeliveryState, Hold, Scope
from tests.support.clock import START
from tests.support.stored import CONTENT, accepted, settlement
from tests.unit.operations.test_hold import with_office

LIFETIME = timedelta(days=5)


def test_a_signature_outlives_the_resent_block() -> None:
    """dkimpy, which is not our code, verifies a signed mail before and after it was sent again, twice."""
    private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    key = SigningKey(domain="shop.example.jp", selector="s1", private=private)
    content = Signer([key]).signed(CONTENT, "shop.example.jp")
    assert content != CONTENT
    for _ in range(3):
        assert dkim.verify(content, dnsfunc=lambda _name, **_: key.record.text.encode())
        block = resent_block("6v3w1q0000000001", START, "a@r.example.jp", "b@p.example.jp", "r.example.jp")
        content = block + content
    altered = content.replace(b"300000001", b"300000002")
    assert not dkim.verify(altered, dnsfunc=lambda _name, **_: key.record.text.encode())


async def ended(office: Office, state: DeliveryState) -> str:
    """A delivery that ended in this state; its id."""
    now = office.clock.now()
    one = accepted(
        office.clock,
        seller_id="example-shop",
        recipients=("orders@gear.example.jp",),
        state=DeliveryState.SENDING,
        leased_by="worker-1",
        leased_until=now + timedelta(minutes=10),
    )
    await office.store.accept(one)
    delivery_id = one.deliveries[0].id
    if state is DeliveryState.DISCARDED:
        await office.store.hand_back(worker="worker-1", now=now, delivery_ids=[delivery_id])
        await office.store.discard(delivery_id, now=now, by="花子")
    else:
        await office.store.settle(settlement(one, worker="worker-1", at=now, state=state))
    return delivery_id


@pytest.mark.parametrize("state", [DeliveryState.DELIVERED, DeliveryState.BOUNCED, DeliveryState.DISCARDED])
def test_an_ended_mail_goes_again_under_a_resent_block(tmp_path: Path, state: DeliveryState) -> None:
    """The old mail stands untouched below four Resent rows; both deliveries' journals tell of the other."""

    async def story(office: Office, operations: Operations) -> None:
        old = await ended(office, state)
        (outcome,) = await operations.resend([old], by="花子")
        new = outcome.text.removeprefix("sent again as ")
        assert (outcome.id, outcome.applied, len(new)) == (old, True, 16)
        told = await operations.delivery(new)
        block, content = told.content[: -len(CONTENT)], told.content[-len(CONTENT) :]
        assert content == CONTENT
        rows = [row.partition(b": ") for row in block.split(b"\r\n")[:-1]]
        assert [name for name, _, _ in rows] == [
            b"Resent-Date",
            b"Resent-From",
            b"Resent-To",
            b"Resent-Message-ID",
        ]
        assert [value for _, _, value in rows[1:]] == [
            b"postmaster@relay.example.jp",
            b"orders@gear.example.jp",
            f"<{told.row.delivery.mail_id}@relay.example.jp>".encode(),
        ]
        parsed = email.message_from_bytes(told.content, policy=email.policy.default)
        assert parsed["Resent-Date"].datetime == told.row.delivery.accepted_at.replace(microsecond=0)
        before = await operations.delivery(old)
        assert before.row.delivery.state is state
        again = told.row.delivery
        assert (again.state, again.resent_of, again.attempts) == (DeliveryState.QUEUED, old, 0)
        assert told.row.message_id == before.row.message_id
        assert told.row.notification_id == before.row.notification_id
        for delivery_id, detail in ((old, f"as {new}"), (new, f"of {old}")):
            wanted = JournalFilter(delivery_id=delivery_id, events=(Event.RESENT,))
            assert [(entry.by, entry.detail) for entry in await operations.journal(wanted)] == [
                ("花子", detail)
            ]
        (sister,) = (await operations.story(new)).others
        assert sister.delivery.id == old

    with_office(tmp_path, story)


def test_what_has_not_ended_is_not_sent_again(tmp_path: Path) -> None:
    """A queued delivery is refused; a mail to a suppressed address is made, and waits for the hold's end."""

    async def story(office: Office, operations: Operations) -> None:
        one = accepted(office.clock)
        await office.store.accept(one)
        (refused,) = await operations.resend([one.deliveries[0].id], by="花子")
        assert (refused.applied, refused.text) == (False, "not applied: it is queued")
        old = await ended(office, DeliveryState.BOUNCED)
        placed = await operations.place(Scope.ADDRESS, "orders@gear.example.jp", reason="移転", by="花子")
        (waits,) = await operations.resend([old], by="花子")
        assert waits.applied
        assert waits.text.endswith(f", which waits: hold {placed.hold.id} stands")
        new = waits.text.split()[3].rstrip(",")
        (refused,) = await operations.release([new], by="花子")
        assert (refused.applied, refused.text) == (
            False,
            f"not applied: hold {placed.hold.id} stopped it (denrei hold release {placed.hold.id})",
        )

    with_office(tmp_path, story)


def test_one_delivery_is_held_and_released(tmp_path: Path) -> None:
    """`hold` stops a queued delivery until somebody releases it; what is held already is told."""

    async def story(office: Office, operations: Operations) -> None:
        one = accepted(office.clock)
        await office.store.accept(one)
        ids = [one.deliveries[0].id]
        first, again = await operations.hold(ids, by="花子"), await operations.hold(ids, by="太郎")
        assert [(each.applied, each.text) for each in (*first, *again)] == [
            (True, "held"),
            (False, "not applied: it is held"),
        ]
        come = (await operations.story(ids[0])).outlook
        assert come == Outlook(
            text="waits until a person releases it", command=f"denrei queue release {ids[0]}"
        )
        (released,) = await operations.release(ids, by="花子")
        assert released.applied

    with_office(tmp_path, story)


def test_a_selection_by_next_hop_pages_past_what_goes_elsewhere(tmp_path: Path) -> None:
    """The filter is the routes' answer: two domains of one route are one way, whatever the capitals."""

    async def story(office: Office, operations: Operations) -> None:
        one = accepted(
            office.clock, recipients=("a@gear.example.jp", "b@Gear.example.jp", "c@other.example.jp")
        )
        await office.store.accept(one)
        found = {
            hop: sorted(row.delivery.recipient for row in await operations.selected(DeliveryFilter(), hop))
            for hop in ("127.0.0.1:2526", "other.example.jp", "OTHER.example.jp", "gear.example.jp")
        }
        assert found == {
            "127.0.0.1:2526": ["a@gear.example.jp", "b@Gear.example.jp"],
            "other.example.jp": ["c@other.example.jp"],
            "OTHER.example.jp": ["c@other.example.jp"],
            "gear.example.jp": [],
        }

    with_office(tmp_path, story)


HOUR = timedelta(hours=1)
HOLD = Hold(id="h1", scope=Scope.PARTNER, value="cross_mall", reason="", by="花子", placed_at=START)


@pytest.mark.parametrize(
    ("state", "more", "hold", "expected"),
    [
        (
            DeliveryState.HELD,
            {"hold_id": "h1"},
            HOLD,
            Outlook(
                text="waits until the hold h1 on partner cross_mall is lifted",
                command="denrei hold release h1",
            ),
        ),
        (
            DeliveryState.HELD,
            {"due_at": START + HOUR},
            None,
            Outlook(text="goes by itself when its time has come", at=START + HOUR),
        ),
        (
            DeliveryState.QUEUED,
            {"due_at": START + HOUR, "attempts": 2},
            None,
            Outlook(text="attempt 3", at=START + HOUR),
        ),
        (
            DeliveryState.QUEUED,
            {"due_at": START},
            None,
            Outlook(text="attempt 1 as soon as a relay runs and its next hop has room"),
        ),
        (
            DeliveryState.QUEUED,
            {"due_at": START + HOUR, "accepted_at": START - LIFETIME, "attempts": 9},
            None,
            Outlook(text="attempt 10, the last: its lifetime is over", at=START + HOUR),
        ),
        (
            DeliveryState.SENDING,
            {"leased_by": "worker-2", "leased_until": START + HOUR},
            None,
            Outlook(
                text="worker-2 is sending it; another takes over if that has ended by then", at=START + HOUR
            ),
        ),
        (
            DeliveryState.BOUNCED,
            {},
            None,
            Outlook(
                text="nothing: it was refused for good, or its time was over", command="denrei queue retry d1"
            ),
        ),
        (
            DeliveryState.DELIVERED,
            {},
            None,
            Outlook(text="nothing: the next hop took it", command="denrei queue resend d1"),
        ),
    ],
)
def test_the_outlook_says_what_comes_next(state, more, hold, expected) -> None:
    """For each state: what happens, when, and the command that changes it."""
    values = {"due_at": None, "accepted_at": START} | more
    delivery = Delivery(id="d1", mail_id="m1", recipient="a@gear.example.jp", state=state, **values)
    assert outlook(delivery, hold, START, LIFETIME) == expected


def test_a_mail_that_was_sent_again_is_not_sent_once_more(tmp_path: Path) -> None:
    """Neither by resend nor by retry: the refusal, the preview and the story name the copy and its state."""

    async def story(office: Office, operations: Operations) -> None:
        bounced = await ended(office, DeliveryState.BOUNCED)
        (again,) = await operations.resend([bounced], by="花子")
        assert again.applied
        (copy,) = await operations.deliveries(DeliveryFilter(states=(DeliveryState.QUEUED,)))
        told = f"sent again already as {copy.delivery.id}, which is queued"
        for verb in (operations.resend, operations.retry):
            (outcome,) = await verb([bounced], by="花子")
            assert (outcome.applied, outcome.text) == (False, f"not applied: {told}")
        rows = await operations.named([bounced, copy.delivery.id])
        assert await operations.obstacles(rows) == {bounced: told}
        assert (await operations.story(bounced)).outlook == Outlook(text=f"nothing: {told}")
        (outcome,) = await operations.discard([copy.delivery.id], by="花子")
        assert outcome.applied
        assert await operations.obstacles(await operations.named([bounced])) == {}
        (outcome,) = await operations.retry([bounced], by="花子")
        assert outcome.text == "due now"
        (outcome,) = await operations.resend([copy.delivery.id], by="花子")
        assert outcome.text == f"not applied: it repeats {bounced}, which is queued"

    with_office(tmp_path, story)


def test_what_a_standing_hold_stops_at_once_is_told_so(tmp_path: Path) -> None:
    """A retry and a release that a hold meets are applied, and say that the mail waits, and for what."""

    async def story(office: Office, operations: Operations) -> None:
        bounced = await ended(office, DeliveryState.BOUNCED)
        one = accepted(office.clock, seller_id="example-shop", state=DeliveryState.HELD)
        free = accepted(office.clock, seller_id="other-shop", state=DeliveryState.HELD)
        for each in (one, free):
            await office.store.accept(each)
        held, other = one.deliveries[0].id, free.deliveries[0].id
        hold = (await operations.place(Scope.SELLER, "example-shop", reason="", by="花子")).hold
        text = f"held at once by hold {hold.id} (denrei hold release {hold.id})"
        (retried,) = await operations.retry([bounced], by="花子")
        assert (retried.applied, retried.text) == (True, text)
        told = await operations.release([held, other], by="花子")
        assert [(each.applied, each.text) for each in told] == [(True, text), (True, "released")]
        rows = await operations.stopped_by(hold.id)
        assert {row.delivery.id for row in rows} == {bounced, held}

    with_office(tmp_path, story)


def test_bounces_are_looked_for_within_a_lifetime_and_without_notices(tmp_path: Path) -> None:
    """What bounced long ago, and a notice of ours that bounced, are not among them unless asked for by id."""

    async def story(office: Office, operations: Operations) -> None:
        now = office.clock.now()
        shop = DeliveryFilter(seller_id="example-shop")
        ages = [timedelta(), timedelta(days=4), timedelta(days=6)]
        for age in ages:
            one = accepted(office.clock, seller_id="example-shop")
            ends = [
                replace(each, state=DeliveryState.BOUNCED, due_at=None, settled_at=now - age)
                for each in one.deliveries
            ]
            await office.store.accept(replace(one, deliveries=ends))
            notices = [replace(each, notice="failure") for each in one.mails]
            ids = {each.id: office.clock.new_id() for each in (*notices, *ends)}
            told = replace(
                one,
                id=office.clock.new_id(),
                content_key=f"notice {age}",
                mails=[replace(each, id=ids[each.id]) for each in notices],
                deliveries=[replace(each, id=ids[each.id], mail_id=ids[each.mail_id]) for each in ends],
                entries=[],
            )
            await office.store.accept(told)
        found = [
            sorted(
                (row.delivery.settled_at, row.notice)
                for row in await operations.bounces(shop, since=operations.since(since))
            )
            for since in (None, timedelta(days=1), timedelta(days=30))
        ]
        moments = [(now - age, "") for age in reversed(ages)]
        assert found == [moments[1:], moments[2:], moments]

    with_office(tmp_path, story)
