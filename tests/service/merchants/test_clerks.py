"""A merchant's clerks: invited, reset and ended by the merchant's own managers."""

from uuid import UUID, uuid4

import pytest
from sqlalchemy import select

from service.admin.models import AdminAct
from service.demo_shops import DEMO_PROGRAMME
from service.identity.staff.models import Staff, StaffGrant
from tests.service.answers import refused, refused_in_both_languages
from tests.service.staffing import (
    CHEAP,
    PASSWORD,
    a_grant,
    a_member,
    a_merchant,
    cheap_app,
    client_elsewhere,
)


@pytest.fixture(scope="module")
def app(settings, copied_database):
    yield from cheap_app(settings, copied_database)


@pytest.fixture
def database(services):
    return services.database


@pytest.fixture
def client(app):
    return client_elsewhere(app)


@pytest.fixture
def merchant(services) -> UUID:
    return a_merchant(services)


@pytest.fixture
def manager(bearer, merchant):
    return bearer("merchant_manager", "ma.li", merchant, programme=DEMO_PROGRAMME)


def put(client, headers, merchant, id_=None, **changes):
    id_ = id_ or uuid4()
    body = {"login": f"c-{id_.hex[:12]}", "display_name": "小王"} | changes
    return client.put(f"/v1/merchants/{merchant}/staff/{id_}", json=body, headers=headers)


def end(client, headers, merchant, id_):
    return client.delete(f"/v1/merchants/{merchant}/staff/{id_}", headers=headers)


def grants_of(database, id_):
    query = select(StaffGrant).where(StaffGrant.staff_id == id_).order_by(StaffGrant.granted_at)
    return database.transact(lambda s: s.scalars(query).all())


def test_a_clerk_is_invited_with_the_role_of_the_own_merchant(client, manager, merchant, database):
    id_ = uuid4()
    made = put(client, manager, merchant, id_)
    assert made.status_code == 200
    assert made.json["invitation"]
    assert put(client, manager, merchant, id_).json == made.json

    (grant,) = grants_of(database, id_)
    assert (grant.role, grant.scope, grant.programme_code, grant.granted_by) == (
        "merchant", str(merchant), DEMO_PROGRAMME, "ma.li"
    )  # fmt: skip
    listed = client.get(f"/v1/merchants/{merchant}/staff", headers=manager).json["staff"]
    assert [each["id"] for each in listed] == [str(id_)]
    assert [each["role"] for each in listed[0]["work"]] == ["merchant"]


def test_who_is_invited_signs_in_and_sees_the_merchant(client, manager, merchant, app):
    made = put(client, manager, merchant).json
    body = {"invitation": made["invitation"], "password": PASSWORD}
    begun = client.post("/v1/auth/staff/enrolment", json=body)
    assert begun.status_code == 200, begun.text
    assert app.extensions["tanhui"].passwords is CHEAP


def test_who_ends_is_let_in_again_by_another_grant(client, manager, merchant, database):
    id_ = uuid4()
    put(client, manager, merchant, id_)
    ended = end(client, manager, merchant, id_)
    assert [each["ended_by"] for each in ended.json["work"]] == ["ma.li"]
    assert end(client, manager, merchant, id_).json == ended.json

    again = put(client, manager, merchant, id_)

    assert again.status_code == 200
    first, second = grants_of(database, id_)
    assert (first.ended_at is None, second.ended_at is None) == (False, True)


def test_a_managers_own_grant_is_for_administrators(client, manager, merchant, services, database):
    other = a_member(services).staff
    a_grant(services, other.id, "merchant_manager", scope=str(merchant))
    for answer in (
        end(client, manager, merchant, other.id),
        put(client, manager, merchant, other.id, login=other.login, display_name="改名"),
        client.put(f"/v1/merchants/{merchant}/staff/{other.id}/reset/{uuid4()}", headers=manager),
    ):
        refused(answer, 403, "out-of-reach")
    assert database.transact(lambda s: s.get(Staff, other.id)).display_name == "李娜"


def test_who_works_elsewhere_too_is_not_taken_over(client, manager, merchant, services):
    other = a_member(services).staff
    a_grant(services, other.id, "merchant", scope=str(merchant))
    a_grant(services, other.id, "operator")
    reset = f"/v1/merchants/{merchant}/staff/{other.id}/reset/{uuid4()}"
    refused(client.put(reset, headers=manager), 403, "out-of-reach")
    assert end(client, manager, merchant, other.id).status_code == 200


def test_nobody_of_another_merchant_or_of_the_programme_is_reached(
    client, manager, merchant, services, bearer
):
    elsewhere = a_merchant(services)
    stranger = bearer("merchant_manager", "zhao", elsewhere, programme=DEMO_PROGRAMME)
    theirs = put(client, stranger, elsewhere).json["id"]
    operator = a_member(services).staff
    a_grant(services, operator.id, "operator")
    for id_ in (theirs, operator.id, uuid4()):
        refused(end(client, manager, merchant, id_), 404, "unknown-member")
        reset = f"/v1/merchants/{merchant}/staff/{id_}/reset/{uuid4()}"
        refused(client.put(reset, headers=manager), 404, "unknown-member")
    for id_ in (theirs, operator.id):
        refused(put(client, manager, merchant, UUID(str(id_))), 404, "unknown-member")
    refused(put(client, manager, elsewhere), 404, "unknown-merchant")
    assert client.get(f"/v1/merchants/{merchant}/staff", headers=manager).json["staff"] == []


def test_a_login_is_one_persons_and_an_id_one_logins(client, manager, merchant, database):
    id_ = uuid4()
    login = put(client, manager, merchant, id_).json["login"]
    refused_in_both_languages(
        database,
        lambda language: put(client, manager | language, merchant, login=login),
        409,
        "login-taken",
    )
    refused(put(client, manager, merchant, id_, login="another.one"), 409, "member-id-reused")


def test_a_renaming_is_written_down_without_the_name(client, manager, merchant, database):
    id_ = uuid4()
    put(client, manager, merchant, id_)
    assert put(client, manager, merchant, id_, display_name="王五").json["display_name"] == "王五"
    query = select(AdminAct).where(AdminAct.object_id == str(id_)).order_by(AdminAct.id)
    acts = database.transact(lambda s: s.scalars(query).all())
    assert [each.what for each in acts] == ["clerk.invite", "staff.rename"]
    assert "王五" not in str([(each.before, each.after) for each in acts])


def test_a_reset_invites_anew_and_once(client, manager, merchant):
    made = put(client, manager, merchant).json
    url = f"/v1/merchants/{merchant}/staff/{made['id']}/reset/{uuid4()}"
    first = client.put(url, headers=manager)
    assert first.json["invitation"] not in (None, made["invitation"])
    assert client.put(url, headers=manager).json == first.json


def test_a_clerk_and_an_operator_manage_nobody(client, bearer, merchant):
    for headers in (
        bearer("merchant", "x", merchant, programme=DEMO_PROGRAMME),
        bearer("operator", "li.na", programme=DEMO_PROGRAMME),
    ):
        refused(put(client, headers, merchant), 403, "wrong-role")
