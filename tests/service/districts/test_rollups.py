"""The roll-ups are what activities and transfers add up to, whatever happened and in what order."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from activities.changes.corrections import Cause, withdraw
from ledgers.partitions import ensure_partitions
from ledgers.posting import post
from service.db import Database, owner_engine
from service.districts.models import DistrictReport
from service.districts.rollups import behind
from service.districts.rollups import reading as rollups
from service.districts.rollups.audit import CHECKS, drifts
from service.districts.rollups.rebuilding import forget
from service.districts.rollups.spenders import spenders
from service.districts.rollups.summing import fold
from service.jobs.schedule import Every, named
from tests.makers import APRIL_12, NOW, a_resident, a_ride, a_walk, earning, recorded, spending
from tests.service.districts.worlds import (
    TOWNS,
    World,
    counted_again,
    fold_all,
    kept,
    seal,
    summed,
)

APRIL, MAY = date(2016, 4, 1), date(2016, 5, 1)
TOWN, DISTRICT = TOWNS[0], TOWNS[0][:6]
LATER = NOW + timedelta(days=420)  # The points of the year before have lapsed by then.


@pytest.fixture(scope="module")
def shared(copied_database) -> Iterator[Database]:
    """Of all tests here: each looks at towns or residents of its own, or at everything."""
    with copied_database() as url:
        owner = owner_engine(url)
        with owner.begin() as connection:
            ensure_partitions(connection, now=LATER)
        owner.dispose()
        database = Database(url)
        yield database
        database.dispose()


def drifted(database: Database) -> list[tuple[str, str, str, str]]:
    with database.snapshot() as session:
        return [(one.check, one.subject, one.expected, one.found) for one in drifts(session)]


def towns(database: Database) -> dict[tuple, list[int]]:
    rows = kept(database)["district_day"]
    return {row[:3]: list(row[3:]) for row in rows if len(row[0]) == 9}


def residents(database: Database, division: str, month: date = APRIL) -> dict[str, int]:
    """Of a division's month, by behaviour."""
    rows = kept(database)["district_month"]
    return {row[2]: row[3] for row in rows if row[:2] == (division, month)}


def withdrawn(session: Session, holder_id: UUID, activity_id: UUID, *, now: datetime = NOW) -> None:
    cause = Cause(uuid4(), "operator:1", "it was not me", "operator:2")
    withdraw(session, [(holder_id, activity_id)], cause, now=now)


def a_town(database: Database) -> str:
    """A town in a district in which nobody lives yet."""
    with database.snapshot() as session:
        return session.scalar(
            text(
                "SELECT min(code) FROM division WHERE level = 'town' AND left(code, 6) NOT IN"
                " (SELECT left(division_code, 6) FROM participant)"
            )
        )


@pytest.mark.parametrize("seed", [1, 2])
def test_sums_equal_activities_and_transfers_however_the_log_is_cut(shared, seed):
    world = World(shared, seed)
    done = world.live(10)
    for _ in range(8):
        done += world.live(15)
        seal(shared, leaves_max=world.source.choice((1, 5, 40, 1_000)))
        fold_all(shared, leaves_max=world.source.choice((1, 7, 1_000)))
    for _ in range(20):  # Some acts are rare, and some need others before them.
        done += world.live(0 if all(done[act] for act in World.ACTS) else 10)
    assert drifted(shared) == [], "as far as it has read"
    assert world.end()
    summed(shared)

    assert all(done[act] for act in World.ACTS), done
    with shared.snapshot() as session:
        expected = counted_again(session)
    assert towns(shared) == expected
    assert all(any(figures[place] for figures in expected.values()) for place in range(6))
    assert drifted(shared) == []
    incremental = kept(shared)
    shared.transact(forget)
    fold_all(shared, leaves_max=world.source.choice((20, 50_000)))
    assert kept(shared) == incremental


def test_every_level_adds_up_what_is_below_it(shared):
    summed(shared)
    rows = kept(shared)["district_day"]
    for shorter, longer in ((2, 4), (4, 6), (6, 9)):
        sums: dict[tuple, list[int]] = {}
        for code, day, behaviour, *figures in rows:
            if len(code) == longer:
                before = sums.get((code[:shorter], day, behaviour), [0] * 6)
                sums[code[:shorter], day, behaviour] = [
                    a + b for a, b in zip(before, figures, strict=True)
                ]
        found = {row[:3]: list(row[3:]) for row in rows if len(row[0]) == shorter}
        assert found == {key: figures for key, figures in sums.items() if any(figures)}


def test_a_resident_counts_once_whatever_and_how_often_they_act(shared):
    town = a_town(shared)

    def act(session: Session) -> None:
        one, other = (a_resident(session, town=town) for _ in range(2))
        recorded(session, *(a_walk(one, day=day) for day in (0, 1, 2)), a_ride(one, at=APRIL_12))
        recorded(session, a_ride(other, at=APRIL_12), a_walk(other, day=25))

    shared.transact(act)
    summed(shared)

    for division in (town, town[:6]):
        found = residents(shared, division)
        assert found == {"*": 2, "walking": 1, "shared_bike_ride": 2}
        assert residents(shared, division, MAY) == {"*": 1, "walking": 1}
    with shared.snapshot() as session:
        asked = (session, [town[:6]], APRIL, MAY)
        assert rollups.distinct(*asked) == {
            (place, behaviour): count for place in (town, "*") for behaviour, count in found.items()
        }
        assert sum(atom.residents for atom in behind.atoms(*asked)) == 5
        assert sum(row.activities for row in rollups.month_figures(*asked)) == 5
        by_day = behind.anybody(session, town[:6], APRIL, MAY)
        assert by_day == {date(2016, 4, 12): 2, date(2016, 4, 13): 1, date(2016, 4, 14): 1}


def test_every_day_of_the_longest_month_is_counted(shared):
    town = a_town(shared)
    first_of_may = 19  # Days after the first walk.

    def act(session: Session) -> None:
        for days in (1, 31):
            resident = a_resident(session, town=town)
            recorded(session, *(a_walk(resident, day=first_of_may + n) for n in range(days)))

    shared.transact(act)
    summed(shared)

    with shared.snapshot() as session:
        found = behind.anybody(session, town[:6], MAY, date(2016, 6, 1))
    assert found == {date(2016, 5, day): 2 if day == 1 else 1 for day in range(1, 32)}


def test_who_has_nothing_left_is_counted_no_more_and_again_when_they_act_again(shared):
    town = a_town(shared)
    counts = []

    def read() -> None:
        summed(shared)
        counts.append(residents(shared, town[:6]))

    holder_id = shared.transact(lambda session: a_resident(session, town=town))
    answers = shared.transact(
        lambda s: recorded(s, a_walk(holder_id), a_walk(holder_id, day=1), a_ride(holder_id))
    )
    read()
    for answer in answers:
        shared.transact(lambda s, id_=answer.activity_id: withdrawn(s, holder_id, id_))
        read()
    shared.transact(lambda s: recorded(s, a_walk(holder_id, day=2)))
    read()

    walking, riding = {"walking": 1}, {"shared_bike_ride": 1}
    everything = {"*": 1} | walking | riding
    assert counts == [everything, everything, {"*": 1} | riding, {}, {"*": 1} | walking]


def test_a_reversal_that_stands_first_in_the_log_takes_back_all_the_same(shared):
    """Clocks of two processes differ: an act's withdrawal has its place before the act."""
    town = a_town(shared)

    def act(session: Session) -> None:
        holder_id = a_resident(session, town=town)
        (answer,) = recorded(session, a_walk(holder_id))
        withdrawn(session, holder_id, answer.activity_id, now=NOW - timedelta(seconds=1))

    summed(shared)
    shared.transact(act)
    while seal(shared, leaves_max=1):
        fold_all(shared, leaves_max=1)

    assert residents(shared, town) == {}
    assert {key for key in towns(shared) if key[0] == town} == set()
    assert drifted(shared) == []


def test_two_at_once_add_nothing_twice(shared):
    def act(session: Session) -> None:
        for _ in range(12):
            recorded(session, a_walk(a_resident(session, town=TOWN)))

    shared.transact(act)
    while seal(shared):
        pass
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: fold_all(shared, leaves_max=2), range(4)))

    assert drifted(shared) == []


def issued(division: str, period: str, first_day: date, log_size: int) -> DistrictReport:
    content = b"{}"
    digest = "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"
    return DistrictReport(
        division_code=division, period=period, version=1, first_day=first_day, as_of=NOW,
        log_size=log_size, issued_at=NOW, issued_by="test", content=content,
        content_sha256=bytes.fromhex(digest), signature="",
    )  # fmt: skip


def test_what_comes_after_the_report_is_late_and_only_in_its_months(shared):
    town = a_town(shared)
    holder_id = shared.transact(lambda session: a_resident(session, points=50, town=town))
    (first,) = shared.transact(lambda s: recorded(s, a_walk(holder_id)))
    summed(shared)
    size = shared.transact(lambda s: rollups.reader_index(s, lock=True))
    months = ((town[:6], "2016-04", APRIL), (town[:6], "2026-11", date(2026, 11, 1)))
    for division, period, first_day in months:
        row = issued(division, period, first_day, size)
        shared.transact(lambda s, row=row: s.add(row))

    def act(session: Session) -> None:
        recorded(session, a_walk(holder_id, day=1), a_walk(holder_id, day=30))
        recorded(session, a_walk(a_resident(session, town=a_town(shared)), day=1))
        withdrawn(session, holder_id, first.activity_id)
        post(session, spending(session, holder_id, 20), now=NOW)

    shared.transact(act)
    summed(shared)

    late = [row for row in kept(shared)["district_late"] if row[0] == holder_id]
    (walked, again) = (APRIL_12 + timedelta(hours=8)).date(), date(2016, 4, 13)
    of_walks = [(walked, town, "walking")] * 2 + [(again, town, "walking")] * 2  # mg and points.
    assert sorted(row[2:] for row in late) == [*of_walks, (date(2026, 11, 21), town, "-")]
    assert min(row[1] for row in late) >= size
    before = kept(shared)["district_late"]
    shared.transact(forget)
    fold_all(shared)
    assert kept(shared)["district_late"] == before, "what the report had is late by no rebuilding"
    with shared.snapshot() as session:
        changed = rollups.changed(session, [town[:6]], APRIL, MAY, size)
    assert [tuple(row) for row in changed] == [
        (town, walked, "walking", 1),
        (town, again, "walking", 1),
    ]


def test_spenders_are_those_of_whose_points_something_stands(shared):
    town = a_town(shared)
    november = date(2026, 11, 1), date(2026, 12, 1)

    def act(session: Session) -> None:
        for points in (0, 30, 40):
            holder_id = a_resident(session, points=points, town=town)
            if points:
                post(session, spending(session, holder_id, 10), now=NOW)

    shared.transact(act)
    with shared.snapshot() as session:
        before = spenders(session, [town[:6]], *november)
    summed(shared)
    shared.transact(lambda s: post(s, earning(s, a_resident(s, town=town), 5), now=NOW))
    with shared.snapshot() as session:
        found = spenders(session, [town[:6]], *november)

    assert before == {}, "what is not summed yet is not counted either"
    assert found == {(place, "spent_points"): 2 for place in (town, "*")}


def test_who_spent_is_found_by_an_index_without_what_was_earned(shared):
    """A month's transfers are nearly all earnings: read through, they cost minutes a report."""
    with shared.snapshot() as session:
        session.execute(text("SET LOCAL enable_seqscan = off"))
        plan = session.scalars(
            text(
                "EXPLAIN SELECT FROM transfer WHERE unit = 'point' AND kind <> 'earn'"
                " AND occurred_at >= :since AND occurred_at < :until"
            ),
            {"since": NOW, "until": NOW + timedelta(days=30)},
        ).all()
        valid = session.scalar(
            text(
                "SELECT indisvalid FROM pg_index"
                " WHERE indexrelid = 'ix_transfer_points_gone'::regclass"
            )
        )
    assert valid, "an index of every partition is part of it"
    assert any("points_gone" in line or "holder_id_occurred_at" in line for line in plan)


def test_how_far_it_is_summed_is_now_or_the_last_postings_instant(shared):
    instant = datetime(2027, 1, 1, tzinfo=UTC)

    def as_of() -> datetime:
        with shared.snapshot() as session:
            return rollups.as_of(session, rollups.reader_index(session), now=instant)

    summed(shared)
    done = as_of()
    shared.transact(lambda s: recorded(s, a_walk(a_resident(s, town=TOWN))))
    waiting = as_of()

    assert (done, waiting) == (instant, NOW)


@pytest.mark.parametrize(
    ("statement", "check"),
    [
        ("UPDATE district_resident SET activities = activities + 1", 0),
        ("DELETE FROM district_resident", 0),
        ("UPDATE district_day SET expired_points = expired_points + 1", 1),
        ("DELETE FROM district_day", 1),
        ("UPDATE district_month SET residents = residents + 1", 2),
    ],
)
def test_the_audit_names_what_drifts(shared, statement, check):
    summed(shared)
    shared.transact(lambda s: recorded(s, a_walk(a_resident(s, town=TOWN))))
    summed(shared)
    with shared._sessions() as session:
        session.execute(text(statement + _ONE[statement.split("district_")[1].split()[0]]))
        found = list(drifts(session))
        session.rollback()

    assert CHECKS[check] in {one.check for one in found}
    assert all(one.expected != one.found for one in found)
    assert drifted(shared) == []


_ONE = {
    "resident": " WHERE division_code = '330402007' AND behaviour_code = 'walking'",
    "day": " WHERE division_code = '3304' AND behaviour_code = 'walking'",
    "month": " WHERE division_code = '33' AND behaviour_code = '*'",
}


def test_an_empty_posting_list_reads_nothing(shared):
    summed(shared)

    assert shared.transact(fold) == 0


def test_it_is_fresh_within_ten_seconds():
    """A posting waits for the sealer's run, for this job's, and for the batches of both."""
    sealing, summing = (named(name).when for name in ("seal_log", "roll_up_districts"))

    assert isinstance(sealing, Every)
    assert isinstance(summing, Every)
    assert sealing.seconds + summing.seconds <= 7
