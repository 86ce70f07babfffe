"""What became of one attempt, as a value; and what each reply of a next hop means for the mail.

`Delivered`, `Deferred` and `Bounced` are the only ends of an attempt. A mail bounces only when the peer
refuses this mail for good, in answer to MAIL, RCPT, DATA or the content. Everything else defers: refusals
of the whole connection, replies about the session and not the mail, replies that make no sense, and
silence. A seller would rather have an order late than not at all. The table is in docs/delivery.md. Source:
RFC 5321 sections 4.2 and 4.3.2; the cautious cases are ours.
"""

import re
from dataclasses import dataclass, field
from enum import StrEnum

from relay.bounce_reason import is_address_gone

MAX_TEXT = 500  # characters of a peer's words that the journal keeps: several lines of explanation, no more


class Verb(StrEnum):
    """What the reply answers."""

    GREETING = "greeting"
    MAIL = "MAIL"
    RCPT = "RCPT"
    DATA = "DATA"
    CONTENT = "end of data"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """One reply: its code and its text in one printable line, safe for journal and screen."""

    code: int
    text: str = ""

    def __str__(self) -> str:
        return f"{self.code} {self.text}".rstrip()


@dataclass(frozen=True, slots=True)
class Delivered:
    """The next hop has taken the mail into its care."""

    reply: str


@dataclass(frozen=True, slots=True)
class Deferred:
    """Not now; to be tried again by the schedule."""

    reason: str
    is_crowded: bool = field(default=False, repr=False)  # the peer gets too much: fewer at once, and slower


@dataclass(frozen=True, slots=True)
class Bounced:
    """Never; somebody has to be told."""

    reason: str
    is_address_gone: bool = field(default=False, repr=False)  # later mails to it had better wait for a person


Outcome = Delivered | Deferred | Bounced


@dataclass(frozen=True, slots=True)
class Unsent:
    """Not an end: a kept connection had gone before the peer said anything of this mail. Try on a new one."""

    reason: str


# 5xx codes that speak of the session and not of the mail: we were not understood (500, 502, 503, 504), or a
# login or encryption is wanted first (RFC 4954, RFC 3207). A person can mend that while the mail waits.
SESSION_CODES = frozenset({500, 502, 503, 504, 530, 534, 535, 538})
START_CONTENT = 354
CLOSING = 421
# What servers say who want fewer connections or slower mail: the enhanced codes of RFC 3463 and RFC 7505's
# registry for it (system not accepting, congestion, Google's 4.7.28), else their words. Greylisting (450
# "try again in 5 minutes") is not among them, nor is a full mailbox.
_CROWDED = re.compile(
    r"\b4\.(?:3\.2|4\.5|7\.28)\b|too many (?!recipient|hop|error|bad)|too (?:fast|much (?:mail|traffic))"
    r"|rate.{0,12}(?:limit|exceed)|throttl|slow(?:ing)? (?:it )?down|concurren|connection limit|flood",
    re.IGNORECASE,
)


def printable(text: str | bytes) -> str:
    r"""A peer's words as one line of at most MAX_TEXT printable characters.

    >>> printable(b"5.1.1 no such\r\nuser\x1b[2J \x82\xa0")
    '5.1.1 no such user?[2J ??'
    """
    if isinstance(text, bytes):
        text = text.decode("utf-8", "replace").replace("\ufffd", "?")
    if not text.isprintable():
        text = " ".join(text.split())
        text = "".join(char if char.isprintable() else "?" for char in text)
    return text[:MAX_TEXT]


def verdict(verb: Verb, reply: Reply) -> Outcome | None:
    """What the reply means for the mail; None when it says: go on.

    >>> verdict(Verb.RCPT, Reply(code=550, text="5.1.1 unknown"))
    Bounced(reason='RCPT was answered 550 5.1.1 unknown')
    >>> verdict(Verb.GREETING, Reply(code=550, text="go away"))
    Deferred(reason='greeting was answered 550 go away')
    """
    if is_expected(verb, reply):
        return Delivered(str(reply)) if verb is Verb.CONTENT else None
    reason = f"{verb} was answered {reply}"
    if _is_final(verb, reply):
        return Bounced(reason, verb is Verb.RCPT and is_address_gone("", str(reply)))
    return Deferred(reason, is_crowded(reply))


def is_crowded(reply: Reply) -> bool:
    """Whether the reply asks for fewer connections or slower mail.

    >>> is_crowded(Reply(code=450, text="4.7.1 rate limit exceeded"))
    True
    >>> is_crowded(Reply(code=450, text="4.7.1 greylisted, come back in 5 minutes"))
    False
    """
    return reply.code == CLOSING or (400 <= reply.code < 500 and _CROWDED.search(reply.text) is not None)


def is_expected(verb: Verb, reply: Reply) -> bool:
    """Whether the reply is the one that lets the transaction go on (for the content: that ends it well)."""
    return reply.code == START_CONTENT if verb is Verb.DATA else 200 <= reply.code < 300


def is_sensible(reply: Reply) -> bool:
    """Whether a reply that was not expected is at least a refusal; if not, we and the peer have lost step."""
    return 400 <= reply.code < 600


def _is_final(verb: Verb, reply: Reply) -> bool:
    if verb is Verb.GREETING or not 500 <= reply.code < 600 or reply.code in SESSION_CODES:
        return False
    # RFC 5321 section 4.5.3.1.10: 552 at RCPT is an old spelling of 452.
    return not (verb is Verb.RCPT and reply.code == 552)
