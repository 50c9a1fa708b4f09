"""Live codes, byte by byte."""

import hashlib
import hmac
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rewards.tills.live_codes import (
    LENGTH_MAX,
    LiveCode,
    device_key,
    is_of,
    read,
    step_of,
    written,
)

ROOT = b"r" * 32
NOW = datetime(2026, 11, 21, 4, 0, 15, tzinfo=UTC)
DEVICE = UUID("0190e0a4-7d5c-7d2a-8f7e-0d7f3a1c9b52")
CODE = LiveCode(DEVICE, 59_317_920)
LETTERS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


def made(code: LiveCode = CODE) -> str:
    return written(device_key(ROOT, code.device_id), code)


def test_a_code_as_the_docs_write_it_down():
    """The test vector of docs/app.md, made there by other means than the program's."""
    key = bytes(range(32))
    mac = hmac.new(key, f"live\n{DEVICE}\n59317920".encode(), hashlib.sha256).digest()
    bits = f"{DEVICE.int:0130b}", f"{int.from_bytes(mac[:10]):080b}"
    device, sign = (
        "".join(LETTERS[int(text[n : n + 5], 2)] for n in range(0, len(text), 5)) for text in bits
    )

    assert written(key, CODE) == f"TH1.{device}.59317920.{sign}"
    assert written(key, CODE) == "TH1.01J3GA8ZAWFMN8YZGDFWX1S6TJ.59317920.WRV9PQXVJW26053Y"


@given(st.uuids(), st.integers(1, 10**9 - 1))
def test_what_is_written_is_read(device_id, step):
    code = LiveCode(device_id, step)

    assert read(ROOT, made(code)) == code
    assert len(made(code)) <= LENGTH_MAX


@given(st.integers(0, len("TH1.") + 26 + 1 + 8 + 1 + 15), st.sampled_from(LETTERS + ".-é \n"))
def test_one_other_letter_is_no_code(place, letter):
    code = made()
    changed = code[:place] + letter + code[place + 1 :]

    assert (read(ROOT, changed) is None) == (changed != code)


@pytest.mark.parametrize(
    "sent",
    ["", "TH1", "TH1...", "TH2" + made()[3:], made() + "\n", " " + made(), made().lower(),
     made().replace(".59317920.", ".059317920."), made().replace("TH1.0", "TH1.Z"), "é" * 60],
)  # fmt: skip
def test_nonsense_is_no_code(sent):
    assert read(ROOT, sent) is None


def test_a_code_by_another_key_is_no_code():
    assert read(b"x" * 32, made()) is None


def test_a_step_is_thirty_seconds_since_1970():
    assert step_of(datetime(1970, 1, 1, 0, 0, 30, tzinfo=UTC)) == 1
    assert step_of(datetime(1970, 1, 1, 0, 1, tzinfo=UTC) - timedelta(microseconds=1)) == 1
    assert LiveCode(DEVICE, 2).shown_at == datetime(1970, 1, 1, 0, 1, tzinfo=UTC)


@pytest.mark.parametrize(("steps", "good"), [(-5, False), (-4, True), (4, True), (5, False)])
def test_clocks_may_be_off_by_two_minutes(steps, good):
    assert is_of(LiveCode(DEVICE, step_of(NOW) + steps), NOW) == good
