"""Open data of 100 districts and 36 months: the whole file, first, again, and unchanged.

Reports of 20 towns and 10 behaviours are written by SQL from one of the shape that is issued. The
file is fetched from the real service: the first time every report is read and written out, then
lines come from Redis, and by its ETag nothing is sent. The baseline, in the same run: what it costs
this process to write out every report, as each request did before lines were kept.
Usage: ``python -m benchmarks.open_data [DISTRICTS [MONTHS]]``.
"""

import os
import sys
import tempfile
import time
from datetime import UTC, datetime
from http.client import HTTPConnection
from pathlib import Path

from sqlalchemy import Engine, text

from benchmarks.machine import fresh_database, machine
from benchmarks.serving import Address, environ, served
from service.db import Database, owner_engine
from service.districts.published import open_data
from service.districts.reports.contents import encoded
from tests.service.districts.report_contents import a_content

TOWNS, BEHAVIOURS = 20, 10
CHUNK_BYTES = 1 << 20
_REPORTS = text("""
    INSERT INTO district_report (division_code, period, version, first_day, as_of, log_size,
                                 issued_at, issued_by, content, content_sha256, signature)
    SELECT code, period, 1, to_date(period, 'YYYY-MM'), :now, 1, :now, 'benchmark', content,
           sha256(content), ''
    FROM (
        SELECT d::text AS code, to_char(m, 'YYYY-MM') AS period,
               convert_to(replace(replace(:content, :code, d::text), :period,
                                  to_char(m, 'YYYY-MM')), 'UTF8') AS content
        FROM generate_series(400001, 400000 + :districts) AS d,
             generate_series(timestamp '2023-01-01', timestamp '2023-01-01'
                             + :months * interval '1 month' - interval '1 day',
                             interval '1 month') AS m
    ) AS report
""")


def main() -> None:
    """Run and print."""
    districts, months = (int(each) for each in (*sys.argv[1:3], 100, 36)[:2])
    print(machine())
    with fresh_database() as url, tempfile.TemporaryDirectory(prefix="tanhui-bench-") as made:
        owner = owner_engine(url)
        _populate(owner, districts, months)
        owner.dispose()
        database = Database(url)
        baseline_s = _written_out(database)
        database.dispose()
        print(f"{districts} districts x {months} months; load before {os.getloadavg()[0]:.1f}")
        print(f"  all reports written out by one process: {baseline_s:.1f} s of its CPU")
        with served(environ(url, Path(made))) as address:
            for what in ("first", "again", "again"):
                seconds, size, tag = _fetched(address)
                print(f"  {what}: {seconds:.1f} s, {size / 1e6:.0f} MB")
            seconds, size, _ = _fetched(address, tag)
            assert not size
            print(f"  unchanged (304): {1000 * seconds:.0f} ms")


def _populate(owner: Engine, districts: int, months: int) -> None:
    behaviours = [(f"behaviour_{n}", f"行为{n}", f"Behaviour {n}") for n in range(BEHAVIOURS)]
    content = a_content(towns=TOWNS, behaviours=behaviours)
    parameters = {
        "content": encoded(content).decode(),
        "code": content["division"]["code"],
        "period": content["period"],
        "districts": districts,
        "months": months,
        "now": datetime.now(UTC),
    }
    with owner.begin() as connection:
        connection.execute(_REPORTS, parameters)


def _written_out(database: Database) -> float:
    """CPU seconds."""
    upto = database.transact(open_data.edition)
    begun, after = time.process_time(), None
    while page := database.transact(
        lambda session, after=after: open_data.issued(session, upto=upto, after=after)
    ):
        database.transact(lambda session, page=page: open_data.lines(session, of=page))
        after = page[-1].division_code, page[-1].period
    return time.process_time() - begun


def _fetched(address: Address, tag: str = "") -> tuple[float, int, str]:
    """Seconds, bytes, and the ETag."""
    begun = time.perf_counter()
    connection = HTTPConnection(*address)
    connection.request("GET", "/open-data/districts.csv", headers={"If-None-Match": tag})
    answer = connection.getresponse()
    assert answer.status == (304 if tag else 200), answer.status
    size = 0
    while chunk := answer.read(CHUNK_BYTES):
        size += len(chunk)
    connection.close()
    return time.perf_counter() - begun, size, answer.headers["ETag"]


if __name__ == "__main__":
    main()
