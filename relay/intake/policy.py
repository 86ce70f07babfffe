"""Who may send, and to which addresses: pure decisions, no relay for strangers.

Addresses are compared without regard to case, the local part too: an intake address is ours, and nobody
means two mailboxes by `Orders@` and `orders@`. Source: RFC 5321 7.9 and 2.4; RFC 4291 2.5.5.2 (mapped
addresses).
"""

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Protocol

from relay.intake.door import Reply

MAX_REMEMBERED = 1_000  # peers whose answer is kept: a marketplace sends from a few

_STRANGER = Reply(code=554, text="5.7.1 you may not send here")
_NO_SUCH_ADDRESS = Reply(code=550, text="5.1.1 no such address here")
_RELAY_DENIED = Reply(code=550, text="5.7.1 relaying denied")


class Settings(Protocol):
    """What the policy is made of; `config.IntakeConfig` is one."""

    @property
    def addresses(self) -> Sequence[str]:
        """The addresses that take notifications."""

    @property
    def networks(self) -> Sequence[IPv4Network | IPv6Network]:
        """Where senders may stand."""


class Policy:
    """Who may send, and to which addresses."""

    def __init__(self, settings: Settings) -> None:
        self._addresses = frozenset(address.lower() for address in settings.addresses)
        self._domains = frozenset(address.rpartition("@")[2] for address in self._addresses)
        self._networks = tuple(settings.networks)
        self._remembered: dict[str, Reply | None] = {}

    def refusal_of_peer(self, peer: str) -> Reply | None:
        """Why a client may not send, or None when it may.

        Args:
            peer: its IP address as text; an IPv6 address may carry a zone (fe80::1%eth0).
        """
        if peer not in self._remembered:
            if len(self._remembered) >= MAX_REMEMBERED:
                self._remembered.clear()
            self._remembered[peer] = None if self._is_known(peer) else _STRANGER
        return self._remembered[peer]

    def refusal_of_recipient(self, address: str) -> Reply | None:
        """Why mail to an address is not taken, or None when it is."""
        address = address.lower()
        if address in self._addresses:
            return None
        return _NO_SUCH_ADDRESS if address.rpartition("@")[2] in self._domains else _RELAY_DENIED

    def _is_known(self, peer: str) -> bool:
        try:
            address: IPv4Address | IPv6Address = ip_address(peer)
        except ValueError:  # a Unix socket has no address
            return False
        if isinstance(address, IPv6Address):
            address = address.ipv4_mapped or IPv6Address(int(address))  # the zone says where, not who
        return any(address in network for network in self._networks)
