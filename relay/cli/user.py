"""`denrei user`: who may sign in to send, in the file that `intake.users` names.

A password is asked for without echo, twice where it is set; where standard input is no terminal its first
line is the password. It never stands on the command line, where every user of the machine could read it. A
relay that runs follows the file within seconds.
"""

import getpass
import sys
from pathlib import Path
from typing import Annotated

import typer

from relay.cli.office import require
from relay.cli.option import DEFAULT_CONFIG, AsJson, ConfigPath, Yes
from relay.cli.outcome import confirm
from relay.cli.screen import screen, show_json, show_table
from relay.clock import SystemClock
from relay.config import load
from relay.errors import BadInput, Problem
from relay.intake.access.password import MAX_PASSWORD, SALT_OCTETS, hashed, prepared
from relay.intake.access.user_file import read_users, remove_user, set_user, user_name

_MAX_LINE = 4 * MAX_PASSWORD  # characters read from standard input: more is no password


def _named(value: str) -> str:
    try:
        return user_name(value)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


Name = Annotated[str, typer.Argument(metavar="NAME", callback=_named, help="The name to sign in with.")]


def commands() -> typer.Typer:
    """Return the family's commands."""
    family = typer.Typer(help="Set, list and remove those who may sign in to send.", no_args_is_help=True)
    family.command("set")(set_)
    family.command("list")(list_)
    family.command("remove")(remove)
    family.command("check")(check)
    return family


def set_(*, name: Name, config: ConfigPath = DEFAULT_CONFIG) -> None:
    """Add a user, or give one a new password; the password is asked for, or read from standard input."""
    path = _users_file(config)
    salt = SystemClock().secret()[:SALT_OCTETS]
    is_new = set_user(path, name, hashed(_password(twice=True), salt=salt))
    screen().print(f"{name}: {'added' if is_new else 'has a new password'}", soft_wrap=True)


def list_(*, config: ConfigPath = DEFAULT_CONFIG, as_json: AsJson = False) -> None:
    """List who may sign in, and how their passwords are hashed. No hash is shown."""
    users = read_users(_users_file(config))
    rows = [
        {"name": name, "hash": "scrypt", "n": user.cost.n, "r": user.cost.r, "p": user.cost.p}
        for name, user in users.items()
    ]
    if as_json:
        show_json(rows)
        return
    columns = ["name", "hash", "n", "r", "p"]
    cells = ([str(row[column]) for column in columns] for row in rows)
    show_table(screen(), columns, cells, empty="no user", right=["n", "r", "p"])


def remove(*, name: Name, config: ConfigPath = DEFAULT_CONFIG, yes: Yes = False) -> None:
    """Remove a user, who then cannot sign in any more. Asks first."""
    path = _users_file(config)
    if name not in read_users(path):
        raise _absent(path, name)
    confirm(f"Remove {name}?", yes=yes)
    if not remove_user(path, name):  # somebody was quicker
        raise _absent(path, name)
    screen().print(f"{name}: removed", soft_wrap=True)


def check(*, name: Name, config: ConfigPath = DEFAULT_CONFIG) -> None:
    """Say whether a password is the user's; it is asked for, or read from standard input."""
    path = _users_file(config)
    user = read_users(path).get(name)
    if user is None:
        raise _absent(path, name)
    fits = user.fits(_password(twice=False))
    screen().print(f"{name}: {'the password is right' if fits else 'the password is wrong'}", soft_wrap=True)
    if not fits:
        raise typer.Exit(1)


def _users_file(config: Path) -> Path:
    require(config)
    path = load(config).intake.users
    if path is None:
        hint = "name the file in the configuration, such as users: users.yaml"
        problem = Problem(file=str(config), path="intake.users", message="is not set", hint=hint)
        raise BadInput((problem,))
    return path


def _absent(path: Path, name: str) -> BadInput:
    hint = "denrei user list shows who is there"
    return BadInput((Problem(file=str(path), path=name, message="is no user", hint=hint),))


def _password(*, twice: bool) -> bytes:
    """Return the password, typed or piped; raises BadInput when it is none, or was typed in two ways."""
    typed = _asked("Password: ") if sys.stdin is not None and sys.stdin.isatty() else _piped()
    try:
        password = prepared(typed)
    except ValueError as error:
        raise BadInput((Problem(path="password", message=str(error)),)) from None
    if twice and sys.stdin.isatty() and _asked("The same again: ") != typed:
        raise BadInput((Problem(path="password", message="was typed in two different ways"),))
    return password


def _asked(question: str) -> str:
    try:
        return getpass.getpass(question, stream=sys.stderr)
    except EOFError:
        return ""


def _piped() -> str:
    try:
        line = sys.stdin.readline(_MAX_LINE) if sys.stdin is not None else ""
    except (OSError, ValueError):  # closed, or no text
        line = ""
    return line.removesuffix("\n").removesuffix("\r")
