"""Drafting one version by hand: a catalogue of one row, held to what a file of many is held to.

Kept here: what is drafted decides nothing until somebody else approves it
(``activities.catalogue.drafts``), and is never changed: a slip is answered by another version.
"""

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy.orm import Session

from activities.catalogue.drafts import Row, find, key_in
from activities.catalogue.files import key_of, typed
from activities.catalogue.loading import Origin, add
from activities.errors import DraftReused, UnknownDraft

_FILES = {
    "factor": "factors.csv",
    "method": "methods.csv",
    "rule": "rules.csv",
    "tariff": "tariffs.csv",
}


def write(
    session: Session, name: str, values: Mapping[str, str], *, drafted_by: str, now: datetime
) -> Row:
    """Draft a factor, method, rule or tariff, or return what stands under its name already.

    Args:
        session: the caller's open transaction; the caller commits.
        name: of the draft; says its key.
        values: the other columns of its file as a file has them, by name; those that are left out
            are empty. Materials cannot be given, so a method by mass comes in a file.
        drafted_by: who may not approve it.

    Raises:
        UnknownDraft: there are no drafts of such a name.
        DraftReused: another content stands under the name, approved or not.
        CatalogueRefused: every fault of the row, as of a row of a file.
    """
    kind, key = key_in(name)
    file = _FILES[kind]
    said = {column: str(part) for column, part in zip(key_of(file), key, strict=True)}
    line = typed(file, name, {**values, **said})
    if (earlier := standing(session, name)) is not None:
        if any(getattr(earlier, column) != value for column, value in line.values.items()):
            raise DraftReused(name)
        return earlier
    add(session, {file: [line]}, [], now=now, origin=Origin(drafted_by, None))
    return find(session, [name])[0]


def standing(session: Session, name: str) -> Row | None:
    """What stands under a name, approved or not."""
    try:
        return find(session, [name])[0]
    except UnknownDraft:
        return None
