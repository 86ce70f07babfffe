"""The listener's life: many clients, stopping, clients that go away, memory."""

import asyncio
import contextlib
import socket
import ssl
from dataclasses import dataclass, field
from datetime import timedelta

import aiosmtpd.smtp
import pytest
import uvloop
from structlog.testing import capture_logs

from relay.errors import MachineFailure
from relay.intake.session import listener as smtp
from relay.intake.session import reply
from relay.intake.session.connection import Connection
from relay.intake.session.door import ListenerSettings, Session
from relay.intake.session.listener import Listener, no_tls
from relay.intake.session.stream import CHUNK
from relay.metrics import Limit, Metrics
from tests.support.certificate import Authority
from tests.support.door import DENIED, TAKEN, RecordingDoor
from tests.support.session import MemoryTransport
from tests.support.waiting import PATIENCE, LeapingLoop, leap, until

EHLO = b"EHLO shop.example.jp\r\n"
LAST_ROW = b"250 ENHANCEDSTATUSCODES\r\n"
TO_DATA = b"MAIL FROM:<>\r\nRCPT TO:<orders@intake.example.jp>\r\nDATA\r\n"


@dataclass(slots=True)
class SlowDoor(RecordingDoor):
    """Takes mail only when it is let."""

    asked: asyncio.Event = field(default_factory=asyncio.Event)
    let: asyncio.Event = field(default_factory=asyncio.Event)

    async def message(self, session, mail_from, rcpt_tos, content):
        """Wait, then remember."""
        self.asked.set()
        await self.let.wait()
        return await RecordingDoor.message(self, session, mail_from, rcpt_tos, content)


@contextlib.asynccontextmanager
async def listening(door, *, tls=no_tls, offers_login=False, **settings):
    listener = Listener(
        door,
        ListenerSettings(**settings),
        hostname="relay.example.jp",
        tls=tls,
        offers_login=offers_login,
    )
    await listener.start()
    async with asyncio.timeout(PATIENCE):
        try:
            yield listener
        finally:
            async with asyncio.timeout(PATIENCE):  # the outer one may be over
                await listener.stop(grace=0)


@contextlib.asynccontextmanager
async def client(listener, **more):
    reader, writer = await asyncio.open_connection(*(listener.tls_address or listener.address), **more)
    try:
        yield reader, writer
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


async def say(at, octets):
    """Send, and give the reply: its last row."""
    reader, writer = at
    writer.write(octets)
    while (row := await reader.readline())[3:4] == b"-":
        pass
    return row


async def begin_mail(at, content=b""):
    """Up to and with 354, then content."""
    reader, writer = at
    assert (await reader.readline()).startswith(b"220 ")
    await say(at, EHLO)
    writer.write(TO_DATA)
    rows = [await reader.readline() for _ in range(3)]
    assert rows[2].startswith(b"354 "), rows
    writer.write(content)


def test_a_mail_on_its_way_is_taken_while_the_listener_stops():
    """The client whose mail is being decided gets its 250 and a 421; the idle one gets 421 at once."""

    async def story():
        door = SlowDoor()
        async with (
            listening(door) as listener,
            client(listener) as (busy, writer),
            client(listener) as (idle, _),
        ):
            await idle.readline()
            await begin_mail((busy, writer), b"a\r\n.\r\n")
            await door.asked.wait()
            stopping = asyncio.create_task(listener.stop(grace=PATIENCE))
            assert await idle.read() == b"421 4.3.2 shutting down\r\n"
            assert not stopping.done()
            door.let.set()
            await stopping
            assert (await busy.read()).endswith(b"250 2.0.0 taken\r\n421 4.3.2 shutting down\r\n")
        assert [mail.content for mail in door.mails] == [b"a\r\n"]

    asyncio.run(story())


def test_stopping_waits_no_longer_than_its_grace():
    """A door that never decides is cut off, and its client hears nothing that could be believed."""

    async def story():
        door = SlowDoor()
        async with listening(door) as listener, client(listener) as (reader, writer):
            await begin_mail((reader, writer), b"a\r\n.\r\n")
            await door.asked.wait()
            await listener.stop(grace=0.01)
            with contextlib.suppress(ConnectionError):
                assert b"taken" not in await reader.read()
        assert door.mails == []

    asyncio.run(story())


def test_nobody_connects_after_the_stop():
    """The port is closed when stop returns."""

    async def story():
        async with listening(RecordingDoor()) as listener:
            address = listener.address
            await listener.stop()
            with pytest.raises(ConnectionError):
                await asyncio.open_connection(*address)

    asyncio.run(story())


def test_a_decision_comes_to_its_end_although_the_client_has_gone():
    """What the door stores is stored: a client that hangs up behind its dot tears nothing apart."""

    async def story():
        door = SlowDoor()
        async with listening(door) as listener:
            async with client(listener) as at:
                await begin_mail(at, b"a\r\n.\r\n")
                await door.asked.wait()
            door.let.set()
            await until(lambda: door.mails)
        assert [mail.content for mail in door.mails] == [b"a\r\n"]

    asyncio.run(story())


def test_the_place_of_a_client_that_has_gone_is_free_again():
    """Connections are counted: the one above the limit gets 421, and the next one after a QUIT is served."""

    async def story():
        async with listening(RecordingDoor(), max_connections=1) as listener:
            async with client(listener) as (first, writer):
                assert (await first.readline()).startswith(b"220 ")
                async with client(listener) as (second, _):
                    assert await second.read() == b"421 4.3.2 too many connections, try again later\r\n"
                writer.write(b"QUIT\r\n")
                assert await first.read() == b"221 2.0.0 bye\r\n"
            async with client(listener) as (third, _):
                assert (await third.readline()).startswith(b"220 ")

    asyncio.run(story())


def test_all_connections_together_hold_no_more_than_the_bound():
    """Half mails fill the account; one that goes beyond is drained and answered 452, and the rest go on."""

    async def story():
        size = 100_000
        count = smtp.MESSAGES_IN_MEMORY + 2
        line = b"x" * 98 + b"\r\n"
        door = RecordingDoor()
        async with listening(door, max_message=size) as listener, contextlib.AsyncExitStack() as stack:
            clients = [await stack.enter_async_context(client(listener)) for _ in range(count)]
            for at in clients:
                await begin_mail(at, b"\r\n" + line * (size // len(line) - 1))
                await at[1].drain()
            bound = smtp.MESSAGES_IN_MEMORY * size
            held = bound - size // 2
            await until(lambda: listener.octets_in_memory >= held)
            assert listener.octets_in_memory <= bound + CHUNK
            for _, writer in clients:
                writer.write(b".\r\nQUIT\r\n")
            answers = [(await reader.read()).split(b"\r\n")[-3] for reader, _ in clients]
            assert set(answers) == {
                TAKEN.line().rstrip(),
                b"452 4.3.1 too much mail at once, try again later",
            }
            assert len(door.mails) == answers.count(TAKEN.line().rstrip()) >= smtp.MESSAGES_IN_MEMORY - 1
            assert listener.octets_in_memory == 0

    asyncio.run(story())


def test_a_bug_behind_the_door_is_logged_with_its_traceback():
    """The client hears 451; the log has the exception."""

    async def story():
        async with (
            listening(RecordingDoor()) as listener,
            client(listener) as at,
        ):
            await begin_mail(at, b"fail\r\n.\r\nQUIT\r\n")
            assert b"451 4.3.0 local error, try again later\r\n" in await at[0].read()

    with capture_logs() as logs:
        asyncio.run(story())
    assert [(row["event"], row["exc_info"]) for row in logs] == [("door_failed", True)]


def test_an_address_that_cannot_be_had_is_the_machines_failure():
    """Two listeners on one port: the second says where it could not listen."""

    async def story():
        async with listening(RecordingDoor()) as listener:
            second = Listener(
                RecordingDoor(), ListenerSettings(listen=listener.address), hostname="x.example.jp"
            )
            with pytest.raises(MachineFailure, match=f"cannot listen on 127.0.0.1 port {listener.port}"):
                await second.start()

    asyncio.run(story())


def test_a_hundred_clients_at_once_each_get_their_own_answers():
    """Connections share nothing but the door: all mails come through, each whole."""

    async def send(listener, number):
        async with client(listener) as at:
            await begin_mail(at, f"mail {number}\r\n.\r\nQUIT\r\n".encode())
            return await at[0].read()

    async def story():
        door = RecordingDoor()
        async with listening(door) as listener:
            answers = await asyncio.gather(*(send(listener, number) for number in range(100)))
        assert all(answer.endswith(b"250 2.0.0 taken\r\n221 2.0.0 bye\r\n") for answer in answers)
        assert {mail.content for mail in door.mails} == {
            f"mail {number}\r\n".encode() for number in range(100)
        }

    asyncio.run(story())


def test_the_library_has_no_state_that_the_connection_does_not_set():
    """The library's constructor is left out: what its methods in use read must be set by ours.

    The methods are those that the connection inherits and calls; an attribute that a newer library adds to
    them shows here before it shows in service.
    """
    names = {
        name
        for method in ("_create_session", "_create_envelope", "_getaddr")
        for name in getattr(aiosmtpd.smtp.SMTP, method).__code__.co_names
        if name.startswith("_") or name in {"session", "envelope", "transport", "loop", "local_part_limit"}
    }

    async def story():
        listener = Listener(RecordingDoor(), ListenerSettings(), hostname="relay.example.jp")
        connection = Connection(listener, asyncio.get_running_loop())
        assert {name for name in names if not hasattr(connection, name)} == set()

    asyncio.run(story())


@dataclass(slots=True)
class StrictDoor(RecordingDoor):
    """Lets nobody in."""

    asked_about: list[str] = field(default_factory=list)

    async def connect(self, peer):
        """Refuse."""
        self.asked_about.append(peer)
        return DENIED


@dataclass(slots=True)
class BrokenDoor(RecordingDoor):
    """Has a bug at the threshold."""

    async def connect(self, peer):
        """Raise."""
        raise RuntimeError("as the test asked")


@pytest.fixture(scope="module")
def authority():
    """Who vouches for the certificates of this module."""
    return Authority()


@pytest.fixture(scope="module")
def trusting(authority, tmp_path_factory):
    """How a client speaks TLS that trusts them."""
    return ssl.create_default_context(cafile=authority.ca_file(tmp_path_factory.mktemp("authority")))


def with_loops(test):
    return pytest.mark.parametrize(
        "loop", [asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"]
    )(test)


def run(loop, story):
    with asyncio.Runner(loop_factory=loop) as runner:
        runner.run(story())


ENCRYPTED = {"listen_tls": ("127.0.0.1", 0)}


@with_loops
def test_many_clients_at_once_begin_with_tls(loop, authority, trusting):
    """However early a client's first octets come, none is lost between the connection and its handshake."""

    async def send(listener, number):
        async with client(listener, ssl=trusting, server_hostname="127.0.0.1") as at:
            await begin_mail(at, f"mail {number}\r\n.\r\nQUIT\r\n".encode())
            assert (await at[0].readline()) == TAKEN.line()
            assert (await at[0].readline()) == b"221 2.0.0 bye\r\n"

    async def story():
        door, context = RecordingDoor(), authority.server_context("127.0.0.1")
        async with listening(door, tls=lambda: context, **ENCRYPTED) as listener:
            await asyncio.gather(*(send(listener, number) for number in range(40)))
        assert len(door.mails) == len(door.gone) == 40
        assert {session.tls for session in door.sessions} == {True}

    run(loop, story)


@with_loops
def test_a_stranger_costs_no_handshake(loop, authority, trusting):
    """Who may not come in is gone before TLS begins, and so is who meets a bug; no port tells more."""

    async def story():
        asked = []

        def context():
            asked.append(1)
            return authority.server_context("127.0.0.1")

        for door in (StrictDoor(), BrokenDoor()):
            async with listening(door, tls=context, **ENCRYPTED) as listener:
                with pytest.raises(OSError):
                    async with client(listener, ssl=trusting, server_hostname="127.0.0.1"):
                        pass
            assert door.gone == []
        assert asked == []

    with capture_logs() as logs:
        run(loop, story)
    assert [row["event"] for row in logs] == ["door_failed"]


@with_loops
def test_clients_that_never_agree_on_tls_count_as_connections(loop, authority, trusting):
    """Silence instead of a handshake takes a place, for as long as the time limit, and not longer."""

    async def story():
        door, context = RecordingDoor(), authority.server_context("127.0.0.1")
        limits = {"max_connections": 1, "timeout": timedelta(seconds=0.3), **ENCRYPTED}
        async with listening(door, tls=lambda: context, **limits) as listener:
            async with client(listener) as (silent, _):
                with pytest.raises(OSError):
                    async with client(listener, ssl=trusting, server_hostname="127.0.0.1"):
                        pass
                assert await silent.read() == b""
            async with client(listener, ssl=trusting, server_hostname="127.0.0.1") as (reader, _):
                assert (await reader.readline()).startswith(b"220 ")

    run(loop, story)


@with_loops
def test_stopping_breaks_off_a_handshake(loop, authority):
    """A client that is still agreeing on TLS, on either port, does not hold up the stop."""

    async def story():
        door, context = RecordingDoor(), authority.server_context("127.0.0.1")
        async with listening(door, tls=lambda: context, **ENCRYPTED) as listener:
            clear = await asyncio.open_connection(*listener.address)
            async with client(listener) as (silent, _):
                await clear[0].readline()
                await say(clear, b"STARTTLS\r\n")
                await until(lambda: door.welcomed == 2)
                await listener.stop(grace=0)
                with contextlib.suppress(ConnectionError):
                    assert await silent.read() == b""
                with contextlib.suppress(ConnectionError):
                    assert await clear[0].read() == b""
            clear[1].close()
        assert len(door.gone) == door.welcomed == 2

    run(loop, story)


@with_loops
@pytest.mark.parametrize(
    "octets", [b"EHLO evil.example.com\r\nMAIL FROM:<>\r\n", b"\x16\x03\x01\x00\x05junk!", b"\0" * 300]
)
def test_what_is_no_tls_behind_starttls_ends_the_connection(loop, octets, authority):
    """Octets in clear behind our 220 are answered by nobody: no reply comes, and the place is free again."""

    async def story():
        door, context = RecordingDoor(), authority.server_context("127.0.0.1")
        async with listening(door, tls=lambda: context, max_connections=1) as listener:
            async with client(listener) as at:
                await at[0].readline()
                assert await say(at, b"STARTTLS\r\n") == b"220 2.0.0 go ahead with TLS\r\n"
                at[1].write(octets)
                with contextlib.suppress(ConnectionError):
                    assert b"250" not in await at[0].read()
            await until(lambda: door.gone)
            async with client(listener) as (reader, _):
                assert (await reader.readline()).startswith(b"220 ")

    run(loop, story)


def test_a_new_certificate_counts_for_the_next_connection(authority, trusting):
    """The certificate is asked for by each connection: no restart, and the old connections live on."""

    async def story():
        current = [authority.server_context("old.example.jp"), authority.server_context("new.example.jp")]
        async with (
            listening(RecordingDoor(), tls=lambda: current[0], **ENCRYPTED) as listener,
            client(listener, ssl=trusting, server_hostname="old.example.jp") as old,
        ):
            await old[0].readline()
            current.pop(0)
            async with client(listener, ssl=trusting, server_hostname="new.example.jp") as new:
                assert (await new[0].readline()).startswith(b"220 ")
            assert await say(old, b"NOOP\r\n") == b"250 2.0.0 OK\r\n"

    asyncio.run(story())


def test_without_a_certificate_the_encrypted_port_takes_nobody():
    """Nothing is said in clear where everything is to be encrypted."""

    async def story():
        async with listening(RecordingDoor(), **ENCRYPTED) as listener, client(listener) as (reader, _):
            assert await reader.read() == b""

    asyncio.run(story())


def test_a_second_address_that_cannot_be_had_closes_the_first():
    """A listener that cannot listen everywhere listens nowhere."""

    async def story():
        async with listening(RecordingDoor()) as free:
            address = free.address
        async with listening(RecordingDoor()) as taken:
            settings = ListenerSettings(listen=address, listen_tls=taken.address)
            listener = Listener(RecordingDoor(), settings, hostname="x.example.jp")
            with pytest.raises(MachineFailure, match=f"cannot listen on 127.0.0.1 port {taken.port}"):
                await listener.start()
            with pytest.raises(ConnectionError):
                await asyncio.open_connection(*address)

    asyncio.run(story())


def test_a_bug_of_the_conversation_ends_the_connection_and_is_logged(authority):
    """A certificate that cannot be had is our trouble: 421, the trace in the log, and the place is free."""

    def broken():
        raise RuntimeError("as the test asked")

    async def story():
        door = RecordingDoor()
        async with listening(door, tls=broken) as listener, client(listener) as at:
            await at[0].readline()
            assert await say(at, EHLO) == b"421 4.3.0 local error, try again later\r\n"
            assert await at[0].read() == b""
            await until(lambda: door.gone)

    with capture_logs() as logs:
        asyncio.run(story())
    assert [(row["event"], row["exc_info"]) for row in logs] == [("session_failed", True)]


def test_who_was_let_in_is_told_gone_once_whatever_the_end():
    """QUIT, hanging up, a door that closes, an abort: the door hears of each client once."""

    async def story():
        door = RecordingDoor()
        async with listening(door) as listener:
            async with client(listener) as at:
                await at[0].readline()
                await say(at, b"EHLO one.example.jp\r\n")
                await say(at, b"QUIT\r\n")
            async with client(listener) as at:
                await at[0].readline()
                await say(at, b"EHLO two.example.jp\r\n")
            async with client(listener) as at:
                await begin_mail(at, b"drop\r\n.\r\n")
                assert await at[0].read() == b""
            async with client(listener) as at:
                await begin_mail(at, b"half")
                await listener.stop(grace=0)
        names = sorted(session.helo for session in door.gone)
        assert names == ["one.example.jp", "shop.example.jp", "shop.example.jp", "two.example.jp"]

    asyncio.run(story())


def test_who_was_refused_is_not_told_gone():
    """The door that refuses takes back itself what it counted."""

    async def story():
        door = RecordingDoor(greeting=DENIED)
        async with listening(door) as listener, client(listener) as (reader, _):
            assert await reader.read() == DENIED.line()
        assert door.gone == []

    asyncio.run(story())


class FullTransport(MemoryTransport):
    """A transport whose client takes nothing."""

    def get_write_buffer_size(self):
        """What was sent before has not gone."""
        return 1


class StuckTransport(MemoryTransport):
    """A transport whose client takes no last word, so that it never closes of itself."""

    is_cut = False

    def close(self):
        """Wait for the client, for ever."""

    def abort(self):
        """Close now."""
        self.is_cut = True
        MemoryTransport.close(self)


def leaping(story):
    """Run a story on a clock that it sets forward itself."""
    run(LeapingLoop, story)


async def connected(door, *, transport=MemoryTransport, **more):
    """A connection that was greeted and its transport, with the usual limits."""
    listener = Listener(door, ListenerSettings(), hostname="relay.example.jp", offers_login=True)
    connection = Connection(listener, asyncio.get_running_loop(), **more)
    made = transport(connection)
    connection.connection_made(made)
    await until(lambda: made.said)
    return connection, made


def test_a_client_that_takes_no_reply_is_cut_off():
    """Replies that nobody reads are not gathered: no further command is answered, and it ends in time."""

    async def story():
        door = RecordingDoor()
        connection, transport = await connected(door, transport=FullTransport)
        connection.pause_writing()
        connection.data_received(EHLO)
        await until(lambda: transport.said.endswith(LAST_ROW))
        said = bytes(transport.said)
        connection.data_received(b"NOOP\r\n")
        await leap(299)
        assert not door.gone
        await leap(2)
        assert (len(door.gone), transport.said) == (1, said)

    leaping(story)


def test_a_client_that_does_not_take_the_last_word_is_cut_off():
    """Closing waits for the client to take what was said: not for ever."""

    async def story():
        door = RecordingDoor()
        _, transport = await connected(door, transport=StuckTransport)
        await leap(301)
        assert transport.said.endswith(b"421 4.4.2 waited too long\r\n")
        assert not transport.is_cut
        await leap(6)
        assert transport.is_cut
        assert len(door.gone) == 1

    leaping(story)


@pytest.mark.parametrize("before", [b"", EHLO + b"AUTH LOGIN\r\n"], ids=["command", "AUTH"])
def test_a_line_that_drips_has_one_time_limit(before):
    """An octet now and then keeps nobody here: the whole line is to come within the time of one."""

    async def story():
        door = RecordingDoor(welcomed=1)
        connection, transport = await connected(door, welcomed=Session(peer="127.0.0.1", tls=True))
        for row in before.splitlines(keepends=True):
            connection.data_received(row)
            await leap(1)
        for octet in (b"N", b"O", b"O"):
            await leap(90)
            connection.data_received(octet)
        await leap(20)
        assert b"421" not in transport.said
        await leap(20)
        assert transport.said.endswith(b"421 4.4.2 waited too long\r\n")
        assert len(door.gone) == 1

    leaping(story)


def test_the_doors_patience_ends_before_the_time_limit():
    """Who neither signs in nor begins a mail has so long altogether, whatever it says in the meantime."""

    async def story():
        door = RecordingDoor(seconds=30)
        connection, transport = await connected(door)
        for _ in range(3):
            await leap(9)
            connection.data_received(b"NOOP\r\n")
        await leap(1)
        assert transport.said.endswith(b"250 2.0.0 OK\r\n")
        await leap(3)
        assert transport.said.endswith(b"421 4.4.2 waited too long\r\n")
        assert len(door.gone) == 1

    leaping(story)


def test_within_a_mail_the_time_limit_alone_counts_and_behind_it_patience_begins_anew():
    """A server that brings a report has the RFC's time for it, and is gone soon when it brings no other."""

    async def story():
        door = RecordingDoor(seconds=30)
        connection, transport = await connected(door)
        await leap(1)
        for octets in (EHLO, *TO_DATA.splitlines(keepends=True), b"a\r\n.\r\n"):
            connection.data_received(octets)
            await leap(100 if octets.startswith((b"MAIL", b"RCPT", b"DATA")) else 1)
        assert transport.said.endswith(TAKEN.line())
        await leap(25)
        connection.data_received(b"MAIL FROM:<>\r\n")
        await leap(1)
        connection.data_received(b"RSET\r\n")
        await leap(1)
        assert transport.said.endswith(b"250 2.0.0 OK\r\n")
        await leap(4)
        assert transport.said.endswith(b"421 4.4.2 waited too long\r\n")

    leaping(story)


def test_who_signs_in_is_a_guest_no_longer():
    """The time limit is the usual one from then on."""

    async def story():
        door = RecordingDoor(seconds=30, welcomed=1)
        connection, transport = await connected(door, welcomed=Session(peer="127.0.0.1", tls=True))
        await leap(1)
        for octets in (EHLO, b"AUTH PLAIN AOW6lwDlkIjoqIDokYkgMQ==\r\n", b"NOOP\r\n"):
            connection.data_received(octets)
            await leap(20)
        await leap(270)
        assert b"235 2.7.0 signed in\r\n" in transport.said
        assert b"421" not in transport.said
        await leap(30)
        assert transport.said.endswith(b"421 4.4.2 waited too long\r\n")
        assert [(session.user, session.mark) for session in door.gone] == [("店", b"mark")]

    leaping(story)


@with_loops
@pytest.mark.parametrize("begins_with_tls", [False, True], ids=["clear", "encrypted"])
def test_silence_is_counted_once_on_either_port(loop, begins_with_tls, authority, trusting):
    """The limit that a client met is in the metrics, whether it came by TLS or not."""

    async def story():
        metrics = Metrics()
        settings = ListenerSettings(listen_tls=("127.0.0.1", 0), timeout=timedelta(seconds=0.5))
        context = authority.server_context("127.0.0.1")
        listener = Listener(
            RecordingDoor(), settings, hostname="relay.example.jp", tls=lambda: context, metrics=metrics
        )
        await listener.start()
        address = listener.tls_address if begins_with_tls else listener.address
        more = {"ssl": trusting, "server_hostname": "127.0.0.1"} if begins_with_tls else {}
        async with asyncio.timeout(PATIENCE):
            reader, writer = await asyncio.open_connection(*address, **more)
            assert (await reader.read()).endswith(b"421 4.4.2 waited too long\r\n")
            writer.close()
            await listener.stop(grace=0)
        assert b'denrei_intake_limits_total{limit="timeout"} 1.0' in metrics.text()

    run(loop, story)


def test_a_limit_is_counted_in_one_place():
    """The server counts its own refusals; what reception and the time limit count is not among them."""
    counted = set(reply.limits(ListenerSettings()).values())
    elsewhere = {Limit.RATE, Limit.HOPS, Limit.DOCUMENT, Limit.TIMEOUT}
    assert (counted & elsewhere, counted | elsewhere) == (set(), set(Limit))


@dataclass(slots=True)
class Visited(RecordingDoor):
    """Remembers who came, from wherever."""

    peers: list[str] = field(default_factory=list)

    async def connect(self, peer):
        """Welcome all."""
        self.peers.append(peer)
        self.welcomed += 1


def has_ipv6():
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        return False
    return True


@pytest.mark.skipif(not has_ipv6(), reason="this machine has no IPv6")
@with_loops
def test_every_address_means_those_of_both_sorts(loop, authority, trusting):
    """`[::]` takes IPv4 and IPv6, in clear and encrypted, and a client of IPv4 goes by its IPv4 address."""

    async def story():
        door, context = Visited(), authority.server_context("127.0.0.1")
        everywhere = {"listen": ("::", 0), "listen_tls": ("::", 0)}
        async with listening(door, tls=lambda: context, **everywhere) as listener:
            for host in ("127.0.0.1", "::1"):
                for port, more in ((listener.port, {}), (listener.tls_address[1], {"ssl": trusting})):
                    name = {"server_hostname": "127.0.0.1"} if more else {}
                    reader, writer = await asyncio.open_connection(host, port, **more, **name)
                    assert (await reader.readline()).startswith(b"220 ")
                    writer.write(b"QUIT\r\n")
                    assert await reader.read() == b"221 2.0.0 bye\r\n"
                    writer.close()
        assert door.peers == ["127.0.0.1", "127.0.0.1", "::1", "::1"]

    run(loop, story)
