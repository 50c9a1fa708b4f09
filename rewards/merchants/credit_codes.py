"""Unified social credit codes (统一社会信用代码), as GB 32100-2015 has them.

Eighteen characters: who registered, what kind, a division of six digits, nine of the organisation,
and a check character by weights of powers of 3 modulo 31 (GB 32100-2015, section 4 and annex A).
"""

from rewards.merchants.errors import BadCreditCode

ALPHABET = "0123456789ABCDEFGHJKLMNPQRTUWXY"  # No I, O, S, V, Z.
LENGTH = 18
_VALUES = {letter: value for value, letter in enumerate(ALPHABET)}
_WEIGHTS = tuple(pow(3, place, 31) for place in range(LENGTH - 1))
_DIVISION = slice(2, 8)


def checked(typed: str) -> str:
    """The code as it is written: spaces around it and case do not matter. Raises BadCreditCode."""
    code = typed.strip().upper()
    if len(code) != LENGTH:
        raise BadCreditCode("length")
    if not set(code) <= _VALUES.keys() or not code[_DIVISION].isdecimal():
        raise BadCreditCode("letters")
    if check_character(code[:-1]) != code[-1]:
        raise BadCreditCode("check")
    return code


def check_character(first: str) -> str:
    """The eighteenth character after seventeen."""
    total = sum(_VALUES[letter] * weight for letter, weight in zip(first, _WEIGHTS, strict=True))
    return ALPHABET[-total % 31]
