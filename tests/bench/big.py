"""Ten mails of 20 MiB at once: how long they hold up everybody else, and what they cost in memory.

The server has a process to itself, so that its memory can be read; the senders have another, and a client
that says NOOP once each 5 ms a third. A stall is the time from a NOOP to its answer. First the listener alone
with a door that throws mails away, then the whole relay: mails that hold a small document beside a big
attachment, and mails that nobody understands, which go to quarantine whole.
"""

import asyncio
import contextlib
import multiprocessing
import resource
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from email.message import EmailMessage
from email.policy import SMTP
from multiprocessing.connection import Connection
from pathlib import Path

import uvloop

from relay.intake.session.door import ListenerSettings
from relay.intake.session.listener import Listener
from relay.sample import sample_document
from tests.bench.load import send_all
from tests.support.door import TAKEN, RecordingDoor
from tests.support.serving import ServedRelay, write_config

MEBIBYTE = 1024 * 1024
MAILS = 10
SIZE = 20 * MEBIBYTE
MAX_MESSAGE = 25 * MEBIBYTE
ROW = b"iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9\r\n"
CONTENT = b"Subject: big\r\n\r\n" + ROW * (SIZE // len(ROW)) + b".\r\n"
BETWEEN_SECONDS = 0.005
PATIENCE = 60.0  # seconds, on the slowest of machines


class DiscardingDoor(RecordingDoor):
    """Takes everything and keeps nothing."""

    async def rcpt(self, *envelope: object) -> None:
        return None

    async def message(self, *mail: object) -> object:
        return TAKEN


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What ten big mails cost."""

    seconds: float  # for all of them
    longest: float  # seconds that one NOOP waited
    median: float
    memory: int  # octets that the server's process grew by, at its peak


def _peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def _serve(pipe: Connection) -> None:
    async def serving() -> None:
        listener = Listener(
            DiscardingDoor(), ListenerSettings(max_message=MAX_MESSAGE), hostname="bench.example.jp"
        )
        await listener.start()
        before = _peak()
        pipe.send(listener.port)
        await asyncio.to_thread(pipe.recv)
        pipe.send(_peak() - before)
        await listener.stop()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serving())


async def _ask(port: int) -> list[float]:
    """Say NOOP until cancelled; the seconds that each answer took."""
    waits: list[float] = []
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    await reader.readline()
    with contextlib.suppress(asyncio.CancelledError):
        while True:
            started = time.perf_counter()
            writer.write(b"RSET\r\n" if len(waits) % 2 else b"NOOP\r\n")
            if not (await reader.readline()).startswith(b"250 "):  # the budget of one connection
                writer.close()
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
                await reader.readline()
                continue
            waits.append(time.perf_counter() - started)
            await asyncio.sleep(BETWEEN_SECONDS)
    writer.close()
    return waits


def _send(port: int, content: bytes) -> float:
    return asyncio.run(send_all("127.0.0.1", port, [content] * MAILS, MAILS))


async def _send_and_ask(port: int, pool: ProcessPoolExecutor, content: bytes) -> tuple[float, list[float]]:
    asking = asyncio.create_task(_ask(port))
    try:
        seconds = await asyncio.get_running_loop().run_in_executor(pool, _send, port, content)
    finally:
        asking.cancel()
    return seconds, await asking


def measure() -> Measured:
    """Send the mails and say what they cost."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    server = context.Process(target=_serve, args=(theirs,))
    server.start()
    try:
        port = ours.recv()
        with ProcessPoolExecutor(1, mp_context=context) as pool:
            seconds, waits = asyncio.run(asyncio.wait_for(_send_and_ask(port, pool, CONTENT), PATIENCE))
        ours.send(None)
        memory = ours.recv()
    finally:
        server.join(5)
        server.kill()
    return Measured(seconds=seconds, longest=max(waits), median=sorted(waits)[len(waits) // 2], memory=memory)


def _memory_of(pid: int, name: str) -> int:
    status = Path(f"/proc/{pid}/status").read_text("ascii")
    return 1024 * int(status.partition(f"{name}:")[2].split()[0])


def measure_relay(content: bytes) -> Measured:
    """Send the mails to a whole relay and say what they cost."""
    context = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory() as folder:
        config = write_config(Path(folder) / "site", routes={}, registrations={})
        limit = f"intake:\n  max_message: {MAX_MESSAGE // MEBIBYTE}MiB\n"
        config.write_text(config.read_text("utf-8").replace("intake:\n", limit), "utf-8")
        with ServedRelay(config) as relay, ProcessPoolExecutor(1, mp_context=context) as pool:
            before = _memory_of(relay.pid, "VmRSS")
            sending = _send_and_ask(relay.address[1], pool, content)
            seconds, waits = asyncio.run(asyncio.wait_for(sending, PATIENCE))
            memory = _memory_of(relay.pid, "VmHWM") - before
    return Measured(seconds=seconds, longest=max(waits), median=sorted(waits)[len(waits) // 2], memory=memory)


def _with_attachment() -> bytes:
    mail = EmailMessage()
    mail["Subject"] = "big"
    mail.set_content(sample_document(), "application", "json")
    mail.add_attachment(bytes(SIZE * 3 // 4), "application", "octet-stream")
    return mail.as_bytes(policy=SMTP) + b".\r\n"


def _tell(what: str, cost: Measured) -> None:
    print(
        f"  {what}: {MAILS} mails of {SIZE // MEBIBYTE} MiB in {cost.seconds:.2f} s; another client waited "
        f"at most {cost.longest * 1e3:.0f} ms (usually {cost.median * 1e3:.1f} ms); memory at most "
        f"{cost.memory / MEBIBYTE:.0f} MiB more"
    )


def run() -> None:
    """Print what ten big mails at once cost."""
    _tell("listener", measure())
    _tell("relay, with a document", measure_relay(_with_attachment()))
    _tell("relay, to quarantine", measure_relay(CONTENT))


if __name__ == "__main__":
    run()
