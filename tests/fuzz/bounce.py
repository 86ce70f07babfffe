"""Fuzz target: a mail that came to a return address, to what it says of the delivery.

Invariant: any octets give a report, whose words are one printable line of bounded length; and only a failure
can say that an address is gone.
"""

from collections.abc import Iterator

from relay.intake.report.reader import is_gone, read_report, reply_line
from relay.intake.report.status import MAX_DIAGNOSTIC, Kind, Report
from tests.fuzz.target import ROOT

RECIPIENT = "orders@partner.example.jp"
BOUNCES = ROOT / "tests" / "golden" / "bounces"


def run(content: bytes) -> None:
    """Try one mail."""
    report = read_report(content, "", RECIPIENT)
    _check(report)
    _check(read_report(content, "taro@partner.example.jp", RECIPIENT))


def _check(report: Report) -> None:
    words = reply_line(report)
    assert words.isprintable()
    assert len(words) <= MAX_DIAGNOSTIC + 50
    assert len(report.recipient) <= MAX_DIAGNOSTIC
    assert report.kind is Kind.FAILED or not is_gone(report, RECIPIENT)


def seeds() -> Iterator[bytes]:
    """Every golden bounce, and forms that cost a careless reader much."""
    for path in sorted(BOUNCES.glob("*.eml")):
        yield path.read_bytes()
    status = b"Content-Type: message/delivery-status\r\n\r\n"
    yield status + b"Final-Recipient: rfc822; " + b"x" * 60_000 + b"\r\n"
    yield status + b"Status: 5\r\n" + b" x\r\n" * 20_000
    yield status + b"Action: failed\r\n\r\n" * 10_000
    yield b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + b"--b\r\n\r\n" * 10_000
    yield b"Content-Type: text/html\r\n\r\n" + b"<" * 60_000
    yield b"Content-Type: text/html\r\n\r\n&#" + b"9" * 5_000
    yield b"Subject: undeliverable\r\n\r\n" + b"-" * 16_000
    yield b"Subject: undeliverable\r\n\r\n" + b"550 user " * 1_800
