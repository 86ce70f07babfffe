"""Whatever happens in whatever order: nothing lost, nothing doubled, nothing let go that is held.

Relays start, stop and die at any step, their disk fills up or stands still, partners refuse, hang and drop,
people use every verb, the clock runs and is set. After each step, and when all is well again:

- accepted means: delivered, ended and told of, discarded by a person, held, in quarantine, or on its way;
- a partner gets a mail twice only where the relay could not know of the first time, and it is the same mail;
- nothing is sent while a hold on it stands, what was under way already aside;
- each state is the one that the journal tells of, and nothing is leased to nobody.
"""

import email
import email.policy
from collections import Counter, defaultdict
from dataclasses import dataclass
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from relay.journal import Entry, Event
from relay.store.integrity import Examination, examine
from relay.store.query import DeliveryRow, JournalFilter, QuarantineFilter
from relay.store.values import DeliveryState, Hold, QuarantineState, Scope
from tests.support.moody import GOOD, HANGS, MOODS
from tests.support.world import (
    ADDRESS,
    SEEN,
    UNWRITABLE,
    WRITABLE,
    Order,
    World,
    order,
)

PICK = st.integers(0, 1_000)  # which of those that there are
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
TIMES = [SEEN, MINUTE, 6 * MINUTE, 31 * MINUTE, 5 * HOUR, DAY, 3 * DAY, 8 * DAY]
SOON = st.sampled_from([timedelta(), timedelta(seconds=3), SEEN])
FAULT = st.sampled_from([None, None, "full", "still"])
SIDE = st.sampled_from(["before", "after"])
NAME = st.sampled_from([WRITABLE, WRITABLE, UNWRITABLE])
MOOD = st.sampled_from([GOOD, GOOD, *MOODS, *HANGS])
MOODS_OF_BOTH = st.tuples(MOOD, MOOD)
SOLD_BY = ["例題商店", "例題商店", "見本書店", "誰も登録していない店"]
FITTING = {
    "hold": ("queued",),
    "release": ("held",),
    "retry": ("queued", "bounced"),
    "discard": ("held", "queued"),
    "resend": ("delivered", "bounced", "discarded"),
}
PERSON = "Subject: Re: 注文\r\n\r\nどの注文でしょうか\r\n"
WRITES = [
    "accept",
    "accept",
    "settle",
    "settle",
    "claim",
    "hand_back",
    "extend",
    "quarantine",
    "late_bounce",
    "notify",
]
SUBJECTS = [
    (Scope.SELLER, "例題商店"),
    (Scope.PARTNER, "stock_gear"),
    (Scope.ADDRESS, "b@x.example.jp"),
    (Scope.ADDRESS, "ops@y.example.jp"),
    (Scope.NEXT_HOP, "y.example.jp"),
]
STATUSES = {
    "gone": "Action: failed\r\nStatus: 5.1.1\r\nDiagnostic-Code: smtp; 550 5.1.1 no such user\r\n",
    "full": "Action: failed\r\nStatus: 5.2.2\r\n",
    "late": "Action: delayed\r\nStatus: 4.4.1\r\n",
}

# What a delivery becomes by an entry, from each state in which there may be such an entry. What is queued and
# what is being sent are one to the journal: a lease is no event.
WAITS = "waits"
STEPS: dict[Event, dict[str, str]] = {
    Event.HELD: {WAITS: "held", "held": "held"},
    Event.STALE: {"held": "held", WAITS: "held"},
    Event.RELEASED: {"held": WAITS},
    Event.DELIVERED: {WAITS: "delivered"},
    Event.DEFERRED: {WAITS: WAITS},
    Event.BOUNCED: {WAITS: "bounced"},
    Event.RETRIED: {WAITS: WAITS, "bounced": WAITS},
    Event.DISCARDED: {"held": "discarded", WAITS: "discarded"},
    Event.RECOVERED: {WAITS: WAITS},
    Event.LATE_BOUNCED: {"delivered": "bounced", "held": "bounced", WAITS: "bounced"},
}
NO_STEP = {Event.REPORTED, Event.NOTIFIED, Event.RESENT, Event.SUPPRESSED, Event.QUARANTINED}


@dataclass(frozen=True, slots=True)
class Known:
    """What was once seen of a delivery, purged or not."""

    key: tuple[str, ...]  # by which a partner's mails are told apart
    row: DeliveryRow


class Account:
    """What was promised, what the journal tells, what partners got."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.promised: dict[str, Order] = {}  # by notification
        self.kept: set[str] = set()  # in quarantine, whole
        self.unanswered: set[str] = set()  # event ids: stored or not, nobody knows
        self.purged: set[str] = set()  # notifications
        self.known: dict[str, Known] = {}
        self.rows: dict[str, DeliveryRow] = {}
        self.holds: dict[str, Hold] = {}  # all that ever stood
        self.told: set[str] = set()  # deliveries that a notice of failure named
        self.states: dict[str, str] = {}  # as the journal tells
        self.delivered: Counter[tuple[str, ...]] = Counter()  # by the journal
        self.untold: Counter[tuple[str, ...]] = Counter()  # takings that no relay could hear of
        self.taken: defaultdict[tuple[str, ...], list[bytes]] = defaultdict(list)
        self.orphaned: set[str] = set()  # seats whose leases nobody has taken back yet
        self._read_until = 0
        self._notices: set[str] = set()
        self._seen_taken = [0, 0]
        self._seen_begun = [0, 0]

    async def look(self) -> None:
        """Take in what happened since the last look, and see that all of it may be so."""
        assert not self.world.bugs
        await self._hear_replies()
        store = self.world.person.store
        self.holds |= {hold.id: hold for hold in await store.holds()}
        before = None
        while before != (before := await self.world.rows()):  # else somebody is still about something
            tailed = await store.journal_after(self._read_until, JournalFilter())
        self._read_until = tailed.after
        self.rows = {row.delivery.id: row for row in before}
        for id_, row in self.rows.items():
            key = (row.message_id, row.delivery.recipient) if row.notice else (id_,)
            self.known.setdefault(id_, Known(key, row))
        for entry in tailed.entries:
            self._follow(entry)
        await self._read_notices()
        self._compare_states()
        self._look_at_partners()
        self._expect_nothing_lost()

    async def _hear_replies(self) -> None:
        waiting = []
        for one, task in self.world.posted:
            if task.done():
                self._hear(one, task.result())
            else:
                waiting.append((one, task))
        self.world.posted = waiting

    def _hear(self, one: Order | None, reply: str) -> None:
        words = reply.split()
        if words[:1] == ["250"] and words[-2:-1] == ["as"]:
            if words[2:4] == ["kept", "in"]:
                self.kept.add(words[-1])
            else:
                assert one is not None, reply
                known = self.promised.setdefault(words[-1], one)
                assert known.event_id == one.event_id, reply
        else:
            assert not reply or reply.startswith(("451 4.3.0", "421")) or reply == "250 2.0.0 report taken", (
                reply
            )
            if one is not None and not reply:
                self.unanswered.add(one.event_id)

    def _follow(self, entry: Entry) -> None:
        """The journal is a story of each delivery that can have happened."""
        id_ = entry.delivery_id
        if not id_ or entry.event in NO_STEP:
            return
        before = self.states.get(id_, WAITS)
        assert before in STEPS[entry.event], (before, entry)
        self.states[id_] = STEPS[entry.event][before]
        if entry.event is Event.DELIVERED:
            self.delivered[self.known[id_].key] += 1

    def _compare_states(self) -> None:
        """Each state is the one that the journal tells of, and each lease is somebody's."""
        workers = {life.worker for life in self.world.lives} | self.orphaned
        for id_, row in self.rows.items():
            delivery = row.delivery
            waits = delivery.state in (DeliveryState.QUEUED, DeliveryState.SENDING)
            assert self.states.get(id_, WAITS) == (WAITS if waits else delivery.state.value), row
            if delivery.state is DeliveryState.SENDING:
                assert delivery.leased_by in workers, row
            else:
                assert not delivery.leased_by, row
            if delivery.hold_id:
                assert (delivery.state, delivery.hold_id in self.holds) == (DeliveryState.HELD, True), row
        if self.world.is_well:
            for life in self.world.lives:
                leased = sum(row.delivery.leased_by == life.worker for row in self.rows.values())
                assert leased <= life.in_memory, (life.worker, leased, life.in_memory)

    async def _read_notices(self) -> None:
        for id_, row in self.rows.items():
            if row.notice == "failure" and id_ not in self._notices:
                self._notices.add(id_)
                story = await self.world.person.store.delivery(id_)
                assert story is not None
                text = email.message_from_bytes(story.content, policy=email.policy.default).get_content()
                self.told |= {each for each in self.known if each in text}

    # Partners

    def _look_at_partners(self) -> None:
        for number, peer in enumerate(self.world.peers):
            for begun in peer.begun[self._seen_begun[number] :]:
                self._heed(begun.mail_from, begun.rcpt_to, begun.in_force)
            for taken in peer.taken[self._seen_taken[number] :]:
                key = self._key(taken.mail_from, taken.rcpt_to, taken.content)
                self.taken[key].append(taken.content)
                if not taken.is_told:
                    self.untold[key] += 1
            self._seen_begun[number], self._seen_taken[number] = len(peer.begun), len(peer.taken)
        unwritten = Counter(self.known[one.delivery_id].key for one in self.world.disk.unwritten.values())
        for key, contents in self.taken.items():
            assert len(set(contents)) == 1, contents
            most = self.delivered[key] + self.untold[key] + unwritten[key]
            assert len(contents) <= most, (key, len(contents), self.delivered[key], self.untold[key])
        for key, count in self.delivered.items():
            assert count <= self._takings(key), key

    def _takings(self, key: tuple[str, ...]) -> int:
        return len(self.taken[key]) if key in self.taken else 0

    def _key(self, mail_from: str, rcpt_to: str, content: bytes) -> tuple[str, ...]:
        message = email.message_from_bytes(content, policy=email.policy.compat32)
        if not mail_from:
            return (message["Message-ID"], rcpt_to)
        row = self._row_of(mail_from)
        assert (message["Message-ID"], rcpt_to) == (row.message_id, row.delivery.recipient)
        return (row.delivery.id,)

    def _row_of(self, mail_from: str) -> DeliveryRow:
        id_ = self.world.returns.delivery_id(mail_from)
        assert id_ is not None, mail_from
        return self.known[id_].row

    def _heed(self, mail_from: str, rcpt_to: str, in_force: frozenset[str]) -> None:
        """Nobody may begin to send what a hold is on that was there to be seen."""
        on = {(Scope.NEXT_HOP, self.world.hops[rcpt_to.rpartition("@")[2].lower()])}
        if mail_from:  # a notice is stopped by nothing but its next hop
            row = self._row_of(mail_from)
            on |= {
                (Scope.SELLER, row.seller_id),
                (Scope.PARTNER, row.partner),
                (Scope.ADDRESS, rcpt_to.lower()),
            }
        met = {(self.holds[id_].scope, self.holds[id_].value) for id_ in in_force} & on
        assert not met, (mail_from, rcpt_to, met)

    # The promise

    def _expect_nothing_lost(self) -> None:
        """Each notification that was answered 250 is there whole, whatever has become of its mails."""
        mails: defaultdict[str, set[tuple[str, str]]] = defaultdict(set)
        for row in self.rows.values():
            if not (row.notice or row.delivery.resent_of):
                mails[row.notification_id].add((row.registration, row.delivery.recipient))
        for id_, one in self.promised.items():
            if id_ not in self.purged:
                assert mails[id_] >= one.expected, (id_, one)
                assert {name for name, _ in mails[id_] - one.expected} <= one.kept_for

    def expect_all_told(self) -> None:
        """What bounced is named in a notice."""
        for id_, row in self.rows.items():
            if row.delivery.state is DeliveryState.BOUNCED and not row.notice:
                assert (row.delivery.noticed, id_ in self.told) == ("failure", True), row


class ARelay(RuleBasedStateMachine):
    """The world around a relay, and all that may happen in it.

    No rule has a precondition: which rules may come would then hang on what a loaded machine had time for.
    """

    def __init__(self) -> None:
        super().__init__()
        self.world = World()
        self.account = Account(self.world)
        self.orders: list[Order] = []
        self._is_broken = False  # a step has failed: the end would only hide where

    @initialize(moods=MOODS_OF_BOTH, are_two=st.booleans())
    def begin(self, moods, are_two) -> None:
        """A relay runs, or two beside each other, and something is sold."""
        self._start()
        if are_two:
            self._start()
        self.orders_come_together(0, moods)

    def _run(self, work):
        try:
            return self.world.run(work)
        except BaseException:
            self._is_broken = True
            raise

    def _life(self, pick):
        return self.world.lives[pick % len(self.world.lives)]

    def _send(self, pick, one, **more) -> None:
        if self.world.lives:
            life = self._life(pick)
            envelope = {"mail_from": "market@example.jp", "rcpt_to": ADDRESS, "content": one and one.content}
            self._run(self.world.post(life, one, **(envelope | more)))

    def _feel(self, moods) -> None:
        for peer, mood in zip(self.world.peers, moods, strict=True):
            peer.mood = mood

    # The marketplace

    @rule(pick=PICK, seller=st.sampled_from(SOLD_BY), name=NAME, moods=MOODS_OF_BOTH, duration=SOON)
    def an_order_comes(self, pick, seller, name, moods, duration) -> None:
        """A new one, to partners that are as they are."""
        self._feel(moods)
        self.orders.append(order(len(self.orders), seller, name))
        self._send(pick, self.orders[-1])
        self._pass(duration)

    @rule(pick=PICK, moods=MOODS_OF_BOTH)
    def orders_come_together(self, pick, moods) -> None:
        """More than fit into memory, among them some that wait."""
        self._feel(moods)
        for seller in ("例題商店", "例題商店", "見本書店"):
            self.orders.append(order(len(self.orders), seller, WRITABLE))
            self._send(pick, self.orders[-1])

    @rule(pick=PICK, which=PICK, kind=st.sampled_from(["again", "otherwise", "nonsense"]))
    def something_else_comes(self, pick, which, kind) -> None:
        """An order again, answered or not; other content under its event id; what nobody understands."""
        number = which % len(self.orders)
        first = self.orders[number]
        match kind:
            case "again":
                self._send(pick, first)
            case "otherwise":
                self._send(pick, order(number, first.seller_id, first.item_name, memo="やはり置き配で。"))
            case _:
                self._send(pick, None, content="Subject: 注文?\r\n\r\nよろしく\r\n".encode())

    # Partners

    @rule(answer=st.sampled_from(MOODS), moods=MOODS_OF_BOTH)
    def partners_answer_at_last(self, answer, moods) -> None:
        """Whoever was kept waiting hears something, or is hung up on."""
        self._feel(moods)
        for peer in self.world.peers:
            peer.answer(answer)
        self._run(self.world.loop.quiet())

    @rule(pick=PICK, which=PICK, status=st.sampled_from([*sorted(STATUSES), "person"]))
    def a_report_comes_back(self, pick, which, status) -> None:
        """To the return address of a delivery, sent or not, purged or not."""
        known = sorted(self.account.known)  # never empty: orders come before all else
        row = self.account.known[known[which % len(known)]].row
        content = report(STATUSES[status], row.delivery.recipient) if status in STATUSES else PERSON
        back = self.world.returns.of(row.delivery.id)
        self._send(pick, None, mail_from="", rcpt_to=back, content=content.encode())

    # People

    @rule(subject=st.sampled_from(SUBJECTS), which=PICK, stops=st.booleans())
    def somebody_stops_something_or_lets_it_go(self, subject, which, stops) -> None:
        """A standing hold is placed, or one is lifted."""
        standing = self._run(self.world.person.store.holds())
        if stops or not standing:
            scope, value = subject
            value = self.world.hops.get(value, value)
            self._run(self.world.person.operations.place(scope, value, reason="確認中", by="店長"))
        else:
            one = standing[which % len(standing)]
            self.world.in_force -= {one.id}
            self._run(self.world.person.operations.lift(one, by="店長"))

    @rule(which=PICK, verb=st.sampled_from(["hold", "release", "retry", "discard", "resend"]), duration=SOON)
    def somebody_sees_to_a_delivery(self, which, verb, duration) -> None:
        """One of the verbs, on one that it may apply to if there is one."""
        rows = sorted(
            id_
            for id_, row in self.account.rows.items()
            if row.delivery.state.value in FITTING[verb] and not (verb == "resend" and row.notice)
        )
        if rows:
            verbs = self.world.person.operations
            self._run(getattr(verbs, verb)([rows[which % len(rows)]], by="店長"))
            self._pass(duration)

    @rule(which=PICK, duration=st.sampled_from([timedelta(), 8 * DAY]))
    def somebody_tidies_up(self, which, duration) -> None:
        """A kept mail is taken in again, if it can be; what ended long ago goes, whole, and nothing else."""
        self._pass(duration)
        kept = QuarantineFilter(states=(QuarantineState.KEPT,))
        rows = self._run(self.world.person.store.quarantined(kept))
        if rows:
            id_ = rows[which % len(rows)].item.id
            self._run(self.world.person.operations.replay([id_], by="店長"))
        self._run(self._purge())

    async def _purge(self) -> None:
        verbs = self.world.person.operations
        before = {row.delivery.id: row for row in await self.world.rows()}
        settled = {id_ for id_ in self.account.kept if not await self._is_kept(id_)}
        rule_ = verbs.purge_rule(7 * DAY, with_untold=False)
        async for _ in verbs.purge(rule_, by="店長"):
            pass
        left = {row.delivery.id: row for row in await self.world.rows()}
        gone = [row for id_, row in before.items() if id_ not in left]
        for row in gone:
            assert row.delivery.settled_at is not None, row
            assert row.delivery.settled_at < rule_.before, row
            told = row.notice or row.delivery.noticed == "failure"
            assert row.delivery.state is not DeliveryState.BOUNCED or told, row
        self.account.purged |= {row.notification_id for row in gone}
        assert not {row.notification_id for row in left.values()} & self.account.purged
        self.account.kept -= settled  # taken in again, and may be gone by now
        for id_ in self.account.promised:
            if await self.world.person.store.notification(id_) is None:
                self.account.purged.add(id_)

    async def _is_kept(self, id_) -> bool:
        item = await self.world.person.store.quarantined_mail(id_)
        assert item is not None, id_
        return item.state is QuarantineState.KEPT

    # Machines

    @rule(pick=PICK, is_killed=st.booleans(), again=st.sampled_from([True, True, False]))
    def a_relay_ends(self, pick, is_killed, again) -> None:
        """By SIGTERM, or as by kill -9 where it stands; most are started again."""
        if not self.world.lives:
            return
        life = self._life(pick)
        name = life.worker
        self._run(self.world.crash(life) if is_killed or not self._can_stop(life) else self.world.stop(life))
        self.account.orphaned.add(name)
        if again:
            self._start()

    @staticmethod
    def _can_stop(life) -> bool:
        return not life.office.shaky.is_frozen  # else it would wait for seconds of our time

    @rule()
    def a_relay_starts(self) -> None:
        """It takes back what dead ones held."""
        if len(self.world.lives) < 2:
            self._start()

    def _start(self) -> None:
        if self._run(self.world.start()) is not None:
            self.account.orphaned = set()

    @rule(pick=PICK, fault=FAULT, verb=st.sampled_from(WRITES), side=SIDE)
    def the_disk_is_so(self, pick, fault, verb, side) -> None:
        """Well again, or full, or one sort of write of one relay is not made, or not answered."""
        self.world.disk.is_full = fault == "full"
        for life in self.world.lives:
            life.office.shaky.thaw()
        if fault == "still" and self.world.lives:
            self._life(pick).office.shaky.freeze(verb, side)
        self._run(self.world.loop.quiet())

    # Time

    @rule(duration=st.sampled_from(TIMES), moods=MOODS_OF_BOTH)
    def time_passes(self, duration, moods) -> None:
        """Seconds to days."""
        self._feel(moods)
        self._pass(duration)

    def _pass(self, duration) -> None:
        if not duration:
            return
        self._run(self.world.pass_time(duration))

    @rule(minutes=st.sampled_from([-3 * 1440, -1440, -90, -5, 5, 90, 1440, 3 * 1440]))
    def somebody_sets_the_clock(self, minutes) -> None:
        """The time of day jumps."""
        self._run(self.world.set_clock(minutes * MINUTE))

    @invariant()
    def all_is_as_it_may_be(self) -> None:
        """After each step."""
        self._run(self.account.look())

    # The end

    def teardown(self) -> None:
        """When all is well again, everything comes to its end."""
        try:
            if not self._is_broken:
                self._run(self._end_well())
        finally:
            self.world.close()

    async def _end_well(self) -> None:
        world, account = self.world, self.account
        world.disk.is_full = False
        for life in world.lives:
            life.office.shaky.thaw()
        for peer in world.peers:
            peer.mood = GOOD
            peer.answer(GOOD)
        await world.loop.quiet()
        await account.look()
        for life in list(world.lives):
            name = life.worker
            await world.stop(life)
            account.orphaned.add(name)
        await world.start()
        account.orphaned = set()
        for hold in await world.person.store.holds():
            world.in_force -= {hold.id}
            await world.person.operations.lift(hold, by="店長")
        await self._until_nothing_waits()
        held = [id_ for id_, row in account.rows.items() if row.delivery.state is DeliveryState.HELD]
        await world.person.operations.release(held, by="店長")
        await self._until_nothing_waits()
        await world.pass_time(20 * MINUTE)  # notices of one kind are gathered so long
        await self._until_nothing_waits()
        account.expect_all_told()
        for id_, row in account.rows.items():
            assert row.delivery.state not in (DeliveryState.QUEUED, DeliveryState.SENDING), row
            if row.delivery.state is DeliveryState.DELIVERED:
                assert account.known[id_].key in account.taken, row
        for id_ in account.kept:
            assert await world.person.store.quarantined_mail(id_) is not None, id_
        path = world.person.config.store.path
        found = examine(path, now=world.clock.now(), thorough=False, is_over=lambda: False)
        assert isinstance(found, Examination), found
        assert (found.is_whole, found.leases, found.adrift) == (True, [], 0)

    async def _until_nothing_waits(self) -> None:
        """Let time pass from one due delivery to the next."""
        for _ in range(60):
            await self.world.pass_time(SEEN)
            await self.account.look()
            due_at = await self.world.person.store.next_due(now=self.world.clock.now())
            if due_at is None:
                return
            await self.world.pass_time(due_at - self.world.clock.now())
        raise AssertionError([row for row in self.account.rows.values() if row.delivery.due_at])


def report(fields: str, recipient: str) -> str:
    """A report of RFC 3464 on one recipient."""
    return (
        "From: MAILER-DAEMON@mx.partner.example.jp\r\nSubject: Undelivered\r\n"
        "Content-Type: multipart/report; boundary=r\r\n\r\n"
        "--r\r\nContent-Type: text/plain\r\n\r\nSorry.\r\n"
        "--r\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; mx\r\n\r\n"
        f"Final-Recipient: rfc822; {recipient}\r\n{fields}\r\n--r--\r\n"
    )


class ASoakedRelay(ARelay):
    """The same for longer."""


COMMON = {
    "deadline": None,
    "phases": (Phase.explicit, Phase.reuse, Phase.generate),
    "suppress_health_check": [HealthCheck.too_slow, HealthCheck.data_too_large],
}
ARelay.TestCase.settings = settings(max_examples=25, stateful_step_count=30, **COMMON)
ASoakedRelay.TestCase.settings = settings(max_examples=500, stateful_step_count=60, **COMMON)
TestARelay = pytest.mark.timeout(600)(ARelay.TestCase)  # half a minute, where nobody else works
TestASoakedRelay = pytest.mark.soak(pytest.mark.timeout(3600)(ASoakedRelay.TestCase))
