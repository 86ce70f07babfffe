"""Registrations: what one seller's file says about who gets which mail, where and when.

Guarantees: recipients can stand in an envelope and a header as they are; a registration names exactly one
template that exists; its own subject, sender and body are as good as a template's, and its recognition key
can be written in the partner's charset. Diagnostics: `BadInput` with file, line and path of every problem.

Source: the marketplace's screen 受注メール管理; period, stale_after, recognition key and the seller's contact
are our definition.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StrictInt,
    StringConstraints,
    model_validator,
)

from grammar.value import is_blank
from relay.charset import charset_of
from relay.charset import shown as shown_character
from relay.document import Place as PathInTree
from relay.document import locator, parse_yaml, validated
from relay.errors import BadInput, Problem
from relay.notification import Identifier, Moment
from relay.quantity import Duration, Flag, MailAddress
from relay.registry.contact import Contact, ContactEntry
from relay.registry.group import Templates
from relay.registry.piece import BODY, Compiler, Line, Piece, PieceKind, Place
from relay.registry.template import PartnerTemplate
from relay.source import read_source
from relay.wording import near_miss, path_text, shown

MAX_RECIPIENTS = 20  # of one registration: each is a delivery of its own, and all are named in one To
MAX_REGISTRATIONS = 1_000  # of one seller; the marketplace has some fifty templates to choose from
STALE_AFTER = timedelta(days=1)  # an order is worked on the same day, or somebody has missed it already

# The row that opens a literal block of YAML, whose rows are the text's own.
_BLOCK = re.compile(rb":[ \t]*\|[-+0-9]*[ \t]*(?:#.*)?\r?$")

Shown = Annotated[str, StringConstraints(strict=True, max_length=100, pattern=r"^[^\p{C}\p{Zl}\p{Zp}]*$")]


def _bare(key: str) -> str:
    # Who reads the header back gets it without them, so it would be another key.
    if key != key.strip():
        raise ValueError("begins or ends in white space: take it off")
    return key


def _printable(body: str) -> str:
    if is_blank(body):
        raise ValueError("is blank: leave it out to send the template's")
    return body


# How long it may be is the language's business: grammar.limits.MAX_SOURCE.
Body = Annotated[str, StringConstraints(strict=True), AfterValidator(_printable)]
RegistrationId = Annotated[
    str, StringConstraints(strict=True, min_length=1, max_length=64, pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Registration:
    """A seller's standing choice. Never deleted; switched off with use N."""

    id: str  # unique in the seller's file, and stable
    seller_id: str
    template: PartnerTemplate
    recipients: tuple[str, ...] = field(repr=False)  # addr-specs, 送信先
    use: bool  # 使用
    wait: bool  # 待機
    period: timedelta | None  # with wait: how long each mail is held; None: until a person releases it
    stale_after: timedelta = STALE_AFTER  # with a period: how late it may still go out without a person
    recognition_key: str  # 認識キー
    subject: Piece = field(repr=False)  # its own, else the template's
    sender: Piece = field(repr=False)
    body: Piece = field(repr=False)
    registered_by: str
    registered_at: datetime | None  # aware, UTC
    changed_by: str
    changed_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Seller:
    """What one seller's file says."""

    id: str
    contact: Contact | None
    registrations: tuple[Registration, ...]  # at least one, in the file's order


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class RegistrationEntry(_Strict):
    """One registration as it is written in the file."""

    id: RegistrationId = Field(
        description="Its name, unique in the file. Deliveries and the journal refer to it."
    )
    template: str | None = Field(default=None, description="The template's key; or give its number.")
    number: StrictInt | None = Field(default=None, description="The template's number (テンプレート番号).")
    recipients: tuple[MailAddress, ...] = Field(
        min_length=1, max_length=MAX_RECIPIENTS, description="The partner's intake addresses (送信先)."
    )
    use: Flag = Field(default=True, description="N stops its mail (使用).")
    wait: Flag = Field(default=False, description="Y holds its mail (待機).")
    period: Duration | None = Field(
        default=None,
        description="With wait Y: how long each mail is held; without it, until a person releases it.",
    )
    stale_after: Duration = Field(
        default=STALE_AFTER,
        description=(
            "With a period: how late a mail may still go out by itself when the relay stood still over its "
            "time; later ones wait for a person."
        ),
    )
    recognition_key: Annotated[Shown, AfterValidator(_bare)] = Field(
        default="", description="Stamped on each mail as X-Recognition-Key (認識キー)."
    )
    subject: Line | None = Field(
        default=None, description="Its own subject (タイトル) in place of the template's."
    )
    sender: Line | None = Field(
        default=None, description="Its own sender (送信者) in place of the template's."
    )
    body: Body | None = Field(
        default=None, description="Its own body (テンプレートの詳細) in place of the template's."
    )
    registered_by: Shown = Field(default="", description="Who registered it (登録者).")
    registered_at: Moment | None = Field(
        default=None, description="When (登録日); without a zone, Japan time."
    )
    changed_by: Shown = Field(default="", description="Who changed it last (修正者).")
    changed_at: Moment | None = Field(default=None, description="When (修正日).")

    @model_validator(mode="after")
    def _agrees_with_itself(self) -> Self:
        if (self.template is None) == (self.number is None):
            raise ValueError("must name its template, either by template or by number")
        if self.period is not None and not self.wait:
            raise ValueError("has a period, but does not wait: set wait to Y, or leave the period out")
        if "stale_after" in self.model_fields_set and self.period is None:
            raise ValueError("has stale_after, but no period that it could count from: leave it out")
        # A local part may mind its case, but two that differ in nothing else are a slip.
        if len({address.lower() for address in self.recipients}) != len(self.recipients):
            raise ValueError("names a recipient twice")
        return self


class SellerFile(_Strict):
    """One seller's file."""

    seller: Identifier = Field(description="The seller's id (販売者ID), as the notifications have it.")
    contact: ContactEntry | None = Field(
        default=None,
        description="Whom of the seller's to tell of late and lost mails; null: the operators only.",
    )
    registrations: tuple[RegistrationEntry, ...] = Field(
        min_length=1, max_length=MAX_REGISTRATIONS, description="What this seller registered."
    )

    @model_validator(mode="after")
    def _ids_differ(self) -> Self:
        seen: set[str] = set()
        for entry in self.registrations:
            if entry.id in seen:
                raise ValueError(f"has two registrations with the id {entry.id}")
            seen.add(entry.id)
        return self


def load_seller(path: Path, templates: Templates, compiler: Compiler) -> Seller:
    """What one seller's file says.

    Raises:
        BadInput: with every problem in the file.
    """
    content = read_source(path)
    tree = parse_yaml(content, file=str(path))
    file = validated(SellerFile, tree, file=str(path), source=content)
    reading = _Reading(str(path), content, templates, compiler)
    found = [
        reading.registration(file.seller, index, entry) for index, entry in enumerate(file.registrations)
    ]
    if reading.problems:
        raise BadInput(tuple(reading.problems))
    return Seller(
        id=file.seller,
        contact=None if file.contact is None else file.contact.contact(),
        registrations=tuple(registration for registration in found if registration is not None),
    )


class _Reading:
    """A seller's file whose form is good, being joined with the templates that it names."""

    def __init__(self, file: str, content: bytes, templates: Templates, compiler: Compiler) -> None:
        self._file = file
        self._content = content
        self._templates = templates
        self._compiler = compiler
        self._lines: Callable[[PathInTree], int | None] | None = None
        self.problems: list[Problem] = []

    def registration(self, seller_id: str, index: int, entry: RegistrationEntry) -> Registration | None:
        """The registration; None when a problem was added."""
        template = self._template(index, entry)
        if template is None:
            return None
        self._check_key(index, entry.recognition_key, template)
        return Registration(
            id=entry.id,
            seller_id=seller_id,
            template=template,
            recipients=entry.recipients,
            use=entry.use,
            wait=entry.wait,
            period=entry.period,
            stale_after=entry.stale_after,
            recognition_key=entry.recognition_key,
            subject=self._own(index, "subject", entry.subject, template) or template.subject,
            sender=self._own(index, "sender", entry.sender, template) or template.sender,
            body=self._own(index, BODY, entry.body, template) or template.body,
            registered_by=entry.registered_by,
            registered_at=entry.registered_at,
            changed_by=entry.changed_by,
            changed_at=entry.changed_at,
        )

    def _template(self, index: int, entry: RegistrationEntry) -> PartnerTemplate | None:
        key = "number" if entry.template is None else "template"
        name = str(entry.number) if entry.template is None else entry.template
        by_key, by_number = self._templates.by_key, self._templates.by_number
        found = by_key.get(name) if key == "template" else by_number.get(entry.number or 0)
        if found is None:
            place = ("registrations", index, key)
            self.problems.append(
                Problem(
                    message=f"there is no template {shown(name)}",
                    path=path_text(place),
                    file=self._file,
                    line=self._line_of(place),
                    hint=near_miss(name, by_key) if key == "template" else "",
                )
            )
        return found

    def _own(
        self, index: int, kind: PieceKind, source: str | None, template: PartnerTemplate
    ) -> Piece | None:
        if source is None:
            return None
        steps = ("registrations", index, kind)
        place = Place(
            file=self._file, path=path_text(steps), line_of=lambda row: self._line_of_row(steps, row)
        )
        profile = template.partner.charset
        return self._compiler.piece(source, kind, template.unit, profile, place=place, problems=self.problems)

    def _check_key(self, index: int, key: str, template: PartnerTemplate) -> None:
        charset = charset_of(template.partner.charset)
        place = ("registrations", index, "recognition_key")
        self.problems += [
            Problem(
                message=f"{shown_character(char)} cannot be written in {charset.profile.upper()}",
                path=path_text(place),
                file=self._file,
                line=self._line_of(place),
            )
            for char in (() if key.isascii() else charset.unwritable(key))
        ]

    def _line_of_row(self, steps: PathInTree, row: int) -> int | None:
        """The line of a row of a text: its own in a block (`body: |`), else that of the text's key."""
        line = self._line_of(steps)
        if line is None:
            return None
        opening = self._content.split(b"\n", line)[line - 1 : line]
        return line + row if any(map(_BLOCK.search, opening)) else line

    def _line_of(self, steps: PathInTree) -> int | None:
        """The line of a place; the file is read again for the first one, and never while all is good."""
        if self._lines is None:
            self._lines = locator(self._content)
        return self._lines(steps)
