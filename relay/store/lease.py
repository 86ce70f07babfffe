"""Leases: which worker sends what until when, and the result of each attempt.

A worker that takes a delivery writes its name and an end on the row. Until that end nobody else takes it;
after it anybody may, so a dead worker's deliveries need no freeing by hand. Only the worker whose name stands
on the row can settle it: what comes from a worker that lost its lease changes nothing.

`wake_at` is the one column that is searched: the due time of what waits, the lease's end of what is being
sent, null for all else. Its index holds live deliveries only, however many are stored. Source: ours.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import (
    BindParameter,
    Connection,
    Dialect,
    Select,
    bindparam,
    func,
    literal_column,
    select,
    update,
)

from relay.journal import Event
from relay.store.claim import entry_on, subject_of, with_mail
from relay.store.hold import Holds, Suppression, stopped_values
from relay.store.prepared import Inserts, Lookup, Values, run_many
from relay.store.row import chunks, entry_row
from relay.store.schema import delivery, journal, microseconds
from relay.store.values import DeliveryState, Settlement

_SETTLE_PARAMETERS = ["to_state", "to_due", "no_lease", "to_wake", "reply", "settled", "key"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Extension:
    """A worker's wish to keep what it has."""

    worker: str
    until: datetime
    delivery_ids: Sequence[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class HandBack:
    """A worker's leases to be given up; `delivery_ids` None: all that are left over from its former life."""

    worker: str
    now: datetime
    due_at: datetime
    delivery_ids: Sequence[str] | None


def _leases_of(size: int) -> Select[Any]:
    keys: list[BindParameter[str]] = [bindparam(f"key_{number}") for number in range(size)]
    leases = select(delivery.c.id, delivery.c.leased_by, delivery.c.state)
    return leases.where(delivery.c.id.in_(keys)).with_for_update()


def leased_to(worker: str, ids: Sequence[str] | None = None) -> Select[Any]:
    """What a worker holds, or what it holds of these."""
    leased = (delivery.c.state == DeliveryState.SENDING) & (delivery.c.leased_by == worker)
    if ids is None:
        return with_mail().where(leased & delivery.c.wake_at.is_not(None))
    # Without an index on the state: SQLite would take it, and read all that is being sent.
    sending = func.lower(delivery.c.state) == DeliveryState.SENDING.value
    return with_mail().where(sending, delivery.c.leased_by == worker, delivery.c.id.in_(ids))


class Leases:
    """The writes of delivering, each for a whole batch, inside the writer's transaction."""

    def __init__(self, inserts: Inserts, dialect: Dialect, holds: Holds) -> None:
        self._inserts = inserts
        self._holds = holds
        statement = (
            update(delivery)
            .where(delivery.c.id == bindparam("key"))
            .values(
                state=bindparam("to_state"),
                due_at=bindparam("to_due"),
                leased_by=bindparam("no_lease"),
                leased_until=literal_column("NULL"),
                wake_at=bindparam("to_wake"),
                attempts=delivery.c.attempts + literal_column("1"),
                last_reply=bindparam("reply"),
                settled_at=bindparam("settled"),
            )
        )
        compiled = statement.compile(dialect=dialect)
        assert getattr(compiled, "positiontup", None) == _SETTLE_PARAMETERS
        self._leased = Lookup(dialect, _leases_of)
        self._settle_sql = str(compiled)  # run with tuples, as `Inserts` are: it is half of the hot path

    def settle(self, connection: Connection, batch: Sequence[Settlement]) -> list[bool]:
        """Write the results of attempts; False for one whose worker does not hold the lease."""
        holders = self._holders(connection, [one.delivery_id for one in batch])
        answers = [
            holders.get(one.delivery_id) == one.worker and bool(holders.pop(one.delivery_id)) for one in batch
        ]
        held = [one for one, answer in zip(batch, answers, strict=True) if answer]
        if held:
            run_many(connection, self._settle_sql, [_settled_row(one) for one in held])
            self._inserts.into(journal, connection, [entry_row(one.entry) for one in held])
            for one in held:
                if one.suppress:
                    self._suppress(connection, one)
        return answers

    def extend(self, connection: Connection, batch: Sequence[Extension]) -> list[int]:
        """Move the end of leases that are still held; gives how many were."""
        return [self._extend(connection, extension) for extension in batch]

    def hand_back(self, connection: Connection, batch: Sequence[HandBack]) -> list[int]:
        """Queue leased deliveries again, no attempt counted; hold those that meet a hold. Gives how many."""
        return [self._hand_back(connection, one) for one in batch]

    def _suppress(self, connection: Connection, one: Settlement) -> None:
        found = select(delivery.c.recipient).where(delivery.c.id == one.delivery_id)
        gone = Suppression(
            recipient=connection.execute(found).scalar_one(),
            reason=one.last_reply,
            seller_id=one.entry.seller_id,
            notification_id=one.entry.notification_id,
            delivery_id=one.delivery_id,
            now=one.entry.at,
        )
        self._holds.suppress(connection, gone)

    def _holders(self, connection: Connection, ids: Sequence[str]) -> dict[str, str]:
        """Of these deliveries, which are being sent, and by whom."""
        rows = self._leased.rows(connection, [(id_,) for id_ in ids])
        return {id_: worker for id_, worker, state in rows if state == DeliveryState.SENDING}

    @staticmethod
    def _extend(connection: Connection, extension: Extension) -> int:
        extended = 0
        for ids in chunks(extension.delivery_ids):
            statement = update(delivery).where(
                delivery.c.id.in_(ids),
                delivery.c.state == DeliveryState.SENDING,
                delivery.c.leased_by == extension.worker,
            )
            values = {"leased_until": extension.until, "wake_at": extension.until}
            extended += connection.execute(statement.values(values)).rowcount
        return extended

    def _hand_back(self, connection: Connection, one: HandBack) -> int:
        if one.delivery_ids is None:
            rows = list(connection.execute(leased_to(one.worker)))
        else:
            named = chunks(list(dict.fromkeys(one.delivery_ids)))
            rows = [row for ids in named for row in connection.execute(leased_to(one.worker, ids))]
        if not rows:
            return 0
        standing = self._holds.standing(connection, lambda: map(subject_of, rows))
        queued = {
            "state": DeliveryState.QUEUED.value,
            "due_at": one.due_at,
            "leased_by": "",
            "leased_until": None,
            "wake_at": one.due_at,
        }
        entries = []
        going: dict[str, list[str]] = {}  # ids by the hold that they meet, "" for none
        for row in rows:
            stop = standing.stop(subject_of(row))
            going.setdefault(stop.hold_id if stop else "", []).append(row.id)
            if one.delivery_ids is None:
                detail = f"{one.worker} ended before it had settled it"
                entries.append(entry_on(row, Event.RECOVERED, one.now, detail))
            if stop is not None:
                entries.append(entry_on(row, Event.HELD, one.now, str(stop)))
        for hold_id, held in going.items():
            values = stopped_values(hold_id) if hold_id else queued
            for ids in chunks(held):
                connection.execute(update(delivery).where(delivery.c.id.in_(ids)).values(values))
        self._inserts.into(journal, connection, [entry_row(entry) for entry in entries])
        return len(rows)


def _settled_row(one: Settlement) -> Values:
    """For `_SETTLE_PARAMETERS`."""
    due = microseconds(one.due_at) if one.state is DeliveryState.QUEUED and one.due_at else None
    ended = None if one.state is DeliveryState.QUEUED else microseconds(one.entry.at)
    return (one.state.value, due, "", due, one.last_reply, ended, one.delivery_id)
