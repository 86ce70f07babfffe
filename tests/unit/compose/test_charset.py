"""Charset profiles: what is written, what is folded, and what is named as impossible to write."""

import pytest

from relay.compose.charset import ISO_2022_JP, UTF_8, CharacterError, charset_of, shown


def jis_x_0208() -> list[tuple[bytes, str]]:
    """Every character of JIS X 0208 with its two bytes, by EUC-JP: a codec that the product does not use."""
    found = []
    for row in range(0x21, 0x7F):
        for cell in range(0x21, 0x7F):
            try:
                found.append((bytes([row, cell]), bytes([row | 0x80, cell | 0x80]).decode("euc_jp")))
            except UnicodeDecodeError:
                continue
    return found


def write(text: str) -> bytes:
    return ISO_2022_JP.encode(ISO_2022_JP.fold(text))


def test_all_6879_characters_of_jis_x_0208_are_written_at_their_own_place():
    """No character of the standard is folded, lost or moved."""
    table = jis_x_0208()
    assert len(table) == 6_879
    assert [write(char) for _, char in table] == [b"\x1b$B" + place + b"\x1b(B" for place, _ in table]


def test_all_printable_ascii_stays_as_it_is():
    """ASCII needs no escape sequence, backslash and tilde included."""
    ascii_text = "".join(map(chr, range(0x20, 0x7F)))
    assert write(ascii_text) == ascii_text.encode("ascii")


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("〜", "2141"),
        ("～", "2141"),
        ("−", "215d"),
        ("－", "215d"),
        ("―", "213d"),
        ("—", "213d"),
        ("‖", "2142"),
        ("∥", "2142"),
        ("¢", "2171"),
        ("￠", "2171"),
        ("£", "2172"),
        ("￡", "2172"),
        ("¬", "224c"),
        ("￢", "224c"),
        ("￥", "216f"),
        ("¥", "216f"),
        ("￣", "2131"),
        ("‾", "2131"),
    ],
)
def test_two_code_points_of_one_character_become_one_jis_character(text, place):
    """Either way of typing a wave dash, a minus, a dash … reaches the partner as the same bytes."""
    assert write(text) == b"\x1b$B" + bytes.fromhex(place) + b"\x1b(B"


@pytest.mark.parametrize(
    ("text", "folded"),
    [
        ("ｶﾞｷﾞｸﾞｹﾞｺﾞ", "ガギグゲゴ"),
        ("ﾊﾞﾊﾟﾋﾟﾌﾟﾍﾟﾎﾟ", "バパピプペポ"),
        ("ｳﾞｧｲｵﾘﾝ", "ヴァイオリン"),
        ("｢ﾃｽﾄ｣､･｡ｰ", "「テスト」、・。ー"),
        ("ｱﾞﾅﾟ", "ア゛ナ゜"),
        ("ﾜﾞ", "ワ゛"),
        ("ﾞﾟ", "゛゜"),
        ("カﾞホﾟ", "ガポ"),
        ("か\u3099は\u309a", "がぱ"),
        ("か゛ｱ", "か゛ア"),
    ],
)
def test_half_width_kana_become_full_width_with_their_marks_joined(text, folded):
    """Marks join where JIS has the joined kana; a mark that was typed on its own in full width stays."""
    assert ISO_2022_JP.fold(text) == folded


def test_every_half_width_kana_is_writable():
    """None of the 63 half-width characters stops a mail."""
    for code in range(0xFF61, 0xFFA0):
        assert write(chr(code)).startswith(b"\x1b$B")


def test_jis_x_0201_roman_is_never_written():
    """Over all that Unicode has, no output holds the escape sequence that makes a backslash a yen sign."""
    roman = []
    for code in range(0x20, 0x30000):
        try:
            roman += [hex(code)] if b"\x1b(J" in write(chr(code)) else []
        except CharacterError:
            continue
    assert roman == []


def test_a_yen_sign_does_not_let_other_characters_change():
    """Folding one character leaves the rest, vendor look-alikes included, as they are."""
    assert ISO_2022_JP.fold("¥1,980 か゛Ａ＼\\") == "￥1,980 か゛Ａ＼\\"


@pytest.mark.parametrize("char", list("①㈱髙﨑№𠮷é\u00a0😀⋯–ゔ\ue000"))
def test_what_rfc_1468_cannot_write_is_named(char):
    """Vendor, accented, private and astral characters are reported, never turned into something else."""
    with pytest.raises(CharacterError) as caught:
        ISO_2022_JP.fold(f"備考{char}備考")
    assert (caught.value.characters, caught.value.label) == ((char,), "ISO-2022-JP")


def test_every_unwritable_character_is_named_once_in_the_order_of_the_text():
    """The operator sees all of them at once."""
    with pytest.raises(CharacterError) as caught:
        ISO_2022_JP.fold("髙①髙～ｱ㈱①")
    assert caught.value.characters == ("髙", "①", "㈱")
    assert str(caught.value).startswith("'髙' (U+9AD9) cannot be written in ISO-2022-JP; '①' (U+2460) cannot")


def test_utf_8_writes_every_character_as_it_is():
    """Nothing is folded where nothing needs it, half-width kana included."""
    text = "髙①㈱～－ｶﾞ𠮷é\u00a0😀\ue000\t\n"
    assert UTF_8.encode(UTF_8.fold(text)) == text.encode()


@pytest.mark.parametrize("charset", [UTF_8, ISO_2022_JP])
@pytest.mark.parametrize("char", ["\x00", "\x07", "\x0b", "\r", "\x1b", "\x7f", "\x85", "\ud800"])
def test_controls_and_surrogates_are_refused_in_every_charset(charset, char):
    """A bare CR or an ESC would let a value end a line or shift the charset."""
    with pytest.raises(CharacterError) as caught:
        charset.fold(f"注文{char}\n")
    assert caught.value.characters == (char,)


def test_every_line_ends_in_ascii():
    """RFC 1468: a reader that loses a line finds its way again at the next."""
    lines = write("注文\n番号\n\n123 個").split(b"\n")
    assert lines == [b"\x1b$BCmJ8\x1b(B", b"\x1b$BHV9f\x1b(B", b"", b"123 \x1b$B8D\x1b(B"]


def test_profiles_are_found_by_the_name_in_partner_yaml():
    """The two names of the configuration lead to the two labels of the wire."""
    assert [charset_of("utf-8").label, charset_of("iso-2022-jp").label] == ["UTF-8", "ISO-2022-JP"]


def test_characters_are_shown_so_that_they_can_be_found():
    """What cannot be seen is shown by its number alone."""
    assert [shown(char) for char in "①\u00a0\u200b\x1b𠮷"] == [
        "'①' (U+2460)",
        "U+00A0",
        "U+200B",
        "U+001B",
        "'𠮷' (U+20BB7)",
    ]
