"""The registry that follows its files while the relay runs.

Guarantees: `current` is always a whole, good state; a change is seen within about two seconds where the file
system tells of changes, else within `SWEEP`. When a file goes bad, or a registration that is in force is gone
from the files, the last good state stays in force and `problem` says why, until the files are good again. A
file that is still being written is not read. Reading happens on a thread of its own, so intake and delivery
go on; nothing but its cancelling ends the watch.

Diagnostics: the log events `registrations changed`, `registrations are bad`, `registrations are not watched`
and, with a traceback, `registrations could not be read`. Source: ours.
"""

import asyncio
from collections.abc import Callable, Mapping
from datetime import timedelta
from pathlib import Path

import structlog
from watchfiles import awatch

from grammar import Catalogue
from relay.clock import Clock, SystemClock
from relay.document import MAX_PROBLEMS
from relay.errors import BadInput, Problem
from relay.notification import NotificationType
from relay.registry.group import Templates, load_templates
from relay.registry.registration import Registration
from relay.registry.registry import Registry, Stamp, load_registry, stamps

SWEEP = timedelta(
    minutes=1
)  # network file systems tell of no change, and a folder can be replaced as a whole
SETTLE = timedelta(milliseconds=200)  # an editor writes a file in several steps
QUIET = timedelta(seconds=1)  # since the last write: who writes in place, over a network, pauses for less
PATIENCE = 60  # pauses of QUIET; then a file that something touches all the time is read as it is
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
            clock: for pauses, and for how long ago a file was written.
            on_change: called with each new state, on the thread that runs `watch` or `reload`.

        Raises:
            BadInput: with every problem in every file.
        """
        self._folder = registrations
        self._catalogue = catalogue
        self._clock: Clock = clock or SystemClock()
        self._on_change = on_change
        self._own_stamps = _own_stamps(templates.own)
        self.current = load_registry(registrations, templates, catalogue)
        self.problems: tuple[Problem, ...] = ()

    @property
    def problem(self) -> str:
        """Why the files are not in force as they stand; empty when they are."""
        return "\n".join(str(problem) for problem in self.problems)

    @property
    def count(self) -> int:
        """Registrations in force, with those that are switched off."""
        return sum(len(sheet.registrations) for sheet in self.current.sheets.values())

    def registrations(
        self,
        seller_id: str,
        type: NotificationType,  # noqa: A002  (the notification's word)
    ) -> tuple[Registration, ...]:
        """What the seller registered for this notification type, also with use N."""
        return self.current.registrations(seller_id, type)

    def reload(self) -> bool:
        """Read what has changed; True when a new state came into force. Bad files are kept in `problems`."""
        own_stamps = _own_stamps(self.current.templates.own)
        try:
            fresh = self._read(own_stamps)
            _refuse_lost(self.current, fresh)
        except BadInput as error:
            problems = tuple(error.problems)
            if problems != self.problems:
                first = [str(problem) for problem in problems[:_LOGGED_PROBLEMS]]
                _log.error(
                    "registrations are bad", kept="the last good state", count=len(problems), problems=first
                )
            self.problems = problems
            return False
        if self._is_being_written(fresh, own_stamps):
            return False  # the write wakes the watch again
        changed = fresh.templates is not self.current.templates or fresh.sheets != self.current.sheets
        mended, self.problems = bool(self.problems), ()
        self._own_stamps = own_stamps
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
        while True:
            try:
                await self._look()  # what changed since the relay read them, or while nobody watched
                await self._follow(polling=polling)
            except Exception as error:  # noqa: BLE001  (a watch that ended would go unseen)
                known = isinstance(error, OSError | RuntimeError)  # no watches left, or the folder is gone
                _log.warning(
                    "registrations are not watched", reason=str(error), instead="polling", exc_info=not known
                )
                polling = True
            await self._clock.sleep(SWEEP.total_seconds())

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
            await self._look()

    async def _look(self) -> None:
        """Reload once nobody is writing any more; a bug of ours is told, and costs one look."""
        try:
            for _ in range(PATIENCE):
                if not await asyncio.to_thread(self._was_just_written):
                    break
                await self._clock.sleep(QUIET.total_seconds())
            await asyncio.to_thread(self.reload)
        except Exception as error:  # noqa: BLE001  (told in full; the watch goes on)
            message = f"could not be read: {type(error).__name__}, a fault of Denrei's own; see its log"
            self.problems = (Problem(file=str(self._folder), message=message),)
            _log.exception("registrations could not be read", kept="the last good state")
            await self._clock.sleep(SWEEP.total_seconds())

    def _was_just_written(self) -> bool:
        now = self._clock.now().timestamp()
        own = _own_stamps(self.current.templates.own) or {}
        return any(
            abs(now - nanoseconds / 1e9) < QUIET.total_seconds()
            for _, nanoseconds, _ in (*stamps(self._folder, []).values(), *own.values())
        )

    def _is_being_written(self, fresh: Registry, own_stamps: object) -> bool:
        """Whether a file has changed since it was read, so that it may have been read in part."""
        read = {path: sheet.stamp for path, sheet in fresh.sheets.items()}
        return stamps(self._folder, []) != read or _own_stamps(fresh.templates.own) != own_stamps

    def _read(self, own_stamps: object) -> Registry:
        templates = self.current.templates
        if own_stamps != self._own_stamps:
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


def _refuse_lost(current: Registry, fresh: Registry) -> None:
    """Raise BadInput when a registration that is in force is gone: half a file must stop nobody's mail."""
    hint = "a registration is never deleted: put it back and set use: N"
    kept = {(each.seller_id, each.id) for each in fresh}
    files = {sheet.seller_id: path for path, sheet in fresh.sheets.items()}
    problems: list[Problem] = []
    for path, sheet in current.sheets.items():
        file = files.get(sheet.seller_id)
        if file is None:
            message = f"the registrations of {sheet.seller_id} are gone"
            problems.append(Problem(file=str(path), message=message, hint=hint))
            continue
        problems += [
            Problem(file=str(file), path="registrations", message=f"{each.id} is gone", hint=hint)
            for each in sheet.registrations
            if (each.seller_id, each.id) not in kept
        ]
    if problems:
        raise BadInput(tuple(problems[:MAX_PROBLEMS]))


def _own_stamps(own: Path | None) -> Mapping[Path, Stamp] | None:
    """What changes when a file of the operator's own groups does."""
    if own is None:
        return None
    try:
        found = {path: path.stat() for path in (*own.glob("*.mail"), *own.glob("*/*"))}
    except OSError:
        return None
    return {path: (status.st_ino, status.st_mtime_ns, status.st_size) for path, status in found.items()}
