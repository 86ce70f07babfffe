"""What stands in a store's file, read from outside and without touching what a dead relay left there."""

import shutil
import sqlite3
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from tests.support.destination import Key

POLL_SECONDS = 0.005
_DELIVERIES = """
    SELECT d.recipient, m.message_id, d.state, n.pack_no, m.content, {notice}
    FROM delivery d JOIN mail m ON m.id = d.mail_id JOIN notification n ON n.id = m.notification_id
    ORDER BY d.id
"""
_STATES = "SELECT state, count(*) FROM delivery GROUP BY state"


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """One delivery."""

    key: Key
    state: str
    pack_no: str
    content: bytes
    notice: str


def deliveries(store: Path) -> list[Found]:
    """All deliveries of a store that nobody has open, oldest first; none when there is no store yet.

    It is read from a copy: opening the file itself would clean up what the next life must be able to.
    """
    if not store.exists():
        return []
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder, "copy.db")
        for ending in ("", "-wal"):
            if Path(f"{store}{ending}").exists():
                shutil.copy(f"{store}{ending}", f"{copy}{ending}")
        with closing(sqlite3.connect(copy)) as connection:
            assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
            if not connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'delivery'").fetchone():
                return []
            columns = {row[1] for row in connection.execute("PRAGMA table_info(mail)")}
            notice = "m.notice" if "notice" in columns else "''"  # a store of the first Denrei
            rows = connection.execute(_DELIVERIES.format(notice=notice)).fetchall()
    return [
        Found(key=(recipient, message_id), state=state, pack_no=pack_no, content=content, notice=notice)
        for recipient, message_id, state, pack_no, content, notice in rows
    ]


def ask(store: Path, question: str) -> list[tuple[object, ...]]:
    """The rows that a living relay's store answers; read only."""
    with closing(sqlite3.connect(f"file:{store}?mode=ro", uri=True)) as connection:
        return connection.execute(question).fetchall()


def states(store: Path) -> Counter[str]:
    """How many deliveries there are of each state, in a living relay's store."""
    return Counter({str(state): int(str(number)) for state, number in ask(store, _STATES)})


def until(reached: Callable[[], bool], *, seconds: float = 30.0) -> None:
    """Look again and again at what another process does, until it is so; fails when it does not come."""
    never = time.monotonic() + seconds
    while not reached():
        assert time.monotonic() < never, "not reached in time"
        time.sleep(POLL_SECONDS)
