"""Stores of every released Denrei, opened by today's: nothing lost, all worked off, whatever interrupts."""

import asyncio
import json
import shutil
import sqlite3
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from relay.errors import MachineFailure
from relay.journal import Entry, Event
from relay.store.migration import REVISIONS
from relay.store.query import JournalFilter, QuarantineFilter
from relay.store.schema import microseconds
from relay.store.store import Store
from relay.store.values import DeliveryState, Settlement
from tests.support.clock import ManualClock
from tests.support.full_store import sql_of
from tests.support.stored import accepted, claim, with_store

STORES = Path(__file__).parent / "stores"
TABLES = ("notification", "mail", "delivery", "journal", "quarantine")
ENDED = (DeliveryState.DELIVERED, DeliveryState.BOUNCED, DeliveryState.DISCARDED)
HOUR = timedelta(hours=1)

# Opens the store again and again, each time in a process that kills itself one statement later.
KILLED_AT_EACH_STATEMENT = """
import json, os, shutil, signal, sqlite3, sys, warnings
from pathlib import Path
from sqlalchemy import Engine, event
import alembic.command, alembic.config  # before the forks, so that they are cheap
from relay.clock import SystemClock
from relay.store.store import Store

source, folder = Path(sys.argv[1]), Path(sys.argv[2])

def kill_at(last):
    passed = 0
    def count(*_):
        nonlocal passed
        passed += 1
        if passed == last:
            os.kill(os.getpid(), signal.SIGKILL)
    event.listen(Engine, "before_cursor_execute", count)
    event.listen(Engine, "commit", count)

found = []
for statement in range(1, 1_000):
    path = folder / f"{statement}.db"
    shutil.copy(source, path)
    child = os.fork()
    if child == 0:
        kill_at(statement)
        Store.open(path, clock=SystemClock())
        os._exit(0)
    _, status = os.waitpid(child, 0)
    connection = sqlite3.connect(path)
    integrity = connection.execute("PRAGMA integrity_check").fetchone()
    found.append((status, list(connection.iterdump()), integrity))
    connection.close()
    if status == 0:
        break
print(json.dumps(found))
"""


def old_store(folder: Path, revision: str) -> Path:
    """A full store as the Denrei of that revision left it."""
    path = folder / f"{revision}.db"
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.executescript((STORES / f"{revision}.sql").read_text(encoding="utf-8"))
    connection.close()
    return path


def rows(path: Path, table: str, columns: list[str] | None = None) -> list[dict[str, Any]]:
    """A table's rows in these columns, or all, as SQLite has them."""
    connection = sqlite3.connect(path)
    connection.row_factory = sqlite3.Row
    names = ", ".join(f'"{name}"' for name in columns) if columns else "*"
    found = [dict(row) for row in connection.execute(f"SELECT {names} FROM {table} ORDER BY 1")]
    connection.close()
    return found


def as_stored(value: Any) -> Any:
    """A field of a value as the store keeps it."""
    return microseconds(value) if hasattr(value, "tzinfo") else value


def fields(value: Any, row: dict[str, Any]) -> dict[str, Any]:
    """What a value says where a row has a column of that name."""
    return {name: as_stored(getattr(value, name)) for name in row if hasattr(value, name)}


def test_every_revision_has_its_store() -> None:
    """A new migration without a full store of its own revision cannot be forgotten."""
    assert sorted(path.stem for path in STORES.glob("*.sql")) == list(REVISIONS)


def test_the_newest_store_has_the_tables_of_todays_code(tmp_path: Path) -> None:
    """While a revision grows, its fixture grows with it (`python -m tests.support.full_store`)."""
    path = tmp_path / "new.db"
    asyncio.run(Store.open(path, clock=ManualClock()).close())
    made, written = (
        [row for row in rows(one, "sqlite_master", ["name", "type", "sql"]) if row["sql"]]
        for one in (path, old_store(tmp_path, REVISIONS[-1]))
    )
    assert made == written


@pytest.mark.parametrize("revision", REVISIONS)
def test_an_old_store_reads_back_value_for_value(tmp_path: Path, revision: str) -> None:
    """Every row is as it was, in SQL and through every question; what is new is empty, or says: told."""
    path = old_store(tmp_path, revision)
    before = {table: rows(path, table) for table in TABLES}
    assert all(before.values())
    assert {row["state"] for row in before["delivery"]} == set(DeliveryState)
    assert {row["state"] for row in before["quarantine"]} == {"kept", "replayed", "discarded"}

    async def story(store: Store, _: ManualClock) -> None:
        for table in TABLES:
            assert rows(path, table, list(before[table][0])) == before[table]
        for row in before["notification"]:
            found = await store.notification(row["id"])
            assert found is not None
            assert fields(found.accepted, row) == row
            for mail in found.accepted.mails:
                [stored] = [one for one in before["mail"] if one["id"] == mail.id]
                assert fields(mail, stored) == {name: stored[name] for name in fields(mail, stored)}
                assert len(fields(mail, stored)) == 9 + ("notice" in stored)
        for row in before["delivery"]:
            found = await store.delivery(row["id"])
            assert found is not None
            delivery = found.row.delivery
            assert fields(delivery, row) == {name: row[name] for name in fields(delivery, row)}
            told = "failure" if row["state"] == "bounced" else ""  # old news is not told again
            new = {"fresh_until": None, "hold_id": "", "noticed": told, "resent_of": ""}
            assert {name: as_stored(getattr(delivery, name)) for name in new} == {
                name: row.get(name, empty) for name, empty in new.items()
            }
        entries = await store.journal(JournalFilter(limit=1_000))
        assert [fields(entry, before["journal"][0]) for entry in entries] == [
            {name: value for name, value in row.items() if name != "number"} for row in before["journal"]
        ]
        listed = await store.quarantined(QuarantineFilter(limit=1_000))
        assert len(listed) == len(before["quarantine"])
        for row in before["quarantine"]:
            item = await store.quarantined_mail(row["id"])
            assert item is not None
            assert fields(item, row) == {name: row[name] for name in fields(item, row)}

    with_store(path, story)


@pytest.mark.parametrize("revision", REVISIONS)
def test_an_old_queue_is_worked_off_to_its_end(tmp_path: Path, revision: str) -> None:
    """A dead worker's lease, retries, holds with a time and without, stopped ones: all end as they should."""
    path = old_store(tmp_path, revision)
    owed = {row["id"] for row in rows(path, "delivery") if row["state"] not in ENDED}

    async def story(store: Store, clock: ManualClock) -> None:
        clock.advance(HOUR)
        assert await store.recover(worker="worker-1", now=clock.now()) == 1
        for hold in await store.holds():
            await store.lift_hold(hold.id, now=clock.now(), by="店長")
        for row in rows(path, "delivery"):
            await store.release(row["id"], now=clock.now(), by="店長")
        sent = set()
        while dues := await claim(store, clock, limit=2, latest=clock.now() + HOUR):
            for due in dues:
                entry = Entry(
                    at=clock.now(),
                    event=Event.DELIVERED,
                    seller_id=due.seller_id,
                    notification_id=due.notification_id,
                    delivery_id=due.delivery.id,
                )
                end = Settlement(
                    delivery_id=due.delivery.id,
                    worker="w/1",
                    state=DeliveryState.DELIVERED,
                    due_at=None,
                    last_reply="250 ok",
                    entry=entry,
                )
                assert await store.settle(end)
                sent.add(due.delivery.id)
        assert sent == owed
        one = accepted(clock, event_id="出来事-1")
        assert await store.accept(one) != one
        assert set((await store.live()).deliveries.values()) == {0}

    with_store(path, story)


def test_an_upgrade_killed_at_any_statement_leaves_the_old_store_or_the_new_one(tmp_path: Path) -> None:
    """kill -9 before each statement and before the commit: whole and unchanged, until it is done."""
    path = old_store(tmp_path, REVISIONS[0])
    old = sql_of(path)
    finished = tmp_path / "finished.db"
    shutil.copy(path, finished)
    asyncio.run(Store.open(finished, clock=ManualClock()).close())
    (tmp_path / "killed").mkdir()
    child = subprocess.run(
        [sys.executable, "-W", "error", "-c", KILLED_AT_EACH_STATEMENT, path, tmp_path / "killed"],
        check=True,
        capture_output=True,
        cwd=Path.cwd(),
    )
    *killed, (status, statements, integrity) = json.loads(child.stdout)
    assert len(killed) > 20
    assert {status for status, _, _ in killed} == {9}
    assert {integrity[0] for _, _, integrity in killed} == {"ok"}
    assert {"\n".join(statements) + "\n" for _, statements, _ in killed} == {old}
    assert (status, "\n".join(statements) + "\n", integrity) == (0, sql_of(finished), ["ok"])
    last = tmp_path / "killed" / f"{len(killed)}.db"
    asyncio.run(Store.open(last, clock=ManualClock()).close())
    assert sql_of(last) == sql_of(finished)


def test_a_new_store_whose_making_is_killed_is_made_by_the_next(tmp_path: Path) -> None:
    """An empty file is left, or a whole store: never some of the tables."""
    empty, folder = tmp_path / "empty.db", tmp_path / "killed"
    empty.touch()
    folder.mkdir()
    child = subprocess.run(
        [sys.executable, "-W", "error", "-c", KILLED_AT_EACH_STATEMENT, empty, folder],
        check=True,
        capture_output=True,
        cwd=Path.cwd(),
    )
    *killed, last = json.loads(child.stdout)
    assert len(killed) > 20
    assert {tuple(statements) for _, statements, _ in killed} == {("BEGIN TRANSACTION;", "COMMIT;")}
    assert last[0] == 0
    asyncio.run(Store.open(folder / f"{len(killed)}.db", clock=ManualClock()).close())


def test_an_old_store_that_another_program_holds_is_refused_whole_and_opens_later(tmp_path: Path) -> None:
    """A backup or an old worker has it locked: the reason is said in bounded time, nothing is changed."""
    path = old_store(tmp_path, REVISIONS[0])
    before = sql_of(path)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(MachineFailure, match="another program keeps it locked"):
        Store.open(path, clock=ManualClock(), patience=timedelta(milliseconds=50))
    other.execute("ROLLBACK")
    assert sql_of(path) == before
    other.execute("BEGIN")
    assert other.execute("SELECT count(*) FROM delivery").fetchone() == (len(rows(path, "delivery")),)
    asyncio.run(Store.open(path, clock=ManualClock(), patience=timedelta(milliseconds=50)).close())
    other.close()
    assert rows(path, "alembic_version") == [{"version_num": REVISIONS[-1]}]


def test_a_worker_of_the_older_denrei_goes_on_beside_the_new_one(tmp_path: Path) -> None:
    """Its inserts name the columns that it knows; the store fills the new ones, and both read the rows."""
    path = old_store(tmp_path, "0001")
    mail, delivery = rows(path, "mail")[0], rows(path, "delivery")[0]
    late = {"id": "zz", "mail_id": "zzmail", "state": "queued", "due_at": 0, "wake_at": 0}

    async def story(store: Store, clock: ManualClock) -> None:
        connection = sqlite3.connect(path)
        for table, row in (("mail", mail | {"id": "zzmail"}), ("delivery", delivery | late)):
            names = ", ".join(row)
            marks = ", ".join("?" * len(row))
            connection.execute(f"INSERT INTO {table} ({names}) VALUES ({marks})", tuple(row.values()))
        connection.commit()
        connection.close()
        [due] = await claim(store, clock, limit=1)
        assert (due.delivery.id, due.delivery.hold_id, due.is_notice) == ("zz", "", False)

    with_store(path, story)
