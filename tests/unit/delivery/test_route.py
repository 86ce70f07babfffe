"""From recipients to next hops to addresses, against a real DNS server."""

import asyncio
from datetime import timedelta

import pytest

from relay.config import DeliveryConfig
from relay.delivery.outcome import Bounced, Deferred
from relay.delivery.route import Exchange, Host, Routes, exchange_order
from relay.delivery.smtp.session import Address
from tests.support.clock import ManualClock
from tests.support.dns import name_server


def routes(clock=None, resolver=None, **settings):
    """Routes for a relay called relay.example.jp."""
    return Routes(
        DeliveryConfig.model_validate(settings),
        hostname="relay.example.jp",
        clock=clock or ManualClock(),
        resolver=resolver,
        port=2525,
        loopback=True,
    )


def test_the_table_wins_over_the_smarthost_and_the_smarthost_over_mx():
    """Routes, smarthost, MX: in this order, whatever the case of the domain."""
    table = {"partner.example.jp": "127.0.0.1:2601"}
    assert routes(routes=table).next_hop("a@PARTNER.example.jp") == Host("127.0.0.1", 2601)
    assert routes(routes=table).next_hop("a@other.example.jp") == Exchange("other.example.jp")
    smart = routes(routes=table, route="smarthost", smarthost="[::1]:25")
    assert smart.next_hop("a@other.example.jp") == Host("::1", 25)
    assert smart.next_hop("a@partner.example.jp") == Host("127.0.0.1", 2601)


@pytest.mark.parametrize(
    "recipient", ["a", "a@", "a@[192.0.2.1]", "a@-x.jp", "a@x..jp", "a@x.jp\r\nRSET", "a@例え.jp", "a@x.jp."]
)
def test_what_is_no_domain_bounces_without_a_question(recipient):
    """A recipient whose domain can be no host name has no next hop."""
    assert routes().next_hop(recipient) == Bounced("553 5.1.3 the recipient's domain is not a domain name")


@pytest.mark.parametrize(
    ("records", "order"),
    [
        ([], ("example.jp",)),
        ([(10, "a.example")], ("a.example",)),
        ([(20, "c.example"), (10, "a.example"), (10, "b.example")], ("b.example", "a.example", "c.example")),
        ([(10, "a.example"), (10, "a.example")], ("a.example",)),
        ([(n, f"{n}.example") for n in range(9)], tuple(f"{n}.example" for n in range(5))),
        ([(0, "")], Bounced("556 5.1.10 example.jp takes no mail (null MX)")),
        ([(0, ""), (5, "a.example")], ("a.example",)),
        ([(10, "a.example"), (20, "relay.example.jp"), (30, "c.example")], ("a.example",)),
        (
            [(10, "relay.example.jp"), (20, "c.example")],
            Deferred("the mail exchanger of example.jp is this relay, which knows no other way"),
        ),
    ],
)
def test_exchange_order(records, order):
    """Preference first, chance among equals, nothing as bad as this relay itself, null MX as refusal."""
    chances = iter([0.9, 0.8, 0.1, *[0.5] * 9])
    found = exchange_order(
        records, domain="example.jp", hostname="relay.example.jp", chance=lambda: next(chances)
    )
    assert found == order


ZONE = {
    ("partner.example.jp", "MX"): ["20 mx2.example.jp.", "10 mx1.example.jp."],
    ("mx1.example.jp", "A"): ["127.0.0.2"],
    ("mx1.example.jp", "AAAA"): ["::1"],
    ("mx2.example.jp", "A"): ["127.0.0.3"],
    ("plain.example.jp", "A"): ["127.0.0.4"],
    ("null.example.jp", "MX"): ["0 ."],
    ("empty.example.jp", "TXT"): ["x"],
    ("dangling.example.jp", "MX"): ["10 gone.example.jp."],
    ("half.example.jp", "MX"): ["10 gone.example.jp.", "20 mx2.example.jp."],
    ("own.example.jp", "MX"): ["10 relay.example.jp."],
    ("inward.example.jp", "MX"): ["10 bad.example.jp."],
    ("bad.example.jp", "A"): ["0.0.0.0", "224.0.0.1", "169.254.1.1"],
    ("bad.example.jp", "AAAA"): ["::", "ff02::1", "fe80::1", "::ffff:169.254.1.1", "64:ff9b::169.254.1.1"],
}  # fmt: skip


def at(host, ip):
    """An address of an exchanger."""
    return Address(host=host, ip=ip, port=2525)


MX1 = (at("mx1.example.jp", "127.0.0.2"), at("mx1.example.jp", "::1"))
MX2 = (at("mx2.example.jp", "127.0.0.3"),)
UNUSABLE = "DNS: no mail exchanger of {} has a usable address"
ANSWERS = {
    "partner.example.jp": MX1 + MX2,
    "plain.example.jp": (at("plain.example.jp", "127.0.0.4"),),
    "half.example.jp": MX2,
    "null.example.jp": Bounced("556 5.1.10 null.example.jp takes no mail (null MX)"),
    "empty.example.jp": Deferred(UNUSABLE.format("empty.example.jp")),
    "dangling.example.jp": Deferred(UNUSABLE.format("dangling.example.jp")),
    "inward.example.jp": Deferred(UNUSABLE.format("inward.example.jp")),
    "nowhere.example.jp": Deferred("DNS: there is no domain nowhere.example.jp"),
    "failing.example.jp": Deferred("DNS: failing.example.jp: NoNameservers"),
    "own.example.jp": Deferred(
        "the mail exchanger of own.example.jp is this relay, which knows no other way"
    ),
}


@pytest.mark.parametrize(("domain", "answer"), ANSWERS.items())
def test_addresses_by_dns(domain, answer):
    """Each thing that the DNS can say gives these addresses, this bounce or this deferral."""

    async def ask():
        async with name_server(dict(ZONE)) as server:
            server.failing.add("failing.example.jp")
            return await routes(resolver=server.resolver()).addresses(Exchange(domain))

    assert asyncio.run(ask()) == answer


def test_answers_are_remembered_within_their_ttl_and_no_longer():
    """A second connection asks nothing; after the TTL a moved partner is found at its new place."""

    async def story():
        clock = ManualClock()
        async with name_server(dict(ZONE), ttl=60) as server:
            ways = routes(clock, server.resolver())
            first = await ways.addresses(Exchange("plain.example.jp"))
            asked = len(server.asked)
            clock.advance(timedelta(seconds=59))
            assert await ways.addresses(Exchange("plain.example.jp")) == first
            assert ("plain.example.jp", "A") not in server.asked[asked:]
            server.zone["plain.example.jp", "A"] = ["127.0.0.9"]
            clock.advance(timedelta(seconds=2))
            return await ways.addresses(Exchange("plain.example.jp"))

    assert asyncio.run(story()) == (at("plain.example.jp", "127.0.0.9"),)


def test_a_strangers_zone_cannot_point_at_this_machine():
    """Loopback addresses of exchangers are not used unless tests ask for it; the operator may name them."""

    async def ask():
        async with name_server(dict(ZONE)) as server:
            ways = Routes(
                DeliveryConfig(), hostname="relay.example.jp", clock=ManualClock(), resolver=server.resolver()
            )
            return await ways.addresses(Exchange("plain.example.jp")), await ways.addresses(
                Host("127.0.0.1", 2601)
            )

    assert asyncio.run(ask()) == (
        Deferred("DNS: no mail exchanger of plain.example.jp has a usable address"),
        (Address(host="127.0.0.1", ip="127.0.0.1", port=2601),),
    )


def test_a_name_that_the_operator_wrote_is_asked_of_the_system():
    """A route to localhost works without any DNS server."""
    found = asyncio.run(routes().addresses(Host("localhost", 2601)))
    assert Address(host="localhost", ip="127.0.0.1", port=2601) in found


@pytest.mark.parametrize(
    "ip",
    [
        "127.0.0.1",
        "127.9.9.9",
        "::1",
        "::ffff:127.0.0.1",
        "::127.0.0.1",
        "2002:7f00:1::1",
        "64:ff9b::127.0.0.1",
        "64:ff9b:1::127.0.0.1",
        "2001:0:c000:201::80ff:fffe",
        "::ffff:0.0.0.0",
    ],
)
def test_no_spelling_of_this_machine_in_a_strangers_zone_is_connected_to(ip):
    """Mapped, compatible, 6to4, Teredo, NAT64: a service that listens on loopback alone is not reached."""
    zone = {("inward.example.jp", "AAAA" if ":" in ip else "A"): [ip]}

    async def ask():
        clock = ManualClock()
        async with name_server(zone) as server:
            ways = Routes(
                DeliveryConfig(), hostname="relay.example.jp", clock=clock, resolver=server.resolver()
            )
            return await ways.addresses(Exchange("inward.example.jp"))

    assert asyncio.run(ask()) == Deferred(UNUSABLE.format("inward.example.jp"))
