"""Opening a store's file: making it if it may be made, bringing it up to date, saying what is wrong with it.

Diagnostics: `BadInput` when the path or the file is not one that Denrei can use, which is left as it is;
`MachineFailure` when it could be used, but not now. Source: ours.
"""

import errno
import os
import sqlite3
from datetime import timedelta
from pathlib import Path

from sqlalchemy import Connection, Engine

from relay.errors import BadInput, Problem
from relay.store import sqlite
from relay.store.lock import FileLock
from relay.store.migration import REVISIONS, bring_up_to_date

_UPGRADE_PATIENCE = timedelta(seconds=60)  # for another process that is bringing the store up to date


def opened(path: Path, *, create: bool, patience: timedelta) -> tuple[FileLock, Engine]:
    """The store's lock and its writing engine, its tables up to date."""
    lock = _prepared(path, create=create)
    engine = sqlite.engine(path, writing=True, patience=patience)
    try:
        with lock.held(_UPGRADE_PATIENCE), engine.begin() as connection:
            bring_up_to_date(connection, str(path))
    except Exception as error:
        lock.close()
        engine.dispose()
        raise _opening_failure(path, error) from error
    return lock, engine


def connected(engine: Engine) -> Connection:
    """A connection that writes, to a store that is up to date.

    The file may have been put there since `opened` looked: restored by hand while Denrei runs.

    Raises:
        OSError: another file than such a store stands there now.
    """
    connection = engine.connect()
    try:
        _check_revision(connection)
    except BaseException:
        connection.close()
        raise
    return connection


def _check_revision(connection: Connection) -> None:
    cursor = connection.connection.cursor()
    cursor.execute("SELECT count(*) FROM sqlite_master WHERE name = 'alembic_version'")
    if cursor.fetchone() == (1,):
        cursor.execute("SELECT version_num FROM alembic_version")
        if cursor.fetchone() == (REVISIONS[-1],):
            return
    raise OSError(errno.ESTALE, "another file stands in its place, which is no store of this Denrei")


def _prepared(path: Path, *, create: bool) -> FileLock:
    """Make the file if it may be made, and its lock beside it."""
    hint = "mend store.path in the configuration, or make the file and its folder writable for this user"
    try:
        if path.exists() and not path.is_file():
            raise BadInput([Problem(file=str(path), message="the store is not a file", hint=hint)])
        if not create and not path.exists():
            hint = "name another configuration with --config, or start the relay once: it makes the store"
            raise BadInput([Problem(file=str(path), message="there is no store", hint=hint)])
        lock = FileLock(path.with_name(path.name + ".lock"))
        try:
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        except OSError:
            lock.close()
            raise
    except OSError as error:
        reason = f"the store cannot be opened: {error.strerror}"
        raise BadInput([Problem(file=str(path), message=reason, hint=hint)]) from error
    return lock


def _opening_failure(path: Path, error: Exception) -> Exception:
    if sqlite.primary_code(error) == sqlite3.SQLITE_NOTADB:
        hint = "name another file as store.path; this one is left as it is"
        return BadInput([Problem(file=str(path), message="the file is not a database", hint=hint)])
    return sqlite.failure(path, error) or error
