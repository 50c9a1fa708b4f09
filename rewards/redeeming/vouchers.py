"""Vouchers of redemptions: their codes, made by us or taken from the merchant's pool, and how the
vouchers behind redemptions are found.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import LiteralString
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from ledgers.bulk import Statement, array_of, together
from rewards.errors import SoldOut
from rewards.models import Offer, PoolCode, Redemption
from rewards.redeeming.terms import WITH_VOUCHER, Terms
from rewards.voucher_codes import Codes, code_sha256

# Two statements: the row is looked for where nobody else holds it, and only then changed.
_FREE: LiteralString = """
    SELECT code_hash, sealed FROM pool_code
    WHERE offer_id = %(offer_id)s AND redemption_id IS NULL
    ORDER BY code_hash LIMIT 1 FOR UPDATE SKIP LOCKED
"""
_GIVE: LiteralString = """
    UPDATE pool_code SET redemption_id = %(id)s
    WHERE offer_id = %(offer_id)s AND code_hash = %(code_hash)s
"""
_WRITE: LiteralString = """
    INSERT INTO voucher (code_sha256, holder_id, redemption_id, merchant_id, offer_id, version,
                         expires_at)
    VALUES (%(hashed)s, %(holder_id)s, %(id)s, %(merchant_id)s, %(offer_id)s, %(version)s,
            %(until)s)
"""


def new_code(
    session: Session, offer: Offer, redemption_id: UUID, codes: Codes
) -> tuple[str, bytes]:
    """A code for a redemption, and its hash; of a pool, one that nobody has. Raises SoldOut."""
    if offer.kind != "pool_code":
        code = codes.of_redemption(redemption_id)
        return code, _hash_of(code)
    (free,) = together(session, (_FREE, {"offer_id": offer.id}))
    if (row := free.fetchone()) is None:
        raise SoldOut(offer.id)
    code_hash, sealed = row
    together(
        session,
        (_GIVE, {"offer_id": offer.id, "code_hash": code_hash, "id": redemption_id, "rows": 1}),
    )
    return codes.open(offer.id, sealed), code_hash


def code_of(session: Session, offer: Offer, redemption_id: UUID, codes: Codes) -> str:
    """The code that a redemption was given."""
    if offer.kind != "pool_code":
        return codes.of_redemption(redemption_id)
    query = select(PoolCode.sealed).where(
        PoolCode.offer_id == offer.id, PoolCode.redemption_id == redemption_id
    )
    return codes.open(offer.id, session.scalars(query).one())


def writing(
    terms: Terms, redemption_id: UUID, holder_id: UUID, hashed: bytes, until: datetime | None
) -> Statement:
    """Writes a voucher's row."""
    return _WRITE, {
        "hashed": hashed,
        "holder_id": holder_id,
        "id": redemption_id,
        "merchant_id": terms.offer.merchant_id,
        "offer_id": terms.offer.id,
        "version": terms.version.version,
        "until": until,
    }


def hashes_of(
    session: Session, redeemed: Iterable[tuple[Redemption, Offer]], codes: Codes
) -> dict[UUID, bytes]:
    """The hashes of the codes of redemptions, by their ids; of those that have a voucher. One
    statement at most.
    """
    hashes: dict[UUID, bytes] = {}
    pooled: list[tuple[UUID, UUID]] = []
    for redemption, offer in redeemed:
        if offer.kind == "pool_code":
            pooled.append((offer.id, redemption.id))
        elif offer.kind in WITH_VOUCHER:
            hashes[redemption.id] = _hash_of(codes.of_redemption(redemption.id))
    if pooled:
        offers, ids = (array_of(id_.hex for id_ in column) for column in zip(*pooled, strict=True))
        (found,) = together(session, (_POOLED, {"offers": offers, "ids": ids}))
        hashes |= dict(found.fetchall())
    return hashes


_POOLED: LiteralString = """
    SELECT redemption_id, code_hash FROM pool_code
    WHERE offer_id = ANY(CAST(%(offers)s AS uuid[]))
      AND redemption_id = ANY(CAST(%(ids)s AS uuid[]))
"""


def _hash_of(code: str) -> bytes:
    hashed = code_sha256(code)
    assert hashed is not None, "a code of ours"
    return hashed
