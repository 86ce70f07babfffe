"""How a command reaches the operator's verbs: open what the configuration describes, do one thing, close."""

import asyncio
import getpass
import sys
from collections.abc import Awaitable, Callable, Coroutine
from pathlib import Path
from typing import Any, TypeVar

from relay.app import Office
from relay.errors import BadInput, Problem
from relay.operations import Operations

if sys.platform != "win32":
    from uvloop import new_event_loop
else:
    from asyncio import new_event_loop

T = TypeVar("T")


def run_in_loop(work: Coroutine[Any, Any, T]) -> T:
    """Return what the coroutine returns, run in the quickest event loop that there is."""
    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        return runner.run(work)


def open_office(config: Path) -> Office:
    """Return what the configuration describes; raises BadInput, with a way out when there is no such file."""
    if not config.exists():
        hint = "denrei init writes one; --config names another"
        raise BadInput([Problem(file=str(config), message="is not there", hint=hint)])
    return Office.open(config)


def operate(config: Path, work: Callable[[Operations], Awaitable[T]]) -> T:
    """Return what `work` makes of the operations of this configuration; closes the store whatever happens."""

    async def within() -> T:
        office = open_office(config)
        try:
            return await work(office.operations)
        finally:
            await office.close()

    return asyncio.run(within())


def person() -> str:
    """Return who types, for the journal: the login name."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a container's user that no password file knows
        return "command line"
