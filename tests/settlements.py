"""Lines and settlements for tests."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

from sqlalchemy.orm import Session

from rewards.models import Merchant, SettlementLine
from rewards.settling.drafting import Key, begin, claim_slice, finish_draft
from rewards.settling.payables import NewLine, owe
from rewards.settling.periods import Period, month_of

SHANGHAI = ZoneInfo("Asia/Shanghai")


def _month(ahead: int) -> Period:
    """A month for which the ledger has a partition: they are made ahead of the real time."""
    today = datetime.now(UTC)
    year, months = divmod(today.year * 12 + today.month - 1 + ahead, 12)
    return month_of(date(year, months + 1, 1), SHANGHAI)


# Months that are over NOW, as all instants here are given.
FIRST, SECOND, THIRD = (_month(ahead) for ahead in (2, 3, 4))
NOW = _month(6).begins_at


def _lately() -> Period:
    """Days that are over by the real clock, and in this month or the last."""
    today = datetime.now(SHANGHAI).date()
    return Period(today - timedelta(days=3), today, SHANGHAI)


LATELY = _lately()


def lines_for(
    session: Session,
    merchant_id: UUID,
    amounts_fen: Sequence[int],
    *,
    at: datetime = FIRST.begins_at,
    occurred_at: datetime | None = None,
    offer_id: UUID | None = None,
    shop_id: UUID | None = None,
) -> list[UUID]:
    """Lines of consumptions, recorded at an instant; a minute apart where they took place."""
    programme = session.get_one(Merchant, merchant_id).programme_holder_id
    assert programme is not None
    first = occurred_at or at
    new = [
        NewLine(
            merchant_id,
            programme,
            "consumption",
            amount_fen,
            offer_id or uuid4(),
            1,
            uuid4(),
            first + timedelta(minutes=number),
            consumption_id=uuid4(),
            shop_id=shop_id,
        )
        for number, amount_fen in enumerate(amounts_fen)
    ]
    return owe(session, new, actor="tests", now=at)


def taken_back(
    session: Session, merchant_id: UUID, line_id: UUID, *, at: datetime, kind: str = "refund"
) -> UUID:
    """The line that takes another back."""
    line = session.get_one(SettlementLine, (merchant_id, line_id))
    programme = session.get_one(Merchant, merchant_id).programme_holder_id
    assert programme is not None
    back = NewLine(
        merchant_id,
        programme,
        kind,
        -line.amount_fen,
        line.offer_id,
        line.version,
        line.redemption_id,
        at,
        consumption_id=line.consumption_id,
        reverses_id=line_id,
    )
    return owe(session, [back], actor="tests", now=at)[0]


def a_drafted(
    session: Session, merchant_id: UUID, period: Period = FIRST, *, id_: UUID | None = None
) -> Key:
    """A settlement in state draft."""
    key, place = Key(merchant_id, id_ or uuid4()), None
    begin(session, key, period, actor="drafter", now=NOW)
    while place := claim_slice(session, key, period, after=place).after:
        pass
    finish_draft(session, key, now=NOW)
    return key
