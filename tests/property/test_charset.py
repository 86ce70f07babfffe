"""Laws of the charsets: what is written is read back, and damage is an error or other text, never a crash."""

from collections.abc import Callable

from hypothesis import given, settings
from hypothesis import strategies as st

from relay.charset import (
    ISO_2022_JP,
    ISO_2022_JP_MS,
    UTF_8,
    CharacterError,
    UndecodableError,
    decoded,
    header_text,
)
from tests.support.japanese import WINDOWS_TO_JIS, read_as_windows, windows_characters

CHARSETS = st.sampled_from([UTF_8, ISO_2022_JP, ISO_2022_JP_MS])
JAPANESE = st.sampled_from([*windows_characters(), *"①㈱髙﨑ｶﾞﾊﾟ～〜－か\u3099ﾞ¥‾—𠮷é\u00a0\n\taA$B(J"])
TEXTS = st.lists(JAPANESE | st.characters(), max_size=60).map("".join)
LABELS = st.sampled_from(["iso-2022-jp", "shift_jis", "euc-jp", "utf-8", "us-ascii", ""])
ESCAPES = [
    b"\x1b$B",
    b"\x1b(B",
    b"\x1b(J",
    b"\x1b(I",
    b"\x1b$(D",
    b"\x1b$@",
    b"\x0e",
    b"\x0f",
    b"\x1b",
    b"\r\n",
]
OCTETS = st.lists(
    st.sampled_from([*ESCAPES, b"Cm", b"-!", b"|b", b"0!", b"6^", b"\x8e\xb6", b"\x8f\xb0\xa1", b"\xad\xa1"])
    | st.binary(max_size=4),
    max_size=30,
).map(b"".join)


def attempt(work: Callable[..., object], *given: object) -> object:
    """What came of it: a result, or the one kind of error that may come of it."""
    try:
        return work(*given)
    except (CharacterError, UndecodableError) as error:
        return error


@settings(max_examples=500)
@given(TEXTS, CHARSETS)
def test_what_is_written_is_read_back(text, charset):
    """Text is refused, naming characters that it holds, or written so that reading gives it back."""
    result = attempt(charset.encode, text)
    if isinstance(result, CharacterError):
        assert result.characters
        assert set(result.characters) <= set(text)
        return
    assert isinstance(result, bytes)
    assert decoded(result, charset.label) == text


@settings(max_examples=500)
@given(TEXTS, CHARSETS)
def test_folding_and_replacing_always_make_a_text_that_can_be_written(text, charset):
    """Folding twice is folding once; replacing changes only what is named; the result is written exactly."""
    folded, replaced = charset.fold(text), charset.replaced(text)
    assert charset.fold(folded) == folded
    hopeless = {char for char in folded if charset.unwritable(char)}
    assert "".join("〓" if char in hopeless else char for char in folded) == replaced
    assert set(charset.unwritable(text)) <= hopeless
    assert bool(charset.unwritable(text)) == bool(hopeless)
    assert charset.write(replaced).isascii() or charset is UTF_8
    assert decoded(charset.encode(replaced), charset.label) == replaced


@settings(max_examples=500)
@given(TEXTS)
def test_jis_octets_are_what_windows_reads(text):
    """Every row ends in ASCII with no needless shift, and an independent reader agrees."""
    text = ISO_2022_JP_MS.replaced(text)
    octets = ISO_2022_JP_MS.write(text)
    rows = octets.split(b"\r\n")
    assert [read_as_windows(row).translate(WINDOWS_TO_JIS) for row in rows] == text.split("\n")
    assert b"\x1b(B\x1b$B" not in octets
    assert octets.count(b"\x1b$B") == octets.count(b"\x1b(B")


@settings(max_examples=1_000)
@given(OCTETS, LABELS)
def test_any_octets_are_text_or_an_error_with_a_place(octets, label):
    """Nothing else comes out of reading, whatever came in, and the place lies within it."""
    result = attempt(decoded, octets, label)
    if isinstance(result, UndecodableError):
        assert 0 <= result.offset <= len(octets)
        assert result.row == octets[: result.offset].count(b"\n") + 1
        return
    assert isinstance(result, str)
    assert "\x1b" not in result
    assert "\ufffd" not in result or label == "utf-8"


@settings(max_examples=500)
@given(OCTETS)
def test_python_reads_the_same_where_it_reads_the_octets(octets):
    """Beside Python's own codec for ISO-2022-JP: we read no plain text otherwise."""
    try:
        text = decoded(octets, "iso-2022-jp")
        other = octets.decode("iso2022_jp")
    except (UndecodableError, UnicodeDecodeError):
        return
    if b"\x0e" not in octets and b"\x0f" not in octets:  # Python takes shifts for text
        assert text == other


@settings(max_examples=500)
@given(
    st.lists(
        st.sampled_from(
            ["=?", "?=", "=?UTF-8?B?", "=?iso-2022-jp?Q?", "5rOo", "=1B$B", "=", "\r\n ", " ", "注", "\ud800"]
        )
        | st.text(max_size=3),
        max_size=20,
    ).map("".join)
)
def test_any_header_is_text_or_an_error(raw):
    """Nothing else comes out of reading a header, and text without encoded-words stays as it is."""
    try:
        text = header_text(raw)
    except UndecodableError:
        return
    if "=?" not in raw and "\n" not in raw:
        assert text == raw.removeprefix("\ufeff").strip(" \t\r\n")
