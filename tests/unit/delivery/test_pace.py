"""How fast a next hop is served, as whole lists."""

from datetime import timedelta

import pytest

from relay.delivery.hop.pace import Pace
from relay.quantity import Rate

SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)


def story(pace, answers):
    """Connections and gap after each answer, a second apart: `.` went well, `!` too much, `2` two at once."""
    told = []
    for now, answer in enumerate(answers):
        match answer:
            case ".":
                pace.succeeded(now)
            case "!":
                pace.eased(began=now - 0.5, now=now)
            case "2":
                pace.eased(began=now - 0.5, now=now)
                pace.eased(began=now - 0.4, now=now)
        told.append((pace.allowed, pace.gap))
    return told


def allowed(pace, answers):
    """Only the connections."""
    return [connections for connections, _ in story(pace, answers)]


def test_connections_begin_few_and_grow_with_each_mail_up_to_the_limit():
    """Two, then one more for each mail that went well."""
    assert allowed(Pace(limit=6), "......") == [3, 4, 5, 6, 6, 6]


def test_a_limit_of_one_connection_is_kept_from_the_start():
    """However well it goes."""
    pace = Pace(limit=1)
    assert (pace.allowed, allowed(pace, "...")) == (1, [1, 1, 1])


def test_a_complaint_halves_the_connections_and_growth_is_slow_from_there():
    """Nine, then four; one more only after a round of as many mails as there are connections."""
    assert allowed(Pace(limit=20), "." * 7 + "!" + "." * 9) == [
        *[3, 4, 5, 6, 7, 8, 9],
        4,
        *[4, 4, 4, 5],
        *[5, 5, 5, 5, 6],
    ]


def test_connections_that_complain_together_are_one_complaint():
    """What began before the last halving says nothing new."""
    assert allowed(Pace(limit=20), "......2") == [3, 4, 5, 6, 7, 8, 4]


def test_a_peer_that_complains_of_one_connection_gets_time_between_mails():
    """One second, doubled up to a minute, and halved by each mail that goes well, until nothing is left."""
    pace = Pace(limit=1)
    assert [gap for _, gap in story(pace, "!" * 8)] == [1, 2, 4, 8, 16, 32, 60, 60]
    well = []
    while pace.gap:
        pace.succeeded(now=100)
        well.append(pace.gap)
    assert well == [30, 15, 7.5, 3.75, 1.875, 0.9375, 0]


def test_connections_grow_again_only_when_the_gap_is_gone():
    """First the time between mails, then their number at once."""
    pace = Pace(limit=8)
    assert story(pace, "!!" + "." * 4) == [(1, 0), (1, 1), (1, 0), (2, 0), (2, 0), (3, 0)]


def test_a_refused_connection_keeps_those_that_stand_and_rests_growth():
    """Five stand, the sixth was refused: five for a minute, then one more for each round."""
    pace = Pace(limit=20)
    pace.kept_at(5, now=0)
    at_once = [pace.succeeded(now) or pace.allowed for now in range(50, 60)]
    later = [pace.succeeded(60) or pace.allowed for _ in range(5)]
    assert (at_once, later) == ([5] * 10, [5, 5, 5, 5, 6])


def test_a_peer_that_could_not_be_reached_begins_with_one_connection():
    """One finds out whether it is back; then growth is quick again."""
    pace = Pace(limit=20)
    allowed(pace, "........!")
    pace.restarted()
    assert (pace.allowed, allowed(pace, "....")) == (1, [2, 3, 4, 5])


@pytest.mark.parametrize(
    ("rate", "times"),
    [
        (Rate(60, MINUTE), [0, 1, 2, 3, 4]),
        (Rate(1, SECOND), [0, 1, 2, 3, 4]),
        (Rate(10, SECOND), [0, 0, 0.1, 0.2, 0.3]),
        (Rate(100, SECOND), [*[0] * 11, 0.01, 0.02]),
        (Rate(2, HOUR), [0, 1800, 3600]),
    ],
    ids=str,
)
def test_a_rate_spreads_mails_evenly(rate, times):
    """The moments at which mails go when as many as one likes wait: an even row, a few together at first."""
    pace, now, went = Pace(limit=20, rate=rate), 1_000.0, []
    for _ in times:
        now += pace.wait(now)
        pace.sent(now)
        went.append(round(now - 1_000, 3))
    assert went == pytest.approx([max(0, time) for time in times], abs=0.11)


@pytest.mark.parametrize(
    "rate", [Rate(60, MINUTE), Rate(10, SECOND), Rate(100, SECOND), Rate(7, HOUR)], ids=str
)
def test_no_period_sees_more_than_the_rate_and_a_tenth_of_a_second(rate):
    """Idle or busy before: the mails of any one period are bounded, a timer's millisecond apart."""
    pace, now, went = Pace(limit=20, rate=rate), 0.0, []
    period = rate.period.total_seconds()
    for number in range(rate.count * 4):
        now += pace.wait(now) + (period * 1.7 if number == rate.count else 0)
        pace.sent(now)
        went.append(now)
    most = max(sum(at <= other < at + period for other in went) for at in went)
    assert rate.count <= most <= rate.count + 1 + rate.count / period * 0.1


def test_what_may_go_soon_is_counted_by_rate_or_gap():
    """The number of mails worth keeping in memory; None when nothing bounds them."""
    slow = Pace(limit=1)
    slow.eased(began=0, now=1)
    paces = [Pace(limit=9), Pace(limit=9, rate=Rate(60, MINUTE)), Pace(limit=9, rate=Rate(1, HOUR)), slow]
    assert [pace.within(10) for pace in paces] == [None, 10, 1, 10]
