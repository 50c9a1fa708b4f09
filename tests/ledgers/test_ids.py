"""Ids: UUIDv7 as RFC 9562 says, in order, bounded by their month."""

from datetime import UTC, datetime, timedelta
from uuid import RFC_4122, UUID

from hypothesis import given
from hypothesis import strategies as st

from ledgers.ids import uuid7_floor, uuid7s

MOMENTS = st.datetimes(datetime(2000, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001


@given(MOMENTS, st.integers(1, 50))
def test_ids_rise_and_carry_version_variant_and_millisecond(at, count):
    made = uuid7s(count, at)

    ids = [UUID(text) for text in made]
    assert made == sorted(made)
    assert len(set(made)) == count
    assert {id_.version for id_ in ids} == {7}
    assert {id_.variant for id_ in ids} == {RFC_4122}
    assert {id_.int >> 80 for id_ in ids} == {int(at.timestamp() * 1000)}


@given(MOMENTS)
def test_the_floor_of_an_instant_divides_what_was_made_before_from_after(at):
    floor = uuid7_floor(at)

    assert UUID(uuid7s(1, at)[0]) > floor
    assert UUID(uuid7s(1, at - timedelta(milliseconds=1))[0]) < floor


def test_ids_rise_from_call_to_call_within_a_millisecond():
    """A lapse stands before the spend that caused it, a debt's payment behind the earning."""
    at = datetime(2031, 5, 4, 3, 2, 1, tzinfo=UTC)

    calls = [uuid7s(3, at) for _ in range(100)]

    assert sorted(calls) == calls
    assert len({id_ for call in calls for id_ in call}) == 300
