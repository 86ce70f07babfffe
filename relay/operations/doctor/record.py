"""What is found in the store: whole, in time, nothing stuck; and what waits in it for a person. Pure.

Source: ours.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

from relay.operations.doctor.check import Check, attention, failed, ok
from relay.store.integrity import LATE, Damaged, Examination
from relay.store.values import Scope

SKEW = timedelta(minutes=1)  # clocks of one machine that differ by more were set


def store_checks(
    found: Examination | Damaged, path: Path, *, mode: int, now: datetime, occupied: frozenset[str]
) -> Iterator[Check]:
    """Yield the checks of a store that was examined.

    Args:
        found: what was found in it.
        path: its file.
        mode: the file's permission bits.
        now: the time.
        occupied: the seats that a living worker holds.
    """
    yield _file(found.octets, path, mode)
    if isinstance(found, Damaged):
        advice = "stop the relay, keep the file, restore a copy: docs/operating.md, A damaged store"
        yield failed("integrity", "; ".join(found.damage), advice)
        return
    yield _pages(found)
    yield _journal(found, now)
    yield _leases(found, now, occupied)
    yield from _waiting(found, now)


def _file(octets: int, path: Path, mode: int) -> Check:
    size = f"{path}: {octets / 1024**2:.0f} MiB"
    if mode & 0o077:
        text = f"{size}, open to other users of this machine (mode {mode & 0o777:o})"
        return attention("store", text, f"chmod 600 {path}: it holds buyers' names and addresses")
    return ok("store", size)


def _pages(found: Examination) -> Check:
    if found.adrift:
        advice = "denrei queue list --state held shows them; discard them and resend, and tell us"
        return failed("integrity", f"{found.adrift} deliveries wait for holds that are gone", advice)
    if not found.is_whole:
        text = "no damage found as far as the check came in its time"
        return attention("integrity", text, "denrei doctor --thorough reads to the end")
    return ok("integrity", "no damage found")


def _journal(found: Examination, now: datetime) -> Check:
    if found.newest_at is None:
        return ok("journal", "has no entry yet")
    ahead = found.newest_at - now
    if ahead > SKEW:
        text = (
            f"its last entry is {_span(ahead)} in the future: this machine's clock was set back, or is slow"
        )
        return failed("journal", text, "set the clock by a time server; the relay goes on by itself")
    return ok("journal", f"last entry {_span(now - found.newest_at)} ago")


def _leases(found: Examination, now: datetime, occupied: frozenset[str]) -> Check:
    seats = ", ".join(sorted(occupied)) or "no relay runs on this store"
    late = [one for one in found.leases if one.first_until is None or one.first_until < now - LATE]
    left = [one for one in found.leases if one.worker not in occupied]
    if late and occupied:
        names = ", ".join(f"{one.deliveries} of {one.worker}" for one in late)
        text = f"leases that ended are not taken over: {names} (running: {seats})"
        return failed("leases", text, "the relay is stuck or cannot write: look at its log, restart it")
    if left:
        names = ", ".join(f"{one.deliveries} of {one.worker}" for one in left)
        advice = "they are taken over when a relay starts" if not occupied else "they are taken over in time"
        return attention("leases", f"left by workers that died: {names} (running: {seats})", advice)
    return ok("leases", f"running: {seats}" if occupied else seats)


def _waiting(found: Examination, now: datetime) -> Iterator[Check]:
    held = {scope: number for scope, number in found.holds.items() if number and scope is not Scope.ADDRESS}
    if held:
        names = ", ".join(f"{number} on a {scope.replace('_', ' ')}" for scope, number in held.items())
        yield attention("holds", f"standing: {names}", "denrei hold list")
    else:
        yield ok("holds", "none stands")
    if gone := found.holds.get(Scope.ADDRESS, 0):
        yield attention("suppression", f"addresses that get no mail: {gone}", "denrei suppression list")
    else:
        yield ok("suppression", "every address gets its mail")
    if found.kept:
        yield attention("quarantine", f"mails kept for a person: {found.kept}", "denrei quarantine list")
    else:
        yield ok("quarantine", "nothing is kept")
    if found.waiting:
        since = "" if found.waiting_since is None else f", the first for {_span(now - found.waiting_since)}"
        advice = "denrei queue list --state held; denrei queue show ID says why; then release or discard"
        yield attention("held", f"deliveries that wait for a person: {found.waiting}{since}", advice)
    else:
        yield ok("held", "no delivery waits for a person, but by standing holds")
    if found.silent:
        text = f"nothing got through in the last day: {', '.join(found.silent)}"
        yield attention("deliveries", text, "denrei queue shape; denrei queue list --seller")
    else:
        yield ok("deliveries", "of each registration that was tried in the last day something got through")
    if found.untold:
        advice = (
            "they are told of within notices.gather while a relay runs; denrei queue list --state bounced"
        )
        yield attention("notices", f"bounces that nobody was told of: {found.untold}", advice)
    else:
        yield ok("notices", "nobody waits for a word of a bounce")


def _span(duration: timedelta) -> str:
    """A duration in its largest whole unit.

    >>> _span(timedelta(minutes=90)), _span(timedelta(seconds=30))
    ('1h', '30s')
    """
    seconds = max(0, duration // timedelta(seconds=1))
    for unit, size in (("d", 86_400), ("h", 3_600), ("m", 60)):
        if seconds >= size:
            return f"{seconds // size}{unit}"
    return f"{seconds}s"
