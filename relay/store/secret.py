"""The store's own keys: random octets by name, made when they are first asked for and the same ever after.

They stand in the store and not in a file beside it, so that a copy of the store can go on reading what was
signed before, and all workers have the same. Source: ours.
"""

from collections.abc import Sequence

from sqlalchemy import Connection, select

from relay.clock import Clock
from relay.store.prepared import Inserts
from relay.store.schema import secret


class Secrets:
    """The write of finding or making a key, inside the writer's transaction."""

    def __init__(self, inserts: Inserts, clock: Clock) -> None:
        self._inserts = inserts
        self._clock = clock

    def find(self, connection: Connection, batch: Sequence[str]) -> list[bytes]:
        """The keys of these names."""
        return [self._find(connection, name) for name in batch]

    def _find(self, connection: Connection, name: str) -> bytes:
        wanted = select(secret.c.value).where(secret.c.name == name)
        known: bytes | None = connection.execute(wanted).scalar_one_or_none()
        if known is not None:
            return known
        made = self._clock.secret()
        self._inserts.into(secret, connection, [(name, made)])
        return made
