"""Standing holds, notices, the late-fire rule, mails sent again, and the store's own keys."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

_ID = sa.String(16).with_variant(sa.String(16, collation="C"), "postgresql")


def _empty_text(name: str) -> sa.Column[str]:
    return sa.Column(name, sa.Text, nullable=False, server_default="")


def _text(*names: str) -> list[sa.Column[str]]:
    return [sa.Column(name, sa.Text, nullable=False) for name in names]


def upgrade() -> None:
    op.add_column("mail", _empty_text("notice"))
    op.add_column("delivery", sa.Column("fresh_until", sa.BigInteger))
    for name in ("hold_id", "noticed", "resent_of"):
        op.add_column("delivery", _empty_text(name))
    op.execute("UPDATE delivery SET noticed = 'failure' WHERE state = 'bounced'")  # old news is not told
    unnoticed = "state = 'bounced' AND noticed != 'failure'"
    _partial_index("delivery_queued", "delivery", ["state", "due_at"], "state = 'queued'")
    _partial_index("delivery_unnoticed", "delivery", ["state", "settled_at"], unnoticed)
    _partial_index("delivery_hold", "delivery", ["hold_id"], "hold_id != ''")
    _partial_index("quarantine_notification", "quarantine", ["notification_id"], "notification_id != ''")
    op.create_table(
        "hold",
        sa.Column("id", _ID, primary_key=True),
        *_text("scope", "value", "reason", "by"),
        sa.Column("placed_at", sa.BigInteger, nullable=False),
    )
    op.create_index("hold_subject", "hold", ["scope", "value"], unique=True)
    op.create_table(
        "notice",
        sa.Column("id", _ID, primary_key=True),
        *_text("kind", "seller_id", "registration"),
        sa.Column("made_at", sa.BigInteger, nullable=False),
    )
    op.create_index("notice_subject", "notice", ["kind", "seller_id", "registration", "made_at"])
    op.create_table(
        "secret",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("value", sa.LargeBinary, nullable=False),
    )


def _partial_index(name: str, table: str, columns: list[str], where: str) -> None:
    condition = sa.text(where)
    op.create_index(name, table, columns, sqlite_where=condition, postgresql_where=condition)
