"""What every store engine must keep: taking in, delivering, the operator's verbs, and what can be asked."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from relay.errors import BadInput, MachineFailure
from relay.journal import Entry, Event
from relay.store.query import (
    LIVE,
    MAX_LISTING,
    SHAPE_AGES,
    DeliveryFilter,
    DeliveryRow,
    JournalFilter,
    QuarantineFilter,
    QuarantineRow,
    ShapeRow,
)
from relay.store.store import Store
from relay.store.values import Accepted, DeliveryState, Due, Duplicate, QuarantineState
from tests.support.clock import ManualClock
from tests.support.counted import counts
from tests.support.stored import CONTENT, accepted, claim, events, kept, kept_entry, settlement, with_store

MINUTE = timedelta(minutes=1)


async def state_of(store: Store, one: Accepted, number: int = 0) -> DeliveryState:
    story = await store.delivery(one.deliveries[number].id)
    assert story is not None
    return story.row.delivery.state


# Taking in


def test_what_is_accepted_is_found_again_whole_after_reopening(place: Path) -> None:
    """Every field of a notification and of all that it causes comes back as it went in."""
    written: list[Accepted] = []

    async def write(store: Store, clock: ManualClock) -> None:
        one = accepted(clock, event_id="出来事1", recipients=("a@x.example.jp", "b@y.example.jp"))
        item = kept(clock, notification_id=one.id, registration="登録9")
        one = replace(
            one, quarantined=[item], entries=[*one.entries, replace(kept_entry(item), notification_id=one.id)]
        )
        assert await store.accept(one) is one
        written.append(one)

    async def read(store: Store, _: ManualClock) -> None:
        story = await store.notification(written[0].id)
        assert story is not None
        assert story.accepted == written[0]
        assert [row.delivery for row in story.rows] == written[0].deliveries

    with_store(place, write)
    with_store(place, read)


@pytest.mark.parametrize(
    ("event_id", "content_key", "seller_id", "answer"),
    [
        ("e1", "内容1", "例題商店", True),
        ("e1", "内容2", "例題商店", False),
        ("e2", "内容1", "例題商店", True),
        (None, "内容1", "例題商店", True),
        ("e2", "内容2", "例題商店", None),
        ("e1", "内容2", "見本書店", None),
        (None, "内容2", "例題商店", None),
    ],
)
def test_a_duplicate_is_known_by_event_or_content(
    place: Path, event_id, content_key, seller_id, answer
) -> None:
    """The same seller's event or the same content is a duplicate; another seller's event is not."""

    async def story(store: Store, clock: ManualClock) -> None:
        first = accepted(clock, event_id="e1", content_key="内容1")
        again = accepted(clock, event_id=event_id, content_key=content_key, seller_id=seller_id)
        await store.accept(first)
        clock.advance(MINUTE)
        result = await store.accept(again)
        total = await counts(store)
        if answer is None:
            assert result is again
            assert (total.notifications, total.deliveries[DeliveryState.QUEUED]) == (2, 2)
            return
        assert result == Duplicate(of=first.id, same_content=answer)
        assert (total.notifications, total.deliveries[DeliveryState.QUEUED]) == (1, 1)
        detail = "the same content" if answer else "event e1 with other content"
        entry = Entry(
            at=clock.now(),
            event=Event.DUPLICATE,
            seller_id=seller_id,
            notification_id=first.id,
            detail=detail,
        )
        assert await store.journal(JournalFilter()) == [*first.entries, entry]

    with_store(place, story)


def test_notifications_without_event_ids_are_not_duplicates_of_each_other(place: Path) -> None:
    """No event id equals no event id only where the content is the same."""

    async def story(store: Store, clock: ManualClock) -> None:
        for _ in range(3):
            one = accepted(clock)
            assert await store.accept(one) is one

    with_store(place, story)


def test_of_many_that_come_at_once_with_one_event_one_is_taken(place: Path) -> None:
    """Duplicates are recognised inside a batch too, and all point to the one that was taken."""

    async def story(store: Store, clock: ManualClock) -> None:
        many = [accepted(clock, event_id="e", content_key=f"内容{number % 3}") for number in range(150)]
        answers = await asyncio.gather(*(store.accept(one) for one in many))
        taken = [answer for answer in answers if isinstance(answer, Accepted)]
        assert len(taken) == 1
        assert {answer.of for answer in answers if isinstance(answer, Duplicate)} == {taken[0].id}
        assert (await counts(store)).deliveries[DeliveryState.QUEUED] == 1

    with_store(place, story)


def test_a_bad_write_harms_no_other_in_its_batch(place: Path) -> None:
    """A write that breaks a constraint, or cannot be written at all, fails alone and leaves nothing."""

    async def story(store: Store, clock: ManualClock) -> None:
        good = [accepted(clock) for _ in range(30)]
        orphan = accepted(clock)
        orphan = replace(orphan, deliveries=[replace(orphan.deliveries[0], mail_id="no such mail")])
        broken = replace(accepted(clock), document="\ud800")
        asleep = accepted(clock)
        asleep = replace(asleep, deliveries=[replace(asleep.deliveries[0], due_at=None)])
        bad = [orphan, broken, asleep, replace(accepted(clock), id=good[0].id)]
        mixed = [*good[:10], *bad, *good[10:]]
        answers = await asyncio.gather(*(store.accept(one) for one in mixed), return_exceptions=True)
        assert answers[:10] == good[:10]
        assert answers[14:] == good[10:]
        kinds = [type(answer).__name__ for answer in answers[10:14]]
        assert kinds == ["IntegrityError", "UnicodeEncodeError", "IntegrityError", "IntegrityError"]
        assert (await counts(store)).notifications == 30
        assert len(await store.journal(JournalFilter(limit=MAX_LISTING))) == 30

    with_store(place, story)


def test_what_waits_is_written_before_the_store_closes(place: Path) -> None:
    """close() drains: writes that were begun are answered; later calls hear that the store is closed."""

    async def story(store: Store, clock: ManualClock) -> None:
        begun = [asyncio.create_task(store.accept(accepted(clock))) for _ in range(200)]
        await asyncio.sleep(0)
        await store.close()
        assert all(isinstance(answer, Accepted) for answer in await asyncio.gather(*begun))
        with pytest.raises(MachineFailure, match="closed"):
            await store.accept(accepted(clock))
        with pytest.raises(MachineFailure, match="closed"):
            await counts(store)

    async def count(store: Store, _: ManualClock) -> None:
        assert (await counts(store)).notifications == 200

    clock = ManualClock()
    store = Store.open(place, clock=clock)
    asyncio.run(story(store, clock))
    with_store(place, count)


def test_more_callers_than_may_wait_are_all_served(place: Path) -> None:
    """Back-pressure delays callers; it refuses nobody."""

    async def story(store: Store, clock: ManualClock) -> None:
        many = [accepted(clock) for _ in range(1_500)]
        assert await asyncio.gather(*(store.accept(one) for one in many)) == many

    with_store(place, story)


def test_a_cancelled_caller_leaves_the_others_and_the_store_whole(place: Path) -> None:
    """Whoever stops waiting takes nothing with him."""

    async def story(store: Store, clock: ManualClock) -> None:
        tasks = [asyncio.create_task(store.accept(accepted(clock))) for _ in range(20)]
        await asyncio.sleep(0)
        tasks[7].cancel()
        answers = await asyncio.gather(*tasks, return_exceptions=True)
        assert [number for number, answer in enumerate(answers) if not isinstance(answer, Accepted)] == [7]
        one = accepted(clock)
        assert await store.accept(one) is one

    with_store(place, story)


# Delivering


def test_a_claim_takes_what_is_due_longest_due_first(place: Path) -> None:
    """Queued and held deliveries whose time has come are leased; the future and the open hold are not."""

    async def story(store: Store, clock: ManualClock) -> None:
        now = clock.now()
        late = accepted(clock, due_at=now - 5 * MINUTE)
        fresh = accepted(clock)
        ended_hold = accepted(clock, state=DeliveryState.HELD, due_at=now - MINUTE)
        others = [
            accepted(clock, due_at=now + MINUTE),
            accepted(clock, state=DeliveryState.HELD),
            accepted(clock, state=DeliveryState.HELD, due_at=now + MINUTE),
            accepted(clock, state=DeliveryState.SENDING, leased_by="w/2", leased_until=now + MINUTE),
        ]
        for one in (fresh, ended_hold, *others, late):
            await store.accept(one)
        until = now + 10 * MINUTE
        due = await claim(store, clock, until=until)
        assert due == [
            Due(
                delivery=replace(
                    one.deliveries[0], state=DeliveryState.SENDING, leased_by="w/1", leased_until=until
                ),
                message_id=one.mails[0].message_id,
                content=CONTENT,
                notification_id=one.id,
                seller_id="例題商店",
                partner="cross_mall",
            )
            for one in (late, ended_hold, fresh)
        ]
        stored = await store.delivery(late.deliveries[0].id)
        assert stored is not None
        assert stored.row.delivery == due[0].delivery
        assert await claim(store, clock) == []
        assert await events(store, delivery_id=late.deliveries[0].id) == []
        assert await events(store, delivery_id=ended_hold.deliveries[0].id) == [
            (Event.RELEASED, "", "its time had come")
        ]

    with_store(place, story)


def test_a_claim_is_bounded_in_number_and_octets_but_takes_one(place: Path) -> None:
    """The limit and the octets hold; a mail larger than the octets is taken alone, not left."""

    async def story(store: Store, clock: ManualClock) -> None:
        for _ in range(8):
            await store.accept(accepted(clock, content=b"x" * 100))
        taken = [
            len(await claim(store, clock, limit=3)),
            len(await claim(store, clock, octets=250)),
            len(await claim(store, clock, octets=10)),
            len(await claim(store, clock)),
        ]
        assert taken == [3, 2, 1, 2]

    with_store(place, story)


def test_a_claim_can_leave_domains_for_later(place: Path) -> None:
    """One dead next hop's deliveries, however many and old, do not stand in the way of the others."""

    async def story(store: Store, clock: ManualClock) -> None:
        for _ in range(5):
            await store.accept(
                accepted(clock, recipients=("a@Dead.example.jp",), due_at=clock.now() - MINUTE)
            )
        await store.accept(accepted(clock, recipients=("a@alive.example.jp",)))
        due = await claim(store, clock, limit=2, except_domains=["dead.example.jp"])
        assert [one.delivery.recipient for one in due] == ["a@alive.example.jp"]
        assert len(await claim(store, clock, limit=10)) == 5

    with_store(place, story)


def test_claims_at_once_share_nothing(place: Path) -> None:
    """However many workers claim together, each delivery is leased to one."""

    async def story(store: Store, clock: ManualClock) -> None:
        for _ in range(40):
            await store.accept(accepted(clock))
        claims = await asyncio.gather(
            *(claim(store, clock, worker=f"w/{number}", limit=7) for number in range(10))
        )
        ids = [due.delivery.id for due_of_one in claims for due in due_of_one]
        assert len(ids) == len(set(ids)) == 40

    with_store(place, story)


def test_settling_writes_the_result_and_ends_the_lease(place: Path) -> None:
    """Delivered, bounced and deferred each leave the row and one entry as they should be."""

    async def story(store: Store, clock: ManualClock) -> None:
        three = [accepted(clock) for _ in range(3)]
        for one in three:
            await store.accept(one)
        await claim(store, clock)
        clock.advance(MINUTE)
        now = clock.now()
        later = now + 5 * MINUTE
        ends = [
            (DeliveryState.DELIVERED, None, "250 受け取りました", now),
            (DeliveryState.BOUNCED, None, "550 5.1.1 no such user", now),
            (DeliveryState.QUEUED, later, "451 4.3.0 try later", None),
        ]
        for one, (state, due_at, reply, settled_at) in zip(three, ends, strict=True):
            done = settlement(one, worker="w/1", at=now, state=state, due_at=due_at, reply=reply)
            assert await store.settle(done)
            found = await store.delivery(one.deliveries[0].id)
            assert found is not None
            assert found.row.delivery == replace(
                one.deliveries[0],
                state=state,
                due_at=due_at,
                attempts=1,
                last_reply=reply,
                settled_at=settled_at,
            )
            assert found.entries == [*one.entries, done.entry]
        assert await store.next_due(now=now) == later

    with_store(place, story)


def test_only_the_holder_of_the_lease_settles_and_only_once(place: Path) -> None:
    """A stranger, a worker whose lease was taken over, and a second settlement change nothing."""

    async def story(store: Store, clock: ManualClock) -> None:
        one = accepted(clock)
        await store.accept(one)
        assert not await store.settle(settlement(one, worker="w/1", at=clock.now()))
        await claim(store, clock, worker="w/1", until=clock.now() + MINUTE)
        assert not await store.settle(settlement(one, worker="w/2", at=clock.now()))
        clock.advance(2 * MINUTE)
        assert len(await claim(store, clock, worker="w/2")) == 1
        assert not await store.settle(settlement(one, worker="w/1", at=clock.now()))
        answers = await asyncio.gather(
            *(store.settle(settlement(one, worker="w/2", at=clock.now(), reply=f"250 {n}")) for n in range(3))
        )
        assert sorted(answers) == [False, False, True]
        assert not await store.settle(settlement(one, worker="w/2", at=clock.now()))
        assert [event for event, _, _ in await events(store, delivery_id=one.deliveries[0].id)] == [
            Event.RECOVERED,
            Event.DELIVERED,
        ]

    with_store(place, story)


def test_a_lease_that_ended_can_still_be_settled_while_nobody_took_it(place: Path) -> None:
    """A slow worker whose mail has gone out says so, and the mail is not sent again."""

    async def story(store: Store, clock: ManualClock) -> None:
        one = accepted(clock)
        await store.accept(one)
        await claim(store, clock, until=clock.now() + MINUTE)
        clock.advance(5 * MINUTE)
        assert await store.settle(settlement(one, worker="w/1", at=clock.now()))
        assert await claim(store, clock, worker="w/2") == []

    with_store(place, story)


def test_a_dead_workers_deliveries_are_taken_over_and_the_journal_says_so(place: Path) -> None:
    """An ended lease is due for anybody, and leaves a RECOVERED entry that names the former holder."""

    async def story(store: Store, clock: ManualClock) -> None:
        one = accepted(
            clock, state=DeliveryState.SENDING, leased_by="死んだ/1", leased_until=clock.now() + MINUTE
        )
        await store.accept(one)
        assert await claim(store, clock) == []
        clock.advance(MINUTE)
        assert [due.delivery.id for due in await claim(store, clock)] == [one.deliveries[0].id]
        assert await events(store, delivery_id=one.deliveries[0].id) == [
            (Event.RECOVERED, "", "the lease of 死んだ/1 had ended")
        ]

    with_store(place, story)


def test_a_worker_that_starts_takes_its_own_old_leases_back(place: Path) -> None:
    """recover() queues what stands under the worker's own name, at once, and nothing of another's."""

    async def story(store: Store, clock: ManualClock) -> None:
        until = clock.now() + 10 * MINUTE
        mine, others = (
            accepted(clock, state=DeliveryState.SENDING, leased_by=worker, leased_until=until)
            for worker in ("w/1", "w/11")
        )
        await store.accept(mine)
        await store.accept(others)
        clock.advance(MINUTE)
        assert await store.recover(worker="w/1", now=clock.now()) == 1
        assert await store.recover(worker="w/1", now=clock.now()) == 0
        found = await store.delivery(mine.deliveries[0].id)
        assert found is not None
        assert found.row.delivery == replace(
            mine.deliveries[0],
            state=DeliveryState.QUEUED,
            due_at=clock.now(),
            leased_by="",
            leased_until=None,
        )
        assert await state_of(store, others) is DeliveryState.SENDING
        assert await events(store, events=[Event.RECOVERED]) == [
            (Event.RECOVERED, "", "w/1 ended before it had settled it")
        ]

    with_store(place, story)


def test_a_worker_hands_back_what_it_did_not_try(place: Path) -> None:
    """Handed back: queued, due now, no attempt counted, no entry, and only what the worker named and held."""

    async def story(store: Store, clock: ManualClock) -> None:
        three = [accepted(clock) for _ in range(3)]
        for one in three:
            await store.accept(one)
        await claim(store, clock, limit=2)
        ids = [one.deliveries[0].id for one in three]
        assert await store.hand_back(worker="w/2", now=clock.now(), delivery_ids=ids) == 0
        assert await store.hand_back(worker="w/1", now=clock.now(), delivery_ids=ids[1:]) == 1
        assert [await state_of(store, one) for one in three] == [
            DeliveryState.SENDING,
            DeliveryState.QUEUED,
            DeliveryState.QUEUED,
        ]
        assert await store.journal(JournalFilter()) == [entry for one in three for entry in one.entries]

    with_store(place, story)


def test_an_extended_lease_is_not_taken_over(place: Path) -> None:
    """extend() moves the end of what the worker holds, and of nothing else."""

    async def story(store: Store, clock: ManualClock) -> None:
        two = [accepted(clock) for _ in range(2)]
        for one in two:
            await store.accept(one)
        await claim(store, clock, until=clock.now() + MINUTE)
        ids = [one.deliveries[0].id for one in two]
        until = clock.now() + 5 * MINUTE
        assert await store.extend(worker="w/2", until=until, delivery_ids=ids) == 0
        assert await store.extend(worker="w/1", until=until, delivery_ids=ids[:1]) == 1
        clock.advance(2 * MINUTE)
        assert [due.delivery.id for due in await claim(store, clock, worker="w/2")] == ids[1:]
        assert await store.next_due(now=clock.now()) == until

    with_store(place, story)


def test_the_next_due_time_is_the_first_of_due_times_and_lease_ends(place: Path) -> None:
    """Nothing, an open hold: none; else the earliest, and never before now."""

    async def story(store: Store, clock: ManualClock) -> None:
        now = clock.now()
        seen = [await store.next_due(now=now)]
        for one in (
            accepted(clock, state=DeliveryState.HELD),
            accepted(clock, due_at=now + 9 * MINUTE),
            accepted(clock, state=DeliveryState.SENDING, leased_by="w", leased_until=now + 7 * MINUTE),
            accepted(clock, state=DeliveryState.HELD, due_at=now + 5 * MINUTE),
            accepted(clock, due_at=now - MINUTE),
        ):
            await store.accept(one)
            seen.append(await store.next_due(now=now))
        assert seen == [None, None, now + 9 * MINUTE, now + 7 * MINUTE, now + 5 * MINUTE, now]

    with_store(place, story)


# The operator's verbs


@pytest.mark.parametrize(
    ("verb", "event", "made"),
    [
        ("release", Event.RELEASED, {DeliveryState.HELD: DeliveryState.QUEUED}),
        (
            "retry",
            Event.RETRIED,
            {DeliveryState.QUEUED: DeliveryState.QUEUED, DeliveryState.BOUNCED: DeliveryState.QUEUED},
        ),
        (
            "discard",
            Event.DISCARDED,
            {DeliveryState.HELD: DeliveryState.DISCARDED, DeliveryState.QUEUED: DeliveryState.DISCARDED},
        ),
        ("hold", Event.HELD, {DeliveryState.QUEUED: DeliveryState.HELD}),
    ],
)
def test_a_verb_applies_to_its_states_and_to_no_other(place: Path, verb: str, event: Event, made) -> None:
    """Each verb on each state: what it makes, what it leaves alone, and what the journal says."""

    async def story(store: Store, clock: ManualClock) -> None:
        then = clock.now()
        for state in DeliveryState:
            one = accepted(clock, state=DeliveryState.HELD, due_at=then + 60 * MINUTE)
            sending = state is DeliveryState.SENDING
            before = replace(
                one.deliveries[0],
                state=state,
                due_at=then + 60 * MINUTE if state in LIVE else None,
                leased_by="w/1" if sending else "",
                leased_until=then + MINUTE if sending else None,
                settled_at=None if state in LIVE else then,
            )
            await store.accept(replace(one, deliveries=[before]))
            clock.advance(MINUTE)
            applied = await getattr(store, verb)(before.id, now=clock.now(), by="店長")
            after = before
            if state in made:
                queued = made[state] is DeliveryState.QUEUED
                after = replace(
                    before,
                    state=made[state],
                    due_at=clock.now() if queued else None,
                    settled_at=clock.now() if made[state] is DeliveryState.DISCARDED else None,
                )
            found = await store.delivery(before.id)
            assert found is not None
            assert (state, applied, found.row.delivery) == (state, state in made, after)
            assert await events(store, delivery_id=before.id) == ([(event, "店長", "")] if applied else [])
        assert not await getattr(store, verb)("no such id", now=clock.now(), by="店長")

    with_store(place, story)


def test_one_of_two_verbs_at_once_applies(place: Path) -> None:
    """Five people release one delivery at the same moment: four are told that it did not apply."""

    async def story(store: Store, clock: ManualClock) -> None:
        one = accepted(clock, state=DeliveryState.HELD)
        await store.accept(one)
        id_ = one.deliveries[0].id
        answers = await asyncio.gather(*(store.release(id_, now=clock.now(), by=f"係{n}") for n in range(5)))
        assert sorted(answers) == [False] * 4 + [True]
        assert len(await events(store, delivery_id=id_)) == 1

    with_store(place, story)


# Quarantine


def test_a_quarantined_mail_is_kept_listed_and_settled_once(place: Path) -> None:
    """It comes back whole, a listing leaves its content out, and only the first decision on it counts."""

    async def story(store: Store, clock: ManualClock) -> None:
        items = [kept(clock) for _ in range(3)]
        for item in items:
            await store.quarantine(item, kept_entry(item))
        listed = [QuarantineRow(item=replace(item, content=b""), octets=len(item.content)) for item in items]
        assert await store.quarantined(QuarantineFilter()) == listed[::-1]
        assert await store.quarantined(QuarantineFilter(limit=1, before=items[2].id)) == [listed[1]]
        assert await store.quarantined_mail(items[0].id) == items[0]
        assert await store.quarantined_mail("zz") is None
        clock.advance(MINUTE)
        discarded = QuarantineState.DISCARDED
        ask = {"now": clock.now(), "by": "店長", "detail": "試験のメール"}
        assert await store.settle_quarantine(items[0].id, discarded, **ask)
        assert not await store.settle_quarantine(items[0].id, discarded, **ask)
        assert await store.quarantined_mail(items[0].id) == replace(
            items[0], state=discarded, settled_at=clock.now()
        )
        assert len(await store.quarantined(QuarantineFilter(states=[QuarantineState.KEPT]))) == 2
        assert await events(store, quarantine_id=items[0].id) == [
            (Event.QUARANTINED, "", items[0].reason),
            (Event.DISCARDED, "店長", "試験のメール"),
        ]

    with_store(place, story)


def test_a_replay_takes_in_and_marks_in_one_step_and_once(place: Path) -> None:
    """The notification is stored and the quarantined mail replayed; a second replay does nothing."""

    async def story(store: Store, clock: ManualClock) -> None:
        item = kept(clock)
        await store.quarantine(item, kept_entry(item))
        one, again = accepted(clock), accepted(clock)
        assert await store.replay(item.id, one, now=clock.now(), by="店長") is one
        assert await store.replay(item.id, again, now=clock.now(), by="店長") is None
        assert await store.quarantined_mail(item.id) == replace(
            item, state=QuarantineState.REPLAYED, notification_id=one.id, settled_at=clock.now()
        )
        assert (await counts(store)).notifications == 1
        assert await events(store, quarantine_id=item.id) == [
            (Event.QUARANTINED, "", item.reason),
            (Event.REPLAYED, "店長", ""),
        ]

    with_store(place, story)


def test_a_replay_of_what_is_known_already_sends_nothing_twice(place: Path) -> None:
    """The replayed mail turns out a duplicate: it is marked, names the first, adds no delivery."""

    async def story(store: Store, clock: ManualClock) -> None:
        first = accepted(clock, event_id="e")
        item = kept(clock)
        await store.accept(first)
        await store.quarantine(item, kept_entry(item))
        again = replace(accepted(clock, event_id="f"), content_key=first.content_key)
        answer = await store.replay(item.id, again, now=clock.now(), by="店長")
        assert answer == Duplicate(of=first.id, same_content=True)
        found = await store.quarantined_mail(item.id)
        assert found is not None
        assert (found.state, found.notification_id) == (QuarantineState.REPLAYED, first.id)
        assert (await counts(store)).deliveries[DeliveryState.QUEUED] == 1

    with_store(place, story)


def test_a_replay_of_which_only_the_event_id_is_known_stays_kept(place: Path) -> None:
    """What it says stands nowhere else, so it is not marked as done."""

    async def story(store: Store, clock: ManualClock) -> None:
        first = accepted(clock, event_id="e")
        item = kept(clock)
        await store.accept(first)
        await store.quarantine(item, kept_entry(item))
        answer = await store.replay(item.id, accepted(clock, event_id="e"), now=clock.now(), by="店長")
        assert answer == Duplicate(of=first.id, same_content=False)
        found = await store.quarantined_mail(item.id)
        assert found is not None
        assert (found.state, found.notification_id) == (QuarantineState.KEPT, "")

    with_store(place, story)


def test_a_replay_for_one_registration_adds_to_its_notification(place: Path) -> None:
    """The mail that could not be made joins the notification that it belongs to."""

    async def story(store: Store, clock: ManualClock) -> None:
        one = accepted(clock, event_id="e")
        item = kept(clock, notification_id=one.id, registration="登録2")
        await store.accept(replace(one, quarantined=[item]))
        mended = accepted(clock)
        more = replace(one, mails=mended.mails, deliveries=mended.deliveries, entries=[])
        assert await store.replay(item.id, more, now=clock.now(), by="店長") is more
        story = await store.notification(one.id)
        assert story is not None
        assert story.accepted.mails == [*one.mails, *mended.mails]
        assert [row.delivery for row in story.rows] == [*one.deliveries, *mended.deliveries]

    with_store(place, story)


# What can be asked


def test_deliveries_are_listed_by_every_filter_newest_first(place: Path) -> None:
    """Each filter alone and together; a hostile word is a word; pages join without gap or overlap."""

    async def story(store: Store, clock: ManualClock) -> None:
        a = accepted(clock, recipients=("x@a.example.jp", "y@B.example.jp"))
        b = accepted(clock, seller_id="見本書店", partner="next_engine", recipients=("x@a.example.jp",))
        c = accepted(clock, state=DeliveryState.HELD, recipients=("z@c.example.jp",))
        for one in (a, b, c):
            await store.accept(one)
        all_of_them = [*a.deliveries, *b.deliveries, *c.deliveries]
        ids = {name: one.id for name, one in zip(("a1", "a2", "b", "c"), all_of_them, strict=True)}

        async def listed(**wanted) -> list[str]:
            rows = await store.deliveries(DeliveryFilter(**wanted))
            return [name for row in rows for name, id_ in ids.items() if id_ == row.delivery.id]

        assert await listed() == ["c", "b", "a2", "a1"]
        assert await listed(states=[DeliveryState.HELD, DeliveryState.BOUNCED]) == ["c"]
        assert await listed(seller_id="例題商店") == ["c", "a2", "a1"]
        assert await listed(partner="next_engine") == ["b"]
        assert await listed(recipient="x@a.example.jp") == ["b", "a1"]
        assert await listed(recipient="X@A.Example.jp") == ["b", "a1"]
        assert await listed(recipient="Y@b.example.jp") == ["a2"]
        assert await listed(recipient="x@b.example.jp") == []
        assert await listed(domain="b.example.jp") == ["a2"]
        assert await listed(notification_id=a.id) == ["a2", "a1"]
        assert await listed(seller_id="例題商店", domain="a.example.jp") == ["a1"]
        assert await listed(seller_id="' OR 1=1 --") == []
        assert await listed(limit=3) == ["c", "b", "a2"]
        assert await listed(limit=3, before=ids["a2"]) == ["a1"]
        assert await listed(limit=-1) == ["c"]
        [row] = await store.deliveries(DeliveryFilter(partner="next_engine"))
        mail = b.mails[0]
        assert row == DeliveryRow(
            delivery=b.deliveries[0],
            notification_id=b.id,
            seller_id="見本書店",
            type="order_info",
            pack_no="300000001",
            order_no="",
            registration=mail.registration,
            partner="next_engine",
            template="next_engine/order_info",
            message_id=mail.message_id,
            sender=mail.sender,
            subject=mail.subject,
            octets=len(mail.content),
        )

    with_store(place, story)


def test_an_item_is_found_by_the_beginning_of_its_id(place: Path) -> None:
    """A unique beginning or a whole id finds one, an ambiguous one is refused, a stranger is None."""

    async def story(store: Store, clock: ManualClock) -> None:
        one, two = (replace(accepted(clock), id=id_) for id_ in ("abc1", "abc2"))
        for each in (one, two):
            await store.accept(each)
        for prefix in ("abc2", "abc1"):
            found = await store.notification(prefix)
            assert found is not None
            assert found.accepted.id == prefix
        assert await store.notification("b") is None
        assert await store.notification("ab%") is None
        with pytest.raises(
            BadInput, match=r"more than one notification's id \(type more of it: abc1 or abc2\)"
        ):
            await store.notification("abc")

    with_store(place, story)


def test_the_journal_is_listed_by_every_filter_the_last_ones_oldest_first(place: Path) -> None:
    """Filters by event, subject, seller and time; the limit cuts the oldest."""

    async def story(store: Store, clock: ManualClock) -> None:
        start = clock.now()
        one = accepted(clock)
        await store.accept(one)
        clock.advance(MINUTE)
        two = accepted(clock, seller_id="見本書店")
        await store.accept(two)
        await store.retry(two.deliveries[0].id, now=clock.now(), by="店長")
        everything = await store.journal(JournalFilter())
        assert [entry.event for entry in everything] == [Event.ACCEPTED, Event.ACCEPTED, Event.RETRIED]
        for wanted, expected in [
            (JournalFilter(limit=2), everything[1:]),
            (JournalFilter(events=[Event.RETRIED, Event.HELD]), everything[2:]),
            (JournalFilter(seller_id="見本書店"), everything[1:]),
            (JournalFilter(notification_id=one.id), everything[:1]),
            (JournalFilter(delivery_id=two.deliveries[0].id), everything[2:]),
            (JournalFilter(until=start + MINUTE), everything[:1]),
            (JournalFilter(since=start + MINUTE), everything[1:]),
        ]:
            assert await store.journal(wanted) == expected

    with_store(place, story)


def test_the_shape_counts_live_deliveries_by_domain_state_and_age(place: Path) -> None:
    """Each bound of age parts younger from older, and what is settled is not counted."""

    async def story(store: Store, clock: ManualClock) -> None:
        for age in (timedelta(0), timedelta(minutes=5), timedelta(minutes=7), timedelta(days=3)):
            one = accepted(clock, recipients=("a@A.example.jp",))
            aged = replace(one.deliveries[0], accepted_at=clock.now() - age)
            await store.accept(replace(one, deliveries=[aged]))
        await store.accept(accepted(clock, state=DeliveryState.HELD, recipients=("a@b.example.jp",)))
        await store.accept(accepted(clock, state=DeliveryState.DELIVERED, recipients=("a@b.example.jp",)))
        nothing = (0,) * (len(SHAPE_AGES) - 2)
        assert await store.shape(clock.now()) == [
            ShapeRow(domain="a.example.jp", state=DeliveryState.QUEUED, ages=(1, 2, *nothing[1:], 0, 1)),
            ShapeRow(domain="b.example.jp", state=DeliveryState.HELD, ages=(1, 0, *nothing, 0)),
        ]

    with_store(place, story)
