"""Whom reception lets in without knowing them, whom it sends away, and who may go on."""

import asyncio
import smtplib
import ssl
from dataclasses import replace
from datetime import timedelta

import pytest
from structlog.testing import capture_logs

from relay.intake import Listener
from relay.intake.access.login import Logins
from relay.intake.access.password import Cost, hashed, prepared
from relay.intake.access.throttle import GUEST_SECONDS, MAX_CLIENTS, Throttle
from relay.intake.access.user_file import remove_user, set_user
from relay.intake.session.door import Session
from relay.journal import Event
from relay.store.query import JournalFilter
from tests.support.certificate import Authority
from tests.support.clock import ManualClock
from tests.support.mail import json_mail, order_info
from tests.support.reception import ADDRESS, RETURNS, SESSION, front_desk
from tests.support.waiting import PATIENCE

TLS = {"certificate": "certificate.pem", "key": "key.pem"}
PASSWORD = "open sesame"  # smtplib writes ASCII alone
SOMEBODY = Session(peer="198.51.100.1", tls=True)
SENDER = "market@example.jp"
STRANGER = {"event": "stranger_refused", "log_level": "warning"}
NOT_HERE = "5.7.1 you may not send here"
SIGN_IN = b"530 5.7.0 authentication required\r\n"
RETURN = RETURNS.of("6v3w1q0000000001")
POSTMASTERS = ["postmaster", "PostMaster", "postmaster@intake.example.jp", "POSTMASTER@Relay.example.jp"]


@pytest.fixture
def users(tmp_path):
    """A file with one user."""
    path = tmp_path / "users.yaml"
    salt = b"0123456789abcdef"
    set_user(path, "market", hashed(prepared(PASSWORD), salt=salt, cost=Cost(n=1024, r=8, p=1)))
    return path


@pytest.fixture
def logins(users):
    """Who may sign in."""
    return Logins(users, clock=ManualClock())


async def signed_in(door):
    """The session of the user, come from anywhere."""
    answer = await door.authenticate(SOMEBODY, "market", PASSWORD)
    return replace(SOMEBODY, user="market", mark=answer.mark)


def test_guests_leave_room_for_those_who_may_send(tmp_path, users, logins):
    """With users, everybody may come in: half of the connections at most, until they have signed in."""

    async def story():
        settings = {"users": users, "tls": TLS, "max_connections": 4}
        async with front_desk(tmp_path, logins=logins, **settings) as at:
            at.reception._throttle = Throttle(at.config, clock=at.clock)
            door = at.reception
            assert [await door.connect("198.51.100.1") for _ in range(2)] == [None, None]
            refusal = await door.connect("198.51.100.2")
            assert refusal.line() == b"421 4.3.2 too many connections, try again later\r\n"
            assert b'connections_total{outcome="too_many"} 1.0' in at.metrics.text()
            assert await door.connect("127.0.0.1") is None
            user = await signed_in(door)
            assert await door.connect("198.51.100.2") is None
            assert (await door.connect("198.51.100.3")).code == 421
            door.disconnected(user)
            assert (await door.connect("198.51.100.3")).code == 421
            door.disconnected(SOMEBODY)
            assert await door.connect("198.51.100.3") is None
            door.disconnected(SESSION)
            assert (await door.connect("198.51.100.4")).code == 421

    asyncio.run(story())


def test_patience_is_short_with_guests_alone(tmp_path, users, logins):
    """Who stands in the networks, or has signed in, stays as long as the time limit lets it."""

    async def story():
        settings = {"users": users, "tls": TLS}
        async with front_desk(tmp_path, logins=logins, **settings) as at:
            user = await signed_in(at.reception)
            sessions = [SOMEBODY, user, SESSION]
            found = [at.reception.patience(each) for each in sessions]
            assert found == [GUEST_SECONDS, float("inf"), float("inf")]

    asyncio.run(story())


def test_each_stranger_is_told_of_once_a_minute(tmp_path):
    """The operator finds the marketplace's new address in the log, and no flood fills it."""

    async def story():
        async with front_desk(tmp_path, bounces_from=["203.0.113.0/24"]) as at:
            with capture_logs() as log:
                for peer in ("192.0.2.1", "192.0.2.1", "2001:db8::1", "2001:db8::2", "127.0.0.1"):
                    await at.reception.connect(peer)
                for _ in range(2):
                    await at.reception.mail(Session(peer="203.0.113.1"), SENDER, None)
                at.clock.advance(timedelta(minutes=1))
                await at.reception.connect("192.0.2.1")
                for number in range(MAX_CLIENTS + 10):
                    await at.reception.connect(f"10.0.{number // 256}.{number % 256}")
            bounces_only = "5.7.1 you may send bounces here, and nothing else"
            assert log[:4] == [
                STRANGER | {"peer": "192.0.2.1", "answer": NOT_HERE},
                STRANGER | {"peer": "2001:db8::/64", "answer": NOT_HERE},
                STRANGER | {"peer": "203.0.113.1", "answer": bounces_only},
                STRANGER | {"peer": "192.0.2.1", "answer": NOT_HERE},
            ]
            assert len(log) - 3 == len(at.reception._told_strangers) == MAX_CLIENTS

    asyncio.run(story())


def change_password(path):
    set_user(path, "market", hashed(b"new", salt=b"fedcba9876543210", cost=Cost(n=1024, r=8, p=1)))


@pytest.mark.parametrize(
    "change", [lambda path: remove_user(path, "market"), change_password], ids=["removed", "new password"]
)
def test_a_user_who_is_one_no_longer_begins_no_mail(tmp_path, users, logins, change):
    """An open session outlives nobody's right to send; where its client stands still counts."""

    async def story():
        async with front_desk(tmp_path, logins=logins, users=users, tls=TLS) as at:
            user = await signed_in(at.reception)
            assert await at.reception.mail(user, SENDER, None) is None
            change(users)
            assert [logins.reload(), logins.reload()] == [False, True]
            assert (await at.reception.mail(user, SENDER, None)).line() == SIGN_IN
            assert await at.reception.mail(replace(user, peer="127.0.0.1"), SENDER, None) is None

    asyncio.run(story())


@pytest.mark.parametrize("address", POSTMASTERS)
@pytest.mark.parametrize("on_unreadable", ["quarantine", "reject"])
def test_a_mail_to_the_postmaster_is_kept_for_a_person(tmp_path, address, on_unreadable):
    """Whatever it holds: an order that is sent there is nobody's notification."""

    async def story():
        async with front_desk(tmp_path, on_unreadable=on_unreadable) as at:
            content = json_mail(order_info())
            assert await at.reception.rcpt(SESSION, SENDER, (), address) is None
            reply = await at.take(content, rcpt_tos=[address])
            kept = await at.store.quarantined_mail(reply.text.rpartition(" ")[2])
            assert reply.text == f"2.0.0 kept in quarantine as {kept.id}"
            assert (kept.content, kept.rcpt_to) == (content, address)
            assert kept.reason.startswith("mail: is to the postmaster (an answer to a notice, perhaps); ")
            (entry,) = await at.store.journal(JournalFilter())
            assert (entry.event, entry.detail) == (Event.QUARANTINED, "a mail to the postmaster")
            assert at.dispatch.offered == []

    asyncio.run(story())


def test_one_mail_is_to_one_kind_of_mailbox(tmp_path):
    """A mail to the postmaster and an intake address would be two things at once: the client sends two."""

    async def story():
        async with front_desk(tmp_path) as at:
            kinds = [ADDRESS, RETURN, "postmaster"]
            codes = [
                [getattr(await at.reception.rcpt(SESSION, "", [one], other), "code", 250) for other in kinds]
                for one in kinds
            ]
            assert codes == [[250, 451, 451], [451, 250, 451], [451, 451, 250]]
            assert await at.reception.rcpt(SESSION, "", ["postmaster"], POSTMASTERS[2]) is None

    asyncio.run(story())


def test_an_open_session_of_a_removed_user_sends_no_more(tmp_path, users, logins):
    """By smtplib over TLS, from outside the networks: one mail before the change is taken, none behind it."""
    authority = Authority()
    trusting = ssl.create_default_context(cafile=authority.ca_file(tmp_path))

    def send(port):
        with smtplib.SMTP_SSL("127.0.0.1", port, timeout=PATIENCE, context=trusting) as client:
            client.login("market", PASSWORD)
            taken = client.sendmail(SENDER, [ADDRESS], json_mail(order_info()))
            remove_user(users, "market")
            assert [logins.reload(), logins.reload()] == [False, True]
            client.ehlo_or_helo_if_needed()
            return taken, client.mail(SENDER)

    async def story():
        settings = {"users": users, "tls": TLS, "listen_tls": "127.0.0.1:0", "networks": ["192.0.2.0/24"]}
        async with front_desk(tmp_path, logins=logins, **settings) as at:
            context = authority.server_context("127.0.0.1")
            listener = Listener(
                at.reception, at.config, hostname="x.example.jp", tls=lambda: context, offers_login=True
            )
            await listener.start()
            answers = await asyncio.to_thread(send, listener.tls_address[1])
            await listener.stop()
            assert answers == ({}, (530, b"5.7.0 authentication required"))
            assert len(at.dispatch.offered) == 1

    asyncio.run(story())
