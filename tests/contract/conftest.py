"""Where the contract suite's stores go: one run of each test for each engine."""

from pathlib import Path

import pytest


@pytest.fixture(params=["sqlite"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """Where a new store of each engine goes."""
    return tmp_path / f"{request.param}.db"
