"""`denrei user`: the file of users changes as it is told to, and no password or hash is shown."""

import contextlib
import io
import json
import os
import pty
import select
import subprocess
import sys
from pathlib import Path

import pytest

from relay.cli import main
from relay.intake.access.password import COST, Cost, hashed, prepared
from relay.intake.access.user_file import read_users, set_user
from tests.support.cli import Run, child, documented_keys

PASSWORD = "合言葉 open sesame"
CHEAP = Cost(n=1024, r=8, p=1)
CONFIG = """\
hostname: relay.example.jp
intake:
  addresses: [orders@relay.example.jp]
  users: users.yaml
  tls: {certificate: certificate.pem, key: key.pem}
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A configuration that names a file of users, which is not there yet."""
    path = tmp_path / "denrei.yaml"
    path.write_text(CONFIG, encoding="utf-8")
    return path


@pytest.fixture
def users(config: Path) -> Path:
    """The file, with two users."""
    path = config.with_name("users.yaml")
    for name in ("market", "other"):
        set_user(path, name, hashed(prepared(PASSWORD), salt=b"0123456789abcdef", cost=CHEAP))
    return path


@pytest.fixture
def run(config: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    """What runs one command in this process with something typed; its exit code, output and complaints."""

    def run(*arguments: str, typed: str = "") -> tuple[int, str, str]:
        before, sys.stdin = sys.stdin, io.StringIO(typed)
        try:
            code = main(["user", *arguments, "--config", str(config)])
        finally:
            sys.stdin = before
        return code, *capsys.readouterr()

    return run


def test_a_user_is_set_and_checked(config: Path, run: Run) -> None:
    """From nothing: the file is made, each hash has a salt of its own, the password stands nowhere."""
    path = config.with_name("users.yaml")
    assert run("set", "market", typed=PASSWORD + "\n") == (0, "market: added\n", "")
    assert run("set", "other", typed=PASSWORD) == (0, "other: added\n", "")
    market, other = read_users(path).values()
    assert (market.cost, other.cost, market.salt != other.salt) == (COST, COST, True)
    assert PASSWORD not in path.read_text(encoding="utf-8")
    assert run("set", "market", typed="another\r\n") == (0, "market: has a new password\n", "")
    assert run("check", "market", typed="another") == (0, "market: the password is right\n", "")
    assert run("check", "market", typed=PASSWORD) == (1, "market: the password is wrong\n", "")
    assert read_users(path)["other"] == other


def test_a_script_pipes_the_password(config: Path) -> None:
    """The command as a script runs it, in a process of its own."""
    done = child("user", "set", "market", "--config", str(config), typed=PASSWORD)
    assert (done.returncode, done.stdout, done.stderr) == (0, "market: added\n", "")


@pytest.mark.parametrize(
    ("typed", "message"),
    [
        ("", "must have 1 to 1000 octets"),
        ("\n", "must have 1 to 1000 octets"),
        ("a\tb\n", "holds a control character"),
        ("x" * 100_000, "must have 1 to 1000 octets"),
    ],
)
def test_what_is_no_password_changes_nothing(run: Run, users: Path, typed: str, message: str) -> None:
    """An unset variable in a script does not make an empty password."""
    before = users.read_bytes()
    assert run("set", "market", typed=typed) == (1, "", f"denrei: password: {message}\n")
    assert users.read_bytes() == before


def test_the_list_shows_names_and_costs(run: Run, users: Path) -> None:
    """As a table and as the JSON that the page promises; no hash in either."""
    hashes = [str(user) for user in read_users(users).values()]
    code, output, _ = run("list", "--json")
    rows = [json.loads(line) for line in output.splitlines()]
    wanted = [{"name": name, "hash": "scrypt", "n": 1024, "r": 8, "p": 1} for name in ("market", "other")]
    assert (code, rows) == (0, wanted)
    assert list(rows[0]) == documented_keys("denrei user list")
    code, table, _ = run("list")
    assert [row.split()[0] for row in table.splitlines()[2:]] == ["market", "other"]
    assert not any(part in table for text in hashes for part in text.split("$")[4:])


def test_removing_asks_first(run: Run, users: Path) -> None:
    """No answer is no; --yes and a yes remove that user and no other."""
    assert run("remove", "market") == (1, "", "Remove market? [y/N] nothing was changed\n")
    assert list(read_users(users)) == ["market", "other"]
    assert run("remove", "market", typed="y\n") == (0, "market: removed\n", "Remove market? [y/N] ")
    assert list(read_users(users)) == ["other"]
    assert run("remove", "other", "--yes") == (0, "other: removed\n", "")
    assert read_users(users) == {}


@pytest.mark.parametrize("verb", ["remove", "check"])
def test_a_name_that_is_nobodys(run: Run, users: Path, verb: str) -> None:
    """It is said before anything is asked."""
    complaint = f"denrei: {users}: nobody: is no user (denrei user list shows who is there)\n"
    assert run(verb, "nobody") == (1, "", complaint)


@pytest.mark.parametrize("name", ["", "two words", "-x", "a:b", "名前", "x" * 101])
def test_a_bad_name_is_wrong_usage(
    config: Path, users: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """What could not stand in the file, or is an option that slipped, is refused at once."""
    before = users.read_bytes()
    assert main(["user", "set", "--config", str(config), "--", name]) == 2
    assert "must be 1 to 100 of: letters" in " ".join(capsys.readouterr().err.replace("│", " ").split())
    assert users.read_bytes() == before


def test_a_configuration_without_a_file(config: Path, run: Run) -> None:
    """It says which setting names one."""
    config.write_text(CONFIG.replace("  users: users.yaml\n", ""), encoding="utf-8")
    code, output, complaint = run("list")
    assert (code, output) == (1, "")
    assert "intake.users: is not set (name the file in the configuration" in complaint


def on_a_terminal(config: Path, *arguments: str, typed: list[str]) -> tuple[int, str]:
    """Run a command on a terminal, typing a line at each question; its exit code and all that was seen."""
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "relay.cli", "user", *arguments, "--config", str(config)]
    answers = iter(typed)
    seen = ""
    with subprocess.Popen(
        command, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True
    ) as running:
        os.close(theirs)
        with contextlib.suppress(OSError):  # the terminal is gone with its last user
            while select.select([ours], [], [], 60)[0] and (octets := os.read(ours, 1024)):
                seen += octets.decode()
                if seen.rstrip(" ").endswith(":"):
                    os.write(ours, next(answers).encode() + b"\n")
        code = running.wait(60)
    os.close(ours)
    return code, seen


def test_a_person_types_it_twice_unseen(config: Path) -> None:
    """On a terminal the password is asked for twice and shown never; two that differ change nothing."""
    path = config.with_name("users.yaml")
    code, seen = on_a_terminal(config, "set", "market", typed=["opensesame", "open sesame"])
    assert (code, path.exists()) == (1, False)
    assert "password: was typed in two different ways" in seen
    code, seen = on_a_terminal(config, "set", "market", typed=["opensesame", "opensesame"])
    assert (code, seen.split("\r\n")) == (0, ["Password: ", "The same again: ", "market: added", ""])
    code, seen = on_a_terminal(config, "check", "market", typed=["opensesame"])
    assert (code, "opensesame" in seen) == (0, False)
