"""What cannot be read back in general, with the file and the row where it stands.

`grammar.checks` finds it in a template's text; this knows which file the text came from. Diagnostics:
`BadInput` for a file that cannot be loaded. Source: ours.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from grammar import Catalogue, load_catalogue
from grammar.checks import Finding, findings
from relay.document import locator
from relay.operations.mail_file import LIMIT, MailFile
from relay.registry import PartnerTemplate, Templates
from relay.registry.partner import load_partner
from relay.registry.piece import BODY, Compiler, Piece
from relay.registry.registry import Sheet
from relay.registry.template import load_template
from relay.source import read_source


@dataclass(frozen=True, slots=True, kw_only=True)
class PlacedFinding:
    """A finding, and where to mend it."""

    file: str
    line: int | None  # the file's, from 1; of a registration's own text, where its key stands
    path: str  # body, subject; registrations[2].subject
    template: str  # cross_mall/order_info
    finding: Finding

    @property
    def place(self) -> str:
        """The place as compilers write it: file:line:column, or file:line where the text stands in YAML."""
        rows = "" if self.line is None else f":{self.line}"
        return f"{self.file}{rows}:{self.finding.column}" if self.path == BODY else f"{self.file}{rows}"


def template_findings(template: PartnerTemplate, path: Path, catalogue: Catalogue) -> Iterator[PlacedFinding]:
    """Yield the findings of a template that was loaded from this file; raises BadInput."""
    mail = MailFile.of(read_source(path, limit=LIMIT), file=str(path))
    for name, piece, first in (
        ("subject", template.subject, mail.line_of(("subject",))),
        (BODY, template.body, mail.body_line),
    ):
        yield from _placed(piece, catalogue, file=str(path), first=first, path=name, template=template.key)


def file_findings(path: Path) -> list[PlacedFinding]:
    """The findings of a template file beside its partner.yaml; raises BadInput when it does not load."""
    catalogue = load_catalogue()
    partner = load_partner(path.parent, catalogue)
    template = load_template(path, partner=partner, compiler=Compiler(catalogue))
    return list(template_findings(template, path, catalogue))


def registration_findings(sheets: Iterable[Sheet], catalogue: Catalogue) -> Iterator[PlacedFinding]:
    """Yield the findings of the registrations' own subjects and bodies; raises BadInput."""
    for sheet in sheets:
        own = [
            (index, name, piece, registration.template)
            for index, registration in enumerate(sheet.registrations)
            for name, piece, its in (
                ("subject", registration.subject, registration.template.subject),
                (BODY, registration.body, registration.template.body),
            )
            if piece is not its
        ]
        line_of = locator(read_source(sheet.path)) if own else lambda _path: None
        for index, name, piece, template in own:
            yield from _placed(
                piece,
                catalogue,
                file=str(sheet.path),
                first=line_of(("registrations", index, name)),
                path=f"registrations[{index}].{name}",
                template=template.key,
            )


def path_of(template: PartnerTemplate, templates: Templates) -> Path:
    """The file that a template was loaded from; an operator's group never has a shipped one's name."""
    shipped = templates.shipped / f"{template.key}.mail"
    return shipped if templates.own is None or shipped.exists() else templates.own / f"{template.key}.mail"


def _placed(
    piece: Piece, catalogue: Catalogue, *, file: str, first: int | None, path: str, template: str
) -> Iterator[PlacedFinding]:
    renderer = piece.renderer
    for finding in findings(renderer.template, catalogue=catalogue, unit=renderer.unit):
        below = finding.line - 1 if path == BODY else 0  # in YAML only the key's own row is known
        line = None if first is None else first + below
        yield PlacedFinding(file=file, line=line, path=path, template=template, finding=finding)
