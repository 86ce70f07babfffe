"""How a command reaches the operator's verbs: open what the configuration describes, do one thing, close."""

import asyncio
import getpass
from collections.abc import Awaitable, Callable, Coroutine
from pathlib import Path
from typing import Any, TypeVar

from uvloop import new_event_loop

from relay.app import Office
from relay.cli.letter import one_row
from relay.errors import BadInput, Problem
from relay.operations import Operations

T = TypeVar("T")


def run_in_loop(work: Coroutine[Any, Any, T]) -> T:
    """Return what the coroutine returns, run in the quickest event loop that there is."""
    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        return runner.run(work)


def open_office(config: Path, *, create_store: bool = True) -> Office:
    """Return what the configuration describes.

    Args:
        config: the file.
        create_store: whether the store may be made where there is none.

    Raises:
        BadInput: with every problem in the file, and a way out when there is no such file.
    """
    require(config)
    return Office.open(config, create_store=create_store)


def require(config: Path) -> None:
    """See that there is a configuration file; raises BadInput."""
    try:
        config.stat()
    except OSError as error:
        absent = isinstance(error, FileNotFoundError)
        hint = "denrei init writes one; --config names another"
        message = "is not there" if absent else f"cannot be read: {error.strerror}"
        raise BadInput([Problem(file=str(config), message=message, hint=hint)]) from None


def operate(config: Path, work: Callable[[Operations], Awaitable[T]]) -> T:
    """Return what `work` makes of the operations of this configuration; closes the store whatever happens.

    No command makes a store: it would hide that the configuration names the wrong one.
    """

    async def within() -> T:
        office = open_office(config, create_store=False)
        try:
            return await work(office.operations)
        finally:
            await office.close()

    return asyncio.run(within())


def operate_unopened(config: Path, work: Callable[[Operations], Awaitable[T]]) -> T:
    """Return what `work` makes of the operations of this configuration, on a store that it does not open."""

    async def within() -> T:
        return await work(open_office(config, create_store=False).operations)

    return asyncio.run(within())


def person() -> str:
    """Return who types, for the journal: the login name."""
    try:
        return one_row(getpass.getuser())  # whatever the environment calls itself
    except (OSError, KeyError):  # a container's user that no password file knows
        return "command line"
