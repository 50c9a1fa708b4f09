"""Expiry: vouchers that nobody used in time end, and points come back where the offer says so.

A voucher ends OFFLINE_FOR after it expired: until then a till that was offline may still send what
it took in time. Safe to kill and to repeat: a batch is one transaction, and what has ended is not
due again.
"""

from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from ledgers.accounts import PERSONAL, account_key
from ledgers.bulk import array_of, look_up_by_index
from ledgers.funds import lock_accounts
from rewards.redeeming.ending import (
    Ends,
    end_many,
    give_points_back,
    redemptions_of,
    versions_of,
)

# A till's day, its clock's two minutes when it takes and the same when it sends.
OFFLINE_FOR = timedelta(hours=24, minutes=4)
ACTOR = "job:expire_vouchers"
REASON = "voucher expired"
AT_ONCE = 1_000

_OPEN = """
    consumed_at IS NULL AND lapsed_at IS NULL AND cancelled_at IS NULL AND expired_at IS NULL
"""
_DUE = text(f"""
    SELECT code_sha256, holder_id, redemption_id FROM voucher
    WHERE expires_at <= :before AND {_OPEN}
    ORDER BY expires_at LIMIT :limit
""")
_EXPIRE = text(f"""
    UPDATE voucher SET expired_at = :now
    FROM unnest(CAST(:codes AS bytea[])) AS k (code)
    WHERE code_sha256 = k.code AND {_OPEN}
    RETURNING redemption_id
""")


def expire_due(session: Session, *, now: datetime, limit: int = AT_ONCE) -> int:
    """End the next ``limit`` vouchers whose time, and that of tills that were offline, is over;
    answers how many ended.

    Points come back to their lots where the version that was redeemed says so, and the account is
    still open; the budget's money comes back, the stock does not. A voucher that was used or ended
    meanwhile stays as it is. A fixed number of statements. Locks the residents' accounts, then the
    vouchers, then the offers' stock.
    """
    due = session.execute(_DUE, {"before": now - OFFLINE_FOR, "limit": limit}).all()
    holders = {redemption_id: holder_id for _, holder_id, redemption_id in due}
    lock_accounts(session, {(holder, _personal(holder)) for holder in holders.values()})
    codes = array_of(sorted(f'"\\\\x{code.hex()}"' for code, _, _ in due))
    look_up_by_index(session)
    expired = session.scalars(_EXPIRE, {"codes": codes, "now": now}).all()
    spends = {redemption_id: holders[redemption_id] for redemption_id in expired}
    if not spends:
        return 0
    redemptions = redemptions_of(session, spends)
    versions = versions_of(session, {one.offer_id for one in redemptions.values()})
    returning = {
        id_: one
        for id_, one in redemptions.items()
        if one.state == "done" and versions[one.offer_id, one.version].expiry_returns
    }
    ends = Ends("expired", ACTOR, REASON, now)
    returned: dict[UUID, int] = {}
    if returning:
        returned = give_points_back(
            session,
            {id_: one.holder_id for id_, one in returning.items()},
            ends,
            since=min(one.redeemed_at for one in returning.values()),
        )
    end_many(session, spends, returned, ends)
    return len(spends)


def _personal(holder_id: UUID) -> UUID:
    return UUID(account_key(holder_id, "point", PERSONAL).id)
