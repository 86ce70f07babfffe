"""Mails as people read them, whatever the bytes are."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.cli.letter import Letter, letter, one_row, visible


def test_a_japanese_mail_is_read_as_written() -> None:
    """Encoded words and a base64 body come out as the text they stand for."""
    content = (
        b"From: =?UTF-8?B?5rOo5paH?= Qoo10 <a@example.jp>\r\n"
        b"To: b@example.jp\r\n"
        b"Subject: =?ISO-2022-JP?B?GyRCQ21KOBsoQg==?=\r\n =?UTF-8?B?44Gu5pys5paH?=\r\n"
        b"Message-ID: <1@example.jp>\r\n"
        b"Content-Type: text/plain; charset=utf-8\r\n"
        b"Content-Transfer-Encoding: base64\r\n\r\n"
        b"5pys5paHDQrkuozooYznm64NCg==\r\n"
    )
    assert letter(content) == Letter(
        sender="注文 Qoo10 <a@example.jp>",
        recipients="b@example.jp",
        subject="注文の本文",
        message_id="<1@example.jp>",
        body="本文\n二行目\n",
    )


def test_an_iso_2022_jp_body_is_read() -> None:
    """The charset that the mail declares is the one it is read by."""
    head = b"Subject: x\r\nContent-Type: text/plain; charset=ISO-2022-JP\r\n\r\n"
    assert letter(head + "備考なし\r\n".encode("iso2022_jp")).body == "備考なし\n"


def test_an_unknown_charset_and_a_broken_word_are_shown_not_raised() -> None:
    """What cannot be decoded is shown as far as it can be."""
    content = (
        b"Subject: =?nonsense-9?B?QUJD?= =?UTF-8?B?!?=\r\n"
        b"Content-Type: text/plain; charset=nonsense-9\r\n\r\n\xe6\x9c\xac ABC\r\n"
    )
    read = letter(content)
    assert read.subject.startswith("ABC")
    assert read.body == "\ufffd\ufffd\ufffd ABC\n"


@pytest.mark.parametrize(
    ("content", "subject", "body"),
    [
        (b"Subject: =?UTF-8?B?abcde?=\r\n\r\nx", "=?UTF-8?B?abcde?=", "x"),
        (b"Subject: =?a\x00b?Q?x?=\r\nContent-Type: text/plain; charset=a\x00b\r\n\r\nx", "x", "x"),
        (b"Content-Type: text/plain; charset=unicode_escape\r\n\r\n\\z\\ud800", "", "\\z\\ud800"),
        (b"Content-Type: text/plain; charset=rot13\r\n\r\nnoq", "", "noq"),
        (
            b"Subject: \xff\xfe\r\nContent-Type: text/plain; charset=\xff\r\n\r\n\xff",
            "\ufffd\ufffd",
            "\ufffd",
        ),
        (b"Content-Type: message/rfc822\r\n\r\n" * 2000, "", "Content-Type: message/rfc822\n\n" * 2000),
    ],
    ids=["base64", "nul", "escape", "rot13", "octets", "endless"],
)
def test_hostile_mails_are_shown_too(content: bytes, subject: str, body: str) -> None:
    """Broken words, charsets that are none and mails in mails without end are shown as text."""
    read = letter(content)
    assert (read.subject, read.body) == (subject, body)


def test_the_document_of_a_notification_is_found() -> None:
    """A JSON part is given as it came, its transfer encoding undone."""
    content = (
        b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nhello\r\n"
        b"--b\r\nContent-Type: application/json\r\nContent-Transfer-Encoding: base64\r\n\r\n"
        b"eyJ2ZXJzaW9uIjogMX0=\r\n--b--\r\n"
    )
    read = letter(content)
    assert (read.body, read.documents) == ("hello", (b'{"version": 1}',))


def test_a_mail_without_text_says_so() -> None:
    """A mail that holds no text is named by its type."""
    assert letter(b"Content-Type: image/png\r\n\r\n\x89PNG").body == "(no text in this mail: image/png)"


def test_controls_cannot_steer_the_screen() -> None:
    """Escape sequences, direction marks and line separators lose their power; tabs and line ends stay."""
    assert visible("a\x1b[31mb\u202ec\u2028d\te\n") == "a\ufffd[31mb\ufffdc\ufffdd\te\n"
    assert one_row("a\r\nb\nc\td") == "a b c d"


@given(st.binary(max_size=400))
def test_no_bytes_make_reading_fail(content: bytes) -> None:
    """Whatever the mail is made of, every part comes out as text without a control character."""
    read = letter(b"Subject: =?" + content[:60] + b"?=\r\n" + content)
    shown = read.sender + read.recipients + read.subject + read.body
    assert all(char in "\t\n" or ord(char) >= 0x20 for char in shown)
    assert "\x1b" not in shown
