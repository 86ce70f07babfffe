"""Who may send, and to which addresses."""

from ipaddress import ip_network

import pytest

from relay.config import IntakeConfig
from relay.intake import policy as policy_module
from relay.intake.policy import Policy

SETTINGS = IntakeConfig(
    addresses=("Orders@Intake.example.jp", "claims@intake.example.jp"),
    networks=("192.0.2.0/24", "2001:db8::/32", "127.0.0.1/32"),
)


@pytest.mark.parametrize(
    ("peer", "may"),
    [
        ("192.0.2.255", True),
        ("192.0.3.0", False),
        ("::ffff:192.0.2.7", True),
        ("::ffff:198.51.100.7", False),
        ("2001:db8::1", True),
        ("2001:db8::1%eth0", True),
        ("2001:db9::1", False),
        ("::1", False),
        ("", False),
        ("/run/socket", False),
    ],
)
def test_only_the_networks_may_send(peer, may):
    """IPv4, IPv6, IPv4 in IPv6 and a zone: the network decides, and what is no address may not."""
    policy = Policy(SETTINGS)
    for _ in range(2):  # the second answer is the remembered one
        refusal = policy.refusal_of_peer(peer)
        assert (refusal is None) == may
        assert refusal is None or refusal.line() == b"554 5.7.1 you may not send here\r\n"


@pytest.mark.parametrize(
    ("address", "line"),
    [
        ("orders@intake.example.jp", None),
        ("ORDERS@INTAKE.EXAMPLE.JP", None),
        ("Claims@Intake.Example.jp", None),
        ("other@intake.example.jp", b"550 5.1.1 no such address here\r\n"),
        ("orders@example.com", b"550 5.7.1 relaying denied\r\n"),
        ("orders@sub.intake.example.jp", b"550 5.7.1 relaying denied\r\n"),
        ("orders%example.com@intake.example.jp", b"550 5.1.1 no such address here\r\n"),
        ("postmaster", b"550 5.7.1 relaying denied\r\n"),
        ("", b"550 5.7.1 relaying denied\r\n"),
    ],
)
def test_only_the_intake_addresses_take_mail(address, line):
    """The relay is nobody's open relay, and letters' case means nothing."""
    refusal = Policy(SETTINGS).refusal_of_recipient(address)
    assert (None if refusal is None else refusal.line()) == line


def test_the_memory_of_peers_is_bounded():
    """A thousand and one strangers make the policy forget, not grow."""
    policy = Policy(SETTINGS)
    for number in range(policy_module.MAX_REMEMBERED + 1):
        policy.refusal_of_peer(f"10.0.{number // 256}.{number % 256}")
    assert len(policy._remembered) == 1
    assert ip_network("192.0.2.0/24") in SETTINGS.networks
