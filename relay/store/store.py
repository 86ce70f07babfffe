"""The store as the rest of Denrei sees it: one class, with a verb for each thing that happens.

Guarantees: what a coroutine here returned is on disk; a write is made whole or not at all, together with its
journal entries; reads run beside writes and never wait for them. Several processes may have one store open.

Diagnostics: `BadInput` when the path is wrong or the file is not ours; `MachineFailure` when the machine
cannot do it now, in which case nothing of that call was stored. Any other exception is a bug of ours.
"""

import asyncio
import os
import sqlite3
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TypeVar

from sqlalchemy import Connection, Engine

from relay.clock import Clock
from relay.errors import BadInput, MachineFailure, Problem
from relay.journal import Entry
from relay.store import reading, sqlite
from relay.store.acceptance import Acceptance, QuarantineEnd, Replay
from relay.store.lease import Claim, Extension, HandBack, Leases
from relay.store.lock import FileLock
from relay.store.migration import bring_up_to_date
from relay.store.prepared import Inserts
from relay.store.query import (
    Counts,
    DeliveryFilter,
    DeliveryRow,
    DeliveryStory,
    JournalFilter,
    NotificationStory,
    QuarantineFilter,
    QuarantineRow,
    ShapeRow,
)
from relay.store.values import Accepted, Due, Duplicate, Quarantined, QuarantineState, Settlement
from relay.store.verb import Change, Verb, Verbs
from relay.store.writer import Writer

_UPGRADE_PATIENCE = timedelta(seconds=60)  # for another process that is bringing the store up to date
_Q = TypeVar("_Q")
_R = TypeVar("_R")


class Store:
    """An open store. Made by `open`; used from one event loop at a time; ended by `close`."""

    def __init__(
        self,
        *,
        path: Path,
        engine: Engine,
        readers: Engine,
        lock: FileLock,
        clock: Clock,
        patience: timedelta,
    ) -> None:
        self._path = path
        self._engine = engine
        self._readers = readers
        self._lock = lock
        self._closed = False
        inserts = Inserts(engine.dialect)
        self._acceptance = Acceptance(inserts, engine.dialect, clock)
        self._leases = Leases(inserts, engine.dialect)
        self._verbs = Verbs(inserts)
        self._reading = ThreadPoolExecutor(sqlite.READERS, thread_name_prefix="store-reader")
        self._writer = Writer(
            connect=engine.connect,
            turn=lock.held,
            wait_at_most=sqlite.wait_at_most,
            patience=patience,
            failure=partial(sqlite.failure, path),
        )

    @classmethod
    def open(
        cls, path: Path, *, clock: Clock, create: bool = True, patience: timedelta = sqlite.PATIENCE
    ) -> "Store":
        """Open the store at `path`, making it or bringing it up to date first.

        Args:
            path: the database file; its folder must exist, and lock files are made beside it.
            clock: tells when a duplicate was recognised.
            create: whether a store may be made where there is none.
            patience: how long to wait for a turn among Denrei's processes, and for the database's lock.

        Raises:
            BadInput: the path or the file is not one that Denrei can use.
            MachineFailure: it could be, but not now.
        """
        lock = _prepared(path, create=create)
        engine = sqlite.engine(path, writing=True, patience=patience)
        try:
            with lock.held(_UPGRADE_PATIENCE), engine.begin() as connection:
                bring_up_to_date(connection, str(path))
        except Exception as error:
            lock.close()
            engine.dispose()
            raise _opening_failure(path, error) from error
        readers = sqlite.engine(path, writing=False, patience=patience)
        return cls(path=path, engine=engine, readers=readers, lock=lock, clock=clock, patience=patience)

    async def close(self) -> None:
        """Finish every write that waits, then close the file. Later calls raise MachineFailure."""
        if self._closed:
            return
        self._closed = True
        await self._writer.close()
        await asyncio.to_thread(self._reading.shutdown)
        self._readers.dispose()
        self._engine.dispose()
        self._lock.close()

    async def accept(self, accepted: Accepted) -> Accepted | Duplicate:
        """Store a notification and all that it causes, or find that it is stored already.

        A duplicate is one with the same seller and event id, or the same content key; it leaves a DUPLICATE
        entry on the first one and nothing else.
        """
        octets = sum(len(mail.content) for mail in accepted.mails) + len(accepted.document)
        octets += sum(len(item.content) for item in accepted.quarantined)
        return await self._writer.write(self._acceptance.accept, accepted, octets=octets, light=True)

    async def quarantine(self, item: Quarantined, entry: Entry) -> None:
        """Keep a mail that could not be understood."""
        await self._writer.write(self._acceptance.quarantine, (item, entry), octets=len(item.content))

    async def settle(self, settlement: Settlement) -> bool:
        """Write the result of one attempt; False and nothing written when the worker has no lease on it."""
        return await self._writer.write(self._leases.settle, settlement, light=True)

    async def claim(
        self,
        *,
        worker: str,
        until: datetime,
        now: datetime,
        limit: int,
        octets: int,
        except_domains: Collection[str] = (),
    ) -> list[Due]:
        """Lease what is due to a worker, longest due first.

        Due is: queued or held with its time come, and being sent with its lease ended (which leaves a
        RECOVERED entry; a hold whose time came leaves a RELEASED one).

        Args:
            worker: the name that settles it later.
            until: the lease's end.
            now: what due times and lease ends are compared with.
            limit: at most so many.
            octets: at most so many octets of mail together, but always one mail.
            except_domains: recipient domains (lower case) to leave for later: their next hop fails.
        """
        claim = Claim(
            worker=worker,
            until=until,
            now=now,
            limit=limit,
            octets=octets,
            except_domains=frozenset(except_domains),
        )
        return await self._writer.write(self._leases.claim, claim)

    async def recover(self, *, worker: str, now: datetime) -> int:
        """Queue again what is leased to a worker that has just started: leases from its former life."""
        return await self._writer.write(
            self._leases.hand_back, HandBack(worker=worker, now=now, delivery_ids=None)
        )

    async def hand_back(self, *, worker: str, now: datetime, delivery_ids: Sequence[str]) -> int:
        """Queue again, due now, what a worker leased and did not try; gives how many it still held."""
        return await self._writer.write(
            self._leases.hand_back, HandBack(worker=worker, now=now, delivery_ids=tuple(delivery_ids))
        )

    async def extend(self, *, worker: str, until: datetime, delivery_ids: Sequence[str]) -> int:
        """Move the end of a worker's leases; gives how many it still held."""
        extension = Extension(worker=worker, until=until, delivery_ids=tuple(delivery_ids))
        return await self._writer.write(self._leases.extend, extension)

    async def next_due(self, *, now: datetime) -> datetime | None:
        """When `claim` will next find something, `now` if at once; None: nothing waits for a time."""
        wake_at = await self._read(reading.next_wake, None)
        return None if wake_at is None else max(now, wake_at)

    async def release(self, delivery_id: str, *, now: datetime, by: str) -> bool:
        """End a hold: due now. False when it is not held."""
        return await self._change(Verb.RELEASE, delivery_id, now, by)

    async def retry(self, delivery_id: str, *, now: datetime, by: str) -> bool:
        """Make a queued or a bounced delivery due now. False when it is neither."""
        return await self._change(Verb.RETRY, delivery_id, now, by)

    async def discard(self, delivery_id: str, *, now: datetime, by: str) -> bool:
        """Give up a held or queued delivery. False when it is neither."""
        return await self._change(Verb.DISCARD, delivery_id, now, by)

    async def replay(
        self, quarantine_id: str, accepted: Accepted, *, now: datetime, by: str
    ) -> Accepted | Duplicate | None:
        """Take a quarantined mail in again and mark it so, in one transaction; None when it is not kept.

        It stays kept when only its event id is known (`Duplicate` with other content): it was not taken in.

        When `accepted.id` is the notification that the quarantined item names (only one registration's mail
        could not be made), its mails, deliveries and entries are added to that notification. Else it is
        accepted anew.
        """
        replay = Replay(quarantine_id=quarantine_id, accepted=accepted, now=now, by=by)
        return await self._writer.write(self._acceptance.replay, replay)

    async def settle_quarantine(
        self,
        quarantine_id: str,
        state: QuarantineState,
        *,
        now: datetime,
        by: str,
        notification_id: str = "",
        detail: str = "",
    ) -> bool:
        """Mark a kept mail as replayed or discarded; False when it is no longer kept."""
        end = QuarantineEnd(
            quarantine_id=quarantine_id,
            state=state,
            now=now,
            by=by,
            notification_id=notification_id,
            detail=detail,
        )
        return await self._writer.write(self._acceptance.end_quarantine, end)

    async def deliveries(self, wanted: DeliveryFilter) -> list[DeliveryRow]:
        """Deliveries, newest first."""
        return await self._read(reading.deliveries, wanted)

    async def delivery(self, prefix: str) -> DeliveryStory | None:
        """All of the delivery whose id begins so; BadInput when several do."""
        return await self._read(reading.delivery_story, prefix)

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

    async def counts(self) -> Counts:
        """How many of each there are."""
        return await self._read(reading.counts, None)

    async def _change(self, verb: Verb, delivery_id: str, now: datetime, by: str) -> bool:
        change = Change(verb=verb, delivery_id=delivery_id, now=now, by=by)
        return await self._writer.write(self._verbs.apply, change)

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


def _prepared(path: Path, *, create: bool) -> FileLock:
    """Make the file if it may be made, and its lock beside it."""
    hint = "mend store.path in the configuration, or make the file and its folder writable for this user"
    try:
        if path.exists() and not path.is_file():
            raise BadInput([Problem(file=str(path), message="the store is not a file", hint=hint)])
        if not create and not path.exists():
            hint = "name another configuration with --config, or start the relay once: it makes the store"
            raise BadInput([Problem(file=str(path), message="there is no store", hint=hint)])
        lock = FileLock(path.with_name(path.name + ".lock"))
        try:
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        except OSError:
            lock.close()
            raise
    except OSError as error:
        reason = f"the store cannot be opened: {error.strerror}"
        raise BadInput([Problem(file=str(path), message=reason, hint=hint)]) from error
    return lock


def _opening_failure(path: Path, error: Exception) -> Exception:
    if sqlite.primary_code(error) == sqlite3.SQLITE_NOTADB:
        hint = "name another file as store.path; this one is left as it is"
        return BadInput([Problem(file=str(path), message="the file is not a database", hint=hint)])
    return sqlite.failure(path, error) or error
