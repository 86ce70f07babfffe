"""What the DNS says of us and of who gets our mail, and who answers at our port.

Guarantees: every question to the DNS ends within `DNS_SECONDS`; at most `AT_ONCE` run at a time. The port is
greeted, not spoken to: QUIT follows its first line. Source: RFC 5321 sections 3.1 and 5.1, RFC 6376 section
3.6.2, RFC 7505.
"""

import asyncio
import contextlib
import re
from collections.abc import Iterable, Sequence
from ipaddress import ip_address
from typing import Protocol

import dns.asyncresolver
import dns.exception
import dns.rdatatype
import dns.resolver
from dns.rdtypes.ANY.MX import MX
from dns.rdtypes.ANY.TXT import TXT

from relay.compose.dkim import DnsRecord
from relay.config.intake import IntakeConfig
from relay.delivery.outcome import Bounced
from relay.delivery.route import Exchange, Resolver, Routes
from relay.operations.doctor.check import Check, attention, failed, ok
from relay.quantity import HostPort

DNS_SECONDS = 5.0
PORT_SECONDS = 5.0
AT_ONCE = 20
MAX_DOMAINS = 500  # recipient domains that are asked for: a marketplace's partners are some dozen
MAX_ROWS = 10  # of domains without a way: with the DNS down it would be all of them
MAX_GREETING = 1_000  # octets; RFC 5321 allows 512
_TAG = re.compile(r"p=([A-Za-z0-9+/=\s]*)")


class Names(Protocol):
    """What the DNS is asked through; `Routes` asks for mail's ways itself."""

    async def texts(self, name: str) -> Sequence[str]:
        """Return the TXT records; raises dns.exception.DNSException."""

    async def addresses(self, name: str) -> Sequence[str]:
        """Return the A and AAAA records, none when there is none; raises dns.exception.DNSException."""

    async def exchangers(self, name: str) -> list[str]:
        """Return the hosts of the MX records, [""] for a null MX; raises dns.exception.DNSException."""


class DnsNames:
    """The system's own DNS servers, or the resolver that is given."""

    def __init__(self, resolver: Resolver | None = None) -> None:
        self._resolver = resolver

    async def texts(self, name: str) -> Sequence[str]:
        """Return the TXT records; raises dns.exception.DNSException."""
        answer = await self._asked().resolve(
            name + ".", dns.rdatatype.TXT, search=False, lifetime=DNS_SECONDS
        )
        return [
            b"".join(record.strings).decode("utf-8", "replace")
            for record in answer
            if isinstance(record, TXT)
        ]

    async def addresses(self, name: str) -> Sequence[str]:
        """Return the A and AAAA records, none when there is none; raises dns.exception.DNSException."""
        found: list[str] = []
        for kind in (dns.rdatatype.A, dns.rdatatype.AAAA):
            with contextlib.suppress(dns.resolver.NoAnswer):
                answer = await self._asked().resolve(name + ".", kind, search=False, lifetime=DNS_SECONDS)
                found += [str(record) for record in answer]
        return found

    async def exchangers(self, name: str) -> list[str]:
        """Return the hosts of the MX records, [""] for a null MX; raises dns.exception.DNSException."""
        try:
            answer = await self._asked().resolve(
                name + ".", dns.rdatatype.MX, search=False, lifetime=DNS_SECONDS
            )
        except dns.resolver.NoAnswer:
            return []
        records = sorted(
            (record.preference, str(record.exchange)) for record in answer if isinstance(record, MX)
        )
        return [host.rstrip(".").lower() for _, host in records]

    def _asked(self) -> Resolver:
        if self._resolver is None:
            self._resolver = dns.asyncresolver.Resolver()  # reads /etc/resolv.conf: not before it is needed
        return self._resolver


async def hostname_check(hostname: str, names: Names) -> Check:
    """Return whether the relay's own name leads anywhere: receivers look at it."""
    advice = "give it an A or AAAA record: many servers refuse who greets them with a name that leads nowhere"
    try:
        found = await names.addresses(hostname)
    except dns.resolver.NXDOMAIN:
        return attention("hostname", f"{hostname} is not in the DNS", advice)
    except (dns.exception.DNSException, OSError) as error:
        return attention(
            "hostname", f"{hostname}: the DNS did not answer ({_named(error)})", "look at the DNS"
        )
    if not found:
        return attention("hostname", f"{hostname} has no address in the DNS", advice)
    return ok("hostname", f"{hostname} is {', '.join(found)}")


async def bounce_check(address: str, names: Names, hostname: str, intake: IntakeConfig) -> Check:
    """Return whether late bounces find a way back to us, and are let in."""
    domain = address.rpartition("@")[2]
    advice = f"give {domain} an MX that leads to this relay's port 25, or late bounces are lost"
    try:
        hosts = await names.exchangers(domain)
        found = hosts or await names.addresses(domain)
    except dns.resolver.NXDOMAIN:
        return attention("bounces", f"{domain} is not in the DNS", advice)
    except (dns.exception.DNSException, OSError) as error:
        return attention("bounces", f"{domain}: the DNS did not answer ({_named(error)})", "look at the DNS")
    if not found or hosts == [""]:
        return attention("bounces", f"nobody takes mail for {domain}", advice)
    if not hosts or hostname in hosts:
        return _let_in(domain, intake)
    return ok("bounces", f"mail to {domain} goes to {', '.join(hosts)}, which is to pass it on to this relay")


def _let_in(domain: str, intake: IntakeConfig) -> Check:
    """Whether partners' servers, which the DNS sends here, may come in with their reports."""
    trouble, advice = [], []
    if _is_loopback(intake.listen.host):
        trouble.append(f"only this machine reaches {intake.listen}")
        advice.append('set intake.listen to "0.0.0.0:25", or have a mail server here pass reports on')
    if not intake.bounces_from and all(network.prefixlen for network in intake.networks):
        trouble.append("nobody but intake.networks may send")
        advice.append('set intake.bounces_from to the partners\' servers, or [0.0.0.0/0, "::/0"]')
    text = f"mail to {domain} comes to this relay"
    if trouble:
        return attention("bounces", f"{text}, but {' and '.join(trouble)}", "; ".join(advice))
    return ok("bounces", text)


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


async def route_checks(domains: Iterable[str], routes: Routes) -> list[Check]:
    """Return the recipient domains that no mail can go to now; one check when all have a way."""
    wanted = sorted(set(domains))
    turn = asyncio.Semaphore(AT_ONCE)

    async def look(domain: str) -> str | None:
        async with turn:
            return await _no_way(domain, routes)

    some = wanted[:MAX_DOMAINS]
    problems = [problem for problem in await asyncio.gather(*map(look, some)) if problem is not None]
    advice = "mend the address or the route; until then its mails wait: denrei queue shape"
    if problems:
        rest = (
            [f"and {len(problems) - MAX_ROWS} more domains without a way"] if len(problems) > MAX_ROWS else []
        )
        return [attention("routes", problem, advice) for problem in [*problems[:MAX_ROWS], *rest]]
    if len(some) < len(wanted):
        return [ok("routes", f"the first {len(some)} of {len(wanted)} recipient domains have a way")]
    return [ok("routes", f"recipient domains with a way: {len(wanted)}")]


async def _no_way(domain: str, routes: Routes) -> str | None:
    hop = routes.next_hop(f"postmaster@{domain}")
    if isinstance(hop, Bounced):
        return f"{domain}: {hop.reason}"
    try:
        async with asyncio.timeout(DNS_SECONDS):
            found = await routes.addresses(hop)
    except TimeoutError:
        return f"{domain}: the DNS did not answer within {DNS_SECONDS:g} s"
    if isinstance(found, tuple):
        return None
    way = "" if isinstance(hop, Exchange) and hop.domain in found.reason else f"{domain}: "
    return f"{way}{found.reason}"


async def dkim_check(record: DnsRecord, names: Names) -> Check:
    """Return whether the DNS has the public half of a key that mails are signed with."""
    name = f"dkim {record.name}"
    advice = f"publish at {record.name}, as TXT: {record.text}"
    try:
        texts = await names.texts(record.name)
    except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
        return failed(name, "has no record in the DNS: every signature fails", advice)
    except (dns.exception.DNSException, OSError) as error:
        return attention(name, f"the DNS did not answer ({_named(error)})", "look at the DNS")
    ours = _public_key(record.text)
    published = [key for text in texts if (key := _public_key(text)) is not None]
    if ours in published:
        return ok(name, "the DNS has its public key")
    if "" in published:
        return failed(name, "is revoked in the DNS: every signature fails", advice)
    return failed(name, "has another key in the DNS: every signature fails", advice)


def _public_key(text: str) -> str | None:
    """The key in a DKIM record, however it was broken into strings; None: this is no such record."""
    found = _TAG.search(text)
    return None if found is None else re.sub(r"\s", "", found[1])


async def port_check(place: HostPort, hostname: str) -> Check:
    """Return who answers where the intake is to listen."""
    if place.port == 0:
        return ok("port", "a free one is taken at each start")
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(place.host, place.host)  # noqa: S104  (asked, not bound)
    try:
        async with asyncio.timeout(PORT_SECONDS):
            greeting = await _greeting(host, place.port)
    except ConnectionRefusedError:
        return attention("port", f"nobody listens at {place}", "the relay does not run: denrei serve")
    except TimeoutError:
        text = f"{place} takes connections and says nothing"
        return failed("port", text, "find out who has the port: ss -ltnp; or the relay is stuck: restart it")
    except OSError as error:
        return failed("port", f"{place}: {error.strerror or error}", "mend intake.listen")
    return _greeted(place, hostname, greeting)


def _greeted(place: HostPort, hostname: str, greeting: str) -> Check:
    if re.match(rf"220[ -]{re.escape(hostname)}(\s|$)", greeting):
        return ok("port", f"{place} answers as {hostname}")
    if greeting.startswith("421 "):
        return attention("port", f"{place} is busy: {greeting}", "docs/operating.md, Too many connections")
    return failed("port", f"another server answers at {place}: {greeting}", "choose another intake.listen")


async def _greeting(host: str, port: int) -> str:
    """The first line that a server says, as printable text."""
    reader, writer = await asyncio.open_connection(host, port, limit=MAX_GREETING)
    try:
        try:
            line = await reader.readline()
        except ValueError:  # longer than any greeting
            line = b"(more than a greeting)"
        writer.write(b"QUIT\r\n")
        return "".join(
            char if char.isprintable() else "?" for char in line.decode("utf-8", "replace").strip()
        )
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


def _named(error: Exception) -> str:
    return type(error).__name__
