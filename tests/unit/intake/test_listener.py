"""The listener's life: many clients, stopping, clients that go away, memory."""

import asyncio
import contextlib
from dataclasses import dataclass, field

import aiosmtpd.smtp
import pytest
from structlog.testing import capture_logs

from relay.errors import MachineFailure
from relay.intake import smtp
from relay.intake.door import ListenerSettings
from relay.intake.smtp import Listener
from tests.support.door import TAKEN, RecordingDoor

TO_DATA = b"HELO shop.example.jp\r\nMAIL FROM:<>\r\nRCPT TO:<orders@intake.example.jp>\r\nDATA\r\n"
PATIENCE = 10.0


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
async def listening(door, **settings):
    listener = Listener(door, ListenerSettings(**settings), hostname="relay.example.jp")
    await listener.start()
    async with asyncio.timeout(PATIENCE):
        try:
            yield listener
        finally:
            await listener.stop(grace=0)


@contextlib.asynccontextmanager
async def client(listener, octets=b""):
    reader, writer = await asyncio.open_connection(*listener.address)
    try:
        writer.write(octets)
        yield reader, writer
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


def test_a_mail_on_its_way_is_taken_while_the_listener_stops():
    """The client whose mail is being decided gets its 250 and a 421; the idle one gets 421 at once."""

    async def story():
        door = SlowDoor()
        async with (
            listening(door) as listener,
            client(listener, TO_DATA + b"a\r\n.\r\n") as (busy, _),
            client(listener) as (idle, _),
        ):
            await idle.readline()
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
        async with (
            listening(door) as listener,
            client(listener, TO_DATA + b"a\r\n.\r\n") as (reader, _),
        ):
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
            async with client(listener, TO_DATA + b"a\r\n.\r\n"):
                await door.asked.wait()
            door.let.set()
            while not door.mails:
                await asyncio.sleep(0)
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
            clients = [await stack.enter_async_context(client(listener, TO_DATA)) for _ in range(count)]
            for _, writer in clients:
                writer.write(line * (size // len(line) - 1))
                await writer.drain()
            bound = smtp.MESSAGES_IN_MEMORY * size
            held = bound - size // 2
            while listener.octets_in_memory < held:
                await asyncio.sleep(0)
            assert listener.octets_in_memory <= bound + smtp.CHUNK
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
            client(listener, TO_DATA + b"fail\r\n.\r\nQUIT\r\n") as at,
        ):
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
        async with client(listener, TO_DATA) as (reader, writer):
            writer.write(f"mail {number}\r\n.\r\nQUIT\r\n".encode())
            return await reader.read()

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
    inherited = ("connection_made", "_cb_client_connected", "_create_session", "_create_envelope", "_getaddr")
    names = {
        name
        for method in inherited
        for name in getattr(aiosmtpd.smtp.SMTP, method).__code__.co_names
        if name.startswith("_") or name in {"session", "envelope", "transport", "loop", "local_part_limit"}
    }

    async def story():
        listener = Listener(RecordingDoor(), ListenerSettings(), hostname="relay.example.jp")
        connection = smtp._Connection(listener, asyncio.get_running_loop())
        starttls_only = {
            "_tls_protocol",
            "_tls_handshake_okay",
            "_handle_hooks",
            "_extra",
            "_transport",
            "_buffer",
        }
        given_when_connected = {"_reader", "_writer", "__class__"}
        missing = {
            name for name in names - starttls_only - given_when_connected if not hasattr(connection, name)
        }
        assert missing == set()

    asyncio.run(story())
