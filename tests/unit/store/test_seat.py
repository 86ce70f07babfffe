"""Seats: one worker each, freed by death, and what the dead leave is found."""

import subprocess
import sys

from relay.store.seat import Seat

HOLDER = """
import sys
from pathlib import Path
from relay.store.seat import Seat
seat = Seat.take(Path(sys.argv[1]))
print(seat.name, flush=True)
sys.stdin.read()
"""


def test_each_worker_has_a_seat_of_its_own(tmp_path):
    """Two that run at once never share a name, and a seat that was left is taken again."""
    store = tmp_path / "denrei.db"
    first, second = Seat.take(store), Seat.take(store)
    assert (first.name, second.name) == ("worker-1", "worker-2")
    first.leave()
    third = Seat.take(store)
    assert third.name == "worker-1"
    second.leave()
    third.leave()


def test_a_killed_worker_frees_its_seat(tmp_path):
    """kill -9 leaves no seat taken: the kernel frees it."""
    store = tmp_path / "denrei.db"
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(store)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with holder:
        assert holder.stdout.readline() == "worker-1\n"
        seat = Seat.take(store)
        assert seat.name == "worker-2"
        seat.leave()
        holder.kill()
    seat = Seat.take(store)
    assert seat.name == "worker-1"
    seat.leave()


def test_vacated_seats_are_those_that_were_used_and_are_free(tmp_path):
    """Neither my own, nor one that somebody holds, nor one that nobody ever had."""
    store = tmp_path / "denrei.db"
    seats = [Seat.take(store) for _ in range(3)]
    seats[1].leave()
    vacated = list(seats[2].vacated())
    assert [seat.name for seat in vacated] == ["worker-2"]
    for seat in (seats[0], seats[2], *vacated):
        seat.leave()
