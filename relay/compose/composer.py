"""The composer: one notification and its registrations become the mails that partners get.

One mail per registration where the template's unit is pack, one per order where it is order. The record of
values is made once and shared by all. Message-ID and Date are fixed here, so that a mail sent twice after
a crash can be known as one.

The way of a mail: the partner's value rules that hold always change its values; it is rendered and written,
its values folded to the charset, or their characters replaced, where they cannot be written as they are;
then subject and body are read back. A mail that would be misread is made once more under the rules for such
mails; where they do not help, nothing of them stays. Whatever changes a value, the mail is rendered and
proved again: a fold, a replaced character or a rule can make a separator or a label just as a buyer can.
Last of all, what is given out is signed (`dkim`), if there is a key for its sender's domain.

Guarantees: no mail that would be misread is given out, but for `unproved` registrations; a registration gets
all of its mails or none. When one of them cannot be sent, what stands in the way is said for all of them,
and a replay, which is for a whole registration, doubles nothing. No registration's trouble touches another's
mails. No I/O: time and ids come from the clock that was given.

Diagnostics: what cannot be written or would be misread is an `Unwritable` with a reason for the operator; no
exception. A hostname that cannot stand in a Message-ID raises BadInput when the composer is made.
Source: RFC 5322 section 3.6, RFC 3834 section 5 (why there is no Auto-Submitted: docs/mail-format.md);
docs/reading-back.md.
"""

from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from datetime import datetime
from email.utils import format_datetime
from functools import lru_cache
from itertools import chain
from typing import Self

from grammar import Catalogue, TemplateError
from relay.charset import CharacterError, Charset, charset_of
from relay.clock import JST, Clock
from relay.compose.correction import (
    folding,
    noted,
    replacement_notes,
    replacing,
    rule_notes,
    ruling,
)
from relay.compose.difference import difference
from relay.compose.dkim import Signer
from relay.compose.explanation import explanation
from relay.compose.header import (
    HeaderError,
    parse_mailbox,
    plain_line,
    recipients_line,
    sender_line,
    text_line,
)
from relay.compose.mime import mail_bytes
from relay.compose.part import Part, parts
from relay.compose.proof import Misread, misread
from relay.errors import BadInput, Problem
from relay.notification import Notification
from relay.quantity import domain
from relay.registry import Registration
from relay.store.values import Mail

MAX_REMEMBERED = 10_000  # header lines of one kind, about 2 MB: the registrations of the sellers who are busy
_MAX_CHANGES = 1_000  # value rules of so many partners are kept joined; nine are shipped


@dataclass(frozen=True, slots=True, kw_only=True)
class ComposedMail:
    """A mail and the registration that it is for, which knows its recipients."""

    mail: Mail
    registration: Registration


@dataclass(frozen=True, slots=True, kw_only=True)
class Unwritable:
    """A registration whose mails could not be written, or would be misread."""

    registration: Registration
    is_misread: bool  # all of them could be written: a person may want them sent as they are
    # One problem a row, each naming its place. It may show a buyer's value that would be misread, so it is
    # for the quarantine, and never for journal or log.
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Rewriting:
    """What was done to values so that a registration's mails could be sent."""

    registration: Registration
    detail: str  # one line for the journal: fields, filters and single characters, no values


@dataclass(frozen=True, slots=True, kw_only=True)
class Composition:
    """All that came of one notification, in the order of its registrations."""

    mails: tuple[ComposedMail, ...]
    unwritable: tuple[Unwritable, ...]
    rewritings: tuple[Rewriting, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Made:
    """What became of one part."""

    part: Part  # with its values as they were changed last
    mail: Mail | None  # None: it could not be written
    misread: tuple[Misread, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Texts:
    """What is printed for one part."""

    sender: str
    subject: str
    body: str

    @classmethod
    def of(cls, registration: Registration, part: Part) -> Self:
        """Raises TemplateError when a text would pass a limit."""
        record = part.record
        return cls(
            sender=registration.sender(record),
            subject=registration.subject(record),
            body=registration.body(record),
        )


class Composer:
    """Writes mails. Holds no state but what it was built with, and what it made last."""

    def __init__(
        self, hostname: str, clock: Clock, catalogue: Catalogue, signer: Signer | None = None
    ) -> None:
        try:
            self._hostname = domain(hostname)
        except ValueError as error:
            raise BadInput((Problem(path="hostname", message=str(error)),)) from None
        self._clock = clock
        self._catalogue = catalogue
        self._signer = signer
        # A registration's sender and recipients hardly ever change from mail to mail, and a second has many.
        self._date_line = lru_cache(1)(_date_line)
        self._fixed_sender_line = lru_cache(MAX_REMEMBERED)(_sender_line)
        self._recipients_line = lru_cache(MAX_REMEMBERED)(recipients_line)
        self._ruling = lru_cache(_MAX_CHANGES)(ruling)

    def compose(
        self,
        notification: Notification,
        registrations: Sequence[Registration],
        *,
        unproved: AbstractSet[str] = frozenset(),
    ) -> Composition:
        """The mails for these registrations, which the caller has chosen by seller, type and use.

        Args:
            notification: what the mails tell.
            registrations: whom they are for.
            unproved: ids of registrations whose mails a person wants sent also where they would be misread.
        """
        mails: list[ComposedMail] = []
        unwritable: list[Unwritable] = []
        rewritings: list[Rewriting] = []
        record = self._catalogue.record(notification)
        date = self._date_line(self._clock.now().replace(microsecond=0))
        for registration in registrations:
            always = self._ruling(registration.template.partner.value_rules, "always")
            ruled = record.changed(always) if always else record
            made = [self._made(registration, part, date) for part in parts(registration, notification, ruled)]
            written = [each.mail for each in made if each.mail is not None]
            would_be_misread = any(each.misread for each in made) and registration.id not in unproved
            if would_be_misread or len(written) < len(made):
                unwritable.append(self._unwritable(registration, made))
                continue
            mails += [ComposedMail(mail=self._signed(mail), registration=registration) for mail in written]
            if detail := noted(chain.from_iterable(each.notes for each in made)):
                rewritings.append(Rewriting(registration=registration, detail=detail))
        return Composition(mails=tuple(mails), unwritable=tuple(unwritable), rewritings=tuple(rewritings))

    def _made(self, registration: Registration, part: Part, date: bytes) -> _Made:
        """One mail; under the rules for misread mails where it would be misread without them."""
        rules = registration.template.partner.value_rules
        made = self._legible(registration, part, date)
        change = self._ruling(rules, "misread") if made.misread else None
        if change is None:
            return made
        ruled = part.changed(change)
        again = self._legible(registration, ruled, date)
        if again.mail is None or again.misread:
            return made  # no help, so no change: a person is shown, and may have sent, what the buyer typed
        fields = registration.subject.fields | registration.body.fields
        notes = rule_notes(rules, part.record, ruled.record, fields, self._catalogue)
        return replace(again, notes=(*notes, *again.notes))

    def _legible(self, registration: Registration, part: Part, date: bytes) -> _Made:
        """One mail read back, its values changed only as far as the charset needs it."""
        tried = part
        for version, is_replaced in _versions(registration, part):
            tried = version
            try:
                texts = _Texts.of(registration, version)
                mail = self._mail(registration, version, texts, date)
            except CharacterError:
                continue
            except (HeaderError, TemplateError):
                break
            notes: tuple[str, ...] = ()
            if is_replaced:
                notes = replacement_notes(registration, part.record, self._catalogue)
            found = misread(registration, texts.subject, texts.body, version.record)
            return _Made(part=version, mail=mail, misread=found, notes=notes)
        return _Made(part=tried, mail=None)

    def _mail(self, registration: Registration, part: Part, texts: _Texts, date: bytes) -> Mail:
        """The mail of these texts. Raises CharacterError and HeaderError."""
        template = registration.template
        charset = charset_of(template.partner.charset)
        mail_id = self._clock.new_id()
        message_id = f"<{mail_id}@{self._hostname}>"
        return Mail(
            id=mail_id,
            registration=registration.id,
            partner=template.partner.key,
            template=template.key,
            order_no=part.order_no,
            message_id=message_id,
            sender=texts.sender,
            subject=texts.subject,
            content=mail_bytes(
                self._headers(message_id, date, registration, texts, charset), texts.body, charset
            ),
        )

    def _headers(
        self, message_id: str, date: bytes, registration: Registration, texts: _Texts, charset: Charset
    ) -> Iterator[bytes]:
        """Asked for when the body is written, which is what may fail."""
        yield plain_line("Message-ID", message_id)
        yield date
        # One with a buyer's name in it is not remembered: it hardly comes twice, and is not ours to keep.
        make_sender_line = _sender_line if registration.sender.fields else self._fixed_sender_line
        yield make_sender_line(texts.sender, charset)
        yield self._recipients_line(registration.recipients)
        yield text_line("Subject", texts.subject, charset)
        if (key := charset.fold(registration.recognition_key)).strip():
            yield text_line("X-Recognition-Key", key, charset)

    def _signed(self, mail: Mail) -> Mail:
        if self._signer is None:
            return mail
        from_domain = parse_mailbox(mail.sender).address.rpartition("@")[2]
        return replace(mail, content=self._signer.signed(mail.content, from_domain))

    def _unwritable(self, registration: Registration, made: Sequence[_Made]) -> Unwritable:
        """What stands in the way, said for all mails of the registration."""
        unwritten = [each.part for each in made if each.mail is None]
        rows = explanation(registration, unwritten, self._catalogue)
        rows += difference([(each.part, each.misread) for each in made if each.misread], self._catalogue)
        return Unwritable(registration=registration, is_misread=not unwritten, reason="\n".join(rows))


def _versions(registration: Registration, part: Part) -> Iterator[tuple[Part, bool]]:
    """The part as it is, folded, and with characters replaced if the partner allows it; whether it was so."""
    partner = registration.template.partner
    charset = charset_of(partner.charset)
    # The template's own text is folded, so an IF that compares can hold only for values that are, too.
    if not registration.body.compares:
        yield part, False
    yield part.changed(folding(charset)), False
    if partner.unwritable == "replace":
        yield part.changed(replacing(charset)), True


def _date_line(at: datetime) -> bytes:
    return plain_line("Date", format_datetime(at.astimezone(JST)))


def _sender_line(sender: str, charset: Charset) -> bytes:
    return sender_line(parse_mailbox(sender), charset)
