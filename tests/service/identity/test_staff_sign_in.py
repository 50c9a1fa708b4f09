"""Staff sign in: right is right once, wrong is wrong in one way, and trying stops."""

import logging
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from threading import Barrier, BoundedSemaphore
from typing import Any
from uuid import uuid4

import pyotp
import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select

from service.demo_shops import DEMO_PROGRAMME
from service.identity.keyring import CannotOpen
from service.identity.logins.models import LoginSession, SecurityEvent
from service.identity.staff import invitations, members, second_factor
from service.identity.staff.errors import PasswordNotGood, SignInRefused, UnknownInvitation
from service.identity.staff.models import Staff, StaffRecoveryCode
from service.identity.staff.passwords import AT_ONCE_MAX, Passwords, check_new
from service.identity.staff.signing_in import PER_LOGIN, Shown, Wanted, sign_in
from service.services import Services
from tests.service.answers import ENGLISH, refused
from tests.service.staffing import (
    CHEAP,
    MACHINE,
    PASSWORD,
    Clerk,
    a_clerk,
    a_grant,
    a_member,
    cheap_app,
    client_elsewhere,
)

HERE = Wanted(None, "till", "192.0.2.1")


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
def verified(services, monkeypatch) -> list[str]:
    """The hashes that the real hasher looked at."""
    seen: list[str] = []
    verify = type(services.passwords.hasher).verify

    def heard(hasher: Any, stored: str, password: str) -> bool:
        seen.append(stored)
        return verify(hasher, stored, password)

    monkeypatch.setattr(type(services.passwords.hasher), "verify", heard)
    return seen


def test_who_shows_everything_gets_tokens_for_the_grant(clerk, services, client):
    answer = clerk.sign_in()

    assert answer.status_code == 200
    found = services.tokens.check(answer.json["access_token"])
    assert found.subject == clerk.login
    assert (found.role, found.programme) == ("operator", DEMO_PROGRAMME)
    assert found.session_id == answer.json["session_id"]
    (grant,) = answer.json["grants"]
    assert (grant["role"], grant["scope"]) == ("operator", "")
    assert answer.json["recovery_codes_left"] == 10
    bearer = {"Authorization": f"Bearer {answer.json['access_token']}"}
    assert client.get("/v1/reviews", headers=bearer).status_code == 200


def test_a_login_is_read_in_lower_case(clerk):
    assert clerk.sign_in(login=clerk.login.upper()).status_code == 200


def test_the_refresh_token_goes_on_with_the_session(clerk, client):
    tokens = clerk.sign_in().json

    answer = client.post(
        "/v1/auth/refresh",
        json={"refresh_token": tokens["refresh_token"], "request_id": str(uuid4())},
    )

    assert answer.status_code == 200
    assert answer.json["session_id"] == tokens["session_id"]


def _wrong(clerk: Clerk, services: Services, what: str) -> dict[str, Any]:
    """Changes to a request that make it wrong in one thing."""
    now = datetime.now(UTC)
    match what:
        case "unknown login":
            return {"login": f"nobody-{uuid4().hex[:8]}"}
        case "wrong password":
            return {"password": PASSWORD + "!"}
        case "wrong totp":
            return {"totp": "12345x"}
        case "old totp":
            return {"totp": pyotp.TOTP(clerk.secret).at(now - timedelta(minutes=2))}
        case "wrong recovery code":
            return {"recovery_code": "AAAA-AAAA-AAAA-AAAA"}
        case "blocked":
            services.database.transact(lambda s: members.block(s, clerk.id, actor=MACHINE, now=now))
            return {}
        case "not enrolled":
            return {"login": a_member(services).staff.login}
    raise AssertionError(what)


WRONG = (
    *("unknown login", "wrong password", "wrong totp", "old totp", "wrong recovery code"),
    *("blocked", "not enrolled"),
)


@pytest.mark.parametrize("what", WRONG)
def test_whatever_is_wrong_is_answered_alike_after_the_same_work(
    clerk, services, statements, verified, what
):
    changes = _wrong(clerk, services, what)

    with statements() as sent:
        answer = clerk.sign_in(**changes)

    found = refused(answer, 401, "sign-in-refused")
    assert found.keys() == {"type", "title", "status", "detail", "instance"}
    assert answer.headers["WWW-Authenticate"] == "Bearer"
    assert len(verified) == 1
    assert len([each for each in sent if each.startswith(("SELECT", "UPDATE"))]) == 2, sent


def test_the_refusal_is_told_in_english_too(client):
    body = {"login": "nobody", "password": "x", "totp": "000000", "device_name": "till"}
    refused(client.post("/v1/auth/staff", json=body, headers=ENGLISH), 401, "sign-in-refused")


def test_a_body_names_one_factor(client):
    body = {"login": "nobody", "password": "x", "device_name": "till"}
    for factors in ({}, {"totp": "000000", "recovery_code": "AAAA"}):
        refused(client.post("/v1/auth/staff", json=body | factors), 422, "body-does-not-fit")


def test_a_code_of_the_authenticator_is_good_once(clerk):
    code = clerk.totp()

    assert clerk.sign_in(totp=code).status_code == 200
    refused(clerk.sign_in(totp=code), 401, "sign-in-refused")
    assert clerk.sign_in().status_code == 200  # The next one.


def test_a_code_older_than_the_last_is_not_good(clerk):
    first, second = clerk.totp(), clerk.totp()

    assert clerk.sign_in(totp=second).status_code == 200
    refused(clerk.sign_in(totp=first), 401, "sign-in-refused")


def _at_once(services: Services, shown: list[Shown]) -> list[object]:
    """What became of sign-ins at the same time, each with its own connection."""
    barrier = Barrier(len(shown))

    def one(each: Shown) -> object:
        barrier.wait()
        try:
            return sign_in(services, each, HERE, now=datetime.now(UTC))
        except SignInRefused as refusal:
            return refusal

    with ThreadPoolExecutor(len(shown)) as pool:
        return list(pool.map(one, shown))


def test_of_two_at_once_with_the_same_code_one_gets_in(clerk, services):
    shown = Shown(clerk.login, PASSWORD, clerk.totp())

    ended = _at_once(services, [shown, shown])

    assert sum(isinstance(each, SignInRefused) for each in ended) == 1


def test_of_two_at_once_with_the_same_recovery_code_one_gets_in(clerk, services):
    shown = Shown(clerk.login, PASSWORD, None, clerk.recovery_codes[0])

    ended = _at_once(services, [shown, shown])

    assert sum(isinstance(each, SignInRefused) for each in ended) == 1


def test_a_recovery_code_is_good_once_and_the_rest_is_counted(clerk):
    written = clerk.recovery_codes[0].lower().replace("-", " ")

    answer = clerk.sign_in(recovery_code=written)

    assert answer.json["recovery_codes_left"] == 9
    refused(clerk.sign_in(recovery_code=written), 401, "sign-in-refused")


def test_anothers_recovery_code_is_not_good(clerk, services, client):
    other = a_clerk(services, client, "operator")

    refused(clerk.sign_in(recovery_code=other.recovery_codes[0]), 401, "sign-in-refused")


def test_of_several_grants_one_is_chosen_with_the_same_code(clerk, services):
    second = a_grant(services, clerk.id, "auditor")
    code = clerk.totp()

    found = refused(clerk.sign_in(totp=code), 409, "grant-not-chosen")

    assert {each["role"] for each in found["grants"]} == {"operator", "auditor"}
    answer = clerk.sign_in(totp=code, grant_id=str(second))
    assert services.tokens.check(answer.json["access_token"]).role == "auditor"
    refused(clerk.sign_in(totp=code, grant_id=str(second)), 401, "sign-in-refused")


def test_grants_are_told_only_after_all_was_right(clerk, services):
    a_grant(services, clerk.id, "auditor")

    for wrong in ({"password": "x" * 12}, {"totp": "000001"}):
        refused(clerk.sign_in(**wrong), 401, "sign-in-refused")


def test_a_grant_of_nobody_or_of_another_is_not_chosen(clerk, services, client):
    other = a_clerk(services, client, "auditor")
    theirs = str(
        services.database.transact(
            lambda s: members.grants_of(s, MACHINE, [s.get_one(Staff, other.id)])[other.id][0].id
        )
    )

    found = refused(clerk.sign_in(grant_id=theirs), 409, "grant-not-chosen")

    assert [each["role"] for each in found["grants"]] == ["operator"]


def test_without_a_grant_nobody_gets_in(services, client):
    refused(a_clerk(services, client).sign_in(), 403, "no-grant")


@pytest.mark.parametrize("known", [True, False])
def test_trying_stops_at_the_limit_for_known_and_unknown_logins(clerk, known):
    login = clerk.login if known else f"nobody-{uuid4().hex[:8]}"
    for _ in range(PER_LOGIN.times):
        refused(clerk.sign_in(login=login, totp="000001"), 401, "sign-in-refused")

    answer = clerk.sign_in(login=login)

    refused(answer, 429, "too-many-requests")
    assert 0 < int(answer.headers["Retry-After"]) <= PER_LOGIN.per_s


def test_trying_stops_at_the_limit_though_each_comes_from_elsewhere(app, clerk):
    for _ in range(PER_LOGIN.times):
        clerk.client = client_elsewhere(app)
        refused(clerk.sign_in(totp="000001"), 401, "sign-in-refused")

    refused(clerk.sign_in(), 429, "too-many-requests")


def test_trying_many_logins_from_one_address_stops(app, client, monkeypatch):
    monkeypatch.setattr(
        "service.identity.staff.signing_in.PER_ADDRESS", replace(PER_LOGIN, times=3)
    )
    body = {"password": "x", "totp": "000000", "device_name": "till"}
    for number in range(3):
        refused(client.post("/v1/auth/staff", json=body | {"login": f"n{number}"}), 401,
                "sign-in-refused")  # fmt: skip

    refused(client.post("/v1/auth/staff", json=body | {"login": "n3"}), 429, "too-many-requests")
    client.environ_base["REMOTE_ADDR"] = client.environ_base["REMOTE_ADDR"][:-1] + "2"
    refused(client.post("/v1/auth/staff", json=body | {"login": "n4"}), 429, "too-many-requests")


def test_who_gets_in_starts_anew(clerk, services):
    for _ in range(PER_LOGIN.times - 1):
        refused(clerk.sign_in(totp="000001"), 401, "sign-in-refused")
    assert clerk.sign_in().status_code == 200
    refused(clerk.sign_in(totp="000001"), 401, "sign-in-refused")


def test_no_secret_is_logged(clerk, client, services, caplog):
    caplog.set_level(logging.DEBUG)
    code = clerk.totp()
    tokens = clerk.sign_in(totp=code).json
    clerk.sign_in(totp=code)
    clerk.sign_in(recovery_code=clerk.recovery_codes[0])
    invited = a_member(services)
    body = {"invitation": invited.invitation, "password": PASSWORD}
    enrolment = client.post("/v1/auth/staff/enrolment", json=body).json

    secrets = (
        *(PASSWORD, code, clerk.recovery_codes[0], invited.invitation, enrolment["secret"]),
        *(tokens["access_token"], tokens["refresh_token"], clerk.secret),
    )
    assert not [each for each in secrets if each in caplog.text]


# Enrolment


def test_an_invitation_a_password_and_an_authenticator_make_a_login(services, client):
    invited = a_member(services)
    a_grant(services, invited.staff.id)
    body = {"invitation": invited.invitation, "password": PASSWORD}

    first = client.post("/v1/auth/staff/enrolment", json=body)
    again = client.post("/v1/auth/staff/enrolment", json=body)

    assert first.status_code == 200
    assert first.json == again.json
    assert first.json["secret"] in first.json["otpauth_uri"]
    totp = pyotp.TOTP(first.json["secret"])
    confirmed = client.put(
        "/v1/auth/staff/enrolment/confirmation", json=body | {"totp": totp.now()}
    )
    assert confirmed.status_code == 200
    assert len(set(confirmed.json["recovery_codes"])) == 10
    clerk = Clerk(services, client, invited.staff.id, invited.staff.login, first.json["secret"])
    assert clerk.sign_in(recovery_code=confirmed.json["recovery_codes"][3]).status_code == 200
    for path, more in (("", {}), ("/confirmation", {"totp": totp.now()})):
        send = client.put if path else client.post
        answer = send(f"/v1/auth/staff/enrolment{path}", json=body | more)
        refused(answer, 404, "unknown-invitation")


def test_the_code_that_confirmed_does_not_sign_in(services, client):
    clerk = a_clerk(services, client, "operator")
    step = services.database.transact(lambda s: s.get_one(Staff, clerk.id).totp_last_step)

    code = pyotp.TOTP(clerk.secret).generate_otp(step)

    refused(clerk.sign_in(totp=code), 401, "sign-in-refused")


def test_before_the_confirmation_nobody_gets_in(services, client):
    invited = a_member(services)
    a_grant(services, invited.staff.id)
    begun = invitations.begin(services, invited.invitation, PASSWORD, now=datetime.now(UTC))
    clerk = Clerk(services, client, invited.staff.id, invited.staff.login, begun.secret)

    refused(clerk.sign_in(), 401, "sign-in-refused")


@pytest.mark.parametrize("wrong", [{"password": "x" * 12}, {"totp": "000001"}])
def test_a_confirmation_shows_both(services, client, wrong):
    invited = a_member(services)
    body = {"invitation": invited.invitation, "password": PASSWORD}
    secret = client.post("/v1/auth/staff/enrolment", json=body).json["secret"]
    path, right = "/v1/auth/staff/enrolment/confirmation", {"totp": pyotp.TOTP(secret).now()}

    refused(client.put(path, json=body | right | wrong), 401, "sign-in-refused")
    assert client.put(path, json=body | right).status_code == 200


def test_an_invitation_is_open_for_seven_days(services):
    invited = a_member(services)
    late = datetime.now(UTC) + timedelta(days=7, seconds=1)

    with pytest.raises(UnknownInvitation):
        invitations.begin(services, invited.invitation, PASSWORD, now=late)


def test_a_guessed_invitation_opens_nothing(client):
    body = {"invitation": "A" * 43, "password": PASSWORD}
    refused(client.post("/v1/auth/staff/enrolment", json=body), 404, "unknown-invitation")


def test_neither_password_nor_codes_nor_secret_are_kept_as_they_are(clerk, services):
    def kept(session):
        staff = session.get_one(Staff, clerk.id)
        codes = session.scalars(
            select(StaffRecoveryCode.code_sha256).where(StaffRecoveryCode.staff_id == clerk.id)
        )
        return staff.password_hash, staff.totp_secret, set(codes)

    hashed, sealed, codes = services.database.transact(kept)
    assert hashed.startswith("$argon2id$v=19$")
    assert clerk.secret.encode() not in sealed
    assert codes == {second_factor.recovery_sha256(each) for each in clerk.recovery_codes}


# Passwords


@pytest.mark.parametrize(
    ("password", "unmet"),
    [
        ("eleven-char", "length"),
        ("x" * 129, "length"),
        ("li.na-li.na-x", None),
        ("lina-shanghai", "login"),
        ("Lina-Shanghai!2026", "login"),
        ("Password1234", "common"),
        ("ababababababab", "common"),
        ("739201847562", None),
        ("正确的马电池订书钉和其他", None),
        ("no capitals or digits", None),
    ],
)
def test_a_password_is_long_and_neither_the_login_nor_a_common_one(password, unmet):
    if unmet is None:
        check_new(password, "lina-shanghai")
        return
    with pytest.raises(PasswordNotGood) as refusal:
        check_new(password, "lina-shanghai")
    assert refusal.value.unmet == unmet
    assert password not in str(refusal.value)


def test_a_password_is_hashed_as_owasp_says():
    assert Passwords.of().dummy.startswith("$argon2id$v=19$m=19456,t=2,p=1$")


def test_a_dummy_is_verified_and_fits_nothing():
    assert not CHEAP.fits(None, PASSWORD)
    assert not CHEAP.fits("no hash", PASSWORD)
    assert CHEAP.fits(CHEAP.hashed("é" * 12), "e\u0301" * 12)  # However it was typed.


def test_more_than_four_at_once_wait_and_then_are_told_so(clerk, app, services):
    busy = replace(CHEAP, at_once=BoundedSemaphore(AT_ONCE_MAX), wait_s=0)
    app.extensions["tanhui"] = replace(services, passwords=busy)
    try:
        for _ in range(AT_ONCE_MAX):
            assert busy.at_once.acquire(blocking=False)
        answer = clerk.sign_in(recovery_code=clerk.recovery_codes[0])
        refused(answer, 503, "too-busy")
        busy.at_once.release()
        assert clerk.sign_in(recovery_code=clerk.recovery_codes[0]).status_code == 200
        assert busy.at_once.acquire(blocking=False)  # It was given back.
    finally:
        app.extensions["tanhui"] = services


def test_a_sealed_secret_is_bound_to_its_person(clerk, services, client):
    other = a_clerk(services, client, "operator")

    def swap(session):
        theirs, mine = session.get_one(Staff, other.id), session.get_one(Staff, clerk.id)
        mine.totp_secret = theirs.totp_secret
        with pytest.raises(CannotOpen):
            second_factor.opened(services.keyring, mine)
        session.rollback()

    services.database.transact(swap)


def test_other_parameters_hash_anew_at_the_next_sign_in(clerk, services):
    stronger = replace(services, passwords=Passwords.of(memory_kib=16, passes=1))
    shown = Shown(clerk.login, PASSWORD, clerk.totp())

    sign_in(stronger, shown, HERE, now=datetime.now(UTC))

    hashed = services.database.transact(lambda s: s.get_one(Staff, clerk.id).password_hash)
    assert "m=16,t=1,p=1" in hashed
    assert clerk.sign_in().status_code == 200


def test_a_password_is_changed_and_the_other_sessions_end(services, client):
    clerk = a_clerk(services, client, "operator")
    tokens = clerk.sign_in(recovery_code=clerk.recovery_codes[0]).json
    other = clerk.sign_in(recovery_code=clerk.recovery_codes[1]).json
    headers = {"Authorization": f"Bearer {tokens['access_token']}"}
    body = {"password": PASSWORD, "new_password": "another-horse-battery", "totp": clerk.totp()}

    assert client.put("/v1/me/password", json=body, headers=headers).status_code == 204

    refused(client.put("/v1/me/password", json=body, headers=headers), 401, "sign-in-refused")
    assert clerk.sign_in(password="another-horse-battery").status_code == 200
    query = select(LoginSession.id, LoginSession.ended_why).where(
        LoginSession.person_id == clerk.id
    )
    ended = services.database.transact(lambda s: {row[0]: row[1] for row in s.execute(query)})
    assert {str(id_): why for id_, why in ended.items() if why} == {other["session_id"]: "revoked"}
    kinds = services.database.transact(
        lambda s: s.scalars(
            select(SecurityEvent.kind).where(SecurityEvent.person_id == clerk.id)
        ).all()
    )
    assert "password_changed" in kinds


def test_a_new_password_keeps_the_rules(clerk, services, client):
    tokens = clerk.sign_in(recovery_code=clerk.recovery_codes[0]).json
    headers = {"Authorization": f"Bearer {tokens['access_token']}"}
    body = {"password": PASSWORD, "new_password": "short", "totp": clerk.totp()}

    found = refused(client.put("/v1/me/password", json=body, headers=headers), 422,
                    "password-not-good")  # fmt: skip

    assert found["unmet"] == "length"
    assert clerk.sign_in().status_code == 200


def test_new_recovery_codes_take_the_place_of_the_old(clerk, client):
    tokens = clerk.sign_in(recovery_code=clerk.recovery_codes[0]).json
    headers = {"Authorization": f"Bearer {tokens['access_token']}"}
    body = {"password": PASSWORD, "totp": clerk.totp()}

    answer = client.post("/v1/me/recovery-codes", json=body, headers=headers)

    assert answer.status_code == 201
    refused(client.post("/v1/me/recovery-codes", json=body, headers=headers), 401,
            "sign-in-refused")  # fmt: skip
    refused(clerk.sign_in(recovery_code=clerk.recovery_codes[1]), 401, "sign-in-refused")
    new = answer.json["recovery_codes"]
    assert clerk.sign_in(recovery_code=new[0]).json["recovery_codes_left"] == 9
