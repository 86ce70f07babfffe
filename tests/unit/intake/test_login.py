"""Who signs in: the right ones, at the pace that they like; the others, hardly."""

import asyncio
import threading
from datetime import timedelta

import pytest
from structlog.testing import capture_logs

from relay.errors import BadInput
from relay.intake.access import login
from relay.intake.access.login import Logins
from relay.intake.access.password import Cost, PasswordHash, hashed, prepared
from relay.intake.access.user_file import remove_user, set_user
from relay.intake.session.door import Reply, SignedIn
from tests.support.clock import ManualClock
from tests.support.waiting import until

CHEAP = Cost(n=1024, r=8, p=1)
HERE, THERE = "192.0.2.7", "192.0.2.8"
WRONG = b"535 5.7.8 authentication credentials invalid\r\n"
TOO_MANY = b"454 4.7.0 too many failed attempts, try again later\r\n"
BUSY = b"454 4.7.0 too many logins at once, try again later\r\n"
RIGHT = None
PATIENCE = 20.0


@pytest.fixture
def path(tmp_path):
    made = tmp_path / "users.yaml"
    for name, password in (("market", "合言葉"), ("other", "open sesame")):
        set_user(made, name, hashed(prepared(password), salt=b"0123456789abcdef", cost=CHEAP))
    return made


@pytest.fixture
def clock():
    return ManualClock()


def answers(logins, *wishes):
    """What each wish (peer, name, password) is told, one after the other."""

    async def story():
        return [await _line(logins, *wish) for wish in wishes]

    return asyncio.run(story())


async def _line(logins, peer, name, password):
    answer = await logins.answer(peer, name, password)
    return answer.line() if isinstance(answer, Reply) else RIGHT


class Counted:
    """Users whose hashes count how often they are compared, and wait where a test says so."""

    def __init__(self, logins, *, is_open=True):
        self.compared = 0
        self.at_once = 0
        self.most_at_once = 0
        self.gate = threading.Event()
        self._lock = threading.Lock()
        if is_open:
            self.gate.set()
        users = logins._roll.current.users
        logins._roll.current = login._Roll(users={name: self._counting(users[name]) for name in users})

    def _counting(self, user):
        owner = self

        class Counting(PasswordHash):
            """A hash that tells of its work."""

            def fits(self, password):
                with owner._lock:
                    owner.compared += 1
                    owner.at_once += 1
                    owner.most_at_once = max(owner.most_at_once, owner.at_once)
                assert owner.gate.wait(PATIENCE)
                try:
                    return user.fits(password)
                finally:
                    with owner._lock:
                        owner.at_once -= 1

        return Counting(cost=user.cost, salt=user.salt, digest=user.digest)


def test_the_right_password_and_no_other(path, clock):
    """Names are compared to the letter, passwords as people type them; every refusal says the same."""
    wishes = [
        ("market", "合言葉", RIGHT),
        ("other", "open\u3000sesame", RIGHT),
        ("market", "open sesame", WRONG),
        ("Market", "合言葉", WRONG),
        ("nobody", "合言葉", WRONG),
        ("", "", WRONG),
        ("market", "", WRONG),
        ("market", "合言葉\0", WRONG),
        ("market\0", "合言葉", WRONG),
        ("market\ud800", "\udfff", WRONG),
        ("market", "x" * 1_000_000, WRONG),
    ]
    logins = Logins(path, clock=clock)
    told = answers(logins, *[(f"192.0.2.{number}", *wish[:2]) for number, wish in enumerate(wishes)])
    assert told == [wish[2] for wish in wishes]


def test_an_unknown_name_costs_the_same_hash(path, clock):
    """What a stranger's name is compared with costs what a user's does, and nothing fits it."""
    logins = Logins(path, clock=clock)
    dear = Cost(n=2048, r=8, p=1)
    users = {
        "a": hashed(b"a", salt=b"0123456789abcdef", cost=CHEAP),
        "b": hashed(b"b", salt=b"0123456789abcdef", cost=dear),
    }
    costs = {
        name: logins._decoy(users, name).cost for name in ("nobody", "no one", "root", "admin", "x", "y")
    }
    assert set(costs.values()) == {CHEAP, dear}
    assert all(logins._decoy(users, name).cost == cost for name, cost in costs.items())
    assert logins._decoy({}, "nobody").cost == login.COST
    assert not logins._decoy(users, "nobody").fits(b"")


def test_who_fails_too_often_waits(path, clock):
    """Ten tries, then one a minute: even the right password is not asked, and so tells nobody anything."""
    logins = Logins(path, clock=clock)
    told = answers(logins, *[(HERE, "market", f"guess {number}") for number in range(11)])
    assert told == [WRONG] * 10 + [TOO_MANY]
    assert answers(logins, (HERE, "market", "合言葉")) == [TOO_MANY]
    clock.advance(timedelta(minutes=1))
    assert answers(logins, (HERE, "market", "guess"), (HERE, "market", "合言葉")) == [WRONG, TOO_MANY]
    clock.advance(timedelta(minutes=1))
    assert answers(logins, (HERE, "market", "合言葉")) == [RIGHT]


def test_a_guesser_locks_out_nobody_else(path, clock):
    """Neither the same name from elsewhere nor, at first, another name from the same place."""
    logins = Logins(path, clock=clock)
    answers(logins, *[(HERE, "market", f"guess {number}") for number in range(12)])
    assert answers(logins, (THERE, "market", "合言葉"), (HERE, "other", "open sesame")) == [RIGHT, RIGHT]
    told = answers(logins, *[(HERE, f"name {number}", "guess") for number in range(50)])
    assert told == [WRONG] * 40 + [TOO_MANY] * 10
    assert answers(logins, (HERE, "other", "open sesame"), (THERE, "other", "open sesame")) == [
        TOO_MANY,
        RIGHT,
    ]


def test_a_customer_with_many_addresses_is_one_guesser(path, clock):
    """2**64 addresses of IPv6 give no more tries than one."""
    logins = Logins(path, clock=clock)
    told = answers(logins, *[(f"2001:db8::{number:x}", "market", f"{number}") for number in range(1, 12)])
    assert told == [WRONG] * 10 + [TOO_MANY]


def test_a_right_login_is_remembered_for_a_while(path, clock):
    """The second one costs no hash; after a while, or with another password, it costs one again."""
    logins = Logins(path, clock=clock)
    counted = Counted(logins)
    for _ in range(20):
        assert answers(logins, (HERE, "market", "合言葉")) == [RIGHT]
    assert answers(logins, (THERE, "market", "合言葉")) == [RIGHT]
    assert counted.compared == 1
    assert answers(logins, (HERE, "market", "合言")) == [WRONG]
    clock.advance(login.MEMORY)
    assert answers(logins, (HERE, "market", "合言葉")) == [RIGHT]
    assert counted.compared == 3


def test_the_memory_holds_no_password_and_is_bounded(path, clock):
    """A keyed digest, different in each process; the oldest goes when there are too many."""
    logins, others = Logins(path, clock=clock), Logins(path, clock=clock)
    for each in (logins, others):
        assert answers(each, (HERE, "market", "合言葉")) == [RIGHT]
    marks = [tuple(each._roll.current.right_until) for each in (logins, others)]
    assert [len(mark) for mark in marks[0] + marks[1]] == [32, 32]
    assert marks[0] != marks[1]
    roll = logins._roll.current
    for number in range(login.MAX_REMEMBERED):
        roll.remember(number.to_bytes(32), clock.monotonic())
    assert len(roll.right_until) == login.MAX_REMEMBERED
    assert marks[0][0] not in roll.right_until


def test_a_removed_user_is_out_at_once(path, clock):
    """What was remembered goes with the file's old state; a bad file changes nothing and is told."""
    logins = Logins(path, clock=clock)
    assert answers(logins, (HERE, "market", "合言葉"), (HERE, "other", "open sesame")) == [RIGHT, RIGHT]
    path.chmod(0o644)
    assert [logins.reload(), logins.reload()] == [False, False]
    assert "is open to others" in logins.problem
    assert answers(logins, (HERE, "market", "合言葉")) == [RIGHT]
    path.chmod(0o600)
    remove_user(path, "market")
    assert [logins.reload(), logins.reload(), logins.problem] == [False, True, ""]
    assert answers(logins, (HERE, "market", "合言葉"), (HERE, "other", "open sesame")) == [WRONG, RIGHT]


def test_a_bad_file_ends_the_start(path, clock):
    """Better no relay than one that lets in nobody knows whom."""
    path.chmod(0o604)
    with pytest.raises(BadInput, match="is open to others"):
        Logins(path, clock=clock)


def test_one_clients_connections_share_one_hash(path, clock):
    """A pool of connections that sign in at once pays once, right or wrong, and a wrong one counts once."""

    async def story(password):
        logins = Logins(path, clock=clock)
        counted = Counted(logins)
        told = await asyncio.gather(*[_line(logins, HERE, "market", password) for _ in range(40)])
        assert (set(told), counted.compared) == ({RIGHT if password == "合言葉" else WRONG}, 1)
        return await _line(logins, HERE, "market", "合言葉")

    assert [asyncio.run(story(password)) for password in ("合言葉", "wrong")] == [RIGHT, RIGHT]


def test_a_flood_of_logins_waits_in_a_bounded_queue(path, clock):
    """Two hashes at once, some more in line, few of one client; the others hear at once to come again."""

    async def story():
        logins = Logins(path, clock=clock)
        counted = Counted(logins, is_open=False)
        wishes = [(f"192.0.2.{client}", "market", f"{turn}") for client in range(5) for turn in range(9)]
        asked = [asyncio.create_task(_line(logins, *wish)) for wish in wishes]
        await until(lambda: sum(task.done() for task in asked) == len(wishes) - login.MAX_UNDER_WAY)
        early = [task.result() for task in asked if task.done()]
        assert early == [BUSY] * (len(wishes) - login.MAX_UNDER_WAY)
        of_the_first = [task.done() for task in asked[:9]]
        assert of_the_first == [False] * login.MAX_UNDER_WAY_OF_ONE + [True]
        counted.gate.set()
        told = await asyncio.gather(*asked)
        assert told.count(WRONG) == login.MAX_UNDER_WAY
        assert counted.most_at_once == login.AT_ONCE
        assert logins._under_way == {}
        assert await _line(logins, "198.51.100.1", "market", "合言葉") is RIGHT

    asyncio.run(asyncio.wait_for(story(), PATIENCE))


def test_who_hangs_up_before_the_answer_is_counted(path, clock):
    """A guesser cannot spare itself the wait; nor can many tries at once pass for one."""

    async def story():
        logins = Logins(path, clock=clock)
        counted = Counted(logins, is_open=False)
        asked = [asyncio.create_task(_line(logins, HERE, "market", f"{n}")) for n in range(8)]
        await until(lambda: counted.compared == login.AT_ONCE)
        for task in asked:
            task.cancel()
        await asyncio.gather(*asked, return_exceptions=True)
        counted.gate.set()
        await until(lambda: not logins._under_way)
        assert counted.compared == 8
        return [await _line(logins, HERE, "market", f"then {n}") for n in range(3)]

    assert asyncio.run(asyncio.wait_for(story(), PATIENCE)) == [WRONG, WRONG, TOO_MANY]


def test_a_machine_without_memory_says_so_and_goes_on(path, clock):
    """A hash needs 32 MiB; where they are not to be had, the client comes again."""

    class Starved(PasswordHash):
        """A hash for which there is no memory."""

        def fits(self, password):
            raise MemoryError

    logins = Logins(path, clock=clock)
    user = logins._roll.current.users["market"]
    starved = Starved(cost=user.cost, salt=user.salt, digest=user.digest)
    logins._roll.current = login._Roll(users={"market": starved})
    assert answers(logins, *[(HERE, "market", "合言葉")] * 20) == [BUSY] * 20  # none counts as a failure
    assert logins._under_way == {}


def test_the_log_names_users_and_nothing_that_was_typed(path, clock):
    """A name that is nobody's may be a password in the wrong place."""
    logins = Logins(path, clock=clock)
    with capture_logs() as log:
        answers(
            logins,
            (HERE, "合言葉", "market"),
            *[(THERE, "market", f"guess {number}") for number in range(10)],
            (THERE, "other", "\0"),
        )
    failed = {"event": "login_failed", "log_level": "warning"}
    assert log == [
        failed | {"peer": HERE, "user": ""},
        *[failed | {"peer": THERE, "user": "market"}] * 10,
        {"event": "login_held_off", "log_level": "warning", "peer": THERE, "user": "market"},
        failed | {"peer": THERE, "user": "other"},
    ]


def test_who_signs_in_all_the_time_pays_once(path, clock):
    """A login is remembered since its last use, not since its hash."""
    logins = Logins(path, clock=clock)
    counted = Counted(logins)
    for _ in range(5):
        assert answers(logins, (HERE, "market", "合言葉")) == [RIGHT]
        clock.advance(timedelta(minutes=4))
    assert counted.compared == 1
    clock.advance(timedelta(minutes=2))
    assert answers(logins, (HERE, "market", "合言葉")) == [RIGHT]
    assert counted.compared == 2


def test_a_login_stands_as_long_as_user_and_password_do(path, clock):
    """Another user's change ends nobody's session; a new password, and being removed, do."""
    logins = Logins(path, clock=clock)

    def changed():
        assert [logins.reload(), logins.reload()] == [False, True]

    async def marks():
        return [(await logins.answer(HERE, "market", "合言葉")).mark for _ in range(2)]

    first, remembered = asyncio.run(marks())
    assert first == remembered
    assert "mark" not in repr(SignedIn(mark=first))
    assert [logins.stands("market", mark) for mark in (first, b"")] == [True, False]
    assert not logins.stands("other", first)
    remove_user(path, "other")
    changed()
    assert logins.stands("market", first)
    set_user(path, "market", hashed(prepared("合言葉"), salt=b"fedcba9876543210", cost=CHEAP))
    changed()
    assert not logins.stands("market", first)
    (fresh, _) = asyncio.run(marks())
    assert logins.stands("market", fresh)
    remove_user(path, "market")
    changed()
    assert not logins.stands("market", fresh)
