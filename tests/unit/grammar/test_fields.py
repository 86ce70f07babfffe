"""The catalogue: complete, right about itself, and strict about its file."""

from types import UnionType
from typing import Any, get_args, get_origin

import pytest
from pydantic import BaseModel

from grammar.fields import CatalogueError, load_catalogue, read_catalogue
from relay.notification import Notification
from tests.support.records import sample_document

MANUAL = {
    "SELLER_ID",
    "PACK_NO",
    "DELIVERY_FEE",
    "ORDER_TIME",
    "BUYER_NM",
    "BUYER_NM_JA",
    "BUYER_TEL_NO",
    "ORDER_DATE",
    "PAYMENT_METHOD",
    "DEL_OPTION",
    "DEL_HOPE_DATE_YYYYMMDD",
    "DEL_HOPE_DATE_TIME_ZONE",
    "DEL_MEMO",
}


def leaves(model: type[BaseModel], prefix: str = "") -> set[str]:
    """The paths of all values in a document."""
    found: set[str] = set()
    for name, field in model.model_fields.items():
        inner = _model(field.annotation)
        if inner is None:
            found.add(prefix + name)
        else:
            found |= leaves(inner, "order." if name == "orders" else f"{prefix}{name}.")
    return found


def _model(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and not get_origin(annotation) and issubclass(annotation, BaseModel):
        return annotation
    if get_origin(annotation) in (tuple, UnionType) or get_args(annotation):
        return next((model for part in get_args(annotation) if (model := _model(part))), None)
    return None


def test_every_value_of_a_notification_can_be_printed_and_nothing_else():
    """A leaf without a field could reach no partner; a field without a leaf would be blank for ever."""
    assert {entry.path for entry in load_catalogue() if entry.path} == leaves(Notification)


def test_the_names_that_the_manuals_print_are_marked():
    """`source: manual` is a claim about a document of somebody else: exactly these 13 names stand in it."""
    assert {entry.name for entry in load_catalogue() if entry.source == "manual"} == MANUAL


@pytest.mark.parametrize("as_objects", [False, True], ids=["mappings", "objects"])
def test_the_examples_are_what_is_printed(as_objects):
    """From mappings and from the relay's objects alike, the sample prints each entry's example."""
    catalogue = load_catalogue()
    document = sample_document()
    notification: object = Notification.model_validate(document) if as_objects else document
    record = catalogue.record(notification, given={"RECOGNITION_KEY": "KEY-7"})
    printed = {
        entry.name: record.orders[0][entry.name] if entry.scope == "order" else record[entry.name]
        for entry in catalogue
    }
    assert printed == {entry.name: entry.example for entry in catalogue}


ENTRY = """\
- name: PACK_NO
  scope: pack
  type: text
  path: pack.pack_no
  label: {ja: カート番号, en: Cart number}
  example: "123456789"
  source: manual
"""


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ("PACK_NO: {}", "must be a list of entries"),
        ("[", "not YAML"),
        ("- PACK_NO", "entry 1: must be a mapping"),
        (ENTRY + ENTRY, "PACK_NO: stands twice"),
        (
            ENTRY.replace("PACK_NO", "pack_no"),
            "pack_no: a name is A to Z, 0 to 9 and single _, a letter first",
        ),
        (
            ENTRY.replace("PACK_NO", "PACK__NO"),
            "PACK__NO: a name is A to Z, 0 to 9 and single _, a letter first",
        ),
        (ENTRY.replace("scope: pack", "scope: cart"), "PACK_NO: scope must be one of pack, order"),
        (
            ENTRY.replace("type: text", "type: number"),
            "PACK_NO: type must be one of text, list, datetime, date, money, count, phone, postal",
        ),
        (ENTRY.replace("source: manual", "source: rumour"), "PACK_NO: source must be one of manual, denrei"),
        (
            ENTRY.replace("path: pack.pack_no", "path: pack..no"),
            "PACK_NO: path pack..no is not names joined by dots",
        ),
        (
            ENTRY.replace("scope: pack", "scope: order"),
            "PACK_NO: a path begins with order. in scope order, and only there",
        ),
        (
            ENTRY.replace("pack.pack_no", "order.order_no"),
            "PACK_NO: a path begins with order. in scope order, and only there",
        ),
        (
            ENTRY.replace("scope: pack", "scope: order")
            .replace("pack.pack_no", "order.x")
            .replace("text", "list"),
            "PACK_NO: a list is of scope pack: no row can repeat over an order's list",
        ),
        (ENTRY.replace('"123456789"', "123456789"), "PACK_NO: example must be text (put it in quotes)"),
        (
            ENTRY.replace("{ja: カート番号, en: Cart number}", "{ja: カート番号}"),
            "PACK_NO: label must have ja and en",
        ),
        (ENTRY.replace("  source: manual\n", ""), "PACK_NO: source is missing"),
        (ENTRY + "  note: x\n", "PACK_NO: unknown key note"),
        (ENTRY + "  print: YYYYMMDD\n", "PACK_NO: print YYYYMMDD is for dates"),
        (ENTRY + "  print: YY\n", "PACK_NO: print must be one of YYYYMMDD"),
    ],
)
def test_a_wrong_entry_is_refused_by_name(wrong, message):
    """Whoever adds a field learns which entry is wrong, and how."""
    with pytest.raises(CatalogueError) as error:
        read_catalogue(wrong.encode())
    assert str(error.value).startswith(message)


def test_a_right_entry_is_read():
    """The case that the wrong ones are made from is right itself."""
    assert [entry.name for entry in read_catalogue(ENTRY.encode())] == ["PACK_NO"]
