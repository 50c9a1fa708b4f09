"""Programmes: who runs what."""

from sqlalchemy.orm import Session

from activities.catalogue.models import Programme
from activities.errors import UnknownProgramme


def get_programme(session: Session, code: str) -> Programme:
    """The programme of a code; raises UnknownProgramme."""
    programme = session.get(Programme, code)
    if programme is None:
        raise UnknownProgramme(code)
    return programme
