"""A worker's seat: the name under which one process holds leases, and the proof that nobody else uses it.

Each process that delivers from a store takes the first free seat, `1`, `2`, … , by an exclusive `flock` on a
file beside the store. The kernel frees it when the process dies, however it dies. So leases that are found
under a seat's name when the seat is taken are those of its former, dead holder, and can be taken over at
once.

Diagnostics: `MachineFailure` when the folder cannot be written or every seat is taken. Source: ours.
"""

import fcntl
import os
import socket
from pathlib import Path
from typing import Self

from relay.errors import MachineFailure

MAX_SEATS = 64  # workers of one store on one machine; more than this is a start-up loop gone wild


class Seat:
    """A taken seat; free it with `leave`."""

    def __init__(self, name: str, descriptor: int) -> None:
        self.name = name  # host/number: unique among all workers of a store
        self._descriptor = descriptor

    @classmethod
    def take(cls, store: Path) -> Self:
        """Take the first free seat at this store file."""
        for number in range(1, MAX_SEATS + 1):
            path = store.with_name(f"{store.name}.worker-{number}.lock")
            try:
                descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            except OSError as error:
                raise MachineFailure(
                    f"cannot write {path}: {error.strerror}. Nothing was started."
                ) from error
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(descriptor)
                continue
            return cls(f"{socket.gethostname()}/{number}", descriptor)
        raise MachineFailure(f"all {MAX_SEATS} worker seats of {store} are taken. Nothing was started.")

    def leave(self) -> None:
        """Free the seat; its file stays, because removing it would race with the next taker."""
        os.close(self._descriptor)
