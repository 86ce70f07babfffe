"""Reading what comes to a return address: limits, damage, texts that are no reports. The forms are golden."""

import time

import pytest

from relay.intake.report.reader import is_gone, read_report, reply_line
from relay.intake.report.section import MAX_DEPTH, MAX_OCTETS, MAX_SECTIONS, header_of, sections
from relay.intake.report.status import MAX_DIAGNOSTIC, MAX_GROUPS, Kind, Report, status_report

RECIPIENT = "orders@partner.example.jp"
STATUS = b"Content-Type: message/delivery-status\r\n\r\n"


def test_what_stands_behind_the_first_octets_changes_nothing():
    """A server may return a mail of any size: the report stands before it."""
    report = STATUS + b"Status: 5.1.1\r\n\r\n"
    text = report + b" " * (MAX_OCTETS - len(report)) + b"\r\n\r\nStatus: 2.0.0\r\nAction: delivered\r\n"
    assert read_report(text, "", RECIPIENT) == Report(kind=Kind.FAILED, status="5.1.1")


def test_sections_are_counted_and_no_deeper_than_the_bound():
    """Parts beyond the bound are left out, and so is what lies too deep; nothing is refused."""
    many = b"Content-Type: multipart/mixed; boundary=b\n\n" + b"--b\n\nx\n" * (MAX_SECTIONS + 10)
    assert len(sections(many)) == MAX_SECTIONS
    deep = b"".join(
        b"Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n" % (level, level) for level in range(20)
    )
    (only,) = sections(deep)
    assert only.type == "multipart/mixed"
    assert only.body.count(b"boundary") == 20 - MAX_DEPTH - 1


@pytest.mark.parametrize(
    ("content", "texts"),
    [
        (b"", [""]),
        (b"\r\n", [""]),
        (b"no header at all", [""]),
        (b"Content-Type: text/plain; charset=iso-2022-jp\n\n\x1b$BJ8\x1b(B", ["文"]),
        (b"Content-Type: text/plain; charset=nonsense\n\n\xe6\x96\x87\xff", ["文\ufffd"]),
        (b"Content-Transfer-Encoding: base64\n\n5paH5pa*H-5q", ["文文\ufffd"]),
        (b"Content-Transfer-Encoding: base64\n\n5", [""]),
        (b"Content-Transfer-Encoding: quoted-printable\n\n=E6=96=87=ZZ=", ["文=ZZ"]),
        (b"Content-Type: text/html\n\n&#" + b"9" * 5_000 + b";&#65;&#x" + b"9" * 5_000, ["\ufffdA\ufffd"]),
        (b"Content-Type: text/html\n\n<p>a &amp; b<br>c</p><script>x</script>d", ["a & b\nc\nd"]),
        (b'Content-Type: multipart/mixed; boundary="b"\n\n--b\n\none\n--b\n\ntwo', ["one\n", "two"]),
        (b"Content-Type: multipart/mixed; boundary=b\n\nnothing", []),
        (b"Content-Type: multipart/mixed\n\nx", ["x"]),
    ],
)
def test_damage_is_read_as_far_as_it_goes(content, texts):
    """Cut, mislabelled and half-encoded parts give what can be had, and never an error."""
    assert [section.text() for section in sections(content)] == texts


def test_a_header_is_unfolded_and_its_first_field_counts():
    """Two subjects are damage that a server may well send; words in another charset are read."""
    header = header_of(
        b"Subject: =?UTF-8?B?5paH?=\r\n =?UTF-8?B?5paH?=\r\nsubject: x\r\nbad row\r\nA: b\r\n\r\nC: d\r\n"
    )
    assert header == {"subject": "文文", "a": "b"}


def test_as_many_recipients_as_are_looked_at():
    """The one who names ours counts wherever it stands within the bound."""
    other = "Final-Recipient: rfc822; x@example.com\nAction: failed\nStatus: 5.0.0\n\n"
    ours = f"Final-Recipient: rfc822; {RECIPIENT}\nAction: delivered\nStatus: 2.0.0\n\n"
    assert status_report(other * (MAX_GROUPS - 1) + ours, RECIPIENT).kind is Kind.DELIVERED
    assert status_report(other * MAX_GROUPS + ours, RECIPIENT).kind is Kind.FAILED


def test_of_several_groups_that_name_us_the_worst_counts():
    """A server that reports a delay and then the end has given up."""
    group = f"Final-Recipient: rfc822; {RECIPIENT}\nAction: %s\nStatus: %s\n\n"
    text = group % ("delivered", "2.0.0") + group % ("failed", "5.4.4") + group % ("delayed", "4.4.1")
    assert status_report(text, RECIPIENT.upper()) == Report(
        kind=Kind.FAILED, status="5.4.4", recipient=RECIPIENT
    )


def test_a_servers_words_become_one_printable_line():
    """No control character, no row end and no flood reaches journal and screen."""
    words = "550 no\x1b[2J\u2028such user " + "x" * 10_000
    report = status_report(f"Action: failed\nDiagnostic-Code: smtp; {words}\n", "")
    assert report.diagnostic.startswith("550 no?[2J such user xxx")
    assert len(report.diagnostic) == MAX_DIAGNOSTIC
    assert reply_line(report).isprintable()


def test_only_a_failure_of_our_own_recipient_suppresses():
    """A delay with 5.1.1, a failure of somebody else or of nobody by name: no word on our recipient."""
    failed = Report(kind=Kind.FAILED, status="5.1.1", recipient=RECIPIENT)
    assert is_gone(failed, RECIPIENT.upper())
    assert not is_gone(Report(kind=Kind.FAILED, status="5.1.1"), RECIPIENT)
    assert not is_gone(failed, "others@partner.example.jp")
    assert not is_gone(Report(kind=Kind.DELAYED, status="5.1.1", recipient=RECIPIENT), RECIPIENT)


HOSTILE = {
    "an address without end": STATUS + b"Final-Recipient: rfc822; " + b"x" * MAX_OCTETS,
    "a field of many rows": STATUS + b"Status: 5\r\n" + b" x\r\n" * (MAX_OCTETS // 4),
    "many groups": STATUS + b"Action: x\r\n\r\n" * (MAX_OCTETS // 13),
    "many boundaries": b"Content-Type: multipart/mixed; boundary=b\r\n\r\n"
    + b"--b\r\n\r\n" * (MAX_OCTETS // 7),
    "many tags": b"Content-Type: text/html\r\n\r\n" + b"<" * MAX_OCTETS,
    "many scripts": b"Content-Type: text/html\r\n\r\n" + b"<script>" * (MAX_OCTETS // 8),
    "dashes": b"Subject: undeliverable\r\n\r\n" + b"-" * MAX_OCTETS,
    "codes": b"Subject: undeliverable\r\n\r\n" + b"550 user " * (MAX_OCTETS // 9),
    "words": b"Subject: undeliverable\r\n\r\n" + b"user is not " * (MAX_OCTETS // 12),
    "addresses": b"Subject: undeliverable\r\n\r\n550 x\r\n" + b"a.b@c.d.e" * (MAX_OCTETS // 9),
    "blank rows": STATUS + b"\r\n" * (MAX_OCTETS // 2),
    "rows of spaces": b"Subject: x" + b"\r\n    " * (MAX_OCTETS // 6),
    "encoded words": b"Subject: " + b"=?UTF-8?B?5paH?= " * (MAX_OCTETS // 17),
    "parameters": b"Content-Type: multipart/mixed" + b"; a=b" * (MAX_OCTETS // 5),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_report_costs_little(name):
    """Each is as long as is looked at, and made to be dear: half a second of the processor is too much."""
    started = time.process_time()
    read_report(HOSTILE[name], "", RECIPIENT)
    assert time.process_time() - started < 0.5
