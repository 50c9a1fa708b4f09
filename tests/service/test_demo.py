"""The demo on the bundled data, as a real process: its figures recomputed here from the CSV files
by other means, and a second run that changes nothing.
"""

import csv
import json
import os
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import pytest
from sqlalchemy import text

from service.db import Database, owner_engine
from service.identity.keyring import Keyring
from service.identity.outside_ids import find_holders

DATA = Path(__file__).resolve().parents[2] / "service" / "data"


@pytest.fixture(scope="module")
def demo(copied_database, urls, tmp_path_factory):
    """Runs ``tanhui`` with the words given; the file of its master keys is its attribute."""
    var = tmp_path_factory.mktemp("demo")
    with copied_database() as url:

        def run(*words: str) -> subprocess.CompletedProcess[str]:
            environ = {k: v for k, v in os.environ.items() if not k.startswith("TANHUI_")}
            environ |= {
                "TANHUI_DATABASE_URL": url,
                "TANHUI_REDIS_URL": urls["redis"],
                "TANHUI_VAR_DIR": str(var),
            }
            tanhui = Path(sys.executable).with_name("tanhui")
            return subprocess.run(
                [tanhui, *words],
                env=environ, capture_output=True, text=True, timeout=120, check=False,
            )  # fmt: skip

        run.keys = var / "keys" / "identity.keys"
        database = Database(url)
        yield run, database
        database.dispose()


@pytest.fixture(scope="module")
def first(demo):
    run, _ = demo
    done = run("demo", "--no-serve", "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def rows(name: str) -> list[dict[str, str]]:
    with (DATA / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_walking_comes_to_what_the_file_says(first):
    steps = [int(row["TotalSteps"]) for row in rows("steps-2016.csv")]
    worn = [count for count in steps if count > 0]
    grams = [Fraction(count) * Fraction("0.02") for count in worn]
    earned = [int(gram) for gram in grams]
    points = [min(point, 200) for point in earned]

    told = first["imports"]["demo.walking"]

    assert told["rows"] == len(steps) == 940
    assert told["verified"] == len(worn) == 863
    assert told["by_code"]["quantity_out_of_range"] == steps.count(0) == 77
    assert told["trimmed"] == sum(point > 200 for point in earned) == 301
    assert told["saved_mg_co2e"] == sum(grams) * 1000 == 143_592_720
    assert told["points"] == sum(points) == 123_103
    assert told["trimmed_points"] == sum(earned) - sum(points) == 20_077
    assert told["unreadable"] == 0


def test_rides_come_to_what_the_file_says(first):
    durations = [int(row["Duration"]) for row in rows("bike-rentals-2016.csv")]
    plausible = [seconds for seconds in durations if 60 <= seconds <= 6 * 3600]

    told = first["imports"]["demo.bike"]

    assert told["rows"] == len(durations) == 200
    assert told["verified"] == len(plausible) == 198
    assert told["by_code"] == {"verified": 198, "duration_out_of_range": 2}
    assert told["saved_mg_co2e"] == 52_000 * len(plausible)
    assert told["points"] == 52 * len(plausible)


def test_the_report_of_april_adds_up_to_the_file(first, demo):
    """The district's total is the sum over its residents' rows of April."""
    run, database = demo
    ids = {row["Id"] for row in rows("steps-2016.csv")}
    keyring = Keyring.from_file(run.keys)
    holders = database.transact(lambda s: find_holders(s, keyring, "fitbit-sample", ids))
    query = text("SELECT holder_id FROM participant WHERE starts_with(division_code, '310118')")
    there = set(database.transact(lambda s: s.scalars(query).all()))
    wearers = {each for each, holder in holders.items() if holder in there}
    april = [
        row
        for row in rows("steps-2016.csv")
        if row["Id"] in wearers
        and row["ActivityDate"].startswith("4/")
        and row["TotalSteps"] != "0"
    ]
    report = next(r for r in first["reports"] if r["month"] == "2016-04")
    total = next(r for r in report["rows"] if not r["town_code"] and not r["behaviour_code"])

    assert total["figures"] == {
        "activities": len(april),
        "residents": len({row["Id"] for row in april}) // 10 * 10,
        "saved_mg_co2e": sum(int(row["TotalSteps"]) * 20 for row in april),
        "earned_points": sum(min(int(row["TotalSteps"]) // 50, 200) for row in april),
    }


def test_reports_show_some_cells_and_withhold_others(first):
    for report in first["reports"]:
        shown = [row["figures"] for row in report["rows"] if row["figures"]]
        assert len(shown) < len(report["rows"])
        assert all(figures["residents"] >= 10 for figures in shown)
        assert any(row["figures"] and row["town_code"] for row in report["rows"])


def test_the_report_is_read_as_json_and_csv_and_verifies(first, demo):
    run, _ = demo
    words = ("report", "310118", "--month", "2016-04", "--format")
    as_json, as_csv = run(*words, "json"), run(*words, "csv")
    checked = run("reports", "verify", "310118", "2016-04")

    assert json.loads(as_json.stdout)["division_name"] == "青浦区"
    assert as_csv.stdout.startswith("\ufefftown_code,town_name,behaviour_code")
    assert "hash and signature are right" in checked.stdout
    assert "to the same bytes" in checked.stdout


def test_residents_live_in_towns_of_both_districts(first, demo):
    _, database = demo
    query = text("SELECT left(division_code, 6), count(*) FROM participant GROUP BY 1")
    homes = dict(database.transact(lambda s: s.execute(query).all()))

    assert set(homes) == {"310118", "510105"}
    assert sum(homes.values()) == 233
    towns = text("SELECT count(DISTINCT division_code) FROM participant")
    assert database.transact(lambda s: s.scalar(towns)) == 23


def test_a_second_run_changes_no_balance_and_the_audit_is_clean(first, demo):
    run, database = demo
    query = text(
        "SELECT (SELECT json_agg(a ORDER BY id) FROM account a)::text"
        " || (SELECT count(*) FROM transfer) || (SELECT count(*) FROM activity)"
        " || (SELECT json_agg(s) FROM offer_stock s)::text"
    )
    before = database.transact(lambda s: s.scalar(query))

    second = run("demo", "--no-serve", "--json")

    assert second.returncode == 0, second.stderr
    assert database.transact(lambda s: s.scalar(query)) == before
    told = json.loads(second.stdout)
    for scene, summary in told["imports"].items():
        assert summary["already_known"] == summary["rows"]
        assert {**summary, "already_known": 0} == first["imports"][scene]
    assert told["redemption"] == first["redemption"]
    audit = run("audit", "--json")
    told = json.loads(audit.stdout)
    assert (audit.returncode, told["drifts"]) == (0, [])
    accounts = [a for a in told["system_accounts"] if a["programme"] == "demo-2016"]
    assert {(a["kind"], a["unit"]): a["balance"] for a in accounts} == {
        ("issued", "mg_co2e"): -(143_592_720 + 10_296_000),
        ("issued", "point"): -(123_103 + 10_296),
        ("redeemed", "point"): 500,
        ("issued", "fen"): 0,  # Nothing was taken at a till yet.
        ("redeemed", "fen"): 0,
        **{
            (kind, unit): 0
            for kind in ("redeemed", "expired", "retired", "clearing")
            for unit in ("mg_co2e", "point")
            if (kind, unit) != ("redeemed", "point")
        },
    }


def test_the_audit_fails_on_a_drift_and_names_it(first, demo):
    run, database = demo
    engine = owner_engine(database.engine.url.render_as_string(hide_password=False))
    find = "SELECT id FROM account WHERE guarded AND balance > 0 ORDER BY id LIMIT 1"
    with engine.begin() as connection:
        account_id = connection.scalar(text(find))
        add = text("UPDATE account SET balance = balance + :n WHERE id = :id")
        connection.execute(add, {"n": 1, "id": account_id})
    try:
        audit = run("audit")
    finally:
        with engine.begin() as connection:
            connection.execute(add, {"n": -1, "id": account_id})
        engine.dispose()
    assert audit.returncode == 1
    assert str(account_id) in audit.stdout


def test_demo_text_is_for_people(first, demo):
    run, _ = demo
    told = run("demo", "--no-serve").stdout

    for part in ("940 rows", "863 verified", "青浦区 (310118) 2016-04", "tanhui token resident"):
        assert part in told
