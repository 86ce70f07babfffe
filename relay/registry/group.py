"""All template groups: the shipped ones and the operator's own, in one set.

Guarantees: template numbers and keys are unique across all groups, and an operator's group never takes the
place of a shipped one. Adding a partner is adding a folder. Diagnostics: `BadInput` with every problem of
every group.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from grammar import Catalogue
from relay.errors import BadInput, Problem
from relay.registry.partner import PARTNER_FILE, Partner, load_partner
from relay.registry.piece import Compiler
from relay.registry.template import PartnerTemplate, load_template
from relay.wording import near_miss

_NAME = re.compile(r"[a-z][a-z0-9_]{0,49}")  # it becomes part of a key that people type
_NUMBER = re.compile(r"[0-9]{1,5}")  # as long as numbers are (relay.registry.template)


@dataclass(frozen=True, slots=True, kw_only=True)
class Templates:
    """Every template that a registration can choose."""

    by_key: Mapping[str, PartnerTemplate] = field(repr=False)
    partners: Mapping[str, Partner] = field(repr=False)  # by key
    shipped: Path  # where they came from
    own: Path | None = None
    by_number: Mapping[int, PartnerTemplate] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "by_number", {each.number: each for each in self.by_key.values()})

    def __len__(self) -> int:
        return len(self.by_key)

    def __iter__(self) -> Iterator[PartnerTemplate]:
        """By number."""
        return iter(sorted(self.by_key.values(), key=lambda template: template.number))

    def find(self, name: str) -> PartnerTemplate | None:
        """By its key or its number, as a person types it."""
        if _NUMBER.fullmatch(name):
            return self.by_number.get(int(name))
        return self.by_key.get(name)

    def near_miss(self, name: str) -> str:
        """A hint with the nearest key."""
        return near_miss(name, self.by_key.keys())


def load_templates(shipped: Path, catalogue: Catalogue, *, own: Path | None = None) -> Templates:
    """Every group in the two folders.

    Args:
        shipped: the folder that comes with Denrei.
        catalogue: the fields that templates may name.
        own: the operator's folder, laid out alike.

    Raises:
        BadInput: with every problem in every group.
    """
    problems: list[Problem] = []
    partners: dict[str, Partner] = {}
    templates: dict[str, PartnerTemplate] = {}
    numbers: dict[int, str] = {}
    compiler = Compiler(catalogue)  # one for all groups: partners share their subjects and senders
    for root in (shipped, own):
        for folder in _groups(root, problems) if root is not None else ():
            if folder.name in partners:
                problems.append(
                    Problem(file=str(folder), message="is a shipped group already", hint="rename yours")
                )
                continue
            partner, loaded = _group(folder, catalogue, compiler, problems)
            if partner is not None:
                partners[partner.key] = partner
            for path, template in loaded:
                first = numbers.setdefault(template.number, template.key)
                if first != template.key:
                    message = f"is {template.number}, which is the number of {first} already"
                    problems.append(Problem(file=str(path), path="number", message=message))
                templates[template.key] = template
    if problems:
        raise BadInput(tuple(problems))
    return Templates(by_key=templates, partners=partners, shipped=shipped, own=own)


def _groups(root: Path, problems: list[Problem]) -> list[Path]:
    """The folders of groups; what lies beside them and belongs into one would be passed over in silence."""
    folders, files = _entries(root, problems)
    folders = [folder for folder in folders if not folder.name.startswith("_")]
    hint = "each group has a folder of its own, with its partner.yaml and its .mail files"
    problems += [
        Problem(file=str(path), message="stands in no group", hint=hint)
        for path in files
        if path.suffix == ".mail" or path.name == PARTNER_FILE
    ]
    problems += [_misnamed(folder) for folder in folders if not _NAME.fullmatch(folder.name)]
    return [folder for folder in folders if _NAME.fullmatch(folder.name)]


def _group(
    folder: Path, catalogue: Catalogue, compiler: Compiler, problems: list[Problem]
) -> tuple[Partner | None, list[tuple[Path, PartnerTemplate]]]:
    try:
        partner = load_partner(folder, catalogue)
    except BadInput as error:
        problems += error.problems
        return None, []
    loaded: list[tuple[Path, PartnerTemplate]] = []
    _, files = _entries(folder, problems)
    for path in files:
        if path.name == PARTNER_FILE:
            continue
        if path.suffix != ".mail":
            hint = "a group holds partner.yaml, .mail files and examples/"
            problems.append(Problem(file=str(path), message="is no part of a group", hint=hint))
        elif not _NAME.fullmatch(path.stem):
            problems.append(_misnamed(path))
        else:
            try:
                loaded.append((path, load_template(path, partner=partner, compiler=compiler)))
            except BadInput as error:
                problems += error.problems
    if files and not any(path.suffix == ".mail" for path in files):
        problems.append(Problem(file=str(folder), message="has no template"))
    return partner, loaded


def _entries(folder: Path, problems: list[Problem]) -> tuple[list[Path], list[Path]]:
    """Folders and files in a folder, hidden ones left out."""
    folders: list[Path] = []
    files: list[Path] = []
    try:
        for entry in sorted(folder.iterdir()):
            if not entry.name.startswith("."):
                (folders if entry.is_dir() else files).append(entry)
    except OSError as error:
        problems.append(Problem(file=str(folder), message=f"cannot be read: {error.strerror or error}"))
        return [], []
    return folders, files


def _misnamed(path: Path) -> Problem:
    message = "must have a name of small letters, digits and _, beginning with a letter"
    return Problem(file=str(path), message=message)
