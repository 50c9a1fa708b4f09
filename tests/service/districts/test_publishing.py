"""Issued reports: what is in them, versions, refusals, replays, two at once, killed between."""

import hashlib
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from threading import Barrier
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from activities.catalogue.models import DivisionMerge
from activities.changes.corrections import Cause, withdraw
from activities.errors import UnknownDivision
from ledgers.log.notes import VerifierKey, open_note
from rewards.redeeming.cancelling import cancel
from rewards.redeeming.redemption import redeem
from service.db import Database
from service.districts.errors import (
    DistrictMerged,
    MonthNotOver,
    NotADistrict,
    NothingToReissue,
    PeriodEmpty,
    PeriodNotComplete,
    PeriodNotOver,
    ReissueReasonNotFitting,
    ReportDoesNotVerify,
    ReportNotIssued,
    ReportVersionNotNext,
    ReportVersionReused,
    RollUpsBehind,
)
from service.districts.models import DistrictReport
from service.districts.published.month import report
from service.districts.reports import issuing as publishing
from service.districts.reports.contents import Content, decoded, encoded
from service.districts.reports.verifying import Verified, verify
from tests import makers
from tests.makers import APRIL_12, CODES, a_buyer, a_resident, a_ride, an_offer, recorded
from tests.service.districts.issuing import (
    APRIL,
    KEY,
    NANHU,
    NOW,
    TOWNS,
    figures,
    holders_of,
    issue_in,
    issued,
    walkers,
)
from tests.service.districts.worlds import seal, summed

A, B, C = TOWNS
WALKING = "walking"


@pytest.fixture(scope="module")
def issued_once(copied_database) -> Iterator[tuple[str, Content]]:
    """A database in which 12, 15 and 4 residents of three towns walked, and April is issued."""
    with copied_database() as url:
        database = Database(url)
        database.transact(lambda s: walkers(s, {A: 12, B: 15, C: 4}))
        content = issued(database)
        database.dispose()
        yield url, content


@pytest.fixture
def database(issued_once, copy_of) -> Iterator[Database]:
    """A copy of it, of the test's own."""
    with copy_of(issued_once[0]) as url:
        found = Database(url)
        yield found
        found.dispose()


@pytest.fixture(scope="module")
def shared(issued_once, copy_of) -> Iterator[Database]:
    """The same for what is refused, so that nothing is written."""
    with copy_of(issued_once[0]) as url:
        found = Database(url)
        yield found
        found.dispose()


@pytest.fixture
def first(issued_once) -> Content:
    return issued_once[1]


def versions(database: Database, period: str = APRIL) -> list[DistrictReport]:
    return database.transact(lambda s: publishing.issued(s, NANHU, period))


def again(database: Database, reason: str = "late", **more) -> Content:
    return issued(database, reason=reason, **more)


def withdrawn(session: Session, town: str, count: int) -> None:
    cause = Cause(uuid4(), "operator:1", "told wrongly", "operator:2")
    acts = [(act.holder_id, act.id) for act in holders_of(session, town)[:count]]
    withdraw(session, acts, cause, now=makers.NOW)


# What is in it


def test_small_towns_are_withheld_with_one_that_would_give_them_away(first):
    found = figures(first)

    assert found[A, None, WALKING] is None
    assert found[B, None, WALKING] == 15
    assert found[C, None, WALKING] is None
    assert found[None, None, WALKING] == 31
    assert found[None, "2016-04-12", WALKING] == 31
    assert found[None, "2016-04-13", WALKING] == 0
    assert figures(first, "saved_mg_co2e")[B, None, WALKING] == 15 * 100_000
    assert figures(first, "earned_points")[None, None, None] == 31 * 100


def test_residents_are_rounded_down_to_tens(first):
    found = figures(first, "residents")

    assert (found[B, None, WALKING], found[None, None, WALKING]) == (10, 30)
    assert all(count is None or count % 10 == 0 for count in found.values())


def test_a_total_adds_what_is_published_and_says_how_much_it_lacks(fresh_database):
    def ride(session: Session) -> None:
        events = [a_ride(a_resident(session, town=A), at=APRIL_12) for _ in range(3)]
        recorded(session, *events)
        walkers(session, {A: 12, B: 15})

    fresh_database.transact(ride)
    content = issued(fresh_database)

    (town,) = [row for row in content["town_totals"] if row["town_code"] == A]
    assert (town["figures"]["activities"], town["left_out"]) == (12, 1)
    assert content["total"]["figures"]["activities"] == 27
    assert content["total"]["left_out"] == 1


def test_it_says_what_it_was_made_of(first):
    assert first["division"] == {"code": NANHU, "name": "南湖区"}
    assert (first["version"], first["reason"], first["previous"]) == (1, None, None)
    assert (first["first_day"], first["last_day"]) == ("2016-04-01", "2016-04-30")
    assert first["as_of"] == "2026-11-21T08:00:00.000000Z"
    assert first["log_size"] == 2 * 31


def test_it_names_methods_and_factors_that_were_in_force(database):
    database.transact(lambda s: walkers(s, {"330411002": 12}))
    # Approved with the release, when the tests' database was made.
    content = issued(database, division="330411", now=datetime.now(UTC))

    (method,) = content["methods"]
    assert (method["behaviour_code"], method["version"]) == (WALKING, 1)
    assert method["factors"][0]["publisher"]
    assert method["factors"][0]["ug_co2e_per_unit"] > 0


def test_the_content_is_canonical_and_signed_by_the_logs_key(database, first):
    (row,) = versions(database)

    assert row.content == encoded(decoded(row.content))
    assert encoded(dict(reversed(first.items()))) == row.content
    assert b": " not in row.content.replace("：".encode(), b"")[:2000]
    assert row.content_sha256 == hashlib.sha256(row.content).digest()
    note = open_note(row.signature, [KEY.verifier])
    assert note.text == (
        f"tanhui district report\n{NANHU} {APRIL} v1\n{row.content_sha256.hex()}\n"
    )
    assert not note.text.startswith(KEY.name)  # So it is no checkpoint of the log.


def test_points_spent_are_withheld_likewise(fresh_database):
    def work(session: Session) -> None:
        offer = an_offer(session, price_points=10, stock_units=100)
        for town, count in zip(TOWNS, (11, 12, 2), strict=True):
            for _ in range(count):
                buyer = a_buyer(session, a_resident(session, points=10, town=town))
                redeem(session, uuid4(), buyer=buyer, offer_id=offer.id, codes=CODES,
                       now=makers.NOW)  # fmt: skip

    fresh_database.transact(work)
    content = issued(fresh_database, "2026-11", now=NOW + timedelta(days=14))

    points = {row["town_code"]: row for row in content["points"]}
    assert [points[town]["spent_points"] for town in (*TOWNS, None)] == [None, 120, None, 250]
    assert [points[town]["vouchers"] for town in (*TOWNS, None)] == [None, 12, None, 25]
    assert {row["expired_points"] for row in points.values()} == {0}
    registered = {row["town_code"]: row["residents"] for row in content["registered"]}
    assert [registered[town] for town in (*TOWNS, None)] == [10, 10, None, 20]


def test_the_old_report_is_the_issued_one(database):
    found = database.transact(lambda s: report(s, NANHU, date(2016, 4, 1), now=NOW))

    rows = {(row.town_code, row.behaviour_code): row.figures for row in found.rows}
    shown = {place: each and each.activities for place, each in rows.items()}
    assert shown == {
        (A, WALKING): None,
        (A, None): None,
        (C, WALKING): None,
        (C, None): None,
        (B, WALKING): 15,
        (B, None): 15,
        (None, WALKING): 31,
        (None, None): 31,
    }
    assert (found.version, found.spent) == (1, [])
    with pytest.raises(ReportNotIssued):
        database.transact(lambda s: report(s, NANHU, date(2016, 5, 1), now=NOW))


# Versions


def test_what_enough_residents_changed_enters_with_a_list_of_differences(database, first):
    database.transact(lambda s: walkers(s, {B: 12}))
    content = again(database)

    changed = {
        (each["town_code"], each["at"], each["behaviour_code"]): (each["before"], each["after"])
        for each in content["differences"]
        if each["measure"] == "activities"
    }
    assert changed == {
        (B, None, WALKING): (15, 27),
        (B, None, None): (15, 27),
        (None, "2016-04-12", WALKING): (31, 43),
        (None, "2016-04-12", None): (31, 43),
        (None, None, WALKING): (31, 43),
        (None, None, None): (31, 43),
    }
    assert content["previous"] == {
        "version": 1,
        "sha256": hashlib.sha256(encoded(first)).hexdigest(),
    }
    assert (content["version"], content["reason"], content["carried"]) == (2, "late", [])
    assert figures(content)[A, None, WALKING] is None  # What was withheld stays so.


def test_what_few_residents_changed_is_carried_until_enough_did(database):
    database.transact(lambda s: walkers(s, {B: 5}))
    with pytest.raises(NothingToReissue) as refused:
        again(database)
    assert refused.value.too_few

    database.transact(lambda s: walkers(s, {B: 5}, day=1))
    content = again(database)
    assert figures(content)[B, None, WALKING] == 25


def test_behaviours_enter_or_are_carried_each_for_itself(database):
    def ride(session: Session) -> None:
        people = [a_resident(session, town=B) for _ in range(12)]
        recorded(session, *(a_ride(holder, at=APRIL_12) for holder in people))
        walkers(session, {B: 3})

    database.transact(ride)
    content = again(database)

    found = figures(content)
    assert found[B, None, "shared_bike_ride"] == 12
    assert found[B, None, WALKING] == 15
    assert found[B, None, None] == 27
    assert [each["code"] for each in content["carried"]] == [WALKING]
    # Of all behaviours together, residents are told as before: of 12 + 3 new ones one sees 3.
    assert figures(content, "residents")[B, None, None] == 10


def test_what_enough_residents_lose_is_told_where_enough_are_left(fresh_database):
    fresh_database.transact(lambda s: walkers(s, {B: 27}))
    issued(fresh_database)
    fresh_database.transact(lambda s: withdrawn(s, B, 12))
    content = again(fresh_database)

    assert figures(content)[B, None, WALKING] == 15
    assert figures(content)[None, None, WALKING] == 15


def test_a_line_that_became_small_is_not_told(database):
    """Twelve of fifteen are withdrawn: the district's month before less after would be these
    twelve, and the town's before less these the three who are left.
    """
    database.transact(lambda s: withdrawn(s, B, 12))
    with pytest.raises(NothingToReissue) as refused:
        again(database)
    assert refused.value.too_few


def test_points_that_came_back_late_are_told_by_the_same_rule(fresh_database):
    """A redemption that is cancelled was spent on its own day less."""

    def spend(session: Session) -> list[tuple[UUID, UUID]]:
        offer, done = an_offer(session, price_points=10, stock_units=100, cancel_hours=24), []
        for town, count in ((A, 12), (B, 30)):
            for _ in range(count):
                holder_id, id_ = a_resident(session, points=10, town=town), uuid4()
                redeem(session, id_, buyer=a_buyer(session, holder_id), offer_id=offer.id,
                       codes=CODES, now=makers.NOW)  # fmt: skip
                done.append((id_, holder_id))
        return done

    def come_back(session: Session, which: list[tuple[UUID, UUID]]) -> None:
        for id_, holder_id in which:
            cancel(session, id_, holder_id=holder_id, zone="Asia/Shanghai", codes=CODES,
                   actor="test", now=makers.NOW)  # fmt: skip

    done = fresh_database.transact(spend)
    december = {"now": NOW + timedelta(days=14)}
    issued(fresh_database, "2026-11", **december)
    fresh_database.transact(lambda s: come_back(s, done[-5:]))
    with pytest.raises(NothingToReissue) as refused:
        again(fresh_database, period="2026-11", **december)
    assert refused.value.too_few
    fresh_database.transact(lambda s: come_back(s, done[-12:-5]))
    content = again(fresh_database, period="2026-11", **december)

    points = {row["town_code"]: row for row in content["points"]}
    assert [points[town]["spent_points"] for town in (A, B, None)] == [120, 180, 300]
    assert [points[town]["vouchers"] for town in (A, B, None)] == [12, 18, 30]
    assert {each["measure"] for each in content["differences"]} == {"spent_points", "vouchers"}
    assert fresh_database.transact(lambda s: verify(s, KEY.verifier, NANHU, "2026-11")).recomputed


def test_nothing_changed_is_nothing_to_reissue(database):
    with pytest.raises(NothingToReissue) as refused:
        again(database)
    assert not refused.value.too_few


def test_what_came_and_went_is_nothing(database):
    database.transact(lambda s: walkers(s, {C: 12}))
    summed(database)

    def all_of_them(session: Session) -> None:
        acts = holders_of(session, C)[4:]
        cause = Cause(uuid4(), "operator:1", "told wrongly", "operator:2")
        withdraw(session, [(act.holder_id, act.id) for act in acts], cause, now=makers.NOW)

    database.transact(all_of_them)
    with pytest.raises(NothingToReissue) as refused:
        again(database)
    assert not refused.value.too_few


def test_who_goes_back_and_forth_does_not_hide_one_who_does_not(database):
    """Version 2 has twelve more, version 3 eleven of them less: one would stand between 1 and 3."""
    database.transact(lambda s: walkers(s, {B: 12}))
    again(database)

    def eleven(session: Session) -> None:
        acts = holders_of(session, B)[-11:]
        cause = Cause(uuid4(), "operator:1", "told wrongly", "operator:2")
        withdraw(session, [(act.holder_id, act.id) for act in acts], cause, now=makers.NOW)

    database.transact(eleven)
    with pytest.raises(NothingToReissue) as refused:
        again(database)
    assert refused.value.too_few


def test_the_first_report_is_never_changed(database, first):
    database.transact(lambda s: walkers(s, {B: 12}))
    again(database)

    rows = versions(database)
    assert [row.version for row in rows] == [1, 2]
    assert decoded(rows[0].content) == first
    for change in ("UPDATE district_report SET reason = 'x'", "DELETE FROM district_report"):
        with pytest.raises(Exception, match="permission denied"):
            database.transact(lambda s, c=change: s.execute(text(c)))


# Refusals


@pytest.mark.parametrize(
    ("division", "period", "refusal"),
    [
        ("999999", APRIL, UnknownDivision),
        ("33", APRIL, NotADistrict),
        ("3304", APRIL, NotADistrict),
        (A, APRIL, NotADistrict),
        (NANHU, "2026-11", MonthNotOver),
        (NANHU, "2099-01", MonthNotOver),
        (NANHU, "9999-12", MonthNotOver),
        (NANHU, "2026-Q4", PeriodNotOver),
        (NANHU, "2027", PeriodNotOver),
        (NANHU, "9999", PeriodNotOver),
        (NANHU, "2016-03", PeriodEmpty),
        (NANHU, "2015", PeriodEmpty),
        (NANHU, "2015-Q1", PeriodEmpty),
    ],
)
def test_what_is_not_reported(shared, division, period, refusal):
    with pytest.raises(refusal):
        issued(shared, period, division=division)


@pytest.mark.parametrize("period", ["", "2026-13", "2026-Q5", "2026-1", "26", "2026-10\n"])
def test_what_is_no_period(shared, period):
    with pytest.raises(ValueError, match="period"):
        issued(shared, period)


def test_a_month_is_over_at_midnight_of_the_districts_zone(fresh_database):
    fresh_database.transact(lambda s: a_resident(s, town=A))
    summed(fresh_database)

    def november(now: datetime) -> DistrictReport:
        return fresh_database.transact(lambda s: issue_in(s, "2026-11", NANHU, now))

    with pytest.raises(MonthNotOver):
        november(datetime(2026, 11, 30, 15, 59, 59, tzinfo=UTC))
    content = decoded(november(datetime(2026, 11, 30, 16, tzinfo=UTC)).content)
    assert content["total"]["figures"]["activities"] == 0
    assert content["registered"][-1]["residents"] is None  # One: fewer than ten.


def test_what_is_not_summed_yet_is_not_issued(fresh_database):
    """What waits for the log was recorded, perhaps, before the month ended."""
    fresh_database.transact(lambda s: walkers(s, {A: 1}))

    def november() -> DistrictReport:
        now = NOW + timedelta(days=14)
        return fresh_database.transact(lambda s: issue_in(s, "2026-11", NANHU, now))

    with pytest.raises(RollUpsBehind):
        november()
    seal(fresh_database)
    with pytest.raises(RollUpsBehind):
        november()
    summed(fresh_database)
    assert november().version == 1


def test_versions_follow_each_other_with_their_reasons(database):
    def put(**more) -> DistrictReport:
        return database.transact(lambda s: issue_in(s, APRIL, NANHU, NOW, **more))

    with pytest.raises(ReportVersionNotNext) as refused:
        put(version=3, reason="late")
    assert refused.value.next_version == 2
    for version, reason in ((1, "late"), (2, None)):
        with pytest.raises(ReissueReasonNotFitting):
            put(version=version, reason=reason)
    database.transact(lambda s: walkers(s, {B: 12}))
    summed(database)
    made = put(version=2, reason="late")
    assert put(version=2, reason="late").content == made.content
    assert put(version=1).version == 1
    with pytest.raises(ReportVersionReused):
        put(version=2, reason="another")
    assert [row.version for row in versions(database)] == [1, 2]


def test_issuing_again_without_a_reason_is_a_retry(database, first):
    database.transact(lambda s: walkers(s, {B: 12}))

    assert issued(database) == first


def test_a_district_that_merged_into_another_is_reported_there(fresh_database):
    def work(session: Session) -> None:
        walkers(session, {A: 12})
        session.add(DivisionMerge(
            code=NANHU, into_code="330411", merged_on=date(2016, 4, 20), document="a test"
        ))  # fmt: skip

    fresh_database.transact(work)
    with pytest.raises(DistrictMerged) as refused:
        issued(fresh_database)
    assert refused.value.into_code == "330411"
    content = issued(fresh_database, division="330411")
    assert content["divisions"] == [NANHU, "330411"]
    assert figures(content)[A, None, WALKING] == 12


def test_nobody_is_in_two_reports_where_a_merge_became_known_late(database):
    merge = DivisionMerge(
        code=NANHU, into_code="330411", merged_on=date(2016, 4, 20), document="a test"
    )
    database.transact(lambda s: s.add(merge))
    database.transact(lambda s: walkers(s, {"330411002": 12}))
    content = issued(database, division="330411")

    assert content["divisions"] == ["330411"]
    assert figures(content)[None, None, WALKING] == 12


# Quarters and years


def test_a_quarter_adds_up_its_months_and_names_them(database, first):
    def more(session: Session) -> None:
        walkers(session, {A: 14, B: 20}, day=30)  # 12 May.

    database.transact(more)
    with pytest.raises(PeriodNotComplete) as refused:
        issued(database, "2016-Q2")
    assert refused.value.missing == ["2016-05"]  # In June nothing was recorded.
    may = issued(database, "2016-05")
    quarter = issued(database, "2016-Q2")

    found = figures(quarter)
    assert found[B, None, WALKING] == 15 + 20
    assert found[A, None, WALKING] == 14
    assert found[None, "2016-04", WALKING] == 31
    assert found[None, "2016-05", WALKING] == 34
    assert found[None, None, None] == 65
    assert figures(quarter, "residents")[None, None, None] == 30  # The mean of 30 and 30.
    (town,) = [row for row in quarter["by_town"] if row["town_code"] == A]
    assert town["left_out"] == 1  # April's figure is withheld.
    assert [(each["period"], each["sha256"]) for each in quarter["months"]] == [
        (each["period"], hashlib.sha256(encoded(each)).hexdigest()) for each in (first, may)
    ]
    year = issued(database, "2016")
    assert figures(year)[None, None, None] == 65
    assert year["kind"] == "year"


def test_a_quarter_is_reissued_when_a_month_was(database):
    issued(database, "2016-Q2")
    with pytest.raises(NothingToReissue):
        again(database, period="2016-Q2")
    database.transact(lambda s: walkers(s, {B: 12}))
    with pytest.raises(NothingToReissue):  # Months first.
        again(database, period="2016-Q2")
    again(database)
    quarter = again(database, period="2016-Q2")

    assert (quarter["version"], quarter["months"][0]["version"]) == (2, 2)
    assert figures(quarter)[B, None, WALKING] == 27
    assert quarter["differences"]


# Verifying


def verified(database: Database, period: str = APRIL, **more) -> Verified:
    return database.transact(lambda s: verify(s, KEY.verifier, NANHU, period, **more))


def test_it_recomputes_to_the_same_bytes(database):
    assert verified(database).recomputed
    issued(database, "2016-Q2")
    assert verified(database, "2016-Q2").recomputed
    database.transact(lambda s: walkers(s, {B: 12, C: 10}))
    again(database)
    assert verified(database).recomputed
    assert not verified(database, version=1).recomputed
    assert not verified(database, "2016-Q2").recomputed
    database.transact(lambda s: walkers(s, {B: 1}))
    summed(database)
    assert not verified(database).recomputed


def test_what_is_not_as_issued_does_not_verify(database):
    other = VerifierKey(KEY.name, 1, b"\1" * 32)
    with pytest.raises(ReportDoesNotVerify, match="signature"):
        database.transact(lambda s: verify(s, other, NANHU, APRIL))
    with pytest.raises(ReportNotIssued):
        verified(database, version=2)

    def forged(session: Session) -> None:
        session.execute(text("UPDATE district_day SET activities = activities + 1"))

    database.transact(forged)
    with pytest.raises(ReportDoesNotVerify, match="recompute"):
        verified(database)


# At once, and killed


def test_of_two_who_issue_at_once_one_does(fresh_database):
    fresh_database.transact(lambda s: walkers(s, {A: 12}))
    summed(fresh_database)
    ready = Barrier(2)

    def put(by: str, reason: str | None, version: int) -> bytes:
        ready.wait()
        asked = {"reason": reason, "by": by, "version": version}
        return fresh_database.transact(lambda s: issue_in(s, APRIL, NANHU, NOW, **asked).content)

    for reason in (None, "late"):
        if reason:
            fresh_database.transact(lambda s: walkers(s, {A: 12}))
            summed(fresh_database)
        with ThreadPoolExecutor(2) as pool:
            version = 2 if reason else 1
            tasks = [pool.submit(put, by, reason, version) for by in ("anna", "ben")]
            contents = {task.result() for task in tasks}
        assert len(contents) == 1
    assert Counter(row.version for row in versions(fresh_database)) == {1: 1, 2: 1}


def test_who_is_killed_before_the_end_has_issued_nothing(fresh_database):
    fresh_database.transact(lambda s: walkers(s, {A: 12}))
    summed(fresh_database)

    class Killed(BaseException):
        pass

    def killed(session: Session) -> None:
        issue_in(session, APRIL, NANHU, NOW)
        raise Killed

    with suppress(Killed):
        fresh_database.transact(killed)
    assert versions(fresh_database) == []
    assert issued(fresh_database)["version"] == 1
