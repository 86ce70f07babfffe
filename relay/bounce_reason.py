"""Whether a refusal says that the address is gone for good: the reason to stop sending to it.

A gone address is suppressed: later mails to it wait for a person. So the words must be certain. A full
mailbox, a blocked sender, a content that somebody dislikes, a name server in trouble are none of that:
tomorrow they may be over, and the address is as good as before.

Guarantees: pure; linear in the text, of which the first `MAX_LOOKED_AT` characters count.
Source: RFC 3463 sections 3.2 and 3.3, RFC 7505 (5.1.10); the words are those that servers use, ours.
"""

import re

MAX_LOOKED_AT = 2_000  # characters of a reply or a diagnostic: servers explain themselves in a few lines
SAYS_GONE = "the address does not exist"  # in place of a text's own words, which may be anybody's

# No mailbox of this name, bad syntax, moved without a new address, a domain that takes no mail, a mailbox
# that was disabled. Not 5.1.2, a domain that cannot be found: a name server in trouble says so too.
_GONE = frozenset({"5.1.1", "5.1.3", "5.1.6", "5.1.10", "5.2.1"})
_VAGUE = frozenset({"", "5.0.0", "5.1.0", "5.2.0", "5.3.0", "5.5.0"})  # these say nothing: the words decide
_STATUS = re.compile(r"(?<![0-9.vV])([245]\.[0-9]{1,3}\.[0-9]{1,3})(?!\.?[0-9])")
_TEMPORARY = re.compile(r"(?:[a-z ]{0,40}was answered )?4[0-9][0-9][ -]")
_WHO = r"(?:user|recipient|mailbox|account|address|local ?part|e-?mail(?: address| account)?)"
_NAME = r"(?: that you tried to reach| [^ ]{1,254})?"
_WORDS = re.compile(
    "|".join(
        (
            rf"unknown {_WHO}|{_WHO} (?:is )?unknown",
            rf"no such (?:local |virtual |mail )?{_WHO}|no mailbox here|no {_WHO} (?:here )?by that name",
            rf"{_WHO}{_NAME} (?:was |could )?not (?:be )?found",
            rf"{_WHO}{_NAME} (?:does not|doesn't|do not) exist",
            rf"user{_NAME} (?:does not|doesn't) have an? [^ ]{{1,254}} account",
            rf"not a (?:valid|known) {_WHO}",
            rf"{_WHO}{_NAME} (?:is|was|has been) (?:disabled|closed|deleted)",
            r"(?:宛先|あて先|受信者|ユーザー?|アドレス|アカウント)[^。、]{0,20}(?:見つかりません|存在しません|存在しない)",
        )
    )
)
_ABOUT_OTHERS = re.compile(r"sender|from address|recipient domain")  # "sender address rejected: user unknown"


def status_in(text: str) -> str:
    """The first enhanced status code of a text; "" without one.

    >>> status_in("550 5.1.1 <a@example.jp>: unknown"), status_in("550 from 192.0.2.7"), status_in("(#5.1.1)")
    ('5.1.1', '', '5.1.1')
    """
    found = _STATUS.search(text[:MAX_LOOKED_AT])
    return found[1] if found else ""


def is_address_gone(status: str, text: str) -> bool:
    """Whether an answer to RCPT, or a report that came back later, says that the address is gone for good.

    Args:
        status: an enhanced status code; "" when only the text may hold one.
        text: the words: a whole SMTP reply, or a diagnostic.

    >>> is_address_gone("", "550 5.1.1 unknown user"), is_address_gone("5.2.2", "mailbox full")
    (True, False)
    >>> is_address_gone("5.0.0", "550 no such user"), is_address_gone("", "550 Sender rejected: unknown user")
    (True, False)
    >>> is_address_gone("", SAYS_GONE)
    True
    """
    status = status or status_in(text)
    if status not in _VAGUE:
        return status in _GONE
    words = " ".join(text[:MAX_LOOKED_AT].lower().split())
    if _TEMPORARY.match(words) or _ABOUT_OTHERS.search(words):
        return False
    return _WORDS.search(words) is not None
