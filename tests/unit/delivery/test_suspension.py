"""Whether a next hop is open, pausing or suspended, as whole lists."""

import pytest

from relay.delivery.hop.suspension import Reach, Reachability
from relay.delivery.outcome import Bounced, Deferred

REFUSED = Deferred("refused")


def story(failures, **chosen):
    """Seconds of pause and what is known after each failure, each as soon as somebody may try."""
    hop, told, now = Reachability(**{"suspend_after": 5, "probe_seconds": 600.0, **chosen}), [], 50.0
    for because in failures:
        hop = hop.failed(because, began=now, now=now + 3)
        told.append((hop.closed_for(now + 3), hop.reach.value))
        now = hop.closed_until
    return told


def test_pauses_double_and_the_fifth_failure_suspends():
    """Fifteen seconds to two minutes, then one probe every ten."""
    assert story([REFUSED] * 7) == [
        (15, "pausing"),
        (30, "pausing"),
        (60, "pausing"),
        (120, "pausing"),
        (600, "suspended"),
        (600, "suspended"),
        (600, "suspended"),
    ]


def test_pauses_end_at_ten_minutes_where_nothing_suspends():
    """A hop that is suspended late or never is asked at least that often."""
    assert [seconds for seconds, _ in story([REFUSED] * 9, suspend_after=100)] == [
        *[15, 30, 60, 120, 240, 480],
        *[600] * 3,
    ]


@pytest.mark.parametrize("probe", [30.0, 3600.0])
def test_the_first_failure_suspends_where_the_operator_wants_so(probe):
    """`suspend_after: 1`: no pause before, and the operator's own time between probes."""
    assert story([REFUSED] * 2, suspend_after=1, probe_seconds=probe) == [(probe, "suspended")] * 2


def test_a_domain_that_takes_no_mail_is_never_suspended():
    """Its mails bounce: nothing is to be waited for."""
    assert {reach for _, reach in story([Bounced("556 no mail")] * 9)} == {"pausing"}


def test_failures_of_connections_that_began_together_are_one():
    """What began before a failure was told changes nothing."""
    hop = Reachability(suspend_after=2, probe_seconds=600.0).failed(REFUSED, began=10.0, now=40.0)
    assert hop.failed(REFUSED, began=12.0, now=70.0) is hop
    assert hop.failed(REFUSED, began=40.5, now=70.0).reach is Reach.SUSPENDED


def test_one_answer_opens_it_and_nothing_is_remembered():
    """After it the first pause is the short one again."""
    hop = Reachability(suspend_after=1, probe_seconds=600.0).failed(REFUSED, began=1.0, now=2.0)
    assert (hop.is_closed(601.0), hop.is_closed(602.0)) == (True, False)
    assert hop.answered() == Reachability(suspend_after=1, probe_seconds=600.0)
    assert hop.answered().reach is Reach.OPEN
