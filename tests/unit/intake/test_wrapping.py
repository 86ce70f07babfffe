"""What a relay does to rows: what of it is certain and undone, and where it leaves a doubt."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.charset import UndecodableError, decoded
from relay.intake.reading.wrapping import MAX_JOINED, NARROWEST, Flow, Versions, gone_on, unflowed, versions

SHORT = "商品名:長袖Tシャツ\n数量:1\n"
LONG = "商品名:" + "綿の長袖ティーシャツ" * 60 + "\n\n数量:1\n"


def utf_8(octets):
    return decoded(octets, "utf-8")


def jis(octets):
    return decoded(octets, "iso-2022-jp")


READS = {"utf-8": utf_8, "iso-2022-jp": jis}


def cut(octets, width, begin=b""):
    """Every row cut at a width in octets, in which the mark at the beginning of the next row counts."""
    rows = []
    for row in octets.split(b"\n"):
        rest = row
        while len(rest) > width:
            rows.append(rest[:width])
            rest = begin + rest[width:]
        rows.append(rest)
    return b"\n".join(rows)


def test_a_text_is_what_came():
    """Whatever its rows look like, as long as they are text: a width tells nothing for certain."""
    for text in (SHORT, LONG, ("a" * 80 + "\n") * 3, "a" * 998 + "\n b\n"):
        assert versions(text.encode(), utf_8) == Versions(texts=(text,), was_cut=False)


def test_a_byte_order_mark_is_no_part_of_the_text():
    """Whether the codec or we take it off; inside the text it is a character."""
    assert versions(("\ufeff" + SHORT).encode(), utf_8).texts == (SHORT,)
    assert versions(b"\xef\xbb\xbfA\n", lambda octets: octets.decode("utf-8")).texts == ("A\n",)
    cut_before_one = cut(LONG.encode(), 78) + "\ufeff綿\n".encode()
    assert versions(cut_before_one, utf_8).texts == (LONG + "\ufeff綿\n",)


@pytest.mark.parametrize("charset", sorted(READS))
@pytest.mark.parametrize(("width", "begin"), [(66, b""), (78, b""), (989, b" "), (998, b" "), (999, b" ")])
def test_rows_that_end_inside_a_character_are_joined(width, begin, charset):
    """The octets of a character or of a shift stood side by side; a server's mark between them is none."""
    octets = cut(LONG.encode(charset), width, begin)
    assert versions(octets, READS[charset]) == Versions(texts=(LONG,), was_cut=True)


@given(
    st.lists(st.text("綿の長a:Tシ ", max_size=120), max_size=6).map("\n".join),
    st.integers(NARROWEST, 80),
    st.sampled_from([b"", b" "]),
    st.sampled_from(sorted(READS)),
)
def test_what_is_joined_was_one_row(text, width, begin, charset):
    """However octets were cut: the breaks that are left are the text's own or the relay's, and no other."""
    octets = cut(text.encode(charset), width, begin)
    try:
        (found,) = versions(octets, READS[charset]).texts
    except UndecodableError:
        return
    at = 0
    for row in found.split("\n"):
        place = text.find(row.removeprefix(" ") if begin else row, at)
        assert place >= 0
        assert not text[at:place].strip(" \n")
        at = place + len(row.removeprefix(" ") if begin else row)
    assert not text[at:].strip(" \n")


@pytest.mark.parametrize(
    "octets",
    [
        b"A\n\x1b$BCm\x80\n",
        b"\x1b$BCm\n\x1b$BCm\x1b(B\n",
        b"\x1b$BCm\nCm\x1b(B\n",
        b"\x1b$B" + b"Cm" * 40 + b"\n" + b"Cm" * 50 + b"\x1b(B\n",
        b"\x1b$B" + b"Cm" * 40 + b"\n\x1b$BCm\x1b(B\n",
        b"\x1b$B" + (b"Cm" * 40 + b"\n") * (MAX_JOINED // 1000),
    ],
    ids=["no character", "no end of a shift", "too short", "not the longest", "a shift of its own", "no end"],
)
def test_other_damage_is_not_joined(octets):
    """What was not cut at the width of the longest row, or does not end: refused with its place."""
    with pytest.raises(UndecodableError):
        versions(octets, jis)


@pytest.mark.parametrize(
    ("rows", "found"),
    [
        (["綿" * 38, "綿"], 2),
        (["a" * 62, "a"], 2),
        (["a" * 61, "a"], 0),
        (["a" * 61, "a a"], 0),
        (["a" * 998, " b"], 2),
        (["please ring the bell", "a" * 60], 2),
        (["please ring the bell", "twice " + "a" * 70], 0),
        (["綿a" * 7, "綿"], 2),
        (["綿a" * 6, "綿"], 0),
        (["", "a" * 80], 0),
        (["のし不要", "置き配希望"], 0),
    ],
)
def test_a_row_that_may_be_the_rest_of_another_is_found(rows, found):
    """Where the next word had no room, in columns, octets of UTF-8 or octets of ISO-2022-JP."""
    assert gone_on("\n".join(rows) + "\n", (2,)) == found
    assert gone_on("\n".join(rows) + "\n", ()) == 0


@pytest.mark.parametrize("is_space_deleted", [True, False])
def test_a_flowed_text_is_what_the_mail_says_it_is(is_space_deleted):
    """The flowed reading comes before the text as it stands: the mail has declared it."""
    flow = Flow(is_space_deleted=is_space_deleted)
    text = "商品名:長袖 \nTシャツ\n 数量:1\n-- \n店\n"
    space = "" if is_space_deleted else " "
    assert versions(text.encode(), utf_8, flow) == Versions(
        texts=(f"商品名:長袖{space}Tシャツ\n数量:1\n-- \n店\n", text), was_cut=True
    )


@given(st.text("綿 \n>-", max_size=60))
def test_flowing_ends_and_keeps_all_but_spaces_and_newlines(text):
    """Whatever the rows are, no visible character is lost or moved."""
    flowed = unflowed(text, Flow(is_space_deleted=True))
    assert flowed.replace(" ", "").replace("\n", "") == text.replace(" ", "").replace("\n", "")


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
            assert found.was_cut is (as_it_came is None)
            assert as_it_came is None or found.texts == (as_it_came.removeprefix("\ufeff"),)
