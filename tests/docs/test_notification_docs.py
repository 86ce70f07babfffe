"""docs/notification.md and the published schema say what the code does."""

import json
import re
from pathlib import Path

import pytest
from pydantic import ValidationError

from relay.intake import reception
from relay.intake.reading import decoding, form, part, recognition, spelling, wrapping
from relay.intake.reading.contract import DAY, MOMENT, notification_schema, schema_text
from relay.notification import MAX_MEMOS, MAX_ORDERS, MAX_TEXT, Notification
from tests.support.intake import decode
from tests.support.mail import json_mail, mail, order_info

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "notification.md").read_text(encoding="utf-8")
ROW = re.compile(r"\| `([^`]+)` \| (yes)? ?\| (.+) \|")


def keys(schema, node, path=""):
    """Yields each key's path and whether it must stand, as the schema has them."""
    for name, child in node["properties"].items():
        place = f"{path}.{name}" if path else name
        yield place, name in node.get("required", ())
        below = child.get("items", child)
        target = schema["$defs"].get(below.get("$ref", "").rpartition("/")[2], {})
        if "properties" in target:
            yield from keys(schema, target, place + ("[]" if "items" in child else ""))


def test_every_key_is_documented_and_no_other():
    """The table has the keys of the schema in the schema's order, and says of each whether it must stand."""
    schema = notification_schema()
    table = [(match[1], match[2] == "yes") for match in ROW.finditer(PAGE.partition("## The document")[2])]
    assert table == list(keys(schema, schema))


def test_the_published_schema_is_the_codes():
    """The file in docs/ is what the code gives; the page says how to make it anew."""
    assert (DOCS / "notification.schema.json").read_text(encoding="utf-8") == schema_text()


def test_the_example_is_a_notification():
    """What the page shows can be sent as it stands."""
    example = re.search(r"```json\n(.*?)```", PAGE, re.DOTALL)[1]
    assert decode(mail(example.encode(), "Content-Type: application/json")) == decode(
        json_mail(json.loads(example))
    )


@pytest.mark.parametrize(
    "sentence",
    [
        f"At most {part.MAX_PARTS} parts, {part.MAX_DEPTH} deep, {part.MAX_LINES:,} lines",
        f"Text has at most {MAX_TEXT:,} characters",
        f"a list of at most {MAX_MEMOS} texts",
        f"1 to {MAX_ORDERS:,} orders",
        "`451 4.3.0 …`",
        *(f"`{notation}`" for notation in decoding._NOTATIONS),
        ", ".join(" ".join(pair) for pair in spelling._ALIKE),
        f"within {wrapping.NARROWEST} columns or octets",
        " and ".join(f"`{name}`" for name in form._NEEDED),
        f"At most {recognition.MAX_FORMS} templates or",
    ],
)
def test_the_limits_in_the_page_are_the_codes(sentence):
    """A limit that changes in the code changes in the page."""
    assert sentence in PAGE
    assert reception._NOT_STORED.text.startswith("4.3.0 ")


TIMES = [
    "2026-11-21 10:15", "2026-11-21 10:15:00", "2026-11-21T10:15:00Z", "2026-11-21T10:15:00.5+0900",
    "2026-11-21", "21.11.2026 10:15", "今日", "2026-11-21 10:15:00 JST", "",
]  # fmt: skip
DAYS = ["2026-11-25", "20261125", "2026/11/25", "11-25", "明日", ""]


@pytest.mark.parametrize(
    ("pattern", "key", "text"),
    [*((MOMENT, "ordered_at", text) for text in TIMES), *((DAY, "hope_date", text) for text in DAYS)],
)
def test_the_schema_takes_the_times_that_the_code_takes(pattern, key, text):
    """What the sender's own schema test lets pass is not refused here, and the other way round."""
    try:
        Notification.model_validate(order_info(**{f"pack__{key}": text}))
        is_taken = True
    except ValidationError:
        is_taken = False
    assert (re.search(pattern, text) is not None) == is_taken


@pytest.mark.parametrize(
    "key", ["pack__payment_method", "pack__memos", "pack__buyer__name", "pack__ordered_at"]
)
def test_null_is_blank(key):
    """Where the schema says that null may stand, the code takes it."""
    assert Notification.model_validate(order_info(**{key: None}))
