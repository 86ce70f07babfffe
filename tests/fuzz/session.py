"""Fuzz target: what a client says, in packets, to the SMTP server.

Invariant: any octets in any packets give well-formed replies and clean mails only, each of which ended in
CRLF "." CRLF; nobody's secret is said, and nothing is left behind (`tests.support.session.check`).

The first octet chooses: in clear or over TLS, strict or forgiving to bare line ends. The rest is packets with
0x1e between them.
"""

import asyncio
import base64
import re
from collections.abc import Iterator
from itertools import groupby

from tests.fuzz.target import ROOT
from tests.support.session import check, session

BETWEEN = b"\x1e"
PLAYS = ROOT / "tests" / "dialogue" / "cases"
_CODED = re.compile(r"\{base64:(.*?)\}", re.DOTALL)
_REPEATED = re.compile(r"\{(.)\*(\d+)\}")


def run(content: bytes) -> None:
    """Try one session."""
    choice, packets = content[:1], content[1:].split(BETWEEN)
    is_secure, normalises = choice in (b"t", b"T"), choice in (b"N", b"T")
    check(packets, asyncio.run(session(packets, is_secure=is_secure, normalises=normalises)))


def seeds() -> Iterator[bytes]:
    """What the clients of the dialogues say, line by line and each run of lines in one packet."""
    for play in sorted(PLAYS.glob("*.txt")):
        rows = play.read_text(encoding="utf-8").split("\n")
        said = [
            (row[:1] == "C", _octets(row)) for row in rows if row[:1] in {"C", "S"} and "<" not in row[2:5]
        ]
        packets = [
            b"".join(octets for _, octets in run) for is_client, run in groupby(said, _is_client) if is_client
        ]
        for choice in (b"n", b"T") if "users" in play.read_text(encoding="utf-8") else (b"n", b"N"):
            yield choice + BETWEEN.join(packets)


def _is_client(row: tuple[bool, bytes]) -> bool:
    return row[0]


def _octets(row: str) -> bytes:
    how, _, text = row.partition(": ")
    text = _REPEATED.sub(lambda match: match[1] * min(int(match[2]), 1_100), text)
    text = text.replace(r"\r", "\r").replace(r"\n", "\n").replace(r"\0", "\0")
    text = _CODED.sub(lambda match: base64.b64encode(match[1].encode()).decode(), text)
    return text.encode() + (b"" if how == "C+" else b"\r\n")
