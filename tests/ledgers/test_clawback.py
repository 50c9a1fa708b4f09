"""What many earned is taken back at once, as ``reverse`` would take it back one by one."""

from uuid import uuid4

import pytest
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from ledgers.accounts import ISSUED, PERSONAL, account_key, open_personal
from ledgers.audit import audit
from ledgers.clawback import Reversal, reverse_many
from ledgers.errors import (
    InvalidAmount,
    NotReversible,
    PostingReused,
    UnknownAccount,
    UnknownTransfer,
)
from ledgers.models import Account, Posting, Transfer
from ledgers.posting import NewPosting, NewTransfer, post
from ledgers.reversal import reverse
from tests.ledgers.issuers import JANUARY, Issuer, lots, points
from tests.makers import NOW, a_resident, balance, debt, earning, programme_holder, spending


def earned(session: Session, holder_id, amount: int) -> Transfer:
    posting = earning(session, holder_id, amount)
    post(session, posting, now=NOW)
    return session.scalars(select(Transfer).where(Transfer.posting_id == posting.id)).one()


def all_earned(session: Session, count: int) -> list[Transfer]:
    """Ten points each for residents of their own."""
    holders = [uuid4() for _ in range(count)]
    open_personal(session, holders, now=NOW)
    issued = account_key(programme_holder(session), "point", ISSUED)
    transfers = [
        NewTransfer(h, issued, account_key(h, "point", PERSONAL), 10, "earn", uuid4(), NOW)
        for h in holders
    ]
    posting = NewPosting(uuid4(), "intake", "test", transfers)
    post(session, posting, now=NOW)
    return list(session.scalars(select(Transfer).where(Transfer.posting_id == posting.id)))


def of(*transfers: Transfer, amount: int | None = None, id_=None) -> Reversal:
    amounts = {transfer.id: amount for transfer in transfers}
    return Reversal(id_ or uuid4(), transfers[0].holder_id, amounts, "operator:1", "wrong factor")


def written_under(session: Session, reversal: Reversal) -> list[Transfer]:
    return list(session.scalars(select(Transfer).where(Transfer.posting_id == reversal.id)))


def test_two_thousand_reversals_cost_as_many_statements_as_two(session, statements):
    seen = []
    for count in (2, 2_000):
        transfers = all_earned(session, count)
        with statements() as sent:
            answers = reverse_many(session, [of(each) for each in transfers], now=NOW)
        seen.append(len(sent))
        assert all(answer.written for answer in answers)
        assert {balance(session, each.holder_id) for each in transfers[:3]} == {0}

    assert seen[0] == seen[1] <= 12


def test_it_does_what_reverse_does_one_by_one(session):
    issuer = Issuer.opened(session)

    def stands_after(undo):
        holder_id = issuer.resident(session)
        first = issuer.earn(session, holder_id, 80, at=JANUARY)
        second = issuer.earn(session, holder_id, 30, at=JANUARY)
        issuer.spend(session, holder_id, 60, at=JANUARY)
        both = {first.id: None, second.id: 5}
        undo(Reversal(uuid4(), holder_id, {first.id: 30}, "operator:1", "once"))
        corrected = "correction", "request", "operator:2"
        undo(Reversal(uuid4(), holder_id, both, "operator:1", "twice", *corrected))
        found = points(session, holder_id)
        postings = session.execute(
            select(Posting.kind, Posting.request_id, Posting.approved_by, Posting.transfer_count)
            .join(Transfer, Transfer.posting_id == Posting.id)
            .where(Transfer.holder_id == holder_id, Transfer.reverses_id.is_not(None))
            .order_by(Posting.kind, Transfer.id)
        ).all()
        return found.balance, found.debt, lots(session, holder_id), postings

    def alone(reversal: Reversal) -> None:
        id_, *_ = reversal
        named = reversal._asdict() | {"now": JANUARY}
        del named["id"]
        reverse(session, id_, **named)

    at_once = stands_after(lambda reversal: reverse_many(session, [reversal], now=JANUARY))

    assert at_once == stands_after(alone)
    assert at_once[:2] == (0, 35)


def test_the_same_reversals_again_are_a_retry_whoever_wrote_them(session):
    transfers = all_earned(session, 3)
    reversals = [of(transfers[0]), of(transfers[1], amount=4), of(transfers[2])]
    id_, holder_id, amounts, actor, reason, *_ = reversals[0]
    reverse(session, id_, holder_id=holder_id, amounts=amounts, actor=actor, reason=reason, now=NOW)

    answers = [reverse_many(session, reversals, now=NOW) for _ in range(2)]

    assert [[each.written for each in answer] for answer in answers] == [
        [False, True, True],
        [False, False, False],
    ]
    assert [balance(session, each.holder_id) for each in transfers] == [0, 6, 0]


def test_an_id_stands_for_one_content(session):
    first, second = all_earned(session, 2)
    id_ = uuid4()
    reverse_many(session, [of(first, id_=id_)], now=NOW)

    with pytest.raises(PostingReused):
        reverse_many(session, [of(second, id_=id_)], now=NOW)
    with pytest.raises(PostingReused):
        reverse_many(session, [of(first, id_=id_, amount=3)], now=NOW)


def test_several_reversals_of_one_transfer_add_up_to_it_at_most(session):
    (transfer,) = all_earned(session, 1)
    reverse_many(session, [of(transfer, amount=3)], now=NOW)

    with pytest.raises(NotReversible) as refusal:
        reverse_many(session, [of(transfer, amount=4), of(transfer, amount=4)], now=NOW)
    answers = reverse_many(session, [of(transfer, amount=4), of(transfer)], now=NOW)

    assert refusal.value.transfer_ids == [str(transfer.id)]
    assert [answer.written for answer in answers] == [True, True]
    assert balance(session, transfer.holder_id) == 0


def test_all_that_is_refused_is_named_and_nothing_is_written(session):
    fine, gone, *_ = transfers = all_earned(session, 3)
    reverse_many(session, [of(gone)], now=NOW)
    undone = session.scalars(select(Transfer).where(Transfer.reverses_id == gone.id)).one()
    spend = spending(session, fine.holder_id, 4)
    post(session, spend, now=NOW)
    spent = session.scalars(select(Transfer).where(Transfer.posting_id == spend.id)).one()

    with pytest.raises(NotReversible) as refusal:
        reverse_many(session, [of(one) for one in (fine, gone, undone, spent)], now=NOW)

    assert set(refusal.value.transfer_ids) == {str(one.id) for one in (gone, undone, spent)}
    assert [balance(session, one.holder_id) for one in transfers] == [6, 0, 10]


def test_somebody_elses_transfer_is_unknown(session):
    mine, other = all_earned(session, 2)

    with pytest.raises(UnknownTransfer) as refusal:
        reverse_many(session, [of(mine), of(other)._replace(holder_id=mine.holder_id)], now=NOW)

    assert refusal.value.transfer_ids == [str(other.id)]


@pytest.mark.parametrize("amount", [0, -1, 1.0, 2**53 + 1])
def test_an_amount_is_a_whole_number_of_at_least_one(session, amount):
    (transfer,) = all_earned(session, 1)

    with pytest.raises(InvalidAmount):
        reverse_many(session, [of(transfer, amount=amount)], now=NOW)


def test_what_was_spent_becomes_a_debt(session):
    holder_id = a_resident(session)
    transfer = earned(session, holder_id, 80)
    post(session, spending(session, holder_id, 50), now=NOW)

    reverse_many(session, [of(transfer)], now=NOW)

    assert (balance(session, holder_id), debt(session, holder_id)) == (0, 50)


def test_a_closed_account_is_refused(session):
    transfer, other = all_earned(session, 2)
    session.execute(
        update(Account).where(Account.holder_id == transfer.holder_id).values(closed_at=NOW)
    )

    with pytest.raises(UnknownAccount) as refusal:
        reverse_many(session, [of(transfer), of(other)], now=NOW)

    assert refusal.value.account_ids == [str(transfer.credit_account_id)]


def test_everything_adds_up_afterwards_also_where_lots_split_a_transfer(fresh_database):
    def work(session: Session) -> int:
        issuer = Issuer.opened(session)
        reversals = []
        for _ in range(3):
            holder_id = issuer.resident(session)
            early = issuer.earn(session, holder_id, 50, at=JANUARY)
            issuer.earn(session, holder_id, 50, at=JANUARY.replace(month=3))
            issuer.spend(session, holder_id, 30, at=JANUARY)
            reversals.append(of(early))
        reverse_many(session, reversals, now=JANUARY)
        return len(written_under(session, reversals[0]))

    assert fresh_database.transact(work) == 2  # 20 left in its own lot, 30 of the next.
    with fresh_database.snapshot() as session:
        assert list(audit(session)) == []
