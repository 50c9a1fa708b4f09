"""A merchant's own codes: found by a keyed hash, sealed, opened for their offer alone."""

from uuid import uuid4

import pytest
from cryptography.exceptions import InvalidTag
from hypothesis import given
from hypothesis import strategies as st

from rewards.voucher_codes import Codes, voucher_code

KEYS = Codes(b"v" * 32, b"p" * 32)
OTHER = Codes(b"v" * 32, b"q" * 32)


@given(st.text(min_size=1, max_size=200))
def test_what_was_sealed_opens_again_and_shows_nothing(code):
    offer_id = uuid4()
    sealed = KEYS.seal(offer_id, code)

    assert KEYS.open(offer_id, sealed) == code
    assert KEYS.seal(offer_id, code) != sealed


def test_a_sealed_code_opens_for_its_offer_and_by_its_key_only():
    offer_id = uuid4()
    sealed = KEYS.seal(offer_id, "ABC-123")

    assert b"ABC" not in sealed
    for keys, id_, text in [
        (OTHER, offer_id, sealed),
        (KEYS, uuid4(), sealed),
        (KEYS, offer_id, sealed[:-1] + bytes([sealed[-1] ^ 1])),
    ]:
        with pytest.raises(InvalidTag):
            keys.open(id_, text)


def test_a_pools_code_is_found_as_it_is_typed():
    merchant_id = uuid4()
    hashed = KEYS.pool_hash(merchant_id, "Abc-123")

    assert KEYS.pool_hash(merchant_id, " Ａｂｃ－123\t") == hashed
    assert KEYS.pool_hash(merchant_id, "ABC-123") != hashed
    assert KEYS.pool_hash(uuid4(), "Abc-123") != hashed
    assert OTHER.pool_hash(merchant_id, "Abc-123") != hashed


def test_our_own_codes_follow_from_the_redemption_and_the_voucher_key():
    redemption_id = uuid4()

    assert KEYS.of_redemption(redemption_id) == voucher_code(b"v" * 32, redemption_id)


def test_keys_do_not_show_in_print():
    assert "vvv" not in repr(KEYS)
    assert "ppp" not in repr(KEYS)
