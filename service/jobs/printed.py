"""What ``tanhui jobs`` prints: a line or a table for people, JSON for programs."""

from datetime import datetime
from typing import Any

import msgspec

from service.jobs.listing import Overview, Standing
from service.jobs.records import Begun, Counts, Ended
from service.printing import table

_HEADER = ("job", "runs", "next", "last start", "last end", "outcome", "did")


def overview_text(found: Overview) -> str:
    """A table, and who works."""
    rows = [_row(standing) for standing in found.standings]
    if found.lease is None:
        who = "no runner works: tanhui jobs run"
    else:
        who = f"{found.lease.runner} works since {_instant(found.lease.acquired_at)}"
    return f"{table(_HEADER, rows)}\n{who}"


def _row(standing: Standing) -> tuple[str, ...]:
    job, state = standing.job, standing.state
    when = f"{job.when.words.en} {job.zone}"
    next_run = _instant(standing.next_run_at)
    if standing.running_since:
        next_run = f"running since {_instant(standing.running_since)}"
    if state is None:
        return (job.name, when, next_run, "-", "-", "-", "-")
    did = state.last_error or _counts(state.last_counts)
    if state.idle_runs:
        did += f"; nothing to do for {state.idle_runs:,} run" + "s" * (state.idle_runs > 1)
    return (
        job.name,
        when,
        next_run,
        _instant(state.last_started_at),
        _instant(state.last_ended_at),
        state.last_outcome,
        did,
    )


def _counts(counts: Counts) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in counts.items()) or "-"


def _instant(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S}Z"


def overview_json(found: Overview) -> str:
    """The same, all of it."""
    return _json({"lease": _lease(found), "jobs": [_job(each) for each in found.standings]})


def _lease(found: Overview) -> dict[str, Any] | None:
    if found.lease is None:
        return None
    return {
        "runner": found.lease.runner,
        "acquired_at": found.lease.acquired_at,
        "expires_at": found.lease.expires_at,
    }


def _job(standing: Standing) -> dict[str, Any]:
    job, state = standing.job, standing.state
    last = state and {
        "started_at": state.last_started_at,
        "ended_at": state.last_ended_at,
        "outcome": state.last_outcome,
        "counts": state.last_counts,
        "error": state.last_error,
    }
    return {
        "name": job.name,
        "title": job.title.en,
        "trigger": job.when.words.en,
        "zone": job.zone,
        "grace_s": job.grace_s,
        "timeout_s": job.timeout_s,
        "next_run_at": standing.next_run_at,
        "running_since": standing.running_since,
        "last": last,
        "idle_runs": state.idle_runs if state else 0,
    }


def run_text(run: Begun, ended: Ended) -> str:
    """A run by hand, in one line."""
    seconds = (ended.ended_at - run.started_at).total_seconds()
    return f"{run.job}: {_counts(ended.counts)} ({seconds:.2f} s)"


def run_json(run: Begun, ended: Ended) -> str:
    """The same."""
    return _json(
        {
            "id": run.id,
            "job": run.job,
            "started_at": run.started_at,
            "ended_at": ended.ended_at,
            "outcome": ended.outcome,
            "counts": ended.counts,
            "error": ended.error,
        }
    )


def _json(value: object) -> str:
    return msgspec.json.format(msgspec.json.encode(value), indent=2).decode()
