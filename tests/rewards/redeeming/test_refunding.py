"""An operator gives back what was paid for a voucher that was used."""

from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from ledgers.accounts import CLEARING, account_key, of_holder
from ledgers.audit import audit
from ledgers.closing import close_holder
from ledgers.models import Posting, Transfer
from ledgers.reversal import spends_of
from rewards.audit import audit as audit_rewards
from rewards.errors import UnknownConsumption
from rewards.models import (
    DonationProject,
    OfferStock,
    Redemption,
    SettlementLine,
    Voucher,
    WebhookEndpoint,
    WebhookMessage,
)
from rewards.redeeming.buyers import Buyer
from rewards.redeeming.ending import posting_id_of
from rewards.redeeming.errors import ConsumptionReversed, NotRefundable, RefundReused
from rewards.redeeming.redemption import redeem
from rewards.redeeming.refunding import refund
from rewards.tills.consuming import consume
from rewards.tills.reversing import reverse_consumption
from rewards.voucher_codes import Codes
from tests.makers import NOW, a_resident, balance, programme_holder
from tests.shopping import a_merchant, an_offer

CODES = Codes(b"v" * 32, b"p" * 32)
LATER = NOW + timedelta(days=40)
BY = {"actor": "operator:1", "reason": "the coffee was cold"}


def a_sale(session: Session, **offer) -> tuple[UUID, UUID]:
    programme = programme_holder(session)
    merchant_id = a_merchant(session, programme)
    defaults = {"price_points": 100, "settlement_fen": 1_500}
    return an_offer(session, programme, merchant_id, **defaults | offer), merchant_id


def redeemed(session: Session, offer_id: UUID, holder_id: UUID) -> UUID:
    id_, buyer = uuid4(), Buyer(holder_id, programme_holder(session))
    redeem(session, id_, buyer=buyer, offer_id=offer_id, codes=CODES, now=NOW)
    return id_


def used(session: Session, merchant_id: UUID, redemption_id: UUID) -> UUID:
    consumption_id = uuid4()
    code = CODES.of_redemption(redemption_id)
    consume(
        session, consumption_id, merchant_id=merchant_id, code=code, codes=CODES, now=NOW,
        actor="till",
    )  # fmt: skip
    return consumption_id


def a_use(session: Session, **offer) -> tuple[UUID, UUID, UUID, UUID]:
    """Who bought, what, from whom, and the use of its voucher."""
    holder_id = a_resident(session, points=300)
    offer_id, merchant_id = a_sale(session, **offer)
    redemption_id = redeemed(session, offer_id, holder_id)
    return holder_id, redemption_id, merchant_id, used(session, merchant_id, redemption_id)


def lines(session: Session, merchant_id: UUID) -> list[SettlementLine]:
    query = select(SettlementLine).where(SettlementLine.merchant_id == merchant_id)
    return list(session.scalars(query.order_by(SettlementLine.id)))


def owed_fen(session: Session, merchant_id: UUID) -> int:
    """What the merchant's account of fen says, added up."""
    account = UUID(account_key(merchant_id, "fen", CLEARING).id)
    query = select(Transfer).where(Transfer.holder_id == merchant_id, Transfer.unit == "fen")
    return sum(
        one.amount if one.credit_account_id == account else -one.amount
        for one in session.scalars(query)
    )


def test_the_points_come_back_and_the_merchant_owes_what_it_was_paid(session):
    holder_id, redemption_id, merchant_id, consumption_id = a_use(session)

    done = refund(session, consumption_id, now=LATER, request_id="r-1", **BY)

    assert balance(session, holder_id) == 300
    assert (done.returned_points, done.returned_fen, done.refunded_at) == (100, 1_500, LATER)
    redemption = session.get_one(Redemption, (holder_id, redemption_id))
    assert (redemption.state, redemption.returned_points) == ("refunded", 100)
    assert (redemption.ended_at, redemption.ended_by) == (LATER, "operator:1")
    query = select(Voucher).where(Voucher.redemption_id == redemption_id)
    voucher = session.scalars(query).one()
    assert (voucher.refunded_at, voucher.consumption_id) == (LATER, consumption_id)
    first, back = lines(session, merchant_id)
    assert (back.kind, back.amount_fen, back.reverses_id) == ("refund", -1_500, first.id)
    assert (back.consumption_id, back.redemption_id) == (consumption_id, redemption_id)
    assert owed_fen(session, merchant_id) == 0
    posting = session.get_one(Posting, posting_id_of(redemption_id, "refunded"))
    assert (posting.actor, posting.reason, posting.request_id) == (*BY.values(), "r-1")


def test_they_come_back_to_their_lots(session):
    holder_id, redemption_id, _, consumption_id = a_use(session)
    refund(session, consumption_id, now=NOW, **BY)

    query = select(Transfer).where(Transfer.holder_id == holder_id, Transfer.kind == "refund")
    back = {one.reverses_id: (one.amount, one.expires_on) for one in session.scalars(query)}

    spends = spends_of(session, holder_id, redemption_id)
    assert back == {id_: (one.amount, one.expires_on) for id_, one in spends.items()}


def test_after_the_settlement_the_line_waits_for_the_next_one(session):
    _, _, merchant_id, consumption_id = a_use(session)
    settlement_id = uuid4()
    session.execute(
        update(SettlementLine)
        .where(SettlementLine.merchant_id == merchant_id)
        .values(settlement_id=settlement_id)
    )

    refund(session, consumption_id, now=LATER, **BY)

    settled, back = lines(session, merchant_id)
    assert (settled.settlement_id, back.settlement_id) == (settlement_id, None)


def test_the_money_goes_back_to_the_offers_reserve_and_the_stock_does_not(session):
    holder_id, redemption_id, _, consumption_id = a_use(session)
    offer_id = session.get_one(Redemption, (holder_id, redemption_id)).offer_id
    before = session.get_one(OfferStock, offer_id)
    reserved_fen, stock_units = before.reserved_fen, before.stock_units

    refund(session, consumption_id, now=LATER, **BY)

    session.expire_all()
    after = session.get_one(OfferStock, offer_id)
    assert (after.reserved_fen, after.stock_units) == (reserved_fen + 1_500, stock_units)


def test_the_same_again_answers_the_same_and_gives_nothing_twice(session):
    holder_id, _, merchant_id, consumption_id = a_use(session)

    first, again = (refund(session, consumption_id, now=at, **BY) for at in (NOW, LATER))

    assert first == again
    assert balance(session, holder_id) == 300
    assert len(lines(session, merchant_id)) == 2


@pytest.mark.parametrize("other", [{"actor": "operator:2"}, {"reason": "something else"}])
def test_another_refund_of_the_same_use_is_refused(session, other):
    holder_id, _, _, consumption_id = a_use(session)
    refund(session, consumption_id, now=NOW, **BY)

    with pytest.raises(RefundReused) as refusal:
        refund(session, consumption_id, now=LATER, **BY | other)

    assert refusal.value.refunded_at == NOW.isoformat()
    assert refusal.value.refunded_by == "operator:1"
    assert balance(session, holder_id) == 300


def test_a_use_that_the_merchant_reversed_is_not_refunded(session):
    holder_id, redemption_id, merchant_id, consumption_id = a_use(session)
    reverse_consumption(
        session, consumption_id, merchant_id=merchant_id, zone="Asia/Shanghai", now=NOW,
        actor="till",
    )  # fmt: skip

    with pytest.raises(ConsumptionReversed) as refusal:
        refund(session, consumption_id, now=LATER, **BY)

    assert refusal.value.reversed_at == NOW.isoformat()
    assert balance(session, holder_id) == 200
    again = used(session, merchant_id, redemption_id)
    refund(session, again, now=LATER, **BY)
    assert balance(session, holder_id) == 300
    assert owed_fen(session, merchant_id) == 0


def test_a_free_voucher_is_refunded_with_a_line_of_nothing(session):
    holder_id, _, merchant_id, consumption_id = a_use(session, settlement_fen=0)

    assert refund(session, consumption_id, now=LATER, **BY).returned_fen == 0

    assert balance(session, holder_id) == 300
    assert [one.kind for one in lines(session, merchant_id)] == ["consumption", "refund"]


def test_who_has_left_gets_no_points_and_the_merchant_owes_all_the_same(session):
    holder_id, redemption_id, merchant_id, consumption_id = a_use(session)
    issuer = programme_holder(session)
    close_holder(session, holder_id, issuer_id=issuer, actor="test", now=NOW)

    done = [refund(session, consumption_id, now=LATER, **BY) for _ in range(2)]

    assert [(one.returned_points, one.returned_fen) for one in done] == [(0, 1_500)] * 2
    account = next(one for one in of_holder(session, holder_id) if one.unit == "point")
    assert account.balance == 0
    assert owed_fen(session, merchant_id) == 0
    redemption = session.get_one(Redemption, (holder_id, redemption_id))
    assert (redemption.state, redemption.returned_points) == ("refunded", 0)


def test_merchants_systems_are_told_nothing_of_the_resident(session):
    holder_id, redemption_id, merchant_id, consumption_id = a_use(session)
    endpoint = WebhookEndpoint(
        id=uuid4(), merchant_id=merchant_id, url="https://shop.example/hook",
        kinds=["voucher.refunded"], made_by="tests", made_at=NOW,
    )  # fmt: skip
    session.add(endpoint)
    session.flush()

    refund(session, consumption_id, now=LATER, **BY)

    query = select(WebhookMessage).where(WebhookMessage.endpoint_id == endpoint.id)
    message = session.scalars(query).one()
    assert message.kind == "voucher.refunded"
    assert str(consumption_id) in message.body
    assert str(redemption_id) in message.body
    assert str(holder_id) not in message.body
    assert BY["reason"] not in message.body


def test_an_unknown_use_is_refused(session):
    with pytest.raises(UnknownConsumption):
        refund(session, uuid4(), now=NOW, **BY)


def test_an_unused_voucher_has_nothing_to_refund(session):
    offer_id, _ = a_sale(session)
    redemption_id = redeemed(session, offer_id, a_resident(session, points=300))

    with pytest.raises(UnknownConsumption):
        refund(session, redemption_id, now=NOW, **BY)


def test_a_donation_is_not_refunded(session):
    programme = programme_holder(session)
    project = DonationProject(
        id=uuid4(), programme_holder_id=programme, merchant_id=a_merchant(session, programme),
        name_zh="植树", name_en="Trees", text_zh="", text_en="", goal_points=1_000,
        made_by="tests", made_at=NOW,
    )  # fmt: skip
    session.add(project)
    session.flush()
    offer_id = an_offer(
        session, programme, project.merchant_id, kind="donation", project_id=project.id
    )
    redemption_id = redeemed(session, offer_id, a_resident(session, points=300))

    with pytest.raises(NotRefundable) as refusal:
        refund(session, redemption_id, now=NOW, **BY)

    assert refusal.value.offer_kind == "donation"


def test_everything_adds_up_afterwards(fresh_database):
    def work(session: Session) -> UUID:
        *_, consumption_id = a_use(session)
        a_use(session)
        return consumption_id

    consumption_id = fresh_database.transact(work)
    fresh_database.transact(lambda session: refund(session, consumption_id, now=NOW, **BY))
    with fresh_database.snapshot() as session:
        assert [*audit(session), *audit_rewards(session)] == []
