"""A store with everything in it, written down as SQL text: what each released Denrei leaves to the next.

`python -m tests.support.full_store tests/fault/stores/0002.sql` makes the fixture of the newest revision with
today's code. Once a revision is released its fixture is left as it is: it stands for the stores out there.
"""

import asyncio
import sqlite3
import sys
import tempfile
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from relay.store.concern import Kind
from relay.store.notice import Letter, NoticeWrite
from relay.store.store import Store
from relay.store.values import DeliveryState, LateBounce, QuarantineState, Scope
from tests.support.clock import ManualClock
from tests.support.stored import a_hold, accepted, claim, kept, kept_entry, settlement

MINUTE = timedelta(minutes=1)
JAPANESE = "Subject: =?ISO-2022-JP?B?GyRCQ21KOBsoQg==?=\r\n\r\n[購入者名] 見本　花子様\r\n".encode(
    "iso-2022-jp"
)


async def fill(store: Store, clock: ManualClock) -> None:
    """Put in every state of every table, and what holds, reports and keys leave."""
    await _fill_as_the_first_could(store, clock)
    for scope, value in ((Scope.SELLER, "止めた店"), (Scope.NEXT_HOP, "late.example.jp")):
        await store.place_hold(a_hold(clock, scope, value))
    await store.accept(accepted(clock, seller_id="止めた店"))
    late = accepted(clock, recipients=("gone@partner.example.jp",), state=DeliveryState.DELIVERED)
    await store.accept(late)
    await store.late_bounce(
        LateBounce(
            delivery_id=late.deliveries[0].id,
            reply="5.1.1 宛先がありません",
            is_final=True,
            suppress=True,
            now=clock.now(),
        )
    )
    stale = accepted(clock, state=DeliveryState.HELD, due_at=clock.now() + 30 * MINUTE)
    fresh = replace(stale.deliveries[0], fresh_until=clock.now() + 40 * MINUTE)
    await store.accept(replace(stale, deliveries=[fresh]))
    await _tell_of_a_failure(store, clock)
    await store.secret("返送")


async def _tell_of_a_failure(store: Store, clock: ManualClock) -> None:
    failed = await store.failed(limit=1)
    like = accepted(clock, recipients=("postmaster@relay.example.jp",))
    mail = replace(
        like.mails[0],
        registration="",
        partner="",
        template="",
        subject="届かなかったメールのお知らせ",
        notice="failure",
    )
    letter = Letter(
        seller_id="", notification_id=failed[0].notification_id, mail=mail, deliveries=like.deliveries
    )
    write = NoticeWrite(kind=Kind.FAILURE, now=clock.now(), gather=MINUTE, concerns=failed, letters=[letter])
    assert await store.notify(write)


async def _fill_as_the_first_could(store: Store, clock: ManualClock) -> None:
    """Every state of a delivery and of a quarantined mail, reached by the verbs that lead there."""
    three = accepted(
        clock,
        event_id="出来事-1",
        recipients=("a@partner.example.jp", "B@Partner.example.jp", "c@other.example.jp"),
        content=JAPANESE,
    )
    await store.accept(three)
    await store.accept(replace(accepted(clock, event_id="出来事-1"), content_key="別の内容"))
    clock.advance(MINUTE)
    await claim(store, clock, worker="worker-1", until=clock.now() + 10 * MINUTE)
    bounce: dict[str, Any] = {"state": DeliveryState.BOUNCED, "reply": "550 5.7.1 受け取れません"}
    later: dict[str, Any] = {
        "state": DeliveryState.QUEUED,
        "due_at": clock.now() + 5 * MINUTE,
        "reply": "451 4.3.0 後ほど",
    }
    await store.settle(settlement(three, worker="worker-1", at=clock.now(), number=0))
    await store.settle(settlement(three, worker="worker-1", at=clock.now(), number=1, **bounce))
    await store.settle(settlement(three, worker="worker-1", at=clock.now(), number=2, **later))
    sending = accepted(clock, seller_id="見本書店", partner="next_engine")
    await store.accept(sending)
    await claim(store, clock, worker="worker-1", until=clock.now() + 10 * MINUTE)
    given_up = accepted(clock, state=DeliveryState.HELD)
    for one in (
        accepted(clock),
        accepted(clock, state=DeliveryState.HELD, due_at=clock.now() + 30 * MINUTE),
        accepted(clock, state=DeliveryState.HELD),
        given_up,
    ):
        await store.accept(one)
    await store.discard(given_up.deliveries[0].id, now=clock.now(), by="店長")
    items = [
        kept(clock),
        kept(clock),
        kept(clock),
        kept(clock, notification_id=three.id, registration="登録9"),
    ]
    for item in items:
        await store.quarantine(item, kept_entry(item))
    await store.replay(items[0].id, accepted(clock), now=clock.now(), by="店長")
    await store.settle_quarantine(
        items[1].id, QuarantineState.DISCARDED, now=clock.now(), by="店長", detail="試験のメール"
    )


def sql_of(path: Path) -> str:
    """A store's file as SQL text."""
    connection = sqlite3.connect(path)
    try:
        return "\n".join(connection.iterdump()) + "\n"
    finally:
        connection.close()


def main(target: Path) -> None:
    """Make a full store with today's code and write it down."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "full.db")
        clock = ManualClock()

        async def make() -> None:
            store = Store.open(path, clock=clock)
            await fill(store, clock)
            await store.close()

        asyncio.run(make())
        target.write_text(sql_of(path), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
