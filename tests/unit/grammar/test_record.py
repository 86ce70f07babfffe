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


class Shouting:
    """A change that remembers what it was asked for."""

    def __init__(self, mark: str) -> None:
        self.mark = mark
        self.asked: list[tuple[str, str]] = []

    def __call__(self, name: str, value: str) -> str:
        self.asked.append((name, value))
        return f"{value}{self.mark}"


def test_a_filtered_text_is_made_once_and_shared():
    """It is kept under the field's key, and a view asks the record that it comes from."""
    document = Counting()
    record = load_catalogue().record(document)
    view = record.with_given({"RECOGNITION_KEY": "甲"})
    assert [view["SELLER_ID|zen"], record["SELLER_ID|zen"], view.for_order(0)["SELLER_ID|zen"]] == [
        "値１"
    ] * 3
    assert document.reads == ["seller_id"]
    assert dict(record) == {"SELLER_ID": "値1", "SELLER_ID|zen": "値１"}
    assert view.elements("DEL_MEMO|zen") is record.elements("DEL_MEMO|zen")


def test_a_view_makes_for_itself_what_its_own_values_change():
    """A given value through its filters, and what is gathered from the orders that the view has."""
    record = load_catalogue().record(sample_document())
    view = record.with_given({"RECOGNITION_KEY": "ｷ-7"})
    assert (record["RECOGNITION_KEY|kana"], view["RECOGNITION_KEY|kana"]) == ("", "キ-7")
    assert view.for_order(1)["RECOGNITION_KEY|kana"] == "キ-7"
    assert [each["TOTAL|sum"] for each in (record, view, view.for_order(1))] == ["11580", "11580", "3860"]
    assert record.for_order(1)["DEL_MEMO|join:/"] == "のし不要/置き配希望"


def test_a_changed_view_shows_every_value_changed_and_the_record_as_it_was():
    """Values of the pack, of its lists and of its orders, before the filters; and cleaned like any value."""
    document = sample_document(orders=2)
    document["pack"]["memos"] = ["一", ""]
    record = load_catalogue().record(document)
    view = record.changed(Shouting("(!)\n"))
    assert view["PACK_NO"] == "123456789(!)"
    assert (view["PACK_NO|paren"], view["PACK_NO|left:2"]) == ("123456789（!）", "12")
    assert view.elements("DEL_MEMO") == ("一(!)", "(!)")
    assert view.elements("DEL_MEMO|paren") == ("一（!）", "（!）")
    assert (view["DEL_MEMO"], view["DEL_MEMO|join:・"]) == ("一(!) (!)", "一(!)・(!)")
    assert [order["ITEM_NM|max:9"] for order in view.orders] == ["長袖Tシャツ(!)", "マグカップ(!)"]
    assert view["TOTAL|sum"] == "3860(!)+3860(!)"
    assert (record["PACK_NO"], record.elements("DEL_MEMO"), record.orders[0]["TOTAL"]) == (
        "123456789",
        ("一", ""),
        "3860",
    )


def test_a_change_is_asked_for_what_is_used_and_only_once():
    """With the field's name and the text that is printed without filters."""
    change = Shouting("!")
    view = load_catalogue().record(sample_document()).changed(change)
    assert change.asked == []
    assert [view["DELIVERY_FEE"], view["DELIVERY_FEE|zen"], view["DELIVERY_FEE"]] == [
        "500!",
        "５００！",
        "500!",
    ]
    assert view.orders[1]["ITEM_NM"] == "マグカップ!"
    assert change.asked == [("DELIVERY_FEE", "500"), ("ITEM_NM", "マグカップ")]


def test_views_of_views_work():
    """A change of a change, one order of a change, a change of one order, and given values with both."""
    record = load_catalogue().record(sample_document(), given={"RECOGNITION_KEY": "鍵"})
    twice = record.changed(Shouting("1")).changed(Shouting("2"))
    assert (twice["PACK_NO"], twice.elements("DEL_MEMO")[0]) == ("12345678912", "のし不要12")
    assert twice.for_order(1).orders[0]["ITEM_NM"] == "マグカップ12"
    assert record.for_order(1).changed(Shouting("1"))["ITEM_NM|join:・"] == "マグカップ1"
    assert twice["RECOGNITION_KEY"] == "鍵12"
    assert twice.with_given({"RECOGNITION_KEY": "別"})["RECOGNITION_KEY|left:9"] == "別"


def test_an_unknown_name_or_filter_is_a_key_error():
    """In a record, in an order, and in views of them."""
    record = load_catalogue().record(sample_document())
    changed = record.changed(Shouting("!"))
    for each in (record, record.orders[0], record.for_order(0), changed, changed.orders[0]):
        for key in ("NO_SUCH", "NO_SUCH|zen", "SELLER_ID|no"):
            with pytest.raises(KeyError):
                each[key]


def test_what_is_of_all_together_is_the_records_alone():
    """Asking one order for a sum, or the elements for their number, is a bug that dies loudly."""
    record = load_catalogue().record(sample_document())
    with pytest.raises(KeyError):
        record.orders[0]["TOTAL|sum"]
    with pytest.raises(KeyError):
        record.elements("DEL_MEMO|count")
