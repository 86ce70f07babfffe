"""Watching a running relay: what is measured when somebody asks, and the pages that show it.

`Monitor` serves the pages (`page.py`), `Condition` answers for the relay (`condition.py`); the names of the
metrics are in `relay.metrics`. docs/metrics.md is the reader's map.
"""

from relay.monitor.condition import Condition
from relay.monitor.page import Monitor

__all__ = ["Condition", "Monitor"]
