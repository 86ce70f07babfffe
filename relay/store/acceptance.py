"""Taking in: notifications with all that they cause, quarantined mails, and quarantined mails taken in again.

Guarantees: a notification that the store has already is recognised inside the transaction, also when both
come in one batch or through two processes; a unique index stands behind that, so the second of two that race
fails, is tried alone and then finds the first. Two notifications are the same when seller and event id are,
or when the content key is. What is found again leaves a DUPLICATE entry on the first one, so that a person
can see it.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import BindParameter, Connection, Dialect, Select, bindparam, or_, select, update

from relay.clock import Clock
from relay.journal import Entry, Event
from relay.store.hold import Holds
from relay.store.prepared import Inserts, Lookup, Values
from relay.store.row import delivery_row, entry_row, mail_row, notification_row, quarantine_row
from relay.store.schema import delivery, journal, mail, notification, quarantine
from relay.store.standing import Standing, Subject
from relay.store.values import Accepted, DeliveryState, Duplicate, Quarantined, QuarantineState


def _same_content(size: int) -> Select[Any]:
    keys: list[BindParameter[str]] = [bindparam(f"key_{number}") for number in range(size)]
    return _KNOWN.where(notification.c.content_key.in_(keys))


def _same_event(size: int) -> Select[Any]:
    pairs = [
        (notification.c.seller_id == bindparam(f"seller_{number}"))
        & (notification.c.event_id == bindparam(f"event_{number}"))
        for number in range(size)
    ]
    return _KNOWN.where(or_(*pairs))


_KNOWN = select(
    notification.c.id, notification.c.content_key, notification.c.seller_id, notification.c.event_id
)  # what `_Known` needs of each


@dataclass(frozen=True, slots=True, kw_only=True)
class Replay:
    """A quarantined mail that a person had taken in again."""

    quarantine_id: str
    accepted: Accepted
    now: datetime
    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class QuarantineEnd:
    """A person's decision on a quarantined mail, without taking anything in."""

    quarantine_id: str
    state: QuarantineState
    now: datetime
    by: str
    notification_id: str
    detail: str


class _Known:
    """The stored notifications that this batch might repeat, and those of the batch itself."""

    def __init__(self, rows: Iterable[tuple[Any, ...]]) -> None:
        self._by_content: dict[str, tuple[str, str]] = {}
        self._by_event: dict[tuple[str, str], tuple[str, str]] = {}
        for row in rows:
            self._remember(*row)

    def add(self, one: Accepted) -> None:
        self._remember(one.id, one.content_key, one.seller_id, one.event_id)

    def first_of(self, one: Accepted) -> Duplicate | None:
        """What this one repeats; the same event counts before the same content."""
        found = self._by_event.get((one.seller_id, one.event_id)) if one.event_id is not None else None
        found = found or self._by_content.get(one.content_key)
        return Duplicate(of=found[0], same_content=found[1] == one.content_key) if found else None

    def _remember(self, id_: str, content_key: str, seller_id: str, event_id: str | None) -> None:
        self._by_content[content_key] = (id_, content_key)
        if event_id is not None:
            self._by_event[seller_id, event_id] = (id_, content_key)


class _Rows:
    """Rows to be inserted, gathered so that each table gets all of its own at once."""

    def __init__(self) -> None:
        self.notification: list[Values] = []
        self.mail: list[Values] = []
        self.delivery: list[Values] = []
        self.quarantine: list[Values] = []
        self.journal: list[Values] = []

    def add(self, one: Accepted, *, to_known_notification: bool = False) -> None:
        if not to_known_notification:
            self.notification.append(notification_row(one))
        self.mail += [mail_row(each, one.id) for each in one.mails]
        self.delivery += [delivery_row(each, one.seller_id) for each in one.deliveries]
        self.quarantine += map(quarantine_row, one.quarantined)
        self.journal += map(entry_row, one.entries)

    def insert(self, connection: Connection, inserts: Inserts) -> None:
        inserts.into(notification, connection, self.notification)
        inserts.into(mail, connection, self.mail)
        inserts.into(delivery, connection, self.delivery)
        inserts.into(quarantine, connection, self.quarantine)
        inserts.into(journal, connection, self.journal)


def _subjects(one: Accepted) -> dict[str, Subject]:
    """What holds look at in each delivery, by its id."""
    mails = {each.id: each for each in one.mails}
    return {
        each.id: Subject(
            seller_id=one.seller_id,
            partner=mails[each.mail_id].partner,
            recipient=each.recipient,
            is_notice=mails[each.mail_id].notice != "",
        )
        for each in one.deliveries
        if each.mail_id in mails
    }


def _held_back(one: Accepted, standing: Standing, now: datetime) -> Accepted:
    """The same, with those deliveries held that would be sent and meet a hold.

    What waits for its time or a person already is judged when it is claimed.
    """
    subjects = _subjects(one)
    deliveries, entries = [], list(one.entries)
    for each in one.deliveries:
        goes = each.state in (DeliveryState.QUEUED, DeliveryState.SENDING)
        stop = standing.stop(subjects[each.id]) if goes and each.id in subjects else None
        if stop is None:
            deliveries.append(each)
            continue
        deliveries.append(
            replace(
                each,
                state=DeliveryState.HELD,
                due_at=None,
                leased_by="",
                leased_until=None,
                hold_id=stop.hold_id,
            )
        )
        entries.append(
            Entry(
                at=now,
                event=Event.HELD,
                seller_id=one.seller_id,
                notification_id=one.id,
                delivery_id=each.id,
                detail=str(stop),
            )
        )
    if len(entries) == len(one.entries):
        return one
    return replace(one, deliveries=deliveries, entries=entries)


class Acceptance:
    """The writes of taking in, each for a whole batch, inside the writer's transaction."""

    def __init__(self, inserts: Inserts, dialect: Dialect, clock: Clock, holds: Holds) -> None:
        self._inserts = inserts
        self._clock = clock
        self._holds = holds
        self._same_content = Lookup(dialect, _same_content)
        self._same_event = Lookup(dialect, _same_event)

    def accept(self, connection: Connection, batch: Sequence[Accepted]) -> list[Accepted | Duplicate]:
        """Store each notification with all that it causes, or say which one it repeats.

        What meets a standing hold is stored as held by it; the answer is what is stored.
        """
        known = self._known(connection, batch)
        standing = self._standing(connection, batch)
        rows = _Rows()
        answers = [self._take(one, known, standing, rows) for one in batch]
        rows.insert(connection, self._inserts)
        return answers

    def quarantine(self, connection: Connection, batch: Sequence[tuple[Quarantined, Entry]]) -> list[None]:
        """Keep mails that could not be understood."""
        rows = _Rows()
        rows.quarantine = [quarantine_row(item) for item, _ in batch]
        rows.journal = [entry_row(entry) for _, entry in batch]
        rows.insert(connection, self._inserts)
        return [None] * len(batch)

    def replay(self, connection: Connection, batch: Sequence[Replay]) -> list[Accepted | Duplicate | None]:
        """Take kept mails in again; None for one that is no longer kept."""
        return [self._replay(connection, replay) for replay in batch]

    def end_quarantine(self, connection: Connection, batch: Sequence[QuarantineEnd]) -> list[bool]:
        """Settle quarantined mails that are still kept."""
        return [self._end(connection, end) for end in batch]

    def _known(self, connection: Connection, batch: Sequence[Accepted]) -> _Known:
        rows = list(self._same_content.rows(connection, [(one.content_key,) for one in batch]))
        events = [(one.seller_id, one.event_id) for one in batch if one.event_id is not None]
        if events:
            rows += self._same_event.rows(connection, events)
        return _Known(rows)

    def _standing(self, connection: Connection, batch: Sequence[Accepted]) -> Standing:
        return self._holds.standing(
            connection, lambda: [subject for one in batch for subject in _subjects(one).values()]
        )

    def _take(self, one: Accepted, known: _Known, standing: Standing, rows: _Rows) -> Accepted | Duplicate:
        duplicate = known.first_of(one)
        if duplicate is None:
            known.add(one)
            if standing:
                one = _held_back(one, standing, self._clock.now())
            rows.add(one)
            return one
        entry = Entry(
            at=self._clock.now(),
            event=Event.DUPLICATE,
            seller_id=one.seller_id,
            notification_id=duplicate.of,
            detail="the same content"
            if duplicate.same_content
            else f"event {one.event_id} with other content",
        )
        rows.journal.append(entry_row(entry))
        return duplicate

    def _replay(self, connection: Connection, replay: Replay) -> Accepted | Duplicate | None:
        kept = connection.execute(
            select(quarantine.c.notification_id).where(
                quarantine.c.id == replay.quarantine_id, quarantine.c.state == QuarantineState.KEPT
            )
        ).one_or_none()
        if kept is None:
            return None
        rows = _Rows()
        standing = self._standing(connection, [replay.accepted])
        answer: Accepted | Duplicate
        if kept.notification_id == replay.accepted.id:
            answer = _held_back(replay.accepted, standing, replay.now)
            rows.add(answer, to_known_notification=True)
        else:
            answer = self._take(replay.accepted, self._known(connection, [replay.accepted]), standing, rows)
        rows.insert(connection, self._inserts)
        if isinstance(answer, Duplicate) and not answer.same_content:
            return answer  # what this mail says stands nowhere else: it stays
        known_as = answer.of if isinstance(answer, Duplicate) else answer.id
        end = QuarantineEnd(
            quarantine_id=replay.quarantine_id,
            state=QuarantineState.REPLAYED,
            now=replay.now,
            by=replay.by,
            notification_id=known_as,
            detail="known already" if isinstance(answer, Duplicate) else "",
        )
        return answer if self._end(connection, end, seller_id=replay.accepted.seller_id) else None

    def _end(self, connection: Connection, end: QuarantineEnd, *, seller_id: str = "") -> bool:
        values = {"state": end.state.value, "settled_at": end.now}
        if end.notification_id:
            values["notification_id"] = end.notification_id
        kept = (quarantine.c.id == end.quarantine_id) & (quarantine.c.state == QuarantineState.KEPT)
        if connection.execute(update(quarantine).where(kept).values(values)).rowcount == 0:
            return False
        entry = Entry(
            at=end.now,
            event=Event.REPLAYED if end.state is QuarantineState.REPLAYED else Event.DISCARDED,
            seller_id=seller_id,
            notification_id=end.notification_id,
            quarantine_id=end.quarantine_id,
            by=end.by,
            detail=end.detail,
        )
        self._inserts.into(journal, connection, [entry_row(entry)])
        return True
