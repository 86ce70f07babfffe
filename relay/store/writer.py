"""Group commit: one thread that writes, so that all who wait at one moment share one fsync.

A write is a function (`Apply`) and its argument. The thread takes every write that waits, up to a bound,
gives each function all its arguments at once, commits, and only then lets the callers know. Writes that wait
together have no order among themselves: none of their callers has been answered yet.

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
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, suppress
from queue import Empty, SimpleQueue
from typing import Any, TypeVar

from sqlalchemy import Connection

from relay.errors import MachineFailure
from relay.store.prepared import MAX_BATCH

MAX_BATCH_OCTETS = 16 * 1024 * 1024  # the bulk of one batch: keeps a transaction of large mails short
MAX_WAITING = 1_000  # above all callers there are: 200 connections in, deliveries by the hundred out

A = TypeVar("A")
R = TypeVar("R")
Apply = Callable[[Connection, Sequence[A]], Sequence[R]]  # makes the writes; one result for each, in order


class _Write:
    __slots__ = ("apply", "argument", "error", "future", "octets", "result")

    def __init__(
        self, apply: Apply[Any, Any], argument: Any, octets: int, future: asyncio.Future[Any]
    ) -> None:
        self.apply = apply
        self.argument = argument
        self.octets = octets
        self.future = future
        self.result: Any = None
        self.error: Exception | None = None


class Writer:
    """The writing thread and its one connection. Used from one event loop at a time.

    Args:
        connect: gives a new connection whose `begin` takes the write lock.
        turn: is held around each transaction; waits no longer than it must.
        failure: tells a machine's failure from a bug (None).
    """

    def __init__(
        self,
        *,
        connect: Callable[[], Connection],
        turn: Callable[[], AbstractContextManager[object]],
        failure: Callable[[Exception], MachineFailure | None],
    ) -> None:
        self._connect = connect
        self._turn = turn
        self._failure = failure
        self._connection: Connection | None = None
        self._waiting: SimpleQueue[_Write | None] = SimpleQueue()
        self._room = asyncio.Semaphore(MAX_WAITING)
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="store-writer", daemon=True)
        self._thread.start()

    async def write(self, apply: Apply[A, R], argument: A, *, octets: int = 0) -> R:
        """Make one write; returns its result when that is on disk.

        Raises:
            MachineFailure: it was not made.
        """
        await self._room.acquire()
        if self._closed:
            self._room.release()
            raise MachineFailure("the store is closed; nothing of this was stored")
        future: asyncio.Future[R] = asyncio.get_running_loop().create_future()
        self._waiting.put(_Write(apply, argument, octets, future))
        return await future

    async def close(self) -> None:
        """Finish what waits, then end the thread. Later writes are refused."""
        if not self._closed:
            self._closed = True
            self._waiting.put(None)
        await asyncio.to_thread(self._thread.join)

    def _run(self) -> None:
        more = True
        while more:
            batch, more = self._next_batch()
            self._settle(batch)
            self._report(batch)
        self._disconnect()

    def _next_batch(self) -> tuple[list[_Write], bool]:
        """All that waits, within bounds, once anything does; and whether more may come after it."""
        batch: list[_Write] = []
        octets = 0
        write = self._waiting.get()
        while write is not None:
            batch.append(write)
            octets += write.octets
            if len(batch) == MAX_BATCH or octets >= MAX_BATCH_OCTETS:
                return batch, True
            try:
                write = self._waiting.get_nowait()
            except Empty:
                return batch, True
        return batch, False

    def _settle(self, batch: Sequence[_Write]) -> None:
        """Give every write of the batch its result or its error."""
        error = self._transact(batch) if batch else None
        if error is None:
            return
        if isinstance(error, MachineFailure):
            for write in batch:
                write.error = error
            return
        for write in batch:
            write.error = self._transact([write])

    def _transact(self, batch: Sequence[_Write]) -> Exception | None:
        """One transaction with these writes in it: None when it is on disk, else why it is not."""
        groups: dict[Apply[Any, Any], list[_Write]] = {}
        for write in batch:
            groups.setdefault(write.apply, []).append(write)
        try:
            with self._turn():
                if self._connection is None:
                    self._connection = self._connect()
                with self._connection.begin():
                    for apply, writes in groups.items():
                        results = apply(self._connection, [write.argument for write in writes])
                        for write, result in zip(writes, results, strict=True):
                            write.result = result
        except Exception as error:  # noqa: BLE001  (its callers must hear it; the thread must live)
            blame = self._failure(error)
            if blame is None:
                return error
            blame.__cause__ = error
            self._disconnect()
            return blame
        return None

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(
                Exception
            ):  # the connection is given up because it failed; it may fail at closing too
                connection.close()

    def _report(self, batch: Sequence[_Write]) -> None:
        by_loop: dict[asyncio.AbstractEventLoop, list[_Write]] = {}
        for write in batch:
            by_loop.setdefault(write.future.get_loop(), []).append(write)
        for loop, writes in by_loop.items():
            with suppress(RuntimeError):  # the loop is closed: nobody is left to hear it
                loop.call_soon_threadsafe(self._answer, writes)

    def _answer(self, writes: Sequence[_Write]) -> None:
        for write in writes:
            self._room.release()
            if write.future.done():
                continue
            if write.error is None:
                write.future.set_result(write.result)
            else:
                write.future.set_exception(write.error)
