"""What the store keeps, as values. Every time is aware and in UTC; every id comes from `clock.new_id`.

A delivery's life (docs/message-flow.md draws it):

    held ──▶ queued ──▶ sending ──▶ delivered | bounced
      │        │ ▲         │
      │        │ └─────────┘ deferred, or its worker died
      └────────┴──▶ discarded
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum, StrEnum

from relay.journal import Entry


class DeliveryState(StrEnum):
    """Where one delivery stands. The names are public (docs/store.md)."""

    HELD = "held"  # waits for its time, or for a person
    QUEUED = "queued"  # due at `due_at`
    SENDING = "sending"  # leased by a worker
    DELIVERED = "delivered"
    BOUNCED = "bounced"
    DISCARDED = "discarded"


class Scope(StrEnum):
    """What a standing hold is on. The names are public (docs/store.md)."""

    SELLER = "seller"  # a seller's id
    PARTNER = "partner"  # a template group: cross_mall
    NEXT_HOP = "next_hop"  # as `queue shape` names it: host:port, or the domain whose exchangers are asked
    ADDRESS = "address"  # a recipient, in lower case: the suppression list


class QuarantineState(StrEnum):
    """Where one quarantined mail stands."""

    KEPT = "kept"
    REPLAYED = "replayed"
    DISCARDED = "discarded"


@dataclass(frozen=True, slots=True, kw_only=True)
class Mail:
    """One composed mail: fixed when it was made, byte for byte, and the same in every attempt."""

    id: str
    registration: str  # its id in the seller's file
    partner: str  # the template group's folder: cross_mall
    template: str  # cross_mall/order_info
    order_no: str  # the order that it is for, when the template's unit is order; else empty
    message_id: str  # with its angle brackets
    sender: str  # the From header as text
    subject: str
    content: bytes  # header and body with CRLF line ends, not dot-stuffed, ending in CRLF
    notice: str = ""  # delay, failure or no_success, when it is a notice of ours and no partner's mail


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One mail to one recipient."""

    id: str
    mail_id: str
    recipient: str  # addr-spec: orders@partner.example.jp
    state: DeliveryState
    due_at: datetime | None  # None: held until a person releases it
    accepted_at: datetime
    attempts: int = 0
    last_reply: str = ""  # what the next hop, or our own connection, said last
    leased_by: str = ""  # the worker that is sending it
    leased_until: datetime | None = None
    settled_at: datetime | None = None  # when it was delivered, bounced or discarded
    fresh_until: datetime | None = None  # a held one whose time comes later than this waits for a person
    hold_id: str = ""  # the standing hold that stopped it
    noticed: str = ""  # the last kind of notice that told of it: delay, failure
    resent_of: str = ""  # the ended delivery that it repeats, because a person wanted so


@dataclass(frozen=True, slots=True, kw_only=True)
class Quarantined:
    """What was accepted but could not be understood, or could not be written for one registration."""

    id: str
    received_at: datetime
    peer: str  # the client's address
    mail_from: str
    rcpt_to: str
    content: bytes  # the mail as it came, so that it can be mended and replayed
    reason: str  # one problem a row, each naming its path in the document
    state: QuarantineState = QuarantineState.KEPT
    notification_id: str = ""  # set when the notification was understood
    registration: str = ""  # and only this registration's mail could not be made
    settled_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """A notification and all that it causes: committed whole or not at all."""

    id: str
    event_id: str | None
    content_key: str  # `Notification.content_key`
    seller_id: str
    type: str
    pack_no: str
    document: str  # the notification as JSON
    accepted_at: datetime
    mails: Sequence[Mail]
    deliveries: Sequence[Delivery]
    quarantined: Sequence[Quarantined]
    entries: Sequence[Entry]


@dataclass(frozen=True, slots=True, kw_only=True)
class Duplicate:
    """The store has this notification already."""

    of: str  # the first one's id
    same_content: bool  # False: same event id, but the content differs, which a person should know


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """A standing hold: until it is lifted, no mail that it is on is sent, nor any that comes later."""

    id: str
    scope: Scope
    value: str
    reason: str  # one line, for who finds it
    by: str  # the person or command; "relay" when an address bounced for good
    placed_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """What became of a wish for a hold."""

    hold: Hold  # the one that stands: the first, if there was one on the same already
    stopped: int  # queued deliveries that it holds now


@dataclass(frozen=True, slots=True, kw_only=True)
class LateBounce:
    """What a report that came back says of a delivery."""

    delivery_id: str
    reply: str  # one printable line: status and diagnostic
    is_final: bool  # False: a delay, a success, an automatic answer
    suppress: bool  # the address is gone for good
    now: datetime


class ReportEffect(Enum):
    """What a report that came back has changed."""

    ENDED = "ended"  # the delivery is bounced
    NOTED = "noted"  # it stands in the journal
    KNOWN = "known"  # nothing: it came before, or so many others did
    SENDING = "sending"  # nothing: it would end the delivery, whose attempt runs; it is to come again
    UNKNOWN = "unknown"  # nothing: there is no such delivery


@dataclass(frozen=True, slots=True, kw_only=True)
class Due:
    """What the delivery engine needs to make one attempt. The mail's bytes come with it."""

    delivery: Delivery
    message_id: str
    content: bytes
    notification_id: str
    seller_id: str
    partner: str = ""  # cross_mall; empty for a notice
    is_notice: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Settlement:
    """The result of one attempt, to be written on the delivery's row together with its journal entry."""

    delivery_id: str
    worker: str  # only the holder of the lease may settle
    state: DeliveryState  # QUEUED (deferred), DELIVERED or BOUNCED
    due_at: datetime | None  # when QUEUED
    last_reply: str
    entry: Entry
    suppress: bool = False  # BOUNCED, because the address is gone for good: its later mails wait for a person
