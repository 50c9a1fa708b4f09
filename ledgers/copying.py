"""COPY into a table: the fastest way in, in the caller's own transaction."""

from collections.abc import Iterable, Sequence

from psycopg import Connection
from sqlalchemy.orm import Session

NULL = "\\N"


def copy_lines(session: Session, table: str, columns: Sequence[str], lines: Iterable[str]) -> None:
    """Write rows given as lines of COPY's text format, without the line end.

    The caller formats (uuids, integers, instants, and text passed through ``escaped``); names of
    table and columns come from code, never from input.
    """
    driver = session.connection().connection.driver_connection
    assert isinstance(driver, Connection)
    with (
        driver.cursor() as cursor,
        cursor.copy(f"COPY {table} ({', '.join(columns)}) FROM STDIN".encode()) as copy,
    ):
        copy.write("\n".join(lines) + "\n")


def escaped(value: str) -> str:
    """Text as COPY's text format wants it."""
    return (
        value.replace("\\", "\\\\").replace("\t", "\\t").replace("\n", "\\n").replace("\r", "\\r")
    )
