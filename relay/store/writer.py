"""Group commit: one writer, so that all who wait at one moment share one fsync.

A write is a function (`Apply`) and its argument. The writer takes every write that waits, up to a bound,
gives each function all its arguments at once, commits, and only then lets the callers know. Writes that wait
together have no order among themselves: none of their callers has been answered yet.

Where it runs. Only the commit waits for the disk, so only the commit has to leave the event loop's thread.
Small writes are made on the loop, a few hundredths of a millisecond each, and their commit on the writer's
own thread; what may take long, must wait for another process or has gone wrong is done whole on that thread.
Two threads that both run Python have to agree on the interpreter at each SQL statement (docs/decisions.md has
the figures).

Guarantees:
- What a caller was told is on disk. A batch is on disk whole or not at all.
- One bad write (a broken constraint, a value that cannot be stored) harms nobody else: when a batch fails by
  it, nothing of the batch remains and each of its writes is tried alone.
- When the machine fails, all of the batch hear `MachineFailure`, and the next batch begins on a new
  connection: after a failed fsync the old one may believe what the disk has lost.
- At most `MAX_WAITING` writes wait; further callers wait their turn before they are let in.
A caller that is cancelled while it waits does not learn whether its write was made.

Source: ours; PostgreSQL's documentation has the term ("commit_delay").
"""

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack, suppress
from datetime import timedelta
from functools import partial
from queue import SimpleQueue
from typing import Any, TypeVar

from sqlalchemy import Connection

from relay.clock import Clock
from relay.errors import MachineFailure
from relay.metrics import Metrics
from relay.store.prepared import MAX_BATCH

MAX_BATCH_OCTETS = 16 * 1024 * 1024  # the bulk of one batch: keeps a transaction of large mails short
MAX_LIGHT_OCTETS = 512 * 1024  # the bulk that is written on the loop: about a millisecond
MAX_WAITING = 1_000  # above all callers there are: 200 connections in, deliveries by the hundred out
_AT_ONCE = timedelta()

A = TypeVar("A")
R = TypeVar("R")
Apply = Callable[[Connection, Sequence[A]], Sequence[R]]  # makes the writes; one result for each, in order


class _Write:
    __slots__ = ("apply", "argument", "error", "future", "light", "octets", "result")

    def __init__(
        self, apply: Apply[Any, Any], argument: Any, octets: int, future: asyncio.Future[Any], *, light: bool
    ) -> None:
        self.apply = apply
        self.argument = argument
        self.octets = octets
        self.light = light
        self.future = future
        self.result: Any = None
        self.error: Exception | None = None


class Writer:
    """The one connection that writes, and its thread. Used from one event loop at a time.

    Args:
        connect: gives a new connection whose `begin` takes the write lock.
        turn: is held around each transaction; waits no longer than it is told, and gives whether it was had.
        wait_at_most: tells a connection how long its `begin` may wait for the write lock.
        patience: how long both may wait on the writer's thread; on the loop they do not wait.
        failure: tells a machine's failure from a bug (None).
        metrics: told of each commit and each failure of the machine.
        clock: measures commits.
    """

    def __init__(
        self,
        *,
        connect: Callable[[], Connection],
        turn: Callable[[timedelta], AbstractContextManager[bool]],
        wait_at_most: Callable[[Connection, timedelta], None],
        patience: timedelta,
        failure: Callable[[Exception], MachineFailure | None],
        metrics: Metrics,
        clock: Clock,
    ) -> None:
        self._connect = connect
        self._turn = turn
        self._wait_at_most = wait_at_most
        self._patience = patience
        self._failure = failure
        self._metrics = metrics
        self._clock = clock
        self._connection: Connection | None = None  # whoever has the batch has it: loop or thread
        self._room = asyncio.Semaphore(MAX_WAITING)
        self._state = threading.Lock()  # for the next three
        self._waiting: deque[_Write] = deque()
        self._busy = False  # a batch is under way, or about to be
        self._closed = False
        self._jobs: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="store-writer", daemon=True)
        self._thread.start()

    async def write(self, apply: Apply[A, R], argument: A, *, octets: int = 0, light: bool = False) -> R:
        """Make one write; returns its result when that is on disk.

        Args:
            apply: makes the writes of its kind.
            argument: what to write.
            octets: how much that is, where it is much.
            light: whether it takes a fraction of a millisecond, so that it may be made on the loop.

        Raises:
            MachineFailure: it was not made.
        """
        await self._room.acquire()
        loop = asyncio.get_running_loop()
        write = _Write(apply, argument, octets, loop.create_future(), light=light)
        with self._state:
            if self._closed:
                self._room.release()
                raise MachineFailure("the store is closed; nothing of this was stored")
            self._waiting.append(write)
            is_first, self._busy = not self._busy, True
        if is_first:
            loop.call_soon(self._begin_batch)  # behind all that is ready to run: they may want to write too
        result: R = await write.future
        return result

    async def close(self) -> None:
        """Finish what waits, then end the thread. Later writes are refused."""
        with self._state:
            if not self._closed and not self._busy:
                self._jobs.put(None)
            self._closed = True
        await asyncio.to_thread(self._thread.join)

    # On the loop

    def _begin_batch(self) -> None:
        batch = self._next_batch()
        written = self._written_here(batch)
        self._jobs.put(
            partial(self._settle, batch) if written is None else partial(self._end, written, batch)
        )

    def _next_batch(self) -> list[_Write]:
        """All that waits, within bounds: at least one."""
        batch: list[_Write] = []
        octets = 0
        with self._state:
            while self._waiting and len(batch) < MAX_BATCH and octets < MAX_BATCH_OCTETS:
                write = self._waiting.popleft()
                batch.append(write)
                octets += write.octets
        return batch

    def _written_here(self, batch: Sequence[_Write]) -> ExitStack | None:
        """Make a light batch's writes without waiting: what ends their transaction.

        None, and nothing made, when the writer's thread must do it: because it may take long, would have to
        wait, or has failed here, so that it fails again where failures are looked at.
        """
        light = (
            all(write.light for write in batch) and sum(write.octets for write in batch) <= MAX_LIGHT_OCTETS
        )
        if self._connection is None or not light:
            return None
        with ExitStack() as stack:
            try:
                if not stack.enter_context(self._turn(_AT_ONCE)):
                    return None
                self._wait_at_most(self._connection, _AT_ONCE)
                stack.enter_context(self._connection.begin())
                _apply(self._connection, batch)
            except Exception as error:  # noqa: BLE001  (whatever it is, it is met again on the thread)
                with suppress(Exception):
                    stack.__exit__(type(error), error, error.__traceback__)
                return None
            return stack.pop_all()
        return None

    def _finished(self, batch: Sequence[_Write]) -> None:
        if self._go_on():
            asyncio.get_running_loop().call_soon(self._begin_batch)
        self._answer(batch)

    def _go_on(self) -> bool:
        """Whether another batch is to follow; if not, the writer is idle, or ends."""
        with self._state:
            self._busy = bool(self._waiting)
            if self._closed and not self._busy:
                self._jobs.put(None)
            return self._busy

    def _answer(self, batch: Sequence[_Write]) -> None:
        for write in batch:
            self._room.release()
            if write.future.done():
                continue
            with suppress(RuntimeError):  # its loop is closed: nobody is left to hear it
                if write.error is None:
                    write.future.set_result(write.result)
                else:
                    write.future.set_exception(write.error)

    # On the writer's thread

    def _run(self) -> None:
        while (job := self._jobs.get()) is not None:
            job()
        self._disconnect()

    def _end(self, written: ExitStack, batch: Sequence[_Write]) -> None:
        """Commit what was written on the loop."""
        began = self._clock.monotonic()
        try:
            written.close()
        except Exception as error:  # noqa: BLE001  (its callers must hear it; the thread must live)
            self._blame(batch, self._failed(error))
        else:
            self._metrics.committed(len(batch), self._clock.monotonic() - began)
        self._report(batch)

    def _settle(self, batch: Sequence[_Write]) -> None:
        """Make and commit a batch here, and give every write of it its result or its error."""
        error = self._transact(batch)
        if error is not None:
            self._blame(batch, error)
        self._report(batch)

    def _blame(self, batch: Sequence[_Write], error: Exception) -> None:
        """Nothing of the batch is on disk: tell all, or, where one write may be to blame, try each alone."""
        for write in batch:
            write.error = error if isinstance(error, MachineFailure) else self._transact([write])

    def _transact(self, batch: Sequence[_Write]) -> Exception | None:
        """One transaction with these writes in it: None when it is on disk, else why it is not."""
        began = self._clock.monotonic()
        try:
            with self._turn(self._patience):
                if self._connection is None:
                    self._connection = self._connect()
                self._wait_at_most(self._connection, self._patience)
                with self._connection.begin():
                    _apply(self._connection, batch)
        except Exception as error:  # noqa: BLE001  (its callers must hear it; the thread must live)
            return self._failed(error)
        self._metrics.committed(len(batch), self._clock.monotonic() - began)
        return None

    def _failed(self, error: Exception) -> Exception:
        failure = self._failure(error)
        if failure is None:
            return error
        failure.__cause__ = error
        self._metrics.store_failed()
        self._disconnect()
        return failure

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(Exception):  # it is given up because it failed; it may fail at closing too
                connection.close()

    def _report(self, batch: Sequence[_Write]) -> None:
        loop = batch[-1].future.get_loop()
        try:
            loop.call_soon_threadsafe(self._finished, batch)
        except RuntimeError:  # that loop is closed; writes of the next one may wait already
            self._answer(batch)
            if self._go_on():
                self._jobs.put(partial(self._settle, self._next_batch()))


def _apply(connection: Connection, batch: Sequence[_Write]) -> None:
    groups: dict[Apply[Any, Any], list[_Write]] = {}
    for write in batch:
        groups.setdefault(write.apply, []).append(write)
    for apply, writes in groups.items():
        results = apply(connection, [write.argument for write in writes])
        for write, result in zip(writes, results, strict=True):
            write.result = result
