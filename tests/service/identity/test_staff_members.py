"""Members of the staff and their grants: who may manage whom, and what a retry does."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select, text

from activities.catalogue.models import Programme
from service.admin.log import Actor
from service.admin.models import AdminAct
from service.demo_shops import DEMO_PROGRAMME
from service.identity.logins.models import LoginSession
from service.identity.staff import grants, members
from service.identity.staff.errors import UnknownMember
from service.identity.staff.models import Staff, StaffGrant
from service.services import Services
from tests.service.answers import nothing_written, refused, refused_in_both_languages
from tests.service.staffing import (
    MACHINE,
    Clerk,
    a_clerk,
    a_grant,
    a_member,
    a_merchant,
    cheap_app,
    client_elsewhere,
)


@pytest.fixture(scope="module")
def app(settings, copied_database) -> Iterator[Flask]:
    yield from cheap_app(settings, copied_database)


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return client_elsewhere(app)


@pytest.fixture
def clerk(services: Services, client: FlaskClient) -> Clerk:
    return a_clerk(services, client, "operator")


@pytest.fixture
def chief(bearer) -> dict[str, str]:
    """An administrator of every programme."""
    return bearer("administrator", "chief")


@pytest.fixture(scope="module")
def elsewhere(app: Flask) -> str:
    """The code of another programme than the demo's."""
    code = f"p-{uuid4().hex[:8]}"

    def work(session):
        demo = session.get_one(Programme, DEMO_PROGRAMME)
        columns = {c.key: getattr(demo, c.key) for c in Programme.__table__.columns}
        session.add(Programme(**columns | {"code": code, "holder_id": uuid4()}))

    app.extensions["tanhui"].database.transact(work)
    return code


@pytest.fixture
def local(bearer) -> dict[str, str]:
    """An administrator of the demo's programme."""
    return bearer("administrator", "local", programme=DEMO_PROGRAMME)


def acts(services: Services, object_id: object) -> list[AdminAct]:
    query = select(AdminAct).where(AdminAct.object_id == str(object_id)).order_by(AdminAct.id)
    return services.database.transact(lambda session: list(session.scalars(query)))


def put(client, path, headers, **body):
    return client.put(f"/v1/members/{path}", json=body, headers=headers)


def test_a_member_is_added_and_the_invitation_told_again_to_the_same_request(
    client, chief, services
):
    id_, login = uuid4(), f"li-{uuid4().hex[:8]}"

    first = put(client, id_, chief, login=login, display_name="李娜")
    again = put(client, id_, chief, login=login, display_name="李娜")

    assert first.status_code == 200
    assert first.json["invitation"]
    assert again.json == first.json
    (act,) = acts(services, id_)
    assert (act.what, act.actor, act.channel, act.before) == ("staff.add", "chief", "api", None)
    assert first.json["invitation"] not in str(act.after)
    assert "李娜" not in str(act.after)


def test_after_ten_minutes_an_invitation_is_told_no_more(services):
    new = members.NewMember(uuid4(), f"li-{uuid4().hex[:8]}", "李娜")
    now = datetime.now(UTC)

    def add(at: datetime, actor: Actor = MACHINE) -> str | None:
        return services.database.transact(
            lambda s: members.add(s, services.keyring, new, actor=actor, now=at)
        ).invitation

    first = add(now)
    other = Actor("other", "administrator", "*", "api", "", "")

    assert add(now + timedelta(minutes=9)) == first
    assert add(now, other) is None
    assert add(now + timedelta(minutes=10)) is None


def test_the_same_id_with_another_name_renames(client, chief, services):
    id_, login = uuid4(), f"li-{uuid4().hex[:8]}"
    put(client, id_, chief, login=login, display_name="李娜")

    assert (
        put(client, id_, chief, login=login, display_name="李 娜").json["display_name"] == "李 娜"
    )

    assert [act.what for act in acts(services, id_)] == ["staff.add", "staff.rename"]


def test_a_login_is_one_persons_and_stays(client, chief, services, clerk):
    refused_in_both_languages(
        services.database,
        lambda headers: put(client, uuid4(), chief | headers, login=clerk.login, display_name="x"),
        409, "login-taken",
    )  # fmt: skip
    refused_in_both_languages(
        services.database,
        lambda headers: put(client, clerk.id, chief | headers, login="other", display_name="x"),
        409, "member-id-reused",
    )  # fmt: skip


@pytest.mark.parametrize("login", ["Li.na", "li na", "l", ".li", "li'na", "李娜", "a" * 65, "a\n"])
def test_a_login_is_plain(client, chief, login):
    answer = put(client, uuid4(), chief, login=login, display_name="x")
    refused(answer, 422, "body-does-not-fit")


def test_members_are_listed_page_by_page(client, chief, services):
    added = {str(a_member(services).staff.id) for _ in range(3)}
    seen, cursor = [], None
    while True:
        query = {"limit": 2} | ({"cursor": cursor} if cursor else {})
        page = client.get("/v1/members", query_string=query, headers=chief).json
        seen += [each["id"] for each in page["members"]]
        if (cursor := page["next_cursor"]) is None:
            break

    assert added <= set(seen)
    assert len(seen) == len(set(seen))


def test_a_page_takes_as_many_statements_as_a_row(client, chief, services, statements):
    counts = []
    for limit in (1, 3):
        for _ in range(2):
            a_grant(services, a_member(services).staff.id)
        with statements() as sent:
            client.get("/v1/members", query_string={"limit": limit}, headers=chief)
        counts.append(len(sent))

    assert counts[0] == counts[1]


def test_only_administrators_come_here(client, bearer):
    for role in ("operator", "auditor", "resident"):
        refused(client.get("/v1/members", headers=bearer(role, uuid4())), 403, "wrong-role")


# Reset and block


def test_a_reset_takes_everything_and_invites_anew_once(client, chief, clerk, services):
    tokens = clerk.sign_in(recovery_code=clerk.recovery_codes[0]).json
    path = f"{clerk.id}/reset/{uuid4()}"

    first, again = put(client, path, chief), put(client, path, chief)

    assert first.status_code == 200
    assert first.json["invitation"] == again.json["invitation"]
    assert not first.json["enrolled"]
    refused(clerk.sign_in(recovery_code=clerk.recovery_codes[1]), 401, "sign-in-refused")
    refused(clerk.sign_in(), 401, "sign-in-refused")
    body = {"refresh_token": tokens["refresh_token"], "request_id": str(uuid4())}
    refused(client.post("/v1/auth/refresh", json=body), 401, "session-ended")
    resets = [act for act in acts(services, clerk.id) if act.what == "staff.reset"]
    assert [act.after["enrolled"] for act in resets] == [False]


def test_an_old_reset_does_not_bring_its_invitation_back(client, chief, clerk):
    old, new = uuid4(), uuid4()
    first = put(client, f"{clerk.id}/reset/{old}", chief).json["invitation"]
    put(client, f"{clerk.id}/reset/{new}", chief)

    assert put(client, f"{clerk.id}/reset/{old}", chief).json["invitation"] != first
    body = {"invitation": first, "password": "horse-battery-staple"}
    refused(client.post("/v1/auth/staff/enrolment", json=body), 404, "unknown-invitation")


def test_who_is_blocked_has_no_session_left_and_gets_none(client, chief, clerk, services):
    clerk.sign_in(recovery_code=clerk.recovery_codes[0])

    for _ in range(2):
        assert put(client, f"{clerk.id}/block", chief).json["blocked_at"]
    refused(clerk.sign_in(), 401, "sign-in-refused")
    ended = services.database.transact(
        lambda s: s.scalars(
            select(LoginSession.ended_why).where(LoginSession.person_id == clerk.id)
        ).all()
    )
    assert set(ended) == {"blocked"}

    answer = client.delete(f"/v1/members/{clerk.id}/block", headers=chief)
    assert answer.json["blocked_at"] is None
    assert clerk.sign_in().status_code == 200
    said = [act.what for act in acts(services, clerk.id)]
    assert said[-2:] == ["staff.block", "staff.unblock"]


def test_nobody_resets_or_blocks_themselves(client, bearer, clerk):
    me = bearer("administrator", clerk.login)

    refused(put(client, f"{clerk.id}/reset/{uuid4()}", me), 403, "not-for-oneself")
    refused(put(client, f"{clerk.id}/block", me), 403, "not-for-oneself")


# Grants


def grant(client, headers, staff_id, grant_id=None, **changes):
    body = {"role": "operator", "programme": DEMO_PROGRAMME, "scope": ""} | changes
    return put(client, f"{staff_id}/grants/{grant_id or uuid4()}", headers, **body)


def test_a_grant_is_given_once_and_ended_with_its_sessions(client, chief, clerk, services):
    id_ = uuid4()
    first = grant(client, chief, clerk.id, id_, role="auditor")
    assert first.status_code == 200
    assert grant(client, chief, clerk.id, id_, role="auditor").json == first.json
    refused(grant(client, chief, clerk.id, id_, role="operator"), 409, "grant-id-reused")
    tokens = clerk.sign_in(grant_id=str(id_)).json

    path = f"/v1/members/{clerk.id}/grants/{id_}"
    ended = [client.delete(path, headers=chief).json["ended_at"] for _ in range(2)]

    assert ended[0] == ended[1] is not None
    refused(grant(client, chief, clerk.id, id_, role="auditor"), 409, "grant-id-reused")
    body = {"refresh_token": tokens["refresh_token"], "request_id": str(uuid4())}
    refused(client.post("/v1/auth/refresh", json=body), 401, "session-ended")
    said = [act.what for act in acts(services, clerk.id)]
    assert said[-2:] == ["staff.grant", "staff.end_grant"]


def test_one_id_for_two_people_at_once_is_one_grant(app, chief, services):
    """The second waits for the first, and is refused as if it had come later."""
    one, other = (a_member(services).staff.id for _ in range(2))
    id_ = uuid4()
    new = grants.NewGrant(id_, one, "operator", DEMO_PROGRAMME, "")
    waits = text("SELECT count(*) FROM pg_locks WHERE locktype = 'transactionid' AND NOT granted")

    def first(session):
        grants.give(session, new, actor=MACHINE, now=datetime.now(UTC))
        session.flush()
        late = thread.submit(grant, client_elsewhere(app), chief, other, id_)
        deadline = time.monotonic() + 20
        while not services.database.transact(lambda s: s.scalar(waits)):
            assert time.monotonic() < deadline
        return late

    with ThreadPoolExecutor(1) as thread:
        late = services.database.transact(first).result()

    refused(late, 409, "grant-id-reused")
    held = services.database.transact(lambda s: s.get_one(StaffGrant, id_))
    assert held.staff_id == one
    assert acts(services, other)[-1].what != "staff.grant"


def test_nobody_gives_themselves_a_grant(client, bearer, clerk, services):
    refused_in_both_languages(
        services.database,
        lambda headers: grant(client, bearer("administrator", clerk.login) | headers, clerk.id),
        403, "not-for-oneself",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "status", "slug"),
    [
        ({"programme": "no-such"}, 404, "unknown-programme"),
        ({"scope": "999999"}, 404, "unknown-division"),
        ({"role": "district_officer"}, 422, "grant-does-not-fit"),
        ({"role": "merchant", "scope": "x"}, 422, "grant-does-not-fit"),
        ({"role": "merchant", "scope": str(UUID(int=5))}, 422, "grant-does-not-fit"),
        ({"role": "partner", "scope": "no-such"}, 422, "grant-does-not-fit"),
        ({"role": "administrator", "scope": "310118"}, 422, "grant-does-not-fit"),
        ({"role": "resident"}, 422, "body-does-not-fit"),
        ({"role": "verifier"}, 422, "body-does-not-fit"),
        ({"scope": "a b"}, 422, "body-does-not-fit"),
    ],
)
def test_a_grant_fits_what_there_is(client, chief, clerk, changes, status, slug):
    refused(grant(client, chief, clerk.id, **changes), status, slug)


def test_each_role_takes_its_scope(client, chief, clerk, services):
    merchant_id = a_merchant(services)
    for changes in (
        {"role": "merchant", "scope": str(merchant_id)},
        {"role": "merchant_manager", "scope": str(merchant_id)},
        {"role": "merchant", "scope": str(merchant_id), "programme": "*"},
        {"role": "district_officer", "scope": "310118"},
        {"role": "operator", "scope": "310118"},
        {"role": "administrator", "programme": "*"},
    ):
        assert grant(client, chief, clerk.id, **changes).status_code == 200
    upper = {"role": "merchant", "scope": str(merchant_id).upper()}
    if upper["scope"] != str(merchant_id):
        refused(grant(client, chief, clerk.id, **upper), 422, "grant-does-not-fit")


@pytest.mark.parametrize("role", ["merchant", "merchant_manager"])
def test_a_merchants_grant_is_of_a_merchant_of_its_programme(
    client, chief, clerk, services, elsewhere, role
):
    merchant_id = str(a_merchant(services))
    for changes in (
        {"scope": merchant_id, "programme": elsewhere},
        {"scope": str(uuid4())},
        {"scope": "310118"},
        {"scope": ""},
    ):
        answer = grant(client, chief, clerk.id, role=role, **changes)
        found = refused(answer, 422, "grant-does-not-fit")
        assert found["needed_scope"] == "merchant"


# An administrator of one programme


def test_one_programmes_administrator_sees_its_members_alone(
    client, local, clerk, services, elsewhere
):
    other = a_clerk(services, client, "operator", programme=elsewhere)

    assert client.get(f"/v1/members/{clerk.id}", headers=local).status_code == 200
    refused(client.get(f"/v1/members/{other.id}", headers=local), 404, "unknown-member")
    listed, cursor = set(), None
    while True:
        query = {"limit": 200} | ({"cursor": cursor} if cursor else {})
        page = client.get("/v1/members", query_string=query, headers=local).json
        listed |= {each["id"] for each in page["members"]}
        if (cursor := page["next_cursor"]) is None:
            break
    assert str(clerk.id) in listed
    assert str(other.id) not in listed


@pytest.mark.parametrize("what", ["rename", "reset", "block", "unblock", "grant", "end-grant"])
def test_one_programmes_administrator_guesses_other_programmes_members_in_vain(
    client, local, services, elsewhere, what
):
    other = a_clerk(services, client, "operator", programme=elsewhere)
    held = services.database.transact(
        lambda s: members.grants_of(s, MACHINE, [s.get_one(Staff, other.id)])[other.id][0].id
    )
    before = acts(services, other.id)
    answer = {
        "rename": lambda: put(client, other.id, local, login=other.login, display_name="x"),
        "reset": lambda: put(client, f"{other.id}/reset/{uuid4()}", local),
        "block": lambda: put(client, f"{other.id}/block", local),
        "unblock": lambda: client.delete(f"/v1/members/{other.id}/block", headers=local),
        "grant": lambda: grant(client, local, other.id),
        "end-grant": lambda: client.delete(f"/v1/members/{other.id}/grants/{held}", headers=local),
    }[what]()

    refused(answer, 404, "unknown-member")
    assert len(acts(services, other.id)) == len(before)
    assert other.sign_in().status_code == 200


@pytest.mark.parametrize("programme", ["*", "elsewhere"])
def test_one_programmes_administrator_takes_nobody_over_who_may_do_more(
    client, local, services, clerk, elsewhere, programme
):
    """Whoever resets a password can be that person."""
    held = a_grant(
        services, clerk.id, "auditor", programme=elsewhere if programme == "elsewhere" else "*"
    )

    refused(put(client, f"{clerk.id}/reset/{uuid4()}", local), 403, "out-of-reach")
    refused(put(client, f"{clerk.id}/block", local), 403, "out-of-reach")
    refused(put(client, clerk.id, local, login=clerk.login, display_name="x"), 403, "out-of-reach")
    gone = client.delete(f"/v1/members/{clerk.id}/grants/{held}", headers=local)
    refused(gone, 404, "no-such-grant")
    shown = client.get(f"/v1/members/{clerk.id}", headers=local).json["grants"]
    assert str(held) not in {each["id"] for each in shown}


def test_one_programmes_administrator_grants_in_it_alone(client, local, clerk, elsewhere, services):
    with nothing_written(services.database):
        refused(grant(client, local, clerk.id, programme="*"), 403, "out-of-reach")
        refused(grant(client, local, clerk.id, programme=elsewhere), 404, "unknown-programme")
    assert grant(client, local, clerk.id, role="auditor").status_code == 200


def test_one_programmes_administrator_adds_somebody_and_grants(client, local):
    id_ = uuid4()
    put(client, id_, local, login=f"li-{id_.hex[:8]}", display_name="李娜")

    assert client.get(f"/v1/members/{id_}", headers=local).status_code == 200
    assert grant(client, local, id_).status_code == 200
    assert put(client, f"{id_}/reset/{uuid4()}", local).json["invitation"]


def test_a_name_on_a_command_is_a_login_once_anybody_can_sign_in(fresh_database, services, client):
    fresh_database.transact(lambda session: members.check_by(session, "anybody", None))
    a_clerk(services, client)
    login = a_member(services).staff.login

    services.database.transact(lambda session: members.check_by(session, login, None))
    for name in ("anybody", ""):
        with pytest.raises(UnknownMember):
            services.database.transact(lambda session, n=name: members.check_by(session, n))


def test_a_blocked_name_is_none(services, clerk, client):
    a_clerk(services, client)
    now = datetime.now(UTC)
    services.database.transact(lambda s: members.block(s, clerk.id, actor=MACHINE, now=now))

    assert not services.database.transact(lambda s: members.known(s, clerk.login))
    with pytest.raises(UnknownMember):
        services.database.transact(lambda s: members.check_by(s, clerk.login))
