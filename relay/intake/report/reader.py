"""A mail that came to a return address: a bounce, a delay, a success, an automatic answer, or none of these.

The machine-readable report counts first, then what marks a responder, then the forms that servers write for
people: those in a server's mail only, for people and shop systems write such words too, of goods and of
their own trouble. The rest is `UNREADABLE`, and a person looks at it: it may be somebody who answers, or a
server in a language that we do not know, however automatic it says it is.

Guarantees: any octets give a `Report`; nothing raises. Bounded like `section`, whatever comes. It says
nothing about which delivery is meant: that the return address says alone. Source: RFC 3464, RFC 3834 section
5 (Auto-Submitted), RFC 6522, RFC 8098 (a receipt is an answer); the marks of older responders are ours.
"""

import re
from collections.abc import Iterator, Mapping, Sequence

from relay.bounce_reason import is_address_gone
from relay.intake.report.freeform import text_report
from relay.intake.report.section import Section, header_of, sections
from relay.intake.report.status import Kind, Report, one_line, status_report

MAX_NESTED = 3  # reports inside forwarded mails that are opened

_STATUS_TYPES = frozenset({"message/delivery-status", "message/global-delivery-status"})
_RECEIPT_TYPES = frozenset({"message/disposition-notification", "message/global-disposition-notification"})
_MAIL_TYPES = frozenset({"message/rfc822", "message/global"})
_RESPONDER_HEADERS = ("x-autoreply", "x-autorespond", "x-autoresponse", "x-auto-reply-from", "x-vacation")
_RESPONDER_SUBJECT = re.compile(
    r"\s*(?:\[?auto(?:matic(?:ally)?)?(?:[ -]?(?:reply|response|generated))?[\]:]|out of (?:the )?office"
    r"|vacation\b|on (?:vacation|holiday)|away from (?:the )?office|【?自動(?:返信|応答)|【?不在)",
    re.IGNORECASE,
)
_SERVER = re.compile(r"(?:^|[<\s\"'])(?:mailer-daemon|postmaster)\b|^\W{0,10}mail delivery\b", re.IGNORECASE)
_MACHINE_PRECEDENCE = frozenset({"bulk", "junk", "list", "auto_reply"})


def read_report(content: bytes, mail_from: str, recipient: str = "") -> Report:
    """What a mail to a return address says.

    Args:
        content: the mail as it came.
        mail_from: its envelope sender, "" for the null sender.
        recipient: of the delivery that the return address names; "" when it is not known.
    """
    header, found = header_of(content), sections(content)
    report = _machine_report(found, recipient) or _nested_report(found, recipient)
    if report is not None:
        return report
    if _is_receipt(found) or _is_responder(header):
        return Report(kind=Kind.AUTO_REPLY)
    is_servers = _is_servers(header)
    if is_servers or not mail_from:
        report = text_report(_first_text(found), header.get("subject", ""), recipient)
        if report is not None:
            return report
        if failed := header.get("x-failed-recipients", ""):  # Exim
            return Report(kind=Kind.FAILED, recipient=one_line(failed.partition(",")[0]).lower())
    is_answer = _is_automatic(header) and not is_servers
    return Report(kind=Kind.AUTO_REPLY if is_answer else Kind.UNREADABLE)


def is_gone(report: Report, recipient: str) -> bool:
    """Whether a report says that the delivery's recipient is gone for good, and names it.

    What it says of another address, to which our recipient's mail is passed on, is that one's own affair.
    """
    is_ours = report.recipient == recipient.lower()
    return report.kind is Kind.FAILED and is_ours and is_address_gone(report.status, report.diagnostic)


def reply_line(report: Report) -> str:
    """The report in one line, for the delivery's last reply and the journal.

    >>> reply_line(Report(kind=Kind.FAILED, status="5.1.1", diagnostic="550 no such user"))
    'reported failed: 5.1.1 550 no such user'
    """
    if report.kind is Kind.AUTO_REPLY:
        return "an automatic answer"
    words = report.diagnostic
    if report.status not in words:
        words = f"{report.status} {words}".rstrip()
    return f"reported {report.kind}: {words}" if words else f"reported {report.kind}"


def _machine_report(found: Sequence[Section], recipient: str) -> Report | None:
    reports = (status_report(section.text(), recipient) for section in found if section.type in _STATUS_TYPES)
    return next(filter(None, reports), None)


def _nested_report(found: Sequence[Section], recipient: str) -> Report | None:
    """A report that a server has put into a mail of its own; the mail that is returned is none."""
    for inner in _inner_mails(found):
        if header_of(inner).get("content-type", "").lower().startswith("multipart/report"):
            report = _machine_report(sections(inner), recipient)
            if report is not None:
                return report
    return None


def _inner_mails(found: Sequence[Section]) -> Iterator[bytes]:
    mails = [section.body for section in found if section.type in _MAIL_TYPES]
    return iter(mails[:MAX_NESTED])


def _first_text(found: Sequence[Section]) -> str:
    """The first plain text, or else the first HTML."""
    for wanted in ("text/plain", "text/html"):
        for section in found:
            if section.type == wanted:
                return section.text()
    return ""


def _is_receipt(found: Sequence[Section]) -> bool:
    return any(section.type in _RECEIPT_TYPES for section in found)


def _is_responder(header: Mapping[str, str]) -> bool:
    """Whether a program that answers for a person marks the mail as its own: no report is so marked."""
    if any(name in header for name in _RESPONDER_HEADERS):
        return True
    if header.get("precedence", "").lower() == "auto_reply":
        return True
    return _RESPONDER_SUBJECT.match(header.get("subject", "")[:200]) is not None


def _is_servers(header: Mapping[str, str]) -> bool:
    """Whether a mail server wrote the mail, as far as the mail itself tells."""
    is_report = header.get("content-type", "").lower().startswith("multipart/report")
    return is_report or _SERVER.search(header.get("from", "")[:400]) is not None


def _is_automatic(header: Mapping[str, str]) -> bool:
    """Whether some program wrote the mail. Servers mark reports so too, but those have been read by now."""
    submitted = header.get("auto-submitted", "").lower()
    return (
        submitted.startswith(("auto-replied", "auto-generated", "auto-notified"))
        or header.get("precedence", "").lower() in _MACHINE_PRECEDENCE
        or "x-auto-response-suppress" in header
    )
