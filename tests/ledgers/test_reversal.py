"""A mistake is answered by a reversal; what was spent meanwhile becomes a debt."""

from uuid import uuid4

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from ledgers.errors import InsufficientPoints, NotReversible, PostingReused, UnknownTransfer
from ledgers.models import Transfer
from ledgers.posting import post
from ledgers.reversal import reverse
from tests.makers import NOW, a_resident, balance, debt, earning, spending


def earned(session: Session, holder_id, points: int):
    posting = earning(session, holder_id, points)
    post(session, posting, now=NOW)
    return session.scalars(select(Transfer.id).where(Transfer.posting_id == posting.id)).one()


def spend(session: Session, holder_id, points: int) -> None:
    post(session, spending(session, holder_id, points), now=NOW)


def undo(session: Session, holder_id, transfer_ids, reversal_id=None):
    return reverse(
        session,
        reversal_id or uuid4(),
        holder_id=holder_id,
        amounts=dict.fromkeys(transfer_ids),
        actor="operator:1",
        reason="wrong factor",
        now=NOW,
    )


def test_a_reversal_takes_back_and_names_what_it_reverses(session):
    holder_id = a_resident(session)
    transfer_id = earned(session, holder_id, 80)

    posted = undo(session, holder_id, [transfer_id])

    reversal = session.scalars(select(Transfer).where(Transfer.posting_id == posted.id)).one()
    assert reversal.reverses_id == transfer_id
    assert balance(session, holder_id) == 0


def test_the_same_reversal_again_is_a_retry(session):
    holder_id = a_resident(session, points=10)
    transfer_id = earned(session, holder_id, 80)
    reversal_id = uuid4()

    answers = [undo(session, holder_id, [transfer_id], reversal_id) for _ in range(2)]

    assert [answer.written for answer in answers] == [True, False]
    assert balance(session, holder_id) == 10


def test_a_transfer_is_reversed_once(session):
    holder_id = a_resident(session, points=10)
    transfer_id = earned(session, holder_id, 80)
    undo(session, holder_id, [transfer_id])

    with pytest.raises(NotReversible) as refusal:
        undo(session, holder_id, [transfer_id])

    assert refusal.value.transfer_ids == [str(transfer_id)]
    assert balance(session, holder_id) == 10


def test_a_reversal_is_not_reversed(session):
    holder_id = a_resident(session)
    posted = undo(session, holder_id, [earned(session, holder_id, 80)])
    reversal = session.scalars(select(Transfer.id).where(Transfer.posting_id == posted.id)).one()

    with pytest.raises(NotReversible):
        undo(session, holder_id, [reversal])


def test_somebody_elses_transfer_is_unknown(session):
    holder_id, other = a_resident(session), a_resident(session)
    transfer_id = earned(session, holder_id, 80)

    with pytest.raises(UnknownTransfer):
        undo(session, other, [transfer_id])


def test_the_id_of_a_reversal_stands_for_one_content(session):
    holder_id = a_resident(session)
    first, second = earned(session, holder_id, 80), earned(session, holder_id, 5)
    reversal_id = uuid4()
    undo(session, holder_id, [first], reversal_id)

    with pytest.raises(PostingReused):
        undo(session, holder_id, [second], reversal_id)


def test_points_already_spent_become_a_debt_that_earnings_pay_first(session):
    holder_id = a_resident(session)
    transfer_id = earned(session, holder_id, 80)
    spend(session, holder_id, 50)

    undo(session, holder_id, [transfer_id])

    assert (balance(session, holder_id), debt(session, holder_id)) == (0, 50)
    with pytest.raises(InsufficientPoints) as refusal, session.begin_nested():
        spend(session, holder_id, 1)
    assert refusal.value.owed_points == 50
    earned(session, holder_id, 30)
    assert (balance(session, holder_id), debt(session, holder_id)) == (0, 20)
    earned(session, holder_id, 30)
    assert (balance(session, holder_id), debt(session, holder_id)) == (10, 0)


def test_a_reversed_spend_gives_the_points_back(session):
    holder_id = a_resident(session, points=100)
    spend(session, holder_id, 60)
    spent = session.scalars(
        select(Transfer.id).where(Transfer.holder_id == holder_id, Transfer.kind == "spend")
    ).one()

    undo(session, holder_id, [spent])

    assert balance(session, holder_id) == 100
