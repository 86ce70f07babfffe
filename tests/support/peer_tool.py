"""Tools of others that speak SMTP (swaks, Postfix's smtp-source and smtp-sink), each a process of its own.

Where a tool is not there its tests are skipped, but under CI=true they fail: there it must be known that the
relay gets on with them.
"""

import contextlib
import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NoReturn

import pytest

PLACES = "/usr/sbin:/usr/lib/postfix/sbin"  # where Debian puts Postfix's tools: not on everybody's path
SECONDS = 60  # more than any of them needs
_COUNTED = re.compile(rb"mesg=(\d+)")


def needed(name: str) -> str:
    """Where the tool is; skips the test, or fails it under CI=true, where it is not."""
    path = shutil.which(name, path=os.pathsep.join([os.environ.get("PATH", ""), PLACES]))
    if path is None:
        missing(name)
    return path


def missing(what: str) -> NoReturn:
    """Skip the test, or fail it under CI=true."""
    if os.environ.get("CI") == "true":
        pytest.fail(f"{what} is not there")
    pytest.skip(f"{what} is not there")


def ended(*command: str | Path, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    """A tool's exit code and all that it said, once it has ended."""
    return subprocess.run(
        [str(each) for each in command], input=stdin, capture_output=True, timeout=SECONDS, check=False
    )


@contextlib.contextmanager
def smtp_sink(port: int, counter: Path, *faults: str) -> Iterator[None]:
    """A running smtp-sink that counts into a file; what it received `received` tells after the block."""
    as_nobody = ("-u", "nobody") if os.geteuid() == 0 else ()
    command: Sequence[str] = (needed("smtp-sink"), "-c", *as_nobody, *faults, f"127.0.0.1:{port}", "100")
    with counter.open("wb") as output:
        child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT)
        try:
            yield
        finally:
            child.terminate()
            child.wait(SECONDS)


def received(counter: Path) -> int:
    """How many mails an smtp-sink had received when it last counted."""
    counts = _COUNTED.findall(counter.read_bytes())
    return int(counts[-1]) if counts else 0
