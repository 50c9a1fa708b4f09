"""kill -9 of the jobs at any point, fifty times, while posting goes on; then nothing is amiss."""

import random
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from threading import Event, Lock
from uuid import UUID, uuid4

import pytest
from sqlalchemy import Engine, func, select, text
from sqlalchemy.orm import Session

from activities.audit import audit as audit_activities
from ledgers.accounts import (
    ISSUED,
    PERSONAL,
    REDEEMED,
    account_key,
    open_personal,
    open_system,
)
from ledgers.audit import audit
from ledgers.errors import InsufficientPoints
from ledgers.holds import NewHold, capture, reserve
from ledgers.ids import uuid7_floor
from ledgers.log.reading import verify_log
from ledgers.log.tiles import CHECKPOINT
from ledgers.models import ExpiryPolicy, Hold, Lot, SnapshotMonth, Transfer
from ledgers.partitions import ensure_partitions
from ledgers.posting import NewPosting, NewTransfer, post
from ledgers.snapshots import start_of
from rewards.audit import audit as audit_rewards
from rewards.models import Redemption
from rewards.redeeming.buyers import Buyer
from rewards.redeeming.redemption import redeem
from service.jobs import work
from service.services import Services
from service.settings import Settings
from tests.makers import CODES
from tests.service.killing import PHASES, lives, mother
from tests.shopping import a_merchant, an_offer

pytestmark = pytest.mark.once

KILLS = 50
SAVERS, GROUPS, RESERVERS, SPENDERS, BUYERS = 200, 5, 10, 40, 10
PRICE_POINTS = 30
TRANSFERS = 10  # Of a posting of earnings, so that there are several to a batch of the log.


class Town:
    """Residents of whom some only save, so that what shall lapse is known; some reserve and let
    the deadline pass; the others do anything, all the time. A month passes between two lives.
    """

    def __init__(self, services: Services, owner: Engine, source: random.Random) -> None:
        self.services, self.transact = services, services.database.transact
        self.month = 0
        self.programme = uuid4()
        everybody = [uuid4() for _ in range(SAVERS + RESERVERS + BUYERS + SPENDERS)]
        self.savers, others = everybody[:SAVERS], everybody[SAVERS:]
        self.reservers, others = others[:RESERVERS], others[RESERVERS:]
        self.buyers, self.spenders = others[:BUYERS], others[BUYERS:]
        self.bought: list[UUID] = []
        self.saved: dict[tuple[UUID, date], int] = {}
        self.reserved: list[UUID] = []
        self._owner, self._source, self._clock = owner, source, Lock()
        policy = ExpiryPolicy(
            issuer_id=self.programme,
            valid_from=date(2030, 1, 1),
            zone="Asia/Shanghai",
            ends="month",
            periods=0,
            grace_days=30,
            document="test",
        )

        def settle(session: Session) -> None:
            open_system(session, self.programme, now=self.now)
            open_personal(session, everybody, now=self.now)
            session.add(policy)
            self.offer_id = an_offer(
                session,
                self.programme,
                a_merchant(session, self.programme),
                price_points=PRICE_POINTS,
                settlement_fen=500,
                stock_units=10_000,
                valid_days=3,
            )

        self._make_partitions()
        self.transact(settle)
        self._begin_month()

    @property
    def now(self) -> datetime:
        years, month = divmod(self.month, 12)
        return datetime(2030 + years, month + 1, 10, 4, tzinfo=UTC)

    def pass_a_month(self) -> None:
        with self._clock:  # Nobody writes with the instant of a month that is over.
            self.month += 1
            self._make_partitions()
        self._begin_month()

    @contextmanager
    def spending(self) -> Iterator[None]:
        """Meanwhile the spenders earn, spend, reserve and capture."""
        over = Event()

        def go_on() -> int:
            posted, source = 0, random.Random(self._source.random())  # noqa: S311
            while not over.wait(0.05):
                holder_id = source.choice(self.spenders)
                with self._clock:
                    posted += self._spend_something(holder_id, source)
            return posted

        with ThreadPoolExecutor(1) as pool:
            spending = pool.submit(go_on)
            try:
                yield
            finally:
                over.set()
            assert spending.result() > 0

    def _make_partitions(self) -> None:
        if self.month % 12 == 0:
            with self._owner.begin() as connection:
                ensure_partitions(connection, now=self.now)

    def _begin_month(self) -> None:
        """A part of the savers earns; each reserver earns and reserves for some days."""
        source = self._source
        lot = (self.now.replace(day=28) + timedelta(days=4)).date().replace(day=1)
        group = self.savers[self.month % GROUPS :: GROUPS]
        transfers = [self._earning(holder, source.randint(1, 99)) for holder in group]
        for transfer in transfers:
            self.saved[transfer.holder_id, lot - timedelta(days=1)] = transfer.amount
        transfers += [self._earning(holder, 50) for holder in [*self.reservers, *self.buyers]]
        holds = [self._hold(holder, source.randint(1, 50)) for holder in self.reservers]
        self.reserved += [hold.id for hold in holds]
        bought = [uuid4() for _ in self.buyers]
        self.bought += bought

        def work(session: Session) -> None:
            for start in range(0, len(transfers), TRANSFERS):
                self._post(session, transfers[start : start + TRANSFERS])
            for hold in holds:
                reserve(session, hold, now=self.now)
            for redemption_id, holder in zip(bought, self.buyers, strict=True):
                buyer = Buyer(holder, self.programme)
                redeem(
                    session, redemption_id, buyer=buyer, offer_id=self.offer_id, codes=CODES,
                    now=self.now,
                )  # fmt: skip

        self.transact(work)

    def _spend_something(self, holder_id: UUID, source: random.Random) -> bool:
        points = source.randint(1, 40)
        spend = NewTransfer(
            holder_id,
            account_key(holder_id, "point", PERSONAL),
            account_key(self.programme, "point", REDEEMED),
            points,
            "donation",  # What is spent on offers has a redemption, which the audit would miss.
            uuid4(),
            self.now,
        )
        hold = self._hold(holder_id, points)

        def reserve_and_capture(session: Session) -> None:
            reserve(session, hold, now=self.now)
            capture(
                session,
                uuid4(),
                holder_id=holder_id,
                hold_id=hold.id,
                points=points,
                credit=spend.credit,
                actor="test",
                now=self.now,
            )

        act = source.choice(
            [
                lambda session: self._post(session, [self._earning(holder_id, points)]),
                lambda session: self._post(session, [spend]),
                reserve_and_capture,
            ]
        )
        try:
            self.transact(act)
        except InsufficientPoints:
            return False
        return True

    def _post(self, session: Session, transfers: Sequence[NewTransfer]) -> None:
        post(session, NewPosting(uuid4(), "test", "test", transfers), now=self.now)

    def _earning(self, holder_id: UUID, points: int) -> NewTransfer:
        return NewTransfer(
            holder_id,
            account_key(self.programme, "point", ISSUED),
            account_key(holder_id, "point", PERSONAL),
            points,
            "grant",
            uuid4(),
            self.now,
        )

    def _hold(self, holder_id: UUID, points: int) -> NewHold:
        deadline = self.now + timedelta(days=self._source.randint(1, 20))
        return NewHold(uuid4(), holder_id, points, uuid4(), "test", deadline)


def run_jobs(services: Services, now: datetime) -> Counter[str]:
    done: Counter[str] = Counter()
    # What lapses is sealed, too, and what comes back of a voucher.
    for job in (work.lapse_holds, work.expire_vouchers, work.lapse_lots, work.seal_log):
        done.update(job(services, now))
    for job in (work.fold_system_accounts, work.snapshot_balances):
        done.update(job(services, now))
    return done


def test_killed_at_any_point_the_jobs_lose_nothing_and_do_nothing_twice(
    fresh_database_url, urls, owner, tmp_path
):
    environ = {
        "TANHUI_DATABASE_URL": fresh_database_url,
        "TANHUI_REDIS_URL": urls["redis"],
        "TANHUI_VAR_DIR": str(tmp_path),
    }
    kill_and_check(environ, owner, kills=KILLS, seed=50)


def kill_and_check(environ: dict[str, str], owner: Engine, *, kills: int, seed: int) -> None:
    source = random.Random(seed)  # noqa: S311
    services = Services.connect(Settings.from_env(environ))
    try:
        town = Town(services, owner, source)
        run_jobs(services, town.now)
        notes = [services.log.folder.read(CHECKPOINT).decode()]
        died: Counter[str] = Counter()
        with mother(environ) as bearing, town.spending():
            for life in lives(kills, source, lambda: town.now):
                town.pass_a_month()
                died[bearing.live(life)] += 1
                notes.append(services.log.folder.read(CHECKPOINT).decode())
        assert died.total() == kills
        assert all(died[phase] >= 2 for phase in PHASES), died
        check(town, notes, months=kills + 1)
    finally:
        services.database.dispose()


def check(town: Town, notes: list[str], *, months: int) -> None:
    """Once the jobs were left to run, nothing tells that they had been killed before."""
    town.pass_a_month()
    assert +run_jobs(town.services, town.now) != {}
    assert +run_jobs(town.services, town.now) == {}, "nothing is left to do"
    assert_no_drift(town.services)
    assert_nothing_was_lost_of_the_log(town.services, notes)
    assert_each_lot_lapsed_once(town)
    assert_each_hold_lapsed_once(town)
    assert_each_voucher_expired_once(town)
    assert_snapshots_are_exact(town.services, months=months)


def assert_no_drift(services) -> None:
    with services.database.snapshot() as session:
        drifts = [
            *audit(session, services.log.folder),
            *audit_activities(session),
            *audit_rewards(session),
        ]
    assert drifts == []


def assert_nothing_was_lost_of_the_log(services, notes: list[str]) -> None:
    """No transfer is without a leaf, and the log never took back what it had shown."""
    log = services.log
    sizes = [int(note.split("\n")[1]) for note in notes]
    assert sizes == sorted(sizes)
    assert sizes[0] < sizes[-1]
    for older in dict.fromkeys([*notes[:: len(notes) // 5], notes[-1]]):
        verified = verify_log(log.folder, log.verifier(), older=older)
    with services.database.snapshot() as session:
        transfers = session.scalar(select(func.count()).select_from(Transfer))
        assert session.scalar(text("SELECT count(*) FROM log_queue")) == 0
    assert verified.checkpoint.size == transfers


def assert_each_lot_lapsed_once(town: Town) -> None:
    due = {lot: points for lot, points in town.saved.items() if lot[1] < town.now.date()}
    with town.services.database.snapshot() as session:
        query = select(Transfer.holder_id, Transfer.expires_on, Transfer.amount).where(
            Transfer.kind == "lapse", Transfer.holder_id.in_(town.savers)
        )
        lapsed = [((holder, day), points) for holder, day, points in session.execute(query)]
        left = session.scalar(
            select(func.count()).where(
                Lot.holder_id.in_(town.savers), Lot.lapses_at <= town.now, Lot.remaining > 0
            )
        )
    assert sorted(lapsed) == sorted(due.items())
    assert left == 0


def assert_each_hold_lapsed_once(town: Town) -> None:
    with town.services.database.snapshot() as session:
        query = select(Hold.id, Hold.state).where(Hold.holder_id.in_(town.reservers))
        states = dict(session.execute(query).all())
    current = set(town.reserved[-RESERVERS:])  # Of the month that has just begun.
    assert states == {id_: "held" if id_ in current else "lapsed" for id_ in town.reserved}


def assert_each_voucher_expired_once(town: Town) -> None:
    """Its points came back once; that they are at the right lots and sums, the audit has seen."""
    with town.services.database.snapshot() as session:
        query = select(Redemption.id, Redemption.state, Redemption.returned_points)
        found = {id_: rest for id_, *rest in session.execute(query)}
        back = session.execute(
            select(Transfer.reference, func.sum(Transfer.amount))
            .where(Transfer.kind.in_(("refund", "refund_in_grace")))
            .group_by(Transfer.reference)
        )
        returned = {id_: int(points) for id_, points in back}
    current = set(town.bought[-BUYERS:])
    over = set(town.bought) - current
    ended = {id_: ["expired", PRICE_POINTS] for id_ in over}
    assert found == ended | {id_: ["done", 0] for id_ in current}
    assert returned == dict.fromkeys(over, PRICE_POINTS)


_SNAPSHOT_DRIFTS = text("""
    SELECT a.id, coalesce(s.net, 0), coalesce(m.net, 0) FROM account AS a
    LEFT JOIN LATERAL (
        SELECT net FROM balance_snapshot AS b
        WHERE b.holder_id = a.holder_id AND b.account_id = a.id AND b.month <= :month
        ORDER BY b.month DESC LIMIT 1) AS s ON true
    LEFT JOIN (
        SELECT account_id, sum(amount) AS net FROM (
            SELECT credit_account_id AS account_id, amount FROM transfer WHERE id < :high
            UNION ALL SELECT debit_account_id, -amount FROM transfer WHERE id < :high) AS sides
        GROUP BY account_id) AS m ON m.account_id = a.id
    WHERE a.guarded AND coalesce(s.net, 0) <> coalesce(m.net, 0)
""")


def assert_snapshots_are_exact(services, *, months: int) -> None:
    with services.database.snapshot() as session:
        made = session.scalars(
            select(SnapshotMonth.month).where(SnapshotMonth.completed_at.is_not(None))
        ).all()
        assert len(made) == months
        for month in made:
            parameters = {"month": month, "high": uuid7_floor(start_of(month))}
            assert session.execute(_SNAPSHOT_DRIFTS, parameters).all() == []
