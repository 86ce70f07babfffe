"""Next hops that want less, or that are down for long: rates, complaints, suspension and its probes."""

import asyncio
from datetime import timedelta

import pytest
import structlog

from relay.delivery import Routes
from relay.delivery.seam import HopState
from relay.errors import MachineFailure
from relay.journal import Event
from relay.store.query import JournalFilter
from relay.store.values import DeliveryState
from tests.support.clock import ManualClock
from tests.support.delivering import HOSTNAME, bench, settings
from tests.support.dns import name_server
from tests.support.partner import Close, Hang, Say, always, partner
from tests.support.stored import accepted

TO = "orders@partner.example.jp"
SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)
DOWN = Close(b"421 4.3.2 down\r\n")


def to_partner(server, **more):
    """Settings in which partner.example.jp is that server."""
    return settings({"partner.example.jp": server.address}, **more)


def addresses(count, domain="partner.example.jp"):
    """So many recipients at the partner, in order."""
    return [f"o{number:03}@{domain}" for number in range(count)]


class Switched:
    """Faults that a test turns on and off."""

    def __init__(self, fault=DOWN, verb="connect"):
        self.fault, self.verb, self.on = fault, verb, True

    def __call__(self, verb, _count):
        return self.fault if self.on and verb == self.verb else None


# Rates


def test_a_rate_of_one_a_second_is_kept_and_the_rest_waits_in_the_store(tmp_path):
    """Thirty mails come one a second at most; ten or so are in memory at a time, none lost an attempt."""

    async def play():
        clock = ManualClock()
        async with (
            partner() as server,
            bench(tmp_path, to_partner(server, rate="60/m"), clock=clock) as relay,
        ):
            start = clock.monotonic()
            await relay.offer(*addresses(30))
            too_early, in_memory = [], []
            while len(server.taken) < 30:
                second = clock.monotonic() - start
                if len(server.taken) > second + 2:
                    too_early.append((second, len(server.taken)))
                in_memory.append(relay.engine.in_memory)
                await relay.advance_until(lambda s=second: clock.monotonic() - start > s, SECOND)
            return too_early, in_memory, clock.monotonic() - start, await relay.settled(30)

    too_early, in_memory, seconds, states = asyncio.run(play())
    assert too_early == []
    assert 28 <= seconds <= 300  # a slot that nobody was ready for is lost, and the machine may be busy
    assert sorted(in_memory)[len(in_memory) // 2] <= 12
    assert {row[1:] for row in states} == {("delivered", 1)}


def test_a_rate_of_few_an_hour_keeps_no_connection_between_mails(tmp_path):
    """One every half hour: the connection is closed after `idle`, and each mail has a new one."""

    async def play():
        clock = ManualClock()
        async with partner() as server:
            chosen = to_partner(server, rate="2/h").model_copy(update={"idle": timedelta(seconds=0.02)})
            async with bench(tmp_path, chosen, clock=clock) as relay:
                await relay.offer(*addresses(3))
                start = clock.monotonic()
                for count in (1, 2, 3):
                    await relay.advance_until(lambda count=count: len(server.taken) == count, MINUTE)
                    await server.until(lambda state: not state.open_now)
                    assert len(server.taken) == count
                return server.connections, (clock.monotonic() - start) / 60

    connections, minutes = asyncio.run(play())
    assert connections in (3, 4)  # the first two mails each called for one, before either had gone
    assert 58 <= minutes <= 75


def test_a_hop_with_a_rate_delays_no_other(tmp_path):
    """A hundred mails wait for their turn at one partner; fifty for another go at once."""

    async def play():
        async with partner() as slow, partner() as good:
            routes = {"partner.example.jp": slow.address, "good.example.jp": good.address}
            host, port = slow.address
            chosen = settings(routes, next_hops={f"{host}:{port}": {"rate": "1/m"}}, memory=40)
            async with bench(tmp_path, chosen) as relay:
                for at in range(0, 100, 20):
                    await relay.offer(*addresses(100)[at : at + 20])
                await relay.offer(*addresses(50, "good.example.jp"))
                start = relay.clock.monotonic()
                await relay.advance_until(lambda: len(good.taken) == 50, SECOND)
                minutes = (relay.clock.monotonic() - start) / 60
                waiting = {hop.name: hop.waiting for hop in relay.engine.hops()}
                return len(slow.taken) <= minutes + 2, waiting[f"{host}:{port}"]

    is_slow, waiting = asyncio.run(play())
    assert is_slow
    assert waiting <= 11


# Complaints


def test_a_peer_that_complains_is_served_over_fewer_connections_and_gets_all(tmp_path):
    """450 rate limited to whatever comes over a fifth connection: fewer connections, and no mail is lost."""

    async def play():
        class Crowded:
            server = None

            def __call__(self, verb, _count):
                if verb == "RCPT" and self.server is not None and self.server.open_now > 4:
                    return Say(b"450 4.7.1 rate limit: too many connections\r\n")
                return None

        faults = Crowded()
        async with partner(faults) as server:
            faults.server = server
            async with bench(tmp_path, to_partner(server)) as relay:
                with structlog.testing.capture_logs() as logs:
                    await relay.offer(*addresses(300))
                    await relay.advance_until(lambda: len(server.taken) == 300, SECOND)
                    states = await relay.settled(300)
        eased = [line["connections"] for line in logs if line["event"] == "next hop gets too much"]
        return {state for _, state, _ in states}, max(n for _, _, n in states), eased, server.most_open

    states, attempts, eased, most_open = asyncio.run(play())
    assert states == {"delivered"}
    assert attempts <= 4
    assert eased
    assert max(eased) < 10  # half of what was too much
    assert most_open < 20  # what the configuration allows


def test_a_peer_that_complains_of_a_single_connection_gets_time_between_mails(tmp_path):
    """421 three times: the gap grows, and the next mails come no sooner than it says."""

    async def play():
        def thrice(verb, count):
            return Say(b"450 4.7.1 too fast\r\n") if verb == "MAIL" and count < 3 else None

        clock = ManualClock()
        async with (
            partner(thrice, keywords=()) as server,
            bench(tmp_path, to_partner(server, connections=1), clock=clock) as relay,
        ):
            await relay.offer(*addresses(6))
            start, came = clock.monotonic(), []
            for count in range(1, 7):
                await relay.advance_until(
                    lambda count=count: len(server.taken) >= count, timedelta(seconds=0.5)
                )
                came.append(clock.monotonic() - start)
            return came[:3], {row[1] for row in await relay.settled(6)}

    came, states = asyncio.run(play())
    # Complaints at 0, 1 and 3 s: the fourth goes 4 s later, the fifth as much, the sixth 2 s after that. On a
    # busy machine more time passes while a mail is on the wire; never less. Gaps are compared in test_pace.
    assert all(least <= at <= 2 * least for least, at in zip([7, 11, 13], came, strict=True)), came
    assert states == {"delivered"}


# Suspension


async def suspend(relay, server, failures=5):
    """Bring the hop down by that many failed connections, each after the pause of the one before."""
    for number in range(failures):
        await relay.offer(f"first{number}@partner.example.jp")
        await server.until(lambda state, least=number + 1: state.connections >= least)
        await relay.advance_until(lambda: not relay.engine.in_memory, timedelta(milliseconds=1))
        (state,) = relay.engine.hops()
        if state.state != "suspended":
            relay.clock.advance(timedelta(seconds=state.until_seconds))
    return state


def quiet(server, **more):
    """Settings under which only what a test offers meets the hop: retries come late."""
    return to_partner(server, retry=["4h"], **more)


def test_after_so_many_failures_a_hop_is_suspended_and_says_so(tmp_path):
    """Five connections failed in a row: suspended, the next probe in ten minutes, seen in the states."""

    async def play():
        async with partner(always({"connect": DOWN})) as server, bench(tmp_path, quiet(server)) as relay:
            state = await suspend(relay, server)
            host, port = server.address
            return state, f"{host}:{port}", server.connections

    state, name, connections = asyncio.run(play())
    assert state == HopState(
        name=name,
        state="suspended",
        connections=0,
        allowed=1,
        waiting=0,
        until_seconds=pytest.approx(600, abs=1),
    )
    assert connections == 5


def test_mails_for_a_suspended_hop_spend_no_attempt_and_one_of_them_probes(tmp_path):
    """Forty wait an hour: six probes, one mail each; when the partner is back, all are delivered at once."""

    async def play():
        down = Switched()
        async with partner(down) as server, bench(tmp_path, quiet(server)) as relay:
            await suspend(relay, server)
            await relay.offer(*addresses(40))
            end = relay.clock.now() + HOUR
            await relay.advance_until(lambda: relay.clock.now() >= end, timedelta(seconds=20))
            probes = server.connections - 5
            waiting = sorted(row[1:] for row in await relay.states() if row[0][0] == "o")
            in_memory = relay.engine.in_memory
            down.on = False
            back = relay.clock.now() + timedelta(minutes=12)
            await relay.advance_until(
                lambda: len(server.taken) >= 34 or relay.clock.now() > back, timedelta(seconds=5)
            )
            return probes, waiting, in_memory, len(server.taken), server.most_open

    probes, waiting, in_memory, taken, _ = asyncio.run(play())
    assert probes in (5, 6)
    assert waiting == [*[("queued", 0)] * (40 - probes), *[("queued", 1)] * probes]
    assert in_memory <= 1
    assert taken >= 34


def test_there_are_never_two_probes_at_once(tmp_path):
    """The probe hangs at the greeting while a hundred others come due: one connection, nobody in memory."""

    async def play():
        down = Switched()
        async with partner(down) as server:
            chosen = quiet(server)
            patient = chosen.timeouts.model_copy(update={"greeting": timedelta(seconds=60)})
            async with bench(tmp_path, chosen.model_copy(update={"timeouts": patient})) as relay:
                await suspend(relay, server)
                down.fault = Hang()
                await relay.offer(*addresses(100))
                await relay.advance_until(lambda: server.open_now == 1, timedelta(seconds=10))
                end = relay.clock.now() + timedelta(minutes=5)
                most = 0
                while relay.clock.now() < end:
                    before = relay.clock.now()
                    await relay.advance_until(lambda: relay.clock.now() > before, timedelta(seconds=5))  # noqa: B023  (called at once)
                    await relay.offer(f"more{server.connections}@partner.example.jp")
                    most = max(most, relay.engine.in_memory)
                return server.connections - 5, server.open_now, most

    connections, open_now, most = asyncio.run(play())
    assert (connections, open_now) == (1, 1)
    assert most <= 20


def test_a_suspended_hop_leaves_memory_to_the_others(tmp_path):
    """Two thousand mails for a dead partner, memory for forty: another partner's go at once."""

    async def play():
        async with partner(always({"connect": DOWN})) as server, partner() as good:
            routes = {"partner.example.jp": server.address, "good.example.jp": good.address}
            async with bench(tmp_path, settings(routes, retry=["4h"], memory=40)) as relay:
                for number in range(5):
                    await relay.offer(f"first{number}@partner.example.jp")
                    await server.until(lambda state, least=number + 1: state.connections >= least)
                    await relay.advance_until(lambda: not relay.engine.in_memory, timedelta(milliseconds=1))
                    state = next(hop for hop in relay.engine.hops() if hop.state != "open")
                    if state.state != "suspended":
                        relay.clock.advance(timedelta(seconds=state.until_seconds))
                await relay.store.accept(accepted(relay.clock, recipients=addresses(2000)))
                await relay.offer(*addresses(20, "good.example.jp"))
                await good.took(20)
                await relay.advance_until(lambda: relay.engine.in_memory <= 1, SECOND)
                await relay.offer(*addresses(20, "good.example.jp"))
                await good.took(40)
                return server.connections

    assert asyncio.run(play()) == 5


def test_a_mail_that_grows_old_behind_a_suspended_hop_ends_with_the_rest_of_its_schedule(tmp_path):
    """Nobody there for six days: attempts are spent again at the end of its lifetime, and it bounces."""

    async def play():
        async with partner(always({"connect": DOWN})) as server:
            chosen = to_partner(server, retry=["10m", "1h"], probe="1h", lifetime="1d")
            async with bench(tmp_path, chosen) as relay:
                await suspend(relay, server, failures=5)
                one = await relay.offer(TO)
                end = relay.clock.now() + timedelta(days=2)
                await relay.advance_until(lambda: relay.clock.now() >= end, timedelta(minutes=10))
                await relay.settled(6)
                entries = await relay.store.journal(
                    JournalFilter(delivery_id=one.deliveries[0].id, limit=200)
                )
                return entries[-1], entries[-1].at - one.accepted_at

    last, age = asyncio.run(play())
    assert last.event is Event.BOUNCED
    assert last.detail.startswith("expired after 1 days: ")
    assert timedelta(days=1) <= age <= timedelta(days=1, hours=12)


def test_one_answer_opens_a_suspended_hop_for_all_and_it_grows_again(tmp_path):
    """After the probe the hop is open, and the waiting mails go over more than one connection."""

    async def play():
        down = Switched()
        async with partner(down) as server, bench(tmp_path, quiet(server)) as relay:
            await suspend(relay, server)
            await relay.offer(*addresses(60))
            down.on = False
            with structlog.testing.capture_logs() as logs:
                await relay.advance_until(lambda: len(server.taken) >= 60, timedelta(seconds=5))
            (state,) = relay.engine.hops()
            told = [line["event"] for line in logs if line["event"].startswith("next hop answers")]
            return state.state, told, server.most_open > 1

    assert asyncio.run(play()) == ("open", ["next hop answers again"], True)


def test_a_domain_that_takes_no_mail_bounces_and_is_never_suspended(tmp_path):
    """The answer is final for each mail: nothing waits for a probe."""

    zone = {("closed.example.jp", "MX"): ["0 ."]}

    async def play():
        clock = ManualClock()
        chosen = settings({})
        async with name_server(zone) as names:
            ways = Routes(chosen, hostname=HOSTNAME, clock=clock, resolver=names.resolver())
            async with bench(tmp_path, chosen, clock=clock, routes=ways) as relay:
                for number in range(8):
                    await relay.offer(f"o{number}@closed.example.jp")
                    await relay.settled(number + 1)
                    clock.advance(timedelta(minutes=10))
                (state,) = relay.engine.hops()
                return {row[1:] for row in await relay.states()}, state.state

    assert asyncio.run(play()) == ({("bounced", 1)}, "pausing")


# What a person lets go


async def all_waiting(relay):
    """Pass time until nothing is left in memory."""
    await relay.advance_until(lambda: not relay.engine.in_memory, SECOND / 4)


async def retried(relay, delivery_id):
    """A person's retry, by another process on the same store."""
    assert await relay.store.retry(delivery_id, now=relay.clock.now(), by="花子")


def test_a_retry_on_a_suspended_hop_is_tried_at_once_and_opens_it(tmp_path):
    """The partner is back; a person says so by a retry: no ten minutes are waited for the probe."""

    async def play():
        down = Switched()
        async with partner(down) as server, bench(tmp_path, quiet(server)) as relay:
            await suspend(relay, server)
            one = await relay.offer(*addresses(3))
            await all_waiting(relay)
            relay.clock.advance(timedelta(seconds=20))
            down.on = False
            began = relay.clock.now()
            await retried(relay, one.deliveries[1].id)
            await relay.advance_until(lambda: server.taken, SECOND)
            (state,) = relay.engine.hops()
            return relay.clock.now() - began, len(server.taken), state.state

    waited, taken, state = asyncio.run(play())
    assert waited <= timedelta(seconds=5)
    assert (taken, state) == (1, "open")


def test_a_retry_of_what_another_hop_wants_costs_a_dead_one_nothing(tmp_path):
    """Nothing of the dead hop's is due: it is not dialled, however often somebody lets another's mail go."""

    async def play():
        down = Switched()
        async with partner(down) as server, partner() as good:
            routes = {"partner.example.jp": server.address, "good.example.jp": good.address}
            async with bench(tmp_path, settings(routes, retry=["4h"], suspend_after=1)) as relay:
                await relay.offer(TO)
                await server.until(lambda state: state.connections)
                await all_waiting(relay)
                held = accepted(
                    relay.clock, recipients=addresses(5, "good.example.jp"), state=DeliveryState.HELD
                )
                await relay.store.accept(held)
                for number, delivery in enumerate(held.deliveries, 1):
                    relay.clock.advance(timedelta(seconds=20))
                    assert await relay.store.release(delivery.id, now=relay.clock.now(), by="花子")
                    await relay.advance_until(lambda number=number: len(good.taken) == number, SECOND)
                return server.connections

    assert asyncio.run(play()) == 1


def test_retries_beyond_count_dial_a_dead_hop_once_in_a_first_pause(tmp_path):
    """A person retries the same mail each second for two minutes: eight or nine dials, not a hundred."""

    async def play():
        async with (
            partner(always({"connect": DOWN})) as server,
            bench(tmp_path, quiet(server, suspend_after=1)) as relay,
        ):
            one = await relay.offer(TO)
            await server.until(lambda state: state.connections)
            await all_waiting(relay)
            end = relay.clock.now() + timedelta(minutes=2)
            while relay.clock.now() < end:
                await relay.store.retry(one.deliveries[0].id, now=relay.clock.now(), by="花子")
                before = relay.clock.now()
                await relay.advance_until(lambda: relay.clock.now() > before, SECOND)  # noqa: B023  (called at once)
            return server.connections

    assert 5 <= asyncio.run(play()) <= 9


@pytest.mark.parametrize("suspend_after", [1, 5])
def test_the_last_attempt_of_an_expired_mail_is_not_spent_where_nobody_dials(tmp_path, suspend_after):
    """Pausing or suspended: it waits for the next try, has that, and is delivered where somebody answers."""

    async def play():
        down = Switched()
        async with partner(down) as server:
            chosen = to_partner(server, retry=["4h"], lifetime="1h", suspend_after=suspend_after)
            async with bench(tmp_path, chosen) as relay:
                old = accepted(relay.clock, recipients=[TO])
                relay.clock.advance(timedelta(hours=2))
                await relay.offer("first@partner.example.jp")
                await server.until(lambda state: state.connections)
                await relay.advance_until(
                    lambda: relay.engine.hops()[0].state != "open", timedelta(milliseconds=1)
                )
                await relay.store.accept(old)  # expired: one attempt is all that it has
                await relay.advance_until(lambda: relay.faulty.calls["hand_back"], timedelta(seconds=0.1))
                await all_waiting(relay)
                waiting = [row for row in await relay.states() if row[0] == TO]
                down.on = False
                await relay.advance_until(lambda: server.taken, SECOND)
                await all_waiting(relay)
                return waiting, [row for row in await relay.states() if row[0] == TO]

    waiting, ended = asyncio.run(play())
    assert waiting == [(TO, "queued", 0)]
    assert ended == [(TO, "delivered", 1)]


def test_a_store_that_cannot_tell_of_wishes_costs_no_claimed_mail(tmp_path):
    """The journal cannot be read once, behind a claim: what was claimed is sent all the same."""

    async def play():
        async with partner(always({"connect": DOWN})) as server, partner() as good:
            routes = {"partner.example.jp": server.address, "good.example.jp": good.address}
            async with bench(tmp_path, settings(routes, retry=["4h"], suspend_after=1)) as relay:
                await relay.offer(TO)
                await server.until(lambda state: state.connections)
                await all_waiting(relay)
                await relay.advance_until(lambda: relay.faulty.calls["journal_tail"], SECOND)
                relay.faulty.failures["journal_after"] = [MachineFailure("the disk hangs")]
                await relay.store.accept(accepted(relay.clock, recipients=["a@good.example.jp"]))
                await relay.advance_until(lambda: good.taken, SECOND)
                return relay.faulty.failures["journal_after"], len(good.taken)

    assert asyncio.run(play()) == ([], 1)
