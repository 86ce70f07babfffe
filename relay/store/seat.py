"""A worker's seat: the name under which one process holds leases, and the proof that nobody else uses it.

Each process that delivers from a store takes the first free seat, `worker-1`, `worker-2`, … , by an
exclusive `flock` on a file beside the store. The kernel frees it when the process dies, however it dies. So
leases that are found under a free seat's name are those of its former, dead holder, and can be taken over at
once.

Diagnostics: `MachineFailure` when the folder cannot be written or every seat is taken. Source: ours.
"""

import fcntl
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Self

from relay.errors import MachineFailure

MAX_SEATS = 64  # workers of one store; more than this is a start-up loop gone wild


class Seat:
    """A taken seat; free it with `leave`."""

    def __init__(self, store: Path, number: int, descriptor: int) -> None:
        self.name = f"worker-{number}"  # unique among the workers of a store
        self._store = store
        self._descriptor = descriptor

    @classmethod
    def take(cls, store: Path) -> Self:
        """Take the first free seat at this store file."""
        for number in range(1, MAX_SEATS + 1):
            if (seat := cls._taken(store, number)) is not None:
                return seat
        raise MachineFailure(f"all {MAX_SEATS} worker seats of {store} are taken. Nothing was started.")

    def vacated(self) -> Iterator[Self]:
        """The other seats that were used once and are free, each taken for the caller, who leaves it.

        Whatever is leased under their names belongs to nobody who lives. Take over before you leave: a seat
        that is free may be taken by a new worker at any moment.
        """
        for number in range(1, MAX_SEATS + 1):
            if _path(self._store, number).exists() and (seat := self._taken(self._store, number)) is not None:
                yield seat

    def leave(self) -> None:
        """Free the seat; its file stays, because removing it would race with the next taker."""
        os.close(self._descriptor)

    @classmethod
    def _taken(cls, store: Path, number: int) -> Self | None:
        path = _path(store, number)
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise MachineFailure(f"cannot write {path}: {error.strerror}. Nothing was started.") from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return None
        return cls(store, number, descriptor)


def _path(store: Path, number: int) -> Path:
    return store.with_name(f"{store.name}.worker-{number}.lock")


def occupied(store: Path) -> frozenset[str]:
    """The names of the seats that a living process holds; takes none, and makes no file.

    Each seat is tried with a shared lock for an instant. A worker that starts in that instant takes the next
    seat instead, which is as good.
    """
    names = set()
    for number in range(1, MAX_SEATS + 1):
        try:
            descriptor = os.open(_path(store, number), os.O_RDONLY | os.O_CLOEXEC)
        except OSError:  # never used, or not ours to look at
            continue
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            names.add(f"worker-{number}")
        finally:
            os.close(descriptor)
    return frozenset(names)
