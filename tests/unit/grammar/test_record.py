"""Records: values are made when first asked for, once, and shared by every view."""

from types import SimpleNamespace
from typing import Any

import pytest

from grammar import load_catalogue
from tests.support.records import sample_document


class Counting:
    """A document that counts how often each value is read."""

    def __init__(self) -> None:
        self.reads: list[str] = []
        self.pack = SimpleNamespace(
            orders=(SimpleNamespace(order_no="1"), SimpleNamespace(order_no="2")), memos=("一", "")
        )

    def __getattr__(self, name: str) -> Any:
        self.reads.append(name)
        return f"値{len(self.reads)}"


def test_a_value_is_read_on_first_use_and_never_again():
    """Making a record reads nothing but the orders, and two templates pay for one value once."""
    document = Counting()
    record = load_catalogue().record(document)
    assert document.reads == []
    assert (record["SELLER_ID"], record["SELLER_ID"]) == ("値1", "値1")
    assert document.reads == ["seller_id"]


def test_views_share_the_work_of_the_record_that_they_come_from():
    """Each registration has its own key and all of them the same pack: it is read once for all."""
    document = Counting()
    record = load_catalogue().record(document)
    one, two = record.with_given({"RECOGNITION_KEY": "甲"}), record.with_given({"RECOGNITION_KEY": "乙\n"})
    assert [one["SELLER_ID"], two["SELLER_ID"], two.for_order(1)["SELLER_ID"]] == ["値1"] * 3
    assert document.reads == ["seller_id"]
    assert [one["RECOGNITION_KEY"], two["RECOGNITION_KEY"], record["RECOGNITION_KEY"]] == ["甲", "乙", ""]
    assert two.for_order(1)["RECOGNITION_KEY"] == "乙"
    assert one.orders[0] is two.orders[0]


def test_a_view_for_one_order_has_that_order_only():
    """Templates of unit order see one order; the lists of the pack stay."""
    record = load_catalogue().record(Counting())
    assert [order["ORDER_NO"] for order in record.orders] == ["1", "2"]
    assert [order["ORDER_NO"] for order in record.for_order(1).orders] == ["2"]
    assert record.for_order(0).elements("DEL_MEMO") == ("一", "")
    with pytest.raises(IndexError):
        record.for_order(2)


def test_what_a_mapping_lacks_is_blank():
    """A missing value is blank at any depth, and never the word None."""
    catalogue = load_catalogue()
    for document in ({}, {"pack": None}, {"pack": {"buyer": None, "orders": [{}], "memos": [None]}}):
        record = catalogue.record(document)
        assert {record[entry.name] for entry in catalogue if entry.scope == "pack"} == {""}
        assert {
            order[entry.name] for order in record.orders for entry in catalogue if entry.scope == "order"
        } <= {""}


def test_a_misspelt_attribute_of_an_object_dies_loudly():
    """Such an object means that catalogue and notification have parted: a bug, not a blank."""
    with pytest.raises(AttributeError):
        load_catalogue().record(SimpleNamespace(pack=SimpleNamespace(orders=())))["SELLER_ID"]


def test_an_unknown_name_is_a_key_error():
    """A record answers for the catalogue's names only."""
    with pytest.raises(KeyError):
        load_catalogue().record(sample_document())["NO_SUCH"]
