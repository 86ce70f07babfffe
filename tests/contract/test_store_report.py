"""Reports that come back, mails sent again and the store's keys, in every store engine."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from relay.clock import SECRET_OCTETS
from relay.journal import Event
from relay.store.late_bounce import MOST_REPORTS
from relay.store.query import LIVE
from relay.store.store import Store
from relay.store.values import Accepted, Delivery, DeliveryState, LateBounce, Mail, ReportEffect, Scope
from tests.support.clock import ManualClock
from tests.support.stored import a_hold, accepted, claim, events, settlement, stored_delivery, with_store

MINUTE = timedelta(minutes=1)
GONE = "5.1.1 宛先がありません"


def report(one: Accepted, clock: ManualClock, **more) -> LateBounce:
    """A final report on its first delivery, of an address that is not gone, unless told otherwise."""
    given = {"reply": GONE, "is_final": True, "suppress": False} | more
    return LateBounce(delivery_id=one.deliveries[0].id, now=clock.now(), **given)


def in_state(clock: ManualClock, state: DeliveryState) -> Accepted:
    """A notification whose delivery stands so."""
    lease = {"leased_by": "w/1", "leased_until": clock.now() + MINUTE}
    one = accepted(clock, state=state, **(lease if state is DeliveryState.SENDING else {}))
    settled_at = None if state in LIVE else clock.now()
    return replace(one, deliveries=[replace(one.deliveries[0], settled_at=settled_at)])


@pytest.mark.parametrize("suppress", [False, True])
@pytest.mark.parametrize("state", DeliveryState)
def test_a_final_report_ends_what_has_not_ended_badly(place: Path, state: DeliveryState, suppress) -> None:
    """Delivered, queued and held are bounced by it; while it is sent nothing is written; else noted."""

    async def story(store: Store, clock: ManualClock) -> None:
        one = in_state(clock, state)
        await store.accept(one)
        clock.advance(MINUTE)
        effect = await store.late_bounce(report(one, clock, suppress=suppress))
        after, told = one.deliveries[0], [(Event.REPORTED, "", GONE)]
        match state:
            case DeliveryState.DELIVERED | DeliveryState.QUEUED | DeliveryState.HELD:
                after = replace(
                    after, state=DeliveryState.BOUNCED, due_at=None, last_reply=GONE, settled_at=clock.now()
                )
                told = [(Event.LATE_BOUNCED, "", GONE)]
                assert effect is ReportEffect.ENDED
            case DeliveryState.SENDING:
                told = []
                assert effect is ReportEffect.SENDING
            case DeliveryState.BOUNCED | DeliveryState.DISCARDED:
                assert effect is ReportEffect.NOTED
        assert await stored_delivery(store, one) == after
        holds = await store.holds()
        if suppress and effect is ReportEffect.ENDED:
            [hold] = holds
            assert (hold.scope, hold.value, hold.reason, hold.by) == (
                Scope.ADDRESS,
                "orders@partner.example.jp",
                GONE,
                "relay",
            )
            told.append(
                (Event.SUPPRESSED, "relay", f"hold {hold.id} on address orders@partner.example.jp: {GONE}")
            )
        else:
            assert holds == []
        assert await events(store, delivery_id=one.deliveries[0].id) == told

    with_store(place, story)


@pytest.mark.parametrize("state", DeliveryState)
def test_a_report_that_is_not_final_ends_nothing(place: Path, state: DeliveryState) -> None:
    """A delay, a success, an automatic answer: in the journal, and nowhere else."""

    async def story(store: Store, clock: ManualClock) -> None:
        one = in_state(clock, state)
        await store.accept(one)
        effect = await store.late_bounce(report(one, clock, is_final=False, reply="4.4.1 遅れています"))
        assert effect is ReportEffect.NOTED
        assert await stored_delivery(store, one) == one.deliveries[0]
        assert await events(store, delivery_id=one.deliveries[0].id) == [
            (Event.REPORTED, "", "4.4.1 遅れています")
        ]

    with_store(place, story)


def test_a_report_on_what_is_not_there_changes_nothing(place: Path) -> None:
    """No such delivery: it says so, and writes no entry."""

    async def story(store: Store, clock: ManualClock) -> None:
        effect = await store.late_bounce(report(accepted(clock), clock, suppress=True))
        assert effect is ReportEffect.UNKNOWN
        assert (await events(store), await store.holds()) == ([], [])

    with_store(place, story)


@pytest.mark.parametrize("final", [False, True])
def test_the_same_report_again_changes_nothing(place: Path, final: bool) -> None:
    """At once or after a person lifted the suppression: once written, once done."""

    async def story(store: Store, clock: ManualClock) -> None:
        one = in_state(clock, DeliveryState.DELIVERED)
        await store.accept(one)
        said = report(one, clock, is_final=final, suppress=final)
        effects = await asyncio.gather(*(store.late_bounce(said) for _ in range(5)))
        first = ReportEffect.ENDED if final else ReportEffect.NOTED
        assert effects == [first, *[ReportEffect.KNOWN] * 4]
        for hold in await store.holds():
            await store.lift_hold(hold.id, now=clock.now(), by="店長")
        before = await events(store, delivery_id=one.deliveries[0].id)
        assert await store.late_bounce(said) is ReportEffect.KNOWN
        assert await events(store, delivery_id=one.deliveries[0].id) == before
        assert len(before) == (2 if final else 1)
        assert await store.holds() == []

    with_store(place, story)


def test_after_a_retry_the_same_words_are_a_new_report(place: Path) -> None:
    """A mail that a person had sent again, and that came back again, is bounced again."""

    async def story(store: Store, clock: ManualClock) -> None:
        one = in_state(clock, DeliveryState.DELIVERED)
        await store.accept(one)
        id_ = one.deliveries[0].id
        assert await store.late_bounce(report(one, clock)) is ReportEffect.ENDED
        assert await store.retry(id_, now=clock.now(), by="店長")
        await claim(store, clock)
        assert await store.settle(settlement(one, worker="w/1", at=clock.now()))
        assert await store.late_bounce(report(one, clock)) is ReportEffect.ENDED
        assert (await stored_delivery(store, one)).state is DeliveryState.BOUNCED
        assert [event for event, _, _ in await events(store, delivery_id=id_)] == [
            Event.LATE_BOUNCED,
            Event.RETRIED,
            Event.DELIVERED,
            Event.LATE_BOUNCED,
        ]

    with_store(place, story)


def test_a_machine_that_answers_without_end_is_written_down_so_often_and_no_more(place: Path) -> None:
    """The bound holds for what ends nothing; a final report is heard after it too."""

    async def story(store: Store, clock: ManualClock) -> None:
        one = in_state(clock, DeliveryState.DELIVERED)
        await store.accept(one)
        id_ = one.deliveries[0].id
        for number in range(MOST_REPORTS + 5):
            effect = await store.late_bounce(report(one, clock, is_final=False, reply=f"不在 {number}"))
            assert effect is (ReportEffect.NOTED if number < MOST_REPORTS else ReportEffect.KNOWN)
        assert len(await events(store, delivery_id=id_)) == MOST_REPORTS
        assert await store.late_bounce(report(one, clock)) is ReportEffect.ENDED
        assert (await events(store, delivery_id=id_))[-1] == (Event.LATE_BOUNCED, "", GONE)

    with_store(place, story)


@pytest.mark.parametrize("state", [DeliveryState.DELIVERED, DeliveryState.QUEUED])
def test_a_report_that_meets_a_running_attempt_ends_the_delivery_when_it_comes_again(
    place: Path, state: DeliveryState
) -> None:
    """A filter reports before its server has answered us: the worker settles, and the repeat is final."""

    async def story(store: Store, clock: ManualClock) -> None:
        one = accepted(clock)
        await store.accept(one)
        await claim(store, clock)
        said = report(one, clock, suppress=True)
        assert await store.late_bounce(said) is ReportEffect.SENDING
        assert await store.holds() == []
        due_at = clock.now() if state is DeliveryState.QUEUED else None
        assert await store.settle(settlement(one, worker="w/1", at=clock.now(), state=state, due_at=due_at))
        assert await store.late_bounce(said) is ReportEffect.ENDED
        assert await store.late_bounce(said) is ReportEffect.KNOWN
        after = await stored_delivery(store, one)
        assert (after.state, after.last_reply) == (DeliveryState.BOUNCED, GONE)
        assert [hold.value for hold in await store.holds()] == ["orders@partner.example.jp"]

    with_store(place, story)


def test_a_retried_failure_is_told_of_again_when_it_fails_again(place: Path) -> None:
    """Retrying a bounced delivery forgets that its failure was told."""

    async def story(store: Store, clock: ManualClock) -> None:
        one = in_state(clock, DeliveryState.BOUNCED)
        one = replace(one, deliveries=[replace(one.deliveries[0], noticed="failure")])
        await store.accept(one)
        assert await store.retry(one.deliveries[0].id, now=clock.now(), by="店長")
        assert (await stored_delivery(store, one)).noticed == ""

    with_store(place, story)


# Sending again


def again(one: Accepted, clock: ManualClock) -> tuple[Mail, Delivery]:
    """What an operator sends instead: the mail under resent fields, to the same recipient."""
    mail = replace(one.mails[0], id=clock.new_id(), content=b"Resent-To: x\r\n" + one.mails[0].content)
    delivery = Delivery(
        id=clock.new_id(),
        mail_id=mail.id,
        recipient=one.deliveries[0].recipient,
        state=DeliveryState.QUEUED,
        due_at=clock.now(),
        accepted_at=clock.now(),
        resent_of=one.deliveries[0].id,
    )
    return mail, delivery


@pytest.mark.parametrize("state", DeliveryState)
def test_what_has_ended_can_be_sent_again_and_nothing_else(place: Path, state: DeliveryState) -> None:
    """A new mail and delivery beside the old ones, linked both ways; the old one stays as it is."""

    async def story(store: Store, clock: ManualClock) -> None:
        one = in_state(clock, state)
        await store.accept(one)
        clock.advance(MINUTE)
        mail, new = again(one, clock)
        done = await store.resend(
            one.deliveries[0].id, mail=mail, new_delivery=new, now=clock.now(), by="店長"
        )
        found = await store.notification(one.id)
        assert found is not None
        assert done is (state not in LIVE)
        if not done:
            assert found.accepted == one
            return
        assert found.accepted.mails == [*one.mails, mail]
        assert found.accepted.deliveries == [*one.deliveries, new]
        assert await events(store, delivery_id=one.deliveries[0].id) == [
            (Event.RESENT, "店長", f"as {new.id}")
        ]
        assert await events(store, delivery_id=new.id) == [
            (Event.RESENT, "店長", f"of {one.deliveries[0].id}")
        ]
        [due] = await claim(store, clock)
        assert (due.delivery.id, due.content, due.seller_id) == (new.id, mail.content, one.seller_id)

    with_store(place, story)


def test_a_mail_sent_again_meets_the_holds(place: Path) -> None:
    """To an address that is gone it waits for the hold's lifting, and the story says so."""

    async def story(store: Store, clock: ManualClock) -> None:
        one = in_state(clock, DeliveryState.BOUNCED)
        await store.accept(one)
        hold = a_hold(clock, Scope.ADDRESS, "orders@partner.example.jp")
        await store.place_hold(hold)
        mail, new = again(one, clock)
        assert await store.resend(
            one.deliveries[0].id, mail=mail, new_delivery=new, now=clock.now(), by="店長"
        )
        found = await store.delivery(new.id)
        assert found is not None
        assert found.row.delivery == replace(new, state=DeliveryState.HELD, due_at=None, hold_id=hold.id)
        assert [event for event, _, _ in await events(store, delivery_id=new.id)] == [
            Event.RESENT,
            Event.HELD,
        ]
        assert await store.lift_hold(hold.id, now=clock.now(), by="店長") == 1

    with_store(place, story)


def test_of_what_is_not_there_nothing_is_sent_again(place: Path) -> None:
    """No such delivery: False, and neither mail nor delivery is stored."""

    async def story(store: Store, clock: ManualClock) -> None:
        mail, new = again(accepted(clock), clock)
        assert not await store.resend("zz", mail=mail, new_delivery=new, now=clock.now(), by="店長")
        assert await store.delivery(new.id) is None

    with_store(place, story)


# Keys


def test_a_key_is_made_once_and_the_same_for_all_who_ask(place: Path) -> None:
    """Asked for at once, by two handles and after reopening: one key for a name, another for another."""
    keys: list[bytes] = []

    async def ask(store: Store, clock: ManualClock) -> None:
        other = Store.open(place, clock=clock)
        asked = [*(store.secret("返送") for _ in range(5)), *(other.secret("返送") for _ in range(5))]
        keys.extend(await asyncio.gather(*asked))
        await other.close()
        assert len(keys[-1]) == SECRET_OCTETS
        assert await store.secret("別の鍵") != keys[0]

    with_store(place, ask)
    with_store(place, ask)
    assert set(keys) == {keys[0]}
    assert len(keys) == 20
