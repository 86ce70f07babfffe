"""What is found on the machine: room on the disk, and a clock that its own files believe. Nothing is written.

Source: statvfs(3); the bounds are ours.
"""

import os
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from relay.operations.doctor.check import Check, attention, failed, ok
from relay.operations.doctor.record import SKEW

_MIB = 1024**2
SCARCE_OCTETS = 1024 * _MIB  # a day's mail of a busy relay
SCARCE_SHARE = 0.05
NO_OCTETS = 100 * _MIB  # less than the log of one busy minute and its checkpoint want
SCARCE_INODES = 1_000


def disk_check(folder: Path) -> Check:
    """Return how much room the store's file system has."""
    try:
        found = os.statvfs(folder)
    except OSError as error:
        return failed("disk", f"{folder}: {error.strerror}", "mend store.path in the configuration")
    free, total = found.f_bavail * found.f_frsize, found.f_blocks * found.f_frsize
    inodes = found.f_favail if found.f_files else None
    return disk_verdict(folder, free=free, total=total, inodes=inodes)


def disk_verdict(folder: Path, *, free: int, total: int, inodes: int | None) -> Check:
    """Judge the room on a disk, in octets; `inodes` None: this file system has no fixed number of files."""
    text = f"{folder}: {free // _MIB} MiB free of {total // _MIB} MiB"
    advice = "make room: docs/operating.md, The disk is full"
    if free < NO_OCTETS:
        return failed("disk", text, advice)
    if inodes is not None and inodes < SCARCE_INODES:
        return attention("disk", f"{text}, but only {inodes} files more", advice)
    if free < SCARCE_OCTETS or free < total * SCARCE_SHARE:
        return attention("disk", text, advice)
    return ok("disk", text)


def clock_check(now: datetime, files: Iterable[Path]) -> Check:
    """Return whether a file was changed in the future, as the clock has it; no time server is asked."""
    newest, last = timedelta(), None
    for path in files:
        try:
            ahead = datetime.fromtimestamp(path.stat().st_mtime, UTC) - now
        except OSError:
            continue
        if ahead > newest:
            newest, last = ahead, path
    compared = "compared with the times of the store's and the configuration's files, not with a time server"
    if newest > SKEW:
        text = f"{last} was changed {newest // SKEW} minutes from now: the clock was set back; {compared}"
        return attention("clock", text, "set the clock by a time server")
    return ok("clock", f"{now:%Y-%m-%d %H:%M:%S} UTC; {compared}")
