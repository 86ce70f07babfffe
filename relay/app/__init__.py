"""Builds every object and joins them: the only room that knows everyone.

`office` builds the parts of a configuration, for the command line and the relay; `relay` is a running worker.
"""

from relay.app.office import SHIPPED_TEMPLATES, Office
from relay.app.relay import Relay

__all__ = ["SHIPPED_TEMPLATES", "Office", "Relay"]
