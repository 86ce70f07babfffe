"""Intake: SMTP in, a notification or a reason out, and 250 only when everything is stored."""

from relay.intake.access.certificate import Certificate
from relay.intake.access.live_file import watch
from relay.intake.access.login import Logins
from relay.intake.access.policy import Policy
from relay.intake.access.throttle import Throttle
from relay.intake.reading.decoding import Decoded, Decoder
from relay.intake.reception import Reception
from relay.intake.session.door import ListenerSettings
from relay.intake.session.listener import Listener

__all__ = [
    "Certificate",
    "Decoded",
    "Decoder",
    "Listener",
    "ListenerSettings",
    "Logins",
    "Policy",
    "Reception",
    "Throttle",
    "watch",
]
