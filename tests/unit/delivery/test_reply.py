"""Reading replies: strict, bounded, and blind to how the bytes were cut."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.delivery.outcome import Reply
from relay.delivery.smtp.reply import MAX_LINE_OCTETS, MAX_LINES, ReplyReader

PIECES = [
    b"250 ok\r\n", b"250-one\r\n250 two\r\n", b"354\r\n", b"421 bye\n", b"550-5.1.1 \xe5\xae\x9b\r\n550-\r\n",
    b"250-a\r\n251 b\r\n", b"25 short\r\n",
    b"OK\r\n", b"600 what\r\n", b"250", b"250\tx\r\n", b"\r\n", b"a\x00",
]  # fmt: skip


def read(chunks):
    """All replies and the garbage of these chunks."""
    reader = ReplyReader()
    replies = [reply for chunk in chunks for reply in reader.feed(chunk)]
    return replies, reader.garbage


@pytest.mark.parametrize(
    ("wire", "replies", "garbage"),
    [
        (b"250 ok\r\n", [Reply(code=250, text="ok")], ""),
        (b"250\r\n", [Reply(code=250)], ""),
        (b"250 \n", [Reply(code=250)], ""),
        (b"250-PIPELINING\r\n250-\r\n250 SIZE 1\r\n", [Reply(code=250, text="PIPELINING SIZE 1")], ""),
        (b"250 a\r\n354 b\r\n", [Reply(code=250, text="a"), Reply(code=354, text="b")], ""),
        (b"250-half\r\n", [], ""),
        (b"250 a\r\nhello\r\n", [Reply(code=250, text="a")], "sent what is not an SMTP reply: 'hello?'"),
        (b"250-a\r\n550 b\r\n", [], "sent what is not an SMTP reply: '550 b?'"),
        (b"199 a\r\n", [], "sent what is not an SMTP reply: '199 a?'"),
        (b"250+a\r\n", [], "sent what is not an SMTP reply: '250+a?'"),
        (b"2500 a\r\n", [], "sent what is not an SMTP reply: '2500 a?'"),
        (b"HTTP/1.1 400 Bad Request\r\n", [], "sent what is not an SMTP reply: 'HTTP/1.1 400 Bad Request?'"),
        (b"250 " + b"x" * MAX_LINE_OCTETS + b"\r\n", [], "sent a reply line longer than 2048 octets"),
        (b"x" * (MAX_LINE_OCTETS + 1), [], "sent a reply line longer than 2048 octets"),
        (b"250-x\r\n" * (MAX_LINES + 1), [], "sent a reply of more than 100 lines"),
    ],
)
def test_replies_and_garbage(wire, replies, garbage):
    """Each wire text gives just these replies and this complaint."""
    assert read([wire]) == (replies, garbage.replace("?'", "'"))


@given(st.lists(st.sampled_from(PIECES), max_size=6), st.lists(st.integers(1, 7), min_size=1, max_size=5))
def test_any_split_gives_the_same_replies(pieces, sizes):
    """However the network cuts the bytes, the same replies and the same complaint come out."""
    wire = b"".join(pieces)
    cut, at, turn = [], 0, 0
    while at < len(wire):
        cut.append(wire[at : at + sizes[turn % len(sizes)]])
        at, turn = at + sizes[turn % len(sizes)], turn + 1
    assert read(cut) == read([wire])


@given(st.binary(max_size=200))
def test_no_bytes_make_the_reader_raise(wire):
    """Any bytes give replies with codes from 200 to 599, or a complaint."""
    replies, _ = read([wire])
    assert all(200 <= reply.code <= 599 and reply.text.isprintable() for reply in replies)
