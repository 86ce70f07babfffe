"""Looking a store over without touching it: is the file whole, does its clock make sense, is anything stuck.

`examine` opens the file for reading only: no store is made, none is brought up to date, no seat or lock is
taken, so it may run beside a relay, of this version or another, and on a store that no relay can open.
Guarantees: nothing is changed; the check of the pages, the one part that grows with the file, ends when the
caller says so.

Diagnostics: damage is a value; `BadInput` when there is no store or the file is not ours; `MachineFailure`
when it cannot be read now. Source: SQLite's manual, "PRAGMA quick_check", "PRAGMA integrity_check".
"""

import sqlite3
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, case, func, select
from sqlalchemy.exc import DBAPIError

from relay.clock import id_at
from relay.errors import BadInput, Problem
from relay.store import sqlite
from relay.store.migration import REVISIONS, revision
from relay.store.purge import untold
from relay.store.schema import delivery, hold, journal, mail, quarantine
from relay.store.values import DeliveryState, QuarantineState, Scope

MAX_FINDINGS = 10  # of damage: one is enough to act, a broken file has thousands
SILENCE = timedelta(days=1)  # of which a registration's mails are looked at
LATE = timedelta(minutes=1)  # a lease that ended so long ago was missed by every living worker
_STEPS = 50_000  # of SQLite's machine between two looks at whether time is up: some milliseconds
_INTERRUPTED = 9  # SQLITE_INTERRUPT


@dataclass(frozen=True, slots=True, kw_only=True)
class Leased:
    """What one worker holds."""

    worker: str
    deliveries: int
    first_until: datetime | None  # the end of the lease that ends first


@dataclass(frozen=True, slots=True, kw_only=True)
class Damaged:
    """A store whose pages cannot be right; nothing else was asked of it."""

    octets: int
    damage: Sequence[str]  # as the engine says it, at most MAX_FINDINGS


@dataclass(frozen=True, slots=True, kw_only=True)
class Examination:
    """What was found in a store in which no page is wrong."""

    octets: int
    is_whole: bool  # whether the check of the pages came to its end
    newest_at: datetime | None  # the time of the journal's last entry
    leases: Sequence[Leased]
    adrift: int  # deliveries under a standing hold that is gone: nothing will ever release them
    holds: Mapping[Scope, int]
    kept: int  # in quarantine
    waiting: int  # held until a person releases them, by no standing hold
    waiting_since: datetime | None  # when the first of these was accepted
    untold: int  # bounces that nobody was told of
    silent: Sequence[str]  # seller/registration whose mails of the last day were tried, and none got through


def examine(
    path: Path, *, now: datetime, thorough: bool, is_over: Callable[[], bool]
) -> Examination | Damaged | None:
    """Look a store over; None when an older Denrei wrote it, which the relay mends at its next start.

    Args:
        path: the store's file.
        now: the time, from which the last day is counted.
        thorough: also compare every index with its table, which reads the whole file.
        is_over: asked every few milliseconds; True gives up the check of the pages.

    Raises:
        BadInput: there is no store, or the file is not one of ours.
        MachineFailure: it cannot be read now.
    """
    if not path.is_file():
        hint = "the relay makes it at its first start"
        raise BadInput([Problem(file=str(path), message="there is no store", hint=hint)])
    engine = sqlite.engine(path, writing=False)
    try:
        with engine.begin() as connection:
            found = revision(connection, str(path))
            if found not in REVISIONS:
                message = "is empty" if found is None else f"was written by a newer Denrei (revision {found})"
                raise BadInput([Problem(file=str(path), message=message)])
            if found != REVISIONS[-1]:
                return None
            return _examined(connection, path, now=now, thorough=thorough, is_over=is_over)
    except (DBAPIError, OSError) as error:
        if sqlite.primary_code(error) == sqlite3.SQLITE_NOTADB:
            raise BadInput([Problem(file=str(path), message="the file is not a database")]) from None
        raise sqlite.failure(path, error) or error from error
    finally:
        engine.dispose()


def _examined(
    connection: Connection, path: Path, *, now: datetime, thorough: bool, is_over: Callable[[], bool]
) -> Examination | Damaged:
    damage, is_whole = _damage(connection, thorough=thorough, is_over=is_over)
    if damage:  # what the rows of a damaged file say is worth nothing, and asking may fail
        return Damaged(octets=path.stat().st_size, damage=damage)
    by_scope = select(hold.c.scope, func.count().label("total")).group_by(hold.c.scope)
    holds = {row.scope: row.total for row in connection.execute(by_scope)}
    waiting = (delivery.c.state == DeliveryState.HELD) & delivery.c.due_at.is_(None)
    stopped = delivery.c.hold_id != ""
    return Examination(
        octets=path.stat().st_size,
        is_whole=is_whole,
        newest_at=connection.execute(
            select(journal.c.at).order_by(journal.c.number.desc()).limit(1)
        ).scalar_one_or_none(),
        leases=_leases(connection),
        adrift=_number(connection, stopped & delivery.c.hold_id.not_in(select(hold.c.id))),
        holds={scope: holds.get(scope.value, 0) for scope in Scope},
        kept=connection.execute(
            select(func.count()).select_from(quarantine).where(quarantine.c.state == QuarantineState.KEPT)
        ).scalar_one(),
        waiting=_number(connection, waiting & ~stopped),
        waiting_since=connection.execute(
            select(func.min(delivery.c.accepted_at)).where(waiting & ~stopped)
        ).scalar_one(),
        untold=connection.execute(
            select(func.count())
            .select_from(delivery.join(mail, delivery.c.mail_id == mail.c.id))
            .where(untold())
        ).scalar_one(),
        silent=_silent(connection, now),
    )


def _leases(connection: Connection) -> list[Leased]:
    """What each worker holds, by the workers' names."""
    counted = (
        select(
            delivery.c.leased_by,
            func.count().label("deliveries"),
            func.min(delivery.c.leased_until).label("first_until"),
        )
        .where(delivery.c.state == DeliveryState.SENDING)
        .group_by(delivery.c.leased_by)
        .order_by(delivery.c.leased_by)
    )
    return [
        Leased(worker=row.leased_by, deliveries=row.deliveries, first_until=row.first_until)
        for row in connection.execute(counted)
    ]


def _damage(connection: Connection, *, thorough: bool, is_over: Callable[[], bool]) -> tuple[list[str], bool]:
    """What the engine finds wrong with its pages, and whether it came to the end of them."""
    check = "integrity_check" if thorough else "quick_check"
    driver: Any = connection.connection.driver_connection
    driver.set_progress_handler(is_over, _STEPS)
    try:
        rows = connection.exec_driver_sql(f"PRAGMA {check}({MAX_FINDINGS})").scalars().all()
        found = [str(row) for row in rows if row != "ok"]
        if thorough and not found:
            foreign = connection.exec_driver_sql("PRAGMA foreign_key_check").fetchmany(MAX_FINDINGS)
            found = [f"a row of {row[0]} belongs to a {row[2]} that is not there" for row in foreign]
    except DBAPIError as error:
        code = sqlite.primary_code(error)
        if code == _INTERRUPTED:
            return [], False
        if code == sqlite3.SQLITE_CORRUPT:
            return [str(error.orig)], True
        raise
    finally:
        driver.set_progress_handler(None, 0)
    return found, True


def _silent(connection: Connection, now: datetime) -> list[str]:
    """By the deliveries' ids, which sort by time: however much is stored, the last day is looked at."""
    first = id_at(int((now - SILENCE).timestamp() * 1000), 0)
    is_delivered = func.sum(case((delivery.c.state == DeliveryState.DELIVERED, 1), else_=0))
    found = (
        select(delivery.c.seller_id, mail.c.registration)
        .join_from(delivery, mail, delivery.c.mail_id == mail.c.id)
        .where(delivery.c.id >= first, mail.c.notice == "", delivery.c.attempts > 0)
        .group_by(delivery.c.seller_id, mail.c.registration)
        .having(is_delivered == 0)
        .order_by(delivery.c.seller_id, mail.c.registration)
        .limit(MAX_FINDINGS)
    )
    return [f"{row.seller_id}/{row.registration}" for row in connection.execute(found)]


def _number(connection: Connection, condition: Any) -> int:
    return connection.execute(select(func.count()).select_from(delivery).where(condition)).scalar_one()
