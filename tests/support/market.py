"""A marketplace that sends notifications over several sessions and remembers what it was answered.

What was sent and not answered it sends again later, as any sender does: it cannot know whether it was taken.
"""

import asyncio
import base64
import contextlib
import json
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from itertools import count

INTAKE = "orders@relay.example.jp"
SESSIONS = 4


def pack_no(number: int) -> str:
    """The cart number of the notification of this number."""
    return f"3{number:08}"


def notification(number: int, *, seller: str = "example-shop") -> dict[str, object]:
    """A small pack. Every other one has no event id, so that only its content tells it from others."""
    named = {"event_id": f"e-{number}"} if number % 2 else {}
    return named | {
        "version": 1,
        "type": "order_info",
        "seller_id": seller,
        "occurred_at": "2026-11-21 10:15:00",
        "pack": {
            "pack_no": pack_no(number),
            "ordered_at": "2026-11-21 10:14:51",
            "memos": ["玄関先に置いてください。"],
            "buyer": {"name": "例題 花子"},
            "orders": [{"order_no": f"7{number:09}", "item_name": "綿の長袖Tシャツ", "qty": 1}],
        },
    }


def mail(number: int, *, padding: int = 0) -> bytes:
    """The notification as a mail; `padding` makes it larger by some octets that nobody reads."""
    body = json.dumps(notification(number), ensure_ascii=False).encode() + b" " * padding
    head = (
        f"From: marketplace@example.com\r\nTo: {INTAKE}\r\nSubject: order {number}\r\nMIME-Version: 1.0\r\n"
        "Content-Type: application/json\r\nContent-Transfer-Encoding: base64\r\n\r\n"
    )
    return head.encode() + base64.encodebytes(body).replace(b"\n", b"\r\n")


class Lost(Exception):
    """The connection has gone, or is being closed."""


class Client:
    """One SMTP session."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def replies(self, number: int = 1) -> list[str]:
        """The next replies, each its last line; Lost when the connection ends or is being closed."""
        found: list[str] = []
        try:
            while len(found) < number:
                line = (await self._reader.readuntil(b"\r\n")).decode("utf-8").rstrip()
                if line[3:4] != "-":
                    found.append(line)
                if line.startswith("421"):
                    raise Lost(line)
        except (OSError, asyncio.IncompleteReadError) as error:
            raise Lost(str(error)) from error
        return found

    def write(self, words: bytes) -> None:
        """Send this, and wait for nothing."""
        self._writer.write(words)

    async def say(self, words: bytes, number: int = 1) -> list[str]:
        """Send this, and give so many replies."""
        self._writer.write(words)
        return await self.replies(number)

    async def send(self, content: bytes) -> str:
        """One mail; gives the last word on it. The content holds no line that begins with a dot."""
        envelope = f"MAIL FROM:<marketplace@example.com>\r\nRCPT TO:<{INTAKE}>\r\nDATA\r\n".encode()
        answers = await self.say(envelope, 3)
        if answers[2].startswith("354"):
            answers = await self.say(content + b".\r\n")
        return next((each for each in answers if each[0] in "45"), answers[-1])


@contextlib.asynccontextmanager
async def connected(address: tuple[str, int]) -> AsyncIterator[Client]:
    """A session that has said EHLO; Lost when none comes about."""
    try:
        reader, writer = await asyncio.open_connection(*address)
    except OSError as error:
        raise Lost(str(error)) from error
    try:
        client = Client(reader, writer)
        await client.replies()
        await client.say(b"EHLO market.example.com\r\n")
        yield client
    finally:
        writer.transport.abort()


class Market:
    """Who sends, and what it knows."""

    def __init__(self, tell: Callable[[str], None] | None = None) -> None:
        """`tell` hears "answered" at each 250."""
        self.answered: dict[int, str] = {}  # number to reply: from here on the relay answers for it
        self.unsure: set[int] = set()  # sent, and not answered 250
        self.refusals: list[str] = []
        self._tell = tell
        self._new = count()

    def numbers(self) -> Iterator[int]:
        """What was not answered before, then new ones without end."""
        while True:
            yield self.unsure.pop() if self.unsure else next(self._new)

    def some(self, count_: int) -> list[int]:
        """So many new ones."""
        return [next(self._new) for _ in range(count_)]

    async def send(
        self, address: tuple[str, int], numbers: Iterable[int], *, sessions: int = SESSIONS, padding: int = 0
    ) -> None:
        """Send these over several sessions, until they are sent or every session is lost."""
        shared = iter(numbers)
        await asyncio.gather(*(self._session(address, shared, padding) for _ in range(sessions)))

    async def _session(self, address: tuple[str, int], numbers: Iterator[int], padding: int) -> None:
        with contextlib.suppress(Lost):
            async with connected(address) as client:
                for number in numbers:
                    await self._submit(client, number, padding)

    async def _submit(self, client: Client, number: int, padding: int) -> None:
        reply = ""
        try:
            reply = await client.send(mail(number, padding=padding))
        finally:
            if reply.startswith("250"):
                self.answered[number] = reply
                self.unsure.discard(number)
            else:
                self.unsure.add(number)
        if number not in self.answered:
            self.refusals.append(reply)
        elif self._tell is not None:
            self._tell("answered")
