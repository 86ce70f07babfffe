"""Starts the relay on copies of a store, each time in a process that dies one SQL statement later.

`python -m tests.support.dying_start CONFIG FOLDER STEP` copies the store of the configuration into FOLDER
as `<statement>.db` for every STEP-th statement of a start, until one start comes to its end.
"""

import asyncio
import os
import shutil
import sys
from itertools import count
from pathlib import Path

import alembic.command  # before the forks, so that they are cheap
import alembic.config

from relay.app import Office, Relay
from relay.cli.log import LogLevel, configure_log
from relay.config import Config, load
from tests.support.hooked import die_at_statement


async def _start_and_stop(office: Office) -> None:
    relay = await Relay.prepared(office)
    await relay.start()
    await relay.stop(grace=0)
    await office.close()


def _on(config: Config, store: Path) -> Config:
    return config.model_copy(update={"store": config.store.model_copy(update={"path": store})})


def main(config_path: Path, folder: Path, step: int) -> None:
    """Start until a start comes to its end."""
    assert alembic.command
    assert alembic.config
    configure_log(LogLevel.ERROR)
    config = load(config_path)
    office = Office(config)
    assert office.registry  # read once for all
    for statement in count(1, step):
        store = folder / f"{statement}.db"
        shutil.copy(config.store.path, store)
        child = os.fork()
        if child == 0:
            office.config = _on(config, store)
            die_at_statement(statement)
            asyncio.run(_start_and_stop(office))
            os._exit(0)
        _, status = os.waitpid(child, 0)
        if status == 0:
            return
        assert status == 9, f"statement {statement} ended it with {status}"


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]))
