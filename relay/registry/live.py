"""The registry that follows its files while the relay runs.

Guarantees: `current` is always a whole, good state; a change is seen within about a second where the file
system tells of changes, else within `SWEEP`. When a file goes bad the last good state stays in force and
`problem` says why, until the files are good again. Reading happens on a thread of its own, so intake and
delivery go on.

Diagnostics: the log events `registrations changed`, `registrations are bad` and `registrations are not
watched`. Source: ours.
"""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import structlog
from watchfiles import awatch

from grammar import Catalogue
from relay.clock import Clock, SystemClock
from relay.errors import BadInput, Problem
from relay.notification import NotificationType
from relay.registry.group import Templates, load_templates
from relay.registry.registration import Registration
from relay.registry.registry import Registry, load_registry

SWEEP = timedelta(
    minutes=1
)  # network file systems tell of no change, and a folder can be replaced as a whole
SETTLE = timedelta(milliseconds=200)  # an editor writes a file in several steps
_LOGGED_PROBLEMS = 5  # enough to begin mending; `denrei check` names all

_log = structlog.get_logger()


class LiveRegistry:
    """Answers as the files say now, or as they said when they were last good."""

    def __init__(
        self,
        registrations: Path,
        templates: Templates,
        catalogue: Catalogue,
        *,
        clock: Clock | None = None,
        on_change: Callable[[Registry], None] | None = None,
    ) -> None:
        """Read the files.

        Args:
            registrations: the folder, one file per seller.
            templates: what can be chosen; read again when the operator's own change.
            catalogue: the fields that templates may name.
            clock: for the pause after a failed watch.
            on_change: called with each new state, on the thread that runs `watch` or `reload`.

        Raises:
            BadInput: with every problem in every file.
        """
        self._folder = registrations
        self._catalogue = catalogue
        self._clock: Clock = clock or SystemClock()
        self._on_change = on_change
        self._own_stamp = _own_stamp(templates.own)
        self.current = load_registry(registrations, templates, catalogue)
        self.problems: tuple[Problem, ...] = ()

    @property
    def problem(self) -> str:
        """Why the files are not in force as they stand; empty when they are."""
        return "\n".join(str(problem) for problem in self.problems)

    def registrations(
        self,
        seller_id: str,
        type: NotificationType,  # noqa: A002  (the notification's word)
    ) -> tuple[Registration, ...]:
        """What the seller registered for this notification type, also with use N."""
        return self.current.registrations(seller_id, type)

    def reload(self) -> bool:
        """Read what has changed; True when a new state came into force. Bad files are kept in `problems`."""
        own_stamp = _own_stamp(self.current.templates.own)
        try:
            fresh = self._read(own_stamp)
        except BadInput as error:
            problems = tuple(error.problems)
            if problems != self.problems:
                first = [str(problem) for problem in problems[:_LOGGED_PROBLEMS]]
                _log.error(
                    "registrations are bad", kept="the last good state", count=len(problems), problems=first
                )
            self.problems = problems
            return False
        changed = fresh.templates is not self.current.templates or fresh.sheets != self.current.sheets
        mended, self.problems = bool(self.problems), ()
        self._own_stamp = own_stamp
        if not changed:
            if mended:
                _log.info("registrations are good again")
            return False
        self.current = fresh
        _log.info("registrations changed", sellers=len(fresh.sellers), templates=len(fresh.templates))
        if self._on_change is not None:
            self._on_change(fresh)
        return True

    async def watch(self) -> None:
        """Follow the files until cancelled."""
        polling = False
        await asyncio.to_thread(self.reload)  # what changed since the relay read them
        while True:
            try:
                await self._follow(polling=polling)
            except (OSError, RuntimeError) as error:  # no watches left, or the folder is gone for now
                _log.warning("registrations are not watched", reason=str(error), instead="polling")
                polling = True
                await self._clock.sleep(SWEEP.total_seconds())
                await asyncio.to_thread(self.reload)

    async def _follow(self, *, polling: bool) -> None:
        own = self.current.templates.own
        milliseconds = timedelta(milliseconds=1)
        async for _ in awatch(
            self._folder,
            *(() if own is None else (own,)),
            watch_filter=lambda _, path: concerns_us(path),
            debounce=SETTLE // milliseconds,
            rust_timeout=SWEEP // milliseconds,
            yield_on_timeout=True,
            force_polling=polling,
        ):
            await asyncio.to_thread(self.reload)

    def _read(self, own_stamp: object) -> Registry:
        templates = self.current.templates
        if own_stamp != self._own_stamp:
            templates = load_templates(templates.shipped, self._catalogue, own=templates.own)
        return load_registry(self._folder, templates, self._catalogue, last=self.current)


def concerns_us(path: str) -> bool:
    """Whether a change there can be a change of ours; a database in the same folder changes all the time.

    >>> concerns_us("/etc/denrei/example-shop.yaml"), concerns_us("/etc/denrei/denrei.db-wal")
    (True, False)
    """
    name = Path(path).name
    # Folders have no ending, and a volume of Kubernetes is switched by the symbolic link ..data.
    return name.startswith("..") or Path(name).suffix in {"", ".yaml", ".yml", ".mail"}


def _own_stamp(own: Path | None) -> object:
    """What changes when a file of the operator's own groups does."""
    if own is None:
        return None
    try:
        found = {path: path.stat() for path in own.glob("*/*")}
    except OSError:
        return None
    return {path: (status.st_ino, status.st_mtime_ns, status.st_size) for path, status in found.items()}
