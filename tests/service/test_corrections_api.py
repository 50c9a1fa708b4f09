"""Corrections over HTTP: two operators, strict bodies, and nothing written by a refusal."""

from concurrent.futures import ThreadPoolExecutor
from uuid import UUID, uuid4

import pytest
from sqlalchemy import select

from ledgers.models import Posting, Transfer
from ledgers.reversal import reverse
from service.identity.tokens import ROLES
from tests.makers import NOW, a_resident, balance, debt, programme_holder
from tests.service.answers import (
    ENGLISH,
    a_shop,
    nothing_written,
    refused,
    refused_in_both_languages,
)

FIELDS = {
    "id", "holder_id", "reversals", "grant", "reason", "proposed_by", "proposed_at", "state",
    "decided_by", "decided_at", "rejection_reason",
}  # fmt: skip


@pytest.fixture
def holder_id(database) -> UUID:
    return database.transact(lambda s: a_resident(s, points=100))


@pytest.fixture
def transfer_id(database, holder_id) -> UUID:
    query = select(Transfer.id).where(Transfer.holder_id == holder_id)
    return database.transact(lambda s: s.scalars(query).one())


@pytest.fixture
def issuer_id(database) -> UUID:
    return database.transact(programme_holder)


@pytest.fixture
def anna(bearer):
    return bearer("operator", "anna")


@pytest.fixture
def ben(bearer):
    return bearer("operator", "ben")


@pytest.fixture
def a_grant(issuer_id):
    grant = {"issuer_id": str(issuer_id), "unit": "point", "amount": 25}
    return {"grant": grant, "reason": "活动漏记"}


@pytest.fixture
def url(holder_id):
    return f"/v1/holders/{holder_id}/corrections/{uuid4()}"


def test_propose_approve_and_read_again(client, database, anna, ben, url, transfer_id, bearer):
    body = {"reversals": [{"transfer_id": str(transfer_id), "amount": 30}], "reason": "读数错误"}

    made = client.put(url, json=body, headers=anna)

    assert made.status_code == 201, made.text
    assert set(made.json) == FIELDS
    assert made.json["reversals"] == body["reversals"]
    assert (made.json["state"], made.json["proposed_by"]) == ("proposed", "anna")
    assert (made.json["grant"], made.json["decided_by"], made.json["decided_at"]) == (None,) * 3
    assert client.get(url, headers=bearer("auditor", "a")).json == made.json

    done = client.put(f"{url}/approval", json={}, headers=ben | {"X-Request-Id": "req-7"})

    assert done.status_code == 200, done.text
    assert (done.json["state"], done.json["decided_by"]) == ("approved", "ben")
    assert client.get(url, headers=anna).json == done.json
    posting = database.transact(lambda s: s.get_one(Posting, UUID(made.json["id"])))
    assert (posting.actor, posting.approved_by, posting.request_id) == ("anna", "ben", "req-7")
    assert (posting.kind, posting.reason) == ("correction", "读数错误")
    holder_id = UUID(made.json["holder_id"])
    assert database.transact(lambda s: balance(s, holder_id)) == 70


def test_a_grant_is_given_on_approval(client, database, anna, ben, url, a_grant, holder_id):
    made = client.put(url, json=a_grant, headers=anna)
    assert (made.json["grant"], made.json["reversals"]) == (a_grant["grant"], [])
    assert database.transact(lambda s: balance(s, holder_id)) == 100

    client.put(f"{url}/approval", json={}, headers=ben)

    assert database.transact(lambda s: balance(s, holder_id)) == 125


def test_no_amount_is_all_that_is_left_and_may_leave_a_debt(
    client, database, bearer, anna, ben, url, holder_id, transfer_id
):
    _, offer = a_shop(database, price_points=90)
    spent = client.put(
        f"/v1/redemptions/{uuid4()}",
        json={"offer_id": str(offer.id)},
        headers=bearer("resident", holder_id),
    )
    assert spent.status_code == 201
    body = {"reversals": [{"transfer_id": str(transfer_id)}], "reason": "x"}

    assert client.put(url, json=body, headers=anna).json["reversals"][0]["amount"] is None
    assert client.put(f"{url}/approval", json={}, headers=ben).status_code == 200

    assert database.transact(lambda s: (balance(s, holder_id), debt(s, holder_id))) == (0, 90)


def test_every_put_sent_again_answers_the_same_and_changes_nothing(
    client, database, anna, ben, holder_id, a_grant
):
    approved, rejected = (f"/v1/holders/{holder_id}/corrections/{uuid4()}" for _ in range(2))
    steps = [
        (approved, a_grant, anna),
        (rejected, a_grant, anna),
        (f"{approved}/approval", {}, ben),
        (f"{rejected}/rejection", {"reason": "重复"}, ben),
    ]
    for path, body, who in steps:
        first = client.put(path, json=body, headers=who)
        assert first.status_code in (200, 201), first.text
        with nothing_written(database):
            for _ in range(2):
                again = client.put(path, json=body, headers=who)
                assert (again.status_code, again.json) == (first.status_code, first.json)
    with nothing_written(database):  # A proposal told again says how it stands now.
        for path, state in ((approved, "approved"), (rejected, "rejected")):
            answer = client.put(path, json=a_grant, headers=anna)
            assert (answer.status_code, answer.json["state"]) == (201, state)
    assert database.transact(lambda s: balance(s, holder_id)) == 125


def test_a_rejection_has_its_reason_or_none(client, anna, ben, holder_id, a_grant):
    for who, name, body in (
        (ben, "ben", {"reason": "重复"}),
        (ben, "ben", {}),
        (anna, "anna", {"reason": "my slip"}),
    ):
        url = f"/v1/holders/{holder_id}/corrections/{uuid4()}"
        client.put(url, json=a_grant, headers=anna)
        answer = client.put(f"{url}/rejection", json=body, headers=who)
        assert (answer.json["state"], answer.json["decided_by"]) == ("rejected", name)
        assert answer.json["rejection_reason"] == body.get("reason")
        assert answer.json["reason"] == a_grant["reason"]


def test_the_same_person_does_not_approve(client, database, anna, bearer, url, a_grant):
    client.put(url, json=a_grant, headers=anna)
    for same in (
        anna,
        bearer("operator", "anna"),
        bearer("operator", " anna "),
        bearer("operator", "anna", "310118"),
    ):

        def send(x, same=same):
            return client.put(f"{url}/approval", json={}, headers=same | x)

        found = refused_in_both_languages(database, send, 403, "second-person-needed")
        assert found["proposed_by"] == "anna"

    assert client.get(url, headers=anna).json["state"] == "proposed"


@pytest.mark.parametrize("subject", ["", " ", "\u3000"])
def test_somebody_without_a_name_does_nothing(
    client, database, bearer, anna, url, a_grant, subject
):
    nobody = bearer("operator", subject)
    with nothing_written(database):
        refused(client.put(url, json=a_grant, headers=nobody), 401, "invalid-token")
    client.put(url, json=a_grant, headers=anna)
    with nothing_written(database):
        for step in ("approval", "rejection"):
            refused(client.put(f"{url}/{step}", json={}, headers=nobody), 401, "invalid-token")


def test_an_id_stands_for_one_proposal_of_one_person(
    client, database, anna, ben, url, a_grant, transfer_id
):
    client.put(url, json=a_grant, headers=anna)
    others = [
        (anna, a_grant | {"reason": "another"}),
        (anna, a_grant | {"grant": a_grant["grant"] | {"amount": 26}}),
        (anna, a_grant | {"grant": a_grant["grant"] | {"unit": "mg_co2e"}}),
        (anna, {"reversals": [{"transfer_id": str(transfer_id)}], "reason": a_grant["reason"]}),
        (ben, a_grant),
    ]
    for who, body in others:

        def send(x, who=who, body=body):
            return client.put(url, json=body, headers=who | x)

        refused_in_both_languages(database, send, 409, "correction-id-reused")


def test_what_is_decided_is_refused_with_who_decided_it(
    client, database, bearer, anna, ben, holder_id, a_grant
):
    approved, rejected = (f"/v1/holders/{holder_id}/corrections/{uuid4()}" for _ in range(2))
    for url, step in ((approved, "approval"), (rejected, "rejection")):
        client.put(url, json=a_grant, headers=anna)
        client.put(f"{url}/{step}", json={}, headers=ben)
    cleo = bearer("operator", "cleo")
    attempts = [
        (f"{approved}/approval", cleo, {}),
        (f"{approved}/approval", anna, {}),
        (f"{approved}/rejection", ben, {}),
        (f"{approved}/rejection", anna, {}),
        (f"{rejected}/approval", ben, {}),
        (f"{rejected}/approval", cleo, {}),
        (f"{rejected}/rejection", cleo, {}),
        (f"{rejected}/rejection", ben, {"reason": "another"}),
    ]
    for path, who, body in attempts:

        def send(x, path=path, who=who, body=body):
            return client.put(path, json=body, headers=who | x)

        found = refused_in_both_languages(database, send, 409, "correction-decided")
        assert found["decided_by"] == "ben"
        assert found["state"] == ("approved" if path.startswith(approved) else "rejected")


def test_what_cannot_be_posted_is_refused_when_proposed(
    client, database, anna, url, a_grant, transfer_id, issuer_id
):
    other = database.transact(lambda s: a_resident(s, points=5))
    query = select(Transfer.id).where(Transfer.holder_id == other)
    theirs = database.transact(lambda s: s.scalars(query).one())
    grant = a_grant["grant"]
    cases = [
        ({"reversals": [{"transfer_id": str(theirs)}]}, 404, "unknown-transfer"),
        ({"reversals": [{"transfer_id": str(uuid4())}]}, 404, "unknown-transfer"),
        ({"reversals": [{"transfer_id": str(transfer_id), "amount": 101}]}, 409, "not-reversible"),
        ({"grant": grant | {"issuer_id": str(uuid4())}}, 404, "unknown-account"),
        ({"grant": grant | {"issuer_id": str(other)}}, 404, "unknown-account"),
    ]
    for body, status, slug in cases:

        def send(x, body=body):
            return client.put(url, json=body | {"reason": "x"}, headers=anna | x)

        refused_in_both_languages(database, send, status, slug)
    for holder in (uuid4(), issuer_id):

        def to(x, holder=holder):
            path = f"/v1/holders/{holder}/corrections/{uuid4()}"
            return client.put(path, json=a_grant, headers=anna | x)

        refused_in_both_languages(database, to, 404, "unknown-account")


def test_what_cannot_be_posted_any_more_is_refused_and_stays_proposed(
    client, database, anna, ben, url, holder_id, transfer_id
):
    body = {"reversals": [{"transfer_id": str(transfer_id)}], "reason": "x"}
    client.put(url, json=body, headers=anna)
    database.transact(
        lambda s: reverse(
            s, uuid4(), holder_id=holder_id, amounts={transfer_id: None}, actor="x", reason="y",
            now=NOW,
        )
    )  # fmt: skip

    def send(x):
        return client.put(f"{url}/approval", json={}, headers=ben | x)

    found = refused_in_both_languages(database, send, 409, "not-reversible")
    assert found["transfer_ids"] == [str(transfer_id)]
    assert client.get(url, headers=ben).json["state"] == "proposed"


def test_what_there_is_not_is_not_decided(client, database, anna, ben, url, a_grant):
    client.put(url, json=a_grant, headers=anna)
    elsewhere = f"/v1/holders/{uuid4()}/corrections/{url.rpartition('/')[2]}"
    for missing in (elsewhere, f"{url.rpartition('/')[0]}/{uuid4()}"):
        for step in ("", "/approval", "/rejection"):

            def send(x, path=missing + step):
                if path == missing:  # noqa: B023
                    return client.get(path, headers=ben | x)
                return client.put(path, json={}, headers=ben | x)

            refused_in_both_languages(database, send, 404, "unknown-correction")


def bad_bodies(good):
    transfer_id = str(uuid4())
    reversal, grant = {"transfer_id": transfer_id}, good["grant"]
    long = [{"transfer_id": str(uuid4())} for _ in range(201)]
    return {
        "nothing": ({}, {"#/reason"}),
        "a reason alone": ({"reason": "x"}, {"#"}),
        "both": (good | {"reversals": [reversal]}, {"#"}),
        "no reversals": ({"reversals": [], "reason": "x"}, {"#/reversals"}),
        "too many reversals": ({"reversals": long, "reason": "x"}, {"#/reversals"}),
        "one twice": ({"reversals": [reversal] * 2, "reason": "x"}, {"#/reversals"}),
        "reversals null": ({"reversals": None, "reason": "x"}, {"#/reversals"}),
        "reversals no list": ({"reversals": reversal, "reason": "x"}, {"#/reversals"}),
        "a reversal no object": ({"reversals": [7], "reason": "x"}, {"#/reversals/0"}),
        "a grant no object": ({"grant": 7, "reason": "x"}, {"#/grant"}),
        "a grant null": ({"grant": None, "reason": "x"}, {"#/grant"}),
        "an unknown field": (good | {"approved_by": "ben"}, {"#/approved_by"}),
        "an unknown field within": (
            good | {"grant": grant | {"kind": "earn"}}, {"#/grant/kind"}
        ),
        "fen": (good | {"grant": grant | {"unit": "fen"}}, {"#/grant/unit"}),
        **{
            f"amount {amount!r}": (good | {"grant": grant | {"amount": amount}}, {"#/grant/amount"})
            for amount in (0, -1, 2**53 + 1, 1.5, "5", True, None, 10**30)
        },
        **{
            f"reversed {amount!r}": (
                {"reversals": [reversal | {"amount": amount}], "reason": "x"},
                {"#/reversals/0/amount"},
            )
            for amount in (0, -1, 2**53 + 1, 1.5, "5", True)
        },
        **{
            f"reason {reason!r:.20}": (good | {"reason": reason}, {"#/reason"})
            for reason in ("", " ", "\u3000", "x" * 501, "a\x00b", "a\nb", "\u2028", None, 7, [])
        },
    }  # fmt: skip


def test_a_body_that_does_not_fit_is_refused_by_name(client, database, anna, url, a_grant):
    for name, (body, pointers) in bad_bodies(a_grant).items():

        def send(x, body=body):
            return client.put(url, json=body, headers=anna | x)

        found = refused_in_both_languages(database, send, 422, "body-does-not-fit")
        assert {error["pointer"] for error in found["errors"]} == pointers, name
    assert client.get(url, headers=anna).status_code == 404


def test_decisions_take_no_more_than_they_say(client, database, anna, ben, url, a_grant):
    client.put(url, json=a_grant, headers=anna)
    for step, body, pointer in (
        ("approval", {"reason": "x"}, "#/reason"),
        ("approval", {"approved_by": "cleo"}, "#/approved_by"),
        ("approval", [], "#"),
        ("rejection", {"rejected_by": "cleo"}, "#/rejected_by"),
        ("rejection", {"reason": ""}, "#/reason"),
        ("rejection", {"reason": "x" * 501}, "#/reason"),
        ("rejection", {"reason": None}, "#/reason"),
        ("rejection", {"reason": "\x00"}, "#/reason"),
    ):

        def send(x, step=step, body=body):
            return client.put(f"{url}/{step}", json=body, headers=ben | x)

        found = refused_in_both_languages(database, send, 422, "body-does-not-fit")
        assert [error["pointer"] for error in found["errors"]] == [pointer]
    with nothing_written(database):
        refused(client.put(f"{url}/approval", data="", headers=ben), 415, "content-type-not-json")


def test_reasons_of_every_script_and_of_full_length_are_kept(client, anna, holder_id, a_grant):
    for reason in (
        "x",
        "字" * 500,
        "😀\u3000e\u0301 ‮",
        "'; DROP TABLE posting; --",
        "\\N",
        "a\\tb",
    ):
        url = f"/v1/holders/{holder_id}/corrections/{uuid4()}"
        made = client.put(url, json=a_grant | {"reason": reason}, headers=anna)
        assert (made.status_code, made.json["reason"]) == (201, reason)


def test_only_operators_write_and_auditors_look_on(client, database, anna, bearer, url, a_grant):
    client.put(url, json=a_grant, headers=anna)
    for role in set(ROLES) - {"operator"}:
        who = bearer(role, uuid4(), "310118")
        for path, body in ((url, a_grant), (f"{url}/approval", {}), (f"{url}/rejection", {})):
            with nothing_written(database):
                refused(client.put(path, json=body, headers=who), 403, "wrong-role")
        for path in (url, "/v1/corrections"):
            status = client.get(path, headers=who).status_code
            assert status == (200 if role == "auditor" else 403)


def test_those_that_wait_are_listed_from_the_oldest_each_once(
    client, anna, ben, bearer, holder_id, a_grant
):
    urls = [f"/v1/holders/{holder_id}/corrections/{uuid4()}" for _ in range(6)]
    for url in urls:
        client.put(url, json=a_grant, headers=anna)
    client.put(f"{urls[0]}/approval", json={}, headers=ben)
    client.put(f"{urls[1]}/rejection", json={}, headers=ben)

    found, cursor = [], ""
    while cursor is not None:
        answer = client.get(
            f"/v1/corrections?limit=2{cursor and f'&cursor={cursor}'}",
            headers=bearer("auditor", "a"),
        )
        assert len(answer.json["corrections"]) <= 2
        found += answer.json["corrections"]
        cursor = answer.json["next_cursor"]

    ids = [each["id"] for each in found]
    assert len(set(ids)) == len(ids)
    assert [id_ for id_ in ids if any(id_ in url for url in urls)] == [u[-36:] for u in urls[2:]]
    assert [each["proposed_at"] for each in found] == sorted(each["proposed_at"] for each in found)
    assert all(set(each) == FIELDS and each["state"] == "proposed" for each in found)


@pytest.mark.parametrize(
    "query",
    ["cursor=x", "cursor=", f"cursor={UUID(int=7)}", "cursor=AAAA", f"cursor={'A' * 54}", "limit=0",
     "limit=201", "limit=x", "cursor=%00"],
)  # fmt: skip
def test_a_wrong_page_is_refused_by_name(client, database, anna, query):
    def send(x):
        return client.get(f"/v1/corrections?{query}", headers=anna | x)

    found = refused_in_both_languages(database, send, 422, "body-does-not-fit")
    assert [error["parameter"] for error in found["errors"]] == [query.partition("=")[0]]


def test_of_two_approvers_at_once_one_posts(app, database, anna, bearer, url, a_grant, holder_id):
    app.test_client().put(url, json=a_grant, headers=anna)

    def approve(name):
        headers = bearer("operator", name)
        return app.test_client().put(f"{url}/approval", json={}, headers=headers)

    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(approve, ["ben", "cleo", "dora", "emil"]))

    assert sorted(answer.status_code for answer in answers) == [200, 409, 409, 409]
    (winner,) = [answer.json["decided_by"] for answer in answers if answer.status_code == 200]
    for answer in answers:
        if answer.status_code == 409:
            assert refused(answer, 409, "correction-decided")["decided_by"] == winner
    assert database.transact(lambda s: balance(s, holder_id)) == 125


def test_problems_have_their_pages(client):
    for slug in ("second-person-needed", "correction-decided", "correction-id-reused"):
        for headers in ({}, ENGLISH):
            assert client.get(f"/problems/{slug}", headers=headers).status_code == 200
