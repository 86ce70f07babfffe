"""Octets to text by their label: all the names that Japanese mail bears, and no guessing."""

import pytest

from relay.charset import UndecodableError, decoded


@pytest.mark.parametrize(
    ("labels", "octets", "text"),
    [
        (
            "iso-2022-jp ISO-2022-JP-MS cp50220 CP50221 cp50222 csISO2022JP",
            b"\x1b$B|b-!!A\x1b(I6^\x1b(B\r\n",
            "髙①〜ｶﾞ\r\n",
        ),
        (
            "shift_jis Shift-JIS SJIS x-sjis windows-31j cp932 MS_Kanji csWindows31J",
            b"\xee\xe0\x87\x40\x81\x60\xb6\xde\n",
            "髙①～ｶﾞ\n",
        ),
        ("euc-jp EUCJP x-euc-jp", b"\xfc\xe2\xad\xa1\xa1\xc1\x8e\xb6\x8e\xde", "髙①〜ｶﾞ"),
        ("utf-8 UTF8", "髙①～ｶﾞ𠮷\r\n".encode(), "髙①～ｶﾞ𠮷\r\n"),
        ("us-ascii ASCII", b"Order 1\r\n", "Order 1\r\n"),
    ],
)
def test_every_label_is_read(labels, octets, text):
    """In any case, with spaces around; the wave dash comes out as the label's own tables have it."""
    assert {decoded(octets, label) for label in labels.split()} == {text}
    assert decoded(octets, f" {labels.split()[0]} ") == text


def test_no_label_means_ascii():
    """What RFC 2045 says; eight-bit octets without a label could be anything."""
    assert decoded(b"Order 1", "") == "Order 1"
    with pytest.raises(UndecodableError, match="is not US-ASCII"):
        decoded("注文".encode(), "")


def test_a_byte_order_mark_is_no_character():
    """At the start of UTF-8 it says nothing; elsewhere it stays."""
    assert decoded(b"\xef\xbb\xbfa\xef\xbb\xbf", "utf-8") == "a\ufeff"


@pytest.mark.parametrize(
    ("octets", "charset", "told"),
    [
        ("注文".encode(), "us-ascii", "is not US-ASCII: ordinal not in range(128) (row 1, octet 0)"),
        ("a\n注文".encode(), "iso-2022-jp", "is neither ASCII nor a known escape sequence (row 2, octet 2)"),
        ("注文".encode("cp932"), "utf-8", "is not UTF-8: invalid start byte (row 1, octet 0)"),
        ("注文".encode("iso2022_jp"), "us-ascii", "it shifts to another charset (row 1, octet 0)"),
        ("注文".encode("iso2022_jp"), "utf-8", "it shifts to another charset (row 1, octet 0)"),
        (b"a\n\nb\x1b$B", "Shift_JIS", "is not Shift_JIS: it shifts to another charset (row 3, octet 4)"),
        (b"\x82\xa0\x80", "sjis", "no character has this octet (row 1, octet 2)"),
        (b"a\xa0", "sjis", "no character has this octet (row 1, octet 1)"),
        (b"\xfd", "cp932", "no character has this octet (row 1, octet 0)"),
        (b"\x82", "cp932", "incomplete multibyte sequence (row 1, octet 0)"),
        (b"\xed\xa0\x80", "utf-8", "is not UTF-8: invalid continuation byte (row 1, octet 0)"),
        (b"\xc0\xaf", "utf-8", "is not UTF-8: invalid start byte (row 1, octet 0)"),
        (b"a", "iso-8859-1", "is not iso-8859-1: no charset of this name is read here (row 1, octet 0)"),
        (b"a", "x" * 41, "is not a known charset: no charset of this name is read here"),
        (b"a", "x\r\nBcc: y", "is not a known charset: no charset of this name is read here"),
    ],
)
def test_octets_that_are_not_what_they_claim_are_refused(octets, charset, told):
    """A wrong label, damage and unknown names are told with their place, and no octet is replaced."""
    with pytest.raises(UndecodableError) as caught:
        decoded(octets, charset)
    assert told in str(caught.value)


def test_an_error_keeps_no_octets():
    """Nothing of the mail hangs on the error, where a log could print it."""
    with pytest.raises(UndecodableError) as caught:
        decoded("氏名 例題花子".encode(), "iso-2022-jp")
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__
    assert (caught.value.charset, caught.value.offset, caught.value.row) == ("ISO-2022-JP", 0, 1)


def test_private_characters_of_code_page_932_stay_private():
    """A shop's own characters are neither lost nor guessed at."""
    assert decoded(b"\xf0\x40", "cp932") == "\ue000"


def test_a_long_text_is_no_burden():
    """The worst texts for the codec, a megabyte of them, take no more than the suite's patience."""
    size = 100_000
    worst = b"\x1b$B-!\x1b(Ba" * size
    assert len(decoded(worst, "iso-2022-jp")) == 2 * size
    with pytest.raises(UndecodableError):
        decoded(b"\x1b$BCm" * size, "iso-2022-jp")
