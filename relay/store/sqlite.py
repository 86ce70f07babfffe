"""SQLite as the store's engine: how a file is opened and what its errors mean.

Guarantees: a commit is on disk when it returns (WAL, synchronous=FULL); writers take the write lock when they
begin, so that no transaction fails half-way for having read first; no wait for a lock is without an end;
nothing is written into files that somebody has deleted or replaced; a new file can be read by its owner only,
because it holds buyers' names and addresses.

Diagnostics: `failure` tells a machine's failure (full disk, lock, rights, damage) from a bug of ours.
Source: SQLite's manual, "Result and Error Codes", "PRAGMA Statements", "Write-Ahead Logging".
"""

import errno
import os
import sqlite3
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool, QueuePool

from relay.errors import MachineFailure

PATIENCE = timedelta(
    seconds=5
)  # for a lock: far past any commit, well short of an SMTP client's five minutes
READERS = 4  # connections for reading: listings are rare, and each costs a file handle and a page cache
_CHECKPOINT_PAGES = 4_000  # 16 MiB of log before it is moved into the file: rows written twice are moved once
_LOG_LIMIT_OCTETS = 64 * 1024 * 1024  # what a log swollen by a long read is cut back to
_CACHE_KIB = 16_384  # the index pages of some 100,000 live deliveries

_IDENTITIES = "denrei.identities"  # in a connection's notes: the files that it opened
_MOVED = "the file is gone, or another stands in its place"
_NOTHING_STORED = "nothing of this was stored; it can be tried again"
_MEANINGS = {
    sqlite3.SQLITE_PERM: "access is denied",
    sqlite3.SQLITE_BUSY: "another program keeps it locked",
    sqlite3.SQLITE_LOCKED: "another connection keeps it locked",
    sqlite3.SQLITE_NOMEM: "there is no memory left",
    sqlite3.SQLITE_READONLY: "it may not be written",
    sqlite3.SQLITE_IOERR: "the disk failed",
    sqlite3.SQLITE_CORRUPT: "the file is damaged: restore a copy",
    sqlite3.SQLITE_FULL: "the disk is full",
    sqlite3.SQLITE_CANTOPEN: "it cannot be opened",
    sqlite3.SQLITE_PROTOCOL: "its locks cannot be had",
    sqlite3.SQLITE_NOTADB: "the file is not a database",
}


def primary_code(error: BaseException) -> int | None:
    """SQLite's primary result code behind an error, however wrapped; None when SQLite did not raise it."""
    cause = error.orig if isinstance(error, DBAPIError) else error
    code = getattr(cause, "sqlite_errorcode", None)
    return code & 0xFF if isinstance(code, int) else None


def failure(path: Path, error: Exception) -> MachineFailure | None:
    """What to tell a caller when the machine is to blame; None when we are."""
    if isinstance(error, OSError):
        return MachineFailure(f"{path}: {error.strerror or error}; {_NOTHING_STORED}")
    meaning = _MEANINGS.get(primary_code(error) or 0)
    return MachineFailure(f"{path}: {meaning}; {_NOTHING_STORED}") if meaning else None


def engine(path: Path, *, writing: bool, patience: timedelta = PATIENCE) -> Engine:
    """An engine on an existing file: every `begin` of a writing one takes the write lock at once."""

    def connect() -> sqlite3.Connection:
        return _connection(path, writing=writing, patience=patience)

    pool: dict[str, Any] = (
        {"poolclass": NullPool} if writing else {"poolclass": QueuePool, "pool_size": READERS}
    )
    # Parameters are hidden: an error would else carry a buyer's name into the log.
    made = create_engine("sqlite://", creator=connect, hide_parameters=True, **pool)
    files = _files(path, writing=writing)

    @event.listens_for(made, "begin")
    def begin(connection: Connection) -> None:
        known = connection.info.get(_IDENTITIES)
        if known is not None and known != _identities(files):
            if not writing:  # the writer gives its connection up itself, and looks what stands there now
                connection.invalidate()
            raise OSError(errno.ESTALE, _MOVED)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writing else "BEGIN")
        if known is None:  # only now are all of them there
            connection.info[_IDENTITIES] = _identities(files)

    return made


def wait_at_most(connection: Connection, patience: timedelta) -> None:
    """Tell a writing connection how long its `begin` may wait for another program's lock."""
    milliseconds = patience // timedelta(milliseconds=1)
    connection.connection.cursor().execute(f"PRAGMA busy_timeout = {milliseconds:d}")


def _files(path: Path, *, writing: bool) -> tuple[str, ...]:
    """The files that must stay the same while a connection is open.

    SQLite goes on writing to files that were deleted or replaced, as the system lets it, and what it commits
    there is lost. The log and its index live as long as the writer's connection: only the last one of all
    removes them.
    """
    file = str(path.absolute())  # as it was opened, wherever the program goes
    return (file, f"{file}-wal", f"{file}-shm") if writing else (file,)


def _identities(files: Sequence[str]) -> tuple[tuple[int, int] | None, ...]:
    return tuple(_identity(file) for file in files)


def _identity(file: str) -> tuple[int, int] | None:
    """Device and inode; None when there is no such file."""
    try:
        found = os.stat(file)  # noqa: PTH116  (in every transaction: a Path would double its cost)
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino


def _connection(path: Path, *, writing: bool, patience: timedelta) -> sqlite3.Connection:
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode=rw",
        uri=True,
        isolation_level=None,  # transactions are begun by the engine's event, not by the driver's guess
        check_same_thread=False,  # opened where the store is opened, used by one thread at a time
        timeout=patience.total_seconds(),
    )
    try:
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
        if writing:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute(f"PRAGMA wal_autocheckpoint = {_CHECKPOINT_PAGES}")
            connection.execute(f"PRAGMA journal_size_limit = {_LOG_LIMIT_OCTETS}")
        else:
            connection.execute("PRAGMA query_only = ON")
    except BaseException:
        connection.close()
        raise
    return connection
