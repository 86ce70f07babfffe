"""Late bounces: what a report that came back after the partner's 250 does to its delivery.

A final report ends a delivery that was delivered, or that waits: it is bounced, as if the next hop had said
so at once. One that comes while an attempt runs is not written at all, and who brings it is to come again: a
partner's filter may report before its server has answered us, and if the report were only noted, the attempt
would settle as delivered and nobody would be told. A report that ends nothing (a delay, a success, an
automatic answer), and one on what has ended without success already, is written down and changes nothing.

Guarantees: the same report again, since the last delivery or retry, adds nothing, because the far side may
repeat it until it has our 250; of other reports at most `MOST_REPORTS` are written on one delivery, so that a
machine that answers each mail by another text cannot fill the disk. Source: ours.
"""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, select, update

from relay.journal import Event
from relay.store.claim import entry_on, with_mail
from relay.store.hold import Holds, Suppression
from relay.store.prepared import Inserts
from relay.store.row import entry_row
from relay.store.schema import delivery, filled, journal
from relay.store.values import DeliveryState, LateBounce, ReportEffect

MOST_REPORTS = 20  # of one delivery: each hop on its way may report a delay and an end, a person an absence
_ANEW = (Event.DELIVERED, Event.RETRIED)  # after these the same report may be a new one
_REPORTS = (Event.LATE_BOUNCED, Event.REPORTED)


class LateBounces:
    """The write of a report that came back, inside the writer's transaction."""

    def __init__(self, inserts: Inserts, holds: Holds) -> None:
        self._inserts = inserts
        self._holds = holds

    def take(self, connection: Connection, batch: Sequence[LateBounce]) -> list[ReportEffect]:
        """Write the reports; says what each has changed."""
        return [self._take(connection, report) for report in batch]

    def _take(self, connection: Connection, report: LateBounce) -> ReportEffect:
        wanted = with_mail().where(delivery.c.id == report.delivery_id)
        found = connection.execute(wanted.with_for_update(of=delivery)).one_or_none()
        if found is None:
            return ReportEffect.UNKNOWN
        state = DeliveryState(found.state)
        if report.is_final and state is DeliveryState.SENDING:
            return ReportEffect.SENDING
        ends = report.is_final and state not in (DeliveryState.BOUNCED, DeliveryState.DISCARDED)
        known = _reports(connection, report.delivery_id)
        if report.reply in known or (not ends and len(known) >= MOST_REPORTS):
            return ReportEffect.KNOWN
        if ends:
            self._end(connection, report)
        entry = entry_on(found, Event.LATE_BOUNCED if ends else Event.REPORTED, report.now, report.reply)
        self._inserts.into(journal, connection, [entry_row(entry)])
        if ends and report.suppress:
            self._holds.suppress(connection, _suppression(found, report))
        return ReportEffect.ENDED if ends else ReportEffect.NOTED

    @staticmethod
    def _end(connection: Connection, report: LateBounce) -> None:
        values = {
            "state": DeliveryState.BOUNCED.value,
            "due_at": None,
            "wake_at": None,
            "hold_id": "",
            "last_reply": report.reply,
            "settled_at": report.now,
        }
        connection.execute(update(delivery).where(delivery.c.id == report.delivery_id).values(values))


def _reports(connection: Connection, delivery_id: str) -> set[str]:
    """The reports that came since the delivery was last delivered or tried anew."""
    rows = connection.execute(
        select(journal.c.event, journal.c.detail)
        .where(filled(journal.c.delivery_id), journal.c.delivery_id == delivery_id)
        .where(journal.c.event.in_([*_REPORTS, *_ANEW]))
        .order_by(journal.c.number)
    )
    since: set[str] = set()
    for row in rows:
        if row.event in _ANEW:
            since = set()
        else:
            since.add(row.detail)
    return since


def _suppression(found: Any, report: LateBounce) -> Suppression:
    return Suppression(
        recipient=found.recipient,
        reason=report.reply,
        seller_id=found.seller_id,
        notification_id=found.notification_id,
        delivery_id=found.id,
        now=report.now,
    )
