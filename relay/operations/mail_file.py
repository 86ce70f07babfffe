"""A template's `.mail` file as it lies on the disk: front matter, body, and where each row of them stands.

`relay.registry.template` reads what such a file means; this keeps how it is written, for the verbs that show
a place in it or write it anew. Guarantees: `MailFile.of(content).content()` is `content`, octet for octet.
Diagnostics: `BadInput`. Source: the file format is ours (docs/partners.md).
"""

from dataclasses import dataclass, replace
from typing import Self

from relay.document import Place, locate, parse_yaml
from relay.errors import BadInput, Problem
from relay.registry.template import MAX_MAIL_FILE

LIMIT = MAX_MAIL_FILE  # octets of a template file: what the registry loads
_BOM = "\ufeff"
_FENCE = "---"


@dataclass(frozen=True, slots=True, kw_only=True)
class MailFile:
    """The two parts of a template file, with the line ends that each row has."""

    file: str  # as the person knows it
    bom: str  # a byte order mark, or nothing
    head: str  # the front matter from its opening fence on, rows ending in \n
    body: str  # rows ending in \n
    returns: tuple[str, ...]  # for every row of the file, what stands between it and its \n: "\r" or nothing

    @classmethod
    def of(cls, content: bytes, *, file: str) -> Self:
        """The parts of a file's octets; raises BadInput when it has none."""
        try:
            text = content.decode("utf-8")
        except UnicodeDecodeError as error:
            line = content.count(b"\n", 0, error.start) + 1
            raise BadInput([Problem(file=file, line=line, message="is not UTF-8 text")]) from None
        bom = _BOM if text.startswith(_BOM) else ""
        *rows, last = text.removeprefix(bom).split("\n")
        returns = tuple("\r" if row.endswith("\r") else "" for row in rows)
        plain = [row.removesuffix("\r") for row in rows]
        closing = next((index for index, row in enumerate(plain) if index > 1 and row == _FENCE), 0)
        if not closing or plain[0] != _FENCE:
            hint = "the first row is ---, then front matter, then a row --- and the body"
            raise BadInput([Problem(file=file, line=1, message="has no front matter", hint=hint)])
        return cls(
            file=file,
            bom=bom,
            head="".join(f"{row}\n" for row in plain[:closing]),
            body="\n".join([*plain[closing + 1 :], last]),
            returns=returns,
        )

    @property
    def body_line(self) -> int:
        """The file's line of the body's first row."""
        return self.head.count("\n") + 2

    def line_of(self, path: Place) -> int | None:
        """The file's line of a place in the front matter."""
        return locate(self.head.encode(), path)

    def front(self) -> dict[str, object]:
        """The front matter; raises BadInput when it is no mapping."""
        tree = parse_yaml(self.head.encode(), file=self.file)
        if not isinstance(tree, dict):
            raise BadInput([Problem(file=self.file, line=1, message="has no front matter")])
        return tree

    def with_texts(self, *, head: str, body: str) -> Self:
        """The file with other texts in the same rows; raises ValueError when a row was lost or added."""
        rows = (self.head.count("\n"), self.body.count("\n"))
        if (head.count("\n"), body.count("\n")) != rows:
            raise ValueError("a row was lost or added")
        return replace(self, head=head, body=body)

    def content(self) -> bytes:
        """The file's octets."""
        *rows, last = f"{self.head}{_FENCE}\n{self.body}".split("\n")
        ended = (f"{row}{end}\n" for row, end in zip(rows, self.returns, strict=True))
        return f"{self.bom}{''.join(ended)}{last}".encode()
