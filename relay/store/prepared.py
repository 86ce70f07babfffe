"""SQL that is compiled once and run with plain tuples: what every notification passes through.

SQLAlchemy compiles it, so it stays portable, and is then left out of the way: the driver's own cursor runs
it, inside the transaction that SQLAlchemy's connection has begun. Measured (tests/bench/storing.py), for one
notification accepted and settled: rows as dictionaries through `Connection.execute` cost a quarter more
processor time for the rows, and each of the seven statements of a transaction 30 us more.
"""

from collections.abc import Callable, Sequence
from itertools import chain
from typing import Any

from sqlalchemy import Connection, Dialect, Select, Table, insert

from relay.store import schema

MAX_BATCH = 64  # keys of one lookup, writes in one transaction: past this, sharing an fsync gains under 5 %

Values = tuple[str | int | bytes | None, ...]
_COUNTED_BY_STORE = {"number"}  # columns that the engine fills


def run_many(connection: Connection, sql: str, rows: Sequence[Values]) -> None:
    """Run compiled SQL once for each row of parameters. Raises the driver's own errors."""
    connection.connection.cursor().executemany(sql, rows)


class Inserts:
    """One compiled INSERT for each table, for one engine.

    Many rows go in as one statement, not as one execution each: at every execution the driver lets go of the
    interpreter and has to get it back.
    """

    def __init__(self, dialect: Dialect) -> None:
        self._sql: dict[str, tuple[str, str]] = {}  # up to VALUES, and one row of parameters
        for table in schema.metadata.sorted_tables:
            names = [column.name for column in table.columns if column.name not in _COUNTED_BY_STORE]
            compiled = insert(table).compile(dialect=dialect, column_keys=names)
            assert getattr(compiled, "positiontup", None) == names  # rows are tuples in the table's own order
            head, _, row = str(compiled).rpartition(" VALUES ")
            self._sql[table.name] = (f"{head} VALUES ", row)

    def into(self, table: Table, connection: Connection, rows: list[Values]) -> None:
        """Insert rows whose values stand in the order of the table's columns."""
        head, parameters = self._sql[table.name]
        cursor = connection.connection.cursor()
        for start in range(0, len(rows), MAX_BATCH):
            some = rows[start : start + MAX_BATCH]
            sql = head + ", ".join([parameters] * len(some))
            cursor.execute(sql, tuple(chain.from_iterable(some)))


class Lookup:
    """A SELECT for many keys at once, compiled once for each number of keys that is a power of two.

    A list of keys is filled up to the next such number by its last key. SQLAlchemy's own expanding IN
    rewrites the SQL at every execution; measured, that cost 250 us for each of the three lookups of an accept
    and settle.

    Args:
        dialect: the engine's.
        select_for: the statement for so many keys; its parameters in order are key after key.
    """

    def __init__(self, dialect: Dialect, select_for: Callable[[int], Select[Any]]) -> None:
        self._sql = {
            size: str(select_for(size).compile(dialect=dialect))
            for size in (1 << power for power in range((MAX_BATCH - 1).bit_length() + 1))
        }

    def rows(self, connection: Connection, keys: Sequence[tuple[str, ...]]) -> Sequence[tuple[Any, ...]]:
        """The rows found for one to `MAX_BATCH` keys, without conversion of times."""
        size = 1 << (len(keys) - 1).bit_length()
        filled = [*keys, *[keys[-1]] * (size - len(keys))]
        parameters = tuple(part for key in filled for part in key)
        cursor = connection.connection.cursor()
        cursor.execute(self._sql[size], parameters)
        return cursor.fetchall()
