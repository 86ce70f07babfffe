"""Golden bounces: what is read in each mail of `bounces/*.eml`, as written beside it.

The forms follow their servers' public documentation or what such servers send; every mail is made up, with
reserved names. docs/bounces.md tells which form is after which source.
"""

import re
from pathlib import Path

import pytest

from relay.intake.report.reader import is_gone, read_report, reply_line

FOLDER = Path(__file__).parent / "bounces"
RECIPIENT = "orders@partner.example.jp"
MAILS = sorted(path.stem for path in FOLDER.glob("*.eml"))


def told(content: bytes) -> str:
    """A report as the golden files have it; the envelope sender is that of the mail's Return-Path."""
    path = re.search(rb"^Return-Path: <(.*)>", content)
    report = read_report(content, path[1].decode() if path else "", RECIPIENT)
    return (
        f"kind: {report.kind}\nstatus: {report.status}\nrecipient: {report.recipient}\n"
        f"diagnostic: {report.diagnostic}\nreply: {reply_line(report)}\n"
        f"address gone: {'yes' if is_gone(report, RECIPIENT) else 'no'}\n"
    )


@pytest.mark.parametrize("name", MAILS)
def test_each_mail_says_what_stands_beside_it(name):
    """Kind, status, recipient and words, and whether the address is to be suppressed."""
    content = (FOLDER / f"{name}.eml").read_bytes()
    assert told(content) == (FOLDER / f"{name}.txt").read_text(encoding="utf-8")


def test_every_golden_file_has_its_mail():
    """A file without the other half would be read by nobody."""
    assert sorted(path.stem for path in FOLDER.glob("*.txt")) == MAILS
    assert len(MAILS) > 50
