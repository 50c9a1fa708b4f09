"""Whatever is taken, reversed, refunded, settled, voided and paid, in any order: it adds up."""

from contextlib import suppress
from datetime import datetime, timedelta
from uuid import UUID, uuid4

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from ledgers.errors import DomainError
from ledgers.folding import system_balances
from ledgers.models import Transfer
from rewards.models import Settlement, SettlementLine
from rewards.settling.drafting import Key, begin, claim_slice, finish_draft, free_slice
from rewards.settling.periods import Period
from rewards.settling.settlements import approve, confirm, dispute, pay, void
from tests.makers import programme_holder
from tests.settlements import FIRST, SHANGHAI, lines_for, taken_back
from tests.shopping import a_merchant

DAYS = 12
STEPS = st.lists(
    st.tuples(
        st.sampled_from(
            (
                *("take",) * 4,
                *("reverse", "refund", "next_day", "next_day", "begin", "begin"),
                *("onward",) * 8,
                *("claim", "finish", "confirm", "approve", "pay", "dispute", "void", "free"),
            )
        ),
        st.integers(0, 2_000),
    ),
    max_size=60,
)


ONWARD = {"drafting": "onward", "draft": "confirm", "confirmed": "approve", "approved": "pay"}


class Books:
    """What one merchant did and what came of it. A day passes at ``next_day``."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.programme = programme_holder(session)
        self.merchant_id = a_merchant(session, self.programme)
        self.day = 0
        self.lines: dict[UUID, int] = {}
        self.back: set[UUID] = set()
        self.keys: list[Key] = []

    @property
    def at(self) -> datetime:
        return FIRST.begins_at + timedelta(days=self.day)

    def period(self, days: int) -> Period:
        to = FIRST.since + timedelta(days=self.day)
        return Period(to - timedelta(days=1 + days % 3), to, SHANGHAI)

    def period_of(self, key: Key) -> Period:
        one = self.session.get_one(Settlement, key)
        return Period(one.period_from, one.period_to, SHANGHAI)

    def do(self, step: str, number: int) -> None:
        match step:
            case "take":
                (line,) = lines_for(self.session, self.merchant_id, [number], at=self.at)
                self.lines[line] = number
            case "reverse" | "refund":
                left = [line for line in self.lines if line not in self.back]
                if left:
                    line = left[number % len(left)]
                    kind = "reversal" if step == "reverse" else "refund"
                    taken_back(self.session, self.merchant_id, line, at=self.at, kind=kind)
                    self.back.add(line)
            case "next_day":
                self.day = min(self.day + 1, DAYS)
            case "begin":
                key = Key(self.merchant_id, uuid4())
                begin(self.session, key, self.period(number), actor="anna", now=self.at)
                self.keys.append(key)
            case _ if self.keys:
                self.step(step, self.keys[-1 - number % min(len(self.keys), 2)])

    def step(self, step: str, key: Key) -> None:
        now, session = self.at, self.session
        if step == "onward":
            step = ONWARD.get(session.get_one(Settlement, key).state, "free")
        match step:
            case "onward":
                while claim_slice(session, key, self.period_of(key), lines_max=2).after:
                    pass
                finish_draft(session, key, now=now)
            case "claim":
                claim_slice(session, key, self.period_of(key), lines_max=2)
            case "finish":
                finish_draft(session, key, now=now)
            case "confirm":
                confirm(session, key, actor="mia", now=now)
            case "approve":
                approve(session, key, actor="ben", now=now)
            case "pay":
                pay(session, key, payment_reference="1", actor="eva", now=now)
            case "dispute":
                dispute(session, key, reason="no", actor="mia", now=now)
            case "void":
                void(session, key)
            case "free":
                free_slice(session, key, lines_max=2)

    def check(self) -> None:
        """Every line in one settlement at most; each settlement's sums those of its lines; what is
        not paid is what the ledger says is owed.
        """
        self.session.expire_all()
        line = SettlementLine
        query = (
            select(line.settlement_id, func.count(), func.sum(line.amount_fen))
            .where(line.merchant_id == self.merchant_id)
            .group_by(line.settlement_id)
        )
        rows = self.session.execute(query).all()
        by_settlement = {id_: (count, int(sum_fen)) for id_, count, sum_fen in rows}
        paid_fen = 0
        for key in self.keys:
            one = self.session.get_one(Settlement, key)
            count, sum_fen = by_settlement.get(key.id, (0, 0))
            assert one.lines == count
            if one.state not in ("drafting", "void"):
                assert one.owed_fen - one.returned_fen == sum_fen
            if one.state == "paid":
                paid_fen += sum_fen
        total_fen = sum(sum_fen for _, sum_fen in by_settlement.values())
        assert total_fen == sum(
            fen for line_id, fen in self.lines.items() if line_id not in self.back
        )
        ledger = system_balances(self.session, self.merchant_id)
        assert ledger.get(("fen", "clearing"), 0) == total_fen - paid_fen
        posted = select(func.coalesce(func.sum(Transfer.amount), 0)).where(
            Transfer.holder_id == self.merchant_id, Transfer.kind == "settle"
        )
        assert self.session.scalar(posted) == paid_fen


@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(steps=STEPS)
def test_in_any_order_what_was_paid_and_what_is_owed_are_all_lines(
    session: Session, steps: list[tuple[str, int]]
) -> None:
    books = Books(session)
    for step, number in steps:
        with suppress(DomainError), session.begin_nested():
            books.do(step, number)
    books.check()
