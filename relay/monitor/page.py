"""Where the relay is watched: `/metrics` for Prometheus, `/health` and `/ready` for who starts and stops it.

`/health` says that the process answers; nothing else, because a machine that restarts the relay while a disk
is full helps nobody. `/ready` says whether new mail is welcome: the intake listens, the engine runs, and the
store has just taken a real write. Guarantees: all three are bounded in time and tell no secret and no value
of a mail; a burst of questions asks the store once in `SAMPLE_SECONDS`. There is no password: whoever may
not watch must not reach the address.

Diagnostics: `MachineFailure` when the address cannot be had; a question that fails is a 503 with the reason.
Source: ours; the exposition format is Prometheus's.
"""

import asyncio
import contextlib
import socket
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, Generic, Protocol, TypeVar

import structlog
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from uvicorn.protocols.http.h11_impl import H11Protocol

from relay.clock import Clock
from relay.errors import MachineFailure
from relay.metrics import CONTENT_TYPE, Metrics, Sample
from relay.quantity import HostPort

SAMPLE_SECONDS = 2.0  # an answer is as fresh as this; a scrape comes every 15 s or so
ANSWER_SECONDS = 5.0  # within which a question is answered, or said to have failed
LAG_STEP_SECONDS = 0.25
LAG_STEPS = 240  # a minute: a stall is seen by a scrape that comes later
ASK_SECONDS = 2.0  # within which a watcher asks
MAX_CONNECTIONS = 32  # of watchers: a scrape and a probe need two
STOP_SECONDS = 1.0

T = TypeVar("T")
_log = structlog.get_logger(__name__)


class Watched(Protocol):
    """What the monitor asks of a running relay."""

    async def sample(self, lag_seconds: float, /) -> Sample:
        """What is measured when somebody asks."""

    async def unready(self) -> list[str]:
        """Why no new mail should be sent here; empty when it may."""


class LoopLag:
    """How long the event loop has kept others waiting, at worst, within the last minute or so."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._steps: list[float] = []

    @property
    def worst(self) -> float:
        """Seconds."""
        return max(self._steps, default=0.0)

    async def watch(self) -> None:
        """Measure until cancelled."""
        while True:
            began = self._clock.monotonic()
            await self._clock.sleep(LAG_STEP_SECONDS)
            self._steps.append(max(0.0, self._clock.monotonic() - began - LAG_STEP_SECONDS))
            del self._steps[:-LAG_STEPS]


class Monitor:
    """Serves the three pages, from `start` to `stop`."""

    def __init__(self, watched: Watched, metrics: Metrics, *, listen: HostPort, clock: Clock) -> None:
        self._watched = watched
        self._metrics = metrics
        self._listen = listen
        self._clock = clock
        self._lag = LoopLag(clock)
        self._scrape = _Remembered(self._sampled, clock)
        self._readiness = _Remembered(watched.unready, clock)
        self._socket: socket.socket | None = None
        self._server: uvicorn.Server | None = None
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def address(self) -> tuple[str, int]:
        """Host and port, once started."""
        assert self._socket is not None
        name = self._socket.getsockname()
        return name[0], name[1]

    async def start(self) -> None:
        """Listen; raises MachineFailure when the address cannot be had."""
        self._socket = _bound(self._listen)
        config = uvicorn.Config(
            self._pages(),
            http=_Connection,
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            limit_concurrency=MAX_CONNECTIONS,
            timeout_keep_alive=30,
            timeout_graceful_shutdown=int(STOP_SECONDS),
        )
        self._server = _Server(config)
        self._tasks = [
            asyncio.create_task(self._server.serve(sockets=[self._socket]), name="monitor"),
            asyncio.create_task(self._lag.watch(), name="loop lag"),
        ]

    async def stop(self) -> None:
        """Close, within `STOP_SECONDS` or so."""
        if self._server is not None:
            self._server.should_exit = True
        if self._tasks:
            serving, watching = self._tasks
            watching.cancel()
            await asyncio.wait({serving}, timeout=STOP_SECONDS + 1)
            serving.cancel()
            await asyncio.wait({serving, watching})
        if self._socket is not None:
            self._socket.close()
        self._server, self._tasks, self._socket = None, [], None

    def _pages(self) -> Starlette:
        return Starlette(
            routes=[
                Route("/metrics", self._show_metrics),
                Route("/health", self._show_health),
                Route("/ready", self._show_readiness),
            ]
        )

    async def _show_metrics(self, _: Request) -> Response:
        try:
            return Response(await self._scrape.answer(), headers={"Content-Type": CONTENT_TYPE})
        except (MachineFailure, TimeoutError) as failure:
            _log.warning("metrics cannot be measured", reason=str(failure) or "no answer in time")
            return Response("the store does not answer\n", status_code=503)

    async def _show_health(self, _: Request) -> Response:
        return JSONResponse({"status": "alive"})

    async def _show_readiness(self, _: Request) -> Response:
        try:
            reasons = await self._readiness.answer()
        except TimeoutError:
            reasons = [f"no answer within {ANSWER_SECONDS:g} s"]
        state = {"status": "not ready" if reasons else "ready", "reasons": reasons}
        return JSONResponse(state, status_code=503 if reasons else 200)

    async def _sampled(self) -> bytes:
        self._metrics.sample(await self._watched.sample(self._lag.worst))
        return self._metrics.text()


class _Remembered(Generic[T]):
    """The answer to one question, asked again when it is old: many askers, one question at a time."""

    def __init__(self, ask: Callable[[], Awaitable[T]], clock: Clock) -> None:
        self._ask = ask
        self._clock = clock
        self._asked_at = float("-inf")
        self._answer: T | None = None
        self._asking = asyncio.Lock()

    async def answer(self) -> T:
        """The answer; raises TimeoutError, and what the question raises."""
        async with asyncio.timeout(ANSWER_SECONDS), self._asking:
            if self._answer is None or self._clock.monotonic() - self._asked_at >= SAMPLE_SECONDS:
                self._answer = await self._ask()
                self._asked_at = self._clock.monotonic()
            return self._answer


class _Connection(H11Protocol):
    """One watcher, who is cut off when nothing is asked: idle ones would keep the others out."""

    def connection_made(self, transport: Any) -> None:
        """Begin, and look soon whether a question has come."""
        super().connection_made(transport)
        self.loop.call_later(ASK_SECONDS, self._end_silence)

    def _end_silence(self) -> None:
        if self.cycle is None and not self.transport.is_closing():
            self.transport.abort()


class _Server(uvicorn.Server):
    """Uvicorn that leaves the process's signals to the relay."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture none."""
        yield


def _bound(listen: HostPort) -> socket.socket:
    family = socket.AF_INET6 if ":" in listen.host else socket.AF_INET
    made = socket.socket(family, socket.SOCK_STREAM)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind(listen)
        made.listen(MAX_CONNECTIONS)
        made.setblocking(False)
    except OSError as error:
        made.close()
        reason = error.strerror or str(error)
        raise MachineFailure(f"the monitor cannot listen on {listen}: {reason}") from error
    return made
