"""Where it is worked out what a mail causes: small mails together, big ones beside the event loop.

Guarantees: what goes wrong with a mail is heard by who waits for it, and by nobody else. One big mail is
worked on at a time: beside the octets that came (`smtp` bounds those), it takes at most some seven times its
size, while the library holds it as rows of text. Source: ours; the figures are in docs/performance.md.
"""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

from relay.clock import Clock
from relay.compose.composer import Composer
from relay.intake.acceptance import Lease, Received, acceptance, no_lease
from relay.intake.reading.decoding import Decoded, Decoder
from relay.notification import NotificationType
from relay.registry import Registration
from relay.store.values import Accepted

BIG = 32 * 1024  # octets; what a mail above causes can take 20 ms to work out: beside the event loop
MAX_TOGETHER = 32  # mails worked on in one go: some 15 ms (texts: 30), in which nobody else has the loop


class Registry(Protocol):
    """What the desk needs of the registry: the state of the moment."""

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


class Desk:
    """Works out what mails cause."""

    def __init__(
        self,
        *,
        registry: Registry,
        decoder: Decoder,
        composer: Composer,
        clock: Clock,
        lease: Callable[[int], Lease | None],
    ) -> None:
        """Make a desk.

        Args:
            registry: who wants what.
            decoder: reads mails.
            composer: makes mails.
            clock: for ids and times.
            lease: the delivery engine's word for so many deliveries; asked in the event loop only.
        """
        self._registry = registry
        self._decoder = decoder
        self._composer = composer
        self._clock = clock
        self._lease = lease
        self._beside = ThreadPoolExecutor(1, thread_name_prefix="big-mail")  # also when a client goes away
        self._arrived: list[_Arrived] = []

    async def accepted(self, received: Received) -> Accepted:
        """Everything that a mail causes; raises BadInput when it is not to be sent on."""
        if len(received.content) < BIG:
            return await self._together(received)
        return await self._alone(received)

    async def _together(self, received: Received) -> Accepted:
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
                accepted = self._accepted(decoded, mail.received, self._lease)
                if not mail.accepted.done():  # the client has gone: it sends again
                    mail.accepted.set_result(accepted)

    async def _alone(self, received: Received) -> Accepted:
        """Do it in a thread, one big mail at a time, so that the others' mail goes on.

        The dispatch belongs to the event loop and is not asked: these deliveries are queued in the store.
        """

        def accepted() -> Accepted:
            return self._accepted(self._decoded(received), received, no_lease)

        return await asyncio.get_running_loop().run_in_executor(self._beside, accepted)

    def _decoded(self, received: Received) -> Decoded:
        return self._decoder.take_in(received.content, self._clock.now())

    def _accepted(
        self, decoded: Decoded, received: Received, lease: Callable[[int], Lease | None]
    ) -> Accepted:
        notification = decoded.notification
        registrations: Sequence[Registration] = self._registry.registrations(
            notification.seller_id, notification.type
        )
        return acceptance(
            notification,
            registrations,
            received=received,
            composer=self._composer,
            clock=self._clock,
            lease=lease,
            read_with=decoded.read_with,
        )
