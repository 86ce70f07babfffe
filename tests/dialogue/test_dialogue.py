r"""Plays each file of cases/ against a real listener over a socket, on both event loops.

A file begins with `# what it proves`. `C:` is sent as a line (CR LF added), `C+:` as it stands, `C*20:`
twenty times; lines of C that follow each other go out in one packet. `S:` is the exact line that must come,
and `S*20:` twenty of them. `<END>`: the sender closes its direction. `M:` rows are the mails that the door
must have taken, all of them, in order. `! name value` sets a limit or the door's greeting. Escapes: \r \n \0,
and {x*998} for repetition.
"""

import asyncio
import re
from datetime import timedelta
from pathlib import Path

import pytest
import uvloop

from relay.intake.door import ListenerSettings, Reply
from relay.intake.smtp import Listener
from tests.support.door import RecordingDoor, TakenMail

CASES = sorted((Path(__file__).parent / "cases").glob("*.txt"))
STEP = re.compile(r"([CSM])(\+|\*\d+)?: ?(.*)")
MAIL = re.compile(r'<(\S*)> ((?:[^ "]|"[^"]*")+) ?(.*)', re.DOTALL)
PATIENCE = 10.0  # seconds that a reply may take on a busy machine


def octets(text):
    text = re.sub(r"\{(.)\*(\d+)\}", lambda match: match[1] * int(match[2]), text)
    return text.replace(r"\r", "\r").replace(r"\n", "\n").replace(r"\0", "\0").encode()


def steps(lines):
    """Yields (letter, octets or None for <END>), repetitions written out."""
    for line in lines:
        if not line.startswith(("#", "!")):
            letter, how, text = STEP.fullmatch(line).groups()
            end = b"" if how == "+" or letter == "M" else b"\r\n"
            times = int(how[1:]) if how and how.startswith("*") else 1
            yield from [(letter, None if text == "<END>" else octets(text) + end)] * times


def settings_and_door(lines):
    settings, door = {"max_message": 2000, "max_recipients": 2}, RecordingDoor()
    for line in lines:
        match line.split(" ", 2):
            case ["!", "connect", reply]:
                door.greeting = Reply(code=int(reply[:3]), text=reply[4:])
            case ["!", "timeout", seconds]:
                settings["timeout"] = timedelta(seconds=float(seconds))
            case ["!", name, number]:
                settings[name] = int(number)
    return ListenerSettings(**settings), door


def taken(step):
    mail_from, rcpt_tos, content = MAIL.fullmatch(step.decode()).groups()
    return TakenMail(mail_from=mail_from, rcpt_tos=tuple(rcpt_tos.split(",")), content=content.encode())


async def play(lines, *, drip=False):
    settings, door = settings_and_door(lines)
    listener = Listener(door, settings, hostname="relay.example.jp")
    await listener.start()
    script = list(steps(lines))
    reader, writer = await asyncio.open_connection(*listener.address)
    try:
        async with asyncio.timeout(PATIENCE):
            await converse(script, reader, writer, drip=drip)
    finally:
        writer.close()
        await listener.stop(grace=5)
    assert door.mails == [taken(step) for letter, step in script if letter == "M"]
    assert listener.octets_in_memory == 0


def cut(packet, size):
    return [packet[place : place + size] for place in range(0, len(packet), size or 1)]


async def converse(script, reader, writer, *, drip):
    packet = b""
    for number, (letter, step) in enumerate(script):
        if letter == "C" and step is not None:
            packet += step
            continue
        for piece in cut(packet, 1 if drip else len(packet)):
            writer.write(piece)
            await asyncio.sleep(0)
        packet = b""
        if letter == "C":
            writer.write_eof()
        elif letter == "S":
            came = await (reader.readline() if step else reader.read())
            assert came == (step or b""), f"step {number + 1}"


@pytest.mark.parametrize("loop", [asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.stem)
def test_dialogue(case, loop):
    """The server says exactly what the file says, and the door takes exactly the mails that it names."""
    lines = case.read_text(encoding="utf-8").rstrip("\n").split("\n")
    assert lines[0].startswith("# ")
    with asyncio.Runner(loop_factory=loop) as runner:
        runner.run(play(lines))


@pytest.mark.parametrize(
    "case",
    [case for case in CASES if "{" not in case.read_text() and "*" not in case.read_text()],
    ids=lambda case: case.stem,
)
def test_dialogue_octet_by_octet(case):
    """However the network cuts a client's octets, the conversation is the same."""
    lines = case.read_text(encoding="utf-8").rstrip("\n").split("\n")
    asyncio.run(play(lines, drip=True))
