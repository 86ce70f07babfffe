"""The condition of a running relay, asked of its parts when somebody wants to know.

Guarantees: no question changes anything but the store's own probe, one small write that is really made, since
a disk that is full shows by nothing else. Source: ours.
"""

import shutil
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Protocol

from relay.clock import Clock
from relay.delivery.hop.suspension import Reach
from relay.delivery.seam import HopState
from relay.errors import MachineFailure
from relay.metrics import HopSample, Sample
from relay.store.query import LiveCounts


class Store(Protocol):
    """What is asked of the store."""

    async def live(self) -> LiveCounts:
        """What waits."""

    async def probe(self) -> None:
        """Make a small write; raises MachineFailure when the machine cannot."""


class Delivery(Protocol):
    """What is asked of the engine."""

    @property
    def in_memory(self) -> int:
        """Deliveries in memory."""

    @property
    def is_running(self) -> bool:
        """Whether it takes deliveries."""

    def hops(self) -> Sequence[HopState]:
        """How each next hop stands."""


class Intake(Protocol):
    """What is asked of the listener."""

    @property
    def connections(self) -> int:
        """Clients that are connected."""

    @property
    def is_listening(self) -> bool:
        """Whether it takes new ones."""


class Registrations(Protocol):
    """What is asked of the live registry."""

    @property
    def problem(self) -> str:
        """Why the last good state is in force; "" when the files are good."""

    @property
    def count(self) -> int:
        """Registrations in force."""


class Condition:
    """Answers the monitor's questions for one worker."""

    def __init__(
        self,
        *,
        store: Store,
        delivery: Delivery,
        intake: Intake,
        registry: Registrations,
        clock: Clock,
        store_path: Path,
        memory_limit: int,
        connection_limit: int,
        certificate_ends_at: Callable[[], datetime] | None,
    ) -> None:
        """`certificate_ends_at`: of the intake's certificate, None without one."""
        self._store = store
        self._delivery = delivery
        self._intake = intake
        self._registry = registry
        self._clock = clock
        self._store_path = store_path
        self._memory_limit = memory_limit
        self._connection_limit = connection_limit
        self._certificate_ends_at = certificate_ends_at

    async def sample(self, lag_seconds: float) -> Sample:
        """What the gauges show; raises MachineFailure when the store does not answer."""
        live = await self._store.live()
        ends_at = self._certificate_ends_at
        return Sample(
            now=self._clock.now(),
            deliveries={state.value: number for state, number in live.deliveries.items()},
            oldest={state.value: since for state, since in live.oldest.items()},
            quarantined=live.kept_in_quarantine,
            holds={scope.value: number for scope, number in live.holds.items()},
            hops=[_hop_sample(hop) for hop in self._delivery.hops()],
            in_memory=self._delivery.in_memory,
            memory_limit=self._memory_limit,
            connections=self._intake.connections,
            connection_limit=self._connection_limit,
            free_octets=_free_octets(self._store_path),
            store_octets=_octets(self._store_path),
            is_registry_bad=bool(self._registry.problem),
            registrations=self._registry.count,
            certificate_ends_at=ends_at() if ends_at is not None else None,
            loop_lag_seconds=lag_seconds,
        )

    async def unready(self) -> list[str]:
        """Why no new mail should be sent here; empty when it may."""
        reasons = []
        if not self._intake.is_listening:
            reasons.append("the intake takes no new connection: the relay is starting or stopping")
        if not self._delivery.is_running:
            reasons.append("delivery does not run: the relay is starting or stopping")
        try:
            await self._store.probe()
        except MachineFailure as failure:
            reasons.append(f"the store takes no write: {failure}")
        return reasons


def _hop_sample(hop: HopState) -> HopSample:
    return HopSample(
        name=hop.name,
        connections=hop.connections,
        allowed=hop.allowed,
        waiting=hop.waiting,
        is_pausing=hop.state is Reach.PAUSING,
        is_suspended=hop.state is Reach.SUSPENDED,
    )


def _free_octets(path: Path) -> int:
    try:
        return shutil.disk_usage(path.parent).free
    except OSError:  # its folder is gone: as good as no room
        return 0


def _octets(path: Path) -> int:
    total = 0
    for each in (path, path.with_name(f"{path.name}-wal")):
        try:
            total += each.stat().st_size
        except OSError:  # there is no log between a clean end and the next write
            continue
    return total
