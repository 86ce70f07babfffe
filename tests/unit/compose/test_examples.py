"""The examples in the docstrings of compose."""

import doctest

import pytest

from relay.compose import difference, header, mime


@pytest.mark.parametrize("module", [difference, header, mime], ids=lambda module: module.__name__)
def test_examples_in_docstrings_are_true(module):
    """What a docstring shows is what happens, and there is something shown."""
    result = doctest.testmod(module)
    assert result.attempted > 0
    assert result.failed == 0
