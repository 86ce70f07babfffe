"""What runs often uses an index, however many rows are stored: SQLite's own plan is asked."""

import asyncio
from pathlib import Path

import pytest

from relay.store import acceptance, lease, schema, sqlite
from relay.store.store import Store
from tests.support.clock import ManualClock

DELIVERY = schema.delivery.c


def plan(path: Path, statement) -> str:
    asyncio.run(Store.open(path, clock=ManualClock()).close())
    engine = sqlite.engine(path, writing=False)
    compiled = statement.compile(dialect=engine.dialect)
    with engine.connect() as connection:
        parameters = tuple(0 for _ in compiled.positiontup)
        rows = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {compiled}", parameters).fetchall()
    engine.dispose()
    return "\n".join(row[3] for row in rows)


@pytest.mark.parametrize(
    ("statement", "indexes"),
    [
        (acceptance._same_content(16), ["notification_content_key (content_key=?)"]),
        (acceptance._same_event(16), ["notification_event (seller_id=? AND event_id=?)"]),
        (lease._leases_of(16), ["sqlite_autoindex_delivery_1 (id=?)"]),
        (
            lease._with_mail().where(DELIVERY.wake_at <= 0).order_by(DELIVERY.wake_at, DELIVERY.id).limit(9),
            ["delivery_wake (wake_at<?)", "sqlite_autoindex_mail_1 (id=?)"],
        ),
    ],
)
def test_no_frequent_question_scans_a_table(tmp_path: Path, statement, indexes: list[str]) -> None:
    """Lookups of duplicates, leases and due deliveries go through the index that was made for them."""
    found = plan(tmp_path / "x.db", statement)
    assert [index for index in indexes if index not in found] == [], found
    assert "SCAN" not in found
