"""The operator's verbs on one delivery: release, retry, discard, hold, and sending an ended mail again.

Guarantees: a verb applies to the state that it finds inside its own transaction, and stands in the journal
with the name of who asked for it. A delivery that a worker is sending cannot be stopped or doubled by a verb:
it is left alone until its attempt has ended. What a standing hold stopped is not released singly: the hold is
lifted, or the delivery discarded. What a verb lets go and a hold is on is held by that at once. An ended mail
is not sent once more beside a copy of it that is on its way or has arrived (`copy`).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import Enum
from typing import Any

from sqlalchemy import Connection, update

from relay.journal import Event
from relay.store.claim import entry_on, subject_of, with_mail
from relay.store.copy import copy_in_the_way
from relay.store.hold import Holds, stopped_values
from relay.store.prepared import Inserts
from relay.store.row import delivery_row, entry_row, mail_row
from relay.store.schema import delivery, journal, mail
from relay.store.standing import Stop, Subject
from relay.store.values import Delivery, DeliveryState, Mail

ENDED = (DeliveryState.DELIVERED, DeliveryState.BOUNCED, DeliveryState.DISCARDED)


class Verb(Enum):
    """What a person can do to a delivery: the states that it applies to, the one that it makes, the event."""

    RELEASE = ((DeliveryState.HELD,), DeliveryState.QUEUED, Event.RELEASED)
    RETRY = ((DeliveryState.QUEUED, DeliveryState.BOUNCED), DeliveryState.QUEUED, Event.RETRIED)
    DISCARD = ((DeliveryState.HELD, DeliveryState.QUEUED), DeliveryState.DISCARDED, Event.DISCARDED)
    HOLD = ((DeliveryState.QUEUED,), DeliveryState.HELD, Event.HELD)

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Resend:
    """An ended delivery to be repeated as a new one, with a mail of its own."""

    delivery_id: str
    mail: Mail
    new_delivery: Delivery
    now: datetime
    by: str


class Verbs:
    """The writes of the operator, inside the writer's transaction."""

    def __init__(self, inserts: Inserts, holds: Holds) -> None:
        self._inserts = inserts
        self._holds = holds

    def apply(self, connection: Connection, batch: Sequence[Change]) -> list[bool]:
        """Make the changes; False for one that does not apply to its delivery's state, or has no delivery.

        A bounced one is not retried while a copy of it stands in the way.
        """
        return [self._apply(connection, change) for change in batch]

    def resend(self, connection: Connection, batch: Sequence[Resend]) -> list[bool]:
        """Repeat ended deliveries; False for one that has not ended, is not there, or has a copy already."""
        return [self._resend(connection, wish) for wish in batch]

    def _apply(self, connection: Connection, change: Change) -> bool:
        verb = change.verb
        found = _found(connection, change.delivery_id, verb.sources)
        if found is None or (verb is Verb.RELEASE and found.hold_id):
            return False
        if found.state == DeliveryState.BOUNCED and copy_in_the_way(connection, found.id) is not None:
            return False
        goes = verb.target is DeliveryState.QUEUED
        waits = change.now if goes else None
        values: dict[str, Any] = {
            "state": verb.target.value,
            "due_at": waits,
            "wake_at": waits,
            "settled_at": change.now if verb.target in ENDED else None,
            "hold_id": "",
        }
        entries = [entry_on(found, verb.event, change.now, "", change.by)]
        if found.state == DeliveryState.BOUNCED:
            values["noticed"] = ""  # if it fails again, somebody is told again
        if goes:
            values["fresh_until"] = None  # a person wants it sent, however late
            if (stop := self._stop(connection, subject_of(found))) is not None:
                values |= stopped_values(stop.hold_id)
                entries.append(replace(entries[0], event=Event.HELD, detail=str(stop), by=""))
        connection.execute(update(delivery).where(delivery.c.id == change.delivery_id).values(values))
        self._inserts.into(journal, connection, [entry_row(entry) for entry in entries])
        return True

    def _resend(self, connection: Connection, wish: Resend) -> bool:
        found = _found(connection, wish.delivery_id, ENDED)
        if found is None or copy_in_the_way(connection, found.id) is not None:
            return False
        again = replace(wish.new_delivery, mail_id=wish.mail.id, resent_of=wish.delivery_id)
        entries = [
            entry_on(found, Event.RESENT, wish.now, f"as {again.id}", wish.by),
            replace(
                entry_on(found, Event.RESENT, wish.now, f"of {wish.delivery_id}", wish.by),
                delivery_id=again.id,
            ),
        ]
        subject = replace(subject_of(found), recipient=again.recipient)
        stop = self._stop(connection, subject)
        if stop is not None:
            again = replace(again, state=DeliveryState.HELD, due_at=None, hold_id=stop.hold_id)
            entries.append(replace(entries[1], event=Event.HELD, detail=str(stop)))
        self._inserts.into(mail, connection, [mail_row(wish.mail, found.notification_id)])
        self._inserts.into(delivery, connection, [delivery_row(again, found.seller_id)])
        self._inserts.into(journal, connection, [entry_row(entry) for entry in entries])
        return True

    def _stop(self, connection: Connection, subject: Subject) -> Stop | None:
        return self._holds.standing(connection, lambda: [subject]).stop(subject)


def _found(connection: Connection, delivery_id: str, states: Sequence[DeliveryState]) -> Any | None:
    """The delivery with what `with_mail` gives, if it is in one of the states."""
    wanted = with_mail().where(delivery.c.id == delivery_id, delivery.c.state.in_(states))
    return connection.execute(wanted.with_for_update(of=delivery)).one_or_none()
