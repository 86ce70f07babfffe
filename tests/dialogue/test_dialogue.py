r"""Plays each file of cases/ against a real listener over a socket, on both event loops.

A file begins with `# what it proves`. `C:` is sent as a line (CR LF added), `C+:` as it stands, `C*20:`
twenty times; lines of C that follow each other go out in one packet. `S:` is the exact line that must come,
and `S*20:` twenty of them. `<END>`: the sender closes its direction; `<TLS>`: client and server agree on TLS;
`<PACKET>`: what follows is another packet.
`M:` rows are the mails that the door must have taken, all of them, in order, each perhaps with `(user)` in
front. Escapes: \r \n \0, {x*998} for repetition, {base64:text} for text in base64.

`! name value` sets a limit. `! connect 421 text` is the door's greeting, `! hesitates` lets it think a while
before it greets and before it takes content, `! tls` gives the server a certificate, `! users` makes it offer
AUTH, `! encrypted` plays on the port that begins with TLS. `! whole` says that the packets of the file are
its point, so that it is not played octet by octet.
"""

import asyncio
import base64
import re
import ssl
from datetime import timedelta
from pathlib import Path

import pytest
import uvloop

from relay.intake.session import reply
from relay.intake.session.door import ListenerSettings, Reply
from relay.intake.session.listener import Listener
from tests.support.certificate import Authority
from tests.support.door import RecordingDoor, TakenMail

CASES = sorted((Path(__file__).parent / "cases").glob("*.txt"))
STEP = re.compile(r"([CSM])(\+|\*\d+)?: ?(.*)")
MAIL = re.compile(r'(?:\((.*?)\) )?<(\S*)> ((?:[^ "]|"[^"]*")+) ?(.*)', re.DOTALL)
END, TLS, PACKET = "<END>", "<TLS>", "<PACKET>"
UNHEARD = {  # said in tests/unit/intake/test_listener.py, where more than one client is needed, or a bug
    "STOPPING",
    "OUT_OF_MEMORY",
    "SESSION_FAILED",
}
PATIENCE = 10.0  # seconds that a reply may take on a busy machine


def octets(text):
    text = re.sub(r"\{(.)\*(\d+)\}", lambda match: match[1] * int(match[2]), text)
    text = text.replace(r"\r", "\r").replace(r"\n", "\n").replace(r"\0", "\0")
    text = re.sub(
        r"\{base64:(.*?)\}", lambda match: base64.b64encode(match[1].encode()).decode(), text, flags=re.DOTALL
    )
    return text.encode()


def steps(lines):
    """Yields (letter, octets, or END, TLS or PACKET), repetitions written out."""
    for line in lines:
        if not line.startswith(("#", "!")):
            letter, how, text = STEP.fullmatch(line).groups()
            end = b"" if how == "+" or letter == "M" else b"\r\n"
            times = int(how[1:]) if how and how.startswith("*") else 1
            yield from [(letter, text if text in {END, TLS, PACKET} else octets(text) + end)] * times


def prepared(lines, context):
    """The listener that a file asks for, and its door."""
    settings, door, more = {"max_message": 2000, "max_recipients": 2, "max_header": 2000}, RecordingDoor(), {}
    for line in lines:
        match line.split(" ", 2):
            case ["!", "connect", reply]:
                door.greeting = Reply(code=int(reply[:3]), text=reply[4:])
            case ["!", "hesitates"]:
                door.hesitation = 50
            case ["!", "tls"]:
                more["tls"] = lambda: context
            case ["!", "users"]:
                more["offers_login"] = True
            case ["!", "encrypted"]:
                settings["listen_tls"] = ("127.0.0.1", 0)
            case ["!", "timeout", seconds]:
                settings["timeout"] = timedelta(seconds=float(seconds))
            case ["!", name, value]:
                settings[name] = int(value) if value.isdigit() else value
    return Listener(door, ListenerSettings(**settings), hostname="relay.example.jp", **more), door


def taken(step):
    user, mail_from, rcpt_tos, content = MAIL.fullmatch(step.decode()).groups()
    mail = TakenMail(mail_from=mail_from, rcpt_tos=tuple(rcpt_tos.split(",")), content=content.encode())
    return user or "", mail


async def play(lines, authority, trusting, *, drip=False):
    listener, door = prepared(lines, authority)
    await listener.start()
    script = list(steps(lines))
    more = {"ssl": trusting, "server_hostname": "127.0.0.1"} if listener.tls_address else {}
    async with asyncio.timeout(PATIENCE):
        reader, writer = await asyncio.open_connection(*(listener.tls_address or listener.address), **more)
    try:
        async with asyncio.timeout(PATIENCE):
            await converse(script, reader, writer, trusting, drip=drip)
    finally:
        writer.close()
        async with asyncio.timeout(PATIENCE):
            await listener.stop(grace=5)
    users = [session.user for session in door.sessions]
    assert list(zip(users, door.mails, strict=True)) == [
        taken(step) for letter, step in script if letter == "M"
    ]
    assert listener.octets_in_memory == 0
    assert len(door.gone) == door.welcomed


def cut(packet, size):
    return [packet[place : place + size] for place in range(0, len(packet), size or 1)]


async def converse(script, reader, writer, trusting, *, drip):
    packet = b""
    for number, (letter, step) in enumerate(script):
        if letter == "C" and isinstance(step, bytes):
            packet += step
            continue
        for piece in cut(packet, 1 if drip else len(packet)):
            writer.write(piece)
            await asyncio.sleep(0)
        packet = b""
        if step == TLS:
            await writer.start_tls(trusting, server_hostname="127.0.0.1")
        elif step == PACKET:
            for _ in range(5):
                await asyncio.sleep(0)
        elif letter == "C":
            writer.write_eof()
        elif letter == "S":
            came = await (reader.read() if step == END else reader.readline())
            assert came == (b"" if step == END else step), f"step {number + 1}"


@pytest.fixture(scope="module")
def contexts(tmp_path_factory):
    """How the server speaks TLS, and how the client does that trusts it."""
    authority = Authority()
    trusting = ssl.create_default_context(cafile=authority.ca_file(tmp_path_factory.mktemp("authority")))
    return authority.server_context("127.0.0.1"), trusting


def lines_of(case):
    return case.read_text(encoding="utf-8").rstrip("\n").split("\n")


@pytest.mark.parametrize("loop", [asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.stem)
def test_dialogue(case, loop, contexts):
    """The server says exactly what the file says, and the door takes exactly the mails that it names."""
    lines = lines_of(case)
    assert lines[0].startswith("# ")
    with asyncio.Runner(loop_factory=loop) as runner:
        runner.run(play(lines, *contexts))


@pytest.mark.parametrize(
    "case",
    [case for case in CASES if not re.search(r"^! whole|\*\d", case.read_text(), re.MULTILINE)],
    ids=lambda case: case.stem,
)
def test_dialogue_octet_by_octet(case, contexts):
    """However the network cuts a client's octets, the conversation is the same."""
    asyncio.run(play(lines_of(case), *contexts, drip=True))


def test_every_reply_is_heard_in_a_dialogue():
    """Each reply that the server has is said in some file: none is dead, and none is unproved."""
    lines = [STEP.fullmatch(line) for case in CASES for line in lines_of(case)]
    heard = {line[3] for line in lines if line and line[1] == "S"}
    fixed = {name: each for name, each in vars(reply).items() if isinstance(each, Reply)}
    fixed |= {
        "line_too_long": reply.line_too_long(998),
        "header_too_big": reply.header_too_big(40),
        "message_too_big": reply.message_too_big(2000),
    }
    assert {name for name, each in fixed.items() if f"{each.code} {each.text}" not in heard} <= UNHEARD


def test_every_reply_has_an_enhanced_status_code():
    """Behind the code stands the status of its class (RFC 2034 3), except behind a 3xx."""
    for each in vars(reply).values():
        if isinstance(each, Reply) and each.code // 100 != 3:
            assert re.match(rf"{each.code // 100}\.[0-7]\.\d{{1,2}} \S", each.text), each
