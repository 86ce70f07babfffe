"""What a relay does to rows, and which versions of the text that leaves."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.charset import UndecodableError, decoded
from relay.intake.wrapping import FOLDED, WIDTHS, Flow, Versions, unflowed, versions

SHORT = "商品名:長袖Tシャツ\n数量:1\n"
LONG = (
    "商品名:" + "綿の長袖Tシャツ" * 60 + "\n\n数量:1\n"
)  # a blank row is never joined, so a full last piece ends there


def utf_8(octets):
    return decoded(octets, "utf-8")


def jis(octets):
    return decoded(octets, "iso-2022-jp")


def cut(octets, width, begin=b"", end=b""):
    """Every row cut at a width in octets, in which the marks on both sides of a cut count."""
    rows = []
    for row in octets.split(b"\n"):
        rest = row
        while len(rest) > width:
            rows.append(rest[: width - len(end)] + end)
            rest = begin + rest[width - len(end) :]
        rows.append(rest)
    return b"\n".join(rows)


def cut_by_columns(text, width):
    """Every row cut before the character that would pass the width; here all are full-width but ASCII."""
    rows = []
    for row in text.split("\n"):
        taken, begun = 0, ""
        for char in row:
            size = 1 if char.isascii() else 2
            if taken + size > width:
                rows.append(begun)
                taken, begun = 0, ""
            taken, begun = taken + size, begun + char
        rows.append(begun)
    return "\n".join(rows)


def test_a_usual_text_has_one_version():
    """Nothing is guessed about a text whose rows have no telling width."""
    assert versions(SHORT.encode(), utf_8) == Versions(said=(SHORT,), guessed=())


def test_a_byte_order_mark_is_no_part_of_the_text():
    """Whether the codec or we take it off."""
    assert versions(("\ufeff" + SHORT).encode(), utf_8).said == (SHORT,)
    assert versions(b"\xef\xbb\xbfA\n", lambda octets: octets.decode("utf-8")).said == ("A\n",)


@pytest.mark.parametrize("width", [FOLDED, 990, 998])
@pytest.mark.parametrize("read", [utf_8, jis])
@pytest.mark.parametrize("end", [b"", b"!"], ids=["Postfix", "sendmail"])
def test_rows_that_a_mail_server_broke_are_joined(width, read, end):
    """CRLF and a space behind so many octets, through a character or a shift state as it comes."""
    octets = LONG.encode("utf-8" if read is utf_8 else "iso-2022-jp")
    assert versions(cut(octets, width, b" ", end), read).guessed == (LONG,)


@pytest.mark.parametrize("width", sorted(WIDTHS))
@pytest.mark.parametrize("read", [utf_8, jis])
def test_rows_that_were_cut_at_a_width_in_octets_are_joined(width, read):
    """Also where the cut went through a character."""
    octets = LONG.encode("utf-8" if read is utf_8 else "iso-2022-jp")
    assert LONG in versions(cut(octets, width), read).guessed


@pytest.mark.parametrize("width", sorted(WIDTHS))
@pytest.mark.parametrize("text", [LONG, LONG.replace("T", "ティ"), "A" + LONG, "a" * 200 + "\n\n数量:1\n"])
def test_rows_that_were_cut_at_a_width_in_columns_are_joined(width, text):
    """A full-width character that did not fit leaves a column free."""
    assert text in versions(cut_by_columns(text, width).encode(), utf_8).guessed


@given(st.text("綿a:T ", max_size=300), st.sampled_from(sorted(WIDTHS)))
def test_whatever_was_cut_by_columns_is_among_the_versions(row, width):
    """One row of anything, cut or short enough not to be."""
    found = versions(cut_by_columns(row, width).encode(), utf_8)
    assert row in (*found.said, *found.guessed)


@pytest.mark.parametrize("is_space_deleted", [True, False])
def test_a_flowed_text_is_what_the_mail_says_it_is(is_space_deleted):
    """The flowed reading comes before the text as it stands: the mail has declared it."""
    flow = Flow(is_space_deleted=is_space_deleted)
    text = "商品名:長袖 \nTシャツ\n 数量:1\n-- \n店\n"
    space = "" if is_space_deleted else " "
    assert versions(text.encode(), utf_8, flow).said == (
        f"商品名:長袖{space}Tシャツ\n数量:1\n-- \n店\n",
        text,
    )


@given(st.text("綿 \n>-", max_size=60))
def test_flowing_ends_and_keeps_all_but_spaces_and_newlines(text):
    """Whatever the rows are, no visible character is lost or moved."""
    flowed = unflowed(text, Flow(is_space_deleted=True))
    assert flowed.replace(" ", "").replace("\n", "") == text.replace(" ", "").replace("\n", "")


def test_octets_that_are_no_text_however_they_are_joined_are_refused():
    """A shift state that is not closed is damage, and is told with its place."""
    with pytest.raises(UndecodableError) as error:
        versions(b"A\n\x1b$BCm\x80\n", jis)
    assert error.value.row == 2


@given(st.binary(max_size=300).map(lambda octets: octets.replace(b"\r", b"")))
def test_any_octets_have_versions_or_are_damaged(octets):
    """No other error, and the text as it came is among what is said when it is text."""
    for read in (utf_8, jis):
        try:
            as_it_came = read(octets)
        except UndecodableError:
            as_it_came = None
        try:
            found = versions(octets, read)
        except UndecodableError:
            assert as_it_came is None
        else:
            assert as_it_came is None or as_it_came.removeprefix("\ufeff") in found.said
