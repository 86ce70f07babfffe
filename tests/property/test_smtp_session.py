"""Whatever clients say, the server keeps to the protocol and the door gets clean mails only."""

import asyncio
import re

from hypothesis import given, settings
from hypothesis import strategies as st

from relay.intake.door import ListenerSettings
from relay.intake.smtp import Listener
from tests.support.door import TAKEN, RecordingDoor

LINES = [
    b"EHLO shop.example.jp\r\n",
    b"HELO shop.example.jp\r\n",
    b"MAIL FROM:<shop@example.jp>\r\n",
    b"MAIL FROM:<> SIZE=10 BODY=8BITMIME\r\n",
    b"MAIL FROM:<\xe5\xba\x97@example.jp>\r\n",
    b"RCPT TO:<orders@intake.example.jp>\r\n",
    b"RCPT TO:<orders@example.com>\r\n",
    b"DATA\r\n",
    b"RSET\r\n",
    b"NOOP\r\n",
    b"VRFY x\r\n",
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
SESSION = st.lists(st.sampled_from(LINES) | st.binary(max_size=8), max_size=40)
TALK = re.compile(
    rb"220 relay\.example\.jp ESMTP|250[ -][\x20-\x7e]+|354 [\x20-\x7e]+"
    rb"|[245]\d\d [245]\.\d\.\d [\x20-\x7e]+"
)


async def converse(octets):
    door = RecordingDoor()
    listener = Listener(
        door, ListenerSettings(max_message=3000, max_recipients=3), hostname="relay.example.jp"
    )
    await listener.start()
    async with asyncio.timeout(20):
        reader, writer = await asyncio.open_connection(*listener.address)
        try:
            writer.write(octets)
            writer.write_eof()
            said = await reader.read()
        except ConnectionError:  # the server hung up on what was still on its way
            said = b""
        writer.close()
        await listener.stop()
    return said, door.mails, listener.octets_in_memory


@settings(max_examples=150, deadline=None)
@given(SESSION)
def test_any_session_is_answered_by_the_protocol(lines):
    """Each reply is one well-formed line, each mail taken was answered so and holds only what may be held."""
    said, mails, held = asyncio.run(converse(b"".join(lines)))
    rows = said.split(b"\r\n")
    assert rows.pop() == b""
    assert [row for row in rows if not TALK.fullmatch(row)] == []
    assert rows.count(TAKEN.line().rstrip()) == len(mails) or not said
    for mail in mails:
        left = mail.content.replace(b"\r\n", b"")
        assert not {0, 10, 13} & set(left)
        assert len(mail.content) <= 3000
        assert 1 <= len(mail.rcpt_tos) <= 3
    assert held == 0
