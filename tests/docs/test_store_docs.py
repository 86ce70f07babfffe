"""docs/store.md names every table, column, state, event and verb of the store, and none that is not there."""

import re
from pathlib import Path

import pytest

from relay.journal import Event
from relay.store import schema
from relay.store.late_bounce import MOST_REPORTS
from relay.store.values import DeliveryState, QuarantineState, Scope
from relay.store.verb import Verb

PAGE = (Path(__file__).parents[2] / "docs" / "store.md").read_text(encoding="utf-8")


def section(title: str) -> str:
    """The text under a heading, up to the next heading."""
    found = re.search(rf"^#+ {re.escape(title)}\n(.*?)(?=^#|\Z)", PAGE, re.MULTILINE | re.DOTALL)
    assert found, f"docs/store.md has no heading {title!r}"
    return found[1]


def first_cells(text: str) -> list[str]:
    """The code words that begin the rows of the tables in a text."""
    return re.findall(r"^\| `(\w+)` \|", text, re.MULTILINE)


@pytest.mark.parametrize("table", schema.metadata.sorted_tables, ids=lambda table: table.name)
def test_every_column_is_documented_in_its_order(table) -> None:
    """Each table has a section, and each section its table's columns."""
    assert first_cells(section(table.name)) == [column.name for column in table.columns]


def test_every_table_and_no_other_has_a_section() -> None:
    """A table that is gone leaves no section behind."""
    sections = re.findall(r"^### (\w+)$", PAGE, re.MULTILINE)
    assert sorted(sections) == sorted(table.name for table in schema.metadata.sorted_tables)


def test_states_events_and_verbs_are_those_of_the_code() -> None:
    """The public names are documented in the order in which the code gives them."""
    states = [state.value for state in DeliveryState]
    assert first_cells(section("A delivery's states")) == [*states, *(verb.name.lower() for verb in Verb)]
    assert first_cells(section("A quarantined mail's states")) == [state.value for state in QuarantineState]
    assert first_cells(section("The journal's events")) == [event.value for event in Event]
    assert first_cells(section("Standing holds")) == [scope.value for scope in Scope]
    assert f"at most {MOST_REPORTS} reports" in section("A report that comes back")


@pytest.mark.parametrize("verb", Verb)
def test_each_verbs_row_says_what_it_does(verb: Verb) -> None:
    """States before and after, and the event, as the code has them."""
    sources = ", ".join(f"`{state}`" for state in verb.sources)
    assert f"| `{verb.name.lower()}` | {sources} | `{verb.target}` | `{verb.event}` |" in PAGE
