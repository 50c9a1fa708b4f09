"""What tills took while offline: signed, sent later, taken once; double use is attributed."""

from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from sqlalchemy import select, true, update

from ledgers.errors import DomainError
from rewards.errors import ConsumptionReused, UnknownVoucher, VoucherConsumed
from rewards.merchants.errors import UnknownScanner
from rewards.merchants.scanners import key_of
from rewards.models import DoubleUse, Scanner, Voucher, WebhookEndpoint, WebhookMessage
from rewards.redeeming.expiring import expire_due
from rewards.tills.deciding import Consumed
from rewards.tills.double_uses import listed
from rewards.tills.errors import (
    ScanInFuture,
    ScannerRetired,
    ScanNotSigned,
    ScanTooOld,
    VoucherCancelled,
    VoucherExpired,
)
from rewards.tills.offline import Scanned, Sender, receive, signature
from rewards.voucher_codes import code_sha256
from tests.makers import CODES, NOW
from tests.rewards.tills.tilling import a_counter

ROOT = b"s" * 32
SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)


@pytest.fixture
def counter(session):
    return a_counter(session)


@pytest.fixture
def scanner(counter):
    return counter.scanner(shop_id=counter.shop_id)


def scan(code, scanner: UUID, /, *, at=NOW, id_=None, key=None, **changed) -> Scanned:
    """As a scanner signs it; ``changed`` afterwards."""
    id_, said = id_ or uuid4(), at.isoformat()
    signed = signature(key or key_of(ROOT, scanner), id_, code, said)
    return Scanned(id_, code, at, said, scanner, signed)._replace(**changed)


def send(counter, *scans, now=NOW, name="clerk"):
    sender = Sender(counter.merchant_id, name, CODES, lambda id_: key_of(ROOT, id_))
    return receive(counter.session, scans, sender, now=now)


def refusal(answers) -> DomainError:
    (answer,) = answers
    assert isinstance(answer, DomainError)
    return answer


def doubles(session, counter) -> list[DoubleUse]:
    query = select(DoubleUse).where(DoubleUse.merchant_id == counter.merchant_id)
    return list(session.scalars(query.order_by(DoubleUse.scanned_at)))


def test_the_signature_is_as_written_down():
    """The test vector of docs/merchants.md."""
    key = bytes(range(32))
    id_ = UUID("0190e0a4-7d5c-7d2a-8f7e-0d7f3a1c9b52")
    said = "2026-11-21T12:30:00+08:00"

    assert signature(key, id_, "7KQ2-M9XD-4RTB-8WEF-H", said) == (
        "7371d34ae58e69a5e9f0bdd75ba2118e4fc7b27dbad03573865593c5b035160d"
    )


def test_what_was_scanned_offline_is_taken_as_of_then(counter, scanner):
    code = counter.code()
    (taken,) = send(counter, scan(code, scanner), now=NOW + 3 * HOUR)

    assert isinstance(taken, Consumed)
    assert (taken.consumed_at, taken.offline) == (NOW, True)
    assert (taken.scanner_id, taken.shop_id) == (scanner, counter.shop_id)
    assert counter.lines() == [("consumption", 1_500)]


def test_each_is_answered_for_itself_in_order(counter, scanner):
    good = [counter.code() for _ in range(3)]
    scans = [
        scan(good[0], scanner),
        scan("nonsense", scanner),
        scan(good[1], scanner, signature="0" * 64),
        scan(good[2], scanner),
        scan(good[0], scanner, at=NOW + MINUTE),
    ]

    answers = send(counter, *scans, now=NOW + MINUTE)

    kinds = [Consumed, UnknownVoucher, ScanNotSigned, Consumed, VoucherConsumed]
    assert [type(each) for each in answers] == kinds


def test_the_same_list_again_is_answered_the_same(session, counter, scanner):
    code, retired = counter.code(), counter.scanner()
    scans = [
        scan(counter.code(), scanner),
        scan(counter.code(), retired),
        scan(code, scanner),
        scan(code, scanner, at=NOW + MINUTE),
        scan("nonsense", scanner),
    ]
    first = send(counter, *scans, now=NOW + HOUR)
    counter.session.execute(update(Scanner).where(Scanner.id == retired).values(retired_at=NOW))

    again = send(counter, *scans, now=NOW + 30 * HOUR)

    assert again[:3] == first[:3]
    assert type(again[3]) is type(first[3]) is VoucherConsumed
    assert vars(again[3]) == vars(first[3])
    assert len(counter.lines()) == 3
    assert len(doubles(session, counter)) == 1


@pytest.mark.parametrize("change", ["id", "code", "said_at", "scanner_id"])
def test_what_was_changed_after_signing_is_refused(session, counter, scanner, change):
    code, other = counter.code(), counter.code()
    changes = {
        "id": uuid4(), "code": other, "said_at": (NOW - HOUR).isoformat(),
        "scanner_id": counter.scanner(),
    }  # fmt: skip

    answers = send(counter, scan(code, scanner)._replace(**{change: changes[change]}))

    assert isinstance(refusal(answers), ScanNotSigned)
    assert doubles(session, counter) == []


def test_another_merchants_scanner_takes_nothing(session, counter):
    foreign = a_counter(session).scanner()

    assert isinstance(refusal(send(counter, scan(counter.code(), foreign))), UnknownScanner)


def test_a_retired_scanner_takes_nothing(counter):
    retired = counter.scanner(retired_at=NOW)

    error = refusal(send(counter, scan(counter.code(), retired)))

    assert isinstance(error, ScannerRetired)
    assert error.retired_at == NOW.isoformat()


@pytest.mark.parametrize("off", [-2 * MINUTE, -MINUTE, MINUTE, 2 * MINUTE])
def test_a_clock_that_is_off_by_two_minutes_is_let_through(counter, scanner, off):
    """Sent at once, and sent after a day."""
    for sent in (NOW, NOW + 24 * HOUR):
        scanned = scan(counter.code(), scanner, at=NOW + off)
        (taken,) = send(counter, scanned, now=sent)

        assert isinstance(taken, Consumed), taken
        assert taken.consumed_at == NOW + off


def test_a_clock_further_ahead_is_told(counter, scanner):
    ahead = scan(counter.code(), scanner, at=NOW + 2 * MINUTE + SECOND)

    error = refusal(send(counter, ahead))

    assert isinstance(error, ScanInFuture)
    assert isinstance(send(counter, ahead, now=NOW + SECOND)[0], Consumed)


def test_after_a_day_it_is_too_late_and_a_good_voucher_stays_good(session, counter, scanner):
    code = counter.code()
    late = NOW + 24 * HOUR + 2 * MINUTE + SECOND

    error = refusal(send(counter, scan(code, scanner), now=late))

    assert isinstance(error, ScanTooOld)
    assert error.hours_max == 24
    assert doubles(session, counter) == []
    assert counter.take(code, now=late)


def test_what_is_too_late_and_had_ended_is_put_down_all_the_same(session, counter, scanner):
    code = counter.code()
    first = counter.take(code, now=NOW + MINUTE)
    late, scanned = NOW + 48 * HOUR, scan(code, scanner)

    answers = [refusal(send(counter, scanned, now=late + n * HOUR)) for n in range(2)]

    assert [vars(each) for each in answers] == [vars(answers[0])] * 2
    assert isinstance(answers[0], ScanTooOld)
    (double,) = doubles(session, counter)
    assert (double.id, double.first_id, double.recorded_at) == (scanned.id, first.id, late)


@pytest.mark.parametrize("off", [-2 * MINUTE, 2 * MINUTE])
def test_a_voucher_near_its_end_is_the_shops_to_take(session, off):
    """Scanned before the end by a clock that is off by two minutes at most."""
    counter = a_counter(session, valid_days=1)
    scanner, bought = counter.scanner(), counter.buy()
    truly = bought.expires_at - SECOND

    (taken,) = send(counter, scan(bought.voucher_code, scanner, at=truly + off), now=truly + HOUR)

    assert isinstance(taken, Consumed)


@pytest.mark.parametrize("off", [-2 * MINUTE, 2 * MINUTE])
def test_no_voucher_is_ended_while_a_till_may_still_send_what_it_took(session, off):
    """What is taken in the last second and sent in the last one, by a clock that is off."""
    counter = a_counter(session, valid_days=1)
    scanner, bought = counter.scanner(), counter.buy()
    said = bought.expires_at - SECOND + off
    sent = said + 24 * HOUR + 2 * MINUTE

    expire_due(session, now=sent)
    (taken,) = send(counter, scan(bought.voucher_code, scanner, at=said), now=sent)

    assert isinstance(taken, Consumed)


def test_a_voucher_that_had_expired_when_it_was_scanned_is_refused(session):
    counter = a_counter(session, valid_days=1)
    scanner, bought = counter.scanner(), counter.buy()
    after = bought.expires_at + 2 * MINUTE

    error = refusal(send(counter, scan(bought.voucher_code, scanner, at=after), now=after))

    assert isinstance(error, VoucherExpired)
    assert doubles(session, counter) == []


def test_double_use_is_put_down_to_the_shops_the_scanners_and_the_people(session, counter):
    second_shop = counter.another_shop()
    scanners = [counter.scanner(shop_id=each) for each in (counter.shop_id, second_shop)]
    code = counter.code()
    earlier, later = (scan(code, scanner, at=NOW + n * HOUR) for n, scanner in enumerate(scanners))
    (first,) = send(counter, later, now=NOW + 2 * HOUR, name="ben")

    error = refusal(send(counter, earlier, now=NOW + 3 * HOUR, name="anna"))

    assert isinstance(error, VoucherConsumed)
    assert (error.consumption_id, error.shop_id) == (first.id, second_shop)
    (one,) = listed(session, DoubleUse.merchant_id == counter.merchant_id, before=None, limit=9)
    row = one.row
    assert (row.scanner_id, row.shop_id, row.recorded_by) == (
        scanners[0], counter.shop_id, "anna"
    )  # fmt: skip
    assert (row.first_scanner_id, row.first_shop_id) == (scanners[1], second_shop)
    assert (one.first_recorded_by, one.earlier, one.clocks_may_differ) == ("ben", "this", False)
    assert (row.scanned_at, row.first_at) == (NOW, NOW + HOUR)
    assert counter.lines() == [("consumption", 1_500)]


@pytest.mark.parametrize(
    ("apart", "unclear"), [(MINUTE, True), (4 * MINUTE, True), (5 * MINUTE, False)]
)
def test_clocks_may_have_turned_two_near_uses_round(session, counter, scanner, apart, unclear):
    code = counter.code()
    counter.take(code, now=NOW)
    send(counter, scan(code, scanner, at=NOW + apart), now=NOW + HOUR)

    (one,) = listed(session, DoubleUse.merchant_id == counter.merchant_id, before=None, limit=9)

    assert (one.earlier, one.clocks_may_differ) == ("first", unclear)


@pytest.mark.parametrize(
    ("ended", "why", "error"),
    [
        ({"cancelled_at": NOW + MINUTE}, "cancelled", VoucherCancelled),
        ({"expires_at": NOW + HOUR, "expired_at": NOW + 2 * HOUR}, "expired", VoucherExpired),
    ],
)
def test_what_ended_otherwise_meanwhile_is_put_down_too(
    session, counter, scanner, ended, why, error
):
    code = counter.code()
    which = Voucher.code_sha256 == code_sha256(code)
    session.execute(update(Voucher).where(which).values(ended))

    found = refusal(send(counter, scan(code, scanner), now=NOW + 3 * HOUR))

    assert isinstance(found, error)
    (double,) = doubles(session, counter)
    assert (double.why, double.first_id) == (why, None)


def test_the_merchants_systems_are_told_of_double_use_once(session, counter, scanner):
    session.add(
        WebhookEndpoint(
            id=uuid4(), merchant_id=counter.merchant_id, url="https://example.org/",
            kinds=["voucher.double_use"], made_by="tests", made_at=NOW,
        )
    )  # fmt: skip
    code = counter.code()
    counter.take(code)
    scanned = scan(code, scanner)

    for _ in range(2):
        send(counter, scanned, now=NOW + HOUR)

    query = select(WebhookMessage.body).where(WebhookMessage.merchant_id == counter.merchant_id)
    (body,) = session.scalars(query)
    assert str(scanned.id) in body


def test_the_id_of_what_was_taken_is_not_taken_for_another_code(counter, scanner):
    id_ = uuid4()
    send(counter, scan(counter.code(), scanner, id_=id_))

    error = refusal(send(counter, scan(counter.code(), scanner, id_=id_)))

    assert isinstance(error, ConsumptionReused)


def test_six_hundred_take_no_more_statements_than_twenty(session, counter, scanner, statements):
    sent = []
    for count, uses in ((10, 2), (30, 20)):
        codes = [counter.code() for _ in range(count)]
        scans = [scan(code, scanner, at=NOW + n * MINUTE) for n in range(uses) for code in codes]
        with statements() as seen:
            answers = send(counter, *scans, now=NOW + HOUR)
        assert sum(isinstance(each, Consumed) for each in answers) == count
        sent.append(len(seen))

    assert sent[0] == sent[1] <= 35


def test_the_list_of_double_uses_goes_on_where_it_ended(session, counter, scanner):
    codes = [counter.code() for _ in range(5)]
    for n, code in enumerate(codes):
        counter.take(code)
        send(counter, scan(code, scanner), now=NOW + n * MINUTE)
    mine = DoubleUse.merchant_id == counter.merchant_id

    first = listed(session, mine, before=None, limit=3)
    last = first[-1].row
    rest = listed(session, mine, before=(last.recorded_at, last.id), limit=3)

    hashes = [one.row.code_sha256 for one in first + rest]
    assert hashes == [code_sha256(code) for code in reversed(codes)]
    assert len(listed(session, true(), before=None, limit=200)) >= 5
