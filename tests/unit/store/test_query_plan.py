"""What runs often uses an index, however many rows are stored: SQLite's own plan is asked."""

import asyncio
import sqlite3
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, event

from relay.store import acceptance, lease, sqlite
from relay.store.ahead import came_ahead
from relay.store.claim import Claim, dated_ahead, due_now
from relay.store.query import JournalFilter
from relay.store.store import Store
from relay.store.values import DeliveryState, LateBounce, QuarantineState, Scope
from tests.support.clock import START, ManualClock
from tests.support.stored import a_hold, accepted, claim, kept, kept_entry, settlement, with_store

CLAIM = Claim(
    worker="w/1",
    until=START,
    now=START,
    latest=START,
    limit=9,
    octets=9,
    except_domains=frozenset(),
)


def plan(path: Path, statement) -> str:
    asyncio.run(Store.open(path, clock=ManualClock()).close())
    engine = sqlite.engine(path, writing=False)
    compiled = statement.compile(dialect=engine.dialect, compile_kwargs={"render_postcompile": True})
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
        (due_now(CLAIM), ["delivery_wake (wake_at<?)", "sqlite_autoindex_mail_1 (id=?)"]),
        (
            dated_ahead(CLAIM, START, 9),
            ["delivery_queued (state=? AND due_at>?)", "sqlite_autoindex_mail_1 (id=?)"],
        ),
        (came_ahead(START), ["delivery_state (state=? AND id>?)", "sqlite_autoindex_mail_1 (id=?)"]),
        (lease.leased_to("w/1", ["a", "b"]), ["sqlite_autoindex_delivery_1 (id=?)"]),
    ],
)
def test_no_frequent_question_scans_a_table(tmp_path: Path, statement, indexes: list[str]) -> None:
    """Lookups of duplicates, leases and due deliveries go through the index that was made for them."""
    found = plan(tmp_path / "x.db", statement)
    assert [index for index in indexes if index not in found] == [], found
    assert "SCAN" not in found


async def every_verb(store: Store, clock: ManualClock) -> None:
    """What people, engines and reports ask and do, on a few deliveries."""
    many = [accepted(clock) for _ in range(4)]
    for one in many:
        await store.accept(one)
    ids = [one.deliveries[0].id for one in many]
    item = kept(clock, notification_id=many[0].id, registration="登録2")
    await store.quarantine(item, kept_entry(item))
    who = {"now": clock.now(), "by": "店長"}
    for scope, value in (
        (Scope.SELLER, "例題商店"),
        (Scope.PARTNER, "cross_mall"),
        (Scope.NEXT_HOP, "partner.example.jp"),
        (Scope.ADDRESS, "orders@partner.example.jp"),
    ):
        placed = await store.place_hold(a_hold(clock, scope, value))
        assert placed.stopped == 4
        assert await store.lift_hold(placed.hold.id, **who) == 4
    await store.hold(ids[0], **who)
    await store.release(ids[0], **who)
    await claim(store, clock, limit=3, latest=clock.now())
    assert await store.hand_back(worker="w/1", now=clock.now(), delivery_ids=ids[:1]) == 1
    end = settlement(many[1], worker="w/1", at=clock.now(), state=DeliveryState.BOUNCED, suppress=True)
    assert await store.settle(end)
    assert await store.settle(settlement(many[2], worker="w/1", at=clock.now()))
    assert await store.late_bounce(
        LateBounce(delivery_id=ids[2], reply="5.1.1", is_final=True, suppress=True, now=clock.now())
    )
    mail = replace(many[1].mails[0], id=clock.new_id())
    new = replace(many[1].deliveries[0], id=clock.new_id(), mail_id=mail.id)
    assert await store.resend(ids[1], mail=mail, new_delivery=new, **who)
    await store.delivery(ids[0])
    await store.notification(many[0].id)
    for wanted in ({"delivery_id": ids[0]}, {"notification_id": many[0].id}, {"quarantine_id": item.id}):
        assert await store.journal(JournalFilter(**wanted))
    await store.live()
    await store.holds()
    await store.hold_mark()
    await store.standing_copy(ids[1])
    await store.next_due(now=clock.now())
    await store.quarantined_mail(item.id)
    await store.settle_quarantine(item.id, QuarantineState.DISCARDED, **who)


def test_nothing_that_is_done_to_one_delivery_scans_a_table_that_grows(tmp_path: Path) -> None:
    """Every statement of every verb is asked for its plan: however full the store, each goes by an index."""
    asked: dict[str, Any] = {}

    def note(_connection, _cursor, statement: str, parameters: Any, _context, many: bool) -> None:
        if statement.startswith(("SELECT", "UPDATE", "INSERT INTO journal SELECT", "DELETE")):
            asked.setdefault(statement, parameters[0] if many else parameters)

    path = tmp_path / "x.db"
    event.listen(Engine, "before_cursor_execute", note)
    try:
        with_store(path, every_verb)
    finally:
        event.remove(Engine, "before_cursor_execute", note)
    connection = sqlite3.connect(path)
    scans = {
        (row[3], statement)
        for statement, parameters in asked.items()
        for row in connection.execute(f"EXPLAIN QUERY PLAN {statement}", parameters)
        if row[3].startswith(("SCAN delivery", "SCAN mail", "SCAN journal", "SCAN notif", "SCAN quarantine"))
    }
    connection.close()
    assert len(asked) > 30
    assert scans == set()
