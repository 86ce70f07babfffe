"""Deleting what ended long ago: notifications with all that hangs on them, and settled quarantine.

A notification goes whole or stays whole, with its mails, deliveries, settled quarantine and journal, so that
no story is ever half told. It stays while anything of it may still matter to somebody: a delivery that waits
or is being sent, one that ended not long enough ago, a bounce that nobody was told of, a mail that is kept.

Guarantees: `count` and `Purger.purge` choose by the same function, so what a person is shown is what goes,
but for what changes in between. Each purge is one small transaction, which looks at no more than `limit` ids
and goes on where the last one ended: what stays is not looked at twice. Pages that become free are used again
by later mails. Source: ours.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    Table,
    delete,
    false,
    func,
    literal_column,
    or_,
    select,
)

from relay.journal import Entry, Event
from relay.store.prepared import Inserts
from relay.store.query import LIVE
from relay.store.row import entry_row
from relay.store.schema import delivery, journal, mail, notification, quarantine
from relay.store.values import QuarantineState

MAX_LIMIT = 500  # ids in one transaction and in one IN list: far below every engine's limit on parameters


@dataclass(frozen=True, slots=True, kw_only=True)
class PurgeCounts:
    """How many of each kind go, or went."""

    notifications: int = 0
    deliveries: int = 0
    quarantined: int = 0
    entries: int = 0  # of the journal
    octets: int = 0  # of mails, documents and quarantined mails

    def __add__(self, other: "PurgeCounts") -> "PurgeCounts":
        return PurgeCounts(
            notifications=self.notifications + other.notifications,
            deliveries=self.deliveries + other.deliveries,
            quarantined=self.quarantined + other.quarantined,
            entries=self.entries + other.entries,
            octets=self.octets + other.octets,
        )

    @property
    def anything(self) -> bool:
        """Whether something goes."""
        return bool(self.notifications or self.quarantined)


@dataclass(frozen=True, slots=True, kw_only=True)
class PurgePlace:
    """How far a purge has come: notifications in the order of their ids, then what only quarantine knows."""

    notification: str = ""  # the last id that was looked at
    quarantined: str | None = None  # None: notifications are not done


@dataclass(frozen=True, slots=True, kw_only=True)
class PurgeRule:
    """What may go."""

    before: datetime  # what ended before this
    with_untold: bool = False  # also bounces that nobody was told of


@dataclass(frozen=True, slots=True, kw_only=True)
class Purge:
    """A wish to delete the next of what may go."""

    rule: PurgeRule
    place: PurgePlace
    limit: int  # ids to look at, at most MAX_LIMIT
    now: datetime
    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Purged:
    """What one transaction deleted, and where the next one goes on; None: that was all."""

    counts: PurgeCounts
    place: PurgePlace | None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Choice:
    """The ids of one step, and the step after it."""

    notifications: Sequence[str] = ()
    quarantined: Sequence[str] = field(default=())
    place: PurgePlace | None


def count(connection: Connection, rule: PurgeRule) -> PurgeCounts:
    """What a purge of all that may go would delete now."""
    total = PurgeCounts()
    place: PurgePlace | None = PurgePlace()
    while place is not None:
        choice = _chosen(connection, rule, place, MAX_LIMIT)
        total += _counted(connection, choice)
        place = choice.place
    return total


class Purger:
    """The writes of purging, inside the writer's transaction."""

    def __init__(self, inserts: Inserts) -> None:
        self._inserts = inserts

    def purge(self, connection: Connection, batch: Sequence[Purge]) -> list[Purged]:
        """Delete the next of what ended long ago; a PURGED entry says how many, where anything went."""
        return [self._purge(connection, one) for one in batch]

    def _purge(self, connection: Connection, one: Purge) -> Purged:
        choice = _chosen(connection, one.rule, one.place, max(1, min(one.limit, MAX_LIMIT)))
        counts = _counted(connection, choice)
        if counts.anything:
            detail = (
                f"{counts.notifications} notifications with {counts.deliveries} deliveries, "
                f"{counts.quarantined} in quarantine, ended before {one.rule.before:%Y-%m-%d %H:%M:%S} UTC"
            )
            entry = Entry(at=one.now, event=Event.PURGED, by=one.by, detail=detail)
            self._inserts.into(journal, connection, [entry_row(entry)])
            _delete(connection, choice)  # after it, so that no number of the journal is given out twice
        return Purged(counts=counts, place=choice.place)


def _chosen(connection: Connection, rule: PurgeRule, place: PurgePlace, limit: int) -> _Choice:
    """The next ids that may go."""
    if place.quarantined is not None:
        return _chosen_quarantine(connection, rule.before, place.quarantined, limit)
    looked_at = (
        connection.execute(
            select(notification.c.id)
            .where(notification.c.id > place.notification, notification.c.accepted_at < rule.before)
            .order_by(notification.c.id)
            .limit(limit)
        )
        .scalars()
        .all()
    )
    if not looked_at:
        return _Choice(place=PurgePlace(quarantined=""))
    needed = set(connection.execute(_needed_deliveries(looked_at, rule)).scalars())
    needed.update(connection.execute(_needed_quarantine(looked_at, rule.before)).scalars())
    return _Choice(
        notifications=[id_ for id_ in looked_at if id_ not in needed],
        place=PurgePlace(notification=looked_at[-1]),
    )


def _chosen_quarantine(connection: Connection, before: datetime, after: str, limit: int) -> _Choice:
    """Settled mails that no notification in the store goes with; those of one go when it goes."""
    looked_at = (
        connection.execute(
            select(quarantine.c.id)
            .where(
                quarantine.c.state != QuarantineState.KEPT,
                quarantine.c.settled_at < before,
                quarantine.c.id > after,
                ~select(notification.c.id).where(notification.c.id == quarantine.c.notification_id).exists(),
            )
            .order_by(quarantine.c.id)
            .limit(limit)
        )
        .scalars()
        .all()
    )
    return _Choice(
        quarantined=looked_at,
        place=PurgePlace(quarantined=looked_at[-1]) if len(looked_at) == limit else None,
    )


def untold() -> ColumnElement[bool]:
    """Bounces that nobody was told of yet, with their mails joined; a notice's own bounce is never told."""
    bounced = (delivery.c.state == literal_column("'bounced'")) & (
        delivery.c.noticed != literal_column("'failure'")
    )
    return bounced & (mail.c.notice == "")


def _needed_deliveries(ids: Collection[str], rule: PurgeRule) -> Select[tuple[str]]:
    """Those of these notifications of which a delivery lives, ended lately, or bounced with nobody told."""
    return (
        select(mail.c.notification_id)
        .join_from(mail, delivery, delivery.c.mail_id == mail.c.id)
        .where(
            mail.c.notification_id.in_(ids),
            or_(
                delivery.c.state.in_([state.value for state in LIVE]),
                delivery.c.settled_at.is_(None),
                delivery.c.settled_at >= rule.before,
                false() if rule.with_untold else untold(),
            ),
        )
        .distinct()
    )


def _needed_quarantine(ids: Collection[str], before: datetime) -> Select[tuple[str]]:
    """Those of these notifications of which a mail is kept, or was settled lately."""
    needed = or_(quarantine.c.state == QuarantineState.KEPT, quarantine.c.settled_at >= before)
    return select(quarantine.c.notification_id).where(_belongs_to(ids), needed).distinct()


def _counted(connection: Connection, choice: _Choice) -> PurgeCounts:
    if not choice.notifications and not choice.quarantined:
        return PurgeCounts()
    chosen, kept, mails = (
        notification.c.id.in_(choice.notifications),
        _quarantine_of(choice),
        _mails_of(choice),
    )
    total = PurgeCounts(
        notifications=len(choice.notifications),
        deliveries=_number(connection, delivery, delivery.c.mail_id.in_(mails)),
        quarantined=_number(connection, quarantine, kept),
        entries=_number(connection, journal, _entries_of(choice)),
    )
    octets = sum(
        connection.execute(select(func.coalesce(func.sum(size), 0)).where(condition)).scalar_one()
        for size, condition in (
            (mail.c.octets, mail.c.notification_id.in_(choice.notifications)),
            (quarantine.c.octets, kept),
            (func.length(notification.c.document), chosen),
        )
    )
    return total + PurgeCounts(octets=octets)


def _delete(connection: Connection, choice: _Choice) -> None:
    """In the order that foreign keys want; the journal first, for it asks the quarantine for ids."""
    for table, condition in (
        (journal, _entries_of(choice)),
        (delivery, delivery.c.mail_id.in_(_mails_of(choice))),
        (mail, mail.c.notification_id.in_(choice.notifications)),
        (quarantine, _quarantine_of(choice)),
        (notification, notification.c.id.in_(choice.notifications)),
    ):
        connection.execute(delete(table).where(condition))


def _mails_of(choice: _Choice) -> Select[tuple[str]]:
    return select(mail.c.id).where(mail.c.notification_id.in_(choice.notifications))


def _quarantine_of(choice: _Choice) -> ColumnElement[bool]:
    if choice.quarantined:
        return quarantine.c.id.in_(choice.quarantined)
    return _belongs_to(choice.notifications)


def _belongs_to(notifications: Collection[str]) -> ColumnElement[bool]:
    """Quarantined mails of these notifications; said so that the partial index can be used."""
    of_any = quarantine.c.notification_id != ""
    return of_any & quarantine.c.notification_id.in_(notifications)


def _entries_of(choice: _Choice) -> ColumnElement[bool]:
    """Of what is chosen, and of it alone; said so that the partial indexes can be used."""
    items = select(quarantine.c.id).where(_quarantine_of(choice))
    of_items = (journal.c.quarantine_id != "") & journal.c.quarantine_id.in_(items)
    if choice.quarantined:
        return of_items
    of_notifications = (journal.c.notification_id != "") & journal.c.notification_id.in_(choice.notifications)
    return or_(of_notifications, of_items)


def _number(connection: Connection, table: Table, condition: ColumnElement[bool]) -> int:
    return connection.execute(select(func.count()).select_from(table).where(condition)).scalar_one()
