"""Whether the store takes writes: one small row that is really written, for who asks if the relay is ready.

A commit without a change never reaches the disk, and a full disk shows by nothing else. The row is `probe` in
the table `secret`: 32 new octets each time, of no use to anybody. Source: ours.
"""

from collections.abc import Sequence

from sqlalchemy import Connection, delete

from relay.clock import Clock
from relay.store.prepared import Inserts
from relay.store.schema import secret

PROBE = "probe"


class Probe:
    """The write of asking, inside the writer's transaction."""

    def __init__(self, inserts: Inserts, clock: Clock) -> None:
        self._inserts = inserts
        self._clock = clock

    def write(self, connection: Connection, batch: Sequence[None]) -> list[None]:
        """Change the row, once for all who ask together."""
        connection.execute(delete(secret).where(secret.c.name == PROBE))
        self._inserts.into(secret, connection, [(PROBE, self._clock.secret())])
        return [None] * len(batch)
