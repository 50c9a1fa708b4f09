"""Review over HTTP: operators decide, the resident answers, auditors look on."""

from concurrent.futures import ThreadPoolExecutor
from uuid import UUID, uuid4

import pytest

from service.identity.tokens import ROLES
from tests.makers import balance
from tests.reviewing import LIMIT, Key, a_place
from tests.service.answers import nothing_written, refused, refused_in_both_languages

CASE = {
    "holder_id", "activity_id", "programme", "code", "potential_points", "state", "opened_at",
    "closed_at", "waiting_s",
}  # fmt: skip
QUEUED = CASE | {
    "reason", "scene", "behaviour", "day", "started_at", "ended_at", "quantity", "details", "facts",
}  # fmt: skip
APPROVE = {"action": "approve", "reason": "照片相符"}


@pytest.fixture
def held(database):
    """Commits a held act of so many points: its holder and id."""

    def make(quantity: int = 52) -> Key:
        return database.transact(
            lambda s: a_place(s).held(quantity=quantity, photo_sha256="ab" * 32)
        )

    return make


@pytest.fixture
def key(held) -> Key:
    return held()


@pytest.fixture
def anna(bearer):
    return bearer("operator", "anna")


@pytest.fixture
def ben(bearer):
    return bearer("operator", "ben")


def review(key: Key) -> str:
    return f"/v1/holders/{key[0]}/reviews/{key[1]}"


def step(key: Key, id_: UUID | None = None) -> str:
    return f"{review(key)}/steps/{id_ or uuid4()}"


def test_what_waits_is_listed_with_its_reason_and_evidence(client, database, anna, bearer, key):
    programme = database.transact(
        lambda s: s.connection().exec_driver_sql(
            "SELECT programme_code FROM review_case WHERE activity_id = %s", (key[1],)
        ).scalar_one()
    )  # fmt: skip
    url = f"/v1/reviews?programme={programme}"

    answer = client.get(url, headers=anna | {"Accept-Language": "en"})

    assert answer.status_code == 200, answer.text
    (one,) = answer.json["reviews"]
    assert set(one) == QUEUED
    assert (one["activity_id"], one["code"], one["state"]) == (str(key[1]), "sampled", "open")
    assert (one["potential_points"], one["closed_at"]) == (52, None)
    assert one["reason"].startswith("Drawn by lot")
    assert one["details"] == {"photo_sha256": "ab" * 32, "attested": False} or one["details"] == {
        "photo_sha256": "ab" * 32
    }
    chinese = client.get(url, headers=bearer("auditor", "a")).json["reviews"][0]
    assert chinese["reason"].startswith("该记录被随机抽中")
    for query in (
        "state=asked",
        "state=closed",
        "code=velocity",
        "opened_before=2020-01-01T00:00Z",
    ):
        assert client.get(f"{url}&{query}", headers=anna).json["reviews"] == []


def test_one_is_shown_with_every_rule_and_the_residents_history(client, anna, key):
    answer = client.get(review(key), headers=anna)

    assert answer.status_code == 200, answer.text
    found = answer.json
    assert set(found) == {"review", "activity", "steps", "history"}
    assert set(found["review"]) == CASE
    assert found["activity"]["details"]["photo_sha256"] == "ab" * 32
    assert {rule["result"] for rule in found["activity"]["rules"]} >= {"passed", "held"}
    assert found["activity"]["quantified"]["tariff_points"] == 52
    assert found["history"]["counts"] == {"verified": 0, "held": 1, "rejected": 0}
    assert (found["history"]["recent"], found["history"]["reviews"], found["steps"]) == ([], [], [])


def test_approved_it_is_on_the_residents_statement(client, database, anna, bearer, key):
    answer = client.put(step(key), json=APPROVE, headers=anna)

    assert answer.status_code == 200, answer.text
    assert set(answer.json) == CASE
    assert answer.json["state"] == "closed"
    me = bearer("resident", key[0])
    accounts = client.get("/v1/accounts", headers=me).json["accounts"]
    (points,) = [each for each in accounts if each["unit"] == "point"]
    statement = client.get(f"/v1/accounts/{points['id']}/statement", headers=me).json
    assert [(e["kind"], e["amount"], e["reference"]) for e in statement["entries"]] == [
        ("earn", 52, str(key[1]))
    ]
    mine = client.get(f"/v1/activities/{key[1]}", headers=me).json
    assert (mine["decision"], mine["code"], mine["points"]) == ("verified", "approved", 52)
    assert [one["note"] for one in mine["adjustments"]] == ["照片相符"]
    assert client.get(f"/v1/activities/{key[1]}/review", headers=me).json["state"] == "closed"


def test_the_same_step_again_changes_nothing_and_other_content_is_refused(
    client, database, anna, ben, key
):
    url = step(key)
    first = client.put(url, json=APPROVE, headers=anna)
    with nothing_written(database):
        again = client.put(url, json=APPROVE, headers=anna)
        assert (again.status_code, again.json["state"]) == (200, first.json["state"])
        for body, who in ((APPROVE | {"reason": "x"}, anna), (APPROVE, ben)):
            refused(client.put(url, json=body, headers=who), 409, "review-step-id-reused")


def test_above_the_limit_two_persons_approve(client, database, anna, ben, held):
    key = held(LIMIT + 1)
    assert client.put(step(key), json=APPROVE, headers=anna).json["state"] == "seconded"

    problem = refused_in_both_languages(
        database,
        lambda x: client.put(step(key), json=APPROVE, headers=anna | x),
        403,
        "second-reviewer-needed",
    )

    assert problem["potential_points"] == LIMIT + 1
    assert (problem["limit_points"], problem["approved_by"]) == (LIMIT, "anna")
    assert client.put(step(key), json=APPROVE, headers=ben).json["state"] == "closed"
    assert database.transact(lambda s: balance(s, key[0])) == LIMIT + 1


def test_a_question_reaches_the_resident_and_the_answer_the_reviewer(client, anna, bearer, key):
    question, me = uuid4(), bearer("resident", key[0])
    asked = {"action": "ask", "reason": "是哪个回收箱？"}
    assert client.put(step(key, question), json=asked, headers=anna).json["state"] == "asked"
    own = f"/v1/activities/{key[1]}"
    (shown,) = client.get(f"{own}/review", headers=me).json["questions"]
    assert (shown["id"], shown["text"], shown["answer"]) == (str(question), asked["reason"], None)
    body = {"question_id": str(question), "text": "小区东门\n蓝色的那个"}

    answer = client.put(f"{own}/answer", json=body, headers=me)

    assert answer.status_code == 200, answer.text
    assert answer.json["state"] == "open"
    assert answer.json["questions"][0]["answer"] == body["text"]
    assert client.put(f"{own}/answer", json=body, headers=me).json == answer.json
    other = client.put(f"{own}/answer", json=body | {"text": "?"}, headers=me)
    refused(other, 409, "question-not-open")
    steps = client.get(review(key), headers=anna).json["steps"]
    assert [(one["action"], one["actor"]) for one in steps] == [
        ("ask", "anna"), ("answer", str(key[0])),
    ]  # fmt: skip


def test_a_decided_case_and_an_unknown_one(client, database, anna, key):
    client.put(step(key), json=APPROVE | {"action": "reject"}, headers=anna)

    def again(x):
        return client.put(step(key), json=APPROVE, headers=anna | x)

    problem = refused_in_both_languages(database, again, 409, "case-closed")
    assert (problem["decision"], problem["decision_code"]) == ("rejected", "review_rejected")
    for wrong in ((key[0], uuid4()), (uuid4(), key[1])):
        with nothing_written(database):
            refused(client.put(step(wrong), json=APPROVE, headers=anna), 404, "unknown-case")
            refused(client.get(review(wrong), headers=anna), 404, "unknown-case")


def test_an_operator_does_not_decide_on_their_own_activity(client, database, bearer, key):
    own = bearer("operator", key[0])
    refused_in_both_languages(
        database, lambda x: client.put(step(key), json=APPROVE, headers=own | x), 403,
        "own-activity",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, "#/action"),
        ({"action": "approve"}, "#/reason"),
        ({"action": "escalate", "reason": "x"}, "#/action"),
        ({"action": "approve", "reason": ""}, "#/reason"),
        ({"action": "approve", "reason": "x" * 501}, "#/reason"),
        ({"action": "approve", "reason": "a\nb"}, "#/reason"),
        ({"action": "approve", "reason": None}, "#/reason"),
        ({"action": "approve", "reason": "x", "actor": "ben"}, "#/actor"),
    ],
)
def test_a_body_that_does_not_fit_is_refused_by_field(client, database, anna, key, body, pointer):
    def send(x):
        return client.put(step(key), json=body, headers=anna | x)

    found = refused_in_both_languages(database, send, 422, "body-does-not-fit")
    assert pointer in [error["pointer"] for error in found["errors"]]


@pytest.mark.parametrize("text", ["", " \n", "x" * 2_001, "a\x00b", 7, None])
def test_an_answer_that_says_nothing_is_refused(client, database, bearer, key, text):
    me = bearer("resident", key[0])
    body = {"question_id": str(uuid4()), "text": text}

    def send(x):
        return client.put(f"/v1/activities/{key[1]}/answer", json=body, headers=me | x)

    refused_in_both_languages(database, send, 422, "body-does-not-fit")


def test_half_a_character_is_no_text(client, database, anna, bearer, key):
    """JSON can say it, and no database keeps it."""
    me = bearer("resident", key[0])
    for url, body, who in (
        (step(key), '{"action": "approve", "reason": "\\ud800"}', anna),
        (f"/v1/activities/{key[1]}/appeal", '{"text": "\\udfff"}', me),
    ):
        with nothing_written(database):
            answer = client.put(url, data=body, headers=who, content_type="application/json")
            refused(answer, 400, "not-json")


def test_only_operators_decide_and_only_the_resident_answers(client, database, bearer, key):
    for role in ROLES:
        who = bearer(role, uuid4(), "310118")
        if role != "operator":
            with nothing_written(database):
                refused(client.put(step(key), json=APPROVE, headers=who), 403, "wrong-role")
        for path in ("/v1/reviews", review(key)):
            allowed = role in ("operator", "auditor")
            assert client.get(path, headers=who).status_code == (200 if allowed else 403)
    stranger = bearer("resident", uuid4())
    body = {"question_id": str(uuid4()), "text": "x"}
    own = f"/v1/activities/{key[1]}"
    refused(client.put(f"{own}/answer", json=body, headers=stranger), 404, "unknown-activity")
    refused(client.get(f"{own}/review", headers=stranger), 404, "unknown-activity")


@pytest.mark.parametrize(
    "query",
    ["cursor=x", "cursor=", f"cursor={'A' * 54}", "limit=0", "limit=201", "state=new",
     "programme=%20", "opened_before=2026-01-01", "opened_before=x", "state="],
)  # fmt: skip
def test_a_wrong_page_is_refused_by_name(client, database, anna, query):
    def send(x):
        return client.get(f"/v1/reviews?{query}", headers=anna | x)

    found = refused_in_both_languages(database, send, 422, "body-does-not-fit")
    assert [error["parameter"] for error in found["errors"]] == [query.partition("=")[0]]


def test_the_queue_pages_each_once_from_the_oldest(client, held, bearer):
    keys = [held() for _ in range(4)]
    found, cursor = [], ""
    while cursor is not None:
        answer = client.get(
            f"/v1/reviews?limit=3{cursor and f'&cursor={cursor}'}", headers=bearer("auditor", "a")
        )
        assert len(answer.json["reviews"]) <= 3
        found += answer.json["reviews"]
        cursor = answer.json["next_cursor"]

    ids = [one["activity_id"] for one in found]
    assert len(set(ids)) == len(ids)
    assert {str(id_) for _, id_ in keys} <= set(ids)
    assert [one["opened_at"] for one in found] == sorted(one["opened_at"] for one in found)


def test_of_two_reviewers_at_once_one_decides(app, database, bearer, key):
    def send(name):
        headers = bearer("operator", name)
        return app.test_client().put(step(key), json=APPROVE, headers=headers)

    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(send, ["anna", "ben", "cleo", "dora"]))

    assert sorted(answer.status_code for answer in answers) == [200, 409, 409, 409]
    assert database.transact(lambda s: balance(s, key[0])) == 52
