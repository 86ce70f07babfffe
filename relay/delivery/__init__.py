"""Delivery: takes due deliveries to their next hops and settles in the store what became of each.

`Engine` is the whole of it to the outside; docs/delivery.md explains schedule, routes, connections and
outcomes.
"""

from relay.delivery.engine import Engine
from relay.delivery.route import Routes
from relay.delivery.seam import Lease

__all__ = ["Engine", "Lease", "Routes"]
