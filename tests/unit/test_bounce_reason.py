"""Which refusals mean that an address is gone for good: the list errs towards sending on."""

import pytest

from relay.bounce_reason import MAX_LOOKED_AT, is_address_gone, status_in

GONE = (
    "550 5.1.1 <orders@partner.example.jp>: Recipient address rejected: User unknown in virtual table",
    "RCPT was answered 550 5.1.1 no such user",
    "550 5.1.10 RESOLVER.ADR.RecipientNotFound; orders@partner.example.jp: recipient not found",
    "556 5.1.10 partner.example.jp takes no mail",
    "550 5.1.6 recipient has moved",
    "553 5.1.3 bad recipient address syntax",
    "554 5.2.1 mailbox disabled, not accepting messages",
    "Sorry, no mailbox here by that name. (#5.1.1)",
    "550 No such user here",
    "550 Unknown user orders@partner.example.jp",
    "550 Invalid recipient <x>: user unknown",
    "550 5.5.0 mailbox not found",
    "554 delivery error: dd This user doesn't have a partner.example.jp account [0]",
    "550 The email account that you tried to reach does not exist",
    "550 account orders@partner.example.jp does not exist",
    "550 orders@partner.example.jp is not a valid mailbox",
    "550 宛先のメールアドレスが見つかりませんでした",
    "ご指定のユーザーは存在しません",
)
NOT_GONE = (
    "",
    "550",
    "550 5.2.2 mailbox full",
    "552 5.2.2 user is over quota",
    "550 5.7.1 user unknown to our policy",
    "550 5.7.1 <orders@partner.example.jp>: relaying denied",
    "550 5.1.2 host or domain name not found",
    "550 5.1.8 Sender address rejected: user unknown",
    "550 Sender address rejected: User unknown in local recipient table",
    "550 sender verify failed: no such user",
    "550 Recipient domain does not exist",
    "550 Requested action not taken: mailbox unavailable",
    "450 4.1.1 user unknown",
    "450 no such user, try again later",
    "RCPT was answered 450 no such user",
    "550 blocked: your address 192.0.2.7 is on a list",
    "554 5.6.0 message content rejected",
    "宛先のメールボックスがいっぱいです",
)


@pytest.mark.parametrize("text", GONE)
def test_an_address_that_is_gone_is_known_by_status_or_by_plain_words(text):
    """Each of these ends the sending to an address until a person looks."""
    assert is_address_gone("", text)


@pytest.mark.parametrize("text", NOT_GONE)
def test_what_may_be_over_tomorrow_is_no_reason_to_stop(text):
    """A full mailbox, a policy, a name server, a sender: each says nothing of the address itself."""
    assert not is_address_gone("", text)


@pytest.mark.parametrize(
    ("status", "text", "gone"),
    [
        ("5.1.1", "", True),
        ("5.7.1", "550 5.1.1 no such user", False),
        ("5.0.0", "550 no such user", True),
        ("5.0.0", "550 refused", False),
        ("4.1.1", "no such user", False),
    ],
)
def test_a_status_that_says_something_wins_over_the_words(status, text, gone):
    """Only a status that says nothing leaves it to the words."""
    assert is_address_gone(status, text) is gone


def test_a_status_is_told_from_an_address_and_a_number():
    """IP addresses and version numbers are none."""
    texts = [
        "192.0.2.5.1.1",
        "5.1.1.7 relay",
        "v15.1.1",
        "v5.1.1",
        "(#5.1.1)",
        "550-5.1.1 x",
        "5.1.1; x",
        "2.0.0 ok 5.1.1",
    ]
    assert [status_in(text) for text in texts] == ["", "", "", "", "5.1.1", "5.1.1", "5.1.1", "2.0.0"]


def test_a_long_text_is_looked_at_so_far_and_no_further():
    """Words beyond the bound say nothing, so a text of any length costs the same."""
    assert not is_address_gone("", "x " * MAX_LOOKED_AT + "no such user")
    assert is_address_gone("", "no such user " + "x " * 10**6)
