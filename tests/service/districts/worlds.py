"""A small world in which all happens that changes a district's figures, drawn from a seed."""

import random
from collections import Counter, defaultdict
from datetime import date, timedelta
from typing import ClassVar
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from activities.changes.corrections import Cause, Told, change, withdraw
from activities.changes.recomputing import START, Period, recompute
from activities.errors import ActivityNotVerified, CorrectionImplausible
from activities.models import Activity
from ledgers.corrections import Grant, approve, propose
from ledgers.errors import InsufficientPoints, NotReversible
from ledgers.lapsing import NOBODY, lapse_due
from ledgers.log.sealing import sequence
from ledgers.models import Account, SealedPosting, Transfer
from rewards.models import Offer, Redemption
from rewards.redeeming.cancelling import cancel
from rewards.redeeming.errors import NotCancellable, RedemptionEnded
from rewards.redeeming.expiring import expire_due
from rewards.redeeming.redemption import redeem
from rewards.redeeming.refunding import refund
from rewards.tills.consuming import consume
from service.db import Database
from service.demo_shops import DEMO_PROGRAMME
from service.districts.rollups.summing import fold
from tests.catalogues import found_wrong
from tests.makers import (
    APRIL_12,
    CODES,
    NOW,
    a_buyer,
    a_resident,
    a_ride,
    a_walk,
    an_offer,
    programme_holder,
    recorded,
)

ORIGIN = "test.example/log"
TOWNS = ("330402007", "330402008", "330411002", "310118001")
PERIOD = Period(DEMO_PROGRAMME, "walking", date(2016, 4, 1), date(2016, 5, 31))
ZONE = ZoneInfo("Asia/Shanghai")
TABLES = {
    "district_day": "division_code, day, behaviour_code",
    "district_month": "division_code, month, behaviour_code",
    "district_resident": "holder_id, day, division_code, behaviour_code",
    "district_late": "holder_id, log_index, day, division_code, behaviour_code",
}


class World:
    """Residents of four towns in three districts; each act is a transaction of its own. Many have
    the same instant, so that the log has them in any order.
    """

    def __init__(self, database: Database, seed: int, residents: int = 12) -> None:
        self.database, self.source = database, random.Random(seed)  # noqa: S311
        self.holders: list[UUID] = []
        self.used: list[UUID] = []
        self.now = NOW

        def settle(session: Session) -> None:
            for number in range(residents):
                town = TOWNS[number % len(TOWNS)]
                self.holders.append(a_resident(session, points=200, town=town))
            terms = {"price_points": 20, "stock_units": 10_000, "valid_days": 3}
            self.offers = [
                an_offer(session, cancel_hours=24, **terms).id,
                an_offer(session, expiry_returns=False, **terms).id,
            ]

        database.transact(settle)

    def live(self, acts: int) -> Counter[str]:
        """So many acts; how often each came to something."""
        done: Counter[str] = Counter()
        for _ in range(acts):
            name = self.source.choice(sorted(self.ACTS))
            done[name] += bool(self.database.transact(lambda s, n=name: self.ACTS[n](self, s)))
        return done

    def _holder(self) -> UUID:
        return self.source.choice(self.holders)

    def _one_event(self, session: Session) -> bool:
        at = APRIL_12 + timedelta(days=self.source.randrange(50), hours=self.source.randrange(20))
        return bool(recorded(session, a_ride(self._holder(), at=at), at=self.now))

    def _batch(self, session: Session) -> bool:
        events = [
            a_walk(holder, self.source.randrange(9_000), day=self.source.randrange(40))
            for holder in self.source.sample(self.holders, 5)
        ]
        return bool(recorded(session, *events, at=self.now))

    def _activity(self, session: Session, **which: object) -> Activity | None:
        query = select(Activity).where(Activity.decision == "verified").order_by(Activity.id)
        found = session.scalars(query.filter_by(**which)).all()
        return self.source.choice(found) if found else None

    def _cause(self) -> Cause:
        return Cause(uuid4(), "operator:1", "told wrongly", "operator:2")

    def _withdraw(self, session: Session) -> bool:
        one = self._activity(session)
        if one is None:
            return False
        return bool(withdraw(session, [(one.holder_id, one.id)], self._cause(), now=self.now))

    def _change(self, session: Session) -> bool:
        one = self._activity(session, behaviour_code="walking")
        if one is None:
            return False
        told = Told(one.holder_id, one.id, self.source.choice((10, 2_000, 8_000)))
        try:
            with session.begin_nested():
                return bool(change(session, [told], self._cause(), now=self.now))
        except (ActivityNotVerified, CorrectionImplausible):
            return False

    def _recompute(self, session: Session) -> bool:
        found_wrong(session, self.source.choice((5_000, 20_000, 40_000)))
        return bool(
            recompute(session, PERIOD, self._cause(), now=self.now, after=START, limit=1_000)
        )

    def _correct_the_ledger(self, session: Session) -> bool:
        """Something that was given, spent or lapsed is reversed by hand; all of it, or half."""
        query = select(Transfer).where(
            Transfer.reverses_id.is_(None), Transfer.unit.in_(("mg_co2e", "point"))
        )
        one = self.source.choice(session.scalars(query.order_by(Transfer.id)).all())
        amount = self.source.choice((None, max(one.amount // 2, 1)))
        try:
            with session.begin_nested():
                self._correction(session, one.holder_id, {one.id: amount}, None)
        except NotReversible:
            return False
        return True

    def _grant(self, session: Session) -> bool:
        unit = self.source.choice(("point", "mg_co2e"))
        grant = Grant(programme_holder(session), unit, self.source.randrange(1, 50))
        self._correction(session, self._holder(), {}, grant)
        return True

    def _correction(
        self, session: Session, holder_id: UUID, reversals: dict, grant: Grant | None
    ) -> None:
        id_, who = uuid4(), {"holder_id": holder_id, "now": self.now}
        by = {"reason": "test", "proposed_by": "operator:1"}
        propose(session, id_, reversals=reversals, grant=grant, **by, **who)
        approve(session, id_, approved_by="operator:2", **who)

    def _redeem(self, session: Session) -> bool:
        holder_id, id_ = self._holder(), uuid4()
        buyer = a_buyer(session, holder_id)
        try:
            with session.begin_nested():
                redeem(
                    session, id_, buyer=buyer, offer_id=self.source.choice(self.offers),
                    codes=CODES, now=self.now,
                )  # fmt: skip
        except InsufficientPoints:
            return False
        return True

    def _redemption(self, session: Session) -> Redemption | None:
        query = select(Redemption).where(Redemption.state == "done").order_by(Redemption.id)
        found = session.scalars(query).all()
        return self.source.choice(found) if found else None

    def _cancel(self, session: Session) -> bool:
        one = self._redemption(session)
        if one is None:
            return False
        try:
            with session.begin_nested():
                cancel(
                    session, one.id, holder_id=one.holder_id, zone="Asia/Shanghai", codes=CODES,
                    actor="test", now=self.now,
                )  # fmt: skip
        except (NotCancellable, RedemptionEnded):
            return False
        return True

    def _use_and_refund(self, session: Session) -> bool:
        one = self._redemption(session)
        if one is None:
            return False
        merchant_id = session.get_one(Offer, one.offer_id).merchant_id
        consumption_id, code = uuid4(), CODES.of_redemption(one.id)
        who = {"actor": "test", "now": self.now}
        try:
            with session.begin_nested():
                consume(
                    session, consumption_id, merchant_id=merchant_id, code=code, codes=CODES, **who
                )
                refund(session, consumption_id, reason="cold", **who)
        except Exception:  # Its voucher has been used, or is over.
            return False
        return True

    ACTS: ClassVar = {
        "event": _one_event,
        "batch": _batch,
        "withdraw": _withdraw,
        "change": _change,
        "recompute": _recompute,
        "correct": _correct_the_ledger,
        "grant": _grant,
        "redeem": _redeem,
        "cancel": _cancel,
        "refund": _use_and_refund,
    }

    def end(self) -> bool:
        """A voucher that nobody used runs out, and points lapse at the end of the next year."""

        def buy(session: Session) -> None:
            buyer = a_buyer(session, a_resident(session, points=100, town=TOWNS[0]))
            for offer_id in self.offers:
                redeem(session, uuid4(), buyer=buyer, offer_id=offer_id, codes=CODES, now=self.now)

        self.database.transact(buy)
        later = self.now + timedelta(days=420)
        return all(
            (
                self.database.transact(lambda s: expire_due(s, now=NOW + timedelta(days=10))),
                self.database.transact(lambda s: lapse_due(s, now=later, after=NOBODY)).lapsed,
            )
        )


def seal(database: Database, *, leaves_max: int = 50_000, origin: str = ORIGIN) -> int:
    """Give what waits its place in the log, once."""
    return database.transact(lambda session: sequence(session, origin, leaves_max=leaves_max))


def fold_all(database: Database, *, leaves_max: int = 50_000) -> None:
    while database.transact(lambda session: fold(session, leaves_max=leaves_max)):
        pass


def summed(database: Database, *, origin: str = ORIGIN) -> None:
    """Everything has its place in the log, and is in the roll-ups."""
    while seal(database, origin=origin):
        pass
    fold_all(database)


def kept(database: Database) -> dict[str, list[tuple]]:
    """The roll-ups, row by row; rows of nothing left out."""
    with database.snapshot() as session:
        found = {
            table: [
                tuple(row) for row in session.execute(text(f"SELECT {_all(table)} ORDER BY {key}"))
            ]
            for table, key in TABLES.items()
        }
    counted = {"district_day": 3, "district_month": 3}
    return {
        table: [row for row in rows if table not in counted or any(row[counted[table] :])]
        for table, rows in found.items()
    }


def _all(table: str) -> str:
    return f"* FROM {table}"


def counted_again(session: Session) -> dict[tuple[str, date, str], list[int]]:
    """The figures of towns, added up in Python from each transfer that has a place in the log."""
    kinds = dict(session.execute(select(Account.id, Account.kind).where(~Account.guarded)).all())
    homes = dict(session.execute(text("SELECT holder_id, division_code FROM participant")).all())
    activities = {(a.holder_id, a.id): a for a in session.scalars(select(Activity))}
    vouchers = {(r.holder_id, r.id) for r in session.scalars(select(Redemption))}
    sums: defaultdict[tuple[str, date, str], list[int]] = defaultdict(lambda: [0] * 6)
    nets: Counter[tuple[UUID, UUID, str]] = Counter()
    places: dict[tuple[UUID, UUID], tuple[str, date, str]] = {}
    sealed = set(session.scalars(select(SealedPosting.posting_id)))
    for one in session.scalars(select(Transfer)):
        if one.unit == "fen" or one.posting_id not in sealed:
            continue
        debit, credit = kinds.get(one.debit_account_id), kinds.get(one.credit_account_id)
        kind, sign = (debit, 1) if debit else (credit, -1)
        key = one.holder_id, one.reference
        activity = activities.get(key) if kind == "issued" else None
        place = (homes[one.holder_id], one.occurred_at.astimezone(ZONE).date(), "-")
        if activity is not None:
            place = (activity.division_code, activity.day, activity.behaviour_code)
        figures = sums[place]
        if kind == "issued":
            figures[1 if one.unit == "mg_co2e" else 2] += sign * one.amount
        elif kind in ("redeemed", "expired"):
            figures[3 if kind == "redeemed" else 4] -= sign * one.amount
        if activity is not None or (kind == "redeemed" and key in vouchers):
            nets[(*key, one.unit)] += sign * one.amount
            places[key] = place
    for key, place in places.items():
        is_voucher = key in vouchers
        stands = any(
            nets[(*key, unit)] * (-1 if is_voucher else 1) > 0 for unit in ("mg_co2e", "point")
        )
        sums[place][5 if is_voucher else 0] += stands
    return {key: figures for key, figures in sums.items() if any(figures)}
