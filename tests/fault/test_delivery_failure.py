"""The engine when what is around it fails: a full disk, a bug, a lost lease, a stop at a bad moment.

Each story ends with what stands in the store and how often the partner has the mail.
"""

import asyncio
from datetime import timedelta

import pytest
import structlog

from relay.delivery import Routes
from relay.errors import MachineFailure
from relay.journal import Event
from relay.store.query import JournalFilter
from relay.store.values import DeliveryState
from tests.support.clock import ManualClock
from tests.support.delivering import HOSTNAME, bench, dues, settings
from tests.support.partner import Close, Hang, Say, always, partner
from tests.support.stored import accepted

TO = "orders@partner.example.jp"
FULL = MachineFailure("the disk is full; nothing of this was stored")


def to_partner(server, **more):
    """Settings in which partner.example.jp is that server."""
    return settings({"partner.example.jp": server.address}, **more)


def patient(chosen, **phases):
    """The same settings, these phases of the dialogue as long as that."""
    return chosen.model_copy(update={"timeouts": chosen.timeouts.model_copy(update=phases)})


def addresses(count):
    """So many recipients at the partner, in order."""
    return [f"o{number:02}@partner.example.jp" for number in range(count)]


async def until(condition, seconds=10.0):
    """Wait until the condition holds."""
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.005)


async def events(relay):
    """All that the journal says."""
    return [entry.event for entry in await relay.store.journal(JournalFilter(limit=100))]


class BuggyClock(ManualClock):
    """Its chance fails at the next so many calls: the settling of an attempt meets a bug."""

    bugs = 0

    def random(self):
        if self.bugs:
            self.bugs -= 1
            raise RuntimeError("乱数がありません")
        return super().random()


class BuggyRoutes(Routes):
    """They know no way for one recipient."""

    def next_hop(self, recipient):
        if recipient.startswith("bug@"):
            raise RuntimeError("不具合")
        return super().next_hop(recipient)


# Outcomes that the store does not take


def test_a_delivered_mail_is_not_sent_again_when_the_disk_is_full_for_longer_than_its_lease(tmp_path):
    """Half an hour without room, with leases of ten minutes: the outcome is written in the end, once."""

    async def play():
        async with partner() as server, bench(tmp_path, to_partner(server)) as relay:
            relay.faulty.full = True
            await relay.offer(TO)
            await server.took(1)
            end = relay.clock.now() + timedelta(minutes=30)
            await relay.advance_until(lambda: relay.clock.now() >= end, timedelta(seconds=30))
            assert relay.engine.in_memory == 1
            relay.faulty.full = False
            await relay.advance_until(lambda: not relay.engine.in_memory, timedelta(seconds=5))
            again = relay.clock.now() + timedelta(minutes=30)
            await relay.advance_until(lambda: relay.clock.now() >= again, timedelta(minutes=1))
            return await relay.states(), len(server.taken), (await events(relay))[-1]

    assert asyncio.run(play()) == ([(TO, "delivered", 1)], 1, Event.DELIVERED)


def test_an_outcome_that_could_not_be_written_is_written_when_the_worker_stops(tmp_path):
    """Stopping tries once more to write what has ended, before it hands the rest back."""

    async def play():
        async with partner() as server, bench(tmp_path, to_partner(server)) as relay:
            relay.faulty.failures["settle"] = [FULL]
            await relay.offer(TO)
            await until(lambda: relay.faulty.calls["settle"] == 1)
            await relay.engine.stop(0)
            return await relay.states(), len(server.taken)

    assert asyncio.run(play()) == ([(TO, "delivered", 1)], 1)


def test_an_outcome_that_is_never_written_is_named_when_the_worker_stops(tmp_path):
    """With the disk still full, the log has each delivery with its Message-ID, and its lease is kept."""

    async def play():
        async with partner() as server, bench(tmp_path, to_partner(server)) as relay:
            relay.faulty.full = True
            one = await relay.offer(TO, "b@partner.example.jp")
            await server.took(2)
            with structlog.testing.capture_logs() as logs:
                await relay.engine.stop(0)
            named = {
                (line["delivery"], line["message_id"], line["outcome"])
                for line in logs
                if line["event"].startswith("outcome not stored when the worker stopped")
            }
            return named, one, {row[1:] for row in await relay.states()}

    named, one, states = asyncio.run(play())
    ids = [(row.id, mail.message_id) for row, mail in zip(one.deliveries, one.mails, strict=True)]
    assert named == {(*pair, "delivered") for pair in ids}
    assert states == {("sending", 0)}


# Bugs


@pytest.mark.parametrize(
    "failure", [RuntimeError("不具合"), asyncio.CancelledError()], ids=["bug", "cancelled"]
)
def test_no_failure_of_a_claim_ends_delivering(tmp_path, failure):
    """Not even a future that comes back cancelled: the pump goes on, and the mail in the store is sent."""

    async def play():
        async with partner() as server, bench(tmp_path, to_partner(server), started=False) as relay:
            relay.faulty.failures["claim"] = [failure]
            await relay.store.accept(accepted(relay.clock, recipients=[TO]))
            with structlog.testing.capture_logs() as logs:
                await relay.engine.start()
                await relay.advance_until(lambda: server.taken, timedelta(seconds=1))
            told = [line["event"] for line in logs if line["log_level"] == "error"]
            return await relay.settled(1), told

    assert asyncio.run(play()) == ([(TO, "delivered", 1)], ["due deliveries could not be claimed"])


def test_an_outcome_whose_writing_was_cancelled_in_the_store_is_written_again(tmp_path):
    """A future that comes back cancelled is no order to stop: the mail is settled, and sent once."""

    async def play():
        async with partner() as server, bench(tmp_path, to_partner(server)) as relay:
            relay.faulty.failures["settle"] = [asyncio.CancelledError()]
            await relay.offer(TO)
            await relay.advance_until(lambda: not relay.engine.in_memory, timedelta(seconds=1))
            return await relay.states(), len(server.taken)

    assert asyncio.run(play()) == ([(TO, "delivered", 1)], 1)


def test_a_bug_that_ends_a_connections_worker_costs_neither_its_mail_nor_the_next(tmp_path):
    """What the partner said is written all the same, and another worker takes the next mail."""

    async def play():
        clock = BuggyClock()
        async with (
            partner() as server,
            bench(tmp_path, to_partner(server, connections=1), clock=clock) as relay,
        ):
            clock.bugs = 1
            await relay.offer(TO)
            first = await relay.settled(1)
            await relay.offer("b@partner.example.jp")
            return first, await relay.settled(2), len(server.taken)

    delivered = (TO, "delivered", 1)
    assert asyncio.run(play()) == ([delivered], [("b@partner.example.jp", "delivered", 1), delivered], 2)


def test_a_bug_in_one_deferral_of_a_dead_hop_costs_no_delivery(tmp_path):
    """Three mails wait for a hop that cannot be reached, one meets a bug: all are deferred."""

    async def play():
        clock = BuggyClock()
        async with (
            partner(always({"connect": Close(b"421 4.3.2 no\r\n")})) as server,
            bench(tmp_path, to_partner(server, connections=1), clock=clock) as relay,
        ):
            clock.bugs = 1
            await relay.offer(*addresses(3))
            return {row[1:] for row in await relay.settled(3)}

    assert asyncio.run(play()) == {("queued", 1)}


def test_a_bug_with_one_offered_delivery_costs_no_other_and_is_not_kept_in_memory(tmp_path):
    """Intake hears nothing of it, the second of two is sent, and the first is free when the worker stops."""

    async def play():
        async with partner() as server:
            chosen, clock = to_partner(server), ManualClock()
            ways = BuggyRoutes(chosen, hostname=HOSTNAME, clock=clock)
            async with bench(tmp_path, chosen, clock=clock, routes=ways) as relay:
                await relay.offer("bug@partner.example.jp", TO)
                await relay.settled(2)
                await relay.engine.stop(0)
                return await relay.states()

    assert asyncio.run(play()) == [("bug@partner.example.jp", "queued", 0), (TO, "delivered", 1)]


def test_the_pump_rests_again_after_it_has_waited_for_room(tmp_path):
    """Memory was full once and is empty now: nothing is claimed until the clock goes on."""

    async def play():
        async with partner() as server, bench(tmp_path, to_partner(server, memory=2)) as relay:
            await relay.store.accept(accepted(relay.clock, recipients=addresses(3)))
            await relay.advance_until(lambda: len(server.taken) == 3, timedelta(seconds=1))
            await relay.settled(3)
            await until(lambda: relay.clock.sleepers)
            claims = relay.faulty.calls["claim"]
            for _ in range(20):
                await relay.states()
            return relay.faulty.calls["claim"] - claims

    assert asyncio.run(play()) <= 1


# Next hops


def test_connections_that_fail_together_close_the_hop_once(tmp_path):
    """Two workers meet the same restart of the partner: one short pause, not one step for each."""

    async def play():
        async with partner(always({"connect": Close(b"421 4.3.2 restarting\r\n")})) as server:
            with structlog.testing.capture_logs() as logs:
                async with bench(tmp_path, to_partner(server)) as relay:
                    await relay.offer(TO, "b@partner.example.jp")
                    await relay.settled(2)
                    await server.until(lambda state: state.connections == 2 and not state.open_now)
        return [line["pause_seconds"] for line in logs if line["event"] == "next hop cannot be reached"]

    assert asyncio.run(play()) == [15]


def test_a_mail_does_not_wait_behind_a_partner_that_hangs_when_another_connection_is_free(tmp_path):
    """One connection says goodbye, the other waits for an answer: the next mail has a new one."""

    def faults(verb, count):
        return Hang() if (verb, count) in ((".", 1), ("QUIT", 0)) else None

    async def play():
        async with partner(faults) as server:
            chosen = to_partner(server, connections=2).model_copy(update={"idle": timedelta(seconds=0.05)})
            async with bench(tmp_path, patient(chosen, end_of_data=timedelta(seconds=60))) as relay:
                await relay.offer(TO, "b@partner.example.jp")
                await server.until(lambda state: "QUIT" in state.heard)
                await relay.offer("c@partner.example.jp")
                return [taken.rcpt_to for taken in await server.took(2)][1]

    assert asyncio.run(play()) == "c@partner.example.jp"


def test_a_mail_that_was_held_for_longer_than_its_lifetime_survives_a_deferral(tmp_path):
    """Released after six days, 451 at first: it is tried again and delivered."""

    async def play():
        def first(verb, count):
            return Say(b"451 4.7.1 greylisted\r\n") if (verb, count) == ("RCPT", 0) else None

        async with partner(first) as server, bench(tmp_path, to_partner(server), started=False) as relay:
            one = accepted(relay.clock, recipients=[TO], state=DeliveryState.HELD)
            await relay.store.accept(one)
            relay.clock.advance(timedelta(days=6))
            await relay.store.release(one.deliveries[0].id, now=relay.clock.now(), by="店長")
            await relay.engine.start()
            await relay.advance_until(lambda: server.taken, timedelta(seconds=10))
            return await relay.settled(1)

    assert asyncio.run(play()) == [(TO, "delivered", 2)]


# Leases


def test_what_another_worker_has_taken_over_is_dropped_and_not_sent(tmp_path):
    """Ten of thirty leases were lost: when the rest is extended, those ten leave memory unsent."""

    async def play():
        async with partner(always({"MAIL": Hang()})) as silent:
            chosen = patient(to_partner(silent), command=timedelta(seconds=60))
            async with bench(tmp_path, chosen) as relay:
                one = await relay.offer(*addresses(30))
                await silent.until(lambda state: sum(line[:4] == "MAIL" for line in state.heard) == 2)
                await until(lambda: relay.clock.sleepers)  # the pump rests: nothing is claimed meanwhile
                now = relay.clock.now()
                ids = [row.id for row in one.deliveries[5:15]]
                await relay.store.hand_back(worker="host/1", now=now, delivery_ids=ids)
                lease_end = now + timedelta(hours=1)
                await relay.store.claim(worker="host/2", until=lease_end, now=now, limit=10, octets=1 << 20)
                with structlog.testing.capture_logs() as logs:
                    await relay.advance_until(lambda: relay.engine.in_memory == 20, timedelta(minutes=1))
                told = [line["count"] for line in logs if line["event"].startswith("leases lost")]
                await relay.engine.stop(0)
                return told, {row[0] for row in await relay.states() if row[1] == "sending"}

    assert asyncio.run(play()) == ([10], set(addresses(30)[5:15]))


def test_what_waits_past_its_lease_is_handed_back_and_no_attempt_is_counted(tmp_path):
    """The store did not extend it in time: it is not sent under the old lease, and claimed anew."""

    def first(verb, count):
        return Hang() if (verb, count) == ("MAIL", 0) else None

    async def play():
        async with partner(first) as server, bench(tmp_path, to_partner(server, connections=1)) as relay:
            extended = relay.faulty.before["extend"] = asyncio.Event()
            await relay.offer(*addresses(2))
            await server.until(lambda state: any(line[:4] == "MAIL" for line in state.heard))
            relay.clock.advance(timedelta(minutes=11))
            await server.until(lambda state: state.connections == 2)
            await until(lambda: relay.faulty.calls["settle"] == 1)
            extended.set()
            await relay.advance_until(lambda: len(server.taken) == 2, timedelta(seconds=10))
            return await relay.settled(2)

    first_to, second_to = addresses(2)
    assert asyncio.run(play()) == [(first_to, "delivered", 2), (second_to, "delivered", 1)]


def test_nothing_is_leased_or_taken_in_before_the_start_and_after_the_stop(tmp_path):
    """Intake may open before and close after the engine: what it offers then is not lost."""

    async def play():
        async with partner() as server, bench(tmp_path, to_partner(server), started=False) as relay:
            until_ = relay.clock.now() + timedelta(minutes=10)
            lease = {"state": DeliveryState.SENDING, "leased_by": "host/1", "leased_until": until_}
            early = accepted(relay.clock, recipients=[TO], **lease)
            await relay.store.accept(early)
            leases = [relay.engine.lease(1)]
            relay.engine.offer(dues(early))
            taken_in = [relay.engine.in_memory]
            await relay.engine.start()
            await server.took(1)
            await relay.settled(1)
            leases.append(relay.engine.lease(1) and "running")
            await relay.engine.stop(1)
            leases.append(relay.engine.lease(1))
            relay.engine.offer(dues(accepted(relay.clock, recipients=["b@partner.example.jp"], **lease)))
            taken_in.append(relay.engine.in_memory)
            return leases, taken_in, await relay.states(), len(server.taken)

    assert asyncio.run(play()) == ([None, "running", None], [0, 0], [(TO, "delivered", 1)], 1)


# Stopping


def test_a_claim_that_runs_when_the_worker_stops_leaves_no_lease_behind(tmp_path):
    """It was made and had not yet answered: what it leased is handed back, without a word in the journal."""

    async def play():
        async with partner() as server, bench(tmp_path, to_partner(server), started=False) as relay:
            answer = relay.faulty.after["claim"] = asyncio.Event()
            await relay.store.accept(accepted(relay.clock, recipients=addresses(3)))
            await relay.engine.start()
            await until(lambda: relay.faulty.calls["claim"] == 1)
            stopping = asyncio.create_task(relay.engine.stop(0))
            await asyncio.sleep(0)
            answer.set()
            await stopping
            return {row[1:] for row in await relay.states()}, await events(relay), len(server.taken)

    assert asyncio.run(play()) == ({("queued", 0)}, [Event.ACCEPTED], 0)


def test_a_lease_that_nobody_took_in_is_given_up_when_the_worker_stops(tmp_path):
    """Intake was cut off between commit and offer: the delivery does not wait for its lease's end."""

    async def play():
        async with partner() as server, bench(tmp_path, to_partner(server)) as relay:
            until_ = relay.clock.now() + timedelta(minutes=10)
            lease = {"state": DeliveryState.SENDING, "leased_by": "host/1", "leased_until": until_}
            await relay.store.accept(accepted(relay.clock, recipients=[TO], **lease))
            await relay.engine.stop(0)
            return await relay.states(), await events(relay)

    assert asyncio.run(play()) == ([(TO, "queued", 0)], [Event.ACCEPTED, Event.RECOVERED])


def test_one_outcome_that_cannot_be_written_keeps_no_other_delivery_from_the_store(tmp_path):
    """At the stop one of two outcomes fails: the other is written, what waited is handed back."""

    async def play():
        async with partner() as server, bench(tmp_path, to_partner(server, connections=2)) as relay:
            relay.faulty.full = True
            await relay.offer(*addresses(6))
            await until(lambda: relay.faulty.calls["settle"] == 2)
            relay.faulty.full = False
            relay.faulty.failures["settle"] = [RuntimeError("不具合")]
            await relay.engine.stop(0)
            return sorted(row[1:] for row in await relay.states()), len(server.taken)

    assert asyncio.run(play()) == ([("delivered", 1), *[("queued", 0)] * 4, ("sending", 0)], 2)


def test_a_stop_that_is_cut_short_while_it_hands_back_is_finished_by_the_next(tmp_path):
    """A second signal cancels the first stop in the middle: nothing stays leased."""

    async def play():
        async with partner(always({"MAIL": Hang()})) as silent:
            chosen = patient(to_partner(silent), command=timedelta(seconds=60))
            async with bench(tmp_path, chosen) as relay:
                await relay.offer(*addresses(5))
                relay.faulty.before["hand_back"] = asyncio.Event()
                stopping = asyncio.create_task(relay.engine.stop(0))
                await until(lambda: relay.faulty.calls["hand_back"] == 1)
                stopping.cancel()
                await asyncio.wait({stopping})
                del relay.faulty.before["hand_back"]
                await relay.engine.stop(0)
                return {row[1:] for row in await relay.states()}, await events(relay)

    assert asyncio.run(play()) == ({("queued", 0)}, [Event.ACCEPTED])


def test_what_a_slow_hop_has_too_much_is_not_forgotten_when_the_store_does_not_take_it_back(tmp_path):
    """The first hand-back fails, the second is made: only the hop's share is still leased."""

    async def play():
        async with partner(always({"MAIL": Hang()})) as silent:
            chosen = patient(to_partner(silent, memory=40), command=timedelta(seconds=60))
            async with bench(tmp_path, chosen) as relay:
                relay.faulty.failures["hand_back"] = [FULL]
                await relay.offer(*addresses(40))
                await relay.advance_until(lambda: relay.engine.in_memory == 12, timedelta(seconds=2))
                return sorted(row[1:] for row in await relay.states())

    assert asyncio.run(play()) == [*[("queued", 0)] * 28, *[("sending", 0)] * 12]
