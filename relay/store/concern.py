"""What somebody must be told: the questions of the notices.

Three things are told, each once: a delivery that is late, a delivery that ended without success, and a
registration of which nothing gets through. Nothing is ever told of a notice.

Late is what is queued or being sent longer than a given time after it was accepted, or after it was last let
go from a hold; and, at once, what only a person can move though no person stopped it: a stale delivery, and
one whose address is suppressed. What a person or a registration holds on purpose is not late.

Guarantees: questions are bounded in rows; they read live deliveries, and those that ended within `REMIND`,
never all that is stored. Source: ours (docs/notices.md).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, func, literal_column, select, union_all

from relay.clock import id_at
from relay.journal import Event
from relay.store.query import LIVE
from relay.store.schema import delivery, hold, journal, mail, microseconds, notice, notification
from relay.store.values import DeliveryState, Scope

LOOKBACK = timedelta(days=7)  # longer than a mail's usual lifetime: a bounce older than this is an old story
REMIND = timedelta(days=30)  # a registration that is silent for so long after it was told of is told of again
MAX_SILENT = 500  # registrations in one answer, and how many are looked at together on the way to it
IS_BOUNCED = delivery.c.state == literal_column("'bounced'")
IS_UNTOLD = delivery.c.noticed != literal_column("'failure'")  # with IS_BOUNCED: written as the index has it
_OF_ORDER = mail.c.notice == ""
_FREEING = (Event.RELEASED.value, Event.RETRIED.value)  # after which a delivery counts as on its way anew


class Kind(StrEnum):
    """What is told. The names are public (`mail.notice`, docs/notices.md)."""

    DELAY = "delay"
    FAILURE = "failure"
    NO_SUCCESS = "no_success"


class Outlook(StrEnum):
    """What happens next to a delivery that somebody is told of."""

    RETRY = "retry"  # tried again by itself
    STALE = "stale"  # its time passed while nobody could send: waits for a person
    SUPPRESSED = "suppressed"  # its address is held: waits for a person
    GIVEN_UP = "given_up"


@dataclass(frozen=True, slots=True, kw_only=True)
class Concern:
    """One delivery that somebody must be told of."""

    delivery_id: str
    notification_id: str
    seller_id: str
    type: str
    pack_no: str
    order_no: str  # empty when its mail is for a whole pack
    partner: str
    recipient: str
    last_reply: str
    accepted_at: datetime
    outlook: Outlook
    again_at: datetime | None = None  # with RETRY; None while it is being sent
    is_notice: bool = False  # a notice of ours that was given up: nobody is told, but the log


@dataclass(frozen=True, slots=True, kw_only=True)
class Unsuccessful:
    """A registration of which nothing gets through."""

    seller_id: str
    registration: str
    partner: str
    tried: int  # deliveries since its last success
    since: datetime  # when the first of them was accepted
    last_success_at: datetime | None  # within `REMIND`
    told_until: datetime  # a notice before this one tells of an older silence
    delivery_id: str  # the newest of them, and what hangs on it
    notification_id: str
    recipient: str
    last_reply: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Lateness:
    """The question for late deliveries."""

    accepted_before: datetime
    now: datetime
    limit: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Silence:
    """The question for registrations of which nothing gets through."""

    since: datetime
    is_expected: Callable[[str, str], bool]  # whether anybody expects mail of this seller's registration


_CONCERN = (
    select(
        delivery.c.id,
        delivery.c.seller_id,
        delivery.c.recipient,
        delivery.c.last_reply,
        delivery.c.accepted_at,
        delivery.c.due_at,
        delivery.c.state,
        mail.c.notification_id,
        mail.c.order_no,
        mail.c.partner,
        mail.c.notice,
        notification.c.type,
        notification.c.pack_no,
    )
    .join_from(delivery, mail, delivery.c.mail_id == mail.c.id)
    .join(notification, mail.c.notification_id == notification.c.id)
)


def delayed(connection: Connection, wanted: Lateness) -> list[Concern]:
    """Late deliveries of which nobody was told: first those that wait for a person."""
    untold = _CONCERN.where(delivery.c.noticed == "", _OF_ORDER).order_by(delivery.c.id).limit(wanted.limit)
    freed = _of_delivery(func.max(journal.c.at), _FREEING)
    freed_at = freed.where(journal.c.at <= wanted.now).scalar_subquery()  # not while the clock was ahead
    on_its_way = delivery.c.state.in_([DeliveryState.QUEUED.value, DeliveryState.SENDING.value])
    late = untold.where(
        on_its_way,
        delivery.c.accepted_at < wanted.accepted_before,
        func.coalesce(freed_at, delivery.c.accepted_at) < wanted.accepted_before,
    )
    waits = (delivery.c.state == DeliveryState.HELD.value) & delivery.c.due_at.is_(None)
    stale = untold.where(
        waits,
        delivery.c.fresh_until.is_not(None),
        delivery.c.hold_id == "",
        _of_delivery(journal.c.number, (Event.STALE.value,)).exists(),
    )
    suppressed = untold.join(hold, delivery.c.hold_id == hold.c.id).where(
        waits, delivery.c.hold_id != literal_column("''"), hold.c.scope == Scope.ADDRESS.value
    )
    found = [_concern(row, Outlook.STALE) for row in connection.execute(stale)]
    found += [_concern(row, Outlook.SUPPRESSED) for row in connection.execute(suppressed)]
    found += [_concern(row, Outlook.RETRY) for row in connection.execute(late)]
    return found[: wanted.limit]


def failed(connection: Connection, limit: int) -> list[Concern]:
    """Deliveries that ended without success and of which nobody was told, first ended first."""
    untold = _CONCERN.where(IS_BOUNCED, IS_UNTOLD).order_by(delivery.c.settled_at, delivery.c.id).limit(limit)
    return [_concern(row, Outlook.GIVEN_UP) for row in connection.execute(untold)]


def unsuccessful(connection: Connection, wanted: Silence) -> list[Unsuccessful]:
    """Registrations of which something was tried, and nothing got through since, that are not told of yet."""
    since = wanted.since
    found: list[Unsuccessful] = []
    candidates = connection.execute(_by_registration(since, since - LOOKBACK))
    for some in candidates.partitions(MAX_SILENT):  # those who were told may be many: on past them
        expected = [each for each in some if wanted.is_expected(each.seller_id, each.registration)]
        sellers = {each.seller_id for each in expected}
        successes = {seller: _last_successes(connection, seller, since - REMIND) for seller in sellers}
        for each in expected:
            success_at = successes[each.seller_id].get(each.registration)
            if (one := _silent(connection, since, each, success_at)) is not None:
                found.append(one)
        if len(found) >= MAX_SILENT:
            break
    candidates.close()
    return found[:MAX_SILENT]


def last_notice(connection: Connection, kind: Kind) -> datetime | None:
    """When a notice of this kind was made last."""
    newest = select(func.max(notice.c.made_at)).where(notice.c.kind == kind.value)
    return connection.execute(newest).scalar_one_or_none()


def _of_delivery(column: ColumnElement[Any], events: Sequence[str]) -> Select[Any]:
    """A column of the journal's entries on the delivery of the query around it."""
    return (
        select(column)
        .where(
            journal.c.delivery_id == delivery.c.id,
            journal.c.delivery_id != literal_column("''"),  # as the index has it
            journal.c.event.in_(events),
        )
        .correlate(delivery)
    )


def _concern(row: Any, outlook: Outlook) -> Concern:
    waits = outlook is Outlook.RETRY and row.state == DeliveryState.QUEUED.value
    return Concern(
        delivery_id=row.id,
        notification_id=row.notification_id,
        seller_id=row.seller_id,
        type=row.type,
        pack_no=row.pack_no,
        order_no=row.order_no,
        partner=row.partner,
        recipient=row.recipient,
        last_reply=row.last_reply,
        accepted_at=row.accepted_at,
        outlook=outlook,
        again_at=row.due_at if waits else None,
        is_notice=row.notice != "",
    )


def _by_registration(since: datetime, after: datetime, *conditions: ColumnElement[bool]) -> Select[Any]:
    """Order mails that were tried in vain, accepted after a moment, the first of them by `since`.

    They are those that still wait and those that bounced: for each registration how many, the first one's
    acceptance, the newest one's id.
    """
    in_vain = (
        select(delivery.c.id, delivery.c.seller_id, delivery.c.accepted_at, mail.c.registration)
        .join_from(delivery, mail, delivery.c.mail_id == mail.c.id)
        .where(_OF_ORDER, delivery.c.accepted_at > after, delivery.c.id >= _id_from(after), *conditions)
    )
    waiting = in_vain.where(delivery.c.state.in_([state.value for state in LIVE]), delivery.c.attempts > 0)
    tried = union_all(waiting, in_vain.where(IS_BOUNCED)).subquery()
    first_at = func.min(tried.c.accepted_at)
    return (
        select(
            tried.c.seller_id,
            tried.c.registration,
            func.count().label("tried"),
            first_at.label("first_at"),
            func.max(tried.c.id).label("newest"),
        )
        .group_by(tried.c.seller_id, tried.c.registration)
        .having(first_at <= since)
        .order_by(first_at, tried.c.seller_id, tried.c.registration)
    )


def _silent(
    connection: Connection, since: datetime, candidate: Any, success_at: datetime | None
) -> Unsuccessful | None:
    """A registration that was tried in vain, if nothing of it got through, and nobody was told since."""
    seller_id, registration = candidate.seller_id, candidate.registration
    told_until = success_at or since - REMIND
    if told_until > since or was_told(connection, seller_id, registration, told_until):
        return None
    if success_at is not None:  # count only from there
        ours = (delivery.c.seller_id == seller_id) & (mail.c.registration == registration)
        again = _by_registration(since, max(success_at, since - LOOKBACK), ours)
        candidate = connection.execute(again).one_or_none()
        if candidate is None:
            return None
    row = connection.execute(_CONCERN.where(delivery.c.id == candidate.newest)).one()
    return Unsuccessful(
        seller_id=seller_id,
        registration=registration,
        partner=row.partner,
        tried=candidate.tried,
        since=candidate.first_at,
        last_success_at=success_at,
        told_until=told_until,
        delivery_id=candidate.newest,
        notification_id=row.notification_id,
        recipient=row.recipient,
        last_reply=row.last_reply,
    )


def _last_successes(connection: Connection, seller_id: str, after: datetime) -> dict[str, datetime]:
    """When each registration of a seller had a mail delivered last."""
    # By the seller's own index: bare, the state would lead to the one of all delivered mails.
    is_delivered = func.lower(delivery.c.state) == DeliveryState.DELIVERED.value
    last = (
        select(mail.c.registration, func.max(delivery.c.settled_at).label("at"))
        .join_from(delivery, mail, delivery.c.mail_id == mail.c.id)
        .where(delivery.c.seller_id == seller_id, delivery.c.id >= _id_from(after), is_delivered, _OF_ORDER)
        .group_by(mail.c.registration)
    )
    return {row.registration: row.at for row in connection.execute(last)}


def was_told(connection: Connection, seller_id: str, registration: str, after: datetime) -> bool:
    """Whether a registration's silence was told of after this moment."""
    told = select(notice.c.id).where(
        notice.c.kind == Kind.NO_SUCCESS.value,
        notice.c.seller_id == seller_id,
        notice.c.registration == registration,
        notice.c.made_at > after,
    )
    return connection.execute(told.limit(1)).first() is not None


def _id_from(at: datetime) -> str:
    """No id that was made at or after this moment sorts before it."""
    return id_at(microseconds(at) // 1000, 0)
