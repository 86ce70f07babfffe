"""A partner template: one `.mail` file, front matter and body, checked and compiled.

Guarantees: every field of subject, sender and body is known and stands where it may; the file's name agrees
with what is in it; no key was ignored; its texts keep to what `relay.registry.piece` guarantees. Diagnostics:
`BadInput` with file and line of each problem. Source: the file format is ours (docs/partners.md); rows are
the marketplace's where `attested_rows` says so.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StrictInt

from relay.document import locate, parse_yaml, validated
from relay.errors import BadInput, Problem
from relay.notification import NotificationType
from relay.registry.partner import Partner, Title
from relay.registry.piece import BODY, Compiler, Line, Piece, PieceKind, Place, Unit
from relay.source import read_source

MAX_MAIL_FILE = (
    256 * 1024
)  # octets: the language allows 64 KiB of characters, of up to 3 octets each, and front matter
_FENCE = "---\n"

Source = Literal["manual", "denrei", "operator"]  # whose words its rows are


@dataclass(frozen=True, slots=True, kw_only=True)
class PartnerTemplate:
    """What one partner gets for one notification type."""

    key: str  # cross_mall/order_info
    number: int  # テンプレート番号; unique among all templates
    name: str
    partner: Partner = field(repr=False)
    notification: NotificationType
    unit: Unit
    source: Source
    attested_rows: int  # so many leading rows of the body stand in the marketplace's manual
    subject: Piece = field(repr=False)
    sender: Piece = field(repr=False)
    body: Piece = field(repr=False)


class _FrontMatter(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    number: Annotated[StrictInt, Field(ge=1, le=99_999)]
    name: Title
    notification: NotificationType
    unit: Unit
    subject: Line
    sender: Line
    source: Source
    attested_rows: Annotated[StrictInt, Field(ge=0)] = 0


def load_template(path: Path, *, partner: Partner, compiler: Compiler) -> PartnerTemplate:
    """The template in this file of the partner's group; raises BadInput with every problem in it."""
    file = str(path)
    content = read_source(path, limit=MAX_MAIL_FILE)
    head, body = _parts(content, file=file)
    front = validated(_FrontMatter, parse_yaml(head, file=file), file=file, source=head)
    problems = _disagreements(front, path, body)
    below_head = head.count(b"\n") + 2

    def compiled(source: str, kind: PieceKind) -> Piece | None:
        def line_of(row: int) -> int | None:
            return below_head + row - 1 if kind == BODY else locate(head, (kind,))

        place = Place(file=file, path=kind, line_of=line_of)
        return compiler.piece(source, kind, front.unit, partner.charset, place=place, problems=problems)

    subject, sender, text = (
        compiled(front.subject, "subject"),
        compiled(front.sender, "sender"),
        compiled(body, BODY),
    )
    if problems or subject is None or sender is None or text is None:
        raise BadInput(tuple(problems))
    return PartnerTemplate(
        key=f"{partner.key}/{path.stem}",
        number=front.number,
        name=front.name,
        partner=partner,
        notification=front.notification,
        unit=front.unit,
        source=front.source,
        attested_rows=front.attested_rows,
        subject=subject,
        sender=sender,
        body=text,
    )


def _parts(content: bytes, *, file: str) -> tuple[bytes, str]:
    """Front matter with its opening fence, so that its lines count from the file's first, and the body."""
    try:
        text = content.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise BadInput((Problem(file=file, line=line, message="is not UTF-8 text"),)) from None
    head, fence, body = text.removeprefix(_FENCE).partition("\n" + _FENCE)
    if not text.startswith(_FENCE) or not fence:
        hint = "the first row is ---, then front matter, then a row --- and the body"
        raise BadInput((Problem(file=file, line=1, message="has no front matter", hint=hint),))
    return f"{_FENCE}{head}\n".encode(), body


def _disagreements(front: _FrontMatter, path: Path, body: str) -> list[Problem]:
    problems: list[Problem] = []

    def add(key: str, message: str, hint: str = "") -> None:
        problems.append(Problem(file=str(path), path=key, message=message, hint=hint))

    kind = front.notification.value
    if path.stem != kind and not path.stem.startswith(f"{kind}_"):
        add(
            "notification",
            f"is {kind}, but the file is {path.name}",
            f"name it {kind}.mail or {kind}_<word>.mail",
        )
    if (front.source == "manual") != (front.attested_rows > 0):
        add("attested_rows", "must be above 0 when source is manual, and 0 otherwise")
    if front.attested_rows > body.count("\n"):
        add("attested_rows", f"is {front.attested_rows}, but the body has {body.count(chr(10))} rows")
    if not body.strip():
        add(BODY, "is empty")
    return problems
