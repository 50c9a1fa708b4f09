"""Verification rules: typed kinds with parameters, and the pure decision over one event.

Order of effect: known scene, known resident, times, approval, method, ranges, claim, cap. The
first that refuses gives the code. Rules hold no code and no expressions: a new kind is a struct
here. Parameters come from ``rule.parameters``; every row names the document behind it.
"""

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Annotated, TypeVar

import msgspec

CLOCK_TOLERANCE = timedelta(minutes=5)  # Senders' clocks differ; the future does not count.
_Bound = Annotated[int, msgspec.Meta(ge=0)]


class QuantityRange(msgspec.Struct, frozen=True, tag_field="kind", tag="quantity_range"):
    """Refuse a quantity that nobody does: below ``min`` or above ``max``, in the base unit."""

    min: _Bound
    max: _Bound


class DurationRange(msgspec.Struct, frozen=True, tag_field="kind", tag="duration_range"):
    """Refuse an act shorter or longer than is plausible."""

    min_s: _Bound
    max_s: _Bound


class DailyCap(msgspec.Struct, frozen=True, tag_field="kind", tag="daily_cap"):
    """Grant points for at most ``max`` base units a day; the saved CO2e stands."""

    max: _Bound


RuleKind = QuantityRange | DurationRange | DailyCap


@dataclass(frozen=True, slots=True)
class Dated:
    """From ``valid_from`` until the day before ``valid_to``; None means no end."""

    valid_from: date
    valid_to: date | None

    def holds_on(self, day: date) -> bool:
        return self.valid_from <= day and (self.valid_to is None or day < self.valid_to)


@dataclass(frozen=True, slots=True)
class DatedRule(Dated):
    kind: RuleKind


@dataclass(frozen=True, slots=True)
class DatedMethod(Dated):
    code: str
    version: int
    ug_co2e_per_unit: int


@dataclass(frozen=True, slots=True)
class DatedTariff(Dated):
    mg_co2e_per_point: int


D = TypeVar("D", bound=Dated)


def on_day(rows: list[D], day: date) -> list[D]:
    """The rows that hold on a day, in their order."""
    return [row for row in rows if row.holds_on(day)]
