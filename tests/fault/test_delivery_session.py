"""One session against a partner that misbehaves at every verb, over real sockets and on both event loops."""

import asyncio
import ssl
import subprocess
from datetime import timedelta

import pytest
import uvloop

from relay.delivery.outcome import Bounced, Deferred, Delivered, Unsent
from relay.delivery.smtp.connector import Connector, Refused
from relay.delivery.smtp.policy import HopPolicy
from relay.delivery.smtp.session import Address, Session
from tests.support.delivering import settings
from tests.support.partner import Close, Drip, Flood, Hang, Say, Taken, always, once, partner

CONTENT = "Subject: x\r\n\r\n.注文\r\n..\r\n本文".encode() + b"\r\n"
STUFFED = "Subject: x\r\n\r\n..注文\r\n...\r\n本文".encode() + b"\r\n"
SENDER, RECIPIENT = "bounce+1@relay.example.jp", "orders@partner.example.jp"
BOTH = [("PIPELINING",), ()]
LOOPS = [asyncio.new_event_loop, uvloop.new_event_loop]


def run(story, loop=asyncio.new_event_loop):
    """Run on that event loop."""
    with asyncio.Runner(loop_factory=loop) as runner:
        return runner.run(story)


async def connect(server, **phases):
    """A session to the partner, or why not."""
    timeouts = settings({}).timeouts.model_copy(update=phases)
    host, port = server.address
    return await Connector(hostname="relay.example.jp", timeouts=timeouts).connect(
        Address(host=host, ip=host, port=port), HopPolicy()
    )


async def send(session, content=CONTENT, recipient=RECIPIENT):
    """One mail."""
    return await session.send(sender=SENDER, recipient=recipient, content=content)


def plain(outcome):
    """The outcome without the partner's port."""
    words = outcome.reply if isinstance(outcome, Delivered) else outcome.reason
    start, _, rest = words.partition("127.0.0.1:")
    return type(outcome), start + rest.partition(": ")[2] if rest else words


def story(faults, mails=1, keywords=("PIPELINING",)):
    """What becomes of these mails in one session, whether it may go on, and what the partner took."""

    async def play():
        async with partner(faults, keywords=keywords) as server:
            session = await connect(server)
            if isinstance(session, Refused):
                return [plain(session)], False, server.taken
            outcomes = [plain(await send(session)) for _ in range(mails)]
            usable = session.usable
            await session.quit()
            return outcomes, usable, server.taken

    return play()


OK = (Delivered, "250 2.0.0 taken")
MAIL = Taken(SENDER, RECIPIENT, STUFFED)


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize("keywords", BOTH)
def test_mails_go_one_after_another_in_one_connection(loop, keywords):
    """With PIPELINING and without, three mails are taken, dot-stuffed, with their envelope."""
    assert run(story(always({}), 3, keywords), loop) == ([OK] * 3, True, [MAIL] * 3)


@pytest.mark.parametrize(("keywords", "words"), [(("PIPELINING",), "MAIL, RCPT and DATA"), ((), "MAIL")])
def test_only_a_pipelining_peer_gets_the_envelope_in_one_write(keywords, words):
    """What the client waits for tells what it has sent: all three commands, or the first one alone."""
    outcomes, usable, _ = run(story(always({"MAIL": Hang()}), 1, keywords))
    assert (outcomes, usable) == ([(Deferred, f"no answer to {words} within 0.5 s")], False)


REFUSALS = {
    "MAIL": (Bounced, "MAIL was answered 550 5.7.1 no"),
    "RCPT": (Bounced, "RCPT was answered 550 5.7.1 no"),
    "DATA": (Bounced, "DATA was answered 550 5.7.1 no"),
    ".": (Bounced, "end of data was answered 550 5.7.1 no"),
}


@pytest.mark.parametrize("keywords", BOTH)
@pytest.mark.parametrize("verb", REFUSALS)
def test_a_refusal_at_any_verb_ends_one_mail_and_the_next_goes_through(verb, keywords):
    """5xx bounces this mail; the dialogue is brought back to its start, and the next mail is taken."""
    outcomes, usable, taken = run(story(once({verb: Say(b"550 5.7.1 no\r\n")}), 2, keywords))
    if (
        verb == "MAIL" and keywords
    ):  # the peer takes DATA after refusing MAIL: nobody knows what it would deliver
        assert (outcomes[0], usable, taken) == (REFUSALS[verb], False, [])
    else:
        assert (outcomes, usable, taken) == ([REFUSALS[verb], OK], True, [MAIL])


@pytest.mark.parametrize("keywords", BOTH)
@pytest.mark.parametrize("verb", REFUSALS)
def test_a_deferral_at_any_verb_defers(verb, keywords):
    """4xx defers with the words that were said."""
    outcomes, _, taken = run(story(once({verb: Say(b"451 4.3.0 later\r\n")}), 1, keywords))
    kind, words = outcomes[0]
    assert (kind, words.partition(" was answered ")[2], taken) == (Deferred, "451 4.3.0 later", [])


def test_a_refused_recipient_with_content_awaited_gets_a_lone_dot():
    """RFC 2920: RCPT refused and DATA taken means an empty end, never this mail's content."""

    async def play():
        async with partner(once({"RCPT": Say(b"550 5.1.1 no\r\n")})) as server:
            session = await connect(server)
            outcome = await send(session)
            return plain(outcome), list(server.taken), server.heard[4:], plain(await send(session))

    assert run(play()) == ((Bounced, "RCPT was answered 550 5.1.1 no"), [], ["RSET"], OK)


SILENCE = {
    "MAIL": "no answer to MAIL within 0.5 s",
    "RCPT": "no answer to RCPT within 0.5 s",
    "DATA": "no answer to DATA within 0.5 s",
    ".": "no answer to the end of the mail within 0.5 s after the whole mail was sent; "
    "the partner may have it, a repeat has the same Message-ID",
}


@pytest.mark.parametrize("fault", [Hang(), Drip(b"250 " + b"x" * 1000, 0.01), Drip(b"250-x\r\n" * 90, 0.01)])
@pytest.mark.parametrize("verb", SILENCE)
def test_silence_or_a_drip_at_any_verb_is_cut_off(verb, fault):
    """A peer that never finishes its reply costs the phase's time and no more; the mail is deferred."""
    assert run(story(always({verb: fault}), 1, ())) == ([(Deferred, SILENCE[verb])], False, [])


GARBAGE = {
    "no reply": (Say(b"HELLO there\r\n"), "sent what is not an SMTP reply: 'HELLO there'"),
    "endless line": (Flood(b"250 " + b"x" * 4096), "sent a reply line longer than 2048 octets"),
    "endless lines": (Flood(b"250-x\r\n" * 50), "sent a reply of more than 100 lines"),
    "two replies": (Say(b"250 a\r\n250 b\r\n"), "spoke out of turn"),
}


@pytest.mark.parametrize("verb", ["MAIL", "RCPT", "DATA", "."])
@pytest.mark.parametrize("garbage", GARBAGE)
def test_garbage_at_any_verb_costs_the_connection_and_never_the_mail(verb, garbage):
    """What makes no sense defers, and nothing more is said on that connection."""
    fault, _ = GARBAGE[garbage]
    (outcome,), usable, taken = run(story(always({verb: fault}), 1, ()))
    if garbage == "two replies" and verb == ".":
        assert (outcome, usable) == ((Delivered, "250 a"), False)  # it did say that it has the mail
    else:
        assert (outcome[0], usable, taken) == (Deferred, False, [])


@pytest.mark.parametrize("verb", ["MAIL", "RCPT", "DATA", "."])
def test_a_closed_connection_at_any_verb_defers(verb):
    """The first mail of a lost connection is deferred; after the dot the reason says it may be there."""
    (outcome,), usable, taken = run(story(always({verb: Close()}), 1, ()))
    known = " after the whole mail was sent; the partner may have it, a repeat has the same Message-ID"
    assert (outcome, usable, taken) == (
        (Deferred, "the connection was closed" + (known if verb == "." else "")),
        False,
        [],
    )


@pytest.mark.parametrize("fault", [Close(), Close(b"421 4.4.2 idle\r\n"), Close(b"421 4.7.0 enough\r\n")])
def test_a_kept_connection_that_ends_at_the_second_mail_says_unsent(fault):
    """The second mail was never looked at, so it may go out at once on another connection."""
    outcomes, usable, _ = run(
        story(lambda verb, count: fault if (verb, count) == ("MAIL", 1) else None, 2, ())
    )
    assert (outcomes[0], outcomes[1][0], usable) == (OK, Unsent, False)


def test_421_on_a_fresh_connection_is_a_deferral():
    """A peer that greets and then closes before its first mail cannot make the mail circle for ever."""
    outcomes, usable, _ = run(story(always({"MAIL": Close(b"421 4.7.0 go\r\n")}), 1, ()))
    assert (outcomes, usable) == ([(Deferred, "MAIL was answered 421 4.7.0 go")], False)


GREETINGS = {
    "refused": ({"connect": Close(b"554 5.7.1 no\r\n")}, "greeting was answered 554 5.7.1 no"),
    "deferred": ({"connect": Close(b"421 busy\r\n")}, "greeting was answered 421 busy"),
    "hangs": ({"connect": Hang()}, "greeting timed out"),
    "closes": ({"connect": Close()}, "greeting failed: "),
    "garbage": ({"connect": Say(b"HTTP/1.1 400\r\n")}, "greeting failed: Malformed SMTP response line"),
    "floods": ({"connect": Flood(b"220-" + b"x" * 4096)}, "greeting failed: Response too long"),
    "EHLO refused": ({"EHLO": Say(b"550 no\r\n"), "HELO": Say(b"550 no\r\n")}, "EHLO was answered 550 no"),
    "EHLO deferred": ({"EHLO": Say(b"451 later\r\n")}, "EHLO was answered 451 later"),
    "EHLO hangs": ({"EHLO": Hang()}, "EHLO timed out"),
}


@pytest.mark.parametrize("case", GREETINGS)
def test_trouble_before_mail_is_a_refusal_of_the_connection(case):
    """Whatever happens before MAIL is said is a reason not to have a session, within the phase's time."""
    faults, reason = GREETINGS[case]
    (outcome,), _, _ = run(story(always(faults)))
    assert outcome[0] is Refused
    assert outcome[1].startswith(reason)


def test_a_server_that_knows_no_ehlo_is_spoken_to_with_helo():
    """A server of before 1995 gets its mail, without pipelining."""
    assert run(story(always({"EHLO": Say(b"502 5.5.1 what?\r\n")})))[0] == [OK]


@pytest.mark.parametrize(
    "fault",
    [Say(b"454 4.7.0 no TLS\r\n"), Say(b"220 go\r\nnot a handshake"), Close(), Close(b"220 go\r\n"), Hang()],
)
def test_a_broken_starttls_is_passed_over(fault):
    """Encryption that was announced and fails does not stop the mail: it goes on in clear."""
    faults = always({"STARTTLS": fault})
    assert run(story(faults, 1, ("STARTTLS", "PIPELINING"))) == ([OK], True, [MAIL])


@pytest.mark.parametrize("loop", LOOPS)
def test_starttls_is_used_with_any_certificate(loop, tmp_path):
    """A self-signed certificate is good enough, and EHLO is said again inside."""
    subject = ["-subj", "/CN=partner.example.jp", "-days", "2", "-nodes"]
    command = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-keyout",
        "key.pem",
        "-out",
        "cert.pem",
        *subject,
    ]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "cert.pem", tmp_path / "key.pem")

    async def play():
        async with partner(keywords=("STARTTLS", "PIPELINING"), tls=context) as server:
            session = await connect(server)
            outcomes = [plain(await send(session)), plain(await send(session))]
            await session.quit()
            return outcomes, server.heard[:3]

    ehlo = "EHLO relay.example.jp"
    assert run(play(), loop) == ([OK, OK], [ehlo, "STARTTLS", ehlo])


@pytest.mark.parametrize("loop", LOOPS)
def test_a_large_mail_goes_in_pieces_and_a_peer_that_stops_reading_is_cut_off(loop):
    """8 MiB arrive whole; a peer that takes none of them costs the time of one piece."""
    content = b"x" * 70 + b"\r\n"
    content *= (8 << 20) // len(content)

    async def play():
        async with partner() as server:
            good = await send(await connect(server), content)
            whole = server.taken[0].content == content

        over = asyncio.Event()

        async def ignore(reader, writer):
            writer.write(b"220 p\r\n")
            for words in (b"250 p\r\n", b"250 ok\r\n", b"250 ok\r\n", b"354 go\r\n"):
                await reader.readline()
                writer.write(words)
            await over.wait()
            writer.transport.abort()

        stuck = await asyncio.start_server(ignore, "127.0.0.1", 0, limit=1024)
        async with stuck:
            server.address = stuck.sockets[0].getsockname()[:2]
            session = await connect(server)
            bad = plain(await send(session, content))
            over.set()
        return plain(good), whole, bad

    good, whole, bad = run(play(), loop)
    assert (good, whole) == (OK, True)
    assert bad == (Deferred, "no answer to content within 0.5 s, with part of the mail sent")


@pytest.mark.parametrize(
    "recipient", ["", "a b@x.jp", "a>\r\nRCPT TO:<b@x.jp", "宛先@x.jp", "a@x.jp\n", "a" * 255]
)
def test_an_address_cannot_carry_a_command(recipient):
    """What could end the path or the line is never written; the partner hears nothing of it."""

    async def play():
        async with partner() as server:
            session = await connect(server)
            outcome = await send(session, recipient=recipient)
            return plain(outcome), plain(await send(session)), len(server.heard)

    assert run(play()) == ((Bounced, "the address cannot be written in an SMTP command"), OK, 4)


@pytest.mark.parametrize("content", [b"a\nb\r\n", b"a\rb\r\n", b"\n.\r\n", b"a\r\n.\n", b"\r"])
def test_a_bare_line_end_is_never_sent(content):
    """Content that another server might read as two mails stays here."""

    async def play():
        async with partner() as server:
            return plain(await send(await connect(server), content)), server.taken

    assert run(play()) == (
        (Deferred, "not sent: the stored mail holds a bare CR or LF, which is a bug in Denrei"),
        [],
    )


def test_an_idle_peer_that_speaks_loses_the_connection():
    """Words between two mails, which would be taken for the next reply, make the session unusable."""

    async def play():
        async with partner(once({".": Say(b"250 ok\r\n")})) as server:
            session = await connect(server)
            assert isinstance(session, Session)
            await send(session)
            session.data_received(b"250 2.0.0 taken in advance\r\n")
            return session.usable

    assert run(play()) is False


def test_a_peer_that_takes_data_after_refusing_mail_is_left_at_once():
    """Nothing more is said to it, not even RSET, which it would take for content: no timeout has to pass."""

    async def play():
        async with partner(always({"MAIL": Say(b"550 5.7.1 no\r\n")})) as server:
            session = await connect(server, command=timedelta(minutes=1))
            async with asyncio.timeout(5):
                return plain(await send(session)), session.usable, list(server.taken)

    assert run(play()) == ((Bounced, "MAIL was answered 550 5.7.1 no"), False, [])
