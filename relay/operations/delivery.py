"""The verbs on deliveries: see them, hold, release, retry, resend and discard them, and read the journal.

Source: ours; `shape` after Postfix's qshape(1).
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from relay.errors import BadInput, Problem
from relay.journal import Entry
from relay.operations.office import Outcome, Verbs, all_or_problems, require_enough
from relay.operations.resend import ENDED, resent_mail
from relay.store.query import (
    MAX_LISTING,
    DeliveryFilter,
    DeliveryRow,
    DeliveryStory,
    JournalFilter,
    ShapeRow,
)
from relay.store.row import domain_of
from relay.store.values import DeliveryState, Scope

AT_ONCE = 64  # verbs in flight: they share the store's group commit
FOLLOW_SECONDS = 0.5  # between two looks at the journal's end: one short read each
MAX_SELECTION = 100_000  # deliveries that one verb takes by filter: a day's mail of a busy relay


@dataclass(frozen=True, slots=True, kw_only=True)
class HopShape:
    """What waits for one recipient domain in one state, and which way it will go."""

    next_hop: str  # host:port of a route or smarthost; the domain, when its own exchangers are asked
    waiting: ShapeRow
    is_held: bool  # a standing hold is on this next hop


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
        held = {hold.value for hold in await self._office.store.holds() if hold.scope is Scope.NEXT_HOP}
        shapes = []
        for row in rows:
            hop = self._office.routes.name(row.domain)
            shapes.append(HopShape(next_hop=hop, waiting=row, is_held=hop.lower() in held))
        return sorted(shapes, key=lambda shape: (shape.next_hop, shape.waiting.domain, shape.waiting.state))

    async def journal(self, wanted: JournalFilter) -> list[Entry]:
        """Return journal entries, oldest first."""
        return await self._office.store.journal(wanted)

    async def follow(self, wanted: JournalFilter) -> AsyncGenerator[Entry, None]:
        """Yield the last entries, and then each new one as it is written, without end."""
        store, clock = self._office.store, self._office.clock
        tailed = await store.journal_tail(wanted)
        while True:
            for entry in tailed.entries:
                yield entry
            if len(tailed.entries) < MAX_LISTING:
                await clock.sleep(FOLLOW_SECONDS)
            tailed = await store.journal_after(tailed.after, wanted)

    async def named(self, prefixes: Sequence[str]) -> list[DeliveryRow]:
        """Return the deliveries that a verb is meant for; raises BadInput with every bad id."""
        require_enough(prefixes)
        stories = await all_or_problems([self.delivery(prefix) for prefix in dict.fromkeys(prefixes)])
        return list({story.row.delivery.id: story.row for story in stories}.values())

    async def selected(self, wanted: DeliveryFilter, next_hop: str = "") -> list[DeliveryRow]:
        """Return every delivery that the filter lets through, page by page, up to MAX_SELECTION.

        Args:
            wanted: the store's filter; its limit is not looked at.
            next_hop: only what goes this way now, as `shape` names it; empty: whatever the way.
        """
        rows: list[DeliveryRow] = []
        before = wanted.before
        while len(rows) < MAX_SELECTION:
            page = await self.deliveries(replace(wanted, before=before, limit=MAX_LISTING))
            rows += [row for row in page if not next_hop or self._goes_to(row, next_hop)]
            if len(page) < MAX_LISTING:
                break
            before = page[-1].delivery.id
        return rows

    def since(self, age: timedelta | None) -> datetime:
        """Return the moment so long ago; None: a lifetime, within which whoever is to act has heard of it."""
        return self._office.clock.now() - (age or self._office.config.delivery.lifetime)

    async def bounces(
        self, wanted: DeliveryFilter, next_hop: str = "", *, since: datetime
    ) -> list[DeliveryRow]:
        """Return what `selected` finds of mails that bounced since then; no notices of ours."""
        bounced = replace(wanted, states=(DeliveryState.BOUNCED,))
        return [
            row
            for row in await self.selected(bounced, next_hop)
            if not row.notice and row.delivery.settled_at is not None and row.delivery.settled_at >= since
        ]

    async def obstacles(self, rows: Sequence[DeliveryRow]) -> dict[str, str]:
        """Return, by the ids of those ended deliveries that may not be sent once more, why that is."""
        ended = [row.delivery.id for row in rows if row.delivery.state in ENDED]
        copies = [await self._office.store.standing_copy(id_) for id_ in ended]
        return {id_: _sent_as(copy) for id_, copy in zip(ended, copies, strict=True) if copy is not None}

    def _goes_to(self, row: DeliveryRow, next_hop: str) -> bool:
        return self._office.routes.name(domain_of(row.delivery.recipient)).lower() == next_hop.lower()

    async def release(self, delivery_ids: Sequence[str], *, by: str) -> list[Outcome]:
        """Make held deliveries due now, but for what meets a standing hold."""
        store, now = self._office.store, self._office.clock.now()
        done = await self._each(delivery_ids, lambda id_: store.release(id_, now=now, by=by), "released")
        return await self._stopped_again(done)

    async def retry(self, delivery_ids: Sequence[str], *, by: str) -> list[Outcome]:
        """Make deferred or bounced deliveries due now, but for what meets a standing hold."""
        store, now = self._office.store, self._office.clock.now()
        done = await self._each(delivery_ids, lambda id_: store.retry(id_, now=now, by=by), "due now")
        return await self._stopped_again(done)

    async def _stopped_again(self, outcomes: Sequence[Outcome]) -> list[Outcome]:
        """Say of those that were let go, and that a standing hold stopped in the same moment, that it did."""
        if not await self._office.store.holds():
            return list(outcomes)
        told = []
        for each in outcomes:
            hold_id = (await self.delivery(each.id)).row.delivery.hold_id if each.applied else ""
            text = f"held at once by hold {hold_id} (denrei hold release {hold_id})"
            told.append(replace(each, text=text) if hold_id else each)
        return told

    async def discard(self, delivery_ids: Sequence[str], *, by: str) -> list[Outcome]:
        """Give up held or queued deliveries for good."""
        store, now = self._office.store, self._office.clock.now()
        return await self._each(delivery_ids, lambda id_: store.discard(id_, now=now, by=by), "discarded")

    async def hold(self, delivery_ids: Sequence[str], *, by: str) -> list[Outcome]:
        """Hold queued deliveries until a person releases them."""
        store, now = self._office.store, self._office.clock.now()
        return await self._each(delivery_ids, lambda id_: store.hold(id_, now=now, by=by), "held")

    async def resend(self, delivery_ids: Sequence[str], *, by: str) -> list[Outcome]:
        """Send ended deliveries' mails again, each as a new delivery."""
        return [await self._resent(delivery_id, by=by) for delivery_id in delivery_ids]

    async def _resent(self, delivery_id: str, *, by: str) -> Outcome:
        office = self._office
        mail, again = resent_mail(
            await self.delivery(delivery_id),
            sender=office.config.notices.sender or f"postmaster@{office.config.hostname}",
            hostname=office.config.hostname,
            clock=office.clock,
        )
        applied = await office.store.resend(
            delivery_id, mail=mail, new_delivery=again, now=again.accepted_at, by=by
        )
        if not applied:
            return Outcome(id=delivery_id, applied=False, text=await self._why_not(delivery_id))
        stored = (await self.delivery(again.id)).row.delivery
        text = f"sent again as {again.id}"
        if stored.hold_id:
            text += f", which waits: hold {stored.hold_id} stands"
        return Outcome(id=delivery_id, applied=True, text=text)

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
        delivery = (await self.delivery(delivery_id)).row.delivery
        if delivery.hold_id:
            return f"not applied: hold {delivery.hold_id} stopped it (denrei hold release {delivery.hold_id})"
        if delivery.state in ENDED and (copy := await self._office.store.standing_copy(delivery_id)):
            return f"not applied: {_sent_as(copy)}"
        return f"not applied: it is {delivery.state}"


def _sent_as(copy: DeliveryRow) -> str:
    """Return in words why a mail is not sent once more: of this copy of it."""
    each = copy.delivery
    done = "sent again already as" if each.resent_of else "it repeats"
    return f"{done} {each.id}, which is {each.state}"
