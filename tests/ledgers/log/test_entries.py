"""Leaves, records and salts: each byte where docs/log.md, section 3, has it."""

import hashlib
import hmac
from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledgers import accounts
from ledgers.log.entries import (
    ACCOUNT_KINDS,
    UNITS,
    Entry,
    commitment,
    day_number,
    decode,
    encode,
    microseconds,
    posting_head,
    record_bytes,
    salts,
)
from ledgers.log.errors import LeafInvalid

HOLDER, RECORD = bytes([0xAA]) * 32, bytes([0xBB]) * 32
LEAF = encode("point", "issued", "personal", 0x0102030405060708, -2, HOLDER, RECORD, "earn")
ENTRIES = st.builds(
    Entry,
    st.sampled_from(sorted(UNITS)),
    st.sampled_from(sorted(ACCOUNT_KINDS)),
    st.sampled_from(sorted(ACCOUNT_KINDS)),
    st.integers(0, 2**64 - 1),
    st.integers(-(2**31), 2**31 - 1),
    st.binary(min_size=32, max_size=32),
    st.binary(min_size=32, max_size=32),
    st.text("abcdefghijklmnopqrstuvwxyz_", min_size=1, max_size=32),
)


def id_of(number):
    return bytes([number]) * 16


def a_record(**other):
    fields = {
        "transfer_id": id_of(1),
        "posting_id": id_of(2),
        "position": 3,
        "debit_account_id": id_of(4),
        "credit_account_id": id_of(5),
        "reference": id_of(6),
        "occurred_at_us": -7,
        "last_day": 8,
        "reverses_id": id_of(9),
        "head": bytes([10]) * 32,
    }
    return record_bytes(**{**fields, **other})


def a_head(**other):
    fields = {
        "posting_id": id_of(2),
        "recorded_at_us": 11,
        "content_sha256": bytes([12]) * 32,
        "kind": "earn",
        "actor": "碳",
        "reason": None,
        "request_id": "",
        "approver": None,
    }
    return posting_head(**{**fields, **other})


def test_a_leaf_is_written_as_the_page_says():
    assert (
        bytes.fromhex("01 02 02 01 0102030405060708 fffffffe") + HOLDER + RECORD + b"\x04earn"
    ) == LEAF


def test_there_is_a_code_for_every_unit_and_kind_of_account():
    assert set(ACCOUNT_KINDS) == {accounts.PERSONAL, *accounts.SYSTEM_KINDS}
    assert set(UNITS) >= set(accounts.PERSONAL_UNITS)


@given(ENTRIES)
def test_a_leaf_says_what_was_encoded(entry):
    assert decode(encode(*entry)) == entry


@given(st.binary(max_size=130))
def test_whatever_is_decoded_has_no_other_spelling(noise):
    for leaf in (noise, LEAF[:80] + noise, LEAF[: len(noise)] + noise):
        try:
            entry = decode(leaf)
        except LeafInvalid:
            continue
        assert encode(*entry) == leaf


@pytest.mark.parametrize(
    ("leaf", "why"),
    [
        (b"", "more than 81"),
        (LEAF[:81], "4 letters announced, 0 there"),
        (LEAF[:-1], "announced"),
        (LEAF + b"s", "announced"),
        (b"\x02" + LEAF[1:], "version 2"),
        (b"\x01\x04" + LEAF[2:], "codes 4"),
        (b"\x01\x02\x00" + LEAF[3:], "codes"),
        (b"\x01\x02\x02\x07" + LEAF[4:], "codes"),
        (LEAF[:80] + b"\x00", "a-z"),
        (LEAF[:80] + b"\x21" + b"a" * 33, "a-z"),
        (LEAF[:80] + b"\x04Earn", "a-z"),
        (LEAF[:80] + b"\x04ea\xc3\xa9", "a-z"),
    ],
)
def test_a_leaf_of_another_form_is_refused(leaf, why):
    with pytest.raises(LeafInvalid, match=why):
        decode(leaf)


@pytest.mark.parametrize("kind", ["", "a" * 33, "Earn", "earn-2", "碳"])
def test_a_kind_of_other_letters_is_not_encoded(kind):
    with pytest.raises(LeafInvalid):
        encode("point", "issued", "personal", 1, 1, HOLDER, RECORD, kind)


def test_a_commitment_of_another_length_is_not_encoded():
    with pytest.raises(AssertionError):
        encode("point", "issued", "personal", 1, 1, HOLDER[:31], RECORD, "earn")


def test_a_record_is_written_as_the_page_says():
    assert a_record() == b"".join(
        (
            id_of(1),
            id_of(2),
            bytes.fromhex("00000003"),
            id_of(4),
            id_of(5),
            id_of(6),
            bytes.fromhex("fffffffffffffff9"),
            bytes.fromhex("00000008"),
            id_of(9),
            bytes([10]) * 32,
        )
    )


def test_what_a_record_does_not_have_is_written_too():
    record = a_record(last_day=None, reverses_id=None)

    assert len(record) == 144
    assert record[92:96].hex() == "7fffffff"
    assert record[96:112] == bytes(16)


def test_an_id_of_another_length_is_not_recorded():
    with pytest.raises(AssertionError):
        a_record(reference=bytes(15))


def test_the_head_tells_nothing_from_an_empty_text():
    content = id_of(2) + (11).to_bytes(8, "big") + bytes([12]) * 32
    texts = b"\x00\x04earn" + b"\x00\x03" + "碳".encode() + b"\xff\xff" + b"\x00\x00" + b"\xff\xff"

    assert a_head() == hashlib.sha256(content + texts).digest()
    assert a_head(request_id=None) != a_head()


def test_a_text_as_long_as_the_mark_for_none_is_not_written():
    with pytest.raises(AssertionError):
        a_head(reason="x" * 0xFFFF)


def test_salts_are_the_halves_of_one_hmac():
    both = hmac.new(b"secret", id_of(1), "sha256").digest()

    assert salts(b"secret", id_of(1)) == (both[:16], both[16:])
    assert salts(b"secret", id_of(2)) != salts(b"secret", id_of(1))


def test_a_commitment_covers_salt_and_content():
    assert commitment(id_of(1), b"x") == hashlib.sha256(id_of(1) + b"x").digest()


@given(st.integers(-(10**16), 10**17))
def test_instants_are_counted_exactly(count):
    at = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=count)

    assert microseconds(at) == count
    assert microseconds(at.astimezone(timezone(timedelta(hours=8)))) == count


def test_days_are_counted_from_1970():
    assert [day_number(date(1969, 12, 31)), day_number(date(1970, 1, 2))] == [-1, 1]
    assert day_number(date(2026, 11, 21)) == 20_778
