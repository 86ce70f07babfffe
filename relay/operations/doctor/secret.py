"""What is found in the files that nobody else may read: certificate, keys, passwords, users.

Guarantees: no secret, and no part of one, is in a check. Source: ours.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta

from relay.clock import Clock
from relay.compose.dkim import Signer, load_signer
from relay.config import Config
from relay.delivery.smtp.policy import hop_policies
from relay.errors import BadInput
from relay.intake.access.certificate import Certificate
from relay.intake.access.user_file import read_users
from relay.operations.doctor.check import Check, attention, failed, ok, refused

EXPIRES_SOON = timedelta(days=14)  # an automatic renewal comes at 30: by now it has failed


def secret_checks(config: Config, clock: Clock) -> Iterator[Check]:
    """Yield the checks of what the configuration names; nothing for what it does not name."""
    if config.intake.tls is not None:
        try:
            expires_at = Certificate(config.intake.tls, clock=clock).expires_at()
        except BadInput as error:
            yield refused("certificate", error)
        else:
            yield certificate_verdict(expires_at, clock.now())
    if config.intake.users is not None:
        try:
            users = read_users(config.intake.users)
        except BadInput as error:
            yield refused("users", error)
        else:
            yield ok("users", f"who may sign in: {len(users)}")
    if config.delivery.next_hops:
        try:
            hop_policies(config.delivery)
        except BadInput as error:
            yield refused("next hops", error)
        else:
            yield ok("next hops", f"with settings of their own: {len(config.delivery.next_hops)}")


def certificate_verdict(expires_at: datetime, now: datetime) -> Check:
    """Judge how long a certificate is still good."""
    left = expires_at - now
    until = f"{expires_at:%Y-%m-%d %H:%M} UTC"
    advice = "renew it; the relay takes the new files by itself"
    if left <= timedelta():
        return failed("certificate", f"expired at {until}: clients that check it send nothing", advice)
    if left < EXPIRES_SOON:
        return attention("certificate", f"expires at {until}, in {left.days} days", advice)
    return ok("certificate", f"good until {until}")


def signer_of(config: Config) -> tuple[Signer | None, list[Check]]:
    """Return who signs, and the check of the key files when they are no good."""
    try:
        return load_signer(config.dkim), []
    except BadInput as error:
        return None, [refused("dkim", error)]
