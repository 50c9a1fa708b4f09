"""What every route does with a request that is wrong: one kind of answer, and nothing written."""

import base64
import hashlib
import hmac
import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from marshmallow import Schema

import service.api
from service.app import BODY_MAX_BYTES
from service.field_messages import field_message
from tests.service.answers import ENGLISH, a_shop, books, refused

assert service.api
# Each route that writes: its path, who may write, a body that fits.
WRITES = {
    "redemption": ("/v1/redemptions/{}", "resident", {"offer_id": str(uuid4())}),
    "consumption": ("/v1/consumptions/{}", "merchant", {"code": "ABCD-EFGH-JKMN-PQRS-T"}),
}
READS = (
    "/v1/accounts",
    f"/v1/accounts/{uuid4()}/statement",
    "/v1/activities",
    "/v1/offers",
    f"/v1/redemptions/{uuid4()}",
    "/v1/districts/310118/report?month=2016-04",
)
DEEP = "[" * 100_000
LANGUAGES = pytest.mark.parametrize("language", [{}, ENGLISH], ids=["zh", "en"])


@pytest.fixture(params=WRITES)
def write(request, bearer):
    """One of the writing routes: a fresh URL, headers of one who may write, a body that fits."""
    path, role, body = WRITES[request.param]
    return path.format(uuid4()), bearer(role, uuid4(), uuid4()), body


@pytest.fixture
def untouched(database):
    """Nothing is written meanwhile."""

    @contextmanager
    def watching() -> Iterator[None]:
        before = books(database)
        yield
        assert books(database) == before

    return watching


def test_the_watch_sees_every_write(database, client, bearer):
    holder_id, offer = a_shop(database)
    before = books(database)

    body = {"offer_id": str(offer.id)}
    client.put(f"/v1/redemptions/{uuid4()}", json=body, headers=bearer("resident", holder_id))

    changed = {name for name, value in books(database).items() if value != before[name]}
    assert changed == {
        "account", "offer_stock", "posting", "redemption", "transfer", "voucher"
    }  # fmt: skip


@LANGUAGES
@pytest.mark.parametrize(
    "body",
    [
        "",
        " ",
        "{",
        "offer_id=1",
        '{"offer_id": NaN}',
        "{'offer_id': 1}",
        '{"offer_id": "\\ud800"}',
        '{"\\ud800": 1}',
        '{"offer_id": ' + "1" * 5_000 + "}",
        '{"offer_id": 1e999}',
        DEEP,
        b"\xff\xfe{",
        b'{"offer_id": "\xff"}',
        b"\x1f\x8b",
    ],
    ids=lambda body: repr(body)[:20],
)
def test_what_is_not_json_is_refused(client, write, untouched, body, language):
    url, headers, _ = write

    with untouched():
        answer = client.put(
            url, data=body, content_type="application/json", headers=headers | language
        )

    refused(answer, 400, "not-json")


@LANGUAGES
@pytest.mark.parametrize(
    "content_type", [None, "", "text/plain", "application/x-www-form-urlencoded", "text/json", "x"]
)
def test_what_is_not_said_to_be_json_is_refused(client, write, untouched, content_type, language):
    url, headers, body = write

    with untouched():
        answer = client.put(
            url, data=json.dumps(body), content_type=content_type, headers=headers | language
        )

    refused(answer, 415, "content-type-not-json")


@LANGUAGES
@pytest.mark.parametrize("body", ["null", "[]", "[{}]", "7", "true", '"text"'])
def test_json_that_is_no_object_is_refused(client, write, untouched, body, language):
    url, headers, _ = write

    with untouched():
        answer = client.put(
            url, data=body, content_type="application/json", headers=headers | language
        )

    found = refused(answer, 422, "body-does-not-fit")
    assert [error["pointer"] for error in found["errors"]] == ["#"]


@LANGUAGES
@pytest.mark.parametrize("value", [None, 7, True, 1.5, [], {}, [[]], "", "x" * 41])
def test_a_field_of_another_shape_is_named(client, write, untouched, value, language):
    url, headers, body = write
    name = next(iter(body))

    with untouched():
        answer = client.put(url, json={name: value}, headers=headers | language)

    found = refused(answer, 422, "body-does-not-fit")
    assert [error["pointer"] for error in found["errors"]] == [f"#/{name}"]


@LANGUAGES
def test_every_missing_and_every_unknown_field_is_named(client, write, untouched, language):
    url, headers, body = write

    with untouched():
        answer = client.put(
            url, json={"points": 5, "a/b~c": 1, "": 2, "碳": {}}, headers=headers | language
        )
        extra = client.put(url, json=body | {"now": "2016"}, headers=headers | language)

    found = refused(answer, 422, "body-does-not-fit")
    pointers = {error["pointer"] for error in found["errors"]}
    assert pointers == {f"#/{next(iter(body))}", "#/points", "#/a~1b~0c", "#/", "#/碳"}
    found = refused(extra, 422, "body-does-not-fit")
    assert [error["pointer"] for error in found["errors"]] == ["#/now"]


@LANGUAGES
def test_a_body_over_the_limit_is_refused_unread(client, write, untouched, language):
    url, headers, body = write
    padded = json.dumps(body).ljust(BODY_MAX_BYTES + 1)

    with untouched():
        answer = client.put(
            url, data=padded, content_type="application/json", headers=headers | language
        )

    assert BODY_MAX_BYTES == 5 * 1024 * 1024
    refused(answer, 413)


@LANGUAGES
@pytest.mark.parametrize("name", ["7", "x", "00000000", uuid4().hex, f"{{{uuid4()}}}", "a%00b"])
def test_an_id_that_is_no_uuid_is_nowhere(client, write, untouched, name, language):
    url, headers, body = write
    path = url.rpartition("/")[0]

    with untouched():
        answer = client.put(f"{path}/{name}", json=body, headers=headers | language)

    refused(answer, 404)


@LANGUAGES
def test_another_method_is_refused_and_the_right_ones_are_named(client, write, language):
    url, headers, body = write

    answer = client.post(url, json=body, headers=headers | language)

    refused(answer, 405)
    assert "PUT" in answer.headers["Allow"]


@LANGUAGES
@pytest.mark.parametrize("path", ["/v1", "/v1/", "/v1/offers/", "/v1/nothing", "/v1/districts/x"])
def test_an_unknown_address_is_a_problem_to_a_program(client, path, language):
    refused(client.get(path, headers=language), 404)


@LANGUAGES
@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("cursor=7", ["cursor"]),
        ("cursor=", ["cursor"]),
        ("limit=0", ["limit"]),
        ("limit=-1", ["limit"]),
        ("limit=201", ["limit"]),
        ("limit=1.5", ["limit"]),
        ("limit=", ["limit"]),
        ("limit=" + "9" * 400, ["limit"]),
        ("limit=x&cursor=y", ["cursor", "limit"]),
    ],
)
@pytest.mark.parametrize("path", ["/v1/activities", f"/v1/accounts/{uuid4()}/statement"])
def test_a_page_that_cannot_be_is_refused_by_name(client, bearer, path, query, names, language):
    answer = client.get(f"{path}?{query}", headers=bearer("resident", uuid4()) | language)

    found = refused(answer, 422, "body-does-not-fit")
    assert sorted(error["parameter"] for error in found["errors"]) == names
    assert {error["in"] for error in found["errors"]} == {"query"}


def test_every_message_about_a_field_is_there_in_chinese():
    wrong = [None, "", "x" * 1_000, "2016-04-01", -1, 10**30, 1.5, True, [], {}, "\x00"]
    messages = set()
    for schema_class in Schema.__subclasses__():
        if schema_class.__module__.startswith("service.api."):
            schema = schema_class()
            names = schema.load_fields
            for value in wrong:
                found = schema.validate(dict.fromkeys(names, value) | {"unknown": 1})
                messages |= {each for errors in found.values() for each in errors}
            messages |= {each for errors in schema.validate({}).values() for each in errors}
            messages |= set(schema.validate([])["_schema"])

    loaded = {message for message in messages if isinstance(message, str)}
    english = {message for message in loaded if field_message(message).zh == message}
    assert "Missing data for required field." in loaded
    assert english <= {"Not a valid datetime.", "Not a valid date.", "Not a valid URL."}


@LANGUAGES
def test_another_role_may_not_write(client, bearer, write, untouched, language):
    url, headers, body = write
    allowed = next(role for path, role, _ in WRITES.values() if url.startswith(path[:-2]))

    for role in {"resident", "merchant", "partner", "operator", "auditor", "district_officer"} - {
        allowed
    }:
        with untouched():
            answer = client.put(url, json=body, headers=bearer(role, uuid4(), uuid4()) | language)
        refused(answer, 403, "wrong-role")
    assert client.put(url, json=body, headers=headers).status_code == 404  # Nothing of that id.


def _unsigned(claims: dict[str, object], algorithm: str, secret: bytes = b"") -> str:
    def coded(part: bytes) -> str:
        return base64.urlsafe_b64encode(part).rstrip(b"=").decode()

    header = json.dumps({"alg": algorithm, "typ": "at+jwt"}).encode()
    message = f"{coded(header)}.{coded(json.dumps(claims).encode())}"
    signature = hmac.digest(secret, message.encode(), hashlib.sha256) if secret else b""
    return f"{message}.{coded(signature)}"


def _bad_credentials(tokens) -> dict[str, str | None]:
    """By name, the Authorization header; None is no header at all."""
    now = int(datetime.now(UTC).timestamp())
    claims = {
        "iss": tokens.issuer,
        "aud": tokens.audience,
        "sub": str(uuid4()),
        "role": "resident",
        "scope": str(uuid4()),
        "jti": str(uuid4()),
        "iat": now,
        "nbf": now,
        "exp": now + 600,
    }

    def signed(changed, key=tokens.key):
        return jwt.encode(claims | changed, key, "EdDSA", headers={"typ": "at+jwt"})

    def without(name):
        kept = {key: value for key, value in claims.items() if key != name}
        return jwt.encode(kept, tokens.key, "EdDSA", headers={"typ": "at+jwt"})

    good = signed({})
    head, payload, signature = good.split(".")
    other_payload = signed({"sub": str(uuid4())}).split(".")[1]
    public = tokens.key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    bad = {
        "garbage": "garbage",
        "not ascii": "碳.惠.token".encode().decode("latin-1"),
        "three dots": "...",
        "expired": signed({"exp": now - 60}),
        "not yet": signed({"nbf": now + 60}),
        "tampered": f"{head}.{other_payload}.{signature}",
        "no signature": f"{head}.{payload}.",
        "another key": signed({}, Ed25519PrivateKey.generate()),
        "wrong audience": signed({"aud": "another-api"}),
        "audience in a list": signed({"aud": [tokens.audience]}),
        "wrong issuer": signed({"iss": "another"}),
        "unknown role": signed({"role": "root"}),
        "alg none": _unsigned(claims, "none"),
        "public key as secret": _unsigned(claims, "HS256", public),
        "nobody": signed({"sub": "tester", "scope": "tester"}),
    }
    bad |= {f"without {name}": without(name) for name in claims if name != "scope"}
    schemes = {
        "none": None,
        "empty": "",
        "no token": "Bearer",
        "blank token": "Bearer  ",
        "another scheme": f"Basic {good}",
        "no scheme": good,
    }
    return schemes | {name: f"Bearer {token}" for name, token in bad.items()}


@LANGUAGES
def test_a_caller_who_cannot_be_believed_is_told_so(client, services, untouched, language):
    body = WRITES["redemption"][2]
    for name, value in _bad_credentials(services.tokens).items():
        headers = language | ({} if value is None else {"Authorization": value})
        with untouched():
            answer = client.put(f"/v1/redemptions/{uuid4()}", json=body, headers=headers)
        refused(answer, 401, "invalid-token")
        assert answer.headers["WWW-Authenticate"].startswith("Bearer "), name


def test_nor_may_such_a_caller_read(client, services):
    bad = _bad_credentials(services.tokens)
    for path in READS:
        for name in ("none", "expired", "tampered", "alg none", "public key as secret"):
            headers = {} if bad[name] is None else {"Authorization": bad[name]}
            refused(client.get(path, headers=headers), 401, "invalid-token")


def test_a_good_token_is_all_that_was_missing(client, services, bearer):
    for path in READS[:1] + READS[2:4]:
        assert client.get(path, headers=bearer("resident", uuid4())).status_code == 200


def test_a_token_that_ended_meanwhile_does_not_write(client, services, untouched):
    """Ten minutes are ten minutes, and five seconds for clocks that disagree."""
    from service.identity.tokens import Caller

    caller = Caller(str(uuid4()), "resident", "")
    for age, status in ((timedelta(minutes=9, seconds=59), 404), (timedelta(minutes=11), 401)):
        token = services.tokens.issue(caller, now=datetime.now(UTC) - age)
        with untouched():
            answer = client.put(
                f"/v1/redemptions/{uuid4()}",
                json={"offer_id": str(uuid4())},
                headers={"Authorization": f"Bearer {token}"},
            )
        assert answer.status_code == status


def test_what_nobody_foresaw_says_nothing_of_the_inside(settings):
    from service.app import create_app
    from service.auth import public

    app = create_app(settings)

    def broken() -> None:
        raise RuntimeError("the secret")

    def dividing() -> None:
        database = app.extensions["tanhui"].database
        database.transact(lambda s: s.connection().exec_driver_sql("SELECT 1/0 AS secret"))

    for path, view in {"/v1/broken": broken, "/v1/dividing": dividing}.items():
        app.add_url_rule(path, path.strip("/").replace("/", "-"), public(view))
        for language in ({}, ENGLISH):
            answer = app.test_client().get(path, headers=language)
            refused(answer, 500)
            assert "secret" not in answer.text
    app.extensions["tanhui"].database.dispose()
