"""What a resident can read of her accounts: lots, holds, history, the whole ledger."""

import json
from datetime import timedelta
from uuid import UUID, uuid4

import pytest

from ledgers.accounts import PERSONAL, account_key
from ledgers.holds import NewHold, reserve
from ledgers.posting import post
from tests.makers import NOW, a_resident, earning, spending
from tests.service.answers import refused


@pytest.fixture
def holder_id(database):
    def work(session):
        found = a_resident(session, points=100)
        post(session, earning(session, found, 20), now=NOW + timedelta(minutes=1))
        post(session, spending(session, found, 30), now=NOW + timedelta(minutes=2))
        hold = NewHold(uuid4(), found, 25, uuid4(), "test", NOW + timedelta(days=3))
        reserve(session, hold, now=NOW + timedelta(minutes=3))
        return found

    return database.transact(work)


@pytest.fixture
def read(client, bearer, holder_id):
    account = str(account_id(holder_id))
    headers = bearer("resident", holder_id)

    def get(path: str):
        path = f"/v1/accounts/{path.replace('ACCOUNT', account)}".rstrip("/")
        return client.get(path, headers=headers)

    return get


def test_available_is_the_balance_less_what_is_held(read):
    account = read("").json["accounts"][1]

    assert (account["balance"], account["held"], account["available"]) == (90, 25, 65)


def test_what_lapses_when(read):
    assert read("ACCOUNT/lots").json == {
        "lots": [
            {
                "expires_on": "2027-12-31",
                "lapses_at": "2027-12-31T16:00:00+00:00",
                "remaining": 90,
            }
        ]
    }


def test_what_is_held(read):
    (hold,) = read("holds").json["holds"]

    assert hold["amount"] == 25
    assert hold["deadline_at"] == (NOW + timedelta(days=3)).isoformat()


@pytest.mark.parametrize(
    ("at", "balance"),
    [
        ("2026-11-21T03:59:59Z", 0),
        ("2026-11-21T04:00:00Z", 100),
        ("2026-11-21T12:01:00%2B08:00", 120),
        ("2026-11-21T04:02:00Z", 90),
    ],
)
def test_the_balance_at_an_instant(read, at, balance):
    assert read(f"ACCOUNT/balance?at={at}").json["balance"] == balance


def test_the_balance_now(read):
    assert read("ACCOUNT/balance").json["balance"] == 90


@pytest.mark.parametrize("at", ["yesterday", "2026-11-21T04:00:00", "2026-13-01T00:00:00Z"])
def test_an_instant_has_a_date_a_time_and_an_offset(read, at):
    refused(read(f"ACCOUNT/balance?at={at}"), 422, "body-does-not-fit")


def test_the_whole_ledger_as_ndjson(read, holder_id):
    answer = read("export")

    assert answer.content_type == "application/x-ndjson"
    entries = [json.loads(line) for line in answer.text.splitlines()]
    assert [(e["unit"], e["kind"], e["amount"], e["balance"]) for e in entries] == [
        ("point", "grant", 100, 100),
        ("point", "grant", 20, 120),
        ("point", "spend", -30, 90),
    ]
    assert {e["account_id"] for e in entries} == {
        str(account_id(holder_id)),
    }


def account_id(holder_id):
    return UUID(account_key(holder_id, "point", PERSONAL).id)


@pytest.mark.parametrize("path", ["lots", "balance", "statement"])
def test_nobody_elses_account_can_be_read(client, bearer, holder_id, path):
    stranger = bearer("resident", uuid4())

    answer = client.get(f"/v1/accounts/{account_id(holder_id)}/{path}", headers=stranger)

    refused(answer, 404, "unknown-account")


def test_a_stranger_has_nothing_to_export(client, bearer):
    assert client.get("/v1/accounts/export", headers=bearer("resident", uuid4())).text == ""


def test_a_programmes_liability_by_month(client, bearer, holder_id):
    answer = client.get("/v1/programmes/demo-2016/liability", headers=bearer("auditor")).json

    (month,) = (row for row in answer["months"] if row["month"] == "2027-12")
    assert month["outstanding_points"] >= 90
    assert month["outstanding_points"] == (
        month["issued_points"] - month["spent_points"] - month["expired_points"]
    )
    assert answer["outstanding_points"] == sum(
        row["outstanding_points"] for row in answer["months"]
    )


def test_an_unknown_programme_has_no_liability(client, bearer):
    answer = client.get("/v1/programmes/nowhere/liability", headers=bearer("operator"))

    refused(answer, 404, "unknown-programme")
