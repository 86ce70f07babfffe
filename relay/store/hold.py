"""Standing holds: placing and lifting them, and asking, inside a transaction, which ones stand.

A hold is on a seller, a partner, a next hop or one address. Every transaction that could let a mail go
(accept, claim, hand back) asks here first, so that a hold counts from its commit on for every worker,
whatever a worker still believes. What is being sent at that moment is left to end. A suppressed address is a
hold that the relay places by itself when a reply or a report says that the address is gone; its mails wait
for a person.

Guarantees: one hold for each scope and value; placing and lifting are whole: a hold is never gone while a
delivery still waits for it. Cost: one select of at most `MOST_WHOLE` small rows for each transaction: 2 us
when no hold stands, else 20 us and 3 us for each mail, however many stand; a placing or lifting is one
transaction, 10 us for each delivery that it moves. Source: ours.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Dialect,
    Select,
    bindparam,
    delete,
    insert,
    literal,
    literal_column,
    or_,
    select,
    update,
)

from relay.clock import Clock
from relay.journal import Entry, Event
from relay.store.prepared import MAX_BATCH, Inserts, Lookup
from relay.store.row import chunks, domain_of, entry_row, hold_of, hold_row
from relay.store.schema import Moment, delivery, filled, hold, journal, mail
from relay.store.standing import Standing, Subject, Way, keys, subject_value
from relay.store.values import DeliveryState, Hold, Placed, Scope

MOST_WHOLE = 16  # holds that are read whole; where more stand, only those that could meet are looked up
RELAY = "relay"  # who places a hold on an address that is gone
IS_QUEUED = delivery.c.state == literal_column("'queued'")  # written out, as `schema.filled` is


@dataclass(frozen=True, slots=True, kw_only=True)
class Lift:
    """A person's wish to end a hold."""

    hold_id: str
    now: datetime
    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Suppression:
    """An address that is gone, and the delivery that showed it."""

    recipient: str
    reason: str
    seller_id: str
    notification_id: str
    delivery_id: str
    now: datetime


def _on_any_of(size: int) -> Select[Any]:
    pairs = [
        (hold.c.scope == bindparam(f"scope_{number}")) & (hold.c.value == bindparam(f"value_{number}"))
        for number in range(size)
    ]
    return _STANDING.where(or_(*pairs))


_STANDING = select(hold.c.scope, hold.c.value, hold.c.id)


class Holds:
    """The standing holds, inside the writer's transaction."""

    def __init__(self, inserts: Inserts, dialect: Dialect, clock: Clock, way: Way) -> None:
        self._inserts = inserts
        self._clock = clock
        self._way = way
        some = _STANDING.limit(MOST_WHOLE + 1)
        # Run without SQLAlchemy: it stands in every transaction.
        self._some_sql = str(some.compile(dialect=dialect, compile_kwargs={"literal_binds": True}))
        self._on_any_of = Lookup(dialect, _on_any_of)

    def standing(self, connection: Connection, subjects: Callable[[], Iterable[Subject]]) -> Standing:
        """The holds that these deliveries could meet; `subjects` is asked only when many holds stand."""
        rows = connection.connection.cursor().execute(self._some_sql).fetchall()
        if len(rows) > MOST_WHOLE:
            wanted = list({key: None for subject in subjects() for key in keys(subject, self._way)})
            rows = [
                row
                for start in range(0, len(wanted), MAX_BATCH)
                for row in self._on_any_of.rows(connection, wanted[start : start + MAX_BATCH])
            ]
        return Standing({(scope, value): id_ for scope, value, id_ in rows}, self._way)

    def place(self, connection: Connection, batch: Sequence[Hold]) -> list[Placed]:
        """Make holds, and stop what is queued and meets them."""
        return [self._place(connection, wanted, Event.PLACED) for wanted in batch]

    def lift(self, connection: Connection, batch: Sequence[Lift]) -> list[int | None]:
        """End holds: what they stopped is queued, due now; gives how many. None: there is no such hold."""
        return [self._lift(connection, one) for one in batch]

    def suppress(self, connection: Connection, gone: Suppression) -> None:
        """Hold the mails to an address that is gone, until a person says otherwise."""
        wanted = Hold(
            id=self._clock.new_id(),
            scope=Scope.ADDRESS,
            value=gone.recipient,
            reason=gone.reason,
            by=RELAY,
            placed_at=gone.now,
        )
        self._place(connection, wanted, Event.SUPPRESSED, gone)

    def _place(
        self, connection: Connection, wanted: Hold, event: Event, gone: Suppression | None = None
    ) -> Placed:
        value = subject_value(wanted.scope, wanted.value)
        same = (hold.c.scope == wanted.scope.value) & (hold.c.value == value)
        first = connection.execute(select(hold).where(same)).one_or_none()
        if first is not None:
            return Placed(hold=hold_of(first), stopped=0)
        made = Hold(
            id=wanted.id,
            scope=wanted.scope,
            value=value,
            reason=wanted.reason,
            by=wanted.by,
            placed_at=wanted.placed_at,
        )
        self._inserts.into(hold, connection, [hold_row(made)])
        entry = Entry(
            at=made.placed_at,
            event=event,
            seller_id=gone.seller_id if gone else made.value if made.scope is Scope.SELLER else "",
            notification_id=gone.notification_id if gone else "",
            delivery_id=gone.delivery_id if gone else "",
            by=made.by,
            detail=f"{_name(made)}: {made.reason}" if made.reason else _name(made),
        )
        self._inserts.into(journal, connection, [entry_row(entry)])
        return Placed(hold=made, stopped=self._stop(connection, made))

    def _stop(self, connection: Connection, made: Hold) -> int:
        """Hold what is queued and meets a new hold; gives how many."""
        stopped = 0
        values = {"state": DeliveryState.HELD.value, "due_at": None, "wake_at": None, "hold_id": made.id}
        for condition in self._conditions(connection, made):
            waiting = IS_QUEUED & condition
            entry = Entry(at=made.placed_at, event=Event.HELD, by=made.by, detail=_name(made))
            _tell(connection, waiting, entry)
            ids = select(delivery.c.id).join(mail, delivery.c.mail_id == mail.c.id).where(waiting)
            stopped += connection.execute(
                update(delivery).where(delivery.c.id.in_(ids)).values(values)
            ).rowcount
        return stopped

    def _conditions(self, connection: Connection, made: Hold) -> Iterator[ColumnElement[bool]]:
        """Which queued deliveries, with their mails joined, meet this hold: one condition for each part."""
        is_order = mail.c.notice == ""
        match made.scope:
            case Scope.SELLER:
                yield is_order & (delivery.c.seller_id == made.value)
            case Scope.PARTNER:
                yield is_order & (mail.c.partner == made.value)
            case Scope.NEXT_HOP:
                domains = self._waiting(connection, delivery.c.recipient_domain)
                ours = [domain for domain in domains if self._way(domain).lower() == made.value]
                for some in chunks(ours):
                    yield delivery.c.recipient_domain.in_(some)
            case Scope.ADDRESS:
                there = delivery.c.recipient_domain == domain_of(made.value)
                spellings = self._waiting(connection, delivery.c.recipient, there)
                # Lower case is Python's on both sides: the engines' own knows ASCII only.
                for some in chunks([one for one in spellings if one.lower() == made.value]):
                    yield is_order & delivery.c.recipient.in_(some)

    @staticmethod
    def _waiting(
        connection: Connection, column: ColumnElement[str], *conditions: ColumnElement[bool]
    ) -> list[str]:
        distinct = select(column).distinct().where(IS_QUEUED, *conditions)
        return list(connection.execute(distinct).scalars())

    def _lift(self, connection: Connection, one: Lift) -> int | None:
        row = connection.execute(select(hold).where(hold.c.id == one.hold_id)).one_or_none()
        if row is None:
            return None
        ended = hold_of(row)
        stopped = filled(delivery.c.hold_id) & (delivery.c.hold_id == ended.id)
        entry = Entry(
            at=one.now,
            event=Event.LIFTED,
            seller_id=ended.value if ended.scope is Scope.SELLER else "",
            by=one.by,
            detail=_name(ended),
        )
        self._inserts.into(journal, connection, [entry_row(entry)])
        each = Entry(at=one.now, event=Event.RELEASED, by=one.by, detail=f"{_name(ended)} was lifted")
        _tell(connection, stopped, each)
        values = {
            "state": DeliveryState.QUEUED.value,
            "due_at": one.now,
            "wake_at": one.now,
            "hold_id": "",
            "fresh_until": None,  # who lifts a hold wants what it stopped sent, however late
        }
        released = connection.execute(update(delivery).where(stopped).values(values)).rowcount
        connection.execute(delete(hold).where(hold.c.id == ended.id))
        return released


def stopped_values(hold_id: str) -> dict[str, Any]:
    """What stands on a delivery that meets a hold instead of going on."""
    return {
        "state": DeliveryState.HELD.value,
        "due_at": None,
        "leased_by": "",
        "leased_until": None,
        "wake_at": None,
        "hold_id": hold_id,
    }


def _name(one: Hold) -> str:
    return f"hold {one.id} on {one.scope} {one.value}"


def _tell(connection: Connection, condition: ColumnElement[bool], entry: Entry) -> None:
    """This entry for each delivery that meets the condition, made inside the database: there may be many."""
    columns: list[ColumnElement[Any]] = [
        literal(entry.at, Moment),
        literal(entry.event.value),
        delivery.c.seller_id,
        mail.c.notification_id,
        delivery.c.id,
        literal(""),
        literal(entry.by),
        literal(entry.detail),
    ]
    rows = select(*columns).join_from(delivery, mail, delivery.c.mail_id == mail.c.id).where(condition)
    names = [column.name for column in journal.columns if column.name != "number"]
    connection.execute(insert(journal).from_select(names, rows))
