"""Statements that every read of a secret and every change run, past what makes them slow.

SQLAlchemy takes ten times as long around such a statement as the engine takes for it. It is
compiled once for each engine, and given to the driver itself, within the transaction at hand.
"""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from functools import cache
from operator import itemgetter
from typing import Any

from sqlalchemy import Connection, Dialect, Insert, Select, Update


class Quick:
    """One statement, with parameters of a fixed number and columns that need no conversion.

    A moment is given back as the driver gives it; what is given to the statement is converted.
    """

    def __init__(self, statement: Select[Any] | Insert | Update) -> None:
        self._statement = statement
        self._made: dict[str, _Compiled] = {}
        self._row: Any = None
        if isinstance(statement, Select):
            names = [str(column.key) for column in statement.selected_columns]
            made: Any = namedtuple("QuickRow", names)  # type: ignore[misc]  # noqa: PYI024
            self._row = made._make

    def rows(self, connection: Connection, values: Mapping[str, Any]) -> list[Any]:
        """Return the rows that a query finds, their columns by name."""
        cursor = self._run(connection, values)
        try:
            return [self._row(found) for found in cursor.fetchall()]
        finally:
            cursor.close()

    def tuples(self, connection: Connection, values: Mapping[str, Any]) -> list[Any]:
        """Return the rows that a query finds as the driver gives them: for walks of many."""
        cursor = self._run(connection, values)
        try:
            found: list[Any] = cursor.fetchall()
            return found
        finally:
            cursor.close()

    def stream(
        self, connection: Connection, values: Mapping[str, Any], size: int
    ) -> Generator[list[Any]]:
        """Return the rows that a query finds as the driver gives them, so many at a time."""
        made = self._compiled(connection)
        if made.is_postgres:
            # A cursor of the server's: the driver's own takes in all rows before it gives one.
            driver: Any = connection.connection.dbapi_connection
            cursor = driver.cursor(name="bifrost_stream")
        else:
            cursor = connection.connection.cursor()
        try:
            cursor.execute(made.text, made.parameters(values))
            while found := cursor.fetchmany(size):
                yield found
        finally:
            cursor.close()

    def run(self, connection: Connection, values: Mapping[str, Any]) -> None:
        """Run a change."""
        self._run(connection, values).close()

    def run_many(self, connection: Connection, values: Sequence[Mapping[str, Any]]) -> int:
        """Run a change for each of many rows; return how many rows of the table it was made in."""
        made = self._compiled(connection)
        if made.copying is None:
            return _run_all(connection, made, made.many(values))
        cursor: Any = connection.connection.cursor()
        try:
            with cursor.copy(made.copying) as copy:
                for row in made.ordered(values):
                    copy.write_row(row)
            return int(cursor.rowcount)
        finally:
            cursor.close()

    def run_rows(
        self, connection: Connection, names: Sequence[str], rows: Sequence[tuple[Any, ...]]
    ) -> int:
        """Run a change for each row of parameters, which stand in the order of the names.

        It is for SQLite, and for values that need no conversion.
        """
        made = self._compiled(connection)
        return _run_all(connection, made, made.arranged(names, rows))

    def _run(self, connection: Connection, values: Mapping[str, Any]) -> Any:
        made = self._compiled(connection)
        cursor = connection.connection.cursor()
        cursor.execute(made.text, made.parameters(values))
        return cursor

    def _compiled(self, connection: Connection) -> _Compiled:
        dialect = connection.dialect
        made = self._made.get(dialect.name)
        if made is None:
            made = self._made[dialect.name] = _Compiled(self._statement, dialect)
        return made


class _Compiled:
    """A statement in the words of one engine."""

    def __init__(self, statement: Select[Any] | Insert | Update, dialect: Dialect) -> None:
        compiled: Any = statement.compile(dialect=dialect)
        self.text = str(compiled)
        self._fixed = {name: value for name, value in compiled.params.items() if value is not None}
        kinds = ((name, bound.type) for name, bound in compiled.binds.items())
        converting = ((name, kind.dialect_impl(dialect)) for name, kind in kinds)
        self._binds = [
            (name, bind) for name, kind in converting if (bind := kind.bind_processor(dialect))
        ]
        self._names: list[str] | None = compiled.positiontup
        self._by_name = self._names is None
        self.is_postgres = dialect.name == "postgresql"
        self.copying: bytes | None = None
        if self.is_postgres and isinstance(statement, Insert) and not self._fixed:
            # Many rows go in as a stream, in a fraction of the time of as many statements.
            self._names = list(compiled.params)
            columns = ", ".join(f'"{name}"' for name in self._names)
            self.copying = f'COPY "{statement.table.name}" ({columns}) FROM STDIN'.encode()
        names = self._names
        self._ordered: Any = None
        if names is not None:
            # Of fewer than two names there is no tuple to be had.
            few = len(names) < 2
            self._ordered = _one_by_one(names) if few else itemgetter(*names)

    def parameters(self, values: Mapping[str, Any]) -> Any:
        """Return parameters as the driver takes them."""
        if self._fixed or self._binds:
            given = {**self._fixed, **values}
            for name, bind in self._binds:
                given[name] = bind(given[name])
            values = given
        return values if self._by_name else self._ordered(values)

    def many(self, rows: Sequence[Mapping[str, Any]]) -> list[Any]:
        """Return the parameters of each row as the driver takes them."""
        if self._by_name or self._fixed:
            return [self.parameters(row) for row in rows]
        return self.ordered(rows)

    def arranged(
        self, names: Sequence[str], rows: Iterable[tuple[Any, ...]]
    ) -> Iterable[tuple[Any, ...]]:
        """Return parameters that stand in one order in the order of the statement."""
        wanted = self._names or []
        return rows if wanted == [*names] else map(itemgetter(*map(names.index, wanted)), rows)

    def ordered(self, rows: Sequence[Mapping[str, Any]]) -> list[Any]:
        """Return the parameters of each row in the order of the names.

        What is converted is so once for each value: many rows were written at one moment.
        """
        names = self._names or []
        converting = [
            (names.index(name), cache(bind)) for name, bind in self._binds if name in names
        ]
        if not converting:
            return list(map(self._ordered, rows))
        found = []
        for row in rows:
            given = list(self._ordered(row))
            for place, bind in converting:
                given[place] = bind(given[place])
            found.append(given)
        return found


def _run_all(connection: Connection, made: _Compiled, parameters: Iterable[Any]) -> int:
    """Run a statement with each of many parameters; return how many rows it changed."""
    cursor: Any = connection.connection.cursor()
    try:
        cursor.executemany(made.text, parameters)
        return int(cursor.rowcount)
    finally:
        cursor.close()


def _one_by_one(names: list[str]) -> Callable[[Mapping[str, Any]], tuple[Any, ...]]:
    return lambda values: tuple(values[name] for name in names)
