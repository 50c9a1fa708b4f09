"""What every route does with a request that is wrong: one kind of answer, and nothing written."""

import json
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from marshmallow import Schema

from service.app import BODY_MAX_BYTES, create_app
from service.auth import public
from service.field_messages import field_message
from service.identity.tokens import ROLES, Caller
from tests.service.answers import (
    ENGLISH,
    a_shop,
    books,
    nothing_written,
    refused,
    refused_in_both_languages,
)
from tests.service.forging import bad_tokens, good_claims, signed

SOME_ID = UUID("0190b5f4-6d4e-7000-8000-000000000001")
# Each route that writes: its path, who may write, a body that fits.
WRITES = {
    "redemption": ("/v1/redemptions/{}", "resident", {"offer_id": str(SOME_ID)}),
    "consumption": ("/v1/consumptions/{}", "merchant", {"code": "ABCD-EFGH-JKMN-PQRS-T"}),
}
READS = (
    "/v1/accounts",
    f"/v1/accounts/{SOME_ID}/statement",
    "/v1/activities",
    "/v1/offers",
    f"/v1/redemptions/{SOME_ID}",
    "/v1/districts/310118/report?month=2016-04",
)
PAGED = ("/v1/activities", f"/v1/accounts/{SOME_ID}/statement")
NOT_JSON = {
    "nothing": "",
    "a blank": " ",
    "half": "{",
    "a form": "offer_id=1",
    "NaN": '{"offer_id": NaN}',
    "single quotes": "{'offer_id': 1}",
    "a surrogate": '{"offer_id": "\\ud800"}',
    "a surrogate in a name": '{"\\ud800": 1}',
    "a huge number": '{"offer_id": ' + "1" * 5_000 + "}",
    "infinity": '{"offer_id": 1e999}',
    "deep": "[" * 100_000,
    "UTF-16": '{"offer_id": 1}'.encode("utf-16"),
    "not UTF-8": b'{"offer_id": "\xff"}',
    "compressed": b"\x1f\x8b\x08",
}


@pytest.fixture(params=WRITES)
def write(request, bearer):
    """One of the writing routes: a fresh URL, headers of one who may write, a body that fits."""
    path, role, body = WRITES[request.param]
    return path.format(uuid4()), bearer(role, uuid4(), uuid4()), body


@pytest.fixture
def put_refused(client, database):
    """Puts in both languages; answers the Chinese document."""

    def put(url, headers, status, slug="", **what):
        send = lambda language: client.put(url, headers=headers | language, **what)  # noqa: E731
        return refused_in_both_languages(database, send, status, slug)

    return put


def test_the_watch_over_the_books_sees_a_write(database, client, bearer):
    holder_id, offer = a_shop(database)
    before = books(database)

    body = {"offer_id": str(offer.id)}
    client.put(f"/v1/redemptions/{uuid4()}", json=body, headers=bearer("resident", holder_id))

    after = books(database)
    changed = {name for name in after if after[name] != before[name]}
    assert changed == {"account", "offer_stock", "posting", "redemption", "transfer", "voucher"}


@pytest.mark.parametrize("name", NOT_JSON)
def test_what_is_not_json_is_refused(put_refused, write, name):
    url, headers, _ = write
    body = {"data": NOT_JSON[name], "content_type": "application/json"}

    put_refused(url, headers, 400, "not-json", **body)


@pytest.mark.parametrize(
    "content_type", [None, "", "text/plain", "application/x-www-form-urlencoded", "text/json"]
)
def test_what_is_not_said_to_be_json_is_refused(put_refused, write, content_type):
    url, headers, body = write

    put_refused(
        url,
        headers,
        415,
        "content-type-not-json",
        data=json.dumps(body),
        content_type=content_type,
    )


@pytest.mark.parametrize("body", [None, [], [{}], 7, True, "text"], ids=repr)
def test_json_that_is_no_object_is_refused(put_refused, write, body):
    url, headers, _ = write
    what = {"data": json.dumps(body), "content_type": "application/json"}

    found = put_refused(url, headers, 422, "body-does-not-fit", **what)

    assert [error["pointer"] for error in found["errors"]] == ["#"]


@pytest.mark.parametrize("value", [None, 7, True, 1.5, [], {}, [[]], "", "x" * 65], ids=repr)
def test_a_field_of_another_shape_is_named(put_refused, write, value):
    url, headers, body = write
    name = next(iter(body))

    found = put_refused(url, headers, 422, "body-does-not-fit", json={name: value})

    assert [error["pointer"] for error in found["errors"]] == [f"#/{name}"]


def test_every_missing_and_every_unknown_field_is_named(put_refused, write):
    url, headers, body = write
    name = next(iter(body))
    others = {"points": 5, "a/b~c": 1, "": 2, "碳": {}}

    found = put_refused(url, headers, 422, "body-does-not-fit", json=others)
    pointers = {error["pointer"] for error in found["errors"]}
    assert pointers == {f"#/{name}", "#/points", "#/a~1b~0c", "#/", "#/碳"}

    found = put_refused(url, headers, 422, "body-does-not-fit", json=body | {"now": "2016"})
    assert [error["pointer"] for error in found["errors"]] == ["#/now"]


def test_a_body_over_the_limit_is_refused(put_refused, write):
    url, headers, body = write
    padded = json.dumps(body).ljust(BODY_MAX_BYTES + 1)

    put_refused(url, headers, 413, data=padded, content_type="application/json")
    assert BODY_MAX_BYTES == 1024 * 1024


@pytest.mark.parametrize(
    "name", ["7", "x", SOME_ID.hex, f"{{{SOME_ID}}}", f"{SOME_ID}%00", "..%2F"]
)
def test_an_id_that_is_no_uuid_is_nowhere(put_refused, write, name):
    url, headers, body = write

    put_refused(f"{url.rpartition('/')[0]}/{name}", headers, 404, json=body)


def test_another_method_is_refused_and_the_right_ones_are_named(client, database, write):
    url, headers, body = write

    def send(language):
        return client.post(url, json=body, headers=headers | language)

    refused_in_both_languages(database, send, 405)
    assert "PUT" in send({}).headers["Allow"]


@pytest.mark.parametrize(
    "path",
    ["/v1", "/v1/", "/v1/offers/", "/v1/nothing", "/v1/districts/x", "/v1/districts/%00/report"],
)
def test_an_unknown_address_is_a_problem_to_a_program(client, database, path):
    headers = {"Accept": "text/html"}

    refused_in_both_languages(database, lambda x: client.get(path, headers=headers | x), 404)


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
        (f"limit={'9' * 400}", ["limit"]),
        (f"limit={'9' * 5_000}", ["limit"]),
        ("limit=x&cursor=y", ["cursor", "limit"]),
    ],
    ids=lambda value: str(value)[:20],
)
@pytest.mark.parametrize("path", PAGED, ids=["activities", "statement"])
def test_a_page_that_cannot_be_is_refused_by_name(client, database, bearer, path, query, names):
    headers = bearer("resident", uuid4())

    def send(language):
        return client.get(f"{path}?{query}", headers=headers | language)

    found = refused_in_both_languages(database, send, 422, "body-does-not-fit")
    assert sorted(error["parameter"] for error in found["errors"]) == names
    assert {error["in"] for error in found["errors"]} == {"query"}


def innermost(messages):
    """The messages themselves, out of the fields and lists that they are about."""
    if isinstance(messages, dict):
        return [each for inner in messages.values() for each in innermost(inner)]
    return messages


def test_every_message_about_a_field_is_there_in_chinese(app):
    wrong = [None, "", "x" * 1_000, "2016-13", -1, 10**30, 1.5, True, [], {}, "\x00"]
    messages = set()
    for schema_class in Schema.__subclasses__():
        if schema_class.__name__.endswith(("Request", "Query")):
            schema = schema_class()
            tries = [dict.fromkeys(schema.fields, value) | {"_": 1} for value in wrong]
            with app.test_request_context():  # Cursors are signed for a request.
                for found in map(schema.validate, [*tries, {}, []]):
                    messages |= set(innermost(found))

    assert {message for message in messages if field_message(message).zh == message} == set()
    assert len(messages) >= 8


def test_another_role_may_not_write(put_refused, bearer, write):
    url, _, body = write
    allowed = next(role for path, role, _ in WRITES.values() if url.startswith(path[:-2]))
    as_well = {"merchant_manager"} if allowed == "merchant" else set()  # Who may all a clerk may.

    for role in set(ROLES) - {allowed} - as_well:
        put_refused(url, bearer(role, uuid4(), uuid4()), 403, "wrong-role", json=body)


def test_a_caller_who_cannot_be_believed_is_told_so(client, database, services, bearer):
    good = bearer("resident", uuid4())["Authorization"].removeprefix("Bearer ")
    nobody = signed(services.tokens, good_claims(services.tokens) | {"sub": "tester"})
    bad = {name: f"Bearer {token}" for name, token in bad_tokens(services.tokens).items()}
    bad |= {"empty": "", "no token": "Bearer", "blank token": "Bearer  ", "no scheme": good}
    bad |= {"another scheme": f"Basic {good}", "nobody": f"Bearer {nobody}"}
    body = WRITES["redemption"][2]

    with nothing_written(database):
        for name, value in bad.items():
            for language in ({}, ENGLISH):
                headers = {"Authorization": value} | language
                answer = client.put(f"/v1/redemptions/{SOME_ID}", json=body, headers=headers)
                refused(answer, 401, "invalid-token")
                assert answer.headers["WWW-Authenticate"].startswith("Bearer "), name


@pytest.mark.parametrize("path", READS)
def test_nor_may_such_a_caller_read(client, database, services, path):
    bad = bad_tokens(services.tokens)
    refused_in_both_languages(
        database, lambda language: client.get(path, headers=language), 401, "invalid-token"
    )
    for name in ("expired", "another payload", "alg none", "HS256 with the PEM public key"):
        headers = {"Authorization": f"Bearer {bad[name]}"}
        refused(client.get(path, headers=headers), 401, "invalid-token")


def test_a_token_opens_until_it_ends(client, services):
    caller = Caller(str(uuid4()), "resident", "")
    for age, status in ((timedelta(minutes=9, seconds=30), 200), (timedelta(minutes=11), 401)):
        token = services.tokens.issue(caller, now=datetime.now(UTC) - age)
        answer = client.get("/v1/offers", headers={"Authorization": f"bearer {token}"})
        assert answer.status_code == status


def test_what_nobody_foresaw_says_nothing_of_the_inside(settings):
    app = create_app(settings)
    database = app.extensions["tanhui"].database

    def broken() -> None:
        raise RuntimeError("the secret")

    def dividing() -> None:
        database.transact(lambda s: s.connection().exec_driver_sql("SELECT 1/0 AS secret"))

    app.add_url_rule("/v1/broken", "broken", public(broken))
    app.add_url_rule("/v1/dividing", "dividing", public(dividing))
    for path in ("/v1/broken", "/v1/dividing"):
        for language in ({}, ENGLISH):
            answer = app.test_client().get(path, headers=language)
            refused(answer, 500)
            assert "secret" not in answer.text
    database.dispose()
