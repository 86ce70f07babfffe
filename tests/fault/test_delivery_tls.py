"""Encryption and signing in: what a hostile wire, a bad certificate and a refusing provider cannot do.

Real sockets, a stock server with TLS and AUTH, and a raw one for what no stock server does.
"""

import asyncio
import base64
from datetime import UTC, datetime, timedelta

import pytest
import structlog
import uvloop

from relay.config import Timeouts
from relay.delivery.outcome import Bounced, Delivered
from relay.delivery.smtp.connector import Connector, Refused
from relay.delivery.smtp.policy import HopPolicy
from relay.delivery.smtp.session import Address, Session
from relay.secret import Secret
from relay.store.query import JournalFilter
from tests.support.certificate import Authority
from tests.support.clock import ManualClock
from tests.support.delivering import bench, settings
from tests.support.partner import Close, Drip, Hang, Say, always, partner
from tests.support.smarthost import PASSWORD, USER, smarthost

HOST = "mail.partner.example.jp"
SENDER, RECIPIENT = "bounce+1@relay.example.jp", "orders@partner.example.jp"
CONTENT = b"Subject: x\r\n\r\n" + base64.b64encode("注文".encode()) + b"\r\n"
PHASES = dict.fromkeys(("connect", "greeting", "command", "data", "end_of_data"), timedelta(seconds=0.5))
OFFERING = ("STARTTLS", "PIPELINING", "AUTH PLAIN LOGIN")
LOOPS = [asyncio.new_event_loop, uvloop.new_event_loop]
EHLO = "EHLO relay.example.jp"
VERBS = ("EHLO", "STARTTLS", "MAIL", "AUTH")


@pytest.fixture(scope="module")
def authority():
    """One for all: its certificates are what differs."""
    return Authority()


@pytest.fixture
def ca_file(authority, tmp_path):
    """What makes a client trust the authority."""
    return authority.ca_file(tmp_path)


def run(story, loop=asyncio.new_event_loop):
    """Run on that event loop."""
    with asyncio.Runner(loop_factory=loop) as runner:
        return runner.run(story)


async def connect(port, policy, host=HOST, **more):
    """A session with the host, which is found on loopback; or the reason why not, without the port."""
    connector = Connector(hostname="relay.example.jp", timeouts=Timeouts(**PHASES), **more)
    opened = await connector.connect(Address(host=host, ip="127.0.0.1", port=port), policy)
    return opened.reason.partition("): ")[2] if isinstance(opened, Refused) else opened


async def send(session, content=CONTENT):
    """One mail."""
    return await session.send(sender=SENDER, recipient=RECIPIENT, content=content)


def story(policy, faults=None, *, keywords=OFFERING, tls=None, host=HOST):
    """What came of connecting and sending one mail, what the partner heard, how often it was called."""

    async def play():
        async with partner(always(faults or {}), keywords=keywords, tls=tls) as server:
            opened = await connect(server.address[1], policy, host)
            if isinstance(opened, Session):
                outcome, encrypted = await send(opened), opened.encrypted
                await opened.quit()
                return (outcome, encrypted), server.heard, server.connections
            return opened, server.heard, server.connections

    return play()


def required(ca_file=None):
    """The policy of a next hop that must prove its name."""
    return HopPolicy(tls="require", ca_file=ca_file)


def signing_in(ca_file=None, password=PASSWORD):
    """The policy of a smarthost that wants a password."""
    return HopPolicy(tls="require", ca_file=ca_file, user=USER, password=Secret(password.encode()))


# require


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize("host", [HOST, "127.0.0.1"])
def test_a_host_that_proves_its_name_gets_the_mail_encrypted(loop, host, authority, ca_file):
    """STARTTLS with a certificate for the name, or the address, that we connect to; EHLO is said again."""
    tls = authority.server_context(host)
    ended, heard, _ = run(story(required(ca_file), tls=tls, host=host), loop)
    assert ended == (Delivered("250 2.0.0 taken"), True)
    assert heard[:3] == [EHLO, "STARTTLS", EHLO]


STRIPPED = {
    "not announced": (None, "STARTTLS is not announced, and this next hop requires encryption"),
    "refused": (Say(b"454 4.7.0 no TLS\r\n"), "STARTTLS was answered 454 4.7.0 no TLS"),
    "unknown": (Say(b"502 5.5.1 what?\r\n"), "STARTTLS was answered 502 5.5.1 what?"),
    "garbage": (Say(b"220 go\r\nnot a handshake"), "STARTTLS failed: "),
    "garbage reply": (Say(b"go!\r\n"), "STARTTLS failed: Malformed SMTP response line: go!"),
    "closed": (Close(), "STARTTLS failed: "),
    "closed after 220": (Close(b"220 go\r\n"), "STARTTLS failed: "),
    "silent": (Hang(), "STARTTLS timed out"),
}


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize("case", STRIPPED)
def test_whoever_strips_encryption_gets_nothing(loop, case, ca_file):
    """However STARTTLS is taken away: one connection, no MAIL, no password, and the reason says how."""
    fault, reason = STRIPPED[case]
    keywords = OFFERING if fault else OFFERING[1:]
    for policy in (required(ca_file), signing_in(ca_file)):
        refused, heard, connections = run(story(policy, {"STARTTLS": fault}, keywords=keywords), loop)
        assert isinstance(refused, str)
        assert refused.startswith(reason)
        said = [row for row in heard if row.startswith(VERBS)]  # what else is heard is the handshake
        assert (said, connections) == ([EHLO, "STARTTLS"] if fault else [EHLO], 1)


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize("case", ["another name", "expired", "unknown authority"])
def test_a_certificate_that_proves_nothing_gets_nothing(loop, case, authority, ca_file):
    """Another host's, an old one, or one of an authority that the system does not know: not a word inside."""
    name = "mail.other.example.jp" if case == "another name" else HOST
    until = datetime(2020, 1, 1, tzinfo=UTC) if case == "expired" else None
    policy = signing_in(None if case == "unknown authority" else ca_file)
    refused, heard, connections = run(story(policy, tls=authority.server_context(name, until=until)), loop)
    why = {
        "another name": f"Hostname mismatch, certificate is not valid for '{HOST}'.",
        "expired": "certificate has expired",
        "unknown authority": "unable to get local issuer certificate",
    }[case]
    assert refused == f"STARTTLS failed: the certificate is not valid: {why}"
    assert (heard, connections) == ([EHLO, "STARTTLS"], 1)


@pytest.mark.parametrize("loop", LOOPS)
def test_words_put_behind_the_220_are_not_believed(loop, authority, ca_file):
    """Replies that somebody adds in clear before the handshake are no replies of the encrypted connection.

    Believed, the added EHLO answer would offer AUTH and SIZE, and the replies would be one ahead of ours.
    """
    injected = {"STARTTLS": Say(b"220 go\r\n250-partner\r\n250-SIZE 1\r\n250 AUTH PLAIN\r\n")}
    tls = authority.server_context(HOST)
    ended, heard, _ = run(story(required(ca_file), injected, tls=tls, keywords=OFFERING[:2]), loop)
    assert ended == (Delivered("250 2.0.0 taken"), True)
    assert f"MAIL FROM:<{SENDER}>" in heard
    refused, heard, _ = run(story(signing_in(ca_file), injected, tls=tls, keywords=OFFERING[:2]), loop)
    assert (refused, heard) == ("AUTH failed: neither PLAIN nor LOGIN is offered", [EHLO, "STARTTLS", EHLO])


# opportunistic and off


def test_opportunistic_goes_on_in_clear_over_a_new_connection():
    """What require refuses, the usual policy sends: an order is worth more than a secret delivery."""
    for fault in (Say(b"454 4.7.0 no TLS\r\n"), Close(b"220 go\r\n")):
        ended, _, connections = run(story(HopPolicy(), {"STARTTLS": fault}))
        assert (ended, connections) == ((Delivered("250 2.0.0 taken"), False), 2)


def test_opportunistic_takes_any_certificate(authority):
    """Another host's certificate of an unknown authority still keeps listeners out."""
    ended, _, connections = run(story(HopPolicy(), tls=authority.server_context("mail.other.example.jp")))
    assert (ended, connections) == ((Delivered("250 2.0.0 taken"), True), 1)


def test_off_never_says_starttls(authority):
    """For a peer whose announced TLS is worse than none."""
    ended, heard, _ = run(story(HopPolicy(tls="off"), tls=authority.server_context(HOST)))
    assert (ended, "STARTTLS" in heard) == ((Delivered("250 2.0.0 taken"), False), False)


# The port where TLS comes first


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize("policy", ["require", "opportunistic", "off"])
def test_on_the_submissions_port_tls_comes_before_the_greeting(loop, policy, authority, ca_file):
    """RFC 8314: encrypted from the first octet, under every policy; and only require asks for proof."""
    name = HOST if policy == "require" else "mail.other.example.jp"

    async def play():
        served = []

        async def serve(reader, writer):
            writer.write(b"220 partner\r\n")
            for words in (b"250 partner", b"250 ok", b"250 ok", b"354 go"):
                await reader.readline()
                writer.write(words + b"\r\n")
            while (line := await reader.readline()) != b".\r\n":
                served.append(line)
            writer.write(b"250 taken\r\n")
            await reader.read()
            writer.transport.abort()

        server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=authority.server_context(name))
        async with server:
            port = server.sockets[0].getsockname()[1]
            session = await connect(port, HopPolicy(tls=policy, ca_file=ca_file), tls_port=port)
            outcome, encrypted = await send(session), session.encrypted
            session.drop()
        return outcome, encrypted, b"".join(served)

    assert run(play(), loop) == (Delivered("250 taken"), True, CONTENT)


def test_a_wrong_certificate_on_the_submissions_port_is_told_as_such(authority, ca_file):
    """The reason is the certificate's, whichever way the library wraps it."""

    async def play():
        async def serve(_reader, writer):
            writer.transport.abort()

        tls = authority.server_context("mail.other.example.jp")
        server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
        async with server:
            port = server.sockets[0].getsockname()[1]
            return await connect(port, required(ca_file), tls_port=port)

    why = f"Hostname mismatch, certificate is not valid for '{HOST}'."
    assert run(play()) == f"greeting failed: the certificate is not valid: {why}"


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (Hang(), "greeting timed out"),
        (Say(b"220 partner\r\n"), "greeting failed: "),
        (Close(), "greeting failed: "),
    ],
)
def test_a_submissions_port_without_tls_is_never_spoken_to_in_clear(loop, fault, reason):
    """Silent, plain or closing: no connection, also where encryption is only opportunistic."""

    async def play():
        async with partner(always({"connect": fault})) as server:
            refused = await connect(server.address[1], HopPolicy(), tls_port=server.address[1])
            return refused, server.connections, [row for row in server.heard if row.startswith(VERBS)]

    refused, *rest = run(play(), loop)
    assert refused.startswith(reason)
    assert rest == [1, []]


def test_authorities_that_went_away_are_a_reason_and_no_bug(tmp_path):
    """A file that was there at the start and is not when the first connection needs it."""

    async def play():
        async with partner() as server:
            return await connect(server.address[1], required(tmp_path / "gone.pem"))

    assert run(play()) == "authorities failed: [Errno 2] No such file or directory"


# AUTH


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize(("without", "mechanism"), [((), "PLAIN"), (("PLAIN",), "LOGIN")])
def test_a_smarthost_of_another_maker_takes_name_and_password(loop, without, mechanism, authority, ca_file):
    """Stock aiosmtpd with STARTTLS and AUTH: two mails in one session, signed in once, PLAIN before LOGIN."""

    async def play(port):
        session = await connect(port, signing_in(ca_file))
        outcomes = [await send(session), await send(session)]
        await session.quit()
        return outcomes

    with smarthost(authority.server_context(HOST), without=without) as host:
        assert run(play(host.port), loop) == [Delivered("250 2.0.0 kept")] * 2
        assert host.sign_ins == [(mechanism, USER, PASSWORD)]
        assert [mail.content for mail in host.wait_for(2)] == [CONTENT] * 2


@pytest.mark.parametrize("without", [(), ("PLAIN",)])
def test_a_wrong_password_is_said_once_and_not_repeated(without, authority, ca_file):
    """No second mechanism is tried, which a provider would count; the reason has the code and no more."""
    with smarthost(authority.server_context(HOST), without=without) as host:
        refused = run(connect(host.port, signing_in(ca_file, "hunter2-hunter2")))
        assert len(host.sign_ins) == 1
    words = "(its words are left out: they may repeat the password)"
    assert refused == f"AUTH was answered 535 5.7.8 {words}"


def test_a_smarthost_without_our_mechanisms_gets_no_mail(authority, ca_file):
    """Sent without signing in, the mail would be refused for good: better to wait for a person."""
    with smarthost(authority.server_context(HOST), without=("PLAIN", "LOGIN")) as host:
        refused = run(connect(host.port, signing_in(ca_file)))
        assert (refused, host.mails) == ("AUTH failed: neither PLAIN nor LOGIN is offered", [])


SPOKEN = base64.b64encode(b"\0" + USER.encode() + b"\0" + PASSWORD.encode())
UNSIGNED = {
    "echo of the password": (Say(f"535 5.7.8 bad password {PASSWORD}\r\n".encode()), "535 5.7.8"),
    "echo of the line": (Say(b"501 5.5.2 syntax: AUTH PLAIN " + SPOKEN + b"\r\n"), "501 5.5.2"),
    "echo as a status": (Say(b"535 " + SPOKEN + b"\r\n"), "535"),
    "no reply": (Say(b"AUTH PLAIN " + SPOKEN + b"\r\n"), "something that is no SMTP reply"),
    "later": (Say(b"454 4.7.0 busy\r\n"), "454 4.7.0"),
    "goes on asking": (Say(b"334 " + SPOKEN + b"\r\n"), "334"),
    "closes": (Close(), "failed: "),
    "is silent": (Hang(), "timed out"),
}


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize("case", UNSIGNED)
def test_nothing_of_the_password_comes_back(loop, case, authority, ca_file):
    """Whatever a server answers to AUTH, no mail is sent and the reason has no spelling of the password."""
    fault, said = UNSIGNED[case]
    tls = authority.server_context(HOST)
    refused, heard, _ = run(story(signing_in(ca_file), {"AUTH": fault}, tls=tls), loop)
    assert refused.startswith(("AUTH was answered " + said, "AUTH " + said))
    for secret in (PASSWORD, PASSWORD.split()[0], SPOKEN.decode(), SPOKEN.decode()[:12]):
        assert secret not in refused
    assert not any(row.startswith("MAIL") for row in heard)


# SIZE and replies in pieces


SIZES = {
    "large enough": ("SIZE 1000", f" SIZE={len(CONTENT)}", Delivered("250 2.0.0 taken")),
    "just enough": (f"SIZE {len(CONTENT)}", f" SIZE={len(CONTENT)}", Delivered("250 2.0.0 taken")),
    "no bound": ("SIZE 0", f" SIZE={len(CONTENT)}", Delivered("250 2.0.0 taken")),
    "no number": ("SIZE", f" SIZE={len(CONTENT)}", Delivered("250 2.0.0 taken")),
    "nonsense": ("SIZE ٣x", f" SIZE={len(CONTENT)}", Delivered("250 2.0.0 taken")),
    "absurd": ("SIZE " + "9" * 5000, f" SIZE={len(CONTENT)}", Delivered("250 2.0.0 taken")),
}


@pytest.mark.parametrize("case", SIZES)
def test_a_peer_that_announces_size_is_told_the_size(case):
    """RFC 1870: the octets of the content; whatever bound is no bound is none."""
    keyword, parameter, outcome = SIZES[case]
    ended, heard, _ = run(story(HopPolicy(), keywords=("PIPELINING", keyword)))
    assert (ended[0], heard[1]) == (outcome, f"MAIL FROM:<{SENDER}>{parameter}")


def test_a_mail_that_is_too_large_for_the_peer_is_not_sent():
    """It bounces with RFC 3463's status and both numbers; nothing of it is said, the session goes on."""

    async def play():
        async with partner(keywords=("PIPELINING", f"SIZE {len(CONTENT)}")) as server:
            session = await connect(server.address[1], HopPolicy())
            large = await send(session, CONTENT + b"x\r\n")
            heard = list(server.heard)
            return large, session.address, heard, await send(session)

    large, address, heard, fitting = run(play())
    numbers = f"the mail has {len(CONTENT) + 3} octets, {address} takes {len(CONTENT)} at most"
    assert large == Bounced(f"552 5.3.4 not sent: {numbers}")
    assert (heard, fitting) == ([EHLO], Delivered("250 2.0.0 taken"))


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize("keywords", [("PIPELINING",), ()])
def test_replies_that_come_octet_by_octet_are_replies(loop, keywords):
    """Pipelined or in turn, a slow reply of several lines is waited for and counted once."""
    slow = {
        "MAIL": Drip(b"250-2.1.0 one\r\n250 2.1.0 ok\r\n", 0.001),
        "RCPT": Drip(b"250 2.1.5 ok\r\n", 0.001),
        "DATA": Drip(b"354 go\r\n", 0.001),
        ".": Drip(b"250-2.0.0 taken\r\n250 as 7\r\n", 0.001),
    }
    ended, _, _ = run(story(HopPolicy(), slow, keywords=keywords), loop)
    assert ended == (Delivered("250 2.0.0 taken as 7"), False)


# The whole engine


def by_smarthost(port, ca_file, password_file):
    """All mail through the smarthost, which wants a password."""
    place = f"127.0.0.1:{port}"
    hop = {"user": USER, "password_file": password_file, "ca_file": ca_file}
    return settings({}, route="smarthost", smarthost=place, next_hops={place: hop})


def test_a_wrong_password_keeps_the_mail_until_a_person_mends_it(tmp_path, authority, ca_file):
    """Deferred with the reason, delivered after a restart with the right one; neither is written anywhere."""
    password_file = tmp_path / "password"
    password_file.touch(mode=0o600)
    clock = ManualClock()

    async def sent(port, password, *, fresh):
        password_file.write_text(password, encoding="utf-8")
        async with bench(tmp_path, by_smarthost(port, ca_file, password_file), clock=clock) as relay:
            if fresh:
                await relay.offer(RECIPIENT, content=CONTENT)
                states = await relay.settled(1)
            else:
                await relay.advance_until(lambda: host.mails, timedelta(minutes=1))
                states = await relay.settled(1)
            entries = await relay.store.journal(JournalFilter())
            return states, await relay.replies(), repr(entries)

    with (
        smarthost(authority.server_context("127.0.0.1")) as host,
        structlog.testing.capture_logs() as log,
    ):
        refused, (reply,), first = run(sent(host.port, "wrong-swordfish", fresh=True))
        delivered, _, second = run(sent(host.port, PASSWORD, fresh=False))
        (mail,) = host.mails
    assert refused == [(RECIPIENT, "queued", 1)]
    assert "AUTH was answered 535 5.7.8 (its words are left out" in reply
    assert delivered == [(RECIPIENT, "delivered", 2)]
    assert mail.content == CONTENT
    stored = b"".join(path.read_bytes() for path in tmp_path.glob("denrei.db*"))
    for password in ("wrong-swordfish", PASSWORD):
        spellings = (password.encode(), base64.b64encode(b"\0" + USER.encode() + b"\0" + password.encode()))
        assert all(spelling not in stored for spelling in spellings)
        assert password not in first + second + repr(log)


def test_a_next_hop_that_must_be_encrypted_and_is_not_keeps_its_mail(tmp_path):
    """The mail waits with the reason that a person can act on; nothing of it was said in clear."""

    async def play():
        async with partner(keywords=("PIPELINING",)) as server:
            routes = {"partner.example.jp": server.address}
            async with bench(tmp_path, settings(routes, tls="require")) as relay:
                await relay.offer(RECIPIENT)
                return await relay.settled(1), await relay.replies(), server.heard

    states, (reply,), heard = run(play())
    assert states == [(RECIPIENT, "queued", 1)]
    assert reply.endswith("STARTTLS is not announced, and this next hop requires encryption")
    assert heard == [EHLO]
