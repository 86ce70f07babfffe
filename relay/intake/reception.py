"""The relay's own door: from a mail to everything that it causes on disk, and only then 250.

Guarantees: a 2xx is answered only after the store has committed; what is leased is handed to the delivery
engine after that and never before; what cannot be understood is kept whole in quarantine, or refused whole.
A mail to several intake addresses is one notification. A mail over which Denrei itself stumbles is kept too:
it would stumble at each new try as well, until the sender gives up.

Diagnostics: to the client a short public reason; the private one stands with the mail in quarantine. Journal
and log (`notification_rejected`, `store_failed`, `mail_failed` with its traceback) have places in the
document, never a value, nor a key that is none of ours: it may be a value that lost its place. Source: ours.
"""

import asyncio
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal, Protocol

import structlog

from relay.clock import Clock
from relay.compose.composer import Composer
from relay.errors import BadInput, MachineFailure
from relay.intake.acceptance import Lease, Received, acceptance, fresh, no_lease
from relay.intake.decoding import Decoded, Decoder
from relay.intake.door import Answer, Reply, Session
from relay.intake.policy import Policy
from relay.journal import Entry, Event
from relay.notification import KEYS, NotificationType
from relay.registry import Registration
from relay.store.values import Accepted, Due, Duplicate, Quarantined

BIG = 32 * 1024  # octets; what a mail above causes can take 20 ms to work out: beside the event loop
MAX_TOGETHER = 32  # mails worked on in one go: some 15 ms (texts: 30), in which nobody else has the loop
MAX_REASONS = 20  # problems written into a quarantine's reason; all of them can be had again from the mail

_MAIL_PLACE = re.compile(r"mail|message-id|x-recognition-key|(?:subject|body|part [0-9.]+)(?: row [0-9]+)?")
_STEP = re.compile(r"([a-z0-9_]+)(?:\[[0-9]+\])*")
_NOT_STORED = Reply(code=451, text="4.3.0 not stored, try again later")
_log = structlog.get_logger(__name__)


class Store(Protocol):
    """What reception needs of the store. Both return after the commit and raise MachineFailure."""

    async def accept(self, accepted: Accepted, /) -> Accepted | Duplicate:
        """Store a notification and all that it causes, unless it is there already."""

    async def quarantine(self, item: Quarantined, entry: Entry, /) -> None:
        """Keep a mail that could not be understood."""


class Dispatch(Protocol):
    """What reception needs of the delivery engine. Neither waits."""

    def lease(self, count: int, /) -> Lease | None:
        """The worker's word for so many deliveries, or None when it has no room for them in memory."""

    def offer(self, dues: Sequence[Due], /) -> None:
        """Take deliveries that are stored under that lease."""


class Registry(Protocol):
    """What reception needs of the registry: the state of the moment."""

    def registrations(self, seller_id: str, notification: NotificationType, /) -> tuple[Registration, ...]:
        """All registrations of a seller for a notification type."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Arrived:
    """A mail that waits to be worked on, and who waits for what it causes."""

    received: Received
    accepted: asyncio.Future[Accepted]

    @contextmanager
    def hears_errors(self) -> Iterator[None]:
        """Pass what goes wrong with this mail to who waits for it, and to nobody else."""
        try:
            yield
        except Exception as error:  # noqa: BLE001  (BadInput or a bug of ours: the waiter tells them apart)
            if not self.accepted.done():
                self.accepted.set_exception(error)


class Reception:
    """Decides on everything that comes in by SMTP."""

    def __init__(
        self,
        *,
        policy: Policy,
        registry: Registry,
        decoder: Decoder,
        composer: Composer,
        store: Store,
        dispatch: Dispatch,
        clock: Clock,
        on_unreadable: Literal["quarantine", "reject"] = "quarantine",
    ) -> None:
        self._policy = policy
        self._registry = registry
        self._decoder = decoder
        self._composer = composer
        self._store = store
        self._dispatch = dispatch
        self._clock = clock
        self._on_unreadable = on_unreadable
        self._beside = asyncio.Lock()
        self._arrived: list[_Arrived] = []

    async def connect(self, peer: str) -> Answer:
        """Refuse strangers before they say a word."""
        return self._policy.refusal_of_peer(peer)

    async def mail(self, session: Session, address: str, size: int | None) -> Answer:  # noqa: ARG002  (Door)
        """Any sender will do: who may send is decided by network."""
        return None

    async def rcpt(self, session: Session, address: str) -> Answer:  # noqa: ARG002  (Door)
        """Take intake addresses only."""
        return self._policy.refusal_of_recipient(address)

    async def data(self, session: Session) -> Answer:  # noqa: ARG002  (Door)
        """Let the content come."""
        return None

    async def message(
        self, session: Session, mail_from: str, rcpt_tos: Sequence[str], content: bytes
    ) -> Reply:
        """Take a whole mail: understand it, store what it causes, hand over what is due."""
        received = Received(peer=session.peer, mail_from=mail_from, rcpt_tos=rcpt_tos, content=content)
        try:
            try:
                if len(content) < BIG:
                    accepted = await self._accepted_together(received)
                else:
                    accepted = await self._accepted_beside(received)
            except BadInput as problem:
                return await self._unreadable(received, problem)
            except (MachineFailure, MemoryError):
                raise
            except Exception as bug:  # noqa: BLE001  (logged with its traceback, and the mail is kept)
                _log.exception("mail_failed", peer=session.peer)
                return await self._stumbled(received, bug)
            return await self._stored(accepted, received)
        except MachineFailure as failure:
            _log.error("store_failed", peer=session.peer, reason=str(failure))
            return _NOT_STORED

    async def _accepted_together(self, received: Received) -> Accepted:
        """Do it with the other mails that came in this turn of the event loop."""
        loop = asyncio.get_running_loop()
        mail = _Arrived(received=received, accepted=loop.create_future())
        self._arrived.append(mail)
        if len(self._arrived) == 1:
            loop.call_soon(self._work_off)
        return await mail.accepted

    def _work_off(self) -> None:
        """Read all that came, then compose all that was read.

        One mail after the other was slower by a fifth: each goes through so much code that the processor's
        caches had lost the beginning when the next one came.
        """
        together, self._arrived = self._arrived[:MAX_TOGETHER], self._arrived[MAX_TOGETHER:]
        if self._arrived:
            asyncio.get_running_loop().call_soon(self._work_off)
        read: list[tuple[_Arrived, Decoded]] = []
        for mail in together:
            with mail.hears_errors():
                read.append((mail, self._decoded(mail.received)))
        for mail, decoded in read:
            with mail.hears_errors():
                accepted = self._accepted(decoded, mail.received, self._dispatch.lease)
                if not mail.accepted.done():  # the client has gone: it sends again
                    mail.accepted.set_result(accepted)

    def _decoded(self, received: Received) -> Decoded:
        return self._decoder.take_in(received.content, self._clock.now())

    def _accepted(
        self, decoded: Decoded, received: Received, lease: Callable[[int], Lease | None]
    ) -> Accepted:
        notification = decoded.notification
        return acceptance(
            notification,
            self._registry.registrations(notification.seller_id, notification.type),
            received=received,
            composer=self._composer,
            clock=self._clock,
            lease=lease,
            read_with=decoded.read_with,
        )

    async def _accepted_beside(self, received: Received) -> Accepted:
        """Do it in a thread, one big mail at a time, so that the others' mail goes on.

        The dispatch belongs to the event loop and is not asked: these deliveries are queued in the store.
        """

        def accepted() -> Accepted:
            return self._accepted(self._decoded(received), received, no_lease)

        async with self._beside:
            return await asyncio.to_thread(accepted)

    async def _stored(self, accepted: Accepted, received: Received) -> Reply:
        stored = await self._store.accept(accepted)
        if isinstance(stored, Duplicate):
            if not stored.same_content:
                return await self._other_content(accepted, received, stored)
            return Reply(code=250, text=f"2.0.0 known already as {stored.of}")
        dues = fresh(stored)
        if dues:
            self._dispatch.offer(dues)
        return Reply(code=250, text=f"2.0.0 accepted as {stored.id}")

    async def _unreadable(self, received: Received, problem: BadInput) -> Reply:
        places = [public_place(one.path) for one in problem.problems]
        if self._on_unreadable == "reject":
            _log.warning("notification_rejected", peer=received.peer, places=places[:MAX_REASONS])
            others = f" and {len(places) - 1} more" if len(places) > 1 else ""
            return Reply(code=550, text=f"5.6.0 notification not understood: {places[0]}{others}")
        reason = "\n".join(str(one) for one in problem.problems[:MAX_REASONS])
        return await self._kept(received, reason, detail=f"not understood: {places[0]}")

    async def _stumbled(self, received: Received, bug: Exception) -> Reply:
        """Keep a mail that is one too many for us, whatever the policy for mails that are wrong."""
        trouble = f"Denrei failed over this mail ({type(bug).__name__})"
        reason = f"{trouble}: a bug, whose trace is in the log; replay the mail when it is mended"
        return await self._kept(received, reason, detail=trouble)

    async def _other_content(self, accepted: Accepted, received: Received, known: Duplicate) -> Reply:
        """Keep what comes under a known event id and says something else, for a person.

        One of the two is wrong, so nobody gets a mail of it.
        """
        reason = (
            f"event_id: {accepted.event_id} came before, with other content (as {known.of}); "
            "if this is another event, give it another event_id and replay it"
        )
        detail = f"{accepted.type} of pack {accepted.pack_no}: its event id came before with other content"
        return await self._kept(received, reason, detail=detail, seller_id=accepted.seller_id)

    async def _kept(self, received: Received, reason: str, *, detail: str, seller_id: str = "") -> Reply:
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
            at=now, event=Event.QUARANTINED, seller_id=seller_id, quarantine_id=kept.id, detail=detail
        )
        await self._store.quarantine(kept, entry)
        return Reply(code=250, text=f"2.0.0 kept in quarantine as {kept.id}")


def public_place(path: str) -> str:
    """A problem's path as far as it is made of what we know: the rest is the sender's.

    >>> public_place("pack.orders[0].山田 03-1234-5678"), public_place("body row 7"), public_place("山田")
    ('pack.orders[0]', 'body row 7', 'document')
    """
    if _MAIL_PLACE.fullmatch(path):
        return path
    known = []
    for step in path.split("."):
        found = _STEP.fullmatch(step)
        if found is None or found[1] not in KEYS:
            break
        known.append(step)
    return ".".join(known) or "document"
