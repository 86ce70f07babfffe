"""What the questions of the notices cost: which indexes answer them, whatever else is stored."""

from datetime import timedelta

from sqlalchemy import event, text

from relay.store.values import DeliveryState
from tests.support.stored import with_store
from tests.support.telling import tried, watch_on


def _plans(store, statements):
    """How SQLite answers each statement: the steps that search or scan a table of size."""
    with store._readers.begin() as connection:
        for statement, parameters in statements:
            rows = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
            yield [row[3] for row in rows if "delivery" in row[3] or "journal" in row[3] or "SCAN" in row[3]]


def test_no_question_reads_all_that_is_stored(tmp_path):
    """Every table of size is searched by an index, and bounces by that of the untold ones alone."""

    async def story(store, clock):
        await tried(store, clock)
        await tried(store, clock, DeliveryState.BOUNCED)
        await tried(store, clock, DeliveryState.DELIVERED)
        clock.advance(timedelta(days=2))
        asked = []
        event.listen(
            store._readers,
            "before_cursor_execute",
            lambda connection, cursor, statement, parameters, context, many: asked.append(
                (statement, parameters)
            ),
        )
        assert len(await store.delayed(accepted_before=clock.now(), now=clock.now(), limit=10)) == 1
        assert len(await store.failed(limit=10)) == 1
        since = clock.now() - timedelta(days=1)
        assert await store.unsuccessful(since=since, is_expected=lambda *names: bool(names)) == []
        selects = [
            (statement, parameters) for statement, parameters in asked if statement.startswith("SELECT")
        ]
        steps = [step for plan in _plans(store, selects) for step in plan]
        assert [step for step in steps if "SCAN" in step and not step.startswith("SCAN anon")] == []
        assert "SEARCH delivery USING INDEX delivery_unnoticed (state=?)" in steps
        assert "SEARCH journal USING INDEX journal_delivery (delivery_id=?)" in steps
        assert "SEARCH delivery USING INDEX delivery_seller (seller_id=? AND id>?)" in steps

    with_store(tmp_path / "x.db", story)


def test_the_table_of_notices_does_not_grow_with_time(tmp_path):
    """A row for each who was told of a kind, the last one only: the journal has the earlier ones."""

    async def story(store, clock):
        watch = watch_on(store, clock, delay_after="366d", no_success_after="366d")
        for _ in range(5):
            await tried(store, clock, DeliveryState.BOUNCED)
            await watch.look()
            clock.advance(timedelta(hours=1))
        with store._readers.begin() as connection:
            rows = connection.execute(
                text("SELECT kind, seller_id, registration FROM notice ORDER BY seller_id")
            )
            assert [tuple(row) for row in rows] == [("failure", "", ""), ("failure", "例題商店", "")]

    with_store(tmp_path / "x.db", story)
