"""Starts relays quickly: a process that has loaded Denrei once forks itself for each, in milliseconds.

What is born is a process like any other, with memory, files and signals of its own. Each has a parent between
itself and the nursery, which waits for it and tells how it ended.
"""

import contextlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TextIO

_ROOT = Path(__file__).resolve().parents[2]
_MOST = 1 << 16  # octets of one wish


class Born:
    """A process that a nursery has started; as much of `subprocess.Popen` as a `ServedRelay` needs."""

    def __init__(self, stdout: int, status: int) -> None:
        self.stdout: TextIO = os.fdopen(stdout, encoding="utf-8")
        self._status = os.fdopen(status, "rb", buffering=0)
        self._code: int | None = None
        self.pid = int(self._status.readline())

    def send_signal(self, number: signal.Signals) -> None:
        """Send it a signal; nothing when it has ended."""
        if self.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def poll(self) -> int | None:
        """Its exit code, if it has ended."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            return self.wait(0)
        return None

    def wait(self, timeout: float) -> int:
        """Its exit code, once it has ended; negative: the signal that ended it. Raises TimeoutExpired."""
        if self._code is None:
            if not select.select([self._status], [], [], timeout)[0]:
                raise subprocess.TimeoutExpired("relay", timeout)
            self._code = int(self._status.readline())
            self._status.close()
        return self._code


class Nursery:
    """The process that forks; it ends when it is closed, or whoever made it does."""

    def __init__(self) -> None:
        self._wishes, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.support.nursery", str(theirs.fileno())],
                cwd=_ROOT,
                stdin=subprocess.DEVNULL,
                env={**os.environ, "NO_COLOR": "1"},
                pass_fds=(theirs.fileno(),),
            )

    def start(self, arguments: Sequence[str]) -> Born:
        """Run what `python` would with these arguments, which begin with `-m` and a module that is known."""
        said, says = os.pipe()
        told, tells = os.pipe()
        try:
            socket.send_fds(self._wishes, [json.dumps(arguments).encode()], [says, tells])
        finally:
            os.close(says)
            os.close(tells)
        return Born(said, told)

    def close(self) -> None:
        """End it; what was born lives on."""
        self._wishes.close()
        self._process.wait(10)


def _mains() -> dict[str, Callable[[Sequence[str]], int]]:
    """What can be run; loaded here, for whoever asks the nursery need not load Denrei."""
    import alembic.command
    import alembic.config

    from relay import cli
    from tests.support import hooked

    assert alembic.command
    assert alembic.config
    return {"relay.cli": cli.main, "tests.support.hooked": hooked.main}


def _attend(wishes: socket.socket) -> None:
    mains = _mains()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the parents between are nobody's to wait for
    while True:
        wish, files, _, _ = socket.recv_fds(wishes, _MOST, 2)
        if not wish:
            return
        if os.fork() == 0:
            wishes.close()
            _bear(mains, json.loads(wish), *files)
        for file in files:
            os.close(file)


def _bear(
    mains: dict[str, Callable[[Sequence[str]], int]], arguments: Sequence[str], says: int, tells: int
) -> None:
    """Be the parent of the process that is asked for, to its end."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    child = os.fork()
    if child == 0:
        code = 1
        try:
            for file in (1, 2):
                os.dup2(says, file)
            os.close(says)
            os.close(tells)
            sys.stdout, sys.stderr = (open(file, "w", encoding="utf-8", closefd=False) for file in (1, 2))  # noqa: SIM115  (for the rest of its life)
            _, module, *rest = arguments
            code = mains[module](rest)
        except BaseException:  # noqa: BLE001  (it is about to end, and must say why)
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)
    os.close(says)
    with os.fdopen(tells, "wb", buffering=0) as status:
        status.write(b"%d\n" % child)
        status.write(b"%d\n" % os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    os._exit(0)


if __name__ == "__main__":
    _attend(socket.socket(fileno=int(sys.argv[1])))
