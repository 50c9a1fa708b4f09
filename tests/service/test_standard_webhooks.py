"""Signatures: the specification's own vectors, and what must not pass."""

from base64 import b64decode
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.feeds.errors import BadSignature, ClockOff
from service.feeds.signatures import Message, sign, written

# From the tests of the specification's reference libraries (github.com/standard-webhooks).
ID = "msg_p5jXN8AQM9LWM0D4loKWxJek"
SECONDS = 1614265330
AT = datetime.fromtimestamp(SECONDS, UTC)
BODY = b'{"test": 2432232314}'
SECRET = "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
SIGNATURE = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
WRONG = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OA="
NDJSON = b'{"event_id":"1"}\n{"event_id":"2"}\n\xff\x00'


def read(secret: str) -> bytes:
    """A secret as the specification writes it."""
    return b64decode(secret.removeprefix("whsec_"), validate=True)


def headers(**changes: str | None) -> dict[str, str]:
    sent = {"webhook-id": ID, "webhook-timestamp": str(SECONDS), "webhook-signature": SIGNATURE}
    sent |= {f"webhook-{name}": value for name, value in changes.items()}
    return {name: value for name, value in sent.items() if value is not None}


def check(body: bytes = BODY, *, now: datetime = AT, secrets=None, **changes) -> None:
    tried = [read(SECRET)] if secrets is None else secrets
    message = Message.from_headers(headers(**changes))
    message.check_clock(now)
    message.check(body, tried)


def test_the_published_vector_signs_and_is_believed():
    assert sign(read(f"whsec_{SECRET}"), ID, AT, BODY) == SIGNATURE
    check()


def test_a_secret_is_handed_out_as_the_specification_writes_it():
    assert written(read(SECRET)) == f"whsec_{SECRET}"


@pytest.mark.parametrize("name", ["id", "timestamp", "signature"])
@pytest.mark.parametrize("value", [None, ""])
def test_a_header_is_missing(name, value):
    with pytest.raises(BadSignature):
        check(**{name: value})


@pytest.mark.parametrize("seconds", ["hello", "-1", "1.5", "1e9", " 1", "٣", "9" * 12, "0x10"])
def test_an_odd_timestamp_is_refused(seconds):
    with pytest.raises(BadSignature):
        check(timestamp=seconds)


@pytest.mark.parametrize("id_", ["msg.1", "a b", "a\tb", "a" * 129, "编号"])
def test_an_id_that_could_blur_the_fields_is_refused(id_):
    with pytest.raises(BadSignature):
        check(id=id_, signature=sign(read(SECRET), id_, AT, BODY))


@pytest.mark.parametrize(
    "signature",
    [WRONG, SIGNATURE.replace("v1,", "v2,"), SIGNATURE.replace("v1,", "v1a,"), "v1,", "v1", ",",
     SIGNATURE[3:], SIGNATURE[:-2], SIGNATURE + "=", "v1,ä", "v1,a", SIGNATURE.lower(),
     " ".join([SIGNATURE] * 17)],
)  # fmt: skip
def test_a_wrong_signature_is_refused(signature):
    with pytest.raises(BadSignature):
        check(signature=signature)


def test_one_right_signature_of_several_is_enough():
    check(signature=f"{WRONG} v2,{SIGNATURE[3:]} {SIGNATURE} {WRONG}")


def test_any_of_several_live_keys_will_do():
    check(secrets=[b"x" * 32, read(SECRET)])
    with pytest.raises(BadSignature):
        check(secrets=[b"x" * 32])
    with pytest.raises(BadSignature):
        check(secrets=[])


@pytest.mark.parametrize(
    "change", [{"id": "msg_2"}, {"timestamp": str(SECONDS + 1)}, {"body": BODY + b"\n"}]
)
def test_what_was_signed_cannot_be_changed(change):
    with pytest.raises(BadSignature):
        check(**change)


@pytest.mark.parametrize("minutes", [-5, 5])
def test_a_clock_may_be_five_minutes_off_and_no_more(minutes):
    check(now=AT + timedelta(minutes=minutes))
    with pytest.raises(ClockOff) as refusal:
        check(now=AT + timedelta(minutes=minutes) * 1.01)
    assert refusal.value.server_at == AT + timedelta(minutes=minutes) * 1.01


def test_a_body_that_is_no_json_is_signed_as_it_is():
    check(NDJSON, signature=sign(read(SECRET), ID, AT, NDJSON))


@given(
    secret=st.binary(min_size=24, max_size=64),
    body=st.binary(max_size=300),
    seconds=st.integers(0, 4_000_000_000),
)
def test_what_is_signed_is_believed(secret, body, seconds):
    at = datetime.fromtimestamp(seconds, UTC)
    sent = headers(timestamp=str(seconds), signature=sign(secret, ID, at, body))

    Message.from_headers(sent).check(body, [read(written(secret))])


@given(st.text(max_size=80), st.text(max_size=20), st.text(max_size=80), st.binary(max_size=50))
def test_no_headers_do_more_than_be_refused(id_, seconds, signature, body):
    with pytest.raises((BadSignature, ClockOff)):
        check(body, id=id_, timestamp=seconds, signature=signature)
