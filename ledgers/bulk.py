"""Many rows at once: COPY, arrays as parameters, and plans that look rows up by index.

Measured with batches of 5,000: an array written out here costs a fifth of one adapted by the
driver, and a join planned by stale statistics read a million accounts to change ten thousand.
"""

from collections.abc import Iterable, Sequence

from psycopg import Connection, Error
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

NULL = "\\N"


def copy_lines(session: Session, table: str, columns: Sequence[str], lines: Iterable[str]) -> None:
    """Write rows given as lines of COPY's text format, without the line end.

    The caller formats (uuids, integers, instants, and text passed through ``escaped``); names of
    table and columns come from code, never from input.
    """
    driver = session.connection().connection.driver_connection
    assert isinstance(driver, Connection)
    statement = f"COPY {table} ({', '.join(columns)}) FROM STDIN"
    try:
        with driver.cursor() as cursor, cursor.copy(statement.encode()) as copy:
            copy.write("\n".join(lines) + "\n")
    except Error as error:  # As SQLAlchemy raises them, so that one place answers them all.
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


_BY_INDEX = text(
    "SELECT set_config('enable_hashjoin', 'off', true), set_config('enable_mergejoin', 'off', true)"
)


def look_up_by_index(session: Session) -> None:
    """For the rest of this transaction, join a list of keys to a table row by row, in the list's
    order: no statistics make it read the whole table, and row locks follow the list.
    """
    session.execute(_BY_INDEX)
