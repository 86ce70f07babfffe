"""How many deliveries a verb is about to touch, and that nobody is told a number that was cut."""

import pytest

from relay.cli.delivery_table import ask, number
from relay.operations import MAX_SELECTION


@pytest.mark.parametrize(
    ("found", "told"),
    [
        (0, "0 deliveries"),
        (1, "1 delivery"),
        (MAX_SELECTION - 1, "99999 deliveries"),
        (MAX_SELECTION, "100000+ deliveries"),
    ],
)
def test_a_number_that_was_cut_says_so(found, told):
    """As many as are looked for at most may be more."""
    assert number(range(found), "delivery", "deliveries") == told


@pytest.mark.parametrize(("found", "is_told"), [(MAX_SELECTION - 1, False), (MAX_SELECTION, True)])
def test_a_verb_says_that_it_takes_the_first_of_many(capsys, found, is_told):
    """Also where nobody is asked: who runs it from a script reads that it is to be repeated."""
    ask("Retry", range(found), yes=True)
    expected = "this is for the first 100000: repeat the command for the rest\n" if is_told else ""
    assert capsys.readouterr().err == expected
