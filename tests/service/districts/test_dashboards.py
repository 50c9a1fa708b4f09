"""Dashboards, comparisons, open data and issuing over HTTP: what was issued, and nothing else."""

import csv
import io
import zlib
from collections.abc import Callable, Iterator
from datetime import date
from typing import Any
from uuid import uuid4

import pytest
from flask.testing import FlaskClient

from service.db import Database
from service.districts.plans.reported import NewValue, enter
from service.districts.published import open_data
from service.districts.published import reading as published
from service.districts.published.comparing import comparison
from service.districts.published.dashboards import dashboard
from service.districts.published.open_data import COLUMNS
from service.districts.reports.periods import period_of
from tests.service.answers import refused, refused_in_both_languages
from tests.service.districts.issuing import APRIL, NANHU, NOW, TOWNS, a_district, issued, walkers
from tests.service.districts.worlds import summed

A, B, C = TOWNS
XIUZHOU = "330411"  # 嘉兴市秀洲区, beside 南湖区.
TODAY = date(2026, 11, 21)


@pytest.fixture(scope="module")
def database(copied_database) -> Iterator[Database]:
    """Two districts of a city with April and May issued, a third month of one not."""
    with copied_database() as url:
        found = Database(url)
        found.transact(lambda s: walkers(s, {A: 12, B: 15, C: 4, "330411002": 20}))
        found.transact(lambda s: walkers(s, {A: 12, B: 25}, day=30))
        found.transact(lambda s: walkers(s, {"330411002": 11}, day=60))
        for district, months in ((NANHU, (APRIL, "2016-05")), (XIUZHOU, (APRIL, "2016-06"))):
            for month in months:
                issued(found, month, division=district)
        population = NewValue(
            uuid4(), XIUZHOU, "resident_population", "2015", 400_000_000, "person",
            "统计公报", date(2016, 3, 1),
        )  # fmt: skip
        found.transact(lambda s: enter(s, [population], by="anna", now=NOW))
        yield found
        found.dispose()


def seen(database: Database, code: str, period: str):
    return database.transact(lambda s: dashboard(s, code, period_of(period), today=TODAY))


def acts(summed: Any) -> int | None:
    return summed["figures"] and summed["figures"]["activities"]


def test_a_district_shows_its_months(database):
    found = seen(database, NANHU, "2016-Q2")

    assert [each.period for each in found.months] == [APRIL, "2016-05"]
    assert (acts(found.total), found.total["figures"]["residents"]) == (31 + 37, 30)
    assert {code: acts(each) for code, each in found.children.items() if acts(each) != 0} == {
        A: 12,
        B: 40,
    }
    assert {
        code: each["left_out"] for code, each in found.children.items() if each["left_out"]
    } == {
        A: 1,
        C: 1,
    }
    assert {at: acts(each) for at, each in found.trend.items()} == {APRIL: 31, "2016-05": 37}
    assert {code: acts(each) for code, each in found.behaviours.items()} == {"walking": 68}
    assert found.missing == [(NANHU, "2016-06")]


def test_a_month_has_its_days(database):
    found = seen(database, NANHU, APRIL)

    assert len(found.trend) == 30
    assert {at: acts(each) for at, each in found.trend.items() if acts(each)} == {"2016-04-12": 31}


def test_a_city_and_a_province_add_up_what_their_districts_published(database):
    for code, child in (("3304", None), ("33", "3304")):
        found = seen(database, code, "2016-Q2")
        assert acts(found.total) == 31 + 37 + 20 + 11
        expected = {NANHU: 68, XIUZHOU: 31} if child is None else {"3304": 99}
        assert {name: acts(each) for name, each in found.children.items()} == expected
        assert {at: acts(each) for at, each in found.trend.items()} == {
            APRIL: 51,
            "2016-05": 37,
            "2016-06": 11,
        }
    assert seen(database, "33", APRIL).total["figures"]["residents"] == 30 + 20


def test_a_town_shows_its_month_and_no_days(database):
    april, quarter = seen(database, B, APRIL), seen(database, B, "2016-Q2")

    assert (acts(april.total), april.trend, april.children) == (15, {}, {})
    assert acts(quarter.total) == 40
    assert seen(database, A, APRIL).total == {"figures": None, "left_out": 1}


def test_a_period_of_which_nothing_is_issued_is_empty(database):
    found = seen(database, NANHU, "2015")

    assert (found.months, acts(found.total), found.missing) == ([], 0, [])


def test_what_was_read_is_kept(database, statements):
    seen(database, NANHU, "2016")
    with statements() as sent:
        seen(database, NANHU, "2016")

    assert sum("district_report" in one for one in sent) == 2
    assert not any("district_report.content " in one for one in sent)
    assert len(published._kept) <= published.KEPT_MAX


def test_a_new_version_is_seen_at_once(copy_of, database):
    database.dispose()  # A copy is made of what nobody is connected to.
    with copy_of(database.engine.url.render_as_string(hide_password=False)) as url:
        own = Database(url)
        own.transact(lambda s: walkers(s, {B: 12}))
        assert acts(seen(own, NANHU, APRIL).total) == 31
        issued(own, reason="late")
        found = seen(own, NANHU, APRIL)
        own.dispose()

    assert acts(found.total) == 43
    assert [each.version for each in found.months] == [2]


def compared(database: Database, code: str, period: str = "2016-Q2", **more: bool):
    return database.transact(
        lambda s: comparison(s, code, period_of(period), today=TODAY, now=NOW, **more)
    ).divisions


def test_divisions_are_compared_per_resident_where_that_is_known(database):
    rows = {row.division_code: row for row in compared(database, "3304")}

    assert list(rows) == sorted(rows)
    xiuzhou, nanhu = rows[XIUZHOU], rows[NANHU]
    assert (xiuzhou.population, xiuzhou.population_period) == (400_000, "2015")
    assert xiuzhou.per_1000_residents.saved_mg_co2e == 31 * 100_000 * 1000 // 400_000
    assert xiuzhou.per_1000_residents.activities_thousandths == 31 * 1_000_000 // 400_000
    assert nanhu.per_1000_residents.why_not == "no_population"
    assert nanhu.per_registered_resident.why_not == "nobody_registered"  # Not in 2016.
    others = [row for code, row in rows.items() if code not in (XIUZHOU, NANHU)]
    assert {row.per_1000_residents.why_not for row in others} == {"not_issued"}
    assert {row.rank for row in rows.values()} == {None}


def test_a_ranking_is_made_only_where_it_is_asked_for(database):
    rows = compared(database, "3304", ranked=True)

    assert [(row.division_code, row.rank) for row in rows][:2] == [(XIUZHOU, 1), (NANHU, None)]
    towns = {row.division_code: row for row in compared(database, NANHU, APRIL)}
    assert towns[C].per_1000_residents.why_not == "withheld"


# Over HTTP


@pytest.fixture(scope="module")
def district(app) -> str:
    """A district of the shared database, with April summed and not issued."""
    services = app.extensions["tanhui"]
    code: str = services.database.transact(a_district)
    summed(services.database, origin=services.database.transact(services.log.origin))
    return code


@pytest.fixture
def officer(bearer, district) -> dict[str, str]:
    return bearer("district_officer", "officer", district)


@pytest.fixture
def put(client: FlaskClient, district: str, officer) -> Callable[..., Any]:
    def send(version: int = 1, period: str = APRIL, headers: Any = officer, **body: Any):
        url = f"/v1/districts/{district}/reports/{period}/versions/{version}"
        return client.put(url, json=body, headers=headers)

    return send


def test_what_is_not_issued_is_told_nowhere(client, services, district, officer):
    url = f"/v1/districts/{district}"

    def send(x):
        return client.get(f"{url}/report?month={APRIL}", headers=officer | x)

    refused_in_both_languages(services.database, send, 404, "report-not-issued")
    answer = client.get(f"{url}/dashboard?period={APRIL}", headers=officer)
    assert answer.json["reports"] == []
    assert answer.json["total"]["figures"]["activities"] == 0
    assert answer.json["as_of"] is None


def test_a_report_is_issued_over_http_and_a_retry_changes_nothing(
    client, put, district, officer, bearer
):
    first, again = put(), put(reason=None)
    assert (first.status_code, first.json) == (200, again.json)
    assert (first.json["version"], first.json["issued_by"]) == (1, "officer")

    url = f"/v1/districts/{district}"
    answer = client.get(f"{url}/dashboard", query_string={"period": "2016"}, headers=officer)
    assert answer.json["total"]["figures"]["activities"] == 12
    assert answer.json["reports"][0]["sha256"] == first.json["content_sha256"]
    assert [each["value_thousandths"] for each in answer.json["indicators"]["observed"]]
    tag = answer.headers["ETag"]
    same = client.get(f"{url}/dashboard?period=2016", headers=officer | {"If-None-Match": tag})
    assert same.status_code == 304
    auditor = bearer("auditor", "a")
    for rank in ("true", "false"):
        shown = client.get(f"{url}/comparison?period={APRIL}&rank={rank}", headers=auditor)
        assert shown.status_code == 200
        assert sum(acts(row) or 0 for row in shown.json["divisions"]) == 12


def test_what_cannot_be_issued_is_refused(put, bearer, district):
    put()
    refused(put(3, reason="late"), 409, "report-version-not-next")
    refused(put(2, reason="late"), 409, "nothing-to-reissue")
    refused(put(2), 422, "reissue-reason-not-fitting")
    refused(put(1, reason="late"), 422, "reissue-reason-not-fitting")
    refused(put(period="2099-01"), 422, "month-not-over")
    refused(put(period="2099"), 422, "period-not-over")
    refused(put(period="2015-07"), 422, "period-empty")
    assert put(period="2016-13").status_code == 404
    assert put(0).status_code == 404
    refused(put(headers=bearer("auditor", "a")), 403, "wrong-role")
    other = bearer("district_officer", "x", "110101" if district != "110101" else "110102")
    refused(put(headers=other), 404, "unknown-division")


def test_a_question_for_no_period_is_refused(client, district, officer, services):
    for query in ("", "?period=2016-13", "?period=2016-04%0A"):
        answer = client.get(f"/v1/districts/{district}/dashboard{query}", headers=officer)
        refused(answer, 422, "body-does-not-fit")


# Open data


def test_anybody_reads_what_was_issued_and_what_its_columns_mean(client, put, district):
    put()
    index = client.get("/open-data/")
    assert index.json["licence"]
    assert [file["name"] for file in index.json["files"]] == ["districts.csv", "dictionary.csv"]

    answer = client.get("/open-data/districts.csv")
    assert "Content-Length" not in answer.headers  # Of 0, a server would send nothing.
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert list(rows[0]) == [column.name for column in COLUMNS]
    own = [row for row in rows if row["division_code"] == district]
    (whole,) = [row for row in own if row["table"] == "by_behaviour"]
    assert (whole["activities"], whole["residents"], whole["withheld"]) == ("12", "10", "false")
    assert len([row for row in own if row["table"] == "by_day"]) == 30
    assert {row["table"] for row in own} == {"by_town", "by_day", "by_behaviour", "points"}

    dictionary = csv.DictReader(io.StringIO(client.get("/open-data/dictionary.csv").text))
    assert [row["column"] for row in dictionary] == list(rows[0])
    tag = {"If-None-Match": answer.headers["ETag"]}
    assert client.get("/open-data/districts.csv", headers=tag).status_code == 304
    assert client.head("/open-data/districts.csv").text == ""


def test_open_data_has_the_latest_version_page_by_page(database, monkeypatch):
    monkeypatch.setattr(open_data, "REPORTS_MAX", 1)
    upto = database.transact(open_data.edition)
    after, told = None, []
    while page := database.transact(lambda s, a=after: open_data.issued(s, upto=upto, after=a)):
        (report,) = page
        after = report.division_code, report.period
        told.append(database.transact(lambda s, of=page: open_data.lines(s, of=of))[report.sha256])
    assert (upto.reports, len(told)) == (4, 4)
    assert b"2016-04" in told[0]


def test_open_data_is_the_same_kept_and_written_anew(client, put, services):
    put()
    path = "/open-data/districts.csv"
    upto = services.database.transact(open_data.edition)
    (report, *_) = services.database.transact(
        lambda session: open_data.issued(session, upto=upto, after=None)
    )
    place = open_data.place(report)
    services.cache.forget(place)
    first = client.get(path).data

    assert services.cache.kept([place]) != [None]
    assert client.get(path).data == first, "from what is kept"
    services.cache.keep(place, b"not of our writing", 60)
    assert client.get(path).data == first, "written over"
    assert services.cache.kept([place]) != [b"not of our writing"]
    services.cache.keep(place, zlib.compress(b"kept\r\n"), 60)
    assert b"\r\nkept\r\n" in client.get(path).data, "no report is read that is kept"
    services.cache.forget(place)
