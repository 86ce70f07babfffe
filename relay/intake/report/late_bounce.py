"""What becomes of a mail to a return address: a delivery ends, or the journal tells of it, or a person looks.

The return address says which delivery; the report, what happened to it. A report that cannot be read, and one
on a delivery that was purged, is kept in quarantine: somebody may have written it. Of one delivery at most
`MOST_KEPT` are kept, with `MAX_KEPT` octets each, for every partner has return addresses and could fill the
disk through one.

Guarantees: 250 only after the commit. If the process dies in between, the server sends its report again, and
the store knows it. Reading is bounded (`section`) and done beside the event loop.

Diagnostics: raises MachineFailure, and the report had better come again. Source: ours.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Protocol, assert_never

from relay.clock import Clock
from relay.intake.acceptance import Received
from relay.intake.keeping import Keeping
from relay.intake.report.reader import is_gone, read_report, reply_line
from relay.intake.report.section import MAX_OCTETS
from relay.intake.report.status import Kind
from relay.intake.session.door import Reply
from relay.journal import Entry, Event
from relay.metrics import Intake, Metrics
from relay.store.query import DeliveryRow, DeliveryStory, JournalFilter
from relay.store.values import LateBounce, ReportEffect

MOST_KEPT = 20  # mails on one delivery: more than every hop and everybody at the partner's will write
MAX_KEPT = MAX_OCTETS  # of one such mail: what its reader looks at; what a server returns stands below

_TAKEN = Reply(code=250, text="2.0.0 report taken")
_SENDING = Reply(code=451, text="4.3.0 that mail is being sent, try again")
_TOO_MANY = Reply(code=550, text="5.7.1 too many mails on one delivery that nobody can read")
_UNREADABLE = "is neither a report that can be read nor an automatic answer"
_PURGED = "is about a delivery that is no longer stored"
_GRAVEST_FIRST = (Intake.NOT_STORED, Intake.REJECTED, Intake.QUARANTINED, Intake.REPORT)  # of several answers


class Store(Protocol):
    """What late bounces need of the store. All raise MachineFailure."""

    async def delivery(self, prefix: str, /) -> DeliveryStory | None:
        """The delivery of this id."""

    async def journal(self, wanted: JournalFilter, /) -> Sequence[Entry]:
        """The last entries that are wanted."""

    async def late_bounce(self, report: LateBounce, /) -> ReportEffect:
        """Write down what a report says, after the commit; what that has changed."""


class LateBounces:
    """Takes reports that come back."""

    def __init__(self, store: Store, keeping: Keeping, clock: Clock, metrics: Metrics) -> None:
        self._metrics = metrics
        self._store = store
        self._keeping = keeping
        self._clock = clock
        self._counting = asyncio.Lock()  # so that many at once are not all the last one that may be kept

    async def take(self, received: Received, delivery_ids: Sequence[str]) -> tuple[Intake, Reply]:
        """Do what a mail says of these deliveries, all of which its recipients name."""
        answers = [await self._take(received, delivery_id) for delivery_id in delivery_ids]
        return min(answers, key=lambda answer: _GRAVEST_FIRST.index(answer[0]))

    async def _take(self, received: Received, delivery_id: str) -> tuple[Intake, Reply]:
        story = await self._store.delivery(delivery_id)
        if story is None:
            return await self._keep(received, delivery_id, _PURGED)
        late_bounce = await reported(
            received.content, mail_from=received.mail_from, row=story.row, now=self._clock.now()
        )
        if late_bounce is None:
            return await self._keep(received, delivery_id, _UNREADABLE, story.row)
        effect = await self._store.late_bounce(late_bounce)
        match effect:
            case ReportEffect.UNKNOWN:
                return await self._keep(received, delivery_id, _PURGED)
            case ReportEffect.SENDING:
                return Intake.NOT_STORED, _SENDING
            case ReportEffect.ENDED | ReportEffect.NOTED | ReportEffect.KNOWN:
                self._metrics.report(is_final=effect is ReportEffect.ENDED)
                return Intake.REPORT, _TAKEN
            case _:
                assert_never(effect)

    async def _keep(
        self, received: Received, delivery_id: str, trouble: str, row: DeliveryRow | None = None
    ) -> tuple[Intake, Reply]:
        """Keep a mail for a person, or refuse it when so many were kept."""
        octets, reason = len(received.content), f"mail: came back to delivery {delivery_id} and {trouble}"
        if octets > MAX_KEPT:
            received = replace(received, content=received.content[:MAX_KEPT])
            reason += f"\nmail: has {octets} octets, of which the first {MAX_KEPT} are kept"
        kept = JournalFilter(delivery_id=delivery_id, events=(Event.QUARANTINED,), limit=MOST_KEPT)
        async with self._counting:
            if len(await self._store.journal(kept)) >= MOST_KEPT:
                return Intake.REJECTED, _TOO_MANY
            return Intake.QUARANTINED, await self._keeping.keep(
                received,
                reason,
                detail=f"what came back to delivery {delivery_id} {trouble}",
                seller_id=row.seller_id if row else "",
                notification_id=row.notification_id if row else "",
                delivery_id=delivery_id,
            )


async def reported(content: bytes, *, mail_from: str, row: DeliveryRow, now: datetime) -> LateBounce | None:
    """What a mail says of a delivery, as the store takes it; None when only a person can read it."""
    recipient = row.delivery.recipient
    report = await asyncio.to_thread(read_report, content, mail_from, recipient)
    if report.kind is Kind.UNREADABLE:
        return None
    return LateBounce(
        delivery_id=row.delivery.id,
        reply=reply_line(report),
        is_final=report.kind is Kind.FAILED,
        suppress=is_gone(report, recipient),
        now=now,
    )
