"""Notices for tests: what must be told, who reads it, and a watch on a real store."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage
from functools import lru_cache
from pathlib import Path
from typing import Any

from grammar import load_catalogue
from relay.config import NoticeConfig
from relay.metrics import Metrics
from relay.notice import NoticeWatch
from relay.notice.letter import LetterWriter, Signs
from relay.notice.values import Addressee
from relay.notice.watch import NoticeStore
from relay.registry import Contact, Partner, Registration, Registry, Seller, Templates
from relay.registry.registry import Sheet
from relay.store.concern import Concern, Outlook, Unsuccessful
from relay.store.query import DeliveryFilter, DeliveryRow
from relay.store.store import Store
from relay.store.values import Accepted, DeliveryState
from tests.support.clock import START, ManualClock
from tests.support.composing import partner, registration
from tests.support.stored import accepted, claim, settlement

HOSTNAME = "relay.example.jp"
PARTNERS: dict[str, Partner] = {"cross_mall": partner()}
OPERATORS = Addressee(
    seller_id="", addresses=("ops@relay.example.com", "night@relay.example.com"), language="ja"
)
SELLER = Addressee(seller_id="reidai", addresses=("tencho@shop.example.jp",), language="ja")


def concern(number: int = 1, outlook: Outlook = Outlook.RETRY, **given: Any) -> Concern:
    """A delivery that is late, of an invented order."""
    made: dict[str, Any] = {
        "delivery_id": f"6v3w1q000000{number:04}",
        "notification_id": "6v3w1q0000000000",
        "seller_id": "reidai",
        "type": "order_info",
        "pack_no": f"3000{number:05}",
        "order_no": "",
        "partner": "cross_mall",
        "recipient": "orders@partner.example.jp",
        "last_reply": "RCPT was answered 451 4.7.1 Greylisting in action",
        "accepted_at": START,
        "outlook": outlook,
        "again_at": START + timedelta(hours=8) if outlook is Outlook.RETRY else None,
    }
    return Concern(**made | given)


def silence(number: int = 1, **given: Any) -> Unsuccessful:
    """A registration of which nothing gets through."""
    made: dict[str, Any] = {
        "seller_id": "reidai",
        "registration": f"crossmall-orders-{number}",
        "partner": "cross_mall",
        "tried": 12,
        "since": START,
        "last_success_at": None,
        "told_until": START - timedelta(days=30),
        "delivery_id": f"6v3w1q000000{number:04}",
        "notification_id": "6v3w1q0000000000",
        "recipient": "orders@partner.example.jp",
        "last_reply": "550 5.7.1 rejected by policy",
    }
    return Unsuccessful(**made | given)


def writer(clock: ManualClock | None = None, *, signer: Signs | None = None, **settings: Any) -> LetterWriter:
    """Writes notices as a relay with these settings does."""
    return LetterWriter(
        hostname=HOSTNAME,
        settings=NoticeConfig.model_validate(settings),
        clock=clock or ManualClock(),
        signer=signer,
    )


def told_at(hours: float = 4) -> datetime:
    """So long after the start."""
    return START + timedelta(hours=hours)


@lru_cache(1)
def _registration() -> Registration:
    return registration(load_catalogue())


def registry(contacts: Mapping[str, Contact | None], *, unused: tuple[str, ...] = ()) -> Registry:
    """Sellers with these contacts, each with the registrations 登録1 to 登録3, in use but for those named."""
    templates = Templates(by_key={}, partners=PARTNERS, shipped=Path("partner_templates"))
    sheets = {}
    for seller_id, contact in contacts.items():
        registered = tuple(
            replace(_registration(), id=name, seller_id=seller_id, use=name not in unused)
            for name in ("登録1", "登録2", "登録3")
        )
        seller = Seller(id=seller_id, contact=contact, registrations=registered)
        sheets[Path(f"{seller_id}.yaml")] = Sheet(
            path=Path(f"{seller_id}.yaml"), stamp=(0, 0, 0), seller=seller
        )
    return Registry(templates=templates, sheets=sheets)


JAPANESE = Contact(address="tencho@shop.example.jp", language="ja")
ENGLISH = Contact(address="owner@shop.example.com", language="en")
BOTH_TOLD = {"例題商店": JAPANESE}


def watch_on(
    store: NoticeStore,
    clock: ManualClock,
    *,
    contacts: Mapping[str, Contact | None] = BOTH_TOLD,
    operators: tuple[str, ...] = ("ops@relay.example.com",),
    is_own: Callable[[str], bool] = lambda address: False,
    unused: tuple[str, ...] = (),
    metrics: Metrics | None = None,
    **settings: Any,
) -> NoticeWatch:
    """A watch as a relay has it, not started: `look` is one round."""
    chosen = NoticeConfig.model_validate({"operators": operators} | settings)
    found = registry(contacts, unused=unused)
    return NoticeWatch(
        store=store,
        registry=lambda: found,
        settings=chosen,
        writer=LetterWriter(hostname=HOSTNAME, settings=chosen, clock=clock),
        clock=clock,
        is_own=is_own,
        metrics=metrics,
    )


async def tried(
    store: Store, clock: ManualClock, state: DeliveryState = DeliveryState.QUEUED, **wanted: Any
) -> Accepted:
    """An order that was accepted and tried once, now: deferred for a day unless it is told how it ended."""
    one = accepted(clock, **wanted)
    await store.accept(one)
    await end(store, clock, one, state)
    return one


async def end(store: Store, clock: ManualClock, one: Accepted, state: DeliveryState) -> None:
    """The end of an attempt at each of its deliveries."""
    await claim(store, clock, limit=1_000)
    replies = {DeliveryState.DELIVERED: "250 ok", DeliveryState.BOUNCED: "550 5.7.1 rejected"}
    for number, _ in enumerate(one.deliveries):
        settled = settlement(
            one,
            worker="w/1",
            at=clock.now(),
            state=state,
            number=number,
            due_at=clock.now() + timedelta(days=1) if state is DeliveryState.QUEUED else None,
            reply=replies.get(state, "451 4.7.1 busy"),
        )
        assert await store.settle(settled)


async def notices(store: Store) -> list[DeliveryRow]:
    """The deliveries of notices, in the order in which they were made."""
    rows = await store.deliveries(DeliveryFilter(limit=1_000))
    return [row for row in reversed(rows) if row.notice]


async def told(store: Store) -> list[tuple[str, str, str]]:
    """Kind, recipient and subject of each notice."""
    return [(row.notice, row.delivery.recipient, row.subject) for row in await notices(store)]


async def text_of(store: Store, row: DeliveryRow) -> str:
    """What the notice says."""
    story = await store.delivery(row.delivery.id)
    assert story is not None
    message = message_from_bytes(story.content, policy=policy.default)
    assert isinstance(message, EmailMessage)
    content = message.get_content()
    assert isinstance(content, str)
    return content.replace("\r", "")
