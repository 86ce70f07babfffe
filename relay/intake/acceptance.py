"""What one notification causes, decided whole before anything is stored: pure, but for ids and the time.

Each registration of the seller for the type comes out as one of these:

- use N: nothing but a journal entry;
- its mails cannot be written, or would be misread: the notification is quarantined for it alone (the composer
  gives a registration all of its mails or none, so that a replay doubles nothing);
- wait Y: its deliveries are held for the period, or until a person releases them; should the relay not run at
  the time, they still go out by themselves until `stale_after` later;
- else its deliveries are due at once: leased to this worker when it has room for them in memory, else queued.

Source: design of registrations (docs/configuration.md); ours.
"""

from collections.abc import Callable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from relay.clock import Clock
from relay.compose.composer import ComposedMail, Composer, Composition, Unwritable
from relay.journal import Entry, Event
from relay.notification import Notification
from relay.registry import Registration
from relay.store.values import Accepted, Delivery, DeliveryState, Due, Quarantined


class Lease(Protocol):
    """A worker's word that it sends what it is given until a time."""

    @property
    def worker(self) -> str:
        """The worker's name."""

    @property
    def until(self) -> datetime:
        """When the word ends: aware, UTC."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """A mail and its envelope, as it came."""

    peer: str  # the client's IP address
    mail_from: str  # "" for <>
    rcpt_tos: Sequence[str]
    content: bytes

    @property
    def rcpt_to(self) -> str:
        """All recipients in one text."""
        return ", ".join(self.rcpt_tos)


def no_lease(count: int) -> None:
    """The lease of nobody: every delivery is queued for whichever worker comes first."""


def acceptance(
    notification: Notification,
    registrations: Sequence[Registration],
    *,
    received: Received,
    composer: Composer,
    clock: Clock,
    lease: Callable[[int], Lease | None] = no_lease,
    unproved: AbstractSet[str] = frozenset(),
    read_with: str = "",
) -> Accepted:
    """Everything that a notification causes.

    Args:
        notification: what came.
        registrations: all of the seller for the notification's type, those with use N too.
        received: the mail that it came in; kept for what cannot be written.
        composer: makes the mails.
        clock: for ids and the time of acceptance.
        lease: asked once for as many deliveries as are due at once; None queues them.
        unproved: ids of registrations whose mails a person wants sent also where they would be misread.
        read_with: the key of the template whose text the mail was; empty when it came with a document.
    """
    accepting = _Accepting(notification, received=received, clock=clock, read_with=read_with)
    used = [registration for registration in registrations if registration.use]
    composition = composer.compose(notification, used, unproved=unproved)
    return accepting.accepted(registrations, composition, lease)


def fresh(accepted: Accepted) -> list[Due]:
    """The deliveries of a stored notification that this worker has leased, ready to be sent from memory.

    Args:
        accepted: as the store answered: what a standing hold stopped is not among them.
    """
    mails = {mail.id: mail for mail in accepted.mails}
    return [
        Due(
            delivery=delivery,
            message_id=mails[delivery.mail_id].message_id,
            content=mails[delivery.mail_id].content,
            notification_id=accepted.id,
            seller_id=accepted.seller_id,
            partner=mails[delivery.mail_id].partner,
        )
        for delivery in accepted.deliveries
        if delivery.state is DeliveryState.SENDING
    ]


class _Accepting:
    """Gathers what one notification causes."""

    def __init__(
        self, notification: Notification, *, received: Received, clock: Clock, read_with: str
    ) -> None:
        self._notification = notification
        self._received = received
        self._clock = clock
        self._read_with = read_with
        self._id = clock.new_id()
        self._now = clock.now()
        self._entries: list[Entry] = []

    def accepted(
        self,
        registrations: Sequence[Registration],
        composition: Composition,
        lease: Callable[[int], Lease | None],
    ) -> Accepted:
        mails = composition.mails
        self._note(Event.ACCEPTED, detail=self._summary(len(mails), len(composition.unwritable)))
        if not registrations:
            self._note(Event.UNREGISTERED, detail=f"nobody is registered for {self._notification.type}")
        for registration in registrations:
            if not registration.use:
                self._note(Event.UNUSED, detail=f"registration {registration.id} has use N")
        for each in composition.rewritings:
            self._note(Event.REWRITTEN, detail=f"registration {each.registration.id}: {each.detail}")
        notification = self._notification
        written = notification.written()
        return Accepted(
            id=self._id,
            event_id=notification.event_id,
            content_key=written.content_key,
            seller_id=notification.seller_id,
            type=notification.type,
            pack_no=notification.pack.pack_no,
            document=written.document,
            accepted_at=self._now,
            mails=[composed.mail for composed in mails],
            deliveries=self._deliveries(mails, lease),
            quarantined=[self._kept(unwritable) for unwritable in composition.unwritable],
            entries=self._entries,
        )

    def _summary(self, mails: int, unwritable: int) -> str:
        notification = self._notification
        how = f" (read with {self._read_with})" if self._read_with else ""
        text = f"{notification.type} of pack {notification.pack.pack_no}{how}: mails {mails}"
        return f"{text}, registrations in quarantine {unwritable}" if unwritable else text

    def _deliveries(
        self, mails: Sequence[ComposedMail], lease: Callable[[int], Lease | None]
    ) -> list[Delivery]:
        at_once = sum(
            len(composed.registration.recipients) for composed in mails if not composed.registration.wait
        )
        leased = lease(at_once) if at_once else None
        return [
            self._held(composed, recipient)
            if composed.registration.wait
            else self._due(composed, recipient, leased)
            for composed in mails
            for recipient in composed.registration.recipients
        ]

    def _held(self, composed: ComposedMail, recipient: str) -> Delivery:
        registration = composed.registration
        due_at = None if registration.period is None else self._now + registration.period
        delivery = Delivery(
            id=self._clock.new_id(),
            mail_id=composed.mail.id,
            recipient=recipient,
            state=DeliveryState.HELD,
            due_at=due_at,
            accepted_at=self._now,
            fresh_until=None if due_at is None else due_at + registration.stale_after,
        )
        until = due_at.isoformat(timespec="seconds") if due_at else "a person releases it"
        self._note(Event.HELD, delivery_id=delivery.id, detail=f"until {until}")
        return delivery

    def _due(self, composed: ComposedMail, recipient: str, lease: Lease | None) -> Delivery:
        return Delivery(
            id=self._clock.new_id(),
            mail_id=composed.mail.id,
            recipient=recipient,
            state=DeliveryState.QUEUED if lease is None else DeliveryState.SENDING,
            due_at=self._now,
            accepted_at=self._now,
            leased_by="" if lease is None else lease.worker,
            leased_until=None if lease is None else lease.until,
        )

    def _kept(self, unwritable: Unwritable) -> Quarantined:
        registration = unwritable.registration.id
        kept = Quarantined(
            id=self._clock.new_id(),
            received_at=self._now,
            peer=self._received.peer,
            mail_from=self._received.mail_from,
            rcpt_to=self._received.rcpt_to,
            content=self._received.content,
            reason=unwritable.reason,
            notification_id=self._id,
            registration=registration,
        )
        trouble = "would be misread" if unwritable.is_misread else "cannot be written"
        detail = f"registration {registration} {trouble}"
        self._note(Event.QUARANTINED, quarantine_id=kept.id, detail=detail)
        return kept

    def _note(self, event: Event, *, delivery_id: str = "", quarantine_id: str = "", detail: str) -> None:
        self._entries.append(
            Entry(
                at=self._now,
                event=event,
                seller_id=self._notification.seller_id,
                notification_id=self._id,
                delivery_id=delivery_id,
                quarantine_id=quarantine_id,
                detail=detail,
            )
        )
