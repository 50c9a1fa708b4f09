"""What a resident sees and says of themselves, and who else looked."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from sqlalchemy import text

from service.identity.outside_ids import add_ids
from service.identity.profile import masked
from service.identity.reads import reads
from service.identity.vault import Reader, read_values
from tests.makers import a_resident
from tests.service.answers import nothing_written, refused, refused_in_both_languages

ME = "/v1/me"
NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)


@pytest.fixture
def holder_id(database):
    return database.transact(a_resident)


@pytest.fixture
def resident(bearer, holder_id):
    return bearer("resident", holder_id)


def the_reads(client, headers):
    return client.get(f"{ME}/reads", headers=headers).json["reads"]


def test_who_is_no_person_yet_has_a_profile(client, resident, holder_id):
    found = client.get(ME, headers=resident).json

    assert found["holder_id"] == str(holder_id)
    assert found["joined_at"]
    empty = ("registered_at", "name", "phone", "birth_on", "terms_version")
    assert [found[name] for name in empty] == [None] * 5
    assert (found["real_name_verified"], found["minor"]) == (False, False)
    assert the_reads(client, resident) == []


def test_state_a_name_and_a_birth_date_and_read_them(
    client, database, keyring, resident, holder_id
):
    phone = f"+86138{int(uuid4()) % 10**8:08}"
    database.transact(lambda s: add_ids(s, keyring, "phone", {phone: holder_id}, now=NOW))
    body = {"name": " 欧阳 娜娜 ", "birth_on": "1990-02-28"}

    put = client.put(ME, json=body, headers=resident)

    assert put.status_code == 200, put.text
    assert (put.json["name"], put.json["birth_on"]) == ("欧阳 娜娜", "1990-02-28")
    assert put.json["phone"] == f"138****{phone[-4:]}"
    assert put.json["minor"] is False
    assert client.get(ME, headers=resident).json == put.json
    with nothing_written(database):
        assert client.put(ME, json=body, headers=resident).json == put.json


def test_a_name_changes_and_is_verified_no_more(client, database, resident, holder_id):
    client.put(ME, json={"name": "甲"}, headers=resident)
    verify = text("UPDATE person SET real_name_at = now(), real_name_by = 'v' WHERE holder_id = :h")
    database.transact(lambda s: s.execute(verify, {"h": holder_id}))
    same = client.put(ME, json={"name": "甲"}, headers=resident).json
    changed = client.put(ME, json={"name": "乙"}, headers=resident).json

    assert (same["real_name_verified"], changed["real_name_verified"]) == (True, False)
    assert changed["name"] == "乙"


def test_a_birth_date_is_stated_once(client, database, resident):
    client.put(ME, json={"name": "甲", "birth_on": "1990-02-28"}, headers=resident)

    refused_in_both_languages(
        database,
        lambda more: client.put(
            ME, json={"name": "乙", "birth_on": "1991-02-28"}, headers=resident | more
        ),
        409,
        "birth-date-fixed",
    )

    assert client.put(ME, json={"name": "乙"}, headers=resident).json["birth_on"] == "1990-02-28"


def test_a_child_without_a_guardian_is_refused(client, database, resident):
    young = (datetime.now(UTC) - timedelta(days=5_000)).date().isoformat()

    with nothing_written(database):
        answer = client.put(ME, json={"name": "甲", "birth_on": young}, headers=resident)

    refused(answer, 403, "guardian-needed")


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"name": ""},
        {"name": " "},
        {"name": "x" * 65},
        {"name": "a\nb"},
        {"name": "甲", "birth_on": "1890-01-01"},
        {"name": "甲", "birth_on": "yesterday"},
        {"name": "甲", "phone": "+8613812345678"},
    ],
)
def test_what_does_not_fit_is_refused(client, database, resident, body):
    with nothing_written(database):
        assert client.put(ME, json=body, headers=resident).status_code == 422


def test_reading_oneself_is_recorded_once_a_day(client, resident):
    client.put(ME, json={"name": "甲"}, headers=resident)
    for _ in range(3):
        client.get(ME, headers=resident)

    (read,) = the_reads(client, resident)

    assert (read["reader"], read["role"]) == ("self", "resident")
    assert (read["fields"], read["purpose"]) == (["name"], "profile")


def test_the_next_day_it_is_recorded_again(session, keyring):
    holder = uuid4()
    add_ids(session, keyring, "phone", {f"+1555{uuid4().hex}": holder}, now=NOW)
    daily, each = Reader("self", "resident", "profile", daily=True), Reader("sms", "system", "sms")
    for hours in (0, 1, 11, 13):
        at = NOW + timedelta(hours=hours)
        read_values(session, keyring, holder, reader=daily, now=at)
        read_values(session, keyring, holder, reader=each, now=at)

    found = reads(session, holder, limit=100)

    assert [each.reader for each in found].count("sms") == 4
    assert [each.read_at.day for each in found if each.reader == "self"] == [2, 1]


def test_everybody_who_read_is_listed_page_by_page(
    client, database, keyring, bearer, resident, holder_id
):
    add = {f"customer-{uuid4()}": holder_id}
    database.transact(lambda s: add_ids(s, keyring, "metro", add, now=NOW))
    for n in range(5):
        reader = Reader(f"li.na.{n}", "operator", "complaint")
        database.transact(
            lambda s, r=reader: read_values(s, keyring, holder_id, reader=r, now=datetime.now(UTC))
        )

    seen, cursor = [], None
    while True:
        query = {"limit": 2} | ({"cursor": cursor} if cursor else {})
        page = client.get(f"{ME}/reads", query_string=query, headers=resident).json
        seen += page["reads"]
        cursor = page["next_cursor"]
        if cursor is None:
            break

    assert [each["reader"] for each in seen] == [f"li.na.{n}" for n in reversed(range(5))]
    assert {tuple(each["fields"]) for each in seen} == {("metro",)}
    other = bearer("resident", database.transact(a_resident))
    assert the_reads(client, other) == []


def test_the_profile_of_a_closed_account_is_gone(client, database, resident, holder_id):
    client.put(ME, json={"name": "甲"}, headers=resident)
    close = text(
        "UPDATE person SET data_key = NULL, master_key_id = NULL, closed_at = now()"
        " WHERE holder_id = :h"
    )
    database.transact(lambda s: s.execute(close, {"h": holder_id}))

    refused(client.get(ME, headers=resident), 410, "account-closed")
    refused(client.put(ME, json={"name": "乙"}, headers=resident), 410, "account-closed")


def test_a_stranger_has_no_profile(client, bearer):
    refused(client.get(ME, headers=bearer("resident", uuid4())), 404, "unknown-resident")


@pytest.mark.parametrize(
    ("phone", "shown"), [("+8613812345678", "138****5678"), ("+447911123456", "+44****3456")]
)
def test_a_phone_is_shown_in_part(phone, shown):
    assert masked(phone) == shown
