"""docs/notices.md says what the notices do: kinds, bounds, log events, and the words of a whole notice."""

import re
from pathlib import Path

import pytest
from typer.main import get_command

from relay.cli import command_line
from relay.config import NoticeConfig
from relay.notice import watch
from relay.notice.letter import MAX_ROWS
from relay.notice.values import MAX_VALUE
from relay.notice.watch import MAX_LETTERS, MAX_TOLD
from relay.registry.registration import STALE_AFTER
from relay.store.concern import LOOKBACK, REMIND, Kind

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "notices.md").read_text("utf-8")
FLAT = " ".join(PAGE.split())
GOLDEN = ROOT / "tests" / "golden" / "notices"
TEXTS = ROOT / "relay" / "notice" / "texts"


def test_every_kind_is_documented():
    """The table of kinds has each, and none that is not there."""
    assert set(re.findall(r"(?m)^\| `(\w+)` \|", PAGE)) == {str(kind) for kind in Kind}


@pytest.mark.parametrize("name", NoticeConfig.model_fields)
def test_every_setting_that_decides_is_named(name):
    """The page tells what each key of the configuration changes, but for the sender's."""
    assert name == "sender" or f"notices.{name}" in PAGE


def test_the_bounds_are_those_in_force():
    """Numbers on the page are the numbers of the code."""
    assert f"names the first {MAX_ROWS} deliveries" in FLAT
    assert f"at most {MAX_TOLD:,} mails and {MAX_LETTERS} sellers" in FLAT
    assert f"at most {MAX_VALUE} characters" in FLAT
    assert f"after {REMIND.days} days, again" in FLAT
    assert LOOKBACK.days == 7
    assert STALE_AFTER.days == 1


def test_every_log_event_is_named():
    """An operator who greps for what the log says finds it here."""
    source = Path(watch.__file__).read_text("utf-8")
    events = re.findall(r'_log\.\w+\(\s*"([^"]+)"', source) + re.findall(
        r'_warn_once\([^,]+, "([^"]+)"', source
    )
    assert set(events) - {"notice made"} == {each for each in events if f"`{each}`" in FLAT}
    assert len(set(events)) == 5


def test_the_notice_on_the_page_is_a_real_one():
    """Its entry and its last part are those of the golden notice."""
    shown = re.search(r"```\nSubject: (.*?)\n\n(.*?)```", PAGE, re.DOTALL)
    assert shown
    golden = (GOLDEN / "delay.seller.ja.txt").read_text("utf-8")
    entry = re.search(r"(?s)カート番号 300000003.*?管理番号  : \w+", golden)
    assert entry
    assert entry[0] in shown[2]
    assert all(row in golden for row in shown[2].split("\n") if row.startswith(("・", "  ", "■", "いつも")))
    assert shown[1] == "【Denrei】受注メールがまだ届いていません（1件）"


def test_every_command_in_a_notice_exists():
    """Whoever types what the notice says gets no error: the command line has it."""
    known = get_command(command_line())
    checked = 0
    for text in TEXTS.iterdir():
        for words in re.findall(r"denrei ([a-z ]+?)(?: [A-Z管送]|\n|$)", text.read_text("utf-8")):
            command = known
            for word in words.split():
                assert word in command.commands, f"{text.name}: denrei {words}"
                command = command.commands[word]
            checked += 1
    assert checked >= 30
