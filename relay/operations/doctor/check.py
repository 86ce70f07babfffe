"""What one look at the relay's health says, and a bound in time around each.

Guarantees: a look that is given a bound ends within it; what the world or a file does wrong is a verdict, and
only a bug of ours is raised. Source: ours.
"""

import asyncio
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from relay.errors import BadInput, DenreiError

Found = Sequence["Check"]


class Verdict(StrEnum):
    """How a thing stands. The names are public (docs/cli.md)."""

    OK = "ok"
    ATTENTION = "attention"  # works; a person should look
    FAILED = "failed"  # mail is or will be late or refused


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One thing that was looked at."""

    name: str
    verdict: Verdict
    text: str  # what was found, one row
    advice: str = ""  # what to do about it; empty: nothing


def ok(name: str, text: str) -> Check:
    """All is well."""
    return Check(name=name, verdict=Verdict.OK, text=text)


def attention(name: str, text: str, advice: str) -> Check:
    """A person should look."""
    return Check(name=name, verdict=Verdict.ATTENTION, text=text, advice=advice)


def failed(name: str, text: str, advice: str) -> Check:
    """Mail is or will be late or refused."""
    return Check(name=name, verdict=Verdict.FAILED, text=text, advice=advice)


async def bounded(name: str, seconds: float, look: Awaitable[Found]) -> Found:
    """Return what the look finds, or a verdict on why it found nothing."""
    try:
        async with asyncio.timeout(seconds):
            return await look
    except TimeoutError:
        advice = "try again; if it stays so, look at the machine's load and network"
        return [attention(name, f"could not be looked at within {seconds:g} s", advice)]
    except DenreiError as error:
        return [refused(name, error)]


def refused(name: str, error: DenreiError) -> Check:
    """Return the verdict on what Denrei itself would refuse: the first problem, and how many more."""
    if not isinstance(error, BadInput):
        return failed(name, str(error), "docs/operating.md")
    first, *rest = error.problems
    more = f"; and {len(rest)} more" if rest else ""
    place = ": ".join(str(part) for part in (first.file, first.path) if part)
    text = f"{place}: {first.message}" if place else first.message
    return failed(name, text + more, first.hint or "denrei check")
