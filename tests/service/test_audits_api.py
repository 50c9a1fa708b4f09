"""Audits that somebody asks for: one at a time, with progress, whatever ends a run."""

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from multiprocessing import active_children
from uuid import uuid4

import pytest
from sqlalchemy import event, text

from service.app import create_app
from service.audits import process, running, working
from service.audits.requests import LOCKS
from service.db import owner_engine
from service.jobs import work
from tests.makers import a_resident
from tests.service.answers import refused

LONG_S = 30
OVER = "UPDATE audit_run SET state = 'clean'"


@pytest.fixture(scope="module")
def here(settings, copied_database):
    """An application on a database of its own: an audit looks at everything."""
    with copied_database() as url:
        app = create_app(replace(settings, database_url=url, rate_limits=0.0))
        yield app.extensions["tanhui"], app.test_client()
        app.extensions["tanhui"].database.dispose()


@pytest.fixture
def services(here):
    return here[0]


@pytest.fixture
def client(here):
    return here[1]


@pytest.fixture
def auditor(bearer):
    return bearer("auditor", "audit")


@pytest.fixture(autouse=True)
def _none_yet(services):
    services.database.transact(lambda s: s.execute(text(OVER)))


@pytest.fixture
def ask(client, auditor):
    def ask():
        answer = client.put(f"/v1/audits/{uuid4()}", headers=auditor)
        assert answer.status_code == 200, answer.text
        return answer.json["id"]

    return ask


@pytest.fixture
def shown(client, auditor):
    def shown(audit_id):
        answer = client.get(f"/v1/audits/{audit_id}", headers=auditor)
        assert answer.status_code == 200, answer.text
        return answer.json

    return shown


@contextmanager
def owner(services) -> Iterator:
    engine = owner_engine(services.settings.database_url)
    try:
        with engine.begin() as connection:
            yield connection
    finally:
        engine.dispose()


def waited_for(what):
    until = time.monotonic() + LONG_S
    while not (found := what()):
        assert time.monotonic() < until
        time.sleep(0.02)
    return found


def test_an_audit_that_was_asked_for_names_a_drift_made_by_hand(services, ask, shown):
    holder_id = services.database.transact(lambda s: a_resident(s, points=100))
    audit_id = ask()
    assert shown(audit_id)["state"] == "waiting"
    tamper = "UPDATE account SET balance = balance + {} WHERE holder_id = :h AND unit = 'point'"
    with owner(services) as connection:
        connection.execute(text(tamper.format(7)), {"h": holder_id})

    assert working.work_off(services) == 1

    found = shown(audit_id)
    assert (found["state"], found["drifts_found"], found["error"]) == ("drift", 1, None)
    (drift,) = found["drifts"]
    assert (drift["what"], drift["expected"], drift["found"]) == ("balance", "100", "107")
    issued = [a for a in found["system_accounts"] if (a["kind"], a["unit"]) == ("issued", "point")]
    assert issued
    assert found["ended_at"] >= found["started_at"] >= found["requested_at"]
    with owner(services) as connection:
        connection.execute(text(tamper.format(-7)), {"h": holder_id})
    again = ask()
    assert working.work_off(services) == 1
    assert shown(again)["state"] == "clean"
    assert working.work_off(services) == 0


def test_the_command_and_the_job_look_at_the_same(services):
    told = []
    with services.database.snapshot() as session:
        list(running.drifts(session, services.log.folder, progress=lambda c, *_: told.append(c)))

    assert set(told) <= set(running.STEPS)
    assert set(running.STEPS) - set(told) <= {"snapshot", "log"}  # Where there is none yet.
    assert list(dict.fromkeys(told)) == [step for step in running.STEPS if step in told]


def test_progress_is_shown_while_the_run_lasts(services, ask, shown, monkeypatch):
    audit_id, seen = ask(), []

    def told(_connection, _cursor, statement, *_):
        if statement.startswith("UPDATE audit_run SET step"):
            seen.append(shown(audit_id))

    monkeypatch.setattr(working, "TELL_S", 0)
    event.listen(services.database.engine, "after_cursor_execute", told)
    try:
        working.work_off(services)
    finally:
        event.remove(services.database.engine, "after_cursor_execute", told)

    assert {row["state"] for row in seen} == {"running"}
    steps = [row["step"] for row in seen]
    assert {"balance"} <= set(steps) <= set(running.STEPS)
    numbers = [running.STEPS.index(step) + 1 for step in steps]
    assert [row["step_number"] for row in seen] == numbers == sorted(numbers)
    assert {row["steps"] for row in seen} == {len(running.STEPS)}
    assert all(0 <= row["done"] <= row["total"] for row in seen)


def test_an_error_ends_the_run_and_says_why(services, ask, shown):
    audit_id = ask()
    with owner(services) as connection:
        connection.execute(text("REVOKE SELECT ON programme FROM tanhui_service"))
    try:
        working.work_off(services)
    finally:
        with owner(services) as connection:
            connection.execute(text("GRANT SELECT ON programme TO tanhui_service"))

    found = shown(audit_id)
    assert found["state"] == "failed"
    assert "InsufficientPrivilege" in found["error"]


def test_one_waits_behind_the_one_that_runs_and_a_third_is_told_of_it(
    client, services, auditor, bearer, ask, shown
):
    first = ask()
    services.database.transact(lambda s: working._begin(services.database, now=_now()))
    second = ask()
    third = client.put(f"/v1/audits/{uuid4()}", headers=auditor)

    assert refused(third, 409, "audit-waiting")["audit_id"] == second
    assert client.put(f"/v1/audits/{second}", headers=auditor).json["id"] == second
    stranger = client.put(f"/v1/audits/{second}", headers=bearer("operator", "ops"))
    refused(stranger, 409, "audit-id-reused")
    assert (shown(first)["state"], shown(second)["state"]) == ("running", "waiting")
    refused(client.get(f"/v1/audits/{uuid4()}", headers=auditor), 404, "unknown-audit")


def test_audits_are_listed_the_last_first_and_by_pages(client, services, auditor, ask):
    ids = []
    for _ in range(3):
        ids.append(ask())
        services.database.transact(lambda s: s.execute(text(OVER)))

    page = client.get("/v1/audits?limit=2", headers=auditor).json
    rest = client.get(f"/v1/audits?cursor={page['next_cursor']}", headers=auditor).json

    assert [row["id"] for row in page["audits"]] == ids[:0:-1]
    assert rest["audits"][0]["id"] == ids[0]
    assert rest["next_cursor"] is None


@pytest.mark.once
def test_the_job_begins_a_process_of_its_own_and_a_killed_one_is_taken_over(services, ask, shown):
    audit_id = ask()
    with owner(services) as connection:  # The audit of lots waits for us, so that it can be killed.
        connection.execute(text("LOCK TABLE lot IN ACCESS EXCLUSIVE MODE"))
        assert work.run_audits(services, _now()) == {"begun": 1}
        waited_for(lambda: shown(audit_id)["state"] == "running" and _is_at_work(services))
        assert work.run_audits(services, _now()) == {"begun": 0}
        assert working.work_off(services) == 0, "one at a time"
        _kill()
    assert shown(audit_id)["state"] == "running"
    waited_for(lambda: not _is_at_work(services))

    assert work.run_audits(services, _now()) == {"begun": 1}

    waited_for(lambda: shown(audit_id)["state"] == "clean")
    waited_for(lambda: not active_children())


def test_what_is_cut_short_twice_is_given_up(services, ask, shown):
    audit_id = ask()
    for _ in range(2):
        services.database.transact(lambda s: working._take_over(s, now=_now()))
        assert str(working._begin(services.database, now=_now())) == audit_id

    working.work_off(services)

    found = shown(audit_id)
    assert (found["state"], found["error"]) == ("failed", working.CUT_SHORT_AGAIN)
    assert services.database.transact(working.is_needed) is False


def test_a_run_that_nobody_works_on_is_needed_though_none_waits(services, ask):
    ask()
    working._begin(services.database, now=_now())

    assert services.database.transact(working.is_needed) is True


def _now() -> datetime:
    return datetime.now(UTC)


def _is_at_work(services) -> bool:
    query = text(
        "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND classid = :l AND objid = 2"
        " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
    )
    return bool(services.database.transact(lambda s: s.scalar(query, {"l": LOCKS})))


def _kill() -> None:
    (child,) = [child for child in active_children() if child.name == process.NAME]
    os.kill(child.pid, signal.SIGKILL)
    child.join(LONG_S)
