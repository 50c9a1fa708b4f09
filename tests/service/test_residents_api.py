"""A resident at the desk: each look says what for, is put down, and shows no whole phone."""

from datetime import UTC, datetime
from uuid import uuid4

import pytest
from sqlalchemy import select

from activities.catalogue.models import Rule
from service.admin.models import AdminAct
from service.demo_shops import DEMO_PROGRAMME
from service.identity import cards
from service.identity.logins.signing_in import Proof, add_proof
from service.identity.reads import reads
from service.identity.vault import Value, add_people, write_values
from tests.makers import XIAYANG, a_resident, a_walk, recorded
from tests.service.answers import refused

PURPOSE = {"purpose": "居民到窗口咨询"}


@pytest.fixture
def desk(database, keyring):
    """A resident with a phone, a card, a name and a walk."""
    now = datetime.now(UTC)
    phone = f"138{uuid4().int % 10**8:08}"
    number = f"SH{uuid4().hex[:12].upper()}"

    def make(session):
        holder_id = a_resident(session)
        recorded(session, a_walk(holder_id))
        add_people(session, keyring, [holder_id], now=now)
        add_proof(session, keyring, Proof("phone", (f"+86{phone}",)), holder_id, now=now)
        write_values(session, keyring, [Value(holder_id, "name", "欧阳小明")], now=now)
        cards.give_card(session, keyring, number, holder_id, now=now)
        return holder_id

    return database.transact(make), phone, number


def rows(database, holder_id, what):
    query = select(AdminAct).where(AdminAct.holder_id == holder_id, AdminAct.what == what)
    return database.transact(lambda session: session.scalars(query).all())


def looked(client, headers, **body):
    url = f"/v1/staff/looks/{uuid4()}"
    return client.put(url, json=PURPOSE | body, headers=headers)


def test_a_resident_is_found_by_phone_card_and_id_and_each_look_is_put_down(
    client, bearer, database, desk
):
    holder_id, phone, number = desk
    me = bearer("operator", "li.na")
    before = len(rows(database, holder_id, "resident.look_up"))
    for by in ({"phone": phone}, {"card_number": number.lower()}, {"holder_id": str(holder_id)}):
        answer = looked(client, me, **by)
        assert answer.status_code == 200, answer.text
        assert answer.json["found"]["holder_id"] == str(holder_id)

    found = rows(database, holder_id, "resident.look_up")
    assert len(found) == before + 3
    assert [one.after["by"] for one in found[before:]] == ["phone", "card", "holder_id"]
    assert phone not in str([one.after for one in found])


def test_nobody_and_who_is_out_of_reach_are_answered_alike_and_put_down(
    client, bearer, database, desk
):
    holder_id, phone, _ = desk
    elsewhere = bearer("operator", "wang", "510105", programme="*")
    other = bearer("operator", "wang", programme="sh-2026")
    for headers, body in (
        (bearer("operator", "li.na"), {"phone": "139 9999 0000"}),
        (bearer("operator", "li.na"), {"card_number": "NOBODY123"}),
        (elsewhere, {"phone": phone}),
        (other, {"holder_id": str(holder_id)}),
    ):
        id_ = uuid4()
        answer = client.put(f"/v1/staff/looks/{id_}", json=PURPOSE | body, headers=headers)
        assert answer.json == {"found": None}, answer.text
        query = select(AdminAct).where(AdminAct.object_id == str(id_))
        (row,) = database.transact(lambda session, q=query: session.scalars(q).all())
        assert (row.holder_id, row.after["found"]) == (None, False)


def test_numbers_that_are_tried_under_one_id_are_all_put_down(client, bearer, database):
    id_, me = uuid4(), bearer("operator", "li.na")
    for last in range(3):
        body = PURPOSE | {"phone": f"139 9999 100{last}"}
        answer = client.put(f"/v1/staff/looks/{id_}", json=body, headers=me)
        assert answer.json == {"found": None}

    query = select(AdminAct).where(AdminAct.object_id == str(id_))
    assert len(database.transact(lambda session: session.scalars(query).all())) == 3


@pytest.mark.parametrize(
    "body",
    [{}, {"phone": "1"}, {"phone": "13800138000", "card_number": "ABCDEF"}, {"purpose": " "}],
)
def test_a_look_names_one_thing_and_a_purpose(client, bearer, body):
    answer = looked(client, bearer("operator", "li.na"), **body)

    refused(answer, 422, "body-does-not-fit")


def test_who_is_opened_is_masked_and_reads_who_looked_and_what_for(client, bearer, database, desk):
    holder_id, phone, _ = desk
    url = f"/v1/staff/residents/{holder_id}/profile"
    refused(client.get(url, headers=bearer("operator", "li.na")), 422, "body-does-not-fit")
    answer = client.get(url, query_string=PURPOSE, headers=bearer("operator", "li.na"))

    told = answer.json
    assert (told["name"], told["phone"]) == ("欧**", f"{phone[:3]}****{phone[-4:]}")
    assert (told["programme"], told["division"]) == (DEMO_PROGRAMME, XIAYANG)
    assert answer.headers["Cache-Control"] == "no-store"
    points = next(one for one in told["accounts"] if one["unit"] == "point")
    assert points["available"] == points["balance"] > 0
    assert rows(database, holder_id, "resident.open")[-1].after == PURPOSE
    (read, *_) = database.transact(lambda session: reads(session, holder_id, limit=5))
    assert (read.reader, read.role, read.purpose) == ("li.na", "operator", PURPOSE["purpose"])


def test_the_desk_sees_activities_entries_and_corrections(client, bearer, desk):
    holder_id, _, _ = desk
    me, url = bearer("operator", "li.na"), f"/v1/staff/residents/{holder_id}"
    activities = client.get(f"{url}/activities", headers=me).json["activities"]
    entries = client.get(f"{url}/entries?unit=point", headers=me).json["entries"]
    assert [one["decision"] for one in activities] == ["verified"]
    assert [one["amount"] for one in entries] == [activities[0]["points"]]

    proposed = client.put(
        f"/v1/holders/{holder_id}/activity-corrections/{uuid4()}",
        json={"activity_id": activities[0]["id"], "action": "withdraw", "reason": "记错了人"},
        headers=me,
    )
    assert proposed.status_code == 201
    told = client.get(f"{url}/corrections", headers=me).json
    assert told["corrections"] == []
    assert [one["reason"] for one in told["activity_corrections"]] == ["记错了人"]


def test_settlements_of_all_merchants_are_the_programmes(client, bearer):
    answer = client.get("/v1/settlements?state=paid", headers=bearer("operator", "li.na"))

    assert answer.status_code == 200
    assert all(one["state"] == "paid" for one in answer.json["settlements"])


def test_what_a_draft_would_change_is_seen_before_it_is_approved(client, bearer, database):
    code = f"walking.{uuid4().hex[:8]}"
    rule = Rule(
        code=code,
        version=1,
        programme_code=DEMO_PROGRAMME,
        behaviour_code="walking",
        parameters={"kind": "quantity_range", "min": 1, "max": 2},
        valid_from="2001-01-01",
        valid_to="2001-01-02",
        document="a test",
        drafted_by="ben",
    )
    database.transact(lambda session: session.add(rule))
    me, url = bearer("operator", "li.na"), f"/v1/catalogue/drafts/rule:{code}@1/impact"
    answer = client.get(f"{url}?from=2001-01-01&to=2001-01-01", headers=me)

    assert answer.status_code == 200, answer.text
    assert answer.json["draft"] == f"rule:{code}@1"
    assert answer.json["total"]["newly_refused"] == 0
    refused(
        client.get(f"{url}?from=2001-01-01&to=2001-02-01", headers=me), 422, "body-does-not-fit"
    )
