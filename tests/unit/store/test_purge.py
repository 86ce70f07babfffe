"""Purging: what goes, what stays and why, and that it can end anywhere."""

import sqlite3
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from relay.journal import Entry, Event
from relay.store.purge import PurgeCounts, PurgePlace, PurgeRule
from relay.store.query import DeliveryFilter, JournalFilter
from relay.store.store import Store
from relay.store.values import Accepted, DeliveryState, Quarantined, QuarantineState
from tests.support.clock import ManualClock
from tests.support.stored import CONTENT, accepted, kept, kept_entry, with_store

DAY = timedelta(days=1)
AGE = 90 * DAY
RECIPIENTS = ("a@x.example.jp", "b@y.example.jp")


def ended(clock: ManualClock, *changes: dict, **more) -> Accepted:
    """A notification whose deliveries were delivered when it came, each with its changes."""
    one = accepted(clock, recipients=RECIPIENTS[: max(1, len(changes))], **more)
    usual = {"state": DeliveryState.DELIVERED, "due_at": None, "settled_at": clock.now()}
    deliveries = [
        replace(each, **(usual | change))
        for each, change in zip(one.deliveries, changes or ({},), strict=True)
    ]
    return replace(one, deliveries=deliveries)


def settled_item(clock: ManualClock, **more) -> Quarantined:
    """A quarantined mail that a person gave up."""
    return replace(kept(clock), state=QuarantineState.DISCARDED, settled_at=clock.now(), **more)


async def purge_all(store: Store, before: datetime, limit: int = 3) -> PurgeCounts:
    """Step by step to the end."""
    total, place = PurgeCounts(), PurgePlace()
    while place is not None:
        purged = await store.purge(PurgeRule(before=before), place=place, limit=limit, now=before, by="花子")
        total, place = total + purged.counts, purged.place
    return total


def number_of_rows(path: Path) -> dict[str, int]:
    """How many rows every table has, but for the journal's own word on the purge."""
    connection = sqlite3.connect(path)
    tables = ("notification", "mail", "delivery", "quarantine", "journal")
    counts = {name: connection.execute(f"SELECT count(*) FROM {name}").fetchone()[0] for name in tables}
    own = connection.execute("SELECT count(*) FROM journal WHERE event = 'purged'").fetchone()[0]
    connection.close()
    return counts | {"journal": counts["journal"] - own}


def test_what_ended_long_ago_goes_whole_and_is_what_was_announced(tmp_path: Path) -> None:
    """Notifications with mails, deliveries, quarantine and journal: nothing is left, and all is counted."""

    async def story(store: Store, clock: ManualClock) -> None:
        item = settled_item(clock)
        one = ended(clock, {}, {"state": DeliveryState.BOUNCED, "noticed": "failure"}, quarantined=[item])
        item = replace(item, notification_id=one.id)
        one = replace(one, quarantined=[item], entries=[*one.entries, kept_entry(item)])
        alone = settled_item(clock)
        await store.accept(one)
        await store.quarantine(alone, kept_entry(alone))
        for _ in range(7):
            await store.accept(ended(clock))
        expected = await store.purgeable(PurgeRule(before=clock.now() + DAY))
        octets = 9 * len(CONTENT) + 2 * len(item.content) + 8 * len(one.document)
        assert expected == PurgeCounts(
            notifications=8, deliveries=9, quarantined=2, entries=10, octets=octets
        )
        assert await purge_all(store, clock.now() + DAY) == expected
        told = await store.journal(JournalFilter(events=(Event.PURGED,)))
        assert [entry.by for entry in told] == ["花子"] * 4
        assert told[0].detail == (
            "3 notifications with 4 deliveries, 1 in quarantine, ended before 2026-11-22 01:00:00 UTC"
        )
        assert await store.purgeable(PurgeRule(before=clock.now() + DAY)) == PurgeCounts()

    with_store(tmp_path / "x.db", story)
    assert set(number_of_rows(tmp_path / "x.db").values()) == {0}


LIVE = [
    {"state": DeliveryState.HELD, "settled_at": None},
    {"state": DeliveryState.HELD, "settled_at": None, "hold_id": "h"},
]


@pytest.mark.parametrize(
    "change",
    [
        *LIVE,
        {"state": "queued"},
        {"state": "sending"},
        {"settled_at": "late"},
        {"state": DeliveryState.BOUNCED},
        {"state": DeliveryState.BOUNCED, "noticed": "delay"},
    ],
)
def test_one_delivery_that_matters_keeps_all_of_its_notification(tmp_path: Path, change: dict) -> None:
    """Waiting, being sent, ended lately or bounced with nobody told: the sister that ended stays as well."""

    async def story(store: Store, clock: ManualClock) -> None:
        start = clock.now()
        values = {
            "queued": {"state": DeliveryState.QUEUED, "settled_at": None, "due_at": start},
            "sending": {
                "state": DeliveryState.SENDING,
                "settled_at": None,
                "leased_by": "worker-1",
                "leased_until": start,
            },
        }.get(change.get("state"), change)
        if change.get("settled_at") == "late":
            values = {"settled_at": start + AGE}
        one = ended(clock, {}, values)
        await store.accept(one)
        await store.accept(ended(clock))
        clock.advance(AGE)
        assert (await store.purgeable(PurgeRule(before=clock.now()))).notifications == 1
        assert (await purge_all(store, clock.now())).notifications == 1
        found = await store.notification(one.id)
        assert found is not None
        assert found.accepted == one

    with_store(tmp_path / "x.db", story)


def test_bounces_that_nobody_was_told_of_go_only_when_a_person_says_so(tmp_path: Path) -> None:
    """They stay, until they are named; a bounce of a notice is nobody's to be told of, and goes."""

    async def story(store: Store, clock: ManualClock) -> None:
        bounced = {"state": DeliveryState.BOUNCED}
        notice = ended(clock, bounced)
        notice = replace(notice, mails=[replace(mail, notice="failure") for mail in notice.mails])
        await store.accept(ended(clock, bounced))
        await store.accept(notice)
        rule = PurgeRule(before=clock.now() + DAY)
        assert (await store.purgeable(rule)).notifications == 1
        assert (await store.purgeable(replace(rule, with_untold=True))).notifications == 2

    with_store(tmp_path / "x.db", story)


def test_a_mail_that_is_kept_keeps_its_notification(tmp_path: Path) -> None:
    """Kept, or settled lately, in quarantine: both stay, also as mails of no notification."""

    async def story(store: Store, clock: ManualClock) -> None:
        for state, settled_at in (
            (QuarantineState.KEPT, None),
            (QuarantineState.DISCARDED, clock.now() + AGE),
        ):
            one = ended(clock)
            item = replace(kept(clock, notification_id=one.id), state=state, settled_at=settled_at)
            alone = replace(kept(clock), state=state, settled_at=settled_at)
            await store.accept(replace(one, quarantined=[item]))
            await store.quarantine(alone, kept_entry(alone))
        clock.advance(AGE)
        before = number_of_rows(tmp_path / "x.db")
        assert await purge_all(store, clock.now()) == PurgeCounts()
        assert number_of_rows(tmp_path / "x.db") == before

    with_store(tmp_path / "x.db", story)


def test_a_replayed_mail_goes_with_what_it_became(tmp_path: Path) -> None:
    """Its notification still lives: the quarantined original stays, though it was settled long ago."""

    async def story(store: Store, clock: ManualClock) -> None:
        item = kept(clock)
        await store.quarantine(item, kept_entry(item))
        one = accepted(clock)
        await store.replay(item.id, one, now=clock.now(), by="花子")
        clock.advance(AGE)
        assert await purge_all(store, clock.now()) == PurgeCounts()
        await store.discard(one.deliveries[0].id, now=clock.now(), by="花子")
        clock.advance(DAY)
        gone = await purge_all(store, clock.now())
        assert (gone.notifications, gone.quarantined) == (1, 1)

    with_store(tmp_path / "x.db", story)
    assert set(number_of_rows(tmp_path / "x.db").values()) == {0}


def test_a_purge_that_ends_after_any_step_leaves_wholes(tmp_path: Path) -> None:
    """After each step of one id: every row left belongs to a whole notification, and a new purge goes on."""

    async def story(store: Store, clock: ManualClock) -> None:
        ones = [ended(clock, {}, {}) for _ in range(4)]
        for one in ones:
            await store.accept(one)
        before = clock.now() + DAY
        for left in (3, 2, 1, 0):
            await store.purge(PurgeRule(before=before), place=PurgePlace(), limit=1, now=before, by="花子")
            assert number_of_rows(tmp_path / "x.db") == {
                "notification": left,
                "mail": 2 * left,
                "delivery": 2 * left,
                "quarantine": 0,
                "journal": left,
            }
            for one in ones[4 - left :]:
                found = await store.notification(one.id)
                assert found is not None
                assert found.accepted == one

    with_store(tmp_path / "x.db", story)


def test_what_stays_is_not_looked_at_again(tmp_path: Path) -> None:
    """Old ones that are held stand in front: each step goes on behind them and comes to the end."""

    async def story(store: Store, clock: ManualClock) -> None:
        stays = [ended(clock, LIVE[0]) for _ in range(5)]
        for one in [*stays, ended(clock)]:
            await store.accept(one)
        places: list[PurgePlace | None] = [PurgePlace()]
        gone = 0
        while (place := places[-1]) is not None:
            purged = await store.purge(
                PurgeRule(before=clock.now() + DAY), place=place, limit=2, now=clock.now(), by="花子"
            )
            gone += purged.counts.notifications
            places.append(purged.place)
        assert gone == 1
        ids = [one.id for one in stays]
        assert [place and place.notification for place in places[:3]] == ["", ids[1], ids[3]]
        assert len(await store.deliveries(DeliveryFilter())) == 5

    with_store(tmp_path / "x.db", story)


def test_a_repeat_of_what_was_purged_is_new(tmp_path: Path) -> None:
    """Nothing remembers it: the same event is accepted again, as `denrei purge` warns."""

    async def story(store: Store, clock: ManualClock) -> None:
        one = ended(clock, event_id="出来事1", content_key="内容1")
        await store.accept(one)
        await purge_all(store, clock.now() + DAY)
        again = ended(clock, event_id="出来事1", content_key="内容1")
        assert await store.accept(again) == again

    with_store(tmp_path / "x.db", story)


def test_the_journals_numbers_are_given_out_once(tmp_path: Path) -> None:
    """The newest entry is deleted: who follows the journal still sees the entry on the purge, and once."""

    async def story(store: Store, clock: ManualClock) -> None:
        await store.accept(ended(clock))
        tailed = await store.journal_tail(JournalFilter())
        assert [entry.event for entry in tailed.entries] == [Event.ACCEPTED]
        await purge_all(store, clock.now() + DAY)
        next_ = await store.journal_after(tailed.after, JournalFilter())
        assert [entry.event for entry in next_.entries] == [Event.PURGED]
        assert (await store.journal_after(next_.after, JournalFilter())).entries == []

    with_store(tmp_path / "x.db", story)


def test_the_journal_is_followed_by_number_not_by_time(tmp_path: Path) -> None:
    """Entries of a clock that was set back, and more than one answer holds: all come, each once, in order."""

    async def story(store: Store, clock: ManualClock) -> None:
        place = (await store.journal_tail(JournalFilter(limit=1))).after
        written: list[Entry] = []
        for _ in range(12):
            entries = [
                Entry(at=clock.now(), event=Event.HELD, seller_id="例題商店", detail=str(len(written) + n))
                for n in range(100)
            ]
            await store.accept(replace(ended(clock, seller_id="例題商店"), entries=entries))
            written += entries
            clock.jump(-DAY)
        seen: list[Entry] = []
        sizes = []
        while len(seen) < len(written):
            tailed = await store.journal_after(place, JournalFilter(seller_id="例題商店"))
            place = tailed.after
            seen += tailed.entries
            sizes.append(len(tailed.entries))
        assert (seen, sizes) == (written, [1000, 200])
        assert (await store.journal_after(place, JournalFilter(seller_id="別"))).entries == []

    with_store(tmp_path / "x.db", story)
