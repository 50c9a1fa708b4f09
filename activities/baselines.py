"""A household's own baseline: what a month's reading of its meter saved, and from what.

The baseline of a month is the mean of the same month in the two years before, if the household
lived there in both and both readings are known; else the city's mean per person times the persons.
A shorter or longer February is scaled to the days of the month in question. Whole numbers
throughout, one rounding down. What cannot be compared is refused with a code and its figures:

- no_household: nobody declared the household for that month, or it moved in after the month began.
- solar_household: with a solar roof an electricity meter shows less than is used.
- top_tier_household: the electricity tariff's top tier, which the programmes leave out.
- no_method: the programme publishes no city mean for that month.
- no_saving: the reading is not below the baseline.
- already_claimed: another act brought this household's reading of the month, of another meter say.

How intake uses it: ``read_history`` once a batch, ``saved_quantity`` for each event in its order
that holds the claim on its meter's month, ``keep_readings`` once with all of these but those that
came to already_claimed: refused ones too, for later months rest on them. Claim the month whatever
the outcome, or a second, lower reading of it would earn.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time
from typing import Any, LiteralString, NamedTuple, TypeVar
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy.orm import Session

from ledgers.bulk import array_of, together

TOP_TIER = 3
ELECTRICITY = "Wh"


class Home(NamedTuple):
    """A household as it was declared, from ``valid_from`` on."""

    valid_from: date
    persons: int
    moved_in_on: date
    solar: bool
    tier: int


class CityMean(NamedTuple):
    """What a person of the city uses in a calendar month, as published, from ``valid_from`` on."""

    valid_from: date
    quantity_per_person: int
    document: str


Dated = TypeVar("Dated", Home, CityMean)
Month = tuple[str, str, date]  # Holder in hexadecimal, behaviour, first day of a month.
CityMonth = tuple[str, str, int]  # Programme, behaviour, month of the year.


@dataclass(slots=True)
class History:
    """What baselines rest on. Homes and city means are in the order of their ``valid_from``;
    ``brought_by`` is the activity of a reading.
    """

    readings: dict[Month, int] = field(default_factory=dict)
    brought_by: dict[Month, UUID] = field(default_factory=dict)
    homes: dict[str, list[Home]] = field(default_factory=dict)
    city: dict[CityMonth, list[CityMean]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a month came to.

    ``code`` is None when it saved something, else the refusal. ``quantity`` is what was saved, in
    the behaviour's base unit. ``facts`` are the figures it rests on, ready for JSON:
    ``month``, ``reading``, and as far as they were looked at ``household_since``, ``moved_in_on``,
    ``persons``, ``baseline``, ``basis`` (own or city) and ``rests_on``. ``duplicate_of`` is the
    activity that brought the month's reading before.
    """

    code: str | None
    quantity: int
    facts: dict[str, Any]
    duplicate_of: UUID | None = None


class ReadingRow(NamedTuple):
    """A meter reading to keep; ``activity`` is the id in hexadecimal of what brought it."""

    holder: str
    behaviour_code: str
    month: date
    quantity: int
    activity: str


def whole_month(started_at: datetime, ended_at: datetime, zone: ZoneInfo) -> date | None:
    """The first day of the calendar month that is exactly from one instant to the other
    (exclusive), in the zone; None if it is another time (the event is refused as bad_times).
    """
    first = started_at.astimezone(zone).date().replace(day=1)
    if started_at != _midnight(first, zone) or ended_at != _midnight(_after(first, 1), zone):
        return None
    return first


def saved_quantity(
    history: History,
    *,
    programme_code: str,
    behaviour_code: str,
    holder: str,
    month: date,
    reading: int,
    base_unit: str = ELECTRICITY,
    activity_id: UUID | None = None,
    supersedes: Collection[UUID] = (),
) -> Outcome:
    """What a household saved in a month, or why that cannot be said.

    Pure, but for noting the reading in ``history``, so that a later event of the batch may rest on
    it: as ``keep_readings`` would, the later takes the place of the earlier.

    Args:
        history: of ``read_history`` with this very holder, behaviour and month among its wanted.
        holder: the holder's id in hexadecimal.
        month: its first day, from ``whole_month``.
        reading: what the meter counted in the month, in the behaviour's base unit.
        base_unit: solar roofs and tiers matter to electricity alone.
        activity_id: what brings it; given, a month that another one brought is already_claimed.
        supersedes: but for these, in whose place it comes.
    """
    key, facts = (holder, behaviour_code, month), {"month": f"{month:%Y-%m}", "reading": reading}
    if activity_id is not None:
        owner = history.brought_by.setdefault(key, activity_id)
        if owner != activity_id and owner not in supersedes:
            return Outcome("already_claimed", 0, facts, owner)
        history.brought_by[key] = activity_id
    history.readings[key] = reading
    return _compared(history, programme_code, key, facts, electric=base_unit == ELECTRICITY)


def _compared(
    history: History,
    programme_code: str,
    wanted: Month,
    facts: dict[str, Any],
    *,
    electric: bool,
) -> Outcome:
    holder, behaviour_code, month = wanted
    home = _in_force(history.homes.get(holder, ()), _last_day(month))
    if home is None:
        return Outcome("no_household", 0, facts)
    facts["household_since"] = home.valid_from.isoformat()
    facts["moved_in_on"] = home.moved_in_on.isoformat()
    facts["persons"] = home.persons
    if home.moved_in_on > month:
        return Outcome("no_household", 0, facts)
    if electric and home.solar:
        return Outcome("solar_household", 0, facts)
    if electric and home.tier >= TOP_TIER:
        return Outcome("top_tier_household", 0, facts)
    mean = _in_force(history.city.get((programme_code, behaviour_code, month.month), ()), month)
    found = _own(history, wanted, home) or _city(mean, home)
    if found is None:
        return Outcome("no_method", 0, facts)
    facts |= found
    saved = max(0, found["baseline"] - facts["reading"])
    return Outcome(None if saved else "no_saving", saved, facts)


def _own(history: History, wanted: Month, home: Home) -> dict[str, Any] | None:
    """The mean of the same month in the two years before, if both were lived and read here."""
    holder, behaviour_code, month = wanted
    known = []
    for earlier in (_after(month, -12), _after(month, -24)):
        reading = history.readings.get((holder, behaviour_code, earlier))
        if reading is None or earlier < home.moved_in_on:
            return None
        known.append((earlier, _days(earlier), reading))
    (_, days, reading), (_, days_before, reading_before) = known
    scaled = (reading * days_before + reading_before * days) * _days(month)
    return {
        "baseline": scaled // (2 * days * days_before),
        "basis": "own",
        "rests_on": [{"month": f"{m:%Y-%m}", "days": d, "reading": r} for m, d, r in known],
    }


def _city(mean: CityMean | None, home: Home) -> dict[str, Any] | None:
    if mean is None:
        return None
    rests_on = {
        "quantity_per_person": mean.quantity_per_person,
        "valid_from": mean.valid_from.isoformat(),
        "document": mean.document,
    }
    return {
        "baseline": mean.quantity_per_person * home.persons,
        "basis": "city",
        "rests_on": [rests_on],
    }


def _in_force(rows: Iterable[Dated], day: date) -> Dated | None:
    """The latest of those that began by the day."""
    found = None
    for row in rows:
        if row.valid_from <= day:
            found = row
    return found


def _after(month: date, months: int) -> date:
    years, index = divmod(month.month - 1 + months, 12)
    return date(month.year + years, index + 1, 1)


def _days(month: date) -> int:
    return (_after(month, 1) - month).days


def _last_day(month: date) -> date:
    return month.replace(day=_days(month))


def _midnight(day: date, zone: ZoneInfo) -> datetime:
    return datetime.combine(day, time(), zone)


_READINGS: LiteralString = """
    SELECT replace(r.holder_id::text, '-', ''), r.behaviour_code, r.month, r.quantity,
        r.activity_id
    FROM unnest(CAST(%(holders)s AS uuid[]), CAST(%(behaviours)s AS text[]),
        CAST(%(months)s AS date[])) AS w (holder, behaviour, month)
    JOIN reading r
        ON r.holder_id = w.holder AND r.behaviour_code = w.behaviour AND r.month = w.month
"""
_HOMES: LiteralString = """
    SELECT replace(holder_id::text, '-', ''), valid_from, persons, moved_in_on, solar, tier
    FROM household WHERE holder_id = ANY(CAST(%(holders)s AS uuid[])) ORDER BY valid_from
"""
_CITY: LiteralString = """
    SELECT programme_code, behaviour_code, month, valid_from, quantity_per_person, document
    FROM city_baseline WHERE behaviour_code = ANY(CAST(%(behaviours)s AS text[]))
    ORDER BY valid_from
"""


def read_history(session: Session, wanted: Iterable[Month]) -> History:
    """What the baselines of these months rest on: three reads in one round trip, however many; no
    statement for none. At most 10,000 wanted.
    """
    asked = set(wanted)
    if not asked:
        return History()
    months = {(h, b, _after(month, -back)) for h, b, month in asked for back in (0, 12, 24)}
    ordered = sorted(months)
    behaviours = array_of({behaviour for _, behaviour, _ in asked})
    readings, homes, city = together(
        session,
        (
            _READINGS,
            {
                "holders": array_of(holder for holder, _, _ in ordered),
                "behaviours": array_of(behaviour for _, behaviour, _ in ordered),
                "months": array_of(month for _, _, month in ordered),
            },
        ),
        (_HOMES, {"holders": array_of(sorted({holder for holder, _, _ in asked}))}),
        (_CITY, {"behaviours": behaviours}),
    )
    history = History()
    for holder, behaviour, month, quantity, activity_id in readings.fetchall():
        history.readings[holder, behaviour, month] = quantity
        history.brought_by[holder, behaviour, month] = activity_id
    for holder, *home in homes.fetchall():
        history.homes.setdefault(holder, []).append(Home(*home))
    for programme, behaviour, number, *mean in city.fetchall():
        history.city.setdefault((programme, behaviour, number), []).append(CityMean(*mean))
    return history


_KEEP: LiteralString = """
    INSERT INTO reading (holder_id, behaviour_code, month, quantity, activity_id)
    SELECT * FROM unnest(CAST(%(holders)s AS uuid[]), CAST(%(behaviours)s AS text[]),
        CAST(%(months)s AS date[]), CAST(%(quantities)s AS bigint[]),
        CAST(%(activities)s AS uuid[])) AS n (holder, behaviour, month, quantity, activity)
    ORDER BY holder, behaviour, month
    ON CONFLICT (holder_id, behaviour_code, month) DO UPDATE
    SET quantity = excluded.quantity, activity_id = excluded.activity_id
"""
_FORGET: LiteralString = """
    DELETE FROM reading r
    USING unnest(CAST(%(holders)s AS uuid[]), CAST(%(activities)s AS uuid[])) AS g (holder, id)
    WHERE r.holder_id = g.holder AND r.activity_id = g.id
"""


def keep_readings(session: Session, rows: Iterable[ReadingRow]) -> None:
    """Keep what meters showed, in one statement; a later reading of a month, of a correction or of
    a weightier report, takes the place of the earlier. A retry changes nothing.

    The caller has the residents locked (``activities.deciding.residents``).
    """
    last = {(row.holder, row.behaviour_code, row.month): row for row in rows}
    if not last:
        return
    kept = list(last.values())
    parameters = {
        "holders": array_of(row.holder for row in kept),
        "behaviours": array_of(row.behaviour_code for row in kept),
        "months": array_of(row.month for row in kept),
        "quantities": array_of(row.quantity for row in kept),
        "activities": array_of(row.activity for row in kept),
    }
    together(session, (_KEEP, parameters))


def forget_readings(session: Session, activities: Mapping[str, str]) -> None:
    """Remove what withdrawn or superseded activities brought, in one statement.

    Args:
        activities: their ids in hexadecimal, each with its holder's.
    """
    if activities:
        parameters = {
            "holders": array_of(activities.values()),
            "activities": array_of(activities),
        }
        together(session, (_FORGET, parameters))
