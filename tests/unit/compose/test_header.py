"""Header lines: bytes as a partner's server gets them, and what a reader makes of them."""

from email import message_from_bytes, policy
from email.header import decode_header, make_header

import pytest

from relay.charset import ISO_2022_JP, ISO_2022_JP_MS, UTF_8, CharacterError, header_text
from relay.compose.header import (
    MAX_TEXT,
    HeaderError,
    Mailbox,
    parse_mailbox,
    plain_line,
    recipients_line,
    sender_line,
    text_line,
)

CHARSETS = [UTF_8, ISO_2022_JP, ISO_2022_JP_MS]
SUBJECT = "Qoo10の注文のお知らせです。(注文番号:123456789)"


def read(line: bytes, name: str = "Subject") -> str:
    """The header's text as Python's parser reads it: an independent reader."""
    message = message_from_bytes(line + b"\r\n", policy=policy.default)
    assert message.keys() == [name]
    return str(message[name])


def test_an_ascii_subject_stays_as_it_is():
    """Nothing is encoded that needs no encoding."""
    assert text_line("Subject", "Order 123  (two  spaces)", UTF_8) == b"Subject: Order 123  (two  spaces)\r\n"


def test_the_marketplace_s_subject_in_utf_8():
    """The whole bytes: words of at most 75 characters, lines of at most 76, a character is never split."""
    assert text_line("Subject", SUBJECT, UTF_8) == (
        b"Subject: =?UTF-8?B?UW9vMTDjga7ms6jmlofjga7jgYrnn6XjgonjgZvjgafjgZnjgIIo?=\r\n"
        b" =?UTF-8?B?5rOo5paH55Wq5Y+3OjEyMzQ1Njc4OSk=?=\r\n"
    )


def test_the_marketplace_s_subject_in_iso_2022_jp():
    """Each encoded-word begins and ends in ASCII."""
    assert text_line("Subject", SUBJECT, ISO_2022_JP) == (
        b"Subject: =?ISO-2022-JP?B?UW9vMTAbJEIkTkNtSjgkTiQqQ04kaSQ7JEckOSEjGyhCKA==?=\r\n"
        b" =?ISO-2022-JP?B?GyRCQ21KOEhWOWYbKEI6MTIzNDU2Nzg5KQ==?=\r\n"
    )
    assert read(text_line("Subject", SUBJECT, ISO_2022_JP)) == SUBJECT


def test_vendor_characters_travel_under_the_label_that_readers_know():
    """The bytes of a Japanese mailer: no label of Microsoft's, each word back in ASCII."""
    line = text_line("Subject", "髙島屋 ①", ISO_2022_JP_MS)
    assert line == b"Subject: =?ISO-2022-JP?B?GyRCfGJFZzIwGyhCIBskQi0hGyhC?=\r\n"


@pytest.mark.parametrize(("charset", "kanji"), [(UTF_8, 15), (ISO_2022_JP, 18), (ISO_2022_JP_MS, 18)])
def test_encoded_words_are_as_full_as_they_can_be(charset, kanji):
    """15 kanji a word in UTF-8, 18 in ISO-2022-JP, each complete; the first line has room for fewer."""
    rows = text_line("Subject", "注" * 100, charset).decode("ascii").split("\r\n")[:-1]
    words = [decode_header(row.removeprefix("Subject:").strip()) for row in rows]
    texts = [str(make_header(word)) for word in words]
    assert "".join(texts) == "注" * 100
    assert {len(text) for text in texts[1:-1]} == {kanji}
    assert max(len(row) for row in rows) <= 76


@pytest.mark.parametrize("charset", CHARSETS)
@pytest.mark.parametrize(
    "text",
    [
        "注文 番号",
        "Order 注文 no. 5",
        "注文  番号",
        "a  注文  b",
        " 注文",
        "注文 ",
        " leading and trailing ",
        "   ",
        "a =?UTF-8?B?44GC?= b",
        "=?UTF-8?B?44GC?= 注文",
        "x" * 300,
        "word " * 60 + "end",
        "注文" * 200 + " and " + "番号 " * 50 + "end",
        "A注B文C" * 60,
        "a,b;c:d<e>@f\"g\\h'(注)",
        "　全角　空白　",
    ],
)
def test_a_reader_gets_the_text_back_exactly(charset, text):
    """Spaces at word boundaries, look-alikes of encoded-words and long texts survive."""
    line = text_line("Subject", text, charset)
    assert read(line) == header_text(line.removeprefix(b"Subject:")) == text
    assert str(make_header(decode_header(line.decode()[len("Subject: ") : -2].replace("\r\n", "")))) == text
    assert max(len(row) for row in line.split(b"\r\n")) <= 76


def test_words_of_vendor_characters_are_complete_in_themselves():
    """Each word on its own, as an old reader decodes it, is valid and says its part of the text."""
    text = "髙①a﨑㈱ " * 40 + "終"
    words = text_line("Subject", text, ISO_2022_JP_MS).decode("ascii").split()[1:]
    assert len(words) > 5
    assert max(map(len, words)) <= 75
    assert "".join(map(header_text, words)) == text


@pytest.mark.parametrize("char", ["ｶ", "～", "é"])
def test_nothing_is_folded_in_a_header(char):
    """What the charset cannot write as it is comes back as an error: the caller folds and proves again."""
    for write in (
        lambda: text_line("Subject", f"注文{char}", ISO_2022_JP),
        lambda: sender_line(Mailbox(name=f"{char}店", address="a@example.jp"), ISO_2022_JP),
    ):
        with pytest.raises(CharacterError) as caught:
            write()
        assert (caught.value.characters, caught.value.label) == ((char,), "ISO-2022-JP")


def test_only_words_that_are_not_ascii_are_encoded():
    """Neighbouring encoded words travel together, with the space between them inside."""
    assert text_line("Subject", "Order 注文 番号 no. 5", UTF_8) == (
        b"Subject: Order =?UTF-8?B?5rOo5paHIOeVquWPtw==?= no. 5\r\n"
    )


def test_an_empty_text_is_an_empty_header():
    """Whether that makes sense is for the template's author; the header is well formed."""
    assert text_line("Subject", "", UTF_8) == b"Subject: \r\n"


@pytest.mark.parametrize(
    "char", ["\r", "\n", "\r\n", "\0", "\t", "\x0b", "\x85", "\u2028", "\u2029", "\ud800"]
)
@pytest.mark.parametrize("charset", CHARSETS)
def test_controls_never_reach_a_header(charset, char):
    """A value with a line break is refused and named, in subject and sender alike."""
    for write in (
        lambda: text_line("Subject", f"注文{char}Bcc: evil@example.com", charset),
        lambda: text_line("Subject", f"x{char}Bcc: evil@example.com", charset),
        lambda: sender_line(Mailbox(name=f"x{char}Bcc: evil@example.com", address="a@example.jp"), charset),
    ):
        with pytest.raises(CharacterError) as caught:
            write()
        assert set(caught.value.characters) == set(char)


def test_the_last_gate_stops_our_own_mistakes():
    """Even a value that nobody checked cannot end its header."""
    for value in ("a\r\nBcc: evil@example.com", "a\nb", "注文", "x" * 1_000, "\0"):
        with pytest.raises(ValueError, match="header Date"):
            plain_line("Date", value)


def test_a_text_past_the_limit_is_refused():
    """A header can't grow until a server refuses the whole mail."""
    assert read(text_line("Subject", "注" * MAX_TEXT, UTF_8)) == "注" * MAX_TEXT
    with pytest.raises(HeaderError, match=r"has 4001 characters; a header may have 4000"):
        text_line("Subject", "注" * (MAX_TEXT + 1), UTF_8)


@pytest.mark.parametrize(
    ("sender", "line"),
    [
        ("Qoo10 <qoo10info@qoo10.jp>", b"From: Qoo10 <qoo10info@qoo10.jp>\r\n"),
        ("qoo10info@qoo10.jp", b"From: qoo10info@qoo10.jp\r\n"),
        ("<qoo10info@qoo10.jp>", b"From: qoo10info@qoo10.jp\r\n"),
        ('"Shop, Inc." <shop@example.jp>', b'From: "Shop, Inc." <shop@example.jp>\r\n'),
        ("Shop, Inc. <shop@example.jp>", b'From: "Shop, Inc." <shop@example.jp>\r\n'),
        ('The "Shop" <shop@example.jp>', b'From: "The \\"Shop\\"" <shop@example.jp>\r\n'),
        (
            "=?UTF-8?B?44GC?= <shop@example.jp>",
            b"From: =?UTF-8?B?PT9VVEYtOD9CPzQ0R0M/PQ==?= <shop@example.jp>\r\n",
        ),
        ("販売店 Qoo10 <shop@example.jp>", b"From: =?UTF-8?B?6LKp5aOy5bqX?= Qoo10 <shop@example.jp>\r\n"),
        (
            "a@example.com, 販 <b@example.com> <shop@example.jp>",
            b"From: =?UTF-8?B?YUBleGFtcGxlLmNvbSwg6LKpIDxiQGV4YW1wbGUuY29tPg==?=\r\n <shop@example.jp>\r\n",
        ),
    ],
)
def test_senders_become_one_mailbox(sender, line):
    """Whatever the display name holds, the header names one mailbox: the address at the end."""
    assert sender_line(parse_mailbox(sender), UTF_8) == line
    message = message_from_bytes(line + b"\r\n", policy=policy.default)
    assert [address.addr_spec for address in message["From"].addresses] == [parse_mailbox(sender).address]
    assert message["From"].addresses[0].display_name == parse_mailbox(sender).name


@pytest.mark.parametrize(
    "sender",
    [
        "",
        "Qoo10",
        "Qoo10 <>",
        "Qoo10 <a@b@example.jp>",
        "Qoo10 <a@example.jp> x",
        "a@example.jp, b@example.jp",
        "<a@example.jp>, <b@example.jp",
        "店 <店@example.jp>",
        "x <a@例え.jp>",
        "x <a@example.jp\r\nBcc: b@example.com>",
        'x <"a b"@example.jp>',
        "x <a@-example.jp>",
        "x <a..b@example.jp>",
        "x <a@[127.0.0.1]>",
        "x <" + "a" * 65 + "@example.jp>",
        "x <a@" + "b." * 125 + "example.jp>",
    ],
)
def test_senders_that_are_no_mailbox_are_refused(sender):
    """A From header that a server could read in two ways is never sent."""
    with pytest.raises(HeaderError, match="must be an address such as"):
        parse_mailbox(sender)


def test_recipients_are_folded_one_address_unbroken():
    """As many to a line as fit in 76 characters; an address longer than a line stands alone."""
    long = "a" * 60 + "@" + "b" * 60 + ".example.jp"
    addresses = ["orders@partner.example.jp", "copy@partner.example.jp", "third@partner.example.jp", long]
    line = recipients_line(addresses)
    assert line == (
        b"To: orders@partner.example.jp, copy@partner.example.jp,\r\n"
        b" third@partner.example.jp,\r\n"
        b" " + long.encode() + b"\r\n"
    )
    message = message_from_bytes(line + b"\r\n", policy=policy.default)
    assert [address.addr_spec for address in message["To"].addresses] == addresses
