"""The operator's verbs where two people, many ids or a bad document meet."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import pytest

from relay.app import Office
from relay.errors import BadInput
from relay.journal import Entry, Event
from relay.operations import Mended, Operations, read_mended, read_notification
from relay.store.query import MAX_LISTING, DeliveryFilter, QuarantineFilter
from relay.store.values import Accepted, Delivery, DeliveryState, Mail, Quarantined, QuarantineState
from tests.support.clock import START
from tests.support.serving import write_config

T = TypeVar("T")
SAMPLES = Path(__file__).resolve().parents[3] / "relay" / "cli" / "samples"
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

    async def run() -> T:
        office = Office.open(write_config(folder / "site", routes={}, registrations=REGISTRATIONS))
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
