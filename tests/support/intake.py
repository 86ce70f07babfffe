"""What stands around intake in tests: registries, a dispatch that remembers, mails that are texts."""

import base64
import quopri
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

from grammar import Catalogue, load_catalogue
from relay.app import SHIPPED_TEMPLATES
from relay.charset import ISO_2022_JP_MS
from relay.compose.header import text_line
from relay.intake import Decoder
from relay.notification import Notification, NotificationType
from relay.registry import (
    PartnerTemplate,
    Registration,
    Registry,
    Templates,
    load_registry,
    load_templates,
)
from relay.store.values import Due

LEASED_UNTIL = datetime(2026, 11, 21, 1, 10, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class GivenLease:
    """A lease."""

    worker: str = "worker-1"
    until: datetime = LEASED_UNTIL


@dataclass(slots=True)
class RecordingDispatch:
    """Gives leases while it has room and remembers what it is offered."""

    room: int = 100
    offered: list[Due] = field(default_factory=list)

    def lease(self, count: int) -> GivenLease | None:
        """A lease while the room lasts."""
        return GivenLease() if len(self.offered) + count <= self.room else None

    def offer(self, dues: Sequence[Due]) -> None:
        """Remember."""
        self.offered += dues


@dataclass(frozen=True, slots=True)
class Shop:
    """A registry of one seller: example-shop."""

    registered: tuple[Registration, ...]

    def registrations(self, seller_id: str, notification: NotificationType, /) -> tuple[Registration, ...]:
        """What the shop has registered for order_info."""
        wanted = seller_id == "example-shop" and notification is NotificationType.ORDER_INFO
        return self.registered if wanted else ()


PERIOD = timedelta(minutes=30)


@cache  # forty-five templates take a second to compile, and are the same each time
def shipped_templates(catalogue: Catalogue) -> Templates:
    """The templates that come with Denrei."""
    return load_templates(SHIPPED_TEMPLATES, catalogue)


def shipped_registry(catalogue: Catalogue) -> Registry:
    """The shipped templates, and nobody who has registered for one."""
    return Registry(templates=shipped_templates(catalogue), sheets={})


@cache
def _shipped_decoder() -> Decoder:
    catalogue = load_catalogue()
    registry = shipped_registry(catalogue)
    return Decoder(lambda: registry, catalogue)


def decode(content: bytes) -> Notification:
    """What a mail that has just come says to a relay with the shipped templates."""
    return _shipped_decoder().decode(content, LEASED_UNTIL).notification


def registry_in(
    folder: Path,
    catalogue: Catalogue,
    *,
    templates: Mapping[str, str] | None = None,
    registrations: Mapping[str, str] | None = None,
) -> Registry:
    """A registry of files in a folder: .mail files of the group `own` by stem, sellers' files by seller.

    Without templates it is the shipped ones that can be chosen.
    """
    group, sellers = folder / "templates" / "own", folder / "registrations"
    sellers.mkdir()
    for seller_id, text in (registrations or {}).items():
        (sellers / f"{seller_id}.yaml").write_text(f"seller: {seller_id}\nregistrations:\n{text}", "utf-8")
    if templates is None:
        return load_registry(sellers, shipped_templates(catalogue), catalogue)
    group.mkdir(parents=True)
    (group / "partner.yaml").write_text(OWN_PARTNER, "utf-8")
    for number, (stem, body) in enumerate(templates.items(), 1):
        (group / f"{stem}.mail").write_text(template_file(body, number=number, type=stem), "utf-8")
    return load_registry(sellers, load_templates(group.parent, catalogue), catalogue)


OWN_PARTNER = "name: Own\nname_ja: 自店\nname_en: Own\ncapabilities: null\ncharset: utf-8\n"


def template_file(body: str, *, number: int, type: str) -> str:  # noqa: A002  (the notification's word)
    """A .mail file; a body whose first row begins with `subject:` or `unit:` has own front matter there."""
    front = {"subject": "注文のお知らせ(<$_PACK_NO_$>)", "unit": "pack"}
    while (row := body.partition("\n")[0]).startswith(tuple(f"{key}: " for key in front)):
        key, _, front[key] = row.partition(": ")
        body = body.partition("\n")[2]
    kind = next(each for each in NotificationType if type.startswith(each))
    return (
        f'---\nnumber: {number}\nname: "Own {number}"\nnotification: {kind}\nunit: {front["unit"]}\n'
        f'subject: "{front["subject"]}"\nsender: "Own <own@example.jp>"\nsource: denrei\n---\n{body}'
    )


def written(
    template: PartnerTemplate, notification: Notification, catalogue: Catalogue, *, order: int = 0
) -> tuple[str, str]:
    """Subject and body that a template gives; for unit order, those of one order."""
    record = catalogue.record(notification)
    if template.unit == "order":
        record = record.for_order(order)
    return template.subject(record), template.body(record)


DATE = "Sat, 21 Nov 2026 10:15:00 +0900"


def text_mail(
    subject: str,
    body: str | bytes,
    *header: str,
    charset: str = "utf-8",
    encoding: str = "8bit",
    parameters: str = "",
    date: str = DATE,
) -> bytes:
    """A mail that is a text, as the marketplace or a relay on the way would write it.

    Args:
        subject: written as a mailer does that knows Windows' characters.
        body: rows that end in a newline; octets are taken as they are, their newlines too.
        header: lines besides the usual ones.
        charset: of Content-Type, and a codec that Python has.
        encoding: 7bit, 8bit, base64 or quoted-printable.
        parameters: added to Content-Type.
        date: of the Date header; empty for none.
    """
    octets = body if isinstance(body, bytes) else body.replace("\n", "\r\n").encode(charset)
    match encoding:
        case "base64":
            octets = base64.encodebytes(octets).replace(b"\n", b"\r\n")
        case "quoted-printable":
            octets = quopri.encodestring(octets.replace(b"\r\n", b"\n")).replace(b"\n", b"\r\n")
    lines = [
        "From: Qoo10 <qoo10info@example.jp>",
        "To: orders@intake.example.jp",
        *([f"Date: {date}"] if date else []),
        *header,
        f"Content-Type: text/plain; charset={charset}{parameters}",
        f"Content-Transfer-Encoding: {encoding}",
        "",
        "",
    ]
    return text_line("Subject", subject, ISO_2022_JP_MS) + "\r\n".join(lines).encode() + octets
