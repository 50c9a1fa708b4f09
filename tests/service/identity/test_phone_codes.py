"""Codes sent to phones: limits, tries, one use; and how they are sent."""

import re
import secrets
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from threading import Barrier

import pytest
import redis

from service.cache import Cache
from service.errors import TooManyRequests
from service.identity.logins.errors import CodeNotRight, CodesAway, SmsNotSent
from service.identity.logins.outside import ANSWER_MAX_BYTES
from service.identity.logins.phone_codes import (
    LIFETIME_S,
    PHONES_PER_ADDRESS,
    WRONG_PER_ADDRESS,
    PhoneCodes,
    send_code,
    use_code,
)
from service.identity.logins.phones import e164
from service.identity.logins.sms import ConsoleSender, HttpSender, Message
from service.limits import Attempts
from tests.service.identity.outside_servers import running
from tests.service.identity.signing import a_phone, an_address, asking

NOW = datetime(2026, 11, 21, 4, tzinfo=UTC)
MESSAGE = Message("+8613800138000", "123456", "code 123456")
DEAD = "redis://127.0.0.1:1/0"  # Nothing listens there.


@pytest.fixture
def codes(urls):
    return PhoneCodes(Cache(urls["redis"]), b"k" * 32)


@pytest.fixture
def attempts(urls):
    return Attempts(urls["redis"])


class Kept:
    """A phone in the hand: keeps what arrives."""

    def __init__(self):
        self.messages = []

    def send(self, message):
        self.messages.append(message)


@pytest.fixture
def send(codes, attempts):
    kept = Kept()

    def sent(phone, *, address=None, at=NOW):
        address = address or an_address()
        send_code(codes, attempts, kept, phone, str, from_address=address, now=at)
        return kept.messages[-1].code

    return sent


@pytest.mark.parametrize(
    ("typed", "phone"),
    [
        ("13800138000", "+8613800138000"),
        ("138 0013 8000", "+8613800138000"),
        ("138-0013-8000", "+8613800138000"),
        ("+86 138-0013-8000", "+8613800138000"),
        ("+8613800138000", "+8613800138000"),
        (" 138\u20100013\u20138000 ", "+8613800138000"),
        ("１３８００１３８０００", "+8613800138000"),
        ("+852 5123 4567", "+85251234567"),
        ("+12025550123", "+12025550123"),
        ("+12345678", "+12345678"),
        ("+123456789012345", "+123456789012345"),
    ],
)
def test_a_phone_is_read_as_people_type_it(typed, phone):
    assert e164(typed) == phone


@pytest.mark.parametrize(
    "typed",
    ["", "1380013800", "138001380001", "12800138000", "+861280013800", "+86 10 6552 9988",
     "0086 13800138000", "8613800138000", "5123 4567", "+1234567", "+1234567890123456",
     "+0123456789", "138001380o0", "+86+13800138000", "١٣٨٠٠١٣٨٠٠٠", "13800138000\n", "+"],
)  # fmt: skip
def test_what_is_no_phone_is_refused(typed):
    with pytest.raises(ValueError, match=r"^not a phone$"):
        e164(typed)


def test_a_code_is_good_once(codes):
    phone = a_phone()
    code = codes.issue(phone)

    assert re.fullmatch("[0-9]{6}", code)
    codes.use(phone, code)
    with pytest.raises(CodeNotRight):
        codes.use(phone, code)


def test_a_new_code_takes_the_place_of_the_one_before(codes):
    phone, first, second = a_phone(), "000001", "000002"
    codes.keep(phone, first)
    codes.keep(phone, second)

    with pytest.raises(CodeNotRight):
        codes.use(phone, first)
    codes.use(phone, second)


def test_a_code_is_good_for_its_phone_only(codes):
    mine, other = a_phone(), a_phone()
    codes.keep(mine, "000001")
    codes.keep(other, "000002")

    with pytest.raises(CodeNotRight):
        codes.use(other, "000001")


def test_the_sixth_try_is_refused_even_with_the_right_code(codes):
    phone = a_phone()
    codes.keep(phone, "000001")
    for _ in range(5):
        with pytest.raises(CodeNotRight):
            codes.use(phone, "999999")

    with pytest.raises(CodeNotRight):
        codes.use(phone, "000001")


def test_the_fifth_try_may_be_right(codes):
    phone = a_phone()
    codes.keep(phone, "000001")
    for _ in range(4):
        with pytest.raises(CodeNotRight):
            codes.use(phone, "999999")

    codes.use(phone, "000001")


def test_of_many_at_once_one_wins(codes):
    phone, together = a_phone(), Barrier(4)
    code = codes.issue(phone)

    def use(_):
        together.wait()
        try:
            codes.use(phone, code)
        except CodeNotRight:
            return False
        return True

    with ThreadPoolExecutor(4) as threads:
        assert sum(threads.map(use, range(4))) == 1


def test_redis_holds_neither_phone_nor_code_and_not_for_long(codes, urls):
    phone = a_phone()
    code = codes.issue(phone)

    (key,) = [f"tanhui:{codes._place(phone)}"]
    server = redis.Redis.from_url(urls["redis"])
    held = server.hgetall(key)
    assert server.ttl(key) in (LIFETIME_S - 1, LIFETIME_S)
    shown = repr((key, held))
    assert code not in shown
    assert phone[-6:] not in shown
    assert len(held[b"hash"]) == 32
    with pytest.raises(CodeNotRight):
        codes.use(phone, "999999" if code != "999999" else "999998")
    assert 0 < server.ttl(key) <= LIFETIME_S


def test_a_try_of_a_code_that_was_never_sent_leaves_nothing(codes, urls):
    phone = a_phone()
    with pytest.raises(CodeNotRight):
        codes.use(phone, "123456")

    assert not redis.Redis.from_url(urls["redis"]).exists(f"tanhui:{codes._place(phone)}")


def test_a_phone_gets_one_code_a_minute_five_an_hour_and_ten_a_day(send):
    phone = a_phone()
    send(phone)
    with pytest.raises(TooManyRequests) as refusal:
        send(phone, at=NOW + timedelta(seconds=59))
    assert refusal.value.retry_after_s == 1

    sent, at = 1, NOW
    for _ in range(24 * 20 - 1):  # Every three minutes for a day, from as many addresses.
        at += timedelta(minutes=3)
        try:
            send(phone, at=at)
        except TooManyRequests:
            continue
        sent += 1
        assert sent <= 5 or at >= NOW + timedelta(hours=1)
    assert sent <= 10


def test_an_address_gets_codes_for_so_many_phones(send):
    address = an_address()
    for _ in range(PHONES_PER_ADDRESS.times):
        send(a_phone(), address=address)

    with pytest.raises(TooManyRequests):
        send(a_phone(), address=address)
    send(a_phone())


def test_addresses_of_one_household_count_as_one(send):
    city, home = f"2001:db8:{secrets.randbelow(0xFFFF):x}", secrets.randbelow(0xFFF0)
    for number in range(PHONES_PER_ADDRESS.times):
        send(a_phone(), address=f"{city}:{home:x}::{number:x}")

    with pytest.raises(TooManyRequests):
        send(a_phone(), address=f"{city}:{home:x}:ffff::1")
    send(a_phone(), address=f"{city}:{home + 1:x}::1")


def test_brute_force_over_many_phones_stops_at_the_address(codes, attempts):
    address, phone = an_address(), a_phone()

    def use(code):
        use_code(codes, attempts, phone, code, from_address=address, now=NOW)

    for _ in range(WRONG_PER_ADDRESS.times):
        with pytest.raises(CodeNotRight):
            use("123456")
    codes.keep(phone, "000001")
    with pytest.raises(TooManyRequests):
        use("000001")
    use_code(codes, attempts, phone, "000001", from_address=an_address(), now=NOW)


def test_right_codes_do_not_count_against_an_address(codes, attempts):
    address = an_address()
    for _ in range(WRONG_PER_ADDRESS.times + 1):
        phone = a_phone()
        use_code(codes, attempts, phone, codes.issue(phone), from_address=address, now=NOW)


def test_a_message_that_was_not_sent_leaves_no_code_and_may_be_asked_for_at_once(codes, attempts):
    class Broken(Kept):
        def send(self, message):
            super().send(message)
            raise SmsNotSent

    phone, broken = a_phone(), Broken()
    for _ in range(2):
        with pytest.raises(SmsNotSent):
            send_code(codes, attempts, broken, phone, str, from_address=an_address(), now=NOW)
    for message in broken.messages:
        with pytest.raises(CodeNotRight):
            codes.use(phone, message.code)


def test_without_redis_no_code_is_sent_or_checked():
    codes, kept, phone = PhoneCodes(Cache(DEAD), b"k" * 32), Kept(), a_phone()
    attempts = Attempts(DEAD)

    with pytest.raises(CodesAway):
        send_code(codes, attempts, kept, phone, str, from_address=an_address(), now=NOW)
    with pytest.raises(CodesAway):
        use_code(codes, attempts, phone, "123456", from_address=an_address(), now=NOW)
    codes.forget(phone)
    assert kept.messages == []


@pytest.fixture
def gateway():
    with running() as server:
        yield server


@pytest.fixture
def outside():
    with asking() as make:
        yield make


@pytest.fixture
def sender(gateway, outside):
    def made(*, template=None, timeout_s=2.0):
        return HttpSender(f"{gateway.url}/send", "secret-token", template, outside(timeout_s))

    return made


def test_the_gateway_gets_phone_code_text_and_template(gateway, sender):
    sender(template="SMS_1").send(MESSAGE)

    (asked,) = gateway.asked
    assert (asked.method, asked.path) == ("POST", "/send")
    assert asked.headers["authorization"] == "Bearer secret-token"
    assert asked.headers["content-type"] == "application/json"
    assert asked.json == {
        "phone": MESSAGE.phone,
        "code": MESSAGE.code,
        "text": MESSAGE.text,
        "template": "SMS_1",
    }


def test_a_gateway_that_stumbles_is_asked_once_more_under_the_same_id(gateway, caplog, sender):
    gateway.reply = lambda _: (500 if len(gateway.asked) == 1 else 202, b"ok")

    sender().send(MESSAGE)

    ids = [asked.headers["idempotency-key"] for asked in gateway.asked]
    assert len(ids) == 2
    assert len(set(ids)) == 1
    assert "template" not in gateway.asked[0].json
    sender().send(MESSAGE)
    assert gateway.asked[2].headers["idempotency-key"] not in ids


@pytest.mark.parametrize(
    ("status", "asked"), [(500, 2), (503, 2), (400, 1), (401, 1), (429, 1), (302, 1)]
)
def test_a_gateway_that_refuses_is_a_message_not_sent(gateway, caplog, status, asked, sender):
    gateway.reply = lambda _: (status, b"<html>")

    with pytest.raises(SmsNotSent):
        sender().send(MESSAGE)

    assert len(gateway.asked) == asked
    assert str(status) in caplog.text
    for secret in (MESSAGE.phone, MESSAGE.code, "secret-token"):
        assert secret not in caplog.text


def test_a_slow_gateway_is_a_message_not_sent(gateway, caplog, sender):
    gateway.reply = gateway.slow

    with pytest.raises(SmsNotSent):
        sender(timeout_s=0.1).send(MESSAGE)

    assert len(gateway.asked) == 2
    assert MESSAGE.phone not in caplog.text


def test_an_answer_without_end_is_not_read(gateway, sender):
    gateway.reply = lambda _: (200, b"x" * (ANSWER_MAX_BYTES + 1))

    with pytest.raises(SmsNotSent):
        sender().send(MESSAGE)


def test_a_gateway_that_is_not_there_is_a_message_not_sent(outside):
    with pytest.raises(SmsNotSent):
        HttpSender("http://127.0.0.1:1/", "t", None, outside()).send(MESSAGE)


def test_in_development_the_terminal_is_the_phone(capsys):
    ConsoleSender().send(MESSAGE)

    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err == "SMS …8000: code 123456\n"
