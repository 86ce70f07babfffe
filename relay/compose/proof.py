"""The proof of one mail: what its partner will read is what its record says.

A partner reads the subject and the body, so both are read back by the readers that were compiled from the
same text as the mail's renderers. The sender is not read by partners and no value can change its address
(`relay.registry.piece`), so it is written and not proved. Source: docs/reading-back.md.
"""

from dataclasses import dataclass
from typing import Literal

from grammar import Record
from grammar.reader import Misreading
from relay.registry import Registration


@dataclass(frozen=True, slots=True, kw_only=True)
class Misread:
    """One way in which the mail would be misread, and the text in which it stands."""

    place: Literal["subject", "body"]
    misreading: Misreading


def misread(registration: Registration, subject: str, body: str, record: Record) -> tuple[Misread, ...]:
    """Every misreading of the two texts that were rendered from this record; none when they are proved."""
    in_subject = registration.subject.reader.misreadings(subject, record)
    in_body = registration.body.reader.misreadings(body, record)
    if not (in_subject or in_body):
        return ()
    return (
        *(Misread(place="subject", misreading=each) for each in in_subject),
        *(Misread(place="body", misreading=each) for each in in_body),
    )
