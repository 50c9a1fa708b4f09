"""What many spent is given back at once, as ``reverse`` would give it back one by one."""

from datetime import date
from uuid import uuid4

import pytest
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from ledgers.accounts import ISSUED, PERSONAL, account_key, open_personal
from ledgers.audit import audit
from ledgers.errors import (
    InvalidAmount,
    NotReversible,
    PostingReused,
    UnknownAccount,
    UnknownTransfer,
)
from ledgers.models import Account, Posting, Transfer
from ledgers.posting import NewPosting, NewTransfer, post
from ledgers.returning import Reversal, return_many
from ledgers.reversal import reverse
from tests.ledgers.issuers import JANUARY, Issuer, lots, points
from tests.makers import NOW, balance, programme_holder, spending


def all_spent(session: Session, count: int) -> list[Transfer]:
    """Residents of their own who have spent four of ten points each."""
    holders = [uuid4() for _ in range(count)]
    open_personal(session, holders, now=NOW)
    issued = account_key(programme_holder(session), "point", ISSUED)
    transfers = [
        NewTransfer(h, issued, account_key(h, "point", PERSONAL), 10, "earn", uuid4(), NOW)
        for h in holders
    ]
    post(session, NewPosting(uuid4(), "intake", "test", transfers), now=NOW)
    spends = [spending(session, holder_id, 4) for holder_id in holders]
    for spend in spends:
        post(session, spend, now=NOW)
    query = select(Transfer).where(Transfer.posting_id.in_([spend.id for spend in spends]))
    return list(session.scalars(query))


def of(*transfers: Transfer, amount: int | None = None, id_=None) -> Reversal:
    amounts = {transfer.id: amount for transfer in transfers}
    return Reversal(id_ or uuid4(), transfers[0].holder_id, amounts, "job:expire_vouchers", "due")


def alone(session: Session, one: Reversal, now) -> None:
    named = one._asdict() | {"now": now}
    reverse(session, named.pop("id"), **named)


def test_a_thousand_returns_cost_as_many_statements_as_two(session, statements):
    seen = []
    for count in (2, 1_000):
        transfers = all_spent(session, count)
        with statements() as sent:
            answers = return_many(session, [of(each) for each in transfers], now=NOW)
        seen.append(len(sent))
        assert all(answer.written for answer in answers)
        assert {balance(session, each.holder_id) for each in transfers[:3]} == {10}

    assert seen[0] == seen[1] <= 13


def test_it_does_what_reverse_does_one_by_one(session):
    """Two lots, of which one has lapsed meanwhile, and a debt: also in parts."""
    issuer = Issuer.opened(session, grace_days=10)
    march = JANUARY.replace(month=3)

    def stands_after(undo):
        holder_id = issuer.resident(session)
        issuer.earn(session, holder_id, 50, at=JANUARY)
        later = issuer.earn(session, holder_id, 40, at=march.replace(day=2))
        lapsed, living = issuer.spend(session, holder_id, 70, at=JANUARY.replace(day=20))
        alone(session, of(later, id_=uuid4()), march)
        undo(Reversal(uuid4(), holder_id, {living.id: 5}, "operator:1", "once"))
        corrected = "correction", "request", "operator:2"
        both = {lapsed.id: None, living.id: None}
        undo(Reversal(uuid4(), holder_id, both, "operator:1", "twice", *corrected))
        found = points(session, holder_id)
        postings = session.execute(
            select(
                Posting.kind, Posting.request_id, Posting.approved_by, Posting.transfer_count,
                Transfer.kind, Transfer.amount, Transfer.expires_on,
            )
            .join(Transfer, Transfer.posting_id == Posting.id)
            .where(Transfer.holder_id == holder_id, Transfer.reverses_id.is_not(None))
            .order_by(Posting.kind, Transfer.amount, Transfer.expires_on)
        ).all()  # fmt: skip
        return found.balance, found.debt, lots(session, holder_id), postings

    at_once = stands_after(lambda one: return_many(session, [one], now=march))

    assert at_once == stands_after(lambda one: alone(session, one, march))
    assert at_once[:2] == (50, 0)
    assert set(at_once[2]) <= {date(2027, 3, 25), date(2027, 4, 30)}


def test_the_same_returns_again_are_a_retry_whoever_wrote_them(session):
    transfers = all_spent(session, 3)
    returns = [of(transfers[0]), of(transfers[1], amount=1), of(transfers[2])]
    alone(session, returns[0], NOW)

    answers = [return_many(session, returns, now=NOW) for _ in range(2)]

    assert [[each.written for each in answer] for answer in answers] == [
        [False, True, True],
        [False, False, False],
    ]
    assert [balance(session, each.holder_id) for each in transfers] == [10, 7, 10]


def test_an_id_stands_for_one_content(session):
    first, second = all_spent(session, 2)
    id_ = uuid4()
    return_many(session, [of(first, id_=id_)], now=NOW)

    with pytest.raises(PostingReused):
        return_many(session, [of(second, id_=id_)], now=NOW)
    with pytest.raises(PostingReused):
        return_many(session, [of(first, id_=id_, amount=3)], now=NOW)


def test_several_returns_of_one_spend_add_up_to_it_at_most(session):
    (transfer,) = all_spent(session, 1)
    return_many(session, [of(transfer, amount=1)], now=NOW)

    with pytest.raises(NotReversible) as refusal:
        return_many(session, [of(transfer, amount=2), of(transfer, amount=2)], now=NOW)
    answers = return_many(session, [of(transfer, amount=2), of(transfer)], now=NOW)

    assert refusal.value.transfer_ids == [str(transfer.id)]
    assert [answer.written for answer in answers] == [True, True]
    assert balance(session, transfer.holder_id) == 10


def test_all_that_is_refused_is_named_and_nothing_is_written(session):
    fine, gone, *_ = transfers = all_spent(session, 3)
    return_many(session, [of(gone)], now=NOW)
    undone = session.scalars(select(Transfer).where(Transfer.reverses_id == gone.id)).one()
    query = select(Transfer).where(Transfer.holder_id == fine.holder_id, Transfer.kind == "earn")
    earned = session.scalars(query).one()

    with pytest.raises(NotReversible) as refusal:
        return_many(session, [of(one) for one in (fine, gone, undone, earned)], now=NOW)

    assert set(refusal.value.transfer_ids) == {str(one.id) for one in (gone, undone, earned)}
    assert [balance(session, one.holder_id) for one in transfers] == [6, 10, 6]


def test_somebody_elses_transfer_is_unknown(session):
    mine, other = all_spent(session, 2)

    with pytest.raises(UnknownTransfer) as refusal:
        return_many(session, [of(mine), of(other)._replace(holder_id=mine.holder_id)], now=NOW)

    assert refusal.value.transfer_ids == [str(other.id)]


@pytest.mark.parametrize("amount", [0, -1, 1.0, 2**53 + 1])
def test_an_amount_is_a_whole_number_of_at_least_one(session, amount):
    (transfer,) = all_spent(session, 1)

    with pytest.raises(InvalidAmount):
        return_many(session, [of(transfer, amount=amount)], now=NOW)


def test_who_has_left_is_given_nothing(session):
    transfer, other = all_spent(session, 2)
    session.execute(
        update(Account).where(Account.holder_id == transfer.holder_id).values(closed_at=NOW)
    )

    with pytest.raises(UnknownAccount) as refusal:
        return_many(session, [of(transfer), of(other)], now=NOW)

    assert refusal.value.account_ids == [str(transfer.debit_account_id)]


def test_everything_adds_up_afterwards_also_where_a_debt_is_paid(fresh_database):
    def work(session: Session) -> list[tuple[int, int]]:
        issuer = Issuer.opened(session)
        returns, holders = [], []
        for _ in range(3):
            holder_id = issuer.resident(session)
            early = issuer.earn(session, holder_id, 50, at=JANUARY)
            issuer.earn(session, holder_id, 50, at=JANUARY.replace(month=3))
            spends = issuer.spend(session, holder_id, 70, at=JANUARY)
            alone(session, of(early), JANUARY)
            returns.append(of(*spends))
            holders.append(holder_id)
        return_many(session, returns, now=JANUARY)
        return [(points(session, h).balance, points(session, h).debt) for h in holders]

    assert fresh_database.transact(work) == [(50, 0)] * 3
    with fresh_database.snapshot() as session:
        assert list(audit(session)) == []
