"""Somebody sets the clock while mails are on their way: nothing is sent twice at once, nothing given up."""

import asyncio
from datetime import timedelta

import pytest
import structlog

from relay.journal import Event
from relay.store.query import JournalFilter
from tests.support.clock import ManualClock
from tests.support.delivering import bench, settings
from tests.support.partner import Hang, Say, always, partner

TO = "orders@partner.example.jp"
SECOND, HOUR, DAY = timedelta(seconds=1), timedelta(hours=1), timedelta(days=1)


def to_partner(server, **more):
    """Settings in which partner.example.jp is that server."""
    return settings({"partner.example.jp": server.address}, **more)


def patient(server, **more):
    """The same, and a partner that hangs is waited for."""
    chosen = to_partner(server, **more)
    phases = {"command": timedelta(seconds=60)}
    return chosen.model_copy(update={"timeouts": chosen.timeouts.model_copy(update=phases)})


async def rounds(relay, count):
    """Let the pump play so many rounds; seconds pass."""
    played = relay.faulty.calls["hold_mark"]
    await relay.advance_until(lambda: relay.faulty.calls["hold_mark"] >= played + count, SECOND)


def test_a_jump_forward_over_every_lease_makes_no_second_attempt(tmp_path):
    """Six days forward while five mails hang at a partner: two on the wire stay the only attempts."""

    async def play():
        async with partner(always({"MAIL": Hang()})) as silent, bench(tmp_path, patient(silent)) as relay:
            await relay.offer(*[f"o{number}@partner.example.jp" for number in range(5)])
            await silent.until(lambda state: sum(line[:4] == "MAIL" for line in state.heard) == 2)
            await rounds(relay, 1)
            with structlog.testing.capture_logs() as logs:
                relay.clock.jump(6 * DAY)
                await rounds(relay, 6)
            now = relay.clock.now()
            others = await relay.store.claim(
                worker="host/2", until=now + HOUR, now=now, limit=10, octets=1 << 20, latest=now + DAY
            )
            events = {entry.event for entry in await relay.store.journal(JournalFilter(limit=100))}
            told = [line["seconds"] for line in logs if line["event"] == "the clock was set"]
            mails = sum(line[:4] == "MAIL" for line in silent.heard)
            return told, others, events, mails, relay.engine.in_memory

    told, others, events, mails, in_memory = asyncio.run(play())
    assert told == [6 * 86400]
    assert (others, events, mails, in_memory) == ([], {Event.ACCEPTED}, 2, 5)


def test_two_workers_see_a_jump_forward_and_neither_takes_the_others_mails(tmp_path):
    """Each renews its own leases before anybody claims what seems to have ended."""

    async def play():
        clock = ManualClock()
        async with partner(always({"MAIL": Hang()})) as silent:
            chosen = patient(silent)
            async with (
                bench(tmp_path, chosen, clock=clock, worker="host/1") as first,
                bench(tmp_path, chosen, clock=clock, worker="host/2") as second,
            ):
                await first.offer(*[f"a{number}@partner.example.jp" for number in range(4)])
                await second.offer(*[f"b{number}@partner.example.jp" for number in range(4)])
                await silent.until(lambda state: sum(line[:4] == "MAIL" for line in state.heard) == 4)
                with structlog.testing.capture_logs() as logs:
                    clock.jump(2 * HOUR)
                    await rounds(first, 8)
                    await rounds(second, 2)
                events = {entry.event for entry in await first.store.journal(JournalFilter(limit=100))}
                lost = [line for line in logs if line["event"].startswith("leases lost")]
                return events, lost, first.engine.in_memory, second.engine.in_memory

    assert asyncio.run(play()) == ({Event.ACCEPTED}, [], 4, 4)


def test_a_mail_that_was_never_tried_survives_a_jump_past_its_lifetime(tmp_path):
    """Queued, then six days forward, then 451: it is tried again, with its whole schedule before it."""

    async def play():
        def first(verb, count):
            return Say(b"451 4.3.0 later\r\n") if (verb, count) == ("RCPT", 0) else None

        async with partner(first) as server, bench(tmp_path, to_partner(server)) as relay:
            relay.clock.jump(6 * DAY)
            await relay.offer(TO)
            await relay.settled(1)
            relay.clock.jump(6 * DAY)
            await relay.advance_until(lambda: server.taken, timedelta(seconds=10))
            return await relay.settled(1)

    assert asyncio.run(play()) == [(TO, "delivered", 2)]


@pytest.mark.parametrize("back", [HOUR, 10 * DAY, 400 * DAY])
def test_a_jump_back_delays_a_retry_by_no_more_than_the_longest_wait(tmp_path, back):
    """Deferred, then the clock is set back: the retry comes within the schedule's longest wait."""

    async def play():
        def first(verb, count):
            return Say(b"451 4.3.0 later\r\n") if (verb, count) == ("RCPT", 0) else None

        async with partner(first) as server, bench(tmp_path, to_partner(server)) as relay:
            await relay.offer(TO)
            await relay.settled(1)
            with structlog.testing.capture_logs() as logs:
                start = relay.clock.monotonic()
                relay.clock.jump(-back)
                await relay.advance_until(lambda: server.taken, timedelta(seconds=30))
            waited = relay.clock.monotonic() - start
            told = [line["seconds"] for line in logs if line["event"] == "the clock was set"]
            return await relay.settled(1), told, waited

    states, told, waited = asyncio.run(play())
    assert (states, told) == ([(TO, "delivered", 2)], [-back.total_seconds()])
    assert waited <= min(back.total_seconds() + 120, 4.4 * 3600)


def test_an_hour_of_small_steps_is_no_jump(tmp_path):
    """A time server that moves the clock by a second at a time is not worth a word."""

    async def play():
        async with partner() as server, bench(tmp_path, to_partner(server)) as relay:
            with structlog.testing.capture_logs() as logs:
                for _ in range(10):
                    relay.clock.jump(SECOND)
                    await rounds(relay, 1)
            return [line for line in logs if line["event"] == "the clock was set"]

    assert asyncio.run(play()) == []
