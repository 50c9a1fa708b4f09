"""Sessions: carried on by tokens that are good once, ended, listed."""

import logging
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from threading import Barrier
from uuid import UUID, uuid4

import pytest
from sqlalchemy import select, update

from service.identity.logins.models import LoginSession, RefreshToken, SecurityEvent
from service.identity.logins.refreshing import Refreshing, next_token
from service.identity.logins.sessions import (
    Begun,
    Login,
    begin,
    end_all,
    names_of,
    network_of,
    sha256,
    token_of,
)
from service.identity.models import Person
from service.identity.staff.models import Staff, StaffGrant
from service.identity.vault import add_people
from tests.makers import a_resident
from tests.service.answers import refused

NOW = datetime(2026, 11, 21, 4, tzinfo=UTC)


@pytest.fixture
def resident(services):
    def made(session):
        holder_id = a_resident(session)
        add_people(session, services.keyring, [holder_id], now=NOW)
        return holder_id

    return services.database.transact(made)


@pytest.fixture
def sign_in(services):
    def begun(person_id, role="resident", *, grant_id=None, device="phone", at=None) -> Begun:
        login = Login(person_id, role, "phone", device, grant_id)
        at = at or datetime.now(UTC)
        return services.database.transact(
            lambda s: begin(s, login, from_address="203.0.113.77", now=at)
        )

    return begun


@pytest.fixture
def refresh(client):
    def sent(token, request_id=None, **more):
        body = {"refresh_token": token, "request_id": str(request_id or uuid4())} | more
        return client.post("/v1/auth/refresh", json=body)

    return sent


def rows(services, model, person_id):
    query = select(model).where(model.person_id == person_id)
    return services.database.transact(lambda s: list(s.scalars(query)))


def kinds(services, person_id):
    found = sorted(rows(services, SecurityEvent, person_id), key=lambda each: each.id)
    return [each.kind for each in found]


def test_a_refresh_brings_tokens_of_the_same_session(services, resident, sign_in, refresh, client):
    begun = sign_in(resident)

    answer = refresh(begun.refresh_token)

    assert answer.status_code == 200, answer.text
    assert answer.json["session_id"] == str(begun.session_id)
    assert answer.json["token_type"] == "Bearer"
    assert answer.json["expires_in_s"] == 600
    assert answer.json["refresh_token"] != begun.refresh_token
    caller = services.tokens.check(answer.json["access_token"])
    assert (caller.subject, caller.role) == (str(resident), "resident")
    assert (caller.session_id, caller.actor) == (str(begun.session_id), "")
    headers = {"Authorization": f"Bearer {answer.json['access_token']}"}
    assert client.get("/v1/accounts", headers=headers).status_code == 200
    assert refresh(answer.json["refresh_token"]).status_code == 200


def test_only_hashes_are_stored(services, resident, sign_in, refresh):
    begun = sign_in(resident)
    following = refresh(begun.refresh_token).json["refresh_token"]

    stored = {row.token_sha256 for row in rows(services, RefreshToken, resident)}

    assert stored == {sha256(begun.refresh_token), sha256(following)}
    for model in (LoginSession, RefreshToken, SecurityEvent):
        for row in rows(services, model, resident):
            assert begun.refresh_token not in str(vars(row))
            assert following not in str(vars(row))


def test_the_same_request_again_answers_the_same_token(services, resident, sign_in, refresh):
    begun, request_id = sign_in(resident), uuid4()

    answers = [refresh(begun.refresh_token, request_id) for _ in range(3)]

    assert [answer.status_code for answer in answers] == [200] * 3
    assert len({answer.json["refresh_token"] for answer in answers}) == 1
    assert refresh(answers[0].json["refresh_token"]).status_code == 200
    assert kinds(services, resident) == ["login"]


def test_a_used_token_in_another_request_ends_the_session(
    services, resident, sign_in, refresh, caplog
):
    begun, other = sign_in(resident), sign_in(resident)
    following = refresh(begun.refresh_token).json["refresh_token"]

    with caplog.at_level(logging.WARNING):
        refused(refresh(begun.refresh_token), 401, "session-ended")

    refused(refresh(following), 401, "session-ended")
    ended = {row.id: row.ended_why for row in rows(services, LoginSession, resident)}
    assert ended == {begun.session_id: "reused", other.session_id: None}
    assert kinds(services, resident) == ["login", "login", "refresh_reused"]
    assert str(begun.session_id) in caplog.text
    assert begun.refresh_token not in caplog.text
    assert following not in caplog.text
    assert refresh(other.refresh_token).status_code == 200


def test_the_same_request_after_its_answer_was_used_is_a_second_use(
    services, resident, sign_in, refresh
):
    begun, request_id = sign_in(resident), uuid4()
    following = refresh(begun.refresh_token, request_id).json["refresh_token"]
    last = refresh(following).json["refresh_token"]

    refused(refresh(begun.refresh_token, request_id), 401, "session-ended")

    refused(refresh(last), 401, "session-ended")
    assert kinds(services, resident)[-1] == "refresh_reused"


def test_of_two_requests_at_once_one_goes_on_and_the_session_ends(app, services, resident, sign_in):
    for _ in range(5):
        begun, start = sign_in(resident), Barrier(2)

        def use(_: int, begun=begun, start=start) -> int:
            client = app.test_client()
            start.wait(timeout=30)
            body = {"refresh_token": begun.refresh_token, "request_id": str(uuid4())}
            return client.post("/v1/auth/refresh", json=body).status_code

        with ThreadPoolExecutor(2) as threads:
            assert sorted(threads.map(use, range(2))) == [200, 401]
        (held,) = [
            row for row in rows(services, LoginSession, resident) if row.id == begun.session_id
        ]
        assert held.ended_why == "reused"


def test_of_the_same_request_twice_at_once_both_get_the_same(app, resident, sign_in):
    begun, start, request_id = sign_in(resident), Barrier(2), str(uuid4())

    def use(_: int) -> str:
        client = app.test_client()
        start.wait(timeout=30)
        body = {"refresh_token": begun.refresh_token, "request_id": request_id}
        return client.post("/v1/auth/refresh", json=body).json["refresh_token"]

    with ThreadPoolExecutor(2) as threads:
        assert len(set(threads.map(use, range(2)))) == 1


def test_what_is_no_token_of_ours_is_one_refusal(services, resident, sign_in, refresh):
    begun = sign_in(resident)
    person_id, session_id = names_of(begun.refresh_token)
    strangers = [
        "x",
        "碳",
        "=" * 86,
        begun.refresh_token[:-1],
        begun.refresh_token + "A",
        begun.refresh_token + "==",
        token_of(person_id, session_id, b"\0" * 32),
        token_of(person_id, uuid4(), b"\0" * 32),
        token_of(uuid4(), session_id, b"\0" * 32),
    ]

    documents = [refused(refresh(token), 401, "session-ended") for token in strangers]

    assert all(each == documents[0] for each in documents)
    assert kinds(services, resident) == ["login"]
    assert refresh(begun.refresh_token).status_code == 200


@pytest.mark.parametrize(
    "body",
    [{}, {"refresh_token": ""}, {"refresh_token": "A" * 201}, {"refresh_token": 7}],
    ids=["nothing", "empty", "long", "number"],
)
def test_a_body_that_does_not_fit_is_said_so(client, body):
    for path in ("refresh", "logout"):
        refused(client.post(f"/v1/auth/{path}", json=body), 422, "body-does-not-fit")


def moved(services, session_id, **values):
    services.database.transact(
        lambda s: s.execute(
            update(LoginSession).where(LoginSession.id == session_id).values(**values)
        )
    )


@pytest.mark.parametrize(
    ("idle", "absolute", "status"),
    [
        (timedelta(days=29, hours=23), timedelta(days=179), 200),
        (timedelta(days=30, seconds=1), timedelta(days=100), 401),
        (timedelta(0), timedelta(days=180, seconds=1), 401),
    ],
    ids=["in time", "unused", "old"],
)
def test_a_residents_session_ends_by_itself(
    services, resident, sign_in, refresh, client, bearer, idle, absolute, status
):
    now = datetime.now(UTC)
    begun = sign_in(resident, at=now - absolute)
    moved(services, begun.session_id, used_at=now - idle)
    listed = client.get("/v1/me/sessions", headers=bearer("resident", resident)).json["sessions"]

    assert refresh(begun.refresh_token).status_code == status

    assert len(listed) == (status == 200)


def test_whoever_closed_the_account_does_not_go_on(services, resident, sign_in, refresh):
    begun = sign_in(resident)
    services.database.transact(
        lambda s: s.execute(
            update(Person)
            .where(Person.holder_id == resident)
            .values(data_key=None, master_key_id=None, closed_at=NOW)
        )
    )

    refused(refresh(begun.refresh_token), 401, "session-ended")


def a_staff_member(services, *grants: tuple[str, str, str]) -> tuple[Staff, list[UUID]]:
    staff = Staff(
        id=uuid4(), login=f"li.na.{uuid4().hex}", display_name="李娜", made_at=NOW, made_by="root"
    )
    made = [
        StaffGrant(
            id=uuid4(),
            staff_id=staff.id,
            role=role,
            programme_code=programme,
            scope=scope,
            granted_at=NOW,
            granted_by="root",
        )
        for role, programme, scope in grants
    ]
    services.database.transact(lambda s: s.add_all([staff, *made]))
    return staff, [grant.id for grant in made]


GRANTS = (("operator", "shanghai", "310118"), ("auditor", "*", ""))


def test_staff_go_on_by_their_grant_and_may_change_to_another(services, sign_in, refresh):
    staff, (operator, auditor) = a_staff_member(services, *GRANTS)
    begun = sign_in(staff.id, "operator", grant_id=operator)

    first = refresh(begun.refresh_token).json
    second = refresh(first["refresh_token"], grant_id=str(auditor)).json
    third = refresh(second["refresh_token"]).json

    callers = [services.tokens.check(each["access_token"]) for each in (first, second, third)]
    said = [(each.subject, each.role, each.programme, each.scope) for each in callers]
    assert said == [
        (staff.login, "operator", "shanghai", "310118"),
        (staff.login, "auditor", "*", ""),
        (staff.login, "auditor", "*", ""),
    ]


def test_nobody_changes_to_anothers_grant_or_an_ended_one(services, resident, sign_in, refresh):
    staff, (operator, auditor) = a_staff_member(services, *GRANTS)
    _, (foreign,) = a_staff_member(services, ("administrator", "*", ""))
    services.database.transact(
        lambda s: s.execute(
            update(StaffGrant).where(StaffGrant.id == auditor).values(ended_at=NOW, ended_by="root")
        )
    )
    begun = sign_in(staff.id, "operator", grant_id=operator)
    own = sign_in(resident)

    for token in (begun.refresh_token, own.refresh_token):
        for grant_id in (foreign, auditor, uuid4()):
            refused(refresh(token, grant_id=str(grant_id)), 404, "no-such-grant")
        assert refresh(token).status_code == 200  # Not used up.


def test_staff_who_were_blocked_or_lost_the_grant_do_not_go_on(services, sign_in, refresh):
    for statement in (
        lambda staff, _: update(Staff).where(Staff.id == staff.id).values(blocked_at=NOW),
        lambda _, grant: (
            update(StaffGrant).where(StaffGrant.id == grant).values(ended_at=NOW, ended_by="root")
        ),
    ):
        staff, (operator, _) = a_staff_member(services, *GRANTS)
        begun = sign_in(staff.id, "operator", grant_id=operator)
        change = statement(staff, operator)
        services.database.transact(lambda s, change=change: s.execute(change))

        refused(refresh(begun.refresh_token), 401, "session-ended")


def test_a_desk_is_left_for_less_long_than_a_phone(services, sign_in, refresh):
    staff, (operator, _) = a_staff_member(services, *GRANTS)
    now = datetime.now(UTC)
    for began, used, status in (
        (timedelta(days=6), timedelta(hours=11), 200),
        (timedelta(days=6), timedelta(hours=12, seconds=1), 401),
        (timedelta(days=7, seconds=1), timedelta(0), 401),
    ):
        begun = sign_in(staff.id, "operator", grant_id=operator, at=now - began)
        moved(services, begun.session_id, used_at=now - used)

        assert refresh(begun.refresh_token).status_code == status


def test_logging_out_ends_the_session_and_is_safe_to_repeat(
    services, resident, sign_in, refresh, client
):
    begun, other = sign_in(resident), sign_in(resident)

    for _ in range(2):
        answer = client.post("/v1/auth/logout", json={"refresh_token": begun.refresh_token})
        assert (answer.status_code, answer.data) == (204, b"")

    refused(refresh(begun.refresh_token), 401, "session-ended")
    assert refresh(other.refresh_token).status_code == 200
    assert kinds(services, resident) == ["login", "login", "logout"]


def test_logging_out_by_what_is_no_token_is_answered_alike(services, resident, sign_in, client):
    begun = sign_in(resident)
    forged = token_of(resident, begun.session_id, b"\0" * 32)

    for token in ("x", forged):
        answer = client.post("/v1/auth/logout", json={"refresh_token": token})
        assert (answer.status_code, answer.data) == (204, b"")

    assert [row.ended_at for row in rows(services, LoginSession, resident)] == [None]


def test_sessions_are_listed_and_one_is_revoked(
    services, resident, sign_in, client, bearer, refresh
):
    here, there = sign_in(resident, device="here"), sign_in(resident, device="there")
    stranger = sign_in(services.database.transact(a_resident))
    headers = bearer("resident", resident, session_id=str(here.session_id))

    listed = client.get("/v1/me/sessions", headers=headers).json["sessions"]

    assert [(each["device_name"], each["current"]) for each in listed] == [
        ("there", False),
        ("here", True),
    ]
    assert set(listed[0]) == {
        *("id", "device_name", "method", "began_at", "used_at", "ends_at", "current")
    }
    for session_id in (there.session_id, there.session_id, stranger.session_id, uuid4()):
        answer = client.delete(f"/v1/me/sessions/{session_id}", headers=headers)
        assert answer.status_code == 204
    refused(refresh(there.refresh_token), 401, "session-ended")
    assert refresh(here.refresh_token).status_code == 200
    assert [row.ended_at for row in rows(services, LoginSession, stranger_of(stranger))] == [None]
    left = client.get("/v1/me/sessions", headers=headers).json["sessions"]
    assert [each["id"] for each in left] == [str(here.session_id)]


def stranger_of(begun: Begun) -> UUID:
    return names_of(begun.refresh_token)[0]


def test_signing_out_everywhere_else(services, resident, sign_in, client, bearer, refresh):
    here, *others = [sign_in(resident) for _ in range(3)]
    headers = bearer("resident", resident, session_id=str(here.session_id))

    for _ in range(2):
        assert client.delete("/v1/me/sessions", headers=headers).status_code == 204

    assert refresh(here.refresh_token).status_code == 200
    for each in others:
        refused(refresh(each.refresh_token), 401, "session-ended")
    assert kinds(services, resident)[3:] == ["sessions_revoked"]


def test_staff_see_their_own_sessions(services, sign_in, client, bearer):
    staff, (operator, _) = a_staff_member(services, *GRANTS)
    begun = sign_in(staff.id, "operator", grant_id=operator, device="desk")
    headers = bearer("operator", staff.login, session_id=str(begun.session_id))

    (listed,) = client.get("/v1/me/sessions", headers=headers).json["sessions"]

    assert (listed["id"], listed["current"]) == (str(begun.session_id), True)
    nobody = client.get("/v1/me/sessions", headers=bearer("operator", "nobody")).json
    assert nobody == {"sessions": []}
    events = client.get("/v1/me/security-events", headers=headers).json["events"]
    assert [each["kind"] for each in events] == ["login"]


def test_security_events_are_paged_and_name_only_the_network(
    services, resident, sign_in, client, bearer
):
    for _ in range(5):
        sign_in(resident)
    headers = bearer("resident", resident)

    seen, cursor = [], None
    while True:
        query = {"limit": 2} | ({"cursor": cursor} if cursor else {})
        page = client.get("/v1/me/security-events", query_string=query, headers=headers).json
        seen += page["events"]
        if (cursor := page["next_cursor"]) is None:
            break

    assert len({each["id"] for each in seen}) == len(seen) == 5
    assert seen == sorted(seen, key=lambda each: each["id"], reverse=True)
    assert {each["from_network"] for each in seen} == {"203.0.113.0/24"}


def test_ending_all_sessions_of_a_person(services, resident, sign_in, refresh):
    tokens = [sign_in(resident).refresh_token for _ in range(2)]

    ended = [
        services.database.transact(lambda s: end_all(s, resident, "closed", now=NOW))
        for _ in range(2)
    ]

    assert ended == [2, 0]
    for token in tokens:
        refused(refresh(token), 401, "session-ended")


@pytest.mark.parametrize("powers", ["read", "spend", "guardian"])
def test_nobody_sees_the_sessions_of_whom_they_act_for(resident, client, bearer, powers):
    headers = bearer("resident", resident, actor=str(uuid4()), powers=powers)

    for method, path in (
        ("GET", "sessions"),
        ("DELETE", "sessions"),
        ("DELETE", f"sessions/{uuid4()}"),
        ("GET", "security-events"),
    ):
        refused(client.open(f"/v1/me/{path}", method=method, headers=headers), 403,
                "not-as-delegate")  # fmt: skip


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("203.0.113.77", "203.0.113.0/24"),
        ("2001:db8:1:2:3::7", "2001:db8:1::/48"),
        ("::ffff:203.0.113.77", "203.0.113.0/24"),
        ("fe80::1%eth0", "fe80::/48"),
        ("", ""),
        ("a name", ""),
    ],
)
def test_of_an_address_the_network_is_kept(address, network):
    assert network_of(address) == network


def test_the_next_token_cannot_be_told_from_the_last_without_the_key(
    services, resident, sign_in, refresh
):
    begun = sign_in(resident)
    wanted = Refreshing(uuid4(), begun.refresh_token)

    answer = refresh(begun.refresh_token, wanted.id).json["refresh_token"]

    names = names_of(begun.refresh_token)
    assert answer == next_token(services.keyring.derived("refresh"), *names, wanted)
    assert answer != next_token(b"another key", *names, wanted)
