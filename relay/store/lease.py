"""Leases: which worker sends what until when, and the result of each attempt.

A worker that takes a delivery writes its name and an end on the row. Until that end nobody else takes it;
after it anybody may, so a dead worker's deliveries need no freeing by hand. Only the worker whose name stands
on the row can settle it: what comes from a worker that lost its lease changes nothing.

`wake_at` is the one column that is searched: the due time of what waits, the lease's end of what is being
sent, null for all else. Its index holds live deliveries only, however many are stored. Source: ours.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import BindParameter, Connection, Dialect, Select, bindparam, literal_column, select, update

from relay.journal import Entry, Event
from relay.store.prepared import Inserts, Lookup, Values, run_many
from relay.store.row import delivery_of, entry_row
from relay.store.schema import delivery, journal, mail, microseconds
from relay.store.values import DeliveryState, Due, Settlement

MAX_CLAIM = 1_000  # deliveries in one claim: bounds the transaction, whatever the caller asks for
_CHUNK = 500  # ids in one IN list: far below every engine's limit on parameters
_SETTLE_PARAMETERS = ["to_state", "to_due", "no_lease", "to_wake", "reply", "settled", "key"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """A worker's wish for due deliveries."""

    worker: str
    until: datetime
    now: datetime
    limit: int
    octets: int
    except_domains: frozenset[str]


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
    delivery_ids: Sequence[str] | None


def _leases_of(size: int) -> Select[Any]:
    keys: list[BindParameter[str]] = [bindparam(f"key_{number}") for number in range(size)]
    leases = select(delivery.c.id, delivery.c.leased_by, delivery.c.state)
    return leases.where(delivery.c.id.in_(keys)).with_for_update()


class Leases:
    """The writes of delivering, each for a whole batch, inside the writer's transaction."""

    def __init__(self, inserts: Inserts, dialect: Dialect) -> None:
        self._inserts = inserts
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
        return answers

    def claim(self, connection: Connection, batch: Sequence[Claim]) -> list[list[Due]]:
        """Lease due deliveries to workers, longest due first."""
        return [self._claim(connection, claim) for claim in batch]

    def extend(self, connection: Connection, batch: Sequence[Extension]) -> list[int]:
        """Move the end of leases that are still held; gives how many were."""
        return [self._extend(connection, extension) for extension in batch]

    def hand_back(self, connection: Connection, batch: Sequence[HandBack]) -> list[int]:
        """Queue leased deliveries again, due now, no attempt counted; gives how many were."""
        return [self._hand_back(connection, one) for one in batch]

    def _holders(self, connection: Connection, ids: Sequence[str]) -> dict[str, str]:
        """Of these deliveries, which are being sent, and by whom."""
        rows = self._leased.rows(connection, [(id_,) for id_ in ids])
        return {id_: worker for id_, worker, state in rows if state == DeliveryState.SENDING}

    def _claim(self, connection: Connection, claim: Claim) -> list[Due]:
        chosen = _within_bounds(connection, claim)
        if not chosen:
            return []
        leased = {
            "state": DeliveryState.SENDING.value,
            "leased_by": claim.worker,
            "leased_until": claim.until,
            "wake_at": claim.until,
        }
        for ids in _chunks([row.id for row in chosen]):
            connection.execute(update(delivery).where(delivery.c.id.in_(ids)).values(leased))
        entries = [entry for row in chosen if (entry := _taken_entry(row, claim.now))]
        self._inserts.into(journal, connection, [entry_row(entry) for entry in entries])
        contents = _contents(connection, {row.mail_id for row in chosen})
        return [_due(row, claim, contents[row.mail_id]) for row in chosen]

    @staticmethod
    def _extend(connection: Connection, extension: Extension) -> int:
        extended = 0
        for ids in _chunks(extension.delivery_ids):
            statement = update(delivery).where(
                delivery.c.id.in_(ids),
                delivery.c.state == DeliveryState.SENDING,
                delivery.c.leased_by == extension.worker,
            )
            values = {"leased_until": extension.until, "wake_at": extension.until}
            extended += connection.execute(statement.values(values)).rowcount
        return extended

    def _hand_back(self, connection: Connection, one: HandBack) -> int:
        leased = (delivery.c.state == DeliveryState.SENDING) & (delivery.c.leased_by == one.worker)
        rows = list(connection.execute(_with_mail().where(leased & delivery.c.wake_at.is_not(None))))
        if one.delivery_ids is not None:
            wanted = set(one.delivery_ids)
            rows = [row for row in rows if row.id in wanted]
        queued = {
            "state": DeliveryState.QUEUED.value,
            "due_at": one.now,
            "leased_by": "",
            "leased_until": None,
            "wake_at": one.now,
        }
        for ids in _chunks([row.id for row in rows]):
            connection.execute(update(delivery).where(delivery.c.id.in_(ids)).values(queued))
        if one.delivery_ids is None:
            detail = f"{one.worker} ended before it had settled it"
            entries = [_entry(row, Event.RECOVERED, one.now, detail) for row in rows]
            self._inserts.into(journal, connection, [entry_row(entry) for entry in entries])
        return len(rows)


def _settled_row(one: Settlement) -> Values:
    """For `_SETTLE_PARAMETERS`."""
    due = microseconds(one.due_at) if one.state is DeliveryState.QUEUED and one.due_at else None
    ended = None if one.state is DeliveryState.QUEUED else microseconds(one.entry.at)
    return (one.state.value, due, "", due, one.last_reply, ended, one.delivery_id)


def _with_mail() -> Select[Any]:
    """Deliveries with what an engine and a journal entry need of their mails, contents left out."""
    return select(*delivery.c, mail.c.notification_id, mail.c.message_id, mail.c.octets).join_from(
        delivery, mail, delivery.c.mail_id == mail.c.id
    )


def _within_bounds(connection: Connection, claim: Claim) -> list[Any]:
    """What may be claimed now, longest due first; `octets` may be passed by the first one only."""
    due = _with_mail().where(delivery.c.wake_at <= claim.now)
    if claim.except_domains:
        due = due.where(delivery.c.recipient_domain.not_in(claim.except_domains))
    due = due.order_by(delivery.c.wake_at, delivery.c.id).limit(min(claim.limit, MAX_CLAIM))
    chosen: list[Any] = []
    octets = 0
    for row in connection.execute(due.with_for_update(of=delivery, skip_locked=True)):
        octets += row.octets
        if chosen and octets > claim.octets:
            break
        chosen.append(row)
    return chosen


def _contents(connection: Connection, mail_ids: Collection[str]) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    for ids in _chunks(sorted(mail_ids)):
        rows = connection.execute(select(mail.c.id, mail.c.content).where(mail.c.id.in_(ids)))
        found.update({row.id: row.content for row in rows})
    return found


def _taken_entry(row: Any, now: datetime) -> Entry | None:
    match DeliveryState(row.state):
        case DeliveryState.SENDING:
            return _entry(row, Event.RECOVERED, now, f"the lease of {row.leased_by} had ended")
        case DeliveryState.HELD:
            return _entry(row, Event.RELEASED, now, "its time had come")
        case _:
            return None


def _entry(row: Any, event: Event, now: datetime, detail: str) -> Entry:
    return Entry(
        at=now,
        event=event,
        seller_id=row.seller_id,
        notification_id=row.notification_id,
        delivery_id=row.id,
        detail=detail,
    )


def _due(row: Any, claim: Claim, content: bytes) -> Due:
    leased = replace(
        delivery_of(row), state=DeliveryState.SENDING, leased_by=claim.worker, leased_until=claim.until
    )
    return Due(
        delivery=leased,
        message_id=row.message_id,
        content=content,
        notification_id=row.notification_id,
        seller_id=row.seller_id,
    )


def _chunks(ids: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(ids), _CHUNK):
        yield ids[start : start + _CHUNK]
