"""Codes: 80 bits, typed by hand, stored hashed, used once."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text

from rewards.errors import ConsumptionReused, UnknownVoucher, VoucherConsumed
from rewards.redeeming.redemption import redeem
from rewards.tills.consuming import consume
from rewards.voucher_codes import code_sha256, voucher_code
from tests.makers import NOW, a_resident, an_offer

KEY = b"k" * 32


@pytest.fixture
def bought(session):
    """(code, merchant id) of a fresh voucher."""
    return buy(session)


def buy(session):
    holder_id, offer = a_resident(session, points=200), an_offer(session)
    done = redeem(
        session,
        uuid4(),
        holder_id=holder_id,
        programme_holder_id=offer.programme_holder_id,
        offer_id=offer.id,
        code_key=KEY,
        now=NOW,
    )
    return done.voucher_code, offer.merchant_id


def taken(session, code, merchant_id, consumption_id=None, *, now=NOW):
    return consume(session, consumption_id or uuid4(), merchant_id=merchant_id, code=code, now=now)


def test_a_voucher_is_taken_once(session, bought):
    code, merchant_id = bought
    first = taken(session, code, merchant_id)

    with pytest.raises(VoucherConsumed) as refusal:
        taken(session, code, merchant_id, now=NOW + timedelta(minutes=1))

    assert refusal.value.consumed_at == first.consumed_at.isoformat()


def test_the_same_consumption_again_answers_the_same(session, bought):
    code, merchant_id = bought
    consumption_id = uuid4()

    answers = [
        taken(session, code, merchant_id, consumption_id, now=NOW + timedelta(seconds=n))
        for n in range(3)
    ]

    assert answers[0] == answers[1] == answers[2]


def test_the_id_of_a_consumption_stands_for_one_voucher(session, bought):
    consumption_id = uuid4()
    taken(session, *bought, consumption_id)
    code, merchant_id = buy(session)

    with pytest.raises(ConsumptionReused), session.begin_nested():
        taken(session, code, merchant_id, consumption_id)

    assert taken(session, code, merchant_id).offer_id


def test_another_merchants_voucher_is_unknown(session, bought):
    code, merchant_id = bought

    with pytest.raises(UnknownVoucher):
        taken(session, code, uuid4())

    assert taken(session, code, merchant_id)


def test_typing_is_forgiven(session, bought):
    code, merchant_id = bought
    typed = " " + code.lower().replace("-", " ").replace("0", "o").replace("1", "l")

    assert taken(session, typed, merchant_id)


@given(st.uuids(), st.integers(0, 16), st.sampled_from("0123456789ABCDEFGHJKMNPQRSTVWXYZ"))
def test_one_mistyped_letter_is_found(redemption_id, place, letter):
    code = voucher_code(KEY, redemption_id).replace("-", "")
    mistyped = code[:place] + letter + code[place + 1 :]

    same_modulo_31 = {code[place], letter} == {"0", "Z"}
    if letter != code[place] and not same_modulo_31:
        assert code_sha256(mistyped) is None


@pytest.mark.parametrize("typed", ["", "-", "ABCD", "U" * 17, "é" * 17, "0" * 1_000])
def test_nonsense_is_no_code(typed):
    assert code_sha256(typed) is None


def test_a_code_depends_on_the_key_and_on_the_redemption():
    one, other = UUID(int=1), UUID(int=2)
    codes = {voucher_code(key, id_) for key in (KEY, b"x" * 32) for id_ in (one, other)}

    assert len(codes) == 4


def test_the_code_itself_is_stored_nowhere(database):
    """A dump of every table of rewards and ledger does not hold it, as text or as bytes."""
    code, _ = database.transact(buy)
    letters = code.replace("-", "")

    def dump(session) -> str:
        tables = ("voucher", "redemption", "posting", "transfer", "consumption")
        return " ".join(
            str(row)
            for table in tables
            for row in session.execute(text(f"SELECT t::text FROM {table} AS t"))
        )

    stored = database.transact(dump)
    assert code_sha256(code).hex() in stored
    for form in (code, letters, letters[:-1], letters.encode().hex(), letters[:-1].encode().hex()):
        assert form not in stored


def test_of_many_tills_one_takes_the_voucher(database):
    code, merchant_id = database.transact(buy)

    def take(_: int) -> bool:
        try:
            database.transact(lambda s: taken(s, code, merchant_id))
        except VoucherConsumed:
            return False
        return True

    with ThreadPoolExecutor(10) as pool:
        assert list(pool.map(take, range(10))).count(True) == 1
