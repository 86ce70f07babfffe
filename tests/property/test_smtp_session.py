"""Whatever clients say, in whatever packets: the server keeps to the protocol, the door gets clean mails."""

import asyncio
import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.session import check, session

LINES = [
    b"EHLO shop.example.jp\r\n",
    b"HELO shop.example.jp\r\n",
    b"MAIL FROM:<shop@example.jp>\r\n",
    b"MAIL FROM:<> SIZE=10 BODY=8BITMIME\r\n",
    b"MAIL FROM:<\xe5\xba\x97@example.jp> SMTPUTF8\r\n",
    b"MAIL FROM:<\xe5\xba\x97@example.jp>\r\n",
    b"RCPT TO:<orders@intake.example.jp>\r\n",
    b"RCPT TO:<orders@example.com>\r\n",
    b"DATA\r\n",
    b"RSET\r\n",
    b"NOOP\r\n",
    b"VRFY x\r\n",
    b"STARTTLS\r\n",
    b"AUTH LOGIN\r\n",
    b"AUTH PLAIN AOW6lwDlkIjoqIDokYkgMQ==\r\n",
    b"5bqX\r\n",
    b"5ZCI6KiA6JGJIDE=\r\n",
    b"*\r\n",
    b"X\n",
    b"\r\n",
    b".\r\n",
    b"..\r\n",
    b".\n",
    b"\r.\r\n",
    "本文\r\n".encode(),
    b"a\0b\r\n",
    b"x" * 1100 + b"\r\n",
]
TO_DATA = (b"EHLO a\r\n", b"MAIL FROM:<>\r\n", b"RCPT TO:<orders@intake.example.jp>\r\n", b"DATA\r\n")
PACKET = st.lists(st.sampled_from(LINES) | st.binary(max_size=8), min_size=1, max_size=4).map(b"".join)
PACKETS = st.lists(PACKET, max_size=16) | st.lists(PACKET, max_size=6).map(lambda rest: [*TO_DATA, *rest])

BREAKS = (
    b"\r\n",
    b"\n",
    b"\r",
    b"\r\r\n",
    b"\n\r",
    b"\r\n\n",
    b"\0",
    b"\r\0\n",
    b"\x0b",
    b"\x0c",
    b"\x85",
    b"\xe2\x80\xa8",
)


@settings(max_examples=300, deadline=None)
@given(PACKETS, st.booleans(), st.booleans())
def test_any_session_is_answered_by_the_protocol(packets, is_secure, normalises):
    """Whatever is said, in clear and over TLS, strict and forgiving: what `check` names holds."""
    check(packets, asyncio.run(session(packets, is_secure=is_secure, normalises=normalises)))


@pytest.mark.parametrize("normalises", [False, True], ids=["reject", "normalise"])
@pytest.mark.parametrize(("before", "behind"), list(itertools.product(BREAKS, BREAKS)), ids=bytes.hex)
def test_only_crlf_dot_crlf_ends_a_mail(before, behind, normalises):
    """Of all ways to write a row with a dot, one ends the content: no other smuggles a second mail in."""
    smuggled = b"MAIL FROM:<evil@example.com>\r\nRCPT TO:<orders@intake.example.jp>\r\nDATA\r\n"
    content = b"first" + before + b"." + behind
    packets = [*TO_DATA, content + smuggled, b"second\r\n.\r\n"]
    story = asyncio.run(session(packets, normalises=normalises))
    check(packets, story)
    ends = before.endswith(b"\r\n") and behind.startswith(b"\r\n")
    senders = [mail.mail_from for mail in story.door.mails]
    assert b"354" in story.said
    if not ends:
        assert senders in ([], [""])  # one mail, which holds the other as its text, or none
        assert story.said.count(b"354 ") == 1
    if before == behind == b"\r\n":
        assert senders == ["", "evil@example.com"]  # two mails that were two on the way, too
