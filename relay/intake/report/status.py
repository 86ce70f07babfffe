"""What a partner's server reports on a mail, as a value; and the machine-readable form of it (RFC 3464).

A delivery-status part has groups of fields: one about the mail, then one for each recipient. Several
recipients stand in one report when our recipient is a list or passes mail on. The group that names the
delivery's own recipient counts alone: what became of those behind it is no longer ours. When none names it,
the worst group counts.

Guarantees: any text gives a report or None; a missing Action is taken from the status, a missing status from
the diagnostic. Linear in the text, at most `MAX_GROUPS` groups. Source: RFC 3464 sections 2.2 and 2.3, RFC
3463 section 2, RFC 6533 section 3 (addresses in UTF-8).
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from relay.bounce_reason import status_in

MAX_GROUPS = 100  # recipients of one report that are looked at; ours has one
MAX_FIELD = 2_000  # characters of one field that are looked at; a row that continues it may come on top
MAX_DIAGNOSTIC = 300  # characters that the journal keeps of a server's words: a few lines of explanation

_FIELDS = frozenset({"action", "status", "final-recipient", "original-recipient"})
_ADDRESS = re.compile(r"[^\s<>;]{1,320}@[^\s<>;]{1,255}")
_CODED = re.compile(r"\\x\{([0-9A-Fa-f]{2,6})\}")


class Kind(StrEnum):
    """What a mail to a return address says."""

    FAILED = "failed"
    DELAYED = "delayed"
    DELIVERED = "delivered"
    RELAYED = "relayed"  # passed on to a server that reports nothing, or to the members of a list
    AUTO_REPLY = "auto_reply"
    UNREADABLE = "unreadable"


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """One report, as far as it concerns us."""

    kind: Kind
    status: str = ""  # enhanced status code (RFC 3463): 5.1.1
    diagnostic: str = ""  # one printable line of the server's own words
    recipient: str = ""  # the address that it is about, in lower case


_ACTIONS = {
    "failed": Kind.FAILED,
    "delayed": Kind.DELAYED,
    "delivered": Kind.DELIVERED,
    "relayed": Kind.RELAYED,
    "expanded": Kind.RELAYED,
}
_BY_CLASS = {"5": Kind.FAILED, "4": Kind.DELAYED, "2": Kind.DELIVERED}
_WORST_FIRST = (Kind.FAILED, Kind.DELAYED, Kind.RELAYED, Kind.DELIVERED)


def one_line(text: str) -> str:
    r"""A server's words as one printable line of at most `MAX_DIAGNOSTIC` characters.

    >>> one_line("550 5.1.1\n  no such\x1b user")
    '550 5.1.1 no such? user'
    """
    line = " ".join(text[: 4 * MAX_DIAGNOSTIC].split())
    return "".join(char if char.isprintable() else "?" for char in line)[:MAX_DIAGNOSTIC]


def status_report(text: str, recipient: str) -> Report | None:
    r"""What a delivery-status part says; None when it says nothing that can be read.

    Args:
        text: the part, rows ending in a newline.
        recipient: the delivery's, whose group counts before the others; "" when it is not known.

    >>> text = "Reporting-MTA: dns; mx\n\nFinal-Recipient: rfc822; a@example.jp\nStatus: 5.1.1\n"
    >>> status_report(text, "")
    Report(kind=<Kind.FAILED: 'failed'>, status='5.1.1', diagnostic='', recipient='a@example.jp')
    """
    wanted = recipient.lower()
    read = [(report, named) for group in _groups(text) for report, named in _read(group)]
    own = [report for report, named in read if wanted and wanted in named]
    if own:
        return _worst(own, recipient=wanted)
    return _worst([report for report, _ in read]) if read else None


def _worst(reports: list[Report], *, recipient: str = "") -> Report:
    worst = min(reports, key=lambda report: _WORST_FIRST.index(report.kind))
    if not recipient:
        return worst
    return Report(kind=worst.kind, status=worst.status, diagnostic=worst.diagnostic, recipient=recipient)


def _groups(text: str) -> Iterator[Mapping[str, str]]:
    """The groups of fields that speak of a recipient."""
    found = 0
    for block in re.split(r"\n[ \t]*(?:\n|\Z)", text):
        fields = _fields(block.split("\n"))
        if not _FIELDS.isdisjoint(fields):
            yield fields
            found += 1
            if found == MAX_GROUPS:
                return


def _fields(rows: Iterable[str]) -> dict[str, str]:
    """The fields of one group, folded rows joined; the first of each name counts."""
    fields: dict[str, str] = {}
    last = ""
    for row in rows:
        if row[:1] in {" ", "\t"}:
            if last and len(fields[last]) < MAX_FIELD:
                fields[last] += f" {row.strip()}"
            continue
        name, colon, value = row.partition(":")
        name = name.strip().lower()
        last = name if colon and name not in fields else ""
        if last:
            fields[last] = value.strip()[:MAX_FIELD]
    return fields


def _read(fields: Mapping[str, str]) -> Iterator[tuple[Report, frozenset[str]]]:
    """The report of one group, with the addresses that it names; none when nothing says what happened."""
    diagnostic = fields.get("diagnostic-code", "")
    type_, semicolon, words = diagnostic.partition(";")
    if semicolon and len(type_) <= len("x-unix-mailer") + 10 and " " not in type_.strip():
        diagnostic = words
    status = status_in(fields.get("status", "")) or status_in(diagnostic)
    action = fields.get("action", "").lower().partition(" ")[0].strip(".;,(")
    kind = _ACTIONS.get(action) or _BY_CLASS.get(status[:1])
    if kind is None:
        return
    final, original = (_address(fields.get(f"{which}-recipient", "")) for which in ("final", "original"))
    report = Report(kind=kind, status=status, diagnostic=one_line(diagnostic), recipient=final or original)
    yield report, frozenset({final, original} - {""})


def _address(value: str) -> str:
    r"""The address of a recipient field, whatever type it says it has; "" when it holds none.

    >>> _address("rfc822; <A@example.jp>"), _address(r"utf-8; \x{6CE8}@example.jp"), _address("x-local; root")
    ('a@example.jp', '注@example.jp', '')
    """
    text = _CODED.sub(lambda found: _character(int(found[1], 16)), value)
    found = _ADDRESS.search(text)
    return one_line(found[0]).lower() if found else ""


def _character(number: int) -> str:
    return chr(number) if number <= 0x10FFFF and not 0xD800 <= number <= 0xDFFF else "?"
