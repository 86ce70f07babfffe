"""A file that a person wrote, read whole and within a bound, and as the value that it must hold.

Diagnostics: `BadInput` that names the file as the person knows it and what is wrong with it; also when the
file is missing, is no regular file (a named pipe would hang the reader), is larger than the bound, or holds
a secret that every user of the machine could read.
Source: ours.
"""

import os
import stat
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel

from relay.document import parse_yaml, validated
from relay.errors import BadInput, Problem

MAX_FILE = (
    1024 * 1024
)  # octets: a seller's 1,000 registrations, the most of one, of 1 KiB each; the rest is far smaller

_OPEN_TO_OTHERS = stat.S_IRWXO | stat.S_IWGRP  # a group may read: 640 is how a service gets root's files

M = TypeVar("M", bound=BaseModel)


def read_source(path: Path, *, limit: int = MAX_FILE, private: bool = False) -> bytes:
    """The octets of a regular file of at most `limit` octets.

    Args:
        path: the file.
        limit: octets.
        private: whether it holds a secret, so that other users of the machine must have no access.

    Raises:
        BadInput: it cannot be read, is not a regular file, is too large, or is private and open to others.
    """
    try:
        with open(path, "rb", opener=_open_without_waiting) as stream:
            mode = os.fstat(stream.fileno()).st_mode
            if not stat.S_ISREG(mode):
                raise BadInput((Problem(file=str(path), message="is not a regular file"),))
            if private and mode & _OPEN_TO_OTHERS:
                raise BadInput((_exposed(path, mode),))
            content = stream.read(limit + 1)
    except OSError as error:
        problem = Problem(file=str(path), message=f"cannot be read: {error.strerror or error}")
        raise BadInput((problem,)) from None
    if len(content) > limit:
        raise BadInput((Problem(file=str(path), message=f"is larger than {limit} octets"),))
    return content


def load_source(path: Path, model: type[M]) -> M:
    """The YAML file as a value of `model`; raises BadInput with every problem in it."""
    content = read_source(path)
    return validated(model, parse_yaml(content, file=str(path)), file=str(path), source=content)


def _exposed(path: Path, mode: int) -> Problem:
    return Problem(
        file=str(path),
        message=f"holds a secret and is open to others (mode {stat.S_IMODE(mode):o})",
        hint="chmod 600, or 640 where the relay reads it by its group",
    )


def _open_without_waiting(name: str, flags: int) -> int:
    """Opening a named pipe that nobody writes to would otherwise never return."""
    return os.open(name, flags | os.O_NONBLOCK)
