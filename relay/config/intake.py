"""How mail comes in: the configuration's `intake`. Source: ours, and the RFC sections named."""

from datetime import timedelta
from ipaddress import ip_network
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, StrictInt, model_validator

from relay.config.setting import FilePath, Settings
from relay.quantity import Duration, Flag, HostPort, HostPortText, MailAddress, Network, Size

MIN_MESSAGE = 64 * 1024  # octets of an order with a hundred items and long memos
MAX_MESSAGE = 100 * 1024**2  # sixteen such may be in memory at once
MIN_HEADER = 4 * 1024
MIN_TIMEOUT = timedelta(seconds=10)
_LOOPBACK = (ip_network("127.0.0.0/8"), ip_network("::1/128"))


def _takes_orders(value: int) -> int:
    if not MIN_MESSAGE <= value <= MAX_MESSAGE:
        raise ValueError("must be between 64KiB and 100MiB: an order must fit, and sixteen of them in memory")
    return value


def _takes_headers(value: int) -> int:
    if value < MIN_HEADER:
        raise ValueError("must be at least 4KiB: a mail that came over a few hosts has as much")
    return value


def _patient(value: timedelta) -> timedelta:
    if value < MIN_TIMEOUT:
        raise ValueError("must be at least 10s: a client on a slow line would never end a mail")
    return value


class TlsFiles(Settings):
    """What the relay shows of itself."""

    certificate: FilePath = Field(
        description="The certificate with its chain, PEM. It is read again when it changes, with its key."
    )
    key: FilePath = Field(
        description="Its private key, PEM, without a passphrase, for the relay's eyes only."
    )


class IntakeConfig(Settings):
    """How mail comes in."""

    addresses: tuple[MailAddress, ...] = Field(
        min_length=1,
        max_length=100,
        description=(
            "The addresses that take notifications. Mail to any other is refused: this is no open relay."
        ),
    )
    listen: HostPortText = Field(
        default=HostPort("127.0.0.1", 2525),
        description=(
            "Where intake listens: loopback, until somebody decides otherwise. Port 0 takes a free one."
        ),
    )
    networks: tuple[Network, ...] = Field(
        default=_LOOPBACK,
        max_length=1000,
        description="Who may send. Only this machine, until somebody decides otherwise.",
    )
    bounces_from: tuple[Network, ...] = Field(
        default=(),
        max_length=1000,
        description=(
            'Who else may send, but late bounces only: [0.0.0.0/0, "::/0"] where the bounce address\'s mail '
            "comes straight from the partners' servers."
        ),
    )
    listen_tls: HostPortText | None = Field(
        default=None, description="Where it listens encrypted from the first octet (RFC 8314); needs tls."
    )
    tls: TlsFiles | None = Field(
        default=None,
        description="Certificate and key, with which STARTTLS is offered; null: in clear.",
    )
    require_tls: Flag = Field(
        default=False, description="Y takes mail over encrypted connections only; needs tls."
    )
    users: FilePath | None = Field(
        default=None,
        description=(
            "A file of names with hashed passwords (denrei user): who signs in may send from anywhere. "
            "Only over encrypted connections; needs tls."
        ),
    )
    on_unreadable: Literal["quarantine", "reject"] = Field(
        default="quarantine",
        description="What becomes of mail that cannot be understood: kept for a person, or refused at once.",
    )
    max_message: Annotated[Size, AfterValidator(_takes_orders)] = Field(
        default=10 * 1024**2,
        description="The largest mail. A notification of 1,000 usual orders is below 1 MiB.",
    )
    max_connections: Annotated[StrictInt, Field(ge=1, le=10_000)] = Field(
        default=200,
        description="Sessions at once. A marketplace needs a few; each costs memory and a file descriptor.",
    )
    max_recipients: Annotated[StrictInt, Field(ge=1, le=1_000)] = Field(
        default=10,
        description="Recipients in one mail. A notification needs one; a mail with many is something else.",
    )
    max_connections_per_client: Annotated[StrictInt, Field(ge=1, le=10_000)] = Field(
        default=50,
        description="Sessions of one client at once, so that no client shuts out the others.",
    )
    mails_per_minute: Annotated[StrictInt, Field(ge=1, le=1_000_000)] = Field(
        default=30_000,
        description="Mails of one client in a minute: far above a marketplace's peak, far below a flood.",
    )
    max_line: Annotated[StrictInt, Field(ge=998, le=100_000)] = Field(
        default=998,
        description="Octets of one line of content (RFC 5322, 2.1.1); more for a sender that cannot wrap.",
    )
    max_header: Annotated[Size, AfterValidator(_takes_headers)] = Field(
        default=64 * 1024,
        description="The header section. A usual one has 4 KiB; long ones cost time.",
    )
    max_hops: Annotated[StrictInt, Field(ge=10, le=1_000)] = Field(
        default=50, description="Received rows before a mail counts as going in a circle (RFC 5321, 6.3)."
    )
    max_document: Annotated[Size, AfterValidator(_takes_orders)] = Field(
        default=2 * 1024**2,
        description="The part that is read as a notification: 2,000 usual orders. Attachments may be larger.",
    )
    bare_line_ends: Literal["reject", "normalise"] = Field(
        default="reject",
        description=(
            "What becomes of a mail with bare CR or LF in its content: refused, or taken with CR LF in their "
            "place. Neither ever ends a mail."
        ),
    )
    timeout: Annotated[Duration, AfterValidator(_patient)] = Field(
        default=timedelta(minutes=5),
        description="How long a silent client keeps its session (RFC 5321, 4.5.3.2.7: at least 5 minutes).",
    )

    @model_validator(mode="after")
    def _addresses_differ(self) -> Self:
        if len({address.lower() for address in self.addresses}) != len(self.addresses):
            raise ValueError("addresses names one address twice")
        return self

    @model_validator(mode="after")
    def _encrypts_where_it_says_so(self) -> Self:
        wanting = [name for name in ("listen_tls", "require_tls", "users") if getattr(self, name)]
        if wanting and self.tls is None:
            raise ValueError(f"has {wanting[0]}, but no tls: name a certificate and its key")
        return self

    @model_validator(mode="after")
    def _header_fits_in_a_mail(self) -> Self:
        if self.max_header > self.max_message:
            raise ValueError("max_header is more than max_message")
        return self
