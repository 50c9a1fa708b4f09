"""A cursor goes on with one list of one caller, and nobody makes one up."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import timedelta
from uuid import UUID, uuid4

import pytest

from activities.events import Batch
from activities.intake import record
from ledgers.posting import post
from tests.makers import NOW, a_resident, a_walk, earning
from tests.service.answers import refused, refused_in_both_languages


@pytest.fixture(scope="module")
def resident(database):
    """With three entries in the statement of points and of CO2e, and three activities."""

    def make(session):
        holder_id = a_resident(session)
        for n in range(3):
            for unit in ("point", "mg_co2e"):
                post(session, earning(session, holder_id, n + 1, unit=unit), now=NOW)
            record(session, Batch([a_walk(holder_id, day=n)], "test", NOW + timedelta(seconds=n)))
        return holder_id

    return database.transact(make)


@pytest.fixture
def headers(bearer, resident):
    return bearer("resident", resident)


@pytest.fixture
def statement(client, headers):
    accounts = client.get("/v1/accounts", headers=headers).json["accounts"]
    return f"/v1/accounts/{accounts[1]['id']}/statement"


def cursor_of(client, path, headers):
    return client.get(f"{path}?limit=1", headers=headers).json["next_cursor"]


def follow(client, path, headers, cursor):
    return client.get(path, query_string={"cursor": cursor}, headers=headers)


def test_the_cursor_that_was_given_goes_on(client, headers, statement):
    cursor = cursor_of(client, statement, headers)

    assert follow(client, statement, headers, cursor).status_code == 200


def test_it_tells_the_caller_nothing_to_build_on(client, headers, statement):
    with pytest.raises(ValueError, match="badly formed"):
        UUID(cursor_of(client, statement, headers))


def changed(cursor):
    """Each byte of it changed, cut off, and put in twice."""
    packed = urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
    for place in range(len(packed)):
        bent = bytearray(packed)
        bent[place] ^= 1
        yield bytes(bent)
    yield packed[:-1]
    yield packed + packed[-1:]
    yield packed[:16]
    yield packed[16:]
    yield bytes(16) + packed[16:]


def test_no_byte_of_it_can_be_changed(client, headers, statement):
    for bent in changed(cursor_of(client, statement, headers)):
        written = urlsafe_b64encode(bent).rstrip(b"=").decode()
        answer = follow(client, statement, headers, written)
        assert refused(answer, 422, "body-does-not-fit")["errors"][0]["parameter"] == "cursor"


def test_it_is_written_in_one_way_only(client, headers, statement):
    cursor = cursor_of(client, statement, headers)
    for written in (
        cursor + "=",
        cursor + "==",
        " " + cursor,
        cursor + "\n",
        f"{cursor}.",
        "-" + cursor,
    ):
        assert follow(client, statement, headers, written).status_code == 422


@pytest.mark.parametrize("garbage", ["", "x", "=", "A" * 64, "A" * 100_000, "碳" * 9, "\0"])
def test_garbage_is_refused_by_the_parameters_name(client, database, headers, statement, garbage):
    def send(language):
        return client.get(statement, query_string={"cursor": garbage}, headers=headers | language)

    found = refused_in_both_languages(database, send, 422, "body-does-not-fit")
    assert [(e["in"], e["parameter"]) for e in found["errors"]] == [("query", "cursor")]


def test_nobody_else_can_use_it(client, bearer, headers, resident):
    cursor = cursor_of(client, "/v1/activities", headers)

    other = follow(client, "/v1/activities", bearer("resident", uuid4()), cursor)
    guardian = bearer("resident", resident, actor=str(uuid4()), powers="guardian")

    assert other.status_code == 422
    assert follow(client, "/v1/activities", guardian, cursor).status_code == 200  # The same list.


def test_another_list_does_not_take_it(client, headers, statement):
    cursor = cursor_of(client, statement, headers)

    assert follow(client, "/v1/activities", headers, cursor).status_code == 422


def test_another_account_does_not_take_it(client, headers):
    accounts = client.get("/v1/accounts", headers=headers).json["accounts"]
    co2e, points = (f"/v1/accounts/{account['id']}/statement" for account in accounts)

    assert follow(client, points, headers, cursor_of(client, co2e, headers)).status_code == 422


def test_lists_for_everybody_take_it_from_anybody(client, headers):
    path = "/v1/catalogue/factors"
    cursor = cursor_of(client, path, {})

    assert follow(client, path, {}, cursor).status_code == 200
    assert follow(client, path, headers, cursor).status_code == 200
    assert follow(client, "/v1/catalogue/methods", {}, cursor).status_code == 422


def test_every_list_takes_and_gives_signed_cursors(client):
    """In the document a cursor is text of no format: nothing is to be made of it."""
    document = client.get("/openapi.json").json
    schemas = document["components"]["schemas"]
    given = [
        schema["properties"]["next_cursor"]
        for schema in schemas.values()
        if "next_cursor" in schema.get("properties", {})
    ]
    taken = [
        parameter["schema"]
        for methods in document["paths"].values()
        for parameter in methods.get("get", {}).get("parameters", [])
        if parameter.get("name") == "cursor"
    ]

    assert len(given) >= 10
    assert len(taken) >= len(given)
    for schema in given + taken:
        assert "format" not in schema
        assert schema["type"] in ("string", ["string", "null"])
