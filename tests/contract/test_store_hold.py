"""Standing holds, in every store engine: what they stop, what goes on, and what lifting them sends."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from relay.clock import Clock
from relay.journal import Entry, Event
from relay.store.hold import MOST_WHOLE
from relay.store.query import JournalFilter, LiveCounts
from relay.store.store import Store
from relay.store.values import Accepted, Delivery, DeliveryState, Hold, Placed, Scope
from tests.support.clock import ManualClock
from tests.support.counted import counts
from tests.support.stored import (
    a_hold,
    accepted,
    claim,
    events,
    kept,
    kept_entry,
    settlement,
    stored_delivery,
    with_store,
)

MINUTE = timedelta(minutes=1)
TO = "Orders@Partner.example.jp"
SCOPES = [
    (Scope.SELLER, "例題商店"),
    (Scope.PARTNER, "cross_mall"),
    (Scope.NEXT_HOP, "gate.example.jp:25"),
    (Scope.ADDRESS, "orders@partner.example.jp"),
]


def way(domain: str) -> str:
    """Two domains by one gate, all others by their own exchangers."""
    return "gate.example.jp:25" if domain in ("partner.example.jp", "other.example.jp") else domain


def met(clock: Clock, **more) -> Accepted:
    """A notification that every hold of SCOPES is on."""
    return accepted(clock, recipients=(TO,), **more)


def as_notice(one: Accepted) -> Accepted:
    """The same as a notice of ours."""
    return replace(one, mails=[replace(mail, notice="delay") for mail in one.mails])


def strangers(clock: Clock) -> list[Accepted]:
    """For each of SCOPES one that the hold is not on, nearly."""
    return [
        met(clock, seller_id="例題商店2"),
        met(clock, partner="cross_mall2"),
        accepted(clock, recipients=("orders@third.example.jp",)),
        accepted(clock, recipients=("orders@other.example.jp",)),
    ]


def held_by(delivery: Delivery, hold: Hold) -> Delivery:
    """The delivery as a hold leaves it."""
    return replace(
        delivery,
        state=DeliveryState.HELD,
        due_at=None,
        leased_by="",
        leased_until=None,
        hold_id=hold.id,
    )


def word(hold: Hold) -> str:
    return f"hold {hold.id} on {hold.scope} {hold.value}"


@pytest.mark.parametrize(("scope", "value"), SCOPES)
def test_a_hold_stops_what_is_queued_and_nothing_else(place: Path, scope: Scope, value: str) -> None:
    """What it is on becomes held by it and says so; what is being sent, and another's, goes on."""

    async def story(store: Store, clock: ManualClock) -> None:
        mine = [met(clock), met(clock, due_at=clock.now() + 60 * MINUTE)]
        stranger = strangers(clock)[[each for each, _ in SCOPES].index(scope)]
        sending = met(clock, state=DeliveryState.SENDING, leased_by="w/9", leased_until=clock.now() + MINUTE)
        waiting = met(clock, state=DeliveryState.HELD)
        for one in (*mine, stranger, sending, waiting):
            await store.accept(one)
        hold = a_hold(clock, scope, value)
        assert await store.place_hold(hold) == Placed(hold=hold, stopped=2)
        for one in mine:
            assert await stored_delivery(store, one) == held_by(one.deliveries[0], hold)
            assert await events(store, delivery_id=one.deliveries[0].id) == [(Event.HELD, "店長", word(hold))]
        for one in (stranger, sending, waiting):
            assert await stored_delivery(store, one) == one.deliveries[0]
        [due] = await claim(store, clock)
        assert due.delivery.id == stranger.deliveries[0].id
        assert await store.next_due(now=clock.now()) == clock.now() + MINUTE
        assert await store.holds() == [hold]
        assert await events(store, events=[Event.PLACED]) == [
            (Event.PLACED, "店長", f"{word(hold)}: 問い合わせ中")
        ]

    with_store(place, story, way=way)


@pytest.mark.parametrize(("scope", "value"), SCOPES)
def test_what_comes_later_is_held_at_once_and_the_caller_learns_it(
    place: Path, scope: Scope, value: str
) -> None:
    """accept answers what it stored: queued and leased ones held by the hold, with an entry for each."""

    async def story(store: Store, clock: ManualClock) -> None:
        hold = a_hold(clock, scope, value)
        await store.place_hold(hold)
        lease = {"leased_by": "w/1", "leased_until": clock.now() + MINUTE}
        for one in (met(clock), met(clock, state=DeliveryState.SENDING, **lease)):
            entry = Entry(
                at=clock.now(),
                event=Event.HELD,
                seller_id=one.seller_id,
                notification_id=one.id,
                delivery_id=one.deliveries[0].id,
                detail=word(hold),
            )
            stored = replace(
                one, deliveries=[held_by(one.deliveries[0], hold)], entries=[*one.entries, entry]
            )
            assert await store.accept(one) == stored
            found = await store.notification(one.id)
            assert found is not None
            assert found.accepted == stored
        stranger = strangers(clock)[[each for each, _ in SCOPES].index(scope)]
        assert await store.accept(stranger) is stranger
        waiting = met(clock, state=DeliveryState.HELD, due_at=clock.now() + MINUTE)
        assert await store.accept(waiting) is waiting
        clock.advance(MINUTE)
        assert [due.delivery.id for due in await claim(store, clock)] == [stranger.deliveries[0].id]
        assert await stored_delivery(store, waiting) == held_by(waiting.deliveries[0], hold)

    with_store(place, story, way=way)


@pytest.mark.parametrize("others", [0, MOST_WHOLE - 1, MOST_WHOLE, 3 * MOST_WHOLE])
def test_however_many_holds_stand_each_is_found(place: Path, others: int) -> None:
    """Few are read whole, many are looked up: the answer is the same on both sides of the bound."""

    async def story(store: Store, clock: ManualClock) -> None:
        for number in range(others):
            await store.place_hold(a_hold(clock, Scope.ADDRESS, f"gone{number}@partner.example.jp"))
        hold = a_hold(clock, Scope.NEXT_HOP, "gate.example.jp:25")
        await store.place_hold(hold)
        many = [
            accepted(clock, recipients=[f"a{number}.{part}@other.example.jp" for part in range(3)])
            for number in range(40)
        ]
        await asyncio.gather(*(store.accept(one) for one in many))
        last = await stored_delivery(store, many[-1], 2)
        assert last == held_by(many[-1].deliveries[2], hold)
        assert (await counts(store)).deliveries[DeliveryState.HELD] == 120
        if others:
            gone = await store.accept(accepted(clock, recipients=["GONE0@partner.example.jp"]))
            assert isinstance(gone, Accepted)
            holds = {each.id: each.value for each in await store.holds()}
            assert holds[gone.deliveries[0].hold_id] == "gone0@partner.example.jp"

    with_store(place, story, way=way)


def test_what_was_handed_out_before_meets_the_hold_when_it_comes_back(place: Path) -> None:
    """Handed back, recovered, deferred, or its lease ended: nothing of it is sent while the hold stands."""

    async def story(store: Store, clock: ManualClock) -> None:
        four = [met(clock) for _ in range(4)]
        for one in four:
            await store.accept(one)
        ids = [one.deliveries[0].id for one in four]
        await claim(store, clock, limit=3)
        await claim(store, clock, worker="w/2", until=clock.now() + 2 * MINUTE)
        hold = a_hold(clock, Scope.SELLER, "例題商店")
        assert await store.place_hold(hold) == Placed(hold=hold, stopped=0)
        assert await store.hand_back(worker="w/1", now=clock.now(), delivery_ids=ids[:1]) == 1
        deferred = settlement(
            four[1],
            worker="w/1",
            at=clock.now(),
            state=DeliveryState.QUEUED,
            due_at=clock.now() + MINUTE,
            reply="451 4.3.0 later",
        )
        assert await store.settle(deferred)
        assert await store.recover(worker="w/1", now=clock.now()) == 1
        clock.advance(3 * MINUTE)
        assert await claim(store, clock) == []
        states = [await stored_delivery(store, one) for one in four]
        assert states == [
            held_by(four[0].deliveries[0], hold),
            replace(held_by(four[1].deliveries[0], hold), attempts=1, last_reply="451 4.3.0 later"),
            held_by(four[2].deliveries[0], hold),
            held_by(four[3].deliveries[0], hold),
        ]
        assert await events(store, delivery_id=ids[2]) == [
            (Event.RECOVERED, "", "w/1 ended before it had settled it"),
            (Event.HELD, "", word(hold)),
        ]
        assert await store.next_due(now=clock.now()) is None

    with_store(place, story)


def test_a_hold_that_another_process_places_counts_at_once(place: Path) -> None:
    """Placed and lifted through one handle on the store, kept and ended for the other from that commit on."""

    async def story(store: Store, clock: ManualClock) -> None:
        other = Store.open(place, clock=clock)
        queued, fresh = met(clock), met(clock)
        await store.accept(queued)
        hold = a_hold(clock, Scope.PARTNER, "cross_mall")
        assert (await other.place_hold(hold)).stopped == 1
        assert await claim(store, clock) == []
        answer = await store.accept(fresh)
        assert isinstance(answer, Accepted)
        assert answer.deliveries == [held_by(fresh.deliveries[0], hold)]
        assert await other.lift_hold(hold.id, now=clock.now(), by="店長") == 2
        assert len(await claim(store, clock)) == 2
        later = met(clock)
        assert await store.accept(later) is later
        await other.close()

    with_store(place, story)


def test_an_attempt_that_runs_is_left_to_end(place: Path) -> None:
    """The hold comes while the mail is on its way: delivered is delivered."""

    async def story(store: Store, clock: ManualClock) -> None:
        one = met(clock)
        await store.accept(one)
        await claim(store, clock)
        await store.place_hold(a_hold(clock, Scope.ADDRESS, TO))
        assert await store.settle(settlement(one, worker="w/1", at=clock.now()))
        assert (await stored_delivery(store, one)).state is DeliveryState.DELIVERED

    with_store(place, story)


def test_lifting_sends_what_the_hold_stopped_and_nothing_else(place: Path) -> None:
    """Queued, due now, with who lifted it; what a person or another hold stopped stays; again: None."""

    async def story(store: Store, clock: ManualClock) -> None:
        mine, single, others = met(clock), met(clock), met(clock, seller_id="見本書店")
        for one in (mine, single, others):
            await store.accept(one)
        assert await store.hold(single.deliveries[0].id, now=clock.now(), by="係")
        hold, other = a_hold(clock, Scope.SELLER, "例題商店"), a_hold(clock, Scope.SELLER, "見本書店")
        await store.place_hold(hold)
        await store.place_hold(other)
        clock.advance(MINUTE)
        assert await store.lift_hold(hold.id, now=clock.now(), by="副店長") == 1
        assert await store.lift_hold(hold.id, now=clock.now(), by="副店長") is None
        assert await stored_delivery(store, mine) == replace(mine.deliveries[0], due_at=clock.now())
        assert (await stored_delivery(store, single)).state is DeliveryState.HELD
        assert await stored_delivery(store, others) == held_by(others.deliveries[0], other)
        assert await store.holds() == [other]
        assert await events(store, delivery_id=mine.deliveries[0].id) == [
            (Event.HELD, "店長", word(hold)),
            (Event.RELEASED, "副店長", f"{word(hold)} was lifted"),
        ]
        assert await events(store, events=[Event.LIFTED]) == [(Event.LIFTED, "副店長", word(hold))]
        assert [due.delivery.id for due in await claim(store, clock)] == [mine.deliveries[0].id]

    with_store(place, story)


def test_under_two_holds_a_mail_goes_when_both_are_lifted(place: Path) -> None:
    """Lifting one lets it go as far as the next claim, which finds the other."""

    async def story(store: Store, clock: ManualClock) -> None:
        one = met(clock)
        await store.accept(one)
        narrow, wide = a_hold(clock, Scope.ADDRESS, TO), a_hold(clock, Scope.PARTNER, "cross_mall")
        narrow = (await store.place_hold(narrow)).hold
        assert (await store.place_hold(wide)).stopped == 0
        assert await store.lift_hold(narrow.id, now=clock.now(), by="店長") == 1
        assert await claim(store, clock) == []
        assert await stored_delivery(store, one) == held_by(one.deliveries[0], wide)
        assert await store.lift_hold(wide.id, now=clock.now(), by="店長") == 1
        assert len(await claim(store, clock)) == 1

    with_store(place, story)


def test_of_wishes_for_the_same_hold_the_first_stands(place: Path) -> None:
    """Placed again, at once or later, in whatever case: the first is the answer and stops nothing more."""

    async def story(store: Store, clock: ManualClock) -> None:
        await store.accept(met(clock))
        wishes = [a_hold(clock, Scope.ADDRESS, TO) for _ in range(5)]
        answers = await asyncio.gather(*(store.place_hold(wish) for wish in wishes))
        [first] = await store.holds()
        assert first == replace(wishes[[wish.id for wish in wishes].index(first.id)], value=TO.lower())
        assert {answer.hold for answer in answers} == {first}
        assert sorted(answer.stopped for answer in answers) == [0, 0, 0, 0, 1]
        assert len(await events(store, events=[Event.PLACED, Event.HELD])) == 2
        lifted = await asyncio.gather(
            *(store.lift_hold(first.id, now=clock.now(), by=f"係{n}") for n in range(5))
        )
        assert sorted(lifted, key=str) == [1, None, None, None, None]

    with_store(place, story)


def test_a_person_can_discard_what_a_hold_stopped_but_not_release_it_singly(place: Path) -> None:
    """release and retry leave it alone; discard ends it, and lifting the hold afterwards does not send it."""

    async def story(store: Store, clock: ManualClock) -> None:
        one = met(clock)
        await store.accept(one)
        hold = a_hold(clock, Scope.PARTNER, "cross_mall")
        await store.place_hold(hold)
        who = {"now": clock.now(), "by": "店長"}
        id_ = one.deliveries[0].id
        answers = [
            await store.release(id_, **who),
            await store.retry(id_, **who),
            await store.discard(id_, **who),
        ]
        assert answers == [False, False, True]
        assert await store.lift_hold(hold.id, **who) == 0
        assert await stored_delivery(store, one) == replace(
            one.deliveries[0], state=DeliveryState.DISCARDED, due_at=None, settled_at=clock.now()
        )

    with_store(place, story)


def test_a_notice_goes_past_every_hold_but_that_on_its_next_hop(place: Path) -> None:
    """Who must hear of trouble hears of it, whatever a person or a bounce has stopped for orders."""

    async def story(store: Store, clock: ManualClock) -> None:
        one = as_notice(met(clock, partner=""))
        await store.accept(one)
        for scope, value in ((Scope.SELLER, "例題商店"), (Scope.PARTNER, ""), (Scope.ADDRESS, TO)):
            assert (await store.place_hold(a_hold(clock, scope, value))).stopped == 0
        again = as_notice(met(clock, partner=""))
        assert await store.accept(again) is again
        due = await claim(store, clock, limit=1)
        assert [(each.delivery.id, each.is_notice, each.partner) for each in due] == [
            (one.deliveries[0].id, True, "")
        ]
        assert (await store.place_hold(a_hold(clock, Scope.NEXT_HOP, "gate.example.jp:25"))).stopped == 1
        assert await store.accept(later := as_notice(met(clock))) != later
        assert await claim(store, clock) == []

    with_store(place, story, way=way)


@pytest.mark.parametrize("verb", ["release", "retry"])
@pytest.mark.parametrize(("scope", "value"), SCOPES)
def test_what_a_verb_lets_go_a_hold_stops_at_once(place: Path, verb: str, scope: Scope, value: str) -> None:
    """Released or retried under a standing hold: held by that, and the row says so, before any claim."""

    async def story(store: Store, clock: ManualClock) -> None:
        one = met(clock, state=DeliveryState.HELD)
        if verb == "retry":
            one = met(clock)
        await store.accept(one)
        id_ = one.deliveries[0].id
        if verb == "retry":
            [due] = await claim(store, clock)
            assert due.delivery.id == id_
            assert await store.settle(
                settlement(one, worker="w/1", at=clock.now(), state=DeliveryState.BOUNCED, reply="550 no")
            )
        hold = (await store.place_hold(a_hold(clock, scope, value))).hold
        assert await getattr(store, verb)(id_, now=clock.now(), by="店長")
        found = await stored_delivery(store, one)
        assert (found.state, found.due_at, found.hold_id) == (DeliveryState.HELD, None, hold.id)
        event = Event.RELEASED if verb == "release" else Event.RETRIED
        assert (await events(store, delivery_id=id_))[-2:] == [
            (event, "店長", ""),
            (Event.HELD, "", word(hold)),
        ]
        assert await store.lift_hold(hold.id, now=clock.now(), by="店長") == 1
        assert [due.delivery.id for due in await claim(store, clock)] == [id_]

    with_store(place, story, way=way)


def test_the_mark_of_the_holds_differs_whenever_others_stand(place: Path) -> None:
    """Placed, lifted, one for another, also while the clock is set back; mails that come change nothing."""

    async def story(store: Store, clock: ManualClock) -> None:
        marks = [await store.hold_mark()]
        first = (await store.place_hold(a_hold(clock, Scope.SELLER, "甲"))).hold
        marks.append(await store.hold_mark())
        last = (await store.place_hold(a_hold(clock, Scope.SELLER, "乙"))).hold
        marks.append(await store.hold_mark())
        clock.jump(-3 * MINUTE)
        await store.lift_hold(first.id, now=clock.now(), by="店長")
        await store.place_hold(a_hold(clock, Scope.SELLER, "丙"))
        marks.append(await store.hold_mark())
        await store.accept(met(clock))
        assert await store.hold_mark() == marks[-1]
        await store.lift_hold(last.id, now=clock.now(), by="店長")
        marks.append(await store.hold_mark())
        assert len(set(marks)) == 5

    with_store(place, story)


def test_what_is_replayed_from_quarantine_meets_holds_too(place: Path) -> None:
    """Taken in anew, or added to its notification: no mail of a held partner goes out by that door."""

    async def story(store: Store, clock: ManualClock) -> None:
        hold = a_hold(clock, Scope.PARTNER, "cross_mall")
        await store.place_hold(hold)
        known = met(clock, partner="next_engine")
        await store.accept(known)
        items = [kept(clock), kept(clock, notification_id=known.id, registration="登録2")]
        for item in items:
            await store.quarantine(item, kept_entry(item))
        mended = met(clock)
        more = replace(known, mails=mended.mails, deliveries=mended.deliveries, entries=[])
        for item, one in ((items[0], met(clock)), (items[1], more)):
            answer = await store.replay(item.id, one, now=clock.now(), by="店長")
            assert isinstance(answer, Accepted)
            assert answer.deliveries == [held_by(one.deliveries[0], hold)]
            assert await stored_delivery(store, answer) == answer.deliveries[0]
            assert (await events(store, delivery_id=one.deliveries[0].id)) == [(Event.HELD, "", word(hold))]

    with_store(place, story)


# Suppression


def test_an_address_that_is_gone_is_held_with_the_bounce_that_says_so(place: Path) -> None:
    """Bounced, suppressed, what waits for it held, in one; the other addresses of the domain go on."""

    async def story(store: Store, clock: ManualClock) -> None:
        first, waiting = met(clock), accepted(clock, recipients=[TO.upper(), "b@partner.example.jp"])
        await store.accept(first)
        await claim(store, clock)
        await store.accept(waiting)
        reply = "550 5.1.1 そのような宛先はありません"
        end = settlement(
            first, worker="w/1", at=clock.now(), state=DeliveryState.BOUNCED, reply=reply, suppress=True
        )
        assert await store.settle(end)
        [hold] = await store.holds()
        assert hold == Hold(
            id=hold.id,
            scope=Scope.ADDRESS,
            value=TO.lower(),
            reason=reply,
            by="relay",
            placed_at=clock.now(),
        )
        assert (await stored_delivery(store, first)).state is DeliveryState.BOUNCED
        assert await events(store, delivery_id=first.deliveries[0].id) == [
            (Event.BOUNCED, "", reply),
            (Event.SUPPRESSED, "relay", f"{word(hold)}: {reply}"),
        ]
        assert await stored_delivery(store, waiting, 0) == held_by(waiting.deliveries[0], hold)
        assert await stored_delivery(store, waiting, 1) == waiting.deliveries[1]
        assert await store.retry(first.deliveries[0].id, now=clock.now(), by="店長")
        assert [due.delivery.recipient for due in await claim(store, clock)] == ["b@partner.example.jp"]
        assert await store.lift_hold(hold.id, now=clock.now(), by="店長") == 2

    with_store(place, story)


def test_who_lost_its_lease_suppresses_nobody(place: Path) -> None:
    """A settlement that does not count places no hold."""

    async def story(store: Store, clock: ManualClock) -> None:
        one = met(clock)
        await store.accept(one)
        end = settlement(one, worker="w/1", at=clock.now(), state=DeliveryState.BOUNCED, suppress=True)
        assert not await store.settle(end)
        assert await store.holds() == []

    with_store(place, story)


def test_many_that_find_an_address_gone_at_once_place_one_hold(place: Path) -> None:
    """Each bounces; the address is suppressed once."""

    async def story(store: Store, clock: ManualClock) -> None:
        many = [met(clock) for _ in range(10)]
        for one in many:
            await store.accept(one)
        await claim(store, clock)
        ends = [
            settlement(one, worker="w/1", at=clock.now(), state=DeliveryState.BOUNCED, suppress=True)
            for one in many
        ]
        assert await asyncio.gather(*(store.settle(end) for end in ends)) == [True] * 10
        assert len(await store.holds()) == 1
        assert len(await store.journal(JournalFilter(events=[Event.SUPPRESSED]))) == 1

    with_store(place, story)


def test_the_live_counts_are_those_of_what_waits(place: Path) -> None:
    """Every live state and scope has its number and its oldest; what has ended counts for nothing."""

    async def story(store: Store, clock: ManualClock) -> None:
        start = clock.now()
        nothing = LiveCounts(
            deliveries=dict.fromkeys([DeliveryState.HELD, DeliveryState.QUEUED, DeliveryState.SENDING], 0),
            oldest=dict.fromkeys([DeliveryState.HELD, DeliveryState.QUEUED, DeliveryState.SENDING]),
            kept_in_quarantine=0,
            holds=dict.fromkeys(Scope, 0),
        )
        assert await store.live() == nothing
        await store.accept(met(clock, state=DeliveryState.DELIVERED))
        await store.accept(met(clock))
        clock.advance(MINUTE)
        for _ in range(2):
            await store.accept(met(clock, state=DeliveryState.HELD))
        item = kept(clock)
        await store.quarantine(item, kept_entry(item))
        await store.place_hold(a_hold(clock, Scope.PARTNER, "next_engine"))
        assert await store.live() == replace(
            nothing,
            deliveries={DeliveryState.HELD: 2, DeliveryState.QUEUED: 1, DeliveryState.SENDING: 0},
            oldest={
                DeliveryState.HELD: start + MINUTE,
                DeliveryState.QUEUED: start,
                DeliveryState.SENDING: None,
            },
            kept_in_quarantine=1,
            holds=dict.fromkeys(Scope, 0) | {Scope.PARTNER: 1},
        )

    with_store(place, story)
