"""Many rows at once, and many statements at once: COPY, arrays as parameters, pipelines, and plans
that look rows up by index.

Measured with batches of 5,000: an array written out here costs a fifth of one adapted by the
driver, and a join planned by stale statistics read a million accounts to change ten thousand. With
a posting of one transfer the waiting and the layers between cost more than PostgreSQL's work: sent
together and straight to the driver its statements take a third of the time.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, LiteralString

from psycopg import Connection, Cursor, Error
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

NULL = "\\N"
Statement = tuple[LiteralString, Mapping[str, object]]  # With %(name)s for each parameter.


def together(session: Session, *statements: Statement) -> list[Cursor[Any]]:
    """Run statements in their order in one round trip; their cursors, each with its rows.

    Each sees what those before it wrote, and what others committed until it began. The first that
    fails raises, as SQLAlchemy would, and the transaction is good for nothing but a rollback. A
    parameter ``rows`` says how many rows a statement answers; another number is our own bug.
    """
    session.flush()
    driver = _driver(session)
    try:
        with driver.pipeline():
            cursors = [driver.execute(sql, parameters) for sql, parameters in statements]
    except Error as error:  # As SQLAlchemy raises them, so that one place answers them all.
        sent = "; ".join(sql for sql, _ in statements)
        raise DBAPIError.instance(sent, None, error, Error) from error
    for cursor, (sql, parameters) in zip(cursors, statements, strict=True):
        assert cursor.rowcount == parameters.get("rows", cursor.rowcount), sql
    return cursors


def _driver(session: Session) -> Connection[Any]:
    found = session.connection().connection.driver_connection
    assert isinstance(found, Connection)
    return found


def copy_lines(session: Session, table: str, columns: Sequence[str], lines: Iterable[str]) -> None:
    """Write rows given as lines of COPY's text format, without the line end.

    The caller formats (uuids, integers, instants, and text passed through ``escaped``); names of
    table and columns come from code, never from input.
    """
    driver = _driver(session)
    statement = f"COPY {table} ({', '.join(columns)}) FROM STDIN"
    try:
        with driver.cursor() as cursor, cursor.copy(statement.encode()) as copy:
            copy.write("\n".join(lines) + "\n")
    except Error as error:
        raise DBAPIError.instance(statement, None, error, Error) from error


def escaped(value: str) -> str:
    """Text as COPY's text format wants it."""
    if value.isprintable() and "\\" not in value:
        return value
    return (
        value.replace("\\", "\\\\").replace("\t", "\\t").replace("\n", "\\n").replace("\r", "\\r")
    )


def array_of(values: Iterable[object]) -> str:
    """Uuids in hexadecimal, integers, dates or codes as a parameter for ``CAST(:x AS type[])``.

    The values are ours and hold no quote, comma, brace, backslash or space; None is not allowed.
    """
    return "{" + ",".join(map(str, values)) + "}"


# For the rest of this transaction, join a list of keys to a table row by row and by index: no
# statistics make it read the whole table, and rows are locked in the order of their keys, whether
# PostgreSQL walks along the list or along the index. A list must be in that order, too, and a text
# that relies on this is never sent without it: the plan of a prepared one is kept. As SET LOCAL,
# which Citus passes on to its nodes.
BY_INDEX: tuple[Statement, ...] = (
    ("SET LOCAL enable_hashjoin = off", {}),
    ("SET LOCAL enable_mergejoin = off", {}),
    ("SET LOCAL enable_seqscan = off", {}),
    ("SET LOCAL enable_bitmapscan = off", {}),
)


def look_up_by_index(session: Session) -> None:
    """Send ``BY_INDEX`` alone."""
    together(session, *BY_INDEX)
