"""What somebody did for a resident is put down as theirs, for auditors and for the resident."""

from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import select

from activities.models import Household
from tests.makers import a_resident, an_offer
from tests.reviewing import LIMIT, a_place
from tests.service.answers import nothing_written
from tests.service.reach.guesses import a_ride

RANGE = {"kind": "quantity_range", "min": 1, "max": 100}


@pytest.fixture
def relative():
    return uuid4()


@pytest.fixture
def headers(bearer, relative):
    """Of a relative who acts for somebody; ``named`` is what is put down."""

    def made(holder_id: UUID, kind: str = "delegate") -> tuple[dict[str, str], str]:
        powers = "guardian" if kind == "guardian" else "spend"
        sent = bearer("resident", holder_id, actor=str(relative), powers=powers)
        return sent, f"{kind}:{relative}"

    return made


@pytest.fixture
def audited(client, bearer):
    """The postings that an auditor finds by who caused them."""

    def look(actor: str) -> list[dict[str, Any]]:
        query = {"actor": actor}
        answer = client.get(
            "/v1/audit/postings", query_string=query, headers=bearer("auditor", "a")
        )
        assert answer.status_code == 200, answer.text
        found: list[dict[str, Any]] = answer.json["postings"]
        return found

    return look


@pytest.mark.parametrize("kind", ["delegate", "guardian"])
def test_a_redemption_names_who_acted(client, database, bearer, headers, audited, kind):
    holder_id, offer = database.transact(lambda s: (a_resident(s, points=300), an_offer(s)))
    url, body = f"/v1/redemptions/{uuid4()}", {"offer_id": str(offer.id)}
    acting, named = headers(holder_id, kind)

    done = client.put(url, json=body, headers=acting)

    assert (done.status_code, done.json["acted_by"]) == (201, named)
    me = bearer("resident", holder_id)
    for sent in (me, acting):
        with nothing_written(database):
            assert client.put(url, json=body, headers=sent).json == done.json
            assert client.get(url, headers=sent).json["acted_by"] == named
    (posting,) = audited(named)
    assert (posting["id"], posting["kind"]) == (done.json["id"], "redemption")


def test_ones_own_redemption_stays_ones_own_whoever_sends_it_again(
    client, database, bearer, headers, audited
):
    holder_id, offer = database.transact(lambda s: (a_resident(s, points=300), an_offer(s)))
    url, body = f"/v1/redemptions/{uuid4()}", {"offer_id": str(offer.id)}
    me, (acting, named) = bearer("resident", holder_id), headers(holder_id)

    done = client.put(url, json=body, headers=me)

    assert (done.status_code, done.json["acted_by"]) == (201, None)
    assert client.put(url, json=body, headers=acting).json == done.json
    assert client.get(url, headers=acting).json["acted_by"] is None
    assert audited(named) == []
    (posting,) = audited(f"holder:{holder_id}")
    assert posting["id"] == done.json["id"]


def a_reported_act(database, *rules):
    """(holder, the app's scene) of a programme under these rules."""

    def work(session):
        place = a_place(session, *rules, held=False)
        return place.trial.resident(), place.trial.scene("ride", "app")

    return database.transact(work)


def test_a_reported_act_names_who_acted(client, database, bearer, headers, audited):
    holder_id, scene = a_reported_act(database)
    url, body = f"/v1/activities/{uuid4()}", a_ride(scene)
    acting, named = headers(holder_id)

    done = client.put(url, json=body, headers=acting)

    assert (done.status_code, done.json["decision"]) == (201, "verified"), done.text
    me = bearer("resident", holder_id)
    for sent in (me, acting):
        with nothing_written(database):
            assert client.put(url, json=body, headers=sent).json == done.json
        assert client.get(url, headers=sent).json["acted_by"] == named
    (posting,) = audited(named)
    assert (posting["kind"], posting["transfer_count"]) == ("intake", 2)
    own = client.put(f"/v1/activities/{uuid4()}", json=_an_hour_later(body), headers=me)
    assert own.status_code == 201, own.text
    assert client.get(f"/v1/activities/{own.json['id']}", headers=me).json["acted_by"] is None
    assert len(audited(named)) == 1


def _an_hour_later(body):
    return {name: str(value).replace("T08:", "T09:") for name, value in body.items()} | {
        "quantity": body["quantity"]
    }


def test_an_act_that_earns_nothing_names_who_acted_too(client, database, bearer, headers, audited):
    holder_id, scene = a_reported_act(database, RANGE)
    acting, named = headers(holder_id)

    done = client.put(
        f"/v1/activities/{uuid4()}", json=a_ride(scene) | {"quantity": 101}, headers=acting
    )

    assert (done.status_code, done.json["decision"]) == (201, "rejected"), done.text
    url = f"/v1/activities/{done.json['id']}"
    assert client.get(url, headers=bearer("resident", holder_id)).json["acted_by"] == named
    looked = client.get(
        url, query_string={"holder_id": str(holder_id)}, headers=bearer("auditor", "a")
    )
    assert looked.json["acted_by"] == named
    assert audited(named) == []


def test_an_appeal_names_who_acted(client, database, bearer, headers):
    key = database.transact(
        lambda s: (p := a_place(s, RANGE)).act(p.trial.resident(), quantity=520)
    )
    acting, named = headers(key[0])
    own, why = f"/v1/activities/{key[1]}/appeal", {"text": "那天骑的是双人车。"}

    first = client.put(own, json=why, headers=acting)

    assert first.status_code == 201, first.text
    with nothing_written(database):
        assert client.put(own, json=why, headers=bearer("resident", key[0])).json == first.json
    seen = client.get(f"/v1/holders/{key[0]}/appeals/{key[1]}", headers=bearer("auditor", "a"))
    assert [(step["action"], step["actor"]) for step in seen.json["steps"]] == [("appeal", named)]


def test_an_answer_names_who_acted(client, database, bearer, headers):
    key = database.transact(lambda s: a_place(s).held(quantity=LIMIT // 2))
    acting, named = headers(key[0])
    review, question = f"/v1/holders/{key[0]}/reviews/{key[1]}", uuid4()
    asked = client.put(
        f"{review}/steps/{question}",
        json={"action": "ask", "reason": "是哪个回收箱？"},
        headers=bearer("operator", "anna"),
    )
    assert asked.status_code == 200, asked.text
    own, body = f"/v1/activities/{key[1]}/answer", {"question_id": str(question), "text": "东门"}

    first = client.put(own, json=body, headers=acting)

    assert first.status_code == 200, first.text
    with nothing_written(database):
        assert client.put(own, json=body, headers=bearer("resident", key[0])).json == first.json
    seen = client.get(review, headers=bearer("auditor", "a")).json["steps"]
    assert [(step["action"], step["actor"]) for step in seen] == [
        ("ask", "anna"),
        ("answer", named),
    ]


def test_what_a_guardian_declares_names_the_guardian(client, database, headers):
    child = database.transact(a_resident)
    acting, named = headers(child, "guardian")
    body = {
        "valid_from": "2026-11-01", "persons": 3, "moved_in_on": "2020-01-01", "solar": False,
        "tier": 1,
    }  # fmt: skip

    for _ in range(2):
        answer = client.put("/v1/household", json=body, headers=acting)
        assert answer.status_code == 200, answer.text

    query = select(Household.actor).where(Household.holder_id == child)
    assert database.transact(lambda s: s.scalars(query).all()) == [named]
