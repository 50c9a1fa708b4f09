"""Rebuilding: the roll-ups from nothing, by reading the log once more."""

from sqlalchemy import text
from sqlalchemy.orm import Session

from ledgers.log.readers import lock
from ledgers.models import LogReader
from service.districts.rollups.reading import READER

_TABLES = ("district_day", "district_month", "district_resident", "district_late")


def forget(session: Session) -> None:
    """Empty the roll-ups and go back to the log's beginning; ``summing.fold`` does the rest.

    One transaction under the reader's lock: nobody sees half of them gone. Until all is summed
    again they say how far they are (``rollups.as_of``), and no report is issued.
    """
    lock(session, READER)
    session.execute(text("SET LOCAL statement_timeout = 0"))
    for table in _TABLES:
        session.execute(text(f"DELETE FROM {table}"))
    session.get_one(LogReader, READER, populate_existing=True).next_index = 0
    session.flush()
