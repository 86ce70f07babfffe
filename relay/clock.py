"""Time and randomness: the only module that reads either, so that tests can hold both still.

Identifiers are made here too, because they are made of both: 16 characters of Crockford's base 32 (no i, l,
o, u), the first 9 the milliseconds since 2020-01-01 and the last 7 random. They sort by time, can be read
over a telephone, and two workers that make one in the same millisecond clash once in 2**35. Source: ours.
"""

import asyncio
import os
import random  # noqa: TID251  (the one place)
import time
from datetime import UTC, datetime, timedelta, timezone
from typing import Protocol

JST = timezone(timedelta(hours=9), "JST")  # Japan has kept no summer time since 1951: no zone table is needed
_ID_EPOCH_MS = 1_577_836_800_000  # 2020-01-01T00:00:00Z
_ID_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_PAIRS = tuple(
    high + low for high in _ID_ALPHABET for low in _ID_ALPHABET
)  # two letters a step: half the work
ID_LENGTH = 16
SECRET_OCTETS = 32  # as long as SHA-256's result: longer keys add nothing to an HMAC of it


class Clock(Protocol):
    """What the rest of Denrei knows of time and chance."""

    def now(self) -> datetime:
        """The time of day, aware, in UTC."""

    def monotonic(self) -> float:
        """Seconds from an arbitrary start, never going back: for measuring, not for telling the time."""

    def random(self) -> float:
        """A number in [0, 1), for jitter; not for secrets."""

    def new_id(self) -> str:
        """A new identifier: `ID_LENGTH` characters, sorting by time."""

    def secret(self) -> bytes:
        """A key of `SECRET_OCTETS` octets that nobody can guess."""

    async def sleep(self, seconds: float) -> None:
        """Return after so many seconds."""


def id_at(milliseconds: int, chance: int) -> str:
    """The identifier for a Unix time in milliseconds and a random number below 2**35.

    >>> id_at(1_577_836_800_000, 0)
    '0000000000000000'
    """
    number = (milliseconds - _ID_EPOCH_MS) << 35 | chance
    return "".join([_PAIRS[number >> shift & 1023] for shift in range(70, -1, -10)])


class SystemClock:
    """The machine's own clock and random numbers."""

    def now(self) -> datetime:
        """The time of day, aware, in UTC."""
        return datetime.now(UTC)  # noqa: TID251  (the one place)

    def monotonic(self) -> float:
        """Seconds from an arbitrary start."""
        return time.monotonic()

    def random(self) -> float:
        """A number in [0, 1), for jitter."""
        return random.random()  # noqa: S311  (jitter, not a secret)

    def new_id(self) -> str:
        """A new identifier, sorting by time."""
        return id_at(time.time_ns() // 1_000_000, random.getrandbits(35))

    def secret(self) -> bytes:
        """A key from the operating system's own source."""
        return os.urandom(SECRET_OCTETS)

    async def sleep(self, seconds: float) -> None:
        """Return after so many seconds."""
        await asyncio.sleep(seconds)
