"""Budgets, liability and donation projects over HTTP."""

from uuid import uuid4

import pytest

from rewards.redeeming.redemption import redeem
from service.demo_shops import DEMO_PROGRAMME
from tests import shopping
from tests.catalogues import NOW, a_programme
from tests.makers import CODES, a_buyer, a_resident, programme_holder
from tests.service.answers import refused, refused_in_both_languages


@pytest.fixture
def operator(bearer):
    return bearer("operator", "li.na", programme=DEMO_PROGRAMME)


@pytest.fixture
def merchant(database):
    return database.transact(lambda s: shopping.a_merchant(s, programme_holder(s)))


def budget(client, headers, id_=None, **changes):
    body = {
        "programme": DEMO_PROGRAMME,
        "name": "四季度",
        "valid_from": "2026-10-01",
        "valid_to": "2027-01-01",
        "total_fen": 50_000,
    }
    return client.put(f"/v1/budgets/{id_ or uuid4()}", json=body | changes, headers=headers)


def project(client, headers, merchant, id_=None, **changes):
    body = {
        "programme": DEMO_PROGRAMME,
        "merchant_id": str(merchant),
        "name_zh": "梭梭林",
        "name_en": "Saxaul grove",
        "text_zh": "种树",
        "text_en": "Trees",
        "goal_points": 10_000,
    }
    url = f"/v1/donation-projects/{id_ or uuid4()}"
    return client.put(url, json=body | changes, headers=headers)


def test_a_budget_is_made_and_changed(client, operator):
    made = budget(client, operator)
    assert made.status_code == 200
    money = ("total_fen", "drawn_fen", "reserved_fen", "spent_fen", "left_fen")
    assert [made.json[name] for name in money] == [50_000, 0, 0, 0, 50_000]
    raised = budget(client, operator, made.json["id"], total_fen=60_000, name="加码")
    assert (raised.json["left_fen"], raised.json["name"]) == (60_000, "加码")
    listed, cursor = [], {}
    while cursor is not None:
        answer = client.get("/v1/budgets", query_string={"limit": 200} | cursor, headers=operator)
        listed += answer.json["budgets"]
        cursor = answer.json["next_cursor"] and {"cursor": answer.json["next_cursor"]}
    assert raised.json in listed


def test_a_budget_is_not_lowered_below_what_is_drawn(client, operator, database, merchant):
    def work(session):
        offer_id = shopping.an_offer(
            session, programme_holder(session), merchant, settlement_fen=500, budget_fen=90_000
        )
        buyer = a_buyer(session, a_resident(session, points=100))
        redeem(session, uuid4(), buyer=buyer, offer_id=offer_id, codes=CODES, now=NOW)
        return session.get_one(shopping.Offer, offer_id).budget_id

    id_ = database.transact(work)
    same = {"name": "2016-2039", "valid_from": "2016-01-01", "valid_to": "2040-01-01"}

    found = refused_in_both_languages(
        database,
        lambda language: budget(client, operator | language, id_, **same, total_fen=1),
        409,
        "budget-drawn",
    )

    assert found["drawn_fen"] >= 500
    kept = budget(client, operator, id_, **same, total_fen=found["drawn_fen"])
    assert (kept.json["left_fen"], kept.json["spent_fen"]) == (0, 500)


@pytest.mark.parametrize(
    ("changes", "slug"),
    [({"total_fen": -1}, "body-does-not-fit"), ({"valid_to": "2026-10-01"}, "budget-does-not-fit")],
)
def test_a_budget_that_does_not_hold_together_is_refused(client, operator, changes, slug):
    refused(budget(client, operator, **changes), 422, slug)


def test_budgets_are_for_the_programmes_operators(client, bearer, operator, database, merchant):
    other = database.transact(lambda session: a_programme(session).code)
    stranger = bearer("operator", "wang", programme=other)
    id_ = budget(client, operator).json["id"]
    refused(budget(client, stranger), 404, "unknown-programme")
    refused(budget(client, stranger, id_, programme=other), 409, "budget-id-reused")
    assert client.get("/v1/budgets", headers=stranger).json["budgets"] == []
    bound = bearer("operator", "wang", "310118", programme=DEMO_PROGRAMME)
    refused(client.get("/v1/budgets", headers=bound), 403, "out-of-reach")
    manager = bearer("merchant_manager", "ma", merchant, programme=DEMO_PROGRAMME)
    refused(budget(client, manager), 403, "wrong-role")


def test_the_liability_report_adds_up(client, bearer, database):
    def work(session):
        trial = a_programme(session)
        shop = shopping.a_merchant(session, trial.holder_id)
        shopping.an_offer(session, trial.holder_id, shop, settlement_fen=300, stock_units=4)
        return trial.code

    code = database.transact(work)
    auditor = bearer("auditor", "au", programme=code)

    found = client.get(f"/v1/programmes/{code}/rewards-liability", headers=auditor).json

    parts = ("stock_fen", "open_fen", "unsettled_fen", "unpaid_fen")
    assert [found[name] for name in parts] == [1_200, 0, 0, 0]
    assert found["total_fen"] == 1_200
    (row,) = found["offers"]
    assert (row["stock_units"], row["settlement_fen"], row["stock_points"]) == (4, 300, 400)
    url = f"/v1/programmes/{DEMO_PROGRAMME}/rewards-liability"
    refused(client.get(url, headers=auditor), 404, "unknown-programme")


def test_projects_are_told_to_anybody_with_their_progress(client, operator, merchant, database):
    made = project(client, operator, merchant)
    assert (made.status_code, made.json["given_points"]) == (200, 0)
    closed = project(client, operator, merchant, made.json["id"], closed=True)
    assert closed.json["closed_at"] is not None
    refused(project(client, operator, merchant, made.json["id"], goal_points=9), 409,
            "donation-project-id-reused")  # fmt: skip

    query = {"programme": DEMO_PROGRAMME, "limit": 200}
    answer = client.get("/v1/donation-projects", query_string=query)

    assert closed.json in answer.json["projects"]
    tag = {"If-None-Match": answer.headers["ETag"]}
    again = client.get("/v1/donation-projects", query_string=query, headers=tag)
    assert again.status_code == 304


def test_what_was_given_is_told_a_minute_later_at_most(client, bearer, database, services):
    def work(session):
        trial = a_programme(session)
        shop = shopping.a_merchant(session, trial.holder_id)
        project_id = shopping.a_project(session, trial.holder_id, shop)
        offer_id = shopping.an_offer(
            session, trial.holder_id, shop, kind="donation", project_id=project_id,
            price_points=10, expiry_returns=False,
        )  # fmt: skip
        return trial, project_id, offer_id

    trial, project_id, offer_id = database.transact(work)

    def given():
        query = {"programme": trial.code}
        (row,) = client.get("/v1/donation-projects", query_string=query).json["projects"]
        assert row["id"] == str(project_id)
        return row["given_points"]

    assert given() == 0

    def give(session):
        holder_id = a_resident(session, points=100)
        buyer = a_buyer(session, holder_id, programme_holder_id=trial.holder_id)
        redeem(session, uuid4(), buyer=buyer, offer_id=offer_id, units=3, codes=CODES, now=NOW)

    database.transact(give)
    assert given() == 0
    services.cache.forget(f"donations:{trial.holder_id}")
    assert given() == 30


@pytest.mark.parametrize(
    ("changes", "status", "slug"),
    [
        ({"goal_points": 0}, 422, "body-does-not-fit"),
        ({"merchant_id": str(uuid4())}, 404, "unknown-merchant"),
        ({"programme": "nowhere"}, 404, "unknown-programme"),
    ],
)
def test_a_project_that_is_none_is_refused(client, operator, merchant, changes, status, slug):
    refused(project(client, operator, merchant, **changes), status, slug)


def test_projects_of_no_programme_are_refused(client):
    refused(client.get("/v1/donation-projects?programme=nowhere"), 404, "unknown-programme")
    refused(client.get("/v1/donation-projects"), 422, "body-does-not-fit")
