"""The mail as bytes: bodies in both charsets, line ends, and lines too long to be sent as they are."""

from email import message_from_bytes, policy

import pytest

from relay.charset import ISO_2022_JP, ISO_2022_JP_MS, UTF_8, CharacterError
from relay.compose.mime import LONGEST_LINE, mail_bytes
from tests.support.japanese import read_as_windows

CHARSETS = [UTF_8, ISO_2022_JP, ISO_2022_JP_MS]
HEADERS = [b"From: shop@example.jp\r\n", b"Subject: a\r\n"]


def read(content: bytes) -> str:
    """The body as Python's parser reads it."""
    return message_from_bytes(content, policy=policy.default).get_content().replace("\r\n", "\n")


def test_a_utf_8_mail_whole():
    """Headers as given, then the three MIME headers, then base64 of the text with CRLF."""
    assert mail_bytes(HEADERS, "注文番号\n[備考] ①\n", UTF_8) == (
        b"From: shop@example.jp\r\n"
        b"Subject: a\r\n"
        b"MIME-Version: 1.0\r\n"
        b"Content-Type: text/plain; charset=UTF-8\r\n"
        b"Content-Transfer-Encoding: base64\r\n"
        b"\r\n"
        b"5rOo5paH55Wq5Y+3DQpb5YKZ6ICDXSDikaANCg==\r\n"
    )


def test_an_iso_2022_jp_mail_whole():
    """The body goes as it is: 7bit, each line back in ASCII at its end."""
    assert mail_bytes(HEADERS, "注文番号\n[備考] A\n", ISO_2022_JP) == (
        b"From: shop@example.jp\r\n"
        b"Subject: a\r\n"
        b"MIME-Version: 1.0\r\n"
        b"Content-Type: text/plain; charset=ISO-2022-JP\r\n"
        b"Content-Transfer-Encoding: 7bit\r\n"
        b"\r\n"
        b"\x1b$BCmJ8HV9f\x1b(B\r\n"
        b"[\x1b$BHw9M\x1b(B] A\r\n"
    )


def test_a_mail_with_vendor_characters_whole():
    """The same frame and the same label; only the places are Microsoft's."""
    assert mail_bytes(HEADERS, "髙島 ①\n㈱\n", ISO_2022_JP_MS) == (
        b"From: shop@example.jp\r\n"
        b"Subject: a\r\n"
        b"MIME-Version: 1.0\r\n"
        b"Content-Type: text/plain; charset=ISO-2022-JP\r\n"
        b"Content-Transfer-Encoding: 7bit\r\n"
        b"\r\n"
        b"\x1b$B|bEg\x1b(B \x1b$B-!\x1b(B\r\n"
        b"\x1b$B-j\x1b(B\r\n"
    )


@pytest.mark.parametrize("charset", CHARSETS)
@pytest.mark.parametrize(
    "text",
    ["", "\n", "注文", "注文\n", "\n\n注文\n\n", ".\n..\nFrom x\n", "末尾の空白 \n\t\n", "注" * 5_000 + "\n"],
)
def test_a_reader_gets_the_rows_back(charset, text):
    """Empty rows, rows of a dot, trailing blanks, very long rows: all as they were; the last row is ended."""
    content = mail_bytes(HEADERS, text, charset)
    assert read(content) == (text if text.endswith("\n") else text + "\n")
    assert content.endswith(b"\r\n")
    assert content.isascii()
    assert b"\n" not in content.replace(b"\r\n", b"")
    assert b"\r" not in content.replace(b"\r\n", b"")
    assert max(len(line) for line in content.split(b"\r\n")) <= LONGEST_LINE


@pytest.mark.parametrize(
    ("charset", "char"), [(ISO_2022_JP, "注"), (ISO_2022_JP_MS, "注"), (ISO_2022_JP_MS, "①")]
)
@pytest.mark.parametrize(("kanji", "encoding"), [(496, "7bit"), (497, "base64")])
def test_a_line_too_long_for_7bit_goes_as_base64(kanji, encoding, charset, char):
    """496 kanji and two escape sequences are 998 octets; a longer line is encoded, never wrapped or cut."""
    text = "短い行\n" + char * kanji + "\n"
    message = message_from_bytes(mail_bytes(HEADERS, text, charset))
    assert (message["Content-Transfer-Encoding"], message.get_content_charset()) == (encoding, "iso-2022-jp")
    assert read_as_windows(message.get_payload(decode=True)) == text.replace("\n", "\r\n")


@pytest.mark.parametrize("char", ["ｶ", "～", "é"])
def test_nothing_is_folded_in_a_body(char):
    """What the charset cannot write as it is comes back as an error: the caller folds and proves again."""
    with pytest.raises(CharacterError) as caught:
        mail_bytes(HEADERS, f"注文{char}\n", ISO_2022_JP)
    assert caught.value.characters == (char,)


def test_base64_lines_have_76_characters():
    """RFC 2045's limit, with the last line shorter."""
    lines = mail_bytes([], "注" * 100 + "\n", UTF_8).split(b"\r\n\r\n")[1].split(b"\r\n")
    assert [len(line) for line in lines] == [76, 76, 76, 76, 76, 24, 0]


@pytest.mark.parametrize("charset", CHARSETS)
@pytest.mark.parametrize("char", ["\r", "\0", "\x1b", "\x85"])
def test_controls_never_reach_a_body(charset, char):
    """A lone CR or an escape character would be read differently by different readers."""
    with pytest.raises(CharacterError):
        mail_bytes(HEADERS, f"注文{char}\n", charset)
