"""Folding: what is the same to a reader becomes one character, and nothing else changes."""

import pytest

from relay.charset.fold import fold_jis
from relay.charset.jis import encode_jis
from tests.support.japanese import WINDOWS_TO_JIS, jis_characters, windows_characters


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
    assert fold_jis(text) == folded


@pytest.mark.parametrize(
    ("text", "octets"),
    [
        *[("〜", "2141"), ("～", "2141"), ("−", "215d"), ("－", "215d"), ("―", "213d"), ("—", "213d")],
        *[("‖", "2142"), ("∥", "2142"), ("¢", "2171"), ("￠", "2171"), ("£", "2172"), ("￡", "2172")],
        *[("¬", "224c"), ("￢", "224c"), ("￥", "216f"), ("¥", "216f"), ("￣", "2131"), ("‾", "2131")],
    ],
)
def test_two_code_points_of_one_character_become_one_jis_character(text, octets):
    """Either way of typing a wave dash, a minus, a dash … reaches the partner as the same bytes."""
    assert encode_jis(fold_jis(text)) == b"\x1b$B" + bytes.fromhex(octets) + b"\x1b(B"


def test_nothing_else_is_folded():
    """Over Unicode's first plane but half-width kana: only the pairs of the table change."""
    every = [
        chr(code) for code in range(0x10000) if not 0xD800 <= code < 0xE000 and not 0xFF61 <= code < 0xFFA0
    ]
    changed = {char: fold_jis(char) for char in every if fold_jis(char) != char}
    windows = {chr(left): chr(right) for left, right in WINDOWS_TO_JIS.items()}
    assert changed == windows | {"—": "―", "¥": "￥", "‾": "￣"}


def test_a_folded_text_folds_to_itself():
    """Folding twice is folding once, for every two characters that could meet."""
    kana = [chr(code) for code in (*range(0xFF61, 0xFFA0), 0x3099, 0x309A, 0x309B, 0x309C)]
    kana += [chr(code) for code in range(0x3041, 0x30FF)]
    for first in kana:
        once = fold_jis("".join(first + second for second in kana))
        assert fold_jis(once) == once


def test_the_characters_of_the_standard_stay_as_they_are():
    """JIS's own code points are the ones that everything is folded to; vendor characters stay too."""
    standard = "".join(char for _, char in jis_characters())
    vendor = "".join(set(windows_characters()) - set(standard) - set("～∥－￠￡￢"))
    assert (fold_jis(standard), fold_jis(vendor)) == (standard, vendor)
