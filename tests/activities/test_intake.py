"""Intake: each event decided once, each act granted once, all of a batch in one transaction."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select, text
from sqlalchemy.exc import DBAPIError

from activities.explanations import SENTENCES
from activities.history import page
from activities.models import Activity
from activities.participants import enrol
from service.demo_shops import DEMO_PROGRAMME
from tests.makers import (
    APRIL_12,
    NOW,
    XIAYANG,
    a_resident,
    a_ride,
    a_walk,
    balance,
    recorded,
)


def activities_of(session, holder_id) -> list[Activity]:
    return list(session.scalars(select(Activity).where(Activity.holder_id == holder_id)))


def test_a_walk_earns_its_grams_and_points(session):
    holder_id = a_resident(session)

    (answer,) = recorded(session, a_walk(holder_id, 7_301))

    assert (answer.decision, answer.code, answer.written) == ("verified", "verified", True)
    assert (answer.saved_mg_co2e, answer.points, answer.trimmed_points) == (146_020, 146, 0)
    assert balance(session, holder_id, "mg_co2e") == 146_020
    assert balance(session, holder_id) == 146


def test_a_ride_earns_by_the_trip(session):
    holder_id = a_resident(session)

    (answer,) = recorded(session, a_ride(holder_id, seconds=2_700))

    assert (answer.saved_mg_co2e, answer.points) == (52_000, 52)


def test_over_the_daily_cap_the_co2e_stands_and_the_points_are_trimmed(session):
    holder_id = a_resident(session)

    (answer,) = recorded(session, a_walk(holder_id, 36_019))

    assert (answer.decision, answer.code) == ("verified", "daily_cap")
    assert (answer.saved_mg_co2e, answer.points, answer.trimmed_points) == (720_380, 200, 520)
    assert balance(session, holder_id, "mg_co2e") == 720_380
    assert balance(session, holder_id) == 200


@pytest.mark.parametrize(("steps", "points", "code"), [
    (10_000, 200, "verified"),
    (10_049, 200, "verified"),  # 200.98 g are 200 points: the cap cuts nothing.
    (10_050, 200, "daily_cap"),
])  # fmt: skip
def test_the_cap_binds_at_its_very_edge(session, steps, points, code):
    (answer,) = recorded(session, a_walk(a_resident(session), steps))

    assert (answer.points, answer.code) == (points, code)


def test_the_same_event_again_gets_its_first_answer_and_writes_nothing(session):
    holder_id = a_resident(session)
    events = [a_walk(holder_id, 12_000), a_ride(holder_id), a_walk(holder_id, 0, day=1)]
    first = recorded(session, *events)
    rows = len(activities_of(session, holder_id))

    again = recorded(session, *events, at=NOW + timedelta(days=3))

    assert [a._replace(written=True) for a in again] == first
    assert [a.written for a in again] == [False] * 3
    assert len(activities_of(session, holder_id)) == rows
    assert balance(session, holder_id) == 252


def test_the_same_id_with_other_content_is_refused_and_keeps_nothing(session):
    holder_id = a_resident(session)
    event = a_walk(holder_id, 5_000, event_id=uuid4().hex)
    recorded(session, event)

    (answer,) = recorded(session, a_walk(holder_id, 6_000, event_id=event.event_id))

    assert (answer.decision, answer.code, answer.written) == ("rejected", "event_id_reused", False)
    assert len(activities_of(session, holder_id)) == 1
    assert balance(session, holder_id) == 100


def test_the_same_act_under_another_id_is_a_duplicate_that_names_the_first(session):
    holder_id = a_resident(session)
    (first,) = recorded(session, a_walk(holder_id, 5_000))

    (answer,) = recorded(session, a_walk(holder_id, 5_100))

    assert (answer.decision, answer.code) == ("rejected", "already_claimed")
    assert answer.duplicate_of == first.activity_id
    assert (answer.saved_mg_co2e, answer.points) == (0, 0)
    assert balance(session, holder_id) == 100


def test_within_one_batch_the_first_of_two_wins(session):
    holder_id = a_resident(session)
    event = a_walk(holder_id, 5_000)
    same_act = a_walk(holder_id, 9_000)
    other_content = a_walk(holder_id, 7, event_id=event.event_id)

    answers = recorded(session, event, event, same_act, other_content)

    assert [a.code for a in answers] == [
        "verified", "verified", "already_claimed", "event_id_reused",
    ]  # fmt: skip
    assert [a.written for a in answers] == [True, False, True, False]
    assert answers[1].activity_id == answers[0].activity_id == answers[2].duplicate_of
    assert balance(session, holder_id) == 100


def test_a_refused_act_does_not_block_the_same_act_told_rightly(session):
    holder_id = a_resident(session)
    (refused,) = recorded(session, a_walk(holder_id, 100_001))

    (answer,) = recorded(session, a_walk(holder_id, 10_000))

    assert refused.code == "quantity_out_of_range"
    assert answer.code == "verified"


LONDON_MIDNIGHT = datetime(2016, 1, 10, tzinfo=UTC)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"scene": "no.such.scene"}, "unknown_scene"),
        ({"quantity": 2}, "quantity_out_of_range"),
        ({"quantity": 0}, "quantity_out_of_range"),
        ({"ended_at": APRIL_12 - timedelta(seconds=1)}, "bad_times"),
        ({"ended_at": APRIL_12 + timedelta(seconds=59)}, "duration_out_of_range"),
        ({"ended_at": APRIL_12 + timedelta(seconds=60)}, "verified"),
        ({"ended_at": APRIL_12 + timedelta(hours=6)}, "verified"),
        ({"ended_at": APRIL_12 + timedelta(hours=6, seconds=1)}, "duration_out_of_range"),
    ],
)
def test_each_rule_refuses_with_its_own_code(session, change, code):
    holder_id = a_resident(session)

    (answer,) = recorded(session, msgspec.structs.replace(a_ride(holder_id), **change))

    assert answer.code == code
    assert answer.decision == ("verified" if code == "verified" else "rejected")
    (kept,) = activities_of(session, holder_id)
    assert (kept.code, kept.id) == (code, answer.activity_id)
    assert balance(session, holder_id) == (52 if code == "verified" else 0)


@pytest.mark.parametrize(
    ("at", "code"),
    [
        # The scene demo.bike is approved from 1 January to 31 December 2016, days of Shanghai.
        (datetime(2015, 12, 31, 15, 59, 59, tzinfo=UTC), "scene_not_approved"),
        (datetime(2015, 12, 31, 16, 0, 0, tzinfo=UTC), "verified"),
        (datetime(2016, 2, 29, 4, 0, 0, tzinfo=UTC), "verified"),
        (datetime(2016, 12, 31, 15, 59, 59, tzinfo=UTC), "verified"),
        (datetime(2016, 12, 31, 16, 0, 0, tzinfo=UTC), "scene_not_approved"),
        (NOW + timedelta(minutes=6), "in_future"),
    ],
)
def test_a_day_is_a_day_of_the_programmes_zone(session, at, code):
    (answer,) = recorded(session, a_ride(a_resident(session), at=at))

    assert answer.code == code


def test_a_ride_across_midnight_belongs_to_the_day_it_began(session):
    holder_id = a_resident(session)
    before_midnight = APRIL_12 + timedelta(days=1) - timedelta(minutes=5)

    recorded(session, a_ride(holder_id, at=before_midnight, seconds=1_200))

    (kept,) = activities_of(session, holder_id)
    assert kept.day.isoformat() == "2016-04-12"


def test_someone_who_does_not_take_part_earns_nothing_and_the_event_is_kept(session):
    stranger = uuid4()

    (answer,) = recorded(session, a_walk(stranger))

    assert (answer.decision, answer.code) == ("rejected", "unknown_resident")
    assert len(activities_of(session, stranger)) == 1


def test_every_code_has_a_sentence_in_both_languages():
    for zh, en in SENTENCES.values():
        assert zh.endswith("。")
        assert en.endswith(".")


def test_one_bad_event_does_not_harm_the_others(session):
    holder_id, stranger = a_resident(session), uuid4()

    answers = recorded(session, a_walk(stranger), a_walk(holder_id, 5_000), a_walk(holder_id, 0))

    assert [a.code for a in answers] == [
        "unknown_resident", "verified", "quantity_out_of_range",
    ]  # fmt: skip
    assert balance(session, holder_id) == 100


def test_a_batch_costs_the_same_statements_however_many_events(session, statements):
    holders = [uuid4() for _ in range(2_000)]
    enrol(session, DEMO_PROGRAMME, dict.fromkeys(holders, XIAYANG), now=NOW)

    counts = []
    for some in (holders[:1], holders[1:]):
        events = [a_walk(h, 12_000) for h in some] + [a_ride(h) for h in some]
        with statements() as seen:
            recorded(session, *events)
        counts.append(len(seen))

    assert counts[1] <= counts[0] <= 20


def test_a_resent_batch_also_costs_a_fixed_number_of_statements(session, statements):
    holders = [uuid4() for _ in range(500)]
    enrol(session, DEMO_PROGRAMME, dict.fromkeys(holders, XIAYANG), now=NOW)
    events = [a_walk(h, 12_000) for h in holders]
    recorded(session, *events)

    with statements() as seen:
        answers = recorded(session, *events)

    assert len(seen) <= 12
    assert {a.points for a in answers} == {200}


def test_an_empty_batch_does_nothing(session, statements):
    with statements() as seen:
        assert recorded(session) == []
    assert seen == []


STEPS = st.tuples(st.integers(0, 3), st.integers(0, 2), st.integers(0, 30_000), st.integers(0, 5))


@settings(
    max_examples=15,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(stream=st.lists(STEPS, max_size=14), cuts=st.sets(st.integers(0, 14)))
def test_any_splitting_of_a_stream_into_batches_grants_the_same(session, stream, cuts):
    """Event by event: who is served, with how much, and which is the duplicate."""

    def run(boundaries: list[int]):
        holders = [a_resident(session) for _ in range(4)]
        prefix = uuid4().hex
        events = [
            a_walk(holders[who], steps, day=day, event_id=f"{prefix}{who}{day}{version}")
            for who, day, steps, version in stream
        ]
        answers = []
        for start, end in zip([0, *boundaries], [*boundaries, len(events)], strict=True):
            answers += recorded(session, *events[start:end])
        totals = [balance(session, h) for h in holders]
        return [(a.decision, a.code, a.saved_mg_co2e, a.points, a.written) for a in answers], totals

    whole = run([])
    parts = run(sorted(cut for cut in cuts if cut <= len(stream)))

    assert parts == whole


def test_racing_batches_over_the_same_acts_grant_each_once(database):
    """12 threads send the same rides and walks under their own ids; caps and claims hold."""
    holders = database.transact(lambda s: [a_resident(s) for _ in range(10)])

    def send(thread: int):
        order = holders if thread % 2 else holders[::-1]
        events = [a_walk(h, 30_000) for h in order] + [a_ride(h) for h in order]
        return database.transact(lambda s: recorded(s, *events))

    with ThreadPoolExecutor(12) as pool:
        answers = [answer for batch in pool.map(send, range(12)) for answer in batch]

    assert sum(a.code in ("verified", "daily_cap") for a in answers) == 20
    assert sum(a.code == "already_claimed" for a in answers) == 11 * 20
    totals = database.transact(lambda s: [balance(s, h) for h in holders])
    assert totals == [252] * 10


def test_racing_senders_of_one_batch_get_one_answer(database):
    holder_id = database.transact(a_resident)
    events = [a_walk(holder_id, 11_000), a_ride(holder_id)]

    with ThreadPoolExecutor(8) as pool:
        answers = list(
            pool.map(lambda _: database.transact(lambda s: recorded(s, *events)), range(8))
        )

    assert len({tuple(a._replace(written=True) for a in batch) for batch in answers}) == 1
    assert sum(a.written for batch in answers for a in batch) == 2
    assert database.transact(lambda s: balance(s, holder_id)) == 252


def test_history_pages_newest_first_and_completely(session):
    holder_id = a_resident(session)
    recorded(session, *(a_walk(holder_id, 100 + day, day=day) for day in range(7)))

    seen, before = [], None
    while True:
        found = page(session, holder_id, before=before, limit=3)
        seen += found.activities
        before = found.next_before
        if before is None:
            break

    assert [a.quantity for a in seen] == [106, 105, 104, 103, 102, 101, 100]


def test_nothing_is_kept_of_a_batch_that_fails(database):
    """A fault after the claims rolls everything back: the batch can be sent again."""
    holder_id = database.transact(a_resident)
    event = a_walk(holder_id, 5_000)

    def work(session):
        recorded(session, event)
        session.execute(text("SELECT 1 / 0"))

    with pytest.raises(DBAPIError):
        database.transact(work)
    (answer,) = database.transact(lambda s: recorded(s, event))

    assert answer.written
    count = select(func.count()).select_from(Activity).where(Activity.holder_id == holder_id)
    assert database.transact(lambda s: s.scalar(count)) == 1
