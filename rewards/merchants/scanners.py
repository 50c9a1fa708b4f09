"""Tills' devices, which sign what they take while they are offline.

Kept here: a scanner is one merchant's for ever; retired, it signs nothing more. Its key follows
from its id (``key_of``), so that it can be told to a retry and is kept nowhere.
"""

import hashlib
import hmac
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from rewards.merchants import merchants, shops
from rewards.merchants.errors import ScannerReused, UnknownScanner
from rewards.models import Scanner

TOLD_AGAIN_FOR = timedelta(minutes=10)


class NewScanner(NamedTuple):
    """``id`` is made by the client; ``shop_id`` is where it stands, or None."""

    id: UUID
    merchant_id: UUID
    shop_id: UUID | None
    name: str


class Made(NamedTuple):
    """``key`` is None where it was told more than ten minutes ago."""

    scanner: Scanner
    key: bytes | None


def key_of(scanners_key: bytes, scanner_id: UUID) -> bytes:
    """The 32 bytes by which a scanner signs; ``scanners_key`` is the service's for all of them."""
    return hmac.digest(scanners_key, scanner_id.bytes, hashlib.sha256)


def make(
    session: Session, new: NewScanner, scanners_key: bytes, *, made_by: str, now: datetime
) -> Made:
    """A scanner with its key; the same again changes nothing, and tells the key for ten minutes.

    Raises UnknownMerchant, MerchantEnded, UnknownShop, ScannerReused.
    """
    merchants.get_open(session, new.merchant_id)
    found = session.get(Scanner, new.id)
    if found is not None:
        is_ = (found.id, found.merchant_id, found.shop_id, found.name)
        if is_ != new or found.retired_at is not None:
            raise ScannerReused(new.id)
        told = now - found.made_at < TOLD_AGAIN_FOR
        return Made(found, key_of(scanners_key, new.id) if told else None)
    if new.shop_id is not None:
        shops.get(session, new.merchant_id, new.shop_id)
    scanner = Scanner(**new._asdict(), made_by=made_by, made_at=now)
    session.add(scanner)
    session.flush()
    return Made(scanner, key_of(scanners_key, new.id))


def retire(session: Session, merchant_id: UUID, scanner_id: UUID, *, now: datetime) -> Scanner:
    """Take no more of what a scanner signs; an earlier end stays. Raises UnknownScanner."""
    scanner = session.get(Scanner, scanner_id, with_for_update=True, populate_existing=True)
    if scanner is None or scanner.merchant_id != merchant_id:
        raise UnknownScanner(scanner_id)
    scanner.retired_at = scanner.retired_at or now
    session.flush()
    return scanner


def retire_all(session: Session, merchant_id: UUID, *, now: datetime) -> Sequence[Scanner]:
    """Retire all of a merchant's scanners that are not; answers them. One statement."""
    statement = (
        update(Scanner)
        .where(Scanner.merchant_id == merchant_id, Scanner.retired_at.is_(None))
        .values(retired_at=now)
        .returning(Scanner)
    )
    retired = session.scalars(statement, execution_options={"populate_existing": True}).all()
    return sorted(retired, key=lambda one: one.id)


def get(session: Session, merchant_id: UUID, scanner_id: UUID) -> Scanner:
    """This merchant's scanner, retired or not; raises UnknownScanner."""
    scanner = session.get(Scanner, scanner_id)
    if scanner is None or scanner.merchant_id != merchant_id:
        raise UnknownScanner(scanner_id)
    return scanner


def listed(
    session: Session, merchant_id: UUID, *, after: UUID | None = None, limit: int
) -> Sequence[Scanner]:
    """A merchant's scanners by id, retired ones too."""
    query = select(Scanner).where(Scanner.merchant_id == merchant_id)
    query = query.order_by(Scanner.id).limit(limit)
    if after is not None:
        query = query.where(Scanner.id > after)
    return session.scalars(query).all()
