"""Progress: how what was reported stands against what a plan wants. Pure functions.

Kept here: a target is held against reported values of its own indicator and division alone, never
against what the platform sees of its registered residents.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Literal

from service.districts.plans.thousandths import written
from service.districts.spans import span_of
from service.language import Text

State = Literal["met", "on_the_way", "behind", "no_value"]
STATES: dict[State, Text] = {
    "met": Text("已达到", "met"),
    "on_the_way": Text("推进中", "on the way"),
    "behind": Text("落后", "behind"),
    "no_value": Text("无数据", "no value"),
}
COMPARISONS = {
    ">=": Text("不低于", "at least"),
    ">": Text("高于", "more than"),
    "<=": Text("不高于", "at most"),
    "<": Text("低于", "less than"),
}
_UNITS = {
    "%": Text("%", "%"),
    "count": Text("", ""),
    "km": Text(" 公里", " km"),
    "kWh": Text(" 千瓦时", " kWh"),
    "kg": Text(" 千克", " kg"),
    "t": Text(" 吨", " t"),
    "person": Text(" 人", " people"),
}


@dataclass(frozen=True, slots=True)
class Wanted:
    """A plan's target of an indicator for the end of a year."""

    year: int
    target_thousandths: int
    comparison: str
    unit: str


@dataclass(frozen=True, slots=True)
class Reported:
    """A value that counts, of a period (2025, 2025-Q3, 2025-10)."""

    period: str
    value_thousandths: int


@dataclass(frozen=True, slots=True)
class Progress:
    """``latest`` is what the target is held against; ``gap_thousandths`` what it lacks, 0 where the
    target is met, None without a value. ``trend``: values of the same kind of period, earliest
    first. ``sentence`` says it all.
    """

    state: State
    latest: Reported | None
    gap_thousandths: int | None
    trend: tuple[Reported, ...]
    sentence: Text


def progress(wanted: Wanted, values: Sequence[Reported], *, on: date) -> Progress:
    """How a target stands on a day.

    The latest value of a period that ended by the end of the target's year counts. Met: it compares
    as the plan wants. Otherwise behind, where the year is over, or where the straight line through
    the earliest and the latest value of the same kind of period does not reach the target by then;
    else on the way.
    """
    ordered = sorted(values, key=_place)
    due = date(wanted.year + 1, 1, 1)
    counting = [one for one in ordered if span_of(one.period)[1] <= due]
    if not counting:
        trend = _same_kind(ordered, ordered[-1]) if ordered else ()
        return Progress("no_value", None, None, trend, _no_value(wanted))
    latest = counting[-1]
    trend = _same_kind(counting, latest)
    if _meets(latest.value_thousandths, wanted):
        state: State = "met"
    elif on >= due or not _would_meet(trend, wanted, due):
        state = "behind"
    else:
        state = "on_the_way"
    gap = 0 if state == "met" else abs(wanted.target_thousandths - latest.value_thousandths)
    return Progress(state, latest, gap, trend, _sentence(wanted, latest, state, gap, trend))


def amount(value_thousandths: int, unit: str) -> Text:
    """A value with its unit, as people read it."""
    as_written = f" {unit}"
    number, units = written(value_thousandths), _UNITS.get(unit, Text(as_written, as_written))
    return Text(f"{number}{units.zh}", f"{number}{units.en}")


def _place(one: Reported) -> tuple[date, int]:
    first, beyond = span_of(one.period)
    return beyond, (beyond - first).days


def _same_kind(values: Sequence[Reported], like: Reported) -> tuple[Reported, ...]:
    """A month's value beside a year's would be no trend."""
    return tuple(one for one in values if len(one.period) == len(like.period))


def _meets(value_thousandths: int, wanted: Wanted) -> bool:
    target = wanted.target_thousandths
    return {
        ">=": value_thousandths >= target,
        ">": value_thousandths > target,
        "<=": value_thousandths <= target,
        "<": value_thousandths < target,
    }[wanted.comparison]


def _would_meet(trend: Sequence[Reported], wanted: Wanted, due: date) -> bool:
    """Whether the line through the first and the last value meets the target when it is due; one
    value has no pace, and leaves it open.
    """
    first, last = trend[0], trend[-1]
    if first == last:
        return True
    start, now, end = (_months(day) for day in (*_ends(first, last), due))
    moved = last.value_thousandths - first.value_thousandths
    # In whole numbers: the value at ``due``, times the months that the line was observed.
    months = now - start
    ahead = last.value_thousandths * months + moved * (end - now)
    scaled = Wanted(wanted.year, wanted.target_thousandths * months, wanted.comparison, wanted.unit)
    return _meets(ahead, scaled)


def _ends(first: Reported, last: Reported) -> tuple[date, date]:
    return span_of(first.period)[1], span_of(last.period)[1]


def _months(day: date) -> int:
    """Of a first day of a month: days would make a leap year a little slower."""
    return day.year * 12 + day.month


def _no_value(wanted: Wanted) -> Text:
    target = amount(wanted.target_thousandths, wanted.unit)
    comparison = COMPARISONS[wanted.comparison]
    return Text(
        f"目标：{wanted.year} 年{comparison.zh} {target.zh}；尚无当年或更早的填报数据。",
        f"Target: {comparison.en} {target.en} in {wanted.year};"
        " nothing has been reported for that year or earlier.",
    )


def _sentence(
    wanted: Wanted, latest: Reported, state: State, gap: int, trend: Sequence[Reported]
) -> Text:
    target = amount(wanted.target_thousandths, wanted.unit)
    value = amount(latest.value_thousandths, wanted.unit)
    comparison, said = COMPARISONS[wanted.comparison], STATES[state]
    lacks = Text("", "")
    if gap:
        by = _difference(gap, wanted.unit)
        lacks = Text(f"，差 {by.zh}", f", {by.en} short")
    since = _since(trend, wanted.unit)
    return Text(
        f"{latest.period} 填报 {value.zh}；目标为 {wanted.year} 年{comparison.zh} {target.zh}，"
        f"{said.zh}{lacks.zh}{since.zh}。",
        f"{value.en} reported for {latest.period}; the target is {comparison.en} {target.en} in"
        f" {wanted.year}: {said.en}{lacks.en}{since.en}.",
    )


def _since(trend: Sequence[Reported], unit: str) -> Text:
    """How it moved from the earliest value to the latest."""
    if len(trend) < 2:
        return Text("", "")
    first, moved = trend[0], trend[-1].value_thousandths - trend[0].value_thousandths
    if moved == 0:
        return Text(f"；自 {first.period} 以来无变化", f"; no change since {first.period}")
    by = _difference(abs(moved), unit)
    up = moved > 0
    return Text(
        f"；自 {first.period} 以来{'上升' if up else '下降'} {by.zh}",
        f"; {'up' if up else 'down'} {by.en} since {first.period}",
    )


def _difference(thousandths: int, unit: str) -> Text:
    """Of percentages in percentage points."""
    if unit != "%":
        return amount(thousandths, unit)
    return Text(f"{written(thousandths)} 个百分点", f"{written(thousandths)} percentage points")
