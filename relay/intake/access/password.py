"""A password's hash: how it is written, made and compared. The password itself is kept nowhere.

A hash is written `scrypt$n$r$p$salt$digest`: the three cost numbers, then salt and digest in base 64. The
cost of a new one is what OWASP asks for at least; that of one that is read is bounded on both sides, so
that nobody's file makes us take memory or time without end, nor holds what can be guessed.

Guarantees: comparing takes the same time whether much or nothing is alike; neither a password nor a hash
stands in a repr or in an error. Source: RFC 7914; OWASP, Password Storage Cheat Sheet; RFC 8265 section 4.2
(which passwords are one and the same).
"""

import base64
import binascii
import hashlib
import hmac
import re
import unicodedata
from dataclasses import dataclass, field
from typing import NamedTuple

MAX_PASSWORD = 1_000  # octets; the bound is for what strangers send, no person types so many
SALT_OCTETS = 16
DIGEST_OCTETS = 32
MIN_N, MAX_N = 2**10, 2**17  # below, a guess costs next to nothing
MAX_MEMORY = 128 * 1024**2  # octets for one comparison: 128 * n * r
MAX_WORK = 2**21  # n * r * p: 3 times what a hash of ours costs, about a second

_FORM = re.compile(
    r"scrypt\$([0-9]{1,7})\$([0-9]{1,2})\$([0-9]{1,2})\$([A-Za-z0-9+/=]{4,88})\$([A-Za-z0-9+/=]{44})"
)
_SLACK = 1024**2  # octets that OpenSSL counts beside the table itself


class Cost(NamedTuple):
    """What one comparison costs: 128 * n * r octets, and time in proportion to n * r * p."""

    n: int
    r: int
    p: int

    @property
    def is_sane(self) -> bool:
        """Whether it is worth having and can be afforded."""
        n, r, p = self
        affordable = 128 * n * r <= MAX_MEMORY and n * r * p <= MAX_WORK
        return MIN_N <= n <= MAX_N and n & (n - 1) == 0 and r >= 1 and p >= 1 and affordable


COST = Cost(n=2**15, r=8, p=3)  # 32 MiB and 0.1 to 0.2 s


@dataclass(frozen=True, slots=True, kw_only=True)
class PasswordHash:
    """What can be compared with a password."""

    cost: Cost
    salt: bytes = field(repr=False)
    digest: bytes = field(repr=False)

    def __str__(self) -> str:
        n, r, p = self.cost
        salt, digest = (base64.b64encode(each).decode("ascii") for each in (self.salt, self.digest))
        return f"scrypt${n}${r}${p}${salt}${digest}"

    def fits(self, password: bytes) -> bool:
        """Whether this is the password's hash; slow on purpose, and without the interpreter's lock."""
        return hmac.compare_digest(_digest(password, self.salt, self.cost), self.digest)


def prepared(password: str) -> bytes:
    r"""The octets of a password, the same however its characters were typed.

    Raises:
        ValueError: it is empty, too long, or holds a control character or what is no character.

    >>> prepared("カ\u3099ス") == prepared("ガス"), prepared("two\u3000words")
    (True, b'two words')
    """
    spaced = "".join(
        " " if unicodedata.category(char) == "Zs" else char for char in password[: MAX_PASSWORD + 1]
    )
    if any(unicodedata.category(char) in {"Cc", "Cs", "Zl", "Zp"} for char in spaced):
        raise ValueError("holds a control character")
    octets = unicodedata.normalize("NFC", spaced).encode()
    if not 0 < len(octets) <= MAX_PASSWORD:
        raise ValueError(f"must have 1 to {MAX_PASSWORD} octets")
    return octets


def hashed(password: bytes, *, salt: bytes, cost: Cost = COST) -> PasswordHash:
    """The hash of a password that `prepared` made.

    Args:
        password: its octets.
        salt: `SALT_OCTETS` random octets, used for nothing else.
        cost: what comparing with it will cost.
    """
    return PasswordHash(cost=cost, salt=salt, digest=_digest(password, salt, cost))


def parse_hash(text: str) -> PasswordHash:
    """The hash as it was written.

    Raises:
        ValueError: it is none, or its cost is beyond the bounds. The text is not repeated.
    """
    found = _FORM.fullmatch(text)
    if found is None:
        raise ValueError("is no password's hash")
    cost = Cost(*(int(number) for number in found.groups()[:3]))
    if not cost.is_sane:
        raise ValueError("is a hash that costs too much or too little to compare")
    try:
        salt, digest = (base64.b64decode(part, validate=True) for part in found.groups()[3:])
    except binascii.Error:
        raise ValueError("is no password's hash") from None
    if len(digest) != DIGEST_OCTETS:
        raise ValueError("is no password's hash")
    return PasswordHash(cost=cost, salt=salt, digest=digest)


def _digest(password: bytes, salt: bytes, cost: Cost) -> bytes:
    n, r, p = cost
    room = 128 * r * (n + p) + _SLACK
    return hashlib.scrypt(password, salt=salt, n=n, r=r, p=p, maxmem=room, dklen=DIGEST_OCTETS)
