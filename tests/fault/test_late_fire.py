"""The late-fire rule: what a relay does with mails whose time passed while it stood still, and who is told.

Each story accepts an order for a registration that waits thirty minutes, closes the store as a relay that
ends does, lets time pass and starts an engine on what is left.
"""

import asyncio
from dataclasses import replace
from datetime import timedelta

from grammar import load_catalogue
from relay.intake.acceptance import Received, acceptance
from relay.journal import Event
from relay.store.query import JournalFilter
from relay.store.store import Store
from relay.store.values import Accepted, DeliveryState
from tests.support.clock import ManualClock
from tests.support.composing import composer, notification, registration
from tests.support.delivering import bench, settings
from tests.support.partner import partner
from tests.support.telling import BOTH_TOLD, JAPANESE, told, watch_on

TO = "orders@partner.example.jp"
CATALOGUE = load_catalogue()
PERIOD, STALE_AFTER, MINUTE = timedelta(minutes=30), timedelta(hours=2), timedelta(minutes=1)


async def accept_and_stop(folder, clock, **registered):
    """Accept an order as intake does, then end, as a relay that is stopped a moment later."""
    waiting = replace(
        registration(CATALOGUE), wait=True, period=PERIOD, stale_after=STALE_AFTER, **registered
    )
    received = Received(peer="192.0.2.1", mail_from="", rcpt_tos=("orders@relay.example.jp",), content=b"")
    one = acceptance(
        notification(), [waiting], received=received, composer=composer(CATALOGUE, clock), clock=clock
    )
    store = Store.open(folder / "denrei.db", clock=clock)
    assert isinstance(await store.accept(one), Accepted)
    await store.close()
    return one


def settings_for(server):
    """All domains of the stories are that server."""
    return settings(
        dict.fromkeys(("partner.example.jp", "relay.example.com", "shop.example.jp"), server.address)
    )


async def told_of(relay, one):
    """What the journal says of the delivery."""
    entries = await relay.store.journal(JournalFilter(delivery_id=one.deliveries[0].id))
    return [(entry.event, entry.detail.partition(" said ")[2] or entry.detail) for entry in entries]


async def looked(relay):
    """Return when the engine has looked at what is due, and rests."""
    calls = relay.faulty.calls["next_due"]
    async with asyncio.timeout(10):
        while relay.faulty.calls["next_due"] == calls or relay.engine.in_memory:
            relay.clock.advance(timedelta(seconds=2) if relay.clock.sleepers else timedelta())
            await asyncio.sleep(0.005)


def test_a_mail_goes_out_late_when_it_is_not_too_late(tmp_path):
    """Down over the due time, back within `stale_after`: it is sent at once, the journal says how late."""

    async def play():
        clock = ManualClock()
        one = await accept_and_stop(tmp_path, clock)
        clock.advance(PERIOD + STALE_AFTER)
        async with partner() as server, bench(tmp_path, settings_for(server), clock=clock) as relay:
            await server.took(1)
            assert await relay.settled(1) == [(TO, "delivered", 1)]
            assert await told_of(relay, one) == [
                (Event.HELD, "until 2026-11-21T01:30:00+00:00"),
                (Event.RELEASED, "its time had come, 2:00 h late"),
                (Event.DELIVERED, "250 2.0.0 taken"),
            ]

    asyncio.run(play())


def test_a_mail_in_time_is_not_called_late(tmp_path):
    """A relay that ran all the time says nothing of lateness."""

    async def play():
        clock = ManualClock()
        one = await accept_and_stop(tmp_path, clock)
        async with partner() as server, bench(tmp_path, settings_for(server), clock=clock) as relay:
            await relay.advance_until(lambda: server.taken, timedelta(seconds=20))
            await relay.settled(1)
            assert (await told_of(relay, one))[1] == (Event.RELEASED, "its time had come")

    asyncio.run(play())


def test_a_mail_that_is_too_late_waits_for_a_person_who_is_told(tmp_path):
    """Back after `stale_after`: nothing goes out by itself, two notices say so once, a person sends it."""

    async def play():
        clock = ManualClock()
        one = await accept_and_stop(tmp_path, clock)
        clock.advance(PERIOD + STALE_AFTER + MINUTE)
        async with partner() as server, bench(tmp_path, settings_for(server), clock=clock) as relay:
            await looked(relay)
            await looked(relay)
            assert server.taken == []
            stale = (Event.STALE, "its time was 2026-11-21 01:30:00 UTC, nobody could send it then")
            assert (await told_of(relay, one))[1:] == [stale]
            watch = watch_on(relay.store, clock, contacts={"example-shop": JAPANESE})
            for _ in range(3):
                await watch.look()
                clock.advance(timedelta(hours=1))
            assert [(kind, to) for kind, to, _ in await told(relay.store)] == [
                ("delay", BOTH_TOLD["例題商店"].address),
                ("delay", "ops@relay.example.com"),
            ]
            await server.took(2)
            assert await relay.store.release(one.deliveries[0].id, now=clock.now(), by="店長")
            await looked(relay)
            await server.took(3)
            await relay.settled(3)
            assert [event for event, _ in await told_of(relay, one)] == [
                Event.HELD,
                Event.STALE,
                Event.NOTIFIED,
                Event.RELEASED,
                Event.DELIVERED,
            ]

    asyncio.run(play())


def test_a_notice_goes_the_way_of_every_mail(tmp_path):
    """Sent by the engine, from the null sender, byte for byte as it was composed."""

    async def play():
        clock = ManualClock()
        one = await accept_and_stop(tmp_path, clock)
        clock.advance(PERIOD + STALE_AFTER + MINUTE)
        async with partner() as server, bench(tmp_path, settings_for(server), clock=clock) as relay:
            await looked(relay)
            await watch_on(relay.store, clock, contacts={"example-shop": JAPANESE}).look()
            await looked(relay)
            taken = await server.took(2)
            assert [(each.mail_from, each.rcpt_to) for each in taken] == [
                ("", JAPANESE.address),
                ("", "ops@relay.example.com"),
            ]
            await relay.settled(3)
            story = await relay.store.notification(one.id)
            notices = [mail for mail in story.accepted.mails if mail.notice]
            assert [each.content for each in taken] == [mail.content for mail in notices]
            states = {row.delivery.recipient: row.delivery.state for row in story.rows}
            assert states[JAPANESE.address] is DeliveryState.DELIVERED

    asyncio.run(play())
