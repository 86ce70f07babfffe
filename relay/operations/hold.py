"""The verbs on standing holds: stop all mail of a seller, for a partner, to a next hop or to an address.

A suppressed address is a hold of scope `address`, which the relay itself places when a reply or a report says
that the address is gone. So both are one list, one way in and one way out, and no mail is lost by either.

Diagnostics: `BadInput` for a hold that is not there and for more than one that begins so. Source: ours.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from relay.errors import BadInput, Problem
from relay.operations.delivery import DeliveryVerbs
from relay.operations.office import require_enough
from relay.store.query import DeliveryFilter, DeliveryRow
from relay.store.row import domain_of
from relay.store.standing import subject_value
from relay.store.values import DeliveryState, Hold, Placed, Scope
from relay.wording import near_miss


@dataclass(frozen=True, slots=True, kw_only=True)
class StandingHold:
    """A hold, and how many deliveries it has stopped that wait for its end."""

    hold: Hold
    stopped: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Lifted:
    """What became of a wish to end a hold."""

    hold: Hold
    released: int | None  # deliveries that are due now; None: somebody else has just lifted it


class HoldVerbs(DeliveryVerbs):
    """What a person can see of standing holds, and do about them."""

    async def holds(self, scope: Scope | None = None) -> list[StandingHold]:
        """Return the standing holds, oldest first, or those of one scope."""
        stopped = await self._office.store.stopped()
        return [
            StandingHold(hold=hold, stopped=stopped.get(hold.id, 0))
            for hold in await self._office.store.holds()
            if scope is None or hold.scope is scope
        ]

    async def hold_named(self, prefix: str, scope: Scope | None = None) -> StandingHold:
        """Return the hold whose id begins so; raises BadInput when there is none such, or more than one."""
        require_enough([prefix])
        found = [each for each in await self.holds(scope) if each.hold.id.startswith(prefix)]
        if len(found) > 1:
            message = "is the beginning of more than one hold's id"
            hint = f"type more of it: {found[0].hold.id} or {found[1].hold.id}"
            raise BadInput([Problem(path=prefix, message=message, hint=hint)])
        if not found:
            raise BadInput([Problem(path=prefix, message="no hold's id begins so", hint="denrei hold list")])
        return found[0]

    async def hold_on(self, scope: Scope, value: str) -> StandingHold:
        """Return the hold on this; raises BadInput with the nearest when there is none."""
        wanted = subject_value(scope, value)
        standing = await self.holds(scope)
        for each in standing:
            if each.hold.value == wanted:
                return each
        hint = near_miss(wanted, [each.hold.value for each in standing]) or "denrei hold list shows all"
        raise BadInput([Problem(path=value, message=f"there is no hold on this {_words(scope)}", hint=hint)])

    async def stopped_by(self, hold_id: str) -> list[DeliveryRow]:
        """Return the deliveries that wait for the end of a hold."""
        return await self.selected(DeliveryFilter(states=(DeliveryState.HELD,), hold_id=hold_id))

    async def would_stop(self, scope: Scope, value: str) -> list[DeliveryRow]:
        """Return the queued deliveries that a hold would stop now."""
        queued = DeliveryFilter(states=(DeliveryState.QUEUED,))
        match scope:
            case Scope.SELLER:
                rows = await self.selected(replace(queued, seller_id=value))
            case Scope.PARTNER:
                rows = await self.selected(replace(queued, partner=value))
            case Scope.ADDRESS:
                rows = await self.selected(replace(queued, recipient=value))
            case Scope.NEXT_HOP:
                rows = await self.selected(queued, value)
        is_for_notices = scope is Scope.NEXT_HOP  # they go past all others (`store.standing`)
        return [row for row in rows if is_for_notices or not row.notice]

    async def place(self, scope: Scope, value: str, *, reason: str, by: str) -> Placed:
        """Place a hold: what it is on waits from now on, what is being sent comes to its end."""
        office = self._office
        wanted = Hold(
            id=office.clock.new_id(),
            scope=scope,
            value=subject_value(scope, value),
            reason=reason,
            by=by,
            placed_at=office.clock.now(),
        )
        return await office.store.place_hold(wanted)

    async def lift(self, hold: Hold, *, by: str) -> Lifted:
        """End a hold: what it stopped is due now."""
        released = await self._office.store.lift_hold(hold.id, now=self._office.clock.now(), by=by)
        return Lifted(hold=hold, released=released)

    async def doubt(self, scope: Scope, value: str) -> Problem | None:
        """Return why a hold on this may be a slip of the pen: nothing that is known has this name.

        A name is known when a registration, a template group or a route has it, or a stored delivery.
        """
        known = self._known(scope)
        wanted = subject_value(scope, value)
        if wanted in known or await self._has_deliveries(scope, wanted):
            return None
        message = f"is no {_words(scope)} that is registered, and no mail in the store has it"
        return Problem(path=value, message=message, hint=near_miss(wanted, sorted(known)))

    def _known(self, scope: Scope) -> set[str]:
        office = self._office
        try:
            registrations = list(office.registry.current)
            partners = set(office.templates.partners)
        except BadInput:  # broken files are told by `denrei check`; a hold must be possible all the same
            registrations, partners = [], set()
        recipients = {address.lower() for each in registrations for address in each.recipients}
        match scope:
            case Scope.SELLER:
                return {each.seller_id for each in registrations}
            case Scope.PARTNER:
                return partners
            case Scope.ADDRESS:
                return recipients
            case Scope.NEXT_HOP:
                return self._hops(map(domain_of, recipients))

    def _hops(self, domains: Iterable[str]) -> set[str]:
        return {self._office.routes.name(domain).lower() for domain in set(domains)}

    async def _has_deliveries(self, scope: Scope, value: str) -> bool:
        match scope:
            case Scope.SELLER:
                wanted = DeliveryFilter(seller_id=value, limit=1)
            case Scope.PARTNER:
                wanted = DeliveryFilter(partner=value, limit=1)
            case Scope.ADDRESS:
                wanted = DeliveryFilter(recipient=value, limit=1)
            case Scope.NEXT_HOP:
                return value in self._hops(shape.waiting.domain for shape in await self.shape())
        return bool(await self.deliveries(wanted))


def _words(scope: Scope) -> str:
    """A scope as people say it.

    >>> _words(Scope.NEXT_HOP)
    'next hop'
    """
    return scope.value.replace("_", " ")
