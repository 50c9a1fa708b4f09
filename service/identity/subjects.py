"""From a source's own id of a resident to the opaque holder, many at once."""

from collections.abc import Collection, Mapping
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

_ADD = text("""
    INSERT INTO subject (subject, source, holder_id)
    SELECT s, :source, h FROM unnest(CAST(:subjects AS text[]), CAST(:holders AS uuid[]))
    AS new (s, h) ORDER BY s ON CONFLICT DO NOTHING
""")
_FIND = text(
    "SELECT subject, holder_id FROM subject"
    " WHERE source = :source AND subject = ANY(CAST(:subjects AS text[]))"
)


def add_subjects(session: Session, source: str, holders: Mapping[str, UUID]) -> dict[str, UUID]:
    """Tie subjects to holders and answer whose they are now: a known subject keeps its holder."""
    parameters = {"source": source, "subjects": list(holders), "holders": list(holders.values())}
    session.execute(_ADD, parameters)
    return find_holders(session, source, holders)


def find_holders(session: Session, source: str, subjects: Collection[str]) -> dict[str, UUID]:
    """The holders of those subjects that are known to this source."""
    rows = session.execute(_FIND, {"source": source, "subjects": list(subjects)})
    return {row[0]: row[1] for row in rows}
