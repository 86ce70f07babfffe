"""The registry that follows its files: always a whole, good state, and never a silent one."""

import asyncio
import contextlib
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import structlog

from grammar import Catalogue, load_catalogue
from relay.document import MAX_PROBLEMS
from relay.errors import BadInput
from relay.notification import NotificationType
from relay.registry import LiveRegistry, load_templates
from relay.registry.live import PATIENCE, QUIET, SWEEP, concerns_us
from tests.support.clock import ManualClock
from tests.unit.registry import test_group

SHIPPED = Path(__file__).resolve().parents[3] / "partner_templates"
CATALOGUE = load_catalogue()
WAIT_SECONDS = 20.0  # a bound for a loaded machine; the change is seen in a fraction of it
LONG_AGO = datetime(2001, 1, 1, tzinfo=UTC)  # by this clock no file was written just now
SELLER = """\
seller: example-shop
registrations:
  - id: crossmall-orders
    template: cross_mall/order_info
    recipients: [orders@partner.example.jp]
"""


@pytest.fixture
def folder(tmp_path):
    """A folder of registrations with one good file, and an empty one for the operator's own templates."""
    (tmp_path / "registrations").mkdir()
    (tmp_path / "own").mkdir()
    (tmp_path / "registrations" / "a.yaml").write_text(SELLER)
    return tmp_path


def _live(folder, *, catalogue=CATALOGUE, **keywords):
    templates = load_templates(SHIPPED, catalogue, own=folder / "own")
    return LiveRegistry(folder / "registrations", templates, catalogue, **keywords)


async def _cancelled(watch):
    watch.cancel()
    with pytest.raises(asyncio.CancelledError):
        await watch


async def _asleep(clock, *, times=1):
    """Wait until the watch has gone to sleep so often."""
    async with asyncio.timeout(WAIT_SECONDS):
        while len(clock.slept) < times:
            await asyncio.sleep(0.005)


class NotingClock(ManualClock):
    """Keeps how long each sleep was asked to be."""

    def __init__(self, now=LONG_AGO):
        super().__init__(now)
        self.slept = []

    async def sleep(self, seconds):
        """Return once `advance` has gone so far."""
        self.slept.append(timedelta(seconds=seconds))
        await super().sleep(seconds)


def _recipients(live):
    return [each.recipients for each in live.registrations("example-shop", NotificationType.ORDER_INFO)]


def test_a_bad_file_stops_the_start(folder):
    """There is no last good state to keep yet."""
    (folder / "registrations" / "b.yaml").write_text("seller: b\n")
    with pytest.raises(BadInput):
        _live(folder)


def test_a_change_comes_into_force_and_is_told_once(folder):
    """The callback gets the state that is in force from then on; nothing changed means nothing told."""
    told = []
    live = _live(folder, on_change=told.append)
    assert live.reload() is False
    (folder / "registrations" / "a.yaml").write_text(SELLER.replace("orders@", "zaiko@"))
    assert live.reload() is True
    assert live.reload() is False
    assert told == [live.current]
    assert _recipients(live) == [("zaiko@partner.example.jp",)]


def test_a_file_that_goes_bad_leaves_the_last_good_state_in_force(folder):
    """The reason is there to be shown, is logged once, and goes when the file is mended."""
    live = _live(folder)
    good = live.current
    bad = folder / "registrations" / "a.yaml"
    bad.write_text(SELLER.replace("cross_mall/", "cros_mall/"))
    (folder / "registrations" / "b.yaml").write_text(SELLER.replace("example-shop", "other-shop"))
    with structlog.testing.capture_logs() as rows:
        assert [live.reload(), live.reload()] == [False, False]
    assert live.current is good
    assert live.problem == (
        f"{bad}:4: registrations[0].template: there is no template 'cros_mall/order_info' "
        "(did you mean cross_mall/order_info?)"
    )
    assert [(row["event"], row["log_level"], row["count"]) for row in rows] == [
        ("registrations are bad", "error", 1)
    ]
    bad.write_text(SELLER)
    assert live.reload() is True
    assert (live.problem, live.current.sellers) == ("", ("example-shop", "other-shop"))


def test_a_problem_that_is_taken_back_is_told_as_well(folder):
    """A bad file that is taken away again leaves the state as it was, and no problem."""
    live = _live(folder)
    (folder / "registrations" / "b.yaml").write_text("seller: b\n")
    live.reload()
    assert live.problem
    (folder / "registrations" / "b.yaml").unlink()
    with structlog.testing.capture_logs() as rows:
        assert live.reload() is False
    assert live.problem == ""
    assert [row["event"] for row in rows] == ["registrations are good again"]


def test_a_folder_that_goes_leaves_the_last_good_state_in_force(folder):
    """A file system that is unmounted for a moment must not stop every delivery."""
    live = _live(folder)
    (folder / "registrations").rename(folder / "elsewhere")
    assert live.reload() is False
    assert live.problem == f"{folder}/registrations: cannot be read: No such file or directory"
    assert len(_recipients(live)) == 1


def test_an_operator_s_template_comes_into_force_while_running(folder):
    """A new group can be chosen at once, and its going is a problem as long as somebody uses it."""
    live = _live(folder)
    group = folder / "own" / "my_shop"
    group.mkdir()
    (group / "partner.yaml").write_text(test_group.PARTNER)
    (group / "order_info.mail").write_text(test_group.MAIL)
    (folder / "registrations" / "b.yaml").write_text(
        SELLER.replace("example-shop", "b").replace("cross_mall/", "my_shop/")
    )
    assert live.reload() is True
    assert [each.template.number for each in live.current.of_seller("b")] == [5001]
    (group / "order_info.mail").write_text(test_group.MAIL.replace("備考:", "メモ:"))
    assert live.reload() is True
    assert "メモ:" in live.current.of_seller("b")[0].template.body.source
    (group / "partner.yaml").write_text(test_group.PARTNER + test_group.RULES)
    assert live.reload() is True
    assert live.current.of_seller("b")[0].template.partner.unwritable == "replace"
    (group / "order_info.mail").unlink()
    assert live.reload() is False
    assert live.problem == f"{group}: has no template"


def test_a_volume_that_is_switched_by_a_link_is_followed(folder):
    """Kubernetes keeps the files behind a link to a folder, and changes all of them by turning the link."""
    place = folder / "registrations"
    (place / "a.yaml").unlink()
    for name, text in (("..1", SELLER), ("..2", SELLER.replace("orders@", "zaiko@"))):
        (place / name).mkdir()
        (place / name / "a.yaml").write_text(text)
    (place / "..data").symlink_to("..1")
    (place / "a.yaml").symlink_to("..data/a.yaml")
    live = _live(folder)
    (place / "..new").symlink_to("..2")
    (place / "..new").replace(place / "..data")
    assert live.reload() is True
    assert _recipients(live) == [("zaiko@partner.example.jp",)]


def test_only_changes_that_can_concern_the_registry_wake_it():
    """Its kinds of file, folders and turned links do; a database, leavings and logs beside them do not."""
    ours = ["a.yaml", "a.yml", "order_info.mail", "my_shop", "..data"]
    others = ["denrei.db", "denrei.db-wal", "a.yaml~", "x.log"]
    assert [name for name in ours + others if concerns_us(f"/etc/denrei/{name}")] == ours


def test_the_watch_sees_a_change_by_itself(folder):
    """A file that is replaced as an editor does it comes into force without being asked for."""

    async def story():
        loop, seen = asyncio.get_running_loop(), asyncio.Event()
        live = _live(
            folder, clock=ManualClock(LONG_AGO), on_change=lambda _: loop.call_soon_threadsafe(seen.set)
        )
        watch = asyncio.create_task(live.watch())
        deadline = loop.time() + WAIT_SECONDS
        attempt = 0
        while (
            not seen.is_set() and loop.time() < deadline
        ):  # the first change may come before the watch stands
            attempt += 1
            fresh = folder / "registrations" / ".a.yaml.new"
            fresh.write_text(SELLER.replace("orders@", f"zaiko{attempt}@"))
            fresh.replace(folder / "registrations" / "a.yaml")
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(seen.wait(), 1.0)
        assert seen.is_set()
        assert _recipients(live)[0][0].startswith("zaiko")
        await _cancelled(watch)

    asyncio.run(story())


def test_a_watch_that_fails_is_told_and_tried_again(folder):
    """Without the folder there is nothing to watch; when it is back, its files are in force."""

    async def story():
        loop, seen, clock = asyncio.get_running_loop(), asyncio.Event(), NotingClock()
        live = _live(folder, clock=clock, on_change=lambda _: loop.call_soon_threadsafe(seen.set))
        (folder / "registrations").rename(folder / "elsewhere")
        watch = asyncio.create_task(live.watch())
        await _asleep(clock)
        assert live.problem
        (folder / "elsewhere").rename(folder / "registrations")
        (folder / "registrations" / "a.yaml").write_text(SELLER.replace("orders@", "zaiko@"))
        clock.advance(SWEEP)
        await asyncio.wait_for(seen.wait(), WAIT_SECONDS)
        assert (live.problem, _recipients(live)) == ("", [("zaiko@partner.example.jp",)])
        await _cancelled(watch)

    asyncio.run(story())


def test_a_fault_of_our_own_does_not_end_the_watch(folder):
    """An exception that nobody thought of is logged with its traceback, is shown, and costs one look."""

    async def story():
        loop, seen, clock = asyncio.get_running_loop(), asyncio.Event(), NotingClock()
        faults = [OverflowError("date value out of range")]

        def on_change(_):
            if faults:
                raise faults.pop()
            loop.call_soon_threadsafe(seen.set)

        live = _live(folder, clock=clock, on_change=on_change)
        file = folder / "registrations" / "a.yaml"
        file.write_text(SELLER.replace("orders@", "zaiko@"))
        with structlog.testing.capture_logs() as rows:
            watch = asyncio.create_task(live.watch())
            await _asleep(clock)
        assert [(row["log_level"], row["event"]) for row in rows if row.get("exc_info")] == [
            ("error", "registrations could not be read")
        ]
        assert clock.slept == [SWEEP]
        assert live.problem == (
            f"{folder}/registrations: could not be read: OverflowError, a fault of Denrei's own; see its log"
        )
        clock.advance(SWEEP)
        for attempt in range(int(WAIT_SECONDS)):  # the first change may come before the watch stands
            file.write_text(SELLER.replace("orders@", f"{attempt}@"))
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(seen.wait(), 1.0)
                break
        assert (live.problem, watch.done()) == ("", False)
        await _cancelled(watch)

    asyncio.run(story())


def test_a_file_that_is_still_being_written_is_not_read(folder):
    """Half a file can be good YAML: it is looked at once a second has passed since the last write."""

    async def story():
        clock = NotingClock(LONG_AGO + QUIET / 2)
        live = _live(folder, clock=clock)
        file = folder / "registrations" / "a.yaml"
        file.write_text(SELLER.replace("orders@", "half@"))
        os.utime(file, (LONG_AGO.timestamp(), LONG_AGO.timestamp()))
        watch = asyncio.create_task(live.watch())
        await _asleep(clock)
        assert (clock.slept, _recipients(live)) == ([QUIET], [("orders@partner.example.jp",)])
        file.write_text(SELLER.replace("orders@", "whole@"))
        os.utime(file, (LONG_AGO.timestamp(), LONG_AGO.timestamp()))
        clock.advance(QUIET)
        async with asyncio.timeout(WAIT_SECONDS):
            while _recipients(live) != [("whole@partner.example.jp",)]:
                await asyncio.sleep(0.005)
        await _cancelled(watch)

    asyncio.run(story())


def test_a_file_that_is_touched_all_the_time_is_read_in_the_end(folder):
    """Nothing that one file does keeps all changes out for ever."""

    async def story():
        clock = NotingClock()
        live = _live(folder, clock=clock)
        file = folder / "registrations" / "a.yaml"
        file.write_text(SELLER.replace("orders@", "zaiko@"))
        os.utime(file, (LONG_AGO.timestamp(), LONG_AGO.timestamp()))
        watch = asyncio.create_task(live.watch())
        for pauses in range(1, PATIENCE + 1):
            await _asleep(clock, times=pauses)
            now = clock.now() + QUIET
            os.utime(file, (now.timestamp(), now.timestamp()))
            clock.advance(QUIET)
        async with asyncio.timeout(WAIT_SECONDS):
            while _recipients(live) != [("zaiko@partner.example.jp",)]:
                await asyncio.sleep(0.005)
        assert clock.slept == [QUIET] * PATIENCE
        await _cancelled(watch)

    asyncio.run(story())


def test_a_file_that_changes_while_it_is_read_does_not_come_into_force(folder):
    """What was read may be the head of one text and the tail of another."""
    file = folder / "registrations" / "a.yaml"
    subject = '    subject: "<$_PACK_NO_$>"\n'

    class WritingCatalogue(Catalogue):
        """Asked for a field, as it is when a subject is compiled, it lets somebody write to the file."""

        left = 0

        def __contains__(self, name):
            if self.left:
                self.left -= 1
                with file.open("a") as stream:
                    stream.write("    wait: Y\n")
            return super().__contains__(name)

    catalogue = WritingCatalogue(CATALOGUE.entries)
    live = _live(folder, catalogue=catalogue)
    file.write_text(SELLER + subject)
    catalogue.left = 1
    assert (live.reload(), live.problem) == (False, "")
    assert live.reload() is True
    assert [each.wait for each in live.current] == [True]


def test_a_registration_that_is_gone_stays_in_force(folder):
    """None is ever deleted: a slip, or half a file, must not stop a seller's mail without a word."""
    file = folder / "registrations" / "a.yaml"
    second = SELLER.partition("registrations:\n")[2].replace("crossmall-orders", "second")
    file.write_text(SELLER + second)
    live = _live(folder)
    file.write_text(SELLER)
    assert live.reload() is False
    hint = "(a registration is never deleted: put it back and set use: N)"
    assert live.problem == f"{file}: registrations: second is gone {hint}"
    assert len(_recipients(live)) == 2
    file.write_text(SELLER + second.replace("orders@", "zaiko@") + "    use: N\n")
    assert live.reload() is True
    assert (live.problem, [each.use for each in live.current]) == ("", [True, False])


def test_a_seller_who_is_gone_stays_in_force(folder):
    """An emptied folder is a fault of the folder; a file that was only renamed is the same seller's."""
    for number in range(MAX_PROBLEMS + 5):
        name = f"shop-{number}"
        (folder / "registrations" / f"{name}.yaml").write_text(SELLER.replace("example-shop", name))
    live = _live(folder)
    (folder / "registrations" / "a.yaml").rename(folder / "registrations" / "renamed.yaml")
    assert live.reload() is True
    (folder / "registrations" / "renamed.yaml").unlink()
    assert live.reload() is False
    assert live.problem == (
        f"{folder}/registrations/renamed.yaml: the registrations of example-shop are gone "
        "(a registration is never deleted: put it back and set use: N)"
    )
    for path in (folder / "registrations").iterdir():
        path.unlink()
    assert live.reload() is False
    assert (len(live.problems), len(live.current.sellers)) == (MAX_PROBLEMS, MAX_PROBLEMS + 6)
    assert _live(folder).current.sellers == ()  # a start knows no earlier state


def test_a_template_beside_the_groups_is_seen_while_running(folder):
    """A file in the wrong place is told when it is put there, not at the next start."""
    live = _live(folder)
    stray = folder / "own" / "order_info.mail"
    stray.write_text(test_group.MAIL)
    assert live.reload() is False
    assert live.problem == (
        f"{stray}: stands in no group "
        "(each group has a folder of its own, with its partner.yaml and its .mail files)"
    )


def test_registrations_in_force_are_counted(folder):
    """All of them, switched off or not, of every seller; a file that goes bad takes none away."""
    other = SELLER.replace("example-shop", "b") + "    use: N\n"
    (folder / "registrations" / "b.yaml").write_text(other)
    live = _live(folder)
    assert live.count == 2
    (folder / "registrations" / "b.yaml").write_text("x: 1\n")
    live.reload()
    assert live.count == 2
