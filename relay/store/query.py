"""What can be asked of the store, and the answers, as values. Only a single item has contents."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from relay.journal import Entry, Event
from relay.store.values import Accepted, Delivery, DeliveryState, Quarantined, QuarantineState, Scope

MAX_LISTING = 1_000  # rows of one answer: what a terminal or a page can show; `before` pages on
LIVE = (DeliveryState.HELD, DeliveryState.QUEUED, DeliveryState.SENDING)  # the states that await something
HoldMark = tuple[int, str | None, int]  # `reading.hold_mark`
SHAPE_AGES = tuple(timedelta(minutes=minutes) for minutes in (5, 10, 20, 40, 80, 160, 320, 640, 1280))


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryFilter:
    """Which deliveries to list; what is empty does not filter. Newest first."""

    states: Sequence[DeliveryState] = ()
    seller_id: str = ""
    partner: str = ""  # cross_mall
    recipient: str = ""  # the whole address
    domain: str = ""  # the recipient's, in lower case
    notification_id: str = ""
    hold_id: str = ""  # stopped by this standing hold
    before: str = ""  # a delivery's id: only those accepted before it, for the next page
    limit: int = 50  # at most MAX_LISTING


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryRow:
    """One delivery in a listing, with what it carries and for whom."""

    delivery: Delivery
    notification_id: str
    seller_id: str
    type: str
    pack_no: str
    order_no: str
    registration: str
    partner: str
    template: str
    message_id: str
    sender: str
    subject: str
    octets: int  # the mail's size
    notice: str = ""  # delay, failure or no_success, when it is a notice of ours


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryStory:
    """All that is known of one delivery."""

    row: DeliveryRow
    content: bytes  # the mail, as it is sent
    entries: Sequence[Entry]  # its own and its notification's, oldest first


@dataclass(frozen=True, slots=True, kw_only=True)
class NotificationStory:
    """All that is known of one notification. `accepted.entries` is its whole journal, oldest first."""

    accepted: Accepted
    rows: Sequence[DeliveryRow]


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalFilter:
    """Which entries to list; what is empty does not filter. The last `limit` of them, oldest first."""

    events: Sequence[Event] = ()
    seller_id: str = ""
    notification_id: str = ""
    delivery_id: str = ""
    quarantine_id: str = ""
    since: datetime | None = None  # at or after
    until: datetime | None = None  # before
    limit: int = 100  # at most MAX_LISTING


@dataclass(frozen=True, slots=True, kw_only=True)
class QuarantineFilter:
    """Which quarantined mails to list; what is empty does not filter. Newest first."""

    states: Sequence[QuarantineState] = ()
    before: str = ""  # an id: only those received before it, for the next page
    limit: int = 50  # at most MAX_LISTING


@dataclass(frozen=True, slots=True, kw_only=True)
class QuarantineRow:
    """One quarantined mail in a listing: `item.content` is empty here, `octets` is its true size."""

    item: Quarantined
    octets: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ShapeRow:
    """How many live deliveries one recipient domain has in one state, by age since acceptance."""

    domain: str
    state: DeliveryState
    ages: tuple[int, ...]  # one number for each bound of SHAPE_AGES (younger than it), and one for older


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveCounts:
    """What waits now; every live state and every scope has a number. Settled deliveries cost it nothing."""

    deliveries: Mapping[DeliveryState, int]
    oldest: Mapping[DeliveryState, datetime | None]  # when the first of them was accepted
    kept_in_quarantine: int
    holds: Mapping[Scope, int]
