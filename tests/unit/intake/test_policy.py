"""Who may send, and to which addresses."""

from ipaddress import ip_network

import pytest

from relay.config import IntakeConfig
from relay.intake.access import policy as policy_module
from relay.intake.access.policy import Policy
from relay.intake.session.door import Session
from relay.return_address import ReturnAddress

SETTINGS = IntakeConfig(
    addresses=("Orders@Intake.example.jp", "claims@intake.example.jp"),
    networks=("192.0.2.0/24", "2001:db8::/32", "127.0.0.1/32"),
)
TLS = {"certificate": "certificate.pem", "key": "key.pem"}
RETURNS = ReturnAddress("bounce@intake.example.jp", b"k" * 32)
INTAKE = "orders@intake.example.jp"
MADE = RETURNS.of("6v3w1q0000000001")
GUESSED = "bounce+6v3w1q0000000001-aaaaaaaa@intake.example.jp"
MARKET = "192.0.2.7"  # in networks
PARTNER = "198.51.100.7"  # in bounces_from, where the test has some
SOMEBODY = "203.0.113.7"
SENDER = "shop@example.jp"
WELCOME = None
STRANGER = "554 5.7.1 you may not send here"
ENCRYPT = "530 5.7.0 must issue STARTTLS first"
SIGN_IN = "530 5.7.0 authentication required"
BOUNCES_ONLY = "550 5.7.1 you may send bounces here, and nothing else"
UNKNOWN = "550 5.1.1 no such address here"
DENIED = "550 5.7.1 relaying denied"


def policy_of(**more):
    """The policy of a configuration, with return addresses."""
    more = {"networks": ("192.0.2.0/24",), "bounces_from": ("198.51.100.0/24",), "tls": TLS} | more
    return Policy(IntakeConfig(addresses=(INTAKE,), **more), returns=RETURNS)


def said(refusal):
    """A refusal as the client reads it."""
    return None if refusal is None else refusal.line().decode("ascii").rstrip()


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
        ("orders@intake.example.jp", WELCOME),
        ("ORDERS@INTAKE.EXAMPLE.JP", WELCOME),
        ("Claims@Intake.Example.jp", WELCOME),
        ("other@intake.example.jp", UNKNOWN),
        ("orders@example.com", DENIED),
        ("orders@sub.intake.example.jp", DENIED),
        ("orders%example.com@intake.example.jp", UNKNOWN),
        (MADE, UNKNOWN),  # a policy that knows of no return addresses
        ("postmaster", WELCOME),
        ("POSTMASTER@intake.example.jp", WELCOME),
        ("postmaster@relay.example.jp", DENIED),  # a policy that knows of no host name
        ("postmaster@", DENIED),
        ("", DENIED),
    ],
)
def test_only_the_intake_addresses_take_mail(address, line):
    """The relay is nobody's open relay, and letters' case means nothing."""
    session = Session(peer=MARKET)
    assert said(Policy(SETTINGS).refusal_of_recipient(session, SENDER, address)) == line


@pytest.mark.parametrize(
    ("settings", "peer", "line"),
    [
        ({}, MARKET, WELCOME),
        ({}, PARTNER, WELCOME),
        ({}, SOMEBODY, STRANGER),
        ({"bounces_from": ()}, PARTNER, STRANGER),
        ({"users": "users.yaml"}, SOMEBODY, WELCOME),
        ({"users": "users.yaml"}, "/run/socket", WELCOME),
        ({"require_tls": True}, SOMEBODY, STRANGER),
    ],
)
def test_who_may_come_in(settings, peer, line):
    """Senders and reporters, and everybody where a stranger could sign in."""
    assert said(policy_of(**settings).refusal_of_peer(peer)) == line


CASES = [
    # settings, session, envelope sender, answer to it, to an intake address, to a return address
    ({}, {"peer": MARKET}, SENDER, WELCOME, WELCOME, WELCOME),
    ({}, {"peer": MARKET}, "", WELCOME, WELCOME, WELCOME),
    ({}, {"peer": PARTNER}, "", WELCOME, BOUNCES_ONLY, WELCOME),
    ({}, {"peer": PARTNER}, SENDER, BOUNCES_ONLY, BOUNCES_ONLY, BOUNCES_ONLY),
    ({}, {"peer": SOMEBODY}, "", STRANGER, STRANGER, STRANGER),
    ({}, {"peer": SOMEBODY, "user": "market"}, SENDER, STRANGER, STRANGER, STRANGER),
    ({"users": "u"}, {"peer": SOMEBODY}, SENDER, SIGN_IN, SIGN_IN, SIGN_IN),
    ({"users": "u"}, {"peer": SOMEBODY}, "", SIGN_IN, SIGN_IN, SIGN_IN),
    ({"users": "u"}, {"peer": SOMEBODY, "tls": True, "user": "market"}, SENDER, WELCOME, WELCOME, WELCOME),
    ({"users": "u"}, {"peer": PARTNER}, "", WELCOME, SIGN_IN, WELCOME),
    ({"users": "u"}, {"peer": PARTNER}, SENDER, SIGN_IN, SIGN_IN, SIGN_IN),
    ({"users": "u"}, {"peer": PARTNER, "tls": True, "user": "market"}, SENDER, WELCOME, WELCOME, WELCOME),
    ({"users": "u"}, {"peer": MARKET}, SENDER, WELCOME, WELCOME, WELCOME),
    ({"require_tls": True}, {"peer": MARKET}, SENDER, ENCRYPT, ENCRYPT, ENCRYPT),
    ({"require_tls": True}, {"peer": MARKET, "tls": True}, SENDER, WELCOME, WELCOME, WELCOME),
    ({"require_tls": True}, {"peer": PARTNER}, "", WELCOME, BOUNCES_ONLY, WELCOME),
    ({"require_tls": True}, {"peer": PARTNER}, SENDER, BOUNCES_ONLY, BOUNCES_ONLY, BOUNCES_ONLY),
    (
        {"require_tls": True, "bounces_from": ("0.0.0.0/0",)},  # the market is among those who report
        {"peer": MARKET},
        "",
        WELCOME,
        ENCRYPT,
        WELCOME,
    ),
    ({"require_tls": True, "users": "u"}, {"peer": SOMEBODY}, SENDER, ENCRYPT, ENCRYPT, ENCRYPT),
    ({"require_tls": True, "users": "u"}, {"peer": SOMEBODY, "tls": True}, SENDER, SIGN_IN, SIGN_IN, SIGN_IN),
]


@pytest.mark.parametrize(("settings", "session", "mail_from", "to_sender", "to_intake", "to_return"), CASES)
def test_who_may_send_what(settings, session, mail_from, to_sender, to_intake, to_return):
    """Each sort of client, in clear and encrypted, with both sorts of senders and of recipients."""
    policy, who = policy_of(**settings), Session(**session)
    answers = [
        policy.refusal_of_sender(who, mail_from),
        policy.refusal_of_recipient(who, mail_from, INTAKE),
        policy.refusal_of_recipient(who, mail_from, MADE),
    ]
    assert [said(answer) for answer in answers] == [to_sender, to_intake, to_return]


@pytest.mark.parametrize(
    ("address", "line"),
    [
        (MADE, WELCOME),
        (MADE.upper(), WELCOME),
        (GUESSED, UNKNOWN),
        ("bounce@intake.example.jp", UNKNOWN),
        ("x" + MADE, UNKNOWN),
        (MADE.replace("intake", "other"), DENIED),
        (INTAKE, BOUNCES_ONLY),
        ("orders@example.com", DENIED),
    ],
)
def test_a_bounce_goes_only_where_this_relay_sent_from(address, line):
    """Who knows a delivery's id, but not the store's key, reports on nothing."""
    assert said(policy_of().refusal_of_recipient(Session(peer=PARTNER), "", address)) == line


@pytest.mark.parametrize(
    ("session", "mail_from", "line"),
    [
        ({"peer": MARKET}, SENDER, WELCOME),
        ({"peer": SOMEBODY, "user": "market"}, SENDER, WELCOME),
        ({"peer": SOMEBODY}, SENDER, SIGN_IN),
        ({"peer": PARTNER}, "", SIGN_IN),
        ({"peer": PARTNER}, SENDER, SIGN_IN),
    ],
)
@pytest.mark.parametrize("address", ["Postmaster", "postmaster@Relay.example.jp"])
def test_the_postmaster_takes_mail_from_who_may_send(session, mail_from, line, address):
    """Who may bring bounces only, or nothing, fills nobody's disk with mail to the postmaster."""
    settings = IntakeConfig(
        addresses=(INTAKE,),
        networks=("192.0.2.0/24",),
        bounces_from=("198.51.100.0/24",),
        tls=TLS,
        users="users.yaml",
    )
    policy = Policy(settings, hostname="relay.example.jp", returns=RETURNS)
    assert policy.is_postmaster(address)
    assert said(policy.refusal_of_recipient(Session(**session), mail_from, address)) == line


def test_an_intake_address_that_is_called_postmaster_takes_notifications():
    """What somebody has configured counts more than the name."""
    policy = Policy(IntakeConfig(addresses=("postmaster@intake.example.jp",)), hostname="relay.example.jp")
    assert [policy.is_postmaster(f"postmaster{more}") for more in ("@intake.example.jp", "")] == [False, True]


def test_the_memory_of_peers_is_bounded():
    """A thousand and one strangers make the policy forget, not grow."""
    policy = Policy(SETTINGS)
    for number in range(policy_module.MAX_REMEMBERED + 1):
        policy.refusal_of_peer(f"10.0.{number // 256}.{number % 256}")
    assert len(policy._remembered) == 1
    assert ip_network("192.0.2.0/24") in SETTINGS.networks
