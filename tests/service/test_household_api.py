"""A resident's household over HTTP."""

from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

import pytest

from tests.makers import a_resident
from tests.service.answers import refused_in_both_languages

URL = "/v1/household"


@pytest.fixture
def holder_id(database) -> UUID:
    return database.transact(a_resident)


@pytest.fixture
def resident(bearer, holder_id):
    return bearer("resident", holder_id)


@pytest.fixture
def body() -> dict[str, object]:
    today = datetime.now(UTC).astimezone(ZoneInfo("Asia/Shanghai")).date()
    return {
        "valid_from": today.isoformat(),
        "persons": 3,
        "moved_in_on": "2019-05-01",
        "solar": False,
        "tier": 2,
    }


def households(client, headers) -> list[dict[str, object]]:
    answer = client.get(URL, headers=headers)
    assert answer.status_code == 200
    return answer.json["households"]


def test_declare_send_again_and_read(client, resident, body):
    assert households(client, resident) == []

    made = client.put(URL, json=body, headers=resident)

    assert made.status_code == 200, made.text
    assert set(made.json) == {*body, "recorded_at"}
    assert {name: made.json[name] for name in body} == body
    assert client.put(URL, json=body, headers=resident).json == made.json
    assert households(client, resident) == [made.json]


def test_a_change_is_a_declaration_as_of_another_day(client, database, resident, body):
    client.put(URL, json=body, headers=resident)
    changed = body | {"persons": 4}

    found = refused_in_both_languages(
        database,
        lambda h: client.put(URL, json=changed, headers=resident | h),
        409,
        "household-reused",
    )
    assert found["valid_from"] == body["valid_from"]

    tomorrow = datetime.fromisoformat(body["valid_from"]).date() + timedelta(days=1)
    changed["valid_from"] = tomorrow.isoformat()
    assert client.put(URL, json=changed, headers=resident).status_code == 200
    assert [each["persons"] for each in households(client, resident)] == [4, 3]


@pytest.mark.parametrize(
    ("facts", "field"),
    [
        ({"persons": 0}, "persons"),
        ({"persons": 10**30}, "persons"),
        ({"tier": 4}, "tier"),
        ({"moved_in_on": "9999-12-31"}, "moved_in_on"),
        ({"valid_from": "0001-01-01"}, "valid_from"),
        ({"valid_from": "9999-12-31"}, "valid_from"),
    ],
)
def test_what_cannot_be(client, database, resident, body, facts, field):
    found = refused_in_both_languages(
        database,
        lambda h: client.put(URL, json=body | facts, headers=resident | h),
        422,
        "household-out-of-bounds",
    )
    assert found["field"] == field
    assert found["lowest"] < found["highest"] or field in ("persons", "tier")
    assert households(client, resident) == []


@pytest.mark.parametrize(
    ("facts", "pointer"),
    [
        ({"persons": "3"}, "#/persons"),
        ({"persons": 2.5}, "#/persons"),
        ({"persons": None}, "#/persons"),
        ({"solar": "no"}, "#/solar"),
        ({"valid_from": "2026-13-01"}, "#/valid_from"),
        ({"valid_from": "yesterday"}, "#/valid_from"),
        ({"address": "1 Long Road"}, "#/address"),
    ],
)
def test_a_body_that_does_not_fit(client, database, resident, body, facts, pointer):
    found = refused_in_both_languages(
        database,
        lambda h: client.put(URL, json=body | facts, headers=resident | h),
        422,
        "body-does-not-fit",
    )
    assert [error["pointer"] for error in found["errors"]] == [pointer]


@pytest.mark.parametrize("missing", ["valid_from", "persons", "moved_in_on", "solar", "tier"])
def test_everything_is_said(client, resident, body, missing):
    del body[missing]
    answer = client.put(URL, json=body, headers=resident)
    assert answer.status_code == 422
    assert [each["pointer"] for each in answer.json["errors"]] == [f"#/{missing}"]


def test_who_takes_no_part_has_no_household(client, database, bearer, body):
    stranger = bearer("resident", uuid4())
    refused_in_both_languages(
        database,
        lambda h: client.put(URL, json=body, headers=stranger | h),
        404,
        "unknown-resident",
    )


def test_another_s_household_is_not_mine(client, database, bearer, resident, body):
    client.put(URL, json=body, headers=resident)
    other = bearer("resident", database.transact(a_resident))
    assert households(client, other) == []
