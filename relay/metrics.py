"""The relay's metrics: every name that a scrape can show, and one method for each thing that is counted.

Counters count what this process did since it started; gauges are set when they are asked for
(`relay.monitor`). Guarantees: no label holds a buyer's value or anything that a stranger chooses; the number
of rows is bounded: next hops past `MAX_HOPS` are summed as `other`. Counting costs about a microsecond and
never fails. The names are public: docs/metrics.md lists them with the alerts to set, and a test compares.
Source: ours; the conventions of Prometheus for names and units.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from relay import __version__

MAX_HOPS = 500  # next hops with rows of their own: far more than a marketplace has partners
OTHER = "other"
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_SECONDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30)
_DELIVERY_SECONDS = (0.01, 0.05, 0.1, 0.5, 1, 5, 30, 60, 300, 900, 3600, 4 * 3600, 86400, 5 * 86400)


class Arrival(StrEnum):
    """What became of a client's connection."""

    WELCOME = "welcome"
    STRANGER = "stranger"  # none of those who may send
    TOO_MANY = "too_many"  # over max_connections
    TOO_MANY_OF_CLIENT = "too_many_of_client"  # over max_connections_per_client
    BROKEN_TLS = "broken_tls"


class Intake(StrEnum):
    """What became of a whole mail."""

    ACCEPTED = "accepted"
    KNOWN = "known"  # a repeat: answered 250, sent to nobody
    QUARANTINED = "quarantined"
    REJECTED = "rejected"  # not understood, where on_unreadable is reject
    REPORT = "report"  # a late bounce or another report on a delivery
    NOT_STORED = "not_stored"  # the store could not: the client keeps it
    FAILED = "failed"  # by a bug of ours


class Limit(StrEnum):
    """Which limit a client met."""

    RATE = "mails_per_minute"
    RECIPIENTS = "max_recipients"
    MESSAGE = "max_message"
    HEADER = "max_header"
    LINE = "max_line"
    HOPS = "max_hops"
    DOCUMENT = "max_document"
    MEMORY = "memory"  # all connections together hold as much as they may
    ERRORS = "errors"
    TIMEOUT = "timeout"
    LINE_END = "bare_line_ends"
    PIPELINING = "pipelining"  # commands that came before they were allowed


class Login(StrEnum):
    """What became of an attempt to sign in."""

    WELCOME = "welcome"
    WRONG = "wrong"
    LIMITED = "limited"


@dataclass(frozen=True, slots=True, kw_only=True)
class HopSample:
    """One next hop, now."""

    name: str
    connections: int
    allowed: int
    waiting: int  # deliveries in memory
    is_pausing: bool
    is_suspended: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """What is measured when somebody asks, and not counted as it happens."""

    now: datetime
    deliveries: Mapping[str, int]  # by state: held, queued, sending
    oldest: Mapping[str, datetime | None]  # by state: when the longest waiting one was accepted
    quarantined: int
    holds: Mapping[str, int]  # by scope
    hops: Sequence[HopSample]
    in_memory: int
    memory_limit: int
    connections: int
    connection_limit: int
    free_octets: int  # of the store's file system
    store_octets: int  # the file and its log
    is_registry_bad: bool  # a file went bad: the last good state is in force
    registrations: int
    certificate_ends_at: datetime | None
    loop_lag_seconds: float


class Metrics:
    """One process's metrics, in a registry of their own."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._count_intake()
        self._count_delivery()
        self._gauge_queue()
        self._gauge_machine()

    def text(self) -> bytes:
        """All of it, as a scrape wants it."""
        return generate_latest(self._registry)

    # What is counted

    def connection(self, outcome: Arrival) -> None:
        """A client connected."""
        self._connections[outcome].inc()

    def taken(self, outcome: Intake, seconds: float) -> None:
        """A whole mail was answered, so long after its end had come."""
        self._mails[outcome].inc()
        self._intake_seconds.observe(seconds)

    def limited(self, limit: Limit) -> None:
        """A client met a limit."""
        self._limits[limit].inc()

    def login(self, outcome: Login) -> None:
        """A client tried to sign in."""
        self._logins[outcome].inc()

    def attempt(self, outcome: str, seconds: float) -> None:
        """An attempt ended `delivered`, `deferred` or `bounced`, so long after the mail was accepted."""
        self._attempts[outcome].inc()
        if outcome == "delivered":
            self._delivery_seconds.observe(seconds)

    def report(self, *, is_final: bool) -> None:
        """A report on a delivery came back."""
        self._reports["final" if is_final else "other"].inc()

    def noticed(self, kind: str) -> None:
        """A notice was stored for its readers."""
        self._notices[kind].inc()

    def committed(self, writes: int, seconds: float) -> None:
        """The store put a group of writes on disk."""
        self._commit_seconds.observe(seconds)
        self._writes.inc(writes)

    def store_failed(self) -> None:
        """The store could not."""
        self._store_failures.inc()

    # What is measured

    def sample(self, now: Sample) -> None:
        """Set every gauge."""
        for state, number in now.deliveries.items():
            self._deliveries.labels(state).set(number)
            since = now.oldest.get(state)
            self._oldest.labels(state).set((now.now - since).total_seconds() if since else 0)
        for scope, number in now.holds.items():
            self._holds.labels(scope).set(number)
        self._quarantined.set(now.quarantined)
        self._sample_hops(now.hops)
        self._in_memory.labels("now").set(now.in_memory)
        self._in_memory.labels("limit").set(now.memory_limit)
        self._open.labels("now").set(now.connections)
        self._open.labels("limit").set(now.connection_limit)
        self._free.set(now.free_octets)
        self._store_size.set(now.store_octets)
        self._registry_bad.set(now.is_registry_bad)
        self._registrations.set(now.registrations)
        ends = now.certificate_ends_at
        self._certificate.set(ends.timestamp() if ends else 0)
        self._lag.set(now.loop_lag_seconds)

    def _sample_hops(self, hops: Sequence[HopSample]) -> None:
        gauges = (self._hop_connections, self._hop_allowed, self._hop_waiting, self._hop_state)
        for gauge in gauges:
            gauge.clear()  # a next hop that is forgotten leaves no row behind
        for number, hop in enumerate(hops):
            name = hop.name if number < MAX_HOPS else OTHER
            state = 2 if hop.is_suspended else int(hop.is_pausing)
            self._hop_connections.labels(name).inc(hop.connections)
            self._hop_allowed.labels(name).inc(hop.allowed)
            self._hop_waiting.labels(name).inc(hop.waiting)
            row = self._hop_state.labels(name)
            row.set(state) if name != OTHER else row.inc(state > 0)

    # The names

    def _count_intake(self) -> None:
        connections = self._counter("intake_connections", "Connections of clients.", "outcome")
        mails = self._counter("intake_mails", "Whole mails that were answered.", "outcome")
        limits = self._counter("intake_limits", "Refusals because a limit was met.", "limit")
        logins = self._counter("intake_logins", "Attempts to sign in.", "outcome")
        self._connections = {each: connections.labels(each.value) for each in Arrival}
        self._mails = {each: mails.labels(each.value) for each in Intake}
        self._limits = {each: limits.labels(each.value) for each in Limit}
        self._logins = {each: logins.labels(each.value) for each in Login}
        self._intake_seconds = self._histogram(
            "intake_seconds", "From the end of a mail to the answer on it.", _SECONDS
        )

    def _count_delivery(self) -> None:
        attempts = self._counter("attempts", "Attempts at delivery that have ended.", "outcome")
        reports = self._counter("reports", "Reports that came back to a return address.", "kind")
        notices = self._counter("notices", "Notices that were stored for their readers.", "kind")
        self._attempts = {each: attempts.labels(each) for each in ("delivered", "deferred", "bounced")}
        self._reports = {each: reports.labels(each) for each in ("final", "other")}
        self._notices = {each: notices.labels(each) for each in ("delay", "failure", "no_success")}
        self._delivery_seconds = self._histogram(
            "delivery_seconds", "From the acceptance of a mail to its delivery.", _DELIVERY_SECONDS
        )
        self._commit_seconds = self._histogram(
            "store_commit_seconds", "What one commit of the store took, its fsync included.", _SECONDS
        )
        self._writes = self._counter("store_writes", "Writes that are on disk.")
        self._store_failures = self._counter(
            "store_failures", "Transactions that the machine could not make."
        )

    def _gauge_queue(self) -> None:
        self._deliveries = self._gauge("deliveries", "Deliveries that have not ended.", "state")
        self._oldest = self._gauge("oldest_delivery_seconds", "Age of the longest waiting one.", "state")
        self._quarantined = self._gauge("quarantined", "Mails that wait in quarantine for a person.")
        self._holds = self._gauge("holds", "Standing holds.", "scope")
        self._in_memory = self._gauge("deliveries_in_memory", "Deliveries in this worker's memory.", "what")
        self._hop_connections = self._gauge("next_hop_connections", "Connections that stand.", "next_hop")
        self._hop_allowed = self._gauge("next_hop_connections_allowed", "As many as may.", "next_hop")
        self._hop_waiting = self._gauge("next_hop_waiting", "Deliveries in memory for it.", "next_hop")
        self._hop_state = self._gauge("next_hop_state", "0 open, 1 pausing, 2 suspended.", "next_hop")

    def _gauge_machine(self) -> None:
        self._open = self._gauge("intake_open_connections", "Clients that are connected.", "what")
        self._free = self._gauge("store_free_bytes", "Room left on the store's file system.")
        self._store_size = self._gauge("store_bytes", "The store's file and its log.")
        self._registry_bad = self._gauge(
            "registrations_bad", "1 while a bad file keeps the last good state in force."
        )
        self._registrations = self._gauge("registrations", "Registrations in force.")
        self._certificate = self._gauge(
            "certificate_end_timestamp_seconds", "When the intake's certificate ends; 0: there is none."
        )
        self._lag = self._gauge("event_loop_lag_seconds", "The longest stall of late.")
        self._gauge("build_info", "Which Denrei this is.", "version").labels(__version__).set(1)

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(f"denrei_{name}", text, labels, registry=self._registry)

    def _gauge(self, name: str, text: str, *labels: str) -> Gauge:
        return Gauge(f"denrei_{name}", text, labels, registry=self._registry)

    def _histogram(self, name: str, text: str, buckets: Sequence[float]) -> Histogram:
        return Histogram(f"denrei_{name}", text, buckets=buckets, registry=self._registry)
