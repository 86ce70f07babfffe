"""The codec: every character at its own place, both ways, and nothing that a strict reader refuses."""

import pytest

from relay.charset.fold import fold_jis
from relay.charset.jis import decode_euc, decode_jis, encode_jis, encode_jis_ms
from tests.support.japanese import jis_characters, place, windows_characters

ROW_13 = (
    "①②③④⑤⑥⑦⑧⑨⑩⑪⑫⑬⑭⑮⑯⑰⑱⑲⑳ⅠⅡⅢⅣⅤⅥⅦⅧⅨⅩ"
    "㍉㌔㌢㍍㌘㌧㌃㌶㍑㍗㌍㌦㌣㌫㍊㌻㎜㎝㎞㎎㎏㏄㎡㍻〝〟№㏍℡㊤㊥㊦㊧㊨㈱㈲㈹㍾㍽㍼∮∑∟⊿"
)


def framed(places: bytes) -> bytes:
    return b"\x1b$B" + places + b"\x1b(B"


def test_all_6879_characters_of_jis_x_0208_are_written_at_their_own_place():
    """No character of the standard is lost or moved, in either profile."""
    table = jis_characters()
    assert len(table) == 6_879
    for encode in (encode_jis, encode_jis_ms):
        assert [encode(char) for _, char in table] == [framed(octets) for octets, _ in table]


def test_all_7332_characters_of_code_page_932_are_written_where_windows_has_them():
    """Folded, one by one and in one text; each is where the Shift_JIS arithmetic puts it."""
    characters = windows_characters()
    assert len(characters) == 7_332
    assert [encode_jis_ms(fold_jis(char)) for char in characters] == [
        framed(place(char)) for char in characters
    ]
    assert encode_jis_ms(fold_jis("".join(characters))) == framed(b"".join(map(place, characters)))


@pytest.mark.parametrize(
    ("char", "octets"),
    [
        *[("髙", "7c62"), ("﨑", "7975"), ("①", "2d21"), ("㈱", "2d6a"), ("№", "2d62"), ("Ⅳ", "2d38")],
        *[("ⅳ", "7c74"), ("‖", "2142"), ("−", "215d"), ("〜", "2141"), ("¬", "224c"), ("≒", "2262")],
    ],
)
def test_well_known_characters_are_where_japanese_mailers_put_them(char, octets):
    """Known answers, independent of any table that Python has."""
    assert encode_jis_ms(char) == framed(bytes.fromhex(octets))


def test_nothing_else_in_unicode_is_written():
    """Over all planes with text: ASCII, the folded 7,332 and no more; the strict profile writes 6,879."""
    every = [chr(code) for code in range(0x20, 0x30000) if not 0xD800 <= code < 0xE000]
    known, strict = {fold_jis(char) for char in windows_characters()}, {char for _, char in jis_characters()}
    ascii_text = {chr(code) for code in range(0x20, 0x80)}
    assert {char for char in every if encode_jis_ms(char) is not None} == known | ascii_text
    assert len(known) == 7_326
    assert {char for char in every if encode_jis(char) is not None} == strict | ascii_text


def test_runs_of_vendor_and_standard_characters_share_one_shift():
    """No needless escape sequences: some readers count them, and lines have 998 octets."""
    assert encode_jis_ms("髙島①a㈱") == b"\x1b$B\x7c\x62\x45\x67\x2d\x21\x1b(Ba\x1b$B\x2d\x6a\x1b(B"
    assert encode_jis_ms("①\r\n②") == b'\x1b$B-!\x1b(B\r\n\x1b$B-"\x1b(B'


def test_one_character_that_cannot_be_written_refuses_the_whole_text():
    """Beside vendor characters as well as alone."""
    assert [encode_jis_ms(text) for text in ("①é", "é①", "①¥", "①ｶ", "𠮷", "注—", "①～")] == [None] * 7


def test_no_two_texts_are_written_as_the_same_octets():
    """A mail is proved as text: if ～ were written as 〜 is, a value could become a separator on the wire."""
    codes = [chr(code) for code in range(0x80, 0x10000) if not 0xD800 <= code < 0xE000]
    for encode in (encode_jis, encode_jis_ms):
        octets = [coded for coded in map(encode, codes) if coded is not None]
        assert len(set(octets)) == len(octets)


def test_every_written_text_is_read_back():
    """Reading undoes writing."""
    folded = fold_jis("".join(windows_characters()))
    coded = encode_jis_ms(folded)
    assert coded is not None
    assert decode_jis(coded) == folded
    assert decode_euc(b"".join(bytes(octet | 0x80 for octet in place(char)) for char in folded)) == folded


def test_reading_agrees_with_python_on_the_standard():
    """Python's codec and ours give JIS's code points, the wave dash among them."""
    octets = framed(b"".join(octets for octets, _ in jis_characters()))
    assert decode_jis(octets) == octets.decode("iso2022_jp")
    assert decode_jis(b"\x1b(J" + octets) == octets.decode("iso2022_jp")  # by the long way


def test_nec_row_13_is_read_in_its_order():
    """The row as NEC printed it, holes left out, the nine doubles of standard characters last."""
    cells = [*range(1, 31), *range(32, 55), *range(63, 80), *range(83, 84), 84, 88, 89]
    places = b"".join(bytes((0x2D, cell + 0x20)) for cell in cells)
    assert decode_jis(framed(places)) == ROW_13
    doubles = b"".join(bytes((0x2D, cell + 0x20)) for cell in (80, 81, 82, 85, 86, 87, 90, 91, 92))
    assert decode_jis(framed(doubles)) == "≒≡∫√⊥∠∵∩∪"


@pytest.mark.parametrize(
    ("octets", "text"),
    [
        (b"\x1b(J\\1,980 ~\x1b(B\\~", "¥1,980 ‾\\~"),
        (b"\x1b(I6^J_\x1b(B.", "ｶﾞﾊﾟ."),
        (b"\x0e6^\x0fA", "ｶﾞA"),
        (b"\x1b$BCm\x0e6\x0fJ8\x1b(B", "注ｶ文"),
        (b"\x1b$(D0!\x1b(B", "丂"),
        (b"\x1b$@Cm\x1b(J.", "注."),
        (b"\x1b$BCm\x1b$BJ8\x1b(B", "注文"),
        (b"\x1b$B\x1b(B", ""),
        (b"", ""),
    ],
)
def test_what_japanese_mailers_write_is_read(octets, text):
    """JIS X 0201 Roman and kana, shifts, the supplement and the first edition's escape sequence."""
    assert decode_jis(octets) == text


@pytest.mark.parametrize(
    ("octets", "offset", "reason"),
    [
        (b"abc\xe3\x81\x82", 3, "neither ASCII"),
        (b"\x1b$BCm\x1b(B\x80", 8, "neither ASCII"),
        (b"\x1b$ACm\x1b(B", 0, "known escape sequence"),
        (b"\x1b", 0, "known escape sequence"),
        (b"\x1b$BCm\r\n\x1b(B", 5, "cut, or its row ends outside ASCII"),
        (b"\x1b$BCmJ\x1b(B", 5, "cut"),
        (b"\x1b$BCm \x1b(B", 5, "cut"),
        (b"\x1b$BCm", 5, "the text ends outside ASCII"),
        (b"\x1b$B)!\x1b(B", 3, "no character has this place"),
        (b"\x1b$BCm)!\x1b(B", 5, "no character has this place"),
        (b"\x1b$BCm-!-~\x1b(B", 7, "no character has this place"),
        (b'\x1b$(D0!"!\x1b(B', 6, "no character has this place"),
        (b"\x1b(I6a\x1b(B", 4, "half-width kana"),
    ],
)
def test_damaged_octets_are_refused_at_their_place(octets, offset, reason):
    """A lost octet or escape sequence is never read as other characters."""
    with pytest.raises(UnicodeDecodeError, match=reason) as caught:
        decode_jis(octets)
    assert caught.value.start == offset


@pytest.mark.parametrize(
    ("octets", "offset"),
    [(b"a\xa4", 1), (b"\xa4\xa2\x80", 2), (b"\xa9\xa1", 0), (b"\x8e\x41", 0), (b"\x8f\xb0", 0)],
)
def test_damaged_euc_is_refused_at_its_place(octets, offset):
    """Cut characters, unassigned places and stray octets."""
    with pytest.raises(UnicodeDecodeError) as caught:
        decode_euc(octets)
    assert caught.value.start == offset


def test_euc_reads_as_python_does_and_vendor_characters_as_well():
    """The standard, the supplement and half-width kana by Python's codec; NEC's row beside them."""
    text = "注文 ABC 丂 ｶﾞ 〜−"
    assert decode_euc(text.encode("euc_jp")) == text
    assert decode_euc(b"\xad\xa1\xfc\xe2") == "①髙"
