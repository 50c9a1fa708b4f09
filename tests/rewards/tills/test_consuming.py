"""A voucher is taken once, where and while it is good; the programme owes for it at once."""

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select, text, update

from ledgers.accounts import CLEARING, account_key
from ledgers.models import Transfer
from rewards.errors import ConsumptionReused, UnknownVoucher, VoucherConsumed, VoucherLapsed
from rewards.merchants.errors import UnknownScanner, UnknownShop
from rewards.models import Voucher, WebhookEndpoint, WebhookMessage
from rewards.tills.consuming import consume_many, hashes_of
from rewards.tills.deciding import Refused, Taking
from rewards.tills.errors import (
    ScannerRetired,
    VoucherCancelled,
    VoucherExpired,
    VoucherNotHere,
    VoucherRefunded,
)
from rewards.voucher_codes import code_sha256, voucher_code
from tests.makers import CODES, NOW
from tests.rewards.tills.tilling import Counter, a_counter

KEY = b"k" * 32
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)


@pytest.fixture
def counter(session):
    return a_counter(session)


def of_code(session, code):
    return session.get_one(Voucher, code_sha256(code), populate_existing=True)


def test_a_voucher_is_taken_once_and_the_second_is_told_when_where_and_by_which(counter):
    code, shop_id, id_ = counter.code(), counter.shop_id, uuid4()
    counter.take(code, id_, shop_id=shop_id)

    with pytest.raises(VoucherConsumed) as refusal:
        counter.take(code, now=NOW + MINUTE)

    assert refusal.value.consumed_at == NOW.isoformat()
    assert (refusal.value.consumption_id, refusal.value.shop_id) == (id_, shop_id)
    assert refusal.value.shop == ("一号店", "First shop")


def test_where_no_shop_was_named_the_refusal_says_so(counter):
    code = counter.code()
    counter.take(code)

    with pytest.raises(VoucherConsumed) as refusal:
        counter.take(code)

    assert refusal.value.shop_id is None
    assert refusal.value.shop[1] == "a shop that was not named"


def test_the_same_consumption_again_answers_the_same_and_owes_once(counter):
    code, id_ = counter.code(), uuid4()

    answers = [counter.take(code, id_, now=NOW + n * MINUTE) for n in range(3)]

    assert answers[0] == answers[1] == answers[2]
    assert counter.lines() == [("consumption", 1_500)]


def test_what_is_owed_is_in_the_ledger_too(session, counter):
    counter.take(counter.code())

    owed = account_key(counter.merchant_id, "fen", CLEARING).id
    query = select(Transfer.amount).where(
        Transfer.holder_id == counter.merchant_id, Transfer.credit_account_id == UUID(owed)
    )
    assert session.scalars(query).all() == [1_500]


def test_a_free_voucher_has_a_line_of_nothing(session):
    counter = a_counter(session, settlement_fen=0)
    counter.take(counter.code())

    assert counter.lines() == [("consumption", 0)]


def test_the_id_of_a_consumption_stands_for_one_voucher(counter):
    id_, other = uuid4(), counter.code()
    counter.take(counter.code(), id_)

    with pytest.raises(ConsumptionReused):
        counter.take(other, id_)

    assert counter.take(other).offer_id == counter.offer_id


def test_another_merchants_voucher_is_unknown(session, counter):
    code = a_counter(session).code()

    with pytest.raises(UnknownVoucher):
        counter.take(code)


def test_a_merchants_own_code_is_taken_as_it_was_written(session):
    counter = a_counter(session, kind="pool_code")
    counter.pool("ABC-def-1")
    assert counter.code() == "ABC-def-1"

    with pytest.raises(UnknownVoucher):
        counter.take("abc-DEF-1")
    taken = counter.take("  ＡBC-def-1 ")

    assert taken.offer_id == counter.offer_id
    with pytest.raises(VoucherConsumed):
        counter.take("ABC-def-1")


def test_the_same_pool_code_of_two_merchants_is_two_vouchers(session):
    counters = [a_counter(session, kind="pool_code") for _ in range(2)]
    for each in counters:
        each.pool("1234")
        each.code()

    assert [each.take("1234").offer_id for each in counters] == [each.offer_id for each in counters]


def test_a_voucher_is_good_until_its_end_and_no_longer(session):
    counter = a_counter(session, valid_days=3)
    bought = [counter.buy() for _ in range(2)]
    ends = bought[0].expires_at
    assert ends is not None

    counter.take(bought[0].voucher_code, now=ends - timedelta(microseconds=1))
    with pytest.raises(VoucherExpired) as refusal:
        counter.take(bought[1].voucher_code, now=ends)

    assert datetime.fromisoformat(refusal.value.expires_at) == ends


@pytest.mark.parametrize(
    ("ended", "error"),
    [
        ({"lapsed_at": NOW}, VoucherLapsed),
        ({"cancelled_at": NOW}, VoucherCancelled),
        ({"expires_at": NOW, "expired_at": NOW + HOUR}, VoucherExpired),
    ],
    ids=["lapsed", "cancelled", "expired"],
)
def test_a_voucher_that_ended_otherwise_is_not_taken(session, counter, ended, error):
    code = counter.code()
    which = Voucher.code_sha256 == code_sha256(code)
    session.execute(update(Voucher).where(which).values(ended))

    with pytest.raises(error):
        counter.take(code)

    assert counter.lines() == []


def test_a_refunded_voucher_says_so(session, counter):
    code = counter.code()
    counter.take(code)
    which = Voucher.code_sha256 == code_sha256(code)
    session.execute(update(Voucher).where(which).values(refunded_at=NOW + HOUR))

    with pytest.raises(VoucherRefunded) as refusal:
        counter.take(code)

    assert refusal.value.refunded_at == (NOW + HOUR).isoformat()


def test_a_voucher_of_one_shop_is_taken_there_alone(session):
    first = a_counter(session)
    elsewhere = first.another_shop()
    counter = a_counter(session, merchant_id=first.merchant_id, shop_ids=[elsewhere])
    code, at_home = counter.code(), counter.scanner(shop_id=elsewhere)

    for shop_id in (None, first.shop_id):
        with pytest.raises(VoucherNotHere) as refusal:
            counter.take(code, shop_id=shop_id)
        assert refusal.value.shop_ids == [str(elsewhere)]

    assert counter.take(code, scanner_id=at_home).shop_id == elsewhere


def test_a_till_that_is_none_of_the_merchants_takes_nothing(session, counter):
    code, other = counter.code(), a_counter(session)
    retired = counter.scanner(retired_at=NOW)
    for till, error in (
        ({"shop_id": other.shop_id}, UnknownShop),
        ({"shop_id": uuid4()}, UnknownShop),
        ({"scanner_id": other.scanner()}, UnknownScanner),
        ({"scanner_id": retired}, ScannerRetired),
    ):
        with pytest.raises(error):
            counter.take(code, **till)

    assert counter.take(code).shop_id is None


def test_it_is_by_the_version_that_was_redeemed(session, counter):
    code = counter.code()
    session.execute(
        text(
            "INSERT INTO offer_version SELECT (jsonb_populate_record(v, jsonb_build_object("
            "'version', 2, 'title_zh', '新', 'shop_ids', ARRAY[:id], 'settlement_fen', 1)"
            ")).* FROM offer_version AS v WHERE offer_id = :offer"
        ),
        {"offer": counter.offer_id, "id": str(uuid4())},
    )
    session.execute(
        text("UPDATE offer SET version = 2 WHERE id = :offer"), {"offer": counter.offer_id}
    )

    taken = counter.take(code)

    assert (taken.version, taken.title_zh) == (1, "咖啡一杯")
    assert counter.lines() == [("consumption", 1_500)]


def test_the_merchants_systems_are_told(session, counter):
    endpoint = WebhookEndpoint(
        id=uuid4(), merchant_id=counter.merchant_id, url="https://example.org/",
        kinds=["voucher.consumed"], made_by="tests", made_at=NOW,
    )  # fmt: skip
    session.add(endpoint)
    session.flush()
    bought = counter.buy()

    taken = counter.take(bought.voucher_code)

    query = select(WebhookMessage.body).where(WebhookMessage.endpoint_id == endpoint.id)
    (body,) = session.scalars(query)
    assert str(taken.id) in body
    assert str(bought.id) in body
    assert bought.voucher_code not in body


def takings(counter: Counter, codes):
    return [Taking(uuid4(), hashes_of(counter.merchant_id, code, CODES), NOW) for code in codes]


def test_many_are_each_answered_in_their_order(session, counter):
    good = [counter.code() for _ in range(3)]
    many = takings(counter, [good[2], "nonsense", good[0], good[2], good[1]])

    answers = consume_many(session, many, merchant_id=counter.merchant_id, now=NOW, actor="clerk")

    refused = [type(each.error) if isinstance(each, Refused) else None for each in answers]
    assert refused == [None, UnknownVoucher, None, VoucherConsumed, None]
    assert answers[3].error.consumption_id == many[0].id
    assert counter.lines() == [("consumption", 1_500)] * 3
    assert [of_code(session, code).consumption_id for code in good] == [
        many[2].id, many[4].id, many[0].id
    ]  # fmt: skip


def test_many_again_are_answered_the_same(session, counter):
    many = takings(counter, [counter.code(), counter.code(), "nonsense"])
    first, again = (
        consume_many(session, many, merchant_id=counter.merchant_id, now=at, actor="clerk")
        for at in (NOW, NOW + HOUR)
    )

    assert first[:2] == again[:2]
    assert len(counter.lines()) == 2


def test_a_hundred_take_no_more_statements_than_ten(session, counter, statements):
    sent = []
    for count in (10, 100):
        many = takings(counter, [counter.code() for _ in range(count)])
        with statements() as seen:
            consume_many(session, many, merchant_id=counter.merchant_id, now=NOW, actor="clerk")
        sent.append(len(seen))

    assert sent[0] == sent[1] <= 25


def test_taking_one_names_it_in_so_many_words(session, counter, statements):
    """Or Citus would ask every shard for the voucher."""
    code = counter.code()

    with statements() as seen:
        counter.take(code)

    assert not [sql for sql in seen if "unnest" in sql and "voucher" in sql]


def test_typing_is_forgiven(counter):
    code = counter.code()
    typed = " " + code.lower().replace("-", " ").replace("0", "o").replace("1", "l")

    assert counter.take(typed)


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
    code = database.transact(lambda s: a_counter(s).code())
    letters = code.replace("-", "")

    def dump(session) -> str:
        tables = ("voucher", "redemption", "posting", "transfer", "consumption", "settlement_line")
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
    def buy(session):
        counter = a_counter(session)
        return counter.code(), counter.merchant_id, counter.offer_id

    code, merchant_id, offer_id = database.transact(buy)

    def take(_: int) -> bool:
        try:
            database.transact(lambda s: Counter(s, merchant_id, offer_id).take(code))
        except VoucherConsumed:
            return False
        return True

    with ThreadPoolExecutor(10) as pool:
        assert list(pool.map(take, range(10))).count(True) == 1
    assert database.transact(lambda s: len(Counter(s, merchant_id, offer_id).lines())) == 1


def test_lists_that_cross_each_other_lock_no_voucher_twice(database):
    """The same vouchers, in another order and under other ids: each is taken by one of the two."""

    def stock(session):
        counter = a_counter(session)
        return counter.merchant_id, [counter.code() for _ in range(30)]

    merchant_id, codes = database.transact(stock)

    def take(order):
        many = [Taking(uuid4(), hashes_of(merchant_id, code, CODES), NOW) for code in order]
        answers = database.transact(
            lambda s: consume_many(s, many, merchant_id=merchant_id, now=NOW, actor="clerk")
        )
        return sum(not isinstance(each, Refused) for each in answers)

    with ThreadPoolExecutor(4) as pool:
        taken = list(pool.map(take, [codes, codes[::-1]] * 4))
    assert sum(taken) == 30
