"""The contact of a seller: who is told when one of the seller's mails is late, lost or waits for a person.

Guarantees: the address can stand in an envelope and a header as it is, and shows in no repr. A seller without
a contact is told nothing; the operators are (docs/notices.md). Source: ours.
"""

from dataclasses import dataclass, field
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from relay.quantity import MailAddress

Language = Literal["ja", "en"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Contact:
    """Whom of the seller's to tell."""

    address: str = field(repr=False)  # addr-spec
    language: Language


class ContactEntry(BaseModel):
    """A contact as it is written in the seller's file."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    address: MailAddress = Field(description="Where the seller's notices go.")
    language: Language = Field(default="ja", description="In which language they are written.")

    def contact(self) -> Contact:
        """The value of it."""
        return Contact(address=self.address, language=self.language)
