"""The one transaction that makes a notice: what is told is marked, and the mails that tell it are kept.

`delivery.noticed` says what was told of a delivery. A row of `notice` says when a seller (or, with an empty
seller, the operators) was told last, by kind and, for silent registrations, by registration; older rows of
the same give way to it.

Guarantees: `Notices.notify` writes all of a notice or, when another worker was there first, nothing; so a
notice is neither lost nor doubled, wherever a process dies. Source: ours (docs/notices.md).
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, Table, delete, select, update

from relay.clock import Clock
from relay.journal import Entry, Event
from relay.store.concern import IS_BOUNCED, IS_UNTOLD, Concern, Kind, Unsuccessful, was_told
from relay.store.prepared import Inserts, Values
from relay.store.row import chunks, delivery_row, entry_row, mail_row
from relay.store.schema import delivery, journal, mail, microseconds, notice
from relay.store.values import Delivery, Mail


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """A notice as mail, with its deliveries."""

    seller_id: str  # empty: to the operators
    notification_id: str  # of the first delivery that it names: each mail belongs to one
    mail: Mail
    deliveries: Sequence[Delivery]


@dataclass(frozen=True, slots=True, kw_only=True)
class NoticeWrite:
    """One notice of a kind, to all whom it concerns, to be made whole or not at all."""

    kind: Kind
    now: datetime
    gather: timedelta  # not when one of the kind was made within this time
    concerns: Sequence[Concern] = ()
    silent: Sequence[Unsuccessful] = ()
    letters: Sequence[Letter] = ()


class Notices:
    """The writes of telling, inside the writer's transaction."""

    def __init__(self, inserts: Inserts, clock: Clock) -> None:
        """Make them; the clock gives the ids of `notice`'s rows."""
        self._inserts = inserts
        self._clock = clock

    def notify(self, connection: Connection, batch: Sequence[NoticeWrite]) -> list[bool]:
        """Make notices; False, and nothing written, for one that another worker has made in the meantime."""
        return [self._notify(connection, one) for one in batch]

    def _notify(self, connection: Connection, one: NoticeWrite) -> bool:
        if _made_lately(connection, one) or not _is_untold(connection, one):
            return False
        for ids in chunks([concern.delivery_id for concern in one.concerns]):
            told = update(delivery).where(delivery.c.id.in_(ids)).values(noticed=one.kind.value)
            connection.execute(told)
        self._remember(connection, one)
        self._into(connection, mail, [mail_row(each.mail, each.notification_id) for each in one.letters])
        copies = [(each, copy) for each in one.letters for copy in each.deliveries]
        self._into(connection, delivery, [delivery_row(copy, each.seller_id) for each, copy in copies])
        self._into(connection, journal, [entry_row(entry) for entry in _entries(one)])
        return True

    def _remember(self, connection: Connection, one: NoticeWrite) -> None:
        """A row for each registration, or for each who is told, in place of the last one."""
        if one.kind is Kind.NO_SUCCESS:
            subjects = {(each.seller_id, each.registration) for each in one.silent}
        else:
            subjects = {(letter.seller_id, "") for letter in one.letters}
        for seller_id, registration in sorted(subjects):
            last = (notice.c.seller_id == seller_id) & (notice.c.registration == registration)
            connection.execute(delete(notice).where(notice.c.kind == one.kind.value, last))
            row = (self._clock.new_id(), one.kind.value, seller_id, registration, microseconds(one.now))
            self._inserts.into(notice, connection, [row])

    def _into(self, connection: Connection, table: Table, rows: list[Values]) -> None:
        if rows:
            self._inserts.into(table, connection, rows)


def _made_lately(connection: Connection, one: NoticeWrite) -> bool:
    """Whether a notice of the kind was made within the gathering time; one from the future does not count."""
    if not one.letters:
        return False
    made = select(notice.c.id).where(
        notice.c.kind == one.kind.value,
        notice.c.made_at > one.now - one.gather,
        notice.c.made_at <= one.now,
    )
    return connection.execute(made.limit(1)).first() is not None


def _is_untold(connection: Connection, one: NoticeWrite) -> bool:
    """Whether nothing of it was told in the meantime, and what failed is still failed."""
    fitting = IS_BOUNCED & IS_UNTOLD if one.kind is Kind.FAILURE else delivery.c.noticed == ""
    for ids in chunks([concern.delivery_id for concern in one.concerns]):
        untold = select(delivery.c.id).where(delivery.c.id.in_(ids), fitting).with_for_update()
        if len(connection.execute(untold).all()) < len(ids):
            return False
    return not any(
        was_told(connection, each.seller_id, each.registration, each.told_until) for each in one.silent
    )


def _entries(one: NoticeWrite) -> Iterator[Entry]:
    """The journal: on each delivery that is told of, and on each that tells."""
    told = {letter.seller_id for letter in one.letters}
    about: list[Concern | Unsuccessful] = [each for each in one.concerns if not each.is_notice]
    about += one.silent
    for each in about:
        what = f"{one.kind} of {each.registration}" if isinstance(each, Unsuccessful) else one.kind.value
        yield Entry(
            at=one.now,
            event=Event.NOTIFIED,
            seller_id=each.seller_id,
            notification_id=each.notification_id,
            delivery_id=each.delivery_id,
            detail=f"{what}: {_audience(told, each.seller_id)}",
        )
    for letter in one.letters:
        count = sum(letter.seller_id in ("", each.seller_id) for each in about)
        for copy in letter.deliveries:
            yield Entry(
                at=one.now,
                event=Event.NOTIFIED,
                seller_id=letter.seller_id,
                notification_id=letter.notification_id,
                delivery_id=copy.id,
                detail=f"a notice of {one.kind}, tells of {count}",
            )


def _audience(told: Collection[str], seller_id: str) -> str:
    """Who is told, without an address: a contact's is a person's.

    >>> _audience({"", "a"}, "a")
    "told the seller's contact and the operators"
    """
    parties = ((seller_id, "the seller's contact"), ("", "the operators"))
    names = [name for party, name in parties if party in told]
    return f"told {' and '.join(names)}" if names else "told nobody: no contact and no operator is named"
