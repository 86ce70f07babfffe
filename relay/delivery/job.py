"""A delivery on its way through memory, and what is written in the store when its attempt has ended.

Pure but for the job itself, which its owner (the engine, then the hop) changes. Source: ours.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import assert_never

from relay.config import DeliveryConfig
from relay.delivery.outcome import Bounced, Deferred, Delivered, Outcome, printable
from relay.delivery.schedule import next_attempt_at
from relay.delivery.smtp.session import Address
from relay.journal import Entry, Event
from relay.store.values import DeliveryState, Due, Settlement


@dataclass(slots=True, kw_only=True, eq=False)
class Job:
    """A delivery in memory, from being offered or claimed until it is settled."""

    due: Due
    sender: str  # envelope sender
    leased_until: datetime
    waiting_since: float  # seconds of the clock's monotonic time
    lost: bool = False  # whether the store said that the lease is no longer ours
    settlement: Settlement | None = None  # once the attempt has ended, until the store has it

    @property
    def domain(self) -> str:
        """The recipient's domain, in lower case."""
        return self.due.delivery.recipient.rpartition("@")[2].lower()


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """How one attempt ended."""

    outcome: Outcome
    address: Address | None = None  # None: no connection came about
    not_before: float = 0.0  # seconds from now before which another attempt is of no use


def settlement(
    job: Job, attempt: Attempt, *, now: datetime, settings: DeliveryConfig, chance: float, worker: str
) -> Settlement:
    """What the store is to write of an attempt that ended at `now`; a deferral after the end is a bounce."""
    due_at: datetime | None = None
    suppress = False
    match attempt.outcome:
        case Delivered(reply):
            state, event, text = DeliveryState.DELIVERED, Event.DELIVERED, f"{attempt.address} said {reply}"
        case Bounced(reason, is_gone):
            state, event, text = DeliveryState.BOUNCED, Event.BOUNCED, reason
            suppress = is_gone and not job.due.is_notice  # else who hears of trouble would hear no more
        case Deferred(reason):
            due_at = _due_at(job, attempt, now, settings, chance)
            state, event, text = DeliveryState.QUEUED, Event.DEFERRED, reason
            if due_at is None:
                days = settings.lifetime / timedelta(days=1)
                state, event = DeliveryState.BOUNCED, Event.BOUNCED
                text = f"expired after {days:g} days: {reason}"
        case never:
            assert_never(never)
    text = printable(text)
    entry = Entry(
        at=now,
        event=event,
        seller_id=job.due.seller_id,
        notification_id=job.due.notification_id,
        delivery_id=job.due.delivery.id,
        detail=text,
    )
    return Settlement(
        delivery_id=job.due.delivery.id,
        worker=worker,
        state=state,
        due_at=due_at,
        last_reply=text,
        entry=entry,
        suppress=suppress,
    )


def _due_at(
    job: Job, attempt: Attempt, now: datetime, settings: DeliveryConfig, chance: float
) -> datetime | None:
    due_at = next_attempt_at(
        job.due.delivery.attempts + 1,
        now=now,
        accepted_at=job.due.delivery.accepted_at,
        steps=settings.retry,
        lifetime=settings.lifetime,
        chance=chance,
    )
    return due_at if due_at is None else max(due_at, now + timedelta(seconds=attempt.not_before))
