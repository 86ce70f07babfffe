"""docs/metrics.md names every metric and every label value, and no other."""

import re
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from relay.metrics import Arrival, Intake, Limit, Login, Metrics
from relay.store.values import Scope

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "metrics.md").read_text("utf-8")


def _families():
    """Name as a scrape shows it, and the help text."""
    for family in text_string_to_metric_families(Metrics().text().decode()):
        if family.name.endswith("_created"):
            continue
        name = f"{family.name}_total" if family.type == "counter" else family.name
        yield name, family.documentation


@pytest.mark.parametrize(("name", "text"), list(_families()), ids=lambda value: value.split(" ")[0])
def test_a_metric_stands_in_the_table_with_its_own_words(name, text):
    """The page says of it what the scrape's HELP says."""
    row = next((row for row in PAGE.split("\n") if row.startswith(f"| `{name}` |")), "")
    assert row.endswith(f"| {text} |"), row


def test_nothing_is_documented_that_does_not_exist():
    """A metric that was taken out leaves the page, its alerts too."""
    known = {name for name, _ in _families()}
    mentioned = set(re.findall(r"\bdenrei_[a-z_]+", PAGE.replace("denrei_intake_seconds_bucket", "")))
    assert mentioned == known


@pytest.mark.parametrize("kind", [Arrival, Intake, Limit, Login, Scope])
def test_every_value_of_a_label_is_documented(kind):
    """Whoever writes an alert finds what to compare with."""
    assert [each.value for each in kind if f"`{each.value}`" not in PAGE] == []
