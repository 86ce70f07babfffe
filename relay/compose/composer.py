"""The composer: one notification and its registrations become the mails that partners get.

One mail per registration where the template's unit is pack, one per order where it is order. The record of
values is made once and shared by all. Message-ID and Date are fixed here, so that a mail sent twice after
a crash can be known as one.

Guarantees: a registration gets all of its mails or none. When one of them cannot be written, what stands
in the way is said for all of them, and a replay, which is for a whole registration, doubles nothing. No
registration's trouble touches another's mails. No I/O: time and ids come from the clock that was given.

Diagnostics: what cannot be written is an `Unwritable` with a reason for the operator; no exception. A
hostname that cannot stand in a Message-ID raises BadInput when the composer is made.
Source: RFC 5322 section 3.6, RFC 3834 section 5 (why there is no Auto-Submitted: docs/mail-format.md).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from email.utils import format_datetime
from functools import lru_cache

from grammar import Catalogue, Record, TemplateError
from relay.clock import JST, Clock
from relay.compose.charset import CharacterError, Charset, charset_of
from relay.compose.explanation import explain
from relay.compose.header import (
    HeaderError,
    parse_mailbox,
    plain_line,
    recipients_line,
    sender_line,
    text_line,
)
from relay.compose.mime import mail_bytes
from relay.errors import BadInput, Problem
from relay.notification import Notification
from relay.quantity import domain
from relay.registry import Registration
from relay.store.values import Mail

MAX_REMEMBERED = 10_000  # header lines of one kind, about 2 MB: the registrations of the sellers who are busy


@dataclass(frozen=True, slots=True, kw_only=True)
class ComposedMail:
    """A mail and the registration that it is for, which knows its recipients."""

    mail: Mail
    registration: Registration


@dataclass(frozen=True, slots=True, kw_only=True)
class Unwritable:
    """A registration whose mails could not be written."""

    registration: Registration
    reason: (
        str  # one problem a row, each naming its place; for the operator, no value of a buyer but characters
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Composition:
    """All that came of one notification, in the order of its registrations."""

    mails: tuple[ComposedMail, ...]
    unwritable: tuple[Unwritable, ...]


class Composer:
    """Writes mails. Holds no state but what it was built with, and the header lines that it wrote last."""

    def __init__(self, hostname: str, clock: Clock, catalogue: Catalogue) -> None:
        try:
            self._hostname = domain(hostname)
        except ValueError as error:
            raise BadInput((Problem(path="hostname", message=str(error)),)) from None
        self._clock = clock
        self._catalogue = catalogue
        # A registration's sender and recipients hardly ever change from mail to mail, and a second has many.
        self._date_line = lru_cache(1)(_date_line)
        self._sender_line = lru_cache(MAX_REMEMBERED)(_sender_line)
        self._recipients_line = lru_cache(MAX_REMEMBERED)(recipients_line)

    def compose(self, notification: Notification, registrations: Sequence[Registration]) -> Composition:
        """The mails for these registrations, which the caller has chosen by seller, type and use."""
        mails: list[ComposedMail] = []
        unwritable: list[Unwritable] = []
        record = self._catalogue.record(notification)
        date = self._date_line(self._clock.now().replace(microsecond=0))
        for registration in registrations:
            parts = _parts(registration, notification, record)
            try:
                written = [self._mail(registration, order_no, part, date) for order_no, part in parts]
            except (CharacterError, HeaderError, TemplateError):
                reason = explain(registration, parts, self._catalogue)
                unwritable.append(Unwritable(registration=registration, reason=reason))
            else:
                mails += [ComposedMail(mail=mail, registration=registration) for mail in written]
        return Composition(mails=tuple(mails), unwritable=tuple(unwritable))

    def _mail(self, registration: Registration, order_no: str, record: Record, date: bytes) -> Mail:
        """One mail. Raises CharacterError, HeaderError and TemplateError."""
        template = registration.template
        charset = charset_of(template.partner.charset)
        sender, subject = registration.sender(record), registration.subject(record)
        mail_id = self._clock.new_id()
        message_id = f"<{mail_id}@{self._hostname}>"
        headers = [
            plain_line("Message-ID", message_id),
            date,
            self._sender_line(sender, charset),
            self._recipients_line(registration.recipients),
            text_line("Subject", subject, charset),
            *_key_lines(registration, charset),
        ]
        return Mail(
            id=mail_id,
            registration=registration.id,
            partner=template.partner.key,
            template=template.key,
            order_no=order_no,
            message_id=message_id,
            sender=sender,
            subject=subject,
            content=mail_bytes(headers, template.body(record), charset),
        )


def _parts(
    registration: Registration, notification: Notification, record: Record
) -> list[tuple[str, Record]]:
    """What each mail is made of: an order number, empty when it is for the whole pack, and a record."""
    if registration.recognition_key:
        record = record.with_given({"RECOGNITION_KEY": registration.recognition_key})
    if registration.template.unit == "pack":
        return [("", record)]
    orders = notification.pack.orders
    return [(order.order_no, record.for_order(index)) for index, order in enumerate(orders)]


def _date_line(at: datetime) -> bytes:
    return plain_line("Date", format_datetime(at.astimezone(JST)))


def _sender_line(sender: str, charset: Charset) -> bytes:
    return sender_line(parse_mailbox(sender), charset)


def _key_lines(registration: Registration, charset: Charset) -> list[bytes]:
    key = registration.recognition_key
    return [text_line("X-Recognition-Key", key, charset)] if key.strip() else []
