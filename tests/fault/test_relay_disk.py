"""The machine fails under a running relay: it refuses, sends nothing twice, and goes on by itself."""

import asyncio
import contextlib
import os
import resource
import sqlite3
import subprocess
from pathlib import Path

import pytest

from tests.support import autopsy
from tests.support.lives import Moment, lives
from tests.support.serving import ServedRelay, write_config

LOAD = 80  # notifications, of which the first get in before the disk fails
AT = Moment(kind="content", count=40)
NOT_STORED = "451 4.3.0 not stored, try again later"
UNLIMITED = resource.RLIM_INFINITY


async def troubled(nursery, folder, fail, mend, *, store=None, at=AT, load=LOAD, sessions=4):
    """A load in whose midst the machine fails, and is mended when the rest was refused; the relay's log."""
    async with lives(folder, nursery, store=store) as relay:
        with relay.served() as served:
            relay.doom.arm(served, at, act=fail)
            await relay.market.send(served.address, relay.market.some(load), sessions=sessions)
            refusals, taken = list(relay.market.refusals), len(relay.market.answered)
            assert (len(refusals) + taken, set(refusals)) == (load, {NOT_STORED})
            await asyncio.to_thread(served.until_logged, "outcome could not be stored yet")
            mend(served)
            await relay.finish(served)
        assert relay.repeats.total() == 0
        assert len(relay.market.answered) == load
        return taken, "".join(served.log)


def test_when_nothing_can_be_written_mail_is_refused_and_all_goes_on_when_it_can(tmp_path, nursery):
    """The system's limit on what the relay may write, set and lifted while mails are on their way."""

    def fail(served):
        resource.prlimit(served.pid, resource.RLIMIT_FSIZE, (0, UNLIMITED))

    def mend(served):
        resource.prlimit(served.pid, resource.RLIMIT_FSIZE, (UNLIMITED, UNLIMITED))

    taken, log = asyncio.run(troubled(nursery, tmp_path, fail, mend))
    assert 0 < taken < LOAD
    assert "the disk failed; nothing of this was stored; it can be tried again" in log


@contextlib.contextmanager
def small_disk(folder, octets):
    """A file system of its own with so little room; skips where none may be mounted."""
    folder.mkdir()
    if os.geteuid() != 0:
        pytest.skip("only root may mount a disk; the limit of the system on file sizes stands for it above")
    command = ["mount", "-t", "tmpfs", "-o", f"size={octets},mode=700", "denrei-test", str(folder)]
    mounted = subprocess.run(command, capture_output=True, text=True, check=False)
    if mounted.returncode:
        pytest.skip(f"no disk may be mounted here: {mounted.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def test_a_full_disk_refuses_mail_and_goes_on_when_it_has_room(tmp_path, nursery):
    """A real file system without a free page: 451 for what comes, and every outcome is written in the end."""
    with small_disk(tmp_path / "disk", 32 << 20) as disk:

        def fail(_served):
            with contextlib.suppress(OSError), open(disk / "filler", "wb", buffering=0) as filler:
                while filler.write(b"x" * (1 << 16)):
                    pass

        def mend(_served):
            (disk / "filler").unlink()

        taken, log = asyncio.run(troubled(nursery, tmp_path / "site", fail, mend, store=disk / "denrei.db"))
    assert 0 < taken < LOAD
    assert "the disk is full; nothing of this was stored; it can be tried again" in log


def test_a_store_that_another_program_keeps_locked_refuses_mail_and_goes_on_when_it_is_free(
    tmp_path, nursery
):
    """A backup tool has the write lock for longer than the relay's patience: 451, and nothing is lost."""
    others = []

    def fail(_served):
        other = sqlite3.connect(tmp_path / "denrei.db", isolation_level=None, timeout=10)
        other.execute("BEGIN IMMEDIATE")
        others.append(other)

    def mend(_served):
        for other in others:
            other.execute("ROLLBACK")
            other.close()

    soon = Moment(kind="content", count=1)  # each refusal takes all of the patience
    taken, log = asyncio.run(troubled(nursery, tmp_path, fail, mend, at=soon, load=18, sessions=6))
    assert 0 < taken < 18
    assert "another program keeps it locked; nothing of this was stored" in log


@pytest.mark.parametrize(
    ("noise_from", "words"),
    [(0, "the file is not a database"), (4096, "the file is damaged: restore a copy")],
)
def test_a_damaged_store_ends_the_start_with_a_clear_word_and_is_not_written(
    tmp_path, noise_from, words, nursery
):
    """Noise in place of the file's head, or of all behind it: exit code 1, and the same octets afterwards."""
    config = write_config(tmp_path, routes={"partner.example.jp": 9}, registrations={})
    store = config.parent / "denrei.db"
    with ServedRelay(config, nursery=nursery):
        pass
    whole = store.read_bytes()
    damaged = whole[:noise_from] + b"\xee" * (len(whole) - noise_from)
    store.write_bytes(damaged)
    with ServedRelay(config, nursery=nursery, waits=False) as relay:
        assert not relay.listens()
        assert relay.ended() == 1
    assert words in "".join(relay.log)
    assert "Traceback" not in "".join(relay.log)
    assert store.read_bytes() == damaged


def test_a_store_that_is_damaged_while_it_runs_refuses_mail_and_a_copy_put_back_goes_on(tmp_path, nursery):
    """Pages of noise under a living relay: 451, the reason in the log; the copy of before loses nothing."""

    async def story():
        async with lives(tmp_path, nursery) as relay:
            with relay.served() as served:
                await relay.market.send(served.address, relay.market.some(40))
                await relay.finish(served)
            copy = relay.store.read_bytes()
            with relay.served() as served:
                relay.store.write_bytes(copy[:4096] + b"\xee" * (len(copy) - 4096))
                await relay.market.send(served.address, relay.market.some(10), sessions=1)
                refusals = list(relay.market.refusals)
                served.until_logged("the file is damaged: restore a copy")
                served.kill()
            for ending in ("-wal", "-shm"):
                Path(f"{relay.store}{ending}").unlink(missing_ok=True)
            relay.store.write_bytes(copy)
            await relay.last()
            return refusals, autopsy.deliveries(relay.store)

    refusals, found = asyncio.run(story())
    assert refusals == [NOT_STORED] * 10
    assert len(found) == 50 * 4
