"""Mails that go round in circles, and clients that take too much room: what reception does of itself."""

import asyncio
import re

import pytest

from relay.intake.circle import LOOKED_AT, header_section, hops, return_paths
from relay.intake.session.door import Reply, SignedIn
from tests.support.mail import json_mail, order_info
from tests.support.reception import ADDRESS, RETURNS, SESSION, front_desk

OURS = RETURNS.of("6v3w1q0000000001")
DOCUMENT = json_mail(order_info())
RECEIVED = b"Received: from a.example.com by b.example.com; Sat, 21 Nov 2026 10:15:00 +0900\r\n"


def test_a_mail_with_too_many_hops_is_refused_and_one_with_as_many_is_not(tmp_path):
    """The refusal is final: the next server would only pass it on once more."""

    async def story():
        async with front_desk(tmp_path, max_hops=10) as at:
            reply = await at.take(RECEIVED * 11 + DOCUMENT)
            assert reply.line() == b"554 5.4.6 too many hops, this mail goes in circles\r\n"
            assert (await at.take(RECEIVED * 10 + DOCUMENT)).code == 250
            report = await at.give_back(RECEIVED * 11 + b"\r\n", "6v3w1q0000000001")
            assert report.code == 554

    asyncio.run(story())


def test_only_rows_of_the_header_count():
    """No body that quotes them, no header whose value looks so; capitals and folds make no difference."""
    content = b"Subject: Received: x\r\nRECEIVED: a\r\n\tReceived: b\r\nReceived: c\r\n\r\n" + RECEIVED * 3
    assert hops(header_section(content)) == 2
    assert hops(header_section(RECEIVED)) == 1
    assert hops(header_section(b"")) == 0


def test_a_header_without_end_is_looked_at_so_far_and_no_further():
    """A mail of many mebibytes without a blank row costs no more than the longest header."""
    header = header_section(b"x" * (8 * LOOKED_AT))
    assert len(header) == LOOKED_AT


@pytest.mark.parametrize(
    ("row", "found"),
    [
        (b"Return-Path: <Bounce@Example.jp>\r\n", ["bounce@example.jp"]),
        (b"return-path:bounce@example.jp\r\n", ["bounce@example.jp"]),
        (b"Return-Path: <>\r\n", []),
        (b"X-Return-Path: <bounce@example.jp>\r\n", []),
        (b"Return-Path: <a@example.jp>\r\nReturn-Path: <b@example.jp>\r\n", ["a@example.jp", "b@example.jp"]),
    ],
)
def test_a_return_path_is_read_as_servers_write_it(row, found):
    """With brackets and without, several of them, and none for the null sender."""
    assert return_paths(header_section(b"Subject: x\r\n" + row + b"\r\n")) == found


@pytest.mark.parametrize("content", [DOCUMENT, b"Return-Path: <" + OURS.encode() + b">\r\n" + DOCUMENT])
@pytest.mark.parametrize("on_unreadable", ["quarantine", "reject"])
def test_a_mail_of_ours_that_comes_back_to_the_intake_is_kept_and_not_sent_again(
    tmp_path, content, on_unreadable
):
    """Its envelope sender is a return address, or was: its Return-Path says so. Refused, it would bounce."""

    async def story():
        async with front_desk(tmp_path, on_unreadable=on_unreadable) as at:
            mail_from = "list@partner.example.jp" if content is not DOCUMENT else OURS
            reply = await at.take(content, mail_from=mail_from)
            kept = await at.store.quarantined_mail(reply.text.rpartition(" ")[2])
            assert kept.reason == (
                "mail: has a return address of this relay as its sender: one of its own mails came back "
                "(the recipient of a registration passes its mail on to the intake)"
            )
            assert at.dispatch.offered == []

    asyncio.run(story())


def test_a_document_from_the_null_sender_and_from_a_program_is_a_notification(tmp_path):
    """A marketplace's system may mark its mails as what they are: the document says itself what it is."""

    async def story():
        async with front_desk(tmp_path) as at:
            content = b"Auto-Submitted: auto-generated\r\nPrecedence: bulk\r\n" + DOCUMENT
            reply = await at.take(content, mail_from="")
            assert reply.text.startswith("2.0.0 accepted as ")

    asyncio.run(story())


class Turnstile:
    """Lets one connection and one mail of each client in, and counts."""

    FULL = Reply(code=421, text="4.7.0 too many connections from you, try again later")
    FAST = Reply(code=451, text="4.7.1 too many mails from you, try again later")

    def __init__(self):
        self.inside = []
        self.mails = []

    def enter(self, peer, *, is_guest):
        """Count in, or refuse."""
        if peer in self.inside:
            return self.FULL
        self.inside.append(peer)
        return None

    def leave(self, peer, *, is_guest):
        """Count out."""
        self.inside.remove(peer)

    def begin_mail(self, peer):
        """Count a mail, or refuse."""
        if peer in self.mails:
            return self.FAST
        self.mails.append(peer)
        return None


def test_one_client_is_counted_in_and_out_and_its_mails_with_it(tmp_path):
    """Strangers are not counted: they never come in. RSET buys nothing, because MAIL is what counts."""

    async def story():
        throttle = Turnstile()
        async with front_desk(tmp_path, throttle=throttle) as at:
            door = at.reception
            assert (await door.connect("192.0.2.1")).code == 554
            assert await door.connect("127.0.0.1") is None
            assert throttle.inside == ["127.0.0.1"]
            assert await door.connect("127.0.0.1") is Turnstile.FULL
            assert await door.mail(SESSION, "market@example.jp", None) is None
            assert await door.mail(SESSION, "market@example.jp", None) is Turnstile.FAST
            door.disconnected(SESSION)
            assert throttle.inside == []

    asyncio.run(story())


class Gate:
    """Knows one name."""

    async def answer(self, peer, name, password):
        """Compare all three."""
        known = (peer, name, password) == ("127.0.0.1", "market", "ひみつ")
        return SignedIn(mark=b"") if known else Reply(code=535, text="5.7.8 no")


def test_who_signs_in_is_asked_of_the_users_file(tmp_path):
    """Without one nobody signs in, whatever the client says."""

    async def story():
        async with front_desk(tmp_path, logins=Gate()) as at:
            assert await at.reception.authenticate(SESSION, "market", "ひみつ") == SignedIn(mark=b"")
            assert (await at.reception.authenticate(SESSION, "market", "x")).code == 535
            assert await at.reception.rcpt(SESSION, "a@example.jp", (), ADDRESS) is None

    asyncio.run(story())


def test_without_a_users_file_nobody_signs_in(tmp_path):
    """The server does not offer it then; a client that tries all the same is told so."""

    async def story():
        async with front_desk(tmp_path) as at:
            answer = await at.reception.authenticate(SESSION, "market", "x")
            assert answer.line() == b"502 5.5.1 nobody signs in here\r\n"

    asyncio.run(story())


def test_what_is_decided_is_counted(tmp_path):
    """Each mail under what became of it, each report, each limit that was met."""

    async def story():
        async with front_desk(tmp_path, max_hops=10, throttle=Turnstile()) as at:
            due = await at.delivered()
            await at.take(DOCUMENT)
            await at.take(b"Subject: x\r\n\r\n")
            await at.take(RECEIVED * 11 + DOCUMENT)
            await at.give_back(b"X-Autoreply: yes\r\n\r\n", due.delivery.id)
            await at.reception.connect("192.0.2.1")
            for _ in range(2):
                await at.reception.connect("127.0.0.1")
                await at.reception.mail(SESSION, "market@example.jp", None)
            rows = {row for row in at.metrics.text().decode().split("\n") if row.endswith(" 1.0")}
            labels = sorted(re.findall(r'="(\w+)"} 1.0$', row)[0] for row in rows if "_total{" in row)
            assert labels == sorted(
                [
                    *("accepted", "known", "quarantined", "rejected", "report", "max_hops", "other"),
                    *("stranger", "welcome", "too_many_of_client", "mails_per_minute"),
                ]
            )

    asyncio.run(story())
