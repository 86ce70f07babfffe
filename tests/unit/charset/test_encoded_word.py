"""Header text: encoded-words as mailers really write them, and those that nobody can read."""

from base64 import b64encode

import pytest

from relay.charset import ISO_2022_JP, ISO_2022_JP_MS, UTF_8, UndecodableError, header_text
from relay.compose.header import text_line
from tests.support.japanese import TEXTS


def word(octets: bytes, charset: str = "UTF-8") -> str:
    return f"=?{charset}?B?{b64encode(octets).decode()}?="


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        ("", ""),
        ("  Order 1  ", "Order 1"),
        (b"Order\r\n 1", "Order 1"),
        (b"Order\n\t1", "Order\t1"),
        (word("注文".encode()), "注文"),
        (word("注文".encode(), "utf-8*ja"), "注文"),
        ("=?utf-8?q?=E6=B3=A8_=e6=96=87?=", "注 文"),
        ("=?utf-8?Q?a=20b?= =?utf-8?Q?_c?=", "a b c"),
        (f"{word('注'.encode())}\r\n {word('文'.encode())}", "注文"),
        (f"Re: {word('注'.encode())} a {word('文'.encode())}", "Re: 注 a 文"),
        (f"{word('注'.encode())}{word('文'.encode())}", "注文"),
        (f"[{word('注'.encode())}]", "[注]"),
        (
            f"{word('注文'.encode('cp932'), 'Shift_JIS')} {word('番号'.encode('euc_jp'), 'EUC-JP')}",
            "注文番号",
        ),
        (word(b"\x1b$B-!\x1b(B", "iso-2022-jp"), "①"),
        ("=?UTF-8?B??=", ""),
        ("=?UTF-8?B?5rOo?= =?UTF-8?B??= x", "注 x"),
        ("=?UTF-8?B?YWE?=", "aa"),
        ("a =?b?= c", "a =?b?= c"),
        ("=?UTF-8?X?YWE=?=", "=?UTF-8?X?YWE=?="),
        ("注文".encode(), "注文"),
        ("注文".encode().decode("ascii", "surrogateescape"), "注文"),
        (b"\xef\xbb\xbfa", "a"),
    ],
)
def test_headers_read_as_they_were_meant(raw, text):
    """Folding, both encodings, neighbours, other charsets, text that only looks like an encoded-word."""
    assert header_text(raw) == text


@pytest.mark.parametrize("cut", range(1, 12))
@pytest.mark.parametrize("codec", ["utf-8", "euc_jp", "cp932", "iso2022_jp"])
def test_a_character_cut_by_a_mailer_is_joined(codec, cut):
    """Words cut by octets, anywhere, in the middle of characters and escape sequences."""
    octets = "注文番号".encode(codec)
    label = {"utf-8": "UTF-8", "euc_jp": "EUC-JP", "cp932": "Shift_JIS", "iso2022_jp": "ISO-2022-JP"}[codec]
    cut = min(cut, len(octets) - 1)
    assert header_text(f"{word(octets[:cut], label)}\r\n {word(octets[cut:], label.lower())}") == "注文番号"


@pytest.mark.parametrize("charset", [UTF_8, ISO_2022_JP, ISO_2022_JP_MS])
@pytest.mark.parametrize("text", TEXTS)
def test_our_own_subjects_are_read_back(charset, text):
    """Reading undoes writing, with every profile, white space at either end included."""
    text = charset.replaced(text)
    assert header_text(text_line("Subject", text, charset).removeprefix(b"Subject:")) == text


@pytest.mark.parametrize(
    "raw",
    [
        "=?UTF-8?B?5rO?=",
        "=?UTF-8?B?5r!o?=",
        "=?UTF-8?B?a?=",
        "=?UTF-8?B?YW=E?=",
        "=?UTF-8?Q?=E6=B?=",
        "=?UTF-8?Q?注?=",
        "=?us-ascii?B?5rOo?=",
        "=?iso-8859-1?Q?=E9?=",
        "=?ISO-2022-JP?B?GyRCQ20=?=",
        b"\x83\x41",
        "\ud800",
        "注文".encode("iso2022_jp"),
    ],
)
def test_damaged_words_are_refused(raw):
    """Bad base64, bad escapes, unknown charsets, raw octets that are not UTF-8: an error each, no text."""
    with pytest.raises(UndecodableError):
        header_text(raw)


def test_a_hostile_header_takes_linear_time():
    """A megabyte of beginnings that never end."""
    for piece in ("=?", "=?a?B?", "=?a", "=?UTF-8?B?YWE=?= ", "\r\n "):
        raw = piece * 60_000
        assert len(header_text(raw)) <= len(raw)
