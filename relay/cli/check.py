"""`denrei check`: everything that is wrong with the files, before the relay first runs and after each change.

Guarantees: every problem of configuration, templates and registrations is named at once, as far as each can
be read beside what is broken; it is said when something could not be checked. The place of the store is
tried, and nothing is left there. Only when all files are good is a sample notification written for each
registration; that sends and stores nothing.
"""

import re
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import typer
from pydantic import BaseModel

from relay.app import SHIPPED_TEMPLATES, Office
from relay.cli.letter import visible
from relay.cli.office import require
from relay.cli.option import DEFAULT_CONFIG, AsJson, ConfigPath
from relay.cli.screen import counted, screen, show_json
from relay.config import Config
from relay.config.setting import FilePath
from relay.document import locate, parse_yaml, validated
from relay.errors import BadInput, Problem
from relay.registry import PartnerTemplate, Templates, load_registry, load_templates
from relay.registry.partner import load_partner
from relay.registry.piece import Compiler
from relay.registry.template import load_template
from relay.source import read_source

_NUMBER = re.compile(rb"^number: *([0-9]{1,5})\s", re.MULTILINE)


class _Folders(BaseModel):
    """What a configuration that is broken elsewhere may still say; all other keys are left out."""

    registrations: FilePath = Path("registrations")
    templates: FilePath | None = None


def check(*, config: ConfigPath = DEFAULT_CONFIG, as_json: AsJson = False) -> None:
    """Check configuration, partner templates and registrations; name every problem at once."""
    problems, summary = _checked(config)
    if as_json:
        show_json(
            {
                "file": problem.file,
                "line": problem.line,
                "path": problem.path,
                "message": problem.message,
                "hint": problem.hint,
            }
            for problem in problems
        )
    else:
        console = screen()
        for problem in problems:
            console.print(visible(str(problem)), soft_wrap=True)
        console.print(counted(len(problems), "problem") if problems else summary, soft_wrap=True)
    if problems:
        raise typer.Exit(1)


def _checked(path: Path) -> tuple[list[Problem], str]:
    """Return all problems, and one row that says what was found good."""
    try:
        require(path)
    except BadInput as error:
        return list(error.problems), ""
    problems: list[Problem] = []
    try:
        office = Office.open(path, create_store=False)
    except BadInput as error:
        problems += error.problems
        folders = _folders(path)
        if folders is None:
            return [
                *problems,
                Problem(file=str(path), message="templates and registrations were not checked"),
            ], ""
        office = Office(folders, create_store=False)
    else:
        problems += _store_problems(office.config.store.path, path)
    problems += _file_problems(office)
    if not problems:
        problems += office.operations.unwritable()
    if problems:
        return problems, ""
    registry = office.registry.current
    registrations = sum(1 for _ in registry)
    findings = len(office.operations.findings())
    return [], (
        f"{path}: good; {counted(len(office.templates), 'template')},"
        f" {counted(registrations, 'registration')} of {counted(len(registry.sellers), 'seller')}"
        + (f"\nreading back: {counted(findings, 'finding')}; denrei template check" if findings else "")
    )


def _folders(path: Path) -> Config | None:
    """Return the part of a broken configuration that says where the other files are, or None."""
    try:
        tree = parse_yaml(read_source(path), file=str(path))
        folders = validated(_Folders, tree, file=str(path))
    except BadInput:
        return None
    here = path.absolute().parent
    return Config.model_construct(
        registrations=here / folders.registrations,
        templates=None if folders.templates is None else here / folders.templates,
    )


def _file_problems(office: Office) -> list[Problem]:
    """Return what is wrong with templates and registrations."""
    try:
        office.templates  # noqa: B018  (loads them)
    except BadInput as error:
        return list(dict.fromkeys([*error.problems, *_registration_problems(office)]))
    try:
        office.registry  # noqa: B018  (loads them)
    except BadInput as error:
        return list(error.problems)
    return []


def _registration_problems(office: Office) -> list[Problem]:
    """Return what is wrong with the registrations whatever the broken templates will say once mended."""
    try:
        load_registry(office.config.registrations, _stand_ins(office), office.catalogue)
    except BadInput as error:
        return list(error.problems)
    return []


def _stand_ins(office: Office) -> Templates:
    """Return the templates that can be read, and for each that cannot another one under its name.

    So a registration that chooses a broken template is not told that there is no such template.
    """
    shipped = load_templates(SHIPPED_TEMPLATES, office.catalogue)
    own = office.config.templates
    by_key, partners = dict(shipped.by_key), dict(shipped.partners)
    for path in sorted(own.glob("*/*.mail")) if own is not None else ():
        if path.parent.name in shipped.partners:
            continue
        key = f"{path.parent.name}/{path.stem}"
        try:
            partner = load_partner(path.parent, office.catalogue)
            by_key[key] = load_template(path, partner=partner, compiler=Compiler(office.catalogue))
            partners[partner.key] = partner
        except BadInput:
            by_key[key] = _stand_in(path, key, next(iter(shipped)))
    return Templates(by_key=by_key, partners=partners, shipped=shipped.shipped, own=own)


def _stand_in(path: Path, key: str, template: PartnerTemplate) -> PartnerTemplate:
    try:
        number = _NUMBER.search(read_source(path))
    except BadInput:
        number = None
    # Order is the unit that allows every field, so that a subject of its own is not blamed for the template.
    return replace(template, key=key, number=int(number[1]) if number else 0, unit="order")


def _store_problems(store: Path, config: Path) -> Iterator[Problem]:
    """Yield what will keep the relay from opening its store."""
    folder = store.parent
    what = f"the folder {folder}"
    try:
        if store.exists():
            what = "the store"
            store.open("r+b").close()
        else:
            tempfile.TemporaryFile(dir=folder).close()  # it has no name, and goes when it is closed
    except OSError as error:
        line = locate(read_source(config), ("store", "path"))
        hint = "make it, writable for the relay's user, or name another place"
        message = f"{what} cannot be written: {error.strerror}"
        yield Problem(file=str(config), line=line, path="store.path", message=message, hint=hint)
