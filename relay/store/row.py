"""Between values and rows: the only place that knows in which column a value's field stands."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any, TypeVar

from relay.journal import Entry, Event
from relay.store.prepared import Values
from relay.store.query import DeliveryRow
from relay.store.schema import microseconds
from relay.store.values import (
    Accepted,
    Delivery,
    DeliveryState,
    Hold,
    Mail,
    Quarantined,
    QuarantineState,
    Scope,
)

_CHUNK = 500  # values in one IN list: far below every engine's limit on parameters
_T = TypeVar("_T")


def chunks(values: Sequence[_T]) -> Iterator[Sequence[_T]]:
    """The values in order, so many at a time as one IN list may hold."""
    for start in range(0, len(values), _CHUNK):
        yield values[start : start + _CHUNK]


def _number(at: datetime | None) -> int | None:
    return None if at is None else microseconds(at)


def domain_of(recipient: str) -> str:
    """The part of an address by which next hops are told apart.

    >>> domain_of("orders@Partner.example.jp")
    'partner.example.jp'
    """
    return recipient.rpartition("@")[2].lower()


def wake_at(state: DeliveryState, due_at: datetime | None, leased_until: datetime | None) -> datetime | None:
    """When a delivery next needs someone: at its due time or its lease's end; None: not by itself."""
    match state:
        case DeliveryState.HELD | DeliveryState.QUEUED:
            return due_at
        case DeliveryState.SENDING:
            return leased_until
        case _:
            return None


def notification_row(accepted: Accepted) -> Values:
    """For `schema.notification`."""
    return (
        accepted.id,
        accepted.event_id,
        accepted.content_key,
        accepted.seller_id,
        accepted.type,
        accepted.pack_no,
        accepted.document,
        microseconds(accepted.accepted_at),
    )


def mail_row(mail: Mail, notification_id: str) -> Values:
    """For `schema.mail`."""
    return (
        mail.id,
        notification_id,
        mail.registration,
        mail.partner,
        mail.template,
        mail.order_no,
        mail.message_id,
        mail.sender,
        mail.subject,
        len(mail.content),
        mail.content,
        mail.notice,
    )


def delivery_row(delivery: Delivery, seller_id: str) -> Values:
    """For `schema.delivery`."""
    return (
        delivery.id,
        delivery.mail_id,
        seller_id,
        delivery.recipient,
        domain_of(delivery.recipient),
        delivery.state.value,
        microseconds(delivery.accepted_at),
        _number(delivery.due_at),
        delivery.leased_by,
        _number(delivery.leased_until),
        _number(wake_at(delivery.state, delivery.due_at, delivery.leased_until)),
        delivery.attempts,
        delivery.last_reply,
        _number(delivery.settled_at),
        _number(delivery.fresh_until),
        delivery.hold_id,
        delivery.noticed,
        delivery.resent_of,
    )


def entry_row(entry: Entry) -> Values:
    """For `schema.journal`."""
    return (
        microseconds(entry.at),
        entry.event.value,
        entry.seller_id,
        entry.notification_id,
        entry.delivery_id,
        entry.quarantine_id,
        entry.by,
        entry.detail,
    )


def quarantine_row(item: Quarantined) -> Values:
    """For `schema.quarantine`."""
    return (
        item.id,
        microseconds(item.received_at),
        item.peer,
        item.mail_from,
        item.rcpt_to,
        len(item.content),
        item.content,
        item.reason,
        item.state.value,
        item.notification_id,
        item.registration,
        _number(item.settled_at),
    )


def hold_row(hold: Hold) -> Values:
    """For `schema.hold`."""
    return (hold.id, hold.scope.value, hold.value, hold.reason, hold.by, microseconds(hold.placed_at))


def hold_of(row: Any) -> Hold:
    """From a row of `schema.hold`."""
    return Hold(
        id=row.id,
        scope=Scope(row.scope),
        value=row.value,
        reason=row.reason,
        by=row.by,
        placed_at=row.placed_at,
    )


def delivery_of(row: Any) -> Delivery:
    """From a row that has all columns of `schema.delivery`."""
    return Delivery(
        id=row.id,
        mail_id=row.mail_id,
        recipient=row.recipient,
        state=DeliveryState(row.state),
        due_at=row.due_at,
        accepted_at=row.accepted_at,
        attempts=row.attempts,
        last_reply=row.last_reply,
        leased_by=row.leased_by,
        leased_until=row.leased_until,
        settled_at=row.settled_at,
        fresh_until=row.fresh_until,
        hold_id=row.hold_id,
        noticed=row.noticed,
        resent_of=row.resent_of,
    )


def mail_of(row: Any) -> Mail:
    """From a row that has all columns of `schema.mail`."""
    return Mail(
        id=row.id,
        registration=row.registration,
        partner=row.partner,
        template=row.template,
        order_no=row.order_no,
        message_id=row.message_id,
        sender=row.sender,
        subject=row.subject,
        content=row.content,
        notice=row.notice,
    )


def listed_delivery(row: Any) -> DeliveryRow:
    """From a row of `reading`'s joined listing."""
    return DeliveryRow(
        delivery=delivery_of(row),
        notification_id=row.notification_id,
        seller_id=row.seller_id,
        type=row.type,
        pack_no=row.pack_no,
        order_no=row.order_no,
        registration=row.registration,
        partner=row.partner,
        template=row.template,
        message_id=row.message_id,
        sender=row.sender,
        subject=row.subject,
        octets=row.octets,
        notice=row.notice,
    )


def entry_of(row: Any) -> Entry:
    """From a row of `schema.journal`."""
    return Entry(
        at=row.at,
        event=Event(row.event),
        seller_id=row.seller_id,
        notification_id=row.notification_id,
        delivery_id=row.delivery_id,
        quarantine_id=row.quarantine_id,
        by=row.by,
        detail=row.detail,
    )


def quarantined_of(row: Any, content: bytes) -> Quarantined:
    """From a row of `schema.quarantine`, its content given apart because listings leave it out."""
    return Quarantined(
        id=row.id,
        received_at=row.received_at,
        peer=row.peer,
        mail_from=row.mail_from,
        rcpt_to=row.rcpt_to,
        content=content,
        reason=row.reason,
        state=QuarantineState(row.state),
        notification_id=row.notification_id,
        registration=row.registration,
        settled_at=row.settled_at,
    )


def accepted_of(
    row: Any,
    *,
    mails: Sequence[Mail],
    deliveries: Sequence[Delivery],
    quarantined: Sequence[Quarantined],
    entries: Sequence[Entry],
) -> Accepted:
    """From a row of `schema.notification` and all that hangs on it."""
    return Accepted(
        id=row.id,
        event_id=row.event_id,
        content_key=row.content_key,
        seller_id=row.seller_id,
        type=row.type,
        pack_no=row.pack_no,
        document=row.document,
        accepted_at=row.accepted_at,
        mails=mails,
        deliveries=deliveries,
        quarantined=quarantined,
        entries=entries,
    )
