"""The operator's verbs on one delivery: release, retry, discard.

Guarantees: a verb applies to the state that it finds inside its own transaction, and stands in the journal
with the name of who asked for it. A delivery that a worker is sending cannot be stopped or doubled by a verb:
it is left alone until its attempt has ended.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum

from sqlalchemy import Connection, select, update

from relay.journal import Entry, Event
from relay.store.prepared import Inserts
from relay.store.row import entry_row
from relay.store.schema import delivery, journal, mail
from relay.store.values import DeliveryState


class Verb(Enum):
    """What a person can do to a delivery: the states that it applies to, the one that it makes, the event."""

    RELEASE = ((DeliveryState.HELD,), DeliveryState.QUEUED, Event.RELEASED)
    RETRY = ((DeliveryState.QUEUED, DeliveryState.BOUNCED), DeliveryState.QUEUED, Event.RETRIED)
    DISCARD = ((DeliveryState.HELD, DeliveryState.QUEUED), DeliveryState.DISCARDED, Event.DISCARDED)

    def __init__(self, sources: tuple[DeliveryState, ...], target: DeliveryState, event: Event) -> None:
        self.sources = sources
        self.target = target
        self.event = event


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One verb for one delivery."""

    verb: Verb
    delivery_id: str
    now: datetime
    by: str


class Verbs:
    """The writes of the operator, inside the writer's transaction."""

    def __init__(self, inserts: Inserts) -> None:
        self._inserts = inserts

    def apply(self, connection: Connection, batch: Sequence[Change]) -> list[bool]:
        """Make the changes; False for one that does not apply to its delivery's state, or has no delivery."""
        return [self._apply(connection, change) for change in batch]

    def _apply(self, connection: Connection, change: Change) -> bool:
        verb = change.verb
        fitting = delivery.c.state.in_(verb.sources)
        found = connection.execute(
            select(delivery.c.seller_id, mail.c.notification_id)
            .join_from(delivery, mail, delivery.c.mail_id == mail.c.id)
            .where(delivery.c.id == change.delivery_id, fitting)
            .with_for_update(of=delivery)
        ).one_or_none()
        if found is None:
            return False
        waits = verb.target is DeliveryState.QUEUED
        values = {
            "state": verb.target.value,
            "due_at": change.now if waits else None,
            "wake_at": change.now if waits else None,
            "settled_at": None if waits else change.now,
        }
        connection.execute(update(delivery).where(delivery.c.id == change.delivery_id).values(values))
        entry = Entry(
            at=change.now,
            event=verb.event,
            seller_id=found.seller_id,
            notification_id=found.notification_id,
            delivery_id=change.delivery_id,
            by=change.by,
        )
        self._inserts.into(journal, connection, [entry_row(entry)])
        return True
