"""`denrei purge`: delete what ended long ago, beside a running relay, in steps that hold nobody up."""

from contextlib import aclosing
from dataclasses import replace
from datetime import timedelta
from typing import Annotated

import typer
from rich.console import Console
from rich.filesize import decimal
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from relay.cli.office import operate, person
from relay.cli.option import DEFAULT_CONFIG, AsJson, ConfigPath, Yes
from relay.cli.outcome import confirm
from relay.cli.screen import counted, moment, note, screen, show_json, side_screen
from relay.errors import BadInput, Problem
from relay.operations import Operations
from relay.quantity import duration
from relay.store.purge import PurgeCounts, PurgeRule


def purge(
    *,
    older_than: Annotated[
        str, typer.Option("--older-than", help="Only what ended at least so long ago: 90d; 7d at the least.")
    ],
    untold: Annotated[
        bool, typer.Option("--untold", help="Also bounces that nobody was told of; else they stay.")
    ] = False,
    config: ConfigPath = DEFAULT_CONFIG,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Delete notifications, mails and journal entries of what ended long ago; never what still waits."""
    age = _age(older_than)

    async def look(operations: Operations) -> tuple[PurgeRule, PurgeCounts, PurgeCounts]:
        rule = operations.purge_rule(age, with_untold=untold)
        every = replace(rule, with_untold=True)
        expected = await operations.purgeable(rule)
        return rule, expected, expected if untold else await operations.purgeable(every)

    rule, expected, every = operate(config, look)
    if staying := every.notifications - expected.notifications:
        kept = counted(staying, "notification stays", "notifications stay")
        note(f"{kept}: nobody was told of a bounce (denrei queue list --state bounced); --untold takes them")
    if not expected.anything:
        note(f"nothing to delete ended before {moment(rule.before)}")
    else:
        note(f"ended before {moment(rule.before)}: {_words(expected)}")
        note("a notification that comes again after its record is gone is taken for new, and sent again")
        confirm("Delete them for good?", yes=yes)
    done = operate(config, lambda operations: _delete(operations, rule, expected))
    if as_json:
        show_json([count_row(done) | {"before": rule.before}])
    elif done.anything:
        screen().print(f"deleted {_words(done)}", soft_wrap=True)


def _age(text: str) -> timedelta:
    try:
        return duration(text)
    except ValueError as error:
        raise BadInput([Problem(path="--older-than", message=str(error))]) from None


async def _delete(operations: Operations, rule: PurgeRule, expected: PurgeCounts) -> PurgeCounts:
    """Delete step by step; whatever ends it, what was deleted by then is told."""
    done = PurgeCounts()
    if not expected.anything:
        return done
    with _progress(side_screen()) as progress:
        task = progress.add_task("deleting", total=_things(expected))
        try:
            async with aclosing(operations.purge(rule, by=person())) as steps:
                async for step in steps:
                    done += step
                    progress.update(task, completed=_things(done))
        except BaseException:
            progress.stop()
            note(f"ended early; deleted {_words(done)}, the rest is as it was")
            raise
    return done


def _progress(console: Console) -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    return Progress(*columns, console=console, transient=True, disable=not console.is_terminal)


def _things(counts: PurgeCounts) -> int:
    return counts.notifications + counts.quarantined


def _words(counts: PurgeCounts) -> str:
    return ", ".join(
        (
            counted(counts.notifications, "notification"),
            counted(counts.deliveries, "delivery", "deliveries"),
            f"{counts.quarantined} in quarantine",
            counted(counts.entries, "journal entry", "journal entries"),
            decimal(counts.octets),
        )
    )


def count_row(counts: PurgeCounts) -> dict[str, object]:
    """Return what was deleted for JSON output; the keys are public (docs/cli.md)."""
    return {
        "notifications": counts.notifications,
        "deliveries": counts.deliveries,
        "quarantined": counts.quarantined,
        "entries": counts.entries,
        "octets": counts.octets,
    }
