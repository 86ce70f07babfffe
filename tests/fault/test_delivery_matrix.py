"""Every fault of a partner at every verb: what becomes of the mail, and that nobody else waits for it.

One engine has ten next hops: nine whose servers misbehave, each at another verb and always in the same way,
and a good one. The table says what becomes of each mail: D delivered, d deferred, B bounced.
"""

import asyncio
import contextlib

import pytest

from tests.support.delivering import bench, settings
from tests.support.partner import (
    Close,
    Drip,
    Flood,
    HalfClose,
    Hang,
    Reset,
    Say,
    Slowly,
    Twice,
    partner,
)

VERBS = ("connect", "EHLO", "STARTTLS", "MAIL", "RCPT", "DATA", ".", "RSET", "QUIT")
STATES = {"D": "delivered", "d": "queued", "B": "bounced"}
LATER, NEVER = b"451 4.3.0 later\r\n", b"550 5.7.1 no\r\n"

# STARTTLS is not demanded, so a partner that fails at it gets its mail in clear. EHLO that is refused for
# good is followed by HELO. RSET comes after another mail was refused, QUIT when all is said: they cost none.
TABLE = {
    #                     fault                             connect EHLO STARTTLS MAIL RCPT DATA . RSET QUIT
    "4xx": (Say(LATER), "d d D d d d d D D"),
    "5xx": (Say(NEVER), "d D D B B B B D D"),
    "4xx, then closed": (Close(LATER), "d d D d d d d D D"),
    "5xx, then closed": (Close(NEVER), "d d D B B B B D D"),
    "421, then closed": (Close(b"421 4.3.2 bye\r\n"), "d d D d d d d D D"),
    "silence": (Hang(), "d d D d d d d D D"),
    "closed": (Close(), "d d D d d d d D D"),
    "reset": (Reset(), "d d D d d d d D D"),
    "half closed": (HalfClose(), "d d D d d d d D D"),
    "another protocol": (Say(b"HTTP/1.1 400 Bad Request\r\n"), "d d D d d d d D D"),
    "not text": (Say(bytes(range(128, 160)) + b"\r\n"), "d d D d d d d D D"),
    "a code that is none": (Say(b"999 what\r\n"), "d D D d d d d D D"),
    "an endless line": (Flood(b"250 " + b"x" * 4096), "d d D d d d d D D"),
    "endless lines": (Flood(b"250-x\r\n" * 50), "d d D d d d d D D"),
    "never to its end": (Drip(b"250-x\r\n" * 90, 0.01), "d d D d d d d D D"),
    "one byte at a time": (Slowly(0.0), "D D D D D D D D D"),
    "twice": (Twice(), "d D D d d d D D D"),
}


def faulty(verb, fault):
    """Faults of the partner for that verb's column."""

    def at(heard, count):
        if verb == "RSET" and (heard, count) == ("RCPT", 0):
            return Say(NEVER)
        return fault if heard == verb else None

    return at


async def play(tmp_path, fault, keywords):
    """What became of the mail at each column's partner, and in which order the good one's came."""
    async with contextlib.AsyncExitStack() as stack:
        routes, servers = {}, []
        for number, verb in enumerate(VERBS):
            more = ("STARTTLS",) if verb == "STARTTLS" else ()
            server = await stack.enter_async_context(
                partner(faulty(verb, fault), keywords=(*keywords, *more))
            )
            servers.append(server)
            routes[f"p{number}.example.jp"] = server.address
        good = await stack.enter_async_context(partner())
        chosen = settings(routes | {"good.example.jp": good.address}, connections=1, mails_per_connection=1)
        relay = await stack.enter_async_context(bench(tmp_path, chosen))
        await relay.offer(f"first@p{VERBS.index('RSET')}.example.jp")
        await relay.offer(*(f"o@p{number}.example.jp" for number in range(len(VERBS))), "o@good.example.jp")
        await good.took(1)
        still_out = relay.engine.in_memory
        await relay.settled(len(VERBS) + 2)
        states = {to: state for to, state, _ in await relay.states()}
        row = [states[f"o@p{number}.example.jp"] for number in range(len(VERBS))]
        return row, still_out, [len(server.taken) for server in servers]


@pytest.mark.parametrize("keywords", [("PIPELINING",), ()], ids=["pipelining", "in turn"])
@pytest.mark.parametrize("name", TABLE)
def test_a_fault_at_any_verb_costs_at_most_its_own_mail(tmp_path, name, keywords):
    """The table's row; a delivered mail was taken once, and the good partner did not wait for anybody."""
    fault, expected = TABLE[name]
    row, still_out, taken = asyncio.run(play(tmp_path, fault, keywords))
    assert dict(zip(VERBS, row, strict=True)) == {
        verb: STATES[letter] for verb, letter in zip(VERBS, expected.split(), strict=True)
    }
    once = [1 if state == "delivered" else 0 for state in row]
    assert taken == once
    if isinstance(fault, Hang | Drip | HalfClose):
        assert still_out >= 1  # the good one had its mail while others still waited for an answer


def test_one_refused_recipient_of_many_costs_nobody_else_theirs(tmp_path):
    """Ten mails go over one connection, one recipient is refused: nine are delivered, and the one bounces."""

    def refused(verb, count):
        return Say(b"550 5.1.1 no such user\r\n") if (verb, count) == ("RCPT", 4) else None

    async def story():
        async with partner(refused) as server:
            chosen = settings({"partner.example.jp": server.address}, connections=1)
            async with bench(tmp_path, chosen) as relay:
                await relay.offer(*(f"o{number}@partner.example.jp" for number in range(10)))
                states = [row[1] for row in await relay.settled(10)]
                return states, len(server.taken), server.connections

    assert asyncio.run(story()) == (["delivered"] * 4 + ["bounced"] + ["delivered"] * 5, 9, 1)
