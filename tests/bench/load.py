"""A load: a marketplace with kept connections and a partner that takes everything, over raw sockets.

Both speak just enough SMTP, without a library, so that a bench measures the server between them and little
else. Both count and stop by themselves.
"""

import asyncio
import time


class Sender(asyncio.Protocol):
    """One kept connection that sends one mail after another, command by command, as smtplib does."""

    def __init__(self, script: "Script") -> None:
        self._script = script
        self._step = -1  # the greeting comes first
        self._reply = b""
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._reply += data
        while b"\r\n" in self._reply:
            row, self._reply = self._reply.split(b"\r\n", 1)
            if row[3:4] == b"-":
                continue
            if row[:1] not in (b"2", b"3"):
                self._fail(f"the server answered {row!r} at step {self._step}")
                return
            self._next()

    def _next(self) -> None:
        if self._step == -1:
            self._transport.write(b"EHLO bench.example.com\r\n")
            self._step = 0
        elif self._step in (0, 4):
            content = self._script.take()
            if content is None:
                self._transport.close()
                if not self.done.done():
                    self.done.set_result(None)
                return
            self._content = content
            self._transport.write(b"MAIL FROM:<marketplace@example.com>\r\n")
            self._step = 1
        elif self._step == 1:
            self._transport.write(b"RCPT TO:<orders@relay.example.jp>\r\n")
            self._step = 2
        elif self._step == 2:
            self._transport.write(b"DATA\r\n")
            self._step = 3
        else:
            self._transport.write(self._content)
            self._step = 4

    def connection_lost(self, exc: Exception | None) -> None:
        self._fail(f"connection lost: {exc}")

    def _fail(self, reason: str) -> None:
        if not self.done.done():
            self.done.set_exception(RuntimeError(reason))
        self._transport.close()


class Script:
    """The mails still to be sent, each as DATA content with its final dot."""

    def __init__(self, contents: list[bytes]) -> None:
        self._contents = contents
        self._next = 0

    def take(self) -> bytes | None:
        """The next mail, or None when all are taken."""
        if self._next == len(self._contents):
            return None
        self._next += 1
        return self._contents[self._next - 1]


async def send_all(host: str, port: int, contents: list[bytes], connections: int) -> float:
    """Send every mail over so many kept connections; the seconds that it took."""
    script = Script(contents)
    loop = asyncio.get_running_loop()
    started = time.perf_counter()
    senders = []
    for _ in range(connections):
        _, sender = await loop.create_connection(lambda: Sender(script), host, port)
        senders.append(sender)
    await asyncio.gather(*(sender.done for sender in senders))
    return time.perf_counter() - started


class Partner(asyncio.Protocol):
    """A partner's server that accepts every mail, announces PIPELINING, and counts."""

    def __init__(self, count: "Count") -> None:
        self._count = count
        self._buffer = bytearray()
        self._content = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.write(b"220 partner.example.jp\r\n")

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        replies = []
        while True:
            if self._content:
                end = self._buffer.find(b"\r\n.\r\n")
                if end < 0:
                    break
                self._count.add(bytes(self._buffer[: end + 2]))
                del self._buffer[: end + 5]
                self._content = False
                replies.append(b"250 2.0.0 ok\r\n")
                continue
            end = self._buffer.find(b"\r\n")
            if end < 0:
                break
            verb = bytes(self._buffer[:4]).upper()
            del self._buffer[: end + 2]
            if verb == b"EHLO":
                replies.append(b"250-partner.example.jp\r\n250-PIPELINING\r\n250 8BITMIME\r\n")
            elif verb == b"DATA":
                self._content = True
                replies.append(b"354 go on\r\n")
            elif verb == b"QUIT":
                replies.append(b"221 bye\r\n")
            else:
                replies.append(b"250 ok\r\n")
        if replies:
            self._transport.write(b"".join(replies))


class Count:
    """How many mails came, and an event when all expected ones have."""

    def __init__(self, expected: int) -> None:
        self._expected = expected
        self.mails = 0
        self.last_at = 0.0
        self.all_came = asyncio.Event()

    def add(self, content: bytes) -> None:
        """Count one mail."""
        assert content
        self.mails += 1
        if self.mails >= self._expected:
            self.last_at = time.perf_counter()
            self.all_came.set()
