"""The verbs on deliveries: see them, release, retry and discard them, and read the journal.

Source: ours; `shape` after Postfix's qshape(1).
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace

from relay.delivery.outcome import Bounced
from relay.delivery.route import Exchange, Host
from relay.errors import BadInput, Problem
from relay.journal import Entry
from relay.operations.office import Outcome, Verbs, all_or_problems, require_enough
from relay.store.query import (
    MAX_LISTING,
    DeliveryFilter,
    DeliveryRow,
    DeliveryStory,
    JournalFilter,
    ShapeRow,
)

AT_ONCE = 64  # verbs in flight: they share the store's group commit
MAX_SELECTION = 100_000  # deliveries that one verb takes by filter: a day's mail of a busy relay


@dataclass(frozen=True, slots=True, kw_only=True)
class HopShape:
    """What waits for one recipient domain in one state, and which way it will go."""

    next_hop: (
        str  # host:port of a route or smarthost; MX: the domain's own exchangers; nowhere: no such domain
    )
    waiting: ShapeRow


class DeliveryVerbs(Verbs):
    """What a person can see of deliveries, and do to them."""

    async def deliveries(self, wanted: DeliveryFilter) -> list[DeliveryRow]:
        """Return the deliveries that the filter lets through, newest first."""
        return await self._office.store.deliveries(wanted)

    async def delivery(self, prefix: str) -> DeliveryStory:
        """Return one delivery, its mail and its journal; raises BadInput when `prefix` does not name one."""
        story = await self._office.store.delivery(prefix)
        if story is None:
            raise BadInput([Problem(path=prefix, message="no delivery's id begins so")])
        return story

    async def shape(self) -> list[HopShape]:
        """Return how many deliveries wait for each next hop and recipient domain, by state and age."""
        rows = await self._office.store.shape(self._office.clock.now())
        shapes = [HopShape(next_hop=self._next_hop(row.domain), waiting=row) for row in rows]
        return sorted(shapes, key=lambda shape: (shape.next_hop, shape.waiting.domain, shape.waiting.state))

    def _next_hop(self, domain: str) -> str:
        match self._office.routes.next_hop(f"postmaster@{domain}"):
            case Host() as host:
                return str(host)
            case Exchange():
                return "MX"
            case Bounced():
                return "nowhere"

    async def journal(self, wanted: JournalFilter) -> list[Entry]:
        """Return journal entries, oldest first."""
        return await self._office.store.journal(wanted)

    async def named(self, prefixes: Sequence[str]) -> list[DeliveryRow]:
        """Return the deliveries that a verb is meant for; raises BadInput with every bad id."""
        require_enough(prefixes)
        stories = await all_or_problems([self.delivery(prefix) for prefix in dict.fromkeys(prefixes)])
        return list({story.row.delivery.id: story.row for story in stories}.values())

    async def selected(self, wanted: DeliveryFilter) -> list[DeliveryRow]:
        """Return every delivery that the filter lets through, page by page, up to MAX_SELECTION."""
        rows: list[DeliveryRow] = []
        while len(rows) < MAX_SELECTION:
            before = rows[-1].delivery.id if rows else wanted.before
            page = await self.deliveries(replace(wanted, before=before, limit=MAX_LISTING))
            rows += page
            if len(page) < MAX_LISTING:
                break
        return rows

    async def release(self, delivery_ids: Sequence[str], *, by: str) -> list[Outcome]:
        """Make held deliveries due now."""
        store, now = self._office.store, self._office.clock.now()
        return await self._each(delivery_ids, lambda id_: store.release(id_, now=now, by=by), "released")

    async def retry(self, delivery_ids: Sequence[str], *, by: str) -> list[Outcome]:
        """Make deferred or bounced deliveries due now."""
        store, now = self._office.store, self._office.clock.now()
        return await self._each(delivery_ids, lambda id_: store.retry(id_, now=now, by=by), "due now")

    async def discard(self, delivery_ids: Sequence[str], *, by: str) -> list[Outcome]:
        """Give up held or queued deliveries for good."""
        store, now = self._office.store, self._office.clock.now()
        return await self._each(delivery_ids, lambda id_: store.discard(id_, now=now, by=by), "discarded")

    async def _each(
        self, delivery_ids: Sequence[str], verb: Callable[[str], Awaitable[bool]], done: str
    ) -> list[Outcome]:
        outcomes: list[Outcome] = []
        for start in range(0, len(delivery_ids), AT_ONCE):
            some = delivery_ids[start : start + AT_ONCE]
            applied = await asyncio.gather(*(verb(delivery_id) for delivery_id in some))
            for delivery_id, was_applied in zip(some, applied, strict=True):
                text = done if was_applied else await self._why_not(delivery_id)
                outcomes.append(Outcome(id=delivery_id, applied=was_applied, text=text))
        return outcomes

    async def _why_not(self, delivery_id: str) -> str:
        row = (await self.delivery(delivery_id)).row
        return f"not applied: it is {row.delivery.state}"
