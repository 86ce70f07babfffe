"""Keeping what a person has to look at: one mail in quarantine, whole, with its reason and its journal entry.

Guarantees: answered 250 only after the commit. The reason stands with the mail; the journal has its short
form, which holds no value. Diagnostics: raises MachineFailure, and nothing was kept. Source: ours.
"""

from typing import Protocol

from relay.clock import Clock
from relay.intake.acceptance import Received
from relay.intake.session.door import Reply
from relay.journal import Entry, Event
from relay.store.values import Quarantined


class Store(Protocol):
    """What keeping needs of the store."""

    async def quarantine(self, item: Quarantined, entry: Entry, /) -> None:
        """Keep a mail; returns after the commit, raises MachineFailure."""


class Keeping:
    """The way into quarantine."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    async def keep(
        self,
        received: Received,
        reason: str,
        *,
        detail: str,
        seller_id: str = "",
        notification_id: str = "",
        delivery_id: str = "",
    ) -> Reply:
        """Keep a mail, and say so to who sent it.

        Args:
            received: the mail as it came.
            reason: one problem a row, for the person.
            detail: the same for the journal, in one line and without a value.
            seller_id: whose it is, as far as that is known.
            notification_id: whose journal tells of it.
            delivery_id: of ours that it is about.
        """
        now = self._clock.now()
        kept = Quarantined(
            id=self._clock.new_id(),
            received_at=now,
            peer=received.peer,
            mail_from=received.mail_from,
            rcpt_to=received.rcpt_to,
            content=received.content,
            reason=reason,
        )
        entry = Entry(
            at=now,
            event=Event.QUARANTINED,
            seller_id=seller_id,
            notification_id=notification_id,
            delivery_id=delivery_id,
            quarantine_id=kept.id,
            detail=detail,
        )
        await self._store.quarantine(kept, entry)
        return Reply(code=250, text=f"2.0.0 kept in quarantine as {kept.id}")
