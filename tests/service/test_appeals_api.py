"""Appeals over HTTP: once by the resident, answered in writing by an operator."""

from uuid import UUID, uuid4

import pytest

from service.identity.tokens import ROLES
from tests.catalogues import an_act
from tests.makers import balance
from tests.reviewing import LIMIT, Key, a_place
from tests.service.answers import nothing_written, refused, refused_in_both_languages

RANGE = {"kind": "quantity_range", "min": 1, "max": 100}
OWN = {"activity_id", "state", "text", "opened_at", "answer", "answered_at"}
APPEAL = OWN | {"holder_id", "programme", "answered_by", "waiting_s"}
OVERTURN = {"action": "overturn", "text": "核实无误，\n予以入账。"}
WHY = {"text": "那天骑的是双人车。"}


@pytest.fixture
def refused_act(database):
    """Commits an act refused for its quantity: its holder and id."""

    def make(quantity: int = 520) -> Key:
        def work(session) -> Key:
            place = a_place(session, RANGE, held=False)
            return place.act(place.trial.resident(), quantity=quantity)

        return database.transact(work)

    return make


@pytest.fixture
def key(refused_act) -> Key:
    return refused_act()


@pytest.fixture
def me(bearer, key):
    return bearer("resident", key[0])


@pytest.fixture
def olga(bearer):
    return bearer("operator", "olga")


def own(key: Key) -> str:
    return f"/v1/activities/{key[1]}/appeal"


def theirs(key: Key) -> str:
    return f"/v1/holders/{key[0]}/appeals/{key[1]}"


def verdict(key: Key, id_: UUID | None = None) -> str:
    return f"{theirs(key)}/verdicts/{id_ or uuid4()}"


def test_from_the_refusal_to_the_points(client, database, me, olga, key):
    made = client.put(own(key), json=WHY, headers=me)
    assert made.status_code == 201, made.text
    assert set(made.json) == OWN
    assert (made.json["state"], made.json["answer"]) == ("pending", None)
    waiting = client.get("/v1/appeals?limit=200", headers=olga).json["appeals"]
    (listed,) = [one for one in waiting if one["activity_id"] == str(key[1])]
    assert (listed["text"], listed["code"]) == (WHY["text"], "quantity_out_of_range")

    done = client.put(verdict(key), json=OVERTURN, headers=olga)

    assert done.status_code == 200, done.text
    assert set(done.json) == APPEAL
    assert (done.json["state"], done.json["answered_by"]) == ("overturned", "olga")
    seen = client.get(own(key), headers=me).json
    assert (seen["state"], seen["answer"]) == ("overturned", OVERTURN["text"])
    assert database.transact(lambda s: balance(s, key[0])) == 520
    mine = client.get(f"/v1/activities/{key[1]}", headers=me).json
    assert (mine["decision"], mine["code"], mine["points"]) == ("verified", "overturned", 520)
    assert mine["first"]["code"] == "quantity_out_of_range"
    still = client.get("/v1/appeals?limit=200", headers=olga).json["appeals"]
    assert str(key[1]) not in {one["activity_id"] for one in still}
    answered = client.get("/v1/appeals?limit=200&state=answered", headers=olga).json["appeals"]
    assert str(key[1]) in {one["activity_id"] for one in answered}


def test_an_operator_sees_evidence_and_history(client, me, olga, key):
    client.put(own(key), json=WHY, headers=me)

    found = client.get(theirs(key), headers=olga)

    assert found.status_code == 200, found.text
    assert set(found.json) == {"appeal", "review", "activity", "steps", "history"}
    assert found.json["appeal"]["text"] == WHY["text"]
    assert found.json["review"] is None
    assert [one["action"] for one in found.json["steps"]] == ["appeal"]
    assert found.json["history"]["counts"] == {"verified": 0, "held": 0, "rejected": 1}
    results = {rule["kind"]: rule["result"] for rule in found.json["activity"]["rules"]}
    assert results["quantity_range"] == "refused"


def test_an_appeal_of_an_unknown_scene_can_be_read_and_upheld(client, database, bearer, olga):
    def work(session) -> Key:
        place = a_place(session, held=False)
        holder_id = place.trial.resident()
        (answer,) = place.trial.record(an_act("no.such.scene", holder_id))
        return holder_id, answer.activity_id

    key = database.transact(work)
    assert client.put(own(key), json=WHY, headers=bearer("resident", key[0])).status_code == 201
    assert client.get(theirs(key), headers=olga).status_code == 200
    listed = client.get("/v1/appeals?limit=200", headers=olga).json["appeals"]
    assert str(key[1]) in {one["activity_id"] for one in listed}

    problem = refused_in_both_languages(
        database, lambda x: client.put(verdict(key), json=OVERTURN, headers=olga | x), 409,
        "not-overturnable",
    )  # fmt: skip

    assert problem["refusal_code"] == "unknown_scene"
    upheld = client.put(verdict(key), json=OVERTURN | {"action": "uphold"}, headers=olga)
    assert upheld.json["state"] == "upheld"


def test_the_same_appeal_again_changes_nothing_and_a_second_is_refused(
    client, database, me, olga, key
):
    first = client.put(own(key), json=WHY, headers=me)
    with nothing_written(database):
        assert client.put(own(key), json=WHY, headers=me).json == first.json

    problem = refused_in_both_languages(
        database, lambda x: client.put(own(key), json={"text": "还有"}, headers=me | x), 409,
        "already-appealed",
    )  # fmt: skip
    assert problem["activity_id"] == str(key[1])


def test_the_same_verdict_again_changes_nothing_and_another_is_refused(
    client, database, me, olga, bearer, key
):
    client.put(own(key), json=WHY, headers=me)
    url = verdict(key)
    client.put(url, json=OVERTURN, headers=olga)
    with nothing_written(database):
        assert client.put(url, json=OVERTURN, headers=olga).json["state"] == "overturned"
        other = OVERTURN | {"action": "uphold"}
        refused(client.put(url, json=other, headers=olga), 409, "review-step-id-reused")
        pete = bearer("operator", "pete")
        problem = refused(
            client.put(verdict(key), json=other, headers=pete), 409, "appeal-answered"
        )
    assert (problem["outcome"], problem["answered_by"]) == ("overturned", "olga")


def test_above_the_limit_two_persons_overturn(client, database, bearer, olga, refused_act):
    key = refused_act(LIMIT + 1)
    me = bearer("resident", key[0])
    client.put(own(key), json=WHY, headers=me)
    assert client.put(verdict(key), json=OVERTURN, headers=olga).json["state"] == "seconded"
    assert client.get(own(key), headers=me).json["state"] == "pending"
    again = client.put(verdict(key), json=OVERTURN, headers=olga)
    refused(again, 403, "second-reviewer-needed")

    done = client.put(verdict(key), json=OVERTURN, headers=bearer("operator", "pete"))

    assert (done.json["state"], done.json["answered_by"]) == ("overturned", "pete")
    assert database.transact(lambda s: balance(s, key[0])) == LIMIT + 1


def test_what_was_not_refused_or_is_not_mine_cannot_be_appealed(client, database, bearer):
    key = database.transact(lambda s: a_place(s).held())

    problem = refused_in_both_languages(
        database,
        lambda x: client.put(own(key), json=WHY, headers=bearer("resident", key[0]) | x),
        409,
        "not-appealable",
    )

    assert problem["decision"] == "held"
    stranger = bearer("resident", uuid4())
    with nothing_written(database):
        refused(client.put(own(key), json=WHY, headers=stranger), 404, "unknown-activity")
        refused(client.get(own(key), headers=stranger), 404, "unknown-activity")


def test_who_refused_it_and_whose_it_is_do_not_answer(client, database, bearer, olga):
    key = database.transact(lambda s: a_place(s).held())
    step = f"/v1/holders/{key[0]}/reviews/{key[1]}/steps/{uuid4()}"
    client.put(step, json={"action": "reject", "reason": "不符"}, headers=olga)
    refused(client.get(theirs(key), headers=olga), 404, "unknown-appeal")
    client.put(own(key), json=WHY, headers=bearer("resident", key[0]))

    for who, slug in ((olga, "own-refusal"), (bearer("operator", key[0]), "own-activity")):
        refused_in_both_languages(
            database,
            lambda x, who=who: client.put(verdict(key), json=OVERTURN, headers=who | x),
            403,
            slug,
        )


def test_an_act_that_counts_elsewhere_is_named(client, database, bearer, olga):
    def work(session) -> tuple[Key, Key]:
        place = a_place(session, RANGE, held=False)
        key = place.act(place.trial.resident(), quantity=520)
        return key, place.act(key[0], quantity=52)

    key, other = database.transact(work)
    client.put(own(key), json=WHY, headers=bearer("resident", key[0]))

    problem = refused_in_both_languages(
        database, lambda x: client.put(verdict(key), json=OVERTURN, headers=olga | x), 409,
        "act-taken",
    )  # fmt: skip

    assert problem["taken_by"] == str(other[1])


@pytest.mark.parametrize("text", ["", " \n", "字" * 2_001, "a\x00b", 7, None])
def test_an_appeal_that_says_nothing_is_refused(client, database, me, key, text):
    found = refused_in_both_languages(
        database, lambda x: client.put(own(key), json={"text": text}, headers=me | x), 422,
        "body-does-not-fit",
    )  # fmt: skip
    assert [error["pointer"] for error in found["errors"]] == ["#/text"]


def test_texts_of_every_script_and_of_full_length_are_kept(client, refused_act, bearer, olga):
    for text in ("x", "字" * 2_000, "a\tb\r\n\\N 😀 e\u0301", "'; DROP TABLE appeal; --"):
        key = refused_act()
        made = client.put(own(key), json={"text": text}, headers=bearer("resident", key[0]))
        assert (made.status_code, made.json["text"]) == (201, text)
        done = client.put(verdict(key), json={"action": "uphold", "text": text}, headers=olga)
        assert done.json["answer"] == text


def test_only_operators_answer_and_auditors_look_on(client, database, bearer, me, key):
    client.put(own(key), json=WHY, headers=me)
    for role in ROLES:
        who = bearer(role, uuid4(), "310118")
        if role != "operator":
            with nothing_written(database):
                refused(client.put(verdict(key), json=OVERTURN, headers=who), 403, "wrong-role")
        for path in ("/v1/appeals", theirs(key)):
            allowed = role in ("operator", "auditor")
            assert client.get(path, headers=who).status_code == (200 if allowed else 403)
