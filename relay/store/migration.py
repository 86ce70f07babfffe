"""Making a store's tables, and bringing an older store up to date.

Guarantees: all migrations that a store needs run in one transaction, so it is wholly old or wholly new; a
store that was written by a newer Denrei, or by another program, is refused untouched. The caller holds the
store's lock, so that two processes that open it at once do not both try.

Diagnostics: `BadInput` names the file, what it is and what to do.
"""

from pathlib import Path

from sqlalchemy import Connection, inspect, text

from relay.errors import BadInput, Problem

REVISIONS = ("0001", "0002")  # every revision in migrations/versions, oldest first; a test compares
_FOLDER = Path(__file__).parent / "migrations"


def bring_up_to_date(connection: Connection, file: str) -> None:
    """Create or upgrade the tables, inside the caller's transaction.

    Raises:
        BadInput: the file is another program's database, or a newer Denrei's.
    """
    found = revision(connection, file)
    if found == REVISIONS[-1]:
        return
    if found is not None and found not in REVISIONS:
        message = f"a newer Denrei wrote this store (revision {found}; this one knows {REVISIONS[-1]})"
        hint = "start the newer Denrei, or name another store"
        raise BadInput([Problem(file=file, message=message, hint=hint)])
    _upgrade(connection)


def revision(connection: Connection, file: str) -> str | None:
    """The revision that a store stands at; None for an empty file. Raises BadInput for another program's."""
    tables = inspect(connection).get_table_names()
    if "alembic_version" in tables:
        return connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one_or_none()
    if tables:
        hint = "name a file of its own as store.path"
        raise BadInput([Problem(file=file, message="this is another program's database", hint=hint)])
    return None


def _upgrade(connection: Connection) -> None:
    from alembic import command  # noqa: PLC0415  (a tenth of a second that only a new or old store needs)
    from alembic.config import Config  # noqa: PLC0415  (as above)

    config = Config()
    config.set_main_option("script_location", str(_FOLDER).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
