"""Consents over HTTP: a resident gives and withdraws them, and sees them all."""

from datetime import datetime
from uuid import UUID, uuid4

import pytest

from activities.consents import history
from tests.makers import a_resident
from tests.scenes import a_scene
from tests.service.answers import refused, refused_in_both_languages


@pytest.fixture
def holder_id(database) -> UUID:
    return database.transact(a_resident)


@pytest.fixture
def resident(bearer, holder_id):
    return bearer("resident", holder_id)


@pytest.fixture
def scene(database) -> str:
    return database.transact(lambda session: a_scene(session, consent_version=2).code)


def test_give_withdraw_and_give_again(client, resident, scene):
    url = f"/v1/consents/{scene}"
    body = {"text_version": 2, "given": True}

    made = client.put(url, json=body, headers=resident)

    assert made.status_code == 200, made.text
    assert (made.json["scene"], made.json["given"], made.json["text_version"]) == (scene, True, 2)
    assert datetime.fromisoformat(made.json["given_at"]).tzinfo is not None
    assert made.json["withdrawn_at"] is None
    assert client.put(url, json=body, headers=resident).json == made.json

    ended = client.put(url, json={"given": False}, headers=resident)

    assert (ended.status_code, ended.json["given"]) == (200, False)
    assert ended.json["given_at"] == made.json["given_at"]
    assert ended.json["withdrawn_at"] > made.json["given_at"]
    again = client.put(url, json={"given": False, "text_version": 2}, headers=resident)
    assert again.json == ended.json

    anew = client.put(url, json=body, headers=resident)
    told = client.get("/v1/consents", headers=resident).json["consents"]
    assert told == [anew.json, ended.json]


def test_who_says_so_is_the_resident(client, database, resident, holder_id, scene):
    client.put(f"/v1/consents/{scene}", json={"text_version": 2, "given": True}, headers=resident)

    (found,) = database.transact(lambda s: history(s, holder_id))

    assert (found.scene_code, found.withdrawn_at, found.text_version) == (scene, None, 2)
    assert (found.actor, found.given_at.tzinfo is not None) == ("resident", True)


def test_to_withdraw_what_was_never_given_changes_nothing(client, resident, scene):
    answer = client.put(f"/v1/consents/{scene}", json={"given": False}, headers=resident)

    assert answer.status_code == 200
    assert answer.json == {
        "scene": scene,
        "given": False,
        "text_version": None,
        "given_at": None,
        "withdrawn_at": None,
    }
    assert client.get("/v1/consents", headers=resident).json == {"consents": []}


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, "#/given"),
        ({"given": True}, "#/text_version"),
        ({"given": "yes", "text_version": 2}, "#/given"),
        ({"given": 1, "text_version": 2}, "#/given"),
        ({"given": None, "text_version": 2}, "#/given"),
        ({"given": True, "text_version": "2"}, "#/text_version"),
        ({"given": True, "text_version": 0}, "#/text_version"),
        ({"given": True, "text_version": 2**31}, "#/text_version"),
        ({"given": True, "text_version": None}, "#/text_version"),
        ({"given": True, "text_version": 2, "more": 1}, "#/more"),
    ],
)
def test_a_body_that_does_not_fit(client, database, resident, scene, body, pointer):
    found = refused_in_both_languages(
        database,
        lambda h: client.put(f"/v1/consents/{scene}", json=body, headers=resident | h),
        422,
        "body-does-not-fit",
    )
    assert [error["pointer"] for error in found["errors"]] == [pointer]
    assert client.get("/v1/consents", headers=resident).json == {"consents": []}


def test_refusals_say_what_they_know(client, database, resident, bearer, scene):
    body = {"text_version": 1, "given": True}

    def put(code: str, headers=resident):
        return lambda h: client.put(f"/v1/consents/{code}", json=body, headers=headers | h)

    outdated = refused_in_both_languages(database, put(scene), 409, "consent-text-outdated")
    assert (outdated["text_version"], outdated["current_text_version"]) == (1, 2)
    unknown = refused_in_both_languages(database, put("no.such.scene"), 404, "unknown-scene")
    assert unknown["code"] == "no.such.scene"
    open_data = database.transact(lambda session: a_scene(session).code)
    refused_in_both_languages(database, put(open_data), 409, "consent-not-asked")
    stranger = bearer("resident", uuid4())
    refused_in_both_languages(database, put(scene, stranger), 404, "unknown-resident")


def test_another_s_consents_are_not_mine(client, bearer, database, resident, scene):
    client.put(f"/v1/consents/{scene}", json={"text_version": 2, "given": True}, headers=resident)
    other = bearer("resident", database.transact(a_resident))

    assert client.get("/v1/consents", headers=other).json == {"consents": []}
    refused(client.get("/v1/consents", headers=bearer("operator")), 403, "wrong-role")
