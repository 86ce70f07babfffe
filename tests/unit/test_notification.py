"""The notification as a value: what it refuses, and when two of them say the same."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from relay.notification import MAX_ORDERS, Notification, NotificationType

AMOUNTS = {"delivery_fee", "unit_price", "discount", "total"}


def notification(*, pack=None, **said):
    """A small one, with what the test says of it."""
    orders = [{"order_no": "7700000011", "item_name": "綿の長袖Tシャツ", "unit_price": 1980}]
    tree = {
        "version": 1,
        "type": "order_info",
        "seller_id": "example-shop",
        "occurred_at": "2026-11-21 10:15:00",
        "pack": {"pack_no": "210987654", "memos": ["玄関先に"], "orders": orders} | (pack or {}),
    }
    return Notification.model_validate(tree | said)


def test_a_time_without_a_zone_is_japan_time():
    """The marketplace writes its times so."""
    assert notification().occurred_at == datetime(2026, 11, 21, 1, 15, tzinfo=UTC)


def test_the_stored_document_is_the_notification():
    """What is written in two pieces reads back as what was said, awkward texts included."""
    said = notification(event_id='e-"pack":1', pack={"memos": ['"}', "", "\\"], "delivery_fee": "0.50"})
    assert Notification.model_validate_json(said.written().document) == said


@pytest.mark.parametrize(
    "other",
    [
        {"event_id": "another"},
        {"occurred_at": "2026-11-21T18:00:00Z"},
        {"event_id": "e-2", "occurred_at": "2026-11-22 00:00:00"},
    ],
)
def test_another_route_or_time_is_the_same_content(other):
    """Two routes that carry one order differ in event id and time, and in nothing that a partner reads."""
    assert notification(**other).written().content_key == notification().written().content_key


@pytest.mark.parametrize(
    "said",
    [
        {"type": "cancel_request"},
        {"seller_id": "other-shop"},
        {"pack": {"pack_no": "210987655"}},
        {"pack": {"memos": ["玄関先に", "急ぎ"]}},
        {
            "pack": {
                "orders": [{"order_no": "7700000011", "item_name": "綿の長袖Tシャツ", "unit_price": 1981}]
            }
        },
    ],
)
def test_any_value_that_a_partner_could_read_makes_another_content(said):
    """A change that is passed over would be an order lost."""
    assert notification(**said).written().content_key != notification().written().content_key


@pytest.mark.parametrize(
    "said",
    [
        {"memos": None, "payment_method": None, "delivery_fee": None, "hope_date": None},
        {"payment_method": "", "buyer": {"name": None}, "receiver": {}},
        {"buyer": None, "orders": [{"order_no": "1", "currency": None, "cancel": {"status": None}}]},
    ],
)
def test_null_empty_and_missing_are_one(said):
    """A marketplace that writes null or nothing for what it does not know says the same."""
    plain = {"memos": [], "orders": [{"order_no": "1"}]}
    assert notification(pack=plain | said) == notification(pack=plain)
    assert notification(pack=plain | said).written() == notification(pack=plain).written()


JSON = st.recursive(
    st.none() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
)


@given(
    pack=st.fixed_dictionaries(
        {},
        optional={
            "payment_method": st.none() | st.text(max_size=20),
            "delivery_fee": st.none() | st.decimals(-10_000, 10_000, places=2),
            "memos": st.none() | st.lists(st.text(max_size=20), max_size=3),
            "buyer": st.none() | st.dictionaries(st.sampled_from(["name", "kana"]), st.none() | st.text()),
        },
    )
)
def test_whatever_is_said_reads_back_from_the_store(pack):
    """The stored document is the notification, whatever was null, blank or odd in it."""
    try:
        said = notification(pack=pack)
    except ValidationError:
        return  # half a surrogate pair and other things that are no text
    assert Notification.model_validate_json(said.written().document) == said


@pytest.mark.parametrize("time", ["0001-01-01 00:00:00", "9999-12-31T23:59:59-10:00"])
def test_a_time_at_the_end_of_the_calendar_is_a_problem_and_no_crash(time):
    """Some programs write the first or last moment that they know for "never"."""
    with pytest.raises(ValidationError, match="must be a time that has a date in UTC"):
        notification(pack={"ordered_at": time})


@given(JSON)
def test_no_tree_makes_the_model_stumble(tree):
    """Whatever JSON says, the answer is a notification or a list of problems."""
    with pytest.raises(ValidationError):
        Notification.model_validate(tree)


def test_money_is_exact():
    """A price is what was written, not the nearest binary fraction."""
    said = notification(pack={"delivery_fee": Decimal("0.10")})
    assert str(said.pack.delivery_fee) == "0.10"


@pytest.mark.parametrize(
    "pack",
    [
        {"orders": []},
        {"orders": [{"order_no": "1"}, {"order_no": "1"}]},
        {"orders": [{"order_no": str(number)} for number in range(MAX_ORDERS + 1)]},
        {"pack_no": 210987654},
        {"pack_no": "21 09"},
        {"memos": "one text"},
        {"delivery_fee": True},
        {"delivery_fee": "1e9999"},
        {"hope_date": "tomorrow"},
        {"hope_date": "2026-02-30"},
        {"unknown": 1},
    ],
)
def test_what_is_not_in_the_contract_is_refused(pack):
    """Nothing is guessed, rounded, shortened or passed over."""
    with pytest.raises(ValidationError):
        notification(pack=pack)


def test_every_type_has_its_name_on_the_screen():
    """お知らせ種類, as the marketplace calls them."""
    assert [type_.label for type_ in NotificationType] == [
        "注文情報",
        "配送要請",
        "配送完了",
        "キャンセル要請",
        "キャンセル完了",
    ]


@pytest.mark.parametrize(
    "said",
    [
        {"memos": ["ｶﾞﾗｽ、9時～12時、－、￠"]},
        {"memos": ["ガラス、9時〜12時、−、¢"]},
        {"memos": ["カ\u3099ラス、9時～12時、－、¢"]},
    ],
)
def test_what_a_charset_does_to_characters_makes_no_other_content(said):
    """A text that was ISO-2022-JP on its way says the same, and the values stay as they came."""
    plain = notification(pack={"memos": ["ガラス、9時～12時、－、￠"]})
    assert notification(pack=said).written().content_key == plain.written().content_key
    assert notification(pack=said).pack.memos == tuple(said["memos"])


@pytest.mark.parametrize("name", sorted(AMOUNTS))
@pytest.mark.parametrize("amount", ["1000.0", "1000.00", Decimal("1E+3"), Decimal("1000.0"), Decimal("10E2")])
def test_how_an_amount_is_written_makes_no_other_content(name, amount):
    """1000, 1000.0 and 1e3 are one amount; 1000.5 and 100 are others."""

    def key(value):
        orders = [{"order_no": "1"} | ({} if name == "delivery_fee" else {name: value})]
        return (
            notification(pack={"orders": orders} | ({name: value} if name == "delivery_fee" else {}))
            .written()
            .content_key
        )

    assert key(amount) == key(1000)
    assert key("1000.50") == key(Decimal("1000.5"))
    assert len({key(1000), key("1000.05"), key("1000.5"), key(100), key(10000), key(-1000)}) == 6


def test_every_amount_of_the_document_counts_for_the_content_in_one_form():
    """A new amount that the key would take as it is written fails here."""
    schema = Notification.model_json_schema()
    amounts = {
        name
        for model in schema["$defs"].values()
        for name, value in model.get("properties", {}).items()
        if any(
            choice.get("anyOf", [{}])[0].get("type") == "number" or choice.get("type") == "number"
            for choice in value.get("anyOf", [])
        )
    }
    assert amounts == AMOUNTS


def test_an_amount_in_a_text_is_a_text():
    """A memo that looks like a member of the document keeps each of its characters."""
    keys = {
        notification(pack={"memos": [memo]}).written().content_key
        for memo in ('"total":"1.50"', '"total":"1.5"', '","total":"1.50"', '","total":"1.5"')
    }
    assert len(keys) == 4


@pytest.mark.parametrize(
    "text", ["３９６０", "3_960", "٣٩٦٠", " 3960", "+3960", "1e3", "0x10", ".5", "5.", "007", "", "NaN"]
)
def test_an_amount_in_text_is_written_as_json_would(text):
    """What a program of another country or language takes for a number is not guessed."""
    with pytest.raises(ValidationError, match="decimal"):
        notification(pack={"delivery_fee": text})


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("500.00", "500.00"),
        (Decimal("1E+3"), "1000"),
        (Decimal("-0.0"), "0.0"),
        (Decimal("0E+9"), "0"),
        (Decimal("0E-9"), "0"),
        (-5, "-5"),
    ],
)
def test_an_amount_keeps_the_places_that_it_came_with(said, kept):
    """A text that is taken in has to be written again as it came; exponents and a sign of nothing go."""
    assert str(notification(pack={"delivery_fee": said}).pack.delivery_fee) == kept


@pytest.mark.parametrize(
    "amount",
    [
        Decimal("1E+12"),
        Decimal("9" * 60 + "E+1"),
        Decimal("1E+9999"),
        Decimal("NaN"),
        10**12,
    ],
)
def test_an_amount_beyond_measure_is_a_problem_and_no_crash(amount):
    """Twelve digits are a billion with two places."""
    with pytest.raises(ValidationError, match=r"decimal|finite"):
        notification(pack={"delivery_fee": amount})
