"""The journal: what happened to each notification and delivery, in the order in which it happened.

An entry is written in the same transaction as the change that it tells of, so the journal can be believed. It
holds order numbers and mail addresses of partners, never a buyer's name, address or telephone number.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Event(StrEnum):
    """What can happen. The names are public (docs/store.md)."""

    ACCEPTED = "accepted"  # a notification and every mail it causes are stored
    DUPLICATE = "duplicate"  # the same notification again: answered 250, sent to nobody
    UNREGISTERED = "unregistered"  # accepted, but nobody is registered for it
    UNUSED = "unused"  # a registration with use N would have got it
    REWRITTEN = "rewritten"  # values were changed so that a registration's mails could be sent
    QUARANTINED = "quarantined"  # kept for a person, with the reason
    REPLAYED = "replayed"  # a quarantined mail was taken in again
    HELD = "held"
    RELEASED = "released"
    DELIVERED = "delivered"
    DEFERRED = "deferred"
    BOUNCED = "bounced"
    RETRIED = "retried"  # a person made a delivery due now
    DISCARDED = "discarded"
    RECOVERED = "recovered"  # a delivery was taken back from a worker that died
    STALE = "stale"  # a hold's time passed while nobody could send: it waits for a person
    PLACED = "placed"  # a standing hold began: on a seller, a partner, a next hop or an address
    LIFTED = "lifted"  # a standing hold ended
    SUPPRESSED = "suppressed"  # an address is gone for good: the relay holds its mails
    LATE_BOUNCED = "late_bounced"  # a report that came back ended a delivery
    REPORTED = "reported"  # a report that came back ends nothing: a delay, a success, an automatic answer
    RESENT = "resent"  # a person had an ended mail sent again
    NOTIFIED = "notified"  # somebody was told of a delay, a failure or a silent registration
    PURGED = "purged"  # what had ended long ago was deleted


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One line of the journal."""

    at: datetime  # aware, UTC
    event: Event
    seller_id: str = ""
    notification_id: str = ""
    delivery_id: str = ""
    quarantine_id: str = ""
    by: str = ""  # the person or command, when a person did it
    detail: str = ""  # the private reason, for the operator; one line
