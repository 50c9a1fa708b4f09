"""Settlements: what was owed is paid once, to the cent, by two persons."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import func, select, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from ledgers.folding import system_balances
from ledgers.models import Transfer
from rewards.errors import UnknownMerchant
from rewards.models import Settlement, SettlementLine, WebhookEndpoint, WebhookMessage
from rewards.settling.drafting import Key, begin, claim_slice, finish_draft, free_slice, unfinished
from rewards.settling.errors import (
    DisputeStands,
    LinesBeingFreed,
    NothingToSettle,
    SameApprover,
    SettlementNegative,
    SettlementNotReady,
    SettlementPaid,
    SettlementPeriodClosed,
    SettlementPeriodOpen,
    SettlementReused,
    UnknownSettlement,
)
from rewards.settling.periods import Period, month_of
from rewards.settling.settlements import (
    approve,
    confirm,
    dispute,
    listed,
    owed_fen,
    pay,
    payment_id,
    void,
)
from tests.makers import programme_holder
from tests.settlements import FIRST, NOW, SECOND, THIRD, a_drafted, lines_for, taken_back
from tests.shopping import a_merchant


@pytest.fixture
def merchant_id(session: Session) -> UUID:
    return a_merchant(session, programme_holder(session))


def settled(session: Session, key: Key) -> Settlement:
    confirm(session, key, actor="manager", now=NOW)
    approve(session, key, actor="second", now=NOW)
    return pay(session, key, payment_reference="bank-1", actor="cashier", now=NOW)


def clearing(session: Session, merchant_id: UUID) -> int:
    return system_balances(session, merchant_id).get(("fen", "clearing"), 0)


def test_what_was_owed_before_the_end_is_drafted_confirmed_approved_and_paid(
    session: Session, merchant_id: UUID
) -> None:
    lines = lines_for(session, merchant_id, [500, 0, 700])
    lines_for(session, merchant_id, [900], at=FIRST.ends_at)
    key = a_drafted(session, merchant_id)

    found = session.get_one(Settlement, key)
    assert (found.state, found.lines, found.owed_fen, found.returned_fen) == ("draft", 3, 1200, 0)

    assert owed_fen(session, merchant_id) == clearing(session, merchant_id) == 2100
    paid = settled(session, key)
    assert (paid.state, paid.paid_by, paid.payment_reference) == ("paid", "cashier", "bank-1")
    query = select(SettlementLine.id).where(SettlementLine.settlement_id == key.id)
    assert set(session.scalars(query)) == set(lines)
    transfer = session.scalars(select(Transfer).where(Transfer.posting_id == payment_id(key))).one()
    assert (transfer.amount, transfer.kind, transfer.reference) == (1200, "settle", key.id)
    assert owed_fen(session, merchant_id) == clearing(session, merchant_id) == 900


def test_a_settlement_of_lines_without_an_amount_posts_nothing(
    session: Session, merchant_id: UUID
) -> None:
    lines_for(session, merchant_id, [0, 0])
    key = a_drafted(session, merchant_id)
    assert settled(session, key).state == "paid"
    assert not session.scalars(select(Transfer).where(Transfer.posting_id == payment_id(key))).all()


def test_each_step_again_answers_what_stands_and_posts_nothing_again(
    session: Session, merchant_id: UUID
) -> None:
    lines_for(session, merchant_id, [500])
    key = a_drafted(session, merchant_id)
    settled(session, key)
    again = [
        begin(session, key, FIRST, actor="other", now=NOW),
        finish_draft(session, key, now=NOW),
        settled(session, key),
    ]
    assert {one.state for one in again} == {"paid"}
    assert claim_slice(session, key, FIRST).lines == 0
    assert clearing(session, merchant_id) == 0
    assert session.get_one(Settlement, key).drafted_by == "drafter"


def test_a_period_that_is_not_over_in_the_programmes_zone_is_refused(
    session: Session, merchant_id: UUID
) -> None:
    lines_for(session, merchant_id, [500])
    key = Key(merchant_id, uuid4())
    just_before = FIRST.ends_at - timedelta(seconds=1)
    with pytest.raises(SettlementPeriodOpen) as refused:
        begin(session, key, FIRST, actor="a", now=just_before)
    assert refused.value.ends_at == f"{FIRST.to}T00:00:00+08:00"
    assert begin(session, key, FIRST, actor="a", now=FIRST.ends_at).state == "drafting"


@pytest.mark.parametrize(("first_day", "days"), [(0, 31), (27, 3), (-5, 6), (10, 1)])
def test_a_period_with_a_day_of_a_live_settlement_is_closed(
    session: Session, merchant_id: UUID, first_day: int, days: int
) -> None:
    lines_for(session, merchant_id, [500])
    key = a_drafted(session, merchant_id)
    lines_for(session, merchant_id, [500])
    first = FIRST.since + timedelta(days=first_day)
    other = Period(first, first + timedelta(days=days), FIRST.zone)
    with pytest.raises(SettlementPeriodClosed) as refused:
        begin(session, Key(merchant_id, uuid4()), other, actor="a", now=NOW)
    assert (refused.value.settlement_id, refused.value.state) == (key.id, "draft")
    assert (refused.value.period_from, refused.value.period_to) == (FIRST.since, FIRST.to)


def test_the_same_id_for_another_period_is_refused(session: Session, merchant_id: UUID) -> None:
    lines_for(session, merchant_id, [500])
    key = a_drafted(session, merchant_id)
    with pytest.raises(SettlementReused):
        begin(session, key, SECOND, actor="a", now=NOW)


def test_a_late_line_and_a_refund_after_the_settlement_come_into_the_next(
    session: Session, merchant_id: UUID
) -> None:
    (line,) = lines_for(session, merchant_id, [500])
    first = a_drafted(session, merchant_id)
    settled(session, first)
    late = lines_for(session, merchant_id, [800], at=SECOND.begins_at, occurred_at=FIRST.begins_at)
    refund = taken_back(session, merchant_id, line, at=SECOND.begins_at)

    second = session.get_one(Settlement, a_drafted(session, merchant_id, SECOND))
    assert (second.lines, second.owed_fen, second.returned_fen) == (2, 800, 500)
    query = select(SettlementLine.id).where(SettlementLine.settlement_id == second.id)
    assert set(session.scalars(query)) == {*late, refund}
    settled(session, Key(merchant_id, second.id))
    assert clearing(session, merchant_id) == 0


def test_less_than_nothing_is_refused_and_its_lines_wait_for_the_next(
    session: Session, merchant_id: UUID
) -> None:
    (line,) = lines_for(session, merchant_id, [500])
    settled(session, a_drafted(session, merchant_id))
    taken_back(session, merchant_id, line, at=SECOND.begins_at)
    with pytest.raises(SettlementNegative) as refused:
        begin(session, Key(merchant_id, uuid4()), SECOND, actor="a", now=NOW)
    assert (refused.value.lines, refused.value.sum_fen) == (1, -500)

    lines_for(session, merchant_id, [700], at=THIRD.begins_at)
    found = session.get_one(Settlement, a_drafted(session, merchant_id, THIRD))
    assert (found.owed_fen, found.returned_fen) == (700, 500)


def test_what_turned_negative_while_it_was_drafted_is_void(
    session: Session, merchant_id: UUID
) -> None:
    (line,) = lines_for(session, merchant_id, [500])
    settled(session, a_drafted(session, merchant_id))
    lines_for(session, merchant_id, [300], at=SECOND.begins_at)
    key = Key(merchant_id, uuid4())
    begin(session, key, SECOND, actor="a", now=NOW)
    taken_back(session, merchant_id, line, at=SECOND.begins_at)  # Committed late.
    claim_slice(session, key, SECOND)

    assert finish_draft(session, key, now=NOW).state == "void"
    assert free_slice(session, key) == 2
    assert clearing(session, merchant_id) == -200


def test_nothing_to_settle_is_refused(session: Session, merchant_id: UUID) -> None:
    lines_for(session, merchant_id, [500], at=FIRST.ends_at)
    with pytest.raises(NothingToSettle):
        begin(session, Key(merchant_id, uuid4()), FIRST, actor="a", now=NOW)


def test_who_is_no_merchant_and_what_is_no_settlement_is_refused(
    session: Session, merchant_id: UUID
) -> None:
    with pytest.raises(UnknownMerchant):
        begin(session, Key(uuid4(), uuid4()), FIRST, actor="a", now=NOW)
    key = Key(merchant_id, uuid4())
    steps: list[Callable[[], object]] = [
        lambda: confirm(session, key, actor="a", now=NOW),
        lambda: dispute(session, key, reason="no", actor="a", now=NOW),
        lambda: approve(session, key, actor="a", now=NOW),
        lambda: pay(session, key, payment_reference="1", actor="a", now=NOW),
        lambda: void(session, key),
        lambda: finish_draft(session, key, now=NOW),
    ]
    for step in steps:
        with pytest.raises(UnknownSettlement):
            step()


@pytest.mark.parametrize("who", ["drafter", "manager"])
def test_who_drafted_or_confirmed_it_does_not_approve_it(
    session: Session, merchant_id: UUID, who: str
) -> None:
    lines_for(session, merchant_id, [500])
    key = a_drafted(session, merchant_id)
    confirm(session, key, actor="manager", now=NOW)
    with pytest.raises(SameApprover) as refused:
        approve(session, key, actor=who, now=NOW)
    assert (refused.value.drafted_by, refused.value.confirmed_by) == ("drafter", "manager")


@pytest.mark.parametrize("who", ["drafter", "manager"])
def test_the_database_itself_demands_the_second_person(
    session: Session, merchant_id: UUID, who: str
) -> None:
    lines_for(session, merchant_id, [500])
    key = a_drafted(session, merchant_id)
    confirm(session, key, actor="manager", now=NOW)
    approving = text(
        "UPDATE settlement SET state = 'approved', approved_by = :who, approved_at = now()"
        " WHERE merchant_id = :merchant AND id = :id"
    )
    with pytest.raises(IntegrityError, match="second_person"):
        session.execute(approving, {"who": who, "merchant": merchant_id, "id": key.id})


def test_the_database_itself_pays_nothing_that_was_not_approved(
    session: Session, merchant_id: UUID
) -> None:
    lines_for(session, merchant_id, [500])
    key = a_drafted(session, merchant_id)
    paying = text(
        "UPDATE settlement SET state = 'paid', paid_by = 'a', paid_at = now(),"
        " payment_reference = '1' WHERE merchant_id = :merchant AND id = :id"
    )
    with pytest.raises(IntegrityError, match="ck_settlement_"):
        session.execute(paying, {"merchant": merchant_id, "id": key.id})


def test_steps_in_the_wrong_order_are_refused_with_the_state(
    session: Session, merchant_id: UUID
) -> None:
    lines_for(session, merchant_id, [500])
    key = Key(merchant_id, uuid4())
    begin(session, key, FIRST, actor="drafter", now=NOW)
    with pytest.raises(SettlementNotReady) as refused:
        confirm(session, key, actor="manager", now=NOW)
    assert (refused.value.state, refused.value.allowed) == ("drafting", "draft")
    while claim_slice(session, key, FIRST).after:
        pass
    finish_draft(session, key, now=NOW)
    for step in (
        lambda: approve(session, key, actor="second", now=NOW),
        lambda: pay(session, key, payment_reference="1", actor="cashier", now=NOW),
    ):
        with pytest.raises(SettlementNotReady):
            step()
    confirm(session, key, actor="manager", now=NOW)
    approve(session, key, actor="second", now=NOW)
    with pytest.raises(SettlementNotReady, match="approved"):
        dispute(session, key, reason="late", actor="manager", now=NOW)


def test_what_was_paid_is_paid_under_one_reference_and_not_voided(
    session: Session, merchant_id: UUID
) -> None:
    lines_for(session, merchant_id, [500])
    key = a_drafted(session, merchant_id)
    settled(session, key)
    with pytest.raises(SettlementPaid) as refused:
        pay(session, key, payment_reference="bank-2", actor="cashier", now=NOW)
    assert refused.value.payment_reference == "bank-1"
    with pytest.raises(SettlementPaid):
        void(session, key)


def test_a_dispute_keeps_its_reason(session: Session, merchant_id: UUID) -> None:
    lines_for(session, merchant_id, [500])
    key = a_drafted(session, merchant_id)
    first = dispute(session, key, reason="two are missing", actor="manager", now=NOW)
    assert (first.state, first.disputed_by) == ("disputed", "manager")
    assert dispute(session, key, reason="two are missing", actor="m", now=NOW) is first
    with pytest.raises(DisputeStands) as refused:
        dispute(session, key, reason="three", actor="manager", now=NOW)
    assert refused.value.dispute_reason == "two are missing"
    with pytest.raises(SettlementNotReady):
        confirm(session, key, actor="manager", now=NOW)


@pytest.mark.parametrize("state", ["drafting", "draft", "disputed", "confirmed", "approved"])
def test_what_is_not_paid_can_be_voided_and_drafted_anew(
    session: Session, merchant_id: UUID, state: str
) -> None:
    lines_for(session, merchant_id, [500] * 5)
    key = Key(merchant_id, uuid4())
    begin(session, key, FIRST, actor="drafter", now=NOW)
    place = claim_slice(session, key, FIRST, lines_max=2).after
    if state != "drafting":
        while place:
            place = claim_slice(session, key, FIRST, after=place, lines_max=2).after
        finish_draft(session, key, now=NOW)
    if state in ("confirmed", "approved"):
        confirm(session, key, actor="manager", now=NOW)
    if state == "approved":
        approve(session, key, actor="second", now=NOW)
    if state == "disputed":
        dispute(session, key, reason="no", actor="manager", now=NOW)

    assert void(session, key).state == "void"
    assert void(session, key).state == "void"
    with pytest.raises(LinesBeingFreed) as refused:
        begin(session, Key(merchant_id, uuid4()), FIRST, actor="b", now=NOW)
    assert refused.value.settlement_id == key.id
    assert key in unfinished(session, limit=1_000)
    while free_slice(session, key, lines_max=2):
        pass
    assert session.get_one(Settlement, key).lines == 0
    again = session.get_one(Settlement, a_drafted(session, merchant_id))
    assert (again.lines, again.owed_fen) == (5, 2_500)


def test_a_draft_goes_on_where_it_was_left(session: Session, merchant_id: UUID) -> None:
    lines_for(session, merchant_id, [100] * 7)
    key = Key(merchant_id, uuid4())
    begin(session, key, FIRST, actor="drafter", now=NOW)
    first = claim_slice(session, key, FIRST, lines_max=3)
    assert first.lines == 3
    rest = claim_slice(session, key, FIRST, lines_max=4)  # Somebody else, from the beginning.
    assert rest.lines == 4
    assert claim_slice(session, key, FIRST, after=rest.after, lines_max=4) == (0, None)
    assert finish_draft(session, key, now=NOW).lines == 7
    assert key not in unfinished(session, limit=1_000)


def test_two_merchants_may_make_the_same_id(session: Session, merchant_id: UUID) -> None:
    other = a_merchant(session, programme_holder(session))
    id_ = uuid4()
    for one in (merchant_id, other):
        lines_for(session, one, [500])
        settled(session, a_drafted(session, one, id_=id_))
        assert clearing(session, one) == 0


def test_another_merchants_lines_are_left_alone(session: Session, merchant_id: UUID) -> None:
    other = a_merchant(session, programme_holder(session))
    lines_for(session, merchant_id, [500])
    lines_for(session, other, [900])
    found = session.get_one(Settlement, a_drafted(session, merchant_id))
    assert found.owed_fen == 500
    query = select(func.count()).where(
        SettlementLine.merchant_id == other, SettlementLine.settlement_id.is_not(None)
    )
    assert session.scalar(query) == 0


def test_the_merchants_system_is_told_of_draft_approval_and_payment(
    session: Session, merchant_id: UUID
) -> None:
    kinds = ["settlement.drafted", "settlement.approved", "settlement.paid"]
    endpoint = WebhookEndpoint(
        id=uuid4(),
        merchant_id=merchant_id,
        url="https://shop.example/hook",
        kinds=kinds,
        made_by="tests",
        made_at=NOW,
    )
    session.add(endpoint)
    session.flush()
    lines_for(session, merchant_id, [500])
    settled(session, a_drafted(session, merchant_id))
    query = select(WebhookMessage.kind).where(WebhookMessage.merchant_id == merchant_id)
    assert list(session.scalars(query.order_by(WebhookMessage.id))) == kinds


def test_a_merchants_settlements_are_listed_newest_first(
    session: Session, merchant_id: UUID
) -> None:
    ids = sorted((uuid4() for _ in range(3)), reverse=True)
    for id_, period in zip(ids, (FIRST, SECOND, THIRD), strict=True):
        lines_for(session, merchant_id, [100], at=period.begins_at)
        a_drafted(session, merchant_id, period, id_=id_)
    assert [one.id for one in listed(session, merchant_id, limit=2)] == ids[:2]
    assert [one.id for one in listed(session, merchant_id, after=ids[1], limit=2)] == ids[2:]
    assert listed(session, merchant_id, state="paid", limit=2) == []


def test_a_month_has_its_days_in_december_too() -> None:
    zone = ZoneInfo("Asia/Shanghai")
    december = month_of(date(2026, 12, 1), zone)
    assert (december.to, december.ends_at) == (
        date(2027, 1, 1),
        datetime(2026, 12, 31, 16, tzinfo=UTC),
    )
