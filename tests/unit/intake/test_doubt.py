"""Rows of several values: doubtful exactly when another sharing-out prints the same."""

import itertools

from hypothesis import given
from hypothesis import strategies as st

from grammar import parse
from grammar.reader import Reading
from relay.intake.reading.doubt import Joint, doubtful, joints_of

KEYS = ("BUYER_NM", "RECEIVER_NM", "ADDRESS1")


def ways(row, between):
    """How many sharings-out of a row there are, by trying all."""
    places = itertools.product(range(len(row) + 1), repeat=len(between))
    count = 0
    for at in places:
        end, fits = 0, True
        for start, text in zip(at, between, strict=True):
            fits = fits and start >= end and row.startswith(text, start)
            end = start + len(text)
        count += fits
    return count


@given(
    st.lists(st.text("a-", max_size=3), min_size=2, max_size=3),
    st.lists(st.sampled_from(["-", "--", "a-"]), min_size=2, max_size=2),
)
def test_a_row_is_doubtful_when_it_fits_in_two_ways(values, separators):
    """Against trying every place for every separator."""
    between = tuple(separators[: len(values) - 1])
    keys = KEYS[: len(values)]
    row = values[0] + "".join(text + value for text, value in zip(between, values[1:], strict=True))
    joint = Joint(keys=keys, between=between)
    assert joint.is_doubtful(dict(zip(keys, values, strict=True))) == (ways(row, between) > 1)


def test_rows_of_the_pack_of_lists_and_of_orders_are_looked_at():
    """Wherever two fields share a row; a row of one field is none of them."""
    joints = joints_of(
        parse("<$_PACK_NO_$>\n<$_BUYER_NM_$>/<$_RECEIVER_NM_$>\n##LOOP##<$_ITEM_NM_$>/<$_OPTION_$>\n")
    )
    assert joints == (
        Joint(keys=("BUYER_NM", "RECEIVER_NM"), between=("/",)),
        Joint(keys=("ITEM_NM", "OPTION"), between=("/",)),
    )

    def found(fields=None, orders=(), elements=None):
        reading = Reading(fields=fields or {}, elements=elements or {}, orders=orders, sources={})
        return doubtful(joints, reading)

    clear, doubt = {"ITEM_NM": "a", "OPTION": "b"}, {"ITEM_NM": "a", "OPTION": "b/c"}
    assert found({"BUYER_NM": "a", "RECEIVER_NM": "b"}, (clear, clear)) is None
    assert found({"BUYER_NM": "a", "RECEIVER_NM": "b/c"}) is joints[0]
    assert found({}, (clear, doubt)) is joints[1]
    memo = (Joint(keys=("PACK_NO", "DEL_MEMO"), between=(" ",)),)
    reading = Reading(fields={"PACK_NO": "1"}, elements={"DEL_MEMO": ("a", "b c")}, orders=(), sources={})
    assert doubtful(memo, reading) is memo[0]
