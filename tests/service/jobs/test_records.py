"""What is written down about runs, and what is not."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import delete, select, text
from sqlalchemy.exc import DBAPIError

from service.jobs import records, work
from service.jobs.models import JobRun, JobState
from service.jobs.records import Ended, begin, begun, end

NOW = datetime.now(UTC)
MINUTE = timedelta(minutes=1)


def a_run(session, job="a_job", *, outcome=None, counts=None, at=NOW, runner="r", by_hand=False):
    """Begun, and ended if an outcome is given."""
    run = begun(job, runner, by_hand=by_hand, now=at)
    assert begin(session, run, lease=None)
    if outcome:
        error = "why" if outcome == "failed" else None
        end(session, run, Ended(at + MINUTE, outcome, counts or {}, error))
    return run


def rows(session, job="a_job"):
    session.expire_all()
    query = select(JobRun).where(JobRun.job == job).order_by(JobRun.id)
    return session.scalars(query).all()


def state(session, job="a_job"):
    session.expire_all()
    return session.get_one(JobState, job)


def test_a_run_has_a_row_while_it_lasts(session):
    a_run(session)

    assert [(row.outcome, row.ended_at) for row in rows(session)] == [("running", None)]


@pytest.mark.parametrize(
    ("outcome", "counts"), [("done", {"made": 2, "kept": 0}), ("failed", {}), ("abandoned", {})]
)
def test_a_run_that_did_something_or_did_not_succeed_keeps_its_row(session, outcome, counts):
    a_run(session, outcome=outcome, counts=counts)

    (row,) = rows(session)
    assert (row.outcome, row.counts, row.ended_at) == (outcome, counts, NOW + MINUTE)
    assert (state(session).last_outcome, state(session).last_counts) == (outcome, counts)
    assert state(session).last_error == row.error == ("why" if outcome == "failed" else None)


def test_runs_with_nothing_to_do_leave_a_count_and_no_row(session):
    for n in range(3):
        a_run(session, outcome="done", counts={"made": 0}, at=NOW + n * MINUTE)

    assert rows(session) == []
    assert state(session).idle_runs == 3
    assert state(session).last_started_at == NOW + 2 * MINUTE
    a_run(session, outcome="done", counts={"made": 1}, at=NOW + 3 * MINUTE)
    assert state(session).idle_runs == 0


def test_an_earlier_run_that_ends_later_does_not_set_the_state_back(session):
    early = a_run(session)
    a_run(session, outcome="done", counts={"made": 1}, at=NOW + MINUTE)

    end(session, early, Ended(NOW + 2 * MINUTE, "failed", {}, "late"))

    assert state(session).last_outcome == "done"
    assert [row.outcome for row in rows(session)] == ["failed", "done"]


def test_no_run_begins_without_the_lease(session):
    take = text(
        "INSERT INTO job_lease VALUES"
        " ('L', :runner, clock_timestamp(), clock_timestamp() + :seconds * interval '1 s')"
        " ON CONFLICT (name) DO UPDATE SET runner = :runner, expires_at = excluded.expires_at"
    )
    run = begun("a_job", "mine", by_hand=False, now=NOW)

    assert not begin(session, run, lease="L")
    for runner, seconds in (("other", 60), ("mine", -1)):
        session.execute(take, {"runner": runner, "seconds": seconds})
        assert not begin(session, run, lease="L")
    assert rows(session) == []
    session.execute(take, {"runner": "mine", "seconds": 60})
    assert begin(session, run, lease="L")


def abandon(session, *in_progress):
    return records.abandon_lost(
        session,
        runner="mine",
        in_progress=[run.id for run in in_progress],
        now=NOW,
        by_hand_before=NOW - 5 * MINUTE,
    )


def test_runs_that_nobody_can_be_working_on_are_abandoned(session):
    abandon(session)  # What other tests have left.
    ended = a_run(session, "ended", outcome="done", counts={"made": 1}, at=NOW - MINUTE)
    dead = a_run(session, "dead", runner="killed", at=NOW - MINUTE)
    ahead = a_run(session, "ahead", runner="killed, its clock ahead", at=NOW + MINUTE)
    unwritten = a_run(session, "unwritten", runner="mine", at=NOW - MINUTE)
    in_progress = a_run(session, "in_progress", runner="mine", at=NOW - MINUTE)
    since = a_run(session, "since", runner="mine", at=NOW + MINUTE)
    by_hand = a_run(session, "by_hand", by_hand=True, at=NOW - MINUTE)
    killed_by_hand = a_run(session, "killed_by_hand", by_hand=True, at=NOW - 6 * MINUTE)

    assert abandon(session, in_progress) == 4
    assert abandon(session, in_progress) == 0

    lost = {run.job for run in (dead, ahead, unwritten, killed_by_hand)}
    for run in (dead, ahead, unwritten, killed_by_hand, in_progress, since, by_hand, ended):
        (row,) = rows(session, run.job)
        assert (row.outcome == "abandoned") == (run.job in lost)
    assert {state(session, job).last_outcome for job in lost} == {"abandoned"}


def test_an_abandoned_run_that_ends_after_all_is_told_as_it_ended(session):
    run = a_run(session, runner="frozen", at=NOW - MINUTE)
    abandon(session)

    end(session, run, Ended(NOW, "done", {"made": 1}))

    assert [row.outcome for row in rows(session)] == ["done"]
    assert state(session).last_outcome == "done"


def test_old_runs_and_those_beyond_the_most_kept_are_forgotten(session, monkeypatch):
    monkeypatch.setattr(records, "KEPT_RUNS_MAX", 3)
    monkeypatch.setattr(records, "FORGET_BATCH", 2)
    session.execute(delete(JobRun))  # What other tests left, until this one is rolled back.
    for n in range(8):
        a_run(session, "busy", outcome="done", counts={"made": n + 1}, at=NOW - n * MINUTE)
    for age in (89, 91):
        a_run(session, "rare", outcome="failed", at=NOW - timedelta(days=age))
    a_run(session, "rare", at=NOW - timedelta(days=92))  # Running: not forgotten, but abandoned.

    batches = []
    while not batches or batches[-1]:
        batches.append(records.forget(session, now=NOW))

    assert batches == [3, 2, 1, 0]
    assert sorted(row.counts["made"] for row in rows(session, "busy")) == [1, 2, 3]
    assert [row.outcome for row in rows(session, "rare")] == ["running", "failed"]


def test_the_job_forgets_in_transactions_of_its_own(services, database, monkeypatch):
    job = "old job"
    for age in (91, 92, 93):
        at = NOW - timedelta(days=age)
        database.transact(lambda s, at=at: a_run(s, job, outcome="failed", at=at))
    monkeypatch.setattr(records, "FORGET_BATCH", 2)

    assert work.forget_runs(services, NOW) == {"forgotten": 3}
    assert work.forget_runs(services, NOW) == {"forgotten": 0}


def test_a_reason_is_one_line_without_values_and_passwords(session):
    with pytest.raises(DBAPIError) as caught:
        session.execute(
            text("INSERT INTO job_lease VALUES (:who, 'r', NULL, NULL)"), {"who": "13900001111"}
        )
    told = records.reason(caught.value)
    assert told.startswith("NotNullViolation: null value in column")
    assert "13900001111" not in told

    for message in ("at postgresql://me:hush@host/db", "no: password=hush and", "token = hush"):
        assert "hush" not in records.reason(ValueError(message))
    assert records.reason(ValueError("one\ntwo")) == "ValueError: one"
    assert records.reason(ValueError()) == "ValueError"
    assert len(records.reason(ValueError("x" * 1000))) == records.REASON_MAX_LENGTH
