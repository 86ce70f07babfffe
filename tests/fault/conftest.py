"""What the tests of the whole relay share."""

from collections.abc import Iterator

import pytest

from tests.support.nursery import Nursery


@pytest.fixture(scope="session")
def nursery() -> Iterator[Nursery]:
    """A process that starts relays quickly."""
    made = Nursery()
    yield made
    made.close()
