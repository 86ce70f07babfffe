"""Replaying kept mails that came to return addresses: read as reports once more, or kept as they are."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import pytest

from relay.app import Office
from relay.journal import Event
from relay.operations.office import Outcome
from relay.store.query import JournalFilter
from relay.store.values import Accepted, DeliveryState, QuarantineState
from tests.support.clock import START, ManualClock
from tests.support.serving import write_config
from tests.support.stored import accepted, kept, kept_entry

FAILED = (
    b"From: MAILER-DAEMON@mx.partner.example.jp\r\nContent-Type: message/delivery-status\r\n\r\n"
    b"Final-Recipient: rfc822; orders@partner.example.jp\r\nAction: failed\r\nStatus: 5.2.2\r\n"
)
DELAYED = FAILED.replace(b"failed", b"delayed").replace(b"5.2.2", b"4.4.1")
PERSON = "From: taro@partner.example.jp\r\n\r\nどの注文でしょうか。\r\n".encode()
KEPT = "not applied, stays kept: "
NOBODY = f"{KEPT}it is a report that nobody can read; discard it when you have read it"
PURGED = f"{KEPT}it is a report on a delivery that is no longer stored; discard it when you have read it"


def replayed(
    folder: Path,
    content: bytes,
    check: Callable[[Office, Accepted, Outcome], Awaitable[None]],
    *,
    state: DeliveryState = DeliveryState.DELIVERED,
    is_stored: bool = True,
) -> None:
    """Keep a mail that came to a delivery's return address, replay it, and look."""

    async def run() -> None:
        clock = ManualClock()
        office = Office.open(write_config(folder / "site", routes={}, registrations={}))
        try:
            lease = (
                {"leased_by": "w/1", "leased_until": clock.now()} if state is DeliveryState.SENDING else {}
            )
            one = accepted(clock, state=state, **lease)
            if is_stored:
                await office.store.accept(one)
            returns = await office.return_address()
            item = replace(
                kept(clock), content=content, mail_from="", rcpt_to=returns.of(one.deliveries[0].id)
            )
            await office.store.quarantine(item, kept_entry(item))
            [outcome] = await office.operations.replay([item.id], by="店長")
            assert outcome.id == item.id
            stays = outcome.text.startswith("not applied, stays kept: ")
            assert outcome.applied is not stays
            found = await office.operations.quarantine_item(item.id)
            assert found.state is (QuarantineState.KEPT if stays else QuarantineState.REPLAYED)
            await check(office, one, outcome)
        finally:
            await office.close()

    asyncio.run(run())


def test_a_kept_report_that_can_be_read_ends_its_delivery(tmp_path: Path) -> None:
    """Denrei had stumbled over it: now it does what it would have done, and the journal names who asked."""

    async def check(office: Office, one: Accepted, outcome: Outcome) -> None:
        id_ = one.deliveries[0].id
        assert outcome.text == f"replayed: delivery {id_} is bounced"
        row = (await office.operations.delivery(id_)).row
        assert (row.delivery.state, row.delivery.last_reply) == (
            DeliveryState.BOUNCED,
            "reported failed: 5.2.2",
        )
        [done] = await office.store.journal(JournalFilter(events=(Event.REPLAYED,)))
        assert (done.quarantine_id, done.by) == (outcome.id, "店長")

    replayed(tmp_path, FAILED, check)


@pytest.mark.parametrize(
    ("content", "state", "is_stored", "text"),
    [
        (DELAYED, DeliveryState.DELIVERED, True, "replayed: written down on delivery {}"),
        (FAILED, DeliveryState.BOUNCED, True, "replayed: written down on delivery {}"),
        (
            FAILED,
            DeliveryState.SENDING,
            True,
            f"{KEPT}the delivery that it would end is being sent; try again",
        ),
        (FAILED, DeliveryState.DELIVERED, False, PURGED),
        (PERSON, DeliveryState.DELIVERED, False, PURGED),
        (PERSON, DeliveryState.DELIVERED, True, NOBODY),
    ],
    ids=["delay", "ended", "sending", "purged", "purged person", "person"],
)
def test_what_ends_nothing_is_said_as_it_is(tmp_path: Path, content, state, is_stored, text) -> None:
    """Written down, to be tried again, or for a person to read: never `no notification in it`."""

    async def check(office: Office, one: Accepted, outcome: Outcome) -> None:
        assert outcome.text == text.format(one.deliveries[0].id)
        if is_stored:
            row = (await office.operations.delivery(one.deliveries[0].id)).row
            assert row.delivery.state is state

    replayed(tmp_path, content, check, state=state, is_stored=is_stored)


def test_a_replay_that_died_half_way_is_repeated(tmp_path: Path) -> None:
    """The report was written and the kept mail not settled: the second replay says that it is known."""

    async def check(office: Office, one: Accepted, outcome: Outcome) -> None:
        id_ = one.deliveries[0].id
        returns = await office.return_address()
        item = replace(
            kept(ManualClock(START)), id="z" * 16, content=FAILED, mail_from="", rcpt_to=returns.of(id_)
        )
        await office.store.quarantine(item, kept_entry(item))
        before = len(await office.store.journal(JournalFilter(delivery_id=id_)))
        [again] = await office.operations.replay([item.id], by="店長")
        assert again == Outcome(id=item.id, applied=True, text=f"replayed: known already on delivery {id_}")
        assert len(await office.store.journal(JournalFilter(delivery_id=id_))) == before

    replayed(tmp_path, FAILED, check)
