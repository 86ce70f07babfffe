"""kill -9 of the whole relay: what was answered 250 arrives, and nothing comes twice without its reason."""

import asyncio
import random
import re
import signal
import sqlite3
import subprocess
import sys
from collections import Counter
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from relay.store.store import Store
from relay.store.values import DeliveryState
from tests.support import autopsy
from tests.support.clock import ManualClock
from tests.support.counted import counts
from tests.support.destination import Answer, fast, town
from tests.support.hooked import MODULE as HOOKED
from tests.support.lives import Moment, lives, moments
from tests.support.market import Market
from tests.support.meddler import operate, tidy
from tests.support.serving import ROOT, ServedRelay, silent_server, write_config
from tests.support.stored import accepted

OLD_STORE = Path(__file__).parent / "stores" / "0001.sql"
SETTLED = ("UPDATE delivery SET state=.*attempts=", "COMMIT")
NOTICE = (r"INSERT INTO notice\b", "COMMIT")
TO_ONE = """\
seller: example-shop
registrations:
  - {id: one, template: cross_mall/order_info, recipients: [orders@one.example.jp]}
"""
TO_NOBODY = """\
seller: example-shop
registrations:
  - {id: refused, template: cross_mall/order_info, recipients: [orders@no.example.jp]}
"""
ENDED = {"delivered", "bounced", "discarded"}
DAY = timedelta(days=1)


@pytest.mark.parametrize(
    ("kills", "seed"),
    [(10, 1), pytest.param(200, 2, marks=[pytest.mark.soak, pytest.mark.timeout(3600)])],
)
def test_killed_at_any_moment_under_load_nothing_is_lost_and_every_repeat_is_explained(
    tmp_path, nursery, kills, seed
):
    """Four senders, four partners, and deaths at start, intake, a partner's dot, its 250, in a drain."""

    async def story():
        async with lives(tmp_path, nursery) as relay:
            for moment in moments(kills, random.Random(seed)):
                await relay.live(moment)
            await relay.last()
            return relay

    relay = asyncio.run(story())
    assert len(relay.market.answered) > 10 * kills
    assert relay.repeats.total() > 0


def test_a_mail_comes_twice_only_if_death_fell_between_the_partners_250_and_the_commit(tmp_path, nursery):
    """Dead before the commit of an outcome: that mail once more, the same octets. After it: never again."""

    async def story():
        async with town({"one.example.jp": fast}) as partners:
            config = write_config(
                tmp_path, routes=partners.routes, registrations={"example-shop.yaml": TO_ONE}
            )
            store, market, found = config.parent / "denrei.db", Market(), []
            for number, end in enumerate((SETTLED, (*SETTLED, ""))):
                with ServedRelay(config, nursery=nursery, command=(*HOOKED, "--die-at", *end)) as relay:
                    if not number:
                        await market.send(relay.address, market.some(1), sessions=1)
                    assert await asyncio.to_thread(relay.ended) == -signal.SIGKILL
                await partners.quiet()
                [one] = autopsy.deliveries(store)
                found.append((len(partners.taken), one.state))
            with ServedRelay(config, nursery=nursery) as relay:
                relay.signal(signal.SIGTERM)
                assert await asyncio.to_thread(relay.ended) == 0
            return found, partners.taken

    found, taken = asyncio.run(story())
    assert found == [(1, "sending"), (2, "delivered")]
    assert len(taken) == 2
    assert taken[0] == taken[1]


@pytest.mark.parametrize(
    ("step", "least"), [(5, 8), pytest.param(1, 40, marks=[pytest.mark.soak, pytest.mark.timeout(600)])]
)
def test_killed_at_a_statement_of_its_start_an_old_store_keeps_all_and_the_next_start_goes_on(
    tmp_path, nursery, step, least
):
    """Upgrade, recovery and first claim, cut off at one statement after another: all is as it was."""
    folder = tmp_path / "killed"
    folder.mkdir()
    with silent_server() as port:
        routes = {"partner.example.jp": port, "other.example.jp": port}
        config = write_config(tmp_path / "old", routes=routes, registrations={})
        store = config.parent / "denrei.db"
        old_store(store)
        before = {each.key: each.state for each in autopsy.deliveries(store)}
        command = [sys.executable, "-m", "tests.support.dying_start", config, folder, str(step)]
        ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    copies = sorted(folder.glob("*.db"), key=lambda path: int(path.stem))
    assert len(copies) > least
    for copy in copies:
        after = {each.key: each.state for each in autopsy.deliveries(copy)}
        assert {key: state for key, state in after.items() if state in ENDED} == {
            key: state for key, state in before.items() if state in ENDED
        }, copy.name
        assert after.keys() == before.keys()

    killed = copies[-2]
    for ending in ("", "-wal"):
        if Path(f"{killed}{ending}").exists():
            Path(f"{killed}{ending}").replace(f"{store}{ending}")
    arrived, states = asyncio.run(worked_off(config, nursery))
    assert states.keys() <= ENDED | {"held"}
    assert arrived == states["delivered"] - sum(state == "delivered" for state in before.values())


def old_store(path):
    """A full store as the first Denrei left it."""
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.executescript(OLD_STORE.read_text(encoding="utf-8"))


async def worked_off(config, nursery):
    """A relay that lives until nothing waits: how many mails its partners took, and the states it left."""
    async with town({"partner.example.jp": fast, "other.example.jp": fast}) as partners:
        text = config.read_text()
        for domain, port in partners.routes.items():
            text = re.sub(rf"{domain}: 127.0.0.1:\d+", f"{domain}: 127.0.0.1:{port}", text)
        config.write_text(text)
        store = config.parent / "denrei.db"
        with ServedRelay(config, nursery=nursery) as relay:
            await asyncio.to_thread(
                autopsy.until, lambda: not autopsy.states(store).keys() & {"queued", "sending"}
            )
            relay.signal(signal.SIGTERM)
            assert await asyncio.to_thread(relay.ended) == 0
        return len(partners.taken), Counter(each.state for each in autopsy.deliveries(store))


def test_killed_while_it_makes_a_notice_it_makes_that_once(tmp_path, nursery):
    """Dead at a notice's first row, at its commit and behind it: operators get one mail, of all bounces."""

    async def story():
        manners = {"no.example.jp": lambda _: Answer(b"554 5.7.1 not wanted"), "ops.example.jp": fast}
        async with town(manners) as partners:
            config = write_config(
                tmp_path,
                routes=partners.routes,
                registrations={"example-shop.yaml": TO_NOBODY},
                more="notices:\n  operators: [ops@ops.example.jp]\n",
            )
            store, market = config.parent / "denrei.db", Market()
            for number, end in enumerate((NOTICE[:1], NOTICE, (*NOTICE, ""))):
                command = (*HOOKED, "--longest-sleep", "0.2", "--die-at", *end)
                with ServedRelay(config, nursery=nursery, command=command) as relay:
                    if not number:
                        await market.send(relay.address, market.some(5), sessions=1)
                    code = await asyncio.to_thread(relay.ended)
                assert code == -signal.SIGKILL
            with ServedRelay(config, nursery=nursery, command=HOOKED) as relay:
                await partners.until(lambda: len(partners.taken) >= 1)
                await asyncio.to_thread(
                    autopsy.until, lambda: autopsy.states(store) == {"bounced": 5, "delivered": 1}
                )
                relay.signal(signal.SIGTERM)
                assert await asyncio.to_thread(relay.ended) == 0
            told = autopsy.ask(store, "SELECT noticed, count(*) FROM delivery GROUP BY noticed")
            return market, partners.taken, sorted(told)

    market, taken, told = asyncio.run(story())
    assert (len(market.answered), market.unsure) == (5, set())
    assert [copy.recipient for copy in taken] == ["ops@ops.example.jp"]
    assert told == [("", 1), ("failure", 5)]


def test_killed_beside_an_operator_who_holds_releases_and_purges_nothing_is_lost_or_doubled(
    tmp_path, nursery
):
    """Another process places and lifts holds and purges old mail under load; both are killed, in turn."""

    async def story():
        async with lives(tmp_path, nursery) as relay:
            old = await settled_long_ago(relay.store, 600)
            rounds = 0
            for moment in (Moment(kind="taken", count=200), Moment(kind="content", count=150)):
                with meddler(relay.config) as other:
                    await relay.live(moment)
                    other.kill()
            with meddler(relay.config) as other:
                await relay.live(Moment(kind="answered", count=80))
                rounds = int(other.communicate("")[0])
                assert other.returncode == 0
            await operate(relay.config, tidy)
            gone = autopsy.ask(relay.store, "SELECT count(*) FROM notification")
            await relay.last()
            return relay, old, rounds, gone

    relay, old, rounds, gone = asyncio.run(story())
    assert rounds > 0
    assert old == 600
    assert gone[0][0] <= len(relay.market.answered)  # none of those that were purged is left


def meddler(config):
    """The operator at another terminal."""
    command = [sys.executable, "-m", "tests.support.meddler", str(config)]
    return subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


async def settled_long_ago(path, number):
    """A store with so many notifications whose mails were given up a hundred days ago; how many it has."""
    clock = ManualClock(datetime.now(UTC) - 100 * DAY)
    store = Store.open(path, clock=clock)
    try:
        old = [accepted(clock, state=DeliveryState.HELD) for _ in range(number)]
        await asyncio.gather(*(store.accept(one) for one in old))
        ids = [one.deliveries[0].id for one in old]
        await asyncio.gather(*(store.discard(id_, now=clock.now(), by="店長") for id_ in ids))
        return (await counts(store)).notifications
    finally:
        await store.close()
