"""The operator's view of background work."""

from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from service.jobs.lease import Lease
from service.jobs.records import Ended, begin, begun, end
from service.jobs.schedule import SCHEDULE
from tests.service.answers import ENGLISH, refused, refused_in_both_languages

NOW = datetime.now(UTC)


@pytest.fixture
def clean(database) -> None:
    """Nobody else's records in the way."""
    for table in ("job_run", "job_lease"):
        database.transact(lambda s, t=table: s.execute(text(f"DELETE FROM {t}")))


def a_run(database, job="make_partitions", *, outcome="done", error=None, at=NOW) -> UUID:
    def work(session):
        run = begun(job, "host:1:abc", by_hand=False, now=at)
        begin(session, run, lease=None)
        if outcome != "running":
            end(session, run, Ended(at + timedelta(seconds=2), outcome, {"made": 2}, error))
        return run.id

    return database.transact(work)


@pytest.fixture
def get(client, bearer):
    return lambda path, **more: client.get(path, headers=bearer("operator") | more)


def test_every_job_is_listed_with_how_it_last_ended_and_who_works(clean, database, get):
    assert get("/v1/jobs").json["lease"] is None
    Lease(database, "host:1:abc", ttl=timedelta(seconds=60)).take()
    a_run(database, outcome="failed", error="ValueError: no", at=NOW + timedelta(seconds=1))

    found = get("/v1/jobs").json

    assert found["lease"]["runner"] == "host:1:abc"
    assert found["lease"]["expires_at"] > found["lease"]["acquired_at"]
    assert [job["name"] for job in found["jobs"]] == [job.name for job in SCHEDULE]
    job = next(job for job in found["jobs"] if job["name"] == "make_partitions")
    assert job["last"]["outcome"] == "failed"
    assert job["last"]["error"] == "ValueError: no"
    assert job["last"]["counts"] == {"made": 2}
    assert job["last"]["started_at"] < job["last"]["ended_at"]
    assert job["running_since"] is None
    assert job["zone"] == "UTC"
    assert datetime.fromisoformat(job["next_run_at"]) > NOW


def test_a_lease_that_ran_out_is_nobodys(clean, database, get):
    Lease(database, "dead", ttl=timedelta(seconds=-1)).take()

    assert get("/v1/jobs").json["lease"] is None


def test_a_run_in_progress_is_told(clean, database, get):
    a_run(database, "forget_runs", outcome="running")

    job = next(j for j in get("/v1/jobs").json["jobs"] if j["name"] == "forget_runs")

    assert datetime.fromisoformat(job["running_since"]) == NOW
    (run,) = get("/v1/jobs/forget_runs/runs").json["runs"]
    assert (run["outcome"], run["ended_at"]) == ("running", None)


def test_titles_and_triggers_are_in_the_callers_language(get):
    chinese, english = (
        {job["name"]: (job["title"], job["trigger"]) for job in answer.json["jobs"]}
        for answer in (get("/v1/jobs"), get("/v1/jobs", **ENGLISH))
    )

    assert chinese["make_partitions"][1] == "每日 00:20"
    assert english["make_partitions"][1] == "daily at 00:20"
    assert chinese == {job.name: (job.title.zh, job.when.words.zh) for job in SCHEDULE}
    assert english == {job.name: (job.title.en, job.when.words.en) for job in SCHEDULE}


def test_runs_are_paged_newest_first(clean, database, get):
    made = [a_run(database, at=NOW + timedelta(seconds=n)) for n in range(5)]
    a_run(database, "forget_runs")

    seen, cursor, pages = [], "", 0
    while cursor is not None:
        url = f"/v1/jobs/make_partitions/runs?limit=2{cursor and f'&cursor={cursor}'}"
        page = get(url).json
        assert len(page["runs"]) <= 2
        seen += [UUID(run["id"]) for run in page["runs"]]
        cursor, pages = page["next_cursor"], pages + 1

    assert seen == made[::-1]
    assert pages == 3


def test_a_page_that_ends_with_the_last_run_has_no_next(clean, database, get):
    for n in range(2):
        a_run(database, at=NOW + timedelta(seconds=n))

    assert get("/v1/jobs/make_partitions/runs?limit=2").json["next_cursor"] is None


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=201", "cursor=x", "cursor=00000000-0000-0000-0000-000000000000"]
)
def test_what_does_not_fit_a_page_is_refused(get, query):
    refused(get(f"/v1/jobs/forget_runs/runs?{query}"), 422, "body-does-not-fit")


def test_an_unknown_job_is_refused(client, bearer, database):
    headers = bearer("operator")
    name = f"job-{uuid4()}"

    told = refused_in_both_languages(
        database, lambda more: client.get(f"/v1/jobs/{name}/runs", headers=headers | more),
        404, "unknown-job",
    )  # fmt: skip

    assert told["job"] == name
