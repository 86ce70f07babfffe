"""What the shipped templates print is read back: by their own readers, whole, and as a notification again."""

import contextlib
from pathlib import Path

import pytest

from grammar import Record, parse, parse_line
from grammar.checks import findings
from grammar.filters import compile_filters
from grammar.reader import ReadingError
from relay.document import validated
from relay.notification import Notification
from relay.registry import PartnerTemplate
from tests.support.shipped import (
    CASES,
    CATALOGUE,
    ROOT,
    TEMPLATES,
    TYPES,
    case_name,
    notification_of,
    records_of,
    template_of,
)

each_template = pytest.mark.parametrize("template", list(TEMPLATES), ids=lambda template: template.key)
each_case = pytest.mark.parametrize("case", CASES, ids=case_name)

FORGED = (
    ROOT / "cross_mall" / "examples" / "order_info-hostile_values.json"
)  # a memo that begins like a label


def _with_wide_memos(name: str, value: str) -> str:
    """The rule that CROSS MALL's mails get when they would be misread."""
    return compile_filters("zen")(value) if name == "DEL_MEMO" else value


def _mails(case: Path) -> list[tuple[PartnerTemplate, Record, str]]:
    """The mails of a case, with what they print; the one that would be misread as it is sent."""
    template = template_of(case)
    records = records_of(template, notification_of(case))
    if case == FORGED:
        records = [record.changed(_with_wide_memos) for record in records]
    return [(template, record, template.body(record)) for record in records]


@each_template
def test_nothing_is_found_against_a_template_but_the_attested_rows(template):
    """Each can be read back whatever its values are, save no. 18, whose memos stand without a label."""
    rows = [
        template.body.source.split("\n")[each.line - 1]
        for each in findings(parse(template.body.source), catalogue=CATALOGUE, unit=template.unit)
    ]
    attested = ["##DELETE_BLANK_ROW##$LOOP_<$_DEL_MEMO_$>"] if template.number == 18 else []
    assert sorted(set(rows)) == attested
    subject = parse_line(template.subject.source)
    assert findings(subject, catalogue=CATALOGUE, unit=template.unit) == ()


def test_a_memo_that_looks_like_a_label_is_told():
    """The one mail of all cases that would be misread; the partner's rule mends it for the next tests."""
    template = template_of(FORGED)
    [record] = records_of(template, notification_of(FORGED))
    mail = template.body(record)
    [found] = template.body.reader.misreadings(mail, record)
    assert (found.kind, found.field, found.element, found.expected, found.read) == (
        "label",
        "DEL_MEMO",
        1,
        "[注文番号] 999999999",
        "[注文番号]",
    )
    assert mail.split("\n")[found.row - 1] == "[注文番号] 999999999"


@each_case
def test_each_mail_is_proved(case):
    """Nothing in body or subject would be read as anything but what it is, hostile values included."""
    for template, record, mail in _mails(case):
        assert template.body.reader.misreadings(mail, record) == ()
        assert template.subject.reader.misreadings(template.subject(record), record) == ()


@each_case
def test_the_reading_holds_every_value_that_was_printed(case):
    """Pack, lists and orders, each text as it stands in the mail; a field that is not read was blank."""
    for template, record, mail in _mails(case):
        reading = template.body.reader.read(mail)
        assert dict(reading.fields) == {key: record[key] for key in reading.fields}
        assert [dict(order) for order in reading.orders] == [
            {key: order[key] for key in read}
            for order, read in zip(record.orders, reading.orders, strict=True)
        ]
        assert dict(reading.elements) == {
            key: tuple(text for text in record.elements(key) if text) for key in reading.elements
        }
        keys = (*reading.fields, *reading.elements, *(key for order in reading.orders for key in order))
        unread = template.body.fields - {key.partition("|")[0] for key in keys}
        for part in (record, *record.orders):
            scope = "pack" if part is record else "order"
            assert [name for name in unread if CATALOGUE[name].scope == scope and part[name]] == []


@pytest.mark.parametrize("case", [case for case in CASES if case.stem.endswith("full_pack")], ids=case_name)
def test_a_mail_is_read_by_its_own_template_alone(case):
    """Their subjects are alike within a type; a mail that is taken in by template is one template's yet."""
    for template, _, mail in _mails(case):
        readable = []
        for each in TEMPLATES:
            if each.notification is template.notification:
                with contextlib.suppress(ReadingError):
                    each.body.reader.read(mail)
                    readable.append(each.key)
        assert readable == [template.key]


def _without_blanks(value: object) -> object:
    """A notification document without what is blank and the parts that are then empty."""
    match value:
        case dict():
            kept = {key: _without_blanks(each) for key, each in value.items()}
            return {key: each for key, each in kept.items() if each not in (None, "", [], {})}
        case list():
            return [kept for each in value if (kept := _without_blanks(each)) not in (None, "", {})]
        case str():
            return value if value.strip() else ""
        case _:
            return value


@pytest.mark.parametrize("case", ["full_pack", "blank_fields"])
@pytest.mark.parametrize("kind", TYPES)
def test_a_basic_mail_holds_its_whole_notification(kind, case):
    """What Basic sent can be taken in again: only version, event, its time and known lacks are not in it."""
    template = TEMPLATES.by_key[f"basic/{kind}"]
    notification = notification_of(ROOT / "basic" / "examples" / f"{kind}-{case}.json")
    document = template.body.reader.read(template.body(CATALOGUE.record(notification))).document(CATALOGUE)
    taken = validated(
        Notification, {"version": 1, "type": kind, "occurred_at": notification.occurred_at, **document}
    )
    sent = notification.model_dump(mode="json", exclude={"event_id"})
    if kind == "order_info":
        sent["pack"]["buyer"]["mobile"] = ""
    assert _without_blanks(taken.model_dump(mode="json")) == _without_blanks(sent)
