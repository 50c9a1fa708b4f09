"""A rotation of master keys: what an old one wrapped is wrapped anew by the current one.

Only the wrapping changes: the data keys and all they seal stay, so whoever reads or writes
meanwhile is not in the way. Safe to repeat, to kill, and to run twice at once.
"""

import logging
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import LiteralString
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from ledgers.bulk import array_of, together
from rewards.models import Merchant
from service.identity.keyring import CannotOpen, Keyring
from service.identity.models import Person
from service.identity.staff.models import Staff
from service.identity.staff.second_factor import about
from service.identity.vault import about_key
from service.merchants.bank import about as about_bank

AT_ONCE = 1_000
NOBODY = UUID(int=0)
log = logging.getLogger(__name__)

_OLD: LiteralString = """
    SELECT holder_id, data_key FROM person
    WHERE master_key_id = %(key_id)s AND holder_id > %(after)s ORDER BY holder_id LIMIT %(limit)s
"""
_ANEW: LiteralString = """
    UPDATE person SET data_key = decode(n.now, 'hex'), master_key_id = CAST(%(key_id)s AS text)
    FROM unnest(CAST(%(holders)s AS uuid[]), CAST(%(before)s AS text[]), CAST(%(now)s AS text[]))
        AS n (holder_id, before, now)
    WHERE person.holder_id = n.holder_id AND person.data_key = decode(n.before, 'hex')
"""


@dataclass(frozen=True, slots=True)
class Rewrapped:
    """A batch: how many were looked at, how many wrapped anew, how many no key here opens."""

    looked: int
    rewrapped: int
    unopened: int
    after: UUID


def old_keys(keyring: Keyring) -> list[str]:
    """Those that open and wrap no more."""
    return sorted(set(keyring.master_keys) - {keyring.current_id})


def rewrap_people(session: Session, keyring: Keyring, key_id: str, *, after: UUID) -> Rewrapped:
    """Wrap the next AT_ONCE data keys anew that ``key_id`` wraps, in the order of holders.

    Done when fewer were looked at. Who closed the account meanwhile stays closed.
    """
    (rows,) = together(session, (_OLD, {"key_id": key_id, "after": after, "limit": AT_ONCE}))
    found = rows.fetchall()
    anew: list[tuple[UUID, bytes, bytes]] = []
    for holder_id, before in found:
        try:
            key = keyring.unwrap(key_id, before, about=about_key(holder_id))
        except CannotOpen as error:
            log.error("a person's data key stays as it is: %s", error)
            continue
        anew.append((holder_id, before, keyring.wrap(key, about=about_key(holder_id))[1]))
    done = _write(session, keyring.current_id, anew)
    last = found[-1][0] if found else after
    return Rewrapped(len(found), done, len(found) - len(anew), last)


def _write(session: Session, key_id: str, anew: Iterable[tuple[UUID, bytes, bytes]]) -> int:
    rows = list(anew)
    if not rows:
        return 0
    written = {
        "key_id": key_id,
        "holders": array_of(holder_id.hex for holder_id, _, _ in rows),
        "before": array_of(before.hex() for _, before, _ in rows),
        "now": array_of(now.hex() for _, _, now in rows),
    }
    (cursor,) = together(session, (_ANEW, written))
    return cursor.rowcount


def rewrap_staff(session: Session, keyring: Keyring) -> int:
    """Seal the secrets of staff's second factors anew; some thousand rows at most."""
    query = select(Staff).where(Staff.totp_key_id.is_not(None))
    old = query.where(Staff.totp_key_id != keyring.current_id).order_by(Staff.id)
    done = 0
    for staff in session.scalars(old.with_for_update()):
        assert staff.totp_key_id is not None
        assert staff.totp_secret is not None
        try:
            secret = keyring.unwrap(staff.totp_key_id, staff.totp_secret, about=about(staff.id))
        except CannotOpen as error:
            log.error("a second factor stays as it is: %s", error)
            continue
        staff.totp_key_id, staff.totp_secret = keyring.wrap(secret, about=about(staff.id))
        done += 1
    session.flush()
    return done


def rewrap_merchants(session: Session, keyring: Keyring) -> int:
    """Seal merchants' bank details anew; some thousand rows at most."""
    query = select(Merchant).where(Merchant.bank_key_id.is_not(None))
    old = query.where(Merchant.bank_key_id != keyring.current_id).order_by(Merchant.id)
    done = 0
    for merchant in session.scalars(old.with_for_update()):
        assert merchant.bank_key_id is not None
        assert merchant.bank_sealed is not None
        about_it = about_bank(merchant.id)
        try:
            details = keyring.unwrap(merchant.bank_key_id, merchant.bank_sealed, about=about_it)
        except CannotOpen as error:
            log.error("a merchant's bank details stay as they are: %s", error)
            continue
        merchant.bank_key_id, merchant.bank_sealed = keyring.wrap(details, about=about_it)
        done += 1
    session.flush()
    return done


def wrapped_by(session: Session) -> Counter[str]:
    """By id of their master key, how many persons, second factors and bank details it wraps."""
    found: Counter[str] = Counter()
    for column in (Person.master_key_id, Staff.totp_key_id, Merchant.bank_key_id):
        query = select(column, func.count()).where(column.is_not(None)).group_by(column)
        found.update({str(key_id): count for key_id, count in session.execute(query)})
    return found
