"""The retry schedule, as whole lists."""

from datetime import timedelta

import pytest

from relay.config import DeliveryConfig
from relay.delivery.schedule import next_attempt_at, wait_after
from tests.support.clock import START

SETTINGS = DeliveryConfig()


def story(chance, *, steps=SETTINGS.retry, lifetime=SETTINGS.lifetime, held=timedelta()):
    """Minutes between attempts until the delivery expires, each attempt failing at once; then its age."""
    now, waits, attempts = START + held, [], 0
    while True:
        attempts += 1
        due_at = next_attempt_at(
            attempts, now=now, accepted_at=START, steps=steps, lifetime=lifetime, chance=chance
        )
        if due_at is None:
            return waits, now - START
        waits.append((due_at - now) / timedelta(minutes=1))
        now = due_at


def test_the_default_schedule_is_the_published_one_and_ends_at_five_days():
    """1, 5, 15, 30 min, 1 h, 2 h, then every 4 h; the last attempt falls on the end of the fifth day."""
    waits, age = story(0.5)
    assert waits == [1, 5, 15, 30, 60, 120, *[240] * 29, 9]
    assert age == timedelta(days=5)


@pytest.mark.parametrize(
    ("chance", "waits"), [(0.0, [54, 270, 810]), (0.5, [60, 300, 900]), (0.75, [63, 315, 945])]
)
def test_chance_moves_each_wait_by_up_to_a_tenth(chance, waits):
    """Jitter is even around the step and never more than a tenth of it."""
    steps = SETTINGS.retry
    assert [wait_after(n, steps=steps, chance=chance).total_seconds() for n in (1, 2, 3)] == waits


def test_a_schedule_of_one_step_repeats_it():
    """The last step repeats, be it the only one."""
    assert story(0.5, steps=[timedelta(hours=1)], lifetime=timedelta(hours=4)) == (
        [60, 60, 60, 60],
        timedelta(hours=4),
    )


@pytest.mark.parametrize("chance", [0.0, 0.5, 0.999])
@pytest.mark.parametrize("minutes", [0.5, 1, 6, 51, 60, 240, 500, 5 * 24 * 60])
def test_a_delivery_that_was_never_held_ends_with_its_lifetime(minutes, chance):
    """However short the lifetime and however long the waits: the last attempt falls on its end."""
    lifetime = timedelta(minutes=minutes)
    assert story(chance, lifetime=lifetime)[1] == lifetime


def test_a_delivery_that_was_held_past_its_lifetime_still_has_the_whole_schedule():
    """Released on the sixth day, it is tried eight times; the lifetime alone would leave it one attempt."""
    waits, age = story(0.5, held=timedelta(days=6))
    assert waits == [1, 5, 15, 30, 60, 120, 240]
    assert age == timedelta(days=6, hours=7, minutes=51)


def test_a_hold_promises_no_more_waits_than_fit_in_the_lifetime():
    """With a lifetime of an hour, a mail that was held for two is tried for 51 minutes, not for eight."""
    waits, _ = story(0.5, lifetime=timedelta(hours=1), held=timedelta(hours=2))
    assert waits == [1, 5, 15, 30]
