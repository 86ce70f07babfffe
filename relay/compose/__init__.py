"""Compose: a notification and its registrations become mails, as bytes for the wire (docs/mail-format.md).

`composer` renders, `explanation` says why a mail cannot be written, `mime` lays out the bytes, `header`
makes header lines and `charset` turns text into a partner's charset.
"""

from relay.compose.composer import ComposedMail, Composer, Composition, Unwritable

__all__ = ["ComposedMail", "Composer", "Composition", "Unwritable"]
