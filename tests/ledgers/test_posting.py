"""What post() keeps true, shown on a real database."""

from dataclasses import replace
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from ledgers.accounts import ISSUED, PERSONAL, account_key, open_personal
from ledgers.errors import (
    InsufficientPoints,
    InvalidAmount,
    PostingOutOfBounds,
    PostingReused,
    UnknownAccount,
    WrongUnit,
)
from ledgers.models import Account, Posting, Transfer
from ledgers.posting import AMOUNT_MAX, TRANSFERS_MAX, post
from tests.makers import NOW, a_resident, balance, earning, spending


def rows(session: Session, posting_id) -> int:
    query = select(func.count()).select_from(Transfer).where(Transfer.posting_id == posting_id)
    return session.scalar(query)


def test_a_posting_moves_its_amounts(session):
    holder_id = a_resident(session)

    posted = post(session, earning(session, holder_id, 70), now=NOW)

    assert posted.written
    assert balance(session, holder_id) == 70


def test_the_same_posting_again_is_a_retry_and_writes_nothing(session):
    holder_id = a_resident(session)
    posting = earning(session, holder_id, 70)

    answers = [post(session, posting, now=NOW) for _ in range(3)]

    assert [answer.written for answer in answers] == [True, False, False]
    assert balance(session, holder_id) == 70
    assert rows(session, posting.id) == 1


def test_the_same_id_with_other_content_is_refused(session):
    holder_id = a_resident(session)
    posting = earning(session, holder_id, 70)
    post(session, posting, now=NOW)
    other = replace(posting, transfers=[posting.transfers[0]._replace(amount=71)])

    for changed in (other, replace(posting, actor="somebody else"), replace(posting, reason="x")):
        with pytest.raises(PostingReused):
            post(session, changed, now=NOW)

    assert balance(session, holder_id) == 70


def test_a_guarded_account_never_pays_more_than_it_has(session):
    holder_id = a_resident(session, points=50)
    posting = spending(session, holder_id, 51)

    with pytest.raises(InsufficientPoints) as refusal, session.begin_nested():
        post(session, posting, now=NOW)

    assert (refusal.value.have_points, refusal.value.need_points) == (50, 51)
    assert balance(session, holder_id) == 50
    assert session.get(Posting, posting.id) is None
    post(session, spending(session, holder_id, 50), now=NOW)
    assert balance(session, holder_id) == 0


@pytest.mark.parametrize("amount", [0, -1, AMOUNT_MAX + 1, 1.5, True, "7"])
def test_an_amount_is_a_whole_positive_number(session, amount):
    holder_id = a_resident(session)
    posting = earning(session, holder_id, 1)
    wrong = replace(posting, transfers=[posting.transfers[0]._replace(amount=amount)])

    with pytest.raises(InvalidAmount):
        post(session, wrong, now=NOW)

    assert session.get(Posting, posting.id) is None


def test_two_accounts_of_different_units_are_refused(session):
    holder_id = a_resident(session)
    posting = earning(session, holder_id, 5)
    mixed = posting.transfers[0]._replace(credit=account_key(holder_id, "mg_co2e", PERSONAL))

    with pytest.raises(WrongUnit) as refusal:
        post(session, replace(posting, transfers=[mixed]), now=NOW)

    assert (refusal.value.debit_unit, refusal.value.credit_unit) == ("point", "mg_co2e")


def test_unknown_accounts_are_refused_and_listed(session):
    stranger = uuid4()

    with pytest.raises(UnknownAccount) as refusal, session.begin_nested():
        post(session, earning(session, stranger, 5), now=NOW)

    assert refusal.value.account_ids == [str(UUID(account_key(stranger, "point", PERSONAL).id))]


def test_an_unknown_system_account_is_refused(session):
    holder_id = a_resident(session)
    posting = earning(session, holder_id, 5)
    elsewhere = posting.transfers[0]._replace(debit=account_key(uuid4(), "point", ISSUED))

    with pytest.raises(UnknownAccount):
        post(session, replace(posting, transfers=[elsewhere]), now=NOW)


def test_a_closed_account_takes_nothing(session):
    holder_id = a_resident(session)
    for account in session.scalars(select(Account).where(Account.holder_id == holder_id)):
        account.closed_at = NOW
    session.flush()

    with pytest.raises(UnknownAccount):
        post(session, earning(session, holder_id, 5), now=NOW)


def test_thousands_of_transfers_cost_as_many_statements_as_one(session, statements):
    holders = [uuid4() for _ in range(3_000)]
    open_personal(session, holders, now=NOW)
    single = earning(session, holders[0], 5)
    many = [
        single.transfers[0]._replace(credit=account_key(h, "point", PERSONAL), holder_id=h)
        for h in holders
    ]

    with statements() as for_one:
        post(session, single, now=NOW)
    with statements() as for_many:
        post(session, replace(single, id=uuid4(), transfers=many), now=NOW)

    assert len(for_many) <= len(for_one) + 1 <= 8, "many need their plan fixed"
    assert balance(session, holders[-1]) == 5
    assert balance(session, holders[0]) == 10


def test_ids_rise_in_the_order_given_and_places_are_drawn(session):
    """A statement reads in the order of ids; the log, which is public, in that of places."""
    holder_id = a_resident(session)
    posting = earning(session, holder_id, 5)
    three = [posting.transfers[0]._replace(amount=n) for n in (3, 1, 2)]

    post(session, replace(posting, transfers=three), now=NOW)

    found = session.scalars(
        select(Transfer).where(Transfer.posting_id == posting.id).order_by(Transfer.id)
    ).all()
    assert [t.amount for t in found] == [3, 1, 2]
    assert sorted(t.position for t in found) == [0, 1, 2]


def test_places_in_a_posting_do_not_follow_its_order(session):
    holder_id = a_resident(session)
    posting = earning(session, holder_id, 5)
    many = [posting.transfers[0]._replace(amount=n) for n in range(1, 101)]

    post(session, replace(posting, transfers=many), now=NOW)

    query = select(Transfer.position).where(Transfer.posting_id == posting.id)
    places = session.scalars(query.order_by(Transfer.id)).all()
    assert sorted(places) == list(range(100))
    assert places != sorted(places)


@pytest.mark.parametrize("count", [0, TRANSFERS_MAX + 1])
def test_a_posting_above_its_bound_is_refused(session, count):
    holder_id = a_resident(session)
    posting = earning(session, holder_id, 5)

    with pytest.raises(PostingOutOfBounds) as refusal:
        post(session, replace(posting, transfers=posting.transfers * count), now=NOW)

    assert (refusal.value.transfers, refusal.value.transfers_max) == (count, TRANSFERS_MAX)
    assert session.get(Posting, posting.id) is None


def test_each_transfer_is_stored_as_it_was_given(session):
    """Whatever its neighbours in the posting share with it."""
    first, second = a_resident(session), a_resident(session)
    posting = earning(session, first, 5)
    given = [
        posting.transfers[0]._replace(
            holder_id=holder_id,
            credit=account_key(holder_id, "point", PERSONAL),
            amount=amount,
            kind=kind,
            occurred_at=NOW + timedelta(minutes=amount),
        )
        for holder_id, amount, kind in [(first, 1, "a"), (second, 2, "b"), (first, 3, "c")]
    ]

    post(session, replace(posting, transfers=given), now=NOW)

    rows = session.scalars(
        select(Transfer).where(Transfer.posting_id == posting.id).order_by(Transfer.id)
    )
    assert [
        (r.holder_id, r.unit, r.debit_account_id.hex, r.credit_account_id.hex, r.amount, r.kind,
         r.reference, r.occurred_at, r.reverses_id)
        for r in rows
    ] == [
        (t.holder_id, "point", t.debit.id, t.credit.id, t.amount, t.kind,
         t.reference, t.occurred_at, None)
        for t in given
    ]  # fmt: skip
    with pytest.raises(PostingReused):
        post(session, replace(posting, transfers=given[::-1]), now=NOW)
