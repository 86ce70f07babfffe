"""What a person puts on hold leaves memory unsent, and what is on the wire ends as it will."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from relay.errors import MachineFailure
from relay.journal import Event
from relay.store.query import JournalFilter
from relay.store.values import DeliveryState, Hold, Scope
from tests.support.clock import ManualClock
from tests.support.delivering import bench, dues, settings
from tests.support.partner import Hang, Say, always, partner
from tests.support.stored import accepted

TO = "orders@partner.example.jp"
SECOND = timedelta(seconds=1)


def patient(server, **more):
    """Settings under which a partner that hangs is waited for."""
    chosen = settings({"partner.example.jp": server.address}, **more)
    phases = {"command": timedelta(seconds=60)}
    return chosen.model_copy(update={"timeouts": chosen.timeouts.model_copy(update=phases)})


def a_hold(relay, scope, value):
    """A standing hold that somebody places now."""
    return Hold(
        id=relay.clock.new_id(),
        scope=scope,
        value=value,
        reason="棚卸し",
        by="店長",
        placed_at=relay.clock.now(),
    )


async def hanging(relay, server, **more):
    """Five deliveries at a partner that hangs: two on the wire, three waiting in memory."""
    await relay.offer(*[f"o{number}@partner.example.jp" for number in range(5)], **more)
    await server.until(lambda state: sum(line[:4] == "MAIL" for line in state.heard) == 2)


@pytest.mark.parametrize(
    ("scope", "value"),
    [
        (Scope.SELLER, "例題商店"),
        (Scope.PARTNER, "cross_mall"),
        (Scope.NEXT_HOP, "{hop}"),
        (Scope.ADDRESS, "o4@partner.example.jp"),
    ],
)
def test_a_hold_takes_what_waits_in_memory_and_leaves_what_is_on_the_wire(tmp_path, scope, value):
    """Two are being sent and stay so; of the three that wait, those that the hold is on are held."""

    async def play():
        async with partner(always({"MAIL": Hang()})) as silent, bench(tmp_path, patient(silent)) as relay:
            await hanging(relay, silent)
            host, port = silent.address
            placed = await relay.store.place_hold(a_hold(relay, scope, value.format(hop=f"{host}:{port}")))
            kept = 4 if scope is Scope.ADDRESS else 2
            await relay.advance_until(lambda: relay.engine.in_memory == kept, SECOND)
            held = await relay.store.journal(JournalFilter(limit=100))
            told = {entry.detail for entry in held if entry.event is Event.HELD}
            return (
                [row[1] for row in await relay.states()],
                placed.stopped,
                len(told),
                placed.hold.id in str(told),
            )

    states, stopped, told, names_it = asyncio.run(play())
    expected = ["sending"] * 4 + ["held"] if scope is Scope.ADDRESS else ["sending"] * 2 + ["held"] * 3
    assert (states, stopped, told, names_it) == (expected, 0, 1, True)


def test_a_hold_on_somebody_else_touches_nothing(tmp_path):
    """Another seller's hold: all five stay where they are."""

    async def play():
        async with partner(always({"MAIL": Hang()})) as silent, bench(tmp_path, patient(silent)) as relay:
            await hanging(relay, silent)
            await relay.store.place_hold(a_hold(relay, Scope.SELLER, "別の商店"))
            polls = relay.faulty.calls["hold_mark"]
            await relay.advance_until(lambda: relay.faulty.calls["hold_mark"] >= polls + 2, SECOND)
            return relay.engine.in_memory, {row[1] for row in await relay.states()}

    assert asyncio.run(play()) == (5, {"sending"})


def test_a_fresh_mail_that_was_committed_before_the_hold_and_offered_after_it_is_held(tmp_path):
    """Intake was slow between commit and offer: the engine knows the hold by then, and gives it back."""

    async def play():
        async with partner() as server, bench(tmp_path, patient(server)) as relay:
            lease = relay.engine.lease(1)
            one = accepted(
                relay.clock,
                recipients=[TO],
                state=DeliveryState.SENDING,
                leased_by=lease.worker,
                leased_until=lease.until,
            )
            stored = await relay.store.accept(one)
            await relay.store.place_hold(a_hold(relay, Scope.PARTNER, "cross_mall"))
            polls = relay.faulty.calls["hold_mark"]
            await relay.advance_until(lambda: relay.faulty.calls["hold_mark"] >= polls + 2, SECOND)
            relay.engine.offer(dues(stored))
            await relay.advance_until(lambda: not relay.engine.in_memory, SECOND)
            return await relay.states(), len(server.taken)

    assert asyncio.run(play()) == ([(TO, "held", 0)], 0)


def test_a_lifted_hold_sends_everything(tmp_path):
    """What was held is queued, claimed and delivered, each once."""

    async def play():
        def first_two(verb, count):
            return Hang() if verb == "MAIL" and count < 2 else None

        async with partner(first_two) as server:
            chosen = settings({"partner.example.jp": server.address})
            async with bench(tmp_path, chosen) as relay:
                hold = a_hold(relay, Scope.PARTNER, "cross_mall")
                await relay.store.place_hold(hold)
                await relay.offer(*[f"o{number}@partner.example.jp" for number in range(5)])
                polls = relay.faulty.calls["hold_mark"]
                await relay.advance_until(lambda: relay.faulty.calls["hold_mark"] >= polls + 2, SECOND)
                before = {row[1:] for row in await relay.states()}, len(server.taken)
                lifted = await relay.store.lift_hold(hold.id, now=relay.clock.now(), by="店長")
                await relay.advance_until(lambda: len(server.taken) == 5, timedelta(seconds=10))
                return before, lifted, {row[1] for row in await relay.settled(5)}, len(server.taken)

    assert asyncio.run(play()) == (({("held", 0)}, 0), 5, {"delivered"}, 5)


def test_an_address_that_is_gone_is_suppressed_and_its_next_mail_waits_for_a_person(tmp_path):
    """550 5.1.1 at RCPT bounces the first; the second is held and never offered to the partner."""

    async def play():
        gone = Say(b"550 5.1.1 no such user\r\n")
        async with (
            partner(always({"RCPT": gone})) as server,
            bench(tmp_path, settings({"partner.example.jp": server.address})) as relay,
        ):
            await relay.offer(TO)
            await relay.settled(1)
            await relay.offer(TO)
            await relay.settled(2)
            holds = [(hold.scope, hold.value, hold.by) for hold in await relay.store.holds()]
            rcpts = sum(line.startswith("RCPT") for line in server.heard)
            return sorted(row[1:] for row in await relay.states()), holds, rcpts

    assert asyncio.run(play()) == (
        [("bounced", 1), ("held", 0)],
        [(Scope.ADDRESS, TO, "relay")],
        1,
    )


def test_a_notice_that_bounces_suppresses_nobody(tmp_path):
    """550 5.1.1 to an operator's address: that notice is given up, the next one is tried all the same."""

    async def play():
        gone = Say(b"550 5.1.1 no such user\r\n")
        async with (
            partner(always({"RCPT": gone})) as server,
            bench(tmp_path, settings({"partner.example.jp": server.address})) as relay,
        ):
            for number in (1, 2):
                lease = relay.engine.lease(1)
                leased = {"leased_by": lease.worker, "leased_until": lease.until}
                one = accepted(relay.clock, recipients=[TO], state=DeliveryState.SENDING, **leased)
                one = replace(one, mails=[replace(mail, notice="delay") for mail in one.mails])
                relay.engine.offer(dues(await relay.store.accept(one)))
                await relay.settled(number)
            rcpts = sum(line.startswith("RCPT") for line in server.heard)
            return await relay.states(), await relay.store.holds(), rcpts

    assert asyncio.run(play()) == ([(TO, "bounced", 1)] * 2, [], 2)


def test_a_suppressed_address_still_gets_notices(tmp_path):
    """An order to it is held; what tells of that goes out."""

    async def play():
        async with partner() as server, bench(tmp_path, patient(server)) as relay:
            await relay.store.place_hold(a_hold(relay, Scope.ADDRESS, TO))
            polls = relay.faulty.calls["hold_mark"]
            await relay.advance_until(lambda: relay.faulty.calls["hold_mark"] > polls, SECOND)
            lease = relay.engine.lease(1)
            leased = {"leased_by": lease.worker, "leased_until": lease.until}
            one = accepted(relay.clock, recipients=[TO], state=DeliveryState.SENDING, **leased)
            one = replace(one, mails=[replace(mail, notice="delay") for mail in one.mails])
            relay.engine.offer(dues(await relay.store.accept(one)))
            await server.took(1)
            return await relay.settled(1)

    assert asyncio.run(play()) == [(TO, "delivered", 1)]


def test_the_holds_are_read_only_when_others_stand(tmp_path):
    """However many addresses are suppressed, a look that finds no change does not read them."""

    async def play():
        async with partner() as server, bench(tmp_path, patient(server)) as relay:
            calls = relay.faulty.calls

            async def looks(count):
                reached = calls["hold_mark"] + count
                await relay.advance_until(lambda: calls["hold_mark"] >= reached, SECOND)

            await looks(3)
            before = calls["holds"]
            await relay.store.place_hold(a_hold(relay, Scope.ADDRESS, TO))
            await looks(5)
            return before, calls["holds"] - before

    assert asyncio.run(play()) == (1, 1)


@pytest.mark.parametrize("how", ["drained", "killed"])
def test_a_timed_mail_that_was_taken_just_before_a_long_down_time_waits_for_a_person(tmp_path, how):
    """Its time came, the relay took it, ended, and starts again two days later: nothing is sent by itself."""

    async def play():
        clock = ManualClock()
        due_at = clock.now() + timedelta(minutes=1)
        one = accepted(clock, recipients=[TO], state=DeliveryState.HELD, due_at=due_at)
        fresh = replace(one.deliveries[0], fresh_until=due_at + timedelta(days=1))
        async with partner(always({"MAIL": Hang()})) as server:
            async with bench(tmp_path, patient(server), clock=clock) as relay:
                await relay.store.accept(replace(one, deliveries=[fresh]))
                await relay.advance_until(lambda: relay.engine.in_memory, SECOND)
                taken = [row[1] for row in await relay.states()]
                if how == "killed":
                    relay.faulty.failures["hand_back"] = [MachineFailure("killed")] * 100
                    relay.faulty.failures["recover"] = [MachineFailure("killed")] * 100
            clock.advance(timedelta(days=2))
            async with bench(tmp_path, patient(server), clock=clock, worker="host/2") as relay:
                polls = relay.faulty.calls["claim"]
                await relay.advance_until(lambda: relay.faulty.calls["claim"] > polls + 1, SECOND)
                told = await relay.store.journal(JournalFilter(events=[Event.STALE]))
                return taken, await relay.states(), len(told), len(server.taken)

    assert asyncio.run(play()) == (["sending"], [(TO, "held", 0)], 1, 0)


def test_a_notice_goes_with_the_null_sender(tmp_path):
    """Nobody's mailer can answer a notice with a bounce that bounces again."""

    async def play():
        async with partner() as server, bench(tmp_path, patient(server)) as relay:
            lease = relay.engine.lease(1)
            one = accepted(
                relay.clock,
                recipients=[TO],
                state=DeliveryState.SENDING,
                leased_by=lease.worker,
                leased_until=lease.until,
            )
            notice = replace(one, mails=[replace(mail, notice="delay") for mail in one.mails])
            relay.engine.offer(dues(await relay.store.accept(notice)))
            await server.took(1)
            return server.taken[0].mail_from, server.taken[0].rcpt_to

    assert asyncio.run(play()) == ("", TO)
