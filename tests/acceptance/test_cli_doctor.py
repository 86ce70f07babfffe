"""`denrei doctor` as an operator runs it: beside a running relay, without one, on what is broken."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.cli import Run, Site, documented_keys, open_site, rows, runner
from tests.support.serving import ServedRelay, free_port


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """A site with two partners behind one mail server."""
    with open_site(tmp_path) as site:
        yield site


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], site: Site) -> Run:
    """Runs a command on the site."""
    return runner(capsys, site)


def verdicts(output: str) -> dict[str, str]:
    return {row["check"]: row["verdict"] for row in rows(output)}


def test_a_running_relay_is_seen_and_a_stopped_one_too(run: Run, site: Site) -> None:
    """Its port answers and its seat is taken; after it has gone the port is free, which is no failure."""
    text = site.config.read_text(encoding="utf-8")
    site.config.write_text(text.replace("127.0.0.1:0", f"127.0.0.1:{free_port()}"), encoding="utf-8")
    with ServedRelay(site.config):
        code, output, _ = run("doctor", "--json", "--thorough")
        found = rows(output)
        assert code == 0
        assert list(found[0]) == documented_keys("denrei doctor")
        assert {name: verdicts(output)[name] for name in ("port", "store", "integrity", "leases")} == {
            "port": "ok",
            "store": "ok",
            "integrity": "ok",
            "leases": "ok",
        }
        assert [row["text"] for row in found if row["check"] == "leases"] == ["running: worker-1"]
    code, output, _ = run("doctor", "--json")
    assert (code, verdicts(output)["port"]) == (0, "attention")
    assert [row["text"] for row in rows(output) if row["check"] == "leases"] == [
        "no relay runs on this store"
    ]


def test_what_is_broken_fails_and_hides_nothing(run: Run, site: Site) -> None:
    """No database, bad registrations: two rows have failed, the others are there, and the code is 1."""
    store = site.config.parent / "denrei.db"
    store.write_bytes(b"no database" * 1000)
    (site.config.parent / "registrations" / "bad.yaml").write_text("seler: x\n", encoding="utf-8")
    code, output, _ = run("doctor", "--json")
    found = verdicts(output)
    assert code == 1
    assert {name for name, verdict in found.items() if verdict == "failed"} == {"store", "registrations"}
    assert {"disk", "clock", "port", "hostname"} <= set(found)
    assert store.read_bytes() == b"no database" * 1000
    shown = run("doctor")[1]
    assert "the file is not a database" in " ".join(shown.split())
    assert "2 checks failed" in shown


def test_a_broken_configuration_is_one_row(run: Run, site: Site) -> None:
    """Nothing can be looked at without it: its first problem is told, and how many more."""
    site.config.write_text("hostnam: x\n", encoding="utf-8")
    code, output, _ = run("doctor", "--json")
    (row,) = rows(output)
    assert (code, row["check"], row["verdict"]) == (1, "configuration", "failed")
    assert "denrei.yaml: " in row["text"]


def test_a_file_that_others_may_read_is_told(run: Run, site: Site) -> None:
    """The store and a password: told with the command or the words that mend it."""
    (site.config.parent / "denrei.db").write_bytes(b"")
    os.chmod(site.config.parent / "denrei.db", 0o644)
    secret = site.config.parent / "password"
    secret.write_text("ひみつの言葉\n", encoding="utf-8")
    secret.chmod(0o644)
    with site.config.open("a", encoding="utf-8") as file:
        file.write("  next_hops:\n")
        file.write(f"    {site.hop}: {{user: shop, password_file: password}}\n")
    code, output, _ = run("doctor", "--json")
    assert (code, verdicts(output)["next hops"]) == (1, "failed")
    assert "ひみつ" not in output
