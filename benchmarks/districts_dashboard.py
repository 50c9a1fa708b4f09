"""District dashboards and reports, with 2 and with 20 million activities behind them.

Roll-ups of a district of 20 towns, 10 behaviours and a year are written by SQL, as the job would
have left them: residents do each of ten things once a week, twice, and spend once for twenty
activities. Then the year's months and the year are issued (time printed, each, and CPU), and the
dashboard of the year and of a month is asked for over HTTP (the real service, granian, two workers,
one connection).
Usage: ``python -m benchmarks.districts_dashboard [SECONDS]``.
"""

import itertools
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from urllib.request import Request, urlopen

from sqlalchemy import Engine, text

from activities.catalogue.loading import load
from benchmarks.machine import cpu_s, fresh_database, machine
from benchmarks.serving import Address, Driven, drive, environ, served, written
from service.db import Database, owner_engine
from service.districts.reports.issuing import issue
from service.identity.tokens import Caller
from service.services import tokens
from service.settings import Settings
from service.transparency import log_of

# District, year, activities. A year each, so that neither reads the other's days.
SCALES = (("310118", 2024, 2_000_000), ("510105", 2025, 20_000_000))
TOWNS, BEHAVIOURS = 20, 10
MEDIAN_MARK_MS, YEAR_MARK_S = 50, 20
WEEK = 7
TWICE = 2

_TOWNS = text("""
    INSERT INTO division (code, level, parent_code, name_zh)
    SELECT code, 'town', left(code, 6), '街道 ' || code FROM unnest(CAST(:codes AS text[])) AS code
    ON CONFLICT DO NOTHING
""")
_RESIDENTS = text("""
    INSERT INTO district_resident (holder_id, day, division_code, behaviour_code, activities)
    SELECT md5(:district || h)::uuid, d::date, (CAST(:codes AS text[]))[h % :towns + 1], b.code,
           :twice
    FROM generate_series(CAST(:first AS date), CAST(:last AS date), interval '1 day') AS d,
         unnest(CAST(:behaviours AS text[])) WITH ORDINALITY AS b (code, n),
         generate_series(1 + (extract(doy FROM d)::int * 3 + b.n::int * 5) % :week, :residents,
                         :week) AS h
""")
_DAYS = text("""
    INSERT INTO district_day (division_code, day, behaviour_code, activities, saved_mg_co2e,
                              earned_points)
    SELECT left(division_code, digits), day, behaviour_code, sum(activities),
           sum(activities) * 52000, sum(activities) * 52
    FROM district_resident, unnest(ARRAY[2, 4, 6, 9]) AS digits
    WHERE left(division_code, 6) = :district
    GROUP BY 1, 2, 3
""")
_PARTICIPANTS = text("""
    INSERT INTO participant (holder_id, programme_code, division_code, joined_at)
    SELECT holder_id, 'sh-2026', min(division_code), CAST(:first AS date)
    FROM district_resident WHERE left(division_code, 6) = :district GROUP BY holder_id
""")
# Different residents by month, as the job counts them.
_MONTHS = text("""
    INSERT INTO district_month (division_code, month, behaviour_code, residents)
    SELECT left(division_code, digits), date_trunc('month', day)::date, code,
           count(DISTINCT holder_id)
    FROM (SELECT DISTINCT division_code, date_trunc('month', day)::date AS day, behaviour_code,
                 holder_id
          FROM district_resident WHERE left(division_code, 6) = :district) AS each,
         unnest(ARRAY[2, 4, 6, 9]) AS digits, unnest(ARRAY[behaviour_code, '*']) AS code
    GROUP BY 1, 2, 3
""")
_SPENDS = text("""
    INSERT INTO transfer (holder_id, id, posting_id, position, unit, debit_account_id,
                          credit_account_id, amount, kind, reference, occurred_at)
    SELECT r.holder_id, uuidv7(), uuidv7(), 0, 'point', r.holder_id, a.id, 10, 'spend', uuidv7(),
           r.day + time '04:00' AT TIME ZONE 'UTC'
    FROM district_resident AS r, (SELECT min(id::text)::uuid AS id FROM account
                                  WHERE kind = 'redeemed' AND unit = 'point') AS a
    WHERE left(r.division_code, 6) = :district AND random() < :twice / 20.0
""")


def main() -> None:
    """Run and print."""
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 10.0
    print(machine())
    with fresh_database() as url, tempfile.TemporaryDirectory(prefix="tanhui-bench-") as made:
        settings = environ(url, Path(made))
        database = Database(url, statement_timeout_ms=600_000)
        database.transact(lambda session: load(session, now=datetime.now(UTC)))
        owner = owner_engine(url)
        _populate(owner)
        owner.dispose()
        for district, year, activities in SCALES:
            print(f"{activities:,} activities in {TOWNS} towns, {BEHAVIOURS} behaviours, a year")
            _issue(database, Settings.from_env(settings), district, year)
        database.dispose()
        with served(settings) as address:
            for district, year, activities in SCALES:
                print(f"dashboard over {activities:,} activities")
                _ask(address, Settings.from_env(settings), district, year, seconds)


def _populate(owner: Engine) -> None:
    """In the order of days, as they come; the key is made at last, which is quicker."""
    begun = time.perf_counter()
    with owner.begin() as connection:
        behaviours = connection.scalars(
            text("SELECT code FROM behaviour ORDER BY code LIMIT :n"), {"n": BEHAVIOURS}
        ).all()
        connection.execute(
            text("ALTER TABLE district_resident DROP CONSTRAINT pk_district_resident")
        )
        for district, year, activities in SCALES:
            rows = activities // TWICE
            parameters = {
                "district": district,
                "first": f"{year}-01-01",
                "last": f"{year}-12-31",
                "behaviours": list(behaviours),
                "residents": rows * WEEK // (365 * BEHAVIOURS),
                "week": WEEK,
                "towns": TOWNS,
                "twice": TWICE,
                "codes": [f"{district}{number}" for number in range(901, 901 + TOWNS)],
            }
            connection.execute(_TOWNS, parameters)
            connection.execute(_RESIDENTS, parameters)
            for statement in (_DAYS, _MONTHS, _PARTICIPANTS, _SPENDS):
                connection.execute(statement, parameters)
        connection.execute(
            text(
                "ALTER TABLE district_resident ADD CONSTRAINT pk_district_resident PRIMARY KEY"
                " (holder_id, day, division_code, behaviour_code)"
            )
        )
        counted = connection.execute(
            text("SELECT left(division_code, 6), count(*) FROM district_resident GROUP BY 1")
        ).all()
    with owner.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(
            text("VACUUM ANALYZE district_resident, district_day, participant, transfer")
        )
    told = ", ".join(f"{code} {rows:,} rows" for code, rows in counted)
    print(f"roll-ups written in {time.perf_counter() - begun:.0f} s: {told}")


def _issue(database: Database, settings: Settings, district: str, year: int) -> None:
    """The months, and the year; what the year takes with all its months is what has a mark."""
    log = log_of(settings)

    def one(period: str) -> float:
        begun = time.perf_counter()
        database.transact(
            lambda session: issue(
                session, log.signer(session), district, period, by="benchmark",
                now=datetime.now(UTC),
            )
        )  # fmt: skip
        return time.perf_counter() - begun

    cpu = cpu_s(database)
    months = [one(f"{year}-{month:02}") for month in range(1, 13)]
    whole = one(str(year))
    cpu = cpu_s(database) - cpu
    middle = sorted(months)[6]
    print(f"    a month issued in {middle:.2f} s (median of 12), the year in {whole:.2f} s")
    print(
        f"    all together {sum(months) + whole:.1f} s, {cpu:.1f} s of CPU; mark {YEAR_MARK_S} s;"
        f" load {os.getloadavg()[0]:.1f}"
    )


def _ask(address: Address, settings: Settings, district: str, year: int, seconds: float) -> None:
    caller = Caller("benchmark", "auditor", "", "*")
    bearer = f"Bearer {tokens(settings).issue(caller, now=datetime.now(UTC))}"
    for period in (str(year), f"{year}-06"):
        path = f"/v1/districts/{district}/dashboard?period={period}"
        begun = time.perf_counter()
        with urlopen(
            Request(f"http://127.0.0.1:{address[1]}{path}", headers={"Authorization": bearer})
        ) as answer:
            size = len(answer.read())
        first_ms = 1000 * (time.perf_counter() - begun)
        driven = _driven(address, path, [f"Authorization: {bearer}"], seconds)
        print(
            f"    {period}: median {driven.at(500):.1f} ms (mark {MEDIAN_MARK_MS}),"
            f" p99 {driven.at(990):.1f} ms, first {first_ms:.0f} ms; {size:,} bytes"
        )


def _driven(address: Address, path: str, headers: Sequence[str], seconds: float) -> Driven:
    requests = itertools.repeat(written("GET", path, headers))
    driven = drive(address, requests, connections=1, seconds=seconds)
    assert set(driven.statuses) == {b"200"}, driven.statuses
    return driven


if __name__ == "__main__":
    main()
