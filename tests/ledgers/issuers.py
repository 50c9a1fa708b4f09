"""A programme of a test's own, with the expiry policy that the test wants, and its residents."""

from dataclasses import dataclass
from datetime import UTC, date, datetime
from uuid import UUID, uuid4

from sqlalchemy import select
from sqlalchemy.orm import Session

from ledgers.accounts import (
    ISSUED,
    PERSONAL,
    REDEEMED,
    account_key,
    of_holder,
    open_personal,
    open_system,
)
from ledgers.models import Account, ExpiryPolicy, Lot, Transfer
from ledgers.posting import NewPosting, NewTransfer, post

JANUARY = datetime(2027, 1, 15, 4, tzinfo=UTC)  # Partitions reach a year ahead of today.


@dataclass(frozen=True)
class Issuer:
    """``holder_id`` owns the programme's accounts; times are the caller's."""

    holder_id: UUID

    @classmethod
    def opened(
        cls,
        session: Session,
        *,
        ends: str = "month",
        periods: int = 1,
        grace_days: int = 30,
        valid_from: date = date(2026, 1, 1),
    ) -> "Issuer":
        holder_id = uuid4()
        open_system(session, holder_id, now=JANUARY)
        session.add(
            ExpiryPolicy(
                issuer_id=holder_id,
                valid_from=valid_from,
                zone="Asia/Shanghai",
                ends=ends,
                periods=periods,
                grace_days=grace_days,
                document="test",
            )
        )
        session.flush()
        return cls(holder_id)

    def resident(self, session: Session) -> UUID:
        holder_id = uuid4()
        open_personal(session, [holder_id], now=JANUARY)
        return holder_id

    def earn(self, session: Session, holder_id: UUID, points: int, *, at: datetime) -> Transfer:
        return self._post(session, holder_id, "earn", points, at)[0]

    def spend(
        self, session: Session, holder_id: UUID, points: int, *, at: datetime
    ) -> list[Transfer]:
        return self._post(session, holder_id, "spend", points, at)

    def _post(
        self, session: Session, holder_id: UUID, kind: str, points: int, at: datetime
    ) -> list[Transfer]:
        mine = account_key(holder_id, "point", PERSONAL)
        pair = account_key(self.holder_id, "point", ISSUED), mine
        if kind == "spend":
            pair = mine, account_key(self.holder_id, "point", REDEEMED)
        transfer = NewTransfer(holder_id, *pair, points, kind, uuid4(), at)
        posting = NewPosting(uuid4(), kind, "test", [transfer])
        post(session, posting, now=at)
        query = select(Transfer).where(Transfer.posting_id == posting.id).order_by(Transfer.id)
        return list(session.scalars(query))


def lots(session: Session, holder_id: UUID) -> dict[date, int]:
    """What remains of a resident's points, by last day of use."""
    query = select(Lot.expires_on, Lot.remaining).where(
        Lot.holder_id == holder_id, Lot.remaining > 0
    )
    return dict(session.execute(query.order_by(Lot.expires_on)).all())


def points(session: Session, holder_id: UUID) -> Account:
    """The resident's account of points, as the database has it now."""
    session.expire_all()
    return next(account for account in of_holder(session, holder_id) if account.unit == "point")
