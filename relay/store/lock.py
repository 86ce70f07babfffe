"""An advisory lock on files beside the store, so that the processes that share it take turns.

SQLite lets one process write at a time and makes the others guess when to try again, with pauses of up to 100
ms. Taking turns by `flock` spares that: in the prototype it made two processes 1.35 times as fast as one,
where guessing made them no faster. The lock only spares waiting: correctness rests on the database's own
transactions, so who does not get it in time may go on.

There are two locks: whoever wants the turn first takes the place of the next in line, and gives that up when
the turn comes. So a process that writes without a pause cannot take turn after turn before one that waits.

Guarantees: a lock dies with its process; nothing is ever waited for without an end. Source: flock(2).
"""

import fcntl
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

_PAUSE = timedelta(microseconds=200)  # about as long as one group commit: polling costs a turn at the most


class FileLock:
    """One process's handle on the lock files, which are made on first use and left in place.

    Args:
        path: the turn's file, named `….lock`; the next place's is `….next.lock` beside it.

    Raises:
        OSError: a file cannot be made or opened.
    """

    def __init__(self, path: Path) -> None:
        self._turn = _opened(path)
        try:
            self._next = _opened(path.with_name(f"{path.stem}.next.lock"))
        except OSError:
            os.close(self._turn)
            raise
        self._never = threading.Event()

    @contextmanager
    def held(self, patience: timedelta) -> Iterator[bool]:
        """Hold the turn if it can be had within `patience`; gives whether it is held."""
        taken = self._take(patience)
        try:
            yield taken
        finally:
            if taken:
                fcntl.flock(self._turn, fcntl.LOCK_UN)

    def close(self) -> None:
        """Let go for good."""
        os.close(self._turn)
        os.close(self._next)

    def _take(self, patience: timedelta) -> bool:
        tries = iter(range(patience // _PAUSE + 2))  # at least one for each lock
        if not self._wait_for(self._next, tries):
            return False
        try:
            return self._wait_for(self._turn, tries)
        finally:
            fcntl.flock(self._next, fcntl.LOCK_UN)

    def _wait_for(self, descriptor: int, tries: Iterator[int]) -> bool:
        for _ in tries:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                self._never.wait(_PAUSE.total_seconds())
            else:
                return True
        return False


def _opened(path: Path) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
