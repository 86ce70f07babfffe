"""The demo on the screen: what was sent, what the partners received, what was held and kept, the journal."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from rich.console import Console, Group
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from relay.cli.comparison import Comparison
from relay.cli.journal import about
from relay.cli.letter import letter, visible
from relay.cli.screen import counted, moment, screen, show_table
from relay.cli.send import Answer
from relay.journal import Entry
from relay.sink import ReceivedMail
from relay.store.query import DeliveryStory
from relay.store.values import DeliveryState, Quarantined

HEAD_ROWS = 16  # of each mail that is shown: enough for its labels
TAIL_ROWS = 16  # and for its last order


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """One mail of the marketplace, and what the relay answered."""

    file: str
    answer: Answer


@dataclass(frozen=True, slots=True, kw_only=True)
class Performance:
    """All that was seen of one run."""

    sent: Sequence[Sent]
    received: Mapping[str, Sequence[ReceivedMail]]  # by the partner's domain
    stories: Sequence[DeliveryStory]
    kept: Sequence[Quarantined]
    entries: Sequence[Entry]
    comparison: Comparison
    problems: tuple[str, ...]
    duration: timedelta


def show_performance(seen: Performance) -> None:
    """Print the whole story, and whether it ended well."""
    console = screen()
    console.print("Denrei 伝令: order notifications in, each partner's own mail out", style="bold")
    _head(console, 1, "In: what the marketplace sent by SMTP, and what the relay answered")
    show_table(
        console,
        ["notification", "answer"],
        ([each.file, f"{each.answer.code} {each.answer.text}"] for each in seen.sent),
        firm=["notification"],
    )
    _head(console, 2, "Out: what each partner (連動会社) received, as a person reads it")
    for domain, mails in seen.received.items():
        _show_partner(console, domain, mails)
    _head(console, 3, "Held (待機 Y): goes when a person says `denrei queue release`")
    held = [story.row for story in seen.stories if story.row.delivery.state is DeliveryState.HELD]
    show_table(
        console,
        ["delivery", "registration", "pack (カート番号)", "recipient"],
        ([row.delivery.id, row.registration, row.pack_no, row.delivery.recipient] for row in held),
        firm=["delivery"],
    )
    _head(
        console,
        4,
        "Quarantine: not understood, and so kept with the reason; mend it with `denrei quarantine replay`",
    )
    show_table(console, ["id", "reason"], ([item.id, item.reason] for item in seen.kept), firm=["id"])
    _head(console, 5, "Journal: what happened, in order")
    show_table(
        console,
        ["time", "event", "about", "detail"],
        ([moment(entry.at), entry.event, about(entry), entry.detail] for entry in seen.entries),
        firm=["time", "event", "about"],
    )
    _show_verdict(console, seen)


def _head(console: Console, number: int, text: str) -> None:
    console.print()
    console.print(Text(f"{number}  {text}", style="bold cyan"))


def _show_partner(console: Console, domain: str, mails: Sequence[ReceivedMail]) -> None:
    """Print the first mail in full and the others by their subjects."""
    for mail in mails[:1]:
        read = letter(mail.content)
        head = Table.grid(padding=(0, 2))
        for name, value in (
            ("From", read.sender),
            ("To", ", ".join(mail.rcpt_tos)),
            ("Subject", read.subject),
        ):
            head.add_row(Text(name, style="bold"), Text(value))
        console.print(
            Panel(
                Group(head, "", Text(_excerpt(read.body))), title=domain, title_align="left", padding=(0, 1)
            )
        )
    for mail in mails[1:]:
        console.print(Text(f"  and to {', '.join(mail.rcpt_tos)}: {letter(mail.content).subject}"))
    if not mails:
        console.print(Text(f"  {domain}: nothing", style="bold red"))


def _excerpt(body: str) -> str:
    rows = visible(body).rstrip("\n").split("\n")
    rest = len(rows) - HEAD_ROWS - TAIL_ROWS
    if rest > 1:
        rows = [*rows[:HEAD_ROWS], f"… {rest} rows …", *rows[-TAIL_ROWS:]]
    return "\n".join(rows)


def _show_verdict(console: Console, seen: Performance) -> None:
    console.print()
    seconds = f"{seen.duration.total_seconds():.1f} s"
    if seen.problems:
        console.print(
            Text(f"FAILED after {seconds}: {counted(len(seen.problems), 'problem')}", style="bold red")
        )
        return
    found = seen.comparison
    console.print(
        Text(
            f"OK in {seconds}: {counted(found.arrived, 'mail')} arrived, each once and octet for octet"
            f" as the store holds it; {found.held} held, {len(seen.kept)} in quarantine, and nothing else.",
            style="bold green",
        )
    )
