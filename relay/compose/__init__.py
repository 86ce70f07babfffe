"""Compose: a notification and its registrations become mails, as bytes for the wire (docs/mail-format.md).

`composer` renders and decides; `correction` changes values so that a mail can be written and read, `proof`
reads it back; `explanation` says why a mail cannot be written and `difference` how it would be misread.
`mime` lays out the bytes and `header` makes header lines; `part` is what one mail is made of. `dkim` signs.
"""

from relay.compose.composer import ComposedMail, Composer, Composition, Rewriting, Unwritable
from relay.compose.dkim import Signer, load_signer

__all__ = [
    "ComposedMail",
    "Composer",
    "Composition",
    "Rewriting",
    "Signer",
    "Unwritable",
    "load_signer",
]
