"""Checkpoints: one way to write each, and no other is read."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledgers.log.checkpoints import Checkpoint
from ledgers.log.entries import ACCOUNT_KINDS, UNITS
from ledgers.log.errors import CheckpointInvalid
from ledgers.log.merkle import EMPTY_ROOT

ROOT = bytes(range(32))
B64 = base64.b64encode(ROOT).decode()
TEXT = f"""tanhui.example/log
3
{B64}
total mg_co2e issued personal 1200
total point issued personal 36
total point personal redeemed 5
"""
# The example of C2SP tlog-checkpoint, which has no extension lines.
BEHIND_THE_SOFA = """example.com/behind-the-sofa
20852163
CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=
"""
TOTALS = st.dictionaries(
    st.tuples(*map(st.sampled_from, (sorted(UNITS), sorted(ACCOUNT_KINDS), sorted(ACCOUNT_KINDS)))),
    st.integers(0, 2**80),
)


def test_the_example_of_the_specification_is_read():
    checkpoint = Checkpoint.parse(BEHIND_THE_SOFA)

    assert (checkpoint.origin, checkpoint.size) == ("example.com/behind-the-sofa", 20_852_163)
    assert checkpoint.root.hex().startswith("0ac5186a")
    assert checkpoint.totals == {}


def test_the_totals_are_read():
    checkpoint = Checkpoint.parse(TEXT)

    assert checkpoint.totals == {
        ("mg_co2e", "issued", "personal"): 1200,
        ("point", "issued", "personal"): 36,
        ("point", "personal", "redeemed"): 5,
    }
    assert checkpoint.text() == TEXT


@given(st.integers(1, 2**63 - 1), st.binary(min_size=32, max_size=32), TOTALS)
def test_what_is_written_is_read(size, root, totals):
    checkpoint = Checkpoint("tanhui.example/log", size, root, totals)

    assert Checkpoint.parse(checkpoint.text()) == checkpoint


@pytest.mark.parametrize(
    ("found", "instead"),
    [
        ("tanhui.example/log", ""),
        ("tanhui.example/log", "tanhui example"),
        ("\n3\n", "\n03\n"),
        ("\n3\n", "\n+3\n"),
        ("\n3\n", "\n-3\n"),
        ("\n3\n", "\n３\n"),
        ("\n3\n", "\n\n"),
        ("\n3\n", "\n9223372036854775808\n"),
        (B64, B64[:-1]),
        (B64, B64.replace("Hh8=", "Hh9=")),
        (B64, B64 + "AAAA"),
        (B64, "AAAA"),
        (B64, "é" * 44),
        ("total mg_co2e issued personal 1200\n", "total mg_co2e issued personal 01200\n"),
        ("total mg_co2e issued personal 1200\n", "total mg_co2e issued personal 1200 \n"),
        ("total mg_co2e issued personal 1200\n", "total mg_co2e issued personal\n"),
        ("total mg_co2e issued personal 1200\n", "total kg issued personal 1200\n"),
        ("total mg_co2e issued personal 1200\n", "total mg_co2e issued someone 1200\n"),
        ("total mg_co2e issued personal 1200\n", "sum mg_co2e issued personal 1200\n"),
        ("total mg_co2e issued personal 1200\n", "total point personal redeemed 5\n"),
        ("total mg_co2e issued personal 1200\n", "total point issued personal 36\n"),
        ("total mg_co2e issued personal 1200\n", "\n"),
        ("redeemed 5\n", "redeemed 5"),
        ("redeemed 5\n", "redeemed 5\n\n"),
    ],
)
def test_another_spelling_is_refused(found, instead):
    other = TEXT.replace(found, instead, 1)
    assert other != TEXT
    with pytest.raises(CheckpointInvalid):
        Checkpoint.parse(other)


@pytest.mark.parametrize("text", ["", "\n", "a\n1\n", f"a\n1\n{B64}"])
def test_a_text_cut_short_is_refused(text):
    with pytest.raises(CheckpointInvalid):
        Checkpoint.parse(text)


def test_an_empty_log_has_the_root_of_nothing_and_no_totals():
    empty = Checkpoint("a", 0, EMPTY_ROOT, {})
    assert Checkpoint.parse(empty.text()) == empty

    for other in (
        Checkpoint("a", 0, ROOT, {}),
        Checkpoint("a", 0, EMPTY_ROOT, {("point", "issued", "personal"): 1}),
    ):
        with pytest.raises(CheckpointInvalid):
            Checkpoint.parse(other.text())
