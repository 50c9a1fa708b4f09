"""Slices: ranges of holders, so that work over everybody is done in bounded pieces."""

from collections.abc import Iterator
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from ledgers.models import Account

ACCOUNTS_A_SLICE = 5_000
SLICES_MAX = 4_096


def count_slices(session: Session) -> int:
    """How many slices of some ACCOUNTS_A_SLICE accounts there are."""
    accounts = session.scalar(select(func.count()).select_from(Account)) or 0
    return min(accounts // ACCOUNTS_A_SLICE + 1, SLICES_MAX)


def bounds(index: int, slices: int) -> tuple[UUID, UUID]:
    """The lowest and highest holder id of one of ``slices`` equal ranges. Holder ids are random."""
    low, next_low = (2**128 * n // slices for n in (index, index + 1))
    return UUID(int=low), UUID(int=next_low - 1)


def all_bounds(slices: int) -> Iterator[tuple[UUID, UUID]]:
    """The bounds of every slice, lowest first."""
    return (bounds(index, slices) for index in range(slices))
