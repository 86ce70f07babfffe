"""The store as the rest of Denrei sees it: one class, with a verb for each thing that happens.

Guarantees: what a coroutine here returned is on disk; a write is made whole or not at all, together with its
journal entries; reads run beside writes and never wait for them. Several processes may have one store open.

Diagnostics: `BadInput` when the path is wrong or the file is not ours; `MachineFailure` when the machine
cannot do it now, in which case nothing of that call was stored. Any other exception is a bug of ours.
"""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

from sqlalchemy import Engine

from relay.clock import Clock
from relay.journal import Entry
from relay.metrics import Metrics
from relay.store import sqlite
from relay.store.acceptance import Acceptance, QuarantineEnd, Replay
from relay.store.claim import Claim, Claims
from relay.store.hold import Holds, Lift
from relay.store.late_bounce import LateBounces
from relay.store.lease import Extension, HandBack, Leases
from relay.store.lock import FileLock
from relay.store.notice import Notices, NoticeWrite
from relay.store.opening import connected, opened
from relay.store.prepared import Inserts
from relay.store.probe import Probe
from relay.store.purge import Purge, Purged, PurgePlace, Purger, PurgeRule
from relay.store.reader import Reader
from relay.store.secret import Secrets
from relay.store.standing import Way
from relay.store.values import (
    Accepted,
    Delivery,
    Due,
    Duplicate,
    Hold,
    LateBounce,
    Mail,
    Placed,
    Quarantined,
    QuarantineState,
    ReportEffect,
    Settlement,
)
from relay.store.verb import Change, Resend, Verb, Verbs
from relay.store.writer import Writer


class Store(Reader):
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
        way: Way,
        metrics: Metrics,
    ) -> None:
        super().__init__(path, readers)
        self._engine = engine
        self._lock = lock
        self._closed = False
        inserts = Inserts(engine.dialect)
        self._holds = Holds(inserts, engine.dialect, clock, way)
        self._acceptance = Acceptance(inserts, engine.dialect, clock, self._holds)
        self._claims = Claims(inserts, self._holds)
        self._leases = Leases(inserts, engine.dialect, self._holds)
        self._verbs = Verbs(inserts, self._holds)
        self._late_bounces = LateBounces(inserts, self._holds)
        self._secrets = Secrets(inserts, clock)
        self._purger = Purger(inserts)
        self._notices = Notices(inserts, clock)
        self._probe = Probe(inserts, clock)
        self._writer = Writer(
            connect=partial(connected, engine),
            turn=lock.held,
            wait_at_most=sqlite.wait_at_most,
            patience=patience,
            failure=partial(sqlite.failure, path),
            metrics=metrics,
            clock=clock,
        )

    @classmethod
    def open(
        cls,
        path: Path,
        *,
        clock: Clock,
        create: bool = True,
        patience: timedelta = sqlite.PATIENCE,
        way: Way = str,
        metrics: Metrics | None = None,
    ) -> "Store":
        """Open the store at `path`, making it or bringing it up to date first.

        Args:
            path: the database file; its folder must exist, and lock files are made beside it.
            clock: tells when a duplicate was recognised, and makes keys and the ids of the relay's own holds.
            create: whether a store may be made where there is none.
            patience: how long to wait for a turn among Denrei's processes, and for the database's lock.
            way: names a recipient domain's next hop, for holds on next hops; the domain itself unless given.
            metrics: told of each commit and each failure.

        Raises:
            BadInput: the path or the file is not one that Denrei can use.
            MachineFailure: it could be, but not now.
        """
        lock, engine = opened(path, create=create, patience=patience)
        readers = sqlite.engine(path, writing=False, patience=patience)
        return cls(
            path=path,
            engine=engine,
            readers=readers,
            lock=lock,
            clock=clock,
            patience=patience,
            way=way,
            metrics=metrics or Metrics(),
        )

    async def close(self) -> None:
        """Finish every write that waits, then close the file. Later calls raise MachineFailure."""
        if self._closed:
            return
        self._closed = True
        await self._writer.close()
        await self._end_reading()
        self._engine.dispose()
        self._lock.close()

    async def accept(self, accepted: Accepted) -> Accepted | Duplicate:
        """Store a notification and all that it causes, or find that it is stored already.

        A duplicate is one with the same seller and event id, or the same content key; it leaves a DUPLICATE
        entry on the first one and nothing else. Else the answer is what is stored: deliveries that meet a
        standing hold are HELD by it, whatever they were to be.
        """
        octets = sum(len(mail.content) for mail in accepted.mails) + len(accepted.document)
        octets += sum(len(item.content) for item in accepted.quarantined)
        return await self._writer.write(self._acceptance.accept, accepted, octets=octets, light=True)

    async def quarantine(self, item: Quarantined, entry: Entry) -> None:
        """Keep a mail that could not be understood."""
        await self._writer.write(self._acceptance.quarantine, (item, entry), octets=len(item.content))

    async def settle(self, settlement: Settlement) -> bool:
        """Write the result of one attempt; False and nothing written when the worker has no lease on it.

        With `suppress`, the recipient's address is held from now on (SUPPRESSED), in the same transaction.
        """
        return await self._writer.write(self._leases.settle, settlement, light=not settlement.suppress)

    async def claim(
        self,
        *,
        worker: str,
        until: datetime,
        now: datetime,
        limit: int,
        octets: int,
        except_domains: Collection[str] = (),
        latest: datetime | None = None,
    ) -> list[Due]:
        """Lease what is due to a worker, longest due first.

        Due is: queued or held with its time come, and being sent with its lease ended (which leaves a
        RECOVERED entry; a hold whose time came leaves a RELEASED one). What meets a standing hold is held by
        it instead. A held one whose time came, but after its `fresh_until`, waits for a person (STALE).

        Args:
            worker: the name that settles it later.
            until: the lease's end.
            now: what due times and lease ends are compared with.
            limit: at most so many.
            octets: at most so many octets of mail together, but always one mail.
            except_domains: recipient domains (lower case) to leave for later: their next hop fails.
            latest: what is queued for a later moment than this was dated by a clock that has been set back
                since, and is due now; None: no such look.
        """
        claim = Claim(
            worker=worker,
            until=until,
            now=now,
            latest=latest,
            limit=limit,
            octets=octets,
            except_domains=frozenset(except_domains),
        )
        return await self._writer.write(self._claims.claim, claim)

    async def recover(self, *, worker: str, now: datetime) -> int:
        """Queue again what is leased to a worker that has just started: leases from its former life."""
        return await self._writer.write(
            self._leases.hand_back, HandBack(worker=worker, now=now, due_at=now, delivery_ids=None)
        )

    async def hand_back(
        self, *, worker: str, now: datetime, delivery_ids: Sequence[str], due_at: datetime | None = None
    ) -> int:
        """Queue again what a worker leased and did not try; gives how many it still held.

        What meets a standing hold is held by it instead. `due_at` is when to send it; None: now.
        """
        wish = HandBack(
            worker=worker, now=now, due_at=now if due_at is None else due_at, delivery_ids=tuple(delivery_ids)
        )
        return await self._writer.write(self._leases.hand_back, wish)

    async def extend(self, *, worker: str, until: datetime, delivery_ids: Sequence[str]) -> int:
        """Move the end of a worker's leases; gives how many it still held."""
        extension = Extension(worker=worker, until=until, delivery_ids=tuple(delivery_ids))
        return await self._writer.write(self._leases.extend, extension)

    async def release(self, delivery_id: str, *, now: datetime, by: str) -> bool:
        """Let a held one go: due now, however late. False when it is not held, or held by a standing hold.

        When a standing hold is on it, that holds it at once; so it is with `retry`.
        """
        return await self._change(Verb.RELEASE, delivery_id, now, by)

    async def retry(self, delivery_id: str, *, now: datetime, by: str) -> bool:
        """Make a queued or a bounced delivery due now.

        False when it is neither, and when a copy of it is on its way or has arrived (`standing_copy`).
        """
        return await self._change(Verb.RETRY, delivery_id, now, by)

    async def discard(self, delivery_id: str, *, now: datetime, by: str) -> bool:
        """Give up a held or queued delivery. False when it is neither."""
        return await self._change(Verb.DISCARD, delivery_id, now, by)

    async def hold(self, delivery_id: str, *, now: datetime, by: str) -> bool:
        """Hold a queued delivery until a person releases it. False when it is not queued."""
        return await self._change(Verb.HOLD, delivery_id, now, by)

    async def resend(
        self, delivery_id: str, *, mail: Mail, new_delivery: Delivery, now: datetime, by: str
    ) -> bool:
        """Repeat a delivered, bounced or discarded delivery as a new one.

        False when it is none of these, and when a copy of it is on its way or has arrived (`standing_copy`).
        The mail is stored with the original's notification, the delivery as one of that mail, `resent_of` the
        original. It is held when it meets a standing hold.
        """
        wish = Resend(delivery_id=delivery_id, mail=mail, new_delivery=new_delivery, now=now, by=by)
        return await self._writer.write(self._verbs.resend, wish)

    async def late_bounce(self, report: LateBounce) -> ReportEffect:
        """Write down what a report says of a delivery, and end that if it is final; says what it changed.

        The same report again changes nothing, nor does a final one while the delivery is being sent.
        """
        return await self._writer.write(self._late_bounces.take, report)

    async def place_hold(self, hold: Hold) -> Placed:
        """Stop what is queued on this, and what comes later; where the same is held already, nothing."""
        return await self._writer.write(self._holds.place, hold)

    async def lift_hold(self, hold_id: str, *, now: datetime, by: str) -> int | None:
        """End a standing hold; what it stopped is due now. Gives how many; None: there is no such hold."""
        return await self._writer.write(self._holds.lift, Lift(hold_id=hold_id, now=now, by=by))

    async def secret(self, name: str) -> bytes:
        """This store's key of that name: 32 octets, made when it is first asked for."""
        return await self._writer.write(self._secrets.find, name)

    async def probe(self) -> None:
        """Make a small write, to see whether the machine can; raises MachineFailure when it cannot."""
        await self._writer.write(self._probe.write, None)

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

    async def purge(
        self, rule: PurgeRule, *, place: PurgePlace, limit: int, now: datetime, by: str
    ) -> Purged:
        """Delete the next of what ended long ago, whole notifications each; says where to go on.

        Args:
            rule: what may go.
            place: where the last purge ended; `PurgePlace()` begins.
            limit: look at so many at most, in this one transaction.
            now: for the journal.
            by: who asked for it.
        """
        wish = Purge(rule=rule, place=place, limit=limit, now=now, by=by)
        return await self._writer.write(self._purger.purge, wish)

    async def notify(self, write: NoticeWrite) -> bool:
        """Make a notice: mark what it tells of, keep its mails; False when another worker was there first."""
        return await self._writer.write(self._notices.notify, write)

    async def _change(self, verb: Verb, delivery_id: str, now: datetime, by: str) -> bool:
        change = Change(verb=verb, delivery_id=delivery_id, now=now, by=by)
        return await self._writer.write(self._verbs.apply, change)
