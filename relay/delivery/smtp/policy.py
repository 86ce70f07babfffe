"""What holds for one next hop: how it is encrypted, who signs in, how much may go there at once.

`hop_policies` answers by the name of a next hop, from the configuration; what the operator did not say of one
is as for all. A next hop with a user is always `require`: a password goes only to a host that has proved its
name, whatever the mails themselves would make do with.

Guarantees: passwords and certificate authorities are read once, when the relay starts, and a bad one keeps it
from starting; a policy never shows its password. Diagnostics: `BadInput` with every problem at once.
Source: RFC 3207, RFC 4954; the levels of encryption are Postfix's `encrypt` with `verify`, `may`, `none`.
"""

import os
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from relay.config import DeliveryConfig, HopConfig, TlsPolicy
from relay.errors import BadInput, Problem
from relay.quantity import Rate
from relay.secret import Secret, secret_in_environment, secret_in_file


@dataclass(frozen=True, slots=True, kw_only=True)
class HopPolicy:
    """What holds for one next hop."""

    tls: TlsPolicy = "opportunistic"
    ca_file: Path | None = None  # whose word a certificate stands on; None: the system's authorities
    user: str = ""  # empty: nobody signs in
    password: Secret | None = None
    connections: int = 20  # at once
    rate: Rate | None = None  # of mails; None: no bound

    def __post_init__(self) -> None:
        if self.password is not None and self.tls != "require":
            raise ValueError("a password is given only to a host that has proved its name")


def hop_policies(
    settings: DeliveryConfig, environment: Mapping[str, str] | None = None
) -> Callable[[str], HopPolicy]:
    """Answers what holds for a next hop, by its name as `queue shape` shows it, in any case.

    Args:
        settings: what the operator chose.
        environment: where passwords may stand; None: the process's own.

    Raises:
        BadInput: a password or a file of authorities cannot be used.
    """
    usual = HopPolicy(tls=settings.tls, connections=settings.connections, rate=settings.rate)
    environment = os.environ if environment is None else environment
    problems: list[Problem] = []
    policies: dict[str, HopPolicy] = {}
    for name, chosen in settings.next_hops.items():
        try:
            policies[name.lower()] = _policy(chosen, settings, environment)
        except BadInput as error:
            problems += error.problems
    if problems:
        raise BadInput(tuple(problems))
    return lambda name: policies.get(name.lower(), usual)


def tls_context(*, is_proved: bool, ca_file: Path | None) -> ssl.SSLContext:
    """How the client speaks TLS: with a proof of the host's name, or with whoever answers.

    Raises:
        OSError: `ca_file` cannot be read, or (ssl.SSLError) holds no certificates.
    """
    if is_proved:
        return ssl.create_default_context(cafile=ca_file)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _policy(chosen: HopConfig, settings: DeliveryConfig, environment: Mapping[str, str]) -> HopPolicy:
    if chosen.ca_file is not None:
        _check_authorities(chosen.ca_file)
    return HopPolicy(
        tls="require" if chosen.user else chosen.tls or settings.tls,
        ca_file=chosen.ca_file,
        user=chosen.user or "",
        password=_password(chosen, environment),
        connections=chosen.connections or settings.connections,
        rate=chosen.rate or settings.rate,
    )


def _check_authorities(ca_file: Path) -> None:
    try:
        tls_context(is_proved=True, ca_file=ca_file)
    except OSError as error:
        what = "holds no certificates in PEM" if isinstance(error, ssl.SSLError) else "cannot be read"
        raise BadInput((Problem(file=str(ca_file), message=what),)) from None


def _password(chosen: HopConfig, environment: Mapping[str, str]) -> Secret | None:
    if chosen.password_file is not None:
        return secret_in_file(chosen.password_file)
    if chosen.password_env is not None:
        return secret_in_environment(chosen.password_env, environment)
    return None
