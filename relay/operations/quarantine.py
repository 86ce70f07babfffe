"""The verbs on quarantined mails: see them, take them in again, release them as they are, discard them.

Guarantees: a replay that dies half way can be repeated and makes no second mail. Source: ours.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from relay.errors import BadInput, Problem
from relay.intake.acceptance import Received, acceptance
from relay.intake.reading.decoding import Decoded
from relay.journal import Entry, Event
from relay.operations.document import Mended
from relay.operations.office import Outcome, all_or_problems, require_enough
from relay.operations.returned import ReturnedVerbs
from relay.store.query import QuarantineFilter, QuarantineRow
from relay.store.values import Accepted, Duplicate, Mail, Quarantined, QuarantineState


@dataclass(frozen=True, slots=True, kw_only=True)
class _Again:
    """How a person wants a kept mail taken in."""

    by: str
    mended: Mended | None = None  # in place of what the mail says
    is_unproved: bool = False  # also where its reader would misread it


class QuarantineVerbs(ReturnedVerbs):
    """What a person can see of the quarantine, and do to what is in it."""

    async def quarantined(self, wanted: QuarantineFilter) -> list[QuarantineRow]:
        """Return quarantined mails, newest first, without their contents."""
        return await self._office.store.quarantined(wanted)

    async def quarantine_item(self, prefix: str) -> Quarantined:
        """Return one quarantined mail; raises BadInput when `prefix` does not name one."""
        item = await self._office.store.quarantined_mail(prefix)
        if item is None:
            raise BadInput([Problem(path=prefix, message="no quarantined mail's id begins so")])
        return item

    async def quarantine_named(self, prefixes: Sequence[str]) -> list[Quarantined]:
        """Return the quarantined mails that a verb is meant for; raises BadInput with every bad id."""
        require_enough(prefixes)
        items = await all_or_problems([self.quarantine_item(prefix) for prefix in dict.fromkeys(prefixes)])
        return list({item.id: item for item in items}.values())

    async def replay(
        self, prefixes: Sequence[str], *, mended: Mended | None = None, by: str
    ) -> list[Outcome]:
        """Take quarantined mails in again, each from its own document or from the mended one.

        A mail that came to a return address is read as a report on its delivery once more. What could not be
        made for one registration is made for that registration only. What would send
        nothing, or was said otherwise before, stays kept: only the quarantine holds what this mail says.
        """
        items = await self.quarantine_named(prefixes)
        return [await self._taken_in(item, _Again(mended=mended, by=by)) for item in items]

    async def release_quarantined(self, prefixes: Sequence[str], *, by: str) -> list[Outcome]:
        """Send the mails that would be misread as they are, because a person says so.

        Only the proof is left out: what cannot be understood or written stays kept all the same.
        """
        items = await self.quarantine_named(prefixes)
        return [await self._taken_in(item, _Again(is_unproved=True, by=by)) for item in items]

    async def stored_document(self, item: Quarantined) -> str:
        """Return the document of the notification that a kept mail belongs to; "" if it belongs to none."""
        if not item.notification_id:
            return ""
        return (await self._first_acceptance(item)).document

    def unproved(self, item: Quarantined) -> Sequence[Mail]:
        """Return the mails that releasing this one would send; raises BadInput when there are none."""
        if not item.registration:
            raise _nothing_to_release(item)
        again = _Again(is_unproved=True, by="")
        accepted = self._accepted_again(item, self._decoded(item, again), again)
        if accepted.quarantined:
            raise BadInput(_reasons(accepted))
        return accepted.mails

    async def _taken_in(self, item: Quarantined, again: "_Again") -> Outcome:
        if item.state is not QuarantineState.KEPT:
            return Outcome(id=item.id, applied=False, text=f"not applied: it is {item.state}")
        is_as_it_came = again.mended is None and not again.is_unproved and not item.registration
        if is_as_it_came and (delivery_ids := await self.returned_to(item)):
            return await self.report_again(item, delivery_ids, by=again.by)
        try:
            if again.is_unproved and not item.registration:
                raise _nothing_to_release(item)
            decoded = self._decoded(item, again)
            accepted = self._accepted_again(item, decoded, again)
            if item.registration:
                accepted = self._as_addition(item, accepted, await self._first_acceptance(item))
        except BadInput as error:
            reason = "; ".join(str(problem) for problem in error.problems)
            return Outcome(id=item.id, applied=False, text=f"not applied, stays kept: {reason}")
        now = self._office.clock.now()
        if again.is_unproved:
            accepted = replace(
                accepted, entries=[*accepted.entries, _released(item, accepted, now, again.by)]
            )
        answer = await self._office.store.replay(item.id, accepted, now=now, by=again.by)
        if answer is None:
            return Outcome(id=item.id, applied=False, text="not applied: somebody else has just settled it")
        if isinstance(answer, Duplicate) and not answer.same_content:
            reason = f"event {accepted.event_id} came before with other content (as {answer.of})"
            text = f"not applied, stays kept: {reason}; give it another event_id"
            return Outcome(id=item.id, applied=False, text=text)
        return Outcome(id=item.id, applied=True, text=_taken(answer, again))

    def _decoded(self, item: Quarantined, again: "_Again") -> Decoded:
        """What the item says, or the document in its place; raises BadInput."""
        if again.mended is not None:
            return Decoded(notification=again.mended.notification())
        # A text mail without a date of its own happened when it came, however late it is taken in again.
        return self._office.decoder.take_in(item.content, item.received_at)

    def _accepted_again(self, item: Quarantined, decoded: Decoded, again: "_Again") -> Accepted:
        """Return what the replay causes, all of it queued: a running relay takes it from the store."""
        notification = decoded.notification
        registrations = self._office.registry.registrations(notification.seller_id, notification.type)
        if not registrations:
            message = f"nobody is registered for {notification.type} of seller {notification.seller_id}"
            raise BadInput([Problem(message=message, hint="register it, or mend the document")])
        if item.registration:
            registrations = tuple(each for each in registrations if each.id == item.registration)
            if not registrations:
                message = f"has no registration {item.registration} for {notification.type}"
                raise BadInput([Problem(path=notification.seller_id, message=message)])
        received = Received(
            peer=item.peer, mail_from=item.mail_from, rcpt_tos=item.rcpt_to.split(", "), content=item.content
        )
        office = self._office
        return acceptance(
            notification,
            registrations,
            received=received,
            composer=office.composer,
            clock=office.clock,
            unproved=frozenset({item.registration}) if again.is_unproved else frozenset(),
            read_with=decoded.read_with,
        )

    async def _first_acceptance(self, item: Quarantined) -> Accepted:
        story = await self._office.store.notification(item.notification_id)
        if story is None:
            message = "the notification that this mail belongs to is no longer in the store"
            raise BadInput([Problem(path=item.notification_id, message=message)])
        return story.accepted

    @staticmethod
    def _as_addition(item: Quarantined, again: Accepted, first: Accepted) -> Accepted:
        """Return what one registration still lacks, to be added to its notification; raises BadInput."""
        if (again.seller_id, again.type, again.pack_no) != (first.seller_id, first.type, first.pack_no):
            message = (
                f"is not {first.type} of pack {first.pack_no} of {first.seller_id}, as the kept mail was"
            )
            raise BadInput([Problem(message=message)])
        if again.quarantined:
            raise BadInput(_reasons(again))
        if not again.deliveries:
            raise BadInput([Problem(path=item.registration, message="has use N, so nothing would be sent")])
        entries = [
            replace(e, notification_id=first.id) for e in again.entries if e.event is not Event.ACCEPTED
        ]
        return replace(again, id=first.id, entries=entries)

    async def discard_quarantined(self, item_ids: Sequence[str], *, by: str) -> list[Outcome]:
        """Give up quarantined mails for good."""
        outcomes = []
        for item_id in item_ids:
            applied = await self._office.store.settle_quarantine(
                item_id, QuarantineState.DISCARDED, now=self._office.clock.now(), by=by
            )
            if applied:
                text = "discarded"
            else:
                text = f"not applied: it is {(await self.quarantine_item(item_id)).state}"
            outcomes.append(Outcome(id=item_id, applied=applied, text=text))
        return outcomes


def _nothing_to_release(item: Quarantined) -> BadInput:
    message = "could not be understood, so there is no mail to release"
    return BadInput([Problem(path=item.id, message=message, hint="replay it with a mended document")])


def _reasons(accepted: Accepted) -> list[Problem]:
    return [Problem(message=row) for kept in accepted.quarantined for row in kept.reason.split("\n")]


def _released(item: Quarantined, accepted: Accepted, now: datetime, by: str) -> Entry:
    """The journal's word that nobody but this person answers for what the partner reads."""
    return Entry(
        at=now,
        event=Event.RELEASED,
        seller_id=accepted.seller_id,
        notification_id=accepted.id,
        quarantine_id=item.id,
        by=by,
        detail=f"registration {item.registration}: sent although it would be misread",
    )


def _taken(answer: Accepted | Duplicate, again: _Again) -> str:
    verb = "released" if again.is_unproved else "replayed"
    if isinstance(answer, Duplicate):
        return f"{verb}: known already as {answer.of}, so nothing new is sent"
    count = len(answer.deliveries)
    text = f"{verb} as {answer.id}: {count} {'delivery' if count == 1 else 'deliveries'}"
    return f"{text}, {len(answer.quarantined)} in quarantine" if answer.quarantined else text
