"""Identifiers: their form, their order, and that they do not repeat."""

from datetime import UTC

from relay.clock import ID_LENGTH, SystemClock, id_at


def test_identifiers_sort_by_time_and_keep_their_length():
    """From the first millisecond to the last one that nine characters can count."""
    first, second, last = id_at(1_577_836_800_000, 2**35 - 1), id_at(1_577_836_800_001, 0), id_at(2**44, 0)
    assert sorted([last, second, first]) == [first, second, last]
    assert {len(first), len(second), len(last)} == {ID_LENGTH}


def test_every_bit_of_chance_is_in_the_identifier():
    """A shift that lost bits would make identifiers clash."""
    assert len({id_at(1_800_000_000_000, 1 << bit) for bit in range(35)}) == 35


def test_new_identifiers_differ():
    """Thousands within a few milliseconds."""
    clock = SystemClock()
    assert len({clock.new_id() for _ in range(5_000)}) == 5_000


def test_the_time_of_day_is_aware_and_in_utc():
    """Nothing in Denrei reckons with naive times."""
    assert SystemClock().now().tzinfo is UTC
