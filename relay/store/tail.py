"""The journal's newest entries, for who follows it: each once, in the order of writing.

Entries are found by their number, not their time: a clock that is set back hides nothing. Guarantees: no
answer is longer than `query.MAX_LISTING`; the rest comes with the next question. Source: ours.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, func, select

from relay.journal import Entry
from relay.store.query import MAX_LISTING, JournalFilter
from relay.store.reading import journal_conditions, journal_entries
from relay.store.row import entry_of
from relay.store.schema import journal


@dataclass(frozen=True, slots=True, kw_only=True)
class Tail:
    """What was written after a place in the journal."""

    after: int  # the number of the last entry that is known
    wanted: JournalFilter  # its `limit` is not looked at


@dataclass(frozen=True, slots=True, kw_only=True)
class Tailed:
    """The next entries, and where to go on."""

    entries: Sequence[Entry]
    after: int


def last(connection: Connection, wanted: JournalFilter) -> Tailed:
    """The last entries that the filter lets through, as many as it wants, and the end of the journal."""
    return Tailed(entries=journal_entries(connection, wanted), after=_end(connection))


def tail(connection: Connection, question: Tail) -> Tailed:
    """The entries after a place that the filter lets through, oldest first."""
    end = _end(connection)
    conditions = [*journal_conditions(question.wanted), journal.c.number > question.after]
    rows = connection.execute(
        select(journal).where(*conditions).order_by(journal.c.number).limit(MAX_LISTING)
    ).all()
    after = rows[-1].number if len(rows) == MAX_LISTING else max(end, question.after)
    return Tailed(entries=[entry_of(row) for row in rows], after=after)


def _end(connection: Connection) -> int:
    number: int = connection.execute(select(func.coalesce(func.max(journal.c.number), 0))).scalar_one()
    return number
