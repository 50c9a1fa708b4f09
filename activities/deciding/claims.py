"""Claimed once: a real-world act has one owner, whoever reports it and through whom.

The claims table is keyed, and on Citus spread, by the act's fingerprint, so that two residents
cannot both have one meter's month or one parcel. Of two reports of one resident the one of the
weightier channel has it, whichever came first.
"""

from collections.abc import Iterable
from typing import LiteralString, NamedTuple
from uuid import UUID

from sqlalchemy.orm import Session

from ledgers.bulk import Statement, array_of, together


class Owner(NamedTuple):
    """Whose act it is."""

    holder: str
    activity_id: UUID


class Claims:
    """The owners of some acts by fingerprint, changed here and written at the end."""

    def __init__(self, owners: dict[str, Owner], written: dict[str, Owner]) -> None:
        self._owners = owners
        self._earlier = dict(owners)  # Of earlier transactions.
        self._written = written  # As they stand in the table.

    @classmethod
    def take(cls, session: Session, wanted: Iterable[tuple[str, Owner]]) -> "Claims":
        """Put down who asks first, unless the act is taken; whoever comes at the same time waits.

        The owner is not decided yet: ``owner`` is None until ``give``. Two statements.
        """
        first: dict[str, Owner] = {}
        for fingerprint, owner in wanted:
            first.setdefault(fingerprint, owner)
        if not first:
            return cls({}, {})
        parameters = {
            "prints": array_of(first),
            "holders": array_of(owner.holder for owner in first.values()),
            "activities": array_of(owner.activity_id.hex for owner in first.values()),
        }
        (taken,) = together(session, (_TAKE, parameters))
        if taken.rowcount == len(first):
            return cls({}, first)
        (rows,) = together(session, (_OWNERS, {"prints": parameters["prints"]}))
        stand = {fingerprint: Owner(holder, id_) for fingerprint, holder, id_ in rows}
        return cls({key: owner for key, owner in stand.items() if owner != first[key]}, stand)

    def owner(self, fingerprint: str) -> Owner | None:
        """Whose act it is; None while nobody's."""
        return self._owners.get(fingerprint)

    def earlier(self) -> Iterable[Owner]:
        """Owners by earlier transactions."""
        return self._earlier.values()

    def forget(self, holders: set[str]) -> None:
        """Take back what was given to these residents."""
        for fingerprint, owner in [*self._owners.items()]:
            if owner.holder in holders:
                del self._owners[fingerprint]
                if fingerprint in self._earlier:
                    self._owners[fingerprint] = self._earlier[fingerprint]

    def give(self, fingerprint: str, owner: Owner) -> None:
        """The act is this one's."""
        self._owners[fingerprint] = owner

    def write(self, session: Session) -> None:
        """Put down what came out otherwise than who asked first; mostly nothing."""
        unowned = [key for key in self._written if key not in self._owners]
        others = {k: o for k, o in self._owners.items() if self._written[k] != o}
        statements: list[Statement] = []
        if unowned:
            statements.append(freeing(unowned))
        if others:
            parameters = {
                "prints": array_of(others),
                "holders": array_of(owner.holder for owner in others.values()),
                "activities": array_of(owner.activity_id.hex for owner in others.values()),
            }
            statements.append((_GIVE, parameters))
        if statements:
            together(session, *statements)


def freeing(fingerprints: Iterable[str]) -> Statement:
    """Nobody has these acts any more."""
    return _FREE, {"prints": array_of(sorted(fingerprints))}


_TAKE: LiteralString = """
    INSERT INTO claim (fingerprint, holder_id, activity_id)
    SELECT * FROM unnest(CAST(%(prints)s AS uuid[]), CAST(%(holders)s AS uuid[]),
        CAST(%(activities)s AS uuid[])) AS c (print, b, c) ORDER BY print
    ON CONFLICT DO NOTHING RETURNING fingerprint
"""
_OWNERS: LiteralString = """
    SELECT replace(fingerprint::text, '-', ''), replace(holder_id::text, '-', ''), activity_id
    FROM claim WHERE fingerprint = ANY(CAST(%(prints)s AS uuid[]))
"""
_FREE: LiteralString = "DELETE FROM claim WHERE fingerprint = ANY(CAST(%(prints)s AS uuid[]))"
_GIVE: LiteralString = """
    UPDATE claim AS o SET holder_id = c.holder_id, activity_id = c.activity_id
    FROM unnest(CAST(%(prints)s AS uuid[]), CAST(%(holders)s AS uuid[]),
        CAST(%(activities)s AS uuid[])) AS c (fingerprint, holder_id, activity_id)
    WHERE o.fingerprint = c.fingerprint
"""
