"""One delivery's whole story: what it came from, what else came from that, what stops it, what comes next.

Source: ours.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import assert_never

from relay.operations.delivery import DeliveryVerbs
from relay.store.query import MAX_LISTING, DeliveryFilter, DeliveryRow, DeliveryStory
from relay.store.row import domain_of
from relay.store.values import Delivery, DeliveryState, Hold

_ENDS = {
    DeliveryState.DELIVERED: ("nothing: the next hop took it", "resend"),
    DeliveryState.BOUNCED: ("nothing: it was refused for good, or its time was over", "retry"),
    DeliveryState.DISCARDED: ("nothing: a person gave it up", "resend"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlook:
    """What happens next to a delivery, and when; what a person can do about it."""

    text: str
    at: datetime | None = None  # None: at no known time
    command: str = ""  # empty: nothing needs to be done


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """All that is known of one delivery."""

    told: DeliveryStory
    next_hop: str
    hold: Hold | None  # the standing hold that stopped it
    others: Sequence[DeliveryRow]  # of the same notification, oldest first: sisters, resends, notices
    outlook: Outlook


def outlook(delivery: Delivery, hold: Hold | None, now: datetime, lifetime: timedelta) -> Outlook:
    """What happens next.

    Args:
        delivery: as it is stored.
        hold: the standing hold that stopped it.
        now: the time that it is looked at.
        lifetime: `delivery.lifetime`, after which it is given up.
    """
    match delivery.state:
        case DeliveryState.HELD:
            return _held(delivery, hold)
        case DeliveryState.QUEUED:
            return _attempt(delivery, now, delivery.accepted_at + lifetime)
        case DeliveryState.SENDING:
            text = f"{delivery.leased_by} is sending it; another takes over if that has ended by then"
            return Outlook(text=text, at=delivery.leased_until)
        case DeliveryState.DELIVERED | DeliveryState.BOUNCED | DeliveryState.DISCARDED:
            text, verb = _ENDS[delivery.state]
            return Outlook(text=text, command=f"denrei queue {verb} {delivery.id}")
        case _:
            assert_never(delivery.state)


def _held(delivery: Delivery, hold: Hold | None) -> Outlook:
    if delivery.hold_id:
        on = f" on {hold.scope} {hold.value}" if hold else ""
        text = f"waits until the hold {delivery.hold_id}{on} is lifted"
        return Outlook(text=text, command=f"denrei hold release {delivery.hold_id}")
    if delivery.due_at is None:
        text = "waits until a person releases it"
        return Outlook(text=text, command=f"denrei queue release {delivery.id}")
    return Outlook(text="goes by itself when its time has come", at=delivery.due_at)


def _attempt(delivery: Delivery, now: datetime, end: datetime) -> Outlook:
    number = delivery.attempts + 1
    if end <= now:
        return Outlook(text=f"attempt {number}, the last: its lifetime is over", at=delivery.due_at)
    if delivery.due_at is not None and delivery.due_at <= now:
        return Outlook(text=f"attempt {number} as soon as a relay runs and its next hop has room")
    return Outlook(text=f"attempt {number}", at=delivery.due_at)


class StoryVerbs(DeliveryVerbs):
    """Looking at one delivery."""

    async def story(self, prefix: str) -> Story:
        """Return the whole story of a delivery; raises BadInput when `prefix` does not name one."""
        told = await self.delivery(prefix)
        office, delivery = self._office, told.row.delivery
        sisters = DeliveryFilter(notification_id=told.row.notification_id, limit=MAX_LISTING)
        others = [row for row in await self.deliveries(sisters) if row.delivery.id != delivery.id]
        holds = {hold.id: hold for hold in await office.store.holds()} if delivery.hold_id else {}
        hold = holds.get(delivery.hold_id)
        obstacle = (await self.obstacles([told.row])).get(delivery.id)
        return Story(
            told=told,
            next_hop=office.routes.name(domain_of(delivery.recipient)),
            hold=hold,
            others=others[::-1],
            outlook=Outlook(text=f"nothing: {obstacle}")
            if obstacle
            else outlook(delivery, hold, office.clock.now(), office.config.delivery.lifetime),
        )
