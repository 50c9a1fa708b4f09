"""A division's month as it stands, over HTTP and summed anew by command."""

from datetime import UTC, datetime
from uuid import uuid4

import pytest
from click.testing import CliRunner

from rewards.redeeming.redemption import redeem
from service.app import create_app
from service.cli import tanhui
from service.identity.tokens import Caller
from service.jobs import work
from service.settings import Settings
from tests.makers import CODES, NOW, a_buyer, a_resident, a_walk, an_offer, recorded

TOWN, OTHER_TOWN, DISTRICT, CITY = "330102001", "330102003", "330102", "3301"  # 杭州市上城区
FIGURES = ("activities", "residents", "saved_mg_co2e", "earned_points", "spent_points", "vouchers")


@pytest.fixture(scope="module")
def environ(copied_database, urls, tmp_path_factory):
    with copied_database() as url:
        yield {
            "TANHUI_DATABASE_URL": url,
            "TANHUI_REDIS_URL": urls["redis"],
            "TANHUI_VAR_DIR": str(tmp_path_factory.mktemp("live")),
        }


@pytest.fixture(scope="module")
def app(environ):
    """Two residents walk in two towns; one of them spends, seven months later."""
    made = create_app(Settings.from_env(environ))
    services = made.extensions["tanhui"]

    def act(session):
        one, other = (a_resident(session, town=town) for town in (TOWN, OTHER_TOWN))
        recorded(session, a_walk(one), a_walk(one, day=1), a_walk(other))
        redeem(
            session, uuid4(), buyer=a_buyer(session, one), codes=CODES, now=NOW,
            offer_id=an_offer(session, price_points=30).id,
        )  # fmt: skip

    services.database.transact(act)
    work.seal_log(services, NOW)
    assert work.roll_up_districts(services, NOW) == {"leaves": 7}
    assert work.roll_up_districts(services, NOW) == {"leaves": 0}
    yield made
    services.database.dispose()


@pytest.fixture
def asked(app):
    def ask(division: str, month: str = "2016-04", role: str = "auditor", **grant: str):
        caller = Caller("tester", role, grant.get("scope", ""), grant.get("programme", "*"))
        token = app.extensions["tanhui"].tokens.issue(caller, now=datetime.now(UTC))
        return app.test_client().get(
            f"/v1/districts/{division}/live?month={month}",
            headers={"Authorization": f"Bearer {token}"},
        )

    return ask


def rows(answer) -> list[tuple]:
    return [
        (row["division_code"], row["behaviour_code"], *(row[name] for name in FIGURES))
        for row in answer.json["rows"]
    ]


def test_a_district_shows_itself_and_its_towns_by_behaviour(asked):
    answer = asked(DISTRICT)

    assert rows(answer) == [
        (DISTRICT, None, 3, 2, 300_000, 300, 0, 0),
        (DISTRICT, "walking", 3, 2, 300_000, 300, 0, 0),
        (TOWN, None, 2, 1, 200_000, 200, 0, 0),
        (TOWN, "walking", 2, 1, 200_000, 200, 0, 0),
        (OTHER_TOWN, None, 1, 1, 100_000, 100, 0, 0),
        (OTHER_TOWN, "walking", 1, 1, 100_000, 100, 0, 0),
    ]
    assert answer.json["folded_to"] == 7
    assert answer.json["division_name"] == "上城区"


def test_what_is_of_no_behaviour_has_no_residents_of_its_own(asked):
    found = rows(asked(CITY, "2026-11"))

    assert [row for row in found if row[0] == DISTRICT] == [
        (DISTRICT, None, 0, 0, 0, 0, 30, 1),
        (DISTRICT, "-", 0, None, 0, 0, 30, 1),
    ]
    assert {row[0] for row in found} == {CITY, DISTRICT}


def test_a_month_of_nothing_has_no_rows(asked):
    assert rows(asked(DISTRICT, "2031-01")) == []


@pytest.mark.parametrize(
    ("division", "month", "grant", "status"),
    [
        ("999999", "2016-04", {}, 404),
        (DISTRICT, "2016-04", {"scope": "330411"}, 404),
        (DISTRICT, "2016-04", {"programme": "demo-2016"}, 403),
        (DISTRICT, "2016-04", {"role": "district_officer", "scope": DISTRICT}, 403),
        (DISTRICT, "2016-13", {}, 422),
    ],
)
def test_it_is_for_who_may_see_every_resident_of_the_division(
    asked, division, month, grant, status
):
    assert asked(division, month, **grant).status_code == status


def test_the_command_sums_everything_once_more(asked, environ, monkeypatch):
    before = rows(asked(DISTRICT))
    for name, value in environ.items():
        monkeypatch.setenv(name, value)

    done = CliRunner().invoke(tanhui, ["districts", "rebuild"], catch_exceptions=False)
    audited = CliRunner().invoke(tanhui, ["audit"], catch_exceptions=False)

    assert done.output == "summed 7 transfers of the log\n"
    assert rows(asked(DISTRICT)) == before
    assert "no drift" in audited.output
