"""SMTP's octets: commands, addresses and content, whatever the split."""

import doctest

from hypothesis import given
from hypothesis import strategies as st

from relay.intake import door, reply, wire
from relay.intake.door import Reply

ROWS = st.lists(
    st.sampled_from(["", ".", "..", ".x", "a.", "注文", "x" * 50, "\r", "\n", "\n.", "\r."]), max_size=12
)


def test_the_examples_in_the_docstrings_hold():
    """What the documentation of the two modules shows is what they do."""
    for module in (wire, door):
        assert doctest.testmod(module).failed == 0


@given(ROWS, st.binary(max_size=20), st.data())
def test_any_split_of_the_octets_gives_the_same_content_and_the_same_rest(rows, behind, data):
    """Where the network cuts the stream decides nothing: content, what follows and verdict are the same."""
    stream = "".join(row + "\r\n" for row in rows).encode() + b".\r\n" + behind
    whole = wire.ContentBuffer(limit=200)
    rest = whole.feed(stream)
    buffer = wire.ContentBuffer(limit=200)
    got = None
    while got is None:
        size = data.draw(st.integers(1, len(stream)))
        chunk, stream = stream[:size], stream[size:]
        got = buffer.feed(chunk)
        assert buffer.held <= 2 + 200 + 5
    assert got + stream == rest
    assert buffer.is_over == whole.is_over
    if not whole.is_over:
        assert buffer.content() == whole.content()


@given(st.lists(st.text(st.characters(blacklist_characters="\r\n", blacklist_categories=["Cs"])), max_size=8))
def test_what_a_client_stuffs_is_what_the_door_gets(rows):
    """Unstuffing undoes a client's stuffing, for any rows."""
    content = "".join(row + "\r\n" for row in rows).encode()
    stuffed = "".join(("." if row.startswith(".") else "") + row + "\r\n" for row in rows).encode()
    buffer = wire.ContentBuffer(limit=100_000)
    assert buffer.feed(stuffed + b".\r\n") == b""
    assert buffer.content() == content


@given(st.binary(max_size=300))
def test_content_is_let_through_only_when_every_line_end_is_crlf(content):
    """The quick check agrees with the plain one: take CR LF out, and no CR, LF or NUL may be left."""
    left = content.replace(b"\r\n", b"")
    expected = (
        reply.BARE_LINE_END
        if b"\r" in left or b"\n" in left
        else reply.NUL_IN_CONTENT
        if b"\0" in left
        else None
    )
    assert wire.flaw(content) == expected


@given(st.lists(st.integers(0, 1100), max_size=8))
def test_a_line_is_too_long_from_999_octets_on(lengths):
    """The check that jumps from line end to line end finds what a split finds."""
    content = b"".join(b"x" * length + b"\r\n" for length in lengths)
    expected = reply.LONG_LINE if any(length > 998 for length in lengths) else None
    assert wire.flaw(content) == expected


@given(st.text(max_size=40))
def test_a_reply_is_one_printable_line_whatever_it_says(text):
    """Nothing that comes from outside can add a line to the dialogue."""
    line = Reply(code=550, text=text).line()
    assert line.endswith(b"\r\n")
    assert line[:-2].isascii()
    assert line[:-2].decode().isprintable()


@given(st.binary(max_size=60))
def test_any_octets_are_a_command_or_a_refusal(line):
    """A command line never raises, and what passes is printable ASCII."""
    command = wire.parse_command(line + b"\r\n")
    if isinstance(command, Reply):
        assert 500 <= command.code < 600
    else:
        assert (command.verb + command.argument).isascii()
        assert (command.verb + command.argument).isprintable() or not command.verb + command.argument
