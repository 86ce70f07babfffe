"""Reads SMTP replies from bytes: no I/O, and any split of the bytes gives the same replies.

Strict: a line is three digits, then a space or a hyphen and text, or nothing; all lines of one reply bear one
code. Lines end with LF, with or without CR. What breaks these rules, or a limit, is garbage: `garbage` says
why, what was read before it stands, and nothing is read after it. Source: RFC 5321 section 4.2.1.
"""

import re

from relay.delivery.outcome import Reply, printable

MAX_LINE_OCTETS = (
    2048  # RFC 5321 section 4.5.3.1.5 says 512; servers with long explanations exist, so four times that
)
MAX_LINES = 100  # a refusal with its policy text has a dozen
_LINE = re.compile(rb"([2-5][0-9][0-9])(?:([ -])([^\n]*?))?\r?")


class ReplyReader:
    """Turns received bytes into replies."""

    def __init__(self) -> None:
        self._rest = b""
        self._code = b""  # of the reply whose lines are coming in; empty between replies
        self._texts: list[bytes] = []
        self.garbage = ""  # why reading has stopped; empty while all is well

    def feed(self, received: bytes) -> list[Reply]:
        """The replies that these bytes complete."""
        replies: list[Reply] = []
        if self.garbage:
            return replies
        buffer = self._rest + received if self._rest else received
        start = 0
        while (end := buffer.find(b"\n", start)) >= 0:
            reply = self._line(buffer, start, end)
            if self.garbage:
                return replies
            if reply is not None:
                replies.append(reply)
            start = end + 1
        self._rest = buffer[start:]
        if len(self._rest) > MAX_LINE_OCTETS:
            self.garbage = f"sent a reply line longer than {MAX_LINE_OCTETS} octets"
        return replies

    def _line(self, buffer: bytes, start: int, end: int) -> Reply | None:
        if end - start > MAX_LINE_OCTETS:
            self.garbage = f"sent a reply line longer than {MAX_LINE_OCTETS} octets"
            return None
        match = _LINE.fullmatch(buffer, start, end)
        if match is None or self._code not in (b"", match[1]):
            self.garbage = (
                f"sent what is not an SMTP reply: {printable(buffer[start : min(end, start + 80)])!r}"
            )
            return None
        code, mark, text = match.groups()
        if mark != b"-" and not self._texts:
            self._code = b""
            return Reply(code=int(code), text=printable(text or b""))
        self._code = code
        self._texts.append(text or b"")
        if mark != b"-":
            text, self._code = b" ".join(filter(None, self._texts)), b""
            self._texts = []
            return Reply(code=int(code), text=printable(text))
        if len(self._texts) > MAX_LINES:
            self.garbage = f"sent a reply of more than {MAX_LINES} lines"
        return None
