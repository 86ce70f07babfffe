"""What delivery asks of its neighbours and promises them: the store below, intake beside it.

`relay.store.Store` keeps the contract of `DueStore`; `relay.intake` reads `Lease` by a protocol of its own,
because neither of the two rooms imports the other. Source: ours.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from relay.store.values import Due, Settlement


class DueStore(Protocol):
    """What the engine asks of the store. Each call is one transaction; MachineFailure: it did not happen."""

    async def claim(
        self,
        *,
        worker: str,
        until: datetime,
        now: datetime,
        limit: int,
        octets: int,
        except_domains: Collection[str] = (),
    ) -> Sequence[Due]:
        """Lease what is due at `now`, but for these recipient domains: oldest first, within both bounds."""

    async def recover(self, *, worker: str, now: datetime) -> int:
        """Make due what is leased to this worker's own name from its former life; how many."""

    async def hand_back(self, *, worker: str, now: datetime, delivery_ids: Sequence[str]) -> int:
        """Queue again, due now, no attempt counted, what this worker leased; how many it still held."""

    async def extend(self, *, worker: str, until: datetime, delivery_ids: Sequence[str]) -> int:
        """Let these leases end at `until`, where this worker still holds them; how many those are."""

    async def settle(self, settlement: Settlement) -> bool:
        """Write the result of an attempt; False when this worker no longer holds the lease."""

    async def next_due(self, *, now: datetime) -> datetime | None:
        """When the next delivery falls due or the next lease ends; None when nothing waits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """Permission to mark a fresh delivery as leased to this worker."""

    worker: str
    until: datetime
