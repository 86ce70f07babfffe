"""What an operator does with templates at the command line, and with mails that would be misread."""

import email
import email.policy
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from relay.cli.send import post
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
)
from tests.support.serving import ServedRelay

PARTNER = """\
name: Bare Template
name_ja: 見本
name_en: Bare
capabilities: [orders]
charset: iso-2022-jp
hazards: [{text: 備考の行に見出しがない。, source: public}]
intake: [{text: 受信先は変わることがある。, source: public}]
value_rules: [{fields: [ITEM_NM], filter: paren, when: misread, why: 括弧は型番になる。, source: denrei}]
"""
MAIL = """\
---
number: 99001
name: 見本
notification: order_info
unit: pack
source: operator
subject: "注文 [$_PACK_NO_$]"
sender: a@example.jp
---
[注文番号] <$_PACK_NO_$>
[備考]
##DELETE_BLANK_ROW##$LOOP_<$_DEL_MEMO_$>
[商品]
##LOOP##<$_ITEM_NM_$>
終
"""
REGISTRATION = """\
seller: bare-shop
registrations:
  - id: bare
    number: 99001
    recipients: [bare@mall.example.jp]
    subject: "<$_PACK_NO_$><$_BUYER_NM_$>"
"""


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """A site with an operator's own group, whose template prints memos without a label."""
    with open_site(tmp_path) as site:
        folder = site.config.parent
        (folder / "own" / "bare").mkdir(parents=True)
        (folder / "own" / "bare" / "partner.yaml").write_text(PARTNER, encoding="utf-8")
        (folder / "own" / "bare" / "order_info.mail").write_text(MAIL, encoding="utf-8")
        (folder / "registrations" / "bare-shop.yaml").write_text(REGISTRATION, encoding="utf-8")
        with site.config.open("a", encoding="utf-8") as file:
            file.write("templates: own\n")
        yield site


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], site: Site) -> Run:
    """Runs a command on the site."""
    return runner(capsys, site)


@pytest.fixture
def mail_file(site: Site) -> Path:
    """The operator's own template."""
    return site.config.parent / "own" / "bare" / "order_info.mail"


def bare(tmp_path: Path, name: str, *memos: str) -> Path:
    """The sample order of one item for the shop with the bare template, with these memos."""

    def change(tree: Any) -> None:
        tree.update(seller_id="bare-shop", event_id=None)
        tree["pack"]["memos"] = list(memos)

    return changed(tmp_path, name, change)


def test_what_cannot_be_read_back_is_found_with_its_place(run: Run, mail_file: Path) -> None:
    """By number, by file and in all: a row of the body, a registration's own subject; with carets."""
    code, output, _ = run("template", "check", "99001", "--json")
    found = rows(output)
    assert code == 1
    assert {tuple(row) for row in found} == {tuple(documented_keys("denrei template check"))}
    assert {(row["file"], row["line"], row["path"]) for row in found} >= {(str(mail_file), 12, "body")}
    assert rows(run("template", "check", str(mail_file), "--json")[1]) == found
    code, output, _ = run("template", "check")
    assert code == 1
    assert f"{mail_file}:12:" in output
    assert re.search(r"bare-shop\.yaml:6: registrations\[0\]\.subject: ", output)
    assert re.search(r"^ +\^+$", output, re.MULTILINE)
    assert "example: " in output
    assert "mend: " in output


def test_a_good_template_has_no_finding(run: Run) -> None:
    """A shipped template whose rows are all ours: said in one row, with 0."""
    assert run("template", "check", "basic/order_info") == (0, "every mail of these can be read back\n", "")
    assert run("template", "check", "9001", "--json") == (0, "", "")


def test_what_is_no_template_is_told(run: Run, tmp_path: Path) -> None:
    """A name that no template has, and a file that does not load, are refusals."""
    code, output, error = run("template", "check", "basic/order_inf")
    assert (code, output) == (1, "")
    assert "did you mean basic/order_info?" in error
    code, output, error = run("template", "check", str(tmp_path / "none.mail"))
    assert (code, output) == (1, "")
    assert error.startswith("denrei: ")


def test_check_says_how_many_findings_there_are_and_does_not_fail(run: Run) -> None:
    """They are no problem of the files."""
    code, output, _ = run("check")
    assert code == 0
    assert re.search(r"^reading back: \d+ findings; denrei template check$", output, re.MULTILINE)


def test_show_tells_what_is_known_of_the_reader(run: Run) -> None:
    """Charset policy, value rules, hazards, intake notes and findings, on screen and in JSON."""
    code, output, _ = run("template", "show", "99001")
    assert code == 0
    for seen in (
        "what it cannot write: quarantine",
        "paren on ITEM_NM",
        "when it would be misread",
        "括弧は型番",
    ):
        assert seen in output, seen
    (shown,) = rows(run("template", "show", "99001", "--json")[1])
    more = re.search(r"those of `template list`, and (.*?)\.\n", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert more is not None
    named = [key for key in re.findall(r"`([a-z_]+)`", more[1]) if key not in {"quarantine", "replace"}]
    assert list(shown) == documented_keys("denrei template list") + named
    assert shown["hazards"] == [{"text": "備考の行に見出しがない。", "source": "public"}]
    assert shown["intake"] == [{"text": "受信先は変わることがある。", "source": "public"}]
    assert shown["value_rules"][0]["fields"] == ["ITEM_NM"]
    assert shown["findings"] > 0


def test_templates_are_respelt_and_what_is_wrong_is_left_alone(run: Run, mail_file: Path) -> None:
    """`--check` writes nothing and ends with 1; then it is written; a file with a mistake is told."""
    wrong = mail_file.with_name("cancel_request.mail")
    wrong.write_text(MAIL.replace("<$_PACK_NO_$>\n", "<$_PACK_NO_$\n"), encoding="utf-8")
    files = (str(mail_file), str(wrong))
    code, output, _ = run("template", "fmt", "--check", str(mail_file))
    assert (code, output) == (1, f"would change {mail_file}\n1 file would change, 0 as it should be\n")
    assert mail_file.read_text(encoding="utf-8") == MAIL
    code, output, error = run("template", "fmt", *files)
    assert (code, output) == (
        1,
        f"changed {mail_file}\n1 file changed, 0 as it should be, 1 with mistakes\n",
    )
    assert f"{wrong}:10: body: " in error
    canonical = MAIL.replace("[$_PACK_NO_$]", "<$_PACK_NO_$>").replace("$LOOP_", "##LOOP##")
    assert mail_file.read_text(encoding="utf-8") == canonical
    assert run("template", "fmt", "--check", str(mail_file))[:2] == (
        0,
        "0 files changed, 1 as it should be\n".replace("changed", "would change"),
    )


def test_a_mail_is_read_and_written_in_another_format(run: Run, tmp_path: Path) -> None:
    """A StockGear mail, made from a document, is read again and becomes one NextEngine mail an order."""
    out = tmp_path / "out"
    document = str(SAMPLES / "1-pack-of-three.json")
    code, output, _ = run("convert", "--to", "stock_gear", document, "--out", str(out))
    (path,) = out.iterdir()
    assert (code, output) == (0, f"wrote {path}\n")
    code, output, _ = run("template", "read", str(path))
    assert code == 0
    assert "stock_gear/order_info" in output
    assert re.search(r"^PACK_NO +カート番号 +512345678 *$", output, re.MULTILINE)
    assert re.search(r"^ITEM_NM +商品名 +長袖Tシャツ +有田焼マグカップ", output, re.MULTILINE)
    (read,) = rows(run("template", "read", str(path), "--json")[1])
    assert list(read) == documented_keys("denrei template read")
    assert read["template"] == "stock_gear/order_info"
    assert [order["total"] for order in read["notification"]["pack"]["orders"]] == ["3760", "2400", "1350"]
    code, output, error = run("convert", "--to", "next_engine", str(path), "--json")
    mails = rows(output)
    assert (code, len(mails)) == (0, 3)
    assert "read with stock_gear/order_info\n" in error
    assert list(mails[0]) == documented_keys("denrei template render")
    assert ["注文番号:1234567890" in mail["body"] for mail in mails] == [True, False, False]
    assert "512345678" in run("convert", "--to", "18", str(path))[1]


def test_a_converted_mail_is_what_goes_over_the_wire(site: Site) -> None:
    """`--as eml` prints octets: one mail, with CRLF, in the partner's charset."""
    document = str(SAMPLES / "1-pack-of-three.json")
    told = child("-c", str(site.config), "convert", "--to", "18", "--as", "eml", document)
    assert told.returncode == 0
    parsed = email.message_from_string(told.stdout, policy=email.policy.default)
    assert parsed.get_content_charset() == "iso-2022-jp"


def test_what_cannot_be_converted_is_told(run: Run, tmp_path: Path) -> None:
    """Several mails for one octet stream, a folder that is there, wrong names and types, unknown mails."""
    document = str(SAMPLES / "1-pack-of-three.json")
    known = tmp_path / "known.eml"
    known.write_bytes(b"Subject: x\r\n\r\nx\r\n")
    for arguments, message in (
        (["--to", "next_engine", document, "--as", "eml"], "these are 3 mails"),
        (["--to", "basic", document, "--out", str(tmp_path)], "cannot be written: File exists"),
        (["--to", "basi", document], "basi: there is no such group or template (did you mean basic?)"),
        (["--to", "47", document], "is for delivery_request, and the notification is order_info"),
        (["--to", "basic", str(known)], "subject: is none that a known template writes"),
        (["--to", "basic", str(tmp_path / "none.eml")], "none.eml: cannot be read"),
        (["--to", "basic", document, "--recipient", "x"], "--recipient: must be a mail address"),
        (["--to", "bare", str(bare(tmp_path, "a.json", "[注文番号] 999"))], "注文番号"),
    ):
        code, output, error = run("convert", *arguments)
        assert (code, output) == (1, ""), arguments
        assert error.startswith("denrei: "), arguments
        assert message in error, arguments


def test_a_mail_that_would_be_misread_is_kept_and_released_by_a_person(
    run: Run, site: Site, tmp_path: Path
) -> None:
    """A memo that looks like the order number: shown, sent only after a yes, and journalled."""
    site.take_in(bare(tmp_path, "memo.json", "[注文番号] 999"), arriving=0)
    (item,) = rows(run("quarantine", "list", "--json")[1])
    assert item["registration"] == "bare"
    assert "[注文番号]" in item["reason"]
    assert run("quarantine", "replay", item["id"])[0] == 1
    asked = child("-c", str(site.config), "quarantine", "release", item["id"], typed="n\n")
    assert (asked.returncode, asked.stdout) == (1, "")
    assert item["reason"].split("\n")[0] in asked.stderr
    assert "Send 1 mail as it is? [y/N]" in asked.stderr
    code, output, _ = run("quarantine", "release", "--yes", item["id"])
    assert (code, output) == (0, f"{item['id']}: released as {item['notification_id']}: 1 delivery\n")
    assert run("quarantine", "release", "--yes", item["id"])[0] == 1
    (entry,) = rows(run("journal", "--json", "--event", "released")[1])
    assert (entry["quarantine_id"], entry["seller_id"]) == (item["id"], "bare-shop")
    assert entry["by"]
    assert "999" not in entry["detail"]
    site.take_in(arriving=1)
    (mail,) = site.partner.wait_for(1)
    assert mail.rcpt_tos == ["bare@mall.example.jp"]


def test_what_could_not_be_understood_or_written_is_not_released(
    run: Run, site: Site, tmp_path: Path
) -> None:
    """Only the proof is left out: what is not understood has no mail, and JIS has no 𠮷."""
    site.take_in(bare(tmp_path, "memo.json", "𠮷"), SAMPLES / "4-not-understood.json", arriving=0)
    for item in rows(run("quarantine", "list", "--json")[1]):
        code, output, _ = run("quarantine", "release", "--yes", item["id"])
        assert code == 1
        assert output.startswith(f"{item['id']}: not applied, stays kept: ")
        assert run("quarantine", "release", item["id"])[0] == 1
    assert len(rows(run("quarantine", "list", "--json")[1])) == 2


def test_the_document_of_a_kept_mail_can_be_mended(run: Run, site: Site, tmp_path: Path) -> None:
    """As it came in the mail; mended and replayed, the mail goes."""
    site.take_in(bare(tmp_path, "memo.json", "[注文番号] 999"), arriving=0)
    (item,) = rows(run("quarantine", "list", "--json")[1])
    document = json.loads(run("quarantine", "show", "--document", item["id"])[1])
    document["pack"]["memos"] = ["よろしくお願いします。"]
    mended = tmp_path / "mended.json"
    mended.write_text(json.dumps(document), encoding="utf-8")
    assert run("quarantine", "replay", item["id"], "--file", str(mended))[0] == 0
    site.take_in(arriving=1)


def test_a_text_mail_can_be_mended_by_the_document_that_it_was_read_as(
    run: Run, site: Site, tmp_path: Path
) -> None:
    """A StockGear mail comes in, would mislead the bare partner, and goes when its document is mended."""
    out = tmp_path / "out"
    assert (
        run("convert", "--to", "stock_gear", str(bare(tmp_path, "a.json", "終")), "--out", str(out))[0] == 0
    )
    ours = (out / "mail-001.eml").read_bytes()
    content = ours.replace(
        b"@relay.example.jp>", b"@marketplace.example.jp>", 1
    )  # what it wrote itself it keeps
    with ServedRelay(site.config) as relay:
        host, port = relay.address
        to, sender = "orders@relay.example.jp", "shop@example.jp"
        answer = post(content, host=host, port=port, recipient=to, sender=sender)
    assert answer.text.startswith("2.0.0 accepted as ")
    (item,) = rows(run("quarantine", "list", "--json")[1])
    assert item["registration"] == "bare"
    code, output, _ = run("quarantine", "show", "--document", item["id"])
    document = json.loads(output)
    assert (code, document["pack"]["memos"]) == (0, ["終"])
    document["pack"]["memos"] = ["以上"]
    mended = tmp_path / "mended.json"
    mended.write_text(json.dumps(document), encoding="utf-8")
    assert run("quarantine", "replay", item["id"], "--file", str(mended))[0] == 0
    assert len(rows(run("queue", "list", "--json")[1])) == 1
