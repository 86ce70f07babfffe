"""Return addresses: what is ours comes back as the delivery that it was made for, and nothing else does."""

import pytest

from relay.clock import ID_LENGTH, SystemClock
from relay.return_address import ADDED, TAG_LENGTH, ReturnAddress

ID = "6v3w1q0000000001"
OTHER_ID = "6v3w1q0000000002"
RETURNS = ReturnAddress("bounce@relay.example.jp", b"k" * 32)


def test_each_delivery_comes_back_from_its_own_address():
    """An id of the clock's making, in the address as it goes out and with its capitals changed on the way."""
    delivery_id = SystemClock().new_id()
    address = RETURNS.of(delivery_id)
    assert RETURNS.delivery_id(address) == delivery_id
    assert RETURNS.delivery_id(address.upper()) == delivery_id
    assert RETURNS.is_ours(address)


def test_the_local_part_grows_by_what_the_settings_count_with():
    """Whoever checks the length of the configured address counts with ADDED."""
    local_part = RETURNS.of(ID).partition("@")[0]
    assert len(local_part) == len("bounce") + ADDED
    assert (len(ID), TAG_LENGTH) == (ID_LENGTH, 8)


ADDRESS = RETURNS.of(ID)
TAG = ADDRESS.partition("@")[0].rpartition("-")[2]
SHAPED = {
    "another delivery's tag": ADDRESS.replace(ID, OTHER_ID),
    "a tag of another store": ReturnAddress("bounce@relay.example.jp", b"K" * 32).of(ID),
    "one character of the tag": ADDRESS.replace(TAG, TAG[:-1] + ("a" if TAG[-1] != "a" else "b")),
    "a tag of the other alphabet": ADDRESS.replace(TAG, "00000000"),
}
UNSHAPED = {
    "no id": "bounce@relay.example.jp",
    "an id without a tag": f"bounce+{ID}@relay.example.jp",
    "a tag too short": ADDRESS.replace(TAG, TAG[:-1]),
    "a tag too long": ADDRESS.replace(TAG, TAG + "a"),
    "another domain": ADDRESS.replace("relay.", "relays."),
    "a dot that is any character": ADDRESS.replace("relay.example", "relayxexample"),
    "another local part": ADDRESS.replace("bounce", "bounced"),
    "a line behind it": f"{ADDRESS}\n",
    "a domain behind it": f"{ADDRESS}.example.com",
    "nothing": "",
    "Japanese": f"バウンス+{ID}-{TAG}@relay.example.jp",
}


@pytest.mark.parametrize("address", SHAPED.values(), ids=SHAPED)
def test_a_forged_address_names_no_delivery_and_is_still_nobody_elses(address):
    """Its shape is ours, so it is no partner's address and no intake address either."""
    assert RETURNS.delivery_id(address) is None
    assert RETURNS.is_ours(address)


@pytest.mark.parametrize("address", UNSHAPED.values(), ids=UNSHAPED)
def test_another_address_is_none_of_ours(address):
    """What has not the shape is left to the rest of the policy."""
    assert RETURNS.delivery_id(address) is None
    assert not RETURNS.is_ours(address)


def test_a_local_part_with_a_plus_and_capitals_is_taken_as_it_stands():
    """The configured address goes out as it was written and is read back whatever its case."""
    returns = ReturnAddress("Bounce+eu@Relay.example.jp", b"k" * 32)
    address = returns.of(ID)
    assert address.startswith(f"Bounce+eu+{ID}-")
    assert address.endswith("@Relay.example.jp")
    assert returns.delivery_id(address.lower()) == ID
    assert RETURNS.delivery_id(address.lower()) is None


def test_neither_the_key_nor_a_tag_can_be_seen():
    """A traceback or a log that shows the value shows no way to forge an address."""
    assert repr(RETURNS) == "ReturnAddress(bounce@relay.example.jp)"
