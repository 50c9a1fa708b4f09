"""Issued reports over HTTP and by command: listed, read, downloaded, with hash and signature."""

import json
import subprocess
import sys
from datetime import date, datetime
from hashlib import sha256
from pathlib import Path

import pytest
from click.testing import CliRunner

from ledgers.log.notes import SignerKey, sign
from service.cli import tanhui
from service.districts.models import DistrictReport
from service.districts.rendering.formats import MEDIA_TYPES, all_of, render
from service.districts.rendering.html import content_security_policy
from tests.service.answers import refused
from tests.service.districts.issuing import APRIL, a_district
from tests.service.districts.report_contents import a_content, as_issued, reissued
from tests.service.districts.worlds import summed

CODE = "310117"  # No other test of this database issues anything here.
REPORTS = f"/v1/districts/{CODE}/reports"
PERIODS = {"2026-10": date(2026, 10, 1), "2026": date(2026, 1, 1)}


def a_row(content):
    """As it would have been issued."""
    issued = as_issued(content)
    return DistrictReport(
        division_code=CODE,
        period=content["period"],
        version=content["version"],
        first_day=PERIODS[content["period"]],
        as_of=datetime.fromisoformat(content["as_of"]),
        log_size=content["log_size"],
        issued_at=datetime.fromisoformat(content["issued_at"]),
        issued_by="anna",
        reason=content["reason"],
        content=issued.written,
        content_sha256=bytes.fromhex(issued.sha256),
        signature=issued.signature,
    )


@pytest.fixture(scope="module")
def reports(database):
    """October in two versions, and the year."""
    contents = [a_content(), a_content(**reissued()), a_content(kind="year")]
    database.transact(lambda session: session.add_all(map(a_row, contents)))
    return [as_issued(content) for content in contents]


@pytest.fixture
def get(client, bearer, reports):
    """Ask as the district's officer."""
    headers = bearer("district_officer", "anna", CODE)
    return lambda path="", **more: client.get(f"{REPORTS}{path}", headers=headers | more)


def test_the_latest_version_of_each_period_is_listed_page_by_page(get):
    first = get("?limit=1").json
    then = get(f"?limit=1&cursor={first['next_cursor']}").json

    listed = [(one["period"], one["version"]) for one in (*first["reports"], *then["reports"])]
    assert listed == [("2026-10", 2), ("2026", 1)]
    assert then["next_cursor"] is None


def test_a_report_is_read_with_hash_and_signature(get, reports):
    latest, first = get("/2026-10").json, get("/2026-10?version=1").json

    assert (latest["version"], first["version"]) == (2, 1)
    assert (latest["reason"], first["reason"]) == ("地铁数据方补传", None)
    assert latest["content_sha256"] == reports[1].sha256
    assert latest["signature"] == reports[1].signature
    assert latest["content"] == json.loads(reports[1].written)


@pytest.mark.parametrize(("shape", "language"), all_of())
def test_a_file_is_the_same_bytes_that_anybody_renders(get, reports, shape, language):
    answer = get(f"/2026-10.{shape}", **{"Accept-Language": language})

    assert answer.status_code == 200, answer.text
    assert answer.data == render(reports[1], shape, language)
    assert answer.content_type == MEDIA_TYPES[shape]
    assert answer.headers["Report-SHA256"] == reports[1].sha256
    assert answer.headers["Report-Signature"] == f"tanhui.example/log {'Az3g' * 23}"
    name = answer.headers["Content-Disposition"]
    assert name.startswith("inline" if shape == "html" else "attachment")
    assert f"2026-10-v2{'' if shape in ('csv', 'json') else '-' + language}.{shape}" in name


def test_the_file_of_an_earlier_version_stays(get, reports):
    assert get("/2026-10.json?version=1").data == reports[0].written
    assert sha256(get("/2026.json").data).hexdigest() == reports[2].sha256


def test_the_page_may_have_its_style_and_nothing_else(get):
    policy = get("/2026-10.html").headers["Content-Security-Policy"]

    assert policy == content_security_policy()
    assert policy.startswith("default-src 'none'; style-src 'sha256-")


@pytest.mark.parametrize(
    "path", ["/2026-09", "/2026-10?version=3", "/2026-09.pdf", "/2026-10.pdf?version=3", "/never"]
)
def test_what_was_not_issued_is_said_to_be_not(get, path):
    refused(get(path), 404, "report-not-issued")


def test_there_is_no_other_format(get):
    refused(get("/2026-10.docx"), 404)


def test_reports_are_listed_and_written_by_command(
    reports, database_url, urls, monkeypatch, tmp_path
):
    monkeypatch.setenv("TANHUI_DATABASE_URL", database_url)
    monkeypatch.setenv("TANHUI_REDIS_URL", urls["redis"])
    monkeypatch.setenv("TANHUI_VAR_DIR", str(tmp_path))

    def run(*words):
        told = CliRunner().invoke(tanhui, ["reports", *map(str, words)], catch_exceptions=False)
        assert told.exit_code == 0, told.output
        return told

    listed = json.loads(run("list", CODE, "--json").stdout)
    assert [(one["period"], one["version"]) for one in listed] == [("2026-10", 2), ("2026", 1)]
    assert reports[1].sha256 in run("list", CODE).stdout
    file = tmp_path / "october.pdf"
    run("show", CODE, "2026-10", "--version", 1, "--format", "pdf", "--output", file)
    assert file.read_bytes() == render(reports[0], "pdf", "zh-CN")
    assert run("show", CODE, "2026-10", "--format", "json").stdout_bytes == reports[1].written


def test_a_report_is_issued_and_verified_by_command(
    fresh_database, fresh_database_url, urls, monkeypatch, tmp_path
):
    code = fresh_database.transact(a_district)
    summed(fresh_database)
    monkeypatch.setenv("TANHUI_DATABASE_URL", fresh_database_url)
    monkeypatch.setenv("TANHUI_REDIS_URL", urls["redis"])
    monkeypatch.setenv("TANHUI_VAR_DIR", str(tmp_path))

    def run(*words):
        return CliRunner().invoke(tanhui, ["reports", *words])

    issued = run("issue", code, "2016-Q2", "--with-months", "--by", "li.na")
    assert next(line.split(": ")[0] for line in issued.stdout.splitlines()) == (
        f"report {code} {APRIL} v1"
    ), issued.output
    told = run("verify", code, APRIL).stdout
    assert "hash and signature are right" in told
    assert "its figures recompute from the books to the same bytes" in told
    assert told.count("sha256") == 1 + len(all_of())
    assert "not issued" in str(run("verify", code, "2016-03").exception)


def test_the_guides_program_checks_a_report(reports, tmp_path):
    """As docs/districts.md has it, with a key of our own."""
    guide = (Path(__file__).parents[3] / "docs" / "districts.md").read_text("utf-8")
    program = guide.partition("```python\n")[2].partition("```")[0]
    key = SignerKey("test.example/log", b"s" * 32)
    files = tmp_path / "2026-10.json", tmp_path / "2026-10.note"
    files[0].write_bytes(reports[0].written)
    note = sign(reports[0].signature.rpartition("\n\n")[0] + "\n", key.name, key.private)
    files[1].write_text(note, "utf-8")

    def check():
        words = [sys.executable, "-c", program, *map(str, files), str(key.verifier)]
        return subprocess.run(words, capture_output=True, text=True, check=False)

    assert check().stdout == "310118 2026-10 v1 is what was signed\n"
    files[0].write_bytes(reports[0].written + b" ")
    assert "AssertionError" in check().stderr


@pytest.mark.parametrize("words", [("show", CODE, "October"), ("show", CODE, "2026-13")])
def test_what_is_no_period_is_refused(words):
    told = CliRunner().invoke(tanhui, ["reports", *words])

    assert told.exit_code == 2
    assert "write 2026, 2026-Q3 or 2026-10" in told.output
