"""What stands around intake in tests: registrations of one shop, a dispatch that remembers."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from relay.notification import NotificationType
from relay.registry import Registration
from relay.store.values import Due

LEASED_UNTIL = datetime(2026, 11, 21, 1, 10, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class GivenLease:
    """A lease."""

    worker: str = "worker-1"
    until: datetime = LEASED_UNTIL


@dataclass(slots=True)
class RecordingDispatch:
    """Gives leases while it has room and remembers what it is offered."""

    room: int = 100
    offered: list[Due] = field(default_factory=list)

    def lease(self, count: int) -> GivenLease | None:
        """A lease while the room lasts."""
        return GivenLease() if len(self.offered) + count <= self.room else None

    def offer(self, dues: Sequence[Due]) -> None:
        """Remember."""
        self.offered += dues


@dataclass(frozen=True, slots=True)
class Shop:
    """A registry of one seller: example-shop."""

    registered: tuple[Registration, ...]

    def registrations(self, seller_id: str, notification: NotificationType, /) -> tuple[Registration, ...]:
        """What the shop has registered for order_info."""
        wanted = seller_id == "example-shop" and notification is NotificationType.ORDER_INFO
        return self.registered if wanted else ()


PERIOD = timedelta(minutes=30)
