"""Documents and mails in files, as an operator names them on a command line.

Diagnostics: `BadInput` that names the file. Source: ours.
"""

from dataclasses import dataclass, replace
from pathlib import Path

from relay.document import parse_json, parse_yaml, validated
from relay.errors import BadInput, Problem
from relay.notification import Notification
from relay.registry import PartnerTemplate
from relay.source import read_source

MAX_DOCUMENT = 10 * 1024 * 1024  # octets of a document file: what the intake takes by default
MAIL_SUFFIX = ".eml"
_SUFFIXES = (".json", ".yaml", ".yml")


@dataclass(frozen=True, slots=True, kw_only=True)
class Mended:
    """What a person puts in place of a document that could not be understood."""

    name: str  # the file's name; its suffix says whether it is JSON or YAML
    content: bytes

    def notification(self) -> Notification:
        """Return the notification that the document is; raises BadInput with every problem in it."""
        if self.name.lower().endswith(".json"):
            try:
                tree = parse_json(self.content)
            except BadInput as error:
                raise BadInput([replace(problem, file=self.name) for problem in error.problems]) from None
            return validated(Notification, tree, file=self.name)
        tree = parse_yaml(self.content, file=self.name)
        return validated(Notification, tree, file=self.name, source=self.content)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadFile:
    """What a file says."""

    notification: Notification
    template: PartnerTemplate | None  # that its text was read with; None: it holds a document


def read_mended(path: Path) -> Mended:
    """Return the document in a file; raises BadInput."""
    if path.suffix.lower() not in _SUFFIXES:
        raise BadInput([Problem(file=str(path), message=f"must end in one of {', '.join(_SUFFIXES)}")])
    return Mended(name=str(path), content=read_source(path, limit=MAX_DOCUMENT))


def read_notification(path: Path) -> Notification:
    """Return the notification in a file; raises BadInput with every problem in it."""
    return read_mended(path).notification()
