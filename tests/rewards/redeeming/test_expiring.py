"""Vouchers that nobody used in time end, and their points come back where the offer says so."""

from datetime import timedelta
from uuid import UUID, uuid4

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from ledgers.accounts import PERSONAL, account_key, of_holder
from ledgers.audit import audit
from ledgers.closing import close_holder
from ledgers.models import Account, Transfer
from ledgers.reversal import reverse, spends_of
from rewards.audit import audit as audit_rewards
from rewards.models import Budget, Offer, OfferStock, Redemption, Voucher
from rewards.redeeming.buyers import Buyer
from rewards.redeeming.expiring import OFFLINE_FOR, expire_due
from rewards.redeeming.redemption import redeem
from rewards.voucher_codes import Codes
from tests.makers import NOW, a_resident, balance, programme_holder
from tests.shopping import a_merchant, an_offer

CODES = Codes(b"v" * 32, b"p" * 32)
DUE = NOW + timedelta(days=5)  # One day to use it, one for tills that were offline, and some.


def a_sale(session: Session, **offer) -> UUID:
    programme = programme_holder(session)
    defaults = {"valid_days": 1, "price_points": 100, "settlement_fen": 1_500, "stock_units": 50}
    return an_offer(session, programme, a_merchant(session, programme), **defaults | offer)


def redeemed(session: Session, offer_id: UUID, holder_id: UUID, *, at=NOW) -> UUID:
    id_, buyer = uuid4(), Buyer(holder_id, programme_holder(session))
    redeem(session, id_, buyer=buyer, offer_id=offer_id, codes=CODES, now=at)
    return id_


def voucher_of(session: Session, redemption_id: UUID) -> Voucher:
    session.expire_all()
    return session.scalars(select(Voucher).where(Voucher.redemption_id == redemption_id)).one()


def ending(session: Session, holder_id: UUID, redemption_id: UUID):
    session.expire_all()
    one = session.get_one(Redemption, (holder_id, redemption_id))
    return one.state, one.returned_points, one.ended_at, one.ended_by


def money(session: Session, offer_id: UUID) -> tuple[int, int]:
    """What the offer has in reserve, and what its budget has given away."""
    session.expire_all()
    budget = session.get_one(Budget, session.get_one(Offer, offer_id).budget_id)
    return session.get_one(OfferStock, offer_id).reserved_fen, budget.drawn_fen


def test_an_unused_voucher_expires_and_its_points_and_money_come_back(session):
    holder_id = a_resident(session, points=300)
    offer_id = a_sale(session)
    id_ = redeemed(session, offer_id, holder_id)
    reserved, drawn = money(session, offer_id)

    assert expire_due(session, now=DUE) == 1

    assert balance(session, holder_id) == 300
    assert ending(session, holder_id, id_) == ("expired", 100, DUE, "job:expire_vouchers")
    assert voucher_of(session, id_).expired_at == DUE
    assert money(session, offer_id) == (reserved + 1_500, drawn)
    assert session.get_one(OfferStock, offer_id).stock_units == 49


def test_the_points_are_lost_where_the_offer_says_so(session):
    holder_id = a_resident(session, points=300)
    id_ = redeemed(session, a_sale(session, expiry_returns=False), holder_id)

    assert expire_due(session, now=DUE) == 1

    assert balance(session, holder_id) == 200
    assert ending(session, holder_id, id_) == ("expired", 0, DUE, "job:expire_vouchers")


def test_a_till_that_was_offline_has_a_day_to_send_what_it_took(session):
    holder_id = a_resident(session, points=300)
    id_ = redeemed(session, a_sale(session), holder_id)
    until = voucher_of(session, id_).expires_at
    just = timedelta(microseconds=1)

    assert expire_due(session, now=until + OFFLINE_FOR - just) == 0
    assert expire_due(session, now=until + OFFLINE_FOR) == 1


def test_a_voucher_without_an_end_never_expires(session):
    holder_id = a_resident(session, points=300)
    redeemed(session, a_sale(session, valid_days=None), holder_id)

    assert expire_due(session, now=NOW + timedelta(days=300)) == 0


def test_a_used_a_cancelled_and_a_lapsed_voucher_stay_as_they_are(session):
    holder_id = a_resident(session, points=300)
    offer_id = a_sale(session)
    for ended in ({"consumed_at": NOW, "consumption_id": uuid4()},
                  {"cancelled_at": NOW}, {"lapsed_at": NOW}):  # fmt: skip
        id_ = redeemed(session, offer_id, holder_id)
        session.execute(update(Voucher).where(Voucher.redemption_id == id_).values(**ended))

    assert expire_due(session, now=DUE) == 0
    assert balance(session, holder_id) == 0


def test_again_expires_nothing_twice(session):
    holder_id = a_resident(session, points=300)
    id_ = redeemed(session, a_sale(session), holder_id)

    assert [expire_due(session, now=DUE), expire_due(session, now=DUE)] == [1, 0]
    assert balance(session, holder_id) == 300
    assert ending(session, holder_id, id_)[1] == 100


def test_it_goes_on_batch_by_batch_the_earliest_first(session):
    offer_id = a_sale(session)
    holders = [a_resident(session, points=100) for _ in range(3)]
    ids = [
        redeemed(session, offer_id, holder, at=NOW + timedelta(hours=24 * days))
        for days, holder in enumerate(holders)
    ]
    later = DUE + timedelta(days=3)

    assert expire_due(session, now=later, limit=2) == 2
    states = [ending(session, holder, id_)[0] for holder, id_ in zip(holders, ids, strict=True)]
    assert states == ["expired", "expired", "done"]
    assert expire_due(session, now=later, limit=2) == 1
    assert expire_due(session, now=later, limit=2) == 0


def test_three_hundred_cost_as_many_statements_as_two(session, statements):
    seen = []
    offers = [a_sale(session, stock_units=500) for _ in range(2)]
    for count in (2, 300):
        holders = [a_resident(session, points=100) for _ in range(count)]
        for number, holder in enumerate(holders):
            redeemed(session, offers[number % 2], holder)
        session.flush()
        with statements() as sent:
            assert expire_due(session, now=DUE) == count
        seen.append(len(sent))

    assert seen[0] == seen[1]


def test_who_has_left_gets_nothing_back_and_the_budget_does(session):
    holder_id = a_resident(session, points=300)
    offer_id = a_sale(session)
    id_ = redeemed(session, offer_id, holder_id)
    reserved, _ = money(session, offer_id)
    issuer = programme_holder(session)
    close_holder(session, holder_id, issuer_id=issuer, actor="test", now=NOW)

    assert expire_due(session, now=DUE) == 1

    account = next(one for one in of_holder(session, holder_id) if one.unit == "point")
    assert (account.balance, account.debt) == (0, 0)
    assert ending(session, holder_id, id_)[:2] == ("expired", 0)
    assert money(session, offer_id)[0] == reserved + 1_500


def test_what_was_given_back_by_hand_is_not_given_back_twice(session):
    holder_id = a_resident(session, points=300)
    id_ = redeemed(session, a_sale(session), holder_id)
    (spend,) = spends_of(session, holder_id, id_)
    reverse(
        session, uuid4(), holder_id=holder_id, amounts={spend: 30}, actor="operator:1",
        reason="sorry", now=NOW,
    )  # fmt: skip

    expire_due(session, now=DUE)

    assert balance(session, holder_id) == 300
    assert ending(session, holder_id, id_)[1] == 70


def test_what_was_spent_comes_back_to_the_lot_it_came_from(session):
    holder_id = a_resident(session, points=60)
    id_ = redeemed(session, a_sale(session, price_points=60), holder_id)
    expire_due(session, now=DUE)

    back = session.scalars(
        select(Transfer).where(Transfer.holder_id == holder_id, Transfer.reverses_id.is_not(None))
    ).all()
    spends = spends_of(session, holder_id, id_)
    assert {one.reverses_id: (one.amount, one.expires_on) for one in back} == {
        key: (one.amount, one.expires_on) for key, one in spends.items()
    }


def test_everything_adds_up_afterwards(fresh_database):
    def work(session: Session) -> None:
        offer_id, lost = a_sale(session), a_sale(session, expiry_returns=False)
        for _ in range(3):
            holder_id = a_resident(session, points=300)
            redeemed(session, offer_id, holder_id)
            redeemed(session, lost, holder_id)
        key = account_key(holder_id, "point", PERSONAL)
        assert session.get_one(Account, (holder_id, UUID(key.id))).guarded

    fresh_database.transact(work)
    assert fresh_database.transact(lambda session: expire_due(session, now=DUE)) == 6
    with fresh_database.snapshot() as session:
        assert [*audit(session), *audit_rewards(session)] == []
