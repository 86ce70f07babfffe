"""The disk fails the store: full, too small for the log, not writable, locked by another."""

import asyncio
import json
import os
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Awaitable, Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import Connection

from relay.errors import BadInput, MachineFailure
from relay.store.query import JournalFilter
from relay.store.store import Store
from relay.store.values import Accepted, DeliveryState, Scope
from tests.support.clock import ManualClock
from tests.support.counted import counts
from tests.support.stored import a_hold, accepted, settlement, with_store

FULL = """
import asyncio, json, os, resource, sys
from pathlib import Path
from relay.clock import SystemClock
from relay.errors import MachineFailure
from relay.store.store import Store
from tests.support.stored import accepted

async def main():
    path, clock = Path(sys.argv[1]), SystemClock()
    store = Store.open(path, clock=clock)
    said = {"stored": [], "failed": [], "after": []}
    async def put(word):
        one = accepted(clock, recipients=("a@x.example.jp", "b@y.example.jp"), content=b"x" * 20_000)
        try:
            await store.accept(one)
            said[word].append(one.id)
        except MachineFailure as error:
            said["failed"].append([one.id, str(error).partition(": ")[2]])
    await asyncio.gather(*(put("stored") for _ in range(5)))
    size = os.stat(f"{path}-wal").st_size
    resource.setrlimit(resource.RLIMIT_FSIZE, (size + 100_000, resource.RLIM_INFINITY))
    for _ in range(3):
        await asyncio.gather(*(put("stored") for _ in range(10)))
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    await asyncio.gather(*(put("after") for _ in range(5)))
    await store.close()
    print(json.dumps(said))

asyncio.run(main())
"""


def test_when_the_log_cannot_grow_callers_hear_it_and_the_store_goes_on_later(tmp_path: Path) -> None:
    """Under a limit on file size: what was acknowledged is whole, what failed left nothing, later ones go."""
    path = tmp_path / "x.db"
    child = subprocess.run(
        [sys.executable, "-W", "error", "-c", FULL, path], check=True, capture_output=True, cwd=Path.cwd()
    )
    said = json.loads(child.stdout)
    assert (len(said["after"]), len(said["failed"]) > 0) == (5, True)
    assert {reason for _, reason in said["failed"]} == {
        "the disk failed; nothing of this was stored; it can be tried again"
    }

    async def story(store: Store, _: ManualClock) -> None:
        for id_ in said["stored"] + said["after"]:
            found = await store.notification(id_)
            assert found is not None
            assert (len(found.accepted.mails), len(found.rows), len(found.accepted.entries)) == (2, 2, 1)
        assert [await store.notification(id_) for id_, _ in said["failed"]] == [None] * len(said["failed"])

    with_store(path, story)


def test_a_full_database_fails_the_whole_batch_and_the_next_is_tried_anew(tmp_path: Path) -> None:
    """SQLite's own "full" reaches every caller of the batch, and the connection is made anew."""

    def limit(connection: Connection, batch: list[None]) -> list[None]:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar()
        connection.exec_driver_sql(f"PRAGMA max_page_count = {pages}")
        return batch

    async def story(store: Store, clock: ManualClock) -> None:
        await store._writer.write(limit, None)
        large = [accepted(clock, content=b"x" * 50_000) for _ in range(20)]
        answers = await asyncio.gather(*(store.accept(one) for one in large), return_exceptions=True)
        assert {str(answer).partition(": ")[2] for answer in answers} == {
            "the disk is full; nothing of this was stored; it can be tried again"
        }
        assert {type(answer) for answer in answers} == {MachineFailure}
        assert await store.journal(JournalFilter()) == []
        assert [await store.accept(one) for one in large] == large

    with_store(tmp_path / "x.db", story)


def test_a_full_disk_makes_no_hold_by_half(tmp_path: Path) -> None:
    """Placing, suppressing with a bounce, and lifting need room for the journal: each is whole or is not."""

    def limit(connection: Connection, batch: list[None]) -> list[None]:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar()
        connection.exec_driver_sql(f"PRAGMA max_page_count = {pages}")
        return batch

    async def story(store: Store, clock: ManualClock) -> None:
        first = accepted(clock)
        await store.accept(first)
        [due] = await store.claim(worker="w/1", until=clock.now(), now=clock.now(), limit=1, octets=1)
        await asyncio.gather(*(store.accept(accepted(clock)) for _ in range(300)))
        gone = settlement(first, worker="w/1", at=clock.now(), state=DeliveryState.BOUNCED, suppress=True)
        hold = a_hold(clock, Scope.PARTNER, "cross_mall")

        async def fails(call: Callable[[], Awaitable[object]]) -> None:
            before = await store.live(), await store.holds(), await store.delivery(due.delivery.id)
            await store._writer.write(limit, None)
            with pytest.raises(MachineFailure, match="the disk is full; nothing of this was stored"):
                await call()
            assert before == (await store.live(), await store.holds(), await store.delivery(due.delivery.id))

        await fails(lambda: store.settle(gone))
        assert await store.settle(gone)
        [suppressed] = await store.holds()
        await fails(lambda: store.lift_hold(suppressed.id, now=clock.now(), by="店長"))
        assert await store.lift_hold(suppressed.id, now=clock.now(), by="店長") == 300
        await fails(lambda: store.place_hold(hold))
        assert (await store.place_hold(hold)).stopped == 300

    with_store(tmp_path / "x.db", story)


def test_a_lock_that_another_program_keeps_is_a_machine_failure_and_no_more(tmp_path: Path) -> None:
    """Writes fail after the patience with a backup tool's lock; reads and later writes work."""
    path = tmp_path / "x.db"

    async def story() -> None:
        clock = ManualClock()
        store = Store.open(path, clock=clock, patience=timedelta(milliseconds=50))
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        one = accepted(clock)
        with pytest.raises(
            MachineFailure, match="another program keeps it locked; nothing of this was stored"
        ):
            await store.accept(one)
        assert (await counts(store)).notifications == 0
        other.execute("ROLLBACK")
        other.close()
        assert await store.accept(one) is one
        await store.close()

    asyncio.run(story())


def test_a_process_that_hangs_with_the_turn_delays_but_does_not_stop_the_others(tmp_path: Path) -> None:
    """The advisory lock is given up on after the patience, and the database's own lock decides."""
    path = tmp_path / "x.db"

    async def story() -> None:
        clock = ManualClock()
        hanging = Store.open(path, clock=clock)
        store = Store.open(path, clock=clock, patience=timedelta(milliseconds=50))
        with hanging._lock.held(timedelta(0)) as held:
            assert held
            assert isinstance(await store.accept(accepted(clock)), Accepted)
        await store.close()
        await hanging.close()

    asyncio.run(story())


@pytest.fixture
def ordinary() -> Iterator[Path]:
    """A folder that an ordinary user may enter, with that user's rights in force."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        before = os.geteuid()
        if before == 0:
            os.seteuid(65_534)
        yield folder
        os.seteuid(before)
        folder.chmod(0o755)


@pytest.mark.parametrize("writable_lock", [False, True])
def test_a_store_that_may_not_be_written_is_refused_with_the_reason(ordinary: Path, writable_lock) -> None:
    """No right to the folder, or to the file: the message says so and what to mend."""
    path = ordinary / "x.db"
    user = os.geteuid()
    os.seteuid(os.getuid())
    path.touch(mode=0o444)
    if writable_lock:
        for name in ("x.db.lock", "x.db.next.lock"):
            (ordinary / name).touch()
            (ordinary / name).chmod(0o666)
    ordinary.chmod(0o555)
    os.seteuid(user)
    with pytest.raises(BadInput, match=r"cannot be opened: Permission denied \(mend store.path"):
        Store.open(path, clock=ManualClock())


def test_a_damaged_file_is_named_and_not_written(tmp_path: Path) -> None:
    """Pages of noise behind a good header: opening or writing says that the file is damaged."""
    path = tmp_path / "x.db"
    asyncio.run(Store.open(path, clock=ManualClock()).close())
    whole = path.read_bytes()
    path.write_bytes(whole[:4096] + b"\xee" * (len(whole) - 4096))

    async def story() -> None:
        store = Store.open(path, clock=ManualClock())
        try:
            await store.accept(accepted(ManualClock()))
        finally:
            await store.close()

    with pytest.raises(MachineFailure, match="the file is damaged: restore a copy"):
        asyncio.run(story())
