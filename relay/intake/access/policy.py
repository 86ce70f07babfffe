"""Who may send, and what to which addresses: pure decisions, no relay for strangers.

There are three sorts of senders. One from `networks`, or one that signed in, may send notifications, and
late bounces besides. One from `bounces_from` may send late bounces only: mail from the null sender to a
return address that this relay made. Everybody else may send nothing; where there are users, a stranger may
at least come in and say who it is. So what is neither an intake address nor a return address is never
taken, from nobody, but for mail to the postmaster: RFC 5321 asks for that mailbox, and people answer to
notices. It is taken from who may send notifications, so that nobody else fills the disk with it.

With `require_tls` nothing is taken in clear, late bounces from `bounces_from` excepted: partners' servers
bring those, and a server that everybody's mail comes to must not insist on encryption (RFC 3207 section 4).
What they bring is a report on a mail, and one that is refused is lost.

Addresses are compared without regard to case, the local part too: an intake address is ours, and nobody
means two mailboxes by `Orders@` and `orders@`. Source: RFC 5321 7.9, 2.4 and 4.5.1; RFC 4291 2.5.5.2 (mapped
addresses); RFC 4954 section 6 and RFC 3207 section 4 (530).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from pathlib import Path
from typing import Protocol

from relay.intake.session.door import Reply, Session

POSTMASTER = "postmaster"  # also without a domain (RFC 5321 4.5.1)
MAX_REMEMBERED = 1_000  # peers whose standing is kept: a marketplace sends from a few

_STRANGER = Reply(code=554, text="5.7.1 you may not send here")
_MUST_ENCRYPT = Reply(code=530, text="5.7.0 must issue STARTTLS first")
_MUST_SIGN_IN = Reply(code=530, text="5.7.0 authentication required")
_BOUNCES_ONLY = Reply(code=550, text="5.7.1 you may send bounces here, and nothing else")
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

    @property
    def bounces_from(self) -> Sequence[IPv4Network | IPv6Network]:
        """Where those may stand who bring late bounces."""

    @property
    def users(self) -> Path | None:
        """The file of those who may sign in; None: nobody can."""

    @property
    def require_tls(self) -> bool:
        """Whether notifications are taken over encrypted connections only."""


class Returns(Protocol):
    """What the policy needs of `return_address.ReturnAddress`."""

    def delivery_id(self, address: str, /) -> str | None:
        """Whose return address this is; None when this relay did not make it."""

    def is_ours(self, address: str, /) -> bool:
        """Whether the address has the shape of a return address."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    """What a client may do because of the place where it stands."""

    may_notify: bool  # in networks
    may_report: bool  # in bounces_from


_NOWHERE = _Place(may_notify=False, may_report=False)


class Policy:
    """Who may send, and what to which addresses."""

    def __init__(self, settings: Settings, *, hostname: str = "", returns: Returns | None = None) -> None:
        """Make the policy.

        Args:
            settings: the configuration's `intake`.
            hostname: what the relay calls itself. It has a postmaster, as each intake address's domain has.
            returns: what knows the return addresses; without it no late bounce is taken.
        """
        self._addresses = frozenset(address.lower() for address in settings.addresses)
        self._domains = frozenset(address.rpartition("@")[2] for address in self._addresses)
        hosts = {hostname.lower(), *self._domains} - {""}
        self._postmasters = {POSTMASTER, *(f"{POSTMASTER}@{host}" for host in hosts)} - self._addresses
        self._networks = tuple(settings.networks)
        self._bounces_from = tuple(settings.bounces_from)
        self._has_users = settings.users is not None
        self._require_tls = settings.require_tls
        self._returns = returns
        self._remembered: dict[str, _Place] = {}

    def refusal_of_peer(self, peer: str) -> Reply | None:
        """Why a client may not come in, or None when it may.

        Args:
            peer: its IP address as text; an IPv6 address may carry a zone (fe80::1%eth0).
        """
        place = self._place(peer)
        return None if place.may_notify or place.may_report or self._has_users else _STRANGER

    def is_guest(self, session: Session) -> bool:
        """Whether it is unknown who this is: somebody who came in without standing in `networks`."""
        return not session.user and not self._place(session.peer).may_notify

    def is_postmaster(self, address: str) -> bool:
        """Whether this is the postmaster, and no intake address."""
        return address.lower() in self._postmasters

    def refusal_of_sender(self, session: Session, address: str) -> Reply | None:
        """Why a client may not begin a mail, or None when it may.

        Args:
            session: who asks.
            address: the envelope sender, "" for the null sender.
        """
        if self._may_notify(session) or self._may_report(session, address):
            return None
        return self._what_is_missing(session)

    def refusal_of_recipient(self, session: Session, mail_from: str, address: str) -> Reply | None:
        """Why mail to an address is not taken from this client, or None when it is.

        Args:
            session: who asks.
            mail_from: the envelope sender of the mail, "" for the null sender.
            address: the recipient.
        """
        may_notify = self._may_notify(session)
        if not may_notify and not self._may_report(session, mail_from):
            return self._what_is_missing(session)
        lowered = address.lower()
        if lowered in self._addresses or lowered in self._postmasters:
            return None if may_notify else self._what_is_missing(session)
        if self._returns is not None and self._returns.is_ours(address):
            return None if self._returns.delivery_id(address) is not None else _NO_SUCH_ADDRESS
        return _NO_SUCH_ADDRESS if lowered.rpartition("@")[2] in self._domains else _RELAY_DENIED

    def _may_notify(self, session: Session) -> bool:
        if self._require_tls and not session.tls:
            return False
        return (self._has_users and bool(session.user)) or self._place(session.peer).may_notify

    def _may_report(self, session: Session, mail_from: str) -> bool:
        return not mail_from and self._place(session.peer).may_report

    def _what_is_missing(self, session: Session) -> Reply:
        """What a client that may not go on would have to do first, if anything helps."""
        place = self._place(session.peer)
        if self._require_tls and not session.tls and (self._has_users or place.may_notify):
            return _MUST_ENCRYPT
        if self._has_users:
            return _MUST_SIGN_IN
        return _BOUNCES_ONLY if place.may_report else _STRANGER

    def _place(self, peer: str) -> _Place:
        place = self._remembered.get(peer)
        if place is None:
            if len(self._remembered) >= MAX_REMEMBERED:
                self._remembered.clear()
            place = self._remembered[peer] = self._looked_up(peer)
        return place

    def _looked_up(self, peer: str) -> _Place:
        try:
            address: IPv4Address | IPv6Address = ip_address(peer)
        except ValueError:  # a Unix socket has no address
            return _NOWHERE
        if isinstance(address, IPv6Address):
            address = address.ipv4_mapped or IPv6Address(int(address))  # the zone says where, not who
        return _Place(
            may_notify=any(address in network for network in self._networks),
            may_report=any(address in network for network in self._bounces_from),
        )
