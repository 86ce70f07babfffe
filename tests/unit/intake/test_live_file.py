"""Files that are followed: the last good value stays, and nothing is read half."""

import asyncio
import os
from datetime import timedelta
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from relay.errors import BadInput, Problem
from relay.intake.access.live_file import AFTER_A_BUG, LOOK, LiveFile, watch
from tests.support.clock import ManualClock
from tests.support.waiting import until


class Word:
    """A word in two files; `x` is bad, and `bug` is one of ours."""

    def __init__(self, folder: Path) -> None:
        self.paths = (folder / "first", folder / "second")
        self.reads = 0
        self.while_reading = lambda: None
        self.write("a", "b")

    def write(self, *halves):
        """Put other files in place, as `certbot` and `denrei user` do."""
        for path, half in zip(self.paths, halves, strict=True):
            draft = path.with_suffix(".draft")
            draft.write_text(half)
            os.replace(draft, path)

    def read(self):
        """Both halves."""
        self.reads += 1
        word = "".join(path.read_text() for path in self.paths)
        self.while_reading()
        if "bug" in word:
            raise RuntimeError("a bug of ours")
        if "x" in word:
            raise BadInput((Problem(file="first", message=f"is bad: {len(word)}"),))
        return word


@pytest.fixture
def word(tmp_path):
    return Word(tmp_path)


def looks(live, times=2):
    return [live.reload() for _ in range(times)]


def test_a_change_counts_when_two_looks_agree(word):
    """The first half is written, then the second: the value goes from one whole state to the next."""
    live = LiveFile(word.paths, word.read)
    assert (looks(live), live.current) == ([False, False], "ab")
    word.write("c", "b")
    assert (live.reload(), live.current) == (False, "ab")
    word.write("c", "d")
    assert (looks(live, 3), live.current) == ([False, True, False], "cd")
    assert word.reads == 2  # what has not changed is not read


def test_bad_files_leave_the_last_good_state(word):
    """It is told once for each reason, until the files are good again, be it as they were."""
    live = LiveFile(word.paths, word.read)
    with capture_logs() as log:
        for first in ("x", "xx"):
            word.write(first, "b")
            assert looks(live, 4) == [False] * 4
            assert (live.current, live.problem) == ("ab", f"first: is bad: {len(first) + 1}")
        word.write("a", "b")
        assert (looks(live), live.current, live.problem) == ([False, True], "ab", "")
    files = [str(path) for path in word.paths]
    bad = {"event": "file is bad", "log_level": "error", "files": files, "kept": "the last good state"}
    assert log == [
        bad | {"problem": "first: is bad: 2"},
        bad | {"problem": "first: is bad: 3"},
        {"event": "file is good again", "log_level": "info", "files": files},
    ]


def test_a_fault_that_passes_leaves_no_trace_on_the_file(word):
    """A reason that is the machine's (no descriptors left) goes without the file being touched."""
    live = LiveFile(word.paths, word.read)
    word.write("c", "d")
    trouble = BadInput((Problem(message="cannot be read: Too many open files"),))

    def fail():
        raise trouble

    word.while_reading = fail
    assert (looks(live), live.current) == ([False, False], "ab")
    word.while_reading = lambda: None
    assert (looks(live, 1), live.current, live.problem) == ([True], "cd", "")


def test_a_folder_that_was_away(word, tmp_path):
    """A disk that is unmounted for a while: the files come back as they were, and all is good again."""
    home, away = tmp_path / "home", tmp_path / "away"
    home.mkdir()
    word.paths = (home / "first", home / "second")
    word.write("a", "b")

    def read():
        if not home.exists():
            raise BadInput((Problem(message="cannot be read: No such file or directory"),))
        return "ab"

    live = LiveFile(word.paths, read)
    home.rename(away)
    assert (looks(live), live.problem) == ([False, False], "cannot be read: No such file or directory")
    away.rename(home)
    assert (looks(live), live.current, live.problem) == ([False, True], "ab", "")


def test_what_changes_while_it_is_read_is_read_again(word):
    """A value of two states is thrown away."""
    live = LiveFile(word.paths, word.read)
    word.write("c", "d")
    word.while_reading = lambda: word.write("e", "f")
    assert (looks(live), live.current) == ([False, False], "ab")
    word.while_reading = lambda: None
    assert (looks(live), live.current) == ([False, True], "ef")


@pytest.mark.parametrize("change", ["mode", "content of the same length", "gone and back"])
def test_every_change_is_seen(word, change):
    """Mode, content at the same time of writing, and a file of the same look."""
    live = LiveFile(word.paths, word.read)
    path = word.paths[0]
    before = path.stat()
    if change == "mode":
        path.chmod(0o600)
    elif change == "gone and back":
        path.rename(path.with_suffix(".away"))
        assert live.reload() is False
        path.with_suffix(".away").rename(path)
    else:
        path.write_text("c")
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert looks(live) == [False, True]


def test_the_watch_looks_each_second_and_outlives_a_bug(word):
    """A change is in force after two looks; our own bug is logged with its trace, and the watch goes on."""

    async def story():
        clock = ManualClock()
        live = LiveFile(word.paths, word.read)
        following = asyncio.create_task(watch([live], clock=clock))

        async def pass_by(duration):
            await until(lambda: clock.sleepers)
            clock.advance(duration)
            await until(lambda: clock.sleepers)

        word.write("c", "d")
        for _ in range(2):
            await pass_by(LOOK)
        assert live.current == "cd"
        word.write("bug", "")
        with capture_logs() as log:
            for _ in range(2):
                await pass_by(LOOK)
        assert [(entry["event"], entry["exc_info"]) for entry in log] == [("file could not be read", True)]
        word.write("e", "f")
        await pass_by(AFTER_A_BUG)
        for _ in range(2):
            await pass_by(LOOK)
        assert live.current == "ef"
        following.cancel()
        with pytest.raises(asyncio.CancelledError):
            await following

    asyncio.run(story())


def test_nothing_to_watch_ends_at_once():
    """A relay without certificate and users wakes for nothing."""
    asyncio.run(asyncio.wait_for(watch([], clock=ManualClock()), timeout=timedelta(seconds=5).seconds))
