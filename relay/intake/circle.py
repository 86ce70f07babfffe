"""Mails that go round in circles: how often one was passed on, and whether it is one of ours that came back.

A mail of ours bears three marks: its Message-ID (`decoding` looks at that one), its envelope sender, and the
Return-Path that the last server made of it. No mark is added for this alone: partners parse what we send, and
a list that rewrites Message-ID and sender would drop a mark as well.

Source: RFC 5321 section 6.3 (counting Received) and 4.4 (Return-Path); the rest is ours.
"""

import re

LOOKED_AT = 256 * 1024  # octets; a header of 1,000 Received rows

_RETURN_PATH = re.compile(r"^return-path:[ \t]*<?([^<>\s]{1,320})>?", re.MULTILINE)


def header_section(content: bytes) -> str:
    """The header of a mail in lower case, rows ending in a newline, of at most `LOOKED_AT` octets.

    Octets that are no ASCII become U+FFFD.
    """
    end = content.find(b"\r\n\r\n", 0, LOOKED_AT)
    head = content[: LOOKED_AT if end < 0 else end + 2]
    return head.decode("ascii", "replace").lower().replace("\r\n", "\n")


def hops(header: str) -> int:
    r"""How many servers passed the mail on, by its Received rows.

    >>> hops("received: from a\nsubject: received:\nreceived: from b\n")
    2
    """
    return header.count("\nreceived:") + header.startswith("received:")


def return_paths(header: str) -> list[str]:
    r"""The addresses of a mail's Return-Path rows, in lower case.

    >>> return_paths("return-path: <bounce@example.jp>\nsubject: x\n")
    ['bounce@example.jp']
    """
    return _RETURN_PATH.findall(header) if "return-path" in header else []
