"""What the doctor says of each thing, well and unwell, and that it changes nothing."""

import asyncio
import hashlib
import socket
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from relay.app import Office
from relay.clock import SystemClock
from relay.compose.dkim import DnsRecord
from relay.config import IntakeConfig
from relay.delivery.route import Routes
from relay.errors import BadInput, MachineFailure, Problem
from relay.operations.doctor.check import Check, Verdict, bounded, ok
from relay.operations.doctor.machine import clock_check, disk_check, disk_verdict
from relay.operations.doctor.network import (
    DnsNames,
    bounce_check,
    dkim_check,
    hostname_check,
    port_check,
    route_checks,
)
from relay.operations.doctor.record import store_checks
from relay.operations.doctor.secret import certificate_verdict
from relay.quantity import HostPort
from relay.store.integrity import Damaged, Examination, Leased, examine
from relay.store.seat import Seat, occupied
from relay.store.store import Store
from relay.store.values import DeliveryState, Scope
from tests.support.clock import START, ManualClock
from tests.support.dns import Zone, name_server
from tests.support.serving import write_config
from tests.support.stored import accepted, kept, kept_entry, with_store

OK, ATTENTION, FAILED = Verdict.OK, Verdict.ATTENTION, Verdict.FAILED
MINUTE = timedelta(minutes=1)
OPEN = IntakeConfig.model_validate(
    {"addresses": ["orders@relay.example.jp"], "listen": "0.0.0.0:25", "bounces_from": ["0.0.0.0/0"]}
)
GIB = 1024**3
WELL = Examination(
    octets=4096,
    is_whole=True,
    newest_at=START - MINUTE,
    leases=(),
    adrift=0,
    holds=dict.fromkeys(Scope, 0),
    kept=0,
    waiting=0,
    waiting_since=None,
    untold=0,
    silent=(),
)
LEASED = Leased(worker="worker-2", deliveries=3, first_until=START + MINUTE)


def verdicts(found: Examination, *, mode: int = 0o600, seats: tuple[str, ...] = ()) -> dict[str, Check]:
    """The checks of a store by their names."""
    checks = store_checks(found, Path("x.db"), mode=mode, now=START, occupied=frozenset(seats))
    return {check.name: check for check in checks}


@pytest.mark.parametrize(
    ("change", "more", "name", "verdict", "text"),
    [
        ({}, {}, "store", OK, "x.db: 0 MiB"),
        ({}, {"mode": 0o640}, "store", ATTENTION, "open to other users of this machine (mode 640)"),
        ({"adrift": 2}, {}, "integrity", FAILED, "2 deliveries wait for holds that are gone"),
        ({"is_whole": False}, {}, "integrity", ATTENTION, "as far as the check came"),
        ({"newest_at": None}, {}, "journal", OK, "has no entry yet"),
        ({"newest_at": START + MINUTE}, {}, "journal", OK, "last entry 0s ago"),
        ({"newest_at": START + 3 * MINUTE}, {}, "journal", FAILED, "last entry is 3m in the future"),
        ({}, {}, "leases", OK, "no relay runs on this store"),
        ({"leases": (LEASED,)}, {"seats": ("worker-2",)}, "leases", OK, "running: worker-2"),
        ({"leases": (LEASED,)}, {}, "leases", ATTENTION, "left by workers that died: 3 of worker-2"),
        (
            {"leases": (replace(LEASED, first_until=START - 2 * MINUTE),)},
            {"seats": ("worker-2",)},
            "leases",
            FAILED,
            "not taken over: 3 of worker-2 (running: worker-2)",
        ),
        (
            {"leases": (replace(LEASED, first_until=START - MINUTE / 2),)},
            {"seats": ("worker-2",)},
            "leases",
            OK,
            "running: worker-2",
        ),
        (
            {"holds": {Scope.SELLER: 1, Scope.NEXT_HOP: 2}},
            {},
            "holds",
            ATTENTION,
            "1 on a seller, 2 on a next hop",
        ),
        ({"holds": {Scope.ADDRESS: 4}}, {}, "holds", OK, "none stands"),
        ({"holds": {Scope.ADDRESS: 4}}, {}, "suppression", ATTENTION, "addresses that get no mail: 4"),
        ({"kept": 1}, {}, "quarantine", ATTENTION, "mails kept for a person: 1"),
        (
            {"waiting": 3, "waiting_since": START - timedelta(days=2)},
            {},
            "held",
            ATTENTION,
            "deliveries that wait for a person: 3, the first for 2d",
        ),
        ({"silent": ("例題商店/登録1",)}, {}, "deliveries", ATTENTION, "in the last day: 例題商店/登録1"),
        ({"untold": 5}, {}, "notices", ATTENTION, "bounces that nobody was told of: 5"),
    ],
)
def test_each_thing_in_the_store_has_its_verdict(change, more, name, verdict, text) -> None:
    """One thing is unwell: its row says what was found and what to do, and every other row is as ever."""
    found, well = verdicts(replace(WELL, **change), **more), verdicts(WELL)
    assert found[name].verdict is verdict
    assert text in found[name].text
    assert bool(found[name].advice) is (verdict is not OK)
    others = {
        "store",
        "integrity",
        "journal",
        "leases",
        "holds",
        "suppression",
        "quarantine",
        "held",
        "deliveries",
        "notices",
    }
    assert {each for each in well if found[each] != well[each]} <= {name} | (others & {"suppression"})


@pytest.mark.parametrize(
    ("free", "total", "inodes", "verdict"),
    [
        (200 * GIB, 400 * GIB, None, OK),
        (200 * GIB, 400 * GIB, 1_000, OK),
        (200 * GIB, 400 * GIB, 999, ATTENTION),
        (19 * GIB, 400 * GIB, None, ATTENTION),
        (GIB - 1, 2 * GIB, None, ATTENTION),
        (100 * 1024**2 - 1, 2 * GIB, None, FAILED),
    ],
)
def test_a_disk_is_judged_by_what_is_left(free, total, inodes, verdict) -> None:
    """Less than 1 GiB or 5 % wants attention, less than 100 MiB fails; so do the last thousand files."""
    assert disk_verdict(Path("/x"), free=free, total=total, inodes=inodes).verdict is verdict


def test_the_disk_and_the_clock_of_this_machine_are_looked_at(tmp_path: Path) -> None:
    """A real folder has room; one that is not there is told. A file of tomorrow means a clock set back."""
    assert disk_check(tmp_path).name == "disk"
    assert disk_check(tmp_path / "none").verdict is FAILED
    file = tmp_path / "x.db"
    file.touch()
    now = datetime.fromtimestamp(file.stat().st_mtime, UTC)
    assert clock_check(now, [file, tmp_path / "none"]).verdict is OK
    found = clock_check(now - timedelta(minutes=5), [file])
    assert (found.verdict, "was changed 5 minutes from now" in found.text) == (ATTENTION, True)


@pytest.mark.parametrize(
    ("left", "verdict"),
    [(timedelta(), FAILED), (timedelta(days=13), ATTENTION), (timedelta(days=14), OK)],
)
def test_a_certificate_is_judged_by_its_days(left, verdict) -> None:
    """Expired fails, two weeks before that it wants attention."""
    assert certificate_verdict(START + left, START).verdict is verdict


def test_a_look_is_bounded_and_what_is_refused_is_a_verdict() -> None:
    """Too slow, wrong input and a failed machine are rows; only a bug of ours is raised."""

    async def look(result: object) -> list[Check]:
        if result is None:
            await asyncio.Event().wait()
        if isinstance(result, Exception):
            raise result
        return [ok("x", "well")]

    async def run() -> None:
        assert await bounded("x", 1, look("well")) == [ok("x", "well")]
        (late,) = await bounded("x", 0.01, look(None))
        assert (late.verdict, late.text) == (ATTENTION, "could not be looked at within 0.01 s")
        two = [Problem(file="f", path="p", message="is bad", hint="mend it"), Problem(message="b")]
        assert await bounded("x", 1, look(BadInput(two))) == [
            Check(name="x", verdict=FAILED, text="f: p: is bad; and 1 more", advice="mend it")
        ]
        (broken,) = await bounded("x", 1, look(MachineFailure("the disk is full")))
        assert (broken.verdict, broken.text) == (FAILED, "the disk is full")
        with pytest.raises(ZeroDivisionError):
            await bounded("x", 1, look(ZeroDivisionError()))

    asyncio.run(run())


def in_dns(zone: Zone, story: Callable[[DnsNames], Awaitable[None]], *, failing: str = "") -> None:
    """Run a story with a name server of this zone."""

    async def run() -> None:
        async with name_server(zone) as server:
            server.failing.add(failing)
            await story(DnsNames(server.resolver()))

    asyncio.run(run())


def test_the_relays_own_name_is_asked_for() -> None:
    """With an address all is well; without one, not there at all, or without an answer: attention."""
    zone: Zone = {("relay.example.jp", "A"): ["192.0.2.7"], ("bare.example.jp", "TXT"): ['"x"']}

    async def story(names: DnsNames) -> None:
        found = {
            name: (check.verdict, check.text)
            for name in ("relay.example.jp", "bare.example.jp", "none.example.jp", "broken.example.jp")
            for check in [await hostname_check(name, names)]
        }
        assert found == {
            "relay.example.jp": (OK, "relay.example.jp is 192.0.2.7"),
            "bare.example.jp": (ATTENTION, "bare.example.jp has no address in the DNS"),
            "none.example.jp": (ATTENTION, "none.example.jp is not in the DNS"),
            "broken.example.jp": (ATTENTION, "broken.example.jp: the DNS did not answer (NoNameservers)"),
        }

    in_dns(zone, story, failing="broken.example.jp")


def test_bounces_must_find_their_way_back() -> None:
    """Our own name as exchanger, another host that passes them on, or an address alone; else attention."""
    zone: Zone = {
        ("own.example.jp", "MX"): ["10 other.example.jp.", "20 Relay.example.jp."],
        ("passed.example.jp", "MX"): ["10 mx.example.jp."],
        ("bare.example.jp", "A"): ["192.0.2.7"],
        ("null.example.jp", "MX"): ["0 ."],
        ("deaf.example.jp", "TXT"): ['"x"'],
    }

    async def story(names: DnsNames) -> None:
        found = {}
        for name in ("own", "passed", "bare", "null", "deaf", "none", "broken"):
            check = await bounce_check(f"bounce@{name}.example.jp", names, "relay.example.jp", OPEN)
            found[name] = (check.verdict, check.text)
        assert found == {
            "own": (OK, "mail to own.example.jp comes to this relay"),
            "passed": (
                OK,
                "mail to passed.example.jp goes to mx.example.jp, which is to pass it on to this relay",
            ),
            "bare": (OK, "mail to bare.example.jp comes to this relay"),
            "null": (ATTENTION, "nobody takes mail for null.example.jp"),
            "deaf": (ATTENTION, "nobody takes mail for deaf.example.jp"),
            "none": (ATTENTION, "none.example.jp is not in the DNS"),
            "broken": (ATTENTION, "broken.example.jp: the DNS did not answer (NoNameservers)"),
        }

    in_dns(zone, story, failing="broken.example.jp")


EVERYBODY = ["0.0.0.0/0", "::/0"]


@pytest.mark.parametrize(
    ("settings", "trouble", "advice"),
    [
        ({"listen": "0.0.0.0:25", "bounces_from": EVERYBODY}, None, ""),
        ({"listen": "192.0.2.7:25", "networks": EVERYBODY}, None, ""),
        (
            {"listen": "127.0.0.1:25", "bounces_from": EVERYBODY},
            "only this machine reaches 127.0.0.1:25",
            "listen",
        ),
        ({"listen": "[::1]:25", "bounces_from": EVERYBODY}, "only this machine reaches [::1]:25", "listen"),
        ({"listen": "0.0.0.0:25"}, "nobody but intake.networks may send", "bounces_from"),
        (
            {},
            "only this machine reaches 127.0.0.1:2525 and nobody but intake.networks may send",
            "listen bounces_from",
        ),
    ],
)
def test_bounces_that_the_dns_leads_here_must_be_let_in(settings, trouble, advice) -> None:
    """On loopback, or with nobody in bounces_from, every report is lost: attention, and what to set."""
    intake = IntakeConfig.model_validate({"addresses": ["orders@relay.example.jp"], **settings})

    async def story(names: DnsNames) -> None:
        check = await bounce_check("bounce@own.example.jp", names, "relay.example.jp", intake)
        text = "mail to own.example.jp comes to this relay"
        assert check.text == (f"{text}, but {trouble}" if trouble else text)
        assert check.verdict is (ATTENTION if trouble else OK)
        assert [name for name in ("listen", "bounces_from") if f"intake.{name} to" in check.advice] == (
            advice.split()
        )

    in_dns({("own.example.jp", "MX"): ["10 relay.example.jp."]}, story)


def test_the_key_in_the_dns_is_compared_with_ours() -> None:
    """The same key, in pieces and with other tags, is well; another, a revoked and no key fail."""
    ours = DnsRecord(name="s1._domainkey.example.jp", text="v=DKIM1; k=rsa; p=QUJDREVG")
    zone: Zone = {
        ("s1._domainkey.example.jp", "TXT"): ['"v=DKIM1; t=s; p=QUJD" "REVG; n=x"'],
        ("s2._domainkey.example.jp", "TXT"): ['"v=DKIM1; k=rsa; p=WFla"'],
        ("s3._domainkey.example.jp", "TXT"): ['"v=DKIM1; p="'],
    }

    async def story(names: DnsNames) -> None:
        found = []
        for number in (1, 2, 3, 4, 5):
            check = await dkim_check(replace(ours, name=f"s{number}._domainkey.example.jp"), names)
            found.append((check.verdict, check.text.partition(":")[0]))
            assert (ours.text in check.advice) is (check.verdict is FAILED)
        assert found == [
            (OK, "the DNS has its public key"),
            (FAILED, "has another key in the DNS"),
            (FAILED, "is revoked in the DNS"),
            (FAILED, "has no record in the DNS"),
            (ATTENTION, "the DNS did not answer (NoNameservers)"),
        ]

    in_dns(zone, story, failing="s5._domainkey.example.jp")


def test_every_recipient_domain_without_a_way_is_told(tmp_path: Path) -> None:
    """Null MX and no such domain are rows of their own; a route of the operator's needs no DNS."""
    config = write_config(tmp_path / "site", routes={"gear.example.jp": 2526}, registrations={})
    zone: Zone = {
        ("good.example.jp", "MX"): ["10 mx.good.example.jp."],
        ("mx.good.example.jp", "A"): ["192.0.2.8"],
        ("null.example.jp", "MX"): ["0 ."],
    }

    async def run() -> None:
        async with name_server(zone) as server:
            office = Office.open(config)
            routes = Routes(
                office.config.delivery,
                hostname="relay.example.jp",
                clock=office.clock,
                resolver=server.resolver(),
            )
            good = ["good.example.jp", "gear.example.jp"]
            assert await route_checks(good, routes) == [ok("routes", "recipient domains with a way: 2")]
            found = await route_checks([*good, "null.example.jp", "none.example.jp"], routes)
            assert [(check.verdict, check.text) for check in found] == [
                (ATTENTION, "DNS: there is no domain none.example.jp"),
                (ATTENTION, "556 5.1.10 null.example.jp takes no mail (null MX)"),
            ]

    asyncio.run(run())


@pytest.mark.parametrize(
    ("greeting", "verdict", "text"),
    [
        (b"220 relay.example.jp ESMTP\r\n", OK, "answers as relay.example.jp"),
        (b"220 other.example.jp ESMTP\r\n", FAILED, "another server answers"),
        (b"220 relay.example.jp.example.com\r\n", FAILED, "another server answers"),
        (b"421 4.3.2 too many\r\n", ATTENTION, "is busy: 421"),
        (b"\x1b[2J\xff" + b"x" * 5000, FAILED, "(more than a greeting)"),
        (b"", FAILED, "another server answers"),
    ],
)
def test_who_answers_at_the_port_is_told(greeting, verdict, text) -> None:
    """Us, somebody else, somebody who says too much or nothing; nothing that is said steers the terminal."""

    async def run() -> Check:
        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(greeting)
            if writer.can_write_eof():
                writer.write_eof()
            await reader.read(100)
            writer.close()

        async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            return await port_check(HostPort("127.0.0.1", port), "relay.example.jp")

    check = asyncio.run(run())
    assert check.verdict is verdict
    assert text in check.text
    assert check.text.isprintable()


def test_a_port_where_nobody_listens_wants_attention() -> None:
    """The relay does not run; a port of 0 is a free one each time."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        free = HostPort("127.0.0.1", probe.getsockname()[1])
    assert asyncio.run(port_check(free, "relay.example.jp")).verdict is ATTENTION
    assert asyncio.run(port_check(HostPort("127.0.0.1", 0), "relay.example.jp")).verdict is OK


def test_what_is_in_a_store_is_counted(tmp_path: Path) -> None:
    """Holds, kept mails, untold bounces, leases, what waits for a person: as the store has them."""

    async def story(store: Store, clock: ManualClock) -> None:
        until = clock.now() + MINUTE
        sending = accepted(clock, state=DeliveryState.SENDING, leased_by="worker-1", leased_until=until)
        bounced = accepted(clock)
        ends = [
            replace(each, state=DeliveryState.BOUNCED, due_at=None, settled_at=clock.now(), attempts=1)
            for each in bounced.deliveries
        ]
        item = kept(clock)
        await store.accept(sending)
        await store.accept(replace(bounced, deliveries=ends))
        await store.accept(accepted(clock, state=DeliveryState.HELD))
        await store.quarantine(item, kept_entry(item))
        late = Leased(worker="worker-1", deliveries=1, first_until=until)
        found = examine(tmp_path / "x.db", now=clock.now(), thorough=True, is_over=lambda: False)
        assert isinstance(found, Examination)
        expected = replace(
            WELL,
            octets=found.octets,
            newest_at=clock.now(),
            leases=[late],
            kept=1,
            waiting=1,
            waiting_since=clock.now(),
            untold=1,
            silent=["例題商店/登録1"],
        )
        assert found == expected

    with_store(tmp_path / "x.db", story)


def test_a_damaged_store_is_told_and_left_alone(tmp_path: Path) -> None:
    """Pages overwritten in the middle: the damage is a value, and not one octet of the file changes."""
    path = tmp_path / "x.db"

    async def fill(store: Store, clock: ManualClock) -> None:
        for _ in range(200):
            await store.accept(accepted(clock))

    with_store(path, fill)
    content = bytearray(path.read_bytes())
    middle = len(content) // 2 // 4096 * 4096
    content[middle : middle + 40_960] = b"\xff" * 40_960
    path.write_bytes(content)
    found = examine(path, now=START, thorough=False, is_over=lambda: False)
    assert isinstance(found, Damaged)
    assert path.read_bytes() == content
    file, pages = store_checks(found, path, mode=0o600, now=START, occupied=frozenset())
    assert (file.name, pages.name, pages.verdict) == ("store", "integrity", FAILED)
    assert pages.text == "; ".join(found.damage)


def test_the_check_of_a_store_ends_when_its_time_is_over(tmp_path: Path) -> None:
    """It is given up at the first look at the time, says so, and the rest is still counted."""
    path = tmp_path / "x.db"

    async def fill(store: Store, clock: ManualClock) -> None:
        for _ in range(400):
            await store.accept(accepted(clock, state=DeliveryState.HELD))

    with_store(path, fill)
    found = examine(path, now=START, thorough=True, is_over=lambda: True)
    assert isinstance(found, Examination)
    assert (found.is_whole, found.waiting) == (False, 400)


def test_what_is_no_store_of_ours_is_refused(tmp_path: Path) -> None:
    """Nothing there, an empty file, another program's octets: each is said in one sentence."""
    path = tmp_path / "x.db"
    for content, message in ((None, "there is no store"), (b"", "is empty"), (b"x" * 9000, "not a database")):
        if content is not None:
            path.write_bytes(content)
        with pytest.raises(BadInput, match=message):
            examine(path, now=START, thorough=False, is_over=lambda: False)
    assert path.read_bytes() == b"x" * 9000


def test_seats_are_seen_without_being_taken(tmp_path: Path) -> None:
    """Those that a process holds; looking makes no file and keeps nobody from a free seat."""
    store = tmp_path / "x.db"
    assert occupied(store) == frozenset()
    assert list(tmp_path.iterdir()) == []
    first, second = Seat.take(store), Seat.take(store)
    assert occupied(store) == {"worker-1", "worker-2"}
    first.leave()
    assert occupied(store) == {"worker-2"}
    again = Seat.take(store)
    assert again.name == "worker-1"
    for seat in (again, second):
        seat.leave()


REGISTRATIONS = {
    "example-shop.yaml": """\
seller: example-shop
registrations:
  - {id: gear-orders, template: stock_gear/order_info, recipients: [orders@gear.example.jp]}
"""
}


def test_the_whole_look_changes_nothing(tmp_path: Path) -> None:
    """With and without a store: every row is there, and the files are the same octets afterwards."""
    config = write_config(tmp_path / "site", routes={"gear.example.jp": 2526}, registrations=REGISTRATIONS)
    path = config.parent / "denrei.db"
    zone: Zone = {("relay.example.jp", "A"): ["192.0.2.7"]}

    async def look() -> dict[str, Verdict]:
        async with name_server(zone) as server:
            office = Office.open(config, create_store=False)
            found = await office.operations.diagnose(resolver=server.resolver())
            assert "store" not in office.__dict__
            return {check.name: check.verdict for check in found}

    def files() -> dict[str, str]:
        return {
            str(file): hashlib.sha256(file.read_bytes()).hexdigest()
            for file in sorted(config.parent.rglob("*"))
            if file.is_file()
        }

    before = files()
    alone = {"registrations": OK, "store": ATTENTION, "disk": OK, "clock": OK, "port": OK}
    found = asyncio.run(look())
    assert found.pop("disk") in Verdict
    alone.pop("disk")
    assert found == alone | {"hostname": OK, "bounces": ATTENTION, "routes": OK}  # it listens on loopback
    assert files() == before

    async def fill() -> None:
        store = Store.open(path, clock=SystemClock())
        await store.accept(accepted(SystemClock()))
        await store.close()

    asyncio.run(fill())
    before = files()
    found = asyncio.run(look())
    assert {name: found[name] for name in ("store", "integrity", "journal", "leases", "holds")} == {
        "store": OK,
        "integrity": OK,
        "journal": OK,
        "leases": OK,
        "holds": OK,
    }
    assert files() == before
