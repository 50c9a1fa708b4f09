"""Unified social credit codes, by GB 32100-2015."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rewards.merchants.credit_codes import ALPHABET, check_character, checked
from rewards.merchants.errors import BadCreditCode

# Of registered companies, as published.
REAL = ("91110000600037341L", "91110108551385082Q", "91512081MA62K0260E")
FIRST = "91350100M000100Y4"  # The standard's own worked example; its check character is 3.
SEVENTEEN = st.tuples(
    st.text(ALPHABET, min_size=2, max_size=2),
    st.text("0123456789", min_size=6, max_size=6),
    st.text(ALPHABET, min_size=9, max_size=9),
).map("".join)


@pytest.mark.parametrize("code", REAL)
def test_a_real_code_is_one_as_it_is_and_as_it_is_typed(code):
    assert checked(code) == code
    assert checked(f" {code.lower()} ") == code


def test_the_worked_example_of_the_rules_comes_out():
    assert check_character(FIRST) == "3"
    with pytest.raises(BadCreditCode) as caught:
        checked(f"{FIRST}4")
    assert caught.value.wrong == "check"


@pytest.mark.parametrize("typed", ["", "9111000060003734L", f"{REAL[0]}1"])
def test_another_length_is_refused(typed):
    with pytest.raises(BadCreditCode) as caught:
        checked(typed)
    assert caught.value.wrong == "length"


@pytest.mark.parametrize(
    "typed",
    ["9111000060003734IL", "91110000600037341S", "91A10000600037341L", "9一110000600037341L"],
)
def test_letters_that_no_code_has_are_refused(typed):
    with pytest.raises(BadCreditCode) as caught:
        checked(typed)
    assert caught.value.wrong == "letters"


@given(SEVENTEEN, st.integers(0, 16), st.sampled_from(ALPHABET))
def test_one_wrong_character_is_always_found(first, place, other):
    code = first + check_character(first)
    assert checked(code) == code
    wrong = code[:place] + other + code[place + 1 :]
    if wrong != code:
        with pytest.raises(BadCreditCode):
            checked(wrong)


@given(SEVENTEEN, st.integers(0, 15))
def test_two_that_changed_places_are_always_found(first, place):
    code = first + check_character(first)
    a, b = code[place], code[place + 1]
    if a != b:
        with pytest.raises(BadCreditCode):
            checked(code[:place] + b + a + code[place + 2 :])
