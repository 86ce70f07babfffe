"""The operator's verbs where two people, many ids or a bad document meet."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import pytest

from relay.app import Office
from relay.errors import BadInput
from relay.intake.acceptance import Received, acceptance
from relay.journal import Entry, Event
from relay.operations import Mended, Operations, read_mended, read_notification
from relay.store.query import MAX_LISTING, DeliveryFilter, JournalFilter, QuarantineFilter
from relay.store.values import Accepted, Delivery, DeliveryState, Mail, Quarantined, QuarantineState
from tests.support.clock import START
from tests.support.counted import counts
from tests.support.intake import text_mail, written
from tests.support.serving import write_config

T = TypeVar("T")
SAMPLES = Path(__file__).resolve().parents[3] / "relay" / "sample" / "orders"
REGISTRATIONS = {
    "example-shop.yaml": """\
seller: example-shop
registrations:
  - {id: gear-orders, template: stock_gear/order_info, recipients: [orders@gear.example.jp]}
"""
}
KEPT = Quarantined(
    id="0000000000000009",
    received_at=START,
    peer="127.0.0.1",
    mail_from="shop@example.jp",
    rcpt_to="orders@relay.example.jp",
    content=b"Subject: x\r\n\r\nno document\r\n",
    reason="holds no document",
)
ENTRY = Entry(at=START, event=Event.QUARANTINED, quarantine_id=KEPT.id)


def with_office(folder: Path, story: Callable[[Office, Operations], Awaitable[T]]) -> T:
    """Run a story with an office on a fresh store."""

    return run_story(write_config(folder / "site", routes={}, registrations=REGISTRATIONS), story)


def run_story(config: Path, story: Callable[[Office, Operations], Awaitable[T]]) -> T:
    """Run a story with an office of this configuration."""

    async def run() -> T:
        office = Office.open(config)
        try:
            return await story(office, office.operations)
        finally:
            await office.close()

    return asyncio.run(run())


def held(count: int) -> Accepted:
    """A notification with one mail and so many held deliveries."""
    mail = Mail(
        id="00000000000000m1",
        registration="gear-orders",
        partner="stock_gear",
        template="stock_gear/order_info",
        order_no="",
        message_id="<m1@relay.example.jp>",
        sender="shop@example.jp",
        subject="注文",
        content=b"Subject: x\r\n\r\nx\r\n",
    )
    deliveries = [
        Delivery(
            id=f"{number:016}",
            mail_id=mail.id,
            recipient=f"orders{number}@gear.example.jp",
            state=DeliveryState.HELD,
            due_at=None,
            accepted_at=START,
        )
        for number in range(count)
    ]
    return Accepted(
        id="00000000000000n1",
        event_id=None,
        content_key="key",
        seller_id="example-shop",
        type="order_info",
        pack_no="512345678",
        document="{}",
        accepted_at=START,
        mails=[mail],
        deliveries=deliveries,
        quarantined=[],
        entries=[],
    )


def test_a_selection_goes_beyond_one_page_and_every_one_is_released(tmp_path: Path) -> None:
    """More deliveries than one listing holds: all are found, once each, and each is released exactly once."""
    count = MAX_LISTING + 5

    async def story(office: Office, operations: Operations) -> None:
        await office.store.accept(held(count))
        rows = await operations.selected(DeliveryFilter(states=(DeliveryState.HELD,)))
        ids = [row.delivery.id for row in rows]
        assert ids == [f"{number:016}" for number in reversed(range(count))]
        first = await operations.release(ids, by="花子")
        again = await operations.release(ids[:2], by="花子")
        assert {(each.applied, each.text) for each in first} == {(True, "released")}
        assert [each.id for each in first] == ids
        assert [(each.applied, each.text) for each in again] == [(False, "not applied: it is queued")] * 2

    with_office(tmp_path, story)


def test_two_people_who_replay_at_once_make_one_notification(tmp_path: Path) -> None:
    """The store lets one of them win; the other is told, and every mail is made once."""
    mended = read_mended(SAMPLES / "2-no-memo.json")

    async def story(office: Office, operations: Operations) -> None:
        await office.store.quarantine(KEPT, ENTRY)
        outcomes = await asyncio.gather(
            *(operations.replay([KEPT.id], mended=mended, by=by) for by in ("花子", "太郎"))
        )
        assert sorted(each.applied for one in outcomes for each in one) == [False, True]
        assert len(await operations.deliveries(DeliveryFilter())) == 1
        (kept,) = await operations.quarantined(QuarantineFilter())
        assert kept.item.state is QuarantineState.REPLAYED

    with_office(tmp_path, story)


def changed(name: str, **more: object) -> Mended:
    """The second sample with other values at its top."""
    document = json.loads((SAMPLES / "2-no-memo.json").read_bytes()) | more
    return Mended(name=name, content=json.dumps(document).encode())


def test_a_replay_that_would_send_nothing_keeps_the_mail(tmp_path: Path) -> None:
    """Nobody is registered for what the document says: its mail stays kept and nothing is accepted."""

    async def story(office: Office, operations: Operations) -> None:
        await office.store.quarantine(KEPT, ENTRY)
        for more, name in (
            ({"seller_id": "new-shop"}, "order_info of seller new-shop"),
            ({"type": "delivery_request"}, "delivery_request of seller example-shop"),
        ):
            mended = changed("mended.json", event_id=None, **more)
            (outcome,) = await operations.replay([KEPT.id], mended=mended, by="花子")
            assert not outcome.applied
            assert outcome.text.startswith(f"not applied, stays kept: nobody is registered for {name} (")
        (kept,) = await operations.quarantined(QuarantineFilter())
        assert kept.item.state is QuarantineState.KEPT
        assert (await counts(office.store)).notifications == 0

    with_office(tmp_path, story)


def test_a_replay_under_a_known_event_id_is_told_apart_by_its_content(tmp_path: Path) -> None:
    """The same again: replayed, and nothing new is sent. Other content under the same event: stays kept."""
    other, same = replace(KEPT, id="000000000000000a"), replace(KEPT, id="000000000000000b")

    async def story(office: Office, operations: Operations) -> None:
        for item in (KEPT, other, same):
            await office.store.quarantine(item, replace(ENTRY, quarantine_id=item.id))
        first = changed("first.json", event_id="evt-7")
        (outcome,) = await operations.replay([KEPT.id], mended=first, by="花子")
        notification_id = outcome.text.split()[2].rstrip(":")
        tree = json.loads(first.content)
        tree["pack"]["pack_no"] = "598765432"
        mended = Mended(name="other.json", content=json.dumps(tree).encode())
        outcomes = await operations.replay([other.id], mended=mended, by="花子")
        outcomes += await operations.replay([same.id], mended=first, by="花子")
        reason = (
            f"event evt-7 came before with other content (as {notification_id}); give it another event_id"
        )
        assert [(each.applied, each.text) for each in outcomes] == [
            (
                False,
                f"not applied, stays kept: {reason}",
            ),
            (True, f"replayed: known already as {notification_id}, so nothing new is sent"),
        ]
        states = {each.item.id: each.item.state for each in await operations.quarantined(QuarantineFilter())}
        assert states == {
            KEPT.id: QuarantineState.REPLAYED,
            other.id: QuarantineState.KEPT,
            same.id: QuarantineState.REPLAYED,
        }
        assert len(await operations.deliveries(DeliveryFilter())) == 1

    with_office(tmp_path, story)


def text_of(office: Office, *header: str) -> bytes:
    """The second sample as the Basic template writes it."""
    template = office.templates.by_key["basic/order_info"]
    said = read_notification(SAMPLES / "2-no-memo.json")
    return text_mail(*written(template, said, office.catalogue), *header)


def test_a_replayed_text_tells_which_template_it_was_read_with(tmp_path: Path) -> None:
    """The journal says of a replay what it says of a mail that has just come."""

    async def story(office: Office, operations: Operations) -> None:
        await office.store.quarantine(replace(KEPT, content=text_of(office)), ENTRY)
        (outcome,) = await operations.replay([KEPT.id], by="花子")
        assert outcome.applied
        details = [
            row.detail for row in await operations.journal(JournalFilter()) if row.event is Event.ACCEPTED
        ]
        assert [detail.partition(": ")[0] for detail in details] == [
            "order_info of pack 512345679 (read with basic/order_info)"
        ]

    with_office(tmp_path, story)


def test_a_replay_refuses_what_the_door_refuses(tmp_path: Path) -> None:
    """A mail of our own that came back stays kept, unless a person puts a document in its place."""

    async def story(office: Office, operations: Operations) -> None:
        own = text_of(office, f"Message-ID: <0192-1@{office.config.hostname}> (added by a gateway)")
        await office.store.quarantine(replace(KEPT, content=own), ENTRY)
        (outcome,) = await operations.replay([KEPT.id], by="花子")
        assert not outcome.applied
        assert outcome.text == (
            "not applied, stays kept: message-id: is one that this relay wrote itself, and came back "
            "(the recipient of a registration passes its mail on to the intake)"
        )
        mended = read_mended(SAMPLES / "2-no-memo.json")
        (outcome,) = await operations.replay([KEPT.id], mended=mended, by="花子")
        assert outcome.applied

    with_office(tmp_path, story)


BARE = """\
seller: bare-shop
registrations:
  - id: bare
    template: stock_gear/order_info
    recipients: [bare@mall.example.jp]
    body: "[注文番号] <$_PACK_NO_$>\\n[商品名] <$_ITEM_NM|join:/_$>\\n##LOOP##<$_DEL_MEMO_$>\\n"
"""


def test_two_people_who_release_at_once_send_one_mail(tmp_path: Path) -> None:
    """One of them wins and stands in the journal; what goes is what was shown before, body for body."""

    async def story(office: Office, operations: Operations) -> None:
        tree = json.loads((SAMPLES / "2-no-memo.json").read_bytes())
        tree["seller_id"], tree["pack"]["memos"] = "bare-shop", ["[商品名] 別の品"]
        document = json.dumps(tree).encode()
        notification = Mended(name="memo.json", content=document).notification()
        accepted = acceptance(
            notification,
            office.registry.registrations("bare-shop", notification.type),
            received=Received(
                peer="127.0.0.1",
                mail_from="shop@example.jp",
                rcpt_tos=["orders@relay.example.jp"],
                content=b"Content-Type: application/json\r\n\r\n" + document,
            ),
            composer=office.composer,
            clock=office.clock,
        )
        assert not accepted.mails
        await office.store.accept(accepted)
        (kept,) = await operations.quarantined(QuarantineFilter())
        (shown,) = operations.unproved(await operations.quarantine_item(kept.item.id))
        outcomes = await asyncio.gather(
            *(operations.release_quarantined([kept.item.id], by=by) for by in ("花子", "太郎"))
        )
        assert sorted(each.applied for one in outcomes for each in one) == [False, True]
        (row,) = await operations.deliveries(DeliveryFilter())
        sent = (await operations.delivery(row.delivery.id)).content
        assert sent.partition(b"\r\n\r\n")[2] == shown.content.partition(b"\r\n\r\n")[2]
        released = [
            entry for entry in await operations.journal(JournalFilter()) if entry.event is Event.RELEASED
        ]
        assert [(entry.quarantine_id, entry.notification_id) for entry in released] == [
            (kept.item.id, accepted.id)
        ]
        assert released[0].by in {"花子", "太郎"}

    run_story(write_config(tmp_path / "site", routes={}, registrations={"bare-shop.yaml": BARE}), story)


def test_too_little_of_an_id_changes_nothing(tmp_path: Path) -> None:
    """An empty id is refused everywhere; a verb wants four characters, though fewer name the only thing."""

    async def story(office: Office, operations: Operations) -> None:
        await office.store.quarantine(KEPT, ENTRY)
        await office.store.accept(held(1))
        for look in (operations.delivery, operations.quarantine_item, office.store.notification):
            with pytest.raises(BadInput, match="an empty id names no"):
                await look("")
            assert await look("000")
        for prefix in ("", "0", "000"):
            for named in (operations.named, operations.quarantine_named):
                with pytest.raises(BadInput, match="must have at least 4 characters"):
                    await named([prefix])
            with pytest.raises(BadInput, match="must have at least 4 characters"):
                await operations.replay([prefix], by="花子")
        assert len(await operations.named(["0000"])) == len(await operations.quarantine_named(["0000"])) == 1

    with_office(tmp_path, story)


def test_a_mended_document_is_told_every_problem_with_its_line(tmp_path: Path) -> None:
    """YAML problems carry the file and the line; JSON problems the file; another kind of file is refused."""
    bad = tmp_path / "bad.yaml"
    bad.write_text("version: 1\ntype: order_info\nseler_id: x\n", encoding="utf-8")
    with pytest.raises(BadInput) as caught:
        read_notification(bad)
    problems = {problem.path: (problem.file, problem.line) for problem in caught.value.problems}
    assert problems["seler_id"] == (str(bad), 3)
    with pytest.raises(BadInput) as caught:
        Mended(name="bad.json", content=b'{"a": 1, "a": 2}').notification()
    assert [problem.file for problem in caught.value.problems] == ["bad.json"]
    with pytest.raises(BadInput, match=r"must end in one of \.json, \.yaml, \.yml"):
        read_mended(tmp_path / "order.xml")


def test_an_unknown_template_is_told_with_the_nearest(tmp_path: Path) -> None:
    """A misspelt key is answered with the one that was meant."""

    async def story(office: Office, operations: Operations) -> None:
        assert operations.template("18") is operations.template("cross_mall/order_info")
        with pytest.raises(BadInput, match=r"did you mean cross_mall/order_info\?"):
            operations.template("cros_mall/order_info")

    with_office(tmp_path, story)
