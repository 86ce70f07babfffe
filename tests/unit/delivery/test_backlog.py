"""What waits for one next hop and what of it goes back to the store."""

import pytest

from relay.delivery.hop.backlog import MAX_PASSED_OVER, Backlog
from relay.delivery.job import Job
from relay.store.values import Delivery, DeliveryState, Due
from tests.support.clock import START


def job(number, domain="partner.example.jp", since=0.0):
    """A waiting delivery; numbers count up with acceptance."""
    delivery = Delivery(
        id=f"{number:016}",
        mail_id="m",
        recipient=f"o{number}@{domain}",
        state=DeliveryState.SENDING,
        due_at=None,
        accepted_at=START,
    )
    due = Due(delivery=delivery, message_id="<m@x>", content=b"", notification_id="n", seller_id="s")
    return Job(due=due, sender="", leased_until=START, waiting_since=since)


def backlog(*jobs):
    """One with these in it."""
    waiting = Backlog()
    for one in jobs:
        waiting.put(one)
    return waiting


def numbers(jobs):
    """Which ones."""
    return [int(one.due.delivery.id) for one in jobs]


def test_deliveries_come_out_as_they_were_put_in_and_what_was_not_tried_first():
    """A queue, but for the one whose connection had gone."""
    waiting = backlog(*map(job, range(4)))
    first = waiting.next()
    waiting.put_first(first)
    assert (numbers(waiting.batch(3)), numbers(waiting.batch(3)), waiting.next()) == ([0, 1, 2], [3], None)


@pytest.mark.parametrize(
    ("is_connected", "slow_at"), [(True, 5.1), (False, 1.1)], ids=["connected", "not connected yet"]
)
def test_a_hop_is_slow_when_its_first_mail_waits_long(is_connected, slow_at):
    """Five seconds with a connection, one without; an empty one never is."""
    waiting = backlog(job(1, since=100.0))
    told = [waiting.is_slow(100.0 + after, is_connected=is_connected) for after in (slow_at - 0.2, slow_at)]
    assert (told, Backlog().is_slow(1e9, is_connected=True)) == ([False, True], False)


def test_a_slow_hop_keeps_its_share_and_wants_no_more_until_half_is_sent():
    """The newest go back; the domains are passed over until less than half of the share is left."""
    waiting = backlog(*map(job, range(10)), job(10, "other.example.jp"))
    back = waiting.surplus(4, is_slow=True)
    told = [(numbers(back), waiting.passed_over)]
    for sent in (2, 1):
        waiting.batch(sent)
        told.append((numbers(waiting.surplus(4, is_slow=True)), waiting.passed_over))
    both = {"partner.example.jp", "other.example.jp"}
    assert told == [([10, 9, 8, 7, 6, 5, 4], both), ([], both), ([], frozenset())]


def test_a_hop_that_keeps_pace_keeps_all():
    """However many wait."""
    waiting = backlog(*map(job, range(10)))
    assert (waiting.surplus(4, is_slow=False), len(waiting)) == ([], 10)


def test_what_has_no_turn_soon_is_put_off_in_order_of_acceptance():
    """Two may go in ten seconds: the two oldest stay, the others get the turns after, two by two."""
    waiting = backlog(*map(job, [5, 1, 4, 2, 3, 6, 7]))
    put_off = waiting.put_off(2, 1_000.0)
    assert [(*numbers([one]), seconds) for one, seconds in put_off] == [
        *[(3, 10), (4, 10)],
        *[(5, 20), (6, 20)],
        (7, 30),
    ]
    assert numbers(waiting.batch(9)) == [1, 2]


def test_turns_that_were_given_away_are_not_given_again():
    """Who comes later is put off to after those who were put off before, up to ten minutes."""
    waiting = backlog(*map(job, range(4)))
    waiting.put_off(2, 1_000.0)
    for number in range(4, 7):
        waiting.put(job(number))
    assert [seconds for _, seconds in waiting.put_off(2, 1_001.0)] == [19, 19, 29]
    for number in range(200):
        waiting.put(job(number))
    assert max(seconds for _, seconds in waiting.put_off(1, 1_002.0)) == 600


def test_a_hop_with_too_many_domains_names_none_of_the_further_ones():
    """A claim's statement names each of them, so they are bounded."""
    waiting = Backlog()
    waiting.shut_out(*(job(number, f"p{number}.example.jp") for number in range(MAX_PASSED_OVER)))
    waiting.shut_out(job(1, "one-more.example.jp"))
    assert (len(waiting.passed_over), "one-more.example.jp" in waiting.passed_over) == (
        MAX_PASSED_OVER,
        False,
    )
    waiting.open_up()
    assert waiting.passed_over == frozenset()


def test_withdrawing_takes_what_is_unwanted_and_keeps_the_order():
    """The others do not notice."""
    waiting = backlog(*map(job, range(6)))
    taken = waiting.withdraw(lambda one: int(one.due.delivery.id) % 2)
    assert (numbers(taken), numbers(waiting.batch(6))) == ([1, 3, 5], [0, 2, 4])
