"""The configuration file, `denrei.yaml`: what the operator decides, checked before anything starts.

Guarantees: a `Config` is complete and immutable, its paths are absolute, and no key of the file was
ignored. Every limit has a bound of its own, so that a slip of the pen cannot switch it off; the reason for
each default stands in its description (docs/configuration.md is checked against them).

Diagnostics: `BadInput` with every problem in the file, each with its line and path. Source: ours; timeouts
are those of RFC 5321 section 4.5.3.2 where it names one.
"""

from datetime import timedelta
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StrictInt,
    model_validator,
)

from relay.quantity import (
    Domain,
    Duration,
    HostPort,
    HostPortText,
    MailAddress,
    Network,
    Size,
    domain,
    mail_address,
)
from relay.source import load_source

_LOOPBACK = (ip_network("127.0.0.0/8"), ip_network("::1/128"))
MIN_LEASE = timedelta(minutes=1)  # half of it outlives a claim and a commit that wait for a busy disk
_RETRY = tuple(timedelta(minutes=minutes) for minutes in (1, 5, 15, 30, 60, 120, 240))


def _empty_if_null(value: Any) -> Any:
    """A section whose keys are all commented out is empty, not wrong."""
    return {} if value is None else value


def _path(value: Any) -> Any:
    if not isinstance(value, str) or not value.strip() or "\0" in value:
        if isinstance(value, Path):
            return value
        raise ValueError("must be a path")
    return Path(value)


def _domains_once(value: Any) -> Any:
    names = [name.lower() for name in value if isinstance(name, str)] if isinstance(value, dict) else []
    if len(set(names)) != len(names):
        raise ValueError("names a domain twice")
    return _empty_if_null(value)


def _address_or_null(value: Any) -> Any:
    return "" if value is None else mail_address(value) if isinstance(value, str) else value


def _renewable(value: timedelta) -> timedelta:
    if value < MIN_LEASE:
        raise ValueError("must be at least 1m: a lease that ends before it is renewed sends mails twice")
    return value


FilePath = Annotated[Path, BeforeValidator(_path)]
_Section = BeforeValidator(_empty_if_null)


class _Settings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class IntakeConfig(_Settings):
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
    on_unreadable: Literal["quarantine", "reject"] = Field(
        default="quarantine",
        description="What becomes of mail that cannot be understood: kept for a person, or refused at once.",
    )
    max_message: Size = Field(
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
    timeout: Duration = Field(
        default=timedelta(minutes=5),
        description="How long a silent client keeps its session (RFC 5321, 4.5.3.2.7: at least 5 minutes).",
    )

    @model_validator(mode="after")
    def _addresses_differ(self) -> Self:
        if len({address.lower() for address in self.addresses}) != len(self.addresses):
            raise ValueError("addresses names one address twice")
        return self


class StoreConfig(_Settings):
    """Where what happens is kept."""

    path: FilePath = Field(
        default=Path("denrei.db"),
        description=(
            "The database file, made when it is not there. Put it on a disk that outlives the machine."
        ),
    )


class Timeouts(_Settings):
    """How long a next hop may take, step by step."""

    connect: Duration = Field(
        default=timedelta(seconds=30), description="For the connection: a host that is there answers in less."
    )
    greeting: Duration = Field(default=timedelta(minutes=5), description="For its 220 (RFC 5321, 4.5.3.2.1).")
    command: Duration = Field(
        default=timedelta(minutes=5),
        description="For the reply to EHLO, MAIL and RCPT (RFC 5321, 4.5.3.2.2 and 3).",
    )
    data: Duration = Field(
        default=timedelta(minutes=3),
        description="For each part of the mail to be taken (RFC 5321, 4.5.3.2.5).",
    )
    end_of_data: Duration = Field(
        default=timedelta(minutes=10),
        description="For the reply after the dot (RFC 5321, 4.5.3.2.6): giving up sooner sends mails twice.",
    )


class DeliveryConfig(_Settings):
    """How mail goes out."""

    route: Literal["mx", "smarthost"] = Field(
        default="mx", description="Straight to each recipient's mail exchanger, or all through one smarthost."
    )
    smarthost: HostPortText | None = Field(
        default=None, description="The host that takes all mail when route is smarthost; must be named then."
    )
    routes: Annotated[dict[Domain, HostPortText], BeforeValidator(_domains_once)] = Field(
        default={}, description="A host and port for single recipient domains; wins over both kinds of route."
    )
    bounce_address: Annotated[str, BeforeValidator(_address_or_null)] = Field(
        default="",
        description=(
            "Where late bounces return, the delivery's id added before the @; null: bounce@<hostname>."
        ),
    )
    connections: Annotated[StrictInt, Field(ge=1, le=1_000)] = Field(
        default=20,
        description="Connections to one next hop at once. Large receivers take many more for abuse.",
    )
    mails_per_connection: Annotated[StrictInt, Field(ge=1, le=1_000_000)] = Field(
        default=1000,
        description="Mails before a connection is closed, so that hosts behind a balancer are shared out.",
    )
    idle: Duration = Field(
        default=timedelta(seconds=30),
        description="How long a connection waits for the next mail before it is closed.",
    )
    retry: tuple[Duration, ...] = Field(
        default=_RETRY,
        min_length=1,
        max_length=100,
        description=(
            "Waits between attempts, the last repeating: early ones for greylisting, late for outages."
        ),
    )
    lifetime: Duration = Field(
        default=timedelta(days=5),
        description="After this a mail is given up (RFC 5321, 4.5.4.1: 4 to 5 days).",
    )
    lease: Annotated[Duration, AfterValidator(_renewable)] = Field(
        default=timedelta(minutes=10),
        description=(
            "How long a dead worker's mails wait before another takes them over: at least 1m, for a living "
            "one renews its leases at half their time, on a busy disk some seconds late."
        ),
    )
    timeouts: Annotated[Timeouts, _Section] = Field(
        default=Timeouts(), description="How long a next hop may take."
    )
    memory: Annotated[StrictInt, Field(ge=1, le=1_000_000)] = Field(
        default=2000,
        description="Fresh deliveries that may wait in memory. The rest is read from the store in its turn.",
    )

    @model_validator(mode="after")
    def _smarthost_is_named(self) -> Self:
        if self.route == "smarthost" and self.smarthost is None:
            raise ValueError("route is smarthost, but no smarthost is named")
        return self


class Config(_Settings):
    """All that the operator decides."""

    hostname: Domain = Field(
        description="The relay's own full name: said in EHLO and the greeting, and part of each Message-ID."
    )
    intake: IntakeConfig = Field(description="How mail comes in.")
    store: Annotated[StoreConfig, _Section] = Field(
        default=StoreConfig(), description="Where what happens is kept."
    )
    delivery: Annotated[DeliveryConfig, _Section] = Field(
        default=DeliveryConfig(), description="How mail goes out."
    )
    registrations: FilePath = Field(
        default=Path("registrations"), description="The folder of registrations, one file per seller."
    )
    templates: FilePath | None = Field(
        default=None, description="A folder with template groups of your own, laid out like the shipped ones."
    )

    @model_validator(mode="before")
    @classmethod
    def _bounces_come_home(cls, tree: Any) -> Any:
        """Late bounces come to this host unless the file says otherwise."""
        if not isinstance(tree, dict):
            return tree
        delivery = tree.get("delivery") or {}
        if not isinstance(delivery, dict) or delivery.get("bounce_address") is not None:
            return tree
        try:
            own = domain(str(tree.get("hostname")))
        except ValueError:
            return tree  # the bad hostname is told of by its own field
        return tree | {"delivery": delivery | {"bounce_address": f"bounce@{own}"}}


def load(path: Path) -> Config:
    """Read the configuration file; relative paths in it are meant from its folder.

    Raises:
        BadInput: with every problem in it.
    """
    config = load_source(path, Config)
    folder = path.absolute().parent
    return config.model_copy(
        update={
            "store": config.store.model_copy(update={"path": folder / config.store.path}),
            "registrations": folder / config.registrations,
            "templates": folder / config.templates if config.templates is not None else None,
        }
    )
