"""Time that does not run as it should, in every store engine: holds that end too late, clocks set back."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from relay.journal import Event
from relay.store.query import JournalFilter
from relay.store.store import Store
from relay.store.values import Accepted, DeliveryState, Scope
from tests.support.clock import ManualClock
from tests.support.stored import a_hold, accepted, claim, events, settlement, stored_delivery, with_store

MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


def waiting(clock: ManualClock, fresh_for: timedelta | None) -> Accepted:
    """Held for half an hour, and fresh for so long after that."""
    due_at = clock.now() + 30 * MINUTE
    one = accepted(clock, state=DeliveryState.HELD, due_at=due_at)
    fresh_until = None if fresh_for is None else due_at + fresh_for
    return replace(one, deliveries=[replace(one.deliveries[0], fresh_until=fresh_until)])


@pytest.mark.parametrize(
    ("late", "fresh_for", "detail"),
    [
        (timedelta(0), DAY, "its time had come"),
        (4 * MINUTE, DAY, "its time had come"),
        (65 * MINUTE, DAY, "its time had come, 1:05 h late"),
        (DAY, DAY, "its time had come, 24:00 h late"),
        (400 * DAY, None, "its time had come, 9600:00 h late"),
    ],
)
def test_a_hold_that_ends_late_but_fresh_is_released(place: Path, late, fresh_for, detail: str) -> None:
    """Up to its bound, which is fresh still, the mail goes; the journal says by how much it is late."""

    async def story(store: Store, clock: ManualClock) -> None:
        one = waiting(clock, fresh_for)
        await store.accept(one)
        clock.advance(30 * MINUTE + late)
        assert [due.delivery.id for due in await claim(store, clock)] == [one.deliveries[0].id]
        assert await events(store, delivery_id=one.deliveries[0].id) == [(Event.RELEASED, "", detail)]

    with_store(place, story)


def test_a_hold_that_ends_stale_waits_for_a_person_and_is_told_of_once(place: Path) -> None:
    """Nobody could send it when its time came: it is not sent by itself, and a person's release sends it."""

    async def story(store: Store, clock: ManualClock) -> None:
        one = waiting(clock, DAY)
        await store.accept(one)
        clock.advance(30 * MINUTE + DAY + timedelta(microseconds=1))
        for _ in range(2):
            assert await claim(store, clock) == []
        assert await store.next_due(now=clock.now()) is None
        assert await stored_delivery(store, one) == replace(one.deliveries[0], due_at=None)
        id_ = one.deliveries[0].id
        assert await store.release(id_, now=clock.now(), by="店長")
        assert [due.delivery.id for due in await claim(store, clock)] == [id_]
        assert await events(store, delivery_id=id_) == [
            (Event.STALE, "", "its time was 2026-11-21 01:30:00 UTC, nobody could send it then"),
            (Event.RELEASED, "店長", ""),
        ]

    with_store(place, story)


def test_what_is_stale_under_a_standing_hold_does_not_go_when_that_is_lifted(place: Path) -> None:
    """Stale counts first: lifting the hold sends nothing that a person should look at singly."""

    async def story(store: Store, clock: ManualClock) -> None:
        one = waiting(clock, DAY)
        await store.accept(one)
        hold = a_hold(clock, Scope.PARTNER, "cross_mall")
        await store.place_hold(hold)
        clock.advance(3 * DAY)
        assert await claim(store, clock) == []
        assert await store.lift_hold(hold.id, now=clock.now(), by="店長") == 0
        assert await claim(store, clock) == []
        assert [event for event, _, _ in await events(store, delivery_id=one.deliveries[0].id)] == [
            Event.STALE
        ]

    with_store(place, story)


def test_only_a_hold_goes_stale(place: Path) -> None:
    """A retry that comes late is a retry: mails that were tried are not left lying."""

    async def story(store: Store, clock: ManualClock) -> None:
        one = waiting(clock, DAY)
        await store.accept(one)
        assert await store.release(one.deliveries[0].id, now=clock.now(), by="店長")
        clock.advance(30 * DAY)
        assert len(await claim(store, clock)) == 1

    with_store(place, story)


def test_after_the_clock_was_set_back_what_waits_for_no_possible_time_is_due(place: Path) -> None:
    """Queued later than any wait explains: due now, behind what is due anyway, within the claim's bounds."""

    async def story(store: Store, clock: ManualClock) -> None:
        now = clock.now()
        usual = accepted(clock, due_at=now)
        ahead = [accepted(clock, due_at=now + DAY + number * MINUTE) for number in (2, 1)]
        others = [
            accepted(clock, due_at=now + 4 * HOUR),
            accepted(clock, state=DeliveryState.HELD, due_at=now + 30 * DAY),
            accepted(clock, state=DeliveryState.SENDING, leased_by="w/2", leased_until=now + DAY),
        ]
        for one in (*ahead, *others, usual):
            await store.accept(one)
        latest = now + 4 * HOUR
        first = await claim(store, clock, limit=2, latest=latest)
        assert [due.delivery.id for due in first] == [usual.deliveries[0].id, ahead[1].deliveries[0].id]
        rest = await claim(store, clock, latest=latest)
        assert [due.delivery.id for due in rest] == [ahead[0].deliveries[0].id]
        for one in others:
            assert await stored_delivery(store, one) == one.deliveries[0]

    with_store(place, story)


def test_what_came_while_the_clock_was_ahead_counts_as_come_now(place: Path) -> None:
    """Held for an hour from now, not for a year and an hour; a queued one can be late and expire again."""

    async def story(store: Store, clock: ManualClock) -> None:
        clock.jump(365 * DAY)
        timed = waiting(clock, DAY)
        queued = accepted(clock)
        on_its_way = accepted(
            clock, state=DeliveryState.SENDING, leased_by="w/9", leased_until=clock.now() + HOUR
        )
        by_hand = accepted(clock, state=DeliveryState.HELD)
        for one in (timed, queued, on_its_way, by_hand):
            await store.accept(one)
        clock.jump(-365 * DAY)
        now = clock.now()
        [due] = await claim(store, clock, until=now + HOUR)
        assert (due.delivery.id, due.delivery.accepted_at) == (queued.deliveries[0].id, now)
        right = replace(
            timed.deliveries[0],
            accepted_at=now,
            due_at=now + 30 * MINUTE,
            fresh_until=now + 30 * MINUTE + DAY,
        )
        assert await stored_delivery(store, timed) == right
        assert await stored_delivery(store, by_hand) == replace(by_hand.deliveries[0], accepted_at=now)
        assert await stored_delivery(store, on_its_way) == replace(on_its_way.deliveries[0], accepted_at=now)
        assert await events(store, delivery_id=right.id) == [
            (Event.HELD, "", "until 2026-11-21 01:30:00 UTC: it came while the clock was ahead")
        ]
        clock.advance(29 * MINUTE)
        assert await claim(store, clock) == []
        clock.advance(MINUTE)
        assert [each.delivery.id for each in await claim(store, clock, "w/2")] == [right.id]

    with_store(place, story)


def test_a_clock_that_is_set_by_seconds_redates_nothing(place: Path) -> None:
    """Up to a minute ahead is within what clocks differ by."""

    async def story(store: Store, clock: ManualClock) -> None:
        one = waiting(clock, DAY)
        await store.accept(one)
        clock.jump(-MINUTE)
        assert await claim(store, clock) == []
        assert await stored_delivery(store, one) == one.deliveries[0]

    with_store(place, story)


@pytest.mark.parametrize("how", ["queued", "its worker died"])
def test_what_was_let_go_in_time_and_never_tried_goes_stale_too(place: Path, how: str) -> None:
    """Claimed just before a long down time: days later it is not sent by itself, however it waits."""

    async def story(store: Store, clock: ManualClock) -> None:
        one = waiting(clock, DAY)
        await store.accept(one)
        id_ = one.deliveries[0].id
        clock.advance(30 * MINUTE)
        assert [due.delivery.id for due in await claim(store, clock)] == [id_]
        if how == "queued":
            assert await store.hand_back(worker="w/1", now=clock.now(), delivery_ids=[id_]) == 1
        clock.advance(2 * DAY)
        assert await claim(store, clock, "w/2") == []
        assert await stored_delivery(store, one) == replace(one.deliveries[0], due_at=None)
        detail = {
            "queued": "its time was over at 2026-11-22 01:30:00 UTC, nobody could send it until then",
            "its worker died": "w/1 took it and ended; its time was over at 2026-11-22 01:30:00 UTC",
        }
        assert (await events(store, delivery_id=id_))[-1] == (Event.STALE, "", detail[how])
        assert await store.release(id_, now=clock.now(), by="店長")
        clock.advance(2 * DAY)
        assert [due.delivery.id for due in await claim(store, clock)] == [id_]

    with_store(place, story)


def test_what_was_tried_once_is_retried_however_late(place: Path) -> None:
    """The partner has heard of it: from then on the lifetime counts, not the registration's time."""

    async def story(store: Store, clock: ManualClock) -> None:
        one = waiting(clock, DAY)
        await store.accept(one)
        clock.advance(30 * MINUTE)
        await claim(store, clock)
        again_at = clock.now() + HOUR
        end = settlement(
            one, worker="w/1", at=clock.now(), state=DeliveryState.QUEUED, due_at=again_at, reply="451 busy"
        )
        assert await store.settle(end)
        clock.advance(3 * DAY)
        assert len(await claim(store, clock)) == 1

    with_store(place, story)


def test_who_lifts_a_hold_sends_what_it_stopped_in_time(place: Path) -> None:
    """Its time came under the hold, days before the hold was lifted: a person wants it sent."""

    async def story(store: Store, clock: ManualClock) -> None:
        one = waiting(clock, DAY)
        await store.accept(one)
        hold = a_hold(clock, Scope.PARTNER, "cross_mall")
        await store.place_hold(hold)
        clock.advance(30 * MINUTE)
        assert await claim(store, clock) == []
        clock.advance(3 * DAY)
        assert await store.lift_hold(hold.id, now=clock.now(), by="店長") == 1
        assert len(await claim(store, clock)) == 1

    with_store(place, story)


def test_without_a_latest_the_future_is_left_alone(place: Path) -> None:
    """Only who knows its own longest wait may call a due time impossible."""

    async def story(store: Store, clock: ManualClock) -> None:
        await store.accept(accepted(clock, due_at=clock.now() + 365 * DAY))
        assert await claim(store, clock) == []

    with_store(place, story)


def test_what_was_dated_by_a_clock_set_back_keeps_domains_and_holds(place: Path) -> None:
    """The look ahead passes over failing domains and meets holds like any claim."""

    async def story(store: Store, clock: ManualClock) -> None:
        for recipient in ("a@dead.example.jp", "a@gone.example.jp"):
            await store.accept(accepted(clock, recipients=[recipient], due_at=clock.now() + DAY))
        await store.place_hold(a_hold(clock, Scope.ADDRESS, "a@gone.example.jp"))
        ask = {"latest": clock.now() + HOUR, "except_domains": ["dead.example.jp"]}
        assert await claim(store, clock, **ask) == []
        assert (await store.live()).deliveries == {
            DeliveryState.HELD: 1,
            DeliveryState.QUEUED: 1,
            DeliveryState.SENDING: 0,
        }

    with_store(place, story)


def test_a_clock_that_jumps_changes_no_order_of_what_happened(place: Path) -> None:
    """The journal tells in the order of writing, whatever the time of day says."""

    async def story(store: Store, clock: ManualClock) -> None:
        one = accepted(clock)
        await store.accept(one)
        clock.jump(-30 * DAY)
        [due] = await claim(store, clock, latest=clock.now() + HOUR)
        earlier = accepted(clock)
        await store.accept(earlier)
        clock.jump(60 * DAY)
        assert await store.settle(settlement(one, worker="w/1", at=clock.now()))
        assert due.delivery.id == one.deliveries[0].id
        assert [(entry.event, entry.notification_id) for entry in await store.journal(JournalFilter())] == [
            (Event.ACCEPTED, one.id),
            (Event.ACCEPTED, earlier.id),
            (Event.DELIVERED, one.id),
        ]
        assert [due.delivery.id for due in await claim(store, clock)] == [earlier.deliveries[0].id]

    with_store(place, story)


def test_a_worker_can_hand_back_for_a_later_time(place: Path) -> None:
    """What waits for a suspended next hop is queued for the next probe, no attempt counted."""

    async def story(store: Store, clock: ManualClock) -> None:
        one = accepted(clock)
        await store.accept(one)
        [due] = await claim(store, clock)
        later = clock.now() + 10 * MINUTE
        assert (
            await store.hand_back(worker="w/1", now=clock.now(), due_at=later, delivery_ids=[due.delivery.id])
            == 1
        )
        assert await stored_delivery(store, one) == replace(one.deliveries[0], due_at=later)
        assert await claim(store, clock) == []

    with_store(place, story)
