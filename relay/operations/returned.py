"""Replaying a kept mail that came to a return address: it is read once more as a report on its delivery.

Denrei may have stumbled over it, or be able to read more by now than when it came. Guarantees: a replay that
dies half way can be repeated, for the store knows a report that it has. Source: ours; `late_bounce` says what
a report does.
"""

from collections.abc import Sequence
from typing import assert_never

from relay.intake.report.late_bounce import reported
from relay.operations.office import Outcome, Verbs
from relay.store.values import Quarantined, QuarantineState, ReportEffect

_UNREADABLE = "it is a report that nobody can read; discard it when you have read it"
_PURGED = "it is a report on a delivery that is no longer stored; discard it when you have read it"
_SENDING = "the delivery that it would end is being sent; try again"


class ReturnedVerbs(Verbs):
    """What a person can do to mails that came back."""

    async def returned_to(self, item: Quarantined) -> list[str]:
        """Return the ids of the deliveries whose return addresses a kept mail came to; none for others."""
        returns = await self._office.return_address()
        found = [returns.delivery_id(address) for address in item.rcpt_to.split(", ")]
        return [delivery_id for delivery_id in found if delivery_id is not None]

    async def report_again(self, item: Quarantined, delivery_ids: Sequence[str], *, by: str) -> Outcome:
        """Do what a kept mail says of its deliveries; it stays kept when it still says nothing."""
        told = [await self._report_again(item, delivery_id) for delivery_id in delivery_ids]
        for text, is_done in told:
            if not is_done:
                return Outcome(id=item.id, applied=False, text=f"not applied, stays kept: {text}")
        now = self._office.clock.now()
        if not await self._office.store.settle_quarantine(item.id, QuarantineState.REPLAYED, now=now, by=by):
            return Outcome(id=item.id, applied=False, text="not applied: somebody else has just settled it")
        return Outcome(id=item.id, applied=True, text=f"replayed: {'; '.join(text for text, _ in told)}")

    async def _report_again(self, item: Quarantined, delivery_id: str) -> tuple[str, bool]:
        """What became of it in words, and whether that is an end."""
        office = self._office
        story = await office.store.delivery(delivery_id)
        if story is None:
            return _PURGED, False
        now = office.clock.now()
        report = await reported(item.content, mail_from=item.mail_from, row=story.row, now=now)
        if report is None:
            return _UNREADABLE, False
        return _told(await office.store.late_bounce(report), delivery_id)


def _told(effect: ReportEffect, delivery_id: str) -> tuple[str, bool]:
    match effect:
        case ReportEffect.ENDED:
            return f"delivery {delivery_id} is bounced", True
        case ReportEffect.NOTED:
            return f"written down on delivery {delivery_id}", True
        case ReportEffect.KNOWN:
            return f"known already on delivery {delivery_id}", True
        case ReportEffect.SENDING:
            return _SENDING, False
        case ReportEffect.UNKNOWN:
            return _PURGED, False
        case _:
            assert_never(effect)
