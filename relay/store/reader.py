"""What can be asked of an open store; `Store` adds what can be done.

Guarantees: a question runs beside the writes and never waits for them, and its answer is one moment of the
store. Diagnostics: `MachineFailure` when the file cannot be read, or was closed; `BadInput` for an id that
names several. Source: ours.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from typing import TypeVar

from sqlalchemy import Connection, Engine

from relay.errors import MachineFailure
from relay.journal import Entry
from relay.store import concern, purge, reading, sqlite, tail
from relay.store.concern import Concern, Kind, Lateness, Silence, Unsuccessful
from relay.store.purge import PurgeCounts, PurgeRule
from relay.store.query import (
    DeliveryFilter,
    DeliveryRow,
    DeliveryStory,
    HoldMark,
    JournalFilter,
    LiveCounts,
    NotificationStory,
    QuarantineFilter,
    QuarantineRow,
    ShapeRow,
)
from relay.store.tail import Tail, Tailed
from relay.store.values import Hold, Quarantined

_Q = TypeVar("_Q")
_R = TypeVar("_R")


class Reader:
    """The questions, each on a connection of its own among `sqlite.READERS`."""

    def __init__(self, path: Path, readers: Engine) -> None:
        self._path = path
        self._readers = readers
        self._reading = ThreadPoolExecutor(sqlite.READERS, thread_name_prefix="store-reader")

    async def deliveries(self, wanted: DeliveryFilter) -> list[DeliveryRow]:
        """Deliveries, newest first."""
        return await self._read(reading.deliveries, wanted)

    async def delivery(self, prefix: str) -> DeliveryStory | None:
        """All of the delivery whose id begins so; BadInput when several do."""
        return await self._read(reading.delivery_story, prefix)

    async def standing_copy(self, delivery_id: str) -> DeliveryRow | None:
        """The copy for whose sake `retry` and `resend` refuse this ended delivery; None: there is none."""
        return await self._read(reading.standing_copy, delivery_id)

    async def notification(self, prefix: str) -> NotificationStory | None:
        """All of the notification whose id begins so; BadInput when several do."""
        return await self._read(reading.notification_story, prefix)

    async def journal(self, wanted: JournalFilter) -> list[Entry]:
        """The last journal entries, oldest first."""
        return await self._read(reading.journal_entries, wanted)

    async def quarantined(self, wanted: QuarantineFilter) -> list[QuarantineRow]:
        """Quarantined mails without their contents, newest first."""
        return await self._read(reading.quarantined, wanted)

    async def quarantined_mail(self, prefix: str) -> Quarantined | None:
        """The quarantined mail whose id begins so, with its content; BadInput when several do."""
        return await self._read(reading.quarantined_mail, prefix)

    async def shape(self, now: datetime) -> list[ShapeRow]:
        """Live deliveries by recipient domain, state and age."""
        return await self._read(reading.shape, now)

    async def live(self) -> LiveCounts:
        """What waits now: how many, since when, what is kept, which holds stand; cheap in a large store."""
        return await self._read(reading.live, None)

    async def holds(self) -> list[Hold]:
        """The standing holds, oldest first; the suppressed addresses are among them."""
        return await self._read(reading.holds, None)

    async def hold_mark(self) -> HoldMark:
        """A mark that differs whenever other holds stand: far cheaper than to read them all."""
        return await self._read(reading.hold_mark, None)

    async def next_due(self, *, now: datetime) -> datetime | None:
        """When `claim` will next find something, `now` if at once; None: nothing waits for a time."""
        wake_at = await self._read(reading.next_wake, None)
        return None if wake_at is None else max(now, wake_at)

    async def stopped(self) -> dict[str, int]:
        """How many deliveries each standing hold has stopped, by its id; none for one that stopped none."""
        return await self._read(reading.stopped, None)

    async def purgeable(self, rule: PurgeRule) -> PurgeCounts:
        """What `purge` would delete in the end, if nothing changed meanwhile."""
        return await self._read(purge.count, rule)

    async def journal_tail(self, wanted: JournalFilter) -> Tailed:
        """The last entries, oldest first, and the place from which `journal_after` goes on."""
        return await self._read(tail.last, wanted)

    async def journal_after(self, number: int, wanted: JournalFilter) -> Tailed:
        """The entries that were written after this number, oldest first, at most MAX_LISTING of them."""
        return await self._read(tail.tail, Tail(after=number, wanted=wanted))

    async def delayed(self, *, accepted_before: datetime, now: datetime, limit: int) -> list[Concern]:
        """Late deliveries of which nobody was told yet, those that wait for a person first."""
        wanted = Lateness(accepted_before=accepted_before, now=now, limit=limit)
        return await self._read(concern.delayed, wanted)

    async def failed(self, *, limit: int) -> list[Concern]:
        """Deliveries that ended without success and of which nobody was told yet; notices among them."""
        return await self._read(concern.failed, limit)

    async def unsuccessful(
        self, *, since: datetime, is_expected: Callable[[str, str], bool]
    ) -> list[Unsuccessful]:
        """Registrations whose mails were tried, and of which none got through since; each told of once.

        `is_expected` says of a seller's registration whether anybody expects its mail; another thread asks.
        """
        return await self._read(concern.unsuccessful, Silence(since=since, is_expected=is_expected))

    async def last_notice(self, kind: Kind) -> datetime | None:
        """When a notice of this kind was made last."""
        return await self._read(concern.last_notice, kind)

    async def _end_reading(self) -> None:
        await asyncio.to_thread(self._reading.shutdown)
        self._readers.dispose()

    async def _read(self, ask: Callable[[Connection, _Q], _R], question: _Q) -> _R:
        def answer() -> _R:
            with self._readers.begin() as connection:
                return ask(connection, question)

        try:
            future = asyncio.get_running_loop().run_in_executor(self._reading, answer)
        except RuntimeError as error:  # the executor was shut down
            raise MachineFailure(f"{self._path}: the store is closed") from error
        try:
            return await future
        except Exception as error:
            raise sqlite.failure(self._path, error) or error from error
