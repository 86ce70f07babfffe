"""What each reply means for a mail."""

import pytest

from relay.delivery.outcome import Bounced, Deferred, Delivered, Reply, Verb, printable, verdict

ENVELOPE = (Verb.MAIL, Verb.RCPT, Verb.DATA, Verb.CONTENT)


def ends(kind):
    """All codes at all verbs that end an attempt so."""
    pairs = [(verb, code) for verb in Verb for code in range(200, 600)]
    return {(verb, code) for verb, code in pairs if isinstance(verdict(verb, Reply(code=code)), kind)}


def test_only_a_refusal_of_this_mail_for_good_bounces_it():
    """Of all codes, 5xx after MAIL, RCPT, DATA or content bounces, unless it is about the session."""
    about_session = {500, 502, 503, 504, 530, 534, 535, 538}
    final = set(range(500, 600)) - about_session
    assert ends(Bounced) == {(verb, code) for verb in ENVELOPE for code in final} - {(Verb.RCPT, 552)}


def test_only_the_expected_replies_go_on_or_deliver():
    """2xx goes on, 354 goes on after DATA, and nothing but 2xx after the content is a delivery."""
    well = set(range(200, 300))
    assert ends(Delivered) == {(Verb.CONTENT, code) for code in well}
    go_on = {(verb, code) for verb in (Verb.GREETING, Verb.MAIL, Verb.RCPT) for code in well}
    assert ends(type(None)) == go_on | {(Verb.DATA, 354)}


def test_the_reason_names_verb_code_and_words():
    """The journal's reason says what was said to what."""
    assert verdict(Verb.RCPT, Reply(code=450, text="4.2.1 later")) == Deferred(
        "RCPT was answered 450 4.2.1 later"
    )


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        (b"ok", "ok"),
        ("宛先がありません".encode(), "宛先がありません"),
        ("宛先".encode("iso2022_jp"), "?$B08@h?(B"),
        (b"a\r\n250 b\tc", "a 250 b c"),
        (b"\x1b[31mred\x00\x7f", "?[31mred??"),
        ("\u202eabc\u2028d", "?abc d"),
        (b"x" * 2000, "x" * 500),
    ],
)
def test_a_peers_words_become_one_printable_line(words, shown):
    """Whatever a peer says fits in a journal line and moves no cursor."""
    assert printable(words) == shown
