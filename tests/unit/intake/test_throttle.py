"""How much one client may take up."""

from dataclasses import dataclass
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.intake.access.throttle import MAX_CLIENTS, Allowances, Throttle, client_of
from relay.quantity import Rate
from tests.support.clock import ManualClock

MANY_CONNECTIONS = b"421 4.7.0 too many connections from you, try again later\r\n"
FULL = b"421 4.3.2 too many connections, try again later\r\n"
MANY_MAILS = b"451 4.7.1 too many mails from you, try again later\r\n"
SECOND = timedelta(seconds=1)


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What one client may take up."""

    max_connections: int = 100
    max_connections_per_client: int = 2
    mails_per_minute: int = 3


def line(refusal):
    return None if refusal is None else refusal.line()


@pytest.mark.parametrize(
    ("peer", "client"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:ffff:ffff:ffff:ffff", "2001:db8:1:2::/64"),
        ("2001:db8:1:3::1", "2001:db8:1:3::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("/run/socket:1", "/run/socket:1"),
        ("", ""),
    ],
)
def test_one_client_is_an_address_or_a_customers_network(peer, client):
    """IPv4 in IPv6 is the IPv4 client; a customer's 2**64 addresses of IPv6 are one client."""
    assert client_of(peer) == client


def test_connections_of_one_client_do_not_shut_out_another():
    """The third at once is refused until one goes; others are not concerned."""
    throttle = Throttle(Limits(), clock=ManualClock())
    peers = ["192.0.2.7", "::ffff:192.0.2.7", "192.0.2.7", "192.0.2.8"]
    assert [line(throttle.enter(peer, is_guest=False)) for peer in peers] == [
        None,
        None,
        MANY_CONNECTIONS,
        None,
    ]
    throttle.leave("192.0.2.7", is_guest=False)
    assert [line(throttle.enter("192.0.2.7", is_guest=False)) for _ in range(2)] == [None, MANY_CONNECTIONS]


def test_who_has_gone_is_forgotten_and_cannot_go_twice():
    """Leaving once too often gives nobody more room, and no client stays in memory."""
    throttle = Throttle(Limits(), clock=ManualClock())
    throttle.enter("192.0.2.7", is_guest=False)
    for _ in range(3):
        throttle.leave("192.0.2.7", is_guest=False)
        assert throttle._connections == {}
    assert [line(throttle.enter("192.0.2.7", is_guest=False)) for _ in range(3)] == [
        None,
        None,
        MANY_CONNECTIONS,
    ]


def test_guests_have_half_of_all_connections_together():
    """Many strangers, each within its measure, leave the other half to those who may send."""
    throttle = Throttle(Limits(max_connections=5, max_connections_per_client=9), clock=ManualClock())
    guests = [f"198.51.100.{number}" for number in range(4)]
    assert [line(throttle.enter(guest, is_guest=True)) for guest in guests[:3]] == [None, None, FULL]
    assert [line(throttle.enter("192.0.2.7", is_guest=False)) for _ in range(3)] == [None] * 3
    throttle.make_known()
    assert [line(throttle.enter(guest, is_guest=True)) for guest in guests[2:]] == [None, FULL]
    throttle.leave(guests[0], is_guest=False)  # the one that signed in
    throttle.leave(guests[1], is_guest=True)
    assert [line(throttle.enter(guest, is_guest=True)) for guest in guests[:2]] == [None, FULL]
    single = Throttle(Limits(max_connections=1), clock=ManualClock())
    assert line(single.enter(guests[0], is_guest=True)) is None


def test_mails_come_back_evenly():
    """Three at once, then one each twenty seconds; a refused one costs nothing, idle time is not saved up."""
    clock = ManualClock()
    throttle = Throttle(Limits(), clock=clock)
    answers = []
    for pause in [0, 0, 0, 0, 19, 1, 0, 20, 40, 0, 600, 0, 0]:
        clock.advance(pause * SECOND)
        answers.append(throttle.begin_mail("192.0.2.7") is None)
    assert answers == [True] * 3 + [False, False, True, False] + [True] * 6
    assert line(throttle.begin_mail("192.0.2.7")) == MANY_MAILS
    assert throttle.begin_mail("192.0.2.8") is None


def test_the_time_of_day_plays_no_part():
    """A clock that is set forward or back gives nobody more and nobody less."""
    clock = ManualClock()
    throttle = Throttle(Limits(), clock=clock)
    for days in (1, -400, 399):
        assert throttle.begin_mail("192.0.2.7") is None
        clock.jump(timedelta(days=days))
    assert line(throttle.begin_mail("192.0.2.7")) == MANY_MAILS


@given(
    pauses=st.lists(st.integers(0, 100), max_size=60),
    count=st.integers(1, 20),
    period=st.sampled_from([1, 60, 3600]),
)
def test_what_is_taken_in_any_stretch_of_time(pauses, count, period):
    """No stretch of time gives more than a period's count and what came back; what is due is given."""
    clock = ManualClock()
    allowances = Allowances(Rate(count, timedelta(seconds=period)), clock=clock)
    taken: list[float] = []
    for tenths in pauses:
        clock.advance(timedelta(seconds=tenths * period / 1000))
        now = clock.monotonic()
        can = allowances.has("client")
        assert allowances.take("client") == can
        if can:
            taken.append(now)
        else:
            assert len([at for at in taken if at >= now - period]) >= count
    for first, start in enumerate(taken):
        for last in range(first, len(taken)):
            elapsed = taken[last] - start
            assert last - first + 1 <= count + elapsed * count / period + 1


def test_what_was_given_back_was_never_taken():
    """Giving back leaves no trace of the client, and more than was taken cannot be given back."""
    clock = ManualClock()
    allowances = Allowances(Rate(2, timedelta(minutes=1)), clock=clock)
    assert [allowances.take("a"), allowances.take("a"), allowances.take("a")] == [True, True, False]
    for _ in range(5):
        allowances.give_back("a")
    assert len(allowances) == 0
    assert [allowances.take("a"), allowances.take("a"), allowances.take("a")] == [True, True, False]


@pytest.mark.parametrize("forgets_busy", [True, False])
def test_the_memory_of_clients_is_bounded(forgets_busy):
    """Idle ones are forgotten for newcomers; while all are busy, a newcomer waits or the oldest goes."""
    clock = ManualClock()
    allowances = Allowances(Rate(1, timedelta(minutes=1)), clock=clock, forgets_busy=forgets_busy)
    for number in range(MAX_CLIENTS):
        assert allowances.take(f"client {number}")
    assert allowances.take("newcomer") == forgets_busy
    assert allowances.take("client 0") == forgets_busy  # forgotten, or still without an allowance
    clock.advance(timedelta(minutes=1))
    assert allowances.take("another")
    assert len(allowances) == MAX_CLIENTS
