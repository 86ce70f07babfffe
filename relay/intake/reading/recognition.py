"""Which known template wrote a text mail, and what the mail says.

The mail's recognition key names registrations, and then no other form counts; else its subject names
templates. Each of these forms is tried on the text (`wrapping`), and only what is proved counts (`proof`).
Two that prove the same notification are as good as one; two that prove different ones are none, since nobody
can say which was meant.

Diagnostics: `BadInput` with the problems of the form that came nearest: where the mail parts from it, what it
has there, and no value of the mail. A forward or an answer is named as what it is: a person's mail is not
the marketplace's word, whatever it quotes. Source: ours (docs/notification.md, "A text mail").
"""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import NoReturn

from grammar import Catalogue
from relay.errors import BadInput
from relay.intake.reading.form import Form, FormIndex
from relay.intake.reading.part import refuse
from relay.intake.reading.proof import MAX_TOLD, Stage, UnreadError, proved, unbegun
from relay.intake.reading.spelling import beginning_alike
from relay.intake.reading.textmail import TextMail, body_texts
from relay.notification import Notification

MAX_FORMS = 64  # tried on one text: each costs up to a millisecond, and subject and beginning leave a few
MAX_READ = 4_194_304  # characters read for one mail, all forms together: some 50 ms
_BEGINNING = 64  # characters of a subject that are looked at for a person's hand
_BY_A_PERSON = re.compile(
    r"\s*[\[【(]?\s*(?:(?:re|fwd?|aw|wg|tr|vs|sv|rv|antw)(?:\[\d{1,3}\]|\^\d{1,3})?|転送|返信)\s*[:>\]】)]",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Recognised:
    """What a text mail says, and the form that proves it."""

    notification: Notification
    form: Form


def recognised(mail: TextMail, index: FormIndex, catalogue: Catalogue, *, now: datetime) -> Recognised:
    """The notification that a text mail is; see `proof.proved` for the arguments.

    Raises:
        BadInput: no form proves it, or two prove different things.
    """
    _check_author(mail)
    forms = index.by_key(mail.recognition_key) or index.by_subject(mail.subject)
    if not forms:
        refuse(
            "is none that a known template writes",
            place="subject",
            hint="send it as application/json or application/yaml, or as the text of a known template",
        )
    fit = [form for form in forms if not form.missing]
    if not fit:
        _refuse_unfit(forms)
    is_encoded = _is_encoded(mail)  # asked first: taking the encoding off takes its header off as well
    versions = body_texts(mail)
    trial = _Trial(mail, fit, catalogue, now, may_be_broken=versions.was_cut or not is_encoded)
    found = next(filter(None, map(trial.found, versions.texts)), None)
    if found is None:
        trial.refuse()
    return found


class _Trial:
    """The forms of one mail, being tried."""

    def __init__(
        self,
        mail: TextMail,
        forms: Sequence[Form],
        catalogue: Catalogue,
        now: datetime,
        *,
        may_be_broken: bool,
    ) -> None:
        self._mail = mail
        self._may_be_broken = may_be_broken
        self._forms = forms
        self._catalogue = catalogue
        self._now = now
        self._longest = max(form.beginning_length for form in forms)
        self._left = MAX_READ
        self._nearest: UnreadError | None = None
        self._unbegun: list[tuple[Form, str]] = []

    def found(self, text: str) -> Recognised | None:
        """What the text proves; None when it proves nothing. Raises BadInput when it proves two things."""
        found: Recognised | None = None
        for form in self._begun(text):
            if (said := self._proved(form, text)) is None:
                continue
            if found is None:
                found = Recognised(notification=said, form=form)
            elif said != found.notification:
                how = f"read with {found.form.name} and {form.name}"
                refuse(f"says different things, {how}", place=self._mail.body.place)
        return found

    def _begun(self, text: str) -> list[Form]:
        """The forms whose beginning the text has: a look at it spares most forms the reading."""
        head = beginning_alike(text[: self._longest])
        begun = [form for form in self._forms if head.startswith(form.beginning)]
        if len(begun) > MAX_FORMS:
            message = (
                f"can be one of {len(begun)} templates or registrations, and {MAX_FORMS} are tried at most"
            )
            refuse(message, place=self._mail.body.place)
        if not begun:
            self._unbegun += [(form, head) for form in self._forms]
        return begun

    def _proved(self, form: Form, text: str) -> Notification | None:
        self._left -= len(text)
        if self._left < 0:
            refuse("can be read in too many ways", place=self._mail.body.place)
        try:
            return proved(
                form,
                self._mail,
                text,
                may_be_broken=self._may_be_broken,
                catalogue=self._catalogue,
                now=self._now,
            )
        except UnreadError as error:
            self._note(error)
            return None

    def _note(self, error: UnreadError) -> None:
        if self._nearest is None or error.reached > self._nearest.reached:
            self._nearest = error

    def refuse(self) -> NoReturn:
        """Say why no form was the one, by the form that came nearest."""
        for form, head in self._unbegun:
            self._note(unbegun(form, self._mail, head))
        assert self._nearest is not None  # each mail has a version and a form
        others = len(self._forms) - 1
        first, *more = self._nearest.problems
        if others and self._nearest.stage <= Stage.BODY:
            hint = f"{first.hint}; " if first.hint else ""
            kinds = "other templates come" if others > 1 else "other template comes"
            first = replace(first, hint=f"{hint}the nearest; {others} {kinds} less far")
        raise BadInput((first, *more))


def _is_encoded(mail: TextMail) -> bool:
    """Whether relays see other rows than the text's, short ones, and so have none to break."""
    encoding = str(mail.body.part.get("content-transfer-encoding", "")).strip().lower()
    return encoding in {"base64", "quoted-printable"}


def _check_author(mail: TextMail) -> None:
    """Refuse what a person sends on; a subject that begins with a field would take `Fw:` for its value."""
    if _BY_A_PERSON.match(unicodedata.normalize("NFKC", mail.subject[:_BEGINNING])):
        refuse(
            "says that a person forwarded or answered the mail, and nobody vouches for that",
            place="subject",
            hint="redirect the mail itself, or send the notification as a document",
        )


def _refuse_unfit(forms: Sequence[Form]) -> NoReturn:
    """Say that the templates of such a subject print too little."""
    named = "; ".join(f"{form.name} does not print {' and '.join(form.missing)}" for form in forms[:MAX_TOLD])
    refuse(
        f"{named}: its mails cannot be taken in", place="subject", hint="send the notification as a document"
    )
