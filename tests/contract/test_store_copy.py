"""An ended mail goes out once more, not twice more: what retry and resend refuse, in every store engine."""

from dataclasses import replace
from pathlib import Path

import pytest

from relay.store.store import Store
from relay.store.values import Accepted, Delivery, DeliveryState
from tests.support.clock import ManualClock
from tests.support.stored import accepted, claim, settlement, with_store

DELIVERED, BOUNCED, QUEUED = DeliveryState.DELIVERED, DeliveryState.BOUNCED, DeliveryState.QUEUED


class Family:
    """One mail and its copies, each ended as a test wishes."""

    def __init__(self, store: Store, clock: ManualClock) -> None:
        self._store = store
        self._clock = clock
        self.one: Accepted = accepted(clock)

    async def first(self, state: DeliveryState) -> str:
        """The first delivery, ended so."""
        await self._store.accept(self.one)
        return await self.end(self.one.deliveries[0].id, state)

    async def end(self, id_: str, state: DeliveryState) -> str:
        """The end of its attempt; nothing when it is to stay queued."""
        if state is DeliveryState.DISCARDED:
            assert await self._store.discard(id_, now=self._clock.now(), by="店長")
        elif state is not QUEUED:
            assert id_ in [due.delivery.id for due in await claim(self._store, self._clock)]
            end = settlement(self.one, worker="w/1", at=self._clock.now(), state=state)
            assert await self._store.settle(replace(end, delivery_id=id_))
        return id_

    async def resend(self, id_: str) -> str | None:
        """A copy of it; None: refused."""
        mail = replace(self.one.mails[0], id=self._clock.new_id())
        new = Delivery(
            id=self._clock.new_id(),
            mail_id=mail.id,
            recipient="orders@partner.example.jp",
            state=QUEUED,
            due_at=self._clock.now(),
            accepted_at=self._clock.now(),
        )
        now = self._clock.now()
        applied = await self._store.resend(id_, mail=mail, new_delivery=new, now=now, by="店長")
        return new.id if applied else None

    async def retry(self, id_: str) -> bool:
        """Whether it may be tried again; it is then."""
        return await self._store.retry(id_, now=self._clock.now(), by="店長")

    async def in_the_way(self, id_: str) -> str:
        """The copy for whose sake this one is refused, as the store names it; empty: none."""
        row = await self._store.standing_copy(id_)
        return row.delivery.id if row else ""


@pytest.mark.parametrize("state", [QUEUED, DELIVERED, DeliveryState.HELD])
def test_a_bounced_mail_with_a_copy_that_lives_or_arrived_is_not_sent_once_more(place: Path, state) -> None:
    """Resent twice and retried, one bounce would be three mails at the partner."""

    async def story(store: Store, clock: ManualClock) -> None:
        family = Family(store, clock)
        first = await family.first(BOUNCED)
        copy = await family.resend(first)
        assert copy
        if state is DeliveryState.HELD:
            assert await store.hold(copy, now=clock.now(), by="店長")
        else:
            await family.end(copy, state)
        assert (await family.resend(first), await family.retry(first)) == (None, False)
        assert await family.in_the_way(first) == copy

    with_store(place, story)


@pytest.mark.parametrize("state", [BOUNCED, DeliveryState.DISCARDED])
def test_after_a_copy_that_came_to_nothing_the_mail_may_go_again(place: Path, state) -> None:
    """Bounced or discarded, it stands in nobody's way; but only one of the two is retried."""

    async def story(store: Store, clock: ManualClock) -> None:
        family = Family(store, clock)
        first = await family.first(BOUNCED)
        copy = await family.resend(first)
        assert copy
        await family.end(copy, state)
        assert (await family.in_the_way(first), await family.in_the_way(copy)) == ("", "")
        assert await family.retry(first)
        assert (await family.retry(copy), await family.resend(copy)) == (False, None)
        assert await family.in_the_way(copy) == first

    with_store(place, story)


def test_a_copy_of_a_copy_and_a_sister_count_too(place: Path) -> None:
    """First, its two copies and a copy's copy, all bounced but the last: none of the others goes again."""

    async def story(store: Store, clock: ManualClock) -> None:
        family = Family(store, clock)
        first = await family.first(BOUNCED)
        sister = await family.end(await family.resend(first) or "", BOUNCED)
        copy = await family.end(await family.resend(first) or "", BOUNCED)
        last = await family.end(await family.resend(copy) or "", DELIVERED)
        for id_ in (first, sister, copy):
            assert (await family.retry(id_), await family.in_the_way(id_)) == (False, last)
        assert await family.in_the_way(last) == ""
        assert await family.resend(last)

    with_store(place, story)


def test_what_the_partner_lost_may_be_sent_again_and_that_be_retried(place: Path) -> None:
    """A person wants a delivered mail sent again; that copy's bounce is retried though the first arrived."""

    async def story(store: Store, clock: ManualClock) -> None:
        family = Family(store, clock)
        first = await family.first(DELIVERED)
        copy = await family.end(await family.resend(first) or "", BOUNCED)
        assert await family.in_the_way(copy) == ""
        assert await family.retry(copy)

    with_store(place, story)


def test_another_recipient_of_the_same_notification_is_no_copy(place: Path) -> None:
    """Of two mails of one notification one was resent: the other's bounce is retried all the same."""

    async def story(store: Store, clock: ManualClock) -> None:
        family = Family(store, clock)
        family.one = accepted(clock, recipients=("orders@partner.example.jp", "b@other.example.jp"))
        first = await family.first(BOUNCED)
        other = family.one.deliveries[1].id
        assert await store.settle(
            settlement(family.one, worker="w/1", at=clock.now(), state=BOUNCED, number=1)
        )
        assert await family.resend(first)
        assert await family.retry(other)

    with_store(place, story)
