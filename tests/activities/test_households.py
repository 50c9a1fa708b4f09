"""Households as residents declare them: bounds, dates, and nothing overwritten."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from uuid import UUID, uuid4

import pytest

from activities.errors import HouseholdOutOfBounds, HouseholdReused, UnknownResident
from activities.households import Declared, declare, history
from tests.makers import a_resident

NOW = datetime(2026, 11, 20, 16, tzinfo=UTC)  # 21 November began in Shanghai.
TODAY = date(2026, 11, 21)
FAMILY = Declared(TODAY, persons=3, moved_in_on=date(2019, 5, 1), solar=False, tier=1)


def declared(session, holder_id: UUID, household: Declared, now: datetime = NOW):
    return declare(session, holder_id, household, now=now, actor="resident")


def test_a_household_is_kept_with_who_said_so(session):
    holder_id = a_resident(session)

    made = declared(session, holder_id, FAMILY)

    assert (made.persons, made.tier, made.actor, made.recorded_at) == (3, 1, "resident", NOW)
    assert history(session, holder_id) == [made]


def test_the_same_again_is_a_retry_even_a_year_later(session):
    holder_id = a_resident(session)
    made = declared(session, holder_id, FAMILY)

    assert declared(session, holder_id, FAMILY, NOW + timedelta(days=400)) is made
    assert made.recorded_at == NOW


@pytest.mark.parametrize(
    "other", [{"persons": 4}, {"moved_in_on": TODAY}, {"solar": True}, {"tier": 2}]
)
def test_what_was_declared_as_of_a_day_stays_and_a_change_is_of_another_day(session, other):
    holder_id = a_resident(session)
    declared(session, holder_id, FAMILY)
    changed = replace(FAMILY, **other)

    with pytest.raises(HouseholdReused) as refusal:
        declared(session, holder_id, changed)
    assert refusal.value.valid_from == TODAY

    declared(session, holder_id, replace(changed, valid_from=TODAY + timedelta(days=1)))
    assert [each.valid_from.day for each in history(session, holder_id)] == [22, 21]


@pytest.mark.parametrize(
    ("facts", "field"),
    [
        ({"persons": 0}, "persons"),
        ({"persons": 21}, "persons"),
        ({"persons": -1}, "persons"),
        ({"tier": 0}, "tier"),
        ({"tier": 4}, "tier"),
        ({"moved_in_on": TODAY + timedelta(days=1)}, "moved_in_on"),
        ({"moved_in_on": date(1899, 12, 31)}, "moved_in_on"),
        ({"valid_from": TODAY - timedelta(days=32)}, "valid_from"),
        ({"valid_from": TODAY + timedelta(days=32)}, "valid_from"),
        ({"valid_from": date.max}, "valid_from"),
        ({"valid_from": date.min}, "valid_from"),
    ],
)
def test_what_cannot_be_is_refused_with_its_bounds(session, facts, field):
    holder_id = a_resident(session)

    with pytest.raises(HouseholdOutOfBounds) as refusal:
        declared(session, holder_id, replace(FAMILY, **facts))

    assert refusal.value.field == field
    assert history(session, holder_id) == []


@pytest.mark.parametrize(
    "facts",
    [
        {"persons": 1},
        {"persons": 20},
        {"tier": 3},
        {"solar": True},
        {"moved_in_on": TODAY},
        {"moved_in_on": date(1900, 1, 1)},
        {"valid_from": TODAY - timedelta(days=31)},
        {"valid_from": TODAY + timedelta(days=31)},
    ],
)
def test_what_lies_on_a_bound_is_taken(session, facts):
    holder_id = a_resident(session)
    declared(session, holder_id, replace(FAMILY, **facts))
    assert len(history(session, holder_id)) == 1


def test_of_somebody_who_takes_no_part_nothing_is_kept(session):
    with pytest.raises(UnknownResident):
        declared(session, uuid4(), FAMILY)


def test_of_two_at_once_one_is_kept_and_the_other_refused(database):
    holder_id = database.transact(a_resident)

    def one(persons: int) -> bool:
        try:
            database.transact(lambda s: declared(s, holder_id, replace(FAMILY, persons=persons)))
        except HouseholdReused:
            return False
        return True

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(one, [1, 2, 3, 4])) == 1
