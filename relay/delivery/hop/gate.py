"""The way to a next hop's connections: open, or closed for a while after it could not be reached.

Guarantees: nobody dials while it is closed; connections that fail together close it once; a refusal beside
connections that stand closes nothing. Diagnostics: logged when it closes and when the hop answers again.
Source: ours.
"""

from collections.abc import Callable
from dataclasses import dataclass

import structlog

from relay.clock import Clock
from relay.config import DeliveryConfig
from relay.delivery.hop.dialler import Dialler
from relay.delivery.hop.pace import Pace
from relay.delivery.hop.suspension import MAX_PAUSE_SECONDS, Reachability
from relay.delivery.smtp.session import Session

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Closed:
    """No connection, and what waits is to be turned away."""

    is_news: bool  # this try has just found it out


class Gate:
    """One next hop's; `reach` says how it stands."""

    def __init__(
        self, name: str, dialler: Dialler, *, pace: Pace, clock: Clock, settings: DeliveryConfig
    ) -> None:
        self._name = name
        self._dialler = dialler
        self._pace = pace
        self._clock = clock
        self.reach = Reachability(
            suspend_after=settings.suspend_after, probe_seconds=settings.probe.total_seconds()
        )

    @property
    def is_closed(self) -> bool:
        """Whether nobody may dial now."""
        return self.reach.is_closed(self._clock.monotonic())

    @property
    def closed_for(self) -> float:
        """Seconds until somebody may; 0: now."""
        return self.reach.closed_for(self._clock.monotonic())

    @property
    def remembers(self) -> bool:
        """Whether something would be lost by forgetting this next hop."""
        now = self._clock.monotonic()
        next_try = max(self.reach.closed_until, self.reach.failed_at + self.reach.probe_seconds)
        is_failing = self.reach.failures and now < next_try + MAX_PAUSE_SECONDS
        return bool(is_failing) or self._dialler.shuns or self._pace.wait(now) > 0 or self._pace.is_eased(now)

    async def open(self, connected: Callable[[], int]) -> Session | Closed | None:
        """A new session; None: not now, and there is nothing to do about it.

        Args:
            connected: how many connections stand when the answer is in.
        """
        began = self._clock.monotonic()
        if self.reach.is_closed(began):
            return Closed(is_news=False)
        opened = await self._dialler.dial()
        if isinstance(opened, Session):
            self._answered()
            return opened
        now = self._clock.monotonic()
        if connected():
            self._pace.kept_at(connected(), now=now)
            return None
        before, self.reach = self.reach, self.reach.failed(opened, began=began, now=now)
        if self.reach is not before:
            self._pace.restarted()
            self._tell_closed()
            return Closed(is_news=True)
        # Others have told of it; if the pause that they began is over already, the next worker tries anew.
        return Closed(is_news=False) if self.reach.is_closed(now) else None

    def hurry(self) -> None:
        """Let somebody dial before the time, because a person wants it."""
        self.reach = self.reach.hurried()

    def _answered(self) -> None:
        if self.reach.failures:
            _log.info("next hop answers again", next_hop=self._name)
            self.reach = self.reach.answered()

    def _tell_closed(self) -> None:
        _log.warning(
            "next hop cannot be reached",
            next_hop=self._name,
            state=self.reach.reach.value,
            failures=self.reach.failures,
            pause_seconds=self.reach.closed_for(self.reach.failed_at),
        )
