"""What can be asked: functions from a reading connection and a question to values.

Guarantees: no answer is longer than `query.MAX_LISTING`; a listing loads no mail contents; words from a
person reach the database as bound values only. Each function runs in one transaction and so sees one moment
of the store.
"""

from datetime import datetime
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, Connection, Select, Table, case, func, literal, select

from relay.errors import BadInput, Problem
from relay.journal import Entry
from relay.store.query import (
    LIVE,
    MAX_LISTING,
    SHAPE_AGES,
    Counts,
    DeliveryFilter,
    DeliveryRow,
    DeliveryStory,
    JournalFilter,
    NotificationStory,
    QuarantineFilter,
    QuarantineRow,
    ShapeRow,
)
from relay.store.row import accepted_of, delivery_of, entry_of, listed_delivery, mail_of, quarantined_of
from relay.store.schema import delivery, journal, mail, notification, quarantine
from relay.store.values import DeliveryState, Quarantined, QuarantineState

_AFTER_EVERY_ID = "\x7f"  # sorts behind every character of an identifier
_S = TypeVar("_S", bound=Select[Any])

_LISTING = (
    select(
        *delivery.c,
        mail.c.notification_id,
        mail.c.order_no,
        mail.c.registration,
        mail.c.partner,
        mail.c.template,
        mail.c.message_id,
        mail.c.sender,
        mail.c.subject,
        mail.c.octets,
        notification.c.type,
        notification.c.pack_no,
    )
    .join_from(delivery, mail, delivery.c.mail_id == mail.c.id)
    .join(notification, mail.c.notification_id == notification.c.id)
)
_QUARANTINE_LISTING = select(*(column for column in quarantine.c if column is not quarantine.c.content))


def deliveries(connection: Connection, wanted: DeliveryFilter) -> list[DeliveryRow]:
    """Deliveries, newest first."""
    conditions = _given(
        (delivery.c.seller_id, wanted.seller_id),
        (mail.c.partner, wanted.partner),
        (delivery.c.recipient, wanted.recipient),
        (delivery.c.recipient_domain, wanted.domain),
        (mail.c.notification_id, wanted.notification_id),
    )
    if wanted.states:
        conditions.append(delivery.c.state.in_([state.value for state in wanted.states]))
    if wanted.before:
        conditions.append(delivery.c.id < wanted.before)
    newest = _LISTING.where(*conditions).order_by(delivery.c.id.desc())
    return [listed_delivery(row) for row in connection.execute(_limited(newest, wanted.limit))]


def delivery_story(connection: Connection, prefix: str) -> DeliveryStory | None:
    """All of one delivery; None when there is none such."""
    id_ = _full_id(connection, delivery, prefix)
    if id_ is None:
        return None
    row = listed_delivery(connection.execute(_LISTING.where(delivery.c.id == id_)).one())
    content = connection.execute(select(mail.c.content).where(mail.c.id == row.delivery.mail_id)).scalar_one()
    own = (journal.c.notification_id == row.notification_id) & journal.c.delivery_id.in_(["", id_])
    return DeliveryStory(row=row, content=content, entries=_entries(connection, own))


def notification_story(connection: Connection, prefix: str) -> NotificationStory | None:
    """All of one notification; None when there is none such."""
    id_ = _full_id(connection, notification, prefix)
    if id_ is None:
        return None
    head = connection.execute(select(notification).where(notification.c.id == id_)).one()
    mails = connection.execute(select(mail).where(mail.c.notification_id == id_).order_by(mail.c.id))
    sent = connection.execute(
        select(delivery).join(mail).where(mail.c.notification_id == id_).order_by(delivery.c.id)
    )
    kept = connection.execute(
        select(quarantine).where(quarantine.c.notification_id == id_).order_by(quarantine.c.id)
    )
    accepted = accepted_of(
        head,
        mails=[mail_of(row) for row in mails],
        deliveries=[delivery_of(row) for row in sent],
        quarantined=[quarantined_of(row, row.content) for row in kept],
        entries=_entries(connection, journal.c.notification_id == id_),
    )
    rows = connection.execute(_LISTING.where(mail.c.notification_id == id_).order_by(delivery.c.id))
    return NotificationStory(accepted=accepted, rows=[listed_delivery(row) for row in rows])


def journal_entries(connection: Connection, wanted: JournalFilter) -> list[Entry]:
    """The last entries, oldest first."""
    conditions = _given(
        (journal.c.seller_id, wanted.seller_id),
        (journal.c.notification_id, wanted.notification_id),
        (journal.c.delivery_id, wanted.delivery_id),
        (journal.c.quarantine_id, wanted.quarantine_id),
    )
    if wanted.events:
        conditions.append(journal.c.event.in_([event.value for event in wanted.events]))
    if wanted.since is not None:
        conditions.append(journal.c.at >= wanted.since)
    if wanted.until is not None:
        conditions.append(journal.c.at < wanted.until)
    last = _limited(select(journal).where(*conditions).order_by(journal.c.number.desc()), wanted.limit)
    return [entry_of(row) for row in connection.execute(last)][::-1]


def quarantined(connection: Connection, wanted: QuarantineFilter) -> list[QuarantineRow]:
    """Quarantined mails, newest first."""
    newest = _QUARANTINE_LISTING.order_by(quarantine.c.id.desc())
    if wanted.states:
        newest = newest.where(quarantine.c.state.in_([state.value for state in wanted.states]))
    if wanted.before:
        newest = newest.where(quarantine.c.id < wanted.before)
    rows = connection.execute(_limited(newest, wanted.limit))
    return [QuarantineRow(item=quarantined_of(row, b""), octets=row.octets) for row in rows]


def quarantined_mail(connection: Connection, prefix: str) -> Quarantined | None:
    """One quarantined mail with its content; None when there is none such."""
    id_ = _full_id(connection, quarantine, prefix)
    if id_ is None:
        return None
    row = connection.execute(select(quarantine).where(quarantine.c.id == id_)).one()
    return quarantined_of(row, row.content)


def shape(connection: Connection, now: datetime) -> list[ShapeRow]:
    """Live deliveries by recipient domain, state and age."""
    younger = [(delivery.c.accepted_at > now - age, literal(index)) for index, age in enumerate(SHAPE_AGES)]
    bucket = case(*younger, else_=literal(len(SHAPE_AGES))).label("bucket")
    counted = (
        select(delivery.c.recipient_domain, delivery.c.state, bucket, func.count().label("total"))
        .where(delivery.c.state.in_([state.value for state in LIVE]))
        .group_by(delivery.c.recipient_domain, delivery.c.state, bucket)
    )
    ages: dict[tuple[str, DeliveryState], list[int]] = {}
    for row in connection.execute(counted):
        numbers = ages.setdefault(
            (row.recipient_domain, DeliveryState(row.state)), [0] * (len(SHAPE_AGES) + 1)
        )
        numbers[row.bucket] = row.total
    return [
        ShapeRow(domain=domain, state=state, ages=tuple(ages[domain, state]))
        for domain, state in sorted(ages)
    ]


def counts(connection: Connection, _: None) -> Counts:
    """How many of each there are."""
    notifications = connection.execute(select(func.count()).select_from(notification)).scalar_one()
    by_state = _by_state(connection, delivery)
    kept = _by_state(connection, quarantine)
    return Counts(
        notifications=notifications,
        deliveries={state: by_state.get(state.value, 0) for state in DeliveryState},
        quarantined={state: kept.get(state.value, 0) for state in QuarantineState},
    )


def next_wake(connection: Connection, _: None) -> datetime | None:
    """When the first live delivery is due or its lease ends; None when there is none."""
    return connection.execute(
        select(delivery.c.wake_at)
        .where(delivery.c.wake_at.is_not(None))
        .order_by(delivery.c.wake_at)
        .limit(1)
    ).scalar_one_or_none()


def _by_state(connection: Connection, table: Table) -> dict[str, int]:
    rows = connection.execute(select(table.c.state, func.count().label("total")).group_by(table.c.state))
    return {row.state: row.total for row in rows}


def _given(*pairs: tuple[ColumnElement[Any], str]) -> list[ColumnElement[bool]]:
    """Equality for each column whose wanted value is not empty."""
    return [column == value for column, value in pairs if value]


def _limited(statement: _S, limit: int) -> _S:
    return statement.limit(max(1, min(limit, MAX_LISTING)))


def _entries(connection: Connection, condition: ColumnElement[bool]) -> list[Entry]:
    oldest_first = _limited(select(journal).where(condition).order_by(journal.c.number), MAX_LISTING)
    return [entry_of(row) for row in connection.execute(oldest_first)]


def _full_id(connection: Connection, table: Table, prefix: str) -> str | None:
    """The one id that begins so; None when none does.

    Raises:
        BadInput: several do, or nothing was asked for.
    """
    if not prefix:  # of a variable that was not set: it must not mean the only row that there is
        raise BadInput(
            [Problem(message=f"an empty id names no {table.name}", hint="name one, or its beginning")]
        )
    if not prefix.isascii():  # a database takes no surrogate, and no id has any such character
        return None
    begins = (table.c.id >= prefix) & (table.c.id < prefix + _AFTER_EVERY_ID)
    found = connection.execute(select(table.c.id).where(begins).order_by(table.c.id).limit(2)).scalars().all()
    if len(found) > 1 and found[0] != prefix:
        message = f"{prefix} is the beginning of more than one {table.name}'s id"
        raise BadInput([Problem(message=message, hint=f"type more of it: {found[0]} or {found[1]}")])
    return found[0] if found else None
