"""Decimal numbers of plans and statistics as whole thousandths, so that 3.6 % is exact."""

import re

VALUE_MAX = 10**12  # Of a unit, either way: a thousand times this still fits a bigint.
_NUMBER = re.compile(r"-?[0-9]{1,13}(\.[0-9]{1,3})?")


def thousandths(written: str) -> int:
    """``"3.6"`` → 3600.

    Raises ValueError for what is no plain decimal number of at most three places, or beyond
    ``VALUE_MAX``.
    """
    if not _NUMBER.fullmatch(written):
        raise ValueError("it is no number with at most three decimal places")
    whole, _, fraction = written.partition(".")
    value = int(whole.lstrip("-")) * 1000 + int(fraction.ljust(3, "0") or 0)
    if value > VALUE_MAX * 1000:
        raise ValueError("it is too large")
    return -value if whole.startswith("-") else value


def written(value_thousandths: int, *, grouped: bool = True) -> str:
    """3600 → ``"3.6"``, 250000000000 → ``"250,000,000"``: no digit lost, none added."""
    whole, fraction = divmod(abs(value_thousandths), 1000)
    sign = "-" if value_thousandths < 0 else ""
    digits = f"{fraction:03}".rstrip("0")
    return f"{sign}{whole:{',' if grouped else ''}}" + (f".{digits}" if digits else "")
