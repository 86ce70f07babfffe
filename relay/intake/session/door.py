"""The door of the SMTP server: what `smtp.Listener` asks of its owner, in plain types.

The server speaks the protocol; whoever owns it decides. The relay's own owner is `reception.Reception`;
`denrei sink` has another, which refuses, hangs and drops on demand. Source: ours; reply codes after RFC
5321 4.2, the status in front of the text after RFC 2034.
"""

import enum
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Literal, Protocol

MAX_REPLY_TEXT = 500  # octets; RFC 5321 4.5.3.1.5 allows 512 for the whole line


def _printable(text: str) -> str:
    return "".join(char if char.isascii() and char.isprintable() else "?" for char in text)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    r"""One answer to a client.

    >>> Reply(code=550, text="5.1.1 no such address\r\n250 but injected").line()
    b'550 5.1.1 no such address??250 but injected\r\n'
    """

    code: int  # 200–599
    text: str  # one line, an enhanced status code (RFC 3463) first: 5.1.1 no such address

    def line(self) -> bytes:
        """The reply as it goes out: one line of printable ASCII, whatever the text holds."""
        text = self.text if self.text.isascii() and self.text.isprintable() else _printable(self.text)
        return b"%d %s\r\n" % (self.code, text[:MAX_REPLY_TEXT].encode("ascii"))

    @property
    def is_refusal(self) -> bool:
        """Whether this is a 4xx or 5xx."""
        return self.code >= 400


class Drop(enum.Enum):
    """The answer of a door that closes the connection without a word."""

    DROP = "drop"


DROP = Drop.DROP
Answer = Reply | Drop | None  # None: go on, with the server's own positive reply


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """Who is on the line."""

    peer: str  # the client's IP address as text, without its port: 192.0.2.7 or 2001:db8::7
    helo: str = ""  # what it called itself; a claim, nothing more
    tls: bool = False  # whether the connection is encrypted
    user: str = ""  # the name under which it signed in; "" for nobody
    mark: bytes = field(default=b"", repr=False)  # what the door gave it when it signed in


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedIn:
    """The answer of a door to the right name and secret."""

    mark: bytes = field(repr=False)  # stays with the session; by it the door knows whether it may still send


class Settings(Protocol):
    """Where a server listens and what it takes on at most; `config.IntakeConfig` is one."""

    @property
    def listen(self) -> tuple[str, int]:
        """IP address and port; port 0 takes a free one."""

    @property
    def listen_tls(self) -> tuple[str, int] | None:
        """The same for connections that are encrypted from their first octet (RFC 8314); None for none."""

    @property
    def max_message(self) -> int:
        """Octets of one mail as sent, stuffed dots included; announced as SIZE."""

    @property
    def max_connections(self) -> int:
        """Connections at once; one more is answered 421."""

    @property
    def max_recipients(self) -> int:
        """Recipients of one mail; one more is answered 452."""

    @property
    def max_line(self) -> int:
        """Octets of one line of content, without its CRLF; a longer one is answered 550."""

    @property
    def max_header(self) -> int:
        """Octets of the header section; more is answered 552."""

    @property
    def bare_line_ends(self) -> Literal["reject", "normalise"]:
        """What becomes of content with bare CR or LF: 550, or CRLF in their place. Neither ends a mail."""

    @property
    def timeout(self) -> timedelta:
        """For one command or one piece of content (RFC 5321 4.5.3.2.7)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ListenerSettings:
    """Settings of a server that has no configuration file, with the relay's own defaults."""

    listen: tuple[str, int] = ("127.0.0.1", 0)
    listen_tls: tuple[str, int] | None = None
    max_message: int = 10 * 1024 * 1024
    max_connections: int = 200
    max_recipients: int = 10
    max_line: int = 998
    max_header: int = 64 * 1024
    bare_line_ends: Literal["reject", "normalise"] = "reject"
    timeout: timedelta = timedelta(minutes=5)


class Door(Protocol):
    """Decides what the server answers. One door serves all connections at once.

    A method may take its time: the client waits and no time limit of the server's runs. It is cancelled
    when the client goes away, but `message` is left `smtp.DECISION_GRACE` to come to its end: what it
    stores is stored. What it raises is answered 451 and logged as a bug.
    """

    async def connect(self, peer: str) -> Answer:
        """A client has connected. A `Reply` is sent in place of the greeting and the connection closed.

        What it counts it has to take back itself when it refuses, raises or is cancelled.
        """

    def patience(self, session: Session) -> float:
        """Seconds that this client may be here without a mail; infinity: as the time limit lets it.

        Asked when it comes, when it has signed in, and after each mail; must not wait.
        """

    def disconnected(self, session: Session) -> None:
        """A client that `connect` let in has gone. Called once for each; must not wait."""

    async def authenticate(self, session: Session, name: str, secret: str) -> Reply | Drop | SignedIn:
        """AUTH: whether the secret is this name's. Asked over encrypted connections only.

        The secret must show nowhere: in no log, no exception, no reply.
        """

    async def mail(self, session: Session, address: str, size: int | None) -> Answer:
        """MAIL FROM: the envelope sender ("" for <>) and the size that the client announced, in octets."""

    async def rcpt(self, session: Session, mail_from: str, rcpt_tos: Sequence[str], address: str) -> Answer:
        """RCPT TO: asked once for each recipient, with the envelope as far as it was taken."""

    async def data(self, session: Session) -> Answer:
        """DATA, with at least one recipient taken: None lets the client go on with the content."""

    async def message(
        self, session: Session, mail_from: str, rcpt_tos: Sequence[str], content: bytes
    ) -> Reply | Drop:
        """The whole mail: CRLF line ends, dots unstuffed, nothing added. The answer is final."""
