"""What is counted shows in the text that a scrape gets, and nothing else does."""

import re
from datetime import UTC, datetime, timedelta

from relay.metrics import (
    MAX_HOPS,
    Arrival,
    HopSample,
    Intake,
    Limit,
    Login,
    Metrics,
    Sample,
)

NOW = datetime(2026, 11, 21, 1, 0, tzinfo=UTC)


def rows(metrics: Metrics) -> dict[str, float]:
    """Every row with a value other than 0, but for what the library adds."""
    told = [row for row in metrics.text().decode().split("\n") if row and not row.startswith("#")]
    found = {name: float(value) for name, _, value in (row.rpartition(" ") for row in told)}
    ours = {
        name: value for name, value in found.items() if not re.search("_created|_bucket|build_info", name)
    }
    return {name: value for name, value in ours.items() if value}


def sample(**changes: object) -> Sample:
    usual: dict[str, object] = {
        "now": NOW,
        "deliveries": {},
        "oldest": {},
        "quarantined": 0,
        "holds": {},
        "hops": (),
        "in_memory": 0,
        "memory_limit": 0,
        "connections": 0,
        "connection_limit": 0,
        "free_octets": 0,
        "store_octets": 0,
        "is_registry_bad": False,
        "registrations": 0,
        "certificate_ends_at": None,
        "loop_lag_seconds": 0.0,
    }
    return Sample(**(usual | changes))  # type: ignore[arg-type]  (a test's shorthand)


def test_each_count_shows_under_its_own_name():
    """One of each, and nothing moves that was not told."""
    metrics = Metrics()
    metrics.connection(Arrival.STRANGER)
    metrics.taken(Intake.ACCEPTED, 0.25)
    metrics.limited(Limit.RATE)
    metrics.login(Login.WRONG)
    metrics.attempt("delivered", 2.5)
    metrics.attempt("deferred", 9.0)
    metrics.report(is_final=True)
    metrics.noticed("delay")
    metrics.committed(3, 0.5)
    metrics.store_failed()
    assert rows(metrics) == {
        'denrei_intake_connections_total{outcome="stranger"}': 1,
        'denrei_intake_mails_total{outcome="accepted"}': 1,
        "denrei_intake_seconds_count": 1,
        "denrei_intake_seconds_sum": 0.25,
        'denrei_intake_limits_total{limit="mails_per_minute"}': 1,
        'denrei_intake_logins_total{outcome="wrong"}': 1,
        'denrei_attempts_total{outcome="delivered"}': 1,
        'denrei_attempts_total{outcome="deferred"}': 1,
        "denrei_delivery_seconds_count": 1,
        "denrei_delivery_seconds_sum": 2.5,
        'denrei_reports_total{kind="final"}': 1,
        'denrei_notices_total{kind="delay"}': 1,
        "denrei_store_commit_seconds_count": 1,
        "denrei_store_commit_seconds_sum": 0.5,
        "denrei_store_writes_total": 3,
        "denrei_store_failures_total": 1,
    }


def test_a_sample_sets_every_gauge_and_forgets_what_has_gone():
    """Ages are seconds; a next hop that is forgotten leaves no row behind."""
    metrics = Metrics()
    hop = HopSample(
        name="mail.partner.example.jp:25",
        connections=2,
        allowed=5,
        waiting=7,
        is_pausing=True,
        is_suspended=True,
    )
    metrics.sample(
        sample(
            deliveries={"held": 1, "queued": 2, "sending": 0},
            oldest={"held": NOW - timedelta(hours=1), "queued": NOW, "sending": None},
            quarantined=3,
            holds={"seller": 1},
            hops=(hop,),
            in_memory=4,
            memory_limit=2000,
            connections=5,
            connection_limit=200,
            free_octets=6,
            store_octets=7,
            is_registry_bad=True,
            registrations=8,
            certificate_ends_at=NOW,
            loop_lag_seconds=0.125,
        )
    )
    assert rows(metrics) == {
        'denrei_deliveries{state="held"}': 1,
        'denrei_deliveries{state="queued"}': 2,
        'denrei_oldest_delivery_seconds{state="held"}': 3600,
        "denrei_quarantined": 3,
        'denrei_holds{scope="seller"}': 1,
        'denrei_deliveries_in_memory{what="now"}': 4,
        'denrei_deliveries_in_memory{what="limit"}': 2000,
        'denrei_next_hop_connections{next_hop="mail.partner.example.jp:25"}': 2,
        'denrei_next_hop_connections_allowed{next_hop="mail.partner.example.jp:25"}': 5,
        'denrei_next_hop_waiting{next_hop="mail.partner.example.jp:25"}': 7,
        'denrei_next_hop_state{next_hop="mail.partner.example.jp:25"}': 2,
        'denrei_intake_open_connections{what="now"}': 5,
        'denrei_intake_open_connections{what="limit"}': 200,
        "denrei_store_free_bytes": 6,
        "denrei_store_bytes": 7,
        "denrei_registrations_bad": 1,
        "denrei_registrations": 8,
        "denrei_certificate_end_timestamp_seconds": NOW.timestamp(),
        "denrei_event_loop_lag_seconds": 0.125,
    }
    metrics.sample(sample(holds={"seller": 0}))
    assert not [name for name in rows(metrics) if "next_hop" in name]


def test_the_number_of_rows_is_bounded():
    """Whatever domains people register, a scrape stays small: the rest is one row."""
    metrics = Metrics()
    metrics.sample(
        sample(
            hops=tuple(
                HopSample(
                    name=f"{number}.example.jp",
                    connections=1,
                    allowed=1,
                    waiting=1,
                    is_pausing=False,
                    is_suspended=True,
                )
                for number in range(MAX_HOPS + 20)
            )
        )
    )
    text = metrics.text().decode()
    assert len(re.findall(r"(?m)^denrei_next_hop_waiting\{", text)) == MAX_HOPS + 1
    assert 'denrei_next_hop_waiting{next_hop="other"} 20.0' in text
    assert 'denrei_next_hop_state{next_hop="other"} 20.0' in text


def test_two_relays_in_one_process_do_not_share_a_count():
    """Each has a registry of its own."""
    one, other = Metrics(), Metrics()
    one.store_failed()
    assert rows(other) == {}
