"""`denrei serve` with what a test must reach inside: a clock that it sets, a death at an SQL statement.

`python -m tests.support.hooked [--clock FILE] [--longest-sleep SECONDS] [--grace SECONDS]
[--die-at REGEX ...] --config FILE serve`, as `ServedRelay(command=...)` starts it. All else is Denrei's own.
"""

import argparse
import os
import re
import signal
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy import event
from sqlalchemy.pool import Pool

from relay.app import Office, Relay
from relay.app.relay import GRACE_SECONDS
from relay.cli.log import LogLevel, configure_log
from relay.cli.office import run_in_loop
from relay.clock import SystemClock, id_at
from relay.config import load
from relay.errors import DenreiError

MODULE = ("-m", "tests.support.hooked")


class SetClock(SystemClock):
    """The machine's clock, set by the seconds that a file holds, forward or back; time passes as ever."""

    def __init__(self, file: Path | None, longest_sleep: float | None) -> None:
        """`longest_sleep` shortens what the relay waits for between two looks, in seconds."""
        self._file = file
        self._longest_sleep = longest_sleep

    def now(self) -> datetime:
        """The time of day as it was set."""
        return super().now() + self._offset()

    def new_id(self) -> str:
        """A new identifier, dated by that time."""
        since = self.now() - datetime(1970, 1, 1, tzinfo=UTC)
        return id_at(since // timedelta(milliseconds=1), int(self.random() * 2**35))

    async def sleep(self, seconds: float) -> None:
        """Return after so many seconds, or the longest that may be."""
        await super().sleep(seconds if self._longest_sleep is None else min(seconds, self._longest_sleep))

    def _offset(self) -> timedelta:
        return timedelta(seconds=float(self._file.read_text())) if self._file is not None else timedelta()


def die_at(steps: Sequence[str]) -> None:
    """Kill this process before the statement that ends this chain: each step is the next one that matches.

    All are of one connection. `["INSERT INTO notice", "COMMIT"]` dies before the commit of a notice, with a
    third step `""` after it.
    """
    waiting = [re.compile(step) for step in steps]
    speakers: list[int] = []  # the connection on which the chain has begun: what others say is not its next

    def look(connection: int, statement: str) -> None:
        if waiting and speakers in ([], [connection]) and waiting[0].search(statement):
            waiting.pop(0)
            speakers[:] = [connection]
            if not waiting:
                os.kill(os.getpid(), signal.SIGKILL)

    if waiting:
        _listen(look)


def die_at_statement(number: int) -> None:
    """Kill this process before its statement of this number from now on, on whichever connection."""
    left = [number]

    def look(_connection: int, _statement: str) -> None:
        left[0] -= 1
        if not left[0]:
            os.kill(os.getpid(), signal.SIGKILL)

    _listen(look)


def _listen(look: Callable[[int, str], None]) -> None:
    def watch(connection: Any, _record: Any) -> None:
        connection.set_trace_callback(partial(look, id(connection)))

    event.listen(Pool, "connect", watch)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the relay; its exit codes are the command line's."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--clock", type=Path)
    parser.add_argument("--longest-sleep", type=float)
    parser.add_argument("--grace", type=float, default=GRACE_SECONDS)
    parser.add_argument("--die-at", nargs="+", default=[])
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("verb", choices=["serve"])
    asked = parser.parse_args(arguments)
    die_at(asked.die_at)
    configure_log(LogLevel.INFO)

    async def run() -> None:
        office = Office(load(asked.config), clock=SetClock(asked.clock, asked.longest_sleep))
        try:
            relay = await Relay.prepared(office)
            await relay.run_until_stopped(asked.grace)
        finally:
            await office.close()

    try:
        run_in_loop(run())
    except DenreiError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
