"""Whatever happens in whatever order: no mail goes past a hold, none is forgotten, none is leased twice."""

import asyncio
import tempfile
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from relay.store.query import MAX_LISTING, DeliveryFilter
from relay.store.standing import Standing, Subject
from relay.store.store import Store
from relay.store.values import Accepted, Delivery, DeliveryState, Due, LateBounce, Mail, Scope
from tests.support.clock import ManualClock
from tests.support.stored import a_hold, accepted, claim, settlement

SELLERS = ("例題商店", "見本書店")
PARTNERS = ("cross_mall", "next_engine")
RECIPIENTS = ("a@x.example.jp", "B@X.example.jp", "c@y.example.jp")
SUBJECTS = [
    *((Scope.SELLER, seller) for seller in SELLERS),
    *((Scope.PARTNER, partner) for partner in PARTNERS),
    *((Scope.ADDRESS, recipient) for recipient in RECIPIENTS),
    *((Scope.NEXT_HOP, domain) for domain in ("x.example.jp", "y.example.jp")),
]
MINUTES = st.integers(0, 90).map(lambda minutes: timedelta(minutes=minutes))
PICK = st.integers(0, 1_000)  # which of those that there are
MINUTE = timedelta(minutes=1)


class AStore(RuleBasedStateMachine):
    """One store, two workers, several people, and a clock that may jump."""

    def __init__(self) -> None:
        super().__init__()
        self._folder = tempfile.TemporaryDirectory()
        self._runner = asyncio.Runner()
        self.clock = ManualClock()
        self.store = self._run(self._open())
        self.known: dict[str, Accepted] = {}  # by delivery
        self.leased: dict[str, str] = {}  # which worker has which delivery in hand

    async def _open(self) -> Store:
        return Store.open(Path(self._folder.name, "x.db"), clock=self.clock)

    def _run(self, coroutine):
        return self._runner.run(coroutine)

    def teardown(self) -> None:
        """Let all go that waits: each delivery comes to an end, and only once."""
        try:
            self._run(self._work_off())
        finally:
            self._run(self.store.close())
            self._runner.close()
            self._folder.cleanup()

    @rule(
        seller=st.sampled_from(SELLERS),
        partner=st.sampled_from(PARTNERS),
        recipient=st.sampled_from(RECIPIENTS),
        state=st.sampled_from([DeliveryState.QUEUED, DeliveryState.HELD]),
        wait=st.none() | MINUTES,
        fresh=st.none() | MINUTES,
    )
    def accept(self, seller, partner, recipient, state, wait, fresh) -> None:
        """A mail comes, queued or to be held, with a time or without."""
        due_at = None if wait is None else self.clock.now() + wait
        one = accepted(
            self.clock, seller_id=seller, partner=partner, recipients=[recipient], state=state, due_at=due_at
        )
        if state is DeliveryState.HELD and due_at and fresh is not None:
            one = replace(one, deliveries=[replace(one.deliveries[0], fresh_until=due_at + fresh)])
        answer = self._run(self.store.accept(one))
        assert isinstance(answer, Accepted)
        self.known[answer.deliveries[0].id] = one

    @rule(worker=st.sampled_from(["w/1", "w/2"]), limit=st.integers(1, 4))
    def claim(self, worker, limit) -> None:
        """A worker takes what is due: nothing that a hold is on, nothing that another has."""
        standing = Standing.of(self._run(self.store.holds()), str)
        latest = self.clock.now() + 100 * MINUTE
        dues = self._run(
            claim(self.store, self.clock, worker, limit, until=self.clock.now() + 200 * MINUTE, latest=latest)
        )
        for due in dues:
            assert standing.stop(subject(due)) is None
            assert due.delivery.id not in self.leased
            self.leased[due.delivery.id] = worker

    @precondition(lambda self: self.leased)
    @rule(
        pick=PICK,
        state=st.sampled_from([DeliveryState.DELIVERED, DeliveryState.BOUNCED, DeliveryState.QUEUED]),
        wait=MINUTES,
        suppress=st.booleans(),
    )
    def settle(self, pick, state, wait, suppress) -> None:
        """An attempt ends."""
        id_ = sorted(self.leased)[pick % len(self.leased)]
        due_at = self.clock.now() + wait if state is DeliveryState.QUEUED else None
        end = settlement(
            self.known[id_],
            worker=self.leased.pop(id_),
            at=self.clock.now(),
            state=state,
            due_at=due_at,
            suppress=suppress and state is DeliveryState.BOUNCED,
        )
        assert self._run(self.store.settle(replace(end, delivery_id=id_)))

    @rule(worker=st.sampled_from(["w/1", "w/2"]))
    def die(self, worker) -> None:
        """A worker dies and starts again."""
        lost = [id_ for id_, holder in self.leased.items() if holder == worker]
        assert self._run(self.store.recover(worker=worker, now=self.clock.now())) == len(lost)
        for id_ in lost:
            del self.leased[id_]

    @rule(subject=st.sampled_from(SUBJECTS))
    def place(self, subject) -> None:
        """A person stops something."""
        self._run(self.store.place_hold(a_hold(self.clock, *subject)))

    @rule(pick=PICK)
    def lift(self, pick) -> None:
        """A person lets something go."""
        holds = self._run(self.store.holds())
        if holds:
            assert self._lift(holds[pick % len(holds)].id) is not None

    @precondition(lambda self: self.known)
    @rule(pick=PICK, verb=st.sampled_from(["release", "retry", "discard", "hold"]))
    def tell(self, pick, verb) -> None:
        """A person's verb on one delivery."""
        id_ = sorted(self.known)[pick % len(self.known)]
        self._run(getattr(self.store, verb)(id_, now=self.clock.now(), by="係"))

    @precondition(lambda self: self.known)
    @rule(pick=PICK, final=st.booleans(), suppress=st.booleans())
    def report(self, pick, final, suppress) -> None:
        """A report comes back."""
        id_ = sorted(self.known)[pick % len(self.known)]
        said = LateBounce(
            delivery_id=id_, reply=f"5.0.0 {pick}", is_final=final, suppress=suppress, now=self.clock.now()
        )
        assert self._run(self.store.late_bounce(said))

    @precondition(lambda self: self.known)
    @rule(pick=PICK)
    def resend(self, pick) -> None:
        """A person has an ended mail sent again."""
        id_ = sorted(self.known)[pick % len(self.known)]
        one = self.known[id_]
        mail = replace(one.mails[0], id=self.clock.new_id())
        new = fresh(mail, one.deliveries[0].recipient, self.clock)
        if self._run(self.store.resend(id_, mail=mail, new_delivery=new, now=self.clock.now(), by="係")):
            self.known[new.id] = one

    @rule(minutes=st.integers(-60, 120))
    def jump(self, minutes) -> None:
        """Time passes, or the clock is set back."""
        self.clock.jump(minutes * MINUTE)

    @invariant()
    def every_row_is_one_that_somebody_looks_after(self) -> None:
        """What waits has a time, a hold that stands, or a person to wait for; what has ended has none."""
        holds = {hold.id for hold in self._run(self.store.holds())}
        rows = self._run(self.store.deliveries(DeliveryFilter(limit=MAX_LISTING)))
        assert {row.delivery.id for row in rows} == set(self.known)
        for delivery in (row.delivery for row in rows):
            assert well_formed(delivery, holds), delivery
        sending = {row.delivery.id for row in rows if row.delivery.state is DeliveryState.SENDING}
        assert sending == set(self.leased)

    def _lift(self, hold_id: str) -> int | None:
        return self._run(self.store.lift_hold(hold_id, now=self.clock.now(), by="係"))

    async def _work_off(self) -> None:
        """Lift, release and send everything."""
        now: datetime = self.clock.now()
        for worker in ("w/1", "w/2"):
            await self.store.recover(worker=worker, now=now)
        for hold in await self.store.holds():
            await self.store.lift_hold(hold.id, now=now, by="係")
        for id_ in self.known:
            await self.store.release(id_, now=now, by="係")
        while dues := await claim(self.store, self.clock, latest=now - MINUTE):
            for due in dues:
                end = settlement(self.known[due.delivery.id], worker="w/1", at=now)
                assert await self.store.settle(replace(end, delivery_id=due.delivery.id))
        assert set((await self.store.live()).deliveries.values()) == {0}


def subject(due: Due) -> Subject:
    """What holds look at in it."""
    return Subject(seller_id=due.seller_id, partner=due.partner, recipient=due.delivery.recipient)


def fresh(mail: Mail, recipient: str, clock: ManualClock) -> Delivery:
    """A delivery of a mail, queued and due now."""
    return Delivery(
        id=clock.new_id(),
        mail_id=mail.id,
        recipient=recipient,
        state=DeliveryState.QUEUED,
        due_at=clock.now(),
        accepted_at=clock.now(),
    )


def well_formed(delivery: Delivery, holds: set[str]) -> bool:
    """Whether the columns say what the state says."""
    stopped = delivery.hold_id != ""
    match delivery.state:
        case DeliveryState.HELD:
            return not stopped or (delivery.hold_id in holds and delivery.due_at is None)
        case DeliveryState.QUEUED:
            return not stopped and delivery.due_at is not None
        case DeliveryState.SENDING:
            return not stopped and delivery.leased_until is not None
        case _:
            return not stopped and delivery.due_at is None and delivery.settled_at is not None


AStore.TestCase.settings = settings(
    max_examples=20,
    stateful_step_count=20,
    phases=[Phase.generate],
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
TestAStore = AStore.TestCase
