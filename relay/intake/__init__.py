"""Intake: SMTP in, a notification or a reason out, and 250 only when everything is stored."""

from relay.intake.decoding import Decoded, Decoder
from relay.intake.door import ListenerSettings
from relay.intake.policy import Policy
from relay.intake.reception import Reception
from relay.intake.smtp import Listener

__all__ = ["Decoded", "Decoder", "Listener", "ListenerSettings", "Policy", "Reception"]
