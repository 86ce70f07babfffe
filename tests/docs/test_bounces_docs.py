"""docs/bounces.md says what the code does."""

import re
from pathlib import Path

import pytest

from relay import bounce_reason
from relay.intake.report import freeform, late_bounce, section
from relay.intake.report import status as report
from relay.intake.report.reader import read_report
from relay.intake.report.status import Kind
from relay.journal import Event

PAGE = (Path(__file__).parents[2] / "docs" / "bounces.md").read_text(encoding="utf-8")


def test_every_kind_of_report_is_documented_and_no_other():
    """The table has the kinds in the code's order, and events that the journal has."""
    rows = re.findall(r"^\| (`.+`) \| .+ \| `(\w+)` \|$", PAGE, re.MULTILINE)
    assert [kind for kinds, _ in rows for kind in re.findall(r"`(\w+)`", kinds)] == list(Kind)
    assert {event for _, event in rows} <= set(Event)


def test_the_statuses_of_an_address_that_is_gone_are_those_of_the_code():
    """Those that say it, and those that say nothing."""
    certain, vague = (
        re.findall(r"`([0-9.]+)`", PAGE.partition(words)[2].partition(end)[0])
        for words, end in (("- the status:", "Not `5.1.2`"), ("status says nothing (none, ", ")"))
    )
    assert set(certain) == bounce_reason._GONE
    assert {"", *vague} == bounce_reason._VAGUE


LIMITS = (
    f"The first {section.MAX_OCTETS // 1024} KiB of a report are looked at, {section.MAX_SECTIONS} sections",
    f"{section.MAX_DEPTH} deep; {report.MAX_GROUPS} recipients; {freeform.MAX_TEXT:,} characters of text; ",
    f"{report.MAX_DIAGNOSTIC} characters of the server's words",
    f"in the first {freeform.BEGINNING:,} characters",
    f"`{late_bounce._TAKEN.code} {late_bounce._TAKEN.text}`",
    f"`{late_bounce._SENDING.code} {late_bounce._SENDING.text}`",
    f"`{late_bounce._TOO_MANY.code} {late_bounce._TOO_MANY.text}`",
    f"at most {late_bounce.MOST_KEPT} mails that nobody can read are kept",
    f"the first {late_bounce.MAX_KEPT // 1024} KiB of each",
    f'the reason is "{bounce_reason.SAYS_GONE}"',
)


@pytest.mark.parametrize("sentence", LIMITS)
def test_the_limits_are_the_codes(sentence):
    """Numbers on the page are those that bind."""
    assert sentence in PAGE


@pytest.mark.parametrize("subject", re.findall(r"begins with (.+?) or 不在", PAGE)[0].split(", "))
def test_the_subjects_of_answering_machines_are_known(subject):
    """Each that the page names makes an automatic answer of a mail."""
    mail = "Subject: " + subject.replace('"', "") + ": x\r\n\r\nx\r\n"
    assert read_report(mail.encode(), "taro@example.jp").kind is Kind.AUTO_REPLY
