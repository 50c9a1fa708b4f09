"""The ledger against a model in plain Python: any order of earning, holding, capturing, releasing,
spending, refunding, lapsing, reversing and repeating, each refused or done in both alike.

The model knows no SQL and no transfers: a list of lots, an amount held, and what net is.
"""

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from sqlalchemy import select, text

from ledgers.accounts import (
    PERSONAL,
    REDEEMED,
    account_key,
    of_holder,
    open_personal,
    open_system,
)
from ledgers.errors import (
    DomainError,
    HoldEnded,
    HoldExceeded,
    InsufficientPoints,
    NotReversible,
)
from ledgers.holds import NewHold, capture, lapse_due_holds, release, reserve
from ledgers.lapsing import lapse_due
from ledgers.models import ExpiryPolicy, Hold, Lot, Posting, Transfer
from ledgers.partitions import ensure_partitions
from ledgers.posting import NewPosting, NewTransfer, post
from ledgers.reversal import reverse
from service.db import Database

pytestmark = pytest.mark.once

ZONE = ZoneInfo("Asia/Shanghai")
START = datetime(2030, 1, 15, 4, tzinfo=UTC)
GRACE_DAYS = 30
NEVER = date.max
TABLES = ("account", "posting", "transfer", "lot", "hold", "log_queue")


@dataclass
class Model:
    """What one resident has, by the rules of the programme and nothing else."""

    net: int = 0
    lots: dict[date, int] = field(default_factory=dict)
    holds: dict[UUID, tuple[int, datetime]] = field(default_factory=dict)

    @property
    def held(self) -> int:
        return sum(amount for amount, _ in self.holds.values())

    @property
    def balance(self) -> int:
        return max(self.net, self.held)

    @property
    def debt(self) -> int:
        return self.balance - self.net

    @property
    def available(self) -> int:
        return self.balance - self.held

    def lapse(self, today: date) -> int:
        """Due points that no hold covers: holds cover what lapses first."""
        due = [day for day in sorted(self.lots) if day < today]
        lapsing = max(sum(self.lots[day] for day in due) - self.held, 0)
        self.take(lapsing, skip=self.held)
        return lapsing

    def take(self, amount: int, *, skip: int = 0) -> list[tuple[date, int]]:
        """From what lapses first, after ``skip`` points."""
        taken, left = [], amount
        for day in sorted(self.lots):
            passed = min(skip, self.lots[day])
            skip -= passed
            if part := min(left, self.lots[day] - passed):
                self.lots[day] -= part
                left -= part
                taken.append((day, part))
        assert left == 0
        self.net -= amount
        return taken

    def give(self, day: date, amount: int) -> None:
        paid = min(self.debt, amount)
        self.net += amount
        self.lots[day] = self.lots.get(day, 0) + amount - paid

    def end_hold(self, hold_id: UUID, today: date) -> None:
        """What is no longer held first pays a debt; what of it is overdue gets days of grace."""
        del self.holds[hold_id]
        self.take_out(sum(self.lots.values()) - self.balance)
        due = sum(n for day, n in self.lots.items() if day < today) - self.held
        grace = today + timedelta(days=GRACE_DAYS)
        if due > 0:
            self.net += due
            self.take(due, skip=self.held)
            self.lots[grace] = self.lots.get(grace, 0) + due

    def take_out(self, amount: int) -> None:
        """From the lots only: net knows it already."""
        if amount > 0:
            self.net += amount
            self.take(amount)


class Ledger(RuleBasedStateMachine):
    """One resident of one programme; every step is one committed transaction."""

    database: Database

    @initialize(periods=st.integers(0, 2))
    def open(self, periods: int) -> None:
        self.programme, self.holder, self.now = uuid4(), uuid4(), START
        self.account = UUID(account_key(self.holder, "point", PERSONAL).id)
        self.periods = periods
        self.model = Model()
        self.earned: dict[UUID, tuple[date, int]] = {}  # By transfer: its lot, what is left of it.
        self.spent: dict[UUID, tuple[date, int]] = {}
        self.repeatable: list = []
        self.ended: list[UUID] = []

        def work(session):
            open_system(session, self.programme, now=self.now)
            open_personal(session, [self.holder], now=self.now)
            session.add(
                ExpiryPolicy(
                    issuer_id=self.programme,
                    valid_from=date(2030, 1, 1),
                    zone="Asia/Shanghai",
                    ends="month",
                    periods=periods,
                    grace_days=GRACE_DAYS,
                    document="test",
                )
            )

        self.database.transact(work)

    # --- What happens ---------------------------------------------------------------------------

    @rule(days=st.integers(0, 40), hours=st.integers(0, 23))
    def time_passes(self, days: int, hours: int) -> None:
        self.now += timedelta(days=days, hours=hours)

    @rule(points=st.integers(1, 100))
    def earn(self, points: int) -> None:
        transfer = self.transfer("issued", points)
        posting = NewPosting(uuid4(), "intake", "test", [transfer])
        self.do(lambda s: post(s, posting, now=self.now))
        day = self.month_end()
        self.model.give(day, points)
        (written,) = self.transfers(posting.id)
        self.earned[written.id] = (day, points)

    @rule(points=st.integers(1, 150))
    def spend(self, points: int) -> None:
        posting = NewPosting(uuid4(), "redemption", "test", [self.transfer(REDEEMED, points)])
        expected = self.lapsed_copy()
        if expected.available < points:
            refusal = self.refused(lambda s: post(s, posting, now=self.now), InsufficientPoints)
            facts = (refusal.have_points, refusal.need_points, refusal.owed_points)
            assert facts == (expected.available, points, expected.debt)
            return
        self.do(lambda s: post(s, posting, now=self.now))
        self.model = expected
        parts = self.model.take(points, skip=self.model.held)
        written = sorted(self.transfers(posting.id), key=lambda t: t.expires_on or NEVER)
        assert [(t.expires_on, t.amount) for t in written] == parts, "oldest first"
        self.spent |= {t.id: (t.expires_on, t.amount) for t in written}

    @rule(points=st.integers(1, 100), days=st.integers(1, 31))
    def reserve(self, points: int, days: int) -> None:
        deadline = self.now + timedelta(days=days)
        new = NewHold(uuid4(), self.holder, points, uuid4(), "test", deadline)
        expected = self.lapsed_copy()
        if expected.available < points:
            self.refused(lambda s: reserve(s, new, now=self.now), InsufficientPoints)
            return
        self.do(lambda s: reserve(s, new, now=self.now))
        self.model = expected
        self.model.holds[new.id] = (points, deadline)

    @precondition(lambda self: self.model.holds)
    @rule(data=st.data(), share=st.integers(1, 120))
    def capture(self, data, share: int) -> None:
        hold_id = pick(data, self.model.holds)
        amount, deadline = self.model.holds[hold_id]
        points = max(1, amount * share // 100)
        posting_id = uuid4()

        def act(session):
            return capture(
                session,
                posting_id,
                holder_id=self.holder,
                hold_id=hold_id,
                points=points,
                credit=account_key(self.programme, "point", REDEEMED),
                actor="test",
                now=self.now,
            )

        if deadline <= self.now:
            assert self.refused(act, HoldEnded).state == "lapsed"
        elif points > amount:
            self.refused(act, HoldExceeded)
        else:
            self.do(act)
            self.model.lapse(self.today())
            # The hold's own points are those that lapse first; what is in debt has none left.
            held = self.model.holds[hold_id]
            self.model.take(points)
            self.model.holds[hold_id] = held
            self.model.end_hold(hold_id, self.today())
            self.spent |= {t.id: (t.expires_on, t.amount) for t in self.transfers(posting_id)}
            self.ended.append(hold_id)

    @precondition(lambda self: self.model.holds)
    @rule(data=st.data())
    def release(self, data) -> None:
        hold_id = pick(data, self.model.holds)

        def act(session):
            return release(
                session, holder_id=self.holder, hold_id=hold_id, actor="test", now=self.now
            )

        if self.model.holds[hold_id][1] <= self.now:
            self.refused(act, HoldEnded)
            return
        self.do(act)
        self.model.lapse(self.today())
        self.model.end_hold(hold_id, self.today())
        self.ended.append(hold_id)

    @precondition(lambda self: self.ended)
    @rule(data=st.data(), points=st.integers(1, 5))
    def end_a_hold_again(self, data, points: int) -> None:
        """Captured, released or lapsed: a hold ends once."""
        hold_id = pick(data, self.ended)
        self.refused(
            lambda s: capture(
                s,
                uuid4(),
                holder_id=self.holder,
                hold_id=hold_id,
                points=points,
                credit=account_key(self.programme, "point", REDEEMED),
                actor="test",
                now=self.now,
            ),
            HoldEnded,
        )

    @rule()
    def jobs_run(self) -> None:
        def work(session):
            # The database is shared with other tests' residents, who must not be touched here.
            lapse_due(session, now=self.now, after=before(self.holder), limit=1)

        due = [id_ for id_, (_, deadline) in self.model.holds.items() if deadline <= self.now]
        if due:
            self.database.transact(lambda s: lapse_due_holds(s, now=self.now))
            self.model.lapse(self.today())
            amounts = [self.model.holds.pop(id_) for id_ in due]
            hold_id = uuid4()
            self.model.holds[hold_id] = (sum(a for a, _ in amounts), self.now)
            self.model.end_hold(hold_id, self.today())
            self.ended += due
        self.database.transact(work)
        self.model.lapse(self.today())

    @precondition(lambda self: self.earned)
    @rule(data=st.data(), points=st.one_of(st.none(), st.integers(1, 100)))
    def claw_back(self, data, points: int | None) -> None:
        transfer_id = pick(data, self.earned)
        day, left = self.earned[transfer_id]
        amount = left if points is None else points
        act = self.reversal({transfer_id: points})
        if not 0 < amount <= left:
            self.refused(act, NotReversible)
            return
        self.do(act)
        self.earned[transfer_id] = (day, left - amount)
        free = min(amount, self.model.available)
        own = min(free, self.model.lots.get(day, 0))
        self.model.lots[day] = self.model.lots.get(day, 0) - own
        self.model.net -= own
        self.model.take(free - own)
        self.model.net -= amount - free

    @precondition(lambda self: self.spent)
    @rule(data=st.data(), points=st.one_of(st.none(), st.integers(1, 100)))
    def refund(self, data, points: int | None) -> None:
        transfer_id = pick(data, self.spent)
        day, left = self.spent[transfer_id]
        amount = left if points is None else points
        act = self.reversal({transfer_id: points})
        if not 0 < amount <= left:
            self.refused(act, NotReversible)
            return
        self.do(act)
        self.spent[transfer_id] = (day, left - amount)
        if day is not None and day < self.today():
            day = self.today() + timedelta(days=GRACE_DAYS)
        self.model.give(day or NEVER, amount)

    @precondition(lambda self: self.repeatable)
    @rule(data=st.data())
    def repeat(self, data) -> None:
        """What was done is sent again: the same answer, and not a row is another."""
        again, at = pick(data, self.repeatable)
        rows, now = self.rows(), self.now
        self.now = at
        try:
            self.database.transact(again)
        finally:
            self.now = now
        assert self.rows() == rows

    # --- What is always true --------------------------------------------------------------------

    @invariant()
    def the_account_is_as_the_model_says(self) -> None:
        with self.database.snapshot() as session:
            account = next(a for a in of_holder(session, self.holder) if a.unit == "point")
            found = (account.balance, account.debt, account.held)
            assert found == (self.model.balance, self.model.debt, self.model.held)
            assert account.balance - account.held >= 0

    @invariant()
    def live_lots_equal_the_balance(self) -> None:
        with self.database.snapshot() as session:
            query = select(Lot.expires_on, Lot.remaining).where(
                Lot.holder_id == self.holder, Lot.remaining > 0
            )
            lots = dict(session.execute(query).all())
        assert lots == {day: n for day, n in self.model.lots.items() if n}
        assert sum(lots.values()) == self.model.balance

    @invariant()
    def transfers_add_up_by_lot_and_in_all(self) -> None:
        nets: dict[date | None, int] = {}
        issued = 0
        with self.database.snapshot() as session:
            for t in session.scalars(select(Transfer).where(Transfer.holder_id == self.holder)):
                sign = 1 if t.credit_account_id == self.account else -1
                nets[t.expires_on] = nets.get(t.expires_on, 0) + sign * t.amount
                issued += t.amount if t.kind == "earn" else 0
        assert sum(nets.values()) == self.model.net
        assert nets.pop(None, 0) == -self.model.debt
        assert {day: n for day, n in nets.items() if n} == {
            day: n for day, n in self.model.lots.items() if n
        }

    @invariant()
    def holds_are_as_the_model_says(self) -> None:
        with self.database.snapshot() as session:
            query = select(Hold.id, Hold.amount).where(
                Hold.holder_id == self.holder, Hold.state == "held"
            )
            assert dict(session.execute(query).all()) == {
                id_: amount for id_, (amount, _) in self.model.holds.items()
            }

    # --- How --------------------------------------------------------------------------------------

    def transfer(self, other: str, points: int) -> NewTransfer:
        mine = account_key(self.holder, "point", PERSONAL)
        theirs = account_key(self.programme, "point", other)
        debit, credit = (theirs, mine) if other == "issued" else (mine, theirs)
        kind = "earn" if other == "issued" else "spend"
        return NewTransfer(self.holder, debit, credit, points, kind, uuid4(), self.now)

    def reversal(self, amounts):
        reversal_id, at = uuid4(), self.now

        def act(session):
            return reverse(
                session,
                reversal_id,
                holder_id=self.holder,
                amounts=amounts,
                actor="test",
                reason="test",
                now=at,
            )

        return act

    def do(self, act) -> None:
        self.database.transact(act)
        self.repeatable = [*self.repeatable[-5:], (act, self.now)]

    def refused(self, act, kind: type[DomainError]):
        rows = self.rows()
        with pytest.raises(kind) as refusal:
            self.database.transact(act)
        assert self.rows() == rows
        return refusal.value

    def rows(self) -> list[str]:
        """Every row that concerns this resident, as it is."""
        with self.database.snapshot() as session:
            mine = [
                session.scalars(
                    text(f"SELECT t::text FROM {table} t WHERE holder_id = :h ORDER BY 1"),
                    {"h": self.holder},
                ).all()
                for table in ("account", "transfer", "lot", "hold")
            ]
            return [row for rows in mine for row in rows]

    def transfers(self, posting_id: UUID) -> list[Transfer]:
        with self.database.snapshot() as session:
            query = (
                select(Transfer)
                .where(Transfer.holder_id == self.holder, Transfer.posting_id == posting_id)
                .order_by(Transfer.id)
            )
            found = list(session.scalars(query))
            assert session.get_one(Posting, posting_id).transfer_count == len(found)
            session.expunge_all()
            return found

    def lapsed_copy(self) -> Model:
        copy = Model(self.model.net, dict(self.model.lots), dict(self.model.holds))
        copy.lapse(self.today())
        return copy

    def today(self) -> date:
        return self.now.astimezone(ZONE).date()

    def month_end(self) -> date:
        today = self.today()
        months = today.year * 12 + today.month - 1 + self.periods + 1
        return date(months // 12, months % 12 + 1, 1) - timedelta(days=1)


def pick(data, things):
    """One of them, by place: their ids are drawn anew at every run."""
    things = list(things)
    return things[data.draw(st.integers(0, len(things) - 1))]


def before(holder: UUID) -> UUID:
    return UUID(int=holder.int - 1)


def test_the_ledger_does_what_the_model_does(fresh_database, owner):
    with owner.begin() as connection:
        for years in range(5):
            ensure_partitions(connection, now=START + timedelta(days=365 * years))

    class OnThisDatabase(Ledger):
        database = fresh_database

    TestCase = OnThisDatabase.TestCase  # noqa: N806 - hypothesis' own name.
    TestCase.settings = settings(
        max_examples=40,
        stateful_step_count=30,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    TestCase().runTest()
