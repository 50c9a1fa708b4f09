"""Corrections of activities over HTTP: two operators, and both entries on the statement."""

from uuid import UUID, uuid4

import pytest
from sqlalchemy import bindparam, select

from ledgers.models import Posting, Transfer
from tests.makers import a_resident, a_walk, balance, recorded
from tests.service.answers import nothing_written, refused, refused_in_both_languages

_NEWEST_OF = (
    select(Posting)
    .join(Transfer, Transfer.posting_id == Posting.id)
    .where(Transfer.holder_id == bindparam("holder"))
    .order_by(Transfer.id.desc())
    .limit(1)
)
FIELDS = {
    "id", "holder_id", "activity_id", "action", "quantity", "reason", "proposed_by", "proposed_at",
    "state", "decided_by", "decided_at", "rejection_reason",
}  # fmt: skip


@pytest.fixture
def holder_id(database) -> UUID:
    return database.transact(a_resident)


@pytest.fixture
def activity_id(database, holder_id) -> UUID:
    """A walk that earned 100 g and 100 points."""
    (answer,) = database.transact(lambda s: recorded(s, a_walk(holder_id, 5_000)))
    return answer.activity_id


@pytest.fixture
def anna(bearer):
    return bearer("operator", "anna")


@pytest.fixture
def ben(bearer):
    return bearer("operator", "ben")


@pytest.fixture
def url(holder_id):
    return f"/v1/holders/{holder_id}/activity-corrections/{uuid4()}"


@pytest.fixture
def a_change(activity_id):
    return {
        "activity_id": str(activity_id),
        "action": "change",
        "quantity": 2_000,
        "reason": "手环误报",
    }


@pytest.fixture
def a_withdrawal(activity_id):
    return {"activity_id": str(activity_id), "action": "withdraw", "reason": "非本人"}


def test_propose_approve_and_read_again(
    client, database, bearer, anna, ben, url, a_change, holder_id
):
    made = client.put(url, json=a_change, headers=anna)

    assert made.status_code == 201, made.text
    assert set(made.json) == FIELDS
    assert made.json.items() >= a_change.items()
    assert (made.json["state"], made.json["proposed_by"]) == ("proposed", "anna")
    assert database.transact(lambda s: balance(s, holder_id)) == 100
    assert client.get(url, headers=bearer("auditor", "a")).json == made.json
    waiting = client.get("/v1/activity-corrections?limit=200", headers=ben).json["corrections"]
    assert made.json in waiting

    done = client.put(f"{url}/approval", json={}, headers=ben | {"X-Request-Id": "req-7"})

    assert done.status_code == 200, done.text
    assert (done.json["state"], done.json["decided_by"]) == ("approved", "ben")
    posting = database.transact(lambda s: s.scalars(_NEWEST_OF, {"holder": holder_id}).one())
    assert (posting.kind, posting.actor, posting.approved_by) == ("adjustment", "anna", "ben")
    assert (posting.reason, posting.request_id) == ("手环误报", "req-7")
    assert database.transact(lambda s: balance(s, holder_id)) == 40
    still = client.get("/v1/activity-corrections?limit=200", headers=ben).json["corrections"]
    assert made.json["id"] not in {each["id"] for each in still}


def test_the_resident_sees_both_entries(
    client, bearer, anna, ben, url, a_withdrawal, holder_id, activity_id
):
    assert client.put(url, json=a_withdrawal, headers=anna).status_code == 201
    assert client.put(f"{url}/approval", json={}, headers=ben).status_code == 200

    me = bearer("resident", holder_id)
    accounts = client.get("/v1/accounts", headers=me).json["accounts"]
    (points,) = [each for each in accounts if each["unit"] == "point"]
    statement = client.get(f"/v1/accounts/{points['id']}/statement", headers=me).json
    assert [(e["kind"], e["amount"], e["reference"]) for e in statement["entries"]] == [
        ("reversal", -100, str(activity_id)),
        ("earn", 100, str(activity_id)),
    ]


def test_who_proposed_does_not_approve(client, database, anna, ben, url, a_change):
    client.put(url, json=a_change, headers=anna)

    with nothing_written(database):
        refused(client.put(f"{url}/approval", json={}, headers=anna), 403, "second-person-needed")


def test_every_put_sent_again_answers_the_same_and_changes_nothing(
    client, database, anna, ben, holder_id, a_change
):
    approved, rejected = (f"/v1/holders/{holder_id}/activity-corrections/{uuid4()}" for _ in "ab")
    steps = [
        (approved, a_change, anna),
        (rejected, a_change, anna),
        (f"{approved}/approval", {}, ben),
        (f"{rejected}/rejection", {"reason": "重复"}, ben),
    ]
    for path, body, who in steps:
        first = client.put(path, json=body, headers=who)
        assert first.status_code in (200, 201), first.text
        with nothing_written(database):
            again = client.put(path, json=body, headers=who)
            assert (again.status_code, again.json) == (first.status_code, first.json)
    assert client.get(rejected, headers=ben).json["rejection_reason"] == "重复"
    refused(client.put(f"{rejected}/approval", json={}, headers=ben), 409, "correction-decided")


def test_an_id_stands_for_one_correction(client, database, anna, ben, url, a_change):
    client.put(url, json=a_change, headers=anna)

    with nothing_written(database):
        other = a_change | {"quantity": 2_001}
        refused(client.put(url, json=other, headers=anna), 409, "correction-id-reused")
        refused(client.put(url, json=a_change, headers=ben), 409, "correction-id-reused")


def test_what_could_not_be_booked_is_refused_when_it_is_proposed(
    client, database, anna, ben, url, a_change, a_withdrawal
):
    with nothing_written(database):
        unknown = a_change | {"activity_id": str(uuid4())}
        refused(client.put(url, json=unknown, headers=anna), 404, "unknown-activity")
        absurd = a_change | {"quantity": 200_000}
        answer = refused_in_both_languages(
            database,
            lambda headers: client.put(url, json=absurd, headers=anna | headers),
            422,
            "correction-implausible",
        )
        assert answer["refusal_code"] == "quantity_out_of_range"
    assert client.put(url, json=a_withdrawal, headers=anna).status_code == 201
    assert client.put(f"{url}/approval", json={}, headers=ben).status_code == 200
    other = url.rpartition("/")[0] + f"/{uuid4()}"
    answer = refused(client.put(other, json=a_change, headers=anna), 409, "activity-not-verified")
    assert (answer["decision"], answer["decision_code"]) == ("rejected", "withdrawn")


@pytest.mark.parametrize(
    "change",
    [
        {"action": "withdraw"},
        {"quantity": None},
        {"quantity": -1},
        {"quantity": 1.5},
        {"quantity": 10**12},
        {"action": "forget"},
        {"reason": ""},
        {"reason": "x" * 501},
        {"activity_id": "7"},
        {"more": 1},
    ],
)
def test_a_body_that_does_not_fit_is_refused(client, database, anna, url, a_change, change):
    with nothing_written(database):
        refused(client.put(url, json=a_change | change, headers=anna), 422, "body-does-not-fit")


def test_a_change_names_its_quantity(client, anna, url, a_withdrawal):
    body = a_withdrawal | {"action": "change"}

    refused(client.put(url, json=body, headers=anna), 422, "body-does-not-fit")


def test_an_unknown_correction_and_somebody_elses(client, anna, ben, url, a_change):
    client.put(url, json=a_change, headers=anna)
    elsewhere = f"/v1/holders/{uuid4()}/activity-corrections/{url.rpartition('/')[2]}"

    for path in (elsewhere, url.rpartition("/")[0] + f"/{uuid4()}"):
        refused(client.get(path, headers=ben), 404, "unknown-correction")
        for step in ("approval", "rejection"):
            refused(client.put(f"{path}/{step}", json={}, headers=ben), 404, "unknown-correction")
