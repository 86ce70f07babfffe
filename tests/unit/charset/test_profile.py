"""Charset profiles: what is written, what is replaced, and what is named as impossible to write."""

import pytest

from relay.charset import (
    ISO_2022_JP,
    ISO_2022_JP_MS,
    UTF_8,
    CharacterError,
    charset_of,
    decoded,
    first_distinct,
    shown,
)
from relay.charset.profile import MAX_NAMED
from tests.support.japanese import TEXTS

CHARSETS = [UTF_8, ISO_2022_JP, ISO_2022_JP_MS]
JIS = [ISO_2022_JP, ISO_2022_JP_MS]
CONTROLS = ["\x00", "\x07", "\x0b", "\r", "\x1b", "\x7f", "\x85", "\ud800"]


def test_profiles_are_found_by_the_name_in_partner_yaml():
    """The three names of the configuration lead to the two labels of the wire: no reader knows a third."""
    profiles = ("utf-8", "iso-2022-jp", "iso-2022-jp-ms")
    assert [charset_of(profile).profile for profile in profiles] == list(profiles)
    assert [charset_of(profile).label for profile in profiles] == ["UTF-8", "ISO-2022-JP", "ISO-2022-JP"]


@pytest.mark.parametrize("charset", CHARSETS)
def test_all_printable_ascii_stays_as_it_is(charset):
    """ASCII needs no escape sequence, backslash and tilde included."""
    ascii_text = "".join(map(chr, range(0x20, 0x7F)))
    assert charset.encode(ascii_text) == ascii_text.encode("ascii")


@pytest.mark.parametrize("charset", CHARSETS)
@pytest.mark.parametrize("char", CONTROLS)
def test_controls_and_surrogates_are_refused_in_every_charset(charset, char):
    """A bare CR or an ESC would let a value end a line or shift the charset."""
    for write in (charset.write, charset.encode):
        with pytest.raises(CharacterError) as caught:
            write(f"注文{char}\n")
        assert (caught.value.characters, caught.value.label) == ((char,), "a mail")
    assert charset.unwritable(f"注文{char}\n") == (char,)


@pytest.mark.parametrize("char", list("①㈱髙﨑№𠮷é\u00a0😀⋯–ゔ\ue000ｶ～¥—"))
def test_what_rfc_1468_cannot_write_as_it_is_is_named(char):
    """Vendor, accented, private and astral characters, and those that only folding makes writable."""
    for write in (ISO_2022_JP.write, ISO_2022_JP.encode):
        with pytest.raises(CharacterError) as caught:
            write(f"備考{char}備考")
        assert (caught.value.characters, caught.value.label) == ((char,), "ISO-2022-JP")


@pytest.mark.parametrize("char", list("𠮷é\u00a0😀⋯–ゔ\ue000ｶ～－¥—"))
def test_what_windows_cannot_write_as_it_is_is_named(char):
    """The error names the profile, so that nobody looks for ① in RFC 1468."""
    with pytest.raises(CharacterError) as caught:
        ISO_2022_JP_MS.write(f"備考①{char}備考")
    assert (caught.value.characters, caught.value.label) == ((char,), "ISO-2022-JP-MS")


def test_every_unwritable_character_is_named_once_in_the_order_of_the_text():
    """The operator sees all of them at once; what folding would mend is not among the hopeless ones."""
    with pytest.raises(CharacterError) as caught:
        ISO_2022_JP.write("髙①髙～ｱ㈱①")
    assert caught.value.characters == ("髙", "①", "～", "ｱ", "㈱")
    assert str(caught.value).startswith("'髙' (U+9AD9) cannot be written in ISO-2022-JP; '①' (U+2460) cannot")
    assert ISO_2022_JP.unwritable("髙①髙～ｱ㈱①") == ("髙", "①", "㈱")
    assert ISO_2022_JP_MS.unwritable("髙①髙～ｱ㈱①é") == ("é",)


def test_an_error_names_a_limited_number_of_characters():
    """A text of a thousand kinds of characters makes no error of a thousand rows."""
    text = "".join(map(chr, range(0x1F300, 0x1F300 + 1_000)))
    assert ISO_2022_JP.unwritable(text) == tuple(text[:MAX_NAMED])
    assert first_distinct("いろはいろは") == ("い", "ろ", "は")


def test_utf_8_writes_and_folds_every_character_as_it_is():
    """Nothing is folded where nothing needs it, half-width kana included."""
    text = "髙①㈱～－ｶﾞ𠮷é\u00a0😀\ue000\t\n"
    assert (UTF_8.encode(text), UTF_8.write(text)) == (text.encode(), text.replace("\n", "\r\n").encode())
    assert (UTF_8.fold(text), UTF_8.unwritable(text), UTF_8.replaced(text)) == (text, (), text)


@pytest.mark.parametrize(
    ("charset", "replaced"),
    [
        (UTF_8, "𠮷①ｶﾞ～é¥👨\u200d👩\n\t〓"),
        (ISO_2022_JP, "〓〓ガ〜〓￥〓〓〓\n\t〓"),
        (ISO_2022_JP_MS, "〓①ガ〜〓￥〓〓〓\n\t〓"),
    ],
)
def test_replacing_puts_a_geta_where_nothing_else_can_be_written(charset, replaced):
    """One 〓 a character, folding first; a control counts as a character that nobody can write."""
    text = charset.replaced("𠮷①ｶﾞ～é¥👨\u200d👩\n\t\x1b")
    assert text == replaced
    assert charset.write(text).endswith(charset.encode("〓"))


@pytest.mark.parametrize("charset", CHARSETS)
@pytest.mark.parametrize("text", TEXTS)
def test_what_is_replaced_is_written_and_read_back(charset, text):
    """The law that proving a mail stands on: decoding what was written gives the text that was proved."""
    text = charset.replaced(text)
    assert decoded(charset.write(text + "\n"), charset.label) == text + "\r\n"
    assert charset.unwritable(text) == ()


@pytest.mark.parametrize("charset", CHARSETS)
@pytest.mark.parametrize("text", ["\ufeff注文", "注文\ufeff\n"])
def test_a_byte_order_mark_is_written_nowhere(charset, text):
    """A reader drops it at the start, so that the text would not be read back; it is told, never dropped."""
    for write in (charset.write, charset.encode):
        with pytest.raises(CharacterError) as refused:
            write(text)
        assert refused.value.characters == ("\ufeff",)
    assert charset.unwritable(text) == ("\ufeff",)
    assert charset.replaced(text) == text.replace("\ufeff", "〓")


@pytest.mark.parametrize("charset", JIS)
def test_every_line_ends_in_ascii(charset):
    """RFC 1468: a reader that loses a line finds its way again at the next."""
    assert charset.write("注文\n番号\n\n123 個").split(b"\r\n") == [
        *[b"\x1b$BCmJ8\x1b(B", b"\x1b$BHV9f\x1b(B", b"", b"123 \x1b$B8D\x1b(B"]
    ]


def test_every_line_of_vendor_characters_ends_in_ascii():
    """The same where the codec is ours."""
    assert ISO_2022_JP_MS.write("①\n\n髙注\n") == b"\x1b$B-!\x1b(B\r\n\r\n\x1b$B|bCm\x1b(B\r\n"


@pytest.mark.parametrize("charset", JIS)
def test_jis_x_0201_is_never_written(charset):
    """Over all of Unicode's first plane, no output holds an escape sequence for Roman or kana."""
    shifts = []
    for code in (*range(0x20, 0xD800), *range(0xE000, 0x10000)):
        coded = charset.encode(charset.replaced(chr(code)))
        shifts += [hex(code)] if b"\x1b(J" in coded or b"\x1b(I" in coded else []
    assert shifts == []


def test_characters_are_shown_so_that_they_can_be_found():
    """What cannot be seen is shown by its number alone."""
    assert [shown(char) for char in "①\u00a0\u200b\x1b𠮷"] == [
        "'①' (U+2460)",
        "U+00A0",
        "U+200B",
        "U+001B",
        "'𠮷' (U+20BB7)",
    ]
