"""Nobody guesses a code: a million tries find none."""

from base64 import b32encode
from collections.abc import Iterator
from hashlib import sha256
from random import Random
from uuid import UUID

import pytest

from rewards.tills.live_codes import LiveCode, device_key, read, written
from rewards.tills.looking import lock_vouchers
from rewards.voucher_codes import code_sha256
from tests.rewards.tills.tilling import a_counter

pytestmark = pytest.mark.once

GUESSES, AT_ONCE = 1_000_000, 25_000
CHANCE = Random(20_261_121)  # noqa: S311 - who guesses needs no better.
CROCKFORD = bytes.maketrans(
    b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", b"0123456789ABCDEFGHJKMNPQRSTVWXYZ"
)


def guessed(count: int) -> Iterator[bytes]:
    """Sixteen letters each: 80 bits. Drawn at once, which is cheaper."""
    letters = b32encode(CHANCE.randbytes(10 * count)).translate(CROCKFORD)
    return (letters[at : at + 16] for at in range(0, 16 * count, 16))


def test_a_million_guesses_find_no_voucher(session):
    """Through the very look of a till's request, in lists of thousands, among twenty vouchers that
    are there. Whoever guesses makes the check letter right, so it is left out.
    """
    counter = a_counter(session)
    codes = [counter.code() for _ in range(20)]
    merchant_id = counter.merchant_id

    found = 0
    for _ in range(GUESSES // AT_ONCE):
        guesses = [sha256(letters).digest() for letters in guessed(AT_ONCE)]
        found += len(lock_vouchers(session, merchant_id, guesses))

    assert found == 0
    right = [sha256(code.replace("-", "")[:16].encode()).digest() for code in codes]
    assert right == [code_sha256(code) for code in codes]
    assert len(lock_vouchers(session, merchant_id, right)) == 20


def test_no_guess_is_a_live_code():
    """For a phone whose id is known, at the step of now."""
    root, code = b"r" * 32, LiveCode(UUID("0190e0a4-7d5c-7d2a-8f7e-0d7f3a1c9b52"), 59_317_920)
    right = written(device_key(root, code.device_id), code)
    head = right.rpartition(".")[0]

    found = [read(root, f"{head}.{letters.decode()}") for letters in guessed(GUESSES // 20)]

    assert found.count(None) == len(found)
    assert read(root, right) == code
