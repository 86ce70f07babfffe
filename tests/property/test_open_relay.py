"""Whatever is configured and whoever asks: the relay takes mail for nobody but itself."""

from ipaddress import ip_address, ip_network

from hypothesis import given
from hypothesis import strategies as st

from relay.config import IntakeConfig
from relay.intake.access.policy import Policy
from relay.intake.session.door import Session
from relay.return_address import ReturnAddress

RETURNS = ReturnAddress("bounce@relay.example.jp", b"k" * 32)
OTHER_RELAY = ReturnAddress("bounce@relay.example.jp", b"x" * 32)
HOSTNAME = "mail.example.jp"
DELIVERY = "6v3w1q0000000001"
NETWORKS = ["192.0.2.0/24", "192.0.2.7/32", "198.51.100.0/24", "0.0.0.0/0", "2001:db8::/32", "::/0"]
PEERS = [
    *("192.0.2.7", "192.0.2.8", "198.51.100.1", "203.0.113.9", "2001:db8::1", "2001:db9::1"),
    *("::ffff:192.0.2.7", "::ffff:203.0.113.9", "fe80::1%eth0", "/run/socket", ""),
]
INTAKE = ["orders@relay.example.jp", "Claims@intake.example.jp"]
RECIPIENTS = [
    *INTAKE,
    *(each.upper() for each in INTAKE),
    RETURNS.of(DELIVERY),
    RETURNS.of(DELIVERY).upper(),
    OTHER_RELAY.of(DELIVERY),
    *("postmaster", "Postmaster@mail.example.jp", "postmaster@intake.example.jp", "postmaster@example.com"),
    *("bounce@relay.example.jp", "bounce+@relay.example.jp", "victim@example.com", "victim"),
    *(
        "orders%example.com@relay.example.jp",
        "@relay.example.jp:victim@example.com",
        "orders@relay.example.jp.",
    ),
    *(
        "victim@example.com@relay.example.jp",
        "orders@relay.example.jp@example.com",
        "ordеrs@relay.example.jp",
        "",
    ),
]
SOME_NETWORKS = st.lists(st.sampled_from(NETWORKS), max_size=3).map(tuple)
CONFIGURATIONS = st.builds(
    lambda addresses, networks, bounces_from, users, require_tls: IntakeConfig(
        addresses=addresses,
        networks=networks,
        bounces_from=bounces_from,
        users=users,
        require_tls=require_tls,
        tls={"certificate": "certificate.pem", "key": "key.pem"},
    ),
    st.lists(st.sampled_from(INTAKE), min_size=1, unique=True).map(tuple),
    SOME_NETWORKS,
    SOME_NETWORKS,
    st.sampled_from([None, "users.yaml"]),
    st.booleans(),
)
SESSIONS = st.builds(
    Session,
    peer=st.sampled_from(PEERS),
    helo=st.sampled_from(["relay.example.jp", "localhost"]),
    tls=st.booleans(),
    user=st.sampled_from(["", "market"]),
)
SENDERS = st.sampled_from(["", "shop@example.jp", *INTAKE, RETURNS.of(DELIVERY)])
ADDRESSES = st.sampled_from(RECIPIENTS) | st.text(max_size=20) | st.emails()


def stands_in(peer, networks):
    """The slow and plain way to say where a peer stands."""
    try:
        address = ip_address(peer.partition("%")[0])
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return any((mapped or address) in ip_network(str(network)) for network in networks)


@given(configuration=CONFIGURATIONS, session=SESSIONS, mail_from=SENDERS, address=ADDRESSES)
def test_never_an_open_relay(configuration, session, mail_from, address):
    """What is taken is ours; a notification from who may send, a report also from who may report."""
    policy = Policy(configuration, hostname=HOSTNAME, returns=RETURNS)
    refusals = (
        policy.refusal_of_peer(session.peer),
        policy.refusal_of_sender(session, mail_from),
        policy.refusal_of_recipient(session, mail_from, address),
    )
    assert all(refusal is None or refusal.is_refusal for refusal in refusals)
    if refusals[2] is not None:
        return
    hosts = {HOSTNAME, *(each.lower().partition("@")[2] for each in configuration.addresses)}
    postmasters = {"postmaster", *(f"postmaster@{host}" for host in hosts)}
    is_intake = address.lower() in {each.lower() for each in configuration.addresses} | postmasters
    assert is_intake or RETURNS.delivery_id(address) == DELIVERY
    may_send = stands_in(session.peer, configuration.networks) or (
        configuration.users is not None and session.user == "market"
    )
    may_send = may_send and (session.tls or not configuration.require_tls)
    may_report = mail_from == "" and stands_in(session.peer, configuration.bounces_from)
    assert may_send or (may_report and not is_intake)
    assert refusals[:2] == (None, None)  # who may name a recipient may come in and begin a mail


@given(configuration=CONFIGURATIONS, session=SESSIONS, mail_from=SENDERS)
def test_nobody_is_let_in_for_nothing(configuration, session, mail_from):
    """Who may begin a mail finds an address that takes it, so no refusal comes late without need."""
    policy = Policy(configuration, returns=RETURNS)
    if policy.refusal_of_sender(session, mail_from) is None:
        assert policy.refusal_of_recipient(session, mail_from, RETURNS.of(DELIVERY)) is None
