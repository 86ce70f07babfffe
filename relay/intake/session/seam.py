"""What a conversation needs of those around it: the listener, and the library behind the connection.

Source: ours. The library's values are aiosmtpd's `Session` and `Envelope`; only `connection` knows that.
"""

import ssl
from collections.abc import Callable, Mapping
from typing import Protocol

from relay.intake.session.door import Door, Reply, Settings
from relay.metrics import Limit, Metrics


class Host(Protocol):
    """What a conversation needs of the listener."""

    door: Door
    settings: Settings
    hostname: str
    timeout: float  # seconds
    tls: Callable[[], ssl.SSLContext | None]  # what TLS begins with at this moment
    offers_login: bool  # over encrypted connections
    limits: Mapping[Reply, Limit]  # which limit a refusal is of
    metrics: Metrics
    is_stopping: bool

    @property
    def is_full(self) -> bool:
        """Whether all connections together hold as much content as may be held."""

    def account(self, octets: int) -> None:
        """So many octets of content more, or less, are held."""


class Greeting(Protocol):
    """What the library remembers of a client."""

    host_name: str | None
    extended_smtp: bool


class Envelope(Protocol):
    """What the library remembers of a mail."""

    mail_from: str | None
    rcpt_tos: list[str]
    smtp_utf8: bool  # whether its addresses may go beyond ASCII


class Library(Protocol):
    """What a conversation needs of the library."""

    def new_greeting(self) -> Greeting:
        """A client that has not said who it is."""

    def new_envelope(self) -> Envelope:
        """A mail that has not begun."""

    def unusual_path(self, path: str) -> tuple[str, str] | None:
        """See `wire.parse_path`."""
