"""`denrei serve`: the relay itself, until it is told to stop."""

import gc
import sys
from typing import Annotated

import typer

from relay.app import Relay
from relay.cli.log import LogFormat, LogLevel, configure_log
from relay.cli.office import open_office, run_in_loop
from relay.cli.option import DEFAULT_CONFIG, ConfigPath

# A tenth of Python's own: while big mails are worked on beside the loop, other clients wait a third less.
SWITCH_SECONDS = 0.0005


def serve(
    *,
    config: ConfigPath = DEFAULT_CONFIG,
    log_level: Annotated[LogLevel, typer.Option("--log-level", help="How much to log.")] = LogLevel.INFO,
    log_format: Annotated[LogFormat, typer.Option("--log-format", help="How a line looks.")] = LogFormat.TEXT,
) -> None:
    """Run the relay: take notifications in, deliver their mails. SIGTERM drains and stops."""
    configure_log(log_level, log_format)

    async def run() -> None:
        office = open_office(config)
        _spare_the_collector()
        sys.setswitchinterval(SWITCH_SECONDS)
        try:
            relay = await Relay.prepared(office)
            await relay.run_until_stopped()
        finally:
            await office.close()

    run_in_loop(run())


def _spare_the_collector() -> None:
    """What is loaded by now lives as long as the process: looking for garbage in it cost 5 % of each mail."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 100)
