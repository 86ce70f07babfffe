"""What client and server say to each other after AUTH, up to a name and a secret: PLAIN and LOGIN, pure.

Guarantees: a secret is in `Credentials` and nowhere else, and does not show when they are printed; what is
no base64, no UTF-8 or has control characters gets a refusal, never a guess.

Diagnostics: what is wrong is the `Reply` to give. Source: RFC 4954 4, RFC 4616 (PLAIN),
draft-murchison-sasl-login-00 (LOGIN; its prompts as every client knows them).
"""

import binascii
import re
from dataclasses import dataclass, field
from typing import Final

from relay.intake.session import reply
from relay.intake.session.door import Reply

MECHANISMS: Final = ("PLAIN", "LOGIN")

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_ASK_PLAIN = Reply(code=334, text="")
_ASK_NAME = Reply(code=334, text="VXNlcm5hbWU6")  # "Username:"
_ASK_SECRET = Reply(code=334, text="UGFzc3dvcmQ6")  # "Password:"


@dataclass(frozen=True, slots=True, kw_only=True)
class Challenge:
    """What the server says next, and what it knows by now."""

    ask: Reply
    name: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """Who somebody claims to be, and the proof."""

    name: str
    secret: str = field(repr=False)


Step = Challenge | Credentials | Reply  # a Reply ends it


def begin(argument: str) -> Step:
    """The first step.

    Args:
        argument: what stands behind AUTH: a mechanism and perhaps a first answer; "=" is an empty one.

    >>> begin("PLAIN AHVzZXIAc2VjcmV0")
    Credentials(name='user')
    >>> begin("CRAM-MD5").code
    504
    """
    mechanism, _, first = argument.partition(" ")
    if mechanism.upper() not in MECHANISMS:
        return reply.UNKNOWN_MECHANISM if mechanism else reply.NO_MECHANISM
    challenge = Challenge(ask=_ASK_PLAIN if mechanism.upper() == "PLAIN" else _ASK_NAME)
    return go_on(challenge, first.lstrip(" ").encode()) if first else challenge


def go_on(challenge: Challenge, answer: bytes) -> Step:
    """The next step, after the client's answer without its line end."""
    if answer == b"*":
        return reply.LOGIN_CANCELLED
    text = _text(b"" if answer == b"=" else answer)
    if isinstance(text, Reply):
        return text
    if challenge.ask is _ASK_PLAIN:
        return _plain(text)
    if not text or _CONTROL.search(text):
        return reply.BAD_LOGIN
    if challenge.ask is _ASK_NAME:
        return Challenge(ask=_ASK_SECRET, name=text)
    return Credentials(name=challenge.name, secret=text)


def _text(answer: bytes) -> str | Reply:
    try:
        return binascii.a2b_base64(answer, strict_mode=True).decode("utf-8")
    except binascii.Error:
        return reply.NOT_BASE64
    except UnicodeDecodeError:
        return reply.BAD_LOGIN


def _plain(text: str) -> Credentials | Reply:
    parts = text.split("\0")
    if len(parts) != 3 or not parts[1] or not parts[2] or any(_CONTROL.search(part) for part in parts):
        return reply.BAD_LOGIN
    acting_for, name, secret = parts
    if acting_for not in {"", name}:
        return reply.NOT_FOR_ANOTHER
    return Credentials(name=name, secret=secret)
