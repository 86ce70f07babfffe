"""The engine on a real store and real sockets: dead, slow, hostile next hops, restarts, a failing store."""

import asyncio
import socket
from datetime import timedelta

import structlog

from relay.delivery import Routes
from relay.journal import Event
from relay.store.query import JournalFilter
from relay.store.store import Store
from relay.store.values import DeliveryState
from tests.support.clock import ManualClock
from tests.support.delivering import HOSTNAME, RETURN_ADDRESS, Bench, bench, settings
from tests.support.dns import name_server
from tests.support.partner import Close, Drip, Hang, Say, always, partner
from tests.support.stored import CONTENT, accepted

TO = "orders@partner.example.jp"


def to_partner(server, **more):
    """Settings in which partner.example.jp is that server."""
    return settings({"partner.example.jp": server.address}, **more)


def closed_port():
    """Host and port of a socket that refuses connections: bound, and not listening."""
    holder = socket.socket()
    holder.bind(("127.0.0.1", 0))
    return holder, holder.getsockname()


async def until(condition, seconds=10.0):
    """Wait until the condition holds."""
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.005)


def test_a_fresh_mail_goes_from_memory_with_its_own_bounce_address(tmp_path):
    """Envelope sender bears the delivery's id, content is the stored one, the store says who took it."""

    async def play():
        async with (
            partner() as server,
            bench(tmp_path, to_partner(server)) as relay,
        ):
            one = await relay.offer(TO)
            assert await relay.settled(1) == [(TO, "delivered", 1)]
            entries = await relay.store.journal(JournalFilter(delivery_id=one.deliveries[0].id))
            return server.taken[0], one, await relay.replies(), entries[-1]

    taken, one, replies, entry = asyncio.run(play())
    assert RETURN_ADDRESS.delivery_id(taken.mail_from) == one.deliveries[0].id
    assert (taken.rcpt_to, taken.content) == (TO, CONTENT)
    assert replies[0].startswith("127.0.0.1:")
    assert replies[0].endswith(" said 250 2.0.0 taken")
    assert (entry.event, entry.detail) == (Event.DELIVERED, replies[0])


def test_connections_are_kept_grow_with_work_and_stay_within_their_bound(tmp_path):
    """Two hundred mails go over at most four connections."""

    async def play():
        async with partner() as server:
            chosen = settings({"partner.example.jp": server.address}, connections=4)
            async with bench(tmp_path, chosen) as relay:
                await relay.offer(*[f"o{number}@partner.example.jp" for number in range(200)])
                states = await relay.settled(200)
            return {(state, attempts) for _, state, attempts in states}, server.connections, server.most_open

    assert asyncio.run(play()) == ({("delivered", 1)}, 4, 4)


def test_a_connection_carries_so_many_mails_and_no_more(tmp_path):
    """With five mails to a connection, twenty mails need four connections."""

    async def play():
        async with partner() as server:
            chosen = settings({"partner.example.jp": server.address}, connections=1, mails_per_connection=5)
            async with bench(tmp_path, chosen) as relay:
                await relay.offer(*[f"o{number}@partner.example.jp" for number in range(20)])
                await relay.settled(20)
            return len(server.taken), server.connections

    assert asyncio.run(play()) == (20, 4)


def test_a_partner_that_takes_one_mail_to_a_connection_gets_all(tmp_path):
    """A peer that closes after each mail costs connections, never an attempt."""

    async def play():
        def each_second(verb, count):
            return Close(b"421 4.7.0 one mail each\r\n") if verb == "MAIL" and count % 2 else None

        async with partner(each_second) as server:
            async with bench(
                tmp_path, settings({"partner.example.jp": server.address}, connections=1)
            ) as relay:
                await relay.offer(*[f"o{number}@partner.example.jp" for number in range(6)])
                states = await relay.settled(6)
            return {(state, attempts) for _, state, attempts in states}, len(server.taken)

    assert asyncio.run(play()) == ({("delivered", 1)}, 6)


def test_a_deferred_mail_is_tried_again_when_its_time_has_come(tmp_path):
    """451 now, taken a minute later, from the store, with the same bytes."""

    async def play():
        def first(verb, count):
            return Say(b"451 4.3.0 later\r\n") if (verb, count) == (".", 0) else None

        async with (
            partner(first) as server,
            bench(tmp_path, to_partner(server)) as relay,
        ):
            await relay.offer(TO)
            assert await relay.settled(1) == [(TO, "queued", 1)]
            await _advance_until(relay, lambda: server.taken)
            return await relay.settled(1), server.taken[0].content == CONTENT

    assert asyncio.run(play()) == ([(TO, "delivered", 2)], True)


async def _advance_until(relay: Bench, reached, step=timedelta(seconds=10)):
    async with asyncio.timeout(10):
        while not reached():
            if relay.clock.sleepers:
                relay.clock.advance(step)
            await asyncio.sleep(0.005)


def test_a_dead_hop_costs_each_mail_one_deferral_by_the_schedule_until_it_expires(tmp_path):
    """Nobody listens for five days: the mail bounces as expired and says what happened last."""
    holder, address = closed_port()

    async def play():
        chosen = settings({"partner.example.jp": address}, retry=["12h"])
        async with bench(tmp_path, chosen) as relay:
            start = relay.clock.now()
            await relay.offer(TO)
            await _advance_until(
                relay, lambda: relay.clock.now() - start > timedelta(days=5, minutes=5), timedelta(hours=1)
            )
            await relay.settled(1)
            entries = await relay.store.journal(JournalFilter(limit=100))
            return (
                await relay.states(),
                await relay.replies(),
                [entry.event for entry in entries][-1],
                len(entries),
            )

    with holder:
        states, replies, last, _ = asyncio.run(play())
    assert [(state, last) for _, state, _ in states] == [("bounced", Event.BOUNCED)]
    assert replies[0].startswith("expired after 5 days: 127.0.0.1:")
    assert 10 <= states[0][2] <= 12


def test_one_dead_and_one_silent_hop_among_ten_delay_nobody_else(tmp_path):
    """Eight good partners have their 400 mails before the silent one's first timeout is over."""
    holder, dead = closed_port()

    async def play():
        async with partner() as good, partner(always({"MAIL": Hang()})) as silent:
            domains = {f"p{number}.example.jp": good.address for number in range(8)}
            chosen = settings({**domains, "dead.example.jp": dead, "silent.example.jp": silent.address})
            async with bench(tmp_path, chosen) as relay:
                for domain in ("dead.example.jp", "silent.example.jp", *domains):
                    await relay.offer(*[f"o{number}@{domain}" for number in range(50)])
                await good.took(400)
                at_once = relay.engine.in_memory >= 48  # all of the silent hop's still wait
                states = await relay.states()
            return (
                at_once,
                sum(state == "delivered" for _, state, _ in states),
                {state for to, state, _ in states if "dead" in to},
            )

    with holder:
        at_once, _, dead_states = asyncio.run(play())
    assert (at_once, dead_states) == (True, {"queued"})


def test_a_slow_hop_gives_back_what_is_more_than_its_share(tmp_path):
    """A hop that hangs keeps a quarter of the memory; the rest goes back to the store, and others come on."""

    async def play():
        async with partner() as good, partner(always({"MAIL": Hang()})) as silent:
            routes = {"silent.example.jp": silent.address, "good.example.jp": good.address}
            chosen = settings(routes, memory=40)
            patient = chosen.timeouts.model_copy(update={"command": timedelta(seconds=60)})
            async with bench(tmp_path, chosen.model_copy(update={"timeouts": patient})) as relay:
                await relay.offer(*[f"o{number}@silent.example.jp" for number in range(40)])
                full = relay.engine.lease(1) is None
                await relay.store.accept(accepted(relay.clock, recipients=["a@good.example.jp"]))
                await _advance_until(relay, lambda: good.taken, timedelta(seconds=2))
                states = await relay.states()
                return full, relay.engine.in_memory, [row for row in states if row[1] == "queued"]

    full, left, queued = asyncio.run(play())
    assert full is True
    assert left in (11, 12, 13)  # ten waiting or nine, two on the wire, perhaps the good one being settled
    assert {(state, attempts) for _, state, attempts in queued} == {("queued", 0)}
    assert len(queued) in (28, 29)


def test_what_a_stopped_worker_had_not_tried_waits_in_the_store_and_the_next_life_sends_it(tmp_path):
    """Stopping hands back what hangs and what waits; a restart delivers all, each once."""
    clock = ManualClock()

    async def play():
        async with partner(always({"MAIL": Hang()})) as silent:
            chosen = settings({"partner.example.jp": silent.address})
            async with bench(tmp_path, chosen, clock=clock) as relay:
                await relay.offer(*[f"o{number}@partner.example.jp" for number in range(30)])
                await silent.until(lambda server: server.connections == 2)
                await relay.engine.stop(0)
                stopped = await relay.states()
        async with partner() as good:
            chosen = settings({"partner.example.jp": good.address})
            async with bench(tmp_path, chosen, clock=clock) as relay:
                await good.took(30)
                return (
                    {row[1:] for row in stopped},
                    {row[1:] for row in await relay.settled(30)},
                    len(good.taken),
                )

    assert asyncio.run(play()) == ({("queued", 0)}, {("delivered", 1)}, 30)


def test_a_worker_that_died_without_a_word_is_recovered_at_its_next_start(tmp_path):
    """Leases of the former life are taken back at once and the mails are sent."""

    async def play():
        clock = ManualClock()
        store = Store.open(tmp_path / "denrei.db", clock=clock)
        lease = {"leased_by": "host/1", "leased_until": clock.now() + timedelta(minutes=10)}
        await store.accept(accepted(clock, recipients=[TO], state=DeliveryState.SENDING, **lease))
        await store.close()
        async with (
            partner() as server,
            bench(tmp_path, to_partner(server), clock=clock) as relay,
        ):
            await server.took(1)
            return await relay.settled(1)

    assert asyncio.run(play()) == [(TO, "delivered", 1)]


def test_leases_of_what_waits_are_extended(tmp_path):
    """Half an hour at a silent partner, and the deliveries are still this worker's: no other claims them."""

    async def play():
        async with partner(always({"MAIL": Hang()})) as silent:
            chosen = settings({"partner.example.jp": silent.address})
            patient = chosen.timeouts.model_copy(update={"command": timedelta(seconds=60)})
            async with bench(tmp_path, chosen.model_copy(update={"timeouts": patient})) as relay:
                await relay.offer(TO)
                end = relay.clock.now() + timedelta(minutes=30)
                await _advance_until(relay, lambda: relay.clock.now() >= end, timedelta(minutes=1))
                now = relay.clock.now()
                taken = await relay.store.claim(worker="host/2", until=now, now=now, limit=10, octets=1 << 20)
                events = [entry.event for entry in await relay.store.journal(JournalFilter(limit=100))]
                return taken, await relay.states(), events

    # A lease that ran out and was claimed anew would have left a RECOVERED entry.
    assert asyncio.run(play()) == ([], [(TO, "sending", 0)], [Event.ACCEPTED])


def test_a_recipient_without_a_domain_bounces_alone(tmp_path):
    """An address that SMTP cannot reach is settled at once and harms nobody."""

    async def play():
        async with (
            partner() as server,
            bench(tmp_path, to_partner(server)) as relay,
        ):
            await relay.offer("a@[192.0.2.1]", TO)
            return await relay.settled(2)

    assert asyncio.run(play()) == [("a@[192.0.2.1]", "bounced", 1), (TO, "delivered", 1)]


def test_a_dead_exchanger_of_two_costs_one_timeout_and_not_one_for_each_connection(tmp_path):
    """The MX that cannot be reached is tried once, then last; mails go to the other."""
    zone = {
        ("partner.example.jp", "MX"): ["10 dead.example.jp.", "20 alive.example.jp."],
        ("dead.example.jp", "A"): ["127.0.0.2"],
        ("alive.example.jp", "A"): ["127.0.0.1"],
    }

    async def play():
        async with partner() as good, name_server(zone) as names:
            dialled = []

            async def count(reader, writer):
                dialled.append(1)
                writer.transport.abort()

            dead = await asyncio.start_server(count, "127.0.0.2", good.address[1])
            clock = ManualClock()
            chosen = settings({}, mails_per_connection=5)
            ways = Routes(
                chosen,
                hostname=HOSTNAME,
                clock=clock,
                resolver=names.resolver(),
                port=good.address[1],
                loopback=True,
            )
            async with dead, bench(tmp_path, chosen, clock=clock, routes=ways) as relay:
                await relay.offer(*[f"o{number}@partner.example.jp" for number in range(40)])
                states = await relay.settled(40)
            return {row[1:] for row in states}, len(dialled) <= 2, good.connections >= 8

    assert asyncio.run(play()) == ({("delivered", 1)}, True, True)


def test_a_peer_that_refuses_further_connections_keeps_those_that_stand(tmp_path):
    """421 to the third connection defers nobody: the two that stand take all mails."""

    async def play():
        def two(verb, count):
            return Close(b"421 4.7.0 too many\r\n") if verb == "connect" and count >= 2 else None

        async with (
            partner(two) as server,
            bench(tmp_path, to_partner(server)) as relay,
        ):
            await relay.offer(*[f"o{number}@partner.example.jp" for number in range(60)])
            states = await relay.settled(60)
            return {row[1:] for row in states}, len(server.taken), server.connections <= 4

    assert asyncio.run(play()) == ({("delivered", 1)}, 60, True)


def test_an_idle_connection_is_closed_with_quit(tmp_path):
    """After the idle time nothing stands, and the next mail opens a connection again."""

    async def play():
        async with partner() as server:
            chosen = to_partner(server).model_copy(update={"idle": timedelta(seconds=0.05)})
            async with bench(tmp_path, chosen) as relay:
                await relay.offer(TO)
                await server.until(lambda state: state.heard[-1:] == ["QUIT"] and not state.open_now)
                await relay.offer("b@partner.example.jp")
                states = await relay.settled(2)
            return {row[1:] for row in states}, server.connections

    assert asyncio.run(play()) == ({("delivered", 1)}, 2)


def test_a_stopping_engine_lets_what_is_on_the_wire_come_to_its_end(tmp_path):
    """Within the grace the running mails are delivered and settled; no other is begun."""

    async def play():
        async with partner(always({".": Drip(b"250 2.0.0 taken\r\n", 0.01)})) as server:
            async with bench(tmp_path, to_partner(server)) as relay:
                await relay.offer(*[f"o{number}@partner.example.jp" for number in range(20)])
                await server.until(lambda state: "DATA" in state.heard)
                await relay.engine.stop(5)
                states = [row[1:] for row in await relay.states()]
            return set(states), states.count(("delivered", 1)), len(server.taken)

    states, delivered, taken = asyncio.run(play())
    assert states == {("delivered", 1), ("queued", 0)}
    assert 1 <= delivered == taken <= 4


def test_stopping_does_not_wait_for_a_connection_that_is_still_being_made(tmp_path):
    """A partner that never greets does not use up the grace: its mail goes back to the store, uncounted."""

    async def play():
        async with partner(always({"connect": Hang()})) as server:
            chosen = to_partner(server)
            patient = chosen.timeouts.model_copy(update={"greeting": timedelta(seconds=60)})
            async with bench(tmp_path, chosen.model_copy(update={"timeouts": patient})) as relay:
                await relay.offer(TO)
                await server.until(lambda state: state.connections == 1)
                async with asyncio.timeout(5):
                    await relay.engine.stop(60)
                return await relay.states()

    assert asyncio.run(play()) == [(TO, "queued", 0)]


def test_the_pauses_of_a_dead_hop_grow_although_nothing_waits_between_retries(tmp_path):
    """A hop that failed is remembered between retries: the later pause is the longer one."""
    holder, address = closed_port()

    async def play():
        with structlog.testing.capture_logs() as logs:
            async with bench(tmp_path, settings({"partner.example.jp": address}, retry=["1m"])) as relay:
                start = relay.clock.now()
                await relay.offer(TO)
                await _advance_until(relay, lambda: relay.clock.now() - start > timedelta(minutes=6))
                await relay.settled(1)
        return [line["pause_seconds"] for line in logs if line["event"] == "next hop cannot be reached"]

    with holder:
        pauses = asyncio.run(play())
    assert pauses[:3] == [15, 30, 60]


def test_connections_stay_open_through_a_stream_of_single_mails(tmp_path):
    """A hundred mails one by one: no connection is closed and opened again while they come."""

    async def play():
        async with partner() as server, bench(tmp_path, to_partner(server)) as relay:
            for number in range(100):
                await relay.offer(f"o{number}@partner.example.jp")
            await relay.settled(100)
            return len(server.taken), server.connections == server.most_open

    assert asyncio.run(play()) == (100, True)
