"""What can be asked: functions from a reading connection and a question to values.

Guarantees: no answer is longer than `query.MAX_LISTING`; a listing loads no mail contents; words from a
person reach the database as bound values only. Each function runs in one transaction and so sees one moment
of the store.
"""

from datetime import datetime
from typing import Any, TypeVar

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    Select,
    Table,
    case,
    func,
    literal,
    literal_column,
    select,
    type_coerce,
)

from relay.errors import BadInput, Problem
from relay.journal import Entry
from relay.store.copy import copy_in_the_way
from relay.store.query import (
    LIVE,
    MAX_LISTING,
    SHAPE_AGES,
    DeliveryFilter,
    DeliveryRow,
    DeliveryStory,
    HoldMark,
    JournalFilter,
    LiveCounts,
    NotificationStory,
    QuarantineFilter,
    QuarantineRow,
    ShapeRow,
)
from relay.store.row import (
    accepted_of,
    delivery_of,
    domain_of,
    entry_of,
    hold_of,
    listed_delivery,
    mail_of,
    quarantined_of,
)
from relay.store.schema import delivery, filled, hold, journal, mail, notification, quarantine
from relay.store.values import DeliveryState, Hold, Quarantined, QuarantineState, Scope

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
        mail.c.notice,
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
        (delivery.c.recipient_domain, wanted.domain),
        (mail.c.notification_id, wanted.notification_id),
        (delivery.c.hold_id, wanted.hold_id),
    )
    if wanted.recipient:
        conditions += _to(connection, wanted.recipient)
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
    [of_both] = _given((journal.c.notification_id, row.notification_id))
    own = of_both & journal.c.delivery_id.in_(["", id_])
    return DeliveryStory(row=row, content=content, entries=_entries(connection, own))


def standing_copy(connection: Connection, delivery_id: str) -> DeliveryRow | None:
    """The copy that keeps an ended delivery from being sent once more; None: there is none."""
    id_ = copy_in_the_way(connection, delivery_id)
    if id_ is None:
        return None
    return listed_delivery(connection.execute(_LISTING.where(delivery.c.id == id_)).one())


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
        select(quarantine).where(*_given((quarantine.c.notification_id, id_))).order_by(quarantine.c.id)
    )
    accepted = accepted_of(
        head,
        mails=[mail_of(row) for row in mails],
        deliveries=[delivery_of(row) for row in sent],
        quarantined=[quarantined_of(row, row.content) for row in kept],
        entries=_entries(connection, *_given((journal.c.notification_id, id_))),
    )
    rows = connection.execute(_LISTING.where(mail.c.notification_id == id_).order_by(delivery.c.id))
    return NotificationStory(accepted=accepted, rows=[listed_delivery(row) for row in rows])


def journal_entries(connection: Connection, wanted: JournalFilter) -> list[Entry]:
    """The last entries, oldest first."""
    found = select(journal).where(*journal_conditions(wanted)).order_by(journal.c.number.desc())
    return [entry_of(row) for row in connection.execute(_limited(found, wanted.limit))][::-1]


def journal_conditions(wanted: JournalFilter) -> list[ColumnElement[bool]]:
    """What an entry must be for the filter to let it through."""
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
    return conditions


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


def live(connection: Connection, _: None) -> LiveCounts:
    """What waits now, counted and dated from indexes of live rows."""
    states = [state.value for state in LIVE]
    counted = (
        select(delivery.c.state, func.count().label("total"))
        .where(delivery.c.state.in_(states))
        .group_by(delivery.c.state)
    )
    by_state = {row.state: row.total for row in connection.execute(counted)}
    by_scope = {
        row.scope: row.total
        for row in connection.execute(
            select(hold.c.scope, func.count().label("total")).group_by(hold.c.scope)
        )
    }
    kept = select(func.count()).where(quarantine.c.state == QuarantineState.KEPT.value)
    return LiveCounts(
        deliveries={state: by_state.get(state.value, 0) for state in LIVE},
        oldest={state: _oldest(connection, state) for state in LIVE},
        kept_in_quarantine=connection.execute(kept).scalar_one(),
        holds={scope: by_scope.get(scope.value, 0) for scope in Scope},
    )


def _oldest(connection: Connection, state: DeliveryState) -> datetime | None:
    """Ids sort by time, so the first id's is the oldest, but for what a clock that was set back has made."""
    of_state = select(delivery.c.accepted_at).where(delivery.c.state == state.value)
    return connection.execute(of_state.order_by(delivery.c.id).limit(1)).scalar_one_or_none()


def holds(connection: Connection, _: None) -> list[Hold]:
    """Every standing hold, oldest first."""
    return [hold_of(row) for row in connection.execute(select(hold).order_by(hold.c.placed_at, hold.c.id))]


def hold_mark(connection: Connection, _: None) -> HoldMark:
    """How many holds stand, the newest one's id, and when they were placed, added up within bounds.

    The sum is for a clock that was set back: a hold placed then is not the newest by its id.
    """
    placed = func.coalesce(func.sum(type_coerce(hold.c.placed_at, BigInteger) % literal_column("1000003")), 0)
    row = connection.execute(select(func.count(), func.max(hold.c.id), placed).select_from(hold)).one()
    return (row[0], row[1], int(row[2]))


def stopped(connection: Connection, _: None) -> dict[str, int]:
    """How many deliveries each standing hold has stopped, by its id; those that stopped none are left out."""
    counted = select(delivery.c.hold_id, func.count().label("total")).where(filled(delivery.c.hold_id))
    return {row.hold_id: row.total for row in connection.execute(counted.group_by(delivery.c.hold_id))}


def next_wake(connection: Connection, _: None) -> datetime | None:
    """When the first live delivery is due or its lease ends; None when there is none."""
    return connection.execute(
        select(delivery.c.wake_at)
        .where(delivery.c.wake_at.is_not(None))
        .order_by(delivery.c.wake_at)
        .limit(1)
    ).scalar_one_or_none()


def _to(connection: Connection, recipient: str) -> list[ColumnElement[bool]]:
    """An address in any case. Lower case is Python's on both sides: the engines' own knows ASCII only."""
    there = delivery.c.recipient_domain == domain_of(recipient)
    spellings = connection.execute(select(delivery.c.recipient).distinct().where(there)).scalars()
    return [there, delivery.c.recipient.in_([one for one in spellings if one.lower() == recipient.lower()])]


def _given(*pairs: tuple[ColumnElement[Any], str]) -> list[ColumnElement[bool]]:
    """Equality for each column whose wanted value is not empty, said so that partial indexes are used."""
    return [filled(column) & (column == value) for column, value in pairs if value]


def _limited(statement: _S, limit: int) -> _S:
    return statement.limit(max(1, min(limit, MAX_LISTING)))


def _entries(connection: Connection, *conditions: ColumnElement[bool]) -> list[Entry]:
    oldest_first = _limited(select(journal).where(*conditions).order_by(journal.c.number), MAX_LISTING)
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
