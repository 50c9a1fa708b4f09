"""What a code would give if it were taken now: for a clerk who looks before taking."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID, uuid4

from sqlalchemy import select
from sqlalchemy.orm import Session

from rewards.models import Voucher
from rewards.tills.consuming import hashes_of
from rewards.tills.deciding import Counter, Refused, Taking
from rewards.tills.looking import Found, Places, taken, terms_of
from rewards.voucher_codes import Codes


@dataclass(frozen=True, slots=True)
class Preview:
    """What would be handed over."""

    offer_id: UUID
    version: int
    title_zh: str
    title_en: str
    expires_at: datetime | None


def preview(
    session: Session,
    *,
    merchant_id: UUID,
    code: str,
    codes: Codes,
    now: datetime,
    shop_id: UUID | None = None,
    scanner_id: UUID | None = None,
) -> Preview:
    """The voucher behind a code, good to be taken now at this till; nothing is changed or locked,
    so that another till may still be faster.

    Raises what ``consuming.consume`` would raise now.
    """
    hashes = hashes_of(merchant_id, code, codes)
    vouchers = _vouchers(session, merchant_id, hashes)
    places = Places(session, merchant_id, (shop_id,), (scanner_id,))
    earlier = {one.consumption_id for one in vouchers.values() if one.consumption_id is not None}
    known = taken(session, earlier) if earlier else {}
    terms = terms_of(session, vouchers.values()) if vouchers else {}
    answer = Counter(vouchers, known, terms, places).answer(
        Taking(uuid4(), hashes, now, shop_id, scanner_id)
    )
    if isinstance(answer, Refused):
        raise answer.error
    found = next(vouchers[each] for each in hashes if each in vouchers)
    return Preview(
        answer.offer_id, answer.version, answer.title_zh, answer.title_en, found.expires_at
    )


def _vouchers(session: Session, merchant_id: UUID, hashes: tuple[bytes, ...]) -> dict[bytes, Found]:
    """The merchant's, by the hashes of their codes."""
    columns = [getattr(Voucher, name) for name in Found._fields]
    query = select(*columns).where(
        Voucher.code_sha256.in_(hashes), Voucher.merchant_id == merchant_id
    )
    return {row[0]: Found(*row) for row in session.execute(query)}
