"""A relay in a process of its own, and a partner's mail server that is not Denrei's code."""

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

from aiosmtpd.controller import Controller

from tests.support.nursery import Born, Nursery

_LISTENING = re.compile(r"relay started.*listening=(\S+):(\d+)")
START_SECONDS = 30.0  # a loaded two-core machine starts the relay in well under ten
END_SECONDS = 60.0  # above the grace that a stopping relay gives what is on the wire
SERVE = ("-m", "relay.cli")
ROOT = Path(__file__).resolve().parents[2]


class ServedRelay:
    """`denrei serve` in a child process; `kill` is kill -9, leaving the block is SIGTERM."""

    def __init__(
        self,
        config: Path,
        *,
        command: Sequence[str] = SERVE,
        nursery: Nursery | None = None,
        waits: bool = True,
    ) -> None:
        """Make one that is begun by entering the block.

        Args:
            config: its configuration file.
            command: what Python runs in place of Denrei's own command line.
            nursery: starts it quickly; else it is started as any program is.
            waits: whether entering waits until it listens; else `listens` does.
        """
        self._config = config
        self._waits = waits
        self._command = command
        self._nursery = nursery
        self._child: Born | subprocess.Popen[str]
        self._changed = threading.Condition()
        self._is_silent = False  # it has closed its output: it has ended
        self.log: list[str] = []
        self.address: tuple[str, int] = ("", 0)

    def __enter__(self) -> Self:
        self._begin()
        try:
            listens = not self._waits or self.listens()
            assert listens, "the relay ended before it listened:\n" + "".join(self.log)
        except AssertionError:
            self.kill()
            raise
        return self

    def _begin(self) -> None:
        arguments = [*self._command, "--config", str(self._config), "serve"]
        self._child = _started(arguments) if self._nursery is None else self._nursery.start(arguments)
        self._reader = threading.Thread(target=self._read, args=(self._child.stdout,), daemon=True)
        self._reader.start()

    def _read(self, stream: IO[str]) -> None:
        for row in stream:
            with self._changed:
                self.log.append(row)
                if match := _LISTENING.search(row):
                    self.address = (match[1], int(match[2]))
                self._changed.notify_all()
        with self._changed:
            self._is_silent = True
            self._changed.notify_all()

    @property
    def pid(self) -> int:
        """The process."""
        return self._child.pid

    def listens(self) -> bool:
        """Return when it listens (True) or has ended before it did."""
        with self._changed:
            done = self._changed.wait_for(lambda: self.address[1] or self._is_silent, START_SECONDS)
        assert done, "the relay did not start:\n" + "".join(self.log)
        return bool(self.address[1])

    def until_logged(self, words: str, *, count: int = 1, seconds: float = START_SECONDS) -> list[str]:
        """The rows that have these words, once there are so many; fails when they do not come."""

        def rows() -> list[str]:
            return [row for row in self.log if words in row]

        with self._changed:
            self._changed.wait_for(lambda: len(rows()) >= count or self._is_silent, seconds)
            assert len(rows()) >= count, f"not logged: {words}\n" + "".join(self.log)
            return rows()

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal; nothing when it has ended."""
        self._child.send_signal(number)

    def kill(self) -> None:
        """End it as a power cut would: no signal handler runs."""
        self.signal(signal.SIGKILL)
        self.ended()

    def ended(self, seconds: float = END_SECONDS) -> int:
        """Its exit code, once it has ended; negative: the signal that ended it."""
        code = self._child.wait(seconds)
        self._reader.join(10)
        assert self._child.stdout is not None
        self._child.stdout.close()
        return code

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if self._child.poll() is None:
                self.signal(signal.SIGTERM)
            self.ended()
        except subprocess.TimeoutExpired:
            self.kill()
            raise


def _started(arguments: Sequence[str]) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=ROOT,
        env={**os.environ, "NO_COLOR": "1"},
    )


@dataclass
class ReceivedMail:
    """What a partner got: envelope and content."""

    mail_from: str
    rcpt_tos: list[str]
    content: bytes


@dataclass
class PartnerServer:
    """Stock aiosmtpd as the partner's mail server, in a thread; keeps what it gets, and tests wait for it."""

    mails: list[ReceivedMail] = field(default_factory=list)
    _came: threading.Condition = field(default_factory=threading.Condition)

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802  (aiosmtpd's hook)
        """Keep one mail."""
        with self._came:
            self.mails.append(ReceivedMail(envelope.mail_from, list(envelope.rcpt_tos), envelope.content))
            self._came.notify_all()
        return "250 2.0.0 kept"

    def wait_for(self, count: int, seconds: float = 30.0) -> list[ReceivedMail]:
        """The mails, once so many came; fails with what came when they do not."""
        with self._came:
            came = self._came.wait_for(lambda: len(self.mails) >= count, seconds)
            assert came, f"{len(self.mails)} of {count} mails came within {seconds} s"
            return list(self.mails)

    def wait_until(self, enough: Callable[[list[ReceivedMail]], bool], seconds: float = 60.0) -> None:
        """Return once what came is enough; fails when it is not in time."""
        with self._came:
            came = self._came.wait_for(lambda: enough(self.mails), seconds)
            assert came, f"{len(self.mails)} mails came within {seconds} s, and they are not enough"


@contextlib.contextmanager
def partner_server(port: int = 0) -> Iterator[tuple[PartnerServer, int]]:
    """A running partner on a loopback port."""
    port = port or free_port()
    partner = PartnerServer()
    controller = Controller(partner, hostname="127.0.0.1", port=port)
    controller.start()
    try:
        yield partner, port
    finally:
        controller.stop()


@contextlib.contextmanager
def silent_server() -> Iterator[int]:
    """A partner that accepts connections and never says a word: mails stay on their way while it lives."""
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", 0))
        listener.listen(64)
        yield int(listener.getsockname()[1])


def free_port() -> int:
    """A port that nobody listens on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def write_config(
    folder: Path, *, routes: dict[str, int], registrations: dict[str, str], more: str = ""
) -> Path:
    """A configuration for loopback: partner domains to ports, registration file names to YAML."""
    (folder / "registrations").mkdir(parents=True)
    for name, text in registrations.items():
        (folder / "registrations" / name).write_text(text, encoding="utf-8")
    table = "".join(f"    {domain}: 127.0.0.1:{port}\n" for domain, port in routes.items())
    config = folder / "denrei.yaml"
    config.write_text(
        "hostname: relay.example.jp\n"
        "intake:\n  listen: 127.0.0.1:0\n  addresses: [orders@relay.example.jp]\n"
        f"delivery:\n  routes:\n{table}{more}",
        encoding="utf-8",
    )
    return config
