"""The notice as a mail: a text of `texts/` filled with rows, in UTF-8, signed if there is a key for it.

Guarantees: a notice names at most `MAX_ROWS` and counts the rest, so its size is bounded; its values are one
line each (`values`) and are never templates; it says that a machine wrote it (Auto-Submitted), and its
envelope sender is null, so that no program answers it. Source: RFC 3834 sections 2 and 5.2; ours.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Protocol

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from relay.charset import UTF_8
from relay.clock import JST, Clock
from relay.compose.header import Mailbox, plain_line, recipients_line, sender_line, text_line
from relay.compose.mime import mail_bytes
from relay.config import NoticeConfig
from relay.notice.values import Addressee, DeliveryRow, RegistrationRow, delivery_row, registration_row, span
from relay.registry import Partner
from relay.store.concern import REMIND, Concern, Kind, Outlook, Unsuccessful
from relay.store.notice import Letter
from relay.store.values import Delivery, DeliveryState, Mail

MAX_ROWS = 50  # some screens of a mail; who needs all of them asks the queue
SENDER_NAME = "Denrei"
_TEXTS = Path(__file__).parent / "texts"
_SUBJECT = "Subject: "  # a text's first row; the body follows after an empty one


class Signs(Protocol):
    """Puts a domain's signature on a mail (`relay.compose.dkim.Signer`)."""

    def signed(self, content: bytes, from_domain: str) -> bytes:
        """The mail with its signature; as it is when there is no key for the domain."""


class LetterWriter:
    """Writes the mails of notices. Holds no state but what it was built with."""

    def __init__(
        self, *, hostname: str, settings: NoticeConfig, clock: Clock, signer: Signs | None = None
    ) -> None:
        self._hostname = hostname
        self._sender = settings.sender or f"postmaster@{hostname}"
        self._settings = settings
        self._clock = clock
        self._signer = signer
        self._texts = Environment(
            loader=FileSystemLoader(_TEXTS),
            autoescape=False,  # noqa: S701  (plain text: what could forge a row is taken out of the values)
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            keep_trailing_newline=True,
        )

    def letter(
        self,
        kind: Kind,
        addressee: Addressee,
        about: Sequence[Concern | Unsuccessful],
        partners: Mapping[str, Partner],
        now: datetime,
    ) -> Letter:
        """One notice to one addressee.

        Args:
            kind: which of the texts.
            addressee: to whom.
            about: what is told, at least one, in the order in which it is to be named.
            partners: by key, for their names.
            now: when.
        """
        subject, body = self._text(kind, addressee, about, partners, now)
        mail_id = self._clock.new_id()
        message_id = f"<{mail_id}@{self._hostname}>"
        content = mail_bytes(self._headers(message_id, addressee, subject, now), body, UTF_8)
        if self._signer is not None:
            content = self._signer.signed(content, self._sender.rpartition("@")[2])
        mail = Mail(
            id=mail_id,
            registration="",
            partner="",
            template=f"notice/{kind}.{addressee.language}",
            order_no="",
            message_id=message_id,
            sender=f"{SENDER_NAME} <{self._sender}>",
            subject=subject,
            content=content,
            notice=kind.value,
        )
        deliveries = [self._delivery(mail, address, now) for address in addressee.addresses]
        return Letter(
            seller_id=addressee.seller_id,
            notification_id=about[0].notification_id,
            mail=mail,
            deliveries=deliveries,
        )

    def _delivery(self, mail: Mail, address: str, now: datetime) -> Delivery:
        return Delivery(
            id=self._clock.new_id(),
            mail_id=mail.id,
            recipient=address,
            state=DeliveryState.QUEUED,
            due_at=now,
            accepted_at=now,
        )

    def _headers(self, message_id: str, addressee: Addressee, subject: str, now: datetime) -> list[bytes]:
        return [
            plain_line("Message-ID", message_id),
            plain_line("Date", format_datetime(now.replace(microsecond=0).astimezone(JST))),
            sender_line(Mailbox(name=SENDER_NAME, address=self._sender), UTF_8),
            recipients_line(addressee.addresses),
            text_line("Subject", subject, UTF_8),
            plain_line("Auto-Submitted", "auto-generated"),
        ]

    def _text(
        self,
        kind: Kind,
        addressee: Addressee,
        about: Sequence[Concern | Unsuccessful],
        partners: Mapping[str, Partner],
        now: datetime,
    ) -> tuple[str, str]:
        """Subject and body."""
        language = addressee.language
        rows = [_row(each, partners, addressee, now) for each in about[:MAX_ROWS]]
        text = self._texts.get_template(f"{kind}.{language}.txt").render(
            rows=rows,
            total=len(about),
            rest=len(about) - len(rows),
            outlooks={each.outlook.value for each in about if isinstance(each, Concern)},
            Outlook=Outlook,
            is_operator=addressee.is_operator,
            hostname=self._hostname,
            delay_after=_span(self._settings.delay_after, addressee),
            no_success_after=_span(self._settings.no_success_after, addressee),
            remind=_span(REMIND, addressee),
        )
        head, _, body = text.partition("\n\n")
        assert head.startswith(_SUBJECT), f"{kind}.{language}.txt has no subject"
        return head.removeprefix(_SUBJECT), body


def _row(
    about: Concern | Unsuccessful, partners: Mapping[str, Partner], addressee: Addressee, now: datetime
) -> DeliveryRow | RegistrationRow:
    if isinstance(about, Concern):
        return delivery_row(about, partners, addressee.language, now)
    return registration_row(about, partners, addressee.language)


def _span(length: timedelta, addressee: Addressee) -> str:
    return span(length, addressee.language)
