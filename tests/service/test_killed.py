"""kill -9 of a real import half-way, then again: exactly the figures of an undisturbed run."""

import csv
import json
import os
import random
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import pytest
from sqlalchemy import text

from activities.audit import audit as audit_activities
from activities.catalogue.models import Scene
from activities.participants import enrol
from ledgers.audit import audit
from service.db import Database
from service.demo_shops import DEMO_PROGRAMME
from tests.makers import XIAYANG

pytestmark = pytest.mark.once

ROWS = 20_000
HOLDERS = [UUID(int=0x4000_8000_0000_0000_0000 + n) for n in range(500)]
FIGURES = text("""
    SELECT (SELECT json_agg(t) FROM (SELECT code, count(*), sum(saved_mg_co2e) AS mg,
                sum(points) AS points, sum(trimmed_points) AS trimmed
                FROM activity GROUP BY code ORDER BY code) AS t)::text
        || (SELECT json_agg(a) FROM (SELECT holder_id, unit, balance, debt
                FROM account WHERE guarded ORDER BY 1, 2) AS a)::text
""")


@pytest.fixture(scope="module")
def file(tmp_path_factory) -> Path:
    """Rides that are verified, refused, and told twice."""
    source = random.Random(3)  # noqa: S311
    path = tmp_path_factory.mktemp("killed") / "rides.csv"
    with path.open("w", encoding="utf-8", newline="") as out:
        writer = csv.writer(out)
        writer.writerow(("event_id", "holder_id", "started_at", "ended_at", "quantity"))
        for number in range(ROWS):
            start = datetime(2016, 4, 1, tzinfo=UTC) + timedelta(minutes=source.randrange(40_000))
            end = start + timedelta(seconds=source.randrange(30, 4_000))
            holder = HOLDERS[source.randrange(len(HOLDERS))]
            writer.writerow((f"r{number}", holder, start.isoformat(), end.isoformat(), 1))
    return path


def prepare(database: Database) -> None:
    def work(session):
        demo = session.get_one(Scene, "demo.bike")
        columns = {c.key: getattr(demo, c.key) for c in Scene.__table__.columns}
        session.add(Scene(**{**columns, "code": "test.bike", "feed_format": "native"}))
        enrol(session, DEMO_PROGRAMME, dict.fromkeys(HOLDERS, XIAYANG), now=datetime.now(UTC))

    database.transact(work)


def importing(file: Path, url: str, var: Path) -> subprocess.Popen[str]:
    environ = {name: value for name, value in os.environ.items() if not name.startswith("TANHUI_")}
    environ |= {
        "TANHUI_DATABASE_URL": url,
        "TANHUI_REDIS_URL": "redis://127.0.0.1:1",
        "TANHUI_VAR_DIR": str(var),
    }
    tanhui = Path(sys.executable).with_name("tanhui")
    words = [tanhui, "import", file, "--scene", "test.bike", "--json"]
    return subprocess.Popen(
        words, env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def committed(database: Database) -> int:
    return database.transact(lambda s: s.scalar(text("SELECT count(*) FROM posting")))


def figures(database: Database) -> str:
    return database.transact(lambda s: s.scalar(FIGURES))


@pytest.fixture
def undisturbed(copied_database, file, tmp_path):
    with copied_database() as url:
        database = Database(url)
        prepare(database)
        out, err = importing(file, url, tmp_path).communicate(timeout=120)
        yield figures(database), json.loads(out), err
        database.dispose()


def test_killed_and_run_again_it_comes_to_the_same(
    undisturbed, fresh_database, fresh_database_url, file, tmp_path
):
    prepare(fresh_database)
    killed_after = []
    for batches in (1, 2, 3):
        process = importing(file, fresh_database_url, tmp_path)
        deadline = time.monotonic() + 60
        while committed(fresh_database) < batches and process.poll() is None:
            assert time.monotonic() < deadline
        process.send_signal(signal.SIGKILL)
        process.communicate()
        killed_after.append(committed(fresh_database))
    assert 1 <= killed_after[0] < ROWS / 5_000  # It was killed half-way, not at the end.

    out, err = importing(file, fresh_database_url, tmp_path).communicate(timeout=120)

    wanted, summary, _ = undisturbed
    assert figures(fresh_database) == wanted, err
    again = json.loads(out)
    assert again["already_known"] > 0
    for name in ("rows", "by_code", "saved_mg_co2e", "points", "trimmed_points", "unreadable"):
        assert again[name] == summary[name]
    with fresh_database.snapshot() as session:
        assert [*audit(session), *audit_activities(session)] == []
