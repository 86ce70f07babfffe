"""A reception with everything around it that it needs: a real store, a real policy, one seller."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from grammar import load_catalogue
from relay.config import IntakeConfig
from relay.intake import Decoder, Policy, Reception
from relay.intake.session.door import Reply, Session
from relay.journal import Entry, Event
from relay.metrics import Metrics
from relay.return_address import ReturnAddress
from relay.store.store import Store
from relay.store.values import DeliveryState, Due, Settlement
from tests.support import composing
from tests.support.clock import ManualClock
from tests.support.intake import RecordingDispatch, Shop, registry_in
from tests.support.mail import json_mail, order_info

CATALOGUE = load_catalogue()
ADDRESS = "orders@intake.example.jp"
SESSION = Session(peer="127.0.0.1")
RETURNS = ReturnAddress("bounce@relay.example.jp", b"k" * 32)
RECIPIENT = "orders@partner.example.jp"
SELLER = {"example-shop": "  - {id: orders, template: basic/order_info, recipients: [a@example.jp]}\n"}


class FrontDesk:
    """A reception and what stands around it."""

    def __init__(
        self,
        folder: Path,
        *,
        room: int = 100,
        decoder: Any = None,
        throttle: Any = None,
        logins: Any = None,
        **settings: Any,
    ) -> None:
        registry = registry_in(folder, CATALOGUE, registrations=SELLER)
        self.clock = ManualClock()
        self.metrics = Metrics()
        self.store = Store.open(folder / "denrei.db", clock=self.clock)
        self.dispatch = RecordingDispatch(room=room)
        self.config = IntakeConfig.model_validate(
            {"addresses": [ADDRESS], "listen": "127.0.0.1:0", **settings}
        )
        self.reception = Reception(
            policy=Policy(self.config, hostname=composing.HOSTNAME, returns=RETURNS),
            registry=Shop((composing.registration(CATALOGUE),)),
            decoder=decoder
            or Decoder(
                lambda: registry,
                CATALOGUE,
                hostname=composing.HOSTNAME,
                max_document=self.config.max_document,
            ),
            composer=composing.composer(CATALOGUE, self.clock),
            store=self.store,
            dispatch=self.dispatch,
            clock=self.clock,
            returns=RETURNS,
            throttle=throttle,
            logins=logins,
            on_unreadable=self.config.on_unreadable,
            max_hops=self.config.max_hops,
            metrics=self.metrics,
        )

    async def take(
        self, content: bytes, *, mail_from: str = "market@example.jp", rcpt_tos: Sequence[str] = (ADDRESS,)
    ) -> Reply:
        """Let a mail come in."""
        return await self.reception.message(SESSION, mail_from, rcpt_tos, content)

    async def give_back(self, content: bytes, *delivery_ids: str) -> Reply:
        """Let a report come in, from the null sender to the return addresses of these deliveries."""
        return await self.take(content, mail_from="", rcpt_tos=[RETURNS.of(each) for each in delivery_ids])

    async def delivered(self, **changes: object) -> Due:
        """A delivery that the partner's server has taken."""
        await self.take(json_mail(order_info(**changes)))
        due = self.dispatch.offered[-1]
        await self.taken_by_partner(due)
        return due

    async def taken_by_partner(self, due: Due) -> None:
        """The end of an attempt: 250."""
        entry = Entry(
            at=self.clock.now(),
            event=Event.DELIVERED,
            seller_id=due.seller_id,
            notification_id=due.notification_id,
            delivery_id=due.delivery.id,
            detail="250 2.0.0 queued",
        )
        assert await self.store.settle(
            Settlement(
                delivery_id=due.delivery.id,
                worker=due.delivery.leased_by,
                state=DeliveryState.DELIVERED,
                due_at=None,
                last_reply="250 2.0.0 queued",
                entry=entry,
            )
        )


@asynccontextmanager
async def front_desk(folder: Path, **settings: Any) -> AsyncIterator[FrontDesk]:
    """A reception that is open, and closed at the end."""
    made = FrontDesk(folder, **settings)
    try:
        yield made
    finally:
        await made.store.close()
