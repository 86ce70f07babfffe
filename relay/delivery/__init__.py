"""Delivery: takes due deliveries to their next hops and settles in the store what became of each.

`Engine` is the whole of it to the outside; docs/delivery.md explains schedule, routes, connections and
outcomes, docs/outgoing.md encryption and signing in.
"""

from relay.delivery.engine import Engine
from relay.delivery.route import Routes
from relay.delivery.seam import Lease
from relay.delivery.smtp.connector import Connector
from relay.delivery.smtp.policy import hop_policies

__all__ = ["Connector", "Engine", "Lease", "Routes", "hop_policies"]
