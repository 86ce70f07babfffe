"""The notice as a mail: its bytes, its bounds, its signature, and what may stand in a row of it."""

from datetime import timedelta
from email import message_from_bytes, policy
from pathlib import Path
from string import printable

import pytest
from hypothesis import given
from hypothesis import strategies as st

import relay.notice.letter
from relay.notice.letter import MAX_ROWS
from relay.notice.values import MAX_VALUE, Addressee, one_line, span
from relay.store.concern import Kind, Outlook
from relay.store.values import Delivery, DeliveryState
from tests.support.telling import OPERATORS, PARTNERS, SELLER, concern, silence, told_at, writer

TEXTS = Path(relay.notice.letter.__file__).parent / "texts"


LATE = (concern(),)


def letter(kind=Kind.DELAY, addressee=SELLER, about=LATE, **made):
    """A letter as a watch has it written, five hours after the start."""
    return writer(**made).letter(kind, addressee, about, PARTNERS, told_at(5))


def test_a_letter_is_one_mail_and_a_delivery_for_each_address():
    """Queued at once, with the notification of the first delivery that it names, marked as a notice."""
    made = letter(addressee=OPERATORS, about=(concern(1), concern(2, notification_id="other")))
    assert (made.seller_id, made.notification_id) == ("", "6v3w1q0000000000")
    assert (made.mail.notice, made.mail.template, made.mail.partner, made.mail.registration) == (
        "delay",
        "notice/delay.ja",
        "",
        "",
    )
    assert made.mail.message_id == f"<{made.mail.id}@relay.example.jp>"
    assert made.deliveries == [
        Delivery(
            id=each.id,
            mail_id=made.mail.id,
            recipient=address,
            state=DeliveryState.QUEUED,
            due_at=told_at(5),
            accepted_at=told_at(5),
        )
        for each, address in zip(made.deliveries, OPERATORS.addresses, strict=True)
    ]
    assert len({each.id for each in made.deliveries}) == 2


def test_a_letter_is_plain_octets_for_every_server():
    """Seven bits, short lines, CRLF, and nothing that a strict parser complains of."""
    made = letter(about=[concern(number) for number in range(1, 60)])
    rows = made.mail.content.split(b"\r\n")
    assert rows[-1] == b""
    assert max(map(len, rows)) <= 78
    assert made.mail.content.isascii()
    assert b"\n" not in made.mail.content.replace(b"\r\n", b"")
    message = message_from_bytes(made.mail.content, policy=policy.strict)
    assert message.defects == []
    assert message["Auto-Submitted"] == "auto-generated"


def test_the_sender_is_chosen_or_the_postmaster():
    """`notices.sender`, else postmaster at the hostname."""
    assert [letter(sender=sender).mail.sender for sender in (None, "denrei@shop.example.jp")] == [
        "Denrei <postmaster@relay.example.jp>",
        "Denrei <denrei@shop.example.jp>",
    ]


def test_a_letter_is_signed_when_all_else_of_it_stands():
    """The signer gets the whole mail and the sender's domain; what it gives is what is kept."""
    asked = []

    class Signer:
        def signed(self, content, from_domain):
            asked.append((content, from_domain))
            return b"DKIM-Signature: x\r\n" + content

    made = letter(signer=Signer(), sender="denrei@shop.example.jp")
    assert asked == [(letter(sender="denrei@shop.example.jp").mail.content, "shop.example.jp")]
    assert made.mail.content == b"DKIM-Signature: x\r\n" + asked[0][0]


@pytest.mark.parametrize("kind", Kind)
@pytest.mark.parametrize("language", ["ja", "en"])
@pytest.mark.parametrize("addressee", [SELLER, OPERATORS])
def test_the_fifty_first_are_named_and_the_rest_counted(kind, language, addressee):
    """A letter's size is bounded, whatever happened."""
    reader = Addressee(seller_id=addressee.seller_id, addresses=addressee.addresses, language=language)
    make = silence if kind is Kind.NO_SUCCESS else concern
    made = letter(kind, reader, [make(number) for number in range(1, 5_001)])
    text = message_from_bytes(made.mail.content, policy=policy.default).get_content()
    assert text.count("6v3w1q0") == MAX_ROWS
    assert str(5_000 - MAX_ROWS) in text
    assert "5000" in made.mail.subject


@given(st.text(st.characters(codec="utf-8"), max_size=3 * MAX_VALUE))
def test_any_value_is_one_printable_line(value):
    """A peer cannot end its row, hide what stands beside it or fill the screen."""
    line = one_line(value)
    assert line.isprintable()
    assert len(line) <= MAX_VALUE


@given(st.text(printable.translate({ord(c): None for c in "\t\n\r\x0b\x0c"}), max_size=MAX_VALUE))
def test_a_usual_value_is_shown_as_it_is(value):
    """Nothing is taken from what can stand in a line, but white space from its ends and between words."""
    assert one_line(value) == " ".join(value.split())


@given(st.text(st.characters(codec="utf-8"), max_size=300), st.text(max_size=50), st.sampled_from(Outlook))
def test_no_value_adds_a_row_to_the_text(reply, pack_no, outlook):
    """The text has the same rows, with the same words before each colon, whatever a peer or a shop writes."""

    def heads(about):
        text = letter(about=(about,)).mail.content
        body = message_from_bytes(text, policy=policy.default).get_content()
        return [row.partition(":")[0] for row in body.split("\n") if not row.startswith("[1]")]

    hostile = concern(outlook=outlook, last_reply=reply or "x", pack_no=pack_no)
    assert heads(hostile) == heads(concern(outlook=outlook, last_reply="x"))


def test_every_text_exists_in_both_languages():
    """A kind without its text would be found when somebody must be told."""
    names = {path.name for path in TEXTS.iterdir()}
    kinds = {*map(str, Kind), "delivery", "close"}
    assert names == {f"{kind}.{language}.txt" for kind in kinds for language in ("ja", "en")}


def test_durations_are_told_in_words():
    """Whole units, the largest first; never nothing."""
    lengths = [timedelta(seconds=1), timedelta(minutes=90), timedelta(hours=4), timedelta(days=1, hours=1)]
    assert [span(each, "en") for each in lengths] == [
        "1 minute",
        "1 hour 30 minutes",
        "4 hours",
        "1 day 1 hour",
    ]
    assert [span(each, "ja") for each in lengths] == ["1分", "1時間30分", "4時間", "1日1時間"]
