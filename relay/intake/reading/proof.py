"""One text mail against one form: read, made a notification, written out again, and compared.

Only a text that the form writes again character for character, up to blank rows at its end, counts as read.
So a value that was damaged, a field that its filters cut, or a row that somebody added cannot pass: what
Denrei would say of the notification is what the mail says.

Guarantees: pure; at most `MAX_ENDINGS` readings in each of two spellings. Diagnostics: `UnreadError` with how
far it came, and a problem that shows what the template has at that place and no value of the mail.
Source: ours (docs/reading-back.md).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from enum import IntEnum
from typing import Any, NoReturn

from grammar import Catalogue, TemplateError
from grammar.reader import Reading, ReadingError
from grammar.span import line_and_column
from relay.document import validated
from relay.errors import BadInput, DenreiError, Problem
from relay.intake.reading.doubt import Joint, doubtful
from relay.intake.reading.form import Form
from relay.intake.reading.spelling import Spelling
from relay.intake.reading.textmail import TextMail
from relay.intake.reading.wrapping import gone_on
from relay.notification import Notification
from relay.registry import Piece
from relay.wording import shown

MAX_ENDINGS = 3  # newlines at the end that are tried: a template may end in a blank row, or in a blank value
MAX_TOLD = 5  # problems of one form: another form may be meant


class Stage(IntEnum):
    """How far a text came."""

    SUBJECT = 0
    BODY = 1
    PROOF = 2  # read, but it would be written otherwise
    NOTIFICATION = 3  # read, but not a notification
    SELLER = 4


class UnreadError(DenreiError):
    """The mail is not one that this form wrote, or says too little."""

    def __init__(
        self, form: Form, stage: Stage, problems: Sequence[Problem], place: tuple[int, int] = (0, 0)
    ) -> None:
        self.form = form
        self.stage = stage
        self.place = place  # row and column from 1; (0, 0) when it is about the whole
        self.problems = tuple(problems)
        super().__init__("; ".join(map(str, self.problems)))

    @property
    def reached(self) -> tuple[int, int, int]:
        """Larger for a form that is nearer to the mail."""
        return (self.stage, *self.place)


def proved(
    form: Form, mail: TextMail, text: str, *, may_be_broken: bool, catalogue: Catalogue, now: datetime
) -> Notification:
    """The notification that a body says, read with this form.

    Args:
        form: what the mail may have been written with.
        mail: its headers.
        text: its body, or one version of it.
        may_be_broken: whether its rows may have been broken on the way.
        catalogue: the fields that templates print.
        now: when it happened, if neither text nor Date tell.

    Raises:
        UnreadError: it says none that the form would write as it came.
    """
    failures: list[UnreadError] = []
    for subject in _spellings(mail.subject, form.subject_spelling):
        try:
            attempt = _Attempt(form, mail, subject, catalogue, may_be_broken=may_be_broken)
        except UnreadError as error:
            failures.append(error)
            continue
        for body in _spellings(text, form.body_spelling):
            failed: list[UnreadError] = []
            for ended in _endings(body):
                try:
                    return attempt.notification(ended, now)
                except UnreadError as error:
                    failed.append(error)
            # With a newline too many a text comes a row further: its own place is told, unless it was read.
            failures.append(max(failed, key=lambda failure: failure.stage))
    raise max(failures, key=lambda failure: failure.reached)  # there is at least the text as it came


def _spellings(text: str, spelling: Spelling) -> Iterator[str]:
    yield text
    if (restored := spelling.restored(text)) != text:
        yield restored


def _endings(text: str) -> Iterator[str]:
    yield text
    bare = text.rstrip("\n")
    ended = (bare + "\n" * count for count in range(1, MAX_ENDINGS + 1))
    yield from (each for each in ended if each != text)


def unbegun(form: Form, mail: TextMail, head: str) -> UnreadError:
    """Why a body is not the form's whose beginning, as `beginning_alike` has it, is not the form's."""
    same = _shared_length(head, form.beginning)
    row, column = line_and_column(form.beginning, same)
    expected = form.beginning[same - column + 1 :].split("\n", 1)[0]
    return _apart(form, mail, Stage.BODY, (row, column), expected)


def _row_path(path: str, row: int) -> str:
    return path if path == "subject" else f"{path} row {row}"


def _apart(form: Form, mail: TextMail, stage: Stage, at: tuple[int, int], expected: str) -> UnreadError:
    """Where mail and template part, and what the template has there."""
    row, column = at
    path = _row_path("subject" if stage is Stage.SUBJECT else mail.body.place, row)
    what = shown(expected) if expected else "its end"
    message = f"{form.name} has {what} there, and the mail parts from it at column {column}"
    return UnreadError(form, stage, (Problem(path=path, message=message),), at)


class _Attempt:
    """One spelling of a mail's subject against one form."""

    def __init__(
        self, form: Form, mail: TextMail, subject: str, catalogue: Catalogue, *, may_be_broken: bool
    ) -> None:
        """Read the subject; raises UnreadError."""
        self._may_be_broken = may_be_broken
        self._form = form
        self._mail = mail
        self._subject = subject
        self._catalogue = catalogue
        self._said = self._read(form.subject, subject, Stage.SUBJECT)

    def notification(self, text: str, now: datetime) -> Notification:
        """What a body says beside the subject; raises UnreadError."""
        subject, body = self._said, self._read(self._form.body, text, Stage.BODY)
        for reading in (subject, body):
            if joint := doubtful(self._form.joints, reading):
                self._fail_shared(joint)
        if self._may_be_broken and (row := gone_on(text, body.open_rows)):
            self._fail_gone_on(row)
        tree = _merged(subject.document(self._catalogue), body.document(self._catalogue))
        seller_id = self._seller_id(tree)
        tree |= {"version": 1, "type": self._form.template.notification.value, "seller_id": seller_id}
        tree.setdefault("occurred_at", self._mail.sent_at or now)
        for order in tree.get("pack", {}).get("orders", ()):
            order.setdefault(
                "currency", ""
            )  # left out of a document it is yen, and the text said no such thing
        try:
            notification = validated(Notification, tree)
        except BadInput as error:
            self._fail(Stage.NOTIFICATION, *(self._told(problem) for problem in error.problems[:MAX_TOLD]))
        key = body.fields.get("RECOGNITION_KEY", "") or subject.fields.get("RECOGNITION_KEY", "")
        self._check_written_again(notification, text, key)
        return notification

    def _read(self, piece: Piece, text: str, stage: Stage) -> Reading:
        try:
            return piece.reader.read(text)
        except ReadingError as error:
            at = (error.row, error.column)
            raise _apart(self._form, self._mail, stage, at, error.expected) from None

    def _told(self, problem: Problem) -> Problem:
        """A problem of the document, with the form that it was read with."""
        read_with = f"read with {self._form.name}"
        return replace(problem, hint=f"{problem.hint}; {read_with}" if problem.hint else read_with)

    def _seller_id(self, tree: Mapping[str, object]) -> object:
        registration, said = self._form.registration, tree.get("seller_id")
        if registration is None and said is None:
            message = f"{self._form.name} does not print whose order it is"
            hint = "let the sender stamp the mail with the recognition key of one registration"
            self._fail(Stage.SELLER, Problem(path="seller_id", message=message, hint=hint))
        if registration is not None and said not in {None, registration.seller_id}:
            message = f"is another seller than the one of {self._form.name}, whose key the mail bears"
            self._fail(Stage.SELLER, Problem(path="seller_id", message=message))
        return said if registration is None else registration.seller_id

    def _check_written_again(self, notification: Notification, body: str, recognition_key: str) -> None:
        """Refuse what the form would write otherwise, and what may as well say something else."""
        form, place = self._form, self._mail.body.place
        key = form.registration.recognition_key if form.registration else recognition_key
        record = self._catalogue.record(notification, given={"RECOGNITION_KEY": key})
        if form.template.unit == "order":
            record = record.for_order(0)  # a second one, if there were any, would be missing from the text
        for piece, text, path in ((form.subject, self._subject, "subject"), (form.body, body, place)):
            try:
                again = piece(record)
            except TemplateError as error:
                self._fail(Stage.PROOF, Problem(path=path, message=error.message))
            if again.rstrip("\n") != text.rstrip("\n"):
                self._fail_otherwise(again, text, path)
            if misreadings := piece.reader.misreadings(again, record):
                self._fail_doubtful(misreadings[0].row, path)

    def _fail_otherwise(self, again: str, text: str, path: str) -> NoReturn:
        row, column = line_and_column(text, _shared_length(again, text))
        message = f"is read, but {self._form.name} would not write column {column} so"
        hint = "a filter cuts a value there, or it is no value of its field"
        self._fail(
            Stage.PROOF, Problem(path=_row_path(path, row), message=message, hint=hint), at=(row, column)
        )

    def _fail_doubtful(self, row: int, path: str) -> NoReturn:
        message = f"is read with {self._form.name}, but may as well say something else"
        hint = "its template has two ways to print the same"
        self._fail(Stage.PROOF, Problem(path=_row_path(path, row), message=message, hint=hint), at=(row, 1))

    def _fail_shared(self, joint: Joint) -> NoReturn:
        message = (
            f"{self._form.name} prints {' and '.join(joint.keys)} on one row, and there is more than one way"
        )
        hint = "what stands between them stands inside a value too"
        self._fail(
            Stage.PROOF, Problem(path=self._mail.body.place, message=f"{message} to share it out", hint=hint)
        )

    def _fail_gone_on(self, row: int) -> NoReturn:
        message = f"is read with {self._form.name}, but may be the rest of the row before it"
        hint = "a relay on the way breaks rows; send the text as base64 or quoted-printable"
        path = _row_path(self._mail.body.place, row)
        self._fail(Stage.PROOF, Problem(path=path, message=message, hint=hint), at=(row, 1))

    def _fail(self, stage: Stage, *problems: Problem, at: tuple[int, int] = (0, 0)) -> NoReturn:
        raise UnreadError(self._form, stage, problems, at) from None


def _merged(first: Mapping[str, Any], second: Mapping[str, Any]) -> dict[str, Any]:
    """Both trees in one; where they differ the second counts, and the proof finds it out.

    >>> _merged({"pack": {"pack_no": "1"}}, {"pack": {"orders": [{"qty": 2}]}})
    {'pack': {'pack_no': '1', 'orders': [{'qty': 2}]}}
    """
    merged = dict(first)
    for key, value in second.items():
        known = merged.get(key)
        if isinstance(known, Mapping) and isinstance(value, Mapping):
            merged[key] = _merged(known, value)
        elif key == "orders" and isinstance(known, list) and len(known) == len(value):
            merged[key] = [_merged(one, other) for one, other in zip(known, value, strict=True)]
        else:
            merged[key] = value
    return merged


def _shared_length(one: str, other: str) -> int:
    """How many characters two texts have in common at their beginning; halving, since both may be long.

    >>> _shared_length("商品名:長袖", "商品名:半袖")
    4
    """
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        if one[low:middle] == other[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low
