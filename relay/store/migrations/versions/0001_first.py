"""The first tables: notification, mail, delivery, journal, quarantine."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

_ID = sa.String(16).with_variant(sa.String(16, collation="C"), "postgresql")
_NUMBER = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def _text(*names: str) -> list[sa.Column[str]]:
    return [sa.Column(name, sa.Text, nullable=False) for name in names]


def upgrade() -> None:
    op.create_table(
        "notification",
        sa.Column("id", _ID, primary_key=True),
        sa.Column("event_id", sa.Text),
        *_text("content_key", "seller_id", "type", "pack_no", "document"),
        sa.Column("accepted_at", sa.BigInteger, nullable=False),
    )
    op.create_index("notification_content_key", "notification", ["content_key"], unique=True)
    _partial_index(
        "notification_event", "notification", ["seller_id", "event_id"], "event_id IS NOT NULL", unique=True
    )
    op.create_table(
        "mail",
        sa.Column("id", _ID, primary_key=True),
        sa.Column("notification_id", _ID, sa.ForeignKey("notification.id"), nullable=False),
        *_text("registration", "partner", "template", "order_no", "message_id", "sender", "subject"),
        sa.Column("octets", sa.Integer, nullable=False),
        sa.Column("content", sa.LargeBinary, nullable=False),
    )
    op.create_index("mail_notification", "mail", ["notification_id"])
    op.create_table(
        "delivery",
        sa.Column("id", _ID, primary_key=True),
        sa.Column("mail_id", _ID, sa.ForeignKey("mail.id"), nullable=False),
        *_text("seller_id", "recipient", "recipient_domain", "state"),
        sa.Column("accepted_at", sa.BigInteger, nullable=False),
        sa.Column("due_at", sa.BigInteger),
        *_text("leased_by"),
        sa.Column("leased_until", sa.BigInteger),
        sa.Column("wake_at", sa.BigInteger),
        sa.Column("attempts", sa.SmallInteger, nullable=False),
        *_text("last_reply"),
        sa.Column("settled_at", sa.BigInteger),
        sa.CheckConstraint(
            "state NOT IN ('queued', 'sending') OR wake_at IS NOT NULL", name="delivery_wakes"
        ),  # nothing that should be sent can sleep for ever
    )
    _partial_index("delivery_wake", "delivery", ["wake_at"], "wake_at IS NOT NULL")
    op.create_index("delivery_state", "delivery", ["state", "id"])
    op.create_index("delivery_mail", "delivery", ["mail_id"])
    op.create_index("delivery_seller", "delivery", ["seller_id", "id"])
    op.create_table(
        "journal",
        sa.Column("number", _NUMBER, primary_key=True),
        sa.Column("at", sa.BigInteger, nullable=False),
        *_text("event", "seller_id", "notification_id", "delivery_id", "quarantine_id", "by", "detail"),
    )
    op.create_index("journal_at", "journal", ["at"])
    for subject in ("notification", "delivery", "quarantine"):
        _partial_index(f"journal_{subject}", "journal", [f"{subject}_id"], f"{subject}_id != ''")
    op.create_table(
        "quarantine",
        sa.Column("id", _ID, primary_key=True),
        sa.Column("received_at", sa.BigInteger, nullable=False),
        *_text("peer", "mail_from", "rcpt_to"),
        sa.Column("octets", sa.Integer, nullable=False),
        sa.Column("content", sa.LargeBinary, nullable=False),
        *_text("reason", "state", "notification_id", "registration"),
        sa.Column("settled_at", sa.BigInteger),
    )
    op.create_index("quarantine_state", "quarantine", ["state", "id"])


def _partial_index(name: str, table: str, columns: list[str], where: str, *, unique: bool = False) -> None:
    condition = sa.text(where)
    op.create_index(name, table, columns, unique=unique, sqlite_where=condition, postgresql_where=condition)
