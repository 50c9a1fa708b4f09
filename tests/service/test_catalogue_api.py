"""The catalogue over HTTP: open to anybody with its sources; a second person approves drafts."""

from itertools import pairwise
from urllib.parse import quote
from uuid import uuid4

import pytest

from activities.catalogue.drafts import find
from activities.catalogue.models import Rule
from tests.service.answers import ENGLISH, refused, refused_in_both_languages

BASE = "/v1/catalogue"


@pytest.fixture
def draft(database):
    """A rule of the demo, drafted by anna; on days when no demo holds."""

    def work(session) -> str:
        rule = Rule(
            code=f"walking.{uuid4().hex[:8]}",
            version=1,
            programme_code="demo-2016",
            behaviour_code="walking",
            parameters={"kind": "quantity_range", "min": 1, "max": 50_000},
            valid_from="1999-01-01",
            valid_to="1999-01-02",
            document="a test",
            drafted_by="anna",
        )
        session.add(rule)
        return f"rule:{rule.code}@1"

    return database.transact(work)


def pages(client, path, name, headers=None, **query):
    """Every row of a list, page by page."""
    rows, cursor = [], None
    while True:
        asked = query | ({"cursor": cursor} if cursor else {})
        answer = client.get(f"{BASE}/{path}", query_string=asked, headers=headers)
        assert answer.status_code == 200, answer.text
        rows += answer.json[name]
        assert len(answer.json[name]) <= query.get("limit", 50)
        cursor = answer.json["next_cursor"]
        if cursor is None:
            return rows


def test_anybody_reads_factors_with_their_sources_page_by_page(client):
    rows = pages(client, "factors", "factors", limit=7)

    codes = [row["code"] for row in rows]
    assert len(codes) == len(set(codes)) > 20
    assert codes == [row["code"] for row in pages(client, "factors", "factors", limit=200)]
    for row in rows:
        assert row["publisher"]
        assert row["document"]
        assert row["source_address"]
        assert row["ug_co2e_per_unit"] > 0


def test_anybody_reads_methods_each_with_what_it_rests_on(client):
    rows = pages(client, "methods", "methods", limit=40)

    names = [(row["code"], row["version"]) for row in rows]
    assert len(set(names)) == len(names)
    by_form = {row["form"]: row for row in rows}
    assert by_form["per_unit"]["factor"]["publisher"]
    assert by_form["displaced"]["actual_factor"]["publisher"]
    assert by_form["mass"]["factor"] is None
    assert all(each["factor"]["document"] for each in by_form["mass"]["materials"])
    demo = pages(client, "methods", "methods", programme="demo-2016")
    assert {row["programme"] for row in demo} == {"demo-2016"}


def test_anybody_reads_behaviours_and_tariffs(client):
    behaviours = pages(client, "behaviours", "behaviours", limit=11)
    tariffs = pages(client, "tariffs", "tariffs", limit=1)

    codes = [row["code"] for row in behaviours]
    assert "walking" in codes
    assert len(set(codes)) == len(codes) >= 30
    assert all(row["name_zh"] and row["name_en"] for row in behaviours)
    prices = {row["programme"]: row["mg_co2e_per_point"] for row in tariffs}
    assert prices["demo-2016"] == 1_000
    days = [(row["programme"], row["valid_from"]) for row in tariffs]
    assert all(one < other for one, other in pairwise(days))


def test_who_is_signed_in_reads_rules(client, bearer):
    headers = bearer("resident", uuid4())
    rows = pages(client, "rules", "rules", headers, programme="demo-2016")

    (cap,) = [row for row in rows if row["code"] == "walking.cap"]
    assert cap["parameters"] == {"kind": "daily_cap", "max": 10_000}
    assert (cap["version"], cap["behaviour"]) == (1, "walking")
    refused(client.get(f"{BASE}/rules"), 401, "invalid-token")


def test_what_did_not_change_is_not_sent_twice(client):
    first = client.get(f"{BASE}/methods")
    again = client.get(f"{BASE}/methods", headers={"If-None-Match": first.headers["ETag"]})
    other = client.get(f"{BASE}/factors", headers={"If-None-Match": first.headers["ETag"]})

    assert (again.status_code, again.data) == (304, b"")
    assert other.status_code == 200


@pytest.mark.parametrize(
    "query", ["cursor=x", "cursor=WyJ4Il0", "cursor=%00", "cursor=WyJ4IiwgMV0", "limit=0",
              "limit=201", "limit=x", "programme=%20", "cursor=%F0%9F%9A%87"]
)  # fmt: skip
def test_a_query_that_does_not_fit_is_refused(client, query):
    refused(client.get(f"{BASE}/methods?{query}"), 422, "body-does-not-fit")


def test_drafts_are_for_operators_and_auditors_and_nobody_else_sees_them(client, bearer, draft):
    for role in ("operator", "auditor"):
        drafts = client.get(f"{BASE}/drafts", headers=bearer(role, "ben")).json["drafts"]
        (told,) = [each for each in drafts if each["name"] == draft]
        assert (told["drafted_by"], told["approved_by"]) == ("anna", None)
        assert {"field": "max", "before": None, "after": "50000"} in told["differences"]
    refused(client.get(f"{BASE}/drafts", headers=bearer("resident", uuid4())), 403, "wrong-role")

    published = pages(client, "rules", "rules", bearer("resident", uuid4()), limit=200)
    assert draft not in {f"rule:{row['code']}@{row['version']}" for row in published}


def test_another_operator_approves_a_draft_and_again_is_a_retry(client, bearer, draft):
    url = f"{BASE}/drafts/{quote(draft, safe='')}/approval"
    first = client.put(url, json={}, headers=bearer("operator", "ben"))
    again = client.put(url, json={}, headers=bearer("operator", "carl"))

    assert (first.status_code, again.status_code) == (200, 200)
    assert first.json == again.json
    assert (first.json["name"], first.json["approved_by"]) == (draft, "ben")
    drafts = client.get(f"{BASE}/drafts", headers=bearer("operator", "ben")).json["drafts"]
    assert draft not in {each["name"] for each in drafts}


def test_who_drafted_does_not_approve_by_http_either(client, bearer, database, draft):
    url = f"{BASE}/drafts/{draft}/approval"
    for headers in ({}, ENGLISH):
        answer = client.put(url, json={}, headers=bearer("operator", "anna") | headers)
        told = refused(answer, 403, "draft-needs-second-person")
        assert (told["names"], told["actor"]) == ([draft], "anna")

    assert database.transact(lambda s: find(s, [draft])[0].approved_at) is None


def test_an_unknown_draft_and_a_body_are_refused(client, bearer, database, draft):
    anna = bearer("operator", "ben")
    found = refused_in_both_languages(
        database,
        lambda headers: client.put(
            f"{BASE}/drafts/rule:none@1/approval", json={}, headers=anna | headers
        ),
        404,
        "unknown-draft",
    )
    assert found["names"] == ["rule:none@1"]
    url = f"{BASE}/drafts/{draft}/approval"
    refused(client.put(url, json={"by": "ben"}, headers=anna), 422, "body-does-not-fit")
    refused(client.put(url, json={}, headers=bearer("operator", " ")), 401, "invalid-token")
