"""The audit finds what was changed behind the program's back in rewards, and names it: each check
sees its own drift.
"""

from datetime import UTC, date, datetime, timedelta
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import select, text
from sqlalchemy.orm import Session

from ledgers.audit import CHECKS as LEDGER_CHECKS
from ledgers.models import Transfer
from rewards.audit import CHECKS, audit
from rewards.crosschecks import CROSSCHECKS
from rewards.models import Settlement
from rewards.redeeming.cancelling import cancel
from rewards.redeeming.expiring import expire_due
from rewards.redeeming.gateways import Outcome
from rewards.redeeming.redemption import redeem
from rewards.redeeming.refunding import refund
from rewards.redeeming.top_up_answers import book
from rewards.redeeming.top_ups import order
from rewards.settling.drafting import Key, begin, claim_slice, finish_draft
from rewards.settling.periods import month_of
from rewards.settling.settlements import approve, confirm, pay
from rewards.tills.consuming import consume
from rewards.tills.reversing import reverse_consumption
from service.db import Database, owner_engine
from tests.makers import CODES, NOW, a_buyer, a_resident, programme_holder
from tests.shopping import a_merchant, a_pool, a_project, an_offer

ZONE = "Asia/Shanghai"
NEXT_MONTH = datetime(2026, 12, 5, tzinfo=UTC)
DAY = timedelta(days=1)


class Town:
    """Redemptions of every kind, in every state, at one merchant; what was used is settled, paid,
    and one of them refunded afterwards.
    """

    def __init__(self, session: Session) -> None:
        self.session, self.programme = session, programme_holder(session)
        self.merchant_id = a_merchant(session, self.programme)
        self.holder_id = a_resident(session, points=20_000)
        self.offer_id = self.an_offer(valid_days=1, cancel_hours=24)
        self.open = self.redeemed(self.offer_id)
        self.taken_again = self.redeemed(self.offer_id)
        self.use(self.taken_again, back=True)
        self.use(self.taken_again)
        self.cancelled = self.redeemed(self.offer_id)
        cancel(
            session, self.cancelled, holder_id=self.holder_id, zone=ZONE, codes=CODES,
            actor="test", now=NOW,
        )  # fmt: skip
        self.refunded = self.use(self.redeemed(self.offer_id))
        self.sell_the_rest()
        expired = self.redeemed(self.offer_id, at=NOW - 3 * DAY)
        assert expire_due(session, now=NOW) == 1
        self.settle()
        refund(session, self.refunded, actor="operator:1", reason="spoilt", now=NEXT_MONTH)
        assert expired != self.open

    def an_offer(self, **terms) -> UUID:
        terms = {"settlement_fen": 1_500, "price_points": 100} | terms
        return an_offer(self.session, self.programme, self.merchant_id, **terms)

    def redeemed(self, offer_id: UUID, *, units: int = 1, at: datetime = NOW) -> UUID:
        id_, buyer = uuid4(), a_buyer(self.session, self.holder_id)
        redeem(self.session, id_, buyer=buyer, offer_id=offer_id, units=units, codes=CODES, now=at)
        return id_

    def use(self, redemption_id: UUID, *, back: bool = False) -> UUID:
        id_, code = uuid4(), CODES.of_redemption(redemption_id)
        consume(
            self.session, id_, merchant_id=self.merchant_id, code=code, codes=CODES, now=NOW,
            actor="till",
        )  # fmt: skip
        if back:
            reverse_consumption(
                self.session, id_, merchant_id=self.merchant_id, zone=ZONE, now=NOW, actor="till"
            )
        return id_

    def sell_the_rest(self) -> None:
        """A donation, a merchant's own code, and a top-up of each end."""
        project_id = a_project(self.session, self.programme, self.merchant_id)
        self.redeemed(self.an_offer(kind="donation", project_id=project_id), units=3)
        pool = self.an_offer(kind="pool_code", settlement_fen=0)
        a_pool(self.session, pool, ["A-1", "A-2", "A-3"], CODES)
        self.redeemed(pool)
        top_up = self.an_offer(kind="top_up", face_value_fen=2_000)
        for outcome in (Outcome("done", "R-1"), Outcome("refused", "no"), None):
            id_, buyer = uuid4(), a_buyer(self.session, self.holder_id)
            order(self.session, id_, buyer=buyer, offer_id=top_up, now=NOW)
            if outcome is not None:
                book(self.session, self.holder_id, id_, outcome, zone=ZONE, now=NOW)

    def settle(self) -> None:
        period = month_of(date(2026, 11, 1), ZoneInfo(ZONE))
        key, place = Key(self.merchant_id, uuid4()), None
        begin(self.session, key, period, actor="drafter", now=NEXT_MONTH)
        while place := claim_slice(self.session, key, period, after=place).after:
            pass
        finish_draft(self.session, key, now=NEXT_MONTH)
        confirm(self.session, key, actor="merchant", now=NEXT_MONTH)
        approve(self.session, key, actor="second", now=NEXT_MONTH)
        pay(self.session, key, payment_reference="bank-1", actor="second", now=NEXT_MONTH)


@pytest.fixture(scope="module")
def town_url(copied_database):
    with copied_database() as url:
        yield url


@pytest.fixture(scope="module")
def database(town_url):
    found = Database(town_url)
    found.transact(lambda session: Town(session) and None)
    yield found
    found.dispose()


@pytest.fixture(scope="module")
def owner(town_url):
    engine = owner_engine(town_url)
    yield engine
    engine.dispose()


@pytest.fixture
def tampered(database, owner):
    """A session that changes as a superuser would, and then looks at it; all is rolled back."""
    with owner.connect() as connection, Session(connection) as session:
        yield session
        session.rollback()


def drifts(database: Database):
    with database.snapshot() as session:
        return list(audit(session))


def found_in(session: Session, statement: str) -> set[str]:
    """The checks that find this change: triggers were off, and no constraint was in the way."""
    session.execute(text("SET LOCAL session_replication_role = replica"))
    assert session.execute(text(statement)).rowcount != 0, statement
    return {drift.check for drift in audit(session)}


def test_nothing_is_amiss_where_everything_was_done_by_the_program(database):
    assert drifts(database) == []


ONE = "WHERE ctid = (SELECT min(ctid) FROM {} WHERE {})"


def one_of(table: str, where: str) -> str:
    return ONE.format(table, where)


DONE = "state = 'done' AND offer_id IN (SELECT id FROM offer WHERE kind = 'voucher')"
LINE = "kind = 'consumption' AND id NOT IN (SELECT reverses_id FROM settlement_line WHERE reverses_id IS NOT NULL)"  # noqa: E501
CASES = [
    (f"UPDATE redemption SET spent_points = spent_points + 1 {one_of('redemption', DONE)}",
     {"payment of a redemption"}),
    ("UPDATE redemption SET returned_points = 99 WHERE state = 'expired'",
     {"payment of a redemption"}),
    ("UPDATE transfer SET reference = gen_random_uuid() WHERE kind = 'refund'",
     {"payment of a redemption"}),
    (f"DELETE FROM transfer {one_of('transfer', 'kind = ' + repr('spend'))}",
     {"payment of a redemption"}),
    ("UPDATE top_up SET state = 'done', ended_at = now(), next_at = NULL WHERE state = 'ordered'",
     {"top-up of a redemption"}),
    ("DELETE FROM top_up WHERE state = 'refused'", {"top-up of a redemption"}),
    (f"DELETE FROM voucher {one_of('voucher', 'expired_at IS NOT NULL')}",
     {"voucher of a redemption"}),
    ("UPDATE voucher SET cancelled_at = NULL WHERE cancelled_at IS NOT NULL",
     {"voucher of a redemption"}),
    ("UPDATE voucher SET refunded_at = NULL WHERE refunded_at IS NOT NULL",
     {"voucher of a redemption"}),
    ("INSERT INTO voucher (code_sha256, holder_id, redemption_id, merchant_id, offer_id)"
     " SELECT '\\x00', holder_id, id, gen_random_uuid(), offer_id FROM redemption WHERE offer_id"
     " IN (SELECT id FROM offer WHERE kind = 'donation')", {"voucher of a redemption"}),
    ("UPDATE voucher SET consumption_id = gen_random_uuid() WHERE consumption_id IS NOT NULL",
     {"use of a voucher"}),
    ("UPDATE consumption SET reversed_at = NULL, reversed_by = NULL WHERE reversed_at IS NOT NULL",
     {"use of a voucher", "lines of a consumption"}),
    ("UPDATE pool_code SET redemption_id = gen_random_uuid() WHERE redemption_id IS NOT NULL",
     {"code of a pool"}),
    (f"DELETE FROM pool_code {one_of('pool_code', 'redemption_id IS NULL')}",
     {"free codes of a pool"}),
    ("UPDATE settlement_line SET consumption_id = gen_random_uuid() WHERE kind = 'reversal'",
     {"lines of a consumption"}),
    ("UPDATE settlement_line SET redemption_id = gen_random_uuid() WHERE kind = 'donation'",
     {"lines of a redemption"}),
    ("UPDATE settlement_line SET kind = 'top_up' WHERE kind = 'donation'",
     {"lines of a redemption"}),
    ("UPDATE offer_version SET settlement_fen = 1 WHERE offer_id IN"
     " (SELECT id FROM offer WHERE kind = 'donation')", {"lines of a redemption", "budget"}),
    ("UPDATE offer_stock SET stock_units = stock_units + 1 WHERE offer_id IN"
     " (SELECT id FROM offer WHERE kind = 'voucher')", {"stock of an offer"}),
    ("UPDATE offer_stock SET reserved_fen = reserved_fen + 1 WHERE offer_id IN"
     " (SELECT id FROM offer WHERE kind = 'voucher')", {"budget"}),
    ("UPDATE budget SET drawn_fen = drawn_fen + 1 WHERE drawn_fen > 0", {"budget"}),
    ("UPDATE offer_stock SET reserved_fen = 1 WHERE offer_id IN"
     " (SELECT id FROM offer WHERE budget_id IS NULL)", {"budget"}),
    ("UPDATE transfer SET amount = amount + 1 WHERE kind = 'owe_back'",
     {"transfer of a line", "what a merchant is owed"}),
    ("DELETE FROM transfer WHERE kind = 'owe' AND reference IN"
     " (SELECT id FROM settlement_line WHERE kind = 'donation')",
     {"transfer of a line", "what a merchant is owed"}),
    ("UPDATE transfer SET reference = gen_random_uuid() WHERE kind = 'owe' AND reference IN"
     " (SELECT id FROM settlement_line WHERE kind = 'donation')", {"transfer of a line"}),
    ("UPDATE settlement_line SET reverses_id = gen_random_uuid() WHERE kind = 'refund'",
     {"line that is taken back"}),
    ("UPDATE settlement SET lines = lines + 1", {"sums of a settlement"}),
    ("UPDATE settlement SET owed_fen = owed_fen + 1, returned_fen = returned_fen + 1",
     {"sums of a settlement"}),
    (f"UPDATE settlement_line SET settlement_id = NULL {one_of('settlement_line', LINE)}",
     {"sums of a settlement"}),
    ("DELETE FROM settlement",
     {"sums of a settlement", "payment of a settlement", "what a merchant is owed"}),
    ("UPDATE transfer SET reference = gen_random_uuid() WHERE kind = 'settle'",
     {"payment of a settlement"}),
    ("DELETE FROM transfer WHERE kind = 'settle'",
     {"payment of a settlement", "what a merchant is owed"}),
]  # fmt: skip


@pytest.mark.parametrize(("statement", "checks"), CASES)
def test_each_change_is_found_by_its_own_check(tampered, statement, checks):
    assert found_in(tampered, statement) == checks


def test_every_check_has_a_change_that_it_finds():
    found = {check for _, checks in CASES for check in checks}

    assert found == CHECKS.keys() | CROSSCHECKS.keys()
    assert found.isdisjoint(LEDGER_CHECKS)


def test_a_drift_names_the_settlement_and_both_figures(tampered):
    found_in(tampered, "UPDATE settlement SET lines = lines + 1")

    (drift,) = audit(tampered)

    columns = (Settlement.id, Settlement.lines, Settlement.owed_fen)
    settlement = tampered.execute(select(*columns)).one()
    assert drift.subject == str(settlement.id)
    assert drift.found.startswith(f"{settlement.lines} lines, {settlement.owed_fen} owed")
    assert drift.expected.startswith(f"{settlement.lines - 1} lines, {settlement.owed_fen} owed")


def test_what_others_write_meanwhile_is_no_drift(fresh_database):
    """The audit sees one moment, however long it takes."""
    fresh_database.transact(lambda session: Town(session) and None)
    with fresh_database.snapshot() as session:
        assert list(audit(session)) == []
        fresh_database.transact(lambda other: Town(other) and None)
        assert list(audit(session)) == []

    assert drifts(fresh_database) == []


def test_a_correction_by_hand_is_no_drift(tampered):
    """What an operator gave back by a correction of the ledger is not the redemption's end."""
    query = select(Transfer.holder_id, Transfer.id).where(Transfer.kind == "spend")
    spend = tampered.execute(query.order_by(Transfer.id)).first()
    given_back = (
        f"INSERT INTO transfer SELECT holder_id, '{_like(spend.id)}', '{UUID(int=7)}', 0, unit,"
        " credit_account_id, debit_account_id, 1, 'refund', reference, occurred_at, id, expires_on"
        f" FROM transfer WHERE id = '{spend.id}'"
    )
    assert found_in(tampered, given_back) == {"payment of a redemption"}

    correction = (
        "INSERT INTO correction (holder_id, id, content, reason, proposed_by, proposed_at, state,"
        " decided_by, decided_at)"
        f" VALUES ('{spend.holder_id}', '{UUID(int=7)}', '{{}}', 'r', 'a', now(), 'approved', 'b',"
        " now())"
    )
    assert found_in(tampered, correction) == set()


def _like(id_: UUID) -> UUID:
    """An id of the same month."""
    return UUID(int=id_.int ^ 1)
