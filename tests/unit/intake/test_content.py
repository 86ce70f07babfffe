"""The content behind DATA, whatever the split: its end, its dots, its line ends, its limits."""

import doctest
import time
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.intake.session import content, reply
from relay.intake.session.content import ContentBuffer
from relay.intake.session.stream import CHUNK

ROWS = st.lists(
    st.sampled_from(["", ".", "..", ".x", "a.", "注文", "x" * 50, "\r", "\n", "\n.", "\r.", "\0", "x" * 61]),
    max_size=12,
)
LIMITS = {"limit": 200, "max_line": 60, "max_header": 80}
MEBIBYTE = 1024 * 1024


def verdict(buffer):
    """What the buffer says once its end has come: a refusal, or the content."""
    return buffer.flaw or buffer.content()


def verdict_on(stream, **limits):
    buffer = ContentBuffer(**{"limit": 100_000, **limits})
    assert buffer.feed(stream + b"\r\n.\r\n") == b""
    return verdict(buffer)


def test_the_examples_in_the_docstrings_hold():
    """What the documentation of the module shows is what it does."""
    assert doctest.testmod(content).failed == 0


@given(ROWS, st.binary(max_size=20), st.booleans(), st.data())
def test_any_split_of_the_octets_gives_the_same_content_and_the_same_rest(rows, behind, normalises, data):
    """Where the network cuts the stream decides nothing: content, what follows and verdict are the same."""
    stream = "".join(row + "\r\n" for row in rows).encode() + b".\r\n" + behind
    whole = ContentBuffer(**LIMITS, normalises=normalises)
    rest = whole.feed(stream)
    buffer = ContentBuffer(**LIMITS, normalises=normalises)
    got = None
    while got is None:
        size = data.draw(st.integers(1, len(stream)))
        chunk, stream = stream[:size], stream[size:]
        got = buffer.feed(chunk)
        assert buffer.held <= LIMITS["limit"]
    assert got + stream == rest
    assert verdict(buffer) == verdict(whole)


def plain_verdict(sent, *, normalises):
    """The same, worked out the slow way from the octets before the ending dot."""
    text = b"\r\n".join(row.removeprefix(b".") for row in sent.split(b"\r\n"))
    left = text.replace(b"\r\n", b"")
    is_bare = b"\r" in left or b"\n" in left
    if normalises:
        text = b"\r\n".join(text.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n"))
    head = text if b"\r\n\r\n" not in b"\r\n" + text else text[: (b"\r\n" + text).index(b"\r\n\r\n")]
    if len(sent) > LIMITS["limit"] or len(text) > LIMITS["limit"]:
        return reply.message_too_big(LIMITS["limit"])
    if is_bare and not normalises:
        return reply.BARE_LINE_END
    if b"\0" in text:
        return reply.NUL_IN_CONTENT
    if any(len(line) > LIMITS["max_line"] for line in text.split(b"\r\n")):
        return reply.line_too_long(LIMITS["max_line"])
    return reply.header_too_big(LIMITS["max_header"]) if len(head) > LIMITS["max_header"] else text


@given(ROWS | st.binary(max_size=120).map(lambda octets: [octets.decode("latin-1")]), st.booleans())
def test_the_verdict_is_that_of_the_rules_applied_to_the_whole(rows, normalises):
    """Worked off piece by piece, content fares as it would when looked at whole."""
    sent = "".join(row + "\r\n" for row in rows).encode()
    end = (b"\r\n" + sent + b".\r\n").index(b"\r\n.\r\n")
    buffer = ContentBuffer(**LIMITS, normalises=normalises)
    buffer.feed(sent + b".\r\n")
    assert verdict(buffer) == plain_verdict(sent[:end], normalises=normalises)


@given(
    st.lists(st.text(st.characters(blacklist_characters="\r\n\0", blacklist_categories=["Cs"])), max_size=8)
)
def test_what_a_client_stuffs_is_what_the_door_gets(rows):
    """Unstuffing undoes a client's stuffing, for any rows."""
    sent = "".join(row + "\r\n" for row in rows).encode()
    stuffed = "".join(("." if row.startswith(".") else "") + row + "\r\n" for row in rows).encode()
    buffer = ContentBuffer(limit=100_000)
    assert buffer.feed(stuffed + b".\r\n") == b""
    assert verdict(buffer) == sent


@pytest.mark.parametrize("size", [998, 999, 1000, 70_000])
@pytest.mark.parametrize("cut", [1, 997, 998, 999, 1000, 100_000])
def test_a_line_is_too_long_from_999_octets_on(size, cut):
    """The line that is measured over several chunks is measured right, the last line too."""
    stream = b"a\r\n" + b"x" * size + b"\r\nb\r\n.\r\n"
    buffer = ContentBuffer(limit=100_000, max_header=100_000)
    for place in range(0, len(stream), cut):
        buffer.feed(stream[place : place + cut])
    assert buffer.flaw == (reply.line_too_long(998) if size > 998 else None)


@pytest.mark.parametrize(
    ("head", "fits"),
    [
        (b"A: " + b"a" * 75 + b"\r\n\r\n" + b"b" * 60, True),
        (b"A: " + b"a" * 76 + b"\r\n\r\n" + b"b" * 60, False),
        (b"\r\n" + b"b" * 100, True),
        (b"a" * 78, True),
        (b"a" * 79, False),
    ],
)
def test_the_header_section_ends_at_the_first_empty_line(head, fits):
    """Its lines with their ends count, the empty line does not; without one, all is header."""
    flaw = reply.header_too_big(80)
    found = verdict_on(head, max_header=80)
    assert found == (head + b"\r\n" if fits else flaw)


def test_the_largest_mail_is_worked_off_chunk_by_chunk_and_held_once():
    """20 MiB: memory stays at the mail and an eighth of it; no chunk costs as much as a whole pass would."""
    rows = (b"x" * 74 + b"\r\n" + b".." + b"y" * 72 + b"\r\n") * (CHUNK // 152)
    count = 20 * MEBIBYTE // len(rows)
    buffer = ContentBuffer(limit=25 * MEBIBYTE)
    buffer.feed(b"\r\n")
    tracemalloc.start()
    try:
        for _ in range(count):
            buffer.feed(rows)
        assert buffer.feed(b".\r\n") == b""
        octets = buffer.content()
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert (buffer.flaw, len(octets)) == (None, 2 + count * (len(rows) - CHUNK // 152))
    assert peak < len(octets) * 9 // 8 + MEBIBYTE


@pytest.mark.parametrize("filler", [b"\n", b"\r", b"\r\n", b".", b"\r\n..", b"\0", b"\r\r\n"])
def test_no_filler_makes_a_chunk_dear(filler):
    """A mail of nothing but line ends or dots costs what a usual one does: none is quadratic."""
    chunk = filler * (CHUNK // len(filler))
    for normalises in (False, True):
        buffer = ContentBuffer(limit=25 * MEBIBYTE, normalises=normalises)
        started = time.process_time()
        for _ in range(50):
            assert buffer.feed(chunk) is None
        assert time.process_time() - started < 1.0  # 20 ms a chunk; measured: below 1 ms
