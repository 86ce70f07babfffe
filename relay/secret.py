"""Passwords: values that show themselves to nobody who does not ask, and where they are read from.

Guarantees: a `Secret` has one way to its text, `reveal`, which is called where the text goes out and nowhere
else; printed, logged, compared or put in an error it shows nothing. A file with a password is read only
where other users of the machine cannot read it.

Diagnostics: `BadInput` when a password is missing, empty or not one line, or its file is open to others; the
text of the problem never holds any of it. Source: ours.
"""

import hmac
from collections.abc import Mapping
from pathlib import Path

from relay.errors import BadInput, Problem
from relay.source import read_source

MAX_SECRET = 4096  # octets: tokens of some providers have 2,000


class Secret:
    """A text that must not be seen.

    >>> print(Secret(b"swordfish"), [Secret(b"swordfish")])
    *** [Secret(***)]
    """

    __slots__ = ("_octets",)

    def __init__(self, octets: bytes) -> None:
        self._octets = octets

    def reveal(self) -> bytes:
        """The text itself, for the one who hands it in."""
        return self._octets

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and hmac.compare_digest(self._octets, other._octets)

    def __hash__(self) -> int:
        return hash(self._octets)

    def __str__(self) -> str:
        return "***"

    def __repr__(self) -> str:
        return "Secret(***)"

    def __reduce__(self) -> str:
        raise TypeError("a secret is not written out")


def secret_in_file(path: Path) -> Secret:
    """The one line of a private file; raises BadInput."""
    octets = read_source(path, limit=MAX_SECRET, private=True)
    octets = octets.removesuffix(b"\n").removesuffix(b"\r")
    if fault := _fault(octets):
        raise BadInput((Problem(file=str(path), message=fault),))
    return Secret(octets)


def secret_in_environment(name: str, environment: Mapping[str, str]) -> Secret:
    """What this variable holds; raises BadInput."""
    text = environment.get(name)
    fault = "is not set" if text is None else _fault(octets := text.encode("utf-8", "surrogateescape"))
    if fault:
        raise BadInput((Problem(path=f"environment variable {name}", message=fault),))
    return Secret(octets)


def _fault(octets: bytes) -> str:
    """What keeps this from being a password; empty when nothing does."""
    if not octets:
        return "holds no password"
    if len(octets) > MAX_SECRET:
        return f"is longer than {MAX_SECRET} octets"
    if any(octet < 0x20 or octet == 0x7F for octet in octets):
        return "must be one line, without tabs or other controls"
    return ""
