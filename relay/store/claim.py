"""Claiming: which deliveries a worker gets to send, and what becomes of those that may not go.

What is due is found by `wake_at` alone. Each delivery found meets one fate: one that was never tried and
comes too late (`fresh_until`) waits for a person and is told of as STALE; one that meets a standing hold is
held by it; all else is leased. What a clock that has been set back since has dated is put right: what came in
the future came now (`ahead`), and a queued one that is due later than any wait that Denrei makes is due now.
Source: ours.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Select, select, update

from relay.journal import Entry, Event
from relay.store.ahead import redate
from relay.store.hold import IS_QUEUED, Holds, stopped_values
from relay.store.prepared import Inserts
from relay.store.row import chunks, delivery_of, entry_row
from relay.store.schema import delivery, journal, mail
from relay.store.standing import Standing, Subject
from relay.store.values import DeliveryState, Due

MAX_CLAIM = 1_000  # deliveries in one claim: bounds the transaction, whatever the caller asks for
_LATE = timedelta(minutes=5)  # a hold that ended so long ago ended while nobody could send


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """A worker's wish for due deliveries."""

    worker: str
    until: datetime
    now: datetime
    latest: datetime | None  # no queued delivery is rightly due later than this
    limit: int
    octets: int
    except_domains: frozenset[str]


class _Fates:
    """What becomes of the deliveries of one claim."""

    def __init__(self) -> None:
        self.taken: list[Any] = []
        self.stale: list[Any] = []
        self.stopped: dict[str, list[Any]] = {}  # by the hold that they meet
        self.entries: list[Entry] = []

    def judge(self, row: Any, now: datetime, standing: Standing) -> None:
        """Add a row to those of its fate."""
        if row.attempts == 0 and row.fresh_until is not None and row.fresh_until < now:
            self.stale.append(row)
            self._tell(row, Event.STALE, now, _why_stale(row))
        elif (stop := standing.stop(subject_of(row))) is not None:
            self.stopped.setdefault(stop.hold_id, []).append(row)
            self._tell(row, Event.HELD, now, str(stop))
        else:
            self.taken.append(row)
            match DeliveryState(row.state):
                case DeliveryState.SENDING:
                    self._tell(row, Event.RECOVERED, now, f"the lease of {row.leased_by} had ended")
                case DeliveryState.HELD:
                    late = now - row.due_at
                    detail = (
                        f"its time had come, {_duration(late)} late" if late >= _LATE else "its time had come"
                    )
                    self._tell(row, Event.RELEASED, now, detail)
                case _:
                    pass

    def _tell(self, row: Any, event: Event, now: datetime, detail: str) -> None:
        self.entries.append(entry_on(row, event, now, detail))


class Claims:
    """The writes of claiming, inside the writer's transaction."""

    def __init__(self, inserts: Inserts, holds: Holds) -> None:
        self._inserts = inserts
        self._holds = holds

    def claim(self, connection: Connection, batch: Sequence[Claim]) -> list[list[Due]]:
        """Lease due deliveries to workers, longest due first."""
        return [self._claim(connection, claim) for claim in batch]

    def _claim(self, connection: Connection, claim: Claim) -> list[Due]:
        redated = redate(connection, claim.now)
        self._inserts.into(journal, connection, [entry_row(entry) for entry in redated])
        chosen = _within_bounds(connection, claim)
        if not chosen:
            return []
        standing = self._holds.standing(connection, lambda: map(subject_of, chosen))
        fates = _Fates()
        for row in chosen:
            fates.judge(row, claim.now, standing)
        leased = {
            "state": DeliveryState.SENDING.value,
            "leased_by": claim.worker,
            "leased_until": claim.until,
            "wake_at": claim.until,
        }
        _write(connection, fates.taken, leased)
        _write(connection, fates.stale, stopped_values(""))
        for hold_id, rows in fates.stopped.items():
            _write(connection, rows, stopped_values(hold_id))
        self._inserts.into(journal, connection, [entry_row(entry) for entry in fates.entries])
        contents = _contents(connection, {row.mail_id for row in fates.taken})
        return [_due(row, claim, contents[row.mail_id]) for row in fates.taken]


def with_mail() -> Select[Any]:
    """Deliveries with what an engine and a journal entry need of their mails, contents left out."""
    return select(
        *delivery.c,
        mail.c.notification_id,
        mail.c.message_id,
        mail.c.octets,
        mail.c.partner,
        mail.c.notice,
    ).join_from(delivery, mail, delivery.c.mail_id == mail.c.id)


def subject_of(row: Any) -> Subject:
    """What holds look at, from a row of `with_mail`."""
    return Subject(
        seller_id=row.seller_id,
        partner=row.partner,
        recipient=row.recipient,
        is_notice=row.notice != "",
    )


def entry_on(row: Any, event: Event, at: datetime, detail: str, by: str = "") -> Entry:
    """A journal entry on the delivery of a row of `with_mail`."""
    return Entry(
        at=at,
        event=event,
        seller_id=row.seller_id,
        notification_id=row.notification_id,
        delivery_id=row.id,
        by=by,
        detail=detail,
    )


def due_now(claim: Claim) -> Select[Any]:
    """What waits for a moment that has come, longest due first."""
    return (
        _wanted(claim)
        .where(delivery.c.wake_at <= claim.now)
        .order_by(delivery.c.wake_at, delivery.c.id)
        .limit(min(claim.limit, MAX_CLAIM))
    )


def dated_ahead(claim: Claim, latest: datetime, limit: int) -> Select[Any]:
    """What is queued for a moment that no wait of Denrei's explains."""
    return (
        _wanted(claim)
        .where(IS_QUEUED, delivery.c.due_at > latest)
        .order_by(delivery.c.due_at, delivery.c.id)
        .limit(limit)
    )


def _wanted(claim: Claim) -> Select[Any]:
    every = with_mail()
    return (
        every.where(delivery.c.recipient_domain.not_in(claim.except_domains))
        if claim.except_domains
        else every
    )


def _within_bounds(connection: Connection, claim: Claim) -> list[Any]:
    """What may be claimed now; `octets` may be passed by the first one only."""
    found = _locked(connection, due_now(claim))
    room = min(claim.limit, MAX_CLAIM) - len(found)
    if room > 0 and claim.latest is not None:
        found += _locked(connection, dated_ahead(claim, max(claim.latest, claim.now), room))
    chosen: list[Any] = []
    octets = 0
    for row in found:
        octets += row.octets
        if chosen and octets > claim.octets:
            break
        chosen.append(row)
    return chosen


def _locked(connection: Connection, wanted: Select[Any]) -> list[Any]:
    return list(connection.execute(wanted.with_for_update(of=delivery, skip_locked=True)))


def _write(connection: Connection, rows: Sequence[Any], values: dict[str, Any]) -> None:
    for ids in chunks([row.id for row in rows]):
        connection.execute(update(delivery).where(delivery.c.id.in_(ids)).values(values))


def _contents(connection: Connection, mail_ids: Collection[str]) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    for ids in chunks(sorted(mail_ids)):
        rows = connection.execute(select(mail.c.id, mail.c.content).where(mail.c.id.in_(ids)))
        found.update({row.id: row.content for row in rows})
    return found


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
        partner=row.partner,
        is_notice=row.notice != "",
    )


def _why_stale(row: Any) -> str:
    match DeliveryState(row.state):
        case DeliveryState.HELD:
            return f"its time was {_stamp(row.due_at)}, nobody could send it then"
        case DeliveryState.SENDING:
            return f"{row.leased_by} took it and ended; its time was over at {_stamp(row.fresh_until)}"
        case _:
            return f"its time was over at {_stamp(row.fresh_until)}, nobody could send it until then"


def _stamp(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S} UTC"


def _duration(length: timedelta) -> str:
    """In whole minutes: 1:07 h.

    >>> _duration(timedelta(minutes=67, seconds=50))
    '1:07 h'
    """
    hours, minutes = divmod(length // timedelta(minutes=1), 60)
    return f"{hours}:{minutes:02} h"
