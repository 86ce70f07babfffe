"""Which part of a mail its text is, and what its headers are believed."""

import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from relay.errors import BadInput
from relay.intake.reading.part import parse_mail
from relay.intake.reading.textmail import MAX_BODY, NEWEST, OLDEST, body_texts, parse_text_mail, text_part
from tests.support.intake import text_mail
from tests.support.mail import mail, part

NOW = datetime(2026, 11, 21, 3, 0, tzinfo=UTC)
TEXT = part("注文です\n".encode(), "Content-Type: text/plain; charset=utf-8")
HTML = part("<p>注文です".encode(), "Content-Type: text/html; charset=utf-8")
PICTURE = part(b"x", "Content-Type: image/png")


def around(kind, *parts, mark="b"):
    body = b"".join(f"\n--{mark}\n".encode() + each for each in parts) + f"\n--{mark}--\n".encode()
    return part(body, f"Content-Type: multipart/{kind}; boundary={mark}")


def whole(multipart):
    head, _, body = multipart.partition(b"\n\n")
    return mail(body, head.decode())


RELATED = around("related", HTML, PICTURE, mark="r")


@pytest.mark.parametrize(
    ("content", "place"),
    [
        (around("alternative", TEXT, HTML), "part 1"),
        (around("alternative", HTML, TEXT), "part 2"),
        (around("alternative", TEXT, RELATED), "part 1"),
        (around("related", around("alternative", TEXT, HTML, mark="a"), PICTURE), "part 1.1"),
        (around("mixed", around("alternative", TEXT, RELATED, mark="a"), PICTURE), "part 1.1"),
    ],
)
def test_a_text_may_stand_beside_itself_in_html(content, place):
    """As mailing programs write it, with the pictures that the HTML shows."""
    assert text_part(parse_mail(whole(content))).place == place


@pytest.mark.parametrize(
    ("content", "place"),
    [
        (around("mixed", TEXT, HTML), "part 2"),
        (around("mixed", TEXT, around("alternative", HTML, mark="a")), "part 2.1"),
        (around("alternative", TEXT, around("mixed", HTML, PICTURE, mark="a")), "part 2.1"),
        (around("alternative", around("mixed", TEXT, HTML, mark="a"), HTML), "part 1.2"),
        (
            around(
                "mixed", around("alternative", TEXT, HTML, mark="a"), around("alternative", HTML, mark="c")
            ),
            "part 2.1",
        ),
    ],
)
def test_html_that_is_not_the_same_text_could_be_what_was_meant(content, place):
    """Only what stands in the text's own multipart/alternative is said to be the same."""
    with pytest.raises(BadInput) as error:
        text_part(parse_mail(whole(content)))
    assert str(error.value) == f"{place}: is 'text/html' beside a text, and could be what was meant"


@pytest.mark.parametrize(
    ("at", "is_believed"),
    [
        (NOW, True),
        (NOW - OLDEST, True),
        (NOW - OLDEST - timedelta(seconds=1), False),
        (NOW + NEWEST, True),
        (NOW + NEWEST + timedelta(seconds=1), False),
        (datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC), False),
        (datetime(1970, 1, 1, tzinfo=UTC), False),
    ],
)
def test_a_date_far_from_the_arrival_is_not_believed(at, is_believed):
    """A clock that was never set, or a sender who plays, does not date an order."""
    parsed = parse_mail(text_mail("注文", "注文です\n", date=format_datetime(at)))
    assert parse_text_mail(parsed, text_part(parsed), now=NOW).sent_at == (at if is_believed else None)


@pytest.mark.parametrize("encoding", ["8bit", "base64"])
def test_a_text_that_no_template_can_have_written_is_not_decoded(encoding):
    """Four mebibytes are more than the longest mail has; reading more would only cost."""
    octets = b"x" * 62 + b"\r\n"
    for rows in (MAX_BODY // 64, MAX_BODY // 64 + 1):
        parsed = parse_mail(text_mail("x", octets * rows, charset="us-ascii", encoding=encoding))
        read = parse_text_mail(parsed, text_part(parsed), now=NOW)
        if rows == MAX_BODY // 64:
            body_texts(read)
            continue
        with pytest.raises(BadInput) as error:
            body_texts(read)
        assert str(error.value) == (
            "body: is larger than 4,194,304 octets, which is as much as is read "
            "(attachments may be large, the notification may not: intake.max_document)"
        )


COSTLY = {
    "an open quotation mark": 'Content-Type: text/plain; a="\r\n ' + (";" * 900 + "\r\n ") * 60 + "x",
    "many parameters": "Content-Disposition: inline" + ("; a=b" * 100 + "\r\n ") * 60 + "x",
}


@pytest.mark.parametrize("case", COSTLY)
def test_a_header_that_would_hold_up_the_loop_is_refused_before_it_is_read(case):
    """Sixty kilobytes of parameters took the library two seconds, in which no other mail goes on."""
    content = f"Subject: x\r\n{COSTLY[case]}\r\n\r\nhello\r\n".encode()
    started = time.process_time()
    with pytest.raises(BadInput, match="has a content-"):
        parse_mail(content)
    assert time.process_time() - started < 0.1
