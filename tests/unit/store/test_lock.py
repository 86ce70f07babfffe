"""The advisory lock: turns, patience, and a holder that dies."""

import fcntl
import subprocess
import sys
import threading
from datetime import timedelta
from pathlib import Path

from relay.store.lock import FileLock

AT_ONCE = timedelta(0)
HOLDER = """
import fcntl, os, sys
descriptor = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT)
fcntl.flock(descriptor, fcntl.LOCK_EX)
print("held", flush=True)
sys.stdin.read()
"""


def test_one_holds_it_at_a_time(tmp_path: Path) -> None:
    """Two handles exclude each other, in one process too, and the lock is free again afterwards."""
    one, two = FileLock(tmp_path / "x.lock"), FileLock(tmp_path / "x.lock")
    with one.held(AT_ONCE) as first, two.held(timedelta(milliseconds=5)) as second:
        assert (first, second) == (True, False)
    with two.held(AT_ONCE) as again:
        assert again
    one.close()
    two.close()


def test_a_dead_process_holds_nothing(tmp_path: Path) -> None:
    """While another process has it, patience ends; when that process is killed, it is free."""
    path = tmp_path / "x.lock"
    lock = FileLock(path)
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        with lock.held(timedelta(milliseconds=5)) as held:
            assert not held
        holder.kill()
        holder.wait()
    with lock.held(AT_ONCE) as held:
        assert held
    lock.close()


def test_who_has_just_had_the_turn_lets_the_one_that_waits_go_first(tmp_path: Path) -> None:
    """A process that writes without a pause cannot take the next turn before one that waits for it."""
    greedy, patient = FileLock(tmp_path / "x.lock"), FileLock(tmp_path / "x.lock")
    had_it, go = threading.Event(), threading.Event()

    def wait_for_a_turn() -> None:
        with patient.held(timedelta(seconds=30)) as held:
            assert held
            had_it.set()
            go.wait(30)

    waiting = threading.Thread(target=wait_for_a_turn, daemon=True)
    with greedy.held(AT_ONCE) as held:
        assert held
        waiting.start()
        with (tmp_path / "x.next.lock").open() as place:
            assert any(is_taken(place.fileno()) for _ in range(200_000))
    with greedy.held(AT_ONCE) as held:
        assert not held
    assert had_it.wait(30)
    go.set()
    waiting.join()
    with greedy.held(AT_ONCE) as held:
        assert held
    greedy.close()
    patient.close()


def is_taken(descriptor: int) -> bool:
    """Whether another handle holds the lock on this file."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    fcntl.flock(descriptor, fcntl.LOCK_UN)
    return False
