"""What a till took by mistake goes back on the same day; the voucher is good again."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from sqlalchemy import update

from rewards.errors import UnknownConsumption, VoucherConsumed
from rewards.models import Consumption, Voucher
from rewards.tills.errors import ReversalTooLate, VoucherRefunded
from rewards.tills.reversing import reverse_consumption
from rewards.voucher_codes import code_sha256
from tests.makers import NOW
from tests.rewards.tills.tilling import a_counter

ZONE = "Asia/Shanghai"
EVENING = datetime(2026, 11, 21, 15, 59, 59, tzinfo=UTC)  # A second before midnight in Shanghai.
MIDNIGHT = EVENING + timedelta(seconds=1)


@pytest.fixture
def counter(session):
    return a_counter(session)


def reverse(counter, id_, *, now=NOW, merchant_id=None):
    return reverse_consumption(
        counter.session,
        id_,
        merchant_id=merchant_id or counter.merchant_id,
        zone=ZONE,
        now=now,
        actor="clerk",
    )


def test_a_voucher_that_was_given_back_is_good_again(session, counter):
    code = counter.code()
    taken = counter.take(code)

    given_back = reverse(counter, taken.id, now=NOW + timedelta(hours=1))
    again = counter.take(code, now=NOW + timedelta(hours=2))

    assert given_back.reversed_at == NOW + timedelta(hours=1)
    assert again.id != taken.id
    assert counter.lines() == [("consumption", 1_500), ("reversal", -1_500), ("consumption", 1_500)]
    row = session.get_one(Consumption, taken.id, populate_existing=True)
    assert (row.reversed_at, row.reversed_by) == (NOW + timedelta(hours=1), "clerk")


def test_the_same_again_answers_the_same_and_takes_no_more_back(counter):
    taken = counter.take(counter.code())

    answers = [reverse(counter, taken.id, now=NOW + timedelta(minutes=n)) for n in range(3)]
    a_day_later = reverse(counter, taken.id, now=NOW + timedelta(days=2))

    assert [*answers, a_day_later] == [answers[0]] * 4
    assert len(counter.lines()) == 2


def test_the_consumption_that_was_given_back_is_not_taken_by_a_retry(counter):
    code, id_ = counter.code(), uuid4()
    counter.take(code, id_)
    given_back = reverse(counter, id_)

    assert counter.take(code, id_) == given_back
    assert len(counter.lines()) == 2


def test_until_midnight_of_the_programme_and_no_longer(counter):
    first, second = (counter.take(counter.code(), now=EVENING) for _ in range(2))

    assert reverse(counter, first.id, now=EVENING).reversed_at == EVENING
    with pytest.raises(ReversalTooLate) as refusal:
        reverse(counter, second.id, now=MIDNIGHT)

    assert (refusal.value.consumed_on, refusal.value.today) == ("2026-11-21", "2026-11-22")


def test_another_merchant_gives_nothing_back(session, counter):
    taken, other = counter.take(counter.code()), a_counter(session)

    for id_, merchant_id in ((taken.id, other.merchant_id), (uuid4(), counter.merchant_id)):
        with pytest.raises(UnknownConsumption):
            reverse(counter, id_, merchant_id=merchant_id)

    assert len(counter.lines()) == 1


def test_what_the_programme_refunded_is_not_given_back_once_more(session, counter):
    taken = counter.take(counter.code())
    which = Voucher.consumption_id == taken.id
    session.execute(update(Voucher).where(which).values(refunded_at=NOW))

    with pytest.raises(VoucherRefunded):
        reverse(counter, taken.id)


def test_what_was_taken_before_there_were_lines_is_given_back_too(session, counter):
    code, id_ = counter.code(), uuid4()
    hashed = code_sha256(code)
    session.add(
        Consumption(id=id_, code_sha256=hashed, merchant_id=counter.merchant_id, consumed_at=NOW)
    )
    taken = {"consumed_at": NOW, "consumption_id": id_}
    session.execute(update(Voucher).where(Voucher.code_sha256 == hashed).values(taken))

    reverse(counter, id_)

    assert counter.lines() == []
    assert counter.take(code)


def test_what_was_taken_again_is_not_given_back_by_the_first_id(counter):
    code = counter.code()
    first = counter.take(code)
    reverse(counter, first.id)
    counter.take(code)

    reverse(counter, first.id)

    with pytest.raises(VoucherConsumed):
        counter.take(code)
