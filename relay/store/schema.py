"""The tables, as SQLAlchemy Core knows them; docs/store.md tells what every column means.

The first migration makes the same tables by hand (`migrations/versions`), and a test compares the two, so
that this file may change only together with a migration. Guarantees: times are whole microseconds since 1970
in UTC (a 64-bit integer sorts, compares and indexes alike on every engine); ids sort by time under the "C"
collation; an empty text means "none", and null is kept for times and for the event id, where uniqueness needs
it. Source: ours.
"""

from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    ColumnElement,
    Dialect,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    String,
    Table,
    Text,
    TypeDecorator,
    literal_column,
)

from relay.clock import ID_LENGTH

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def microseconds(moment: datetime) -> int:
    """A moment as the store keeps it.

    >>> microseconds(datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC))
    1000000
    """
    return (moment - _EPOCH) // _MICROSECOND


def moment(number: int) -> datetime:
    """The aware moment in UTC that `microseconds` made into a number."""
    return _EPOCH + number * _MICROSECOND


class Moment(TypeDecorator[datetime]):
    """An aware moment, kept as `microseconds`."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> int | None:  # noqa: ARG002  (their hook)
        """Python to store."""
        return None if value is None else microseconds(value)

    def process_result_value(self, value: Any | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002  (their hook)
        """Store to Python."""
        return None if value is None else moment(value)


def filled(column: ColumnElement[str]) -> ColumnElement[bool]:
    """Not empty, written out and not bound: SQLite uses an index on filled rows only where this stands."""
    return column != literal_column("''")


_ID = String(ID_LENGTH).with_variant(String(ID_LENGTH, collation="C"), "postgresql")
_NUMBER = BigInteger().with_variant(Integer, "sqlite")  # SQLite counts up only what is called INTEGER

metadata = MetaData()

notification = Table(
    "notification",
    metadata,
    Column("id", _ID, primary_key=True),
    Column("event_id", Text),
    Column("content_key", Text, nullable=False),
    Column("seller_id", Text, nullable=False),
    Column("type", Text, nullable=False),
    Column("pack_no", Text, nullable=False),
    Column("document", Text, nullable=False),
    Column("accepted_at", Moment, nullable=False),
)
Index("notification_content_key", notification.c.content_key, unique=True)
Index(
    "notification_event",
    notification.c.seller_id,
    notification.c.event_id,
    unique=True,
    sqlite_where=notification.c.event_id.is_not(None),
    postgresql_where=notification.c.event_id.is_not(None),
)

mail = Table(
    "mail",
    metadata,
    Column("id", _ID, primary_key=True),
    Column("notification_id", _ID, ForeignKey("notification.id"), nullable=False),
    Column("registration", Text, nullable=False),
    Column("partner", Text, nullable=False),
    Column("template", Text, nullable=False),
    Column("order_no", Text, nullable=False),
    Column("message_id", Text, nullable=False),
    Column("sender", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("octets", Integer, nullable=False),
    Column("content", LargeBinary, nullable=False),
    Column("notice", Text, nullable=False, server_default=""),
)
Index("mail_notification", mail.c.notification_id)

delivery = Table(
    "delivery",
    metadata,
    Column("id", _ID, primary_key=True),
    Column("mail_id", _ID, ForeignKey("mail.id"), nullable=False),
    Column("seller_id", Text, nullable=False),
    Column("recipient", Text, nullable=False),
    Column("recipient_domain", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("accepted_at", Moment, nullable=False),
    Column("due_at", Moment),
    Column("leased_by", Text, nullable=False),
    Column("leased_until", Moment),
    Column("wake_at", Moment),
    Column("attempts", SmallInteger, nullable=False),
    Column("last_reply", Text, nullable=False),
    Column("settled_at", Moment),
    Column("fresh_until", Moment),
    Column("hold_id", Text, nullable=False, server_default=""),
    Column("noticed", Text, nullable=False, server_default=""),
    Column("resent_of", Text, nullable=False, server_default=""),
    CheckConstraint("state NOT IN ('queued', 'sending') OR wake_at IS NOT NULL", name="delivery_wakes"),
)
_QUEUED = delivery.c.state == "queued"
_UNNOTICED = (delivery.c.state == "bounced") & (delivery.c.noticed != "failure")
Index(
    "delivery_wake",
    delivery.c.wake_at,
    sqlite_where=delivery.c.wake_at.is_not(None),
    postgresql_where=delivery.c.wake_at.is_not(None),
)
Index("delivery_state", delivery.c.state, delivery.c.id)
Index("delivery_mail", delivery.c.mail_id)
Index("delivery_seller", delivery.c.seller_id, delivery.c.id)
Index(  # the state is in it too, else SQLite takes `delivery_state` for the narrower one
    "delivery_queued",
    delivery.c.state,
    delivery.c.due_at,
    sqlite_where=_QUEUED,
    postgresql_where=_QUEUED,
)
Index(
    "delivery_unnoticed",
    delivery.c.state,  # always the same here, but without it SQLite reads all bounces by `delivery_state`
    delivery.c.settled_at,
    sqlite_where=_UNNOTICED,
    postgresql_where=_UNNOTICED,
)
Index(
    "delivery_hold",
    delivery.c.hold_id,
    sqlite_where=delivery.c.hold_id != "",
    postgresql_where=delivery.c.hold_id != "",
)

hold = Table(
    "hold",
    metadata,
    Column("id", _ID, primary_key=True),
    Column("scope", Text, nullable=False),
    Column("value", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("by", Text, nullable=False),
    Column("placed_at", Moment, nullable=False),
)
Index("hold_subject", hold.c.scope, hold.c.value, unique=True)

notice = Table(
    "notice",
    metadata,
    Column("id", _ID, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("seller_id", Text, nullable=False),
    Column("registration", Text, nullable=False),
    Column("made_at", Moment, nullable=False),
)
Index("notice_subject", notice.c.kind, notice.c.seller_id, notice.c.registration, notice.c.made_at)

secret = Table(
    "secret",
    metadata,
    Column("name", Text, primary_key=True),
    Column("value", LargeBinary, nullable=False),
)

journal = Table(
    "journal",
    metadata,
    Column("number", _NUMBER, primary_key=True),
    Column("at", Moment, nullable=False),
    Column("event", Text, nullable=False),
    Column("seller_id", Text, nullable=False),
    Column("notification_id", Text, nullable=False),
    Column("delivery_id", Text, nullable=False),
    Column("quarantine_id", Text, nullable=False),
    Column("by", Text, nullable=False),
    Column("detail", Text, nullable=False),
)
Index("journal_at", journal.c.at)
for _column in (journal.c.notification_id, journal.c.delivery_id, journal.c.quarantine_id):
    Index(
        f"journal_{_column.name.removesuffix('_id')}",
        _column,
        sqlite_where=_column != "",
        postgresql_where=_column != "",
    )

quarantine = Table(
    "quarantine",
    metadata,
    Column("id", _ID, primary_key=True),
    Column("received_at", Moment, nullable=False),
    Column("peer", Text, nullable=False),
    Column("mail_from", Text, nullable=False),
    Column("rcpt_to", Text, nullable=False),
    Column("octets", Integer, nullable=False),
    Column("content", LargeBinary, nullable=False),
    Column("reason", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("notification_id", Text, nullable=False),
    Column("registration", Text, nullable=False),
    Column("settled_at", Moment),
)
Index("quarantine_state", quarantine.c.state, quarantine.c.id)
Index(
    "quarantine_notification",
    quarantine.c.notification_id,
    sqlite_where=quarantine.c.notification_id != "",
    postgresql_where=quarantine.c.notification_id != "",
)
