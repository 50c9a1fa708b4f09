"""Filters: which postings and which transfers somebody asks for."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import ColumnElement

from ledgers.ids import uuid7_floor
from ledgers.models import Posting, Transfer


@dataclass(frozen=True, slots=True, kw_only=True)
class Heads:
    """Postings, by each of these that is not None; recorded from ``since`` and before ``until``."""

    actor: str | None = None
    kind: str | None = None
    request_id: str | None = None
    since: datetime | None = None
    until: datetime | None = None

    @property
    def leave_some_out(self) -> bool:
        """Whether a walk through the postings of the period meets some that are not wanted."""
        return any(wanted is not None for wanted in (self.actor, self.kind, self.request_id))

    def bounds_of_ids(self) -> list[ColumnElement[bool]]:
        """The condition on their transfers."""
        return bounds_of_ids(self.since, self.until)

    def take(self, posting: Posting) -> bool:
        """Whether it is one of them."""
        return (
            self.actor in (None, posting.actor)
            and self.kind in (None, posting.kind)
            and self.request_id in (None, posting.request_id)
            and (self.since is None or posting.recorded_at >= self.since)
            and (self.until is None or posting.recorded_at < self.until)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Moves:
    """Transfers, by each of these that is not None; amounts are in the transfer's unit."""

    unit: str | None = None
    min_amount: int | None = None
    max_amount: int | None = None
    kind: str | None = None
    reference: UUID | None = None
    reverses_id: UUID | None = None

    def conditions(self) -> list[ColumnElement[bool]]:
        """Empty when it is all of them."""
        found: list[ColumnElement[bool]] = []
        if self.unit is not None:
            found.append(Transfer.unit == self.unit)
        if self.min_amount is not None:
            found.append(Transfer.amount >= self.min_amount)
        if self.max_amount is not None:
            found.append(Transfer.amount <= self.max_amount)
        if self.kind is not None:
            found.append(Transfer.kind == self.kind)
        if self.reference is not None:
            found.append(Transfer.reference == self.reference)
        if self.reverses_id is not None:
            found.append(Transfer.reverses_id == self.reverses_id)
        return found


_STEP = timedelta(milliseconds=2)  # Ids carry whole milliseconds: this is surely a later one.


def bounds_of_ids(first: datetime | None, last: datetime | None) -> list[ColumnElement[bool]]:
    """The condition on transfers recorded from ``first`` to ``last``, both included.

    Their ids carry the instant of recording, so that PostgreSQL looks in these months only.
    """
    found: list[ColumnElement[bool]] = []
    if first is not None:
        found.append(Transfer.id >= uuid7_floor(first))
    if last is not None:
        found.append(Transfer.id < uuid7_floor(last + _STEP))
    return found
