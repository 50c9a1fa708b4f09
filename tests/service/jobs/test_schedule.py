"""When a job is due, and that the table can be relied on."""

import re
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from service.jobs.errors import UnknownJob
from service.jobs.schedule import DAY_S, SCHEDULE, Daily, Every, Hourly, Job, named
from service.language import Text

NOW = datetime(2026, 3, 1, 12, 30, tzinfo=UTC)


def a_job(when, **more) -> Job:
    return Job("a_job", Text("任务", "a job"), when, lambda *_: {}, **more)


def test_names_are_unique_and_everything_has_a_bound():
    names = [job.name for job in SCHEDULE]

    assert len(set(names)) == len(names)
    for job in SCHEDULE:
        assert re.fullmatch("[a-z_]+", job.name)
        assert 1 <= job.timeout_s <= 3600
        assert 1 <= job.grace_s <= DAY_S
        assert ZoneInfo(job.zone)


@pytest.mark.parametrize("job", SCHEDULE, ids=lambda job: job.name)
def test_titles_and_triggers_are_in_chinese_and_english(job):
    for words in (job.title, job.when.words):
        assert re.search("[\u4e00-\u9fff]", words.zh)
        assert not re.search("[\u4e00-\u9fff]", words.en)


def test_an_unknown_name_is_refused():
    assert named("forget_runs").name == "forget_runs"
    with pytest.raises(UnknownJob, match="no job 'x'"):
        named("x")


@pytest.mark.parametrize(
    ("when", "last", "due"),
    [
        (Every(10), None, timedelta(0)),
        (Every(10), timedelta(seconds=-4), timedelta(seconds=6)),
        (Every(10), timedelta(days=-9), timedelta(0)),
        (Hourly(5), timedelta(minutes=-20), timedelta(minutes=35)),
        (Daily(12, 30), None, timedelta(0)),
        (Daily(12, 30), timedelta(seconds=-1), timedelta(0)),
        (Daily(12, 30), timedelta(0), timedelta(days=1)),
    ],
)
def test_it_is_due_from_its_last_start_on(when, last, due):
    last_started_at = None if last is None else NOW + last

    assert a_job(when).due_at(last_started_at, NOW) == NOW + due


@pytest.mark.parametrize(("grace_s", "due"), [(3601, 0), (3599, 23)])
def test_what_was_missed_for_longer_than_its_grace_waits_for_its_next_time(grace_s, due):
    job = a_job(Daily(11, 30), grace_s=grace_s)

    for last_started_at in (None, NOW - timedelta(days=3)):
        assert job.due_at(last_started_at, NOW) == NOW + timedelta(hours=due)


def test_a_time_of_day_is_that_of_the_jobs_zone():
    assert a_job(Daily(0, 5), zone="Asia/Shanghai").due_at(NOW, NOW) == datetime(
        2026, 3, 1, 16, 5, tzinfo=UTC
    )


def test_hourly_has_midnight_among_its_hours():
    """00:05 in Shanghai, for what lapses with the day."""
    job = a_job(Hourly(5), zone="Asia/Shanghai")
    eve = datetime(2026, 3, 1, 15, 59, tzinfo=UTC)

    assert job.due_at(eve, eve) == datetime(2026, 3, 1, 16, 5, tzinfo=UTC)


def test_the_scheduler_fires_when_the_table_says():
    zone = ZoneInfo("Asia/Shanghai")
    for when in (Hourly(5), Daily(1, 15)):
        job = a_job(when, zone="Asia/Shanghai")
        fires = job.trigger.get_next_fire_time(None, NOW.astimezone(zone))
        assert fires == job.due_at(NOW, NOW)
    assert a_job(Every(7)).trigger.interval == timedelta(seconds=7)
