"""What delivery asks of its neighbours and promises them: the store below, intake beside it.

`relay.store.Store` keeps the contract of `DueStore`; `relay.intake` reads `Lease` by a protocol of its own,
because neither of the two rooms imports the other. Source: ours.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from relay.delivery.hop.suspension import Reach
from relay.store.query import JournalFilter
from relay.store.tail import Tailed
from relay.store.values import Due, Hold, Settlement


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
        latest: datetime,
        except_domains: Collection[str] = (),
    ) -> Sequence[Due]:
        """Lease what is due at `now`, but for these recipient domains: oldest first, within both bounds.

        What is queued for later than `latest` is due too: the clock that dated it has been set back since.
        """

    async def recover(self, *, worker: str, now: datetime) -> int:
        """Make due what is leased to this worker's own name from its former life; how many."""

    async def hand_back(
        self, *, worker: str, now: datetime, delivery_ids: Sequence[str], due_at: datetime | None = None
    ) -> int:
        """Queue again, no attempt counted, what this worker leased; how many it still held.

        It is due at `due_at`, or now. What meets a standing hold is held by it instead.
        """

    async def extend(self, *, worker: str, until: datetime, delivery_ids: Sequence[str]) -> int:
        """Let these leases end at `until`, where this worker still holds them; how many those are."""

    async def settle(self, settlement: Settlement) -> bool:
        """Write the result of an attempt; False when this worker no longer holds the lease."""

    async def holds(self) -> Sequence[Hold]:
        """The standing holds."""

    async def journal_tail(self, wanted: JournalFilter) -> Tailed:
        """The journal's last entries, and the place from which `journal_after` goes on."""

    async def journal_after(self, number: int, wanted: JournalFilter) -> Tailed:
        """What was written after this number, but for what the filter leaves out."""

    async def hold_mark(self) -> object:
        """What differs whenever other holds stand."""

    async def next_due(self, *, now: datetime) -> datetime | None:
        """When the next delivery falls due or the next lease ends; None when nothing waits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """Permission to mark a fresh delivery as leased to this worker."""

    worker: str
    until: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class HopState:
    """How one next hop stands, for metrics and people."""

    name: str
    state: Reach
    connections: int  # that stand
    allowed: int  # that may stand, by what the peer answered
    waiting: int  # deliveries in memory
    until_seconds: float  # until the next mail may go, or the next connection be tried; 0: now
