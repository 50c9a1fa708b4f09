"""From an id by which a source knows somebody (a phone, a card, a partner's customer number) to the
opaque holder, and back to nobody: what is kept is a keyed hash, and the id sealed under its person.

Kept here: an id is one person's for good, or ended and nobody's. Everything comes by the thousand
and takes a fixed number of statements; rows are written in the order of their keys, so that two
writers cannot deadlock.

The release before kept ids as they are, in ``subject``. They are found there still, and
``move_subjects`` moves them; a move and a look-up at the same time miss nobody, since the old table
is always read before the new one.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, LiteralString, NamedTuple
from uuid import UUID

from sqlalchemy.orm import Session

from ledgers.bulk import Statement, array_of, together
from service.identity.keyring import Keyring
from service.identity.vault import Value, add_people, write_values

IDS_MAX = 10_000  # A call; a partner's batch is no longer.
MOVED_AT_ONCE = 5_000

_FIND: LiteralString = """
    SELECT value_key, holder_id, ended_at FROM outside_id
    WHERE value_key = ANY(CAST(%(keys)s AS bytea[]))
"""
_ADD: LiteralString = """
    INSERT INTO outside_id (value_key, source, holder_id)
    SELECT decode(k, 'hex'), s, h
    FROM unnest(CAST(%(keys)s AS text[]), CAST(%(sources)s AS text[]), CAST(%(holders)s AS uuid[]))
        AS new (k, s, h)
    ORDER BY k ON CONFLICT DO NOTHING RETURNING value_key
"""
_END: LiteralString = """
    UPDATE outside_id SET ended_at = CAST(%(now)s AS timestamptz)
    WHERE value_key = ANY(CAST(%(keys)s AS bytea[])) AND ended_at IS NULL
"""
# On a cluster a subquery is fetched first: it must have a column, and one row of it is enough.
_OLD_LEFT: LiteralString = "SELECT EXISTS (SELECT 1 FROM subject LIMIT 1)"
_FIND_OLD: LiteralString = """
    SELECT source, subject, holder_id FROM subject
    WHERE subject = ANY(CAST(%(values)s AS text[])) AND source = ANY(CAST(%(sources)s AS text[]))
"""
_SOME_OLD: LiteralString = """
    SELECT source, subject, holder_id FROM subject ORDER BY subject, source LIMIT %(limit)s
"""
_REMOVE_OLD: LiteralString = """
    DELETE FROM subject USING unnest(CAST(%(values)s AS text[]), CAST(%(sources)s AS text[]))
        AS moved (v, s)
    WHERE subject.subject = moved.v AND subject.source = moved.s
"""
_CLOSED: LiteralString = """
    SELECT holder_id FROM person
    WHERE holder_id = ANY(CAST(%(holders)s AS uuid[])) AND closed_at IS NOT NULL
"""


class OutsideKey(NamedTuple):
    """An id as its source knows it."""

    source: str
    value: str


class Standing(NamedTuple):
    """Whose an id is, and since when it opens nothing any more."""

    holder_id: UUID
    ended_at: datetime | None = None


class Moved(NamedTuple):
    """What one step of ``move_subjects`` did.

    ``others``: ids that the new table has for another holder, who keeps them. ``closed``: ids of
    closed accounts, which are gone.
    """

    moved: int
    others: int
    closed: int


def find_holders(
    session: Session, keyring: Keyring, source: str, values: Collection[str]
) -> dict[str, UUID]:
    """The holders of those values that this source knows and that did not end.

    At most IDS_MAX values; two statements in one round trip (four while the old table has rows).
    """
    return _live(_find(session, keyring, {OutsideKey(source, value) for value in values}))


def find_standing(session: Session, keyring: Keyring, source: str, value: str) -> Standing | None:
    """How an id stands, ended or not; None for an unknown one."""
    one = OutsideKey(source, value)
    return _find(session, keyring, [one]).get(one)


def end_id(
    session: Session, keyring: Keyring, source: str, value: str, *, now: datetime
) -> Standing | None:
    """End an id: from now on it finds nobody and is nobody's. None for an unknown one.

    What ended before keeps its instant. Raises AccountClosed for the id of a closed account that
    only the release before knew.
    """
    one = OutsideKey(source, value)
    found = _find(session, keyring, [one]).get(one)
    if found is None or found.ended_at is not None:
        return found
    _add(session, keyring, {one: found.holder_id}, now=now)  # It may be in the old table only.
    key = keyring.value_key(*one)
    _, rows = together(
        session, (_END, {"keys": _array([key]), "now": now}), (_FIND, {"keys": _array([key])})
    )
    return _standings({key: one}, rows)[one]


def add_ids(
    session: Session,
    keyring: Keyring,
    source: str,
    holders: Mapping[str, UUID],
    *,
    now: datetime,
) -> dict[str, UUID]:
    """Tie values to holders and answer whose they are now: a known one keeps its holder, and one
    that ended is nobody's and left out of the answer.

    Whoever gets one is a person from now on, and the value is sealed under them with the source as
    its field. At most IDS_MAX values. Again: the same answer, and nothing is written.

    Raises AccountClosed when a holder is closed: nothing was written.
    """
    wanted = {OutsideKey(source, value): holder for value, holder in holders.items()}
    known = _find(session, keyring, wanted)
    new = {each: wanted[each] for each in wanted if each not in known}
    return _live(known | _add(session, keyring, new, now=now))


def move_subjects(session: Session, keyring: Keyring, *, now: datetime) -> Moved | None:
    """Move up to MOVED_AT_ONCE ids out of the old table; None when there are none left.

    The caller commits each step. Killed and repeated, it goes on where it was.
    """
    (cursor,) = together(session, (_SOME_OLD, {"limit": MOVED_AT_ONCE}))
    old = {OutsideKey(source, value): holder for source, value, holder in cursor}
    if not old:
        return None
    closed = _closed(session, old.values())
    living = {each: holder for each, holder in old.items() if holder not in closed}
    theirs = _add(session, keyring, living, now=now)
    together(session, (_REMOVE_OLD, _lists(old)))
    others = sum(theirs[each] != Standing(holder) for each, holder in living.items())
    return Moved(len(living) - others, others, len(old) - len(living))


def _find(
    session: Session, keyring: Keyring, wanted: Collection[OutsideKey]
) -> dict[OutsideKey, Standing]:
    """How the known ones stand."""
    assert len(wanted) <= IDS_MAX
    if not wanted:
        return {}
    keys = {keyring.value_key(*each): each for each in wanted}
    old_left, rows = together(session, (_OLD_LEFT, {}), _find_statement(keys))
    found = _standings(keys, rows)
    if not _only(old_left) or len(found) == len(wanted):
        return found
    # A NUL was never in the old table, and PostgreSQL has no text to compare it with.
    missing = {k: each for k, each in keys.items() if each not in found and "\0" not in each.value}
    if not missing:
        return found
    old, rows = together(
        session, (_FIND_OLD, _lists(missing.values(), distinct=True)), _find_statement(missing)
    )
    before = {OutsideKey(source, value): Standing(holder) for source, value, holder in old}
    theirs = {each: before[each] for each in missing.values() if each in before}
    return found | theirs | _standings(missing, rows)


def _add(
    session: Session, keyring: Keyring, wanted: Mapping[OutsideKey, UUID], *, now: datetime
) -> dict[OutsideKey, Standing]:
    """Add what is not there, with its person and its sealed value; how each stands now."""
    if not wanted:
        return {}
    keys = {keyring.value_key(*each): each for each in wanted}
    ordered = sorted(keys)
    adding = {
        "keys": array_of(key.hex() for key in ordered),
        "sources": [keys[key].source for key in ordered],
        "holders": array_of(wanted[keys[key]].hex for key in ordered),
    }
    added, rows = together(session, (_ADD, adding), _find_statement(keys))
    values = [Value(wanted[keys[key]], keys[key].source, keys[key].value, key) for (key,) in added]
    if values:
        add_people(session, keyring, {each.holder_id for each in values}, now=now)
        write_values(session, keyring, values, now=now)
    return _standings(keys, rows)


def _live(found: Mapping[OutsideKey, Standing]) -> dict[str, UUID]:
    return {each.value: its.holder_id for each, its in found.items() if its.ended_at is None}


def _closed(session: Session, holders: Iterable[UUID]) -> set[UUID]:
    listed = array_of(sorted({holder.hex for holder in holders}))
    (cursor,) = together(session, (_CLOSED, {"holders": listed}))
    return {holder_id for (holder_id,) in cursor}


def _find_statement(keys: Iterable[bytes]) -> Statement:
    return _FIND, {"keys": _array(sorted(keys))}


def _array(keys: Iterable[bytes]) -> str:
    return array_of(f'"\\\\x{key.hex()}"' for key in keys)


def _standings(
    keys: Mapping[bytes, OutsideKey], rows: Iterable[Sequence[Any]]
) -> dict[OutsideKey, Standing]:
    return {keys[key]: Standing(holder, ended) for key, holder, ended in rows}


def _lists(wanted: Iterable[OutsideKey], *, distinct: bool = False) -> dict[str, list[str]]:
    listed = sorted(wanted)
    sources = [each.source for each in listed]
    return {
        "values": [each.value for each in listed],
        "sources": sorted(set(sources)) if distinct else sources,
    }


def _only(cursor: Any) -> Any:
    return cursor.fetchone()[0]
