"""What an operator does about holds, old mails and the journal at the command line, on a full store."""

import asyncio
import contextlib
import json
import re
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from relay.store.query import DeliveryFilter
from relay.store.store import Store
from relay.store.values import Accepted, DeliveryState, LateBounce, Scope
from tests.support.cli import Run, Site, child, documented_keys, open_site, rows, runner
from tests.support.clock import ManualClock
from tests.support.counted import counts
from tests.support.stored import accepted

LONG_AGO = datetime(2026, 1, 5, 3, 0, tzinfo=UTC)
MANY = 4_000  # notifications: a purge of them takes long enough to be killed in
RECIPIENTS = ("orders@gear.example.jp", "later@mall.example.jp")


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """A site with two partners behind one mail server."""
    with open_site(tmp_path) as site:
        yield site


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], site: Site) -> Run:
    """Runs a command on the site."""
    return runner(capsys, site)


def store_of(site: Site) -> Path:
    return site.config.parent / "denrei.db"


def filled(site: Site, make: Callable[[ManualClock], list[Accepted]]) -> list[Accepted]:
    """Put notifications in the site's store, as a relay of long ago would have."""
    clock = ManualClock(LONG_AGO)

    async def fill() -> list[Accepted]:
        store = Store.open(store_of(site), clock=clock)
        try:
            made = make(clock)
            return [one for one in [await store.accept(each) for each in made] if isinstance(one, Accepted)]
        finally:
            await store.close()

    return asyncio.run(fill())


def one_waits(site: Site) -> list[str]:
    """One notification of example-shop with a queued delivery to each partner; their ids."""
    (one,) = filled(site, lambda clock: [accepted(clock, seller_id="example-shop", recipients=RECIPIENTS)])
    return [each.id for each in one.deliveries]


def settled(clock: ManualClock, state: DeliveryState = DeliveryState.DELIVERED) -> Accepted:
    """A notification that ended when it came."""
    one = accepted(clock, seller_id="example-shop")
    ended = [replace(each, state=state, due_at=None, settled_at=clock.now()) for each in one.deliveries]
    return replace(one, deliveries=ended)


def states(run: Run) -> dict[str, str]:
    return {row["id"]: row["state"] for row in rows(run("queue", "list", "--all", "--json")[1])}


def test_a_hold_is_placed_seen_and_released(run: Run, site: Site) -> None:
    """By what it is on and by its id: the numbers that are told are the deliveries that stop and go."""
    ids = one_waits(site)
    code, output, _ = run(
        "hold", "place", "--seller", "example-shop", "--reason", "棚卸し", "--yes", "--json"
    )
    assert code == 0
    (placed,) = rows(output)
    assert list(placed) == documented_keys("denrei hold place")
    assert (placed["scope"], placed["value"], placed["reason"], placed["stopped"]) == (
        "seller",
        "example-shop",
        "棚卸し",
        2,
    )
    assert states(run) == dict.fromkeys(ids, "held")
    assert rows(run("hold", "list", "--json")[1]) == [placed]
    assert "棚卸し" in run("hold", "list")[1]
    told = f"not applied: hold {placed['id']} stopped it (denrei hold release {placed['id']})"
    assert run("queue", "release", ids[0])[:2] == (1, f"{ids[0]}: {told}\n")
    code, output, error = run("queue", "release", "--seller", "example-shop", "--yes")
    assert (code, output) == (0, "")
    assert "2 deliveries more, stopped by standing holds: denrei hold list" in error
    code, output, _ = run("hold", "release", placed["id"][:12], "--yes", "--json")
    (lifted,) = rows(output)
    assert list(lifted) == documented_keys("denrei hold release")
    assert (code, lifted["released"]) == (0, 2)
    assert states(run) == dict.fromkeys(ids, "queued")
    assert run("hold", "list")[1] == "nothing is held\n"
    placed = run("hold", "place", "--next-hop", site.hop, "--yes")[1]
    assert re.fullmatch(rf"[0-9a-z]{{16}}: hold on next hop {site.hop}, 2 deliveries stopped\n", placed)
    (row, *_) = rows(run("queue", "shape", "--json")[1])
    assert row["is_held"] is True
    lifted = run("hold", "release", "--next-hop", site.hop.upper(), "-y")[1]
    assert lifted.endswith(f": the hold on next hop {site.hop} is lifted, 2 deliveries go now\n")


def test_a_hold_asks_and_no_changes_nothing(run: Run, site: Site) -> None:
    """What would stop, and what would go, is shown on standard error before the question."""
    ids = one_waits(site)
    asked = child("-c", str(site.config), "hold", "place", "--partner", "cross_mall", typed="n\n")
    assert (asked.returncode, asked.stdout) == (1, "")
    assert "Stop partner cross_mall: 2 deliveries now, and all that come? [y/N]" in asked.stderr
    assert all(id_ in asked.stderr for id_ in ids)
    assert rows(run("hold", "list", "--json")[1]) == []
    run("hold", "place", "--partner", "cross_mall", "--yes")
    asked = child("-c", str(site.config), "hold", "release", "--partner", "cross_mall", typed="n\n")
    assert asked.returncode == 1
    assert "Lift the hold on partner cross_mall: 2 deliveries go now? [y/N]" in asked.stderr
    assert states(run) == dict.fromkeys(ids, "held")


def test_a_hold_on_a_name_that_nothing_has_is_a_slip(run: Run, site: Site) -> None:
    """It is refused with the name that was meant; with --yes it stands, and the warning is told."""
    one_waits(site)
    code, output, error = run("hold", "place", "--seller", "exmaple-shop")
    assert (code, output) == (1, "")
    assert "did you mean example-shop?; --yes places the hold all the same" in error
    code, output, error = run("hold", "place", "--seller", "exmaple-shop", "--yes")
    assert code == 0
    assert output.endswith("hold on seller exmaple-shop, 0 deliveries stopped\n")
    assert error.startswith("take care: exmaple-shop: is no seller that is registered")
    for arguments, expected in (
        (["place"], 2),
        (["place", "--seller", "a", "--partner", "b"], 2),
        (["release"], 2),
        (["release", "abcd", "--seller", "a"], 2),
        (["release", "zzzzzz", "--yes"], 1),
        (["release", "--seller", "example-shp", "--yes"], 1),
        (["place", "--address", "no address", "--yes"], 1),
        (["place", "--seller", "a", "--reason", "x" * 201, "--yes"], 1),
        (["place", "--seller", "", "--yes"], 2),
    ):
        assert run("hold", *arguments)[0] == expected, arguments
    assert len(rows(run("hold", "list", "--json")[1])) == 1


def test_the_suppression_list_is_the_holds_on_addresses(run: Run, site: Site) -> None:
    """One list with two names: what the relay placed and what a person added, and what waits for each."""
    ids = one_waits(site)

    async def bounce() -> None:
        clock = ManualClock(LONG_AGO)
        store = Store.open(store_of(site), clock=clock)
        report = LateBounce(
            delivery_id=ids[0],
            reply="5.1.1 User unknown",
            is_final=True,
            suppress=True,
            now=clock.now(),
        )
        assert await store.late_bounce(report)
        await store.close()

    asyncio.run(bounce())
    added = run("suppression", "add", "Later@mall.example.jp", "--reason", "閉店", "--yes", "--json")[1]
    code, output, _ = run("suppression", "list", "--json")
    listed = rows(output)
    assert code == 0
    assert list(listed[0]) == documented_keys("denrei suppression list")
    assert [(row["value"], row["by"], row["stopped"]) for row in listed] == [
        ("orders@gear.example.jp", "relay", 0),
        ("later@mall.example.jp", rows(added)[0]["by"], 1),
    ]
    assert rows(run("hold", "list", "--json")[1]) == listed
    code, output, _ = run("suppression", "remove", "later@MALL.example.jp", "--yes")
    assert code == 0
    assert output.endswith("the hold on address later@mall.example.jp is lifted, 1 delivery goes now\n")
    assert states(run)[ids[1]] == "queued"
    assert run("suppression", "remove", "later@mall.example.jp", "--yes")[0] == 1
    assert {row["scope"] for row in rows(run("suppression", "list", "--json")[1])} == {Scope.ADDRESS.value}


def test_one_delivery_is_held_shown_and_sent_again(run: Run, site: Site) -> None:
    """hold, discard, resend: each tells what it did, and `show` has the whole story in one look."""
    held, other = one_waits(site)
    assert run("queue", "hold", held)[:2] == (0, f"{held}: held\n")
    assert run("queue", "discard", held, "--yes")[0] == 0
    code, output, _ = run("queue", "resend", held, "--yes")
    assert code == 0
    new = re.fullmatch(rf"{held}: sent again as ([0-9a-z]{{16}})\n", output)
    assert new is not None
    assert run("queue", "resend", other, "--yes")[:2] == (1, f"{other}: not applied: it is queued\n")
    (row,) = rows(run("queue", "show", new[1], "--json")[1])
    assert list(row) == documented_keys("denrei queue list") + documented_keys("denrei queue show")
    assert (row["resent_of"], row["next"]["text"]) == (
        held,
        "attempt 1 as soon as a relay runs and its next hop has room",
    )
    assert [each["id"] for each in row["others"]] == [held, other]
    assert [entry["event"] for entry in row["journal"]] == ["accepted", "resent"]
    shown = run("queue", "show", new[1])[1]
    for seen in (f"repeats       {held}", "From the same notification", site.hop, "Journal"):
        assert seen in shown, seen
    assert f"(resent:{held})" in "".join(run("queue", "list")[1].split())  # however narrow the screen is


def test_verbs_take_what_filters_let_through(run: Run, site: Site) -> None:
    """By next hop, recipient and domain; nothing to filter by is wrong usage, never everything."""
    gear, mall = one_waits(site)
    for verb in ("release", "retry", "discard"):
        assert run("queue", verb, "--yes")[0] == 2
        assert run("queue", verb, "--next-hop", "", "--yes")[0] == 2
    assert run("queue", "retry", "--next-hop", "elsewhere.example.jp", "--yes")[:2] == (0, "")
    told = rows(run("queue", "retry", "--next-hop", site.hop, "--yes", "--json")[1])
    assert {each["id"] for each in told} == {gear, mall}
    assert run("queue", "discard", "--to", "Mall.example.jp", "--yes")[:2] == (0, f"{mall}: discarded\n")
    run("queue", "hold", gear)
    assert run("queue", "release", "--to", "orders@gear.example.jp", "--yes")[1] == f"{gear}: released\n"
    listed = rows(run("queue", "list", "--all", "--next-hop", site.hop, "--json")[1])
    assert {row["id"] for row in listed} == {gear, mall}
    assert run("queue", "retry", "--seller", "example-shop", "--bounced", "--yes")[:2] == (0, "")


def test_a_purge_says_what_goes_asks_and_does_it(run: Run, site: Site) -> None:
    """The preview is what is deleted; what waits and what nobody was told of stays, and is said."""
    live, told, untold = filled(
        site,
        lambda clock: [
            accepted(clock, seller_id="example-shop"),
            settled(clock),
            settled(clock, DeliveryState.BOUNCED),
        ],
    )
    asked = child("-c", str(site.config), "purge", "--older-than", "90d", typed="n\n")
    assert (asked.returncode, asked.stdout) == (1, "")
    assert "1 notification, 1 delivery, 0 in quarantine, 1 journal entry" in asked.stderr
    assert "taken for new, and sent again" in asked.stderr
    assert "1 notification stays: nobody was told of a bounce" in asked.stderr
    code, output, _ = run("purge", "--older-than", "90d", "--yes", "--json")
    assert code == 0
    (counts,) = rows(output)
    assert list(counts) == documented_keys("denrei purge")
    assert [counts[name] for name in ("notifications", "deliveries", "quarantined", "entries")] == [
        1,
        1,
        0,
        1,
    ]
    assert set(states(run)) == {live.deliveries[0].id, untold.deliveries[0].id}
    assert run("queue", "show", told.deliveries[0].id)[0] == 1
    assert run("purge", "--older-than", "90d", "--untold", "--yes")[0] == 0
    assert set(states(run)) == {live.deliveries[0].id}
    code, output, error = run("purge", "--older-than", "90d")
    assert (code, output) == (0, "")
    assert "nothing to delete ended before" in error
    for age in ("6d", "90", "0d"):
        code, _, error = run("purge", "--older-than", age, "--yes")
        assert (code, error.startswith("denrei: --older-than: must be ")) == (1, True), age


def test_a_purge_that_is_killed_leaves_wholes_and_goes_on(run: Run, site: Site) -> None:
    """kill -9 in the middle of it: every notification is whole or gone, and the next purge ends the rest."""
    filled(site, lambda clock: [settled(clock) for _ in range(MANY)])
    options = ["purge", "--older-than", "90d", "-y"]
    process = subprocess.Popen([sys.executable, "-m", "relay.cli", "-c", str(site.config), *options])
    try:
        with contextlib.closing(sqlite3.connect(store_of(site))) as connection:
            begun = "SELECT count(*) FROM journal WHERE event = 'purged'"
            while not connection.execute(begun).fetchone()[0]:
                assert process.poll() is None
        process.send_signal(signal.SIGKILL)
    finally:
        process.kill()
        process.wait(30)
    assert process.returncode == -signal.SIGKILL

    async def left() -> tuple[int, int]:
        store = Store.open(store_of(site), clock=ManualClock())
        try:
            total = await counts(store)
            for row in await store.deliveries(DeliveryFilter(limit=1000)):
                told = await store.notification(row.notification_id)
                assert told is not None
                assert len(told.accepted.mails) == len(told.accepted.entries) == 1
            return total.notifications, total.deliveries[DeliveryState.DELIVERED]
        finally:
            await store.close()

    notifications, deliveries = asyncio.run(left())
    assert 0 < notifications == deliveries < MANY
    assert run("purge", "--older-than", "90d", "--yes")[0] == 0
    assert asyncio.run(left()) == (0, 0)


def test_the_journal_is_followed_until_ctrl_c(run: Run, site: Site) -> None:
    """What was there comes first, each new entry as it is written, and SIGINT ends it without a traceback."""
    held, _ = one_waits(site)
    command = [sys.executable, "-m", "relay.cli", "-c", str(site.config), "journal", "-f", "-n", "1"]
    for as_json in (False, True):
        words = [*command, *(["--json"] if as_json else [])]
        with subprocess.Popen(
            words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8"
        ) as follower:
            try:
                assert follower.stdout is not None
                before = follower.stdout.readline()
                assert run("queue", "release" if as_json else "hold", held)[0] == 0
                after = follower.stdout.readline()
                follower.send_signal(signal.SIGINT)
                output, error = follower.communicate(timeout=30)
            finally:
                follower.kill()
        assert (follower.returncode, output, error) == (130, "", "")
        if as_json:
            assert list(json.loads(after)) == documented_keys("denrei journal")
            assert [json.loads(row)["event"] for row in (before, after)] == ["held", "released"]
        else:
            assert re.fullmatch(rf"2026-\S+ \S+  held  example-shop  {held}  \S+\n", after)


def test_a_purge_lets_others_have_their_turn(site: Site) -> None:
    """While a purge runs in another process, mails are accepted, each within a second."""
    filled(site, lambda clock: [settled(clock) for _ in range(2_000)])
    command = [
        sys.executable,
        "-m",
        "relay.cli",
        "-c",
        str(site.config),
        "purge",
        "--older-than",
        "90d",
        "-y",
    ]

    async def accept_beside() -> int:
        clock = ManualClock(LONG_AGO + timedelta(days=200))
        store = Store.open(store_of(site), clock=clock)
        process = await asyncio.create_subprocess_exec(
            *command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        ended = asyncio.create_task(process.wait())
        number = 0
        try:
            while not ended.done():
                async with asyncio.timeout(1):
                    await store.accept(accepted(clock))
                number += 1
            assert await ended == 0
            assert (await counts(store)).deliveries[DeliveryState.DELIVERED] == 0
        finally:
            await store.close()
        return number

    assert asyncio.run(accept_beside()) > 0


def test_bounces_are_retried_within_a_time_and_once(run: Run, site: Site) -> None:
    """The preview says since when it looked and which mail went again already; that one is not sent twice."""
    now = datetime.now(UTC)

    def bounce(clock: ManualClock) -> list[Accepted]:
        made = [settled(clock, DeliveryState.BOUNCED) for _ in range(3)]
        ends = [now - timedelta(days=60), now - timedelta(hours=30), now - timedelta(hours=1)]
        return [
            replace(one, deliveries=[replace(each, settled_at=end) for each in one.deliveries])
            for one, end in zip(made, ends, strict=True)
        ]

    old, late, new = (one.deliveries[0].id for one in filled(site, bounce))
    by_seller = ("queue", "retry", "--seller", "example-shop")
    assert run(*by_seller, "--since", "2h", "--yes")[0] == 2
    assert run(*by_seller, "--bounced", "--since", "tomorrow", "--yes")[0] == 1
    assert run("queue", "resend", new, "--yes")[0] == 0
    (copy,) = rows(run("queue", "list", "--json")[1])
    asked = child("-c", str(site.config), *by_seller, "--bounced", typed="n\n")
    assert re.search(r"Retry 2 deliveries that bounced since \d{4}-\d\d-\d\d \S+\? \[y/N\]", asked.stderr)
    assert late in asked.stderr
    assert old not in asked.stderr
    seen = "".join(asked.stderr.split())
    assert f"(sentagainalreadyas{copy['id']},whichisqueued)" in seen
    code, output, _ = run(*by_seller, "--bounced", "--since", "2d", "--yes")
    assert (code, sorted(output.splitlines())) == (
        1,
        sorted(
            [f"{late}: due now", f"{new}: not applied: sent again already as {copy['id']}, which is queued"]
        ),
    )
    assert states(run)[old] == "bounced"
