"""Opening a store: making it, finding it, bringing it up to date, and refusing what it must not touch."""

import asyncio
import hashlib
import sqlite3
import stat
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from relay.errors import BadInput
from relay.store import migration, schema, sqlite
from relay.store.store import Store
from tests.support.clock import ManualClock


def opened_and_closed(path: Path, *, create: bool = True) -> None:
    asyncio.run(Store.open(path, clock=ManualClock(), create=create).close())


def test_the_migrations_make_the_tables_that_the_code_knows(tmp_path: Path) -> None:
    """After all migrations Alembic finds no difference to relay.store.schema."""
    path = tmp_path / "x.db"
    opened_and_closed(path)
    engine = sqlite.engine(path, writing=False)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, schema.metadata) == []
    engine.dispose()
    with sqlite3.connect(path) as connection:
        made = dict(connection.execute("SELECT name, sql FROM sqlite_master WHERE name LIKE 'delivery%'"))
    connection.close()
    assert "delivery_wakes" in made["delivery"]
    assert made["delivery_wake"].endswith("WHERE wake_at IS NOT NULL")


def test_the_revisions_that_the_code_knows_are_those_in_the_folder() -> None:
    """A migration without its number in REVISIONS would never be run."""
    config = Config()
    config.set_main_option("script_location", str(Path(migration.__file__).parent / "migrations"))
    scripts = ScriptDirectory.from_config(config)
    assert tuple(script.revision for script in scripts.walk_revisions())[::-1] == migration.REVISIONS


def test_a_new_store_is_for_its_owner_only_and_durable(tmp_path: Path) -> None:
    """It holds names and addresses: nobody else may read the file; and it is in WAL mode."""
    path = tmp_path / "x.db"
    opened_and_closed(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    connection = sqlite3.connect(path)
    assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    connection.close()
    engine = sqlite.engine(path, writing=True)
    with engine.connect() as writing:
        pragmas = [
            writing.exec_driver_sql(f"PRAGMA {name}").scalar() for name in ("synchronous", "foreign_keys")
        ]
    engine.dispose()
    assert pragmas == [2, 1]


def test_an_empty_file_becomes_a_store(tmp_path: Path) -> None:
    """What a crash leaves between making the file and making the tables is no obstacle."""
    path = tmp_path / "x.db"
    path.touch()
    opened_and_closed(path)
    opened_and_closed(path, create=False)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda path: None, "there is no store"),
        (lambda path: path.mkdir(), "the store is not a file"),
        (lambda path: path.write_text("これはデータベースではありません" * 50), "the file is not a database"),
    ],
)
def test_what_is_not_a_store_is_refused_and_left_alone(tmp_path: Path, make, message: str) -> None:
    """Each wrong path says what it is, and nothing is changed or made."""
    path = tmp_path / "x.db"
    make(path)
    before = path.read_bytes() if path.is_file() else None
    with pytest.raises(BadInput) as raised:
        Store.open(path, clock=ManualClock(), create=False)
    assert [(problem.file, problem.message) for problem in raised.value.problems] == [(str(path), message)]
    assert raised.value.problems[0].hint
    assert (path.read_bytes() if path.is_file() else None) == before


@pytest.mark.parametrize(
    ("name", "reason"), [("none/x.db", "No such file"), ("file/x.db", "Not a directory")]
)
def test_a_folder_that_is_not_there_is_named(tmp_path: Path, name: str, reason: str) -> None:
    """The folder is not made: a misspelt path would otherwise hide the old store behind an empty one."""
    (tmp_path / "file").touch()
    with pytest.raises(BadInput, match=reason):
        Store.open(tmp_path / name, clock=ManualClock())


def test_another_programs_database_is_refused_untouched(tmp_path: Path) -> None:
    """A database with tables of another's is not filled with ours."""
    path = tmp_path / "x.db"
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE お客様 (名前)")
    connection.commit()
    connection.close()
    with pytest.raises(BadInput, match="another program's database"):
        Store.open(path, clock=ManualClock())
    connection = sqlite3.connect(path)
    assert connection.execute("SELECT name FROM sqlite_master").fetchall() == [("お客様",)]
    connection.close()


def test_a_newer_store_is_refused_untouched(tmp_path: Path) -> None:
    """An old Denrei does not write into a new one's store; the message names both revisions."""
    path = tmp_path / "x.db"
    opened_and_closed(path)
    connection = sqlite3.connect(path)
    connection.execute("UPDATE alembic_version SET version_num = '0907'")
    connection.commit()
    connection.close()
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    with pytest.raises(BadInput, match=f"revision 0907; this one knows {migration.REVISIONS[-1]}"):
        Store.open(path, clock=ManualClock())
    assert hashlib.sha256(path.read_bytes()).hexdigest() == digest
