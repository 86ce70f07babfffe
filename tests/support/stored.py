"""Invented notifications for the store: all that one may cause, made from a clock's ids."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from relay.clock import Clock
from relay.journal import Entry, Event
from relay.store.query import JournalFilter
from relay.store.standing import Way
from relay.store.store import Store
from relay.store.values import (
    Accepted,
    Delivery,
    DeliveryState,
    Due,
    Hold,
    Mail,
    Quarantined,
    Scope,
    Settlement,
)
from tests.support.clock import ManualClock

CONTENT = (
    "From: Qoo10 <qoo10info@shop.example.jp>\r\n"
    "Subject: =?utf-8?b?UW9vMTDjga7ms6jmloc=?=\r\n\r\n"
    "[注文番号] 300000001\r\n[備考]\r\n玄関先に置いてください。\r\n"
).encode()


def accepted(
    clock: Clock,
    *,
    event_id: str | None = None,
    content_key: str = "",
    seller_id: str = "例題商店",
    recipients: Sequence[str] = ("orders@partner.example.jp",),
    state: DeliveryState = DeliveryState.QUEUED,
    due_at: datetime | None = None,
    leased_by: str = "",
    leased_until: datetime | None = None,
    partner: str = "cross_mall",
    content: bytes = CONTENT,
    quarantined: Sequence[Quarantined] = (),
) -> Accepted:
    """A notification with one mail to each recipient; queued and due now unless told otherwise."""
    now = clock.now()
    notification_id = clock.new_id()
    mails = [
        Mail(
            id=clock.new_id(),
            registration=f"登録{number}",
            partner=partner,
            template=f"{partner}/order_info",
            order_no="",
            message_id=f"<{notification_id}.{number}@relay.example.jp>",
            sender="Qoo10 <qoo10info@shop.example.jp>",
            subject="Qoo10の注文のお知らせです。(注文番号:300000001)",
            content=content,
        )
        for number, _ in enumerate(recipients, 1)
    ]
    deliveries = [
        Delivery(
            id=clock.new_id(),
            mail_id=mail.id,
            recipient=recipient,
            state=state,
            due_at=now if due_at is None and state is DeliveryState.QUEUED else due_at,
            accepted_at=now,
            leased_by=leased_by,
            leased_until=leased_until,
        )
        for mail, recipient in zip(mails, recipients, strict=True)
    ]
    entry = Entry(at=now, event=Event.ACCEPTED, seller_id=seller_id, notification_id=notification_id)
    return Accepted(
        id=notification_id,
        event_id=event_id,
        content_key=content_key or f"key of {notification_id}",
        seller_id=seller_id,
        type="order_info",
        pack_no="300000001",
        document='{"version": 1, "pack": {"memos": ["玄関先に置いてください。"]}}',
        accepted_at=now,
        mails=mails,
        deliveries=deliveries,
        quarantined=list(quarantined),
        entries=[entry],
    )


def kept(clock: Clock, *, notification_id: str = "", registration: str = "") -> Quarantined:
    """A mail that could not be understood."""
    return Quarantined(
        id=clock.new_id(),
        received_at=clock.now(),
        peer="192.0.2.1",
        mail_from="notice@market.example.jp",
        rcpt_to="orders@relay.example.jp",
        content=b"Subject: x\r\n\r\n{\x80\xff",
        reason="pack.orders[0].qty: 数ではありません",
        notification_id=notification_id,
        registration=registration,
    )


def kept_entry(item: Quarantined) -> Entry:
    """The journal's word on it."""
    return Entry(at=item.received_at, event=Event.QUARANTINED, quarantine_id=item.id, detail=item.reason)


def settlement(
    one: Accepted,
    *,
    worker: str,
    at: datetime,
    state: DeliveryState = DeliveryState.DELIVERED,
    due_at: datetime | None = None,
    reply: str = "250 2.0.0 ok",
    number: int = 0,
    suppress: bool = False,
) -> Settlement:
    """The result of an attempt at one of its deliveries."""
    events = {DeliveryState.QUEUED: Event.DEFERRED, DeliveryState.BOUNCED: Event.BOUNCED}
    delivery = one.deliveries[number]
    return Settlement(
        delivery_id=delivery.id,
        worker=worker,
        state=state,
        due_at=due_at,
        last_reply=reply,
        suppress=suppress,
        entry=Entry(
            at=at,
            event=events.get(state, Event.DELIVERED),
            seller_id=one.seller_id,
            notification_id=one.id,
            delivery_id=delivery.id,
            detail=reply,
        ),
    )


def with_store(path: Path, story: Callable[[Store, ManualClock], Awaitable[None]], *, way: Way = str) -> None:
    """Open a store, run a story on it with a clock that stands still, close it."""
    clock = ManualClock()

    async def run() -> None:
        store = Store.open(path, clock=clock, way=way)
        try:
            await story(store, clock)
        finally:
            await store.close()

    asyncio.run(run())


async def claim(store: Store, clock: Clock, worker: str = "w/1", limit: int = 100, **more: Any) -> list[Due]:
    """What a worker gets now, leased for ten minutes unless told otherwise."""
    now = clock.now()
    wish: dict[str, Any] = {"octets": 1_000_000, "until": now + timedelta(minutes=10), **more}
    return await store.claim(worker=worker, now=now, limit=limit, **wish)


async def events(store: Store, **wanted: Any) -> list[tuple[Event, str, str]]:
    """The journal through a filter: what happened, who did it, why."""
    return [(entry.event, entry.by, entry.detail) for entry in await store.journal(JournalFilter(**wanted))]


async def stored_delivery(store: Store, one: Accepted, number: int = 0) -> Delivery:
    """One of its deliveries as it stands."""
    story = await store.delivery(one.deliveries[number].id)
    assert story is not None
    return story.row.delivery


def a_hold(clock: Clock, scope: Scope, value: str) -> Hold:
    """A person's wish for a standing hold."""
    return Hold(
        id=clock.new_id(), scope=scope, value=value, reason="問い合わせ中", by="店長", placed_at=clock.now()
    )
