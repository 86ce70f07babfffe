"""How people write quantities in files: durations, sizes, yes and no, hosts with ports, mail addresses.

Each type takes what a person types and gives a value, or says in one sentence what it should have been. A
plain number is refused where a unit is needed: `timeout: 5` could be seconds or minutes. Source: ours;
addresses are the dot-atom form of RFC 5321 section 4.1.2 with the lengths of 4.5.3.1, host names RFC 1123.
"""

import ipaddress
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, Any, NamedTuple

from pydantic import BeforeValidator, InstanceOf, WithJsonSchema

from relay.wording import kind, shown

MAX_DURATION = timedelta(days=366)  # longer is a slip of the pen
MAX_SIZE = 1024**3  # octets; the relay holds a mail in memory
MAX_ADDRESS = 254  # octets, RFC 5321 section 4.5.3.1.3 less the angle brackets

_DURATION = re.compile(r"(?:([0-9]{1,6})d)?(?:([0-9]{1,6})h)?(?:([0-9]{1,6})m)?(?:([0-9]{1,6})s)?")
_SIZE = re.compile(r"([0-9]{1,10}) ?(B|KiB|MiB|GiB)")
_OCTETS = {"B": 1, "KiB": 1024, "MiB": 1024**2, "GiB": 1024**3}
_RATE = re.compile(r"([0-9]{1,6})/([smh])")
_PERIODS = {"s": timedelta(seconds=1), "m": timedelta(minutes=1), "h": timedelta(hours=1)}
_PERIOD_NAMES = {period: unit for unit, period in _PERIODS.items()}
_FLAGS = {"Y": True, "N": False}
_HOST_PORT = re.compile(r"(?:\[([0-9A-Fa-f:.]{2,45})\]|([^:\[\]\s]{1,253})):([0-9]{1,5})")
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_HOST = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")
_DOMAIN = re.compile(rf"{_LABEL}(?:\.{_LABEL})+")
_LOCAL_PART = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*")


class HostPort(NamedTuple):
    """Where to listen or to connect to."""

    host: str  # a name, or an address without brackets
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def duration(value: str) -> timedelta:
    """A duration from its units, the largest first.

    >>> duration("1h30m")
    datetime.timedelta(seconds=5400)
    """
    match = _DURATION.fullmatch(value)
    if match is None or not any(match.groups()):
        raise ValueError(f"must be a duration such as 30s, 5m, 1h30m or 5d, is {shown(value)}")
    days, hours, minutes, seconds = (int(group or 0) for group in match.groups())
    length = timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)
    if not timedelta() < length <= MAX_DURATION:
        raise ValueError(f"must be more than nothing and at most {MAX_DURATION.days}d, is {shown(value)}")
    return length


def size(value: str) -> int:
    """A size in octets.

    >>> size("10MiB")
    10485760
    """
    match = _SIZE.fullmatch(value)
    if match is None:
        raise ValueError(f"must be a size such as 512KiB or 10MiB, is {shown(value)}")
    octets = int(match[1]) * _OCTETS[match[2]]
    if not 0 < octets <= MAX_SIZE:
        raise ValueError(f"must be more than nothing and at most 1GiB, is {shown(value)}")
    return octets


@dataclass(frozen=True, slots=True)
class Rate:
    """How many in how long, at most."""

    count: int
    period: timedelta  # a second, a minute or an hour

    def __str__(self) -> str:
        return f"{self.count}/{_PERIOD_NAMES[self.period]}"


def rate(value: str) -> Rate:
    """So many a second, a minute or an hour.

    >>> str(rate("60/m"))
    '60/m'
    """
    match = _RATE.fullmatch(value)
    if match is None or int(match[1]) == 0:
        raise ValueError(f"must be a rate such as 10/s, 60/m or 1000/h, is {shown(value)}")
    return Rate(int(match[1]), _PERIODS[match[2]])


def flag(value: str) -> bool:
    """Y or N, as the marketplace's screen has it (true and false are taken as well)."""
    if value not in _FLAGS:
        raise ValueError(f"must be Y or N, is {shown(value)}")
    return _FLAGS[value]


def host_port(value: str) -> HostPort:
    """A host and a port; an IPv6 address stands in brackets.

    >>> host_port("[::1]:25")
    HostPort(host='::1', port=25)
    """
    match = _HOST_PORT.fullmatch(value)
    if match is None:
        raise ValueError(f"must be host:port, such as 127.0.0.1:2525 or [::1]:2525, is {shown(value)}")
    address, name, port = match.groups()
    if int(port) > 65535:
        raise ValueError(f"must have a port of at most 65535, is {shown(value)}")
    if address is not None:
        try:
            ipaddress.IPv6Address(address)
        except ValueError:
            raise ValueError(f"must have an IPv6 address in the brackets, is {shown(value)}") from None
    elif not _HOST.fullmatch(name):
        raise ValueError(f"must begin with a host name or an address, is {shown(value)}")
    return HostPort(address or name, int(port))


def domain(value: str) -> str:
    """A mail domain of at least two labels, in lower case."""
    if len(value) > 253 or not _DOMAIN.fullmatch(value):
        raise ValueError(f"must be a domain such as partner.example.jp, is {shown(value)}")
    return value.lower()


def mail_address(value: str) -> str:
    """An address that can stand in an envelope and a header as it is: no quoting, no comment, no control.

    >>> mail_address("orders@partner.example.jp")
    'orders@partner.example.jp'
    """
    local_part, _, host = value.rpartition("@")
    fits = len(value) <= MAX_ADDRESS and len(local_part) <= 64
    if not (fits and _LOCAL_PART.fullmatch(local_part) and _DOMAIN.fullmatch(host)):
        raise ValueError(f"must be a mail address such as orders@partner.example.jp, is {shown(value)}")
    return value


def network(value: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    """An address or a network in CIDR notation."""
    try:
        return ipaddress.ip_network(value)
    except ValueError:
        raise ValueError(f"must be an address or a network such as 192.0.2.0/24, is {shown(value)}") from None


def _typed(read: Callable[[str], Any], *finished: type) -> BeforeValidator:
    """Text is read; a value that code hands over ready-made is taken; anything else is refused."""

    def taken(value: Any) -> Any:
        if isinstance(value, finished):
            return value
        if isinstance(value, str):
            return read(value)
        try:
            read("")
        except ValueError as error:
            raise ValueError(str(error).removesuffix("is ''") + f"is {kind(value)}") from None
        return value

    return BeforeValidator(taken)


Duration = Annotated[
    timedelta, _typed(duration, timedelta), WithJsonSchema({"type": "string", "examples": ["30m"]})
]
Size = Annotated[int, _typed(size), WithJsonSchema({"type": "string", "examples": ["10MiB"]})]
Flag = Annotated[bool, _typed(flag, bool), WithJsonSchema({"enum": ["Y", "N", True, False]})]
HostPortText = Annotated[
    InstanceOf[HostPort],
    _typed(host_port, HostPort),
    WithJsonSchema({"type": "string", "examples": ["[::1]:25"]}),
]
RateText = Annotated[
    InstanceOf[Rate], _typed(rate, Rate), WithJsonSchema({"type": "string", "examples": ["60/m"]})
]
Domain = Annotated[str, _typed(domain)]
MailAddress = Annotated[str, _typed(mail_address)]
Network = Annotated[
    InstanceOf[ipaddress.IPv4Network] | InstanceOf[ipaddress.IPv6Network],
    _typed(network, ipaddress.IPv4Network, ipaddress.IPv6Network),
    WithJsonSchema({"type": "string", "examples": ["192.0.2.0/24"]}),
]
