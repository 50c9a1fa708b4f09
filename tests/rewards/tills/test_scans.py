"""A live code is read once, and lets one till act for its resident for some minutes."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from uuid import uuid4

import pytest

from ledgers.closing import close_holder
from ledgers.errors import AccountClosed
from rewards.errors import UnknownOffer, UnknownRedemption, VoucherConsumed
from rewards.merchants.errors import UnknownShop
from rewards.tills import code_devices
from rewards.tills.code_devices import LIVE_MAX, add_device, devices, end_device, tells_key
from rewards.tills.errors import (
    CodeDeviceEnded,
    CodeDeviceReused,
    LiveCodeOffTime,
    LiveCodeUsed,
    NotForTills,
    ResidentGone,
    ResidentLacksPoints,
    ScanOver,
    ScanReused,
    TooManyCodeDevices,
    UnknownCodeDevice,
    UnknownLiveCode,
    UnknownScan,
    VoucherNotHere,
)
from rewards.tills.live_codes import LiveCode, device_key, step_of, written
from rewards.tills.scans import (
    OPEN_FOR,
    Till,
    consume_here,
    get_scan,
    hash_of,
    open_scan,
    redeem_here,
)
from rewards.tills.showing import seen
from service.buyers import buyer_of
from tests.makers import CODES, NOW, a_buyer, a_resident, balance, programme_holder
from tests.rewards.tills.tilling import a_counter

ROOT = b"r" * 32
STEP, MINUTE = timedelta(seconds=30), timedelta(minutes=1)


@pytest.fixture
def counter(session):
    return a_counter(session)


@pytest.fixture
def holder_id(session):
    return a_resident(session, points=500)


@pytest.fixture
def phone(session, holder_id):
    return a_phone(session, holder_id)


def a_phone(session, holder_id, *, name="phone"):
    return add_device(session, uuid4(), holder_id=holder_id, name=name, now=NOW).id


def shown(phone, *, at=NOW) -> str:
    return written(device_key(ROOT, phone), LiveCode(phone, step_of(at)))


def scan(counter, sent, *, now=NOW, id_=None, **till):
    till = Till(till.pop("merchant_id", counter.merchant_id), "clerk", **till)
    return open_scan(counter.session, id_ or uuid4(), sent, root=ROOT, till=till, now=now)


def redeem(counter, one, *, redemption_id=None, offer_id=None, now=NOW):
    return redeem_here(
        counter.session,
        one,
        redemption_id or uuid4(),
        offer_id=offer_id or counter.offer_id,
        buyer_of=buyer_of,
        codes=CODES,
        till=Till(counter.merchant_id, "clerk"),
        now=now,
    )


def consume(counter, one, redemption_id, *, id_=None, now=NOW):
    hashed = hash_of(counter.session, one, redemption_id, CODES)
    till = Till(counter.merchant_id, "clerk")
    return consume_here(counter.session, one, id_ or uuid4(), hashed=hashed, till=till, now=now)


def close(session, holder_id, *, now):
    issuer_id = programme_holder(session)
    close_holder(session, holder_id, issuer_id=issuer_id, actor="tests", now=now)


def test_a_code_opens_five_minutes_for_its_resident(counter, phone, holder_id):
    one = scan(counter, shown(phone), shop_id=counter.shop_id)

    assert one.holder_id == holder_id
    assert one.ends_at == NOW + OPEN_FOR == NOW + 5 * MINUTE
    assert get_scan(counter.session, one.id, counter.merchant_id) is one


def test_a_code_is_used_once_and_so_are_all_before_it(counter, phone):
    scan(counter, shown(phone))

    for earlier in (shown(phone), shown(phone, at=NOW - STEP)):
        with pytest.raises(LiveCodeUsed) as refusal:
            scan(counter, earlier)
        assert refusal.value.newest_shown_at == NOW.isoformat()
    assert scan(counter, shown(phone, at=NOW + STEP))


def test_the_same_scan_again_is_the_same(counter, phone):
    id_, code = uuid4(), shown(phone)
    first = scan(counter, code, id_=id_)

    assert scan(counter, code, id_=id_, now=NOW + MINUTE) is first
    with pytest.raises(ScanReused):
        scan(counter, shown(phone, at=NOW + STEP), id_=id_)
    with pytest.raises(ScanReused):
        scan(a_counter(counter.session), code, id_=id_)


@pytest.mark.parametrize("off", [-4, -1, 1, 4])
def test_a_phones_clock_may_be_off_by_two_minutes(counter, phone, off):
    assert scan(counter, shown(phone, at=NOW + off * STEP))


@pytest.mark.parametrize("off", [-5, 5, 2_880])
def test_a_code_of_another_time_says_of_which(counter, phone, off):
    with pytest.raises(LiveCodeOffTime) as refusal:
        scan(counter, shown(phone, at=NOW + off * STEP))

    assert refusal.value.shown_at == (NOW + off * STEP).isoformat()
    assert refusal.value.now == NOW.isoformat()


@pytest.mark.parametrize("step", [1, 10**9, 10**12 - 1])
def test_a_phone_whose_clock_is_ages_off_is_refused_like_any_other(counter, phone, step):
    with pytest.raises((LiveCodeOffTime, UnknownLiveCode)):
        scan(counter, written(device_key(ROOT, phone), LiveCode(phone, step)))


def test_a_code_of_no_phone_is_unknown(counter):
    for sent in (shown(uuid4()), "nonsense", shown(uuid4())[:-1] + "!"):
        with pytest.raises(UnknownLiveCode):
            scan(counter, sent)


def test_a_phone_that_was_signed_off_shows_nothing_any_more(counter, phone, holder_id):
    end_device(counter.session, phone, holder_id=holder_id, now=NOW)

    with pytest.raises(CodeDeviceEnded):
        scan(counter, shown(phone))


def test_whoever_closed_the_account_is_gone(counter, phone, holder_id):
    one = scan(counter, shown(phone))
    close(counter.session, holder_id, now=NOW)

    with pytest.raises(ResidentGone):
        scan(counter, shown(phone, at=NOW + STEP))
    with pytest.raises(ResidentGone):
        redeem(counter, one)


def test_the_till_is_the_merchants_own(counter, phone):
    with pytest.raises(UnknownShop):
        scan(counter, shown(phone), shop_id=a_counter(counter.session).shop_id)

    assert scan(counter, shown(phone))  # And the code was not used up.


def test_an_offer_is_redeemed_and_taken_at_once(counter, phone, holder_id):
    one = scan(counter, shown(phone), shop_id=counter.shop_id)

    done = redeem(counter, one)

    assert balance(counter.session, holder_id) == 400
    assert done.redeemed.acted_by == f"till:{counter.merchant_id}"
    assert done.consumed.redemption_id == done.redeemed.id
    assert done.consumed.shop_id == counter.shop_id
    with pytest.raises(VoucherConsumed):
        counter.take(done.redeemed.voucher_code)
    assert counter.lines() == [("consumption", 1_500)]


def test_redeemed_again_is_the_same_after_the_scan_too(counter, phone, holder_id):
    one, id_ = scan(counter, shown(phone)), uuid4()

    first, again, late = (
        redeem(counter, one, redemption_id=id_, now=at) for at in (NOW, NOW, NOW + 10 * MINUTE)
    )

    assert first.redeemed.id == again.redeemed.id == late.redeemed.id
    assert first.consumed == again.consumed == late.consumed
    assert balance(counter.session, holder_id) == 400


def test_after_five_minutes_nothing_new_is_done(counter, phone, holder_id):
    one, bought = scan(counter, shown(phone)), counter.buy(holder_id=holder_id)
    over = one.ends_at

    with pytest.raises(ScanOver):
        redeem(counter, one, now=over)
    with pytest.raises(ScanOver):
        consume(counter, one, bought.id, now=over)
    with pytest.raises(ScanOver):
        seen(counter.session, one, a_buyer(counter.session, holder_id), codes=CODES, now=over)


def test_what_was_bought_before_is_not_taken_after_the_scan_as_if_redeemed_in_it(
    counter, phone, holder_id
):
    one, bought = scan(counter, shown(phone)), counter.buy(holder_id=holder_id)

    with pytest.raises(ScanOver):
        redeem(counter, one, redemption_id=bought.id, now=one.ends_at)

    assert counter.lines() == []
    assert redeem(counter, one, redemption_id=bought.id).redeemed.id == bought.id


def test_where_the_voucher_is_not_taken_no_point_is_spent(session, phone, holder_id):
    first = a_counter(session)
    counter = a_counter(session, merchant_id=first.merchant_id, shop_ids=[first.another_shop()])
    one = scan(counter, shown(phone), shop_id=first.shop_id)

    with pytest.raises(VoucherNotHere), session.begin_nested():
        redeem(counter, one)

    assert balance(session, holder_id) == 500


def test_a_till_learns_that_there_are_too_few_points_and_not_how_many(session, counter):
    poor = a_phone(session, a_resident(session, points=99))

    with pytest.raises(ResidentLacksPoints) as refusal, session.begin_nested():
        redeem(counter, scan(counter, shown(poor)))

    assert vars(refusal.value) == {"need_points": 100}


def test_what_is_another_merchants_is_not_handed_out(session, counter, phone, holder_id):
    other = a_counter(session)
    bought, one = other.buy(holder_id=holder_id), scan(counter, shown(phone))

    with pytest.raises(UnknownOffer):
        redeem(counter, one, offer_id=other.offer_id)
    for id_ in (bought.id, uuid4(), counter.buy().id):
        with pytest.raises(UnknownRedemption):
            consume(counter, one, id_)
    with pytest.raises(UnknownScan):
        get_scan(session, one.id, other.merchant_id)


def test_what_gives_no_voucher_is_not_handed_out(session, counter, phone):
    top_up = a_counter(session, merchant_id=counter.merchant_id, kind="top_up")

    with pytest.raises(NotForTills):
        redeem(counter, scan(counter, shown(phone)), offer_id=top_up.offer_id)


def test_the_residents_vouchers_are_taken_without_their_codes(session, counter, phone, holder_id):
    pool = a_counter(session, merchant_id=counter.merchant_id, kind="pool_code")
    pool.pool("OWN-1")
    bought = [each.buy(holder_id=holder_id) for each in (counter, pool)]
    one = scan(counter, shown(phone))

    taken = [consume(counter, one, each.id) for each in bought]

    assert [each.redemption_id for each in taken] == [each.id for each in bought]
    for each in bought:
        with pytest.raises(VoucherConsumed):
            consume(counter, one, each.id)


def test_the_till_sees_what_it_can_hand_out_and_nothing_else(session, counter, phone, holder_id):
    merchant = counter.merchant_id
    dear = a_counter(session, merchant_id=merchant, price_points=301)
    cheap = a_counter(session, merchant_id=merchant, price_points=50, title_zh="茶", title_en="Tea")
    for kind in ("top_up",):
        a_counter(session, merchant_id=merchant, kind=kind, price_points=1)
    a_counter(session, merchant_id=merchant, state="paused", price_points=1)
    a_counter(session, merchant_id=merchant, stock_units=0, price_points=1)
    a_counter(session, merchant_id=merchant, division_codes=["999999"], price_points=1)
    elsewhere = a_counter(session, merchant_id=merchant, shop_ids=[counter.another_shop()])
    other = a_counter(session, price_points=1)
    mine, used = counter.buy(holder_id=holder_id), counter.buy(holder_id=holder_id)
    counter.take(used.voucher_code)
    other.buy(holder_id=holder_id)
    one = scan(counter, shown(phone), shop_id=counter.shop_id)

    found = seen(session, one, a_buyer(session, holder_id), codes=CODES, now=NOW)

    assert [each.redemption_id for each in found.vouchers] == [mine.id]
    ids = [each.offer_id for each in found.offers]
    assert ids[0] == cheap.offer_id
    assert set(ids) == {cheap.offer_id, counter.offer_id, elsewhere.offer_id}
    assert dear.offer_id not in ids


def test_of_many_tills_one_reads_the_code(database):
    def prepare(session):
        counter, holder_id = a_counter(session), a_resident(session)
        return counter.merchant_id, a_phone(session, holder_id)

    merchant_id, phone = database.transact(prepare)
    code = shown(phone)

    def read(_: int) -> bool:
        till = Till(merchant_id, "clerk")
        try:
            database.transact(
                lambda s: open_scan(s, uuid4(), code, root=ROOT, till=till, now=NOW).id
            )
        except LiveCodeUsed:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(read, range(8))).count(True) == 1


def test_the_same_scan_sent_twice_at_once_is_one(database):
    def prepare(session):
        counter, holder_id = a_counter(session), a_resident(session)
        return counter.merchant_id, a_phone(session, holder_id)

    merchant_id, phone = database.transact(prepare)
    code, id_, till = shown(phone), uuid4(), Till(merchant_id, "clerk")

    def read(_: int):
        return database.transact(
            lambda s: open_scan(s, id_, code, root=ROOT, till=till, now=NOW).id
        )

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(read, range(8))) == {id_}


def test_five_phones_show_codes_and_no_sixth(session, holder_id):
    phones = [a_phone(session, holder_id) for _ in range(LIVE_MAX)]

    with pytest.raises(TooManyCodeDevices) as refusal:
        a_phone(session, holder_id)
    end_device(session, phones[0], holder_id=holder_id, now=NOW)

    assert refusal.value.devices_max == 5
    assert a_phone(session, holder_id)
    listed = devices(session, holder_id, after=None, limit=9)
    assert len(listed) == 6
    assert devices(session, holder_id, after=listed[-1].id, limit=9) == []


def test_sixteen_phones_at_once_are_five(database):
    holder_id = database.transact(a_resident)

    def add(_: int) -> bool:
        try:
            database.transact(lambda s: a_phone(s, holder_id))
        except TooManyCodeDevices:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(add, range(16))).count(True) == LIVE_MAX


def test_a_phone_is_one_residents(session, holder_id, phone):
    again = add_device(session, phone, holder_id=holder_id, name="phone", now=NOW + MINUTE)
    assert again.made_at == NOW
    for other in ({"name": "other"}, {"holder_id": a_resident(session)}):
        given = {"holder_id": holder_id, "name": "phone"} | other
        with pytest.raises(CodeDeviceReused):
            add_device(session, phone, now=NOW, **given)
    with pytest.raises(UnknownCodeDevice):
        end_device(session, phone, holder_id=a_resident(session), now=NOW)


def test_a_key_is_told_for_ten_minutes(session, holder_id):
    one = add_device(session, uuid4(), holder_id=holder_id, name="phone", now=NOW)

    assert tells_key(one, NOW + 9 * MINUTE)
    assert not tells_key(one, NOW + 10 * MINUTE)


def test_a_phone_that_was_signed_off_is_not_signed_on_again(session, holder_id, phone):
    ended = end_device(session, phone, holder_id=holder_id, now=NOW)
    assert end_device(session, phone, holder_id=holder_id, now=NOW + MINUTE).ended_at == NOW

    assert not tells_key(ended, NOW)
    with pytest.raises(CodeDeviceEnded):
        add_device(session, phone, holder_id=holder_id, name="phone", now=NOW)


def test_who_has_closed_the_account_signs_no_phone_on(session, holder_id, phone):
    code_devices.end_devices(session, holder_id, now=NOW)
    close(session, holder_id, now=NOW)

    assert devices(session, holder_id, after=None, limit=9)[0].ended_at == NOW
    with pytest.raises(AccountClosed):
        a_phone(session, holder_id)
