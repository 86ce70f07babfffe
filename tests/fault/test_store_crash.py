"""Processes that die or race: killed under load, writing side by side, opening a new store at once."""

import json
import subprocess
import sys
from pathlib import Path

from relay.store.query import MAX_LISTING, DeliveryFilter, JournalFilter
from relay.store.store import Store
from relay.store.values import DeliveryState
from tests.support.clock import ManualClock
from tests.support.counted import counts
from tests.support.stored import with_store

LOAD = """
import asyncio, json, sys
from pathlib import Path
from relay.clock import SystemClock
from relay.store.store import Store
from relay.store.values import Accepted
from tests.support.stored import accepted

async def main():
    path, events, clock = Path(sys.argv[1]), int(sys.argv[2]), SystemClock()
    store = Store.open(path, clock=clock)
    numbers = iter(range(events)) if events else iter(int, 1)
    async def caller():
        for number in numbers:
            event = f"e{number}" if events else None
            one = accepted(clock, event_id=event, recipients=("a@x.example.jp", "b@y.example.jp"))
            answer = await store.accept(one)
            print(json.dumps([event, one.id, isinstance(answer, Accepted)]), flush=True)
    await asyncio.gather(*(caller() for _ in range(16)))
    await store.close()

asyncio.run(main())
"""


def loaded(path: Path, events: int = 0) -> "subprocess.Popen[bytes]":
    """A process that accepts under load: so many events, or without end."""
    command = [sys.executable, "-W", "error", "-c", LOAD, str(path), str(events)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, cwd=Path.cwd())


def test_killed_under_load_the_store_has_all_that_was_acknowledged_and_nothing_by_half(
    tmp_path: Path,
) -> None:
    """kill -9 at four points of a load: each acknowledged notification is whole, so are the others."""
    path = tmp_path / "x.db"
    acknowledged: list[str] = []
    for answers in (1, 30, 200, 333):
        with loaded(path) as child:
            assert child.stdout is not None
            acknowledged += [json.loads(child.stdout.readline())[1] for _ in range(answers)]
            child.kill()
            rest = child.stdout.read().split(b"\n")[:-1]
            acknowledged += [json.loads(line)[1] for line in rest]
        assert child.returncode == -9

    async def story(store: Store, _: ManualClock) -> None:
        for id_ in acknowledged:
            found = await store.notification(id_)
            assert found is not None
            assert (len(found.accepted.mails), len(found.rows), len(found.accepted.entries)) == (2, 2, 1)
        total = await counts(store)
        assert total.notifications >= len(acknowledged)
        assert total.deliveries[DeliveryState.QUEUED] == 2 * total.notifications
        rows, before = 0, ""
        while page := await store.deliveries(DeliveryFilter(limit=MAX_LISTING, before=before)):
            rows, before = rows + len(page), page[-1].delivery.id
        assert rows == 2 * total.notifications

    with_store(path, story)


def test_two_processes_write_side_by_side_and_take_each_event_once(tmp_path: Path) -> None:
    """Two workers open a new store at once and get the same events: each event is taken by one."""
    path = tmp_path / "x.db"
    with loaded(path, 150) as one, loaded(path, 150) as two:
        outputs = [child.communicate()[0].decode().strip().split("\n") for child in (one, two)]
    assert (one.returncode, two.returncode) == (0, 0)
    answers = [json.loads(line) for output in outputs for line in output]
    assert len(answers) == 300
    assert sorted(event for event, _, taken in answers if taken) == sorted(
        f"e{number}" for number in range(150)
    )

    async def story(store: Store, _: ManualClock) -> None:
        total = await counts(store)
        assert (total.notifications, total.deliveries[DeliveryState.QUEUED]) == (150, 300)
        assert len(await store.journal(JournalFilter(limit=MAX_LISTING))) == 300

    with_store(path, story)


def test_many_processes_that_open_a_new_store_at_once_all_find_it_made(tmp_path: Path) -> None:
    """The tables are made once, by whoever comes first; nobody fails."""
    path = tmp_path / "x.db"
    children = [loaded(path, 1) for _ in range(4)]
    answers = [json.loads(child.communicate()[0]) for child in children]
    assert [child.returncode for child in children] == [0] * 4
    assert sum(taken for _, _, taken in answers) == 1
