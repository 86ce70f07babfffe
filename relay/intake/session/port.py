"""A port to listen on, and the address of who comes to it.

Guarantees: `::` is every address of the machine, those of IPv4 too, whatever the event loop and the kernel
are set to; a client of IPv4 has the same name on such a port as on one of IPv4 alone.

Diagnostics: `OSError` when the address cannot be had. Source: RFC 3493 5.3 (IPV6_V6ONLY) and 3.7 (mapped
addresses).
"""

import socket
from typing import Any, cast

_MAPPED = "::ffff:"  # before an IPv4 address


def open_port(host: str, port: int, *, backlog: int, reuse_port: bool) -> socket.socket:
    """A socket that listens; raises OSError.

    Args:
        host: an address, or a name, whose first address is taken.
        port: 0 takes a free one.
        backlog: connections that the kernel keeps for us.
        reuse_port: let other processes listen there too.
    """
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    family, _, _, _, name = found[0]
    address = cast("tuple[str, int]", name[:2])
    is_everywhere = family is socket.AF_INET6 and address[0] == "::"
    return socket.create_server(
        address,
        family=family,
        backlog=backlog,
        reuse_port=reuse_port,
        dualstack_ipv6=is_everywhere and socket.has_dualstack_ipv6(),
    )


def peer_of(name: Any) -> str:
    """The IP address in a socket's name of its other end; "" where there is none.

    >>> peer_of(("::ffff:192.0.2.7", 40_000, 0, 0)), peer_of(("2001:db8::7", 40_000, 0, 0)), peer_of(None)
    ('192.0.2.7', '2001:db8::7', '')
    """
    if not name:
        return ""
    address: str = name[0]
    return address.removeprefix(_MAPPED) if "." in address else address
