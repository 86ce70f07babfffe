"""A value that is read from a file or two and follows them while the relay runs.

Guarantees: `current` is always a whole, good value; when the files go bad the last good one stays in force
and `problem` says why, until they are good again. A change counts once two looks have found the same: who
writes a certificate and then its key is not read in between. Looking and reading are beside the event loop.

Diagnostics: the log events `file changed`, `file is bad` (once for each reason), `file is good again` and,
with a traceback, `file could not be read`. Source: ours.
"""

import asyncio
from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Generic, NamedTuple, Protocol, TypeVar

import structlog

from relay.clock import Clock
from relay.errors import BadInput

LOOK = timedelta(seconds=1)  # between two looks: two stats of each file
AFTER_A_BUG = timedelta(minutes=1)  # what failed over a file would fail over it again

T = TypeVar("T")
_log = structlog.get_logger(__name__)


class Stamp(NamedTuple):
    """What changes whenever a file does, its mode and owner included."""

    inode: int
    written_ns: int
    changed_ns: int
    octets: int


class LiveFile(Generic[T]):
    """Holds what the files say now, or what they said when they were last good."""

    def __init__(self, paths: Sequence[Path], read: Callable[[], T]) -> None:
        """Read the files.

        Args:
            paths: what to watch; links are followed.
            read: reads them; raises BadInput.

        Raises:
            BadInput: they are bad from the beginning.
        """
        self._paths = tuple(paths)
        self._read = read
        self._in_force = self._seen = self._stamps()
        self.current: T = read()
        self.problem = ""

    def reload(self) -> bool:
        """Look, and read what has changed and come to rest; True when a new value came into force."""
        stamps = self._stamps()
        if stamps == self._in_force and not self.problem:
            self._seen = stamps
            return False
        if stamps != self._seen:
            self._seen = stamps
            return False
        try:
            fresh = self._read()
        except BadInput as error:
            self._tell(str(error))
            return False
        if self._stamps() != stamps:
            return False
        if self.problem:
            _log.info("file is good again", files=self._names)
        else:
            _log.info("file changed", files=self._names)
        self.current, self._in_force, self.problem = fresh, stamps, ""
        return True

    def _tell(self, problem: str) -> None:
        if problem != self.problem:
            _log.error("file is bad", files=self._names, kept="the last good state", problem=problem)
        self.problem = problem

    def _stamps(self) -> tuple[Stamp | None, ...]:
        return tuple(_stamp(path) for path in self._paths)

    @property
    def _names(self) -> list[str]:
        return [str(path) for path in self._paths]


def _stamp(path: Path) -> Stamp | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return Stamp(status.st_ino, status.st_mtime_ns, status.st_ctime_ns, status.st_size)


class Watched(Protocol):
    """What can be followed: a `LiveFile`, or what is made of one."""

    def reload(self) -> bool:
        """Look, and take over what is new and good."""


async def watch(files: Sequence[Watched], *, clock: Clock) -> None:
    """Follow the files until cancelled; a bug of ours is told, and the watch goes on."""
    while files:
        await clock.sleep(LOOK.total_seconds())
        for file in files:
            try:
                await asyncio.to_thread(file.reload)
            except Exception:  # noqa: BLE001  (told in full; a watch that ended would go unseen)
                _log.exception("file could not be read", kept="the last good state")
                await clock.sleep(AFTER_A_BUG.total_seconds())
