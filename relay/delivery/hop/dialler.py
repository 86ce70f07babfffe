"""One next hop's way to a new connection: which address, in which order, and which one to leave for last.

A host that failed is tried last for a while, so that one dead exchanger of two costs one timeout and not one
for each connection.

Guarantees: at most `MAX_ADDRESSES` are tried; a bug on the way is an outcome like any other failure.
Diagnostics: every failure is a value, with each address's reason. Source: RFC 5321 section 5.1; the order
by promise is ours.
"""

from typing import Protocol

import structlog

from relay.clock import Clock
from relay.delivery.outcome import Deferred, Outcome
from relay.delivery.route import NextHop, Routes
from relay.delivery.smtp.connector import Refused
from relay.delivery.smtp.policy import HopPolicy
from relay.delivery.smtp.session import Address, Session

MAX_ADDRESSES = 5  # tried for one connection; a hop with more dead hosts than that is deferred
SHUN_SECONDS = (
    300.0  # a host that failed is tried last for so long: one dead exchanger of two costs one timeout
)

_log = structlog.get_logger()


class Connects(Protocol):
    """What opens one connection."""

    async def connect(self, address: Address, policy: HopPolicy) -> Session | Refused:
        """A session that is ready for MAIL, or why there is none."""


class Dialler:
    """Opens the sessions of one next hop."""

    def __init__(
        self, target: NextHop, *, routes: Routes, connector: Connects, policy: HopPolicy, clock: Clock
    ) -> None:
        self._target = target
        self._routes = routes
        self._connector = connector
        self._policy = policy
        self._clock = clock
        self._shunned: dict[Address, float] = {}

    @property
    def shuns(self) -> bool:
        """Whether an address is left for last at the moment: something worth remembering."""
        now = self._clock.monotonic()
        return any(until > now for until in self._shunned.values())

    async def dial(self) -> Session | Outcome:
        """A session, or what becomes of the mails because there is none to be had."""
        try:
            addresses = await self._routes.addresses(self._target)
            if not isinstance(addresses, tuple):
                return addresses
            reasons = []
            for address in self._by_promise(addresses)[:MAX_ADDRESSES]:
                session = await self._connector.connect(address, self._policy)
                if isinstance(session, Session):
                    self._shunned.pop(address, None)
                    return session
                self._shunned[address] = self._clock.monotonic() + SHUN_SECONDS
                reasons.append(session.reason)
            return Deferred("; ".join(reasons))
        except Exception as bug:  # noqa: BLE001  (our own bug: the mails must outlive it)
            _log.exception("connecting failed by a bug", next_hop=str(self._target))
            return Deferred(f"an error in Denrei: {type(bug).__name__}")

    def _by_promise(self, addresses: tuple[Address, ...]) -> list[Address]:
        """The addresses with those that failed of late at the end; else in their order."""
        now = self._clock.monotonic()
        self._shunned = {address: until for address, until in self._shunned.items() if until > now}
        return sorted(addresses, key=lambda address: address in self._shunned)
