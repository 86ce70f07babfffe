"""How much one client may take up: connections at once and mails in a minute, so that the others find room.

A client is an IPv4 address, or a /64 of IPv6: that is what one customer gets, who can take another address
of it for each connection. Guests, who came in without being known, have at most half of all connections
together, so that who may send finds the other half.

Guarantees: one step of counting costs the same whatever has gone before; what is remembered is bounded. A
client that sends steadily at its rate is never refused; one that was idle may send a whole period's count
at once. Counting is by MAIL, so RSET buys nothing.

Diagnostics: a client above its measure hears 421 (a connection) or 451 (a mail): it keeps what it has and
comes again. Source: ours; the counting is the generic cell rate algorithm (ITU-T I.371, annex A); RFC 3463
for the enhanced codes; /64 after RFC 6177.
"""

from datetime import timedelta
from ipaddress import AddressValueError, IPv6Address
from typing import Protocol

from relay.clock import Clock
from relay.intake.session import reply
from relay.intake.session.door import Reply
from relay.quantity import Rate

GUEST_SECONDS = 30.0  # for a guest to sign in or to begin a mail: a few round trips and a slow hash
MAX_CLIENTS = 10_000  # remembered at once, 2 MB of memory; more than can mean well within a minute

_TOO_MANY_CONNECTIONS = Reply(code=421, text="4.7.0 too many connections from you, try again later")
_TOO_MANY_MAILS = Reply(code=451, text="4.7.1 too many mails from you, try again later")


def client_of(peer: str) -> str:
    """Whose address this is, as far as one can tell.

    >>> client_of("192.0.2.7"), client_of("::ffff:192.0.2.7"), client_of("2001:db8:0:7:1::2%eth0")
    ('192.0.2.7', '192.0.2.7', '2001:db8:0:7::/64')
    """
    if ":" not in peer:
        return peer
    try:
        address = IPv6Address(peer)
    except AddressValueError:
        return peer
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return f"{IPv6Address(int(address) >> 64 << 64)}/64"


def full_after(full_at: float, now: float, rate: Rate) -> float | None:
    """When an allowance will be full again if one is taken from it now; None when there is none to take.

    An allowance of `rate.count` fills up evenly within `rate.period`. When it will be full says all about it.

    Args:
        full_at: when it is, or was, full; seconds on a clock that never goes back.
        now: on the same clock.
        rate: the count and the period.

    >>> rate = Rate(2, timedelta(seconds=60))
    >>> full_after(0.0, 100.0, rate), full_after(130.0, 100.0, rate), full_after(160.0, 100.0, rate)
    (130.0, 160.0, None)
    """
    period = rate.period.total_seconds()
    step = period / rate.count
    after = max(full_at, now) + step
    return after if after <= now + period + step / 1000 else None  # sums of many steps are a little off


class Allowances:
    """Counts what each of many clients takes, within one rate."""

    def __init__(self, rate: Rate, *, clock: Clock, forgets_busy: bool = False) -> None:
        """Make one where nobody has taken anything.

        Args:
            rate: for each client.
            clock: measures.
            forgets_busy: what happens when more than `MAX_CLIENTS` have taken something within a period: True
                forgets what the one did that has been idle for longest, False refuses the newcomer.
        """
        self._rate = rate
        self._clock = clock
        self._forgets_busy = forgets_busy
        self._full_at: dict[str, float] = {}  # the least recent client first

    def __len__(self) -> int:
        return len(self._full_at)

    def has(self, client: str) -> bool:
        """Whether the client could take one."""
        full_at = self._full_at.get(client, 0.0)
        return full_after(full_at, self._clock.monotonic(), self._rate) is not None

    def take(self, client: str) -> bool:
        """Count one for the client; False, and nothing is counted, when it has none left."""
        now = self._clock.monotonic()
        full_at = self._full_at.pop(client, None)
        if full_at is None:
            if not self._has_room(now):
                return False
            full_at = now
        after = full_after(full_at, now, self._rate)
        self._full_at[client] = full_at if after is None else after
        return after is not None

    def give_back(self, client: str) -> None:
        """Count one less: what was taken turned out to be no trouble."""
        full_at = self._full_at.get(client)
        if full_at is None:
            return
        full_at -= self._rate.period.total_seconds() / self._rate.count
        if full_at <= self._clock.monotonic():
            del self._full_at[client]
        else:
            self._full_at[client] = full_at

    def _has_room(self, now: float) -> bool:
        if len(self._full_at) < MAX_CLIENTS:
            return True
        oldest = next(iter(self._full_at))
        if self._full_at[oldest] > now and not self._forgets_busy:
            return False
        del self._full_at[oldest]
        return True


class Settings(Protocol):
    """What one client may take up at most; `config.IntakeConfig` is one."""

    @property
    def max_connections(self) -> int:
        """Connections at once, of all clients."""

    @property
    def max_connections_per_client(self) -> int:
        """Connections at once."""

    @property
    def mails_per_minute(self) -> int:
        """Mails begun in a minute."""


class Throttle:
    """Counts the clients' connections and mails.

    A guest is a connection of which nobody knows yet whether it may send.
    """

    def __init__(self, settings: Settings, *, clock: Clock) -> None:
        self._max_guests = max(1, settings.max_connections // 2)
        self._guests = 0
        self._max_connections = settings.max_connections_per_client
        self._connections: dict[str, int] = {}  # as many as the listener has connections, at most
        self._mails = Allowances(Rate(settings.mails_per_minute, timedelta(minutes=1)), clock=clock)

    def enter(self, peer: str, *, is_guest: bool) -> Reply | None:
        """Count a connection in, or say why not. Each that came in has to `leave`."""
        if is_guest and self._guests >= self._max_guests:
            return reply.TOO_MANY_CONNECTIONS
        client = client_of(peer)
        number = self._connections.get(client, 0)
        if number >= self._max_connections:
            return _TOO_MANY_CONNECTIONS
        self._connections[client] = number + 1
        self._guests += is_guest
        return None

    def make_known(self) -> None:
        """One guest has signed in, and is none any more."""
        self._guests = max(0, self._guests - 1)

    def leave(self, peer: str, *, is_guest: bool) -> None:
        """Count a connection out that came in: as a guest, if it is still one."""
        if is_guest:
            self.make_known()
        client = client_of(peer)
        number = self._connections.get(client, 0)
        if number > 1:
            self._connections[client] = number - 1
        else:
            self._connections.pop(client, None)

    def begin_mail(self, peer: str) -> Reply | None:
        """Count a mail, or say why it may not begin now."""
        return None if self._mails.take(client_of(peer)) else _TOO_MANY_MAILS
