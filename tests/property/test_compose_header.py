"""Laws of header lines: hostile text in, one well-formed header out, the same text at the reader's end."""

from email import message_from_bytes, policy
from email.header import decode_header, make_header

from hypothesis import given, settings
from hypothesis import strategies as st

from relay.charset import ISO_2022_JP, ISO_2022_JP_MS, UTF_8, CharacterError, Charset, decoded, header_text
from relay.compose.header import HeaderError, Mailbox, parse_mailbox, sender_line, text_line
from relay.compose.mime import mail_bytes
from relay.quantity import mail_address
from tests.support.japanese import WINDOWS_TO_JIS, read_as_windows

CHARSETS = st.sampled_from([UTF_8, ISO_2022_JP, ISO_2022_JP_MS])
# Characters that have broken mail software before, beside ordinary Japanese text.
HOSTILE = st.sampled_from(
    [
        *[
            "\r",
            "\n",
            "\r\n",
            "\0",
            "\t",
            "\x0b",
            "\x1b",
            "\x1b$B",
            "\x7f",
            "\x85",
            "\u2028",
            "\ufeff",
            "\ud800",
        ],
        *[
            "=?",
            "?=",
            "=?UTF-8?B?44GC?=",
            ": ",
            "Bcc: x@example.com",
            "<a@example.com>",
            '"',
            "\\",
            ",",
            ";",
            "(",
        ],
        *[
            "注",
            "文",
            "ｶﾞ",
            "ﾊﾟ",
            "～",
            "①",
            "髙",
            "㈱①",
            "𠮷",
            "é",
            "　",
            " ",
            "  ",
            "a",
            "Order",
            "x" * 60,
            "か\u3099",
            "¥",
        ],
    ]
)
TEXTS = st.lists(HOSTILE | st.characters(), max_size=40).map("".join)
# The same without what is refused, so that many long texts reach the encoder.
WRITABLE = st.lists(
    st.sampled_from(
        ["注", "文番号", "ガ", "(", ")", "A", "Order", "x" * 60, "=?", "?=", " ", "  ", "　", "1,980"]
    ),
    max_size=60,
).map("".join)


NO_HEADER = {ord(char): None for char in "\t\n\u2028\u2029"}  # what a body may hold and a header may not


def written(text: str, charset: Charset) -> bytes | None:
    """The Subject line, or None when the text is refused."""
    try:
        return text_line("Subject", text, charset)
    except (CharacterError, HeaderError):
        return None


@settings(max_examples=300)
@given(TEXTS, CHARSETS)
def test_a_subject_is_refused_or_is_one_header_that_reads_as_itself(text, charset):
    """No text can end its header, start another, or be read as anything but itself."""
    line = written(text, charset)
    if line is None:
        return
    message = message_from_bytes(line + b"X-Last: 1\r\n\r\nbody\r\n", policy=policy.compat32)
    assert message.keys() == ["Subject", "X-Last"]
    assert message.get_payload() == "body\r\n"
    assert line.endswith(b"\r\n")
    assert max(len(row) for row in line.split(b"\r\n")) <= 76
    assert header_text(line.removeprefix(b"Subject:")) == text
    if charset is not ISO_2022_JP_MS:  # Python's readers have no codec for it
        value = line.decode("ascii").removeprefix("Subject: ").replace("\r\n", "")
        assert str(make_header(decode_header(value))) == text


@settings(max_examples=300)
@given(TEXTS, CHARSETS)
def test_a_replaced_text_makes_a_subject(text, charset):
    """Folding and replacing leave nothing that a header refuses, but for the controls of a body."""
    text = charset.replaced(text.translate(NO_HEADER))
    line = text_line("Subject", text, charset)
    assert header_text(line.removeprefix(b"Subject:")) == text
    assert max(len(row) for row in line.split(b"\r\n")) <= 76


@settings(max_examples=300)
@given(WRITABLE, CHARSETS)
def test_a_writable_subject_reads_the_same_with_two_readers(text, charset):
    """Python's old and new header readers agree with what was written, spaces included."""
    line = written(text, charset)
    assert line is not None
    value = line.decode("ascii").removeprefix("Subject: ").removesuffix("\r\n").replace("\r\n", "")
    assert str(make_header(decode_header(value))) == header_text(value) == text
    assert str(message_from_bytes(line + b"\r\n", policy=policy.default)["Subject"]) == text


@settings(max_examples=300)
@given(TEXTS, CHARSETS)
def test_a_sender_is_refused_or_is_one_mailbox_with_the_last_address(name, charset):
    """Whatever a display name holds, the mail comes from the address that the template ends with."""
    try:
        mailbox = parse_mailbox(f"{name} <shop@example.jp>")
        line = sender_line(mailbox, charset)
    except (CharacterError, HeaderError):
        return
    message = message_from_bytes(line + b"X-Last: 1\r\n\r\n", policy=policy.default)
    assert message.keys() == ["From", "X-Last"]
    assert [address.addr_spec for address in message["From"].addresses] == ["shop@example.jp"]
    assert mailbox.address == "shop@example.jp"


@settings(max_examples=300)
@given(TEXTS)
def test_parsing_a_sender_gives_a_valid_address_or_refuses(text):
    """Nothing else comes out of parsing, on any input."""
    try:
        mailbox = parse_mailbox(text)
    except HeaderError:
        return
    assert isinstance(mailbox, Mailbox)
    assert mail_address(mailbox.address) == mailbox.address


@settings(max_examples=300)
@given(TEXTS, CHARSETS)
def test_a_body_is_refused_or_reads_as_itself(text, charset):
    """The body's bytes are ASCII in lines of at most 998 octets, and say what the text said."""
    try:
        content = mail_bytes([b"Subject: a\r\n"], text, charset)
    except CharacterError:
        return
    assert content.isascii()
    assert b"\n" not in content.replace(b"\r\n", b"")
    assert max(map(len, content.split(b"\r\n"))) <= 998
    message = message_from_bytes(content, policy=policy.default)
    assert message.keys() == ["Subject", "MIME-Version", "Content-Type", "Content-Transfer-Encoding"]
    octets = message.get_payload(decode=True)
    body = text if text.endswith("\n") else text + "\n"
    read = decoded(octets, charset.label).replace("\r\n", "\n")
    assert read == body
    if charset is UTF_8:
        assert octets.decode("utf-8").replace("\r\n", "\n") == body
    else:
        assert read_as_windows(octets).replace("\r\n", "\n").translate(WINDOWS_TO_JIS) == read
