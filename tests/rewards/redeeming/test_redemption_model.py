"""Redemption against a model in plain Python: any order of redeeming, repeating, cancelling,
consuming, taking back, refunding, expiring and restocking, each refused or done in both alike.

The model knows no SQL, no lots and no reserve: what each resident has, what is left of each offer,
and what became of each redemption.
"""

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import func, select

from ledgers.accounts import CLEARING, ISSUED, PERSONAL, account_key, open_personal, open_system
from ledgers.audit import audit as ledger_audit
from ledgers.errors import DomainError, InsufficientPoints
from ledgers.models import Account, Transfer
from ledgers.partitions import ensure_partitions
from ledgers.posting import NewPosting, NewTransfer, post
from rewards.audit import audit
from rewards.errors import RedemptionReused, SoldOut, VoucherConsumed
from rewards.models import Budget, Offer, OfferStock, Redemption, SettlementLine
from rewards.offers.putting import put_stock
from rewards.redeeming.buyers import Buyer
from rewards.redeeming.cancelling import cancel
from rewards.redeeming.errors import (
    BudgetExhausted,
    ConsumptionReversed,
    DailyLimitReached,
    NotCancellable,
    RedemptionEnded,
    ResidentLimitReached,
)
from rewards.redeeming.expiring import OFFLINE_FOR, expire_due
from rewards.redeeming.redemption import redeem
from rewards.redeeming.refunding import refund
from rewards.tills.consuming import consume
from rewards.tills.errors import ReversalTooLate, VoucherRefunded
from rewards.tills.reversing import reverse_consumption
from service.db import Database
from tests import shopping
from tests.makers import CODES

pytestmark = pytest.mark.once

ZONE = "Asia/Shanghai"
START = datetime(2030, 1, 15, 4, tzinfo=UTC)
RESIDENTS, POINTS = 3, 900


@dataclass
class Bought:
    """A redemption: ``voucher`` says how its voucher stands, None where there is none."""

    resident: int
    offer: "Offered"
    units: int
    at: datetime
    code: str | None
    expires_at: datetime | None
    voucher: str | None
    used: UUID | None = None
    used_at: datetime | None = None

    @property
    def points(self) -> int:
        return self.units * self.offer.price

    @property
    def fen(self) -> int:
        return self.units * self.offer.fen


@dataclass
class Offered:
    """An offer, and what is left of it."""

    kind: str
    price: int
    fen: int
    budget: int
    stock: int
    daily: int | None
    limits: dict[str, int | None]
    cancel_hours: int
    valid_days: int | None
    returns: bool
    id: UUID = field(default_factory=uuid4)
    taken: dict[date, int] = field(default_factory=dict)
    spent_fen: int = 0
    owed_fen: int = 0


def limits() -> st.SearchStrategy[int | None]:
    return st.one_of(st.none(), st.integers(1, 4))


@st.composite
def offers(draw: st.DrawFn, kind: str) -> Offered:
    with_end = kind == "voucher"
    return Offered(
        kind=kind,
        price=draw(st.integers(20, 200)),
        fen=draw(st.sampled_from([0, 7, 100])),
        budget=draw(st.integers(100, 900)),
        stock=draw(st.integers(0, 8)),
        daily=draw(limits()),
        limits={period: draw(limits()) for period in ("day", "week", "month")},
        cancel_hours=draw(st.sampled_from([0, 1, 48])) if with_end else 0,
        valid_days=draw(st.sampled_from([None, 1, 3])),
        returns=draw(st.booleans()) if with_end else False,
    )


class Rewards(RuleBasedStateMachine):
    """Some residents and one merchant of a programme; every step is one committed transaction."""

    database: Database

    @initialize(voucher=offers("voucher"), pooled=offers("pool_code"), donation=offers("donation"))
    def open(self, voucher: Offered, pooled: Offered, donation: Offered) -> None:
        self.now, self.programme = START, uuid4()
        self.residents = [uuid4() for _ in range(RESIDENTS)]
        self.points = dict.fromkeys(range(RESIDENTS), POINTS)
        self.offers = [voucher, pooled, donation]
        self.bought: dict[UUID, Bought] = {}
        self.taken: list[tuple[UUID, UUID]] = []  # Consumptions and their redemptions.
        self.database.transact(self._prepare)

    def _prepare(self, session) -> None:
        open_system(session, self.programme, now=START)
        open_personal(session, self.residents, now=START)
        grants = [
            NewTransfer(
                resident,
                account_key(self.programme, "point", ISSUED),
                account_key(resident, "point", PERSONAL),
                POINTS,
                "grant",
                uuid4(),
                START,
            )
            for resident in self.residents
        ]
        post(session, NewPosting(uuid4(), "grant", "test", grants), now=START)
        self.merchant = shopping.a_merchant(session, self.programme)
        for offer in self.offers:
            self._offer(session, offer)

    def _offer(self, session, offer: Offered) -> None:
        project = None
        if offer.kind == "donation":
            project = shopping.a_project(session, self.programme, self.merchant)
        offer.id = shopping.an_offer(
            session,
            self.programme,
            self.merchant,
            kind=offer.kind,
            project_id=project,
            stock_units=offer.stock,
            budget_fen=offer.budget,
            price_points=offer.price,
            settlement_fen=offer.fen,
            daily_units=offer.daily,
            **{f"resident_{period}_units": limit for period, limit in offer.limits.items()},
            cancel_hours=offer.cancel_hours,
            valid_days=offer.valid_days,
            expiry_returns=offer.returns,
        )
        if offer.kind == "pool_code":
            codes = [f"P{n}-{offer.id.hex[:6]}" for n in range(offer.stock)]
            shopping.a_pool(session, offer.id, codes, CODES)

    # --- What happens -----------------------------------------------------------------------------

    @rule(hours=st.integers(0, 30))
    def time_passes(self, hours: int) -> None:
        self.now += timedelta(hours=hours)

    @rule(resident=st.integers(0, RESIDENTS - 1), place=st.integers(0, 2), more=st.integers(1, 3))
    def redeem(self, resident: int, place: int, more: int) -> None:
        offer, redemption_id = self.offers[place], uuid4()
        units = more if offer.kind == "donation" else 1
        act = self.redeeming(redemption_id, resident, offer, units)
        if refusal := self.refusal(resident, offer, units):
            self.refused(act, refusal)
            return
        done = self.database.transact(act)
        assert done.spent_points == units * offer.price
        self.points[resident] -= done.spent_points
        offer.stock -= units
        offer.taken[self.today()] = offer.taken.get(self.today(), 0) + units
        offer.spent_fen += units * offer.fen
        until = self.end_of(offer)
        assert done.expires_at == until
        assert (done.voucher_code is None) == (offer.kind == "donation")
        state = None
        if offer.kind == "donation":
            offer.owed_fen += units * offer.fen
        else:
            state = "unused"
        code = done.voucher_code
        assert code not in {one.code for one in self.bought.values() if one.code}
        self.bought[redemption_id] = Bought(resident, offer, units, self.now, code, until, state)

    def refusal(self, resident: int, offer: Offered, units: int) -> type[DomainError] | None:
        """What the model would say."""
        if offer.stock < units:
            return SoldOut
        for period, limit in offer.limits.items():
            if limit is not None and self.had(resident, offer, period) + units > limit:
                return ResidentLimitReached
        if self.points[resident] < units * offer.price:
            return InsufficientPoints
        if offer.daily is not None and offer.taken.get(self.today(), 0) + units > offer.daily:
            return DailyLimitReached
        if offer.spent_fen + units * offer.fen > offer.budget and offer.fen:
            return BudgetExhausted
        return None

    def had(self, resident: int, offer: Offered, period: str) -> int:
        """In the calendar's period of today, what was cancelled apart."""

        def name(day: date) -> object:
            return {"day": day, "week": day.isocalendar()[:2], "month": (day.year, day.month)}[
                period
            ]

        return sum(
            one.units
            for one in self.bought.values()
            if one.offer is offer
            and one.resident == resident
            and one.voucher != "cancelled"
            and name(day_in_zone(one.at)) == name(self.today())
        )

    @precondition(lambda self: self.bought)
    @rule(data=st.data())
    def repeat(self, data) -> None:
        """Sent again at whatever time, by the same resident: the same, and nothing is written."""
        redemption_id = pick(data, self.bought)
        one = self.bought[redemption_id]
        done = self.database.transact(
            self.redeeming(redemption_id, one.resident, one.offer, one.units)
        )
        assert (done.voucher_code, done.redeemed_at) == (one.code, one.at)
        assert (done.spent_points, done.expires_at) == (one.points, one.expires_at)

    @precondition(lambda self: self.bought)
    @rule(data=st.data(), resident=st.integers(0, RESIDENTS - 1), place=st.integers(0, 2))
    def reuse(self, data, resident: int, place: int) -> None:
        """The id of one redemption for another, or by another resident."""
        redemption_id = pick(data, self.bought)
        one, offer = self.bought[redemption_id], self.offers[place]
        if (resident, offer) == (one.resident, one.offer):
            return
        if resident != one.resident and self.refusal(resident, offer, 1):
            return  # Refused as any other would be; the id is looked at when points are spent.
        self.refused(self.redeeming(redemption_id, resident, offer, 1), RedemptionReused)

    @precondition(lambda self: self.bought)
    @rule(data=st.data())
    def cancel(self, data) -> None:
        redemption_id = pick(data, self.bought)
        one = self.bought[redemption_id]

        def act(session):
            return cancel(
                session,
                redemption_id,
                holder_id=self.residents[one.resident],
                zone=ZONE,
                codes=CODES,
                actor="test",
                now=self.now,
            )

        if one.voucher == "cancelled":
            self.database.transact(act)
            return
        if one.voucher in ("expired", "refunded"):
            self.refused(act, RedemptionEnded)
            return
        if one.voucher == "used":
            self.refused(act, VoucherConsumed)
            return
        until = one.at + timedelta(hours=one.offer.cancel_hours)
        if one.expires_at is not None:
            until = min(until, one.expires_at)
        if one.voucher is None or not one.offer.cancel_hours or self.now >= until:
            self.refused(act, NotCancellable)
            return
        self.database.transact(act)
        one.voucher = "cancelled"
        self.points[one.resident] += one.points
        one.offer.stock += one.units
        one.offer.taken[day_in_zone(one.at)] -= one.units
        one.offer.spent_fen -= one.fen

    @precondition(lambda self: self.with_code())
    @rule(data=st.data())
    def consume(self, data) -> None:
        redemption_id, consumption_id = pick(data, self.with_code()), uuid4()
        one = self.bought[redemption_id]

        def act(session):
            return consume(
                session,
                consumption_id,
                merchant_id=self.merchant,
                code=one.code,
                codes=CODES,
                now=self.now,
                actor="test",
            )

        over = one.expires_at is not None and self.now >= one.expires_at
        if one.voucher != "unused" or over:
            self.refused(act, DomainError)
            return
        self.database.transact(act)
        one.voucher, one.used, one.used_at = "used", consumption_id, self.now
        one.offer.owed_fen += one.fen
        self.taken.append((consumption_id, redemption_id))

    def with_code(self) -> list[UUID]:
        return [id_ for id_, one in self.bought.items() if one.code]

    @precondition(lambda self: self.taken)
    @rule(data=st.data())
    def take_back(self, data) -> None:
        """The till takes a consumption back, on its day."""
        consumption_id, redemption_id = pick(data, self.taken)
        one = self.bought[redemption_id]

        def act(session):
            return reverse_consumption(
                session,
                consumption_id,
                merchant_id=self.merchant,
                zone=ZONE,
                now=self.now,
                actor="test",
            )

        if one.used != consumption_id:  # It was, before.
            self.database.transact(act)
        elif one.voucher == "refunded":
            self.refused(act, VoucherRefunded)
        elif day_in_zone(one.used_at) != self.today():
            self.refused(act, ReversalTooLate)
        else:
            self.database.transact(act)
            one.voucher, one.used, one.used_at = "unused", None, None
            one.offer.owed_fen -= one.fen

    @precondition(lambda self: self.taken)
    @rule(data=st.data())
    def refund(self, data) -> None:
        consumption_id, redemption_id = pick(data, self.taken)
        one = self.bought[redemption_id]

        def act(session):
            return refund(session, consumption_id, actor="test", reason="cold", now=self.now)

        if one.used != consumption_id:
            self.refused(act, ConsumptionReversed)
            return
        self.database.transact(act)
        if one.voucher == "used":
            one.voucher = "refunded"
            self.points[one.resident] += one.points
            one.offer.spent_fen -= one.fen
            one.offer.owed_fen -= one.fen

    @rule()
    def vouchers_expire(self) -> None:
        """The job: a day after they could last be used online."""
        self.database.transact(lambda s: expire_due(s, now=self.now))
        for one in self.bought.values():
            due = one.expires_at is not None and one.expires_at <= self.now - OFFLINE_FOR
            if one.voucher == "unused" and due:
                one.voucher = "expired"
                one.offer.spent_fen -= one.fen
                if one.offer.returns:
                    self.points[one.resident] += one.points

    @rule(place=st.sampled_from([0, 2]), units=st.integers(1, 3))
    def restock(self, place: int, units: int) -> None:
        offer = self.offers[place]
        self.database.transact(
            lambda s: put_stock(s, offer.id, uuid4(), units=units, made_by="test", now=self.now)
        )
        offer.stock += units

    # --- What is always true ----------------------------------------------------------------------

    @invariant()
    def residents_have_what_the_model_says(self) -> None:
        query = select(Account.holder_id, Account.balance).where(
            Account.holder_id.in_(self.residents), Account.unit == "point"
        )
        found = self.read(query)
        assert found == {holder: self.points[n] for n, holder in enumerate(self.residents)}

    @invariant()
    def points_are_conserved(self) -> None:
        """What residents have and what is spent is what they were given."""
        spent = sum(
            one.points
            for one in self.bought.values()
            if one.voucher not in ("cancelled", "refunded")
            and not (one.voucher == "expired" and one.offer.returns)
        )
        assert sum(self.points.values()) + spent == RESIDENTS * POINTS

    @invariant()
    def stock_and_days_are_as_the_model_says(self) -> None:
        with self.database.snapshot() as session:
            for offer in self.offers:
                row = session.get_one(OfferStock, offer.id)
                assert row.stock_units == offer.stock >= 0
                if row.day is not None:
                    assert row.day_units == offer.taken[row.day]
                    assert offer.daily is None or row.day_units <= offer.daily

    @invariant()
    def budgets_are_not_exceeded_and_add_up(self) -> None:
        with self.database.snapshot() as session:
            for offer in self.offers:
                budget_id = session.get_one(Offer, offer.id).budget_id
                if budget_id is None:
                    assert offer.fen == 0
                    continue
                budget = session.get_one(Budget, budget_id)
                reserved = session.get_one(OfferStock, offer.id).reserved_fen
                assert budget.drawn_fen == reserved + offer.spent_fen <= offer.budget

    @invariant()
    def lines_are_what_was_consumed_and_what_the_ledger_owes(self) -> None:
        total = func.coalesce(func.sum(SettlementLine.amount_fen), 0)
        query = select(SettlementLine.offer_id, total).where(
            SettlementLine.merchant_id == self.merchant
        )
        found = self.read(query.group_by(SettlementLine.offer_id))
        for offer in self.offers:
            assert found.get(offer.id, 0) == offer.owed_fen
        owed = UUID(account_key(self.merchant, "fen", CLEARING).id)
        with self.database.snapshot() as session:
            moved = session.scalars(
                select(Transfer).where(Transfer.holder_id == self.merchant, Transfer.unit == "fen")
            )
            sums = [t.amount if t.credit_account_id == owed else -t.amount for t in moved]
        assert sum(sums) == sum(offer.owed_fen for offer in self.offers)

    @invariant()
    def redemptions_stand_as_the_model_says(self) -> None:
        states = {"cancelled": "cancelled", "refunded": "refunded", "expired": "expired"}
        query = select(Redemption.id, Redemption.state).where(
            Redemption.holder_id.in_(self.residents)
        )
        expected = {id_: states.get(one.voucher or "", "done") for id_, one in self.bought.items()}
        assert self.read(query) == expected

    # --- How --------------------------------------------------------------------------------------

    def redeeming(self, redemption_id: UUID, resident: int, offer: Offered, units: int):
        def act(session):
            return redeem(
                session,
                redemption_id,
                buyer=Buyer(self.residents[resident], self.programme, ZONE),
                offer_id=offer.id,
                units=units,
                codes=CODES,
                now=self.now,
            )

        return act

    def refused(self, act, kind: type[DomainError]) -> None:
        """That nothing was written then is for the invariants to see."""
        with pytest.raises(kind):
            self.database.transact(act)

    def read(self, query) -> dict:
        with self.database.snapshot() as session:
            return dict(session.execute(query).all())

    def today(self) -> date:
        return day_in_zone(self.now)

    def end_of(self, offer: Offered) -> datetime | None:
        if offer.valid_days is None or offer.kind == "donation":
            return None
        midnight = datetime.combine(self.today(), datetime.min.time(), ZoneInfo(ZONE))
        return midnight + timedelta(days=offer.valid_days + 1)


def day_in_zone(at: datetime) -> date:
    return at.astimezone(ZoneInfo(ZONE)).date()


def pick(data, things):
    """One of them, by place: their ids are drawn anew at every run."""
    things = list(things)
    return things[data.draw(st.integers(0, len(things) - 1))]


def test_rewards_do_what_the_model_does(fresh_database, owner):
    with owner.begin() as connection:
        ensure_partitions(connection, now=START)
    machine = type("Rewards", (Rewards,), {"database": fresh_database})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=15,
            stateful_step_count=40,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
    with fresh_database.snapshot(unhurried=True) as session:
        assert not list(audit(session))
        assert not list(ledger_audit(session))
