"""A stolen token takes nobody's account over and ends none: that wants a sign-in of just now."""

from datetime import UTC, datetime
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from tests.makers import XIAYANG
from tests.service.answers import nothing_written, refused
from tests.service.identity.signing import a_phone, offering, signed_in


@pytest.fixture(scope="module")
def signing(settings, tmp_path_factory):
    with offering(settings, tmp_path_factory.mktemp("signing")) as found:
        yield found


@pytest.fixture
def client(signing):
    return signing.client()


def age(signing, person_id: UUID) -> None:
    """Let the person's sessions have begun eleven minutes ago."""
    query = text(
        "UPDATE login_session SET began_at = began_at - INTERVAL '11 minutes'"
        " WHERE person_id = :person"
    )
    signing.services.database.transact(lambda s: s.execute(query, {"person": person_id}))


def bearer(tokens: dict[str, str]) -> dict[str, str]:
    return {"Authorization": f"Bearer {tokens['access_token']}"}


def bound(client, headers, phone: str, code: str):
    return client.put("/v1/me/phone", json={"phone": phone, "code": code}, headers=headers)


def test_an_old_session_binds_no_phone_and_closes_nothing(signing, client):
    resident, phone = signing.resident(), a_phone()
    code = signing.code(phone)
    age(signing, resident.holder_id)

    with nothing_written(signing.services.database):
        refused(bound(client, resident.headers, phone, code), 403, "sign-in-again")
        refused(client.delete("/v1/me", headers=resident.headers), 403, "sign-in-again")

    assert client.get("/v1/me", headers=resident.headers).status_code == 200
    again = signed_in(client, resident.phone, signing.code(resident.phone)).json["tokens"]
    assert bound(client, bearer(again), phone, code).status_code == 200  # It was not used up.


def test_refreshing_is_no_sign_in(signing, client):
    resident = signing.resident()
    age(signing, resident.holder_id)
    sent = {"refresh_token": resident.tokens["refresh_token"], "request_id": str(uuid4())}
    refreshed = client.post("/v1/auth/refresh", json=sent).json

    refused(client.delete("/v1/me", headers=bearer(refreshed)), 403, "sign-in-again")


def test_closing_is_safe_to_repeat_though_it_ends_the_session(signing, client):
    resident = signing.resident()

    first = client.delete("/v1/me", headers=resident.headers)
    second = client.delete("/v1/me", headers=resident.headers)

    assert (first.status_code, second.status_code) == (200, 200)
    assert first.json == second.json


def test_for_a_child_it_is_the_guardian_who_signed_in_just_now(signing, client):
    guardian, child_id = signing.resident(), uuid4()
    body = {
        "name": "小宝",
        "birth_on": f"{datetime.now(UTC).year - 9}-01-02",
        "division": XIAYANG,
    }
    client.put(f"/v1/me/children/{child_id}", json=body, headers=guardian.headers)
    acting = client.post(
        "/v1/auth/acting", json={"delegation_id": str(child_id)}, headers=guardian.headers
    ).json
    phone = a_phone()
    code = signing.code(phone)
    age(signing, guardian.holder_id)

    refused(bound(client, bearer(acting), phone, code), 403, "sign-in-again")
    refused(client.delete("/v1/me", headers=bearer(acting)), 403, "sign-in-again")
    assert client.get("/v1/me", headers=bearer(acting)).status_code == 200
