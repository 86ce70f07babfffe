"""docs/mail-format.md says what the composer does: its headers, its folds, its reasons."""

import re
from email import message_from_bytes
from pathlib import Path

from grammar import load_catalogue
from relay.charset import ISO_2022_JP, ISO_2022_JP_MS, decoded
from relay.charset.decoding import CODECS
from relay.compose.header import MAX_TEXT
from tests.support.composing import composer, notification, registration

DOCUMENT = (Path(__file__).parents[2] / "docs" / "mail-format.md").read_text("utf-8")


def section(title: str) -> str:
    """The document's text from this heading to the next of its kind."""
    return re.split(r"(?m)^## ", DOCUMENT.split(f"\n## {title}\n")[1])[0]


def test_every_header_is_documented_in_its_order():
    """A mail with everything has the headers of the table, no more and no fewer."""
    documented = re.findall(r"(?m)^\| `([A-Za-z-]+)` \|", section("Headers"))
    chosen = registration(load_catalogue(), recognition_key="key")
    (composed,) = composer(load_catalogue()).compose(notification(), [chosen]).mails
    assert message_from_bytes(composed.mail.content).keys() == documented


def test_every_fold_is_as_documented():
    """Each code point of the table is written at the place that the table gives."""
    rows = re.findall(r"(?m)^\| (.+?) \| (2[0-9A-F]{3}) \|$", section("Charsets"))
    folds = [(char, code, place) for left, place in rows for char, code in re.findall(r"(.) U\+(\w+)", left)]
    assert len(folds) == 18
    for char, code, place in folds:
        assert ord(char) == int(code, 16)
        for charset in (ISO_2022_JP, ISO_2022_JP_MS):
            assert charset.encode(charset.fold(char)) == b"\x1b$B" + bytes.fromhex(place) + b"\x1b(B"


def test_the_numbers_of_characters_are_as_documented():
    """What each JIS profile writes beyond ASCII, counted over Unicode's first plane."""
    every = [chr(code) for code in range(0x80, 0x10000) if not 0xD800 <= code < 0xE000]
    strict, windows = (
        {char for char in every if charset.coded(char) is not None}
        for charset in (ISO_2022_JP, ISO_2022_JP_MS)
    )
    assert strict < windows
    assert f"the {len(strict):,} characters of JIS X 0208" in section("Charsets")
    assert f"the {len(windows - strict)} characters of Windows" in section("Charsets")


def test_every_label_is_as_documented():
    """The table has every label that is read, under the charset that it is read as."""
    rows = re.findall(r"(?m)^\| (\S+) \| (`.+) \|$", section("Charsets that are read"))
    documented = {label: name for name, labels in rows for label in re.findall(r"`([^`]+)`", labels)}
    assert documented | {"": "US-ASCII"} == CODECS
    assert {decoded(b"Order 1", label) for label in documented} == {"Order 1"}


def test_the_limit_is_as_documented():
    """The document names the limit that the code has."""
    assert f"more than {MAX_TEXT:,} characters" in section("Headers")


def test_reasons_are_worded_as_documented():
    """The examples are what the composer says of such notifications, word for word."""
    catalogue = load_catalogue()
    body = "[備考]\n##LOOP##<$_DEL_MEMO_$>\n##LOOP##[商品名] <$_ITEM_NM_$>\n"
    spoilt = notification("本", "皿", "髙級茶碗", memos=("急ぎ",) * 12 + ("①",))
    cases = [
        (spoilt, registration(catalogue, body=body)),
        (notification(buyer="𠮷野 花子"), registration(catalogue, sender="<$_BUYER_NM_$> <a@example.jp>")),
        (notification(buyer="例" * 50), registration(catalogue, subject="<$_BUYER_NM_$>" * 81)),
    ]
    said = [each for case in cases for each in composer(catalogue).compose(case[0], [case[1]]).unwritable]
    documented = section("What cannot be written").split("```\n")[1]
    assert "".join(f"{each.reason}\n" for each in said) == documented
