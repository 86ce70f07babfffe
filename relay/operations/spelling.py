"""A template file in the language's one canonical spelling: its body, and its subject and sender.

Guarantees: only the spelling of fields and directives changes (`grammar.formatter`). What a partner reads,
comments, quotes, line ends and a byte order mark stay octet for octet; the front matter is read again and
must say the same. A file is written whole or not at all. Diagnostics: `BadInput` with every mistake, and the
file is left alone; `MachineFailure` when it cannot be written. Source: ours.
"""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from grammar import Template, TemplateError, parse, parse_line
from grammar.ast import Field
from grammar.formatter import formatted
from relay.document import parse_yaml
from relay.errors import BadInput, MachineFailure, Problem
from relay.operations.mail_file import LIMIT, MailFile
from relay.source import read_source

_LINES = ("subject", "sender")


def respelt(content: bytes, *, file: str) -> bytes:
    """A template file's octets in canonical spelling; the same octets when they are in it already.

    Raises:
        BadInput: with every mistake of spelling in its body, subject and sender.
    """
    mail = MailFile.of(content, file=file)
    front, problems = mail.front(), list[Problem]()
    body = _parsed(mail, "body", mail.body, problems)
    lines = {
        key: _parsed(mail, key, source, problems)
        for key in _LINES
        if isinstance(source := front.get(key), str)
    }
    if problems or body is None:
        raise BadInput(sorted(problems, key=lambda problem: problem.line or 0))
    head = mail.head
    for key, template in lines.items():
        if template is not None:
            head = _with_line(mail, head, key, template)
    wanted = front | {key: formatted(template) for key, template in lines.items() if template is not None}
    if parse_yaml(head.encode(), file=file) != wanted:
        hint = "write its fields as <$_NAME_$> by hand, without escapes and on one row"
        raise BadInput([Problem(file=file, message="has front matter that cannot be respelt", hint=hint)])
    return mail.with_texts(head=head, body=formatted(body)).content()


def respell(path: Path, *, write: bool) -> bool:
    """Put a template file into canonical spelling.

    Args:
        path: the file; a symbolic link is followed, not replaced.
        write: whether to write it, or only to look.

    Returns:
        Whether it was not in canonical spelling.

    Raises:
        BadInput: the file cannot be read, or holds a mistake.
        MachineFailure: it cannot be written; it is as it was.
    """
    content = read_source(path, limit=LIMIT)
    canonical = respelt(content, file=str(path))
    if canonical == content:
        return False
    if write:
        _write(path, canonical)
    return True


def _parsed(mail: MailFile, piece: str, source: str, problems: list[Problem]) -> Template | None:
    is_body = piece == "body"
    try:
        return (parse if is_body else parse_line)(source, name=mail.file)
    except TemplateError as error:
        first = mail.body_line if is_body else mail.line_of((piece,))
        unit = "column" if is_body else "character"
        problems += [
            Problem(
                file=mail.file,
                line=None if first is None else first + each.line - 1,
                path=piece,
                message=f"{each.message} ({unit} {each.column})\n{each.excerpt}",
                hint=each.hint,
            )
            for each in (error, *error.others)
        ]
        return None


def _with_line(mail: MailFile, head: str, key: str, template: Template) -> str:
    """The front matter with the fields of one of its values respelt, from the row on where the key stands."""
    line = mail.line_of((key,)) or 1
    position = 0
    for _ in range(line - 1):
        position = head.index("\n", position) + 1
    for old, new in _changes(template):
        found = head.find(old, position)
        if (
            found < 0
        ):  # written with escapes or over two rows: the caller finds that the text is not as wanted
            return head
        head = head[:found] + new + head[found + len(old) :]
        position = found + len(new)
    return head


def _changes(template: Template) -> Iterator[tuple[str, str]]:
    """How each field is written and is to be written, from left to right."""
    for row in template.rows:
        for piece in row.pieces:
            if isinstance(piece, Field):
                yield str(piece), f"<$_{piece.key}_$>"


def _write(path: Path, content: bytes) -> None:
    """Put the content in the file's place: whoever opens it meanwhile reads the old one or the new one."""
    target = path.resolve()
    draft = ""
    try:
        mode = target.stat().st_mode
        descriptor, draft = tempfile.mkstemp(prefix=".", suffix=".draft", dir=target.parent)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fchmod(descriptor, mode)
            os.fsync(descriptor)
        Path(draft).replace(target)
    except OSError as error:
        if draft:
            Path(draft).unlink(missing_ok=True)
        text = f"{path}: cannot be written: {error.strerror or error}; it is as it was"
        raise MachineFailure(text) from None
