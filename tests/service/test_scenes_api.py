"""Scenes over HTTP: residents see their programme's, operators suspend and end them."""

from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest

from service.demo_shops import DEMO_PROGRAMME
from tests.makers import a_resident
from tests.scenes import ELSEWHERE, a_scene
from tests.service.answers import refused, refused_in_both_languages

FIELDS = {
    "code", "programme", "partner", "name_zh", "name_en", "behaviour", "behaviour_zh",
    "behaviour_en", "status", "open", "approved_from", "approved_to", "exclusions",
    "consent_text_version", "consented",
}  # fmt: skip
SOON = timedelta(minutes=1)
LAST_YEAR = datetime.now(UTC).date() - timedelta(days=365)
NEXT_YEAR = datetime.now(UTC).date() + timedelta(days=365)


@pytest.fixture
def holder_id(database) -> UUID:
    return database.transact(a_resident)


@pytest.fixture
def resident(bearer, holder_id):
    return bearer("resident", holder_id)


@pytest.fixture
def anna(bearer):
    return bearer("operator", "anna")


@pytest.fixture
def scene(database) -> str:
    made = database.transact(
        lambda s: a_scene(
            s,
            consent_version=2,
            exclusions="不得再申请 CCER",
            approved_from=LAST_YEAR,
            approved_to=NEXT_YEAR,
        )
    )
    return made.code


def test_a_resident_sees_the_scenes_of_the_programme_and_what_they_consent_to(
    client, resident, anna, scene
):
    def mine() -> dict[str, object]:
        found = client.get("/v1/scenes", headers=resident).json["scenes"]
        assert {each["programme"] for each in found} == {DEMO_PROGRAMME}
        assert [each["code"] for each in found] == sorted(each["code"] for each in found)
        return next(each for each in found if each["code"] == scene)

    assert set(mine()) == FIELDS
    assert (mine()["name_zh"], mine()["behaviour"]) == ("步行", "walking")
    assert mine()["behaviour_zh"]
    assert mine()["behaviour_en"]
    assert (mine()["status"], mine()["open"]) == ("approved", True)
    assert (mine()["exclusions"], mine()["consent_text_version"]) == ("不得再申请 CCER", 2)
    assert mine()["consented"] is False

    body = {"text_version": 2, "given": True}
    client.put(f"/v1/consents/{scene}", json=body, headers=resident)

    assert mine()["consented"] is True
    assert client.get(f"/v1/scenes/{scene}", headers=resident).json == mine()
    as_staff = client.get(f"/v1/scenes/{scene}", headers=anna).json
    assert as_staff == mine() | {"consented": None}


def test_a_scene_that_asks_for_no_consent_says_so(client, database, resident):
    code = database.transact(lambda session: a_scene(session).code)
    found = client.get(f"/v1/scenes/{code}", headers=resident).json
    assert (found["consent_text_version"], found["consented"]) == (None, None)


def test_staff_see_all_scenes(client, anna, bearer, scene):
    for headers in (anna, bearer("auditor")):
        found = client.get("/v1/scenes", headers=headers).json["scenes"]
        assert {"demo.bike", scene} <= {each["code"] for each in found}


def test_an_operator_suspends_and_ends_a_scene(client, database, anna, bearer, resident, scene):
    url, at = f"/v1/scenes/{scene}/status", datetime.now(UTC)
    body = {"effective_at": at.isoformat(), "status": "suspended", "reason": "数据异常"}

    made = client.put(url, json=body, headers=anna)

    assert made.status_code == 200, made.text
    assert (made.json["status"], made.json["actor"]) == ("suspended", "anna")
    assert (made.json["reason"], made.json["approved_by"]) == ("数据异常", None)
    assert client.put(url, json=body, headers=anna).json == made.json
    seen = client.get(f"/v1/scenes/{scene}", headers=resident).json
    assert (seen["status"], seen["open"]) == ("suspended", False)

    later = {**body, "effective_at": (at + SOON).isoformat(), "status": "ended"}
    ended = client.put(url, json=later, headers=bearer("operator", "ben"))
    assert ended.status_code == 200

    changes = client.get(f"/v1/scenes/{scene}/changes", headers=bearer("auditor")).json["changes"]
    assert changes == [made.json, ended.json]
    still = client.get(f"/v1/scenes/{scene}", headers=resident).json
    assert still["status"] == "suspended", "it ends in a minute"


def test_refusals_of_a_change(client, database, anna, bearer, scene):
    url, now = f"/v1/scenes/{scene}/status", datetime.now(UTC)
    body = {"effective_at": now.isoformat(), "status": "ended", "reason": "期满"}
    assert client.put(url, json=body, headers=anna).status_code == 200

    def put(changed: dict[str, str], headers=anna, to: str = url):
        return lambda h: client.put(to, json=body | changed, headers=headers | h)

    refused_in_both_languages(database, put({"reason": "other"}), 409, "scene-change-reused")
    refused_in_both_languages(
        database, put({}, bearer("operator", "ben")), 409, "scene-change-reused"
    )
    later = (now + SOON).isoformat()
    found = refused_in_both_languages(
        database,
        put({"effective_at": later, "status": "suspended"}),
        409,
        "scene-step-not-allowed",
    )
    assert (found["scene_status"], found["wanted"]) == ("ended", "suspended")
    early = (now - timedelta(hours=1)).isoformat()
    found = refused_in_both_languages(
        database, put({"effective_at": early}), 422, "scene-change-backdated"
    )
    assert found["earliest_at"] > found["effective_at"]
    nowhere = "/v1/scenes/no.such.scene/status"
    refused_in_both_languages(database, put({}, to=nowhere), 404, "unknown-scene")
    for headers in (bearer("auditor"), bearer("resident", uuid4())):
        refused(put({}, headers)({}), 403, "wrong-role")
    refused(put({}, bearer("operator", " "))({}), 401, "invalid-token")


@pytest.mark.parametrize(
    ("facts", "pointer"),
    [
        ({"status": "approved"}, "#/status"),
        ({"status": "draft"}, "#/status"),
        ({"reason": ""}, "#/reason"),
        ({"reason": "x" * 501}, "#/reason"),
        ({"reason": "two\nlines"}, "#/reason"),
        ({"effective_at": "2026-11-21T00:00:00"}, "#/effective_at"),
        ({"effective_at": "9999-12-31T23:59:59Z"}, "#/effective_at"),
        ({"approved_by": "me"}, "#/approved_by"),
    ],
)
def test_a_body_that_does_not_fit(client, database, anna, scene, facts, pointer):
    body = {"effective_at": datetime.now(UTC).isoformat(), "status": "ended", "reason": "期满"}
    found = refused_in_both_languages(
        database,
        lambda h: client.put(f"/v1/scenes/{scene}/status", json=body | facts, headers=anna | h),
        422,
        "body-does-not-fit",
    )
    assert [error["pointer"] for error in found["errors"]] == [pointer]
    changes = client.get(f"/v1/scenes/{scene}/changes", headers=anna).json
    assert changes == {"changes": []}


def test_what_is_not_there_or_not_mine(client, database, resident, bearer, scene):
    for path in ("/v1/scenes/no.such.scene", "/v1/scenes/no.such.scene/changes"):
        headers = bearer("operator", "anna")
        refused_in_both_languages(
            database,
            lambda h, p=path, s=headers: client.get(p, headers=s | h),
            404,
            "unknown-scene",
        )
    elsewhere = database.transact(lambda s: a_scene(s, programme_code=ELSEWHERE).code)
    refused(client.get(f"/v1/scenes/{elsewhere}", headers=resident), 404, "unknown-scene")
    stranger = bearer("resident", uuid4())
    refused(client.get("/v1/scenes", headers=stranger), 404, "unknown-resident")
