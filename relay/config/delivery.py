"""How mail goes out: the configuration's `delivery`. Timeouts are RFC 5321's where it names one."""

from datetime import timedelta
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, StrictInt, model_validator

from relay.config.setting import FilePath, Named, Section, Settings
from relay.quantity import Domain, Duration, HostPortText, RateText, domain, host_port, mail_address
from relay.return_address import ADDED

MAX_LOCAL_PART = 64  # octets, RFC 5321 section 4.5.3.1.1
MIN_LEASE = timedelta(minutes=1)  # half of it outlives a claim and a commit that wait for a busy disk
MIN_LIFETIME = timedelta(hours=1)
_RETRY = tuple(timedelta(minutes=minutes) for minutes in (1, 5, 15, 30, 60, 120, 240))

TlsPolicy = Literal["require", "opportunistic", "off"]


def _address_or_null(value: Any) -> Any:
    if not isinstance(value, str):
        return "" if value is None else value
    room = MAX_LOCAL_PART - ADDED
    if len(value.rpartition("@")[0]) > room:
        raise ValueError(f"must have at most {room} characters before the @: a delivery's id joins them")
    return mail_address(value)


def _renewable(value: timedelta) -> timedelta:
    if value < MIN_LEASE:
        raise ValueError("must be at least 1m: a lease that ends before it is renewed sends mails twice")
    return value


def _lasting(value: timedelta) -> timedelta:
    if value < MIN_LIFETIME:
        raise ValueError("must be at least 1h: a partner's short failure would cost mails")
    return value


def _hop_name(value: Any) -> Any:
    """A next hop as `queue shape` names it: a route's host:port, or the domain whose exchangers are asked."""
    if not isinstance(value, str):
        # pydantic gathers ValueError only
        raise ValueError("must be a next hop: mail.partner.example.jp:25, or a domain")  # noqa: TRY004  (as said)
    return str(host_port(value)).lower() if ":" in value else domain(value)


HopName = Annotated[str, BeforeValidator(_hop_name)]


class Timeouts(Settings):
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


class HopConfig(Settings):
    """What holds for one next hop only; what is left out is as for all."""

    tls: TlsPolicy | None = Field(
        default=None, description="As delivery.tls, for this one; a user makes it require."
    )
    ca_file: FilePath | None = Field(
        default=None,
        description="Whose word its certificate stands on, PEM; null: the system's authorities.",
    )
    user: Annotated[str, Field(min_length=1, max_length=200)] | None = Field(
        default=None, description="The name to sign in with (AUTH), over an encrypted connection only."
    )
    password_file: FilePath | None = Field(
        default=None, description="A file with the password, readable by the relay only."
    )
    password_env: Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")] | None = Field(
        default=None, description="Or the environment variable that holds it."
    )
    connections: Annotated[StrictInt, Field(ge=1, le=1_000)] | None = Field(
        default=None, description="As delivery.connections, for this one."
    )
    rate: RateText | None = Field(default=None, description="As delivery.rate, for this one.")

    @model_validator(mode="after")
    def _signs_in_whole(self) -> Self:
        if self.password_file is not None and self.password_env is not None:
            raise ValueError("has its password in two places: leave password_file or password_env out")
        if (self.user is None) != (self.password_file is None and self.password_env is None):
            raise ValueError("must have user and password_file (or password_env) together")
        if self.user is not None and self.tls == "off":
            raise ValueError("signs in without encryption: a password is never sent in clear")
        return self


class DeliveryConfig(Settings):
    """How mail goes out."""

    route: Literal["mx", "smarthost"] = Field(
        default="mx", description="Straight to each recipient's mail exchanger, or all through one smarthost."
    )
    smarthost: HostPortText | None = Field(
        default=None, description="The host that takes all mail when route is smarthost; must be named then."
    )
    routes: Annotated[dict[Domain, HostPortText], Named] = Field(
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
    rate: RateText | None = Field(
        default=None,
        description="Mails to one next hop in a time, such as 60/m or 10/s; null: no bound.",
    )
    tls: TlsPolicy = Field(
        default="opportunistic",
        description=(
            "require: encrypted, with a certificate that is valid for the host, or not at all; "
            "opportunistic: encrypted where offered; off: in clear."
        ),
    )
    next_hops: Annotated[dict[HopName, HopConfig], Named] = Field(
        default={},
        description="What holds for single next hops, by the name that queue shape shows.",
    )
    suspend_after: Annotated[StrictInt, Field(ge=1, le=100)] = Field(
        default=5,
        description="Connection failures in a row that suspend a next hop: its mails wait, no tries spent.",
    )
    probe: Duration = Field(
        default=timedelta(minutes=10),
        description="How often one mail tries whether a suspended next hop is back.",
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
    lifetime: Annotated[Duration, AfterValidator(_lasting)] = Field(
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
    timeouts: Annotated[Timeouts, Section] = Field(
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

    @model_validator(mode="after")
    def _next_hops_are_led_to(self) -> Self:
        """A misspelt name would leave a next hop without the encryption that was meant for it."""
        places = [*self.routes.values(), *([self.smarthost] if self.smarthost else [])]
        known = {str(place).lower() for place in places}
        for name in self.next_hops:
            place = self.routes.get(name) or (self.smarthost if self.route == "smarthost" else None)
            if ":" in name and name not in known:
                raise ValueError(f"next_hops has {name}, but no route leads there")
            if ":" not in name and place is not None:
                raise ValueError(f"next_hops has {name}, whose mail goes to {place}: name that one")
        return self
