"""Every seller's registrations as they stand in the files at one moment, for questions in constant time.

Guarantees: a `Registry` is immutable and complete: it holds every registration of every file, or is not
made. Diagnostics: `BadInput` with every problem of every file, up to `MAX_PROBLEMS`. Source: ours.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from grammar import Catalogue
from relay.document import MAX_PROBLEMS
from relay.errors import BadInput, Problem
from relay.notification import NotificationType
from relay.registry.contact import Contact
from relay.registry.group import Templates
from relay.registry.partner import Partner
from relay.registry.piece import Compiler
from relay.registry.registration import Registration, Seller, load_seller

Stamp = tuple[int, int, int]  # what changes when a file does: inode, time in ns, octets


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """One seller's file as it was read."""

    path: Path
    stamp: Stamp
    seller: Seller

    @property
    def seller_id(self) -> str:
        """Whose file it is."""
        return self.seller.id

    @property
    def registrations(self) -> tuple[Registration, ...]:
        """What the seller registered, in the file's order; never empty."""
        return self.seller.registrations


@dataclass(frozen=True, slots=True, kw_only=True)
class Registry:
    """Who registered what."""

    templates: Templates
    sheets: Mapping[Path, Sheet] = field(repr=False)
    _by_seller: Mapping[str, Seller] = field(init=False, repr=False)
    _by_type: Mapping[tuple[str, NotificationType], tuple[Registration, ...]] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        by_type: dict[tuple[str, NotificationType], list[Registration]] = {}
        for sheet in self.sheets.values():
            for each in sheet.registrations:
                by_type.setdefault((each.seller_id, each.template.notification), []).append(each)
        by_seller = {sheet.seller_id: sheet.seller for sheet in self.sheets.values()}
        object.__setattr__(self, "_by_seller", by_seller)
        object.__setattr__(self, "_by_type", {key: tuple(found) for key, found in by_type.items()})

    def __iter__(self) -> Iterator[Registration]:
        """Every registration, by seller and in each file's order."""
        return (each for seller in self.sellers for each in self._by_seller[seller].registrations)

    @property
    def sellers(self) -> tuple[str, ...]:
        """The sellers that have a file, sorted."""
        return tuple(sorted(self._by_seller))

    @property
    def partners(self) -> Mapping[str, Partner]:
        """Every partner, by key."""
        return self.templates.partners

    def registrations(
        self,
        seller_id: str,
        type: NotificationType,  # noqa: A002  (the notification's word)
    ) -> tuple[Registration, ...]:
        """What the seller registered for this notification type, also with use N, in the file's order."""
        return self._by_type.get((seller_id, type), ())

    def of_seller(self, seller_id: str) -> tuple[Registration, ...]:
        """All that the seller registered, in the file's order."""
        seller = self._by_seller.get(seller_id)
        return () if seller is None else seller.registrations

    def contact(self, seller_id: str) -> Contact | None:
        """Whom of the seller's to tell of late and lost mails; None when the file names nobody."""
        seller = self._by_seller.get(seller_id)
        return None if seller is None else seller.contact


def load_registry(
    registrations: Path, templates: Templates, catalogue: Catalogue, *, last: Registry | None = None
) -> Registry:
    """The registry of a folder, one `.yaml` file per seller.

    Args:
        registrations: the folder; other files than `.yaml`, and hidden ones, are not its business.
        templates: what can be chosen.
        catalogue: the fields that own subjects and senders may name.
        last: an earlier state with the same templates; files that have not changed since are not read again.

    Raises:
        BadInput: with every problem in every file.
    """
    problems: list[Problem] = []
    sheets: dict[Path, Sheet] = {}
    owners: dict[str, Path] = {}
    compiler = Compiler(catalogue)
    known = last.sheets if last is not None and last.templates is templates else {}
    for path, stamp in stamps(registrations, problems).items():
        sheet = known.get(path)
        if sheet is None or sheet.stamp != stamp:
            try:
                seller = load_seller(path, templates, compiler)
            except BadInput as error:
                problems += error.problems
                continue
            sheet = Sheet(path=path, stamp=stamp, seller=seller)
        first = owners.setdefault(sheet.seller_id, path)
        if first != path:
            message = f"is {sheet.seller_id}, whose file is {first.name} already"
            problems.append(Problem(file=str(path), path="seller", message=message))
        sheets[path] = sheet
    if len(problems) > MAX_PROBLEMS:
        rest = Problem(file=str(registrations), message=f"and {len(problems) - MAX_PROBLEMS} more problems")
        problems = [*problems[:MAX_PROBLEMS], rest]
    if problems:
        raise BadInput(tuple(problems))
    return Registry(templates=templates, sheets=sheets)


def stamps(registrations: Path, problems: list[Problem]) -> dict[Path, Stamp]:
    """Each seller's file with its stamp, by name; what cannot be read is added to `problems`."""
    found: dict[Path, Stamp] = {}
    try:
        paths = sorted(registrations.iterdir())
    except OSError as error:
        problems.append(
            Problem(file=str(registrations), message=f"cannot be read: {error.strerror or error}")
        )
        return found
    for path in paths:
        if path.name.startswith(".") or path.suffix not in {".yaml", ".yml"}:
            continue
        if path.suffix == ".yml":
            # Passing over it without a word would lose the seller's mail.
            problems.append(Problem(file=str(path), message="is not read", hint="name it .yaml"))
            continue
        try:
            status = path.stat()
        except OSError as error:
            problems.append(Problem(file=str(path), message=f"cannot be read: {error.strerror or error}"))
        else:
            found[path] = (status.st_ino, status.st_mtime_ns, status.st_size)
    return found
