"""Which reports the job issues, and when."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from service.districts.models import DistrictReport
from service.districts.reports import due as due_reports
from service.districts.reports.due import BY
from service.jobs import work
from tests.service.districts.issuing import NANHU, TOWNS, walkers
from tests.service.districts.worlds import summed

A, B, _ = TOWNS


def due(database, now: datetime) -> list[tuple[str, str]]:
    found = database.transact(lambda s: due_reports.due(s, now=now))
    return [each for each in found if each[0] == NANHU]


@pytest.fixture
def walked(fresh_database):
    """In April and May 2016."""
    fresh_database.transact(lambda s: walkers(s, {A: 12, B: 15}))
    fresh_database.transact(lambda s: walkers(s, {A: 12, B: 25}, day=30))
    summed(fresh_database)
    return fresh_database


@pytest.mark.parametrize(
    ("now", "months"),
    [
        (datetime(2016, 5, 4, 15, 59, tzinfo=UTC), []),
        (datetime(2016, 5, 4, 16, 0, tzinfo=UTC), ["2016-04"]),  # The fifth, in Shanghai.
        (datetime(2016, 6, 4, 12, tzinfo=UTC), ["2016-04"]),
        (datetime(2016, 6, 5, tzinfo=UTC), ["2016-04", "2016-05"]),
        # A month without acts is looked at as well; older ones are issued by hand.
        (datetime(2016, 8, 10, tzinfo=UTC), ["2016-04", "2016-05", "2016-06", "2016-07"]),
        (
            datetime(2017, 5, 10, tzinfo=UTC),
            [f"2016-{m:02}" for m in range(5, 13)] + [f"2017-{m:02}" for m in range(1, 5)],
        ),
        (datetime(2017, 6, 10, tzinfo=UTC), []),
    ],
)
def test_a_month_is_due_on_the_fifth_of_the_next_in_shanghai(walked, now, months):
    assert [period for _, period in due(walked, now) if len(period) == 7 and "Q" not in period] == (
        months
    )


def test_months_are_due_before_the_quarters_and_years_that_add_them_up(walked):
    assert [period for _, period in due(walked, datetime(2017, 1, 6, tzinfo=UTC))] == [
        *(f"2016-{month:02}" for month in range(4, 13)),
        *("2016-Q1", "2016-Q2", "2016-Q3", "2016-Q4"),
        "2016",
    ]


def test_the_job_issues_what_is_due_and_what_is_empty_not(services, walked):
    own = replace(services, database=walked)
    now = datetime(2017, 1, 6, tzinfo=UTC)

    assert work.issue_reports(own, now) == {"issued": 4}
    assert work.issue_reports(own, now) == {"issued": 0}
    rows = walked.transact(
        lambda s: [(row.period, row.version, row.issued_by) for row in s.query(DistrictReport)]
    )
    assert sorted(rows) == [(period, 1, BY) for period in ("2016", "2016-04", "2016-05", "2016-Q2")]
