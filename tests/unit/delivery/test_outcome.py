"""What each reply means for a mail."""

import pytest

from relay.delivery.outcome import Bounced, Deferred, Delivered, Reply, Verb, is_crowded, printable, verdict

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


@pytest.mark.parametrize(
    "reply",
    [
        "421 4.7.0 anything at all",
        "421",
        "450 4.3.2 System not accepting network messages",
        "451 4.4.5 Congestion",
        "450 4.7.28 unusual rate of mail from your address",
        "450 4.7.1 Too many connections from your IP",
        "451 Too many messages, slow down",
        "452 4.7.1 rate limit exceeded",
        "450 Your message rate is limited",
        "451 4.7.1 Throttled",
        "450 too fast",
        "454 4.5.3 too much mail from 192.0.2.1",
        "451 concurrent session limit",
    ],
)
def test_a_peer_that_gets_too_much_is_understood(reply):
    """421 and the usual codes and words ask for fewer connections or slower mail."""
    assert is_crowded(Reply(code=int(reply[:3]), text=reply[4:]))


@pytest.mark.parametrize(
    "reply",
    [
        "450 4.7.1 Greylisted, try again in 5 minutes",
        "450 4.2.0 Recipient address rejected: Greylisted",
        "452 4.2.2 Mailbox full, quota exceeded",
        "451 4.3.0 later",
        "452 4.5.3 Too many recipients",
        "554 5.4.6 Too many hops",
        "550 5.7.1 rate limit exceeded for good",
        "250 2.0.0 slow down is not needed",
        "451 4.7.1 local policy, corporate rules",
    ],
)
def test_what_says_nothing_of_too_much_changes_no_pace(reply):
    """Greylisting, a full mailbox, a refusal for good: fewer connections would not help."""
    assert not is_crowded(Reply(code=int(reply[:3]), text=reply[4:]))


def test_only_a_refusal_for_good_at_rcpt_says_that_an_address_is_gone():
    """The same words at MAIL, DATA or the content, or for now only, suppress nothing."""
    gone = "5.1.1 no such user"
    told = {
        (verb, code): verdict(verb, Reply(code=code, text=gone))
        for verb in ENVELOPE
        for code in (450, 550, 552, 503)
    }
    suppressing = {key for key, end in told.items() if isinstance(end, Bounced) and end.is_address_gone}
    assert suppressing == {(Verb.RCPT, 550)}
