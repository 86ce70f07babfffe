"""What an operator does at the command line, against a real store and real SMTP."""

import email
import email.policy
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from relay import __version__
from relay.cli import main
from relay.cli.send import notification_mail, post
from relay.clock import SystemClock
from tests.support.cli import (
    PAGE,
    SAMPLES,
    Run,
    Site,
    changed,
    child,
    documented_keys,
    open_site,
    rows,
    runner,
    send,
    shortest,
)
from tests.support.serving import ServedRelay


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """A site with two partners behind one mail server."""
    with open_site(tmp_path) as site:
        yield site


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], site: Site) -> Run:
    """Runs a command on the site."""
    return runner(capsys, site)


def test_the_version_is_told() -> None:
    """The installed command says which version it is."""
    told = child("--version")
    assert (told.returncode, told.stdout, told.stderr) == (0, f"denrei {__version__}\n", "")


def test_wrong_usage_ends_with_2(run: Run) -> None:
    """An unknown command or option, or no ids where some are needed, is wrong usage."""
    for arguments in (
        ["queue", "lst"],
        ["queue", "list", "--wrong"],
        ["queue", "release"],
        ["queue", "retry"],
    ):
        assert run(*arguments)[0] == 2, arguments


def test_a_refusal_is_one_message_without_a_traceback(run: Run, tmp_path: Path) -> None:
    """A missing configuration is said in one line on standard error, with exit code 1."""
    code, output, error = run("queue", "list", "--config", str(tmp_path / "none.yaml"))
    assert (code, output) == (1, "")
    assert re.fullmatch(r"denrei: \S*none\.yaml: is not there \(denrei init .*\)\n", error)


def test_init_writes_what_check_finds_good_and_overwrites_nothing(run: Run, tmp_path: Path) -> None:
    """The samples are a working start; a second init writes nothing, not even what is missing."""
    new = tmp_path / "new"
    assert run("init", str(new))[0] == 0
    assert run("check", "-c", str(new / "denrei.yaml"))[0] == 0
    (new / "registrations" / "example-shop.yaml").unlink()
    before = (new / "denrei.yaml").read_bytes()
    code, output, error = run("init", str(new))
    assert (code, output) == (1, "")
    assert "denrei.yaml: is there already; nothing was written" in error
    assert (new / "denrei.yaml").read_bytes() == before
    assert not (new / "registrations" / "example-shop.yaml").exists()


def test_what_init_writes_runs_and_takes_its_own_order(run: Run, site: Site, tmp_path: Path) -> None:
    """The sample order is taken by the sample configuration, and the sample registration makes its mail."""
    new = tmp_path / "new"
    assert run("init", str(new))[0] == 0
    config = new / "denrei.yaml"
    text = config.read_text(encoding="utf-8").replace("listen: 127.0.0.1:2525", "listen: 127.0.0.1:0")
    routed = text.replace("routes: {}", f"routes: {{partner.example.jp: '{site.hop}'}}")
    assert routed.count("127.0.0.1:0") == routed.count(site.hop) == 1
    config.write_text(routed, encoding="utf-8")
    with ServedRelay(config) as relay:
        host, port = relay.address
        arguments = ("-c", str(config), "--host", host, "--port", str(port))
        assert run("send", str(new / "order.json"), *arguments)[0] == 0
        (mail,) = site.partner.wait_for(1)
    assert mail.rcpt_tos == ["orders@partner.example.jp"]


def test_looking_makes_no_store(run: Run, site: Site) -> None:
    """Before the relay first ran there is no store: every listing and verb says so and makes none."""
    for arguments in (
        ["queue", "list"],
        ["queue", "shape"],
        ["queue", "release", "0000"],
        ["journal"],
        ["quarantine", "list"],
        ["quarantine", "replay", "0000"],
    ):
        code, output, error = run(*arguments)
        assert (code, output) == (1, ""), arguments
        assert "there is no store" in error
    assert run("check")[0] == 0
    assert sorted(path.name for path in site.config.parent.iterdir()) == ["denrei.yaml", "registrations"]


def test_an_empty_filter_or_id_is_refused(run: Run, site: Site) -> None:
    """A variable that was not set widens no listing, releases nothing and names nothing."""
    site.take_in(SAMPLES / "2-no-memo.json", arriving=1)
    before = run("queue", "list", "--all", "--json")[1]
    for arguments in (
        ["queue", "release", "--yes", "--seller", "", "--partner", "cross_mall"],
        ["queue", "release", "--yes", "--partner", " "],
        ["queue", "list", "--to", ""],
        ["queue", "list", "--seller="],
        ["journal", "--delivery", ""],
        ["journal", "--notification", ""],
        ["send", "--to", "", str(SAMPLES / "2-no-memo.json")],
    ):
        code, output, error = run(*arguments)
        assert (code, output) == (2, ""), arguments
        assert "must not be empty" in error
    for verb in (["discard", "--yes"], ["release"], ["retry"]):
        code, output, error = run("queue", *verb, "")
        assert (code, output) == (1, "")
        assert error.startswith("denrei: an empty id: is too short")
    assert run("queue", "show", "")[0] == 1
    assert run("queue", "list", "--seller", "\udcff")[0] == 2
    for unreadable in (["queue", "show"], ["queue", "retry"], ["quarantine", "discard", "-y"]):
        code, _, error = run(*unreadable, "\udcff" * 4)
        assert (code, error.count("\n")) == (1, 1), unreadable
        assert "id begins so" in error
    assert run("queue", "list", "--all", "--json")[1] == before


def test_check_looks_at_all_that_can_be_read(run: Run, site: Site) -> None:
    """A broken template, a broken configuration and a bad store hide no registration's problem."""
    folder = site.config.parent
    shipped = PAGE.parent.parent / "partner_templates" / "cross_mall"
    (folder / "own" / "mall").mkdir(parents=True)
    (folder / "own" / "mall" / "partner.yaml").write_bytes((shipped / "partner.yaml").read_bytes())
    rows_of_mine = "---\nnumber: 99001\nname: mine\nnotification: order_info\nunit: pack\nsource: operator\n"
    mine = folder / "own" / "mall" / "order_info.mail"
    mine.write_text(
        f"{rows_of_mine}subject: 注文\nsender: a@example.jp\n---\n<$_PAK_NO_$>\n", encoding="utf-8"
    )
    (folder / "registrations" / "third.yaml").write_text(
        "seller: third\nregistrations:\n"
        "  - {id: a, template: mall/order_info, recipients: [a@mall.example.jp]}\n"
        "  - {id: b, number: 99001, recipients: [a@mall.example.jp], subject: '<$_NOPE_$>'}\n"
        "  - {id: c, template: mall/order_inf, recipients: [a@mall.example.jp]}\n",
        encoding="utf-8",
    )
    good = site.config.read_text(encoding="utf-8") + "templates: own\n"

    def places(config: str) -> set[tuple[str, str]]:
        site.config.write_text(config, encoding="utf-8")
        code, output, _ = run("check", "--json")
        assert code == 1
        return {(Path(row["file"]).name, row["path"]) for row in rows(output)}

    found = {
        ("order_info.mail", "body"),
        ("third.yaml", "registrations[1].subject"),
        ("third.yaml", "registrations[2].template"),
    }
    assert places(good) == found
    assert places(f"{good}store: {{path: gone/denrei.db}}\n") == found | {("denrei.yaml", "store.path")}
    assert places(f"{good}store: {{path: /proc/denrei.db}}\n") == found | {("denrei.yaml", "store.path")}
    assert places(f"{good}hostnam: x\n") == found | {("denrei.yaml", "hostnam")}
    assert places(f"{good}: {{\n") == {("denrei.yaml", "")}
    assert "templates and registrations were not checked" in run("check")[1]


def test_check_finds_what_no_mail_could_be_read_back_from(run: Run, site: Site) -> None:
    """Not even the sample's mail reads as it was written: told for the registration, also with use N."""
    rows_of_mine = "<$_DELIVERY_FEE_$>\\n##LOOP##<$_DEL_MEMO_$>\\n##LOOP##<$_ORDER_NO_$>\\n"
    third = site.config.parent / "registrations" / "third.yaml"
    third.write_text(
        "seller: third\nregistrations:\n"
        f'  - {{id: a, number: 18, recipients: [a@mall.example.jp], use: N, body: "{rows_of_mine}"}}\n',
        encoding="utf-8",
    )
    code, output, _ = run("check")
    assert code == 1
    assert output.startswith(f"{third}: registration a: ")
    assert "ORDER_NO" in output
    assert output.endswith("\n1 problem\n")


def test_check_names_every_problem_at_once(run: Run, site: Site) -> None:
    """Two bad registration files: both are told, with file and path, in text and in JSON."""
    assert run("check")[0] == 0
    folder = site.config.parent / "registrations"
    (folder / "bad-1.yaml").write_text("seller: bad-1\nregistrations: []\n")
    (folder / "bad-2.yaml").write_text("seler: bad-2\n")
    code, output, _ = run("check")
    assert code == 1
    assert "bad-1.yaml" in output
    assert "bad-2.yaml" in output
    assert "did you mean seller?" in output
    code, output, _ = run("check", "--json")
    assert code == 1
    assert [list(row) for row in rows(output)] == [documented_keys("denrei check")] * len(rows(output))


def test_config_after_the_command_wins(run: Run, tmp_path: Path, site: Site) -> None:
    """`--config` may stand before or after the command; what stands nearer counts."""
    assert run("check", "--config", str(tmp_path / "none.yaml"))[0] == 1
    assert main(["--config", str(tmp_path / "none.yaml"), "check", "--config", str(site.config)]) == 0


def test_templates_are_listed_shown_and_rendered(run: Run) -> None:
    """A template is found by number or key; rendering prints the mail as the partner reads it."""
    code, output, _ = run("template", "list", "--json", "--partner", "cross_mall")
    assert code == 0
    assert {row["partner"] for row in rows(output)} == {"cross_mall"}
    assert list(rows(output)[0]) == documented_keys("denrei template list")
    assert rows(output)[0]["type"] == "order_info"
    assert "kind" not in run("template", "list")[1] + run("template", "show", "18")[1]
    assert re.search(
        r"^type +\S+ \(order_info\), one mail for each pack *$",
        run("template", "show", "18")[1],
        re.MULTILINE,
    )
    by_number, by_key = run("template", "show", "18"), run("template", "show", "cross_mall/order_info")
    assert by_number == by_key
    assert "[注文番号] <$_PACK_NO_$>" in by_number[1] or "[注文番号] {$_PACK_NO_$}" in by_number[1]
    code, output, _ = run("template", "render", "18", str(SAMPLES / "1-pack-of-three.json"), "--json")
    assert code == 0
    (mail,) = rows(output)
    assert list(mail) == documented_keys("denrei template render")
    assert (mail["to"], mail["subject"]) == (
        "partner@example.jp",
        "Qoo10の注文のお知らせです。(注文番号:512345678)",
    )
    assert "[注文番号] 512345678\n" in mail["body"]


def test_a_document_that_cannot_be_understood_is_not_rendered(run: Run) -> None:
    """Every problem of the document is told, with its path; so is a template that is not there."""
    code, output, error = run("template", "render", "18", str(SAMPLES / "4-not-understood.json"))
    assert (code, output) == (1, "")
    assert "pack.orders[0].qty" in error
    assert "pack.delivery_opton" in error
    code, _, error = run("template", "show", "cross_mal/order_info")
    assert code == 1
    assert "did you mean cross_mall/order_info?" in error


def test_a_queue_can_be_seen_and_changed(run: Run, site: Site) -> None:
    """Held deliveries are listed, shown by the beginning of an id, released and discarded."""
    site.take_in(SAMPLES / "1-pack-of-three.json", SAMPLES / "2-no-memo.json", arriving=2)
    code, output, _ = run("queue", "list", "--json")
    newer, older = rows(output)
    assert code == 0
    assert list(newer) == documented_keys("denrei queue list")
    assert [(each["state"], each["recipient"]) for each in (newer, older)] == [
        ("held", "later@mall.example.jp")
    ] * 2
    everything = rows(run("queue", "list", "--all", "--json")[1])
    assert sorted((each["state"], each["registration"]) for each in everything) == [
        ("delivered", "gear-orders"),
        ("delivered", "gear-orders"),
        ("held", "mall-later"),
        ("held", "mall-later"),
    ]
    short = shortest(older["id"], [each["id"] for each in everything])
    code, _, error = run("queue", "show", short[:-1])
    assert code == 1
    assert "is the beginning of more than one" in error
    assert "512345678" in run("queue", "show", short)[1]
    shown = rows(run("queue", "show", older["id"], "--json")[1])[0]
    assert [entry["event"] for entry in shown["journal"]][:1] == ["accepted"]

    delivered = next(each["id"] for each in everything if each["state"] == "delivered")
    code, output, _ = run("queue", "release", short, delivered)
    assert (code, output) == (1, f"{older['id']}: released\n{delivered}: not applied: it is delivered\n")
    assert run("queue", "discard", "--yes", newer["id"])[:2] == (0, f"{newer['id']}: discarded\n")
    code, output, _ = run("queue", "discard", "--yes", newer["id"], "--json")
    assert (code, rows(output)) == (
        1,
        [{"id": newer["id"], "applied": False, "text": "not applied: it is discarded"}],
    )
    assert list(rows(output)[0]) == documented_keys("denrei queue release")
    site.take_in(arriving=1)
    assert [mail.rcpt_tos for mail in site.partner.wait_for(3)][2] == ["later@mall.example.jp"]


def test_ids_that_name_nothing_are_all_told_and_nothing_is_changed(run: Run, site: Site) -> None:
    """One good id among bad ones: the bad ones are told, and the good one is left as it was."""
    site.take_in(SAMPLES / "2-no-memo.json", arriving=1)
    (held,) = rows(run("queue", "list", "--json")[1])
    code, output, error = run("queue", "release", "zzzz", held["id"], "yyyy")
    assert (code, output) == (1, "")
    assert error == "denrei: zzzz: no delivery's id begins so\nyyyy: no delivery's id begins so\n"
    assert rows(run("queue", "list", "--json")[1]) == [held]


def test_discarding_asks_and_no_means_no(site: Site, run: Run) -> None:
    """What would be lost is shown on standard error before the question; `n` changes nothing."""
    site.take_in(SAMPLES / "2-no-memo.json", arriving=1)
    (held,) = rows(run("queue", "list", "--json")[1])
    asked = child("-c", str(site.config), "queue", "discard", held["id"], typed="n\n")
    assert (asked.returncode, asked.stdout) == (1, "")
    assert held["id"] in asked.stderr
    assert "Discard 1 delivery? [y/N]" in asked.stderr
    assert rows(run("queue", "list", "--json")[1]) == [held]


def test_release_by_seller_takes_that_sellers_only(run: Run, site: Site, tmp_path: Path) -> None:
    """A filter shows what it would take; with a yes it takes all that is held for it and nothing else."""
    other = changed(tmp_path, "other.json", lambda tree: tree.update(seller_id="other-shop"))
    site.take_in(SAMPLES / "1-pack-of-three.json", other, arriving=1)
    asked = child("-c", str(site.config), "queue", "release", "--seller", "other-shop", typed="y\n")
    assert asked.returncode == 0
    assert "Release 1 delivery? [y/N]" in asked.stderr
    states = {(each["seller_id"], each["state"]) for each in rows(run("queue", "list", "--json")[1])}
    assert states == {("other-shop", "queued"), ("example-shop", "held")}


def test_the_shape_shows_who_is_waited_for(run: Run, site: Site) -> None:
    """Waiting deliveries are counted by domain, state and age, each in one age."""
    site.take_in(SAMPLES / "1-pack-of-three.json", SAMPLES / "2-no-memo.json", arriving=2)
    code, output, _ = run("queue", "shape", "--json")
    (row,) = rows(output)
    assert code == 0
    assert list(row) == documented_keys("denrei queue shape")
    waiting = (row["next_hop"], row["domain"], row["state"], row["total"], row["under_5m"])
    assert waiting == (site.hop, "mall.example.jp", "held", 2, 2)
    assert "mall.example.jp" in run("queue", "shape")[1]


def test_the_journal_tells_who_did_what(run: Run, site: Site) -> None:
    """Entries come oldest first, can be filtered, and name the person who released."""
    site.take_in(SAMPLES / "2-no-memo.json", arriving=1)
    (held,) = rows(run("queue", "list", "--json")[1])
    run("queue", "release", held["id"])
    code, output, _ = run("journal", "--json")
    entries = rows(output)
    assert code == 0
    assert list(entries[0]) == documented_keys("denrei journal")
    assert [entry["event"] for entry in entries] == ["accepted", "held", "delivered", "released"]
    assert entries[-1]["by"]
    assert [entry["by"] for entry in entries[:-1]] == [""] * 3
    assert rows(run("journal", "--json", "--event", "released")[1]) == [entries[-1]]
    assert rows(run("journal", "--json", "--limit", "1")[1]) == [entries[-1]]


def test_a_quarantined_mail_is_replayed_from_its_mended_document(
    run: Run, site: Site, tmp_path: Path
) -> None:
    """As it stands it stays kept and the reason is told; mended it is taken in once, and delivered."""
    (reply,) = site.take_in(SAMPLES / "4-not-understood.json", arriving=0)
    code, output, _ = run("quarantine", "list", "--json")
    (item,) = rows(output)
    assert code == 0
    assert list(item) == documented_keys("denrei quarantine list")
    assert reply.endswith(item["id"])
    assert "pack.orders[0].qty" in run("quarantine", "show", item["id"])[1]
    code, output, _ = run("quarantine", "replay", item["id"])
    assert code == 1
    assert output.startswith(f"{item['id']}: not applied, stays kept: pack.")

    def mend(tree: Any) -> None:
        tree["pack"]["orders"][0]["qty"] = 2
        tree["pack"]["delivery_option"] = tree["pack"].pop("delivery_opton")

    mended = changed(tmp_path, "mended.json", mend, sample="4-not-understood.json")
    code, output, _ = run("quarantine", "replay", item["id"][:15], "--file", str(mended))
    assert code == 0
    assert re.fullmatch(rf"{item['id']}: replayed as [0-9a-z]{{16}}: 2 deliveries\n", output)
    assert run("quarantine", "replay", item["id"])[:2] == (1, f"{item['id']}: not applied: it is replayed\n")
    assert run("quarantine", "list")[1] == "nothing is in quarantine\n"
    site.take_in(arriving=1)
    assert [mail.rcpt_tos for mail in site.partner.wait_for(1)] == [["orders@gear.example.jp"]]


def test_a_replay_of_what_is_known_sends_nothing_twice(run: Run, site: Site, tmp_path: Path) -> None:
    """The marketplace sent it again, mended, before the operator did: the replay says so, adds nothing."""

    def mend(tree: Any) -> None:
        tree["pack"]["orders"][0]["qty"] = 2
        del tree["pack"]["delivery_opton"]

    mended = changed(tmp_path, "mended.json", mend, sample="4-not-understood.json")
    site.take_in(SAMPLES / "4-not-understood.json", mended, arriving=1)
    (item,) = rows(run("quarantine", "list", "--json")[1])
    code, output, _ = run("quarantine", "replay", item["id"], "--file", str(mended))
    assert code == 0
    assert "known already as" in output
    assert len(rows(run("queue", "list", "--all", "--json")[1])) == 2
    assert len(site.partner.mails) == 1


def test_what_one_registration_lacks_is_made_for_it_alone(run: Run, site: Site, tmp_path: Path) -> None:
    """① cannot be written for CROSS MALL: the other mail went; the mended one makes what lacks."""

    def circle(tree: Any) -> None:
        tree["pack"]["orders"][0]["item_name"] = "①文庫本カバー"

    def plain(tree: Any) -> None:
        tree["pack"]["orders"][0]["item_name"] = "(1)文庫本カバー"

    site.take_in(changed(tmp_path, "circle.json", circle), arriving=1)
    (item,) = rows(run("quarantine", "list", "--json")[1])
    assert (item["registration"], "①" in item["reason"]) == ("mall-later", True)
    assert run("quarantine", "replay", item["id"])[0] == 1
    strange = changed(tmp_path, "strange.json", lambda tree: tree["pack"].update(pack_no="999"))
    assert run("quarantine", "replay", item["id"], "--file", str(strange))[0] == 1
    mended = changed(tmp_path, "plain.json", plain)
    code, output, _ = run("quarantine", "replay", item["id"], "--file", str(mended))
    assert (code, output) == (0, f"{item['id']}: replayed as {item['notification_id']}: 1 delivery\n")
    found = rows(run("queue", "list", "--all", "--json")[1])
    assert sorted((each["registration"], each["state"]) for each in found) == [
        ("gear-orders", "delivered"),
        ("mall-later", "held"),
    ]
    assert {each["notification_id"] for each in found} == {item["notification_id"]}


def test_a_quarantined_mail_is_discarded_after_a_yes(run: Run, site: Site) -> None:
    """It is shown, asked for, given up, and then nothing more can be done to it."""
    site.take_in(SAMPLES / "4-not-understood.json", arriving=0)
    (item,) = rows(run("quarantine", "list", "--json")[1])
    told = child("-c", str(site.config), "quarantine", "discard", item["id"], typed="y\n")
    assert (told.returncode, told.stdout) == (0, f"{item['id']}: discarded\n")
    assert run("quarantine", "discard", "-y", item["id"])[:2] == (
        1,
        f"{item['id']}: not applied: it is discarded\n",
    )
    assert rows(run("quarantine", "list", "--all", "--json")[1])[0]["state"] == "discarded"


def test_a_running_relay_is_sent_to_and_obeys(run: Run, site: Site) -> None:
    """`send` shows the relay's answers and ends with 1 on a refusal; what is released meanwhile goes."""
    with ServedRelay(site.config) as relay:
        host, port = relay.address
        there = ("--host", host, "--port", str(port))
        code, output, _ = run("send", str(SAMPLES / "1-pack-of-three.json"), *there, "--json")
        assert code == 0
        (answer,) = rows(output)
        assert list(answer) == documented_keys("denrei send")
        assert answer["reply"].startswith("2.0.0 accepted as ")
        sample = str(SAMPLES / "2-no-memo.json")
        code, output, _ = run("send", sample, *there, "--to", "nobody@relay.example.jp")
        assert code == 1
        assert output.startswith(f"{sample}: 550 5.1.1 ")
        (held,) = rows(run("queue", "list", "--state", "held", "--json")[1])
        assert run("queue", "release", held["id"])[0] == 0
        mails = site.partner.wait_for(2)
    assert sorted(mail.rcpt_tos for mail in mails) == [["later@mall.example.jp"], ["orders@gear.example.jp"]]


def test_a_machine_failure_is_one_message(run: Run, site: Site) -> None:
    """A store that cannot be where the configuration says is told in one message, with exit code 1."""
    with site.config.open("a", encoding="utf-8") as file:
        file.write("store:\n  path: denrei.yaml/denrei.db\n")
    code, output, error = run("queue", "list")
    assert (code, output) == (1, "")
    assert error.startswith("denrei: ")
    assert "denrei.yaml/denrei.db" in error


def test_a_reader_that_has_had_enough_is_no_crash(site: Site) -> None:
    """When the pipe that a listing is written to is closed, the command ends without a traceback."""
    listing = subprocess.Popen(
        [sys.executable, "-m", "relay.cli", "-c", str(site.config), "template", "list", "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert listing.stdout is not None
    assert listing.stderr is not None
    listing.stdout.close()
    with listing.stderr:
        assert listing.stderr.read() == b""
    assert listing.wait(30) == 1


def test_send_says_when_nobody_answers(run: Run) -> None:
    """A port without a server, and a file that is not there, are plain messages."""
    there = ("--host", "127.0.0.1", "--port", "1")
    code, _, error = run("send", str(SAMPLES / "2-no-memo.json"), *there)
    assert code == 1
    assert "127.0.0.1:1: no answer: " in error
    code, _, error = run("send", str(SAMPLES / "2-no-memo.json"), "--to", "注文@example.jp", *there)
    assert code == 1
    assert error.startswith("denrei: --to: ")
    code, _, error = run("send", "none.json")
    assert (code, error) == (1, "denrei: none.json: cannot be read: No such file or directory\n")


def test_bad_words_on_the_command_line_are_one_message(run: Run, tmp_path: Path) -> None:
    """Names too long, no host name, no address: each is said in one row, without a traceback."""
    long, sample = "x" * 300, str(SAMPLES / "2-no-memo.json")
    inside_a_file = tmp_path / "file" / "denrei.yaml"
    inside_a_file.parent.write_bytes(b"")
    there = ("--host", "127.0.0.1", "--port", "1", "--to", "a@example.jp")
    for arguments, message in (
        (["queue", "list", "-c", long], f"{long}: cannot be read: File name too long"),
        (["serve", "-c", str(inside_a_file)], "file/denrei.yaml: cannot be read: Not a directory"),
        (["init", long], "cannot be written: File name too long"),
        (["send", f"{long}.json", *there], "cannot be read: File name too long"),
        (["send", sample, "--host", "a..b", "--port", "25"], "a..b: is no host name"),
        (["send", sample, "--host", "x" * 64, "--port", "25"], "is no host name"),
        (["template", "render", "18", sample, "--to", "x\nBcc: y"], "--to: must be a mail address"),
        (["template", "render", "18", sample, "--to", ""], "--to: must be a mail address"),
        (["template", "render", "18", sample, "--recognition-key", "a\nBcc: y"], "cannot be written"),
    ):
        code, output, error = run(*arguments)
        assert (code, output) == (1, ""), arguments
        assert error.startswith("denrei: "), arguments
        assert message in error, arguments
        assert "Traceback" not in error


@pytest.mark.parametrize("name", [b"two\nrows.json", b"\xff\xfe\x80.json", "注文\u202e.json".encode()])
def test_a_file_may_be_called_anything(site: Site, tmp_path: Path, name: bytes) -> None:
    """A name that no header could hold is sent under a name that one can, and shown on one row."""
    path = os.fsencode(tmp_path) + b"/" + name
    with open(path, "wb") as file:
        file.write((SAMPLES / "2-no-memo.json").read_bytes())
    host, port = site.hop.split(":")
    there = ("--host", host, "--port", port, "--to", "orders@relay.example.jp")
    told = child("-c", str(site.config), "send", os.fsdecode(path), *there)
    assert (told.returncode, told.stderr) == (0, "")
    assert told.stdout.count("\n") == 1
    (mail,) = site.partner.wait_for(1)
    parsed = email.message_from_bytes(mail.content, policy=email.policy.default)
    assert str(parsed["Subject"]).startswith("Qoo10 notification ")
    assert len(parsed.defects) == 0
    assert "Bcc" not in parsed


FULL = pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")


@pytest.mark.parametrize("closed", [pytest.param(">/dev/full", marks=FULL), ">&-"])
@pytest.mark.parametrize(
    "arguments", ["template list", "template list --json", "template render 18 SAMPLE --raw"]
)
def test_a_result_that_cannot_be_written_is_said(site: Site, arguments: str, closed: str) -> None:
    """A full disk or no standard output at all: one message and 1, not silence and not a traceback."""
    words = arguments.replace("SAMPLE", str(SAMPLES / "2-no-memo.json")).split()
    told = shell(f'exec "$@" {closed}', "-c", str(site.config), *words)
    assert told.returncode == 1
    assert re.fullmatch(r"denrei: standard output cannot be written: [A-Z][A-Za-z ]+\n", told.stderr)


def shell(line: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a command behind a line of shell, which closes or fills its streams."""
    command = ["sh", "-c", line, "sh", sys.executable, "-m", "relay.cli", *arguments]
    return subprocess.run(command, capture_output=True, encoding="utf-8", timeout=60, check=False)


@pytest.mark.parametrize("closed", [pytest.param("2>/dev/full", marks=FULL), "2>&-"])
def test_what_standard_error_does_not_take_changes_no_result(site: Site, closed: str) -> None:
    """The exit codes are the same as ever when nobody hears the complaints."""
    told = shell(f'exec "$@" {closed}', "-c", str(site.config), "check")
    assert (told.returncode, told.stderr) == (0, "")
    assert "of 2 sellers\n" in told.stdout
    assert shell(f'exec "$@" {closed}', "-c", str(site.config), "queue", "list").returncode == 1
    assert shell(f'exec "$@" {closed}', "-c", str(site.config), "queue", "lst").returncode == 2


def test_a_relay_whose_log_nobody_reads_any_more_goes_on(site: Site, tmp_path: Path) -> None:
    """`serve 2>&1 | head -1`: mails are still taken and delivered, and it stops in good order."""
    arguments = [sys.executable, "-m", "relay.cli", "-c", str(site.config), "serve", "--log-level", "debug"]
    with subprocess.Popen(arguments, stderr=subprocess.PIPE, encoding="utf-8") as relay:
        try:
            assert relay.stderr is not None
            told = re.search(r"listening=(?:\x1b\[\d+m)*127\.0\.0\.1:(\d+)", relay.stderr.readline())
            assert told is not None
            relay.stderr.close()
            for number in range(2):
                document = changed(tmp_path, f"{number}.json", lambda tree: tree.update(event_id=None))
                assert send(document, ("127.0.0.1", int(told[1]))).startswith("2.0.0 ")
            site.partner.wait_for(1)
        finally:
            relay.terminate()
            relay.wait(60)
    assert relay.returncode == 0


def test_a_sink_whose_output_nobody_reads_any_more_ends(tmp_path: Path) -> None:
    """`sink | head -1` would go on for ever, showing nothing: it keeps the mail in hand and ends with 1."""
    arguments = ["sink", "--listen", "127.0.0.1:0", "--store", str(tmp_path / "kept"), "--json"]
    command = [sys.executable, "-m", "relay.cli", *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8") as sink:
        try:
            assert sink.stdout is not None
            assert sink.stderr is not None
            sink.stdout.close()
            told = re.search(r"listening on 127\.0\.0\.1:(\d+)", sink.stderr.readline())
            assert told is not None
            assert send(SAMPLES / "2-no-memo.json", ("127.0.0.1", int(told[1]))).startswith("2.0.0 kept")
            assert sink.wait(60) == 1
            assert sink.stderr.read() == ""
        finally:
            sink.kill()
    assert len(list((tmp_path / "kept").iterdir())) == 1


def test_the_sink_keeps_prints_and_fails_on_request(tmp_path: Path) -> None:
    """A sink in its own process keeps a mail, prints it, refuses on request, ends on SIGTERM with 0."""
    folder = tmp_path / "kept"
    arguments = ["--listen", "127.0.0.1:0", "--store", str(folder), "--json", "--fault", "refuse@data"]
    for faults, code in ((0, 250), (2, 554)):
        sink = subprocess.Popen(
            [sys.executable, "-m", "relay.cli", "sink", *arguments[: len(arguments) - 2 + faults]],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
        )
        try:
            assert sink.stderr is not None
            assert sink.stdout is not None
            told = re.search(r"listening on 127\.0\.0\.1:(\d+)", sink.stderr.readline())
            assert told is not None
            mail = notification_mail(
                SAMPLES / "2-no-memo.json",
                recipient="a@example.jp",
                sender="b@example.jp",
                clock=SystemClock(),
            )
            answer = post(
                mail, host="127.0.0.1", port=int(told[1]), recipient="a@example.jp", sender="b@example.jp"
            )
            assert answer.code == code
            if code == 250:
                row = json.loads(sink.stdout.readline())
                assert list(row) == documented_keys("denrei sink")
                assert Path(row["file"]).read_bytes() == mail
        finally:
            sink.send_signal(signal.SIGTERM)
            sink.communicate(timeout=30)
        assert sink.returncode == 0
    assert len(list(folder.iterdir())) == 1


def test_the_demo_ends_well_and_shows_real_mails() -> None:
    """The demo ends with 0 within its bound and shows mails, hold, reason, text mail and journal."""
    environment = {name: value for name, value in os.environ.items() if name != "COLUMNS"}
    told = child("demo", env=environment)
    assert (told.returncode, told.stderr) == (0, "")
    for seen in (
        "販売者ID:example-shop",
        "[注文番号] 512345678",
        "known already as",
        "must be a whole number, is text",
        "crossmall-later",
        "(read with",
        "DEL_MEMO: zen,",
        "6 mails arrived",
    ):
        assert seen in told.stdout, seen
