"""Group commit, over a real SQLite file: what shares a transaction, and what a failure does to the others."""

import asyncio
import threading
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import Connection, text

from relay.errors import MachineFailure
from relay.metrics import Metrics
from relay.store import sqlite
from relay.store.prepared import MAX_BATCH
from relay.store.writer import MAX_BATCH_OCTETS, Writer
from tests.support.clock import ManualClock


class Bench:
    """A writer on a file with one table, whose transactions can be kept waiting and are counted."""

    def __init__(self, path: Path) -> None:
        path.touch()
        self.engine = sqlite.engine(path, writing=True)
        with self.engine.begin() as connection:
            connection.execute(text("CREATE TABLE word (word TEXT PRIMARY KEY)"))
        self.go = threading.Event()
        self.waits = threading.Event()
        self.turns = 0
        self.batches: list[list[str]] = []
        self.writer = Writer(
            connect=self.engine.connect,
            turn=self.turn,
            wait_at_most=sqlite.wait_at_most,
            patience=sqlite.PATIENCE,
            failure=self.failure,
            metrics=Metrics(),
            clock=ManualClock(),
        )

    @contextmanager
    def turn(self, patience: timedelta):
        if not patience and not self.go.is_set():
            yield False
            return
        self.turns += 1
        self.waits.set()
        self.go.wait()
        yield True

    @staticmethod
    def failure(error: Exception) -> MachineFailure | None:
        return MachineFailure("no disk") if isinstance(error, OSError) else None

    def put(self, connection: Connection, words: list[str]) -> list[str]:
        self.batches.append(list(words))
        for word in words:
            if word == "fire":
                raise OSError("fire")
            connection.execute(text("INSERT INTO word VALUES (:word)"), {"word": word})
        return [word.upper() for word in words]

    def take(self, connection: Connection, words: list[str]) -> list[int]:
        return [connection.execute(text("DELETE FROM word")).rowcount for _ in words]

    def words(self) -> list[str]:
        with self.engine.connect() as connection:
            return list(connection.execute(text("SELECT word FROM word ORDER BY word")).scalars())

    async def blocked(self) -> "asyncio.Task[str]":
        """Start one write and wait until its transaction waits, so that what follows waits together."""
        first = asyncio.create_task(self.writer.write(self.put, "first"))
        await asyncio.to_thread(self.waits.wait)
        return first

    async def end(self) -> None:
        self.go.set()
        await self.writer.close()
        self.engine.dispose()


def run(path: Path, story) -> None:
    async def main() -> None:
        bench = Bench(path)
        try:
            await story(bench)
        finally:
            await bench.end()

    asyncio.run(main())


def test_all_that_wait_share_one_transaction_up_to_the_bound(tmp_path: Path) -> None:
    """While one commit runs the next writes gather; they go together, MAX_BATCH at a time, in order."""

    async def story(bench: Bench) -> None:
        first = await bench.blocked()
        words = [f"{number:03}" for number in range(MAX_BATCH + 5)]
        rest = [asyncio.create_task(bench.writer.write(bench.put, word)) for word in words]
        await asyncio.sleep(0)
        bench.go.set()
        assert await asyncio.gather(first, *rest) == ["FIRST", *words]
        assert bench.batches == [["first"], words[:MAX_BATCH], words[MAX_BATCH:]]
        assert bench.turns == 3
        assert bench.words() == [*words, "first"]

    run(tmp_path / "x.db", story)


def test_bulk_ends_a_batch_too(tmp_path: Path) -> None:
    """Large writes do not pile up in one transaction."""

    async def story(bench: Bench) -> None:
        first = await bench.blocked()
        half = MAX_BATCH_OCTETS // 2
        rest = [asyncio.create_task(bench.writer.write(bench.put, word, octets=half)) for word in "abcde"]
        await asyncio.sleep(0)
        bench.go.set()
        await asyncio.gather(first, *rest)
        assert bench.batches == [["first"], ["a", "b"], ["c", "d"], ["e"]]

    run(tmp_path / "x.db", story)


def test_writes_of_one_kind_are_made_together(tmp_path: Path) -> None:
    """Kinds that alternate in the queue are still given all their arguments at once."""

    async def story(bench: Bench) -> None:
        first = await bench.blocked()
        kinds = [(bench.put, "a"), (bench.take, ""), (bench.put, "b"), (bench.take, "")]
        rest = [asyncio.create_task(bench.writer.write(apply, word)) for apply, word in kinds]
        await asyncio.sleep(0)
        bench.go.set()
        assert await asyncio.gather(first, *rest) == ["FIRST", "A", 3, "B", 0]
        assert bench.batches == [["first"], ["a", "b"]]

    run(tmp_path / "x.db", story)


def test_a_bad_write_fails_alone(tmp_path: Path) -> None:
    """The batch that a bad write broke is undone, and each of its writes is tried by itself."""

    async def story(bench: Bench) -> None:
        first = await bench.blocked()
        rest = [asyncio.create_task(bench.writer.write(bench.put, word)) for word in ("a", "first", "b")]
        await asyncio.sleep(0)
        bench.go.set()
        answers = await asyncio.gather(first, *rest, return_exceptions=True)
        assert [answer if isinstance(answer, str) else type(answer).__name__ for answer in answers] == [
            "FIRST",
            "A",
            "IntegrityError",
            "B",
        ]
        assert bench.words() == ["a", "b", "first"]

    run(tmp_path / "x.db", story)


def test_when_the_machine_fails_all_of_the_batch_hear_it_and_the_next_is_tried(tmp_path: Path) -> None:
    """Nothing of that batch is stored, also of what had been written before the failure."""

    async def story(bench: Bench) -> None:
        first = await bench.blocked()
        rest = [asyncio.create_task(bench.writer.write(bench.put, word)) for word in ("a", "fire", "b")]
        await asyncio.sleep(0)
        bench.go.set()
        answers = await asyncio.gather(first, *rest, return_exceptions=True)
        assert [str(answer) for answer in answers] == ["FIRST", "no disk", "no disk", "no disk"]
        assert bench.words() == ["first"]
        assert await bench.writer.write(bench.put, "after") == "AFTER"

    run(tmp_path / "x.db", story)


def test_a_loop_that_ended_does_not_stop_the_writer(tmp_path: Path) -> None:
    """A caller whose event loop was closed is not answered; the thread goes on for the next."""
    bench = Bench(tmp_path / "x.db")

    async def leave() -> None:
        task = asyncio.create_task(bench.writer.write(bench.put, "left"))
        await asyncio.to_thread(bench.waits.wait)
        task.cancel()

    async def come() -> None:
        bench.go.set()
        assert await bench.writer.write(bench.put, "next") == "NEXT"
        await bench.end()

    asyncio.run(leave())
    asyncio.run(come())
    assert bench.batches == [["left"], ["next"]]


def test_a_closed_writer_refuses(tmp_path: Path) -> None:
    """After close(), which may be called twice, a write is a MachineFailure and is not made."""

    async def story(bench: Bench) -> None:
        bench.go.set()
        await bench.writer.close()
        with pytest.raises(MachineFailure, match="the store is closed; nothing of this was stored"):
            await bench.writer.write(bench.put, "late")
        assert bench.batches == []

    run(tmp_path / "x.db", story)
