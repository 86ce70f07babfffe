"""Notices on a real store: what is told when, once, together, and nothing by half, whoever dies."""

import asyncio
import subprocess
import sys
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import structlog

from relay.errors import MachineFailure
from relay.journal import Event
from relay.metrics import Metrics
from relay.notice.letter import MAX_ROWS
from relay.notice.watch import LOOK_SECONDS, MAX_LETTERS, MAX_TOLD
from relay.store.concern import MAX_SILENT, Kind, Outlook
from relay.store.notice import NoticeWrite
from relay.store.query import DeliveryFilter
from relay.store.store import Store
from relay.store.values import DeliveryState, LateBounce, Scope
from tests.support.clock import START, ManualClock
from tests.support.delivering import FaultyStore
from tests.support.stored import a_hold, accepted, claim, events, settlement, stored_delivery, with_store
from tests.support.telling import (
    ENGLISH,
    JAPANESE,
    OPERATORS,
    PARTNERS,
    end,
    notices,
    text_of,
    told,
    tried,
    watch_on,
    writer,
)

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
LATE_1, LATE_2 = (
    "【Denrei】受注メールがまだ届いていません（1件）",
    "【Denrei】受注メールがまだ届いていません（2件）",
)
LOST_1 = "【Denrei】受注メールを配信できませんでした（1件）"
SILENT_1 = "【Denrei】受注メールが届いていない登録があります（1件）"
CONTACT, OPERATOR = "tencho@shop.example.jp", "ops@relay.example.com"
NEVER = "366d"  # so that a test sees one kind of notice


def only(kind, **more):
    """Settings under which only this kind is made within the test's time."""
    quiet = {"delay_after": NEVER, "no_success_after": NEVER}
    wanted = {Kind.DELAY: {"delay_after": "4h"}, Kind.NO_SUCCESS: {"no_success_after": "1d"}}
    return quiet | wanted.get(kind, {}) | more


def everywhere(seller_id, registration):
    """Mail of every registration is expected."""
    return True


def test_a_late_mail_is_told_of_once(tmp_path):
    """After 4 hours, not before, to the seller's contact and the operators; never a second time."""

    async def story(store, clock):
        one = await tried(store, clock)
        watch = watch_on(store, clock, **only(Kind.DELAY))
        clock.advance(4 * HOUR)
        await watch.look()
        assert await told(store) == []
        clock.advance(MINUTE)
        await watch.look()
        made = [("delay", CONTACT, LATE_1), ("delay", OPERATOR, LATE_1)]
        assert await told(store) == made
        for _ in range(3):
            clock.advance(HOUR)
            await watch.look()
        assert await told(store) == made
        assert (await stored_delivery(store, one)).noticed == "delay"
        first, second = await notices(store)
        assert (await events(store, delivery_id=one.deliveries[0].id))[-1] == (
            Event.NOTIFIED,
            "",
            "delay: told the seller's contact and the operators",
        )
        for row, seller in ((first, "例題商店"), (second, "")):
            assert row.seller_id == seller
            assert row.notification_id == one.id
            assert row.delivery.state is DeliveryState.QUEUED
            assert row.delivery.due_at == START + 4 * HOUR + MINUTE
            assert await events(store, delivery_id=row.delivery.id) == [
                (Event.NOTIFIED, "", "a notice of delay, tells of 1")
            ]
        assert "2026-11-22 10:00 ごろ自動で再送します" in await text_of(store, first)

    with_store(tmp_path / "x.db", story)


def test_a_mail_that_got_through_is_not_told_of(tmp_path):
    """Late is only what has not arrived; what a person gave up is told to nobody either."""

    async def story(store, clock):
        await tried(store, clock, DeliveryState.DELIVERED)
        given_up = await tried(store, clock)
        assert await store.discard(given_up.deliveries[0].id, now=clock.now(), by="店長")
        clock.advance(DAY)
        await watch_on(store, clock).look()
        assert await told(store) == []

    with_store(tmp_path / "x.db", story)


def test_a_mail_that_waited_on_purpose_is_late_only_after_it_was_let_go(tmp_path):
    """A hold of twelve hours is no delay, nor is a wait for a person; the time counts from the release."""

    async def story(store, clock):
        held = {"state": DeliveryState.HELD}
        timed = accepted(clock, due_at=clock.now() + 12 * HOUR, **held)
        for_a_person = accepted(clock, **held)
        by_order = accepted(clock, seller_id="止めた店")
        for one in (timed, for_a_person, by_order):
            await store.accept(one)
        await store.place_hold(a_hold(clock, Scope.SELLER, "止めた店"))
        watch = watch_on(store, clock, **only(Kind.DELAY))
        clock.advance(13 * HOUR)
        await end(store, clock, timed, DeliveryState.QUEUED)
        await watch.look()
        assert await told(store) == []
        clock.advance(4 * HOUR)
        await watch.look()
        assert await told(store) == []
        clock.advance(MINUTE)
        await watch.look()
        assert await told(store) == [("delay", CONTACT, LATE_1), ("delay", OPERATOR, LATE_1)]
        assert [(await stored_delivery(store, one)).noticed for one in (timed, for_a_person, by_order)] == [
            "delay",
            "",
            "",
        ]

    with_store(tmp_path / "x.db", story)


def test_what_waits_for_a_person_unasked_is_told_at_once(tmp_path):
    """A mail whose time passed while nobody could send, and one to an address that is gone."""

    async def story(store, clock):
        stale = accepted(clock, state=DeliveryState.HELD, due_at=clock.now() + HOUR)
        fresh_until = clock.now() + 2 * HOUR
        stale = replace(stale, deliveries=[replace(stale.deliveries[0], fresh_until=fresh_until)])
        stopped = accepted(clock)  # let go in time, then held by a person: that is no surprise
        stopped = replace(stopped, deliveries=[replace(stopped.deliveries[0], fresh_until=fresh_until)])
        await store.accept(stopped)
        assert await store.hold(stopped.deliveries[0].id, now=clock.now(), by="店長")
        gone = accepted(clock, recipients=("gone@partner.example.jp",))
        await store.accept(stale)
        await store.accept(gone)
        await store.place_hold(a_hold(clock, Scope.ADDRESS, "gone@partner.example.jp"))
        clock.advance(3 * HOUR)
        assert await claim(store, clock) == []
        found = await store.delayed(accepted_before=clock.now() - 4 * HOUR, now=clock.now(), limit=10)
        assert [(each.delivery_id, each.outlook) for each in found] == [
            (stale.deliveries[0].id, Outlook.STALE),
            (gone.deliveries[0].id, Outlook.SUPPRESSED),
        ]
        await watch_on(store, clock, **only(Kind.DELAY)).look()
        assert await told(store) == [("delay", CONTACT, LATE_2), ("delay", OPERATOR, LATE_2)]
        assert await store.delayed(accepted_before=clock.now() - 4 * HOUR, now=clock.now(), limit=10) == []

    with_store(tmp_path / "x.db", story)


def test_what_failed_is_told_once_for_each_failure(tmp_path):
    """Bounced at once, bounced late, and again after a person had it tried again; late first, then lost."""

    async def story(store, clock):
        watch = watch_on(store, clock, gather="1m", no_success_after=NEVER)
        at_once = await tried(store, clock, DeliveryState.BOUNCED)
        delivered = await tried(store, clock, DeliveryState.DELIVERED)
        await watch.look()
        assert await told(store) == [("failure", CONTACT, LOST_1), ("failure", OPERATOR, LOST_1)]
        late = LateBounce(
            delivery_id=delivered.deliveries[0].id,
            reply="5.2.2 mailbox full",
            is_final=True,
            suppress=False,
            now=clock.now(),
        )
        assert await store.late_bounce(late)
        clock.advance(2 * MINUTE)
        await watch.look()
        assert len(await told(store)) == 4
        assert "5.2.2 mailbox full" in await text_of(store, (await notices(store))[2])
        assert await store.retry(at_once.deliveries[0].id, now=clock.now(), by="店長")
        await end(store, clock, at_once, DeliveryState.QUEUED)
        clock.advance(5 * HOUR)
        await watch.look()
        clock.advance(DAY)
        await end(store, clock, at_once, DeliveryState.BOUNCED)
        await watch.look()
        assert [kind for kind, _, _ in await told(store)] == ["failure"] * 4 + ["delay"] * 2 + ["failure"] * 2
        assert [(await stored_delivery(store, one)).noticed for one in (at_once, delivered)] == [
            "failure"
        ] * 2
        assert await store.failed(limit=10) == []

    with_store(tmp_path / "x.db", story)


def test_what_follows_within_the_gathering_time_is_told_together(tmp_path):
    """The first trouble at once, the next ten in one notice to each reader a quarter of an hour later."""

    async def story(store, clock):
        watch = watch_on(store, clock, contacts={"例題商店": JAPANESE, "b": ENGLISH}, **only(Kind.FAILURE))
        await tried(store, clock, DeliveryState.BOUNCED)
        await watch.look()
        assert [to for _, to, _ in await told(store)] == [CONTACT, OPERATOR]
        for number in range(10):
            clock.advance(MINUTE)
            await tried(store, clock, DeliveryState.BOUNCED, seller_id="b" if number % 2 else "例題商店")
            await watch.look()
        assert len(await told(store)) == 2
        clock.advance(5 * MINUTE)
        await watch.look()
        assert (await told(store))[2:] == [
            ("failure", CONTACT, "【Denrei】受注メールを配信できませんでした（5件）"),
            ("failure", ENGLISH.address, "[Denrei] Order mails could not be delivered (5)"),
            ("failure", OPERATOR, "【Denrei】受注メールを配信できませんでした（10件）"),
        ]

    with_store(tmp_path / "x.db", story)


def test_a_clock_set_back_silences_nobody(tmp_path):
    """A notice that was made "in the future" keeps no later one back."""

    async def story(store, clock):
        watch = watch_on(store, clock, **only(Kind.FAILURE))
        await tried(store, clock, DeliveryState.BOUNCED)
        await watch.look()
        earlier = ManualClock(START - DAY)
        await tried(store, earlier, DeliveryState.BOUNCED)
        await watch_on(store, earlier, **only(Kind.FAILURE)).look()
        assert len(await told(store)) == 4

    with_store(tmp_path / "x.db", story)


def test_a_dead_partner_s_thousands_cost_two_notices_for_each_reader(tmp_path):
    """6,000 late mails: fifty are named and the others counted, in as few rounds as the bound allows."""

    async def story(store, clock):
        for _ in range(6):
            await store.accept(accepted(clock, recipients=["orders@partner.example.jp"] * 1_000))
        watch = watch_on(store, clock, **only(Kind.DELAY))
        clock.advance(5 * HOUR)
        for _ in range(60):
            clock.advance(MINUTE)
            await watch.look()
        first, second = (
            f"【Denrei】受注メールがまだ届いていません（{n}件）" for n in (MAX_TOLD, 6_000 - MAX_TOLD)
        )
        assert await told(store) == [
            ("delay", CONTACT, first),
            ("delay", OPERATOR, first),
            ("delay", CONTACT, second),
            ("delay", OPERATOR, second),
        ]
        text = await text_of(store, (await notices(store))[0])
        assert text.count("管理番号  : ") == MAX_ROWS
        assert f"このほかに{MAX_TOLD - MAX_ROWS}件あります。" in text
        assert all(row.octets < 64 * 1024 for row in await notices(store))

    with_store(tmp_path / "x.db", story)


def test_a_round_writes_to_a_bounded_number_of_sellers(tmp_path):
    """Whoever has no turn has it in the next round; the operators hear of those whose turn it is."""

    async def story(store, clock):
        contacts = {f"s{number:03}": JAPANESE for number in range(MAX_LETTERS + 1)}
        for seller in contacts:
            await store.accept(accepted(clock, seller_id=seller))
        watch = watch_on(store, clock, contacts=contacts, **only(Kind.DELAY))
        clock.advance(5 * HOUR)
        await watch.look()
        assert len(await told(store)) == MAX_LETTERS + 1
        clock.advance(HOUR)
        await watch.look()
        rows = await notices(store)
        assert [row.seller_id for row in rows[-2:]] == [f"s{MAX_LETTERS:03}", ""]
        assert len(rows) == MAX_LETTERS + 3

    with_store(tmp_path / "x.db", story)


def test_a_silent_registration_is_told_of_once_until_it_has_a_success(tmp_path):
    """Tried for a day and nothing arrived: one notice; a success and another silent day: another one."""

    async def story(store, clock):
        watch = watch_on(store, clock, **only(Kind.NO_SUCCESS, gather="1m"))
        first = await tried(store, clock)
        for _ in range(23):
            clock.advance(HOUR)
            await watch.look()
        assert await told(store) == []
        clock.advance(HOUR + MINUTE)
        await watch.look()
        made = [("no_success", CONTACT, SILENT_1), ("no_success", OPERATOR, SILENT_1)]
        assert await told(store) == made
        assert await store.unsuccessful(since=clock.now() - DAY, is_expected=everywhere) == []
        await tried(store, clock)
        clock.advance(2 * DAY)
        await watch.look()
        assert await told(store) == made
        await end(store, clock, first, DeliveryState.DELIVERED)
        clock.advance(MINUTE)
        await tried(store, clock)
        clock.advance(DAY - MINUTE)
        await watch.look()
        assert await told(store) == made
        clock.advance(2 * MINUTE)
        await watch.look()
        assert await told(store) == made * 2
        last = await text_of(store, (await notices(store))[2])
        assert "届いていない数: 1通（2026-11-24 10:02 から）" in last
        assert "最後に届いた日: 2026-11-24 10:01" in last

    with_store(tmp_path / "x.db", story)


def test_those_who_were_told_and_those_not_in_use_do_not_hide_the_others(tmp_path):
    """More silent registrations than one answer holds: the rest follows, past the told and the unused."""

    async def story(store, clock):
        number = MAX_SILENT + 3
        recipients = [f"o{index}@partner.example.jp" for index in range(number)]
        await tried(store, clock, recipients=recipients)
        clock.advance(2 * DAY)
        ask = {"since": clock.now() - DAY, "is_expected": everywhere}
        first = await store.unsuccessful(**ask)
        assert await store.notify(
            NoticeWrite(kind=Kind.NO_SUCCESS, now=clock.now(), gather=MINUTE, silent=first)
        )
        rest = await store.unsuccessful(**ask)
        unused = {each.registration for each in first} | {"登録1"}
        only_others = ask | {"is_expected": lambda seller_id, name: name not in unused}
        assert (len(first), len(rest)) == (MAX_SILENT, 3)
        assert {each.registration for each in [*first, *rest]} == {
            f"登録{index}" for index in range(1, number + 1)
        }
        assert await store.unsuccessful(**only_others) == rest

    with_store(tmp_path / "x.db", story)


def test_a_delay_is_told_of_after_the_clock_was_set_back(tmp_path):
    """Taken in, let go and tried while the clock was ahead: late four hours after it is put right."""

    async def story(store, clock):
        clock.jump(365 * DAY)
        queued = await tried(store, clock)
        released = accepted(clock, state=DeliveryState.HELD, due_at=clock.now())
        await store.accept(released)
        await end(store, clock, released, DeliveryState.QUEUED)
        clock.jump(-365 * DAY)
        assert len(await claim(store, clock, latest=clock.now() + HOUR)) == 2
        watch = watch_on(store, clock, **only(Kind.DELAY))
        clock.advance(4 * HOUR)
        await watch.look()
        assert await told(store) == []
        clock.advance(MINUTE)
        await watch.look()
        assert [row[:2] for row in await told(store)] == [("delay", CONTACT), ("delay", OPERATOR)]
        assert [(await stored_delivery(store, one)).noticed for one in (queued, released)] == ["delay"] * 2

    with_store(tmp_path / "x.db", story)


def test_only_registrations_in_use_that_were_tried_and_had_no_success_are_silent(tmp_path):
    """Not one switched off, not one whose other recipient got its mail, not one that waits untried."""

    async def story(store, clock):
        two = accepted(clock, recipients=("a@partner.example.jp", "b@partner.example.jp"))
        both = [two.mails[0].id] * 2  # one mail of 登録1 to two recipients
        deliveries = [replace(each, mail_id=mail) for each, mail in zip(two.deliveries, both, strict=True)]
        await store.accept(replace(two, mails=two.mails[:1], deliveries=deliveries))
        await claim(store, clock)
        for number, state in enumerate((DeliveryState.DELIVERED, DeliveryState.BOUNCED)):
            assert await store.settle(
                settlement(two, worker="w/1", at=clock.now(), state=state, number=number)
            )
        await store.accept(accepted(clock, seller_id="untried"))
        await tried(store, clock, DeliveryState.BOUNCED, seller_id="off")
        await tried(store, clock, DeliveryState.BOUNCED, seller_id="gone")
        await tried(store, clock, DeliveryState.BOUNCED, seller_id="broken")
        clock.advance(2 * DAY)
        contacts = dict.fromkeys(("例題商店", "untried", "broken"), JAPANESE)
        watch = watch_on(store, clock, contacts=contacts, **only(Kind.NO_SUCCESS))
        await watch_on(
            store, clock, contacts={"off": JAPANESE}, unused=("登録1",), **only(Kind.NO_SUCCESS)
        ).look()
        assert [row.seller_id for row in await notices(store) if row.notice == "no_success"] == []
        await watch.look()
        silent = [row for row in await notices(store) if row.notice == "no_success"]
        assert [row.seller_id for row in silent] == ["broken", ""]

    with_store(tmp_path / "x.db", story)


def test_nothing_is_told_of_a_notice(tmp_path):
    """A notice that is late, or given up, or whose reader never answers, makes no other; the log says so."""

    async def story(store, clock):
        watch = watch_on(store, clock, operators=(), gather="1m")
        await tried(store, clock, DeliveryState.BOUNCED)
        await watch.look()
        clock.advance(2 * DAY)
        await watch.look()
        made = await told(store)
        assert [kind for kind, _, _ in made] == ["failure", "no_success"]
        dues = await claim(store, clock)
        assert {due.delivery.id for due in dues} == {row.delivery.id for row in await notices(store)}
        assert all(due.is_notice for due in dues)
        for due in dues:
            story = await store.delivery(due.delivery.id)
            one = accepted(clock)
            bounced = settlement(
                one, worker="w/1", at=clock.now(), state=DeliveryState.BOUNCED, reply="550 no"
            )
            entry = replace(
                bounced.entry, delivery_id=due.delivery.id, notification_id=story.row.notification_id
            )
            assert await store.settle(replace(bounced, delivery_id=due.delivery.id, entry=entry))
        clock.advance(2 * DAY)
        with structlog.testing.capture_logs() as logs:
            await watch.look()
            clock.advance(2 * DAY)
            await watch.look()
        assert await told(store) == made
        assert [(log["event"], log["delivery"]) for log in logs] == [
            ("a notice could not be delivered", due.delivery.id) for due in dues
        ]
        assert await store.failed(limit=10) == []

    with_store(tmp_path / "x.db", story)


def test_with_nobody_to_tell_the_journal_is_told(tmp_path):
    """No contact, no operator: each failure is written down once, and the log says once what is missing."""

    async def story(store, clock):
        watch = watch_on(store, clock, contacts={"例題商店": None}, operators=(), **only(Kind.FAILURE))
        with structlog.testing.capture_logs() as logs:
            for _ in range(3):
                one = await tried(store, clock, DeliveryState.BOUNCED)
                await watch.look()
                assert (await events(store, delivery_id=one.deliveries[0].id))[-1] == (
                    Event.NOTIFIED,
                    "",
                    "failure: told nobody: no contact and no operator is named",
                )
        assert await told(store) == []
        assert [log["event"] for log in logs if log["log_level"] == "warning"] == ["nobody can be told"]

    with_store(tmp_path / "x.db", story)


def test_a_contact_that_is_the_relay_itself_gets_nothing(tmp_path):
    """A notice to an intake address would come back as a mail that nobody understands."""

    async def story(store, clock):
        watch = watch_on(store, clock, is_own=lambda address: address == CONTACT, **only(Kind.FAILURE))
        with structlog.testing.capture_logs() as logs:
            await tried(store, clock, DeliveryState.BOUNCED)
            await watch.look()
        assert [to for _, to, _ in await told(store)] == [OPERATOR]
        assert logs[0]["event"] == "a seller's contact is the relay itself"

    with_store(tmp_path / "x.db", story)


def test_a_notice_is_counted_once_by_its_kind(tmp_path):
    """However many read it; what is told to nobody is no notice."""

    async def story(store, clock):
        metrics = Metrics()
        await tried(store, clock, DeliveryState.BOUNCED)
        await watch_on(store, clock, metrics=metrics, **only(Kind.FAILURE)).look()
        clock.advance(HOUR)
        await tried(store, clock, DeliveryState.BOUNCED)
        nobody = {"contacts": {}, "operators": ()}
        await watch_on(store, clock, metrics=metrics, **nobody, **only(Kind.FAILURE)).look()
        rows = [row for row in metrics.text().decode().split("\n") if "notices_total{" in row]
        assert sorted(row.partition("{")[2] for row in rows) == [
            'kind="delay"} 0.0',
            'kind="failure"} 1.0',
            'kind="no_success"} 0.0',
        ]

    with_store(tmp_path / "x.db", story)


def test_two_workers_tell_once(tmp_path):
    """Two processes' watches look at the same moment, each with its own store: one notice of each kind."""

    async def story(store, clock):
        await tried(store, clock)
        await tried(store, clock, DeliveryState.BOUNCED)
        clock.advance(2 * DAY)
        other = Store.open(tmp_path / "x.db", clock=ManualClock(clock.now(), seed=1))
        other_clock = ManualClock(clock.now() + timedelta(seconds=1))
        try:
            for _ in range(5):
                await asyncio.gather(watch_on(store, clock).look(), watch_on(other, other_clock).look())
        finally:
            await other.close()
        assert sorted(kind for kind, _, _ in await told(store)) == [
            *["delay"] * 2,
            *["failure"] * 2,
            *["no_success"] * 2,
        ]

    with_store(tmp_path / "x.db", story)


def test_two_workers_that_find_different_failures_tell_once_in_the_gathering_time(tmp_path):
    """Another worker's notice of other mails counts too: the second waits and loses nothing."""

    async def story(store, clock):
        await tried(store, clock, DeliveryState.BOUNCED)
        faulty = FaultyStore(store)
        faulty.before["notify"] = asyncio.Event()
        slow = asyncio.create_task(watch_on(faulty, clock, **only(Kind.FAILURE)).look())
        while not faulty.calls["notify"]:
            await asyncio.sleep(0)
        other = await store.failed(limit=10)
        await tried(store, clock, DeliveryState.BOUNCED, seller_id="b")
        fresh = [each for each in await store.failed(limit=10) if each not in other]
        letter = writer(clock).letter(Kind.FAILURE, OPERATORS, fresh, PARTNERS, clock.now())
        write = NoticeWrite(
            kind=Kind.FAILURE, now=clock.now(), gather=15 * MINUTE, concerns=fresh, letters=[letter]
        )
        assert await store.notify(write)
        faulty.before.pop("notify").set()
        await slow
        assert len(await told(store)) == len(OPERATORS.addresses)
        assert await store.failed(limit=10) == other

    with_store(tmp_path / "x.db", story)


def test_what_changed_in_the_meantime_is_not_told(tmp_path):
    """Between question and answer a person had it sent again: nothing is written."""

    async def story(store, clock):
        one = await tried(store, clock, DeliveryState.BOUNCED)
        clock.advance(DAY + MINUTE)
        faulty = FaultyStore(store)
        faulty.before["notify"] = asyncio.Event()
        slow = asyncio.create_task(watch_on(faulty, clock, **only(Kind.FAILURE)).look())
        while not faulty.calls["notify"]:
            await asyncio.sleep(0)
        assert await store.retry(one.deliveries[0].id, now=clock.now(), by="店長")
        faulty.before.pop("notify").set()
        await slow
        assert await told(store) == []
        assert (await stored_delivery(store, one)).noticed == ""

    with_store(tmp_path / "x.db", story)


def test_a_store_that_fails_is_asked_again(tmp_path):
    """A full disk and a bug of ours cost a look each, not the watch; then the notice is made."""

    async def story(store, clock):
        faulty = FaultyStore(store)
        watch = watch_on(faulty, clock, **only(Kind.FAILURE))
        await tried(store, clock, DeliveryState.BOUNCED)
        faulty.failures["notify"] = [MachineFailure("the disk is full; nothing of this was stored")]
        faulty.failures["failed"] = [RuntimeError("a bug")]
        await watch.start()
        for made in (0, 0, 2):
            while not clock.sleepers:
                await asyncio.sleep(0.001)
            clock.advance(timedelta(seconds=LOOK_SECONDS))
            while not clock.sleepers:
                await asyncio.sleep(0.001)
            assert len(await told(store)) == made
        await watch.stop()
        assert clock.sleepers == 0

    with_store(tmp_path / "x.db", story)


KILLED = """
import asyncio, os, shutil, signal, sys
from datetime import timedelta
from pathlib import Path
from sqlalchemy import event
from relay.store.store import Store
from tests.support.clock import START, ManualClock
from tests.support.telling import watch_on

async def tell(path, fatal):
    clock = ManualClock(START + timedelta(days=2))
    store = Store.open(path, clock=clock)
    seen = 0
    def count(statement):
        nonlocal seen
        seen += 1
        if seen == fatal:
            os.kill(os.getpid(), signal.SIGKILL)
    event.listen(store._engine, "connect", lambda raw, _: raw.set_trace_callback(count))
    store._engine.dispose()
    await watch_on(store, clock, delay_after="366d", no_success_after="366d").look()
    await store.close()

first, fatal = Path(sys.argv[1]), 0
while True:
    fatal += 1
    path = first.with_name(f"killed-{fatal}.db")
    shutil.copy(first, path)
    child = os.fork()
    if child == 0:
        asyncio.run(tell(path, fatal))
        os._exit(0)
    if not os.WIFSIGNALED(os.waitpid(child, 0)[1]):
        break
print(fatal)
"""


def test_killed_at_any_statement_a_notice_is_neither_lost_nor_doubled(tmp_path):
    """kill -9 at every SQL statement in turn: who starts next finds it wholly made or makes it."""
    path = tmp_path / "first.db"

    async def prepared(store, clock):
        for _ in range(3):
            await tried(store, clock, DeliveryState.BOUNCED)

    with_store(path, prepared)
    command = [sys.executable, "-W", "error::DeprecationWarning", "-c", KILLED, str(path)]
    done = subprocess.run(command, check=True, capture_output=True, cwd=Path.cwd(), timeout=100)
    steps = int(done.stdout.split(b"\n")[-2])
    assert steps > 10
    for fatal in range(1, steps + 1):

        async def survived(store, clock):
            clock.advance(2 * DAY + HOUR)
            await watch_on(store, clock, **only(Kind.FAILURE)).look()
            lost = "【Denrei】受注メールを配信できませんでした（3件）"
            assert await told(store) == [("failure", CONTACT, lost), ("failure", OPERATOR, lost)]
            rows = await store.deliveries(DeliveryFilter(limit=100))
            assert sorted(row.delivery.noticed for row in rows) == ["", "", *["failure"] * 3]

        with_store(tmp_path / f"killed-{fatal}.db", survived)
