"""Standing holds as an operator meets them: what they stop, what they let go, and slips of the pen."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import pytest

from relay.app import Office
from relay.errors import BadInput, Problem
from relay.operations import Operations
from relay.store.query import DeliveryFilter
from relay.store.values import DeliveryState, Scope
from tests.support.serving import write_config
from tests.support.stored import accepted

REGISTRATIONS = {
    "example-shop.yaml": """\
seller: example-shop
registrations:
  - {id: gear-orders, template: stock_gear/order_info, recipients: [orders@gear.example.jp]}
"""
}
HELD, QUEUED = DeliveryState.HELD, DeliveryState.QUEUED


def with_office(folder: Path, story: Callable[[Office, Operations], Awaitable[None]]) -> None:
    """Run a story with an office on a fresh store; gear.example.jp has a route, the rest exchangers."""
    config = write_config(folder / "site", routes={"gear.example.jp": 2526}, registrations=REGISTRATIONS)

    async def run() -> None:
        office = Office.open(config)
        try:
            await story(office, office.operations)
        finally:
            await office.close()

    asyncio.run(run())


async def waiting(office: Office) -> list[str]:
    """Three queued deliveries: the ids of orders@gear, Later@Gear and a@other, in this order."""
    one = accepted(
        office.clock,
        seller_id="example-shop",
        recipients=("orders@gear.example.jp", "Later@Gear.example.jp", "a@other.example.jp"),
    )
    await office.store.accept(one)
    return [each.id for each in one.deliveries]


@pytest.mark.parametrize(
    ("scope", "value", "numbers"),
    [
        (Scope.SELLER, "example-shop", [0, 1, 2]),
        (Scope.PARTNER, "cross_mall", [0, 1, 2]),
        (Scope.PARTNER, "stock_gear", []),
        (Scope.ADDRESS, "LATER@gear.example.jp", [1]),
        (Scope.NEXT_HOP, "127.0.0.1:2526", [0, 1]),
        (Scope.NEXT_HOP, "other.example.jp", [2]),
    ],
)
def test_the_preview_is_what_the_hold_stops_and_its_end_lets_go(
    tmp_path: Path, scope: Scope, value: str, numbers: list[int]
) -> None:
    """For every scope: shown, stopped and released are the same deliveries, and the others stay queued."""

    async def story(office: Office, operations: Operations) -> None:
        ids = await waiting(office)
        expected = {ids[number] for number in numbers}
        shown = await operations.would_stop(scope, value)
        placed = await operations.place(scope, value, reason="棚卸し", by="花子")
        assert ({row.delivery.id for row in shown}, placed.stopped) == (expected, len(numbers))
        rows = await operations.deliveries(DeliveryFilter())
        assert {row.delivery.id for row in rows if row.delivery.state is HELD} == expected
        (standing,) = await operations.holds()
        assert (standing.hold, standing.stopped) == (placed.hold, len(numbers))
        assert {row.delivery.id for row in await operations.stopped_by(placed.hold.id)} == expected
        assert (await operations.hold_on(scope, value)).hold == placed.hold
        lifted = await operations.lift(placed.hold, by="太郎")
        assert (lifted.hold, lifted.released) == (placed.hold, len(numbers))
        rows = await operations.deliveries(DeliveryFilter())
        assert [row.delivery.state for row in rows] == [QUEUED] * 3
        assert (await operations.lift(placed.hold, by="太郎")).released is None

    with_office(tmp_path, story)


@pytest.mark.parametrize(
    ("scope", "value", "number"),
    [
        (Scope.SELLER, "example-shop", 0),
        (Scope.PARTNER, "cross_mall", 0),
        (Scope.ADDRESS, "orders@gear.example.jp", 0),
        (Scope.NEXT_HOP, "127.0.0.1:2526", 1),
    ],
)
def test_a_notice_is_in_the_preview_where_the_hold_stops_it(
    tmp_path: Path, scope: Scope, value: str, number: int
) -> None:
    """A notice of ours goes past every hold but one on its next hop: preview and hold say the same."""

    async def story(office: Office, operations: Operations) -> None:
        told = accepted(office.clock, seller_id="example-shop", recipients=("orders@gear.example.jp",))
        await office.store.accept(replace(told, mails=[replace(each, notice="delay") for each in told.mails]))
        shown = await operations.would_stop(scope, value)
        placed = await operations.place(scope, value, reason="", by="花子")
        assert (len(shown), placed.stopped) == (number, number)

    with_office(tmp_path, story)


def test_a_name_that_nothing_has_is_doubted_with_the_nearest(tmp_path: Path) -> None:
    """What a registration, a template group or a stored mail has is known; a slip is told with its mend."""

    async def story(office: Office, operations: Operations) -> None:
        await waiting(office)
        for scope, value in (
            (Scope.SELLER, "example-shop"),
            (Scope.PARTNER, "next_engine"),
            (Scope.NEXT_HOP, "127.0.0.1:2526"),
            (Scope.NEXT_HOP, "other.example.jp"),
            (Scope.ADDRESS, "Orders@gear.example.jp"),
            (Scope.ADDRESS, "a@other.example.jp"),
            (Scope.ADDRESS, "LATER@gear.example.jp"),  # stored as Later@Gear, registered by nobody
        ):
            assert await operations.doubt(scope, value) is None, (scope, value)
        unknown = "that is registered, and no mail in the store has it"
        assert [
            await operations.doubt(scope, value)
            for scope, value in (
                (Scope.SELLER, "exmaple-shop"),
                (Scope.PARTNER, "next_engin"),
                (Scope.NEXT_HOP, "127.0.0.1:2525"),
                (Scope.ADDRESS, "qqqq"),
            )
        ] == [
            Problem(
                path="exmaple-shop", message=f"is no seller {unknown}", hint="did you mean example-shop?"
            ),
            Problem(path="next_engin", message=f"is no partner {unknown}", hint="did you mean next_engine?"),
            Problem(
                path="127.0.0.1:2525",
                message=f"is no next hop {unknown}",
                hint="did you mean 127.0.0.1:2526?",
            ),
            Problem(path="qqqq", message=f"is no address {unknown}", hint=""),
        ]

    with_office(tmp_path, story)


def test_a_broken_registration_file_keeps_nobody_from_a_hold(tmp_path: Path) -> None:
    """The registrations cannot be read: a hold is doubted, because nothing is known, and can be placed."""

    async def story(office: Office, operations: Operations) -> None:
        (office.config.registrations / "example-shop.yaml").write_text("seler: x\n", encoding="utf-8")
        doubt = await operations.doubt(Scope.SELLER, "example-shop")
        assert doubt is not None
        assert doubt.hint == ""
        placed = await operations.place(Scope.SELLER, "example-shop", reason="", by="花子")
        assert placed.stopped == 0

    with_office(tmp_path, story)


def test_the_same_hold_again_is_the_first_one(tmp_path: Path) -> None:
    """Another person's hold on the same, written in other capitals, changes nothing and says which stands."""

    async def story(office: Office, operations: Operations) -> None:
        first = await operations.place(Scope.ADDRESS, "Orders@gear.example.jp", reason="移転", by="花子")
        again = await operations.place(Scope.ADDRESS, "orders@GEAR.example.jp", reason="別", by="太郎")
        assert again == replace(first, stopped=0)
        assert [each.hold for each in await operations.holds(Scope.ADDRESS)] == [first.hold]
        assert await operations.holds(Scope.SELLER) == []

    with_office(tmp_path, story)


def test_a_hold_is_named_by_its_id_or_by_what_it_is_on(tmp_path: Path) -> None:
    """Too short, unknown and unmistakable beginnings; a wrong name is answered with the nearest hold."""

    async def story(office: Office, operations: Operations) -> None:
        placed = await operations.place(Scope.SELLER, "example-shop", reason="", by="花子")
        assert (await operations.hold_named(placed.hold.id[:15])).hold == placed.hold
        with pytest.raises(BadInput, match="is too short an id"):
            await operations.hold_named(placed.hold.id[:3])
        with pytest.raises(BadInput, match="no hold's id begins so"):
            await operations.hold_named("zzzz")
        with pytest.raises(
            BadInput, match=r"there is no hold on this seller \(did you mean example-shop\?\)"
        ):
            await operations.hold_on(Scope.SELLER, "example-shp")
        await operations.place(Scope.SELLER, "other-shop", reason="", by="花子")
        with pytest.raises(BadInput, match="is the beginning of more than one hold's id"):
            await operations.hold_named(placed.hold.id[:4])

    with_office(tmp_path, story)
