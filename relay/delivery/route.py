"""From a recipient to its next hop, and from a next hop to the addresses that answer for it.

The first answer is pure: the operator's table of routes wins, then the smarthost, then the mail exchangers
of the recipient's domain. It names a next hop, which owns the connections and the queue of all that goes
the same way. The second asks the DNS (or the system's resolver for names that the operator wrote, so that
/etc/hosts counts) when a connection is to be opened, and no sooner: a mail on a kept connection needs no
look-up.

Diagnostics: a domain that says it takes no mail (RFC 7505) bounces. Everything else that the DNS can say or
fail to say defers: a typing error in a zone is mended within hours. Source: RFC 5321 section 5.1, RFC 7505.
"""

import asyncio
import ipaddress
import re
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import dns.asyncresolver
import dns.exception
import dns.rdatatype
import dns.resolver
from dns.rdtypes.ANY.MX import MX

from relay.clock import Clock
from relay.config import DeliveryConfig
from relay.delivery.outcome import Bounced, Deferred
from relay.delivery.smtp.session import Address

SMTP_PORT = 25
MAX_EXCHANGES = 5  # hosts tried for one connection; Postfix's smtp_mx_address_limit is 5 too
MAX_CACHED = 10_000  # domains: far more than one relay's partners, some MB
MAX_TTL_SECONDS = (
    3_600  # a partner that moves tells its TTL; nobody should wait longer than an hour for a mended zone
)
MIN_TTL_SECONDS = 5  # a TTL of 0 would ask the DNS for each connection of a burst
RESOLVE_SECONDS = 20.0  # all servers, all repeats; a DNS slower than that is broken
_IPV4_AT_THE_END = tuple(
    ipaddress.IPv6Network(text)
    for text in ("::/96", "64:ff9b::/96", "64:ff9b:1::/48")  # compatible (RFC 4291), NAT64 (RFC 6052, 8215)
)
_DOMAIN = re.compile(r"(?=.{1,253}$)(?!-)[a-z0-9-]{1,63}(?:\.(?!-)[a-z0-9-]{1,63})*", re.ASCII)


@dataclass(frozen=True, slots=True)
class Host:
    """A next hop that the operator named."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Exchange:
    """The mail exchangers of a domain."""

    domain: str

    def __str__(self) -> str:
        return self.domain


NextHop = Host | Exchange


class Resolver(Protocol):
    """What dnspython's resolver does for us."""

    async def resolve(
        self, qname: str, rdtype: dns.rdatatype.RdataType, *, search: bool, lifetime: float
    ) -> dns.resolver.Answer:
        """The records, or a `dns.exception.DNSException`."""


def exchange_order(
    records: Sequence[tuple[int, str]], *, domain: str, hostname: str, chance: Callable[[], float]
) -> tuple[str, ...] | Deferred | Bounced:
    """The exchangers to try, best first; equals in an order drawn by `chance` (RFC 5321 section 5.1).

    `records` are preference and host, lower case without the final dot. No records: the domain's own host.
    Where `hostname`, this relay, is among them, only better ones count, so that mail never goes in a circle.

    >>> exchange_order([(20, "b.example"), (10, "a.example")], domain="x", hostname="r", chance=lambda: 0.5)
    ('a.example', 'b.example')
    >>> exchange_order([(0, "")], domain="example.jp", hostname="r", chance=lambda: 0.5)
    Bounced(reason='556 5.1.10 example.jp takes no mail (null MX)')
    """
    if not records:
        return Deferred(f"{domain} leads back to this relay") if domain == hostname else (domain,)
    named = [(preference, host) for preference, host in records if host]
    if not named:
        return Bounced(f"556 5.1.10 {domain} takes no mail (null MX)")
    own = min((preference for preference, host in named if host == hostname), default=None)
    if own is not None:
        named = [(preference, host) for preference, host in named if preference < own]
    if not named:
        return Deferred(f"the mail exchanger of {domain} is this relay, which knows no other way")
    order = sorted((preference, chance(), host) for preference, host in named)
    return tuple(dict.fromkeys(host for _, _, host in order))[:MAX_EXCHANGES]


class Routes:
    """Answers both questions; one for the whole process, because it remembers what the DNS said."""

    def __init__(
        self,
        settings: DeliveryConfig,
        *,
        hostname: str,
        clock: Clock,
        resolver: Resolver | None = None,
        port: int = SMTP_PORT,
        loopback: bool = False,
    ) -> None:
        """`port` is where exchangers listen; `loopback`: an MX may point at this machine (for tests)."""
        self._table = {domain: Host(place.host, place.port) for domain, place in settings.routes.items()}
        place = settings.smarthost if settings.route == "smarthost" else None
        self._smarthost = Host(place.host, place.port) if place is not None else None
        self._hostname = hostname.lower()
        self._clock = clock
        self._resolver = resolver
        self._port = port
        self._loopback = loopback
        self._remembered: dict[tuple[str, dns.rdatatype.RdataType], tuple[float, Sequence[object]]] = {}

    def next_hop(self, recipient: str) -> NextHop | Bounced:
        """Which way mail for this addr-spec goes; a bounce when it is no address that SMTP can reach."""
        local, _, domain = recipient.rpartition("@")
        domain = domain.lower()
        if domain in self._table:
            return self._table[domain]
        if not (local and _DOMAIN.fullmatch(domain)):
            return Bounced("553 5.1.3 the recipient's domain is not a domain name")
        return self._smarthost or Exchange(domain)

    def name(self, domain: str) -> str:
        """The name of the next hop for a recipient domain, as `queue shape` shows it; never raises."""
        target = self.next_hop(f"postmaster@{domain}")
        return domain if isinstance(target, Bounced) else str(target)

    async def addresses(self, hop: NextHop) -> tuple[Address, ...] | Deferred | Bounced:
        """Where to connect, best first; never empty."""
        if isinstance(hop, Host):
            return await _system_addresses(hop)
        try:
            async with asyncio.timeout(RESOLVE_SECONDS):
                return await self._exchange_addresses(hop.domain)
        except dns.resolver.NXDOMAIN:
            return Deferred(f"DNS: there is no domain {hop.domain}")
        except (dns.exception.DNSException, OSError, ValueError) as error:
            return Deferred(f"DNS: {hop.domain}: {type(error).__name__}")

    async def _exchange_addresses(self, domain: str) -> tuple[Address, ...] | Deferred | Bounced:
        records = [
            (record.preference, record.exchange.to_text(omit_final_dot=True).lower().rstrip("."))
            for record in await self._records(domain, dns.rdatatype.MX)
            if isinstance(record, MX)
        ]
        hosts = exchange_order(records, domain=domain, hostname=self._hostname, chance=self._clock.random)
        if not isinstance(hosts, tuple):
            return hosts
        found = await asyncio.gather(*(self._host_addresses(host) for host in hosts), return_exceptions=True)
        addresses = tuple(address for ips in found if not isinstance(ips, BaseException) for address in ips)
        if addresses:
            return addresses
        for failure in found:
            if isinstance(failure, BaseException) and not isinstance(failure, dns.resolver.NXDOMAIN):
                raise failure
        return Deferred(f"DNS: no mail exchanger of {domain} has a usable address")

    async def _host_addresses(self, host: str) -> list[Address]:
        kinds = (dns.rdatatype.A, dns.rdatatype.AAAA)
        found = await asyncio.gather(*(self._records(host, kind) for kind in kinds), return_exceptions=True)
        ips = [
            str(record) for records in found if not isinstance(records, BaseException) for record in records
        ]
        if not ips:
            for failure in found:
                if isinstance(failure, BaseException):
                    raise failure
        return [Address(host=host, ip=ip, port=self._port) for ip in ips if self._may_connect(ip)]

    def _may_connect(self, ip: str) -> bool:
        """A stranger's zone must not make us speak to services of our own machine."""
        faces = _faces(ip)
        if any(face.is_loopback for face in faces):
            return self._loopback
        return not any(face.is_unspecified or face.is_multicast or face.is_link_local for face in faces)

    async def _records(self, name: str, kind: dns.rdatatype.RdataType) -> Sequence[object]:
        """The records of that kind, which may be none; remembered for as long as the zone allows."""
        now = self._clock.monotonic()
        until, records = self._remembered.get((name, kind), (0.0, ()))
        if now < until:
            return records
        if self._resolver is None:
            self._resolver = dns.asyncresolver.Resolver()  # reads /etc/resolv.conf: not before it is needed
        try:
            answer = await self._resolver.resolve(name + ".", kind, search=False, lifetime=RESOLVE_SECONDS)
        except dns.resolver.NoAnswer:
            records, ttl = (), MIN_TTL_SECONDS
        else:
            records, ttl = tuple(answer), answer.chaining_result.minimum_ttl
        self._remembered.pop((name, kind), None)
        while len(self._remembered) >= MAX_CACHED:
            self._remembered.pop(next(iter(self._remembered)))
        self._remembered[name, kind] = now + min(max(ttl, MIN_TTL_SECONDS), MAX_TTL_SECONDS), records
        return records


def _faces(ip: str) -> list[ipaddress.IPv4Address | ipaddress.IPv6Address]:
    """An address, and the IPv4 addresses that it stands for by some way of crossing over.

    >>> [str(face) for face in _faces("::ffff:127.0.0.1")]
    ['::ffff:7f00:1', '127.0.0.1']
    >>> [str(face) for face in _faces("2002:7f00:1::")], [str(face) for face in _faces("192.0.2.1")]
    (['2002:7f00:1::', '127.0.0.1'], ['192.0.2.1'])
    """
    address = ipaddress.ip_address(ip)
    if isinstance(address, ipaddress.IPv4Address):
        return [address]
    carried = [address.ipv4_mapped, address.sixtofour, *(address.teredo or ())]
    if any(address in network for network in _IPV4_AT_THE_END):
        carried.append(ipaddress.IPv4Address(address.packed[-4:]))
    return [address, *(face for face in carried if face is not None)]


async def _system_addresses(hop: Host) -> tuple[Address, ...] | Deferred:
    try:
        return (Address(host=hop.host, ip=str(ipaddress.ip_address(hop.host)), port=hop.port),)
    except ValueError:
        pass  # a name
    try:
        async with asyncio.timeout(RESOLVE_SECONDS):
            found = await asyncio.get_running_loop().getaddrinfo(hop.host, hop.port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:  # TimeoutError is an OSError
        return Deferred(f"the name {hop.host} could not be resolved: {type(error).__name__}")
    ips = dict.fromkeys(str(place[0]) for _, _, _, _, place in found)
    addresses = tuple(Address(host=hop.host, ip=ip, port=hop.port) for ip in ips)
    return addresses or Deferred(f"the name {hop.host} has no address")
