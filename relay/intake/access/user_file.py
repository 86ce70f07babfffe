"""The file of those who may sign in: a YAML mapping of names to password hashes, one user a row.

People and `denrei user` edit the same file. A change keeps every other row as it is, comments too, and is
read back before it is written; a reader sees the old file or the new one, never a part. The file is to be
readable by the relay and its operator only: with the hashes a thief can try passwords at home.

Diagnostics: `BadInput` with every problem, by line and name, and never a hash; `MachineFailure` when the
file cannot be written, and is as it was. Source: ours.
"""

import contextlib
import fcntl
import os
import re
import stat
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from relay.document import locator, parse_yaml
from relay.errors import BadInput, MachineFailure, Problem
from relay.intake.access.password import PasswordHash, parse_hash
from relay.source import read_source
from relay.wording import kind

MAX_USERS = 1_000  # an integration has a few
MAX_NAME = 100  # characters
PRIVATE = 0o600  # what a new file's mode is

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@+-]*")
_HEADER = "# Who may sign in to send. Change it with: denrei user\n"


def user_name(text: str) -> str:
    """The name, if it is one.

    Raises:
        ValueError: it is none.

    >>> user_name("market@example.jp")
    'market@example.jp'
    """
    if len(text) > MAX_NAME or not _NAME.fullmatch(text):
        raise ValueError(
            f"must be 1 to {MAX_NAME} of: letters, digits and . _ @ + -, a letter or digit first"
        )
    return text


def read_users(path: Path) -> Mapping[str, PasswordHash]:
    """Who may sign in, by name.

    Raises:
        BadInput: the file is missing, is open to others, or holds a mistake.
    """
    if _is_absent(path):
        hint = "denrei user set NAME makes it"
        raise BadInput((Problem(file=str(path), message="is not there", hint=hint),))
    return parse_users(read_source(path, private=True), file=str(path))


def parse_users(content: bytes, *, file: str) -> Mapping[str, PasswordHash]:
    """Who may sign in, from the file's octets; raises BadInput with every problem."""
    tree = parse_yaml(content, file=file)
    if tree is None:
        return {}
    if not isinstance(tree, dict):
        raise BadInput((Problem(file=file, message=f"must be a mapping (name: hash), is {kind(tree)}"),))
    if len(tree) > MAX_USERS:
        raise BadInput((Problem(file=file, message=f"has more than {MAX_USERS} users"),))
    users: dict[str, PasswordHash] = {}
    problems: list[Problem] = []
    line_of = locator(content)
    for number, (name, value) in enumerate(tree.items(), 1):
        place, hint = f"name {number}", ""  # a bad name may be a password: it is not repeated
        try:
            place, hint = user_name(name), f"denrei user set {name} writes a new one"
            users[name] = _hash(value)
        except ValueError as error:
            line = line_of((name,))
            problems.append(Problem(file=file, line=line, path=place, message=str(error), hint=hint))
    if problems:
        raise BadInput(tuple(problems))
    return users


def _hash(value: object) -> PasswordHash:
    return parse_hash(value if isinstance(value, str) else "")


def set_user(path: Path, name: str, password: PasswordHash) -> bool:
    """Write a user's hash, in the row of the old one if there is one; True when there was none.

    Raises:
        BadInput: the file as it is holds a mistake, or is not written one user a row.
        MachineFailure: it cannot be written, or somebody else is writing it.
    """
    user_name(name)
    with _alone(path) as folder:
        content = _content(path)
        users = dict(parse_users(content, file=str(path)))
        is_new = name not in users
        row = f'{name}: "{password}"\n'
        changed = _changed(content, name, row, users | {name: password}, file=str(path))
        _write(path, changed, folder=folder)
    return is_new


def remove_user(path: Path, name: str) -> bool:
    """Strike a user's row; False when there is none. Raises as `set_user` does."""
    with _alone(path) as folder:
        content = _content(path)
        users = dict(parse_users(content, file=str(path)))
        if users.pop(name, None) is None:
            return False
        _write(path, _changed(content, name, "", users, file=str(path)), folder=folder)
    return True


def _content(path: Path) -> bytes:
    return _HEADER.encode() if _is_absent(path) else read_source(path, private=True)


def _is_absent(path: Path) -> bool:
    try:
        path.stat()
    except FileNotFoundError:
        return True
    except OSError:  # whoever reads it says what is wrong with it
        return False
    return False


def _changed(content: bytes, name: str, row: str, wanted: Mapping[str, PasswordHash], *, file: str) -> bytes:
    """The file with one user's row replaced, added or struck, and proof that nothing else has changed."""
    rows = content.decode("utf-8-sig").split("\n")
    line = locator(content)((name,)) if name in parse_users(content, file=file) else None
    if line is not None:
        rows[line - 1 : line] = row.split("\n")[:-1]
        text = "\n".join(rows)
    else:
        text = "\n".join(rows)
        text += ("" if not text or text.endswith("\n") else "\n") + row
    changed = text.encode()
    with contextlib.suppress(BadInput):
        if parse_users(changed, file=file) == wanted:
            return changed
    message = "is not written one user a row, so that one could be changed alone"
    raise BadInput((Problem(file=file, path=name, message=message, hint="write it as: name: hash"),))


@contextlib.contextmanager
def _alone(path: Path) -> Iterator[int]:
    """Keep other commands from changing the file, and give its open folder; raises MachineFailure."""
    try:
        descriptor = os.open(path.resolve().parent, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        raise MachineFailure(f"{path}: cannot be written: {error.strerror}; it is as it was") from None
    with contextlib.ExitStack() as stack:
        stack.callback(os.close, descriptor)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            busy = isinstance(error, BlockingIOError)
            why = "somebody else is changing it" if busy else f"cannot be locked: {error.strerror}"
            raise MachineFailure(f"{path}: {why}; this change was not made") from None
        yield descriptor


def _write(path: Path, content: bytes, *, folder: int) -> None:
    """Put the content in the file's place, with the owner and mode that it had."""
    target = path.resolve()
    draft = ""
    try:
        descriptor, draft = tempfile.mkstemp(prefix=".", suffix=".draft", dir=target.parent)
        with os.fdopen(descriptor, "wb") as file:
            if _is_absent(target):
                os.fchmod(descriptor, PRIVATE)
            else:
                before = target.stat()
                os.fchown(descriptor, before.st_uid, before.st_gid)  # root changes it, the relay reads it
                os.fchmod(descriptor, stat.S_IMODE(before.st_mode))
            file.write(content)
            file.flush()
            os.fsync(descriptor)
        Path(draft).replace(target)
        os.fsync(folder)  # a user who was removed must not come back when the power fails
    except OSError as error:
        if draft:
            Path(draft).unlink(missing_ok=True)
        text = f"{path}: cannot be written: {error.strerror or error}; it is as it was"
        raise MachineFailure(text) from None
