"""The SMTP server against aiosmtpd as it comes, in the same run: 2 KB mails, taken and thrown away.

The server has this process to itself; the client, raw sockets without a library, has another. Kept: twenty
connections that send one mail after another. New: twenty callers that open a connection for each mail.
"""

import asyncio
import gc
import multiprocessing
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import ProcessPoolExecutor
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import aiosmtpd.smtp
import uvloop

from relay.intake.session.door import ListenerSettings
from relay.intake.session.listener import Listener
from tests.bench.load import send_all
from tests.support.door import TAKEN, RecordingDoor

KEPT = 4_000  # mails of one round
NEW = 1_000
CALLERS = 20
ROUNDS = 3  # alternated, best of each: the machine is noisy
CONTENT = b"Subject: order\r\n\r\n" + ("[注文番号] 300000001\r\n" * 80).encode() + b".\r\n"


class DiscardingHandler:
    """For aiosmtpd: take it and throw it away."""

    async def handle_DATA(self, server: object, session: object, envelope: object) -> str:  # noqa: N802  (the library's name)
        return "250 2.0.0 taken"


class DiscardingDoor(RecordingDoor):
    """For ours: the same."""

    async def rcpt(self, *envelope: object) -> None:
        return None

    async def message(self, *mail: object) -> object:
        return TAKEN


@asynccontextmanager
async def stock() -> AsyncIterator[int]:
    """Aiosmtpd as it comes; the port."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: aiosmtpd.smtp.SMTP(DiscardingHandler(), hostname="bench.example.jp", loop=loop),
        "127.0.0.1",
        0,
    )
    async with server:
        yield server.sockets[0].getsockname()[1]


@asynccontextmanager
async def ours() -> AsyncIterator[int]:
    """Our listener; the port."""
    listener = Listener(DiscardingDoor(), ListenerSettings(), hostname="bench.example.jp")
    await listener.start()
    try:
        yield listener.port
    finally:
        await listener.stop()


def send_kept(port: int) -> float:
    """Run the client with kept connections; the seconds that it took."""
    return asyncio.run(send_all("127.0.0.1", port, [CONTENT] * KEPT, CALLERS))


def send_new(port: int) -> float:
    """Run the client with a new connection for each mail; the seconds that it took."""

    async def caller(count: int) -> None:
        for _ in range(count):
            await send_all("127.0.0.1", port, [CONTENT], 1)

    async def callers() -> float:
        started = time.perf_counter()
        await asyncio.gather(*(caller(NEW // CALLERS) for _ in range(CALLERS)))
        return time.perf_counter() - started

    return asyncio.run(callers())


Server = Callable[[], AbstractAsyncContextManager[int]]
SERVERS: dict[str, tuple[Server, Callable[[], asyncio.AbstractEventLoop]]] = {
    "aiosmtpd": (stock, asyncio.new_event_loop),
    "ours": (ours, asyncio.new_event_loop),
    "aiosmtpd on uvloop": (stock, uvloop.new_event_loop),
    "ours on uvloop": (ours, uvloop.new_event_loop),
}


async def measure(server: Server, pool: ProcessPoolExecutor) -> tuple[float, float]:
    """Mails a second with kept connections and with new ones."""
    loop = asyncio.get_running_loop()

    def run_client(send: Callable[[int], float], port: int) -> Awaitable[float]:
        return loop.run_in_executor(pool, send, port)

    async with server() as port:
        gc.collect()
        kept = KEPT / await run_client(send_kept, port)
        new = NEW / await run_client(send_new, port)
    return kept, new


def run() -> None:
    """Measure every server `ROUNDS` times and print the best of each, and the ratio to aiosmtpd."""
    best = dict.fromkeys(SERVERS, (0.0, 0.0))
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        for _ in range(ROUNDS):
            for name, (server, loop) in SERVERS.items():
                with asyncio.Runner(loop_factory=loop) as runner:
                    kept, new = runner.run(measure(server, pool))
                best[name] = (max(best[name][0], kept), max(best[name][1], new))
    floor_kept, floor_new = best["aiosmtpd"]
    for name, (kept, new) in best.items():
        print(
            f"  {name:20} kept {kept:6,.0f} mails/s ({kept / floor_kept:4.1f} x)"
            f"   new {new:6,.0f} mails/s ({new / floor_new:4.1f} x)"
        )


if __name__ == "__main__":
    run()
