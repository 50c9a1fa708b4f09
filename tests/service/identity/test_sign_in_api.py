"""Signing in by phone, from outside: the same for everybody, good once, limited, bilingual."""

import logging
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from threading import Barrier
from uuid import uuid4

import pytest
import redis
from sqlalchemy import func, select, text, update

from service import embedded
from service.app import create_app
from service.identity.family.children import NewChild, register_child
from service.identity.logins.errors import PhoneTaken
from service.identity.logins.models import LoginSession, RefreshToken, SecurityEvent
from service.identity.logins.phone_codes import WRONG_PER_ADDRESS
from service.identity.logins.phones import change_phone
from service.identity.models import OutsideId, Person, PersonalValue
from tests.makers import XIAYANG
from tests.service.answers import nothing_written, refused, refused_in_both_languages
from tests.service.identity.signing import (
    DEVICE,
    a_phone,
    an_address,
    close,
    offering,
    sign_up_body,
    signed_in,
)

DEAD = "redis://127.0.0.1:1/0"  # Nothing listens there.


@pytest.fixture(scope="module")
def signing(settings, tmp_path_factory):
    with offering(settings, tmp_path_factory.mktemp("signing")) as found:
        yield found


@pytest.fixture
def client(signing):
    return signing.client()


def other(code: str) -> str:
    """A code that is not this one."""
    return f"{(int(code) + 1) % 10**6:06}"


def test_what_is_offered_is_public(client):
    answer = client.get("/v1/auth/methods")

    assert answer.json == {"phone": True, "wechat": True, "oidc": True, "terms_version": 1}


def test_a_code_is_sent_and_signs_in(signing, client):
    resident = signing.resident()
    answer = client.post("/v1/auth/phone-codes", json={"phone": resident.phone})

    assert answer.status_code == 202
    assert answer.json == {"code_expires_in_s": 300, "resend_after_s": 60}
    answer = signed_in(client, resident.phone, signing.code_of(resident.phone))
    assert answer.status_code == 200
    assert set(answer.json) == {"tokens"}
    assert answer.headers["Cache-Control"] == "no-store"
    tokens = answer.json["tokens"]
    assert tokens["token_type"] == "Bearer"
    caller = signing.services.tokens.check(tokens["access_token"])
    assert (caller.subject, caller.role) == (str(resident.holder_id), "resident")
    assert caller.session_id == tokens["session_id"]
    bearer = {"Authorization": f"Bearer {tokens['access_token']}"}
    assert client.get("/v1/accounts", headers=bearer).status_code == 200


def test_a_sign_in_is_a_session_on_a_device_and_an_event(signing):
    resident = signing.resident()
    client = signing.client("203.0.113.77")
    signed_in(client, resident.phone, signing.code(resident.phone))

    def look(session):
        sessions = session.scalars(
            select(LoginSession)
            .where(LoginSession.person_id == resident.holder_id)
            .order_by(LoginSession.id)
        ).all()
        events = session.scalars(
            select(SecurityEvent)
            .where(SecurityEvent.person_id == resident.holder_id)
            .order_by(SecurityEvent.id)
        ).all()
        return sessions, events

    sessions, events = signing.services.database.transact(look)
    assert [(each.method, each.device_name, each.role) for each in sessions] == [
        ("phone", DEVICE, "resident")
    ] * 2
    assert [each.kind for each in events] == ["sign_up", "login", "login"]
    assert events[-1].from_network == "203.0.113.0/24"


def test_the_text_is_in_the_callers_language(signing):
    for language, wanted in (("zh-CN", "验证码"), ("en", "is your code")):
        phone = a_phone()
        body = {"phone": phone}
        signing.client().post(
            "/v1/auth/phone-codes", json=body, headers={"Accept-Language": language}
        )
        text = signing.gateway.asked[-1].json["text"]
        assert wanted in text
        assert signing.code_of(phone) in text


def test_a_phone_that_nobody_has_gets_a_token_for_signing_up(signing, client):
    phone = a_phone()
    with nothing_written(signing.services.database):
        answer = signed_in(client, phone, signing.sent_code(client, phone))

    assert answer.status_code == 200
    assert set(answer.json) == {"sign_up_token", "sign_up_token_expires_in_s"}
    assert answer.json["sign_up_token_expires_in_s"] == 900
    assert phone[-8:] not in answer.text


def test_phones_are_the_same_however_they_are_typed(signing, client):
    resident = signing.resident()
    digits = resident.phone.removeprefix("+86")
    typed = f"{digits[:3]}-{digits[3:7]} {digits[7:]}"

    answer = client.post("/v1/auth/phone-codes", json={"phone": typed})
    assert answer.status_code == 202
    assert "tokens" in signed_in(client, digits, signing.code_of(resident.phone)).json


def test_every_bad_code_is_one_refusal(signing, client):
    known, database = signing.resident(), signing.services.database
    codes = signing.services.logins.codes

    def wrong(phone):
        return other(signing.code(phone))

    def used_up(phone):
        code = signing.code(phone)
        for _ in range(5):
            signed_in(signing.client(), phone, other(code))
        return code

    def used(phone):
        code = signing.code(phone)
        codes.use(phone, code)
        return code

    def expired(phone):
        code = signing.code(phone)
        codes.forget(phone)
        return code

    bodies = set()
    for phone in (known.phone, a_phone()):
        for bad in (wrong, used_up, used, expired, lambda _: "123456"):
            code = bad(phone)
            with nothing_written(database):
                answer = signed_in(client, phone, code)
            refused(answer, 401, "code-not-right")
            assert answer.headers["WWW-Authenticate"] == "Bearer"
            bodies.add(answer.data)
    assert len(bodies) == 1
    refused_in_both_languages(
        database,
        lambda headers: signed_in(client, a_phone(), "123456", headers=headers),
        401,
        "code-not-right",
    )


def test_brute_force_stops_at_the_sixth_try(signing, client):
    resident = signing.resident()
    code = signing.code(resident.phone)
    for _ in range(5):
        refused(signed_in(client, resident.phone, other(code)), 401, "code-not-right")

    refused(signed_in(client, resident.phone, code), 401, "code-not-right")


def test_brute_force_over_phones_stops_at_the_address(signing):
    client, resident = signing.client(), signing.resident()
    for _ in range(WRONG_PER_ADDRESS.times):
        assert signed_in(client, a_phone(), "123456").status_code == 401

    answer = signed_in(client, resident.phone, signing.code(resident.phone))
    assert refused(answer, 429, "too-many-requests")["retry_after_s"] > 0
    assert int(answer.headers["Retry-After"]) > 0


def test_a_second_code_within_a_minute_is_refused_for_known_and_unknown_phones(signing):
    bodies = set()
    for phone in (signing.resident().phone, a_phone()):
        client = signing.client()
        signing.sent_code(client, phone)
        answer = client.post("/v1/auth/phone-codes", json={"phone": phone})
        problem = refused(answer, 429, "too-many-requests")
        assert 1 <= problem.pop("retry_after_s") <= 60
        problem.pop("detail")
        bodies.add(str(problem))
    assert len(bodies) == 1


def test_of_two_with_the_same_code_one_signs_in(signing):
    resident = signing.resident()
    code, together = signing.code(resident.phone), Barrier(2)

    def enter(_):
        client = signing.client()
        together.wait()
        return signed_in(client, resident.phone, code).status_code

    with ThreadPoolExecutor(2) as threads:
        assert sorted(threads.map(enter, range(2))) == [200, 401]


def test_a_closed_account_is_as_unknown_as_anybody(signing, client):
    resident = signing.resident()
    _close(signing.services.database, resident.holder_id)

    answer = signed_in(client, resident.phone, signing.code(resident.phone))

    assert set(answer.json) == {"sign_up_token", "sign_up_token_expires_in_s"}


def test_a_gateway_that_fails_leaves_no_code(signing, client):
    phone, gateway = a_phone(), signing.gateway
    before, gateway.reply = gateway.reply, lambda _: (500, b"")
    try:
        answer = client.post("/v1/auth/phone-codes", json={"phone": phone})
    finally:
        gateway.reply = before

    refused(answer, 503, "sms-not-sent")
    assert int(answer.headers["Retry-After"]) > 0
    refused(signed_in(client, phone, signing.code_of(phone)), 401, "code-not-right")
    assert signing.sent_code(client, phone)


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"phone": "12345"}, "#/phone"),
        ({"phone": "1" * 5_000}, "#/phone"),
        ({"phone": 13800138000}, "#/phone"),
        ({"phone": "13800138000\u0000"}, "#/phone"),
        ({}, "#/phone"),
        ({"phone": "13800138000", "purpose": "x"}, "#/purpose"),
    ],
)
def test_a_body_that_does_not_fit_is_named(signing, client, body, pointer):
    found = refused_in_both_languages(
        signing.services.database,
        lambda headers: client.post("/v1/auth/phone-codes", json=body, headers=headers),
        422,
        "body-does-not-fit",
    )
    assert [each["pointer"] for each in found["errors"]] == [pointer]


@pytest.mark.parametrize(
    "code", ["12345", "1234567", "12345a", "１２３４５６", "123456\n", "", 123456]
)
def test_a_code_has_six_digits(client, code):
    answer = signed_in(client, "13800138000", code)

    assert refused(answer, 422, "body-does-not-fit")["errors"][0]["pointer"] == "#/code"


@contextmanager
def counted(server: redis.Redis):
    """How many commands the server ran meanwhile, those of scripts too."""
    calls: dict[str, int] = {}

    def ran() -> int:
        stats = server.info("commandstats")
        return sum(each["calls"] for name, each in stats.items() if name != "cmdstat_info")

    before = ran()
    yield calls
    calls["ran"] = ran() - before


def test_known_and_unknown_phones_cost_the_same_work(settings, tmp_path, statements):
    """A redis of its own, so that nobody else's commands are counted."""
    with (
        embedded.redis(tmp_path / "var") as redis_url,
        offering(settings, tmp_path, redis_url=redis_url) as signing,
        redis.Redis.from_url(redis_url) as server,
    ):
        residents = [signing.resident() for _ in range(3)]
        known, unknown = [each.phone for each in residents], [a_phone() for _ in range(3)]
        signing.sent_code(signing.client(), a_phone())  # Scripts are loaded at their first use.

        def cost(work: Callable[[str], object], phone: str) -> tuple[int, int]:
            with counted(server) as calls, statements() as seen:
                work(phone)
            return calls["ran"], len(seen)

        def ask(phone):
            signing.sent_code(signing.client(), phone)

        asking = {cost(ask, phone) for phone in (known[0], unknown[0])}
        assert len(asking) == 1, asking

        def never_sent(phone):
            signed_in(signing.client(), phone, "123456")

        def wrong(phone):
            signed_in(signing.client(), phone, other(signing.code_of(phone)))

        def used_up(phone):
            for _ in range(4):
                signed_in(signing.client(), phone, other(signing.code_of(phone)))

        trying = {cost(never_sent, phone) for phone in (known[1], unknown[1])}
        trying |= {cost(wrong, phone) for phone in (known[0], unknown[0])}
        for phone in (known[0], unknown[0]):
            used_up(phone)
        trying |= {cost(wrong, phone) for phone in (known[0], unknown[0])}
        assert len(trying) == 1, trying
        assert {sql for _, sql in asking | trying} == {0}


def test_a_sign_in_takes_few_statements(signing, client, statements):
    resident = signing.resident()
    code = signing.code(resident.phone)
    with statements() as seen:
        assert signed_in(client, resident.phone, code).status_code == 200

    assert len(seen) <= 6, seen


def test_without_redis_there_is_a_clear_503(settings, tmp_path):
    with offering(settings, tmp_path, redis_url=DEAD) as signing:
        client, database = signing.client(), signing.services.database
        for send in (
            lambda headers: client.post(
                "/v1/auth/phone-codes", json={"phone": a_phone()}, headers=headers
            ),
            lambda headers: signed_in(client, a_phone(), "123456", headers=headers),
        ):
            refused_in_both_languages(database, send, 503, "codes-unavailable")
            assert int(send({}).headers["Retry-After"]) > 0
        assert signing.gateway.asked == []


def test_without_the_database_the_code_stays_good(settings, tmp_path):
    nowhere = "postgresql+psycopg://nobody@127.0.0.1:1/none"
    with (
        offering(settings, tmp_path) as signing,
        offering(settings, tmp_path, database_url=nowhere) as without,
    ):
        resident = signing.resident()
        code = signing.code(resident.phone)
        refused(signed_in(without.client(), resident.phone, code), 503, "database-unavailable")

        assert "tokens" in signed_in(signing.client(), resident.phone, code).json


def test_production_without_a_gateway_offers_no_phone(settings, app):
    key = settings.var_dir / "keys" / "development-token.pem"  # Made by the app of all tests.
    own = create_app(replace(settings, token_key_file=key, rate_limits=0.0))
    client = own.test_client()

    assert client.get("/v1/auth/methods").json == {
        "phone": False, "wechat": False, "oidc": False, "terms_version": 1,
    }  # fmt: skip
    database = own.extensions["tanhui"].database
    for path, body, method in (
        ("phone-codes", {"phone": "13800138000"}, "phone"),
        ("wechat", {"code": "x", "device_name": DEVICE}, "wechat"),
        ("oidc/start", {"redirect_url": "x", "app_challenge": "x" * 43}, "oidc"),
    ):
        found = refused_in_both_languages(
            database,
            lambda headers, path=path, body=body: client.post(
                f"/v1/auth/{path}", json=body, headers=headers
            ),
            404,
            "login-method-not-offered",
        )
        assert found["method"] == method
    close(own)


def test_in_development_the_code_is_printed(app, capsys):
    client, phone = app.test_client(), a_phone()
    client.environ_base["REMOTE_ADDR"] = an_address()
    assert client.post("/v1/auth/phone-codes", json={"phone": phone}).status_code == 202

    code = "".join(c for c in capsys.readouterr().err.partition("验证码")[2][:8] if c.isdigit())
    assert "sign_up_token" in signed_in(client, phone, code).json


def test_nothing_secret_is_logged(signing, client, caplog):
    caplog.set_level(logging.DEBUG)
    phone = a_phone()
    code = signing.sent_code(client, phone)
    signed_in(client, phone, other(code))
    token = signed_in(client, phone, code).json["sign_up_token"]
    answer = client.post("/v1/auth/sign-up", json=sign_up_body(token))

    for secret in (phone[3:], code, token, answer.json["refresh_token"], "王小明", "1990-05-17"):
        assert secret not in caplog.text


def test_nobody_signs_in_while_the_account_is_being_closed(signing):
    """The sign-in waits, and finds the account closed."""
    resident, database = signing.resident(), signing.services.database
    code = signing.code(resident.phone)
    waits = text("SELECT count(*) FROM pg_locks WHERE locktype = 'transactionid' AND NOT granted")
    with ThreadPoolExecutor(1) as thread, database.engine.connect() as closing:
        closing.execute(
            update(Person)
            .where(Person.holder_id == resident.holder_id)
            .values(data_key=None, master_key_id=None, closed_at=func.now())
        )
        answer = thread.submit(signed_in, signing.client(), resident.phone, code)
        deadline = time.monotonic() + 20
        while not database.transact(lambda session: session.scalar(waits)):
            assert time.monotonic() < deadline
        closing.commit()
        assert set(answer.result().json) == {"sign_up_token", "sign_up_token_expires_in_s"}


# My phone.


def put_phone(client, headers, phone, code, **more):
    return client.put("/v1/me/phone", json={"phone": phone, "code": code}, headers=headers | more)


def test_a_phone_is_replaced_and_the_one_before_opens_nothing(signing, client):
    resident, phone = signing.resident(), a_phone()

    answer = put_phone(client, resident.headers, phone, signing.code(phone))

    assert (answer.status_code, answer.json) == (200, {"ends_in": phone[-4:]})
    after = signed_in(client, phone, signing.code(phone)).json["tokens"]["access_token"]
    assert signing.services.tokens.check(after).subject == str(resident.holder_id)
    before = signed_in(client, resident.phone, signing.code(resident.phone))
    assert "sign_up_token" in before.json

    def rows(session):
        return [
            session.scalars(select(column).where(column == resident.holder_id)).all()
            for column in (OutsideId.holder_id, PersonalValue.holder_id)
        ]

    ids, values = signing.services.database.transact(rows)
    assert (len(ids), len(values)) == (1, 3)  # Phone; phone, name and date of birth.
    # Whoever has the number now is somebody else.
    assert signing.resident(resident.phone).holder_id != resident.holder_id


def test_a_phone_replaced_again_needs_no_other_code(signing, client):
    resident, phone = signing.resident(), a_phone()
    code = signing.code(phone)
    first = put_phone(client, resident.headers, phone, code)

    with nothing_written(signing.services.database):
        again = put_phone(client, resident.headers, phone, code)
    assert (first.status_code, again.status_code, again.json) == (200, 200, first.json)

    events = signing.services.database.transact(
        lambda s: s.scalars(
            select(SecurityEvent.kind).where(SecurityEvent.person_id == resident.holder_id)
        ).all()
    )
    assert sorted(events) == ["login", "phone_changed", "sign_up"]


def test_a_phone_of_another_resident_is_refused(signing, client):
    resident, another = signing.resident(), signing.resident()
    database = signing.services.database

    refused_in_both_languages(
        database,
        lambda headers: put_phone(
            client, resident.headers, another.phone, signing.code(another.phone), **headers
        ),
        409,
        "phone-taken",
    )


def test_a_phone_needs_its_code(signing, client):
    resident, phone = signing.resident(), a_phone()
    with nothing_written(signing.services.database):
        answer = put_phone(client, resident.headers, phone, other(signing.code(phone)))
    refused(answer, 401, "code-not-right")


def test_a_phone_of_a_closed_account_may_be_mine(signing, client):
    resident, gone = signing.resident(), signing.resident()
    _close(signing.services.database, gone.holder_id)

    answer = put_phone(client, resident.headers, gone.phone, signing.code(gone.phone))

    assert answer.status_code == 200
    assert "tokens" in signed_in(client, gone.phone, signing.code(gone.phone)).json


def test_who_closed_the_account_binds_no_phone(signing, client):
    resident, phone = signing.resident(), a_phone()
    _close(signing.services.database, resident.holder_id)
    code = signing.code(phone)
    with nothing_written(signing.services.database):
        answer = put_phone(client, resident.headers, phone, code)
    refused(answer, 410, "account-closed")


@pytest.mark.parametrize("powers", ["read", "spend"])
def test_no_delegate_binds_a_residents_phone(signing, client, bearer, powers):
    """A phone is a way in: whoever binds one is in for good."""
    resident, phone, actor = signing.resident(), a_phone(), str(signing.resident().holder_id)
    headers = bearer("resident", resident.holder_id, actor=actor, powers=powers)

    with nothing_written(signing.services.database):
        answer = put_phone(client, headers, phone, signing.code(phone))
    refused(answer, 403, "not-as-delegate")


@pytest.fixture
def family(signing, client):
    """A guardian, the child's holder id, and headers by which the guardian acts for the child."""
    guardian, child_id, born = signing.resident(), uuid4(), datetime.now(UTC).year - 9
    body = {"name": "小宝", "birth_on": f"{born}-01-02", "division": XIAYANG}
    child = client.put(f"/v1/me/children/{child_id}", json=body, headers=guardian.headers)
    assert child.status_code == 201, child.text
    acting = client.post(
        "/v1/auth/acting", json={"delegation_id": str(child_id)}, headers=guardian.headers
    )
    token = acting.json["access_token"]
    return guardian, child.json["holder_id"], {"Authorization": f"Bearer {token}"}


def test_a_guardian_binds_the_childs_phone_and_the_child_gets_in(signing, client, family):
    guardian, child, acting = family
    phone = a_phone()
    code = signing.code(phone)

    bound = put_phone(client, acting, phone, code)

    assert (bound.status_code, bound.json) == (200, {"ends_in": phone[-4:]})
    with nothing_written(signing.services.database):
        assert put_phone(client, acting, phone, code).json == bound.json
    tokens = signed_in(client, phone, signing.code(phone)).json["tokens"]
    caller = signing.services.tokens.check(tokens["access_token"])
    assert (caller.subject, caller.actor) == (child, "")
    own = {"Authorization": f"Bearer {tokens['access_token']}"}
    (entered, event) = client.get("/v1/me/security-events", headers=own).json["events"]
    assert (entered["kind"], event["kind"]) == ("login", "phone_bound_by_guardian")
    after = signed_in(client, guardian.phone, signing.code(guardian.phone)).json["tokens"]
    subject = signing.services.tokens.check(after["access_token"]).subject
    assert subject == str(guardian.holder_id)


def test_a_childs_phone_is_nobody_elses_and_needs_its_code(signing, client, family):
    guardian, _, acting = family
    database, phone = signing.services.database, a_phone()

    for taken in (guardian.phone, signing.resident().phone):
        refused_in_both_languages(
            database,
            lambda h, t=taken: put_phone(client, acting, t, signing.code(t), **h),
            409,
            "phone-taken",
        )
    with nothing_written(database):
        answer = put_phone(client, acting, phone, other(signing.code(phone)))
    refused(answer, 401, "code-not-right")


def test_a_child_who_gets_in_is_nobodys_guardian(signing, client, family):
    _, _, acting = family
    phone = a_phone()
    put_phone(client, acting, phone, signing.code(phone))
    tokens = signed_in(client, phone, signing.code(phone)).json["tokens"]
    body = {"name": "小小", "birth_on": "2024-01-02", "division": XIAYANG}

    refused_in_both_languages(
        signing.services.database,
        lambda h: client.put(
            f"/v1/me/children/{uuid4()}",
            json=body,
            headers={"Authorization": f"Bearer {tokens['access_token']}"} | h,
        ),
        403,
        "guardian-needed",
    )


def test_at_fourteen_the_child_takes_over(signing, client):
    """With the phone that the guardian bound before; the guardian has no token any more."""
    guardian, services, now = signing.resident(), signing.services, datetime.now(UTC)
    born, phone = now.date().replace(day=1), a_phone()
    wanted = NewChild(
        uuid4(), guardian.holder_id, "小宝", born.replace(year=born.year - 14), XIAYANG
    )
    before = now - timedelta(days=60)
    child = services.database.transact(
        lambda s: register_child(s, services.keyring, wanted, now=before)
    )
    _changing(signing, phone)(child.holder_id)

    refused(
        client.post(
            "/v1/auth/acting", json={"delegation_id": str(child.id)}, headers=guardian.headers
        ),
        409,
        "guardianship-over",
    )
    tokens = signed_in(client, phone, signing.code(phone)).json["tokens"]
    own = {"Authorization": f"Bearer {tokens['access_token']}"}
    assert client.delete(f"/v1/me/delegates/{child.id}", headers=own).status_code == 204
    assert client.get("/v1/me/delegates", headers=own).json == {"delegates": []}
    another = a_phone()
    assert put_phone(client, own, another, signing.code(another)).status_code == 200


def test_of_two_who_bind_the_same_phone_at_once_one_has_it(signing):
    residents, phone = [signing.resident() for _ in range(2)], a_phone()
    together = Barrier(2)
    change = _changing(signing, phone)

    def bind(resident):
        together.wait()
        return change(resident.holder_id)

    with ThreadPoolExecutor(2) as threads:
        assert sorted(threads.map(bind, residents)) == ["done", "taken"]


def test_two_phones_bound_by_one_at_once_leave_one(signing):
    resident, phones = signing.resident(), [a_phone(), a_phone()]
    together = Barrier(2)

    def bind(phone):
        change = _changing(signing, phone)
        together.wait()
        return change(resident.holder_id)

    with ThreadPoolExecutor(2) as threads:
        assert list(threads.map(bind, phones)) == ["done", "done"]
    found = signing.services.database.transact(
        lambda s: s.scalars(
            select(OutsideId.value_key).where(OutsideId.holder_id == resident.holder_id)
        ).all()
    )
    assert len(found) == 1


def _changing(signing, phone):
    """Past the code, straight at the rows."""

    def change(holder_id):
        try:
            signing.services.database.transact(
                lambda session: change_phone(
                    session,
                    signing.services.keyring,
                    holder_id,
                    phone,
                    from_address="",
                    now=datetime.now(UTC),
                )
            )
        except PhoneTaken:
            return "taken"
        return "done"

    return change


def _close(database, holder_id):
    """What closing leaves of the person, at the least."""

    def close(session):
        person = session.get_one(Person, holder_id)
        person.data_key = person.master_key_id = None
        person.closed_at = person.registered_at
        session.execute(
            update(OutsideId)
            .where(OutsideId.holder_id == holder_id)
            .values(ended_at=person.registered_at)
        )

    database.transact(close)


def test_refresh_tokens_are_kept_as_hashes(signing):
    resident = signing.resident()
    rows = signing.services.database.transact(
        lambda s: s.scalars(
            select(RefreshToken.token_sha256).where(RefreshToken.person_id == resident.holder_id)
        ).all()
    )
    assert [len(row) for row in rows] == [32]
