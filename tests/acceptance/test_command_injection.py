"""The published tester for STARTTLS command injection, run against the running listener.

`command-injection-tester` (PyPI) sends a command in the packet of STARTTLS, agrees on TLS and looks whether
the command is answered inside. It tells its verdict in words only.
"""

import asyncio
import re
import shutil
import sys
from pathlib import Path

import pytest
import uvloop

from relay.intake.session.door import ListenerSettings
from relay.intake.session.listener import Listener
from tests.support.certificate import Authority
from tests.support.door import RecordingDoor

TESTER = shutil.which("command-injection-tester", path=Path(sys.executable).parent)
QUIET_SECONDS = "0.3"  # after which the tester takes silence for an answer; it waits so ten times
PATIENCE = 60.0


async def verdict(folder: Path) -> str:
    """What the tester says of our listener, its log's rows without their times."""
    context = Authority().server_context("localhost")
    door = RecordingDoor()
    listener = Listener(door, ListenerSettings(), hostname="relay.example.jp", tls=lambda: context)
    await listener.start()
    try:
        async with asyncio.timeout(PATIENCE):
            child = await asyncio.create_subprocess_exec(
                *[sys.executable, "-W", "ignore", str(TESTER), "--smtp", "--smtp-port", str(listener.port)],
                *["--nocolor", "--timeout", QUIET_SECONDS, "--logdir", str(folder / "logs"), "127.0.0.1"],
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
                cwd=folder,
            )
            said, _ = await child.communicate()
    finally:
        await listener.stop()
    assert child.returncode == 0, said.decode()
    assert len(door.gone) == door.welcomed == 2
    return re.sub(r"^SMTP: [-0-9]+ [:0-9]+ - ", "", said.decode(), flags=re.MULTILINE)


@pytest.mark.skipif(TESTER is None, reason="command-injection-tester is not installed")
@pytest.mark.parametrize("loop", [asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def test_no_command_is_injected_into_tls(tmp_path, loop):
    """STARTTLS works for the tester, and what it glues to STARTTLS ends the connection, unanswered."""
    with asyncio.Runner(loop_factory=loop) as runner:
        said = runner.run(verdict(tmp_path))
    assert "Sanity test done" in said
    assert "TLS handshake failed - Server probably closed the connection!" in said
    assert "injection here" not in said
    assert "unresponsive" not in said
